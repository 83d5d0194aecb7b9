//! Where a domain is, and the files in it: made whole, opened with suspicion, removed once.

use super::{DomainOptions, Entry, Inner, Kind, Shared, map, whole};
use crate::error::{Error, ErrorKind, Result};
use crate::name;
use crate::os::{clock, file, lock, map as os_map, process};
use crate::shm::layout::{self, LAYOUT_VERSION};
use crate::shm::object;
use crate::shm::roster::{self, Roster};
use crate::shm::users::Task;
use crate::shm::wait::Event;
use crate::sync::{Relaxed, Release, SeqCst, Word};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No object's name begins with a dot.
pub(super) const ROSTER: &CStr = c".roster";
const DEFAULT_TASKS: u32 = 1024;
/// Where named domains are.
const HOME: &str = "/dev/shm";

/// Kinds of objects, with the ends of their files' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectKind {
    pub(crate) kind: Kind,
    pub(crate) noun: &'static str,
    pub(crate) suffix: &'static str,
    pub(crate) number: u64,
}

impl ObjectKind {
    pub(crate) const PORT: ObjectKind =
        ObjectKind { kind: Kind::Port, noun: "port", suffix: ".port", number: object::PORT };
    pub(crate) const SEGMENT: ObjectKind = ObjectKind {
        kind: Kind::Segment,
        noun: "segment",
        suffix: ".segment",
        number: object::SEGMENT,
    };

    fn file_name(&self, name: &str) -> Result<CString> {
        name::check(name)?;
        Ok(CString::new(format!("{name}{}", self.suffix)).expect("a checked name has no NUL"))
    }
}

/// An object's file, opened and looked at.
#[derive(Debug)]
pub(crate) struct ObjectFile {
    pub(crate) file: File,
    pub(crate) stat: file::Stat,
    pub(crate) label: Arc<str>,
}

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

fn bad_place(path: &Path, what: &str, e: io::Error) -> Error {
    let text = format!("the domain directory {} {what}: {e}", path.display());
    match e.raw_os_error() {
        Some(libc::EACCES) | Some(libc::EPERM) => Error::new(ErrorKind::NotPermitted, text),
        Some(libc::ENOSPC) => Error::system(text, e),
        _ => Error::new(ErrorKind::BadDomain, text),
    }
}

fn open_directory(path: &Path) -> Result<OwnedFd> {
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

fn open_roster(dir: std::os::fd::BorrowedFd<'_>, label: &str) -> Result<Option<File>> {
    match file::open_at(dir, ROSTER, true) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Err(Error::new(
            ErrorKind::NotPermitted,
            format!("{label}: no permission to use it: {e}"),
        )),
        Err(e) => Err(Error::system(format!("opening the roster of {label}"), e)),
    }
}

/// Makes the roster whole, then gives it its name. Of several who try, one wins.
fn make_roster(
    path: &Path,
    dir: std::os::fd::BorrowedFd<'_>,
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
    dir: std::os::fd::BorrowedFd<'_>,
    roster: &File,
    shared: Option<Shared>,
    asked_for: bool,
) -> Result<()> {
    let looking = |e| bad_place(path, "cannot be looked at", e);
    let dir = file::stat(dir).map_err(looking)?;
    let roster = file::stat(roster.as_fd()).map_err(looking)?;
    if roster.uid != dir.uid {
        return Err(foreign(label, roster.uid));
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

fn unnamed(dir: std::os::fd::BorrowedFd<'_>, label: &str) -> Result<File> {
    file::unnamed(dir).map_err(|e| match e.raw_os_error() {
        Some(libc::EACCES) | Some(libc::EPERM) | Some(libc::EROFS) => {
            Error::new(ErrorKind::NotPermitted, format!("{label} is not writable: {e}"))
        }
        Some(libc::ENOSPC) => no_space_at(dir, "a new file".into(), 4096),
        _ => Error::system(format!("making a file in {label}"), e),
    })
}

fn no_space_at(dir: std::os::fd::BorrowedFd<'_>, what: Arc<str>, needed: u64) -> Error {
    let available = file::space(dir).map_or(0, |s| s.available);
    let place =
        std::fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&dir)))
            .unwrap_or_default();
    Error::NoSpace { what, needed, available, place: place.display().to_string().into() }
}

/// Gives a new file its length, and its first `commit` bytes their memory.
fn prepare(
    file: &File,
    dir: std::os::fd::BorrowedFd<'_>,
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

fn set_rights(file: &File, label: &str, shared: Option<Shared>, mode: u32) -> Result<()> {
    file::set_mode(file.as_fd(), mode, shared.map(|s| s.gid))
        .map_err(|e| Error::system(format!("setting the mode of a file of {label}"), e))
}

/// The first words of a file, read before anything of it is mapped.
fn read_words<const N: usize>(file: &File, label: &Arc<str>, size: u64) -> Result<[u64; N]> {
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

impl Inner {
    /// The directory, if it is still the one that was joined.
    pub(crate) fn directory(&self) -> Result<OwnedFd> {
        let dir = open_directory(&self.path)?;
        let stat =
            file::stat(dir.as_fd()).map_err(|e| bad_place(&self.path, "cannot be looked at", e))?;
        if (stat.dev, stat.ino) != (self.dev, self.ino) {
            return Err(Error::new(
                ErrorKind::BadDomain,
                format!("{} was removed and made anew while it was in use", self.label),
            ));
        }
        Ok(dir)
    }

    /// How messages call an object.
    pub(crate) fn object_label(&self, kind: ObjectKind, name: &str) -> Arc<str> {
        format!("{} \"{name}\" in {}", kind.noun, self.path.display()).into()
    }

    /// The error for a full file system, with its figures.
    pub(crate) fn no_space(&self, what: impl Into<Arc<str>>, needed: u64) -> Error {
        match self.directory() {
            Ok(dir) => no_space_at(dir.as_fd(), what.into(), needed),
            Err(e) => e,
        }
    }

    /// Makes an unnamed file for an object, with its memory. It gets its name by [`Inner::publish`].
    pub(crate) fn make_object(
        &self,
        label: &Arc<str>,
        mode: Option<u32>,
        length: u64,
        commit: u64,
    ) -> Result<File> {
        let usual = self.shared.map_or(0o600, |s| s.mode & 0o666);
        let mode = mode.unwrap_or(usual);
        if mode & !0o666 != 0 || mode & 0o600 != 0o600 {
            return Err(Error::invalid(format!(
                "mode {mode:#o} does not suit {label}; such as 0600, 0640 or 0660 do"
            )));
        }
        let dir = self.directory()?;
        let file = unnamed(dir.as_fd(), &self.label)?;
        prepare(&file, dir.as_fd(), &self.label, label, length, commit)?;
        set_rights(&file, &self.label, self.shared, mode)?;
        Ok(file)
    }

    /// Gives a finished object its name. False if the name is taken.
    pub(crate) fn publish(&self, kind: ObjectKind, name: &str, file: &File) -> Result<bool> {
        let dir = self.directory()?;
        match file::link(file, dir.as_fd(), &kind.file_name(name)?) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) if e.raw_os_error() == Some(libc::ENOSPC) => {
                Err(no_space_at(dir.as_fd(), self.object_label(kind, name), 4096))
            }
            Err(e) => Err(Error::system(
                format!(
                    "giving {} its name (this needs /proc to be mounted)",
                    self.object_label(kind, name)
                ),
                e,
            )),
        }
    }

    /// Opens an object's file, if it is what an object of this domain should be.
    pub(crate) fn open_object(
        &self,
        kind: ObjectKind,
        name: &str,
        writable: bool,
    ) -> Result<ObjectFile> {
        let file_name = kind.file_name(name)?;
        let label = self.object_label(kind, name);
        let dir = self.directory()?;
        let wrong = |what: &str| {
            Err(Error::new(
                ErrorKind::WrongType,
                format!(
                    "{what} stands where {label} should be; mailboat only opens regular files with one link"
                ),
            ))
        };
        let file = match file::open_at(dir.as_fd(), &file_name, writable) {
            Ok(file) => file,
            Err(e) => {
                let stat = file::stat_at(dir.as_fd(), &file_name);
                return match (e.raw_os_error(), stat) {
                    (Some(libc::ENOENT), _) | (_, Err(_)) => {
                        Err(Error::new(ErrorKind::NotFound, format!("there is no {label}")))
                    }
                    (_, Ok(stat)) if !stat.is_regular() => wrong(stat.kind_text()),
                    (Some(libc::EACCES) | Some(libc::EPERM), Ok(stat)) => Err(Error::new(
                        ErrorKind::NotPermitted,
                        format!(
                            "{label} may not be opened for {}: it belongs to user {} and has mode {:04o}",
                            if writable { "writing" } else { "reading" },
                            stat.uid,
                            stat.permissions()
                        ),
                    )),
                    _ => Err(Error::system(format!("opening {label}"), e)),
                };
            }
        };
        let stat = file::stat(file.as_fd())
            .map_err(|e| Error::system(format!("looking at {label}"), e))?;
        if !stat.is_regular() {
            return wrong(stat.kind_text());
        }
        match stat.links {
            1 => {}
            0 => return Err(Error::new(ErrorKind::NotFound, format!("there is no {label}"))),
            n => return wrong(&format!("a file with {n} links")),
        }
        let ours = match self.shared {
            None => stat.uid == process::euid(),
            Some(s) => stat.gid == s.gid,
        };
        if !ours {
            return Err(Error::new(
                ErrorKind::NotPermitted,
                format!(
                    "the file of {label} belongs to user {} and group {}, which have no part in {}",
                    stat.uid, stat.gid, self.label
                ),
            ));
        }
        Ok(ObjectFile { file, stat, label })
    }

    /// Removes the name of an object that was marked deleted, if it still belongs to the same file.
    ///
    /// Between the look and the unlink somebody could put a new object there; so removers take turns
    /// by a lock, which the kernel drops if one dies. Nobody waits long for one that was stopped: the
    /// mark counts, and who next meets the name removes it.
    pub(crate) fn remove_name(
        &self,
        kind: ObjectKind,
        name: &str,
        stat: &file::Stat,
    ) -> Result<()> {
        let file_name = kind.file_name(name)?;
        let roster = self.open_roster()?;
        let byte = turn_of(&file_name);
        let start = clock::now_ns();
        loop {
            // No child may be forked that would inherit the lock.
            let _gate = process::gate();
            if lock::try_lock(roster.as_fd(), byte)
                .map_err(|e| Error::system(format!("locking the roster of {}", self.label), e))?
            {
                let removed = self.unlink_same(kind, name, &file_name, stat);
                lock::unlock(roster.as_fd(), byte);
                return removed;
            }
            drop(_gate);
            if clock::now_ns() - start > 1_000_000_000 {
                return Err(Error::new(
                    ErrorKind::Timeout,
                    format!(
                        "{} is deleted, but its name could not be removed, because another process \
                         was stopped while removing one",
                        self.object_label(kind, name)
                    ),
                ));
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    fn unlink_same(
        &self,
        kind: ObjectKind,
        name: &str,
        file_name: &CStr,
        stat: &file::Stat,
    ) -> Result<()> {
        let dir = self.directory()?;
        match file::stat_at(dir.as_fd(), file_name) {
            Ok(now) if (now.dev, now.ino) == (stat.dev, stat.ino) => {
                match file::unlink(dir.as_fd(), file_name) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => {
                        Err(Error::system(format!("removing {}", self.object_label(kind, name)), e))
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Opens an object that is not deleted and whose owner lives; what is only left over is removed.
    pub(crate) fn open_living(
        &self,
        kind: ObjectKind,
        name: &str,
        writable: bool,
    ) -> Result<(ObjectFile, [u64; object::at::WORDS])> {
        let object = self.open_object(kind, name, writable)?;
        let words = object.check(kind)?;
        if self.is_gone(kind, &object, &words)? {
            if writable {
                self.retire(kind, name, &object)?;
            }
            return Err(Error::new(ErrorKind::NotFound, format!("there is no {}", object.label)));
        }
        Ok((object, words))
    }

    /// Whether an object is marked deleted, or its owner has died.
    fn is_gone(
        &self,
        kind: ObjectKind,
        object: &ObjectFile,
        words: &[u64; object::at::WORDS],
    ) -> Result<bool> {
        let owner = words[object::at::OWNER as usize / 8];
        if owner != 0 && self.is_dead(Task(owner)) {
            return Ok(true);
        }
        let mut mark = [0u8; 8];
        object
            .file
            .read_exact_at(&mut mark, mark_of(kind))
            .map_err(|e| Error::system(format!("reading {}", object.label), e))?;
        Ok(u64::from_le_bytes(mark) != 0)
    }

    /// Deletes an object: marks it, wakes who waits at it, removes its name. Whoever dies in between
    /// leaves the mark, which is what counts; the next to meet the name finishes.
    pub(crate) fn retire(&self, kind: ObjectKind, name: &str, object: &ObjectFile) -> Result<()> {
        // A file that is not an object of ours, or of another version, only loses its name.
        let readable = object.check(kind).is_ok() && object.stat.size >= 2 * object::BODY;
        if readable {
            let mapping = map(&object.file, 2 * object::BODY, true, &self.path, &object.label)?;
            mapping
                .commit(0, 2 * object::BODY)
                .map_err(|_| self.no_space(object.label.clone(), 2 * object::BODY))?;
            let region = whole(mapping);
            region.word(mark_of(kind)).store(1, SeqCst);
            if kind == ObjectKind::PORT {
                for event in [layout::at::READABLE, layout::at::WRITABLE, layout::at::FREED] {
                    Event(region.word(object::BODY + event)).notify_all();
                }
            }
        }
        self.remove_name(kind, name, &object.stat)
    }

    /// Deletes the object of this name.
    pub(crate) fn delete(&self, kind: ObjectKind, name: &str) -> Result<()> {
        let object = self.open_object(kind, name, true)?;
        let gone = object.check(kind).and_then(|words| self.is_gone(kind, &object, &words));
        self.retire(kind, name, &object)?;
        match gone {
            Ok(true) => {
                Err(Error::new(ErrorKind::NotFound, format!("there is no {}", object.label)))
            }
            _ => Ok(()),
        }
    }

    /// Every object, sorted by name.
    pub(crate) fn list(&self) -> Result<Vec<Entry>> {
        let reading = |e| Error::system(format!("listing {}", self.label), e);
        let mut entries = Vec::new();
        for found in std::fs::read_dir(&self.path).map_err(reading)? {
            let file_name = found.map_err(reading)?.file_name();
            let Some(text) = file_name.to_str() else { continue };
            for kind in [ObjectKind::PORT, ObjectKind::SEGMENT] {
                let Some(name) = text.strip_suffix(kind.suffix) else { continue };
                if name::check(name).is_err() {
                    continue;
                }
                let dir = self.directory()?;
                let entry = CString::new(file_name.as_bytes()).expect("a file name has no NUL");
                let Ok(stat) = file::stat_at(dir.as_fd(), &entry) else { continue };
                // What cannot be opened is listed all the same: it is there.
                if let Err(e) = self.open_living(kind, name, true) {
                    if e.kind() == ErrorKind::NotFound {
                        continue;
                    }
                }
                entries.push(Entry {
                    kind: kind.kind,
                    name: name.to_owned(),
                    bytes: stat.blocks * 512,
                    uid: stat.uid,
                    mode: stat.permissions(),
                });
            }
        }
        entries.sort_by(|a, b| (&a.name, a.kind.order()).cmp(&(&b.name, b.kind.order())));
        Ok(entries)
    }
}

impl Kind {
    fn order(self) -> u8 {
        match self {
            Kind::Port => 0,
            Kind::Segment => 1,
        }
    }
}

impl ObjectFile {
    /// The first words of the object's page, checked.
    pub(crate) fn check(&self, kind: ObjectKind) -> Result<[u64; object::at::WORDS]> {
        let words = read_words(&self.file, &self.label, self.stat.size)?;
        object::check(&self.label, &words, kind.number, self.stat.size)?;
        Ok(words)
    }
}

/// Where the word is that marks an object deleted: a port's queue is closed.
fn mark_of(kind: ObjectKind) -> u64 {
    match kind.kind {
        Kind::Port => object::BODY + layout::at::CLOSED,
        Kind::Segment => object::at::DELETED,
    }
}

/// Removers of the same name take turns on a byte of the roster file beyond its end.
fn turn_of(name: &CStr) -> u64 {
    // FNV-1a: names that share a byte only wait for each other.
    let hash = name
        .to_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |h, &b| (h ^ b as u64).wrapping_mul(0x100_0000_01b3));
    (1 << 40) | hash >> 32
}
