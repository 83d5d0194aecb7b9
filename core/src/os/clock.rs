//! Clocks, in nanoseconds.
#![allow(unsafe_code)]

#[cfg(not(loom))]
fn read(clock: libc::clockid_t) -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is a valid place for one timespec, and the clock ids used here always exist.
    unsafe { libc::clock_gettime(clock, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// CLOCK_MONOTONIC.
#[cfg(not(loom))]
pub(crate) fn now_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// CLOCK_REALTIME.
#[cfg(not(loom))]
pub(crate) fn realtime_ns() -> u64 {
    read(libc::CLOCK_REALTIME)
}

/// Time stands still in the model.
#[cfg(loom)]
pub(crate) fn now_ns() -> u64 {
    0
}
