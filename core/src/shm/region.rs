//! A range of shared memory, seen as words and as bytes.
#![allow(unsafe_code)]

#[cfg(loom)]
pub(crate) use model::Region;
#[cfg(not(loom))]
pub(crate) use real::Region;

#[cfg(not(loom))]
mod real {
    use crate::os::map::Mapping;
    use crate::shm::Fault;
    use crate::sync::Word;

    use std::sync::Arc;

    /// Whole pages of memory that outlive the region.
    #[derive(Debug)]
    enum Memory {
        Mapped(Arc<Mapping>),
        #[cfg(test)]
        Heap {
            layout: std::alloc::Layout,
            committed: std::sync::Mutex<std::collections::HashMap<u64, u64>>,
            available: u64,
        },
    }

    /// Zero-filled or mapped memory, addressed by byte offsets from its start.
    #[derive(Debug)]
    pub(crate) struct Region {
        base: *mut u8,
        length: u64,
        offset: u64,
        memory: Memory,
    }

    // SAFETY: a region is an address range; all access goes through atomic words or raw copies, and
    // the memory lives as long as the region.
    unsafe impl Send for Region {}
    // SAFETY: as above.
    unsafe impl Sync for Region {}

    impl Region {
        /// `length` bytes of a mapping from `offset` on, which must be a multiple of 8.
        pub(crate) fn mapped(mapping: Arc<Mapping>, offset: u64, length: u64) -> Option<Self> {
            if !offset.is_multiple_of(8)
                || !length.is_multiple_of(8)
                || offset.checked_add(length)? > mapping.len()
            {
                return None;
            }
            // SAFETY: the offset lies inside the mapping, as just checked.
            let base = unsafe { mapping.base().add(offset as usize) };
            Some(Region { base, length, offset, memory: Memory::Mapped(mapping) })
        }

        /// Plain memory for tests, of which `available` bytes may be committed.
        #[cfg(test)]
        pub(crate) fn heap(length: u64, available: u64) -> Self {
            let layout = std::alloc::Layout::from_size_align(length as usize, 4096).unwrap();
            // SAFETY: the layout has a size above zero.
            let base = unsafe { std::alloc::alloc_zeroed(layout) };
            assert!(!base.is_null());
            let committed = std::sync::Mutex::default();
            Region {
                base,
                length,
                offset: 0,
                memory: Memory::Heap { layout, committed, available },
            }
        }

        /// The word at `offset`. Offsets come from checked geometry; one outside is our own defect.
        #[inline]
        pub(crate) fn word(&self, offset: u64) -> &Word {
            debug_assert!(offset.is_multiple_of(8));
            assert!(offset < self.length);
            // SAFETY: the base and all offsets are multiples of 8, and so is the length: the word lies
            // inside the memory; the memory lives as long as
            // `self`; every process reaches these words by atomics alone.
            unsafe { &*self.base.add(offset as usize).cast::<Word>() }
        }

        /// The address of `length` bytes at `offset`, for raw copies.
        #[inline]
        pub(crate) fn bytes(&self, offset: u64, length: u64) -> *mut u8 {
            assert!(offset <= self.length && length <= self.length - offset);
            // SAFETY: inside the memory, as just checked.
            unsafe { self.base.add(offset as usize) }
        }

        /// Makes the memory of a range real, or fails with the figures. Idempotent.
        pub(crate) fn commit(&self, offset: u64, length: u64) -> Result<(), Fault> {
            match &self.memory {
                Memory::Mapped(mapping) => {
                    mapping.commit(self.offset + offset, length).map_err(|e| {
                        if e.raw_os_error() == Some(libc::ENOSPC) {
                            Fault::NoSpace { needed: length }
                        } else {
                            Fault::System(e.raw_os_error().unwrap_or(libc::EIO))
                        }
                    })
                }
                #[cfg(test)]
                Memory::Heap { committed, available, .. } => {
                    let mut committed = committed.lock().unwrap();
                    let others: u64 =
                        committed.iter().filter(|(at, _)| **at != offset).map(|(_, n)| n).sum();
                    if others.saturating_add(length) > *available {
                        return Err(Fault::NoSpace { needed: length });
                    }
                    committed.insert(offset, length);
                    Ok(())
                }
            }
        }

        /// Gives the memory of a range back; its content is lost.
        pub(crate) fn punch(&self, offset: u64, length: u64) {
            match &self.memory {
                Memory::Mapped(mapping) => mapping.punch(self.offset + offset, length),
                #[cfg(test)]
                Memory::Heap { committed, .. } => {
                    committed.lock().unwrap().remove(&offset);
                }
            }
        }
    }

    #[cfg(test)]
    impl Drop for Region {
        fn drop(&mut self) {
            if let Memory::Heap { layout, .. } = &self.memory {
                // SAFETY: allocated in `heap` with this layout.
                unsafe { std::alloc::dealloc(self.base, *layout) };
            }
        }
    }
}

#[cfg(loom)]
mod model {
    use crate::shm::Fault;
    use crate::shm::layout::{Geometry, at, chunk};
    use crate::sync::{Word, step};
    use std::sync::{Arc, Mutex};

    /// The model checker's words: those of a queue's or roster's headers and tables, and no bodies.
    /// A clone is the same memory, as another process has it mapped.
    #[derive(Clone, Debug)]
    pub(crate) struct Region(Arc<Memory>);

    #[derive(Debug)]
    struct Memory {
        words: Vec<Option<Word>>,
        /// Ranges with memory behind them, offset and length. Not one of the checker's locks: what
        /// the kernel does in one call is one step.
        committed: Mutex<Vec<(u64, u64)>>,
        /// How many commits go well before one fails, and then all go well again.
        commits_left: Mutex<Option<u64>>,
    }

    impl Region {
        /// The words below `length`.
        pub(crate) fn words(length: u64) -> Self {
            Self::with(length, |_| true)
        }

        /// The words of a queue.
        pub(crate) fn queue(geo: &Geometry) -> Self {
            let slot = |offset: u64| (0..geo.capacity as u64).any(|i| geo.slot(i) == offset);
            let headers = |offset: u64| {
                geo.classes().iter().any(|class| {
                    let last = class.header(class.count - 1) + chunk::SIZE;
                    (class.headers..last).contains(&offset)
                        && (offset - class.headers) % class.header_stride < chunk::SIZE
                })
            };
            let end = at::USERS + 8 * geo.max_users as u64;
            let ends = geo.classes().iter().map(|c| c.header(c.count));
            let length = ends.max().unwrap_or(0);
            Self::with(length, |at| at < end || slot(at) || headers(at))
        }

        fn with(length: u64, wanted: impl Fn(u64) -> bool) -> Self {
            Region(Arc::new(Memory {
                words: (0..length / 8).map(|i| wanted(8 * i).then(|| Word::new(0))).collect(),
                committed: Mutex::new(Vec::new()),
                commits_left: Mutex::new(None),
            }))
        }

        pub(crate) fn word(&self, offset: u64) -> &Word {
            self.0.words[offset as usize / 8].as_ref().expect("a word of the header or a table")
        }

        pub(crate) fn commit(&self, offset: u64, length: u64) -> Result<(), Fault> {
            step();
            let mut left = self.0.commits_left.lock().unwrap();
            match *left {
                Some(0) => {
                    *left = None;
                    return Err(Fault::NoSpace { needed: length });
                }
                Some(n) => *left = Some(n - 1),
                None => {}
            }
            self.0.committed.lock().unwrap().push((offset, length));
            Ok(())
        }

        pub(crate) fn punch(&self, offset: u64, length: u64) {
            step();
            self.0
                .committed
                .lock()
                .unwrap()
                .retain(|&(from, n)| from + n <= offset || offset + length <= from);
        }

        /// Lets the commit after the next `n` fail.
        pub(crate) fn fail_commit_after(&self, n: u64) {
            *self.0.commits_left.lock().unwrap() = Some(n);
        }

        /// Whether all of a range was committed in one piece, and not punched since.
        pub(crate) fn is_committed(&self, offset: u64, length: u64) -> bool {
            let committed = self.0.committed.lock().unwrap();
            committed.iter().any(|&(from, n)| from <= offset && offset + length <= from + n)
        }
    }
}
