//! The order of messages: a ring of slots, each naming a chunk.

use super::layout::{LINE, at, chunk};
use super::slab::{Chunk, Head, state};
use super::users::User;
use super::{Engine, Fault, PATIENCE};
use crate::sync::{AcqRel, Acquire, Relaxed, Release, SeqCst, Word, prefetch_write};

/// A place in the endless sequence of messages: which lap, which slot.
/// Bits 0..26 the slot, bits 26..64 the lap, so that any capacity works without a division.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position(pub(crate) u64);

const INDEX_BITS: u32 = 26;
const LAP_MASK: u64 = (1 << 22) - 1;
// In the model as if the bits had wrapped whenever it matters: the slot alone must be proof enough.
const GENERATION_MASK: u64 = if cfg!(loom) { 0 } else { (1 << 14) - 1 };

impl Position {
    #[inline]
    pub(crate) fn index(self) -> u64 {
        self.0 & ((1 << INDEX_BITS) - 1)
    }

    #[inline]
    pub(crate) fn lap(self) -> u64 {
        self.0 >> INDEX_BITS
    }

    #[inline]
    pub(crate) fn next(self, capacity: u32) -> Position {
        if self.index() + 1 == capacity as u64 {
            Position((self.lap() + 1) << INDEX_BITS)
        } else {
            Position(self.0 + 1)
        }
    }

    /// Messages from the start of time to here.
    pub(crate) fn count(self, capacity: u32) -> u64 {
        self.lap().wrapping_mul(capacity as u64).wrapping_add(self.index())
    }
}

/// A slot's word.
///
/// | bits | |
/// |---|---|
/// | 0..28 | number of the chunk, plus 1; 0 is NIL: empty |
/// | 28..42 | low bits of the chunk's generation |
/// | 42..64 | low bits of the lap: the slot is waiting for, or holds, the message of that lap |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) u64);

impl Slot {
    #[inline]
    pub(crate) fn empty(lap: u64) -> Slot {
        Slot((lap & LAP_MASK) << 42)
    }

    #[inline]
    pub(crate) fn full(lap: u64, number: u32, generation: u64) -> Slot {
        Slot((lap & LAP_MASK) << 42 | (generation & GENERATION_MASK) << 28 | (number as u64 + 1))
    }

    #[inline]
    pub(crate) fn is_nil(self) -> bool {
        self.0 & ((1 << 28) - 1) == 0
    }

    #[inline]
    pub(crate) fn number(self) -> u32 {
        ((self.0 & ((1 << 28) - 1)) as u32).wrapping_sub(1)
    }

    /// Laps ahead of `lap`, negative if behind.
    #[inline]
    pub(crate) fn laps_ahead(self, lap: u64) -> i32 {
        let difference = ((self.0 >> 42).wrapping_sub(lap) & LAP_MASK) as i32;
        if difference > (LAP_MASK >> 1) as i32 {
            difference - (LAP_MASK as i32 + 1)
        } else {
            difference
        }
    }

    /// The same slot, emptied for the next lap.
    #[inline]
    pub(crate) fn emptied(self) -> Slot {
        Slot::empty((self.0 >> 42) + 1)
    }

    /// Whether this slot was filled by the allocation that `head` shows.
    #[inline]
    pub(crate) fn fits(self, head: Head) -> bool {
        self.0 >> 28 & GENERATION_MASK == head.generation() & GENERATION_MASK
    }
}

/// Where a handle goes on in the ring: positions that lie at or before the first free and the first
/// full slot, like the shared hints, but private, and each on lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Hints {
    head: Word,
    _apart: [u64; 15],
    tail: Word,
}

impl Hints {
    pub(crate) fn new() -> Self {
        Hints { head: Word::new(0), _apart: [0; 15], tail: Word::new(0) }
    }
}

/// The answer of [`Engine::publish`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// It is in the queue.
    Done,
    /// As many messages are queued as there are slots.
    Full,
}

/// The answer of [`Engine::claim`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Claimed {
    /// A message, READING by the caller, with the length of its body.
    Chunk(Chunk, u64),
    /// Nothing there.
    Empty,
    /// The next message is this long, which is more than the caller has room for.
    TooLong(u64),
}

impl Engine {
    #[inline]
    pub(crate) fn slot(&self, index: u64) -> &Word {
        self.region.word(self.geo.slot(index))
    }

    /// A position word, loaded and checked.
    #[inline]
    pub(crate) fn position(&self, offset: u64) -> Result<Position, Fault> {
        self.check_position(self.region.word(offset).load(Acquire))
    }

    #[inline(always)]
    pub(crate) fn check_position(&self, word: u64) -> Result<Position, Fault> {
        let position = Position(word);
        if position.index() >= self.geo.capacity as u64 {
            return Err(Fault::Corrupt {
                what: "a position names a slot that does not exist",
                found: position.index(),
                expected: self.geo.capacity as u64 - 1,
            });
        }
        Ok(position)
    }

    #[inline]
    fn advance(&self, offset: u64, from: Position) {
        let to = from.next(self.geo.capacity);
        let _ = self.region.word(offset).swap_if(from.0, to.0, AcqRel);
    }

    /// Where this handle goes on in the ring: at its own hint, or at the shared one if that is
    /// further on. Never far behind: the shared hint is moved with every cache line of slots.
    #[inline(always)]
    fn whereabouts(&self, offset: u64, own: &Word) -> Result<Position, Fault> {
        self.check_position(self.region.word(offset).load(Acquire).max(own.load(Acquire)))
    }

    /// Moves this handle's hint on, and the shared one whenever a cache line of slots is done with:
    /// so that a message costs neither a locked instruction for it nor a shared cache line.
    /// Release: whoever goes on from here sees the slots before it as this thread saw them.
    #[inline(always)]
    fn go_on(&self, offset: u64, own: &Word, from: Position) {
        let to = from.next(self.geo.capacity);
        own.store(to.0, Release);
        if to.index().is_multiple_of(LINE / 8) {
            let shared = self.region.word(offset);
            let now = shared.load(Relaxed);
            if now < to.0 {
                let _ = shared.swap_if(now, to.0, AcqRel);
            }
        }
    }

    /// Whether a publish would find the ring full just now. Helps what can be helped.
    #[inline]
    pub(crate) fn is_full(&self) -> Result<bool, Fault> {
        for _ in 0..PATIENCE {
            let tail = self.position(at::TAIL)?;
            let slot = Slot(self.slot(tail.index()).load(SeqCst));
            match slot.laps_ahead(tail.lap()) {
                0 if slot.is_nil() => return Ok(false),
                0.. => self.advance(at::TAIL, tail),
                _ if self.holds_message(slot)? => return Ok(true),
                _ => self.empty(tail.index(), slot),
            }
        }
        Err(no_progress())
    }

    /// Puts an owned chunk into the queue, at the first free position. Linearizes at the
    /// compare-and-swap of the slot; before it, the chunk belongs to its owner and nobody waits for it.
    #[inline(always)]
    pub(crate) fn publish(&self, chunk: &Chunk) -> Result<Published, Fault> {
        for _ in 0..PATIENCE {
            let tail = self.whereabouts(at::TAIL, &self.hints.tail)?;
            // Recovery finds out by this whether the chunk was published.
            self.field(chunk, chunk::TARGET).store(tail.0, Relaxed);
            let empty = Slot::empty(tail.lap());
            let full = Slot::full(tail.lap(), chunk.number, chunk.head.generation());
            // Without a look first, so that the line comes here once, for writing.
            // SeqCst: releases the body, and comes before the look at the sleepers' flag.
            let slot = match self.slot(tail.index()).swap_if(empty.0, full.0, SeqCst) {
                Ok(_) => {
                    self.go_on(at::TAIL, &self.hints.tail, tail);
                    return Ok(Published::Done);
                }
                Err(slot) => Slot(slot),
            };
            match slot.laps_ahead(tail.lap()) {
                0.. => self.go_on(at::TAIL, &self.hints.tail, tail),
                _ if self.holds_message(slot)? => return Ok(Published::Full),
                _ => self.empty(tail.index(), slot),
            }
        }
        Err(no_progress())
    }

    /// Whether a full slot of the previous lap still holds a message to be received.
    #[cold]
    fn holds_message(&self, slot: Slot) -> Result<bool, Fault> {
        if slot.is_nil() {
            // An empty slot behind the tail cannot be: the tail passes a slot once it was filled.
            return Err(Fault::Corrupt {
                what: "the tail is ahead of an empty slot",
                found: slot.0,
                expected: 0,
            });
        }
        let head = self.head_of(slot)?;
        Ok(head.is_sendable() && slot.fits(head))
    }

    fn head_of(&self, slot: Slot) -> Result<Head, Fault> {
        let (class, index) = self.locate(slot.number())?;
        let word = self.chunk_word(&self.geo.classes[class], index, chunk::HEAD);
        Ok(Head(word.load(Acquire)))
    }

    /// The class and index of a chunk number read from shared memory.
    #[inline(always)]
    fn locate(&self, number: u32) -> Result<(usize, u32), Fault> {
        if let Some((class, index)) = self.geo.locate(number) {
            if index < self.extent(class)? {
                return Ok((class, index));
            }
        }
        Err(Fault::Corrupt {
            what: "a slot names a chunk that does not exist",
            found: number as u64,
            expected: 0,
        })
    }

    /// Empties a slot whose message was claimed. Anyone may; it happens once.
    #[inline(always)]
    fn empty(&self, index: u64, slot: Slot) {
        let _ = self.slot(index).swap_if(slot.0, slot.emptied().0, SeqCst);
    }

    /// Takes the next message: one that was given back, or else the first in the queue. A body
    /// longer than `room` is left where it is.
    pub(crate) fn claim(&self, me: User, room: u64) -> Result<Claimed, Fault> {
        let orphans = self.region.word(at::ORPHANS).load(Acquire);
        if orphans >> 32 != orphans & 0xffff_ffff {
            return self.claim_any(me, room, orphans);
        }
        match self.claim_first(me, room)? {
            Claimed::Empty => {}
            other => return Ok(other),
        }
        // Empty only if nothing was given back while the ring was looked at.
        match self.region.word(at::ORPHANS).load(Acquire) {
            now if now == orphans => Ok(Claimed::Empty),
            now => self.claim_any(me, room, now),
        }
    }

    /// The same where there may be orphans.
    #[cold]
    fn claim_any(&self, me: User, room: u64, mut orphans: u64) -> Result<Claimed, Fault> {
        // Bound: each round means that somebody gave a message back in between.
        for _ in 0..16 {
            match self.claim_orphan(me, room, orphans)? {
                Claimed::Empty => {}
                other => return Ok(other),
            }
            match self.claim_first(me, room)? {
                Claimed::Empty => {}
                other => return Ok(other),
            }
            let now = self.region.word(at::ORPHANS).load(Acquire);
            if now >> 32 == orphans >> 32 {
                break;
            }
            orphans = now;
        }
        Ok(Claimed::Empty)
    }

    fn claim_first(&self, me: User, room: u64) -> Result<Claimed, Fault> {
        for _ in 0..PATIENCE {
            if let Some(claimed) = self.look(me, room, false)? {
                return Ok(claimed);
            }
        }
        Err(no_progress())
    }

    /// The same as [`claim`](Engine::claim) in few instructions, for the two ordinary answers: a
    /// message, or nothing there. `None` is any other; nothing was changed then, so ask `claim`.
    #[inline(always)]
    pub(crate) fn claim_at_once(&self, me: User, room: u64) -> Option<Option<(Chunk, u64)>> {
        let word = self.region.word(at::ORPHANS);
        let orphans = word.load(Acquire);
        if orphans >> 32 != orphans & 0xffff_ffff {
            return None;
        }
        match self.look(me, room, true) {
            Ok(Some(Claimed::Chunk(chunk, length))) => Some(Some((chunk, length))),
            Ok(Some(Claimed::Empty)) if word.load(Acquire) == orphans => Some(None),
            _ => None,
        }
    }

    /// One look at the first message, and an attempt to claim it; `None` if something came between.
    /// With `gently` a message of impossible length is left alone.
    #[inline(always)]
    fn look(&self, me: User, room: u64, gently: bool) -> Result<Option<Claimed>, Fault> {
        let at_head = self.whereabouts(at::HEAD, &self.hints.head)?;
        let index = at_head.index();
        let word = self.slot(index);
        let slot = Slot(word.load(SeqCst));
        match slot.laps_ahead(at_head.lap()) {
            1.. => {
                self.go_on(at::HEAD, &self.hints.head, at_head);
                return Ok(None);
            }
            0 if slot.is_nil() => return Ok(Some(Claimed::Empty)),
            0 => {}
            // Only a stale look at the head can get here; a fresh one sees the slot's lap.
            _ => return Ok(None),
        }
        let (class, chunk_index) = self.locate(slot.number())?;
        let k = &self.geo.classes[class];
        let header = self.chunk_word(k, chunk_index, chunk::HEAD);
        // Both lines are about to be written here; fetching them together hides one behind the
        // other.
        prefetch_write(header, 2);
        prefetch_write(word, 1);
        let head = Head(header.load(Acquire));
        let length = self.chunk_word(k, chunk_index, chunk::LENGTH).load(Acquire);
        // If the slot is still the same, head and length belong to this very message: a chunk
        // leaves READING only after its slot was emptied.
        if word.load(Acquire) != slot.0 {
            return Ok(None);
        }
        if !head.is_sendable() || !slot.fits(head) {
            self.empty(index, slot);
            self.go_on(at::HEAD, &self.hints.head, at_head);
            return Ok(None);
        }
        if length > room.min(k.size) {
            if length <= k.size {
                return Ok(Some(Claimed::TooLong(length)));
            }
            if gently {
                return Ok(None);
            }
        }
        let reading = head.to(state::READING, me.owner());
        if header.swap_if(head.0, reading.0, AcqRel).is_err() {
            return Ok(None);
        }
        self.empty(index, slot);
        self.go_on(at::HEAD, &self.hints.head, at_head);
        let chunk = Chunk { number: slot.number(), class, index: chunk_index, head: reading };
        if !gently && length > k.size {
            return Err(self.drop_overlong(me, &chunk, length));
        }
        Ok(Some(Claimed::Chunk(chunk, length)))
    }

    /// What to do with a claimed chunk whose length cannot be: nobody can ever read it, so it is kept
    /// out of everybody's way.
    #[cold]
    #[inline(never)]
    fn drop_overlong(&self, me: User, chunk: &Chunk, length: u64) -> Fault {
        self.free(chunk);
        self.trim(me, chunk);
        self.freed().notify(u32::MAX);
        Fault::Corrupt {
            what: "a message is longer than its memory; it was dropped",
            found: length,
            expected: self.geo.classes[chunk.class].size,
        }
    }

    /// Takes the oldest message that was given back.
    fn claim_orphan(&self, me: User, room: u64, seen: u64) -> Result<Claimed, Fault> {
        // Bound: each round means that another receiver took the one found.
        for _ in 0..16 {
            let mut oldest: Option<(u64, Chunk, u64)> = None;
            self.each_chunk(|k, index, head| {
                if head.state() != state::ORPHAN {
                    return;
                }
                let class = &self.geo.classes[k];
                let order = self.chunk_word(class, index, chunk::TARGET).load(Relaxed);
                if oldest.as_ref().is_none_or(|(o, ..)| order < *o) {
                    let length = self.chunk_word(class, index, chunk::LENGTH).load(Relaxed);
                    let chunk = Chunk { number: class.first + index, class: k, index, head };
                    oldest = Some((order, chunk, length));
                }
            })?;
            let Some((_, mut chunk, length)) = oldest else {
                // Orphans made after `seen` have raised the high half again.
                let done = seen >> 32 | seen & !0xffff_ffff;
                let _ = self.region.word(at::ORPHANS).swap_if(seen, done, AcqRel);
                return Ok(Claimed::Empty);
            };
            if length > room && length <= self.geo.classes[chunk.class].size {
                return Ok(Claimed::TooLong(length));
            }
            let reading = chunk.head.to(state::READING, me.owner());
            let word = self.field(&chunk, chunk::HEAD);
            if word.swap_if(chunk.head.0, reading.0, AcqRel).is_ok() {
                chunk.head = reading;
                self.region.word(at::REDELIVERED).add(1, Relaxed);
                if length > self.geo.classes[chunk.class].size {
                    return Err(self.drop_overlong(me, &chunk, length));
                }
                return Ok(Claimed::Chunk(chunk, length));
            }
        }
        Ok(Claimed::Empty)
    }

    /// Calls `each` for every usable chunk.
    pub(crate) fn each_chunk(&self, mut each: impl FnMut(usize, u32, Head)) -> Result<(), Fault> {
        for (k, class) in self.geo.classes().iter().enumerate() {
            for index in 0..self.extent(k)? {
                each(k, index, Head(self.chunk_word(class, index, chunk::HEAD).load(Acquire)));
            }
        }
        Ok(())
    }

    /// Gives a message in hand back: READING -> ORPHAN. False if it is no longer ours.
    pub(crate) fn give_back_message(&self, chunk: &Chunk) -> bool {
        let orphan = chunk.head.orphaned();
        let done = self.field(chunk, chunk::HEAD).swap_if(chunk.head.0, orphan.0, SeqCst).is_ok();
        if done {
            self.announce_orphans();
        }
        done
    }

    /// Makes receivers look for orphans. Whoever makes one calls this afterwards; if death comes
    /// between, the recovery that follows calls it.
    pub(crate) fn announce_orphans(&self) {
        self.region.word(at::ORPHANS).add(1 << 32, SeqCst);
    }

    /// Whether there is something to receive just now, to be told to the next sleeper.
    pub(crate) fn has_message(&self) -> bool {
        let orphans = self.region.word(at::ORPHANS).load(SeqCst);
        if orphans >> 32 != orphans & 0xffff_ffff {
            return true;
        }
        // What cannot be right is for the next receiver to find out.
        self.help().is_ok_and(|empty| !empty)
    }

    /// Moves head and tail on where those died who should have; whether the ring is empty.
    fn help(&self) -> Result<bool, Fault> {
        for _ in 0..PATIENCE {
            let head = self.position(at::HEAD)?;
            let slot = Slot(self.slot(head.index()).load(SeqCst));
            match slot.laps_ahead(head.lap()) {
                1.. => self.advance(at::HEAD, head),
                0 if slot.is_nil() => return Ok(true),
                0 if !self.holds_message(slot)? => self.empty(head.index(), slot),
                0 => return Ok(false),
                _ => {}
            }
        }
        Err(no_progress())
    }

    /// Messages in the ring just now. A snapshot.
    pub(crate) fn queued(&self) -> Result<u64, Fault> {
        self.help()?;
        self.is_full()?;
        let head = self.position(at::HEAD)?.count(self.geo.capacity);
        let tail = self.position(at::TAIL)?.count(self.geo.capacity);
        Ok((tail.wrapping_sub(head) as i64).clamp(0, self.geo.capacity as i64) as u64)
    }
}

#[cold]
fn no_progress() -> Fault {
    Fault::Corrupt {
        what: "no progress; the words contradict each other or change without end",
        found: PATIENCE as u64,
        expected: 0,
    }
}
