//! Receiving.

use super::Queue;
use super::attach::Inner;
use super::hand::Receipt;
use crate::error::{Error, Result};
use crate::message::{Header, Message, TaskId};
use crate::os::clock::now_ns;
use crate::shm::layout::chunk;
use crate::shm::ring::Claimed;
use crate::shm::slab::Chunk;
use crate::shm::users::User;
use crate::shm::wait::{Waited, block};
use crate::sync::Relaxed;
use crate::time::{Deadline, Wait};
use std::time::Duration;

impl Queue {
    /// Receives the next message, copied out and acknowledged; waits without limit for one.
    pub fn receive(&self) -> Result<Message> {
        self.receive_wait(Wait::FOREVER)
    }

    /// Receives if there is a message at once; else [`Empty`](crate::ErrorKind::Empty).
    pub fn try_receive(&self) -> Result<Message> {
        self.receive_wait(Wait::TRY)
    }

    /// Receives, waiting at most `timeout`; else [`Timeout`](crate::ErrorKind::Timeout).
    pub fn receive_timeout(&self, timeout: Duration) -> Result<Message> {
        self.receive_wait(timeout.into())
    }

    /// Receives, waiting as `wait` says.
    pub fn receive_wait(&self, wait: Wait) -> Result<Message> {
        let inner = &*self.inner;
        let me = inner.enter()?;
        let (chunk, length) = match inner.claim_at_once(me, u64::MAX) {
            Some(Some(claimed)) => claimed,
            other => inner.claim_patiently(me, u64::MAX, wait, other.is_some())?,
        };
        let mut body = Vec::new();
        // At most the class's size, as claiming has checked; which may still be too much for us.
        if body.try_reserve_exact(length as usize).is_err() {
            inner.engine.give_back_message(&chunk);
            inner.engine.readable().notify(1);
            return Err(Error::system(
                format!("making room for a message of {length} bytes; it stays in {}", inner.label),
                std::io::ErrorKind::OutOfMemory.into(),
            ));
        }
        // SAFETY: the buffer has room for `length` bytes, and they are written before they count.
        unsafe {
            inner.copy_out(&chunk, length, body.as_mut_ptr());
            body.set_len(length as usize);
        }
        let header = inner.header(&chunk, length);
        inner.finish(me, &chunk)?;
        Ok(Message { header, body })
    }

    /// Receives into `buffer`, from its front, and waits as `wait` says. A message that does not fit
    /// stays where it is; the error [`TooLarge`](crate::ErrorKind::TooLarge) tells its size.
    pub fn receive_into(&self, buffer: &mut [u8], wait: Wait) -> Result<Header> {
        let inner = &*self.inner;
        let me = inner.enter()?;
        let (chunk, length) = match inner.claim_at_once(me, buffer.len() as u64) {
            Some(Some(claimed)) => claimed,
            other => inner.claim_patiently(me, buffer.len() as u64, wait, other.is_some())?,
        };
        // SAFETY: claiming has left alone what is longer than the buffer.
        unsafe { inner.copy_out(&chunk, length, buffer.as_mut_ptr()) };
        let header = inner.header(&chunk, length);
        inner.finish(me, &chunk)?;
        Ok(header)
    }

    /// Receives up to `max` messages: waits as `wait` says for the first, and takes what more there
    /// is. With `max` 0, nothing.
    pub fn receive_many(&self, max: usize, wait: Wait) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        let mut wait = wait;
        while messages.len() < max {
            match self.receive_wait(wait) {
                Ok(message) => messages.push(message),
                Err(e) if messages.is_empty() => return Err(e),
                Err(_) => break,
            }
            wait = Wait::TRY;
        }
        Ok(messages)
    }

    /// Receives up to `max` messages into one buffer, one body after the other; calls `each` with
    /// each header and the offset of its body. Waits as `wait` says for the first, and takes what
    /// more there is and fits. Returns how many; an error only if none, such as
    /// [`TooLarge`](crate::ErrorKind::TooLarge) if the first does not fit.
    pub fn receive_many_into(
        &self,
        buffer: &mut [u8],
        max: usize,
        wait: Wait,
        each: &mut dyn FnMut(Header, usize),
    ) -> Result<usize> {
        let (mut count, mut offset, mut wait) = (0, 0, wait);
        while count < max {
            match self.receive_into(&mut buffer[offset..], wait) {
                Ok(header) => {
                    each(header, offset);
                    offset += header.length as usize;
                    count += 1;
                }
                Err(e) if count == 0 => return Err(e),
                Err(_) => break,
            }
            wait = Wait::TRY;
        }
        Ok(count)
    }

    /// Takes the next message into this process's hands, to be read in place; waits without limit
    /// for one. It must be acknowledged; if this process dies before, or the receipt is dropped, it
    /// is delivered again.
    pub fn take(&self) -> Result<Receipt> {
        self.take_wait(Wait::FOREVER)
    }

    /// Takes if there is a message at once; else [`Empty`](crate::ErrorKind::Empty).
    pub fn try_take(&self) -> Result<Receipt> {
        self.take_wait(Wait::TRY)
    }

    /// Takes, waiting at most `timeout`; else [`Timeout`](crate::ErrorKind::Timeout).
    pub fn take_timeout(&self, timeout: Duration) -> Result<Receipt> {
        self.take_wait(timeout.into())
    }

    /// Takes, waiting as `wait` says.
    pub fn take_wait(&self, wait: Wait) -> Result<Receipt> {
        let inner = &*self.inner;
        let me = inner.enter()?;
        let (chunk, length) = match inner.claim_at_once(me, u64::MAX) {
            Some(Some(claimed)) => claimed,
            other => inner.claim_patiently(me, u64::MAX, wait, other.is_some())?,
        };
        // The ring has room already, the chunk is freed later.
        inner.engine.writable().notify(1);
        Ok(Receipt::new(self.inner.clone(), chunk, inner.header(&chunk, length)))
    }

    /// Takes up to `max` messages: waits as `wait` says for the first, and takes what more there is.
    pub fn take_many(&self, max: usize, wait: Wait) -> Result<Vec<Receipt>> {
        let mut receipts = Vec::new();
        let mut wait = wait;
        while receipts.len() < max {
            match self.take_wait(wait) {
                Ok(receipt) => receipts.push(receipt),
                Err(e) if receipts.is_empty() => return Err(e),
                Err(_) => break,
            }
            wait = Wait::TRY;
        }
        Ok(receipts)
    }
}

impl Inner {
    /// Claims the next message of at most `room` bytes without waiting. `Some(None)` says that there is
    /// none; `None` says that it takes more than this: ask `claim_patiently`.
    ///
    /// The ordinary case by itself, so that it needs only registers.
    #[inline(always)]
    fn claim_at_once(&self, me: User, room: u64) -> Option<Option<(Chunk, u64)>> {
        let claimed = self.engine.claim_at_once(me, room);
        if let Some(Some((chunk, _))) = claimed {
            // Declared dead in between: the sweep may have passed already.
            if !self.keeps_lease(me) {
                self.engine.give_back_message(&chunk);
                return None;
            }
        }
        claimed
    }

    /// Claims the next message of at most `room` bytes, waiting as `wait` says. `empty` tells that a
    /// look has just found nothing.
    #[cold]
    #[inline(never)]
    fn claim_patiently(
        &self,
        me: User,
        room: u64,
        wait: Wait,
        empty: bool,
    ) -> Result<(Chunk, u64)> {
        self.check_lease(me)?;
        if !empty {
            if let Some(claimed) = self.try_claim(me, room)? {
                return Ok(claimed);
            }
        }
        self.wait_for_message(me, room, wait)
    }

    fn try_claim(&self, me: User, room: u64) -> Result<Option<(Chunk, u64)>> {
        match self.engine.claim(me, room).map_err(|f| self.fault(f))? {
            Claimed::Chunk(chunk, length) => {
                // Declared dead in between: the sweep may have passed already.
                if let Err(e) = self.check_lease(me) {
                    self.engine.give_back_message(&chunk);
                    return Err(e);
                }
                Ok(Some((chunk, length)))
            }
            Claimed::Empty => Ok(None),
            Claimed::TooLong(length) => Err(Error::TooLarge {
                what: "the next message",
                size: length,
                max: room,
                whose: format!("the buffer given; the message stays in {}", self.label).into(),
            }),
        }
    }

    fn wait_for_message(&self, me: User, room: u64, wait: Wait) -> Result<(Chunk, u64)> {
        if wait.is_try() {
            self.count_fruitless()?;
            return Err(Error::Empty);
        }
        let deadline = Deadline::after(wait, now_ns());
        let waited = block(
            || self.engine.readable(),
            &deadline,
            Some(&self.receiver_spin),
            || {
                self.check_open()?;
                self.try_claim(me, room)
            },
            |now| self.tend(now),
            || self.engine.has_message(),
        )?;
        match waited {
            Waited::Done(claimed) => Ok(claimed),
            Waited::Interrupted => Err(Error::Interrupted),
            Waited::TimedOut => Err(Error::Timeout {
                object: self.label.clone(),
                after_ns: deadline.waited_ns(now_ns()),
                because: Box::new(Error::Empty),
            }),
        }
    }

    /// What a claimed message says about itself.
    #[inline(always)]
    fn header(&self, chunk: &Chunk, length: u64) -> Header {
        let get = |field| self.engine.field(chunk, field).load(Relaxed);
        let sent = get(chunk::SENT);
        Header {
            length,
            kind: get(chunk::KIND) as u32,
            redeliveries: chunk.head.redeliveries(),
            id: get(chunk::ID),
            sender: TaskId(get(chunk::SENDER)),
            sent_ns: (sent != 0).then_some(sent),
        }
    }

    /// Copies the body of a claimed message.
    ///
    /// # Safety
    /// `to` has room for `length` bytes.
    #[inline(always)]
    unsafe fn copy_out(&self, chunk: &Chunk, length: u64, to: *mut u8) {
        let body = self.engine.geo.classes[chunk.class].body(chunk.index);
        let from = self.engine.region.bytes(body, length);
        // SAFETY: the source lies inside the mapping; it is committed, since the chunk is in use. A
        // hostile writer can change it meanwhile, which gives mixed bytes and nothing worse.
        unsafe { std::ptr::copy_nonoverlapping(from.cast_const(), to, length as usize) };
    }

    /// Acknowledges what a receipt holds.
    pub(super) fn acknowledge(&self, chunk: &Chunk) -> Result<()> {
        self.finish(self.user(), chunk)
    }

    /// Acknowledges: the chunk is free, and a sender that waits for room is woken.
    #[inline(always)]
    fn finish(&self, me: User, chunk: &Chunk) -> Result<()> {
        if !self.engine.free(chunk) {
            return Err(self.lease_lost());
        }
        self.engine.trim(me, chunk);
        self.engine.writable().notify(1);
        self.engine.freed().notify(u32::MAX);
        self.count_operation();
        Ok(())
    }
}
