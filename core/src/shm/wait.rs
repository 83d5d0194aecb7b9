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
/// A wait up to this, the time of going to sleep and being woken included, speaks for spinning.
const SHORT_NS: u64 = 80_000;

/// A place to sleep at, and to wake others.
pub(crate) struct Event<'a>(pub(crate) &'a Word);

impl Engine {
    /// There may be a message.
    #[inline]
    pub(crate) fn readable(&self) -> Event<'_> {
        Event(self.region.word(at::READABLE))
    }

    /// There may be room in the ring.
    #[inline]
    pub(crate) fn writable(&self) -> Event<'_> {
        Event(self.region.word(at::WRITABLE))
    }

    /// A chunk may be free. Who waits for chunks waits for different sizes, so all are woken.
    #[inline]
    pub(crate) fn freed(&self) -> Event<'_> {
        Event(self.region.word(at::FREED))
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

    /// After a change that others cannot do without: wakes every sleeper, even one that a waker
    /// left behind who died between clearing the bit and waking.
    pub(crate) fn notify_all(&self) {
        full_fence();
        self.wake(u32::MAX);
    }

    fn is(&self, other: &Event<'_>) -> bool {
        std::ptr::eq(self.0, other.0)
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

    /// A wait that spinning could have covered makes the next spin long; a longer one halves it.
    fn learn(&self, waited_ns: u64) {
        let limit = self.0.load(Relaxed);
        self.0.store(if waited_ns <= SHORT_NS { SPIN_NS } else { (limit / 2).max(500) }, Relaxed);
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

/// Waits until `attempt` gives something. `event` says where to sleep, given what the last attempt
/// found; `tend` runs before and after each sleep, to look after the dead; `more` says whether another
/// sleeper would find work too.
pub(crate) fn block<'a, T, E>(
    event: impl Fn() -> Event<'a>,
    deadline: &Deadline,
    spin: Option<&Spin>,
    mut attempt: impl FnMut() -> Result<Option<T>, E>,
    mut tend: impl FnMut(u64) -> Result<(), E>,
    more: impl Fn() -> bool,
) -> Result<Waited<T>, E> {
    let start = now_ns();
    tend(start)?;
    if let Some(spin) = spin.filter(|_| spins()) {
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
    let mut interrupted = false;
    let outcome = loop {
        let at = event();
        let token = at.prepare();
        match attempt() {
            Ok(Some(found)) => {
                if let Some(spin) = spin {
                    spin.learn(now_ns().saturating_sub(start));
                }
                break Ok(Waited::Done(found));
            }
            Ok(None) => {}
            Err(e) => break Err(e),
        }
        let now = now_ns();
        if deadline.passed(now) {
            break Ok(Waited::TimedOut);
        }
        if interrupted {
            break Ok(Waited::Interrupted);
        }
        if !event().is(&at) {
            // Something else stands in the way now. What this one was woken for is another's.
            if slept {
                at.notify(1);
            }
            continue;
        }
        let until = now + SLICE_NS.min(deadline.remaining_ns(now));
        match futex::wait(at.0, token as u32, until) {
            Wakeup::Woken => slept = true,
            Wakeup::TimedOut | Wakeup::Signal => interrupted = deadline.is_interruptible(),
        }
        if let Err(e) = tend(now_ns()) {
            break Err(e);
        }
    };
    // A wake-up was for one; if there is work for another, pass it on, however this wait ended. The
    // bit is still set if others may sleep: `prepare` has set it again.
    if slept && more() {
        event().notify(1);
    }
    outcome
}

fn spins() -> bool {
    #[cfg(loom)]
    return false;
    #[cfg(not(loom))]
    crate::os::process::many_processors()
}
