//! Receipts: messages in hand.

use crate::check::{bytes_mut, give, handle, items_mut, out, take_back};
use crate::guard::{status, value};
use crate::message::{at_least_one, mb_header};
use crate::port::mb_port;
use crate::status::mb_status;
use mailboat::Receipt;
use std::ffi::c_void;

/// A receipt: a message in this process's hands, read in place. It belongs to the process for good
/// only once acknowledged; if the process dies first, another receiver gets the message, flagged
/// MB_MESSAGE_REDELIVERED.
///
/// Who owns it: the program that took it, until mb_receipt_ack() or mb_receipt_nack(). It may
/// outlive the handle of its port. Any number of threads may read it at once. After fork() it is
/// the parent's.
pub struct mb_receipt {
    receipt: Receipt,
}

/// Takes a message from a port, to be read in place and acknowledged afterwards.
///
/// Parameters:
///   port         the port
///   timeout_ns   how long to wait while the port is empty, in nanoseconds; MB_TRY, MB_FOREVER
///   receipt      gets the message: mb_receipt_data(), mb_receipt_length()
///
/// Status:    MB_OK, MB_EMPTY (only with MB_TRY), MB_TIMEOUT, MB_CLOSED, MB_LEASE_LOST, MB_CORRUPT, MB_INTERRUPTED (only if set so), MB_INVALID, MB_SYSTEM,
///            MB_INTERNAL
/// Ownership: the receipt is the caller's until mb_receipt_ack() or mb_receipt_nack(); on failure
///            there is none, and no message was taken
/// Blocking:  as timeout_ns says, while the port is empty
/// Threads:   any, at once; each message goes to one of them
/// Fork:      the child takes as a task of its own; what the parent had taken stays the parent's
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_take(
    port: *const mb_port,
    timeout_ns: i64,
    receipt: *mut *mut mb_receipt,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let port = handle(port, "port")?;
            let place = out(receipt, "receipt")?;
            let receipt = port.queue().take_wait(port.wait(timeout_ns)?)?;
            place.set(give(mb_receipt { receipt }));
        }
        Ok(())
    })
}

/// Takes several messages in one call: waits for the first, then takes what more is there.
///
/// Parameters:
///   port         the port
///   timeout_ns   how long to wait for the first, in nanoseconds; MB_TRY, MB_FOREVER
///   receipts     gets the messages
///   max          how many fit, at least 1
///   taken        gets how many were taken, at least 1
///
/// Status:    those of mb_port_take()
/// Ownership: each receipt is the caller's until mb_receipt_ack() or mb_receipt_nack(); on failure
///            there are none, and receipts is as it was
/// Blocking:  as timeout_ns says, while the port is empty
/// Threads:   any, at once; each message goes to one of them
/// Fork:      as mb_port_take()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_take_many(
    port: *const mb_port,
    timeout_ns: i64,
    receipts: *mut *mut mb_receipt,
    max: usize,
    taken: *mut usize,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let port = handle(port, "port")?;
            let places = items_mut(receipts, at_least_one(max)?, "receipts")?;
            let taken = out(taken, "taken")?;
            let found = port.queue().take_many(max, port.wait(timeout_ns)?)?;
            taken.set(found.len());
            for (place, receipt) in places.iter_mut().zip(found) {
                *place = give(mb_receipt { receipt });
            }
        }
        Ok(())
    })
}

/// The body of a message in hand, in the port's memory.
///
/// A sender that misbehaves could still write there. If you do not trust the senders, copy the
/// body out first (mb_receipt_copy()), then check it.
///
/// Parameters:
///   receipt    the message
///
/// Returns:   the address of mb_receipt_length() bytes, at a border of 64 bytes; never NULL for a
///            good receipt. NULL if receipt is NULL or misaligned (mb_last_error() says which)
/// Ownership: the memory is the receipt's, to be read only, and valid until mb_receipt_ack() or
///            mb_receipt_nack()
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      the memory is the parent's: it may be used again as soon as the parent acknowledges
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_receipt_data(receipt: *const mb_receipt) -> *const c_void {
    value(std::ptr::null(), || {
        // SAFETY: the caller's promise.
        Ok(unsafe { handle(receipt, "receipt") }?.receipt.as_ptr().cast())
    })
}

/// The length of a message in hand.
///
/// Parameters:
///   receipt    the message
///
/// Returns:   bytes; 0 if receipt is NULL or misaligned (mb_last_error() says which)
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_receipt_length(receipt: *const mb_receipt) -> usize {
    // SAFETY: the caller's promise.
    value(0, || Ok(unsafe { handle(receipt, "receipt") }?.receipt.len()))
}

/// What a message in hand says about itself.
///
/// Parameters:
///   receipt    the message
///   header     gets length, kind, id, sender and the rest
///
/// Status:    MB_OK, MB_INVALID, MB_INTERNAL
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_receipt_header(
    receipt: *const mb_receipt,
    header: *mut mb_header,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let receipt = &handle(receipt, "receipt")?.receipt;
            out(header, "header")?.set(mb_header::new(receipt.header(), 0));
        }
        Ok(())
    })
}

/// Copies bytes of a message in hand, within its bounds.
///
/// Parameters:
///   receipt    the message
///   offset     where to begin, in bytes from the beginning of the body
///   buffer     gets the bytes; may be NULL when length is 0
///   length     how many
///
/// Status:    MB_OK, MB_INVALID (also when offset and length reach beyond the body), MB_INTERNAL
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      as mb_receipt_data()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_receipt_copy(
    receipt: *const mb_receipt,
    offset: u64,
    buffer: *mut c_void,
    length: usize,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let receipt = &handle(receipt, "receipt")?.receipt;
            receipt.copy_to(offset, bytes_mut(buffer, length, "buffer")?)
        }
    })
}

/// Acknowledges a message: it was dealt with, and its memory goes back to the port.
///
/// Parameters:
///   receipt    the message, whose handle is gone afterwards
///
/// Status:    MB_OK, MB_LEASE_LOST (it was given to another receiver meanwhile), MB_FORKED,
///            MB_CORRUPT, MB_INVALID (NULL or misaligned; nothing was done), MB_SYSTEM, MB_INTERNAL
/// Ownership: takes the receipt, also when it fails, except with MB_INVALID
/// Blocking:  never
/// Threads:   no other thread may be using the receipt or its memory
/// Fork:      MB_FORKED in the child, which frees the child's handle; the parent's message stays in
///            the parent's hands
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_receipt_ack(receipt: *mut mb_receipt) -> mb_status {
    // SAFETY: the caller's promise.
    status(|| unsafe { take_back(receipt, "receipt") }?.receipt.ack())
}

/// Gives a message back: the next receiver gets it, flagged MB_MESSAGE_REDELIVERED. It comes before
/// the messages that are queued.
///
/// Parameters:
///   receipt    the message, whose handle is gone afterwards
///
/// Status:    MB_OK, MB_LEASE_LOST (it was given to another receiver already), MB_FORKED,
///            MB_CORRUPT, MB_INVALID (NULL or misaligned; nothing was done), MB_SYSTEM, MB_INTERNAL
/// Ownership: takes the receipt, also when it fails, except with MB_INVALID
/// Blocking:  never
/// Threads:   no other thread may be using the receipt or its memory
/// Fork:      MB_FORKED in the child, which frees the child's handle; the parent's message stays in
///            the parent's hands
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_receipt_nack(receipt: *mut mb_receipt) -> mb_status {
    // SAFETY: the caller's promise.
    status(|| unsafe { take_back(receipt, "receipt") }?.receipt.nack())
}
