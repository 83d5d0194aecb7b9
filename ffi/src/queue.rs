//! Queues that a program places in a segment itself.

use crate::check::{handle, invalid, out};
use crate::guard::{prepare, status};
use crate::port::{mb_port, mb_port_options, queue_options};
use crate::segment::mb_segment;
use crate::status::mb_status;
use mailboat::Queue;

/// How many bytes of a segment a queue needs, from its offset on. Only a part of it needs memory at
/// first; the queue sees to that itself.
///
/// Parameters:
///   options    of the queue; NULL: the defaults
///   size       gets the bytes, a multiple of 4096
///
/// Status:    MB_OK, MB_INVALID, MB_INTERNAL
/// Ownership: the options stay the caller's
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_queue_required_size(
    options: *const mb_port_options,
    size: *mut u64,
) -> mb_status {
    prepare();
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let options = queue_options(options)?;
            let size = out(size, "size")?;
            size.set(Queue::required_size(&options)?);
        }
        Ok(())
    })
}

/// Makes a queue in a segment, and opens it. The place must be zero, as new segments are; it may
/// reach beyond the segment's size, but not beyond mb_segment_max_size(). Leave the bytes from
/// offset to offset + mb_queue_required_size() to it from then on.
///
/// All functions for messages work on the handle; mb_port_close() closes it.
///
/// Parameters:
///   segment    the segment, attached for reading and writing
///   offset     where the queue begins: a multiple of 4096
///   options    NULL: the defaults, which need a large segment (mb_queue_required_size())
///   port       gets the handle
///
/// Status:    MB_OK, MB_ALREADY_EXISTS (something is there), MB_TOO_LARGE (for the segment),
///            MB_NOT_PERMITTED (attached for reading only), MB_NO_SPACE, MB_INVALID (also offset no
///            multiple of 4096, or a figure of the options out of its range), MB_SYSTEM, MB_INTERNAL
/// Ownership: segment and options stay the caller's, and the segment may be closed before the
///            handle, which is the caller's until mb_port_close(); on failure there is none
/// Blocking:  never waits for other tasks
/// Threads:   any, at once, but only one may make a queue in one place
/// Fork:      the child may go on using the handle; it becomes a user of its own at the next use
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_queue_create(
    segment: *const mb_segment,
    offset: u64,
    options: *const mb_port_options,
    port: *mut *mut mb_port,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let segment = handle(segment, "segment")?.segment();
            let options = queue_options(options)?;
            let port = out(port, "port")?;
            port.set(mb_port::in_segment(Queue::create(segment, offset, &options)?));
        }
        Ok(())
    })
}

/// Opens a queue that is in a segment.
///
/// Parameters:
///   segment    the segment, attached for reading and writing
///   offset     where the queue begins
///   port       gets the handle
///
/// Status:    MB_OK, MB_NOT_FOUND (nothing there), MB_CORRUPT (something else is there), MB_VERSION,
///            MB_NOT_PERMITTED (attached for reading only), MB_TOO_MANY (users), MB_NO_SPACE,
///            MB_INVALID, MB_SYSTEM, MB_INTERNAL
/// Ownership: the segment stays the caller's and may be closed before the handle, which is the
///            caller's until mb_port_close(); on failure there is none
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      the child may go on using the handle; it becomes a user of its own at the next use
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_queue_open(
    segment: *const mb_segment,
    offset: u64,
    port: *mut *mut mb_port,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let segment = handle(segment, "segment")?.segment();
            let port = out(port, "port")?;
            port.set(mb_port::in_segment(Queue::open(segment, offset)?));
        }
        Ok(())
    })
}

/// Closes a queue in a segment for all its users, for ever: what mb_port_delete() is for a port.
/// They get MB_CLOSED at once, those that are waiting too; messages still queued are gone.
///
/// Parameters:
///   port       a handle from mb_queue_create() or mb_queue_open()
///
/// Status:    MB_OK, MB_INVALID (also when it is a port: use mb_port_delete()), MB_INTERNAL
/// Ownership: the handle stays the caller's, until mb_port_close()
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_queue_shut(port: *const mb_port) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise.
        let port = unsafe { handle(port, "port") }?;
        if !port.is_in_segment() {
            return Err(invalid(format!(
                "{} is not a queue in a segment; use mb_port_delete()",
                port.queue().label()
            )));
        }
        port.queue().shut()
    })
}
