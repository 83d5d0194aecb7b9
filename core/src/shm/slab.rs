//! Chunks: the memory that messages live in, and who owns each.
//!
//! There is no free list: the state word of each chunk says all, and a finder goes round from where
//! it last found one. A process that dies leaves nothing half linked.

use super::layout::{Class, SPARE, at, chunk};
use super::users::User;
use super::{Engine, Fault};
use crate::sync::{AcqRel, Acquire, Relaxed, SeqCst, Word, full_fence, prefetch_write};

/// States of a chunk.
pub(crate) mod state {
    /// Nobody's.
    pub(crate) const FREE: u64 = 0;
    /// Being written, or published: its slot tells which.
    pub(crate) const OWNED: u64 = 1;
    /// Published; its sender has gone.
    pub(crate) const QUEUED: u64 = 2;
    /// In a receiver's hands.
    pub(crate) const READING: u64 = 3;
    /// Given back, or left by a dead receiver: to be delivered again.
    pub(crate) const ORPHAN: u64 = 4;
}

/// The state word of a chunk: one compare-and-swap changes all of it.
///
/// | bits | |
/// |---|---|
/// | 0..4 | state |
/// | 4..12 | redeliveries, up to 255 |
/// | 12..28 | place of the owner in the table of users, plus 1; 0 is nobody |
/// | 28..64 | generation: grows with each allocation |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head(pub(crate) u64);

impl Head {
    #[inline]
    pub(crate) fn state(self) -> u64 {
        self.0 & 0xf
    }

    #[inline]
    pub(crate) fn redeliveries(self) -> u32 {
        (self.0 >> 4) as u32 & 0xff
    }

    #[inline]
    pub(crate) fn owner(self) -> u64 {
        self.0 >> 12 & 0xffff
    }

    #[inline]
    pub(crate) fn generation(self) -> u64 {
        self.0 >> 28
    }

    /// Published or still to be: what a full slot may rightly point to.
    #[inline]
    pub(crate) fn is_sendable(self) -> bool {
        matches!(self.state(), state::OWNED | state::QUEUED)
    }

    /// The same chunk in another state and other hands.
    #[inline]
    pub(crate) fn to(self, state: u64, owner: u64) -> Head {
        Head(self.0 & !0xf & !(0xffff << 12) | state | owner << 12)
    }

    /// As allocated anew by `owner`.
    #[inline]
    pub(crate) fn allocated(self, owner: u64) -> Head {
        Head((self.generation().wrapping_add(1) << 28) | owner << 12 | state::OWNED)
    }

    /// As given back once more.
    pub(crate) fn orphaned(self) -> Head {
        let times = (self.redeliveries() as u64 + 1).min(255);
        Head(self.to(state::ORPHAN, 0).0 & !(0xff << 4) | times << 4)
    }
}

/// A chunk in this process's hands, in the state `head` that it was put in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    pub(crate) number: u32,
    pub(crate) class: usize,
    pub(crate) index: u32,
    pub(crate) head: Head,
}

/// The next index of a walk that visits all of `0..usable`; `stride` has no factor in common with it.
#[inline]
fn step_on(index: u32, stride: u32, usable: u32) -> u32 {
    let next = index + stride;
    if next >= usable { next - usable } else { next }
}

const CHARGED: u64 = 1;
const READY: u64 = 2;

/// The answer of [`Engine::allocate`].
#[derive(Debug)]
pub(crate) enum Allocation {
    /// A chunk, OWNED by the caller.
    Chunk(Chunk),
    /// Every chunk of the class is in use.
    Exhausted,
    /// The byte budget is used up: this many bytes.
    OverBudget(u64),
}

impl Engine {
    /// The header word at `field` of a chunk.
    #[inline]
    pub(crate) fn chunk_word(&self, class: &Class, index: u32, field: u64) -> &Word {
        self.region.word(class.header(index) + field)
    }

    /// The header word at `field` of a chunk in hand.
    #[inline]
    pub(crate) fn field(&self, chunk: &Chunk, field: u64) -> &Word {
        self.chunk_word(&self.geo.classes[chunk.class], chunk.index, field)
    }

    fn extent_word(&self, k: usize) -> &Word {
        self.region.word(at::EXTENTS + 8 * k as u64)
    }

    /// How many chunks of a class are usable. Acquire: pairs with the release that published them,
    /// after their memory was committed.
    #[inline(always)]
    pub(crate) fn extent(&self, k: usize) -> Result<u32, Fault> {
        let usable = self.extent_word(k).load(Acquire);
        let count = self.geo.classes[k].count as u64;
        if usable > count {
            return Err(Fault::Corrupt {
                what: "more chunks in use than the class has",
                found: usable,
                expected: count,
            });
        }
        Ok(usable as u32)
    }

    /// Finds a FREE chunk and makes it ours. `cursor` is where this handle goes on looking.
    #[inline]
    pub(crate) fn allocate(&self, me: User, k: usize, cursor: &Word) -> Result<Allocation, Fault> {
        let class = &self.geo.classes[k];
        let mut looked_twice = false;
        // Bound: each round returns, sees the class extended, or is the second look.
        for _ in 0..class.count / Class::STEP + 16 {
            let usable = self.extent(k)?;
            let mut not_ready = None;
            let start = cursor.load(Relaxed) as u32;
            let mut index = if start < usable { start } else { 0 };
            for looked in 0..usable {
                let head = Head(self.chunk_word(class, index, chunk::HEAD).load(Relaxed));
                if head.state() == state::FREE {
                    if class.is_large() && !self.is_ready(class, index) {
                        not_ready.get_or_insert(index);
                    } else if let Some(chunk) = self.own(me, k, index, head) {
                        let next = step_on(index, class.stride, usable);
                        cursor.store(next as u64, Relaxed);
                        // What the next send will write was last written by a receiver.
                        prefetch_write(self.chunk_word(class, next, chunk::HEAD), 2);
                        return Ok(Allocation::Chunk(chunk));
                    }
                }
                // Memory that is there already is better, but not worth a long search.
                if not_ready.is_some() && looked > 2 * Class::STEP {
                    break;
                }
                index = step_on(index, class.stride, usable);
            }
            if let Some(index) = not_ready {
                let head = Head(self.chunk_word(class, index, chunk::HEAD).load(Relaxed));
                let own = || self.own(me, k, index, head);
                let Some(chunk) = (head.state() == state::FREE).then(own).flatten() else {
                    continue;
                };
                if let Some(used) = self.make_ready(me, &chunk)? {
                    return Ok(Allocation::OverBudget(used));
                }
                cursor.store(step_on(index, class.stride, usable) as u64, Relaxed);
                return Ok(Allocation::Chunk(chunk));
            }
            if usable < class.count {
                self.extend(k, usable)?;
                cursor.store(usable as u64, Relaxed);
            } else if looked_twice {
                return Ok(Allocation::Exhausted);
            } else {
                // One may have been freed behind the first look.
                looked_twice = true;
            }
        }
        Ok(Allocation::Exhausted)
    }

    /// The small chunk that is next in turn, if it is FREE, made ours. For a message still to come,
    /// so it does not search.
    #[inline]
    pub(crate) fn claim_ahead(&self, me: User, cursor: &Word) -> Option<Chunk> {
        let class = &self.geo.classes[0];
        let usable = self.extent(0).ok()?;
        let index = cursor.load(Relaxed) as u32;
        if index >= usable {
            return None;
        }
        let head = Head(self.chunk_word(class, index, chunk::HEAD).load(Relaxed));
        if head.state() != state::FREE {
            return None;
        }
        let chunk = self.own(me, 0, index, head)?;
        let next = step_on(index, class.stride, usable);
        cursor.store(next as u64, Relaxed);
        // What the next sends will write was last written by a receiver.
        prefetch_write(self.chunk_word(class, next, chunk::HEAD), 2);
        Some(chunk)
    }

    /// Whether an OWNED chunk was claimed ahead and is not in use yet.
    pub(crate) fn is_spare(&self, k: usize, index: u32) -> bool {
        self.chunk_word(&self.geo.classes[k], index, chunk::LENGTH).load(Relaxed) == SPARE
    }

    /// A small chunk in one word, never 0: bits 0..28 its index plus 1, the others its generation.
    #[inline]
    pub(crate) fn packed(chunk: &Chunk) -> u64 {
        chunk.head.generation() << 28 | (chunk.index as u64 + 1)
    }

    /// The chunk of such a word, if it still belongs to `me`.
    #[inline]
    pub(crate) fn unpacked(&self, me: User, word: u64) -> Option<Chunk> {
        let index = ((word & ((1 << 28) - 1)) as u32).checked_sub(1)?;
        let class = &self.geo.classes[0];
        let head = Head(word >> 28 << 28).to(state::OWNED, me.owner());
        let found = self.chunk_word(class, index, chunk::HEAD).load(Acquire);
        (found == head.0).then_some(Chunk { number: class.first + index, class: 0, index, head })
    }

    /// FREE -> OWNED(me). Acquire: the last reader of the chunk has finished.
    #[inline(always)]
    fn own(&self, me: User, k: usize, index: u32, head: Head) -> Option<Chunk> {
        let class = &self.geo.classes[k];
        let new = head.allocated(me.owner());
        self.chunk_word(class, index, chunk::HEAD).swap_if(head.0, new.0, AcqRel).ok()?;
        Some(Chunk { number: class.first + index, class: k, index, head: new })
    }

    /// `chunk.head` -> FREE: for a chunk that was never published, or has been read. False if it is
    /// no longer ours. SeqCst: pairs with a sender that looks for room after saying that it sleeps.
    #[inline(always)]
    pub(crate) fn free(&self, chunk: &Chunk) -> bool {
        let free = chunk.head.to(state::FREE, 0);
        self.field(chunk, chunk::HEAD).swap_if(chunk.head.0, free.0, SeqCst).is_ok()
    }

    /// Gives the memory of a large chunk that was just freed back to the system, if it is one of
    /// those that are not kept. The chunk is taken once more for that: its message is already
    /// acknowledged, so a death in here loses nothing.
    pub(crate) fn trim(&self, me: User, freed: &Chunk) {
        let class = &self.geo.classes[freed.class];
        if freed.index >= class.keep {
            self.give_back(me, freed.class, freed.index);
        }
    }

    fn give_back(&self, me: User, k: usize, index: u32) -> bool {
        let class = &self.geo.classes[k];
        let head = Head(self.chunk_word(class, index, chunk::HEAD).load(Relaxed));
        if head.state() != state::FREE || self.memory(class, index) == 0 {
            return false;
        }
        let Some(chunk) = self.own(me, k, index, head) else { return false };
        // Not ready before the memory goes: after a death in between it is committed anew.
        self.field(&chunk, chunk::MEMORY).store(CHARGED, SeqCst);
        self.region.punch(class.body(index), class.body_stride);
        self.field(&chunk, chunk::MEMORY).store(0, SeqCst);
        self.free(&chunk);
        self.freed().notify(u32::MAX);
        true
    }

    fn memory(&self, class: &Class, index: u32) -> u64 {
        self.chunk_word(class, index, chunk::MEMORY).load(SeqCst)
    }

    #[inline]
    fn is_ready(&self, class: &Class, index: u32) -> bool {
        self.memory(class, index) & READY != 0
    }

    /// Bytes of the byte budget in use.
    pub(crate) fn charged_bytes(&self) -> Result<u64, Fault> {
        let mut sum = 0u64;
        for (k, class) in self.geo.classes().iter().enumerate() {
            if class.is_large() {
                let charged = |&i: &u32| self.memory(class, i) & CHARGED != 0;
                sum += (0..self.extent(k)?).filter(charged).count() as u64 * class.size;
            }
        }
        Ok(sum)
    }

    /// Whether even all usable large chunks together are within the budget, so that there is nothing
    /// to count.
    fn surely_within_budget(&self) -> Result<bool, Fault> {
        let mut most = 0u64;
        for (k, class) in self.geo.classes().iter().enumerate() {
            if class.is_large() {
                most = most.saturating_add(self.extent(k)? as u64 * class.size);
            }
        }
        Ok(most <= self.geo.byte_budget)
    }

    /// Charges and commits the body of an owned large chunk. On any failure the chunk is free again.
    /// `Some(bytes)` says that the budget is used up.
    fn make_ready(&self, me: User, chunk: &Chunk) -> Result<Option<u64>, Fault> {
        let class = &self.geo.classes[chunk.class];
        let memory = self.field(chunk, chunk::MEMORY);
        let commit =
            || self.region.commit(class.body(chunk.index), class.body_stride).map(|()| None);
        let mut charged = memory.load(Relaxed) & CHARGED != 0;
        let mut attempt = || {
            if !charged && !self.surely_within_budget()? {
                if let Some(used) = self.make_room(me, class.size)? {
                    return Ok(Some(used));
                }
            }
            // Charge, then count again: of two who race for the last bytes none can miss the other.
            memory.store(CHARGED, SeqCst);
            full_fence();
            charged = true;
            if !self.surely_within_budget()? {
                if let Some(used) = self.make_room(me, 0)? {
                    return Ok(Some(used));
                }
            }
            commit()
        };
        let result = attempt();
        if let Ok(None) = result {
            memory.store(CHARGED | READY, SeqCst);
            return Ok(None);
        }
        if charged {
            self.region.punch(class.body(chunk.index), class.body_stride);
            memory.store(0, SeqCst);
        }
        self.free(chunk);
        if charged {
            // Somebody may have failed because of this charge.
            self.freed().notify(u32::MAX);
        }
        result
    }

    /// Gives free large chunks back until `more` bytes fit the budget; `Some(bytes)` in use if they
    /// never do.
    fn make_room(&self, me: User, more: u64) -> Result<Option<u64>, Fault> {
        let mut used = self.charged_bytes()?;
        for (k, class) in self.geo.classes().iter().enumerate().rev() {
            if !class.is_large() {
                continue;
            }
            for index in 0..self.extent(k)? {
                if used.saturating_add(more) <= self.geo.byte_budget {
                    return Ok(None);
                }
                if self.give_back(me, k, index) {
                    used = used.saturating_sub(class.size);
                }
            }
        }
        used = self.charged_bytes()?;
        Ok((used.saturating_add(more) > self.geo.byte_budget).then_some(used))
    }

    /// Makes more chunks of a class usable. Death in here, or a failure, leaves memory committed that
    /// the next one finds committed; it is not taken back, because another may have put it to use.
    fn extend(&self, k: usize, usable: u32) -> Result<(), Fault> {
        let class = &self.geo.classes[k];
        let more = Class::STEP.min(class.count - usable) as u64;
        self.region.commit(class.header(usable), class.header_stride * more)?;
        if !class.is_large() {
            self.region.commit(class.body(usable), class.body_stride * more)?;
        }
        // Release: whoever sees the chunks sees committed memory.
        let _ = self.extent_word(k).swap_if(usable as u64, usable as u64 + more, SeqCst);
        Ok(())
    }
}
