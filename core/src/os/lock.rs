//! Open-file-description locks: the lease of a task. See fcntl_locking(2), F_OFD_SETLK.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

fn flock(kind: i32, at: u64) -> libc::flock {
    // SAFETY: all zero is a valid flock.
    let mut l: libc::flock = unsafe { std::mem::zeroed() };
    l.l_type = kind as libc::c_short;
    l.l_whence = libc::SEEK_SET as libc::c_short;
    l.l_start = at as libc::off_t;
    l.l_len = 1;
    l
}

/// Tries to take the byte at `at` for the open file description of `fd`.
pub(crate) fn try_lock(fd: BorrowedFd<'_>, at: u64) -> io::Result<bool> {
    crate::sync::step();
    let l = flock(libc::F_WRLCK, at);
    // SAFETY: `l` is a valid flock for the length of the call.
    if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &l) } == 0 {
        return Ok(true);
    }
    let e = io::Error::last_os_error();
    match e.raw_os_error() {
        Some(libc::EAGAIN) | Some(libc::EACCES) => Ok(false),
        _ => Err(e),
    }
}

/// Gives the byte back.
pub(crate) fn unlock(fd: BorrowedFd<'_>, at: u64) {
    crate::sync::step();
    let l = flock(libc::F_UNLCK, at);
    // SAFETY: as above.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &l) };
}

/// Whether another open file description holds the byte. Takes nothing, so nothing is left behind
/// by a prober that dies or is stopped.
pub(crate) fn is_held(fd: BorrowedFd<'_>, at: u64) -> io::Result<bool> {
    crate::sync::step();
    let mut l = flock(libc::F_WRLCK, at);
    // SAFETY: `l` is a valid flock for the length of the call, and the kernel writes only into it.
    if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &mut l) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(l.l_type != libc::F_UNLCK as libc::c_short)
}
