//! What the hardware and the kernel allow: the units of all other figures.
#![allow(clippy::disallowed_types)] // Bare atomics are what is measured.

use crate::pair::{Shared, busy, now, run};
use std::sync::atomic::Ordering::{Acquire, Release, SeqCst};

const WAKES: u64 = 300;
/// Longer than anybody spins.
const IDLE_NS: u64 = 150_000;

/// One way of a word going there and back between two cores, in ns.
pub fn cache_line() -> f64 {
    const TURNS: u64 = 200_000;
    let shared = Shared::new();
    let word = shared.word(0);
    run(
        || {
            shared.meet(1);
            for i in 0..TURNS {
                while word.load(Acquire) != 2 * i + 1 {
                    std::hint::spin_loop();
                }
                word.store(2 * i + 2, Release);
            }
        },
        || {
            shared.meet(1);
            let start = now();
            for i in 0..TURNS {
                word.store(2 * i + 1, Release);
                while word.load(Acquire) != 2 * i + 2 {
                    std::hint::spin_loop();
                }
            }
            (now() - start) as f64 / TURNS as f64 / 2.0
        },
    )
}

/// Median of one-way times, from before the wake to after the sleep, of a process that has slept.
/// `sleep(i)` returns in the child when wake `i` came; `wake(i)` sends it.
pub fn one_way(mut sleep: impl FnMut(u64), mut wake: impl FnMut(u64)) -> f64 {
    let times = Shared::new();
    let (sent, answer, ready) = (times.word(0), times.word(1), times.word(2));
    run(
        || {
            let mut all = Vec::new();
            for i in 0..WAKES {
                ready.store(i + 1, Release);
                sleep(i);
                all.push(now().saturating_sub(sent.load(Acquire)) as f64);
            }
            answer.store(crate::median(&all).to_bits(), Release);
            ready.store(u64::MAX, Release);
        },
        || {
            for i in 0..WAKES {
                while ready.load(Acquire) < i + 1 {
                    std::hint::spin_loop();
                }
                busy(IDLE_NS);
                sent.store(now(), Release);
                wake(i);
            }
            while ready.load(Acquire) != u64::MAX {
                std::hint::spin_loop();
            }
            f64::from_bits(answer.load(Acquire))
        },
    )
}

/// A bare futex wake, one way, in ns.
pub fn futex_wake() -> f64 {
    let shared = Shared::new();
    let word = shared.word(0);
    let address = word.as_ptr().cast::<u32>();
    one_way(
        |i| {
            while word.load(SeqCst) <= i {
                // SAFETY: the word lives on; its low half is the expected value.
                unsafe {
                    libc::syscall(
                        libc::SYS_futex,
                        address,
                        libc::FUTEX_WAIT,
                        i as u32,
                        std::ptr::null::<libc::timespec>(),
                    )
                };
            }
        },
        |i| {
            word.store(i + 1, SeqCst);
            // SAFETY: as above.
            unsafe { libc::syscall(libc::SYS_futex, address, libc::FUTEX_WAKE, 1) };
        },
    )
}

/// A pipe that carries 64 bytes to a sleeping reader, one way, in ns.
pub fn pipe_wake() -> f64 {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    let [read_end, write_end] = ends;
    let result = one_way(
        |_| {
            let mut body = [0u8; 64];
            // SAFETY: the buffer has the length given.
            assert_eq!(unsafe { libc::read(read_end, body.as_mut_ptr().cast(), 64) }, 64);
        },
        |_| {
            // SAFETY: as above.
            assert_eq!(unsafe { libc::write(write_end, [7u8; 64].as_ptr().cast(), 64) }, 64);
        },
    );
    for end in ends {
        // SAFETY: the descriptors are ours.
        unsafe { libc::close(end) };
    }
    result
}

/// 64 bytes there and back through two pipes, halved, in ns.
pub fn pipe_ping_pong() -> f64 {
    const TURNS: u64 = 5_000;
    let mut ends = [[0; 2]; 2];
    for pair in &mut ends {
        // SAFETY: room for two descriptors.
        assert_eq!(unsafe { libc::pipe(pair.as_mut_ptr()) }, 0);
    }
    let [there, back] = ends;
    let pass = |from: i32, to: i32, first: bool| {
        let mut body = [7u8; 64];
        // SAFETY: the buffer has the length given.
        unsafe {
            if first {
                assert_eq!(libc::write(to, body.as_ptr().cast(), 64), 64);
            }
            assert_eq!(libc::read(from, body.as_mut_ptr().cast(), 64), 64);
            if !first {
                assert_eq!(libc::write(to, body.as_ptr().cast(), 64), 64);
            }
        }
    };
    let result = run(
        || (0..TURNS).for_each(|_| pass(there[0], back[1], false)),
        || {
            let start = now();
            (0..TURNS).for_each(|_| pass(back[0], there[1], true));
            (now() - start) as f64 / TURNS as f64 / 2.0
        },
    );
    for end in ends.into_iter().flatten() {
        // SAFETY: the descriptors are ours.
        unsafe { libc::close(end) };
    }
    result
}

/// Copying a block twice, through memory that both copies touch, in ns.
pub fn two_copies(size: usize) -> f64 {
    let (a, mut b, mut c) = (vec![1u8; size], vec![0u8; size], vec![0u8; size]);
    let mut times = Vec::new();
    for _ in 0..50 {
        let start = now();
        b.copy_from_slice(std::hint::black_box(&a));
        c.copy_from_slice(std::hint::black_box(&b));
        std::hint::black_box(&mut c);
        times.push((now() - start) as f64);
    }
    crate::median(&times)
}
