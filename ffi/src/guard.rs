//! The border: every exported function does its work in here. Errors become status numbers, and a
//! panic, which would be a defect of Mailboat, becomes MB_INTERNAL instead of unwinding into C.

use crate::error::record;
use crate::status::{MB_OK, mb_status};
use mailboat::{Error, ErrorKind, Result};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// Whether this thread is inside a call of the C interface. Without a destructor, so that it
    /// works in threads that are ending, and costs no more than an address.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// Where the panic that is under way happened.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `f`, or returns what `otherwise` makes of a panic.
#[inline]
fn protected<T>(f: impl FnOnce() -> T, otherwise: impl FnOnce(mb_status) -> T) -> T {
    INSIDE.with(|inside| {
        inside.set(true);
        // Unwind safety: what `f` can leave half-done is a handle whose part was moved out (it
        // then says so) or the core's own state, which survives a death at any instruction.
        let result = catch_unwind(AssertUnwindSafe(f));
        inside.set(false);
        result.unwrap_or_else(|payload| otherwise(record(defect(payload))))
    })
}

/// Runs `f` for a function that returns a status.
// Errors are recorded inside, so that no more than a number passes the border on the way out.
#[inline]
pub(crate) fn status(f: impl FnOnce() -> Result<()>) -> mb_status {
    protected(
        || match f() {
            Ok(()) => MB_OK,
            Err(error) => record(error),
        },
        |internal| internal,
    )
}

/// Runs `f` for a function that returns a value; `otherwise` is returned when it fails.
#[inline]
pub(crate) fn value<T: Copy>(otherwise: T, f: impl FnOnce() -> Result<T>) -> T {
    protected(
        || match f() {
            Ok(value) => value,
            Err(error) => {
                record(error);
                otherwise
            }
        },
        |_| otherwise,
    )
}

#[cold]
fn defect(payload: Box<dyn Any + Send>) -> Error {
    let what = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic");
    let place =
        PLACE.try_with(|place| std::mem::take(&mut *place.borrow_mut())).unwrap_or_default();
    Error::new(
        ErrorKind::Internal,
        format!("a defect in mailboat {}: {what} {place}", env!("CARGO_PKG_VERSION")).trim_end(),
    )
}

/// Keeps the runtime from printing about a panic that [`protected`] catches: a library does not
/// write to its program's stderr. Panics elsewhere (a Rust program that links the static library)
/// are reported as before. Called by everything that makes a first handle.
pub(crate) fn prepare() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // The hook cannot be set by a thread that is unwinding.
    if std::thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if INSIDE.with(Cell::get) {
                let _ = PLACE.try_with(|place| {
                    *place.borrow_mut() =
                        info.location().map_or(String::new(), |l| format!("(at {l})"));
                });
            } else {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::mb_last_error;
    use std::ffi::CStr;

    fn sentence() -> String {
        // SAFETY: the function returns a text of the library that ends in NUL.
        unsafe { CStr::from_ptr(mb_last_error()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_panic_becomes_a_status_that_says_where() {
        prepare();
        assert_eq!(status(|| panic!("figures {}", 7)), ErrorKind::Internal.code());
        let said = sentence();
        assert!(said.contains("figures 7") && said.contains("guard.rs"), "{said}");
        assert_eq!(status(|| panic!("plain")), ErrorKind::Internal.code());
        assert!(sentence().contains("plain"));
        assert_eq!(status(|| std::panic::panic_any(1)), ErrorKind::Internal.code());
        assert_eq!(value(5, || panic!("x")), 5);
    }

    #[test]
    fn success_and_error_pass() {
        assert_eq!(status(|| Ok(())), MB_OK);
        assert_eq!(status(|| Err(Error::new(ErrorKind::Full, "f"))), ErrorKind::Full.code());
        assert_eq!(value(0, || Ok(3)), 3);
        assert_eq!(value(0, || Err(Error::new(ErrorKind::Full, "f"))), 0);
    }

    #[test]
    fn the_last_call_leaves_the_thread_outside() {
        status(|| panic!("x"));
        assert!(!INSIDE.with(Cell::get));
    }
}
