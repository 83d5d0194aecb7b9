//! Two pinned processes that share some words.
#![allow(clippy::disallowed_types)] // The floor is measured with bare atomics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Words on cache lines of their own, shared between parent and child.
pub struct Shared {
    base: *mut AtomicU64,
}

const LINES: usize = 64;

impl Shared {
    /// Zeroed words.
    pub fn new() -> Self {
        // SAFETY: an anonymous mapping at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                LINES * 64,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(base, libc::MAP_FAILED);
        Shared { base: base.cast() }
    }

    /// The word on line `line`.
    pub fn word(&self, line: usize) -> &AtomicU64 {
        assert!(line < LINES);
        // SAFETY: inside the mapping, aligned; it lives as long as `self`.
        unsafe { &*self.base.add(line * 8) }
    }

    /// Waits until both processes are here.
    pub fn meet(&self, line: usize) {
        self.word(line).fetch_add(1, Ordering::SeqCst);
        while self.word(line).load(Ordering::SeqCst) < 2 {
            std::hint::spin_loop();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and no reference outlives `self`.
        unsafe { libc::munmap(self.base.cast(), LINES * 64) };
    }
}

/// Pins the calling process to these processors.
fn pin(cpus: &[usize]) {
    // SAFETY: all zero is a valid set, and it is only read by the call.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for &cpu in cpus {
            libc::CPU_SET(cpu, &mut set);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

/// Runs `child` in a process of its own on processor 1 and `parent` on processor 0; the parent's
/// answer.
pub fn run<T>(child: impl FnOnce(), parent: impl FnOnce() -> T) -> T {
    pin(&[0, 1]);
    // SAFETY: this program has one thread.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork");
    if pid == 0 {
        pin(&[1]);
        let ok = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).is_ok();
        // SAFETY: leaves without the parent's destructors.
        unsafe { libc::_exit(!ok as i32) };
    }
    pin(&[0]);
    let answer = parent();
    let mut status = 0;
    // SAFETY: `status` is a valid place.
    unsafe { libc::waitpid(pid, &mut status, 0) };
    assert_eq!(status, 0, "the other process failed");
    answer
}

/// CLOCK_MONOTONIC in nanoseconds.
pub fn now() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is a valid place.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// Keeps this processor busy for so long.
pub fn busy(ns: u64) {
    let end = now() + ns;
    while now() < end {
        std::hint::spin_loop();
    }
}
