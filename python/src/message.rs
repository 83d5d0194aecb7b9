//! Messages: received ones, which own their body, and taken ones, which show the port's memory.

use crate::buffer::{BufferType, Exporter, Problem, Shown, body_of, bytes_of, new_instance};
use crate::errors::OrRaise;
use mailboat::Receipt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;
use std::ffi::CStr;
use std::sync::{Mutex, OnceLock, PoisonError};

/// What a message says about itself.
#[pyclass(module = "mailboat", frozen)]
pub(crate) struct Header(mailboat::Header);

/// In nanoseconds and in seconds, on the clock of `time.monotonic()`.
fn seconds(ns: Option<u64>) -> Option<f64> {
    ns.map(|ns| ns as f64 / 1e9)
}

#[pymethods]
impl Header {
    /// Length of the body in bytes.
    #[getter]
    fn length(&self) -> u64 {
        self.0.length
    }

    /// The number that the sender gave the message; 0 unless it gave one.
    #[getter]
    fn kind(&self) -> u32 {
        self.0.kind
    }

    /// Unique in the domain.
    #[getter]
    fn id(&self) -> u64 {
        self.0.id
    }

    /// The task that sent it (see ``Domain.task``).
    #[getter]
    fn sender(&self) -> u64 {
        self.0.sender.0
    }

    /// How often it was handed to a receiver before, who then died or gave it back. Counts up to
    /// 255 and stays there.
    #[getter]
    fn redeliveries(&self) -> u32 {
        self.0.redeliveries
    }

    /// Whether a receiver had it in hand before: what it does may have been done already.
    #[getter]
    fn redelivered(&self) -> bool {
        self.0.is_redelivered()
    }

    /// When it was sent, in seconds, as ``time.monotonic()``; ``None`` unless the port was created
    /// with ``timestamps=True``.
    #[getter]
    fn sent(&self) -> Option<f64> {
        seconds(self.0.sent_ns)
    }

    /// The same in nanoseconds, as ``time.monotonic_ns()``.
    #[getter]
    fn sent_ns(&self) -> Option<u64> {
        self.0.sent_ns
    }

    fn __repr__(&self) -> String {
        format!("<mailboat.Header {}>", described(&self.0))
    }
}

impl From<mailboat::Header> for Header {
    fn from(header: mailboat::Header) -> Self {
        Header(header)
    }
}

fn described(header: &mailboat::Header) -> String {
    let again = match header.redeliveries {
        0 => String::new(),
        n => format!(", redelivered {n}x"),
    };
    format!("{}, kind {}, {} bytes{again}", header.id, header.kind, header.length)
}

/// The class under `mailboat.Message`; see `buffer.rs`.
#[pyclass(module = "mailboat._mailboat", name = "Message", frozen, subclass, weakref)]
pub(crate) struct Message {
    /// Empty only between the making of the object and its filling.
    filled: OnceLock<Filled>,
}

struct Filled {
    header: mailboat::Header,
    hand: Mutex<Hand>,
}

struct Hand {
    body: Body,
    /// Views of the port's memory that are alive.
    views: usize,
    /// What to do once the last of them has gone.
    at_last: Option<End>,
}

enum Body {
    /// Copied out and acknowledged.
    Received(Py<PyBytes>),
    /// In the port's memory.
    Taken(Receipt),
    Ended(End),
}

#[derive(Clone, Copy)]
enum End {
    Ack,
    Nack,
}

impl End {
    fn done_to(self, receipt: Receipt) -> mailboat::Result<()> {
        match self {
            End::Ack => receipt.ack(),
            End::Nack => receipt.nack(),
        }
    }

    fn text(self) -> &'static str {
        match self {
            End::Ack => "acknowledged",
            End::Nack => "given back",
        }
    }
}

impl Hand {
    /// Whether it may still be ended or shown.
    fn check_in_hand(&self) -> Result<(), Problem> {
        match (&self.body, self.at_last) {
            (Body::Ended(end), _) => {
                Err(Problem::state(format!("the message was already {}", end.text())))
            }
            (_, Some(end)) => Err(Problem::state(format!(
                "the message is no longer in hand: it will be {} when the last view of its memory \
                 is released (views alive: {})",
                end.text(),
                self.views
            ))),
            _ => Ok(()),
        }
    }

    /// Takes the receipt out, to be ended.
    fn take(&mut self, end: End) -> Option<Receipt> {
        match std::mem::replace(&mut self.body, Body::Ended(end)) {
            Body::Taken(receipt) => Some(receipt),
            body => {
                self.body = body;
                None
            }
        }
    }
}

impl Message {
    /// A message in hand, as an object.
    #[inline]
    pub(crate) fn taken(py: Python<'_>, receipt: Receipt) -> PyResult<Bound<'_, Self>> {
        let header = *receipt.header();
        Self::filled_with(py, header, Body::Taken(receipt))
    }

    /// A copy of a message in hand, which the caller then acknowledges.
    #[inline]
    pub(crate) fn received<'py>(py: Python<'py>, receipt: &Receipt) -> PyResult<Bound<'py, Self>> {
        let body = body_of(py, receipt)?;
        Self::filled_with(py, *receipt.header(), Body::Received(body.unbind()))
    }

    #[inline]
    fn filled_with(
        py: Python<'_>,
        header: mailboat::Header,
        body: Body,
    ) -> PyResult<Bound<'_, Self>> {
        let object = new_instance::<Self>(py)?;
        let hand = Mutex::new(Hand { body, views: 0, at_last: None });
        // A new object: nobody else can have filled it.
        let _ = object.get().filled.set(Filled { header, hand });
        Ok(object)
    }

    /// Looks at or changes what is in hand. `look` is brief and does not use the interpreter, so
    /// that no thread that holds the interpreter ever waits here.
    fn with_hand<R>(
        &self,
        look: impl FnOnce(&mut Hand) -> Result<R, Problem>,
    ) -> Result<R, Problem> {
        let filled = self.filled.get().ok_or_else(|| Problem::state("the message is empty"))?;
        look(&mut filled.hand.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn header_ref(&self, py: Python<'_>) -> PyResult<&mailboat::Header> {
        let filled = self.filled.get().ok_or_else(|| Problem::state("the message is empty"));
        filled.map(|filled| &filled.header).map_err(|problem| problem.raise(py))
    }

    /// Acknowledges or gives back because the user says so.
    fn end(&self, py: Python<'_>, end: End) -> PyResult<()> {
        let receipt = self.with_hand(|hand| {
            if let Body::Received(_) = hand.body {
                return Err(Problem::state(
                    "a received message is not in hand: receiving it acknowledged it; use take()",
                ));
            }
            hand.check_in_hand()?;
            if hand.views > 0 {
                return Err(Problem::Views {
                    what: "the message",
                    done: end.text(),
                    n: hand.views,
                });
            }
            Ok(hand.take(end))
        });
        match receipt.map_err(|problem| problem.raise(py))? {
            Some(receipt) => end.done_to(receipt).or_raise(py),
            None => Ok(()),
        }
    }

    /// Acknowledges or gives back because a `with` block ends: what was done in the block stays
    /// done, and memory that is still looked at is left alone until the views go.
    fn end_block(&self, py: Python<'_>, end: End) -> PyResult<()> {
        let receipt = self.with_hand(|hand| {
            if hand.at_last.is_some() {
                return Ok(None);
            }
            if hand.views > 0 {
                hand.at_last = Some(end);
                return Ok(None);
            }
            Ok(hand.take(end))
        });
        match receipt.map_err(|problem| problem.raise(py))? {
            Some(receipt) => end.done_to(receipt).or_raise(py),
            None => Ok(()),
        }
    }
}

// SAFETY: the memory shown is that of the receipt, which keeps the port mapped and the message in
// hand. The receipt is given up in two places only: `Hand::take`, which is called when `views` is 0,
// and the end of the object.
unsafe impl Exporter for Message {
    const PY_NAME: &'static CStr = c"mailboat.Message";
    const ABOUT: &'static CStr = c"A message, received or taken.

From ``receive()`` a message is a copy of its own, acknowledged, and stays for as long as you like.

From ``take()`` it is in your hands: the port keeps it for you until you acknowledge it. Should this
process die before, or give it back, the next receiver gets it, flagged ``redelivered``. Use it as a
context manager, which acknowledges it at the end of the block and gives it back on an exception, or
call ``ack()`` or ``nack()``. A taken message that is just dropped is given back.

Both kinds have the buffer protocol: ``memoryview(message)``, ``numpy.frombuffer(message, ...)``,
``file.write(message)`` read the body without a copy. The memory of a taken message is the port's
own, read-only for you:

* A view keeps its memory. A message whose block ends while views of it exist (an array made in the
  block and used after it) stays in hand, and is acknowledged or given back at the moment the last
  view goes. Until then the port cannot use its memory again, and if the process dies it comes back.
* ``ack()`` and ``nack()`` mean *now*: with views alive they raise ``BufferError`` and change nothing.
* Afterwards new views, and ``body``, raise ``ValueError``.
* Its sender's process could still write that memory, if it meant harm. ``receive()`` copies first.

``len(message)`` is the length of the body. A message is always true, also one of 0 bytes.";
    const MADE_BY: &'static str =
        "mailboat.Message objects are made by receive() and take() of a port or queue";

    fn buffer_type(py: Python<'_>) -> PyResult<&BufferType> {
        static TYPE: PyOnceLock<BufferType> = PyOnceLock::new();
        TYPE.get_or_try_init(py, || BufferType::make::<Self>(py))
    }

    fn show<'py>(&self, py: Python<'py>) -> PyResult<Shown<'py>> {
        let shown = self.with_hand(|hand| {
            hand.check_in_hand()?;
            match &hand.body {
                Body::Received(bytes) => Ok(Shown::Other(bytes.bind(py).clone().into_any())),
                Body::Taken(receipt) => {
                    hand.views += 1;
                    Ok(Shown::Memory {
                        start: receipt.as_ptr().cast_mut(),
                        len: receipt.len(),
                        readonly: true,
                    })
                }
                Body::Ended(end) => Err(Problem::state(format!("already {}", end.text()))),
            }
        });
        shown.map_err(|problem| problem.raise(py))
    }

    fn unshow(&self) -> mailboat::Result<()> {
        let ended = self.with_hand(|hand| {
            hand.views = hand.views.saturating_sub(1);
            match hand.at_last {
                Some(end) if hand.views == 0 => Ok(hand.take(end).map(|receipt| (end, receipt))),
                _ => Ok(None),
            }
        });
        match ended {
            Ok(Some((end, receipt))) => match end.done_to(receipt) {
                // In the child of a fork: the parent has it in hand, and will end it there.
                Err(mailboat::Error::Forked { .. }) => Ok(()),
                result => result,
            },
            _ => Ok(()),
        }
    }
}

#[pymethods]
impl Message {
    /// For mailboat's own use: the class that Python sees refuses to be called.
    #[new]
    fn py_new() -> Self {
        Message { filled: OnceLock::new() }
    }

    /// The body as ``bytes``: of a received message always the same object, of a taken one a copy
    /// each time. ``memoryview(message)`` never copies.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        bytes_of(py, self)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        bytes_of(py, self)
    }

    /// What the message says about itself, in one object.
    #[getter]
    fn header(&self, py: Python<'_>) -> PyResult<Header> {
        self.header_ref(py).map(|header| Header(*header))
    }

    /// The number that the sender gave it; 0 unless it gave one.
    #[getter]
    fn kind(&self, py: Python<'_>) -> PyResult<u32> {
        self.header_ref(py).map(|header| header.kind)
    }

    /// Unique in the domain; what ``send()`` returned.
    #[getter]
    fn id(&self, py: Python<'_>) -> PyResult<u64> {
        self.header_ref(py).map(|header| header.id)
    }

    /// The task that sent it (see ``Domain.task``).
    #[getter]
    fn sender(&self, py: Python<'_>) -> PyResult<u64> {
        self.header_ref(py).map(|header| header.sender.0)
    }

    /// How often it was handed to a receiver before, who then died or gave it back. Counts up to
    /// 255 and stays there.
    #[getter]
    fn redeliveries(&self, py: Python<'_>) -> PyResult<u32> {
        self.header_ref(py).map(|header| header.redeliveries)
    }

    /// Whether a receiver had it in hand before: what it asks for may have been done already.
    #[getter]
    fn redelivered(&self, py: Python<'_>) -> PyResult<bool> {
        self.header_ref(py).map(mailboat::Header::is_redelivered)
    }

    /// When it was sent, in seconds, as ``time.monotonic()``; ``None`` unless the port was created
    /// with ``timestamps=True``.
    #[getter]
    fn sent(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.header_ref(py).map(|header| seconds(header.sent_ns))
    }

    /// The same in nanoseconds, as ``time.monotonic_ns()``.
    #[getter]
    fn sent_ns(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.header_ref(py).map(|header| header.sent_ns)
    }

    /// Where it stands: ``"received"``, ``"taken"``, ``"acknowledged"`` or ``"given back"``. A
    /// message that waits for its last view to go is still ``"taken"``.
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        let state = self.with_hand(|hand| {
            Ok(match &hand.body {
                Body::Received(_) => "received",
                Body::Taken(_) => "taken",
                Body::Ended(end) => end.text(),
            })
        });
        state.map_err(|problem| problem.raise(py))
    }

    /// Done with it: the port forgets the message.
    ///
    /// Raises ``BufferError`` while views of its memory exist, ``ValueError`` if it is not in hand,
    /// :class:`LeaseLost` if it was given to another receiver because this process was taken for
    /// dead, :class:`Forked` in the child of a fork (the message is the parent's).
    fn ack(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py, End::Ack)
    }

    /// Give it back: the next receiver gets it, flagged ``redelivered``, out of its place in the
    /// order. Raises as ``ack()``.
    fn nack(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py, End::Nack)
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
        self.end_block(py, if exc_type.is_none() { End::Ack } else { End::Nack })
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        // The body is in memory, so its length is a usize.
        self.header_ref(py).map(|header| header.length as usize)
    }

    /// Always true, so that an empty message is not taken for none.
    fn __bool__(&self) -> bool {
        true
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let header = described(self.header_ref(py)?);
        Ok(format!("<mailboat.Message {header}, {}>", self.state(py)?))
    }
}
