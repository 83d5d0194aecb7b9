//! Segments: named shared memory.

use crate::check::{bytes, bytes_mut, flags, give, handle, invalid, name, out, take_back};
use crate::domain::mb_domain;
use crate::guard::{prepare, status, value};
use crate::options::{self, Sized_};
use crate::status::mb_status;
use mailboat::{Access, Result, Segment, SegmentOptions};
use std::ffi::{CString, c_char, c_void};

/// A segment: named shared memory, attached to this process at an address that does not change
/// while it is attached.
///
/// Who owns it: the program that created or opened it, until mb_segment_close(). The memory stays
/// attached as long as a queue in it is open through mb_queue_create() or mb_queue_open(). Any
/// number of threads may use the handle at once; what they do with the memory is theirs to order.
pub struct mb_segment {
    segment: Segment,
    name: CString,
}

impl mb_segment {
    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }
}

/// Attach a segment for reading only; writing to its memory is then an error of the program, which
/// the processor catches (SIGSEGV).
pub const MB_READ_ONLY: u32 = 1;
/// Attach a segment for reading and writing.
pub const MB_READ_WRITE: u32 = 2;

/// How to make a segment. Begin with MB_SEGMENT_OPTIONS_INIT; a field that is 0 means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mb_segment_options {
    /// sizeof(mb_segment_options).
    pub size: usize,
    /// How far the segment may grow, in bytes, up to 16 TiB. Default: 1 GiB, or the size if that is
    /// more. Only addresses are set aside, no memory.
    pub max_size: u64,
    /// Permission bits of the segment, such as 0640; its user must be able to read and write.
    /// Default: 0600, or in a shared domain the domain's.
    pub mode: u32,
    /// 0: none are defined yet.
    pub flags: u32,
}

// SAFETY: `repr(C)`, a `usize` first, plain numbers.
unsafe impl Sized_ for mb_segment_options {
    const FIRST: usize = 24;
    const NAME: &'static str = "mb_segment_options";
}

/// # Safety
/// As for [`options::read`].
unsafe fn to_core(pointer: *const mb_segment_options) -> Result<SegmentOptions> {
    let mut options = SegmentOptions::new();
    // SAFETY: the caller's promise.
    if let Some(given) = unsafe { options::read(pointer) }? {
        flags(given.flags, 0, "mb_segment_options.flags")?;
        if given.max_size != 0 {
            options = options.max_size(given.max_size);
        }
        if given.mode != 0 {
            options = options.mode(given.mode);
        }
    }
    Ok(options)
}

fn access(number: u32) -> Result<Access> {
    match number {
        MB_READ_ONLY => Ok(Access::ReadOnly),
        MB_READ_WRITE => Ok(Access::ReadWrite),
        _ => Err(invalid(format!(
            "access is {number}; it must be MB_READ_ONLY (1) or MB_READ_WRITE (2)"
        ))),
    }
}

fn new(segment: Segment) -> *mut mb_segment {
    let name = CString::new(segment.name()).unwrap_or_default();
    give(mb_segment { segment, name })
}

/// Makes a segment in the default domain and attaches it for reading and writing. Its memory is
/// zero, and set aside before the call returns: using it never fails for lack of memory.
///
/// Parameters:
///   name       1 to 200 bytes of [A-Za-z0-9._-], the first one a letter or digit
///   size       bytes, at least 1
///   options    NULL: the defaults
///   segment    gets the handle
///
/// Status:    MB_OK, MB_BAD_NAME, MB_ALREADY_EXISTS, MB_NO_SPACE, MB_INVALID (also a size of 0 or
///            beyond max_size, a max_size beyond 16 TiB), MB_TIMEOUT (as mb_segment_delete()),
///            MB_SYSTEM, MB_INTERNAL; those of mb_domain_open()
/// Ownership: name and options stay the caller's; the handle is the caller's until
///            mb_segment_close(); on failure there is none, and no segment was made
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      the child has the memory attached at the same address and may use the handle
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_create(
    name: *const c_char,
    size: u64,
    options: *const mb_segment_options,
    segment: *mut *mut mb_segment,
) -> mb_status {
    prepare();
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let name = crate::check::name(name, "name")?;
            let options = to_core(options)?;
            let segment = out(segment, "segment")?;
            segment.set(new(Segment::create(&name, size, &options)?));
        }
        Ok(())
    })
}

/// mb_segment_create() in a domain of your choice.
///
/// Parameters:
///   domain     the domain
///   name, size, options, segment   as mb_segment_create()
///
/// Status:    those of mb_segment_create()
/// Ownership: as mb_segment_create(); the domain stays the caller's
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      as mb_segment_create()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_create_in(
    domain: *const mb_domain,
    name: *const c_char,
    size: u64,
    options: *const mb_segment_options,
    segment: *mut *mut mb_segment,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let domain = handle(domain, "domain")?.domain();
            let name = crate::check::name(name, "name")?;
            let options = to_core(options)?;
            let segment = out(segment, "segment")?;
            segment.set(new(Segment::create_in(domain, &name, size, &options)?));
        }
        Ok(())
    })
}

/// Attaches a segment of the default domain.
///
/// Parameters:
///   name       its name
///   access     MB_READ_ONLY or MB_READ_WRITE
///   segment    gets the handle
///
/// Status:    MB_OK, MB_NOT_FOUND, MB_BAD_NAME, MB_NOT_PERMITTED, MB_WRONG_TYPE, MB_CORRUPT,
///            MB_VERSION, MB_TIMEOUT (as mb_segment_delete()), MB_INVALID, MB_SYSTEM, MB_INTERNAL;
///            those of mb_domain_open()
/// Ownership: name stays the caller's; the handle is the caller's until mb_segment_close(); on
///            failure there is none
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      the child has the memory attached at the same address and may use the handle
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_open(
    name: *const c_char,
    access: u32,
    segment: *mut *mut mb_segment,
) -> mb_status {
    prepare();
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let name = crate::check::name(name, "name")?;
            let access = self::access(access)?;
            let segment = out(segment, "segment")?;
            segment.set(new(Segment::open(&name, access)?));
        }
        Ok(())
    })
}

/// mb_segment_open() in a domain of your choice.
///
/// Parameters:
///   domain     the domain
///   name, access, segment   as mb_segment_open()
///
/// Status:    those of mb_segment_open()
/// Ownership: as mb_segment_open(); the domain stays the caller's
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      as mb_segment_open()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_open_in(
    domain: *const mb_domain,
    name: *const c_char,
    access: u32,
    segment: *mut *mut mb_segment,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let domain = handle(domain, "domain")?.domain();
            let name = crate::check::name(name, "name")?;
            let access = self::access(access)?;
            let segment = out(segment, "segment")?;
            segment.set(new(Segment::open_in(domain, &name, access)?));
        }
        Ok(())
    })
}

/// Attaches a segment of the default domain for reading and writing, and makes it if there is none
/// of this name. One that is there is taken as it is: size and options count only for a new one.
///
/// Parameters:
///   name       its name
///   size       bytes, at least 1, for a new one
///   options    for a new one; NULL: the defaults
///   segment    gets the handle
///
/// Status:    those of mb_segment_open() and mb_segment_create(), but MB_NOT_FOUND and
///            MB_ALREADY_EXISTS only when others make and delete it all the time
/// Ownership: as mb_segment_create()
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      as mb_segment_create()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_open_or_create(
    name: *const c_char,
    size: u64,
    options: *const mb_segment_options,
    segment: *mut *mut mb_segment,
) -> mb_status {
    prepare();
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let name = crate::check::name(name, "name")?;
            let options = to_core(options)?;
            let segment = out(segment, "segment")?;
            segment.set(new(Segment::open_or_create(&name, size, &options)?));
        }
        Ok(())
    })
}

/// mb_segment_open_or_create() in a domain of your choice.
///
/// Parameters:
///   domain     the domain
///   name, size, options, segment   as mb_segment_open_or_create()
///
/// Status:    those of mb_segment_open_or_create()
/// Ownership: as mb_segment_create(); the domain stays the caller's
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      as mb_segment_create()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_open_or_create_in(
    domain: *const mb_domain,
    name: *const c_char,
    size: u64,
    options: *const mb_segment_options,
    segment: *mut *mut mb_segment,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let domain = handle(domain, "domain")?.domain();
            let name = crate::check::name(name, "name")?;
            let options = to_core(options)?;
            let segment = out(segment, "segment")?;
            segment.set(new(Segment::open_or_create_in(domain, &name, size, &options)?));
        }
        Ok(())
    })
}

/// Deletes a segment of the default domain. The name is free at once; the memory lives until the
/// last user has closed it.
///
/// Parameters:
///   name       its name
///
/// Status:    MB_OK, MB_NOT_FOUND, MB_BAD_NAME, MB_NOT_PERMITTED, MB_WRONG_TYPE, MB_TIMEOUT (another
///            process was stopped while it removed this name; the segment is deleted all the
///            same), MB_INVALID, MB_SYSTEM, MB_INTERNAL; those of mb_domain_open()
/// Ownership: handles stay their owners' and usable, queues in the segment too
/// Blocking:  at most a second, while another process removes the same name
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_delete(name: *const c_char) -> mb_status {
    prepare();
    // SAFETY: the caller's promise.
    status(|| Segment::delete(&unsafe { self::name(name, "name") }?))
}

/// mb_segment_delete() in a domain of your choice.
///
/// Parameters:
///   domain     the domain
///   name       the segment's name
///
/// Status:    those of mb_segment_delete()
/// Ownership: as mb_segment_delete(); the domain stays the caller's
/// Blocking:  as mb_segment_delete()
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_delete_in(
    domain: *const mb_domain,
    name: *const c_char,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let domain = handle(domain, "domain")?.domain();
            Segment::delete_in(domain, &crate::check::name(name, "name")?)
        }
    })
}

/// Detaches a segment: its address is no longer valid, unless a queue in it is still open.
///
/// Parameters:
///   segment    the handle, which is gone afterwards
///
/// Status:    MB_OK, MB_INVALID (NULL or misaligned; nothing was done), MB_INTERNAL
/// Ownership: takes the handle
/// Blocking:  never
/// Threads:   no other thread may be using the handle, or the memory through its address
/// Fork:      the child detaches its own copy only
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_close(segment: *mut mb_segment) -> mb_status {
    // SAFETY: the caller's promise.
    status(|| unsafe { take_back(segment, "segment") }.map(drop))
}

/// The name of a segment.
///
/// Parameters:
///   segment    the segment
///
/// Returns:   its name; NULL if segment is NULL or misaligned (mb_last_error() says which)
/// Ownership: the text is the handle's and valid until mb_segment_close()
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_name(segment: *const mb_segment) -> *const c_char {
    // SAFETY: the caller's promise.
    value(std::ptr::null(), || Ok(unsafe { handle(segment, "segment") }?.name.as_ptr()))
}

/// The address of a segment's memory in this process. It stays the same while the segment is
/// attached, also when the segment grows; in another process it may be another. Store offsets in
/// shared memory, not pointers.
///
/// Other processes may change the memory at any moment: read a word once, then check it, then use
/// it. mb_segment_read() and mb_segment_write() check the bounds for you.
///
/// Parameters:
///   segment    the segment
///
/// Returns:   the address, at a page's border; NULL if segment is NULL or misaligned
///            (mb_last_error() says which)
/// Ownership: the memory is shared by its users; the address is valid until mb_segment_close()
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      valid in the child too
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_address(segment: *const mb_segment) -> *mut c_void {
    value(std::ptr::null_mut(), || {
        // SAFETY: the caller's promise.
        Ok(unsafe { handle(segment, "segment") }?.segment.as_ptr().cast())
    })
}

/// How many bytes of a segment can be used now. Any user may make it grow meanwhile.
///
/// Parameters:
///   segment    the segment
///
/// Returns:   bytes; 0 if segment is NULL or misaligned (mb_last_error() says which)
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_size(segment: *const mb_segment) -> u64 {
    // SAFETY: the caller's promise.
    value(0, || Ok(unsafe { handle(segment, "segment") }?.segment.size()))
}

/// How far a segment may grow.
///
/// Parameters:
///   segment    the segment
///
/// Returns:   bytes; 0 if segment is NULL or misaligned (mb_last_error() says which)
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_max_size(segment: *const mb_segment) -> u64 {
    // SAFETY: the caller's promise.
    value(0, || Ok(unsafe { handle(segment, "segment") }?.segment.max_size()))
}

/// How a segment is attached.
///
/// Parameters:
///   segment    the segment
///
/// Returns:   MB_READ_ONLY or MB_READ_WRITE; 0 if segment is NULL or misaligned (mb_last_error()
///            says which)
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_access(segment: *const mb_segment) -> u32 {
    value(0, || {
        // SAFETY: the caller's promise.
        Ok(match unsafe { handle(segment, "segment") }?.segment.access() {
            Access::ReadOnly => MB_READ_ONLY,
            Access::ReadWrite => MB_READ_WRITE,
        })
    })
}

/// Whether a segment was deleted. It stays usable by those who have it attached.
///
/// Parameters:
///   segment    the segment
///
/// Returns:   true if it was; false if not, or if segment is NULL or misaligned (mb_last_error()
///            says which)
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_is_deleted(segment: *const mb_segment) -> bool {
    // SAFETY: the caller's promise.
    value(false, || Ok(unsafe { handle(segment, "segment") }?.segment.is_deleted()))
}

/// Makes a segment larger, for all its users. The new memory is zero, and set aside before the
/// call returns. Asking for no more than there is does nothing.
///
/// Parameters:
///   segment    the segment
///   size       its new size in bytes, at most mb_segment_max_size()
///
/// Status:    MB_OK, MB_TOO_LARGE, MB_NO_SPACE, MB_NOT_PERMITTED (attached for reading only),
///            MB_CORRUPT, MB_INVALID, MB_SYSTEM, MB_INTERNAL
/// Ownership: nothing changes hands; on failure the size is as before
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_grow(segment: *const mb_segment, size: u64) -> mb_status {
    // SAFETY: the caller's promise.
    status(|| unsafe { handle(segment, "segment") }?.segment.grow(size))
}

/// Copies bytes out of a segment, within its bounds.
///
/// Parameters:
///   segment    the segment
///   offset     where to begin, in bytes from the segment's beginning
///   buffer     gets the bytes; may be NULL when length is 0
///   length     how many
///
/// Status:    MB_OK, MB_INVALID (also when offset and length reach beyond the segment),
///            MB_INTERNAL
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   any, at once; what another thread or process writes meanwhile is seen in part
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_read(
    segment: *const mb_segment,
    offset: u64,
    buffer: *mut c_void,
    length: usize,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let segment = &handle(segment, "segment")?.segment;
            segment.read(offset, bytes_mut(buffer, length, "buffer")?)
        }
    })
}

/// Copies bytes into a segment, within its bounds.
///
/// Parameters:
///   segment    the segment
///   offset     where to begin, in bytes from the segment's beginning
///   data       the bytes; may be NULL when length is 0
///   length     how many
///
/// Status:    MB_OK, MB_NOT_PERMITTED (attached for reading only), MB_INVALID (also when offset
///            and length reach beyond the segment), MB_INTERNAL
/// Ownership: nothing changes hands; on failure nothing was written
/// Blocking:  never
/// Threads:   any, at once; others see the bytes arrive in any order
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_segment_write(
    segment: *const mb_segment,
    offset: u64,
    data: *const c_void,
    length: usize,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let segment = &handle(segment, "segment")?.segment;
            segment.write(offset, bytes(data, length, "data")?)
        }
    })
}
