//! The objects of a domain: opened with suspicion, listed, removed once.

use super::files::{
    bad_place, no_space_at, open_directory, prepare, read_words, set_rights, unnamed,
};
use super::{Entry, Inner, Kind, map, whole};
use crate::error::{Error, ErrorKind, Result};
use crate::name;
use crate::os::{clock, file, lock, process};
use crate::shm::layout::{self};
use crate::shm::object;
use crate::shm::users::Task;
use crate::shm::wait::Event;
use crate::sync::SeqCst;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

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
