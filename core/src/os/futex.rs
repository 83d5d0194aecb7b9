//! Sleeping on a shared word. See futex(2).

use crate::sync::Word;

/// Why a sleep ended. Any of these may be spurious.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wakeup {
    /// Woken, or the word was no longer what was expected.
    Woken,
    /// The deadline passed.
    TimedOut,
    /// A signal handler ran.
    Signal,
}

/// Sleeps while the low half of `word` is `expected`, until `deadline_ns` on CLOCK_MONOTONIC.
#[cfg(not(loom))]
pub(crate) fn wait(word: &Word, expected: u32, deadline_ns: u64) -> Wakeup {
    crate::sync::step();
    let t = libc::timespec {
        tv_sec: (deadline_ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (deadline_ns % 1_000_000_000) as libc::c_long,
    };
    // SAFETY: the word lives as long as the borrow, and `t` for the call. FUTEX_WAIT_BITSET takes
    // an absolute time on CLOCK_MONOTONIC. Not FUTEX_PRIVATE: other processes wake us.
    let r = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.futex_address(),
            libc::FUTEX_WAIT_BITSET,
            expected,
            &t as *const libc::timespec,
            std::ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        )
    };
    if r == 0 {
        return Wakeup::Woken;
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::ETIMEDOUT) => Wakeup::TimedOut,
        Some(libc::EINTR) => Wakeup::Signal,
        _ => Wakeup::Woken,
    }
}

/// Wakes up to `count` sleepers.
#[cfg(not(loom))]
pub(crate) fn wake(word: &Word, count: u32) {
    crate::sync::step();
    let count = count.min(i32::MAX as u32) as i32;
    // SAFETY: the word lives as long as the borrow; FUTEX_WAKE does not read it.
    unsafe { libc::syscall(libc::SYS_futex, word.futex_address(), libc::FUTEX_WAKE, count) };
}

/// The model's futex: as in the kernel, looking at the word and going to sleep are one with respect
/// to wake-ups, and a wake-up is for as many as it says. There is no time, so a sleep ends by a wake-up
/// alone: one that was forgotten shows as a deadlock.
#[cfg(loom)]
pub(crate) use model::{wait, wake};

#[cfg(loom)]
mod model {
    use super::Wakeup;
    use crate::sync::{Acquire, Word};
    use loom::sync::Mutex;
    use loom::thread::{Thread, current, park};

    struct Sleeper {
        word: usize,
        ticket: u64,
        thread: Thread,
    }

    #[derive(Default)]
    struct Sleepers {
        tickets: u64,
        asleep: Vec<Sleeper>,
    }

    loom::lazy_static! {
        static ref SLEEPERS: Mutex<Sleepers> = Mutex::new(Sleepers::default());
    }

    fn address(word: &Word) -> usize {
        word as *const Word as usize
    }

    pub(crate) fn wait(word: &Word, expected: u32, _deadline_ns: u64) -> Wakeup {
        let mut sleepers = SLEEPERS.lock().unwrap();
        if word.load(Acquire) as u32 != expected {
            return Wakeup::Woken;
        }
        sleepers.tickets += 1;
        let ticket = sleepers.tickets;
        sleepers.asleep.push(Sleeper { word: address(word), ticket, thread: current() });
        drop(sleepers);
        loop {
            park();
            if SLEEPERS.lock().unwrap().asleep.iter().all(|s| s.ticket != ticket) {
                return Wakeup::Woken;
            }
        }
    }

    pub(crate) fn wake(word: &Word, count: u32) {
        let mut sleepers = SLEEPERS.lock().unwrap();
        for _ in 0..count {
            let here = sleepers.asleep.iter().position(|s| s.word == address(word));
            let Some(first) = here else { break };
            sleepers.asleep.remove(first).thread.unpark();
        }
    }
}
