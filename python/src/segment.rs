//! Segments: named shared memory.

use crate::args::{domain, unsigned, unsigned32};
use crate::buffer::{BufferType, Data, Exporter, Problem, Shown, new_instance};
use crate::domain::{Domain, path_of};
use crate::errors::{OrRaise, invalid};
use mailboat::{Access, SegmentOptions};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;
use std::ffi::CStr;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The class under `mailboat.Segment`; see `buffer.rs`.
#[pyclass(module = "mailboat._mailboat", name = "Segment", frozen, subclass, weakref)]
pub(crate) struct Segment {
    /// Empty only between the making of the object and its filling.
    filled: OnceLock<Filled>,
}

struct Filled {
    name: String,
    domain: mailboat::Domain,
    access: Access,
    attached: Mutex<Attached>,
}

struct Attached {
    segment: Option<mailboat::Segment>,
    /// Views of its memory that are alive.
    views: usize,
    /// Detach when the last view goes.
    at_last: bool,
}

impl Attached {
    fn open(&self) -> Result<&mailboat::Segment, Problem> {
        self.segment
            .as_ref()
            .filter(|_| !self.at_last)
            .ok_or_else(|| Problem::state("this segment was closed"))
    }
}

impl Segment {
    fn made(py: Python<'_>, segment: mailboat::Segment) -> PyResult<Bound<'_, Self>> {
        let object = new_instance::<Self>(py)?;
        let filled = Filled {
            name: segment.name().to_owned(),
            domain: segment.domain().clone(),
            access: segment.access(),
            attached: Mutex::new(Attached { segment: Some(segment), views: 0, at_last: false }),
        };
        // A new object: nobody else can have filled it.
        let _ = object.get().filled.set(filled);
        Ok(object)
    }

    /// Looks at or changes the state. `look` is brief and does not use the interpreter, so that no
    /// thread that holds the interpreter ever waits here.
    fn with<R>(
        &self,
        look: impl FnOnce(&mut Attached) -> Result<R, Problem>,
    ) -> Result<R, Problem> {
        let filled = self.filled.get().ok_or_else(|| Problem::state("the segment is empty"))?;
        look(&mut filled.attached.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn facts(&self) -> PyResult<&Filled> {
        self.filled.get().ok_or_else(|| PyValueError::new_err("the segment is empty"))
    }

    /// The end in the core, which stays attached during a call even if another thread closes this
    /// object.
    pub(crate) fn handle(&self, py: Python<'_>) -> PyResult<mailboat::Segment> {
        self.with(|attached| attached.open().cloned()).map_err(|problem| problem.raise(py))
    }

    /// For `repr` and errors, whatever the state.
    pub(crate) fn label(&self) -> &str {
        self.filled.get().map_or("", |filled| &filled.name)
    }
}

// SAFETY: the memory shown is a mapping of the segment, which stays at its address, growing included,
// while the segment is attached. It is detached in three places only: `close` refuses while `views`
// is not 0, the end of a `with` block leaves it to `unshow` then, and the end of the object.
unsafe impl Exporter for Segment {
    const PY_NAME: &'static CStr = c"mailboat.Segment";
    const ABOUT: &'static CStr = c"Named shared memory.

``Segment.create(name, size)``, ``Segment.open(name)`` and ``Segment.open_or_create(name, size)``
attach one; ``Segment.delete(name)`` removes its name (the memory lives until the last user detaches).

It has the buffer protocol, writable unless opened with ``readonly=True``: ``memoryview(segment)``,
``numpy.frombuffer(segment, ...)``. A view shows the size that the segment had when it was made. Other
processes write the same memory: see :class:`Queue` for one safe way to do that together.

A view keeps the memory: ``close()`` raises ``BufferError`` while views exist, and a ``with`` block that
ends while they do leaves the segment attached until the last one goes.";
    const MADE_BY: &'static str = "mailboat.Segment objects are made by Segment.create(), Segment.open() and \
         Segment.open_or_create()";

    fn buffer_type(py: Python<'_>) -> PyResult<&BufferType> {
        static TYPE: PyOnceLock<BufferType> = PyOnceLock::new();
        TYPE.get_or_try_init(py, || BufferType::make::<Self>(py))
    }

    fn show<'py>(&self, py: Python<'py>) -> PyResult<Shown<'py>> {
        let shown = self.with(|attached| {
            let segment = attached.open()?;
            let shown = Shown::Memory {
                start: segment.as_ptr(),
                // It is mapped, so its size is a usize.
                len: segment.size() as usize,
                readonly: segment.access() == Access::ReadOnly,
            };
            attached.views += 1;
            Ok(shown)
        });
        shown.map_err(|problem| problem.raise(py))
    }

    fn unshow(&self) -> mailboat::Result<()> {
        let left = self.with(|attached| {
            attached.views = attached.views.saturating_sub(1);
            let leaving = attached.at_last && attached.views == 0;
            Ok(if leaving { attached.segment.take() } else { None })
        });
        drop(left);
        Ok(())
    }
}

fn options(
    max_size: Option<&Bound<'_, PyAny>>,
    mode: Option<&Bound<'_, PyAny>>,
) -> PyResult<SegmentOptions> {
    let mut options = SegmentOptions::new();
    if let Some(bytes) = max_size {
        options = options.max_size(unsigned(bytes, "max_size")?);
    }
    if let Some(mode) = mode {
        options = options.mode(unsigned32(mode, "mode")?);
    }
    Ok(options)
}

fn opened<'py>(
    py: Python<'py>,
    name: &str,
    readonly: bool,
    place: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, Segment>> {
    let access = if readonly { Access::ReadOnly } else { Access::ReadWrite };
    let place = domain(place)?;
    let segment = py.detach(|| match &place {
        None => mailboat::Segment::open(name, access),
        Some(domain) => mailboat::Segment::open_in(domain, name, access),
    });
    Segment::made(py, segment.or_raise(py)?)
}

/// For pickle.
#[pyfunction]
#[pyo3(name = "_reopen_segment")]
pub(crate) fn reopen<'py>(
    py: Python<'py>,
    domain: &Bound<'py, PyAny>,
    name: &str,
    readonly: bool,
) -> PyResult<Bound<'py, Segment>> {
    opened(py, name, readonly, Some(domain))
}

#[pymethods]
impl Segment {
    /// For mailboat's own use: the class that Python sees refuses to be called.
    #[new]
    fn py_new() -> Self {
        Segment { filled: OnceLock::new() }
    }

    /// Creates a segment of ``size`` bytes, all zero; :class:`AlreadyExists` if there is one of this
    /// name (1 to 200 bytes of ``[A-Za-z0-9._-]``, the first one a letter or digit).
    ///
    /// ``max_size``: how far it may grow (the greater of ``size`` and 1 GiB unless given; address space
    /// costs nothing). ``mode``: the permissions of its file. ``domain``: where; see :class:`Domain`.
    #[staticmethod]
    #[pyo3(signature = (name, size, *, max_size=None, mode=None, domain=None))]
    fn create<'py>(
        py: Python<'py>,
        name: &str,
        size: &Bound<'py, PyAny>,
        max_size: Option<&Bound<'py, PyAny>>,
        mode: Option<&Bound<'py, PyAny>>,
        domain: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Segment>> {
        let size = unsigned(size, "size")?;
        let options = options(max_size, mode)?;
        let place = crate::args::domain(domain)?;
        let segment = py.detach(|| match &place {
            None => mailboat::Segment::create(name, size, &options),
            Some(domain) => mailboat::Segment::create_in(domain, name, size, &options),
        });
        Segment::made(py, segment.or_raise(py)?)
    }

    /// Opens the segment of this name; :class:`NotFound` if there is none.
    #[staticmethod]
    #[pyo3(signature = (name, *, readonly=false, domain=None))]
    fn open<'py>(
        py: Python<'py>,
        name: &str,
        readonly: bool,
        domain: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Segment>> {
        opened(py, name, readonly, domain)
    }

    /// Opens the segment of this name, or creates it as ``create()`` does. Size and options are for a
    /// new segment only: one that exists stays as it is.
    #[staticmethod]
    #[pyo3(signature = (name, size, *, max_size=None, mode=None, domain=None))]
    fn open_or_create<'py>(
        py: Python<'py>,
        name: &str,
        size: &Bound<'py, PyAny>,
        max_size: Option<&Bound<'py, PyAny>>,
        mode: Option<&Bound<'py, PyAny>>,
        domain: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Segment>> {
        let size = unsigned(size, "size")?;
        let options = options(max_size, mode)?;
        let place = crate::args::domain(domain)?;
        let segment = py.detach(|| match &place {
            None => mailboat::Segment::open_or_create(name, size, &options),
            Some(domain) => mailboat::Segment::open_or_create_in(domain, name, size, &options),
        });
        Segment::made(py, segment.or_raise(py)?)
    }

    /// Removes the segment of this name. Those who have it attached keep the memory.
    #[staticmethod]
    #[pyo3(signature = (name, *, domain=None))]
    fn delete(py: Python<'_>, name: &str, domain: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let place = crate::args::domain(domain)?;
        py.detach(|| match &place {
            None => mailboat::Segment::delete(name),
            Some(domain) => mailboat::Segment::delete_in(domain, name),
        })
        .or_raise(py)
    }

    /// Its name.
    #[getter]
    fn name(&self) -> PyResult<&str> {
        self.facts().map(|facts| facts.name.as_str())
    }

    /// The domain it is in.
    #[getter]
    fn domain(&self) -> PyResult<Domain> {
        self.facts().map(|facts| Domain::new(facts.domain.clone()))
    }

    /// Whether it was opened only to be read.
    #[getter]
    fn readonly(&self) -> PyResult<bool> {
        self.facts().map(|facts| facts.access == Access::ReadOnly)
    }

    /// Bytes that can be used now; another user may have made it grow.
    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<u64> {
        self.handle(py).map(|segment| segment.size())
    }

    /// How far it may grow.
    #[getter]
    fn max_size(&self, py: Python<'_>) -> PyResult<u64> {
        self.handle(py).map(|segment| segment.max_size())
    }

    /// Whether its name was removed: no one else can open it any more.
    #[getter]
    fn deleted(&self, py: Python<'_>) -> PyResult<bool> {
        self.handle(py).map(|segment| segment.is_deleted())
    }

    /// Whether this object was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.with(|attached| attached.open().map(drop)).is_err()
    }

    /// Makes it ``size`` bytes long, for all its users. Views that exist keep their length and stay
    /// where they are.
    fn grow(&self, py: Python<'_>, size: &Bound<'_, PyAny>) -> PyResult<()> {
        let size = unsigned(size, "size")?;
        let segment = self.handle(py)?;
        py.detach(|| segment.grow(size)).or_raise(py)
    }

    /// A copy of ``size`` bytes from ``offset`` on; of all that follow unless ``size`` is given.
    #[pyo3(signature = (offset=None, size=None), text_signature = "($self, offset=0, size=None)")]
    fn read<'py>(
        &self,
        py: Python<'py>,
        offset: Option<&Bound<'py, PyAny>>,
        size: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let segment = self.handle(py)?;
        let offset = offset.map_or(Ok(0), |offset| unsigned(offset, "offset"))?;
        let there = segment.size();
        let rest = there.checked_sub(offset);
        let size = match size {
            Some(size) => Some(unsigned(size, "size")?),
            None => rest,
        };
        match (size, rest) {
            // It fits into memory, so its size is a usize.
            (Some(size), Some(rest)) if size <= rest => {
                PyBytes::new_with(py, size as usize, |target| {
                    segment.read(offset, target).or_raise(py)
                })
            }
            (size, _) => Err(invalid(
                py,
                format!(
                    "{} bytes at {offset} are not all within segment {:?} of {there} bytes",
                    size.unwrap_or(0),
                    self.label()
                ),
            )),
        }
    }

    /// Copies the bytes of ``data`` (anything with the buffer protocol, contiguous) to ``offset``.
    #[pyo3(signature = (data, offset=None), text_signature = "($self, data, offset=0)")]
    fn write(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        offset: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let segment = self.handle(py)?;
        let offset = offset.map_or(Ok(0), |offset| unsigned(offset, "offset"))?;
        let data = Data::of(data)?;
        // With a view alive, the data may be part of this very memory: copied apart first.
        let viewed = self.with(|attached| Ok(attached.views > 0));
        let apart = viewed.map_err(|problem| problem.raise(py))?.then(|| data.as_slice().to_vec());
        segment.write(offset, apart.as_deref().unwrap_or(data.as_slice())).or_raise(py)
    }

    /// Detaches: this object cannot be used afterwards. Raises ``BufferError`` while views of its
    /// memory exist. Closing again does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let left = self.with(|attached| {
            if attached.views > 0 {
                let n = attached.views;
                return Err(Problem::Views { what: "the segment", done: "closed", n });
            }
            Ok(attached.segment.take())
        });
        drop(left.map_err(|problem| problem.raise(py))?);
        Ok(())
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    #[pyo3(signature = (_exc_type=None, _exc=None, _traceback=None), text_signature = "($self, exc_type=None, exc=None, traceback=None, /)")]
    fn __exit__(
        &self,
        py: Python<'_>,
        _exc_type: Option<&Bound<'_, PyAny>>,
        _exc: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let left = self.with(|attached| {
            attached.at_last = attached.views > 0;
            Ok(if attached.at_last { None } else { attached.segment.take() })
        });
        drop(left.map_err(|problem| problem.raise(py))?);
        Ok(())
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        // It is mapped, so its size is a usize.
        self.size(py).map(|size| size as usize)
    }

    /// Always true.
    fn __bool__(&self) -> bool {
        true
    }

    fn __repr__(&self) -> PyResult<String> {
        let facts = self.facts()?;
        let state = self.with(|attached| Ok(format!("{} bytes", attached.open()?.size())));
        Ok(format!(
            "<mailboat.Segment {:?} in {}, {}>",
            facts.name,
            path_of(&facts.domain),
            state.unwrap_or_else(|_| "closed".to_owned())
        ))
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, (String, String, bool))> {
        self.handle(py)?;
        let facts = self.facts()?;
        let reopen = py.import("mailboat._mailboat")?.getattr("_reopen_segment")?;
        let readonly = facts.access == Access::ReadOnly;
        Ok((reopen, (path_of(&facts.domain), facts.name.clone(), readonly)))
    }
}
