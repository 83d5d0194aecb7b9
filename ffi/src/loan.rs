//! Loans: messages written in place.

use crate::check::{bytes, give, handle, handle_mut, invalid, out, out_or_null, take_back};
use crate::guard::{status, value};
use crate::port::mb_port;
use crate::status::mb_status;
use crate::time::wait;
use mailboat::{Error, Loan, Rejected, Result};
use std::ffi::c_void;

/// A loan: a message that is being written in place, in the port's memory, and not yet sent. For
/// large messages it saves the copy.
///
/// Who owns it: the program that asked for it, until mb_loan_commit() succeeds or
/// mb_loan_discard() is called. If the process dies first, the memory goes back to the port. It
/// may outlive the handle of its port. One thread at a time may use it. After fork() it is the
/// parent's.
pub struct mb_loan {
    /// None only while a commit is under way, and after one that ended in MB_INTERNAL.
    loan: Option<Loan>,
    data: *mut c_void,
    capacity: u64,
    interruptible: bool,
}

impl mb_loan {
    fn loan(&mut self) -> Result<&mut Loan> {
        self.loan.as_mut().ok_or_else(lost)
    }
}

fn lost() -> Error {
    invalid("loan was lost in an internal error; only mb_loan_discard() is left")
}

/// Borrows memory in a port for a message, to be written in place.
///
/// Parameters:
///   port         the port
///   size         bytes that will be needed at most, 0 to mb_port_max_message()
///   timeout_ns   how long to wait while all buffers are in use, in nanoseconds; MB_TRY, MB_FOREVER
///   loan         gets the loan: mb_loan_data(), mb_loan_capacity()
///
/// Status:    MB_OK, MB_FULL (only with MB_TRY), MB_TIMEOUT, MB_CLOSED, MB_TOO_LARGE, MB_NO_SPACE,
///            MB_LEASE_LOST, MB_CORRUPT, MB_INTERRUPTED (only if set so), MB_INVALID,
///            MB_SYSTEM, MB_INTERNAL
/// Ownership: the loan is the caller's until it is committed or discarded; on failure there is none
/// Blocking:  as timeout_ns says, while all buffers of the size are in use
/// Threads:   any, at once
/// Fork:      the child borrows as a task of its own; what the parent had borrowed stays the
///            parent's
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_loan(
    port: *const mb_port,
    size: u64,
    timeout_ns: i64,
    loan: *mut *mut mb_loan,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let port = handle(port, "port")?;
            let place = out(loan, "loan")?;
            let wait = port.wait(timeout_ns)?;
            let mut loan = port.queue().loan_wait(size, wait)?;
            place.set(give(mb_loan {
                data: loan.as_mut_ptr().cast(),
                capacity: loan.capacity(),
                interruptible: port.is_interruptible(),
                loan: Some(loan),
            }));
        }
        Ok(())
    })
}

/// Where to write a message that is on loan.
///
/// Parameters:
///   loan       the loan
///
/// Returns:   the address of mb_loan_capacity() bytes, at a border of 64 bytes; what they contain
///            is undefined. NULL if loan is NULL or misaligned (mb_last_error() says which)
/// Ownership: the memory is the loan's: it must not be touched after mb_loan_commit() succeeded,
///            or after mb_loan_discard()
/// Blocking:  never
/// Threads:   one at a time for each loan
/// Fork:      the memory is the parent's: the child must not write it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_loan_data(loan: *const mb_loan) -> *mut c_void {
    // SAFETY: the caller's promise.
    value(std::ptr::null_mut(), || Ok(unsafe { handle(loan, "loan") }?.data))
}

/// How many bytes a loan has room for.
///
/// Parameters:
///   loan       the loan
///
/// Returns:   bytes, the size that was asked for; 0 if loan is NULL or misaligned (mb_last_error()
///            says which)
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   one at a time for each loan
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_loan_capacity(loan: *const mb_loan) -> u64 {
    // SAFETY: the caller's promise.
    value(0, || Ok(unsafe { handle(loan, "loan") }?.capacity))
}

/// Copies bytes into a loan, within its bounds.
///
/// Parameters:
///   loan       the loan
///   offset     where to begin, in bytes from the beginning of the body
///   data       the bytes; may be NULL when length is 0
///   length     how many
///
/// Status:    MB_OK, MB_INVALID (also when offset and length reach beyond the loan), MB_FORKED,
///            MB_INTERNAL
/// Ownership: data and loan stay the caller's; on failure nothing was written
/// Blocking:  never
/// Threads:   one at a time for each loan
/// Fork:      the memory is the parent's: in the child MB_FORKED
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_loan_write(
    loan: *mut mb_loan,
    offset: u64,
    data: *const c_void,
    length: usize,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let loan = handle_mut(loan, "loan")?.loan()?;
            loan.write(offset, bytes(data, length, "data")?)
        }
    })
}

/// Sends a loan as a message.
///
/// Parameters:
///   loan         the loan
///   length       how many of its bytes are the body, 0 to mb_loan_capacity()
///   kind         a number of your own
///   timeout_ns   how long to wait while the port is full, in nanoseconds; MB_TRY, MB_FOREVER
///   id           gets the message's id, unique in the domain; may be NULL
///
/// Status:    MB_OK, MB_FULL (only with MB_TRY), MB_TIMEOUT, MB_CLOSED, MB_FORKED, MB_LEASE_LOST,
///            MB_CORRUPT, MB_INTERRUPTED (only if set so), MB_INVALID (also a length beyond the
///            capacity), MB_SYSTEM, MB_INTERNAL
/// Ownership: takes the loan on MB_OK only. After every other status it is still the caller's, as
///            it was: commit it again or discard it
/// Blocking:  as timeout_ns says, while the port is full
/// Threads:   one at a time for each loan
/// Fork:      MB_FORKED in the child
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_loan_commit(
    loan: *mut mb_loan,
    length: u64,
    kind: u32,
    timeout_ns: i64,
    id: *mut u64,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let held = handle_mut(loan, "loan")?;
            let id = out_or_null(id, "id")?;
            let mut wait = wait(timeout_ns)?;
            if held.interruptible {
                wait = wait.interruptible();
            }
            match held.loan.take().ok_or_else(lost)?.send_with(length, kind, wait) {
                Ok(sent) => {
                    id.set(sent);
                    drop(take_back(loan, "loan")?);
                    Ok(())
                }
                Err(Rejected { loan, error, .. }) => {
                    held.loan = Some(loan);
                    Err(error)
                }
            }
        }
    })
}

/// Gives a loan up: its memory goes back to the port, nothing is sent.
///
/// Parameters:
///   loan       the loan, which is gone afterwards
///
/// Status:    MB_OK, MB_INVALID (NULL or misaligned; nothing was done), MB_INTERNAL
/// Ownership: takes the loan
/// Blocking:  never
/// Threads:   no other thread may be using the loan
/// Fork:      in the child it frees the child's handle only; the parent's loan stays as it is
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_loan_discard(loan: *mut mb_loan) -> mb_status {
    // SAFETY: the caller's promise.
    status(|| unsafe { take_back(loan, "loan") }.map(drop))
}
