//! Ports: named mailboxes.

use crate::domain::{Domain, ObjectKind, map};
use crate::error::{Error, ErrorKind, Result};
use crate::message::TaskId;
use crate::os::clock;
use crate::os::file::Stat;
use crate::os::process;
use crate::queue::{Inner as QueueInner, Queue, QueueOptions, QueueStat, read_geometry};
use crate::shm::layout::{QUEUE_MAGIC, at};
use crate::shm::region::Region;
use crate::shm::users::Task;
use crate::shm::{Engine, found, object};
use crate::sync::Release;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// With whom a port goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Owner {
    /// It stays until it is deleted.
    #[default]
    Domain,
    /// It goes when the creating handle is closed or its process ends, whatever the cause. Its users
    /// are told: every call gives [`Closed`](ErrorKind::Closed), those under way too.
    Task,
}

/// How to make a port.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PortOptions {
    /// Its queue.
    pub queue: QueueOptions,
    /// With whom it goes.
    pub owner: Owner,
    /// File mode; `None` is 0600, or in a shared domain the domain's.
    pub mode: Option<u32>,
}

impl PortOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many messages may be queued, 1 to 2^26.
    pub fn capacity(mut self, messages: u32) -> Self {
        self.queue.capacity = messages;
        self
    }

    /// Sets the largest message, in bytes.
    pub fn max_message(mut self, bytes: u64) -> Self {
        self.queue.max_message = bytes;
        self
    }

    /// Sets the memory for messages of more than 1 KiB, in bytes.
    pub fn byte_budget(mut self, bytes: u64) -> Self {
        self.queue.byte_budget = Some(bytes);
        self
    }

    /// Sets how many handles may be attached at once.
    pub fn max_users(mut self, users: u32) -> Self {
        self.queue.max_users = users;
        self
    }

    /// Sets whether messages carry the time when they were sent.
    pub fn timestamps(mut self, on: bool) -> Self {
        self.queue.timestamps = on;
        self
    }

    /// Sets with whom the port goes.
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = owner;
        self
    }

    /// Sets the file mode.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }
}

/// A named mailbox. All sending and receiving is that of its [`Queue`], to which it dereferences.
///
/// Needs no descriptor while it is open. Cheap to clone; closed when the last clone is dropped, and
/// messages still in it stay. See [`Queue`] for threads, fork and death.
#[derive(Clone)]
pub struct Port {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Queue,
    domain: Domain,
    name: String,
    stat: Stat,
    owner: Option<Task>,
    /// The generation of forks in which this handle made the port, if the port goes with it.
    goes_with: Option<u64>,
}

/// A port in figures.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PortStat {
    /// Its name.
    pub name: String,
    /// With whom it goes.
    pub owner: Owner,
    /// The task with which it goes.
    pub owner_task: Option<TaskId>,
    /// The file's mode.
    pub mode: u32,
    /// The user whose file it is.
    pub uid: u32,
    /// Memory that the file really uses, in bytes; 0 once it was deleted.
    pub file_bytes: u64,
    /// Its queue.
    pub queue: QueueStat,
}

impl std::fmt::Debug for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Port").field("label", &self.label()).finish_non_exhaustive()
    }
}

impl std::ops::Deref for Port {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        &self.inner.queue
    }
}

impl Port {
    /// Makes a port in the default domain.
    ///
    /// Errors: [`AlreadyExists`](ErrorKind::AlreadyExists), [`BadName`](ErrorKind::BadName),
    /// [`Invalid`](ErrorKind::Invalid) options, [`NoSpace`](ErrorKind::NoSpace) (with the figures;
    /// nothing is left behind), and those of [`Domain::open`].
    pub fn create(name: &str, options: &PortOptions) -> Result<Port> {
        Self::create_in(&Domain::open()?, name, options)
    }

    /// Opens a port of the default domain.
    ///
    /// Errors: [`NotFound`](ErrorKind::NotFound), [`BadName`](ErrorKind::BadName),
    /// [`NotPermitted`](ErrorKind::NotPermitted), [`WrongType`](ErrorKind::WrongType),
    /// [`Corrupt`](ErrorKind::Corrupt), [`Version`](ErrorKind::Version),
    /// [`TooMany`](ErrorKind::TooMany) users, and those of [`Domain::open`].
    pub fn open(name: &str) -> Result<Port> {
        Self::open_in(&Domain::open()?, name)
    }

    /// Opens a port of the default domain, or makes it. One that is there keeps its options.
    pub fn open_or_create(name: &str, options: &PortOptions) -> Result<Port> {
        Self::open_or_create_in(&Domain::open()?, name, options)
    }

    /// Deletes a port of the default domain, with the messages in it. Its users get
    /// [`Closed`](ErrorKind::Closed) at once, those that wait too; the name is free at once. Needs
    /// write permission.
    pub fn delete(name: &str) -> Result<()> {
        Self::delete_in(&Domain::open()?, name)
    }

    /// [`create`](Port::create) in a domain.
    pub fn create_in(domain: &Domain, name: &str, options: &PortOptions) -> Result<Port> {
        crate::name::check(name)?;
        let kind = ObjectKind::PORT;
        let label = domain.inner.object_label(kind, name);
        let geo = options.queue.geometry()?;
        let length = object::BODY + geo.total;
        let commit = object::BODY + geo.initial_commit();
        let file = domain.inner.make_object(&label, options.mode, length, commit)?;
        let owner = match options.owner {
            Owner::Domain => None,
            Owner::Task => Some(domain.inner.task()?),
        };
        let mapping = map(&file, length, true, domain.path(), &label)?;
        let page = Region::mapped(mapping.clone(), 0, object::BODY).expect("the first page");
        object::found(&page, kind.number, length, owner.map_or(0, |t| t.0), clock::realtime_ns());
        let region = Region::mapped(mapping, object::BODY, geo.total).expect("the rest");
        found(&region, &geo);
        region.word(at::MAGIC).store(QUEUE_MAGIC, Release);
        let stat = crate::os::file::stat(file.as_fd())
            .map_err(|e| Error::system(format!("looking at {label}"), e))?;
        let queue = QueueInner::new(
            Engine::new(region, geo),
            label.clone(),
            domain.clone(),
            Some((name.to_owned(), owner)),
        )?;
        // Bounded: each round finishes somebody's half-done deletion.
        for _ in 0..100 {
            if domain.inner.publish(kind, name, &file)? {
                return Ok(Port {
                    inner: Arc::new(Inner {
                        queue: Queue { inner: Arc::new(queue) },
                        domain: domain.clone(),
                        name: name.to_owned(),
                        stat,
                        owner,
                        goes_with: owner.map(|_| process::generation()),
                    }),
                });
            }
            match domain.inner.open_living(kind, name, true) {
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) if e.kind() == ErrorKind::Timeout => return Err(e),
                _ => break,
            }
        }
        Err(Error::new(ErrorKind::AlreadyExists, format!("there is a {label} already")))
    }

    /// [`open`](Port::open) in a domain.
    pub fn open_in(domain: &Domain, name: &str) -> Result<Port> {
        let (object, words) = domain.inner.open_living(ObjectKind::PORT, name, true)?;
        let label = object.label;
        let mut header = [0u64; 8];
        for (i, word) in header.iter_mut().enumerate() {
            let mut bytes = [0u8; 8];
            object
                .file
                .read_exact_at(&mut bytes, object::BODY + 8 * i as u64)
                .map_err(|e| Error::system(format!("reading {label}"), e))?;
            *word = u64::from_le_bytes(bytes);
        }
        let geo = read_geometry(&label, &header)?;
        if object.stat.size != object::BODY + geo.total {
            return Err(Error::corrupt(
                &label,
                "the file does not have the length that its geometry needs",
                format_args!("{} bytes", object.stat.size),
                format_args!("{} bytes", object::BODY + geo.total),
            ));
        }
        let mapping = map(&object.file, object.stat.size, true, domain.path(), &label)?;
        let region = Region::mapped(mapping, object::BODY, geo.total).expect("all but a page");
        let owner = words[object::at::OWNER as usize / 8];
        let owner = (owner != 0).then_some(Task(owner));
        let queue = QueueInner::new(
            Engine::new(region, geo),
            label,
            domain.clone(),
            Some((name.to_owned(), owner)),
        )?;
        Ok(Port {
            inner: Arc::new(Inner {
                queue: Queue { inner: Arc::new(queue) },
                domain: domain.clone(),
                name: name.to_owned(),
                stat: object.stat,
                owner,
                goes_with: None,
            }),
        })
    }

    /// [`open_or_create`](Port::open_or_create) in a domain.
    pub fn open_or_create_in(domain: &Domain, name: &str, options: &PortOptions) -> Result<Port> {
        // Bounded: each round means that somebody else made or deleted it in between.
        let mut last = None;
        for _ in 0..100 {
            match Self::open_in(domain, name) {
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                other => return other,
            }
            match Self::create_in(domain, name, options) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => last = Some(e),
                other => return other,
            }
        }
        Err(last.expect("one hundred rounds"))
    }

    /// [`delete`](Port::delete) in a domain.
    pub fn delete_in(domain: &Domain, name: &str) -> Result<()> {
        domain.inner.delete(ObjectKind::PORT, name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its domain.
    pub fn domain(&self) -> &Domain {
        &self.inner.domain
    }

    /// The port in figures. See [`Queue::stat`].
    pub fn stat(&self) -> Result<PortStat> {
        let inner = &*self.inner;
        let queue = inner.queue.stat()?;
        let now = inner
            .domain
            .inner
            .open_object(ObjectKind::PORT, &inner.name, false)
            .ok()
            .filter(|now| (now.stat.dev, now.stat.ino) == (inner.stat.dev, inner.stat.ino));
        Ok(PortStat {
            name: inner.name.clone(),
            owner: if inner.owner.is_some() { Owner::Task } else { Owner::Domain },
            owner_task: inner.owner.map(|t| TaskId(t.0)),
            mode: inner.stat.permissions(),
            uid: inner.stat.uid,
            file_bytes: now.map_or(0, |now| now.stat.blocks * 512),
            queue,
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A forked child's copy of the creating handle is not the creating handle.
        if self.goes_with != Some(process::generation()) {
            return;
        }
        // The mark first: it needs no descriptor, and is what counts.
        self.queue.inner.close();
        let domain = &self.domain.inner;
        if let Ok(object) = domain.open_object(ObjectKind::PORT, &self.name, true) {
            if (object.stat.dev, object.stat.ino) == (self.stat.dev, self.stat.ino) {
                // If it cannot be removed, its owner's end will show on it all the same.
                let _ = domain.retire(ObjectKind::PORT, &self.name, &object);
            }
        }
    }
}
