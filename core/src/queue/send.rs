//! Sending.

use super::Queue;
use super::attach::Inner;
use super::hand::Loan;
use crate::error::{Error, FullLimit, Result};
use crate::message::Outgoing;
use crate::os::clock::now_ns;
use crate::shm::Engine;
use crate::shm::layout::{FLAG_TIMESTAMPS, SPARE, SPARES, chunk};
use crate::shm::ring::Published;
use crate::shm::slab::{Allocation, Chunk};
use crate::shm::users::User;
use crate::shm::wait::{Waited, block};
use crate::sync::{Acquire, Relaxed, Release};
use crate::time::{Deadline, Wait};
use std::time::Duration;

/// Why a send cannot go on just now.
#[derive(Clone, Copy)]
struct Full {
    limit: FullLimit,
    used: u64,
    max: u64,
}

/// How long a call may wait. The clock is read only when it comes to waiting.
struct Patience {
    wait: Wait,
    deadline: Option<Deadline>,
}

impl Queue {
    /// Sends a copy of `body`; waits without limit while the queue is full. Returns the message's id.
    ///
    /// Errors: [`TooLarge`](crate::ErrorKind::TooLarge) with both figures;
    /// [`NoSpace`](crate::ErrorKind::NoSpace) when the tmpfs is full. Nothing was sent then.
    pub fn send(&self, body: &[u8]) -> Result<u64> {
        self.send_message(Outgoing::new(body), Wait::FOREVER)
    }

    /// Sends if there is room at once; else [`Full`](crate::ErrorKind::Full), which says which limit.
    pub fn try_send(&self, body: &[u8]) -> Result<u64> {
        self.send_message(Outgoing::new(body), Wait::TRY)
    }

    /// Sends, waiting at most `timeout`; else [`Timeout`](crate::ErrorKind::Timeout).
    pub fn send_timeout(&self, body: &[u8], timeout: Duration) -> Result<u64> {
        self.send_message(Outgoing::new(body), timeout.into())
    }

    /// Sends a message with all its particulars, waiting as `wait` says. Returns its id.
    pub fn send_message(&self, message: Outgoing<'_>, wait: Wait) -> Result<u64> {
        let inner = &*self.inner;
        let id = inner.send_one(message, &mut Patience { wait, deadline: None })?;
        inner.engine.readable().notify(1);
        inner.claim_spare();
        Ok(id)
    }

    /// Sends several messages in order, waiting as `wait` says for room for all. Returns how many
    /// were sent: fewer than given if the time ran out, the queue was closed or one was refused. An
    /// error only if none was sent.
    pub fn send_many(&self, messages: &[Outgoing<'_>], wait: Wait) -> Result<usize> {
        let inner = &*self.inner;
        let mut patience = Patience { wait, deadline: None };
        let mut sent = 0;
        let mut announced = 0;
        for &message in messages {
            // Receivers must know before this call waits for them; so first without waiting.
            let mut result =
                inner.send_one(message, &mut Patience { wait: Wait::TRY, deadline: None });
            if matches!(result, Err(Error::Full { .. })) && !wait.is_try() {
                inner.engine.readable().notify((sent - announced) as u32);
                announced = sent;
                result = inner.send_one(message, &mut patience);
            }
            match result {
                Ok(_) => sent += 1,
                Err(e) if sent == 0 => return Err(e),
                Err(_) => break,
            }
        }
        if sent > announced {
            inner.engine.readable().notify((sent - announced) as u32);
        }
        inner.claim_spare();
        Ok(sent)
    }

    /// Lends memory for a message of up to `size` bytes, to be written in place; waits without limit
    /// for a free buffer. Its first bytes are whatever was there before.
    ///
    /// Errors as [`send`](Queue::send).
    pub fn loan(&self, size: u64) -> Result<Loan> {
        self.loan_wait(size, Wait::FOREVER)
    }

    /// Lends if there is a free buffer at once; else [`Full`](crate::ErrorKind::Full).
    pub fn try_loan(&self, size: u64) -> Result<Loan> {
        self.loan_wait(size, Wait::TRY)
    }

    /// Lends, waiting at most `timeout`; else [`Timeout`](crate::ErrorKind::Timeout).
    pub fn loan_timeout(&self, size: u64, timeout: Duration) -> Result<Loan> {
        self.loan_wait(size, timeout.into())
    }

    /// Lends, waiting as `wait` says.
    pub fn loan_wait(&self, size: u64, wait: Wait) -> Result<Loan> {
        let inner = &*self.inner;
        let me = inner.enter()?;
        let class = inner.class_for(size)?;
        let mut patience = Patience { wait, deadline: None };
        let chunk = inner.patiently(&mut patience, |full| inner.allocate(me, class, full))?;
        inner.engine.field(&chunk, chunk::LENGTH).store(0, Relaxed);
        Ok(Loan::new(self.inner.clone(), me, chunk, size))
    }
}

impl Inner {
    #[inline(always)]
    fn class_for(&self, size: u64) -> Result<usize> {
        self.engine.geo.class_for(size).ok_or_else(|| self.too_large(size))
    }

    /// Sends, but leaves it to the caller to wake receivers.
    #[inline(always)]
    fn send_one(&self, message: Outgoing<'_>, patience: &mut Patience) -> Result<u64> {
        let me = self.enter()?;
        let class = self.class_for(message.body.len() as u64)?;
        let at_hand =
            if self.was_full.load(Relaxed) == 0 { self.take_spare(me, class) } else { None };
        let chunk = match at_hand {
            Some(chunk) => chunk,
            None => self.patiently(patience, |full| self.reserve(me, class, full))?,
        };
        let body = self.engine.geo.classes[class].body(chunk.index);
        let to = self.engine.region.bytes(body, message.body.len() as u64);
        // SAFETY: the chunk is ours alone by its state word; the range lies inside the mapping and
        // is committed; the source is a private slice, which no mapping overlaps as a `&[u8]`.
        unsafe { std::ptr::copy_nonoverlapping(message.body.as_ptr(), to, message.body.len()) };
        match self.dispatch(me, &chunk, message.body.len() as u64, message.kind, patience) {
            Ok(id) => Ok(id),
            Err(error) => {
                self.engine.free(&chunk);
                self.engine.freed().notify(u32::MAX);
                Err(error)
            }
        }
    }

    /// Publishes a filled chunk of the caller's. On an error the chunk is still the caller's.
    ///
    /// Whatever is out of the ordinary is left to a function of its own, so that the ordinary needs
    /// only registers.
    #[inline(always)]
    fn dispatch(
        &self,
        me: User,
        chunk: &Chunk,
        length: u64,
        kind: u32,
        patience: &mut Patience,
    ) -> Result<u64> {
        // The chunk may be of an attachment that was lost meanwhile.
        if !self.keeps_lease(me) {
            return Err(self.lease_lost());
        }
        let id = self.engine.field(chunk, chunk::ID).load(Relaxed);
        let set = |field, value| self.engine.field(chunk, field).store(value, Relaxed);
        set(chunk::LENGTH, length);
        set(chunk::KIND, kind as u64);
        let stamped = self.engine.geo.flags & FLAG_TIMESTAMPS != 0;
        set(chunk::SENT, if stamped { now_ns() } else { 0 });
        let published = self.was_full.load(Relaxed) == 0
            && matches!(self.engine.publish(chunk), Ok(Published::Done));
        // Whoever sweeps after us first declares us dead; if that has not happened by now, then the
        // sweep will find the message published.
        if published && self.keeps_lease(me) && !self.is_due(1) {
            return Ok(id);
        }
        self.dispatch_patiently(me, chunk, published, patience)?;
        Ok(id)
    }

    #[cold]
    #[inline(never)]
    fn dispatch_patiently(
        &self,
        me: User,
        chunk: &Chunk,
        published: bool,
        patience: &mut Patience,
    ) -> Result<()> {
        if !published {
            self.publish_patiently(chunk, patience)?;
        }
        self.check_lease(me)?;
        // The message is on its way, whatever the look after the dead comes upon.
        let _ = self.tend(now_ns());
        Ok(())
    }

    fn publish_patiently(&self, chunk: &Chunk, patience: &mut Patience) -> Result<()> {
        self.patiently(patience, |full| {
            if self.was_full.load(Relaxed) != 0
                && self.engine.is_full().map_err(|f| self.fault(f))?
            {
                *full = Some(self.at_capacity());
                return Ok(None);
            }
            let published = self.engine.publish(chunk).map_err(|f| self.fault(f))?;
            Ok(match published {
                Published::Done => Some(()),
                Published::Full => {
                    self.was_full.store(1, Relaxed);
                    *full = Some(self.at_capacity());
                    None
                }
            })
        })
    }

    /// The chunk that was claimed ahead, if there is one and it fits.
    #[inline(always)]
    fn take_spare(&self, me: User, class: usize) -> Option<Chunk> {
        if class != 0 || self.spare.load(Relaxed) == 0 {
            return None;
        }
        self.engine.unpacked(me, self.spare.swap(0, Acquire))
    }

    /// Claims a chunk for the next message, once this one is on its way: so that the next sender
    /// waits neither for the chunk's cache lines nor for the locked instructions that claim it.
    #[inline]
    fn claim_spare(&self) {
        let me = self.user();
        if me.place >= SPARES || self.was_full.load(Relaxed) != 0 || self.spare.load(Relaxed) != 0 {
            return;
        }
        let Some(chunk) = self.engine.claim_ahead(me, &self.cursors[0]) else { return };
        self.name(me, &chunk);
        self.engine.field(&chunk, chunk::LENGTH).store(SPARE, Relaxed);
        if self.spare.swap_if(0, Engine::packed(&chunk), Release).is_err() {
            self.engine.free(&chunk);
            self.engine.freed().notify(u32::MAX);
        }
    }

    /// Fills in what is known of a message before it is written.
    #[inline]
    fn name(&self, me: User, chunk: &Chunk) {
        self.engine.field(chunk, chunk::ID).store(self.message_id(), Relaxed);
        self.engine.field(chunk, chunk::SENDER).store(me.task().0, Relaxed);
    }

    /// Dispatches a loan's chunk and wakes a receiver.
    pub(super) fn dispatch_loan(
        &self,
        owner: User,
        chunk: &Chunk,
        length: u64,
        kind: u32,
        wait: Wait,
    ) -> Result<u64> {
        self.enter()?;
        let id =
            self.dispatch(owner, chunk, length, kind, &mut Patience { wait, deadline: None })?;
        self.engine.readable().notify(1);
        Ok(id)
    }

    /// A chunk, if neither the ring nor the memory is full.
    #[inline(always)]
    fn reserve(&self, me: User, class: usize, full: &mut Option<Full>) -> Result<Option<Chunk>> {
        // Looking costs a cache line; so only when the last send found it full.
        if self.was_full.load(Relaxed) != 0 {
            if self.engine.is_full().map_err(|f| self.fault(f))? {
                *full = Some(self.at_capacity());
                return Ok(None);
            }
            self.was_full.store(0, Relaxed);
        }
        if let Some(chunk) = self.allocate(me, class, full)? {
            return Ok(Some(chunk));
        }
        let exhausted = matches!(full, Some(Full { limit: FullLimit::Buffers, .. }));
        // Say the simpler thing where both are true. Not so for a loan, which needs no room in the
        // ring, and so must not wait for it.
        if exhausted && self.engine.is_full().map_err(|f| self.fault(f))? {
            self.was_full.store(1, Relaxed);
            *full = Some(self.at_capacity());
        }
        Ok(None)
    }

    #[inline]
    fn allocate(&self, me: User, class: usize, full: &mut Option<Full>) -> Result<Option<Chunk>> {
        if let Some(chunk) = self.take_spare(me, class) {
            return Ok(Some(chunk));
        }
        let cursor = &self.cursors[class];
        match self.engine.allocate(me, class, cursor).map_err(|f| self.fault(f))? {
            Allocation::Chunk(chunk) => {
                self.name(me, &chunk);
                return Ok(Some(chunk));
            }
            Allocation::Exhausted => {
                let count = self.engine.geo.classes[class].count as u64;
                *full = Some(Full { limit: FullLimit::Buffers, used: count, max: count });
            }
            Allocation::OverBudget(used) => {
                let max = self.engine.geo.byte_budget;
                *full = Some(Full { limit: FullLimit::ByteBudget, used: used.min(max), max });
            }
        }
        Ok(None)
    }

    fn at_capacity(&self) -> Full {
        let max = self.engine.geo.capacity as u64;
        Full { limit: FullLimit::Capacity, used: max, max }
    }

    /// Tries until it works, as long as the patience lasts. Nothing is held while waiting but what
    /// the caller holds.
    #[inline(always)]
    fn patiently<T>(
        &self,
        patience: &mut Patience,
        mut attempt: impl FnMut(&mut Option<Full>) -> Result<Option<T>>,
    ) -> Result<T> {
        let mut full = None;
        if let Some(done) = attempt(&mut full)? {
            return Ok(done);
        }
        self.wait_for_room(patience, full, attempt)
    }

    #[cold]
    #[inline(never)]
    fn wait_for_room<T>(
        &self,
        patience: &mut Patience,
        full: Option<Full>,
        mut attempt: impl FnMut(&mut Option<Full>) -> Result<Option<T>>,
    ) -> Result<T> {
        if patience.wait.is_try() {
            self.count_fruitless()?;
            return Err(self.full(full));
        }
        let deadline =
            *patience.deadline.get_or_insert_with(|| Deadline::after(patience.wait, now_ns()));
        let full = std::cell::Cell::new(full);
        let for_chunks =
            || full.get().is_some_and(|full| !matches!(full.limit, FullLimit::Capacity));
        let waited = block(
            || if for_chunks() { self.engine.freed() } else { self.engine.writable() },
            &deadline,
            // Looking for a chunk is long, and takes lines from those who must free one.
            (!for_chunks()).then_some(&self.sender_spin),
            || {
                self.check_open()?;
                let mut why = full.get();
                let done = attempt(&mut why);
                full.set(why);
                done
            },
            |now| self.tend(now),
            || !self.engine.is_full().unwrap_or(false),
        )?;
        let full = full.get();
        match waited {
            Waited::Done(done) => Ok(done),
            Waited::Interrupted => Err(Error::Interrupted),
            Waited::TimedOut => Err(Error::Timeout {
                object: self.label.clone(),
                after_ns: deadline.waited_ns(now_ns()),
                because: Box::new(self.full(full)),
            }),
        }
    }

    fn full(&self, full: Option<Full>) -> Error {
        let Full { limit, used, max } = full.unwrap_or_else(|| self.at_capacity());
        Error::Full { object: self.label.clone(), limit, used, max }
    }
}
