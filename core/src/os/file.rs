//! Files and directories on tmpfs.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What fstat(2) tells of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) links: u64,
    pub(crate) size: u64,
    pub(crate) blocks: u64,
}

impl Stat {
    pub(crate) fn kind(&self) -> u32 {
        self.mode & libc::S_IFMT
    }

    pub(crate) fn is_regular(&self) -> bool {
        self.kind() == libc::S_IFREG
    }

    pub(crate) fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    pub(crate) fn kind_text(&self) -> &'static str {
        match self.kind() {
            libc::S_IFREG => "a regular file",
            libc::S_IFDIR => "a directory",
            libc::S_IFLNK => "a symbolic link",
            libc::S_IFIFO => "a pipe",
            libc::S_IFSOCK => "a socket",
            _ => "a device",
        }
    }
}

fn check(r: libc::c_int) -> io::Result<libc::c_int> {
    if r < 0 { Err(io::Error::last_os_error()) } else { Ok(r) }
}

fn cstring(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn from_libc(s: &libc::stat) -> Stat {
    Stat {
        dev: s.st_dev,
        ino: s.st_ino,
        mode: s.st_mode,
        uid: s.st_uid,
        gid: s.st_gid,
        #[allow(clippy::unnecessary_cast)] // u32 on aarch64
        links: s.st_nlink as u64,
        size: s.st_size as u64,
        blocks: s.st_blocks as u64,
    }
}

pub(crate) fn stat(fd: BorrowedFd<'_>) -> io::Result<Stat> {
    crate::sync::step();
    // SAFETY: all zero is a valid stat, and the kernel fills it in.
    let mut s: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `s` is a valid place for one stat.
    check(unsafe { libc::fstat(fd.as_raw_fd(), &mut s) })?;
    Ok(from_libc(&s))
}

/// Of the entry itself: symbolic links are not followed.
pub(crate) fn stat_at(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Stat> {
    crate::sync::step();
    // SAFETY: as in `stat`; the name is a C string.
    let mut s: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `s` is a valid place for one stat.
    check(unsafe {
        libc::fstatat(dir.as_raw_fd(), name.as_ptr(), &mut s, libc::AT_SYMLINK_NOFOLLOW)
    })?;
    Ok(from_libc(&s))
}

/// Opens a directory, not through a symbolic link at its end.
pub(crate) fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    crate::sync::step();
    let path = cstring(path)?;
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: a C string and flags; the descriptor returned is nobody else's.
    unsafe { check(libc::open(path.as_ptr(), flags)).map(|fd| OwnedFd::from_raw_fd(fd)) }
}

pub(crate) fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    crate::sync::step();
    let path = cstring(path)?;
    // SAFETY: a C string and a mode.
    check(unsafe { libc::mkdir(path.as_ptr(), mode) }).map(drop)
}

/// Opens an entry of a directory; never a symbolic link, never waiting on a pipe.
pub(crate) fn open_at(dir: BorrowedFd<'_>, name: &CStr, writable: bool) -> io::Result<File> {
    crate::sync::step();
    let access = if writable { libc::O_RDWR } else { libc::O_RDONLY };
    let flags = access | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: a C string and flags; the descriptor returned is nobody else's.
    unsafe {
        check(libc::openat(dir.as_raw_fd(), name.as_ptr(), flags)).map(|fd| File::from_raw_fd(fd))
    }
}

/// An unnamed file in the directory. See open(2), O_TMPFILE.
pub(crate) fn unnamed(dir: BorrowedFd<'_>) -> io::Result<File> {
    crate::sync::step();
    let flags = libc::O_TMPFILE | libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: a C string and flags; the descriptor returned is nobody else's.
    unsafe {
        check(libc::openat(dir.as_raw_fd(), c".".as_ptr(), flags, 0o600))
            .map(|fd| File::from_raw_fd(fd))
    }
}

/// Gives an unnamed file its name; fails if the name is taken.
pub(crate) fn link(file: &File, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    crate::sync::step();
    let from = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("no NUL inside");
    // SAFETY: two C strings and two descriptors.
    check(unsafe {
        libc::linkat(
            libc::AT_FDCWD,
            from.as_ptr(),
            dir.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_FOLLOW,
        )
    })
    .map(drop)
}

pub(crate) fn unlink(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    crate::sync::step();
    // SAFETY: a C string and a descriptor.
    check(unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), 0) }).map(drop)
}

pub(crate) fn set_length(file: &File, length: u64) -> io::Result<()> {
    crate::sync::step();
    if length > super::process::file_size_limit() {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    file.set_len(length)
}

/// Mode, and group where one is given.
pub(crate) fn set_mode(fd: BorrowedFd<'_>, mode: u32, gid: Option<u32>) -> io::Result<()> {
    crate::sync::step();
    if let Some(gid) = gid {
        // SAFETY: a plain system call on an open descriptor; -1 leaves the owner.
        check(unsafe { libc::fchown(fd.as_raw_fd(), u32::MAX, gid) })?;
    }
    // SAFETY: a plain system call on an open descriptor.
    check(unsafe { libc::fchmod(fd.as_raw_fd(), mode) }).map(drop)
}

/// What statfs(2) tells of a file system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    pub(crate) is_tmpfs: bool,
    pub(crate) total: u64,
    pub(crate) available: u64,
}

/// Of the file system that a directory is on.
pub(crate) fn space_at(path: &Path) -> io::Result<Space> {
    space(open_directory(path)?.as_fd())
}

pub(crate) fn space(fd: BorrowedFd<'_>) -> io::Result<Space> {
    crate::sync::step();
    // SAFETY: all zero is a valid statfs, and the kernel fills it in.
    let mut s: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: `s` is a valid place for one statfs.
    check(unsafe { libc::fstatfs(fd.as_raw_fd(), &mut s) })?;
    let block = s.f_bsize as u64;
    // A tmpfs without a limit reports no blocks at all.
    let unlimited = s.f_blocks == 0;
    Ok(Space {
        is_tmpfs: s.f_type == libc::TMPFS_MAGIC,
        total: if unlimited { u64::MAX } else { s.f_blocks.saturating_mul(block) },
        available: if unlimited { u64::MAX } else { s.f_bavail.saturating_mul(block) },
    })
}
