//! Loans: messages that are written in the port's memory.

use crate::args::{MessageKind, Timeout, unsigned};
use crate::buffer::{BufferType, Data, Exporter, Problem, Shown, new_instance};
use crate::errors::{OrRaise, raise};
use crate::wait::attempt;
use mailboat::Rejected;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use std::ffi::CStr;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The class under `mailboat.Loan`; see `buffer.rs`.
#[pyclass(module = "mailboat._mailboat", name = "Loan", frozen, subclass, weakref)]
pub(crate) struct Loan {
    /// Empty only between the making of the object and its filling.
    filled: OnceLock<Filled>,
}

struct Filled {
    capacity: u64,
    /// How long `commit()` may wait, unless it is told otherwise.
    timeout: Timeout,
    desk: Mutex<Desk>,
}

struct Desk {
    stage: Stage,
    /// How much of it is to be sent.
    length: u64,
    kind: u32,
    /// Views of its memory that are alive.
    views: usize,
}

enum Stage {
    Open(mailboat::Loan),
    /// A thread is in `commit()`.
    Sending,
    Sent(u64),
    Discarded,
    /// Given up at the end of a `with` block, but views still exist.
    Leaving(#[expect(dead_code, reason = "held for the views")] mailboat::Loan),
}

impl Stage {
    fn text(&self) -> &'static str {
        match self {
            Stage::Open(_) => "open",
            Stage::Sending => "being sent",
            Stage::Sent(_) => "sent",
            Stage::Discarded | Stage::Leaving(_) => "discarded",
        }
    }
}

impl Desk {
    fn open(&mut self) -> Result<&mut mailboat::Loan, Problem> {
        match &mut self.stage {
            Stage::Open(loan) => Ok(loan),
            Stage::Sending => Err(Problem::state("another thread is sending this loan")),
            other => Err(Problem::state(format!("the loan was already {}", other.text()))),
        }
    }

    /// Takes the loan out, to be sent or discarded.
    fn take(&mut self, done: &'static str, next: Stage) -> Result<mailboat::Loan, Problem> {
        self.open()?;
        if self.views > 0 {
            return Err(Problem::Views { what: "the loan", done, n: self.views });
        }
        match std::mem::replace(&mut self.stage, next) {
            Stage::Open(loan) => Ok(loan),
            other => {
                self.stage = other;
                Err(Problem::state("the loan is gone"))
            }
        }
    }
}

impl Loan {
    pub(crate) fn made<'py>(
        py: Python<'py>,
        loan: mailboat::Loan,
        kind: MessageKind,
        timeout: Timeout,
    ) -> PyResult<Bound<'py, Self>> {
        let object = new_instance::<Self>(py)?;
        let capacity = loan.capacity();
        let desk = Desk { stage: Stage::Open(loan), length: capacity, kind: kind.0, views: 0 };
        // A new object: nobody else can have filled it.
        let _ = object.get().filled.set(Filled { capacity, timeout, desk: Mutex::new(desk) });
        Ok(object)
    }

    fn filled(&self) -> Result<&Filled, Problem> {
        self.filled.get().ok_or_else(|| Problem::state("the loan is empty"))
    }

    /// Looks at or changes the state. `look` is brief and does not use the interpreter, so that no
    /// thread that holds the interpreter ever waits here.
    fn with_desk<R>(
        &self,
        look: impl FnOnce(&mut Desk) -> Result<R, Problem>,
    ) -> Result<R, Problem> {
        look(&mut self.filled()?.desk.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn see<R>(&self, py: Python<'_>, look: impl FnOnce(&mut Desk) -> R) -> PyResult<R> {
        self.with_desk(|desk| Ok(look(desk))).map_err(|problem| problem.raise(py))
    }

    fn send(&self, py: Python<'_>, length: u64, kind: u32, timeout: Timeout) -> PyResult<u64> {
        let loan = self.with_desk(|desk| desk.take("sent", Stage::Sending));
        // The loan is in here but for the moments in which the core has it.
        let mut slot = Some(loan.map_err(|problem| problem.raise(py))?);
        let sent = attempt(py, timeout, |limit| match slot.take() {
            None => Err(mailboat::Error::new(mailboat::ErrorKind::Internal, "a lost loan")),
            Some(loan) => {
                loan.send_with(length, kind, limit).map_err(|Rejected { loan, error, .. }| {
                    slot = Some(loan);
                    error
                })
            }
        });
        let stage = match (&sent, slot) {
            (Ok(Ok(id)), _) => Stage::Sent(*id),
            (_, Some(loan)) => Stage::Open(loan),
            (_, None) => Stage::Discarded,
        };
        self.see(py, |desk| desk.stage = stage)?;
        sent?.or_raise(py)
    }
}

// SAFETY: the memory shown is that of the loan, which keeps the port mapped and its buffer claimed.
// The loan is given up in three places only: `Desk::take`, which refuses while `views` is not 0;
// `unshow`, when it has become 0; and the end of the object.
unsafe impl Exporter for Loan {
    const PY_NAME: &'static CStr = c"mailboat.Loan";
    const ABOUT: &'static CStr = c"A message that is written in the port's memory, not yet sent.

``port.loan(size)`` makes one. It has the buffer protocol, writable: fill it through
``memoryview(loan)``, ``numpy.frombuffer(loan, ...)``, ``file.readinto(loan)`` or ``write()``. What was
in the memory before is not cleared.

As a context manager it is sent at the end of the block, and discarded on an exception::

    with port.loan(frame.nbytes, kind=3) as loan:
        numpy.copyto(numpy.frombuffer(loan, frame.dtype).reshape(frame.shape), frame)

``length`` may be set to send less than was asked for, ``kind`` to name its kind. Outside of a block
use ``commit()`` and ``discard()``. A loan that is just dropped is discarded.

Once sent, the memory is the receiver's, so no view of it may be left: ``commit()``, and the end of
the block, raise ``BufferError`` while views exist. Nothing was sent then and the loan is still open:
release the views (``del array``, ``view.release()``) and commit.";
    const MADE_BY: &'static str = "mailboat.Loan objects are made by loan() of a port or queue";

    fn buffer_type(py: Python<'_>) -> PyResult<&BufferType> {
        static TYPE: PyOnceLock<BufferType> = PyOnceLock::new();
        TYPE.get_or_try_init(py, || BufferType::make::<Self>(py))
    }

    fn show<'py>(&self, py: Python<'py>) -> PyResult<Shown<'py>> {
        let shown = self.with_desk(|desk| {
            let loan = desk.open()?;
            let (start, len) = (loan.as_mut_ptr(), loan.capacity());
            desk.views += 1;
            // The memory is mapped, so its size is a usize.
            Ok(Shown::Memory { start, len: len as usize, readonly: false })
        });
        shown.map_err(|problem| problem.raise(py))
    }

    fn unshow(&self) -> mailboat::Result<()> {
        let left = self.with_desk(|desk| {
            desk.views = desk.views.saturating_sub(1);
            Ok(match desk.stage {
                Stage::Leaving(_) if desk.views == 0 => {
                    Some(std::mem::replace(&mut desk.stage, Stage::Discarded))
                }
                _ => None,
            })
        });
        drop(left);
        Ok(())
    }
}

/// The timeout of `commit()`.
#[derive(Clone, Copy)]
enum CommitTimeout {
    /// Not given: that of the loan.
    OfLoan,
    Given(Timeout),
}

impl<'py> FromPyObject<'_, 'py> for CommitTimeout {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        object.extract().map(CommitTimeout::Given)
    }
}

#[pymethods]
impl Loan {
    /// For mailboat's own use: the class that Python sees refuses to be called.
    #[new]
    fn py_new() -> Self {
        Loan { filled: OnceLock::new() }
    }

    /// How many bytes were asked for.
    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<u64> {
        self.filled().map(|filled| filled.capacity).map_err(|problem| problem.raise(py))
    }

    /// How many bytes, from the first on, are to be sent: all unless set.
    #[getter]
    fn length(&self, py: Python<'_>) -> PyResult<u64> {
        self.see(py, |desk| desk.length)
    }

    #[setter]
    fn set_length(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let length = unsigned(value, "length")?;
        self.check_length(py, length)?;
        self.see(py, |desk| desk.length = length)
    }

    /// The number that goes with the message: that given to ``loan()`` unless set.
    #[getter]
    fn kind(&self, py: Python<'_>) -> PyResult<u32> {
        self.see(py, |desk| desk.kind)
    }

    #[setter]
    fn set_kind(&self, py: Python<'_>, value: MessageKind) -> PyResult<()> {
        self.see(py, |desk| desk.kind = value.0)
    }

    /// The id of the message once it was sent, ``None`` before.
    #[getter]
    fn id(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.see(py, |desk| if let Stage::Sent(id) = desk.stage { Some(id) } else { None })
    }

    /// ``"open"``, ``"being sent"``, ``"sent"`` or ``"discarded"``.
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.see(py, |desk| desk.stage.text())
    }

    /// Copies the bytes of ``data`` into the message, from ``offset`` on.
    #[pyo3(signature = (data, offset=None), text_signature = "($self, data, offset=0)")]
    fn write(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        offset: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let offset = offset.map_or(Ok(0), |offset| unsigned(offset, "offset"))?;
        let data = Data::of(data)?;
        let written = self.with_desk(|desk| {
            // With a view alive, the data may be part of this very memory: copied apart first.
            let apart = (desk.views > 0).then(|| data.as_slice().to_vec());
            Ok(desk.open()?.write(offset, apart.as_deref().unwrap_or(data.as_slice())))
        });
        written.map_err(|problem| problem.raise(py))?.or_raise(py)
    }

    /// Sends the message and returns its id. ``length`` and ``kind`` stand for the attributes of
    /// these names; ``timeout`` for that given to ``loan()``: how long to wait while the port holds
    /// as many messages as it may (``None``: for ever, 0: not at all).
    ///
    /// If it fails nothing was sent and the loan is still open. Raises ``BufferError`` while views of
    /// its memory exist, otherwise as ``send()``.
    #[pyo3(
        signature = (length=None, kind=None, timeout=CommitTimeout::OfLoan),
        text_signature = "($self, length=None, kind=None, timeout=...)"
    )]
    fn commit(
        &self,
        py: Python<'_>,
        length: Option<&Bound<'_, PyAny>>,
        kind: Option<MessageKind>,
        timeout: CommitTimeout,
    ) -> PyResult<u64> {
        let length = match length {
            Some(length) => unsigned(length, "length")?,
            None => self.length(py)?,
        };
        self.check_length(py, length)?;
        let kind = kind.map_or_else(|| self.kind(py), |kind| Ok(kind.0))?;
        let timeout = match timeout {
            CommitTimeout::Given(timeout) => timeout,
            CommitTimeout::OfLoan => self.filled().map_err(|problem| problem.raise(py))?.timeout,
        };
        self.send(py, length, kind, timeout)
    }

    /// Gives the memory back unsent. Raises ``BufferError`` while views of it exist.
    fn discard(&self, py: Python<'_>) -> PyResult<()> {
        let loan = self.with_desk(|desk| desk.take("discarded", Stage::Discarded));
        loan.map(mailboat::Loan::discard).map_err(|problem| problem.raise(py))
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    #[pyo3(signature = (exc_type=None, _exc=None, _traceback=None), text_signature = "($self, exc_type=None, exc=None, traceback=None, /)")]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: Option<&Bound<'_, PyAny>>,
        _exc: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let open = self.see(py, |desk| matches!(desk.stage, Stage::Open(_)))?;
        if !open {
            return Ok(());
        }
        if exc_type.is_none() {
            return self.commit(py, None, None, CommitTimeout::OfLoan).map(drop);
        }
        // The exception is what matters now: views do not stand in the way, they only delay.
        let left = self.see(py, |desk| {
            let stage = std::mem::replace(&mut desk.stage, Stage::Discarded);
            match stage {
                Stage::Open(loan) if desk.views > 0 => {
                    desk.stage = Stage::Leaving(loan);
                    None
                }
                Stage::Open(loan) => Some(loan),
                other => {
                    desk.stage = other;
                    None
                }
            }
        })?;
        drop(left);
        Ok(())
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        // The memory is mapped, so its size is a usize.
        self.size(py).map(|size| size as usize)
    }

    /// Always true, also with a size of 0.
    fn __bool__(&self) -> bool {
        true
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<mailboat.Loan {} bytes, {}>", self.size(py)?, self.state(py)?))
    }
}

impl Loan {
    fn check_length(&self, py: Python<'_>, length: u64) -> PyResult<()> {
        let size = self.size(py)?;
        if length <= size {
            return Ok(());
        }
        Err(raise(
            py,
            mailboat::Error::TooLarge {
                what: "a message",
                size: length,
                max: size,
                whose: "the size of the loan".into(),
            },
        ))
    }
}
