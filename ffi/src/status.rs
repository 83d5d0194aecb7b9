//! Status numbers: `ErrorKind` as constants that C can see.

use crate::guard::value;
use mailboat::ErrorKind;
use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;

/// What a call reports: MB_OK, or the reason why it did nothing. The numbers never change their
/// meaning; later versions may add some, so treat an unknown one as a failure.
pub type mb_status = i32;

/// Done.
pub const MB_OK: i32 = 0;
/// The port can take no more just now; receivers must make room.
pub const MB_FULL: i32 = 1;
/// There is no message just now.
pub const MB_EMPTY: i32 = 2;
/// The time given ran out before the operation could be done. Nothing was changed.
pub const MB_TIMEOUT: i32 = 3;
/// The port was deleted, or its owner has gone.
pub const MB_CLOSED: i32 = 4;
/// The process on the other side died.
pub const MB_PEER_DIED: i32 = 5;
/// The permissions, the owner or the way the object was opened do not allow this.
pub const MB_NOT_PERMITTED: i32 = 6;
/// The message, or the buffer asked for, is larger than a limit allows.
pub const MB_TOO_LARGE: i32 = 7;
/// The tmpfs behind the domain has not enough free memory.
pub const MB_NO_SPACE: i32 = 8;
/// The shared memory contains what no well-behaved process would have written.
pub const MB_CORRUPT: i32 = 9;
/// The object was made by another version of the shared-memory layout.
pub const MB_VERSION: i32 = 10;
/// There is no object of this name.
pub const MB_NOT_FOUND: i32 = 11;
/// There is an object of this name already.
pub const MB_ALREADY_EXISTS: i32 = 12;
/// The name breaks the rules for names.
pub const MB_BAD_NAME: i32 = 13;
/// An argument is out of its range, NULL where it must not be, or misaligned.
pub const MB_INVALID: i32 = 14;
/// Something else stands where the object should be: a symlink, a directory, another kind.
pub const MB_WRONG_TYPE: i32 = 15;
/// The domain's place cannot hold a domain: not tmpfs, not writable, not a directory.
pub const MB_BAD_DOMAIN: i32 = 16;
/// A table of limited size has no free place: tasks of a domain, users of a port.
pub const MB_TOO_MANY: i32 = 17;
/// This task was declared dead while it was alive, because the descriptor that holds its lease was
/// closed behind the library's back. What it had in hand was given back.
pub const MB_LEASE_LOST: i32 = 18;
/// The loan or receipt belongs to the parent of this forked process.
pub const MB_FORKED: i32 = 19;
/// A signal arrived while an interruptible call was waiting. Nothing was changed.
pub const MB_INTERRUPTED: i32 = 20;
/// The operating system refused; mb_last_error() says what, mb_last_error_errno() its number.
pub const MB_SYSTEM: i32 = 21;
/// A defect in Mailboat itself, caught at the border of the library.
pub const MB_INTERNAL: i32 = 22;

/// What each constant stands for; a test holds the numbers together.
const CONSTANTS: &[(mb_status, ErrorKind)] = &[
    (MB_FULL, ErrorKind::Full),
    (MB_EMPTY, ErrorKind::Empty),
    (MB_TIMEOUT, ErrorKind::Timeout),
    (MB_CLOSED, ErrorKind::Closed),
    (MB_PEER_DIED, ErrorKind::PeerDied),
    (MB_NOT_PERMITTED, ErrorKind::NotPermitted),
    (MB_TOO_LARGE, ErrorKind::TooLarge),
    (MB_NO_SPACE, ErrorKind::NoSpace),
    (MB_CORRUPT, ErrorKind::Corrupt),
    (MB_VERSION, ErrorKind::Version),
    (MB_NOT_FOUND, ErrorKind::NotFound),
    (MB_ALREADY_EXISTS, ErrorKind::AlreadyExists),
    (MB_BAD_NAME, ErrorKind::BadName),
    (MB_INVALID, ErrorKind::Invalid),
    (MB_WRONG_TYPE, ErrorKind::WrongType),
    (MB_BAD_DOMAIN, ErrorKind::BadDomain),
    (MB_TOO_MANY, ErrorKind::TooMany),
    (MB_LEASE_LOST, ErrorKind::LeaseLost),
    (MB_FORKED, ErrorKind::Forked),
    (MB_INTERRUPTED, ErrorKind::Interrupted),
    (MB_SYSTEM, ErrorKind::System),
    (MB_INTERNAL, ErrorKind::Internal),
];

/// A status number in a few words, whatever the call was. mb_last_error() says more.
///
/// Parameters:
///   status   any number
///
/// Returns:   the words, never NULL; "unknown status" for a number that this library does not know
/// Ownership: the text is the library's and stays valid for ever
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub extern "C" fn mb_status_text(status: mb_status) -> *const c_char {
    // Made once from the core's words, which have no NUL at their end.
    static TEXTS: OnceLock<Vec<(mb_status, CString)>> = OnceLock::new();
    value(c"".as_ptr(), || {
        let known = TEXTS.get_or_init(|| {
            let text = |kind: &ErrorKind| CString::new(kind.text()).unwrap_or_default();
            CONSTANTS.iter().map(|(number, kind)| (*number, text(kind))).collect()
        });
        let text: &'static CStr = match status {
            MB_OK => c"ok",
            _ => known
                .iter()
                .find(|(number, _)| *number == status)
                .map_or(c"unknown status", |(_, text)| text.as_c_str()),
        };
        Ok(text.as_ptr())
    })
}

/// The version of the library that is running, as "major.minor.patch". The header's own is in
/// MB_HEADER_VERSION.
///
/// Returns:   the text, never NULL
/// Ownership: the text is the library's and stays valid for ever
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub extern "C" fn mb_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_constant() {
        assert_eq!(CONSTANTS.len(), ErrorKind::ALL.len());
    }

    #[test]
    fn constants_are_the_numbers_of_the_core() {
        for (constant, kind) in CONSTANTS {
            assert_eq!(*constant, kind.code(), "{kind:?}");
        }
    }

    #[test]
    fn texts_are_those_of_the_core() {
        let text = |status| {
            // SAFETY: the function returns a text of the library that ends in NUL.
            unsafe { CStr::from_ptr(mb_status_text(status)) }.to_str().unwrap().to_owned()
        };
        assert_eq!(text(MB_OK), "ok");
        for kind in ErrorKind::ALL {
            assert_eq!(text(kind.code()), kind.text());
        }
        for unknown in [-1, i32::MIN, i32::MAX, ErrorKind::ALL.len() as i32 + 1] {
            assert_eq!(text(unknown), "unknown status");
        }
    }
}
