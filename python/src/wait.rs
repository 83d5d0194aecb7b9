//! Calls that may wait: first a try with the interpreter held, then a wait without it that lets
//! signal handlers run.

use crate::args::{Timeout, nanos};
use mailboat::{Error, ErrorKind, Wait};
use pyo3::prelude::*;
use std::time::Instant;

/// What a waiting call comes to: outside the exception of a signal handler that ended it, inside
/// what the core said.
pub(crate) type Outcome<T> = PyResult<mailboat::Result<T>>;

/// Runs `call`, which must change nothing when it fails with *full*, *empty*, *timeout* or
/// *interrupted*.
///
/// The first try costs less than letting the interpreter go and taking it back, and is all that a
/// busy port needs.
#[inline]
pub(crate) fn attempt<T: Send>(
    py: Python<'_>,
    timeout: Timeout,
    mut call: impl FnMut(Wait) -> mailboat::Result<T> + Send,
) -> Outcome<T> {
    match call(Wait::TRY) {
        Err(error) if would_wait(&error) && !timeout.is_try() => {
            attempt_detached(py, timeout, call)
        }
        result => Ok(result),
    }
}

/// The same without the first try, for calls that copy much.
pub(crate) fn attempt_detached<T: Send>(
    py: Python<'_>,
    timeout: Timeout,
    mut call: impl FnMut(Wait) -> mailboat::Result<T> + Send,
) -> Outcome<T> {
    let start = Instant::now();
    loop {
        let left = timeout.left(start);
        match py.detach(|| call(left.wait())) {
            // Runs the handlers of Python; one that raises, as that of Ctrl-C does, ends the wait.
            Err(error) if error.kind() == ErrorKind::Interrupted => py.check_signals()?,
            Err(error) => return Ok(Err(whole_wait(error, start))),
            Ok(value) => return Ok(Ok(value)),
        }
    }
}

pub(crate) fn would_wait(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Full | ErrorKind::Empty)
}

/// An error that speaks of the whole wait, which may have been done in several parts.
fn whole_wait(error: Error, start: Instant) -> Error {
    match error {
        Error::Timeout { object, because, .. } => {
            Error::Timeout { object, after_ns: nanos(start.elapsed()), because }
        }
        error => error,
    }
}
