//! The only references into shared memory: layout, words, and the algorithms on them.
//!
//! Nothing in here knows where its memory comes from: the same code runs over a mapped file, over
//! plain memory in tests, and over the model checker's words. The protocol is told in
//! `docs/design.md`; comments here only say why a step is as it is.

pub(crate) mod layout;
#[cfg(all(test, loom))]
mod models;
#[cfg(not(loom))]
pub(crate) mod object;
pub(crate) mod recover;
pub(crate) mod region;
pub(crate) mod ring;
pub(crate) mod roster;
pub(crate) mod slab;
#[cfg(all(test, not(loom)))]
mod tests;
pub(crate) mod users;
pub(crate) mod wait;

use crate::sync::Relaxed;
use layout::{Geometry, LAYOUT_VERSION, at};
use region::Region;

/// What shared memory can answer besides success; the nouns above add names to it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// A word holds what no well-behaved process would have written.
    Corrupt { what: &'static str, found: u64, expected: u64 },
    /// The file system behind the memory is full.
    NoSpace { needed: u64 },
    /// Memory could not be committed for another reason: the number of the system's error.
    System(i32),
}

/// A queue in shared memory: the words, and the geometry that was checked when attaching.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) region: Region,
    pub(crate) geo: Geometry,
    pub(crate) hints: ring::Hints,
}

impl Engine {
    pub(crate) fn new(region: Region, geo: Geometry) -> Self {
        Engine { region, geo, hints: ring::Hints::new() }
    }
}

/// How often a loop that somebody else's progress can prolong goes round before the memory is
/// called corrupt. An honest neighbour cannot reach it; a hostile one wins a few milliseconds.
pub(crate) const PATIENCE: u32 = if cfg!(test) { 1_000 } else { 100_000 };

/// Writes the header of a new queue, all but the magic number. Its memory must be committed.
pub(crate) fn found(region: &Region, geo: &Geometry) {
    let set = |offset, value| region.word(offset).store(value, Relaxed);
    set(at::VERSION, LAYOUT_VERSION as u64);
    set(at::TOTAL, geo.total);
    set(at::CAPACITY, geo.capacity as u64);
    set(at::MAX_USERS, geo.max_users as u64);
    set(at::MAX_MESSAGE, geo.max_message);
    set(at::BYTE_BUDGET, geo.byte_budget);
    set(at::FLAGS, geo.flags);
    let count = geo.classes[0].count as u64;
    set(at::EXTENTS, count);
}
