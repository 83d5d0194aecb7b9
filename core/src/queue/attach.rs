//! A process's attachment to a queue: making, opening, attaching after a fork, leaving.

use super::offset_error;
use crate::domain::{Domain, ObjectKind};
use crate::error::{Error, ErrorKind, Result};
use crate::os::clock::now_ns;
use crate::os::process;
use crate::segment::Segment;
use crate::shm::layout::{self, Geometry, MAX_CLASSES, QUEUE_MAGIC, at};
use crate::shm::region::Region;
use crate::shm::users::{Task, User};
use crate::shm::wait::{SLICE_NS, Spin};
use crate::shm::{Engine, Fault, found, object};
use crate::sync::{AcqRel, Acquire, Relaxed, Release, SeqCst, Word};
use std::sync::Arc;

/// A queue as one process holds it.
pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) label: Arc<str>,
    pub(crate) domain: Domain,
    /// The port's name and the task that owns it, if this is a port's queue.
    pub(crate) port: Option<(String, Option<Task>)>,
    /// The generation of forks in which `place` and `word` were set; 0 if not attached.
    generation: Word,
    place: Word,
    word: Word,
    /// Operations since the last look after the dead, fruitless ones counting more.
    operations: Word,
    /// Whether anything was sent or received since attaching: if not, leaving is quick.
    used: Word,
    /// The next message id, or a multiple of the block size: a new block is due.
    next_id: Word,
    /// Whether the last send found the ring full.
    pub(crate) was_full: Word,
    /// A small chunk claimed ahead of the next message, see [`Engine::packed`]; 0 is none. Made by the
    /// user that this handle was then: who takes it looks whether it still is that user's.
    pub(crate) spare: Word,
    /// Where to look for a free chunk, for each class.
    pub(crate) cursors: [Word; MAX_CLASSES],
    pub(crate) receiver_spin: Spin,
    pub(crate) sender_spin: Spin,
}

/// The geometry that a queue's header tells, checked. `words` are its first eight.
pub(crate) fn read_geometry(label: &Arc<str>, words: &[u64; 8]) -> Result<Geometry> {
    object::check_magic(label, words, QUEUE_MAGIC)?;
    let word = |offset: u64| words[offset as usize / 8];
    let small = |offset| u32::try_from(word(offset)).unwrap_or(u32::MAX);
    let geo = Geometry::new(
        small(at::CAPACITY),
        small(at::MAX_USERS),
        word(at::MAX_MESSAGE),
        word(at::BYTE_BUDGET),
        word(at::FLAGS),
    )
    .map_err(|why| Error::corrupt(label, "impossible geometry", why, "what options allow"))?;
    if geo.total != word(at::TOTAL) {
        return Err(Error::corrupt(
            label,
            "its geometry does not add up",
            format_args!("{} bytes", word(at::TOTAL)),
            format_args!("{} bytes", geo.total),
        ));
    }
    Ok(geo)
}

/// A queue at a place that already has a magic number of zero, or of a maker that died.
pub(super) fn create_in(segment: &Segment, offset: u64, geo: Geometry) -> Result<Inner> {
    if let Some(e) = offset_error(segment, offset) {
        return Err(e);
    }
    let label: Arc<str> = format!("queue at {offset} of {}", segment.inner.label).into();
    let end = offset.checked_add(geo.total);
    if end.is_none_or(|end| end > segment.max_size()) {
        return Err(Error::TooLarge {
            what: "a queue",
            size: geo.total,
            max: segment.max_size().saturating_sub(offset),
            whose: format!(
                "what is left of the max_size of {}; choose smaller options, or a larger max_size",
                segment.inner.label
            )
            .into(),
        });
    }
    let domain = segment.domain().clone();
    let region = region_of(segment, offset, geo.total);
    region.commit(0, geo.initial_commit()).map_err(|f| uncommitted(&domain, &label, f))?;
    // While it is being made, the magic number is the maker's task with the top bit set, so that
    // the next one can take over from a maker that died.
    let magic = region.word(at::MAGIC);
    let mine = 1 << 63 | domain.inner.task()?.0;
    let old = magic.load(Acquire);
    let abandoned = old >> 63 == 1 && domain.inner.is_dead(Task(old & !(1 << 63)));
    if !(old == 0 || abandoned) || magic.swap_if(old, mine, AcqRel).is_err() {
        return Err(Error::new(ErrorKind::AlreadyExists, format!("there is a {label} already")));
    }
    found(&region, &geo);
    magic.store(QUEUE_MAGIC, Release);
    Inner::new(Engine::new(region, geo), label, domain, None)
}

pub(super) fn open_in(segment: &Segment, offset: u64) -> Result<Inner> {
    if let Some(e) = offset_error(segment, offset) {
        return Err(e);
    }
    let label: Arc<str> = format!("queue at {offset} of {}", segment.inner.label).into();
    let absent = || Err(Error::new(ErrorKind::NotFound, format!("there is no {label}")));
    if offset.checked_add(layout::PAGE).is_none_or(|end| end > segment.max_size()) {
        return absent();
    }
    let page = region_of(segment, offset, layout::PAGE);
    // Reading beyond the segment's size must find memory, not a full file system.
    page.commit(0, layout::PAGE).map_err(|f| uncommitted(segment.domain(), &label, f))?;
    let words = std::array::from_fn(|i| page.word(8 * i as u64).load(Acquire));
    if words[0] == 0 || words[0] >> 63 == 1 {
        return absent();
    }
    let geo = read_geometry(&label, &words)?;
    if offset.checked_add(geo.total).is_none_or(|end| end > segment.max_size()) {
        return Err(Error::corrupt(
            &label,
            "it reaches beyond its segment",
            format_args!("{} bytes", geo.total),
            format_args!("at most {} bytes", segment.max_size() - offset),
        ));
    }
    let region = region_of(segment, offset, geo.total);
    Inner::new(Engine::new(region, geo), label, segment.domain().clone(), None)
}

fn uncommitted(domain: &Domain, label: &Arc<str>, fault: Fault) -> Error {
    match fault {
        Fault::NoSpace { needed } => domain.inner.no_space(label.clone(), needed),
        Fault::System(e) => {
            let e = std::io::Error::from_raw_os_error(e);
            Error::system(format!("committing memory for {label}"), e)
        }
        Fault::Corrupt { what, found, expected } => Error::corrupt(label, what, found, expected),
    }
}

fn region_of(segment: &Segment, offset: u64, length: u64) -> Region {
    Region::mapped(segment.inner.mapping.clone(), object::BODY + offset, length)
        .expect("a range inside the segment")
}

impl Inner {
    /// Attaches.
    pub(crate) fn new(
        engine: Engine,
        label: Arc<str>,
        domain: Domain,
        port: Option<(String, Option<Task>)>,
    ) -> Result<Self> {
        let inner = Inner {
            engine,
            label,
            domain,
            port,
            generation: Word::new(0),
            place: Word::new(0),
            word: Word::new(0),
            operations: Word::new(0),
            used: Word::new(0),
            next_id: Word::new(0),
            was_full: Word::new(0),
            spare: Word::new(0),
            cursors: [const { Word::new(0) }; MAX_CLASSES],
            receiver_spin: Spin::new(),
            sender_spin: Spin::new(),
        };
        inner.attach()?;
        Ok(inner)
    }

    /// Takes a place in the table of users: at the start, in a forked child, after a lost lease.
    #[cold]
    fn attach(&self) -> Result<()> {
        let gate = process::gate();
        let generation = process::generation();
        if self.generation.load(Acquire) == generation {
            return Ok(());
        }
        let task = self.domain.inner.attach(&gate)?;
        // What the dead left comes back before anything else: their messages in hand, their places.
        self.engine
            .recover(Some(task), |t| self.domain.inner.is_dead(t))
            .map_err(|f| self.fault(f))?;
        let user = self.engine.add_user(task);
        let Some(user) = user else {
            return Err(Error::new(
                ErrorKind::TooMany,
                format!(
                    "{} has {} users already, which is its limit; close some, or create it with a \
                     larger max_users",
                    self.label, self.engine.geo.max_users
                ),
            ));
        };
        // The word last: who sees it sees the place too, and who sees an old word has lost its lease.
        self.place.store(user.place as u64, Relaxed);
        self.word.store(user.word, Release);
        self.used.store(0, Relaxed);
        self.next_id.store(0, Relaxed);
        // In a forked child it is the parent's; after a lost lease the sweep has freed it.
        self.spare.store(0, Relaxed);
        self.generation.store(generation, Release);
        Ok(())
    }

    /// This process as a user of the queue, after a look at whether the queue is open and the lease
    /// still ours.
    #[inline(always)]
    pub(crate) fn enter(&self) -> Result<User> {
        if self.generation.load(Acquire) != process::generation() {
            self.attach()?;
        }
        if self.used.load(Relaxed) == 0 {
            self.used.store(1, Relaxed);
        }
        self.check_open()?;
        let me = self.user();
        self.check_lease(me)?;
        Ok(me)
    }

    #[inline]
    pub(super) fn user(&self) -> User {
        let word = self.word.load(Acquire);
        User { place: self.place.load(Relaxed) as u32, word }
    }

    #[inline]
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.engine.region.word(at::CLOSED).load(Acquire) != 0 {
            return Err(self.closed());
        }
        Ok(())
    }

    /// Fails if the roster counts the user's task as dead; the next call will attach anew.
    #[inline]
    pub(crate) fn check_lease(&self, me: User) -> Result<()> {
        if self.keeps_lease(me) { Ok(()) } else { Err(self.lease_lost()) }
    }

    /// Whether the roster counts the user's task as alive.
    #[inline(always)]
    pub(crate) fn keeps_lease(&self, me: User) -> bool {
        self.domain.inner.keeps_lease(me.task())
    }

    #[cold]
    pub(crate) fn lease_lost(&self) -> Error {
        let gate = process::gate();
        // What failed may have been of an earlier attachment, while the present one is well.
        let task = self.user().task();
        if !self.domain.inner.keeps_lease(task) {
            self.domain.inner.forget_lease(task, &gate);
            self.generation.store(0, Release);
        }
        Error::LeaseLost { object: self.label.clone() }
    }

    /// An id that no other message of the domain has.
    #[inline(always)]
    pub(crate) fn message_id(&self) -> u64 {
        let mut next = self.next_id.load(Relaxed);
        loop {
            let (id, after) = if next & (crate::shm::roster::ID_BLOCK - 1) == 0 {
                let first = self.domain.inner.take_ids();
                (first, first + 1)
            } else {
                (next, next + 1)
            };
            match self.next_id.swap_if(next, after, Relaxed) {
                Ok(_) => return id,
                Err(now) => next = now,
            }
        }
    }

    /// Counts an operation that is done, and now and then looks after the dead: a process that always
    /// finds work must do so too. What is done is done: whatever the look comes upon is for the next
    /// operation to tell.
    #[inline(always)]
    pub(crate) fn count_operation(&self) {
        if self.is_due(1) {
            let _ = self.tend(now_ns());
        }
    }

    /// Counts one that found nothing: a process that only ever tries must look after the dead too.
    pub(crate) fn count_fruitless(&self) -> Result<()> {
        if self.is_due(64) { self.tend(now_ns()) } else { Ok(()) }
    }

    /// Counts an operation; whether it is time to look after the dead.
    #[inline(always)]
    pub(crate) fn is_due(&self, weight: u64) -> bool {
        const OFTEN: u64 = 4096;
        let count = self.operations.load(Relaxed) + weight;
        self.operations.store(if count < OFTEN { count } else { 0 }, Relaxed);
        count >= OFTEN
    }

    /// Looks after the dead, if nobody did so for a slice.
    #[cold]
    pub(crate) fn tend(&self, now_ns: u64) -> Result<()> {
        let me = self.user();
        self.check_lease(me)?;
        let word = self.engine.region.word(at::LOOKED);
        let looked = word.load(Relaxed);
        // A time in the future is nonsense, or of another time namespace.
        let recent = looked <= now_ns && now_ns - looked < SLICE_NS;
        if recent || word.swap_if(looked, now_ns, Relaxed).is_err() {
            return Ok(());
        }
        self.look_around(me)
    }

    /// Clears up after the dead.
    pub(crate) fn look_around(&self, me: User) -> Result<()> {
        let dead = |task| self.domain.inner.is_dead(task);
        self.engine.recover(Some(me.task()), dead).map_err(|f| self.fault(f))?;
        if let Some((name, Some(owner))) = &self.port {
            if *owner != me.task() && dead(*owner) {
                // Opening a port whose owner is dead removes it, and closes it for all.
                let _ = self.domain.inner.open_living(ObjectKind::PORT, name, true);
                // That needs a descriptor, and the file at its place; being closed needs neither.
                if self.check_open().is_ok() {
                    self.close();
                }
            }
        }
        self.check_open()
    }

    /// Closes the queue for everybody.
    pub(crate) fn close(&self) {
        self.engine.region.word(at::CLOSED).store(1, SeqCst);
        self.engine.readable().notify_all();
        self.engine.writable().notify_all();
        self.engine.freed().notify_all();
    }

    pub(crate) fn queued(&self) -> Result<u64> {
        let mut given_back = 0;
        let orphans = self.engine.region.word(at::ORPHANS).load(Acquire);
        if orphans >> 32 != orphans & 0xffff_ffff {
            self.engine
                .each_chunk(|_, _, head| {
                    given_back += (head.state() == crate::shm::slab::state::ORPHAN) as u64;
                })
                .map_err(|f| self.fault(f))?;
        }
        Ok(self.engine.queued().map_err(|f| self.fault(f))? + given_back)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // In a forked child that never used the queue the place is the parent's; after a lost lease
        // it is nobody's of ours.
        if self.generation.load(Acquire) != process::generation()
            || !self.domain.inner.keeps_lease(self.user().task())
        {
            return;
        }
        let user = self.user();
        if self.used.load(Relaxed) == 0 {
            self.engine.remove_user(user);
        } else {
            // Corrupt words stay as they are: there is nobody to tell.
            let _ = self.engine.sweep(user);
        }
    }
}
