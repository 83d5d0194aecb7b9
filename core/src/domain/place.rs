//! Where a domain is, and whether it may be used.

use super::files::{bad_place, open_directory, prepare, read_words, set_rights, unnamed};
use super::{DomainOptions, Inner, Shared, map, whole};
use crate::error::{Error, ErrorKind, Result};
use crate::name;
use crate::os::{file, process};
use crate::shm::layout::LAYOUT_VERSION;
use crate::shm::object;
use crate::shm::roster::{self, Roster};
use crate::sync::{Relaxed, Release, Word};
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No object's name begins with a dot.
pub(super) const ROSTER: &CStr = c".roster";
const DEFAULT_TASKS: u32 = 1024;
/// Where named domains are.
const HOME: &str = "/dev/shm";

/// The directory that the options mean. Private ones are made, with their parent.
pub(super) fn resolve(options: &DomainOptions) -> Result<PathBuf> {
    let location = match &options.location {
        Some(location) => location.clone(),
        None => process::environment("MAILBOAT_DOMAIN")
            .unwrap_or_default()
            .into_string()
            .map_err(|_| Error::new(ErrorKind::BadName, "MAILBOAT_DOMAIN is not valid UTF-8"))?,
    };
    if location.contains('\0') {
        return Err(Error::new(ErrorKind::BadName, "the domain's place contains a NUL byte"));
    }
    if location.starts_with('/') {
        return Ok(PathBuf::from(location));
    }
    let name = match (location.as_str(), &options.location) {
        ("", None) => "default",
        (name, _) => name::check(name)?,
    };
    if options.shared.is_some() {
        return Err(Error::invalid(format!(
            "a shared domain needs an absolute path on tmpfs, such as {HOME}/{name}; named domains are \
             private to their user"
        )));
    }
    let home = Path::new(HOME).join(format!("mailboat-{}", process::euid()));
    make_private(&home)?;
    // It could be somebody else's, put there before us.
    let stat = file::stat(open_directory(&home)?.as_fd())
        .map_err(|e| bad_place(&home, "cannot be looked at", e))?;
    if stat.uid != process::euid() || stat.permissions() & 0o077 != 0 {
        return Err(Error::new(
            ErrorKind::NotPermitted,
            format!(
                "{}, where this user's domains are, belongs to user {} and has mode {:04o}; it must be \
                 the user's own, with mode 0700",
                home.display(),
                stat.uid,
                stat.permissions()
            ),
        ));
    }
    Ok(home.join(name))
}

fn make_private(path: &Path) -> Result<bool> {
    match file::make_directory(path, 0o700) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(e) => return Err(bad_place(path, "cannot be made", e)),
    }
    // Whatever the umask left.
    let dir = open_directory(path)?;
    file::set_mode(dir.as_fd(), 0o700, None)
        .map_err(|e| bad_place(path, "cannot be made private", e))?;
    Ok(true)
}

pub(super) fn identity(path: &Path) -> Result<(u64, u64)> {
    let dir = open_directory(path)?;
    let stat = file::stat(dir.as_fd()).map_err(|e| bad_place(path, "cannot be looked at", e))?;
    Ok((stat.dev, stat.ino))
}

/// Opens the domain at `path`, after making what is not there.
pub(super) fn open(path: PathBuf, options: &DomainOptions) -> Result<Inner> {
    if let Some(Shared { mode, .. }) = options.shared {
        if mode & !0o3777 != 0 || mode & 0o700 != 0o700 {
            return Err(Error::invalid(format!(
                "mode {mode:#o} does not suit a shared domain; such as 0770 does"
            )));
        }
    }
    let max_tasks = options.max_tasks.unwrap_or(DEFAULT_TASKS);
    if max_tasks == 0 || max_tasks > roster::MAX_TASKS {
        return Err(Error::invalid(format!(
            "max_tasks {max_tasks} is out of range: 1 to {}",
            roster::MAX_TASKS
        )));
    }
    make_private(&path)?;
    let dir = open_directory(&path)?;
    let label: Arc<str> = format!("domain {}", path.display()).into();
    let stat = file::stat(dir.as_fd()).map_err(|e| bad_place(&path, "cannot be looked at", e))?;
    let space = file::space(dir.as_fd()).map_err(|e| bad_place(&path, "cannot be looked at", e))?;
    if !space.is_tmpfs {
        return Err(Error::new(
            ErrorKind::BadDomain,
            format!(
                "{label} is not on tmpfs: shared memory must not be written to a disk; choose a \
                 directory below {HOME}, or mount a tmpfs there"
            ),
        ));
    }
    let file = match open_roster(dir.as_fd(), &label)? {
        Some(file) => file,
        None => {
            if stat.uid != process::euid() {
                return Err(foreign(&label, stat.uid));
            }
            check_new_place(&path, &label, &stat, options.shared.is_some())?;
            make_roster(&path, dir.as_fd(), &label, options.shared, max_tasks)?
        }
    };
    let (roster, shared) = check_roster(&path, &file, &label)?;
    check_rights(&path, &label, dir.as_fd(), &file, shared, options.shared.is_some())?;
    if options.shared.is_some() && options.shared != shared {
        return Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("{label} exists already and is not shared in this way"),
        ));
    }
    let roster_file = file::stat(file.as_fd())
        .map(|s| (s.dev, s.ino))
        .map_err(|e| bad_place(&path, "cannot be looked at", e))?;
    Ok(Inner {
        path,
        dev: stat.dev,
        ino: stat.ino,
        shared,
        roster,
        label,
        roster_file,
        probe: Word::new(file.into_raw_fd() as u64),
        generation: Word::new(0),
        lease: Word::new(0),
        task: Word::new(0),
    })
}

/// A directory of the user's own that has no roster yet becomes a domain; but what is open to others
/// only on purpose, and what holds other things not to be shared by mistake.
fn check_new_place(path: &Path, label: &str, stat: &file::Stat, share: bool) -> Result<()> {
    if share {
        let empty = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        return empty.then_some(()).ok_or_else(|| {
            Error::new(
                ErrorKind::BadDomain,
                format!("{label} cannot be made: the directory holds other files already"),
            )
        });
    }
    if stat.permissions() & 0o077 != 0 {
        return Err(open_to_others(label, stat.permissions()));
    }
    Ok(())
}

fn open_to_others(label: &str, mode: u32) -> Error {
    Error::new(
        ErrorKind::NotPermitted,
        format!(
            "{label} is open to other users (mode {mode:04o}) although it was not made as a shared \
             domain; chmod 700 it, or delete it and make a shared one"
        ),
    )
}

fn foreign(label: &str, uid: u32) -> Error {
    Error::new(
        ErrorKind::NotPermitted,
        format!(
            "{label} belongs to user {uid}, not to user {}; a domain is private unless it was made as \
             a shared one",
            process::euid()
        ),
    )
}

fn open_roster(dir: BorrowedFd<'_>, label: &str) -> Result<Option<File>> {
    match file::open_at(dir, ROSTER, true) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Err(Error::new(
            ErrorKind::NotPermitted,
            format!("{label}: no permission to use it: {e}"),
        )),
        Err(e) => Err(match file::stat_at(dir, ROSTER) {
            Ok(stat) if !stat.is_regular() => Error::new(
                ErrorKind::WrongType,
                format!("{} stands where the roster of {label} should be", stat.kind_text()),
            ),
            _ => Error::system(format!("opening the roster of {label}"), e),
        }),
    }
}

/// Makes the roster whole, then gives it its name. Of several who try, one wins.
fn make_roster(
    path: &Path,
    dir: BorrowedFd<'_>,
    label: &Arc<str>,
    shared: Option<Shared>,
    max_tasks: u32,
) -> Result<File> {
    if let Some(Shared { gid, mode }) = shared {
        file::set_mode(dir, mode, Some(gid)).map_err(|e| {
            Error::new(ErrorKind::NotPermitted, format!("sharing {label} with group {gid}: {e}"))
        })?;
    }
    let file = unnamed(dir, label)?;
    let length = Roster::length(max_tasks);
    prepare(&file, dir, label, "the roster", length, length)?;
    let region = whole(map(&file, length, true, path, label)?);
    let note = shared.map_or(0, |s| (1 << 16) | s.mode as u64 | (s.gid as u64) << 32);
    region.word(roster::at::VERSION).store(LAYOUT_VERSION as u64, Relaxed);
    region.word(roster::at::MAX_TASKS).store(max_tasks as u64, Relaxed);
    region.word(roster::at::SHARED).store(note, Relaxed);
    region.word(roster::at::MAGIC).store(object::ROSTER_MAGIC, Release);
    set_rights(&file, label, shared, shared.map_or(0o600, |s| s.mode & 0o666))?;
    match file::link(&file, dir, ROSTER) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(Error::system(format!("naming the roster of {label}"), e)),
    }
    open_roster(dir, label)?
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("{label} was removed meanwhile")))
}

fn check_roster(path: &Path, file: &File, label: &Arc<str>) -> Result<(Roster, Option<Shared>)> {
    let stat = file::stat(file.as_fd())
        .map_err(|e| Error::system(format!("looking at the roster of {label}"), e))?;
    if !stat.is_regular() || stat.links != 1 {
        return Err(Error::new(
            ErrorKind::WrongType,
            format!("the roster of {label} is {} with {} links", stat.kind_text(), stat.links),
        ));
    }
    let words = read_words::<4>(file, label, stat.size)?;
    object::check_magic(label, &words, object::ROSTER_MAGIC)?;
    let max_tasks = words[roster::at::MAX_TASKS as usize / 8];
    let fits = u32::try_from(max_tasks)
        .ok()
        .filter(|n| (1..=roster::MAX_TASKS).contains(n))
        .is_some_and(|n| Roster::length(n) == stat.size);
    if !fits {
        return Err(Error::corrupt(
            label,
            "its roster has an impossible size",
            format_args!("{} bytes for {max_tasks} tasks", stat.size),
            "what follows from the number of tasks",
        ));
    }
    let note = words[roster::at::SHARED as usize / 8];
    let shared =
        (note != 0).then_some(Shared { gid: (note >> 32) as u32, mode: note as u32 & 0xffff });
    let region = whole(map(file, stat.size, true, path, label)?);
    Ok((Roster { region, max_tasks: max_tasks as u32 }, shared))
}

/// The directory and its roster must be what the roster says, and the roster its directory's owner's.
fn check_rights(
    path: &Path,
    label: &Arc<str>,
    dir: BorrowedFd<'_>,
    roster: &File,
    shared: Option<Shared>,
    asked_for: bool,
) -> Result<()> {
    let looking = |e| bad_place(path, "cannot be looked at", e);
    let dir = file::stat(dir).map_err(looking)?;
    let roster = file::stat(roster.as_fd()).map_err(looking)?;
    if roster.uid != dir.uid {
        // Name the one that is not ours.
        let whose = if roster.uid == process::euid() { dir.uid } else { roster.uid };
        return Err(foreign(label, whose));
    }
    match shared {
        None if dir.uid != process::euid() => Err(foreign(label, dir.uid)),
        None if dir.permissions() & 0o077 != 0 => Err(open_to_others(label, dir.permissions())),
        // Somebody else could have put it where this user expects a domain of their own.
        Some(s)
            if !asked_for
                && dir.uid != process::euid()
                && (s.mode & 0o002 != 0 || !process::is_member(s.gid)) =>
        {
            Err(Error::new(
                ErrorKind::NotPermitted,
                format!(
                    "{label} is shared by user {} with everybody, or with group {}, of which this user is \
                     no member; ask for it as a shared domain (group and mode) to use it all the same",
                    dir.uid, s.gid
                ),
            ))
        }
        Some(s) if dir.permissions() != s.mode || dir.gid != s.gid => Err(Error::new(
            ErrorKind::NotPermitted,
            format!(
                "{label} was shared with group {} and mode {:04o}, but now has group {} and mode {:04o}",
                s.gid,
                s.mode,
                dir.gid,
                dir.permissions()
            ),
        )),
        _ => Ok(()),
    }
}
