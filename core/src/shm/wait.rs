//! Waiting: spin a little, then sleep on a shared word.
//!
//! An event is one word: bit 0 says that somebody may sleep, the other low bits count wake-ups. Who
//! is about to sleep sets the bit and looks once more; who has changed something looks at the bit
//! afterwards. One of the two sees the other, because both orders are full fences. The one woken
//! finds work, and if there is more wakes the next; if it dies before, the others wake by themselves
//! within a slice.

use super::Engine;
use super::layout::at;
use crate::os::clock::now_ns;
use crate::os::futex::{self, Wakeup};
use crate::sync::{Acquire, Relaxed, SeqCst, Word, fence_after_publish, full_fence, pause};
use crate::time::Deadline;

const SLEEPER: u64 = 1;
const COUNT: u64 = 2;
/// The low half is the futex; the high half stays 0.
const MASK: u64 = 0xffff_ffff;

/// The longest sleep between two looks at the queue and at suspicious neighbours.
pub(crate) const SLICE_NS: u64 = 100_000_000;
/// The longest spin.
const SPIN_NS: u64 = 40_000;

/// A place to sleep at, and to wake others.
pub(crate) struct Event<'a>(pub(crate) &'a Word);

impl Engine {
    /// There may be a message.
    #[inline]
    pub(crate) fn readable(&self) -> Event<'_> {
        Event(self.region.word(at::READABLE))
    }

    /// There may be room.
    #[inline]
    pub(crate) fn writable(&self) -> Event<'_> {
        Event(self.region.word(at::WRITABLE))
    }
}

impl Event<'_> {
    /// Says that somebody is about to sleep; the value to sleep on. The caller looks once more
    /// before it sleeps.
    pub(crate) fn prepare(&self) -> u64 {
        let mut value = self.0.load(Relaxed);
        // Bound: each round means that another one prepared or notified.
        for _ in 0..super::PATIENCE {
            if value & SLEEPER != 0 {
                break;
            }
            match self.0.swap_if(value, (value | SLEEPER) & MASK, SeqCst) {
                Ok(_) => {
                    value |= SLEEPER;
                    break;
                }
                Err(now) => value = now,
            }
        }
        full_fence();
        value & MASK
    }

    /// After a change: wakes up to `count` sleepers, if there may be any.
    #[inline]
    pub(crate) fn notify(&self, count: u32) {
        fence_after_publish();
        if self.0.load(SeqCst) & SLEEPER != 0 {
            self.wake(count);
        }
    }

    /// Wakes every sleeper.
    pub(crate) fn notify_all(&self) {
        full_fence();
        self.wake(u32::MAX);
    }

    #[cold]
    fn wake(&self, count: u32) {
        let mut value = self.0.load(Acquire);
        for _ in 0..super::PATIENCE {
            let next = (value & !SLEEPER).wrapping_add(COUNT) & MASK;
            match self.0.swap_if(value, next, SeqCst) {
                Ok(_) => break,
                Err(now) => value = now,
            }
        }
        futex::wake(self.0, count);
    }
}

/// How long it pays to spin, learnt from how long the waits were.
#[derive(Debug)]
pub(crate) struct Spin(Word);

impl Spin {
    pub(crate) fn new() -> Self {
        Spin(Word::new(SPIN_NS / 2))
    }

    /// A spin that succeeded, or a wait that spinning would have covered, makes the next spin
    /// longer; a longer wait makes it shorter.
    fn learn(&self, waited_ns: u64) {
        let limit = self.0.load(Relaxed);
        let next = if waited_ns <= SPIN_NS {
            limit.max(waited_ns.saturating_mul(2)).min(SPIN_NS)
        } else {
            (limit / 2).max(500)
        };
        self.0.store(next, Relaxed);
    }
}

/// How a wait ended.
pub(crate) enum Waited<T> {
    /// The attempt succeeded.
    Done(T),
    /// The deadline passed.
    TimedOut,
    /// A signal came, and the caller asked to be told.
    Interrupted,
}

/// Waits until `attempt` gives something. `idle` runs once in each slice without a wake-up, to look
/// after the dead; `more` says whether another sleeper would find work too.
pub(crate) fn block<T, E>(
    event: &Event<'_>,
    deadline: &Deadline,
    spin: &Spin,
    mut attempt: impl FnMut() -> Result<Option<T>, E>,
    mut idle: impl FnMut() -> Result<(), E>,
    more: impl Fn() -> bool,
) -> Result<Waited<T>, E> {
    let start = now_ns();
    if spins() {
        let limit = spin.0.load(Relaxed).min(deadline.remaining_ns(start));
        loop {
            for _ in 0..32 {
                pause();
                if let Some(found) = attempt()? {
                    return Ok(Waited::Done(found));
                }
            }
            if now_ns().saturating_sub(start) >= limit {
                break;
            }
        }
    }
    let mut slept = false;
    let outcome = loop {
        let token = event.prepare();
        if let Some(found) = attempt()? {
            spin.learn(now_ns().saturating_sub(start));
            break Waited::Done(found);
        }
        let now = now_ns();
        if deadline.passed(now) {
            break Waited::TimedOut;
        }
        let until = now + SLICE_NS.min(deadline.remaining_ns(now));
        match futex::wait(event.0, token as u32, until) {
            Wakeup::Woken => slept = true,
            Wakeup::TimedOut => {
                idle()?;
                if deadline.is_interruptible() {
                    break Waited::Interrupted;
                }
            }
            Wakeup::Signal if deadline.is_interruptible() => break Waited::Interrupted,
            Wakeup::Signal => {}
        }
    };
    // A wake-up was for one; if there is work for another, pass it on. The bit is still set if
    // others may sleep: `prepare` has set it again.
    if slept && more() {
        event.notify(1);
    }
    Ok(outcome)
}

fn spins() -> bool {
    #[cfg(loom)]
    return false;
    #[cfg(not(loom))]
    crate::os::process::many_processors()
}
