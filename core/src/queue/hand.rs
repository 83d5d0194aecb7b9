//! What a process has in hand: loans on the way in, receipts on the way out.
#![allow(clippy::result_large_err)] // A loan that was not sent comes back by value.

use super::attach::Inner;
use crate::error::{Error, Result};
use crate::message::Header;
use crate::os::process;
use crate::shm::slab::Chunk;
use crate::shm::users::User;
use crate::time::Wait;
use std::sync::Arc;

/// Memory of the queue, lent for one message, to be written in place and then sent.
///
/// Dropping it discards it. After a fork it stays the parent's: the child's copy does nothing.
/// Threads: may be sent to another thread.
#[derive(Debug)]
pub struct Loan {
    inner: Arc<Inner>,
    owner: User,
    chunk: Chunk,
    size: u64,
    generation: u64,
    /// Whether the chunk was sent or discarded already.
    done: bool,
}

/// A loan that could not be sent, still the caller's, with the reason.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Rejected {
    /// The loan, as it was.
    pub loan: Loan,
    /// Why it was not sent.
    pub error: Error,
}

impl From<Rejected> for Error {
    /// Discards the loan.
    fn from(rejected: Rejected) -> Error {
        rejected.error
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.label)
    }
}

impl Loan {
    pub(super) fn new(inner: Arc<Inner>, owner: User, chunk: Chunk, size: u64) -> Self {
        Loan { inner, owner, chunk, size, generation: process::generation(), done: false }
    }

    /// Bytes that may be written.
    pub fn capacity(&self) -> u64 {
        self.size
    }

    fn address(&self) -> *mut u8 {
        let body = self.inner.engine.geo.classes[self.chunk.class].body(self.chunk.index);
        self.inner.engine.region.bytes(body, self.size)
    }

    /// Where the body is to be written: [`capacity`](Loan::capacity) bytes, aligned to 64. Valid as
    /// long as the loan.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.address()
    }

    /// Copies `bytes` into the body. Errors: [`Invalid`](crate::ErrorKind::Invalid) beyond its
    /// capacity; [`Forked`](crate::ErrorKind::Forked) in a child of the process that took it.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        if self.generation != process::generation() {
            return Err(Error::Forked { what: "loan" });
        }
        if offset > self.size || bytes.len() as u64 > self.size - offset {
            return Err(Error::invalid(format!(
                "{} bytes at offset {offset} reach beyond the {} bytes of the loan",
                bytes.len(),
                self.size
            )));
        }
        let to = self.address().wrapping_add(offset as usize);
        // SAFETY: the range lies inside the loan, which is this handle's alone.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        Ok(())
    }

    /// The body as a slice.
    ///
    /// # Safety
    /// Every process that may write to the queue's memory must leave the body of this loan alone, as
    /// all that only use mailboat do.
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: inside the mapping, committed, borrowed with the loan; that nobody else writes is
        // what the caller promises. Any bytes are valid `u8`s.
        unsafe { std::slice::from_raw_parts_mut(self.address(), self.size as usize) }
    }

    /// Sends the whole body, of kind 0; waits without limit while the queue is full. Returns the id.
    pub fn send(self) -> Result<u64, Rejected> {
        let size = self.size;
        self.send_with(size, 0, Wait::FOREVER)
    }

    /// Sends the first `length` bytes, waiting as `wait` says. Returns the id; on an error the loan
    /// comes back.
    ///
    /// Errors: as sending; [`Invalid`](crate::ErrorKind::Invalid) if `length` is more than the
    /// capacity; [`Forked`](crate::ErrorKind::Forked) in a child of the process that took it.
    pub fn send_with(mut self, length: u64, kind: u32, wait: Wait) -> Result<u64, Rejected> {
        let error = if length > self.size {
            Error::invalid(format!(
                "a length of {length} bytes is more than the {} bytes of the loan",
                self.size
            ))
        } else if self.generation != process::generation() {
            Error::Forked { what: "loan" }
        } else {
            match self.inner.dispatch_loan(self.owner, &self.chunk, length, kind, wait) {
                Ok(id) => {
                    self.done = true;
                    return Ok(id);
                }
                Err(error) => error,
            }
        };
        Err(Rejected { loan: self, error })
    }

    /// Gives the memory back without sending. The same as dropping.
    pub fn discard(self) {}
}

impl Drop for Loan {
    fn drop(&mut self) {
        if !self.done && self.generation == process::generation() {
            self.inner.engine.free(&self.chunk);
            self.inner.engine.freed().notify(u32::MAX);
        }
    }
}

/// A message in this process's hands, read in place, until it is acknowledged or given back.
///
/// Dropping it gives it back. If the process dies with it in hand it is delivered again, flagged as
/// redelivered. After a fork it stays the parent's: the child's copy does nothing. Threads: may be
/// shared and sent.
#[derive(Debug)]
pub struct Receipt {
    inner: Arc<Inner>,
    chunk: Chunk,
    header: Header,
    generation: u64,
    done: bool,
}

impl Receipt {
    pub(super) fn new(inner: Arc<Inner>, chunk: Chunk, header: Header) -> Self {
        Receipt { inner, chunk, header, generation: process::generation(), done: false }
    }

    /// What the message says about itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Length of the body in bytes.
    pub fn len(&self) -> usize {
        self.header.length as usize
    }

    /// Whether the body has no bytes.
    pub fn is_empty(&self) -> bool {
        self.header.length == 0
    }

    /// Where the body is: [`len`](Receipt::len) bytes, aligned to 64. Valid as long as the receipt.
    pub fn as_ptr(&self) -> *const u8 {
        let body = self.inner.engine.geo.classes[self.chunk.class].body(self.chunk.index);
        self.inner.engine.region.bytes(body, self.header.length)
    }

    /// A copy of the body.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.len());
        // SAFETY: `len` bytes are readable at the address and fit the buffer; they are written
        // before they count.
        unsafe {
            std::ptr::copy_nonoverlapping(self.as_ptr(), body.as_mut_ptr(), self.len());
            body.set_len(self.len());
        }
        body
    }

    /// Copies a part of the body. Errors: [`Invalid`](crate::ErrorKind::Invalid) beyond its end.
    pub fn copy_to(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let length = self.header.length;
        if offset > length || out.len() as u64 > length - offset {
            return Err(Error::invalid(format!(
                "{} bytes at offset {offset} reach beyond the {length} bytes of the message",
                out.len()
            )));
        }
        let from = self.as_ptr().wrapping_add(offset as usize);
        // SAFETY: the range lies inside the body, as just checked.
        unsafe { std::ptr::copy_nonoverlapping(from, out.as_mut_ptr(), out.len()) };
        Ok(())
    }

    /// The body in place.
    ///
    /// # Safety
    /// Every process that may write to the queue's memory must leave the body alone as long as the
    /// slice lives, as all that only use mailboat do. Who does not trust them copies it out.
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: inside the mapping, committed, borrowed with the receipt; that nobody writes is
        // what the caller promises. Any bytes are valid `u8`s.
        unsafe { std::slice::from_raw_parts(self.as_ptr(), self.len()) }
    }

    /// Done with it: the message is gone, its memory free.
    ///
    /// Errors: [`LeaseLost`](crate::ErrorKind::LeaseLost) if it was given to somebody else because
    /// this task counted as dead; [`Forked`](crate::ErrorKind::Forked) in a child of the process that
    /// took it.
    pub fn ack(mut self) -> Result<()> {
        self.check_generation()?;
        self.done = true;
        self.inner.acknowledge(&self.chunk)
    }

    /// Gives it back: the next receiver gets it, flagged as redelivered, before the others in the
    /// queue. Errors as [`ack`](Receipt::ack).
    pub fn nack(mut self) -> Result<()> {
        self.check_generation()?;
        self.done = true;
        if !self.inner.engine.give_back_message(&self.chunk) {
            return Err(self.inner.lease_lost());
        }
        self.inner.engine.readable().notify(1);
        Ok(())
    }

    fn check_generation(&mut self) -> Result<()> {
        if self.generation == process::generation() {
            return Ok(());
        }
        self.done = true;
        Err(Error::Forked { what: "receipt" })
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.done
            && self.generation == process::generation()
            && self.inner.engine.give_back_message(&self.chunk)
        {
            self.inner.engine.readable().notify(1);
        }
    }
}
