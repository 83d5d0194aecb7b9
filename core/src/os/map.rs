//! Mappings of files, and the memory behind them.
#![allow(unsafe_code)]

use crate::sync::{Relaxed, Word};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

pub(crate) const PAGE: u64 = 4096;

/// A shared mapping of a whole file.
#[derive(Debug)]
pub(crate) struct Mapping {
    raw: MmapRaw,
    writable: bool,
    /// Only on kernels without MADV_POPULATE_WRITE (before 5.14), where memory can be committed
    /// through a descriptor alone.
    file: Option<File>,
    /// The directory that the file is in, to ask for the space left.
    place: PathBuf,
}

/// From this size on, whether there is space is asked before it is filled.
const MUCH: u64 = 1 << 20;

impl Mapping {
    pub(crate) fn new(file: &File, length: u64, writable: bool, place: &Path) -> io::Result<Self> {
        crate::sync::step();
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut options = MmapOptions::new();
        options.len(length);
        let raw =
            if writable { options.map_raw(file)? } else { options.map_raw_read_only(file)? };
        let file = if writable && !has_populate() { Some(file.try_clone()?) } else { None };
        Ok(Mapping { raw, writable, file, place: place.to_owned() })
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.raw.as_mut_ptr()
    }

    pub(crate) fn len(&self) -> u64 {
        self.raw.len() as u64
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Makes the pages of the range real, or fails. Idempotent.
    pub(crate) fn commit(&self, offset: u64, length: u64) -> io::Result<()> {
        crate::sync::step();
        let (from, to) = pages_around(offset, length, self.len());
        if let Some(file) = &self.file {
            return fallocate(file, 0, from, to - from);
        }
        // Populating takes page after page until there is none, and would take everybody's.
        if length >= MUCH && super::file::space_at(&self.place)?.available < length {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        // SAFETY: the range lies inside the mapping; populating changes no content.
        let r = unsafe {
            libc::madvise(
                self.base().add(from as usize).cast(),
                (to - from) as usize,
                libc::MADV_POPULATE_WRITE,
            )
        };
        if r == 0 {
            return Ok(());
        }
        let e = io::Error::last_os_error();
        // EFAULT stands for the SIGBUS that a plain access would have raised: no memory left.
        match e.raw_os_error() {
            Some(libc::EFAULT) | Some(libc::ENOMEM) => {
                Err(io::Error::from_raw_os_error(libc::ENOSPC))
            }
            _ => Err(e),
        }
    }

    /// Gives the memory of the whole pages inside the range back. Their content is lost.
    pub(crate) fn punch(&self, offset: u64, length: u64) {
        crate::sync::step();
        let from = offset.div_ceil(PAGE) * PAGE;
        let to = (offset + length).min(self.len()) / PAGE * PAGE;
        if from >= to {
            return;
        }
        if let Some(file) = &self.file {
            let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
            let _ = fallocate(file, mode, from, to - from);
            return;
        }
        // SAFETY: the range lies inside the mapping. Whether its content may go is the caller's
        // affair: it owns the chunk. A failure only means that the memory stays.
        unsafe {
            libc::madvise(
                self.base().add(from as usize).cast(),
                (to - from) as usize,
                libc::MADV_REMOVE,
            )
        };
    }
}

fn pages_around(offset: u64, length: u64, end: u64) -> (u64, u64) {
    let from = offset / PAGE * PAGE;
    let to = (offset + length).div_ceil(PAGE) * PAGE;
    (from, to.min(end))
}

/// Whether the kernel has MADV_POPULATE_WRITE (Linux 5.14).
fn has_populate() -> bool {
    // A word and not a lock, which a fork could catch half taken.
    static ANSWER: Word = Word::new(0);
    if ANSWER.load(Relaxed) == 0 {
        let forbidden = super::process::environment("MAILBOAT_NO_POPULATE").is_some();
        // SAFETY: an empty range; the call only says whether it knows the advice.
        let known =
            unsafe { libc::madvise(std::ptr::null_mut(), 0, libc::MADV_POPULATE_WRITE) == 0 };
        ANSWER.store(1 + (known && !forbidden) as u64, Relaxed);
    }
    ANSWER.load(Relaxed) == 2
}

/// fallocate(2), which commits memory on tmpfs.
pub(crate) fn fallocate(file: &File, mode: i32, offset: u64, length: u64) -> io::Result<()> {
    crate::sync::step();
    if length == 0 {
        return Ok(());
    }
    loop {
        // SAFETY: a plain system call on an open descriptor.
        let r = unsafe {
            libc::fallocate(file.as_raw_fd(), mode, offset as libc::off_t, length as libc::off_t)
        };
        if r == 0 {
            return Ok(());
        }
        let e = io::Error::last_os_error();
        if e.raw_os_error() != Some(libc::EINTR) {
            return Err(e);
        }
    }
}
