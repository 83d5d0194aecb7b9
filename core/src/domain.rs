//! Domains: where names live, and who lives there.

mod files;
mod objects;
mod place;

use crate::error::{Error, ErrorKind, Result};
use crate::message::TaskId;
use crate::os::map::Mapping;
use crate::os::{clock, file, lock, process};
use crate::shm::object;
use crate::shm::region::Region;
use crate::shm::roster::{self, Roster, entry};
use crate::shm::users::Task;
use crate::sync::{Acquire, Relaxed, Release, Word};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

pub(crate) use objects::{ObjectFile, ObjectKind};

/// How to open or make a domain.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DomainOptions {
    /// A name or an absolute path; `None` is the environment's `MAILBOAT_DOMAIN`, or else `default`.
    pub location: Option<String>,
    /// Set to share the domain with a group; needs an absolute path as location.
    pub shared: Option<Shared>,
    /// How many tasks may be attached at once, 1 to 16384; `None` is 1024. Only counts when the
    /// domain is made.
    pub max_tasks: Option<u32>,
}

/// With whom a domain is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The group.
    pub gid: u32,
    /// Mode of the directory, such as `0o770`. Files in it get the same without the x bits.
    pub mode: u32,
}

impl DomainOptions {
    /// The default domain, private.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name or absolute path.
    pub fn location(mut self, location: impl Into<String>) -> Self {
        self.location = Some(location.into());
        self
    }

    /// Shares the domain with a group.
    pub fn shared(mut self, gid: u32, mode: u32) -> Self {
        self.shared = Some(Shared { gid, mode });
        self
    }

    /// Sets how many tasks may be attached at once.
    pub fn max_tasks(mut self, max_tasks: u32) -> Self {
        self.max_tasks = Some(max_tasks);
        self
    }
}

/// A process's attachment to a domain: the place where names live, a directory on tmpfs.
///
/// Cheap to clone; the process leaves the domain when the last clone, and everything opened through
/// it, is dropped. All handles of one process to the same domain share one task. It takes two
/// descriptors per process and domain: one holds the lease, the other probes those of others.
///
/// Threads: any number at once. Fork: the child attaches by itself, as a task of its own, at its
/// next use.
#[derive(Clone, Debug)]
pub struct Domain {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    path: PathBuf,
    dev: u64,
    ino: u64,
    shared: Option<Shared>,
    roster: Roster,
    label: Arc<str>,
    /// The roster's file: device and inode.
    roster_file: (u64, u64),
    /// A descriptor of the roster that is never locked through, so that probing does not touch the
    /// lease. Replaced, with the gate held, if other code of this process closed it.
    probe: Word,
    /// The generation of forks in which the words below were set; 0 before the first. Written with
    /// the gate held, last.
    generation: Word,
    /// Descriptor that holds the lease, plus 1; 0 is none.
    lease: Word,
    task: Word,
}

/// What is in a domain: one entry each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A port.
    Port,
    /// A segment.
    Segment,
}

/// One object of a domain.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Memory that it really uses, in bytes.
    pub bytes: u64,
    /// The user whose file it is.
    pub uid: u32,
    /// The file's mode.
    pub mode: u32,
}

/// One task of a domain.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskInfo {
    /// Its id.
    pub id: TaskId,
    /// Process id, as the process itself saw it (it may live in another PID namespace).
    pub pid: u32,
    /// Whether it lives.
    pub alive: bool,
    /// When it joined, in nanoseconds on CLOCK_REALTIME.
    pub since_ns: u64,
    /// Its program's name, at most 15 bytes of it.
    pub program: String,
}

/// A domain in figures.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DomainStat {
    /// Where it is.
    pub path: PathBuf,
    /// With whom it is shared.
    pub shared: Option<Shared>,
    /// Tasks attached.
    pub tasks: u32,
    /// Tasks that may be attached.
    pub max_tasks: u32,
    /// Tasks that died without leaving, since the domain was made.
    pub deaths: u64,
    /// Size of the tmpfs in bytes (`u64::MAX`: without limit).
    pub space_total: u64,
    /// Free bytes of the tmpfs (`u64::MAX`: without limit).
    pub space_available: u64,
}

/// The domains of this process, so that all handles share one task. Changed with the gate held.
static OPEN: std::sync::RwLock<Vec<Weak<Inner>>> = std::sync::RwLock::new(Vec::new());

impl Domain {
    /// Opens the default domain: the one that `MAILBOAT_DOMAIN` names, else the user's own, named
    /// `default`. A private domain that is not there yet is made.
    ///
    /// Errors: [`BadName`](ErrorKind::BadName); [`BadDomain`](ErrorKind::BadDomain) when the place is
    /// not a directory on tmpfs; [`NotPermitted`](ErrorKind::NotPermitted) when it is somebody
    /// else's, or open to others without having been shared; [`TooMany`](ErrorKind::TooMany) tasks;
    /// [`NoSpace`](ErrorKind::NoSpace); [`Corrupt`](ErrorKind::Corrupt) and
    /// [`Version`](ErrorKind::Version) of its roster.
    pub fn open() -> Result<Domain> {
        Domain::with(&DomainOptions::new())
    }

    /// Opens the domain of this name or absolute path. Errors as [`open`](Domain::open).
    pub fn at(location: &str) -> Result<Domain> {
        Domain::with(&DomainOptions::new().location(location))
    }

    /// Opens or makes a domain as the options say. Errors as [`open`](Domain::open), and
    /// [`Invalid`](ErrorKind::Invalid) options.
    pub fn with(options: &DomainOptions) -> Result<Domain> {
        let path = place::resolve(options)?;
        let gate = process::gate();
        // By what it is and not by how it is written, which may differ for the same directory.
        let found = place::identity(&path).ok().and_then(|id| {
            let open = OPEN.read().unwrap_or_else(|e| e.into_inner());
            open.iter().filter_map(Weak::upgrade).find(|inner| (inner.dev, inner.ino) == id)
        });
        if let Some(inner) = found {
            if options.shared.is_none_or(|s| inner.shared == Some(s)) {
                inner.attach(&gate)?;
                return Ok(Domain { inner });
            }
        }
        let inner = Arc::new(place::open(path, options)?);
        inner.attach(&gate)?;
        let mut open = OPEN.write().unwrap_or_else(|e| e.into_inner());
        open.retain(|inner| inner.strong_count() > 0);
        open.push(Arc::downgrade(&inner));
        Ok(Domain { inner })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// This process's task. In a forked child this attaches.
    pub fn task(&self) -> Result<TaskId> {
        self.inner.task().map(|t| TaskId(t.0))
    }

    /// The tasks of the domain. Dead ones are noticed here and not listed again.
    pub fn tasks(&self) -> Result<Vec<TaskInfo>> {
        let roster = &self.inner.roster;
        let list = roster.tasks().map(|task| {
            let word = |field| roster.word(task.entry(), field).load(Relaxed);
            let program = [word(entry::PROGRAM), word(entry::PROGRAM + 8)]
                .iter()
                .flat_map(|w| w.to_le_bytes())
                .take_while(|&b| b != 0)
                .collect::<Vec<u8>>();
            TaskInfo {
                id: TaskId(task.0),
                pid: word(entry::PID) as u32,
                since_ns: word(entry::SINCE),
                program: String::from_utf8_lossy(&program).into_owned(),
                alive: !self.inner.is_dead(task),
            }
        });
        Ok(list.collect())
    }

    /// The objects of the domain, sorted by name. Ports whose owner died, and objects whose deletion
    /// was cut short, are removed on the way.
    pub fn list(&self) -> Result<Vec<Entry>> {
        self.inner.list()
    }

    /// The domain in figures.
    pub fn stat(&self) -> Result<DomainStat> {
        let dir = self.inner.directory()?;
        let space = file::space(dir.as_fd()).map_err(|e| {
            Error::system(format!("asking for the space of {}", self.inner.label), e)
        })?;
        let roster = &self.inner.roster;
        Ok(DomainStat {
            path: self.inner.path.clone(),
            shared: self.inner.shared,
            tasks: roster.tasks().filter(|&t| !self.inner.is_dead(t)).count() as u32,
            max_tasks: roster.max_tasks,
            deaths: roster.region.word(roster::at::DEATHS).load(Relaxed),
            space_total: space.total,
            space_available: space.available,
        })
    }
}

impl Inner {
    /// This process's task; a forked child joins.
    #[inline]
    pub(crate) fn task(&self) -> Result<Task> {
        if self.generation.load(Acquire) != process::generation() {
            self.attach(&process::gate())?;
        }
        Ok(Task(self.task.load(Relaxed)))
    }

    /// Joins, unless done already.
    pub(crate) fn attach(&self, gate: &process::Gate) -> Result<Task> {
        let generation = process::generation();
        if self.generation.load(Acquire) == generation {
            let task = Task(self.task.load(Relaxed));
            if self.keeps_lease(task) {
                return Ok(task);
            }
            self.forget_lease(task, gate);
        }
        let dir = self.directory()?;
        let lease: OwnedFd = file::open_at(dir.as_fd(), place::ROSTER, true)
            .map_err(|e| Error::system(format!("opening the roster of {}", self.label), e))?
            .into();
        let stat = file::stat(lease.as_fd())
            .map_err(|e| Error::system(format!("looking at the roster of {}", self.label), e))?;
        if (stat.dev, stat.ino) != self.roster_file {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("{} was removed while it was in use", self.label),
            ));
        }
        if !process::close_in_child(lease.as_raw_fd(), &stat, gate) {
            return Err(Error::new(ErrorKind::TooMany, "this process uses more than 1024 domains"));
        }
        let joined = self.roster.join(
            |index| lock::try_lock(lease.as_fd(), byte_of(index)),
            |index| lock::unlock(lease.as_fd(), byte_of(index)),
        );
        let task = match joined {
            Ok(Some(task)) => task,
            other => {
                process::forget_in_child(lease.as_raw_fd(), gate);
                return Err(match other {
                    Err(e) => Error::system(format!("locking the roster of {}", self.label), e),
                    _ => Error::new(
                        ErrorKind::TooMany,
                        format!(
                            "{} has {} tasks already, which is its limit; let some end, or make a \
                             domain with a larger max_tasks",
                            self.label, self.roster.max_tasks
                        ),
                    ),
                });
            }
        };
        let mut name = [0u8; 16];
        let program = process::program();
        let n = program.len().min(15);
        name[..n].copy_from_slice(&program.as_bytes()[..n]);
        let set = |field, value| self.roster.word(task.entry(), field).store(value, Relaxed);
        set(entry::PID, process::pid() as u64);
        set(entry::SINCE, clock::realtime_ns());
        set(entry::PROGRAM, u64::from_le_bytes(name[..8].try_into().expect("8 bytes")));
        set(entry::PROGRAM + 8, u64::from_le_bytes(name[8..].try_into().expect("8 bytes")));
        self.lease.store(lease.into_raw_fd() as u64 + 1, Relaxed);
        self.task.store(task.0, Relaxed);
        self.generation.store(generation, Release);
        Ok(task)
    }

    /// Whether a task is dead or gone.
    pub(crate) fn is_dead(&self, task: Task) -> bool {
        self.roster.is_dead(task, |index| {
            let fd = self.probe.load(Acquire) as i32;
            match is_held(fd, byte_of(index)) {
                Ok(true) => true,
                // Only the roster itself can say so.
                Ok(false) if self.is_roster(fd) => false,
                _ => self
                    .renew_probe(fd)
                    .is_none_or(|fd| is_held(fd, byte_of(index)).unwrap_or(true)),
            }
        })
    }

    fn is_roster(&self, fd: i32) -> bool {
        // SAFETY: only borrowed for one fstat, which is harmless on any number.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        file::stat(fd).is_ok_and(|s| (s.dev, s.ino) == self.roster_file)
    }

    /// Opens the probe anew after other code of this process closed it. The old number is left alone:
    /// it may stand for something else by now.
    #[cold]
    fn renew_probe(&self, old: i32) -> Option<i32> {
        let _gate = process::gate();
        let now = self.probe.load(Acquire) as i32;
        if now != old {
            return Some(now);
        }
        let fresh = self.open_roster().ok()?;
        if !self.is_roster(fresh.as_raw_fd()) {
            return None;
        }
        let fresh = fresh.into_raw_fd();
        self.probe.store(fresh as u64, Release);
        Some(fresh)
    }

    /// Whether the roster still counts this task as alive.
    #[inline]
    pub(crate) fn keeps_lease(&self, task: Task) -> bool {
        self.roster.word(task.entry(), entry::STATE).load(Acquire) == roster::active(task)
    }

    /// Puts a lease away that was found lost, so that the next use joins anew.
    pub(crate) fn forget_lease(&self, task: Task, gate: &process::Gate) {
        let ours = self.generation.load(Acquire) == process::generation();
        if ours && self.task.load(Relaxed) == task.0 && !self.keeps_lease(task) {
            let fd = self.lease.load(Relaxed) as i32 - 1;
            process::forget_in_child(fd, gate);
            self.close(fd);
            self.lease.store(0, Relaxed);
            self.generation.store(0, Release);
        }
    }

    /// Closes a descriptor that should be one of the roster. If other code of this process closed it,
    /// its number may stand for something else by now, and is left alone.
    fn close(&self, fd: i32) {
        if fd >= 0 && self.is_roster(fd) {
            // SAFETY: this library opened it, and whoever calls this uses it no more.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }

    /// A block of message ids.
    pub(crate) fn take_ids(&self) -> u64 {
        self.roster.take_ids()
    }

    /// The roster, for locks of short duration that need an open file description of their own.
    pub(crate) fn open_roster(&self) -> Result<OwnedFd> {
        let dir = self.directory()?;
        file::open_at(dir.as_fd(), place::ROSTER, true)
            .map(OwnedFd::from)
            .map_err(|e| Error::system(format!("opening the roster of {}", self.label), e))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let gate = process::gate();
        self.close(self.probe.load(Acquire) as i32);
        // In a forked child that never used the domain the lease is the parent's.
        if self.generation.load(Acquire) != process::generation() {
            return;
        }
        let fd = self.lease.load(Relaxed) as i32 - 1;
        if fd >= 0 && process::forget_in_child(fd, &gate) {
            self.roster.leave(Task(self.task.load(Relaxed)));
            self.close(fd);
        }
    }
}

fn is_held(fd: i32, at: u64) -> std::io::Result<bool> {
    // SAFETY: only borrowed for one fcntl, which takes nothing.
    lock::is_held(unsafe { BorrowedFd::borrow_raw(fd) }, at)
}

/// The byte of the roster file that an entry's lease is held on: the first of the entry itself.
fn byte_of(index: u32) -> u64 {
    roster::at::ENTRIES + entry::SIZE * index as u64
}

/// Maps a file of the domain at `place`.
pub(crate) fn map(
    file: &std::fs::File,
    length: u64,
    writable: bool,
    place: &Path,
    label: &str,
) -> Result<Arc<Mapping>> {
    Mapping::new(file, length, writable, place)
        .map(Arc::new)
        .map_err(|e| Error::system(format!("mapping {length} bytes of {label}"), e))
}

fn whole(mapping: Arc<Mapping>) -> Region {
    let length = mapping.len();
    Region::mapped(mapping, 0, length).expect("the whole mapping")
}

const _: () = assert!(object::BODY == 4096);
