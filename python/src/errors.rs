//! From the errors of the core to Python exceptions, whose classes are in `mailboat/_errors.py`.

use mailboat::{Error, ErrorKind, FullLimit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The exception for an error of the core.
#[cold]
pub(crate) fn raise(py: Python<'_>, error: Error) -> PyErr {
    match exception(py, error) {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    }
}

/// An argument that is out of its range, or an object in the wrong state.
#[cold]
pub(crate) fn invalid(py: Python<'_>, sentence: impl Into<String>) -> PyErr {
    raise(py, Error::new(ErrorKind::Invalid, sentence))
}

fn exception(py: Python<'_>, error: Error) -> PyResult<Bound<'_, PyAny>> {
    let make = MAKE.import(py, "mailboat._errors", "make")?;
    let code = error.kind().code();
    let text = error.to_string();
    let errno = error.errno();
    let details = PyDict::new(py);
    match error {
        Error::Full { limit, used, max, .. } => {
            let name = match limit {
                FullLimit::Capacity => "capacity",
                FullLimit::Buffers => "buffers",
                FullLimit::ByteBudget => "byte_budget",
                _ => "other",
            };
            details.set_item("limit", name)?;
            details.set_item("used", used)?;
            details.set_item("max", max)?;
        }
        Error::Timeout { after_ns, because, .. } => {
            details.set_item("after", after_ns as f64 / 1e9)?;
            details.set_item("because", exception(py, *because)?)?;
        }
        Error::TooLarge { size, max, .. } => {
            details.set_item("size", size)?;
            details.set_item("max", max)?;
        }
        Error::NoSpace { needed, available, place, .. } => {
            details.set_item("needed", needed)?;
            details.set_item("available", available)?;
            details.set_item("place", &*place)?;
        }
        Error::Corrupt { found, expected, .. } => {
            details.set_item("found", &*found)?;
            details.set_item("expected", &*expected)?;
        }
        Error::Version { found, expected, .. } => {
            details.set_item("found", found)?;
            details.set_item("expected", expected)?;
        }
        _ => {}
    }
    make.call1((code, text, errno, details))
}

/// `result.or_raise(py)?`
pub(crate) trait OrRaise<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for mailboat::Result<T> {
    #[inline]
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| raise(py, error))
    }
}

/// Name, number and words of every kind of error, for the test that each has its exception.
pub(crate) fn kinds() -> Vec<(String, i32, &'static str)> {
    ErrorKind::ALL.iter().map(|kind| (format!("{kind:?}"), kind.code(), kind.text())).collect()
}
