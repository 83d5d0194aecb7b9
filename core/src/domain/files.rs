//! Files and directories of a domain: new ones made without a name, and the first look at those that
//! are there.

use super::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::os::{file, map as os_map};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

pub(super) fn unnamed(dir: BorrowedFd<'_>, label: &str) -> Result<File> {
    file::unnamed(dir).map_err(|e| match e.raw_os_error() {
        Some(libc::EACCES) | Some(libc::EPERM) | Some(libc::EROFS) => {
            Error::new(ErrorKind::NotPermitted, format!("{label} is not writable: {e}"))
        }
        Some(libc::ENOSPC) => no_space_at(dir, "a new file".into(), 4096),
        _ => Error::system(format!("making a file in {label}"), e),
    })
}

pub(super) fn no_space_at(dir: BorrowedFd<'_>, what: Arc<str>, needed: u64) -> Error {
    let available = file::space(dir).map_or(0, |s| s.available);
    let place =
        std::fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd())).unwrap_or_default();
    Error::NoSpace { what, needed, available, place: place.display().to_string().into() }
}

/// Gives a new file its length, and its first `commit` bytes their memory.
pub(super) fn prepare(
    file: &File,
    dir: BorrowedFd<'_>,
    label: &str,
    what: &str,
    length: u64,
    commit: u64,
) -> Result<()> {
    file::set_length(file, length)
        .map_err(|e| Error::system(format!("reserving {length} bytes for {what} of {label}"), e))?;
    os_map::fallocate(file, 0, 0, commit).map_err(|e| match e.raw_os_error() {
        Some(libc::ENOSPC) => no_space_at(dir, what.into(), commit),
        _ => Error::system(format!("committing {commit} bytes for {what} of {label}"), e),
    })
}

pub(super) fn set_rights(
    file: &File,
    label: &str,
    shared: Option<Shared>,
    mode: u32,
) -> Result<()> {
    file::set_mode(file.as_fd(), mode, shared.map(|s| s.gid))
        .map_err(|e| Error::system(format!("setting the mode of a file of {label}"), e))
}

/// The first words of a file, read before anything of it is mapped.
pub(super) fn read_words<const N: usize>(
    file: &File,
    label: &Arc<str>,
    size: u64,
) -> Result<[u64; N]> {
    if size < 4096 {
        return Err(Error::corrupt(
            label,
            "the file is cut short",
            format_args!("{size} bytes"),
            "at least 4096 bytes",
        ));
    }
    let mut words = [0u64; N];
    for (i, word) in words.iter_mut().enumerate() {
        let mut bytes = [0u8; 8];
        file.read_exact_at(&mut bytes, 8 * i as u64)
            .map_err(|e| Error::system(format!("reading {label}"), e))?;
        *word = u64::from_le_bytes(bytes);
    }
    Ok(words)
}

pub(super) fn bad_place(path: &Path, what: &str, e: io::Error) -> Error {
    let text = format!("the domain directory {} {what}: {e}", path.display());
    match e.raw_os_error() {
        Some(libc::EACCES) | Some(libc::EPERM) => Error::new(ErrorKind::NotPermitted, text),
        Some(libc::ENOSPC) => Error::system(text, e),
        _ => Error::new(ErrorKind::BadDomain, text),
    }
}

pub(super) fn open_directory(path: &Path) -> Result<OwnedFd> {
    file::open_directory(path).map_err(|e| match e.raw_os_error() {
        Some(libc::ELOOP) | Some(libc::ENOTDIR) => Error::new(
            ErrorKind::BadDomain,
            format!(
                "the domain's place {} is not a directory (symbolic links are not followed)",
                path.display()
            ),
        ),
        Some(libc::ENOENT) => Error::new(
            ErrorKind::BadDomain,
            format!("the domain directory {} does not exist", path.display()),
        ),
        _ => bad_place(path, "cannot be opened", e),
    })
}
