//! The process: fork, identity, processors.
#![allow(unsafe_code)]

use crate::sync::{AcqRel, Acquire, Relaxed, Release, Word};

/// Counts the forks between the first process and this one. Written by the fork handler alone.
static GENERATION: Word = Word::new(1);

/// A descriptor to be closed in a forked child.
struct Place {
    /// The descriptor plus one; 0 is a free place.
    fd: Word,
    /// What file it was, lest another file be closed that has its number by now.
    dev: Word,
    ino: Word,
}

/// An array and not a list behind a lock, because the child may only do what is safe in a signal
/// handler.
static CLOSE_IN_CHILD: [Place; 1024] =
    [const { Place { fd: Word::new(0), dev: Word::new(0), ino: Word::new(0) } }; 1024];

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
    let mut tries = 0u32;
    while GATE.swap_if(0, me, Acquire).is_err() {
        tries += 1;
        if tries < 100 {
            std::thread::yield_now();
        } else {
            // Its holder may have a lower priority than we have.
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
    }
}

extern "C" fn open_gate() {
    GATE.store(0, Release);
}

extern "C" fn in_child() {
    GENERATION.add(1, AcqRel);
    for place in &CLOSE_IN_CHILD {
        let fd = place.fd.load(Relaxed) as i32 - 1;
        if fd < 0 {
            continue;
        }
        place.fd.store(0, Relaxed);
        // SAFETY: all zero is a valid stat, and fstat is safe in a forked child.
        let mut s: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: `s` is a valid place for one stat.
        let known = unsafe { libc::fstat(fd, &mut s) } == 0;
        if known && (s.st_dev, s.st_ino) == (place.dev.load(Relaxed), place.ino.load(Relaxed)) {
            // SAFETY: the child's copy of a descriptor that this library opened, used by nobody.
            // Closing, and not unlocking, keeps the parent's lease.
            unsafe { libc::close(fd) };
        }
    }
    open_gate();
}

/// Installs the fork handlers when the library is loaded, before anybody can fork in the middle of
/// it. See pthread_atfork(3).
extern "C" fn watch_forks() {
    // SAFETY: the handlers only use atomics, sched_yield(2), nanosleep(2), fstat(2) and close(2),
    // which are allowed around a fork and in its child.
    unsafe { libc::pthread_atfork(Some(shut_gate), Some(open_gate), Some(in_child)) };
}

#[used]
#[unsafe(link_section = ".init_array")]
static WATCH_FORKS: extern "C" fn() = watch_forks;

/// Notes a descriptor that must not survive in a child, and so must be made with the gate held.
/// False if there is no place left.
pub(crate) fn close_in_child(fd: i32, stat: &super::file::Stat, _gate: &Gate) -> bool {
    let Some(place) = CLOSE_IN_CHILD.iter().find(|place| place.fd.load(Relaxed) == 0) else {
        return false;
    };
    place.dev.store(stat.dev, Relaxed);
    place.ino.store(stat.ino, Relaxed);
    place.fd.store(fd as u64 + 1, Relaxed);
    true
}

/// Takes the note back, before the descriptor is closed. False if it was closed already, by a fork.
pub(crate) fn forget_in_child(fd: i32, _gate: &Gate) -> bool {
    let place = CLOSE_IN_CHILD.iter().find(|place| place.fd.load(Relaxed) == fd as u64 + 1);
    place.inspect(|place| place.fd.store(0, Relaxed)).is_some()
}

/// A variable of the environment; none in a program that runs with more rights than its caller.
pub(crate) fn environment(name: &str) -> Option<std::ffi::OsString> {
    // SAFETY: getauxval touches no memory of ours.
    let secure = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    if secure { None } else { std::env::var_os(name) }
}

/// The largest file that this process may make, in bytes; going beyond kills it.
pub(crate) fn file_size_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } == 0;
    if known { limit.rlim_cur } else { u64::MAX }
}

pub(crate) fn pid() -> u32 {
    std::process::id()
}

pub(crate) fn euid() -> u32 {
    // SAFETY: geteuid cannot fail and touches no memory.
    unsafe { libc::geteuid() }
}

/// Whether this process belongs to a group.
pub(crate) fn is_member(gid: u32) -> bool {
    // SAFETY: getegid touches no memory of ours; asking for no groups only counts them.
    let (own, count) = unsafe { (libc::getegid(), libc::getgroups(0, std::ptr::null_mut())) };
    let mut groups = vec![0; usize::try_from(count).unwrap_or(0)];
    // SAFETY: room for as many as said.
    let n = unsafe { libc::getgroups(groups.len() as i32, groups.as_mut_ptr()) };
    own == gid || groups.iter().take(usize::try_from(n).unwrap_or(0)).any(|&g| g == gid)
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
