//! The roster: who lives in a domain. The kernel's lock on an entry's byte is the proof of life.

use super::region::Region;
use super::users::{ENTRY_BITS, Task};
use crate::sync::{AcqRel, Acquire, Relaxed, Word};

/// Offsets of the words of the roster's header.
pub(crate) mod at {
    /// [`super::super::object::ROSTER_MAGIC`].
    #[cfg_attr(loom, allow(dead_code))]
    pub(crate) const MAGIC: u64 = 0;
    /// Layout version.
    #[cfg_attr(loom, allow(dead_code))]
    pub(crate) const VERSION: u64 = 8;
    /// Entries.
    pub(crate) const MAX_TASKS: u64 = 16;
    /// 0, or 1 + mode | gid << 32 of a shared domain.
    pub(crate) const SHARED: u64 = 24;
    /// Next block of message ids.
    pub(crate) const NEXT_IDS: u64 = 64;
    /// Tasks found dead.
    pub(crate) const DEATHS: u64 = 72;
    /// The entries.
    pub(crate) const ENTRIES: u64 = 4096;
}

/// Offsets of the words of an entry.
pub(crate) mod entry {
    /// Bits 0..2 the state, bits 2..34 the epoch.
    pub(crate) const STATE: u64 = 0;
    /// Process id as the task saw it. For people; nothing depends on it.
    pub(crate) const PID: u64 = 8;
    /// CLOCK_REALTIME nanoseconds when it joined.
    pub(crate) const SINCE: u64 = 16;
    /// Two words: the first 16 bytes of the program's name.
    pub(crate) const PROGRAM: u64 = 24;
    /// Size of an entry.
    pub(crate) const SIZE: u64 = 64;
}

const FREE: u64 = 0;
const ACTIVE: u64 = 1;
const DEAD: u64 = 2;

pub(crate) const MAX_TASKS: u32 = 1 << ENTRY_BITS;
/// Ids are handed out in blocks, so that a message costs no shared word.
pub(crate) const ID_BLOCK: u64 = 1 << 20;

fn pack(state: u64, epoch: u32) -> u64 {
    state | (epoch as u64) << 2
}

fn epoch_of(word: u64) -> u32 {
    (word >> 2) as u32
}

/// The state word of a living task.
pub(crate) fn active(task: Task) -> u64 {
    pack(ACTIVE, task.epoch())
}

/// The roster's words.
#[derive(Debug)]
pub(crate) struct Roster {
    pub(crate) region: Region,
    pub(crate) max_tasks: u32,
}

impl Roster {
    pub(crate) fn length(max_tasks: u32) -> u64 {
        (at::ENTRIES + entry::SIZE * max_tasks as u64).next_multiple_of(4096)
    }

    pub(crate) fn word(&self, index: u32, field: u64) -> &Word {
        self.region.word(at::ENTRIES + entry::SIZE * index as u64 + field)
    }

    /// Takes an entry. `lock` tries to take the entry's byte and keeps it if it could; `unlock`
    /// gives it back. `None` if every entry has a living task.
    pub(crate) fn join<E>(
        &self,
        mut lock: impl FnMut(u32) -> Result<bool, E>,
        mut unlock: impl FnMut(u32),
    ) -> Result<Option<Task>, E> {
        // First those that are free, then those whose task may have died unnoticed.
        for look_at_active in [false, true] {
            for index in 0..self.max_tasks {
                let word = self.word(index, entry::STATE);
                if (word.load(Acquire) & 3 == ACTIVE) != look_at_active || !lock(index)? {
                    continue;
                }
                // With the byte in hand nobody alive is behind the entry. Only a prober may still
                // change it, from active to dead.
                for _ in 0..4 {
                    let old = word.load(Acquire);
                    let epoch = epoch_of(old).wrapping_add(1);
                    if word.swap_if(old, pack(ACTIVE, epoch), AcqRel).is_ok() {
                        if old & 3 == ACTIVE {
                            self.region.word(at::DEATHS).add(1, Relaxed);
                        }
                        return Ok(Some(Task::new(index, epoch)));
                    }
                }
                unlock(index);
            }
        }
        Ok(None)
    }

    /// Gives the entry back.
    pub(crate) fn leave(&self, task: Task) {
        let word = self.word(task.entry(), entry::STATE);
        let _ = word.swap_if(active(task), pack(FREE, task.epoch()), AcqRel);
    }

    /// Whether the task is dead or gone. `held` asks the kernel whether somebody else holds the
    /// entry's byte; if it cannot tell, the task counts as alive.
    pub(crate) fn is_dead(&self, task: Task, held: impl FnOnce(u32) -> bool) -> bool {
        if task.entry() >= self.max_tasks {
            return true;
        }
        let word = self.word(task.entry(), entry::STATE);
        let alive = active(task);
        // The entry is read before the lock is asked for: a task takes its byte before it becomes
        // active and keeps it for life.
        if word.load(Acquire) != alive {
            return true;
        }
        if held(task.entry()) {
            return false;
        }
        // From here on the task itself can see that it counts as dead.
        if word.swap_if(alive, pack(DEAD, task.epoch()), AcqRel).is_ok() {
            self.region.word(at::DEATHS).add(1, Relaxed);
        }
        true
    }

    /// The tasks that are active by their entries, dead ones that nobody noticed included.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = Task> + '_ {
        (0..self.max_tasks).filter_map(|index| {
            let word = self.word(index, entry::STATE).load(Acquire);
            (word & 3 == ACTIVE).then(|| Task::new(index, epoch_of(word)))
        })
    }

    /// The first of a block of message ids that nobody else in the domain gets. Never 0.
    pub(crate) fn take_ids(&self) -> u64 {
        self.region.word(at::NEXT_IDS).add(ID_BLOCK, Relaxed).wrapping_add(1)
    }
}
