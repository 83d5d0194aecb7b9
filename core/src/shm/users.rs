//! The users of a queue: which handle of which task owns what.

use super::layout::at;
use super::{Engine, Fault};
use crate::sync::{AcqRel, Acquire, Word};

/// A task, as the roster knows it: entry and epoch. Unique in its domain.
/// Bits 0..14 the entry, bits 14..46 the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Task(pub(crate) u64);

pub(crate) const ENTRY_BITS: u32 = 14;

impl Task {
    pub(crate) fn new(entry: u32, epoch: u32) -> Self {
        Task((epoch as u64) << ENTRY_BITS | entry as u64)
    }

    pub(crate) fn entry(self) -> u32 {
        self.0 as u32 & ((1 << ENTRY_BITS) - 1)
    }

    pub(crate) fn epoch(self) -> u32 {
        (self.0 >> ENTRY_BITS) as u32
    }
}

/// A user: its place in the table, and the word that stands there while it is attached.
///
/// | bits | |
/// |---|---|
/// | 0 | in use |
/// | 1..18 | sequence: grows with each new user of the place |
/// | 18..64 | the task |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) place: u32,
    pub(crate) word: u64,
}

impl User {
    /// As chunks name their owner: never 0.
    #[inline]
    pub(crate) fn owner(self) -> u64 {
        self.place as u64 + 1
    }

    pub(crate) fn task(self) -> Task {
        Task(self.word >> 18)
    }
}

fn in_use(word: u64) -> bool {
    word & 1 == 1
}

impl Engine {
    #[inline]
    pub(crate) fn user_word(&self, place: u32) -> &Word {
        self.region.word(at::USERS + 8 * place as u64)
    }

    /// Takes a free place for `task`; `None` if all are in use.
    pub(crate) fn add_user(&self, task: Task) -> Option<User> {
        (0..self.geo.max_users).find_map(|place| {
            let word = self.user_word(place);
            let old = word.load(Acquire);
            if in_use(old) {
                return None;
            }
            let sequence = (old >> 1).wrapping_add(1) & 0x1_ffff;
            let new = task.0 << 18 | sequence << 1 | 1;
            word.swap_if(old, new, AcqRel).ok().map(|_| User { place, word: new })
        })
    }

    /// Whether this user is still the one at its place.
    #[inline]
    pub(crate) fn is_attached(&self, user: User) -> bool {
        self.user_word(user.place).load(Acquire) == user.word
    }

    /// Frees a place after the sweep. True for the one who did it.
    pub(crate) fn remove_user(&self, user: User) -> bool {
        let sequence = user.word & (0x1_ffff << 1);
        self.user_word(user.place).swap_if(user.word, sequence, AcqRel).is_ok()
    }

    /// The users attached just now.
    pub(crate) fn users(&self) -> impl Iterator<Item = User> + '_ {
        (0..self.geo.max_users).filter_map(|place| {
            let word = self.user_word(place).load(Acquire);
            in_use(word).then_some(User { place, word })
        })
    }
}

impl Engine {
    /// Clears up after every user whose task `is_dead`; says how many there were. `spare` is never
    /// asked about.
    pub(crate) fn recover(
        &self,
        spare: Option<Task>,
        mut is_dead: impl FnMut(Task) -> bool,
    ) -> Result<u32, Fault> {
        let mut cleared = 0;
        let mut last: Option<(Task, bool)> = None;
        for user in self.users() {
            let task = user.task();
            if spare == Some(task) {
                continue;
            }
            let dead = match last {
                Some((t, dead)) if t == task => dead,
                _ => is_dead(task),
            };
            last = Some((task, dead));
            if dead && self.sweep(user)? {
                self.region.word(at::DEATHS).add(1, AcqRel);
                cleared += 1;
            }
        }
        Ok(cleared)
    }
}
