//! The queue as users see it.
use crate::error::Result;
use crate::message::{Header, Message, Outgoing};
use crate::segment::Segment;
use crate::time::Wait;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueueOptions {
    /// messages queued at most, 1..=2^26; default 1024
    pub capacity: u32,
    /// largest message in bytes, 0..=2^40, default 16 MiB
    pub max_message: u64,
    /// bytes of payload memory for messages over 192 bytes; None: max(64 MiB, 4*max_message)
    pub byte_budget: Option<u64>,
    /// how many handles may be attached at once, 1..=4096; default 256
    pub max_users: u32,
    /// note the sent time in each message
    pub timestamps: bool,
}
impl Default for QueueOptions { fn default() -> Self { todo!() } }
impl QueueOptions {
    pub fn new() -> Self { todo!() }
    pub fn capacity(mut self, n: u32) -> Self { self.capacity = n; self }
    pub fn max_message(mut self, bytes: u64) -> Self { self.max_message = bytes; self }
    pub fn byte_budget(mut self, bytes: u64) -> Self { self.byte_budget = Some(bytes); self }
    pub fn max_users(mut self, n: u32) -> Self { self.max_users = n; self }
    pub fn timestamps(mut self, on: bool) -> Self { self.timestamps = on; self }
}

pub(crate) struct Inner {}
/// cheap to clone (Arc), Send + Sync
#[derive(Clone)]
pub struct Queue { pub(crate) inner: Arc<Inner> }

impl Queue {
    /// bytes a queue with these options occupies in a segment
    pub fn required_size(options: &QueueOptions) -> Result<u64> { todo!() }
    /// offset: multiple of 4096
    pub fn create(segment: &Segment, offset: u64, options: &QueueOptions) -> Result<Queue> { todo!() }
    pub fn open(segment: &Segment, offset: u64) -> Result<Queue> { todo!() }
    /// Closes the queue for all its users, for ever.
    pub fn shut(&self) -> Result<()> { todo!() }

    pub fn send(&self, body: &[u8]) -> Result<u64> { todo!() }
    pub fn try_send(&self, body: &[u8]) -> Result<u64> { todo!() }
    pub fn send_timeout(&self, body: &[u8], timeout: Duration) -> Result<u64> { todo!() }
    pub fn send_message(&self, message: Outgoing<'_>, wait: Wait) -> Result<u64> { todo!() }
    /// Returns how many were sent; an error only if none was.
    pub fn send_many(&self, messages: &[Outgoing<'_>], wait: Wait) -> Result<usize> { todo!() }

    pub fn loan(&self, size: u64) -> Result<Loan> { todo!() }
    pub fn try_loan(&self, size: u64) -> Result<Loan> { todo!() }
    pub fn loan_timeout(&self, size: u64, timeout: Duration) -> Result<Loan> { todo!() }
    pub fn loan_wait(&self, size: u64, wait: Wait) -> Result<Loan> { todo!() }

    pub fn receive(&self) -> Result<Message> { todo!() }
    pub fn try_receive(&self) -> Result<Message> { todo!() }
    pub fn receive_timeout(&self, timeout: Duration) -> Result<Message> { todo!() }
    pub fn receive_wait(&self, wait: Wait) -> Result<Message> { todo!() }
    /// Copies the body to the front of `buffer`. If it does not fit: TooLarge (with the size needed in Error::TooLarge.size),
    /// and the message stays where it is.
    pub fn receive_into(&self, buffer: &mut [u8], wait: Wait) -> Result<Header> { todo!() }
    /// waits for the first, takes what more there is
    pub fn receive_many(&self, max: usize, wait: Wait) -> Result<Vec<Message>> { todo!() }
    /// Bodies are laid one after the other into `buffer`; calls `each(header, offset)`. Stops at max, when empty, or
    /// when the next does not fit (TooLarge if the first does not fit). Returns how many.
    pub fn receive_many_into(&self, buffer: &mut [u8], max: usize, wait: Wait, each: &mut dyn FnMut(Header, usize)) -> Result<usize> { todo!() }

    pub fn take(&self) -> Result<Receipt> { todo!() }
    pub fn try_take(&self) -> Result<Receipt> { todo!() }
    pub fn take_timeout(&self, timeout: Duration) -> Result<Receipt> { todo!() }
    pub fn take_wait(&self, wait: Wait) -> Result<Receipt> { todo!() }
    pub fn take_many(&self, max: usize, wait: Wait) -> Result<Vec<Receipt>> { todo!() }

    /// messages queued just now (a snapshot)
    pub fn len(&self) -> u64 { todo!() }
    pub fn is_empty(&self) -> bool { todo!() }
    pub fn is_closed(&self) -> bool { todo!() }
    pub fn capacity(&self) -> u32 { todo!() }
    pub fn max_message(&self) -> u64 { todo!() }
    /// `port "x" in /dev/shm/...`
    pub fn label(&self) -> &str { todo!() }
    pub fn stat(&self) -> Result<QueueStat> { todo!() }
}

/// message memory in the queue, to be written in place. Send, not Sync. Dropping discards.
pub struct Loan { pub(crate) inner: Arc<Inner> }
impl Loan {
    pub fn capacity(&self) -> u64 { todo!() }
    pub fn as_mut_ptr(&mut self) -> *mut u8 { todo!() }
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<()> { todo!() }
    /// # Safety
    /// nobody else may write the port's memory
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] { todo!() }
    /// whole capacity, kind 0, forever
    pub fn send(self) -> Result<u64, Rejected> { todo!() }
    pub fn send_with(self, length: u64, kind: u32, wait: Wait) -> Result<u64, Rejected> { todo!() }
    pub fn discard(self) { todo!() }
}
/// A loan that could not be sent, given back with the reason
pub struct Rejected { pub loan: Loan, pub error: crate::Error }

/// A message in hand. Dropping it gives it back (nack). Send + Sync.
pub struct Receipt { pub(crate) inner: Arc<Inner> }
impl Receipt {
    pub fn header(&self) -> &Header { todo!() }
    pub fn len(&self) -> usize { todo!() }
    pub fn is_empty(&self) -> bool { todo!() }
    pub fn as_ptr(&self) -> *const u8 { todo!() }
    pub fn to_vec(&self) -> Vec<u8> { todo!() }
    pub fn copy_to(&self, offset: u64, out: &mut [u8]) -> Result<()> { todo!() }
    /// # Safety
    /// the sender's process must not write it any more
    pub unsafe fn as_slice(&self) -> &[u8] { todo!() }
    /// done with it; LeaseLost / Forked if it is no longer ours
    pub fn ack(self) -> Result<()> { todo!() }
    /// give back: next receiver gets it flagged redelivered
    pub fn nack(self) -> Result<()> { todo!() }
}

#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueueStat {
    pub capacity: u32,
    pub queued: u64,
    pub in_hand: u64,   // taken, not yet acknowledged
    pub loaned: u64,    // claimed by senders, not yet sent
    pub given_back: u64, // waiting for redelivery
    pub max_message: u64,
    pub byte_budget: u64,
    pub bytes_committed: u64, // of the byte budget
    pub users: u32,
    pub max_users: u32,
    pub sent: u64, pub received: u64, pub redelivered: u64, pub deaths: u64,
    pub timestamps: bool, pub closed: bool,
    pub tasks: Vec<crate::TaskId>,
}
