//! Sending and receiving, for queues and ports alike.

use crate::args::{MessageKind, Timeout, at_least_one, unsigned, unsigned32};
use crate::buffer::{Data, LARGE, View};
use crate::errors::{OrRaise, invalid, raise};
use crate::loan::Loan;
use crate::message::{Header, Message};
use crate::segment::Segment;
use crate::stat::QueueStat;
use crate::wait::{Outcome, attempt_detached, would_wait};
use mailboat::{ErrorKind, Outgoing, QueueOptions, Receipt, Wait};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A buffer of messages in a segment, for many senders and many receivers, safe against the death of
/// any of them.
///
/// ``Queue.create(segment)`` makes one in memory that you share yourself. A :class:`Port` is a queue
/// with a name and a file of its own, and has all that a queue has.
///
/// Every ``timeout`` is in seconds: ``None`` waits for ever, 0 not at all. A call that waits lets other
/// threads run and obeys Ctrl-C. When nothing can be done at once, a timeout of 0 raises
/// :class:`Full` or :class:`Empty`; a longer one raises :class:`Timeout` once it has run out.
///
/// Use it from any number of threads. As a context manager it is closed at the end of the block.
/// Pickled (``multiprocessing``) it is opened again at the other end.
#[pyclass(module = "mailboat", frozen, subclass, weakref)]
pub(crate) struct Queue {
    handle: Mutex<Option<Handle>>,
    /// What to call it, in errors and `repr`.
    noun: String,
    /// Where to open it again; a port knows that itself.
    place: Option<(Py<Segment>, u64)>,
}

/// The end in the core; a port is a queue with more to it.
#[derive(Clone)]
pub(crate) enum Handle {
    Queue(mailboat::Queue),
    Port(mailboat::Port),
}

impl std::ops::Deref for Handle {
    type Target = mailboat::Queue;

    fn deref(&self) -> &mailboat::Queue {
        match self {
            Handle::Queue(queue) => queue,
            Handle::Port(port) => port,
        }
    }
}

impl Queue {
    pub(crate) fn of_port(port: mailboat::Port) -> Self {
        let noun = format!("port {:?}", port.name());
        Queue { handle: Mutex::new(Some(Handle::Port(port))), noun, place: None }
    }

    fn in_segment(queue: mailboat::Queue, segment: &Bound<'_, Segment>, offset: u64) -> Self {
        Queue {
            handle: Mutex::new(Some(Handle::Queue(queue))),
            noun: format!("queue at {offset} in segment {:?}", segment.get().label()),
            place: Some((segment.clone().unbind(), offset)),
        }
    }

    fn opened(py: Python<'_>, segment: &Bound<'_, Segment>, offset: u64) -> PyResult<Self> {
        let inside = segment.get().handle(py)?;
        let queue = py.detach(|| mailboat::Queue::open(&inside, offset)).or_raise(py)?;
        Ok(Queue::in_segment(queue, segment, offset))
    }

    fn slot(&self) -> MutexGuard<'_, Option<Handle>> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handle, which stays valid during a call even if another thread closes this object.
    #[inline]
    pub(crate) fn handle(&self, py: Python<'_>) -> PyResult<Handle> {
        let handle = self.slot().clone();
        handle.ok_or_else(|| self.was_closed(py))
    }

    #[cold]
    fn was_closed(&self, py: Python<'_>) -> PyErr {
        invalid(py, format!("this handle of {} was closed", self.noun))
    }

    /// How it stands, for `repr`.
    pub(crate) fn state(&self) -> String {
        let handle = self.slot().clone();
        match handle {
            None => "closed".to_owned(),
            Some(handle) if handle.is_closed() => "deleted".to_owned(),
            Some(handle) => format!("{} queued", handle.len()),
        }
    }

    /// [`attempt`] on this queue. The first try is done without a handle of its own, so that the
    /// commonest calls touch no reference count: it is brief, and the lock is free whenever this
    /// thread has the interpreter.
    #[inline]
    fn attempt<T: Send>(
        &self,
        py: Python<'_>,
        timeout: Timeout,
        mut call: impl FnMut(&mailboat::Queue, Wait) -> mailboat::Result<T> + Send,
    ) -> Outcome<T> {
        let handle = {
            let slot = self.slot();
            match &*slot {
                Some(handle) => match call(handle, Wait::TRY) {
                    Err(error) if would_wait(&error) && !timeout.is_try() => Some(handle.clone()),
                    result => return Ok(result),
                },
                None => None,
            }
        };
        let handle = handle.ok_or_else(|| self.was_closed(py))?;
        attempt_detached(py, timeout, |limit| call(&handle, limit))
    }

    #[inline]
    fn take_one(&self, py: Python<'_>, timeout: Timeout) -> PyResult<Receipt> {
        self.attempt(py, timeout, |queue, limit| queue.take_wait(limit))?.or_raise(py)
    }
}

/// Copies out, and acknowledges when the copy is complete: whatever fails before, the message stays.
#[inline]
fn receive_from(py: Python<'_>, receipt: Receipt) -> PyResult<Bound<'_, Message>> {
    let message = Message::received(py, &receipt)?;
    receipt.ack().or_raise(py)?;
    Ok(message)
}

/// What pickle wants to know: a function and its arguments.
type Reduced = (Py<PyAny>, (Py<Segment>, u64));

/// `None` instead of *empty*.
fn unless_empty<T>(py: Python<'_>, result: mailboat::Result<T>) -> PyResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::Empty => Ok(None),
        Err(error) => Err(raise(py, error)),
    }
}

/// The options that queues and ports share, as given by keyword.
pub(crate) struct Limits<'a, 'py> {
    pub(crate) capacity: Option<&'a Bound<'py, PyAny>>,
    pub(crate) max_message: Option<&'a Bound<'py, PyAny>>,
    pub(crate) byte_budget: Option<&'a Bound<'py, PyAny>>,
    pub(crate) max_users: Option<&'a Bound<'py, PyAny>>,
    pub(crate) timestamps: bool,
}

impl Limits<'_, '_> {
    pub(crate) fn options(&self) -> PyResult<QueueOptions> {
        let mut options = QueueOptions::default().timestamps(self.timestamps);
        if let Some(count) = self.capacity {
            options = options.capacity(unsigned32(count, "capacity")?);
        }
        if let Some(bytes) = self.max_message {
            options = options.max_message(unsigned(bytes, "max_message")?);
        }
        if let Some(bytes) = self.byte_budget {
            options = options.byte_budget(unsigned(bytes, "byte_budget")?);
        }
        if let Some(count) = self.max_users {
            options = options.max_users(unsigned32(count, "max_users")?);
        }
        Ok(options)
    }
}

fn offset_of(offset: Option<&Bound<'_, PyAny>>) -> PyResult<u64> {
    offset.map_or(Ok(0), |offset| unsigned(offset, "offset"))
}

#[pymethods]
impl Queue {
    /// Makes a queue in a segment, ``offset`` bytes from its start (a multiple of 4096; the segment
    /// needs :meth:`required_size` bytes from there on).
    ///
    /// ``capacity``: messages queued at most (1024 unless given). ``max_message``: the largest, in
    /// bytes (16 MiB). ``byte_budget``: bytes of memory for messages over 1 KiB (the greater of
    /// 64 MiB and four of the largest messages). ``max_users``: how many handles can be attached at once
    /// (256). ``timestamps``: note the time of sending in each message.
    #[staticmethod]
    #[pyo3(signature = (segment, offset=None, *, capacity=None, max_message=None, byte_budget=None, max_users=None, timestamps=false),
        text_signature = "(segment, offset=0, *, capacity=None, max_message=None, byte_budget=None, max_users=None, timestamps=False)")]
    #[expect(clippy::too_many_arguments, reason = "keywords")]
    fn create<'py>(
        py: Python<'py>,
        segment: &Bound<'py, Segment>,
        offset: Option<&Bound<'py, PyAny>>,
        capacity: Option<&Bound<'py, PyAny>>,
        max_message: Option<&Bound<'py, PyAny>>,
        byte_budget: Option<&Bound<'py, PyAny>>,
        max_users: Option<&Bound<'py, PyAny>>,
        timestamps: bool,
    ) -> PyResult<Queue> {
        let options =
            Limits { capacity, max_message, byte_budget, max_users, timestamps }.options()?;
        let offset = offset_of(offset)?;
        let inside = segment.get().handle(py)?;
        let queue =
            py.detach(|| mailboat::Queue::create(&inside, offset, &options)).or_raise(py)?;
        Ok(Queue::in_segment(queue, segment, offset))
    }

    /// Opens the queue that was made in the segment at this offset.
    #[staticmethod]
    #[pyo3(signature = (segment, offset=None), text_signature = "(segment, offset=0)")]
    fn open<'py>(
        py: Python<'py>,
        segment: &Bound<'py, Segment>,
        offset: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Queue> {
        Queue::opened(py, segment, offset_of(offset)?)
    }

    /// How many bytes of a segment a queue with these options occupies.
    #[staticmethod]
    #[pyo3(signature = (*, capacity=None, max_message=None, byte_budget=None, max_users=None, timestamps=false))]
    fn required_size(
        py: Python<'_>,
        capacity: Option<&Bound<'_, PyAny>>,
        max_message: Option<&Bound<'_, PyAny>>,
        byte_budget: Option<&Bound<'_, PyAny>>,
        max_users: Option<&Bound<'_, PyAny>>,
        timestamps: bool,
    ) -> PyResult<u64> {
        let options =
            Limits { capacity, max_message, byte_budget, max_users, timestamps }.options()?;
        mailboat::Queue::required_size(&options).or_raise(py)
    }

    /// Sends a copy of ``data`` (anything with the buffer protocol, contiguous) and returns the
    /// message's id. ``kind`` is a number of your own that travels with it.
    ///
    /// Raises :class:`TooLarge`, :class:`Full` or :class:`Timeout`, :class:`NoSpace`,
    /// :class:`Closed` when it was deleted. A message that was not sent is nowhere.
    #[pyo3(signature = (data, timeout=Timeout::FOREVER, kind=MessageKind(0)), text_signature = "($self, data, timeout=None, kind=0)")]
    fn send(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        timeout: Timeout,
        kind: MessageKind,
    ) -> PyResult<u64> {
        let data = Data::of(data)?;
        let message = Outgoing::new(data.as_slice()).kind(kind.0);
        if message.body.len() < LARGE {
            self.attempt(py, timeout, |queue, limit| queue.send_message(message, limit))?
        } else {
            let queue = self.handle(py)?;
            attempt_detached(py, timeout, |limit| queue.send_message(message, limit))?
        }
        .or_raise(py)
    }

    /// Sends if that is possible at once, and raises :class:`Full` if not: ``send(data, timeout=0)``.
    /// (It raises, because a result that says *not sent* is too easily not looked at.)
    #[pyo3(signature = (data, kind=MessageKind(0)), text_signature = "($self, data, kind=0)")]
    fn try_send(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        kind: MessageKind,
    ) -> PyResult<u64> {
        self.send(py, data, Timeout::TRY, kind)
    }

    /// Sends several messages, in order, and returns how many were sent: all, unless the time ran
    /// out or something went wrong after the first. Raises only if none was sent.
    #[pyo3(signature = (messages, timeout=Timeout::FOREVER, kind=MessageKind(0)), text_signature = "($self, messages, timeout=None, kind=0)")]
    fn send_many(
        &self,
        py: Python<'_>,
        messages: &Bound<'_, PyAny>,
        timeout: Timeout,
        kind: MessageKind,
    ) -> PyResult<usize> {
        let objects = messages.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        let data = objects.iter().map(Data::of).collect::<PyResult<Vec<_>>>()?;
        let all: Vec<_> =
            data.iter().map(|data| Outgoing::new(data.as_slice()).kind(kind.0)).collect();
        let start = Instant::now();
        let mut sent = 0;
        while sent < all.len() {
            let rest = &all[sent..];
            let left = timeout.left(start);
            match self.attempt(py, left, |queue, limit| queue.send_many(rest, limit))? {
                Ok(count) => sent += count,
                Err(error) if sent == 0 => return Err(raise(py, error)),
                Err(_) => break,
            }
        }
        Ok(sent)
    }

    /// Borrows ``size`` bytes of the port's memory to write a message in place: see :class:`Loan`.
    /// ``timeout`` is how long to wait for memory, and later for a place in the queue.
    #[pyo3(signature = (size, timeout=Timeout::FOREVER, kind=MessageKind(0)), text_signature = "($self, size, timeout=None, kind=0)")]
    fn loan<'py>(
        &self,
        py: Python<'py>,
        size: &Bound<'py, PyAny>,
        timeout: Timeout,
        kind: MessageKind,
    ) -> PyResult<Bound<'py, Loan>> {
        let size = unsigned(size, "size")?;
        let loan = self.attempt(py, timeout, |queue, limit| queue.loan_wait(size, limit))?;
        Loan::made(py, loan.or_raise(py)?, kind, timeout)
    }

    /// Receives the next message: a copy of its own, acknowledged. See :class:`Message`.
    #[pyo3(signature = (timeout=Timeout::FOREVER), text_signature = "($self, timeout=None)")]
    fn receive<'py>(&self, py: Python<'py>, timeout: Timeout) -> PyResult<Bound<'py, Message>> {
        receive_from(py, self.take_one(py, timeout)?)
    }

    /// Receives a message if there is one now, and returns ``None`` if not. Polling costs least this
    /// way.
    fn try_receive<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, Message>>> {
        let taken = self.attempt(py, Timeout::TRY, |queue, limit| queue.take_wait(limit))?;
        let receipt = unless_empty(py, taken)?;
        receipt.map(|receipt| receive_from(py, receipt)).transpose()
    }

    /// Receives the next message into the start of ``buffer`` (writable, contiguous) and returns its
    /// :class:`Header`, whose ``length`` says how much was written. Makes the fewest objects.
    ///
    /// A message that does not fit stays where it is: :class:`TooLarge`, with its ``size``.
    #[pyo3(signature = (buffer, timeout=Timeout::FOREVER), text_signature = "($self, buffer, timeout=None)")]
    fn receive_into(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        timeout: Timeout,
    ) -> PyResult<Header> {
        let mut view = View::write(buffer)?;
        let target = view.as_mut_slice();
        let header = if target.len() < LARGE {
            self.attempt(py, timeout, |queue, limit| queue.receive_into(target, limit))?
        } else {
            let queue = self.handle(py)?;
            attempt_detached(py, timeout, |limit| queue.receive_into(target, limit))?
        };
        header.or_raise(py).map(Header::from)
    }

    /// Waits for a message, and returns it with what more there is, at most ``max``, as a list.
    #[pyo3(signature = (max, timeout=Timeout::FOREVER), text_signature = "($self, max, timeout=None)")]
    fn receive_many<'py>(
        &self,
        py: Python<'py>,
        max: &Bound<'py, PyAny>,
        timeout: Timeout,
    ) -> PyResult<Vec<Bound<'py, Message>>> {
        let max = at_least_one(max, "max")?;
        let taken = self.attempt(py, timeout, |queue, limit| queue.take_many(max, limit))?;
        let receipts = taken.or_raise(py)?;
        // All are copied before the first is acknowledged: whatever fails here, none is lost.
        let copies = receipts
            .iter()
            .map(|receipt| Message::received(py, receipt))
            .collect::<PyResult<Vec<_>>>()?;
        let mut messages = Vec::with_capacity(copies.len());
        for (message, receipt) in copies.into_iter().zip(receipts) {
            match receipt.ack() {
                Ok(()) => messages.push(message),
                // Given to another receiver meanwhile, so it is not ours. If that is so for all of
                // them there is nothing to return but the reason.
                Err(error) if messages.is_empty() => return Err(raise(py, error)),
                Err(_) => {}
            }
        }
        Ok(messages)
    }

    /// Takes the next message in hand, to be acknowledged. See :class:`Message`::
    ///
    ///     with port.take() as message:
    ///         frame = numpy.frombuffer(message, dtype="u1")
    #[pyo3(signature = (timeout=Timeout::FOREVER), text_signature = "($self, timeout=None)")]
    fn take<'py>(&self, py: Python<'py>, timeout: Timeout) -> PyResult<Bound<'py, Message>> {
        let receipt = self.take_one(py, timeout)?;
        Message::taken(py, receipt)
    }

    /// Takes a message in hand if there is one now, and returns ``None`` if not.
    fn try_take<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, Message>>> {
        let taken = self.attempt(py, Timeout::TRY, |queue, limit| queue.take_wait(limit))?;
        let receipt = unless_empty(py, taken)?;
        receipt.map(|receipt| Message::taken(py, receipt)).transpose()
    }

    /// Waits for a message, and takes it with what more there is, at most ``max``, as a list. Each is
    /// acknowledged on its own.
    #[pyo3(signature = (max, timeout=Timeout::FOREVER), text_signature = "($self, max, timeout=None)")]
    fn take_many<'py>(
        &self,
        py: Python<'py>,
        max: &Bound<'py, PyAny>,
        timeout: Timeout,
    ) -> PyResult<Vec<Bound<'py, Message>>> {
        let max = at_least_one(max, "max")?;
        let taken = self.attempt(py, timeout, |queue, limit| queue.take_many(max, limit))?;
        let receipts = taken.or_raise(py)?;
        receipts.into_iter().map(|receipt| Message::taken(py, receipt)).collect()
    }

    /// Closes it for all its users, for ever: they get :class:`Closed`, those that wait at once.
    /// Messages still queued are gone.
    fn shut(&self, py: Python<'_>) -> PyResult<()> {
        let queue = self.handle(py)?;
        py.detach(|| queue.shut()).or_raise(py)
    }

    /// Lets go of it: this object cannot be used afterwards. Calls under way in other threads, taken
    /// messages and loans are not disturbed. Closing again does nothing.
    fn close(&self, py: Python<'_>) {
        let handle = self.slot().take();
        // Detaching may have to tidy up in shared memory.
        py.detach(|| drop(handle));
    }

    /// Whether it cannot be used any more: ``close()`` was called, or it was deleted.
    #[getter]
    fn closed(&self) -> bool {
        let handle = self.slot().clone();
        handle.is_none_or(|handle| handle.is_closed())
    }

    /// Messages queued at most.
    #[getter]
    fn capacity(&self, py: Python<'_>) -> PyResult<u32> {
        self.handle(py).map(|queue| queue.capacity())
    }

    /// The largest message in bytes.
    #[getter]
    fn max_message(&self, py: Python<'_>) -> PyResult<u64> {
        self.handle(py).map(|queue| queue.max_message())
    }

    /// How it is doing.
    fn stat(&self, py: Python<'_>) -> PyResult<QueueStat> {
        let queue = self.handle(py)?;
        py.detach(|| queue.stat()).or_raise(py).map(QueueStat::from)
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
    ) {
        self.close(py);
    }

    /// Receives message after message; ends when it is deleted.
    fn __iter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, Message>>> {
        match self.attempt(py, Timeout::FOREVER, |queue, limit| queue.take_wait(limit))? {
            Ok(receipt) => receive_from(py, receipt).map(Some),
            Err(error) if error.kind() == ErrorKind::Closed => Ok(None),
            Err(error) => Err(raise(py, error)),
        }
    }

    /// Messages queued just now.
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        // No more than 2^26.
        self.handle(py).map(|queue| queue.len() as usize)
    }

    /// Always true, also when no message is queued.
    fn __bool__(&self) -> bool {
        true
    }

    fn __repr__(&self) -> String {
        format!("<mailboat.Queue, {}, {}>", self.noun, self.state())
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<Reduced> {
        self.handle(py)?;
        let Some((segment, offset)) = &self.place else {
            return Err(PyTypeError::new_err("this queue cannot be pickled"));
        };
        let reopen = py.import("mailboat._mailboat")?.getattr("_reopen_queue")?;
        Ok((reopen.unbind(), (segment.clone_ref(py), *offset)))
    }
}

/// For pickle.
#[pyfunction]
#[pyo3(name = "_reopen_queue")]
pub(crate) fn reopen(py: Python<'_>, segment: &Bound<'_, Segment>, offset: u64) -> PyResult<Queue> {
    Queue::opened(py, segment, offset)
}
