//! Clearing up after a user that died, or that leaves.
//!
//! Any number of processes may sweep the same user at the same time, and any of them may die: each
//! step is one compare-and-swap of one word, from a value that names the user.

use super::layout::chunk;
use super::ring::{Position, Slot};
use super::slab::{Head, state};
use super::users::User;
use super::{Engine, Fault};
use crate::sync::{Acquire, SeqCst};

impl Engine {
    /// Settles every chunk that names `user`, then frees its place. The user must be dead, or be the
    /// caller with nothing more under way. True for the one who freed the place.
    pub(crate) fn sweep(&self, user: User) -> Result<bool, Fault> {
        let mut orphans = false;
        for k in 0..self.geo.class_count {
            for index in 0..self.extent(k)? {
                match self.settle(user, k, index) {
                    None => return Ok(false),
                    Some(orphan) => orphans |= orphan,
                }
            }
        }
        // Whoever made them may have died before saying so.
        if orphans {
            self.announce_orphans();
        }
        let removed = self.remove_user(user);
        self.readable().notify(u32::MAX);
        self.writable().notify(u32::MAX);
        self.freed().notify(u32::MAX);
        Ok(removed)
    }

    /// One chunk: whether it is an orphan now. `None` if somebody else has finished the whole sweep.
    fn settle(&self, user: User, k: usize, index: u32) -> Option<bool> {
        let class = &self.geo.classes[k];
        let word = self.chunk_word(class, index, chunk::HEAD);
        let head = Head(word.load(SeqCst));
        if head.owner() != user.owner() {
            return Some(head.state() == state::ORPHAN);
        }
        let target = Position(self.chunk_word(class, index, chunk::TARGET).load(Acquire));
        // The place may have a new user by now, and the head may be that user's. If the old user is
        // still there after the head was read, then the head is the old user's.
        if !self.is_attached(user) {
            return None;
        }
        let number = class.first + index;
        let bound = Slot::full(target.lap(), number, head.generation());
        let slot = (target.index() < self.geo.capacity as u64).then(|| self.slot(target.index()));
        let settled = match head.state() {
            state::OWNED => {
                let published = slot.is_some_and(|slot| slot.load(SeqCst) == bound.0);
                if published { head.to(state::QUEUED, 0) } else { head.to(state::FREE, 0) }
            }
            state::READING => {
                // First the slot, then the chunk: else its message could be claimed once more.
                if let Some(slot) = slot {
                    let _ = slot.swap_if(bound.0, bound.emptied().0, SeqCst);
                }
                head.orphaned()
            }
            // No other state has an owner; whoever wrote this meant harm.
            _ => head.to(state::FREE, 0),
        };
        let _ = word.swap_if(head.0, settled.0, SeqCst);
        Some(settled.state() == state::ORPHAN)
    }
}
