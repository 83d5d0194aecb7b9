//! The last error of each thread. It is kept as it came and put into words only when asked for:
//! a program that polls an empty port must not pay for a sentence each time.

use crate::guard::value;
use crate::status::mb_status;
use mailboat::Error;
use std::cell::RefCell;
use std::ffi::{CString, c_char};

struct Last {
    error: Option<Error>,
    /// The words for `error`, once asked for.
    words: Option<CString>,
}

thread_local! {
    static LAST: RefCell<Last> = const { RefCell::new(Last { error: None, words: None }) };
}

/// Keeps `error` for this thread and returns its number.
#[cold]
#[inline(never)]
pub(crate) fn record(error: Error) -> mb_status {
    let status = error.kind().code();
    // Nothing is kept in a thread whose thread-local storage is already gone.
    let _ = LAST.try_with(|last| {
        *last.borrow_mut() = Last { error: Some(error), words: None };
    });
    status
}

fn look<T>(otherwise: T, f: impl FnOnce(&mut Last) -> Option<T>) -> T {
    LAST.try_with(|last| f(&mut last.borrow_mut())).ok().flatten().unwrap_or(otherwise)
}

/// The sentence for the last failure in this thread, with the names and figures: which limit,
/// whose, how full, what to do.
///
/// A call that succeeds leaves it as it is, so look at it only after a failure.
///
/// Returns:   the sentence in UTF-8; "" when no call has failed in this thread; never NULL
/// Ownership: the text is the library's; it is valid until the next call that fails in this
///            thread, or the end of the thread
/// Blocking:  never
/// Threads:   each thread has its own
/// Fork:      the child keeps what the forking thread had
#[unsafe(no_mangle)]
pub extern "C" fn mb_last_error() -> *const c_char {
    value(c"".as_ptr(), || {
        Ok(look(c"".as_ptr(), |last| {
            let error = last.error.as_ref()?;
            let words = last.words.get_or_insert_with(|| {
                let text = error.to_string().replace('\0', "\u{fffd}");
                CString::new(text).unwrap_or_default()
            });
            Some(words.as_ptr())
        }))
    })
}

/// How many bytes the last failed call in this thread would have needed.
///
/// After MB_TOO_LARGE from a receive it is the size of the message that did not fit, so that you
/// can make room for it and ask again; from a send or a loan it is the size that was asked for.
/// After MB_NO_SPACE it is the memory that was missing.
///
/// Returns:   bytes; 0 when the last failure was of another kind
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   each thread has its own
/// Fork:      the child keeps what the forking thread had
#[unsafe(no_mangle)]
pub extern "C" fn mb_last_error_bytes() -> u64 {
    value(0, || {
        Ok(look(0, |last| match last.error.as_ref()? {
            Error::TooLarge { size, .. } => Some(*size),
            Error::NoSpace { needed, .. } => Some(*needed),
            _ => None,
        }))
    })
}

/// The number that the operating system gave with the last failure in this thread, as in errno.h.
///
/// Returns:   the number; 0 when the operating system had no part in it
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   each thread has its own
/// Fork:      the child keeps what the forking thread had
#[unsafe(no_mangle)]
pub extern "C" fn mb_last_error_errno() -> i32 {
    value(0, || Ok(look(0, |last| last.error.as_ref()?.errno())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailboat::ErrorKind;
    use std::ffi::CStr;

    fn sentence() -> String {
        // SAFETY: the function returns a text of the library that ends in NUL.
        unsafe { CStr::from_ptr(mb_last_error()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_new_thread_has_none_and_each_has_its_own() {
        std::thread::spawn(|| {
            assert_eq!(sentence(), "");
            assert_eq!(mb_last_error_bytes(), 0);
            assert_eq!(mb_last_error_errno(), 0);
            record(Error::new(ErrorKind::Invalid, "mine"));
            assert_eq!(std::thread::spawn(sentence).join().unwrap(), "");
            assert_eq!(sentence(), "mine");
        })
        .join()
        .unwrap();
    }

    #[test]
    fn figures_come_with_the_kinds_that_have_them() {
        let size =
            record(Error::TooLarge { what: "message", size: 70, max: 64, whose: "x".into() });
        assert_eq!((size, mb_last_error_bytes(), mb_last_error_errno()), (7, 70, 0));
        assert!(sentence().contains("70") && sentence().contains("64"));
        record(Error::NoSpace { what: "x".into(), needed: 9, available: 8, place: "/y".into() });
        assert_eq!(mb_last_error_bytes(), 9);
        record(Error::System { action: "a".into(), source: std::io::Error::from_raw_os_error(13) });
        assert_eq!((mb_last_error_bytes(), mb_last_error_errno()), (0, 13));
    }

    #[test]
    fn a_nul_byte_does_not_cut_the_sentence() {
        record(Error::new(ErrorKind::Invalid, "a\0b"));
        assert_eq!(sentence(), "a\u{fffd}b");
    }
}
