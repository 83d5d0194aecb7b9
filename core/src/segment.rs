//! Segments: named shared memory.

use crate::domain::{Domain, ObjectFile, ObjectKind, map};
use crate::error::{Error, ErrorKind, Result};
use crate::os::clock;
use crate::os::map::Mapping;
use crate::shm::object::{self, at};
use crate::shm::region::Region;
use crate::sync::{Acquire, SeqCst};
use std::sync::Arc;

/// What a segment is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading; the kernel refuses any write through this mapping.
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

/// How to make a segment.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SegmentOptions {
    /// How far it may grow, in bytes, rounded up to 4096: address space that every user reserves, at no
    /// cost in memory.
    /// `None` is its size or 1 GiB, whichever is more.
    pub max_size: Option<u64>,
    /// File mode; `None` is 0600, or in a shared domain the domain's.
    pub mode: Option<u32>,
}

impl SegmentOptions {
    /// Room to grow to 1 GiB, the domain's mode.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how far it may grow, in bytes.
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// Sets the file mode.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }
}

const DEFAULT_REACH: u64 = 1 << 30;
/// The largest segment: 16 TiB.
const MAX_SIZE: u64 = 1 << 44;

/// A named piece of memory, attached to this process.
///
/// Its first [`size`](Segment::size) bytes are real memory; nobody who uses them can run into a full
/// tmpfs. They are zero when the segment is made. The address stays the same while it is attached,
/// growing included. Cheap to clone; detached when the last clone, and the last queue in it, is
/// dropped. Deleting removes the name; the memory lives until the last user detaches.
///
/// Threads: any number at once; who reads while another writes must synchronise. Fork: the child has
/// it attached at the same address.
#[derive(Clone, Debug)]
pub struct Segment {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) domain: Domain,
    name: String,
    pub(crate) label: Arc<str>,
    pub(crate) mapping: Arc<Mapping>,
    page: Region,
    max_size: u64,
}

impl Segment {
    /// Makes a segment of `size` bytes (at least 1) in the default domain.
    ///
    /// Errors: [`AlreadyExists`](ErrorKind::AlreadyExists), [`BadName`](ErrorKind::BadName),
    /// [`Invalid`](ErrorKind::Invalid) sizes or mode, [`NoSpace`](ErrorKind::NoSpace) (with the
    /// figures; nothing is left behind), and those of [`Domain::open`].
    pub fn create(name: &str, size: u64, options: &SegmentOptions) -> Result<Segment> {
        Self::create_in(&Domain::open()?, name, size, options)
    }

    /// Attaches a segment of the default domain.
    ///
    /// Errors: [`NotFound`](ErrorKind::NotFound), [`BadName`](ErrorKind::BadName),
    /// [`NotPermitted`](ErrorKind::NotPermitted), [`WrongType`](ErrorKind::WrongType),
    /// [`Corrupt`](ErrorKind::Corrupt), [`Version`](ErrorKind::Version), and those of [`Domain::open`].
    pub fn open(name: &str, access: Access) -> Result<Segment> {
        Self::open_in(&Domain::open()?, name, access)
    }

    /// Attaches a segment of the default domain for reading and writing, or makes it. One that is
    /// there keeps its size and options.
    pub fn open_or_create(name: &str, size: u64, options: &SegmentOptions) -> Result<Segment> {
        Self::open_or_create_in(&Domain::open()?, name, size, options)
    }

    /// Deletes a segment of the default domain: its name is free at once, its memory lives until the
    /// last user detaches. Needs write permission.
    pub fn delete(name: &str) -> Result<()> {
        Self::delete_in(&Domain::open()?, name)
    }

    /// [`create`](Segment::create) in a domain.
    pub fn create_in(
        domain: &Domain,
        name: &str,
        size: u64,
        options: &SegmentOptions,
    ) -> Result<Segment> {
        crate::name::check(name)?;
        let label = domain.inner.object_label(ObjectKind::SEGMENT, name);
        let max_size = options.max_size.unwrap_or(size.max(DEFAULT_REACH));
        if size == 0 || max_size > MAX_SIZE || size > max_size {
            return Err(Error::invalid(format!(
                "{label}: a size of {size} bytes with a max_size of {max_size} is out of range: \
                 1 <= size <= max_size <= {MAX_SIZE}"
            )));
        }
        let max_size = max_size.next_multiple_of(4096);
        let length = object::BODY + max_size;
        let commit = object::BODY + size;
        let file = domain.inner.make_object(&label, options.mode, length, commit)?;
        let segment = Self::map(domain, name, label, &file, length, max_size, Access::ReadWrite)?;
        object::found(&segment.inner.page, object::SEGMENT, length, 0, clock::realtime_ns());
        segment.inner.page.word(at::SIZE).store(size, SeqCst);
        // Bounded: each round finishes somebody's half-done deletion.
        for _ in 0..100 {
            if domain.inner.publish(ObjectKind::SEGMENT, name, &file)? {
                return Ok(segment);
            }
            match domain.inner.open_living(ObjectKind::SEGMENT, name, true) {
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) if e.kind() == ErrorKind::Timeout => return Err(e),
                _ => break,
            }
        }
        Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("there is a {} already", segment.inner.label),
        ))
    }

    /// [`open`](Segment::open) in a domain.
    pub fn open_in(domain: &Domain, name: &str, access: Access) -> Result<Segment> {
        let writable = access == Access::ReadWrite;
        let (object, words) = domain.inner.open_living(ObjectKind::SEGMENT, name, writable)?;
        let ObjectFile { file, stat, label } = object;
        let size = words[at::SIZE as usize / 8];
        let max_size = stat.size - object::BODY;
        if size == 0 || size > max_size {
            return Err(Error::corrupt(
                &label,
                "its size is impossible",
                format_args!("{size} bytes"),
                format_args!("1 to {max_size} bytes"),
            ));
        }
        Self::map(domain, name, label, &file, stat.size, max_size, access)
    }

    /// [`open_or_create`](Segment::open_or_create) in a domain.
    pub fn open_or_create_in(
        domain: &Domain,
        name: &str,
        size: u64,
        options: &SegmentOptions,
    ) -> Result<Segment> {
        // Bounded: each round means that somebody else made or deleted it in between.
        let mut last = None;
        for _ in 0..100 {
            match Self::open_in(domain, name, Access::ReadWrite) {
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                other => return other,
            }
            match Self::create_in(domain, name, size, options) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => last = Some(e),
                other => return other,
            }
        }
        Err(last.expect("one hundred rounds"))
    }

    /// [`delete`](Segment::delete) in a domain.
    pub fn delete_in(domain: &Domain, name: &str) -> Result<()> {
        domain.inner.delete(ObjectKind::SEGMENT, name)
    }

    fn map(
        domain: &Domain,
        name: &str,
        label: Arc<str>,
        file: &std::fs::File,
        length: u64,
        max_size: u64,
        access: Access,
    ) -> Result<Segment> {
        let mapping = map(file, length, access == Access::ReadWrite, domain.path(), &label)?;
        let page = Region::mapped(mapping.clone(), 0, object::BODY).expect("the first page");
        let inner =
            Inner { domain: domain.clone(), name: name.to_owned(), label, mapping, page, max_size };
        Ok(Segment { inner: Arc::new(inner) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its domain.
    pub fn domain(&self) -> &Domain {
        &self.inner.domain
    }

    /// What it was opened for.
    pub fn access(&self) -> Access {
        if self.inner.mapping.is_writable() { Access::ReadWrite } else { Access::ReadOnly }
    }

    /// Bytes that may be used just now. Another user may have made it larger since the last call;
    /// never smaller.
    pub fn size(&self) -> u64 {
        self.inner.page.word(at::SIZE).load(Acquire).min(self.inner.max_size)
    }

    /// How far it may grow, in bytes.
    pub fn max_size(&self) -> u64 {
        self.inner.max_size
    }

    /// Makes it larger, for all its users; the new bytes are zero. Less than the present size changes
    /// nothing.
    ///
    /// Errors: [`TooLarge`](ErrorKind::TooLarge) beyond its `max_size`,
    /// [`NoSpace`](ErrorKind::NoSpace) with the figures, [`NotPermitted`](ErrorKind::NotPermitted)
    /// when opened for reading. The size is as before then; what memory could still be had stays with
    /// the segment.
    pub fn grow(&self, new_size: u64) -> Result<()> {
        let inner = &*self.inner;
        self.check_writable("grown")?;
        if new_size > inner.max_size {
            return Err(Error::TooLarge {
                what: "a segment",
                size: new_size,
                max: inner.max_size,
                whose: format!("the max_size of {}, set when it was made", inner.label).into(),
            });
        }
        // Bounded: each failed swap means that somebody else made it larger in between.
        for _ in 0..1000 {
            let word = inner.page.word(at::SIZE);
            let size = word.load(Acquire);
            if new_size <= size {
                return Ok(());
            }
            inner.mapping.commit(object::BODY + size, new_size - size).map_err(|e| {
                if e.raw_os_error() == Some(libc::ENOSPC) {
                    inner.domain.inner.no_space(inner.label.clone(), new_size - size)
                } else {
                    Error::system(format!("committing memory for {}", inner.label), e)
                }
            })?;
            if word.swap_if(size, new_size, SeqCst).is_ok() {
                return Ok(());
            }
        }
        Err(Error::corrupt(&inner.label, "its size changes without end", "no size", "a size"))
    }

    /// Whether its name was deleted. The memory stays usable.
    pub fn is_deleted(&self) -> bool {
        self.inner.page.word(at::DELETED).load(Acquire) != 0
    }

    /// Where it is attached in this process: [`size`](Segment::size) bytes may be used, and only read
    /// if it was opened so. Page-aligned. Valid until the last clone of this handle is dropped.
    pub fn as_ptr(&self) -> *mut u8 {
        self.inner.mapping.base().wrapping_add(object::BODY as usize)
    }

    /// Copies bytes out. Errors: [`Invalid`](ErrorKind::Invalid) beyond its size.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let from = self.range(offset, out.len())?;
        // SAFETY: the source lies in committed memory of the mapping, as `range` checked, and the
        // destination is ours. A racing writer can give mixed bytes, which is the users' affair.
        unsafe { std::ptr::copy_nonoverlapping(from.cast_const(), out.as_mut_ptr(), out.len()) };
        Ok(())
    }

    /// Copies bytes in. Errors: [`Invalid`](ErrorKind::Invalid) beyond its size,
    /// [`NotPermitted`](ErrorKind::NotPermitted) when opened for reading.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.check_writable("written")?;
        let to = self.range(offset, bytes.len())?;
        // SAFETY: as in `read`, the other way round; the mapping is writable.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        Ok(())
    }

    pub(crate) fn check_writable(&self, what: &str) -> Result<()> {
        if self.inner.mapping.is_writable() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::NotPermitted,
            format!("{} was opened for reading, and cannot be {what}", self.inner.label),
        ))
    }

    fn range(&self, offset: u64, length: usize) -> Result<*mut u8> {
        let size = self.size();
        if offset > size || length as u64 > size - offset {
            return Err(Error::invalid(format!(
                "{length} bytes at offset {offset} reach beyond the {size} bytes of {}",
                self.inner.label
            )));
        }
        Ok(self.as_ptr().wrapping_add(offset as usize))
    }
}
