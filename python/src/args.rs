//! Arguments: timeouts, counts and domains.

use crate::domain::Domain;
use crate::errors::{OrRaise, invalid};
use mailboat::Wait;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::time::{Duration, Instant};

/// How long a call may wait, in nanoseconds; `u64::MAX` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeout(u64);

impl Timeout {
    pub(crate) const FOREVER: Timeout = Timeout(u64::MAX);
    pub(crate) const TRY: Timeout = Timeout(0);

    pub(crate) fn is_try(self) -> bool {
        self.0 == 0
    }

    /// What is left of it: at least a nanosecond, so that a wait does not turn into a try.
    pub(crate) fn left(self, since: Instant) -> Timeout {
        match self {
            Self::FOREVER | Self::TRY => self,
            Timeout(limit) => Timeout(limit.saturating_sub(nanos(since.elapsed())).max(1)),
        }
    }

    /// As the core takes it, to be ended by signals.
    pub(crate) fn wait(self) -> Wait {
        Wait::from_nanos(self.0).interruptible()
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `None`: for ever. A number: seconds.
impl<'py> FromPyObject<'_, 'py> for Timeout {
    type Error = PyErr;

    #[inline]
    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.is_none() {
            return Ok(Timeout::FOREVER);
        }
        let seconds: f64 = object.extract().map_err(|error: PyErr| {
            if error.is_instance_of::<PyTypeError>(object.py()) {
                PyTypeError::new_err(format!(
                    "timeout must be a number of seconds or None, not {}",
                    type_name(&object)
                ))
            } else if error.is_instance_of::<PyOverflowError>(object.py()) {
                too_big_for_a_float(&object)
            } else {
                error
            }
        })?;
        // Also false for a NaN.
        if seconds >= 0.0 {
            // Rounded up, so that only 0 is a try. The conversion ends at u64::MAX: for ever.
            Ok(Timeout((seconds * 1e9).ceil() as u64))
        } else {
            Err(invalid(
                object.py(),
                format!("timeout must be a number of seconds from 0 up, or None, got {seconds}"),
            ))
        }
    }
}

fn too_big_for_a_float(object: &Bound<'_, PyAny>) -> PyErr {
    invalid(
        object.py(),
        format!("timeout must be a number of seconds from 0 up, or None, got {object}"),
    )
}

/// A number of the user's own that goes with a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageKind(pub(crate) u32);

impl<'py> FromPyObject<'_, 'py> for MessageKind {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        unsigned32(&object, "kind").map(MessageKind)
    }
}

/// A whole number from 0 to `max`.
fn ranged(value: &Bound<'_, PyAny>, what: &str, max: u64) -> PyResult<u64> {
    match value.extract::<u64>() {
        Ok(number) if number <= max => Ok(number),
        Err(error) if error.is_instance_of::<PyTypeError>(value.py()) => Err(PyTypeError::new_err(
            format!("{what} must be an integer, not {}", type_name(value)),
        )),
        Err(error) if !error.is_instance_of::<PyOverflowError>(value.py()) => Err(error),
        _ => Err(invalid(value.py(), format!("{what} must be from 0 to {max}, got {value}"))),
    }
}

pub(crate) fn unsigned(value: &Bound<'_, PyAny>, what: &str) -> PyResult<u64> {
    ranged(value, what, u64::MAX)
}

pub(crate) fn unsigned32(value: &Bound<'_, PyAny>, what: &str) -> PyResult<u32> {
    // The range was just checked.
    ranged(value, what, u32::MAX.into()).map(|number| number as u32)
}

/// How many messages in one call: at least one.
pub(crate) fn at_least_one(value: &Bound<'_, PyAny>, what: &str) -> PyResult<usize> {
    match unsigned(value, what)? {
        0 => Err(invalid(value.py(), format!("{what} must be at least 1, got 0"))),
        number => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
    }
}

/// A domain: one that is open, or where it is (a name, or an absolute path), or the default one.
pub(crate) fn domain(argument: Option<&Bound<'_, PyAny>>) -> PyResult<Option<mailboat::Domain>> {
    let Some(argument) = argument.filter(|argument| !argument.is_none()) else { return Ok(None) };
    if let Ok(domain) = argument.cast::<Domain>() {
        return Ok(Some(domain.get().handle().clone()));
    }
    let location = location(argument)?;
    mailboat::Domain::at(&location).or_raise(argument.py()).map(Some)
}

/// A name, or a path as a string or `os.PathLike`.
pub(crate) fn location(argument: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = argument.py();
    let wrong_type = || {
        PyTypeError::new_err(format!(
            "a domain is given as a Domain, a name or a path, not {}",
            type_name(argument)
        ))
    };
    let fspath = py.import("os")?.getattr("fspath")?;
    let path = fspath.call1((argument,)).map_err(|_| wrong_type())?;
    let text = path.cast::<PyString>().map_err(|_| wrong_type())?;
    text.extract::<String>().map_err(|_| {
        invalid(
            py,
            format!("{text:?} is no name or path of a domain: it cannot be written in UTF-8"),
        )
    })
}

pub(crate) fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "that".to_owned(), |name| name.to_string())
}
