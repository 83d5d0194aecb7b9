//! The process: fork, identity, processors.
#![allow(unsafe_code)]

use crate::sync::{AcqRel, Acquire, Relaxed, Release, Word};
use std::sync::Once;

/// Counts the forks between the first process and this one. Written by the fork handler alone.
static GENERATION: Word = Word::new(1);

/// Descriptors to be closed in a forked child, plus one; 0 is a free place. An array and not a list
/// behind a lock, because the child may only do what is safe in a signal handler.
static CLOSE_IN_CHILD: [Word; 1024] = [const { Word::new(0) }; 1024];

/// Which generation of forks this process is. Handles compare it with the one they attached in.
#[inline]
pub(crate) fn generation() -> u64 {
    GENERATION.load(Relaxed)
}

/// Held while state is changed that a forked child must not find half done: the fork handlers take
/// it around fork(2), so that a child always finds it free.
static GATE: Word = Word::new(0);

/// The gate, while it is held.
pub(crate) struct Gate {
    outermost: bool,
}

impl Drop for Gate {
    fn drop(&mut self) {
        if self.outermost {
            GATE.store(0, Release);
        }
    }
}

/// Takes the gate, which the same thread may do more than once. Only for short, rare work: joining,
/// attaching, leaving.
pub(crate) fn gate() -> Gate {
    watch_forks();
    if GATE.load(Relaxed) == this_thread() {
        return Gate { outermost: false };
    }
    shut_gate();
    Gate { outermost: true }
}

/// A number that no other living thread has.
fn this_thread() -> u64 {
    thread_local!(static PLACE: u8 = const { 0 });
    PLACE.with(|place| place as *const u8 as u64)
}

extern "C" fn shut_gate() {
    let me = this_thread();
    while GATE.swap_if(0, me, Acquire).is_err() {
        std::thread::yield_now();
    }
}

extern "C" fn open_gate() {
    GATE.store(0, Release);
}

extern "C" fn in_child() {
    GENERATION.add(1, AcqRel);
    for place in &CLOSE_IN_CHILD {
        let fd = place.load(Relaxed);
        if fd != 0 {
            place.store(0, Relaxed);
            // SAFETY: the place named a descriptor that this library opened and the parent owns; the
            // child's copy is used by nobody. Closing, and not unlocking, keeps the parent's lease.
            unsafe { libc::close((fd - 1) as i32) };
        }
    }
    open_gate();
}

/// Installs the fork handlers, once per process and copy of the library. See pthread_atfork(3).
fn watch_forks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers only use atomics, sched_yield(2) and close(2), which are allowed
        // around a fork and in its child.
        unsafe { libc::pthread_atfork(Some(shut_gate), Some(open_gate), Some(in_child)) };
    });
}

/// Notes a descriptor that must not survive in a child, and so must be made with the gate held.
/// False if there is no place left.
pub(crate) fn close_in_child(fd: i32, _gate: &Gate) -> bool {
    CLOSE_IN_CHILD.iter().any(|place| place.swap_if(0, fd as u64 + 1, AcqRel).is_ok())
}

/// Takes the note back, before the descriptor is closed. False if it was closed already, by a fork.
pub(crate) fn forget_in_child(fd: i32, _gate: &Gate) -> bool {
    CLOSE_IN_CHILD.iter().any(|place| place.swap_if(fd as u64 + 1, 0, AcqRel).is_ok())
}

pub(crate) fn pid() -> u32 {
    std::process::id()
}

pub(crate) fn euid() -> u32 {
    // SAFETY: geteuid cannot fail and touches no memory.
    unsafe { libc::geteuid() }
}

/// Whether the machine has more than one processor; spinning is pointless otherwise. Not whether
/// this process may run on more than one: its neighbour may be pinned to another.
pub(crate) fn many_processors() -> bool {
    static ANSWER: Word = Word::new(0);
    match ANSWER.load(Acquire) {
        0 => {
            // SAFETY: sysconf touches no memory of ours.
            let many = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) } > 1;
            ANSWER.store(1 + many as u64, Relaxed);
            many
        }
        answer => answer == 2,
    }
}

/// The name of the running program, for listings.
pub(crate) fn program() -> String {
    let name = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
    name.trim_end().to_owned()
}
