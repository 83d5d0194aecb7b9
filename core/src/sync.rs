//! The only door to atomics: the real ones, or the model checker's.
//!
//! Everything shared between processes or threads is a [`Word`]. With `--cfg loom` a word is one of
//! loom's; with `--cfg mailboat_steps` each access first calls a hook, so that a test can stop or kill
//! the process between any two accesses. In ordinary builds neither leaves a trace.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

#[cfg(loom)]
use loom::sync::atomic as imp;
#[cfg(not(loom))]
use std::sync::atomic as imp;

pub(crate) use imp::Ordering;
pub(crate) use imp::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// A 64-bit atomic word.
#[repr(transparent)]
#[derive(Debug)]
pub(crate) struct Word(imp::AtomicU64);

impl Word {
    #[cfg(not(loom))]
    pub(crate) const fn new(value: u64) -> Self {
        Word(imp::AtomicU64::new(value))
    }

    #[cfg(loom)]
    pub(crate) fn new(value: u64) -> Self {
        Word(imp::AtomicU64::new(value))
    }

    #[inline]
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        step();
        self.0.load(order)
    }

    #[inline]
    pub(crate) fn store(&self, value: u64, order: Ordering) {
        step();
        self.0.store(value, order);
    }

    /// Compare and swap. The failure order is the strongest that fits `order`'s loads.
    #[inline]
    pub(crate) fn swap_if(&self, current: u64, new: u64, order: Ordering) -> Result<u64, u64> {
        step();
        let failure = match order {
            SeqCst => SeqCst,
            AcqRel | Acquire => Acquire,
            _ => Relaxed,
        };
        self.0.compare_exchange(current, new, order, failure)
    }

    #[inline]
    pub(crate) fn swap(&self, value: u64, order: Ordering) -> u64 {
        step();
        self.0.swap(value, order)
    }

    #[inline]
    pub(crate) fn add(&self, value: u64, order: Ordering) -> u64 {
        step();
        self.0.fetch_add(value, order)
    }

    /// The address of the low 32 bits, for the futex system calls.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn futex_address(&self) -> *mut u32 {
        // Both supported architectures are little-endian: the low half comes first.
        self.0.as_ptr().cast()
    }
}

/// Orders a preceding publishing read-modify-write before following loads, as the sleeping protocol
/// needs (see `shm/wait.rs`). On x86-64 every locked instruction is a full barrier already, so only
/// the compiler has to be held back; elsewhere, and under loom, it is a real fence.
#[inline]
pub(crate) fn fence_after_publish() {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    imp::compiler_fence(SeqCst);
    #[cfg(not(all(target_arch = "x86_64", not(loom), not(miri))))]
    imp::fence(SeqCst);
}

/// A full fence, for the slow side of the sleeping protocol.
#[inline]
pub(crate) fn full_fence() {
    imp::fence(SeqCst);
}

/// Says that this thread is spinning.
#[inline]
pub(crate) fn pause() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::hint::spin_loop();
}

/// Asks for `lines` cache lines from `word` on to be brought here for writing. A hint only.
#[inline]
pub(crate) fn prefetch_write(word: &Word, lines: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
    for line in 0..lines {
        let address = (word as *const Word).cast::<u8>().wrapping_add(64 * line);
        // SAFETY: a prefetch never faults, whatever the address, and changes nothing.
        unsafe {
            std::arch::asm!(
                "prefetchw [{}]", in(reg) address, options(nostack, preserves_flags, readonly)
            );
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri), not(loom))))]
    let _ = (word, lines);
}

#[cfg(not(any(mailboat_steps, all(loom, test))))]
#[inline(always)]
pub(crate) fn step() {}

#[cfg(all(loom, test))]
pub(crate) use death::step;

/// What happens before each access in the model: another thread may come in, and this one may die.
#[cfg(all(loom, test))]
pub(crate) mod death {
    use loom::thread::{ThreadId, current};
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    // The model's threads all run on one thread of the system, so these are one for each model.
    std::thread_local! {
        static NEXT: Cell<Option<(ThreadId, u32)>> = const { Cell::new(None) };
        static DENSE: Cell<bool> = const { Cell::new(false) };
    }

    loom::lazy_static! {
        static ref TURN: super::imp::AtomicU64 = super::imp::AtomicU64::new(0);
    }

    struct Dead;

    /// Makes the checker consider a switch of threads before each access, whatever it thinks of
    /// their dependence. It orders nothing.
    pub(crate) fn switch_everywhere(dense: bool) {
        DENSE.set(dense);
    }

    pub(crate) fn step() {
        if DENSE.get() {
            TURN.fetch_add(1, super::Relaxed);
        }
        let Some((thread, left)) = NEXT.get() else { return };
        if current().id() != thread {
            return;
        }
        if left == 0 {
            NEXT.set(None);
            resume_unwind(Box::new(Dead));
        }
        NEXT.set(Some((thread, left - 1)));
    }

    /// What `life` gives, or `None` if this thread came to its access number `steps` and died there.
    /// Only one thread of a model at a time may be given to die.
    pub(crate) fn before<T>(steps: u32, life: impl FnOnce() -> T) -> Option<T> {
        NEXT.set(Some((current().id(), steps)));
        let end = catch_unwind(AssertUnwindSafe(life));
        NEXT.set(None);
        match end {
            Ok(value) => Some(value),
            Err(cause) if cause.is::<Dead>() => None,
            Err(cause) => resume_unwind(cause),
        }
    }
}

#[cfg(mailboat_steps)]
pub(crate) use steps::step;

/// Numbered steps, for tests that kill at each of them. In no ordinary build.
#[cfg(mailboat_steps)]
#[doc(hidden)]
pub mod steps {
    use super::imp::{AtomicU64, Ordering::Relaxed};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static STOP_AT: AtomicU64 = AtomicU64::new(u64::MAX);
    static SIGNAL: AtomicU64 = AtomicU64::new(0);

    /// The process sends itself `signal` just before step `k` from now.
    pub fn arm(k: u64, signal: i32) {
        SIGNAL.store(signal as u64, Relaxed);
        COUNT.store(0, Relaxed);
        STOP_AT.store(k, Relaxed);
    }

    /// Steps since [`arm`].
    pub fn count() -> u64 {
        COUNT.load(Relaxed)
    }

    pub(crate) fn step() {
        let k = COUNT.fetch_add(1, Relaxed);
        if k == STOP_AT.load(Relaxed) {
            // SAFETY: raising a signal in the own process touches no memory of ours.
            unsafe { libc::raise(SIGNAL.load(Relaxed) as i32) };
        }
    }
}
