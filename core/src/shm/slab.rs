//! Chunks: the memory that messages live in, and who owns each.
//!
//! There is no free list: the state word of each chunk says all, and a finder goes round from where
//! it last found one. A process that dies leaves nothing half linked.

use super::layout::{Class, PAGE, at, chunk};
use super::users::User;
use super::{Engine, Fault};
use crate::sync::{AcqRel, Acquire, Relaxed, SeqCst, Word, prefetch_write};

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
        self.check_extent(k, self.extent_word(k).load(Acquire)).map(|(usable, _)| usable)
    }

    fn check_extent(&self, k: usize, word: u64) -> Result<(u32, u32), Fault> {
        let (usable, charged) = (word as u32, (word >> 32) as u32);
        let count = self.geo.classes[k].count;
        if usable > charged || charged > count {
            return Err(Fault::Corrupt {
                what: "more chunks in use than the class has",
                found: word,
                expected: count as u64,
            });
        }
        Ok((usable, charged))
    }

    /// Finds a FREE chunk and makes it ours. `cursor` is where this handle goes on looking.
    #[inline]
    pub(crate) fn allocate(&self, me: User, k: usize, cursor: &Word) -> Result<Allocation, Fault> {
        let class = &self.geo.classes[k];
        // Bound: each round either returns or sees the class extended by somebody.
        for _ in 0..64 {
            let usable = self.extent(k)?;
            let mut not_ready = None;
            let start = cursor.load(Relaxed) as u32;
            let mut index = if start < usable { start } else { 0 };
            for _ in 0..usable {
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
                index = step_on(index, class.stride, usable);
            }
            if let Some(index) = not_ready {
                let head = Head(self.chunk_word(class, index, chunk::HEAD).load(Relaxed));
                let Some(chunk) =
                    (head.state() == state::FREE).then(|| self.own(me, k, index, head)).flatten()
                else {
                    continue;
                };
                if let Some(used) = self.make_ready(me, &chunk)? {
                    return Ok(Allocation::OverBudget(used));
                }
                cursor.store(step_on(index, class.stride, usable) as u64, Relaxed);
                return Ok(Allocation::Chunk(chunk));
            }
            if usable == class.count {
                return Ok(Allocation::Exhausted);
            }
            if let Some(used) = self.extend(me, k)? {
                return Ok(Allocation::OverBudget(used));
            }
            cursor.store(usable as u64, Relaxed);
        }
        Ok(Allocation::Exhausted)
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
        self.region.punch(class.body(index), class.body_stride);
        self.field(&chunk, chunk::MEMORY).store(0, SeqCst);
        self.free(&chunk)
    }

    fn memory(&self, class: &Class, index: u32) -> u64 {
        self.chunk_word(class, index, chunk::MEMORY).load(SeqCst)
    }

    #[inline]
    fn is_ready(&self, class: &Class, index: u32) -> bool {
        self.memory(class, index) & READY != 0
    }

    /// Bytes of the byte budget in use: whole classes of smaller chunks by their extent, large
    /// chunks one by one.
    pub(crate) fn charged_bytes(&self) -> Result<u64, Fault> {
        let mut sum = 0u64;
        for (k, class) in self.geo.classes().iter().enumerate().skip(1) {
            let (usable, charged) = self.check_extent(k, self.extent_word(k).load(SeqCst))?;
            if class.is_large() {
                let used = (0..usable).filter(|&i| self.memory(class, i) & CHARGED != 0).count();
                sum += used as u64 * class.size;
            } else {
                sum += charged as u64 * class.size;
            }
        }
        Ok(sum)
    }

    /// Charges and commits the body of an owned large chunk. On any failure the chunk is free again.
    /// `Some(bytes)` says that the budget is used up.
    fn make_ready(&self, me: User, chunk: &Chunk) -> Result<Option<u64>, Fault> {
        let class = &self.geo.classes[chunk.class];
        let memory = self.field(chunk, chunk::MEMORY);
        // Charge first, then count: of two who race for the last bytes none can miss the other.
        memory.store(CHARGED, SeqCst);
        let result = self.within_budget(me).and_then(|over| match over {
            None => self.region.commit(class.body(chunk.index), class.body_stride).map(|()| None),
            some => Ok(some),
        });
        match result {
            Ok(None) => {
                memory.store(CHARGED | READY, SeqCst);
                Ok(None)
            }
            other => {
                self.region.punch(class.body(chunk.index), class.body_stride);
                memory.store(0, SeqCst);
                self.free(chunk);
                other
            }
        }
    }

    /// Whether what is charged fits the budget, if need be after giving free large chunks back.
    fn within_budget(&self, me: User) -> Result<Option<u64>, Fault> {
        let mut used = self.charged_bytes()?;
        for (k, class) in self.geo.classes().iter().enumerate() {
            if !class.is_large() {
                continue;
            }
            for index in 0..self.extent(k)? {
                if used <= self.geo.byte_budget {
                    return Ok(None);
                }
                if self.give_back(me, k, index) {
                    used = self.charged_bytes()?;
                }
            }
        }
        Ok((used > self.geo.byte_budget).then_some(used))
    }

    /// Makes more chunks of a class usable. Death anywhere in here leaves chunks that are charged but
    /// not yet usable; whoever comes next goes on from there.
    fn extend(&self, me: User, k: usize) -> Result<Option<u64>, Fault> {
        let class = &self.geo.classes[k];
        let word = self.extent_word(k);
        let old = word.load(SeqCst);
        let (usable, mut charged) = self.check_extent(k, old)?;
        let mut current = old;
        if charged == usable {
            charged = usable.saturating_add(class.step()).min(class.count);
            if charged == usable {
                return Ok(None);
            }
            current = usable as u64 | (charged as u64) << 32;
            if word.swap_if(old, current, SeqCst).is_err() {
                return Ok(None);
            }
        }
        let take_back = |result| {
            let _ = word.swap_if(current, usable as u64 | (usable as u64) << 32, SeqCst);
            result
        };
        if !class.is_large() {
            match self.within_budget(me) {
                Ok(None) => {}
                other => return take_back(other),
            }
        }
        let more = (charged - usable) as u64;
        let headers = (class.header(usable), class.header_stride * more);
        let bodies = (class.body(usable), class.body_stride * more);
        let committed = self.region.commit(headers.0, headers.1).and_then(|()| {
            if class.is_large() { Ok(()) } else { self.region.commit(bodies.0, bodies.1) }
        });
        if let Err(fault) = committed {
            // Whole pages only, so chunks that are in use keep theirs.
            if !class.is_large() && bodies.0.is_multiple_of(PAGE) {
                self.region.punch(bodies.0, bodies.1);
            }
            return take_back(Err(fault));
        }
        // Release: whoever sees the chunks sees committed memory.
        let done = charged as u64 | (charged as u64) << 32;
        let _ = word.swap_if(current, done, SeqCst);
        Ok(None)
    }
}
