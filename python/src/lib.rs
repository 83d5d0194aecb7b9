//! The Python module `mailboat._mailboat`: mailboat's core as Python classes.
//!
//! One file per noun; `buffer` has the buffer protocol, `wait` what happens while a call waits,
//! `args` and `errors` the two borders. Python imports it through the package `mailboat`.

#![deny(unsafe_code)]

mod args;
#[allow(unsafe_code)]
mod buffer;
mod domain;
mod errors;
#[allow(unsafe_code)]
mod loan;
#[allow(unsafe_code)]
mod message;
mod port;
mod queue;
#[allow(unsafe_code)]
mod segment;
mod stat;
mod wait;

use crate::buffer::Exporter;
use pyo3::prelude::*;

/// The core of mailboat. Use the package `mailboat`, which exports all of this.
#[pymodule]
fn _mailboat(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("MAX_NAME", mailboat::MAX_NAME)?;
    module.add("_ERROR_KINDS", errors::kinds())?;
    module.add_class::<domain::Domain>()?;
    module.add_class::<domain::DomainStat>()?;
    module.add_class::<domain::Entry>()?;
    module.add_class::<domain::TaskInfo>()?;
    module.add_class::<message::Header>()?;
    module.add_class::<queue::Queue>()?;
    module.add_class::<port::Port>()?;
    module.add_class::<stat::QueueStat>()?;
    module.add_class::<stat::PortStat>()?;
    module.add("Loan", loan::Loan::buffer_type(py)?.class(py))?;
    module.add("Message", message::Message::buffer_type(py)?.class(py))?;
    module.add("Segment", segment::Segment::buffer_type(py)?.class(py))?;
    module.add_function(wrap_pyfunction!(port::reopen, module)?)?;
    module.add_function(wrap_pyfunction!(queue::reopen, module)?)?;
    module.add_function(wrap_pyfunction!(segment::reopen, module)?)?;
    Ok(())
}
