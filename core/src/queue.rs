//! Queues: bounded, many senders, many receivers, crash-safe. Ports are queues with a name.

mod attach;
mod hand;
mod receive;
mod send;
mod stat;

use crate::error::{Error, ErrorKind, Result};
use crate::segment::Segment;
use crate::shm::layout::{FLAG_TIMESTAMPS, Geometry, PAGE, at};
use crate::shm::{Fault, layout};
use crate::sync::Acquire;
use std::sync::Arc;

pub(crate) use attach::{Inner, read_geometry};
pub use hand::{Loan, Receipt, Rejected};
pub use stat::QueueStat;

/// How to make a queue.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueueOptions {
    /// Messages queued at most, 1 to 2^26. Default 1024.
    pub capacity: u32,
    /// The largest message, in bytes, 0 to 2^40. Default 16 MiB.
    pub max_message: u64,
    /// Memory for messages of more than 1 KiB, in bytes, counted in buffers of 4 KiB, 16 KiB and so on.
    /// It is taken as it is needed. `None` is 64 MiB, or four of the largest messages if that is more.
    /// (Smaller messages are bounded by the capacity.)
    pub byte_budget: Option<u64>,
    /// How many handles may be attached at once, 1 to 4096. Default 256.
    pub max_users: u32,
    /// Whether each message carries the time when it was sent. Default no: reading a clock costs a
    /// good part of what sending does.
    pub timestamps: bool,
}

impl Default for QueueOptions {
    fn default() -> Self {
        QueueOptions {
            capacity: 1024,
            max_message: 16 << 20,
            byte_budget: None,
            max_users: 256,
            timestamps: false,
        }
    }
}

impl QueueOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many messages may be queued.
    pub fn capacity(mut self, messages: u32) -> Self {
        self.capacity = messages;
        self
    }

    /// Sets the largest message, in bytes.
    pub fn max_message(mut self, bytes: u64) -> Self {
        self.max_message = bytes;
        self
    }

    /// Sets the memory for messages of more than 1 KiB, in bytes.
    pub fn byte_budget(mut self, bytes: u64) -> Self {
        self.byte_budget = Some(bytes);
        self
    }

    /// Sets how many handles may be attached at once.
    pub fn max_users(mut self, users: u32) -> Self {
        self.max_users = users;
        self
    }

    /// Sets whether messages carry the time when they were sent.
    pub fn timestamps(mut self, on: bool) -> Self {
        self.timestamps = on;
        self
    }

    pub(crate) fn geometry(&self) -> Result<Geometry> {
        let usual = (64 << 20).max(self.max_message.saturating_mul(4));
        let budget = self.byte_budget.unwrap_or(usual);
        let flags = if self.timestamps { FLAG_TIMESTAMPS } else { 0 };
        Geometry::new(self.capacity, self.max_users, self.max_message, budget, flags)
            .map_err(Error::invalid)
    }
}

/// A crash-safe buffer of messages between any number of senders and receivers.
///
/// It lives in a [`Segment`], where the program puts it, or in a [`Port`](crate::Port), which is a
/// queue with a name. Each message goes to exactly one receiver, first sent first claimed.
///
/// Cheap to clone. Threads: any number may use one handle. Fork: a child's handle attaches by itself
/// at its next use; loans and receipts stay the parent's. Death: what a dead sender had sent is
/// delivered; what a dead receiver had taken and not acknowledged is delivered again, flagged.
///
/// Every call can fail with [`Closed`](ErrorKind::Closed) when the queue was shut or its port
/// deleted, with [`Corrupt`](ErrorKind::Corrupt) when somebody wrote nonsense into its memory, and with
/// [`LeaseLost`](ErrorKind::LeaseLost) (see there).
#[derive(Clone)]
pub struct Queue {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("label", &self.label()).finish_non_exhaustive()
    }
}

impl Queue {
    /// How many bytes of a segment a queue with these options takes up, from its offset on. Only a
    /// part of it needs memory; the queue commits that itself.
    pub fn required_size(options: &QueueOptions) -> Result<u64> {
        Ok(options.geometry()?.total)
    }

    /// Makes a queue in a segment, at `offset` bytes from its start, a multiple of 4096. It may reach
    /// beyond the segment's size, but not beyond its `max_size`. The place must be zero, as new
    /// segments are.
    ///
    /// Errors: [`Invalid`](ErrorKind::Invalid) options or offset;
    /// [`TooLarge`](ErrorKind::TooLarge) for the segment;
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) if something is there;
    /// [`NoSpace`](ErrorKind::NoSpace); [`NotPermitted`](ErrorKind::NotPermitted) on a segment opened
    /// for reading.
    pub fn create(segment: &Segment, offset: u64, options: &QueueOptions) -> Result<Queue> {
        segment.check_writable("given a queue")?;
        let geo = options.geometry()?;
        Ok(Queue { inner: Arc::new(attach::create_in(segment, offset, geo)?) })
    }

    /// Attaches to the queue at `offset` of a segment.
    ///
    /// Errors: [`NotFound`](ErrorKind::NotFound) if there is none (yet);
    /// [`Version`](ErrorKind::Version); [`Corrupt`](ErrorKind::Corrupt);
    /// [`TooMany`](ErrorKind::TooMany) users; [`NotPermitted`](ErrorKind::NotPermitted) on a segment
    /// opened for reading.
    pub fn open(segment: &Segment, offset: u64) -> Result<Queue> {
        segment.check_writable("used as a queue")?;
        Ok(Queue { inner: Arc::new(attach::open_in(segment, offset)?) })
    }

    /// Closes the queue for all its users, for ever; those that wait are woken. Messages in it are
    /// gone. A port is closed so when it is deleted.
    pub fn shut(&self) -> Result<()> {
        self.inner.close();
        Ok(())
    }

    /// Messages queued just now, those given back included. A snapshot.
    pub fn len(&self) -> u64 {
        self.inner.queued().unwrap_or(0)
    }

    /// Whether nothing is queued just now. A snapshot.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.inner.engine.region.word(at::CLOSED).load(Acquire) != 0
    }

    /// Messages queued at most.
    pub fn capacity(&self) -> u32 {
        self.inner.engine.geo.capacity
    }

    /// The largest message, in bytes.
    pub fn max_message(&self) -> u64 {
        self.inner.engine.geo.max_message
    }

    /// How errors call it, such as `port "orders" in /dev/shm/mailboat-1000/default`.
    pub fn label(&self) -> &str {
        &self.inner.label
    }
}

impl Inner {
    /// Names for what the words said.
    #[cold]
    pub(crate) fn fault(&self, fault: Fault) -> Error {
        match fault {
            Fault::Corrupt { what, found, expected } => {
                Error::corrupt(&self.label, what, found, expected)
            }
            Fault::NoSpace { needed } => {
                self.domain.inner.no_space(format!("messages of {}", self.label), needed)
            }
            Fault::System(e) => {
                let e = std::io::Error::from_raw_os_error(e);
                Error::system(format!("committing memory for messages of {}", self.label), e)
            }
        }
    }

    #[cold]
    pub(crate) fn closed(&self) -> Error {
        let why = match self.port {
            Some(_) => "it was deleted, or its owner has gone",
            None => "it was shut",
        };
        Error::Closed { object: self.label.clone(), why }
    }

    #[cold]
    pub(crate) fn too_large(&self, size: u64) -> Error {
        Error::TooLarge {
            what: "a message",
            size,
            max: self.engine.geo.max_message,
            whose: format!("the max_message of {}, set when it was made", self.label).into(),
        }
    }
}

fn offset_error(segment: &Segment, offset: u64) -> Option<Error> {
    (!offset.is_multiple_of(PAGE)).then(|| {
        Error::new(
            ErrorKind::Invalid,
            format!(
                "offset {offset} of a queue in {} is not a multiple of {PAGE}",
                segment.inner.label
            ),
        )
    })
}

const _: () = assert!(layout::PAGE == crate::os::map::PAGE);
