//! Where everything lies in a queue, to the byte. `docs/design.md` shows the same as tables.

/// Raised with every change that an older library could misread.
pub(crate) const LAYOUT_VERSION: u32 = 1;

/// "MBqueue1", little-endian.
pub(crate) const QUEUE_MAGIC: u64 = u64::from_le_bytes(*b"MBqueue1");

pub(crate) const PAGE: u64 = 4096;
pub(crate) const LINE: u64 = 64;

/// Offsets of the words of a queue's header, from the start of the queue.
pub(crate) mod at {
    /// [`super::QUEUE_MAGIC`], written last when a queue is made.
    pub(crate) const MAGIC: u64 = 0;
    /// Layout version.
    pub(crate) const VERSION: u64 = 8;
    /// Bytes from the start of the queue to its end.
    pub(crate) const TOTAL: u64 = 16;
    /// Messages queued at most.
    pub(crate) const CAPACITY: u64 = 24;
    /// Places in the table of users.
    pub(crate) const MAX_USERS: u64 = 32;
    /// Largest message in bytes.
    pub(crate) const MAX_MESSAGE: u64 = 40;
    /// Bytes of payload memory for the large classes.
    pub(crate) const BYTE_BUDGET: u64 = 48;
    /// Bit 0: messages carry a sent time.
    pub(crate) const FLAGS: u64 = 56;

    // Line 1, read by everybody, written rarely.
    /// 0: open; 1: closed for ever.
    pub(crate) const CLOSED: u64 = 64;
    /// High half: how often orphans were made; low half: up to which of these nothing is left.
    pub(crate) const ORPHANS: u64 = 72;

    // Two lines each, since processors fetch lines in pairs: these are what cores would fight for.
    /// Position at or before the next free slot. Written by whoever publishes or helps.
    pub(crate) const TAIL: u64 = 128;
    /// Position at or before the first full slot. Written by whoever claims or helps.
    pub(crate) const HEAD: u64 = 256;
    /// Event: there may be a message.
    pub(crate) const READABLE: u64 = 384;
    /// Event: there may be room in the ring.
    pub(crate) const WRITABLE: u64 = 512;
    /// Event: a chunk may be free.
    pub(crate) const FREED: u64 = 520;

    // Counters, for people.
    /// Messages handed out again.
    pub(crate) const REDELIVERED: u64 = 640;
    /// Users whose death was cleared up.
    pub(crate) const DEATHS: u64 = 648;
    /// When somebody last looked after the dead, in nanoseconds on CLOCK_MONOTONIC. A hint, so that
    /// of many who wait only one looks.
    pub(crate) const LOOKED: u64 = 656;

    /// One word for each size class: how many of its chunks are usable.
    pub(crate) const EXTENTS: u64 = 704;
    /// The table of users.
    pub(crate) const USERS: u64 = 896;
}

/// Offsets of the words of a chunk's header.
pub(crate) mod chunk {
    /// See [`super::super::slab::Head`].
    pub(crate) const HEAD: u64 = 0;
    /// Position at which the chunk is, or was, to be published. Written by its owner.
    pub(crate) const TARGET: u64 = 8;
    /// Length of the body in bytes.
    pub(crate) const LENGTH: u64 = 16;
    /// Low half: the user's kind.
    pub(crate) const KIND: u64 = 24;
    /// Message id.
    pub(crate) const ID: u64 = 32;
    /// Task that sent it.
    pub(crate) const SENDER: u64 = 40;
    /// CLOCK_MONOTONIC nanoseconds, or 0.
    pub(crate) const SENT: u64 = 48;
    /// Bit 0: charged to the byte budget; bit 1: committed. Large classes only; written by its owner.
    pub(crate) const MEMORY: u64 = 56;
    /// Size of the header.
    pub(crate) const SIZE: u64 = 64;
}

/// Queue flag: messages carry a sent time.
pub(crate) const FLAG_TIMESTAMPS: u64 = 1;

/// The length in the header of a chunk that a handle has claimed ahead of its next message. What is
/// published, and what is loaned, has another.
pub(crate) const SPARE: u64 = u64::MAX;
/// Users at places below this one may claim a chunk ahead: few enough to leave most of the chunks
/// beyond the capacity to the others.
pub(crate) const SPARES: u32 = 16;

pub(crate) const MAX_CAPACITY: u32 = 1 << 26;
pub(crate) const MAX_MESSAGE: u64 = 1 << 40;
pub(crate) const MAX_USERS: u32 = 4096;
/// A queue may not reserve more address space than this.
pub(crate) const MAX_TOTAL: u64 = 1 << 46;
pub(crate) const MAX_CLASSES: usize = 18;
/// Body bytes of the smallest class: 256 less the header.
pub(crate) const SMALL: u64 = 192;
/// From this size on chunks are whole pages: committed, charged to the byte budget and given back one
/// by one.
pub(crate) const LARGE: u64 = PAGE;
/// From this size on chunks beyond those to be kept are given back as soon as they are free.
pub(crate) const TRIM: u64 = 64 << 10;

/// One size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Class {
    /// Largest body, in bytes.
    pub(crate) size: u64,
    /// How many chunks there may be.
    pub(crate) count: u32,
    /// Number of its first chunk among all.
    pub(crate) first: u32,
    /// Chunks from this index on are given back to the system when freed.
    pub(crate) keep: u32,
    /// How far apart chunks are that are used one after the other. Small chunks lie more than a page
    /// apart then, so that a processor that reads one does not fetch, by guess, the next ones away
    /// from the one that is about to write them.
    pub(crate) stride: u32,
    pub(crate) headers: u64,
    pub(crate) header_stride: u64,
    pub(crate) bodies: u64,
    pub(crate) body_stride: u64,
}

impl Class {
    pub(crate) fn is_large(&self) -> bool {
        self.size >= LARGE
    }

    /// Where the header of chunk `index` lies.
    #[inline]
    pub(crate) fn header(&self, index: u32) -> u64 {
        self.headers + index as u64 * self.header_stride
    }

    /// Where the body of chunk `index` lies.
    #[inline]
    pub(crate) fn body(&self, index: u32) -> u64 {
        self.bodies + index as u64 * self.body_stride
    }

    /// How many chunks an extension adds, so that growing is rare but never much: a page of headers,
    /// and of small bodies some 64 KiB.
    pub(crate) const STEP: u32 = 64;
}

/// What a queue is made of; copied to private memory and checked when attaching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) capacity: u32,
    pub(crate) max_users: u32,
    pub(crate) max_message: u64,
    pub(crate) byte_budget: u64,
    pub(crate) flags: u64,
    pub(crate) ring: u64,
    pub(crate) total: u64,
    pub(crate) class_count: usize,
    pub(crate) classes: [Class; MAX_CLASSES],
}

/// Why options make no queue: a sentence.
pub(crate) type Refusal = String;

impl Geometry {
    /// Lays a queue out. All of it follows from these five numbers.
    pub(crate) fn new(
        capacity: u32,
        max_users: u32,
        max_message: u64,
        byte_budget: u64,
        flags: u64,
    ) -> Result<Self, Refusal> {
        Self::with_spare(
            capacity,
            max_users,
            max_message,
            byte_budget,
            flags,
            (capacity / 8).max(64),
        )
    }

    /// The same with a chosen number of chunks beyond the capacity: what may be loaned or in
    /// receivers' hands while the ring is full.
    pub(crate) fn with_spare(
        capacity: u32,
        max_users: u32,
        max_message: u64,
        byte_budget: u64,
        flags: u64,
        spare: u32,
    ) -> Result<Self, Refusal> {
        if capacity == 0 || capacity > MAX_CAPACITY {
            return Err(format!(
                "capacity {capacity} is out of range: 1 to {MAX_CAPACITY} messages"
            ));
        }
        if max_users == 0 || max_users > MAX_USERS {
            return Err(format!("max_users {max_users} is out of range: 1 to {MAX_USERS}"));
        }
        if max_message > MAX_MESSAGE {
            return Err(format!(
                "max_message {max_message} is out of range: 0 to {MAX_MESSAGE} bytes"
            ));
        }
        if flags & !FLAG_TIMESTAMPS != 0 {
            return Err(format!("unknown flag bits {:#x}", flags & !FLAG_TIMESTAMPS));
        }
        let sizes = class_sizes(max_message);
        let largest = *sizes.last().expect("there is always the small class");
        if largest >= LARGE && byte_budget < largest {
            return Err(format!(
                "byte_budget {byte_budget} is less than one message of the largest size ({largest} bytes)"
            ));
        }
        let ring = (at::USERS + 8 * max_users as u64).next_multiple_of(2 * LINE);
        let mut end = ring + 8 * capacity as u64;
        let mut first = 0u32;
        let mut classes = [Class::default(); MAX_CLASSES];
        let too_big = || {
            format!(
                "this queue would reserve more than {MAX_TOTAL} bytes of address space; \
                 choose a smaller capacity, max_message or byte_budget"
            )
        };
        for (k, &size) in sizes.iter().enumerate() {
            let most = capacity + spare;
            let fits = if size < LARGE { u64::MAX } else { byte_budget / size };
            let count = (most as u64).min(fits).max(1) as u32;
            let class = &mut classes[k];
            *class = Class { size, count, first, keep: u32::MAX, stride: 1, ..Class::default() };
            if k == 0 {
                // Header and body side by side, so that a small message is two cache lines.
                class.headers = end.next_multiple_of(256);
                class.header_stride = chunk::SIZE + SMALL;
                class.bodies = class.headers + chunk::SIZE;
                class.body_stride = class.header_stride;
                class.stride = stride_for(count);
                end = class.headers + class.header_stride * count as u64;
            } else {
                class.headers = end.next_multiple_of(PAGE);
                class.header_stride = chunk::SIZE;
                class.bodies = (class.headers + chunk::SIZE * count as u64).next_multiple_of(PAGE);
                class.body_stride = size;
                let bodies = size.checked_mul(count as u64).ok_or_else(too_big)?;
                end = class.bodies.checked_add(bodies).ok_or_else(too_big)?;
            }
            if size >= TRIM {
                class.keep = (byte_budget / 4 / size).clamp(1, u32::MAX as u64) as u32;
            }
            if end > MAX_TOTAL {
                return Err(too_big());
            }
            first = first.checked_add(count).filter(|&n| n < 1 << 28).ok_or_else(too_big)?;
        }
        Ok(Geometry {
            capacity,
            max_users,
            max_message,
            byte_budget,
            flags,
            ring,
            total: end.next_multiple_of(PAGE),
            class_count: sizes.len(),
            classes,
        })
    }

    /// The classes that exist.
    pub(crate) fn classes(&self) -> &[Class] {
        &self.classes[..self.class_count]
    }

    /// Where slot `index` of the ring lies. Slots that follow each other lie on different cache lines:
    /// in each full block of 64 the lines and the places within a line change roles. So a sender and
    /// a receiver who are close behind each other do not fight for a line.
    #[inline]
    pub(crate) fn slot(&self, index: u64) -> u64 {
        let place = if index | 63 < self.capacity as u64 {
            index & !63 | (index & 7) << 3 | index >> 3 & 7
        } else {
            index
        };
        self.ring + 8 * place
    }

    /// The class for a body of this length.
    #[inline]
    pub(crate) fn class_for(&self, length: u64) -> Option<usize> {
        if length > self.max_message {
            return None;
        }
        if length <= SMALL {
            return Some(0);
        }
        self.classes().iter().position(|c| length <= c.size)
    }

    /// The class and index of a chunk number, if there is such a chunk.
    #[inline]
    pub(crate) fn locate(&self, number: u32) -> Option<(usize, u32)> {
        // Most are small.
        if number < self.classes[0].count {
            return Some((0, number));
        }
        for (k, class) in self.classes().iter().enumerate() {
            let index = number.wrapping_sub(class.first);
            if index < class.count {
                return Some((k, index));
            }
        }
        None
    }

    /// Bytes to commit before the queue can be used: everything but the larger classes.
    pub(crate) fn initial_commit(&self) -> u64 {
        let small = &self.classes[0];
        (small.headers + small.header_stride * small.count as u64).next_multiple_of(PAGE)
    }
}

/// A prime that does not divide `count`: the least above 16 that is less than it.
fn stride_for(count: u32) -> u32 {
    const PRIMES: [u32; 10] = [17, 19, 23, 29, 31, 37, 41, 43, 47, 53];
    PRIMES.into_iter().find(|&p| p < count && !count.is_multiple_of(p)).unwrap_or(1)
}

/// 192 bytes, then 1 KiB and growing by 4, up to the largest message.
fn class_sizes(max_message: u64) -> Vec<u64> {
    let mut sizes = vec![SMALL];
    let mut size = 1024;
    while *sizes.last().expect("not empty") < max_message {
        let rounded = if max_message < PAGE {
            max_message.next_multiple_of(LINE)
        } else {
            max_message.next_multiple_of(PAGE)
        };
        sizes.push(size.min(rounded));
        size *= 4;
    }
    sizes
}

const _: () = {
    assert!(at::EXTENTS + 8 * MAX_CLASSES as u64 <= at::USERS);
    assert!(at::USERS.is_multiple_of(2 * LINE) && at::TAIL.is_multiple_of(2 * LINE));
    assert!(at::HEAD.is_multiple_of(2 * LINE) && at::READABLE.is_multiple_of(2 * LINE));
    assert!(at::WRITABLE.is_multiple_of(2 * LINE));
    assert!(chunk::MEMORY + 8 == chunk::SIZE && chunk::SIZE == LINE);
    assert!((chunk::SIZE + SMALL).is_power_of_two());
};

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn geo(capacity: u32, max_message: u64, budget: u64) -> Geometry {
        Geometry::new(capacity, 256, max_message, budget, 0).unwrap()
    }

    #[test]
    fn class_sizes_end_at_the_largest_message() {
        assert_eq!(class_sizes(0), [192]);
        assert_eq!(class_sizes(192), [192]);
        assert_eq!(class_sizes(193), [192, 256]);
        assert_eq!(class_sizes(5000), [192, 1024, 4096, 8192]);
        assert_eq!(class_sizes(16 << 20).last(), Some(&(16 << 20)));
        assert_eq!(class_sizes(16 << 20).len(), 9);
        assert!(class_sizes(MAX_MESSAGE).len() <= MAX_CLASSES);
        assert_eq!(class_sizes(MAX_MESSAGE).last(), Some(&MAX_MESSAGE));
    }

    #[test]
    fn ranges_do_not_overlap_and_fit_the_total() {
        for geo in [
            geo(1024, 16 << 20, 64 << 20),
            geo(1, 0, 0),
            geo(7, 193, 1 << 20),
            geo(10, MAX_MESSAGE, 4 * MAX_MESSAGE),
        ] {
            let mut end = geo.ring + 8 * geo.capacity as u64;
            for (k, c) in geo.classes().iter().enumerate() {
                assert!(c.headers >= end);
                assert!(c.headers % 64 == 0 && c.body(0) % 64 == 0 && c.body_stride % 64 == 0);
                if k > 0 {
                    assert!(c.bodies >= c.header(c.count));
                    assert!(c.bodies % PAGE == 0);
                }
                end = c.body(c.count - 1) + c.size;
                assert_eq!(geo.locate(c.first), Some((k, 0)));
                assert_eq!(geo.locate(c.first + c.count - 1), Some((k, c.count - 1)));
                assert_eq!(geo.class_for(c.size.min(geo.max_message)), Some(k));
            }
            assert!(end <= geo.total && geo.total % PAGE == 0);
            let beyond = geo.classes().last().map(|c| c.first + c.count).unwrap();
            assert_eq!(geo.locate(beyond), None);
            assert_eq!(geo.locate(u32::MAX), None);
        }
    }

    #[test]
    fn every_slot_has_a_place_of_its_own_and_neighbours_lie_apart() {
        for capacity in [1, 8, 63, 64, 65, 128, 1000, 1024] {
            let geo = geo(capacity, 64, 1 << 20);
            let mut places: Vec<u64> = (0..capacity as u64).map(|i| geo.slot(i)).collect();
            for pair in places.chunks_exact(64).flat_map(|block| block.windows(2)) {
                assert_ne!(pair[0] / LINE, pair[1] / LINE);
            }
            places.sort_unstable();
            let expected: Vec<u64> = (0..capacity as u64).map(|i| geo.ring + 8 * i).collect();
            assert_eq!(places, expected);
        }
    }

    #[test]
    fn a_default_port_commits_little() {
        assert!(geo(1024, 16 << 20, 64 << 20).initial_commit() <= 320 << 10);
    }

    #[test]
    fn nonsense_is_refused_with_a_sentence() {
        for (c, u, m, b, f) in [
            (0, 1, 1, 1 << 20, 0),
            (MAX_CAPACITY + 1, 1, 1, 1 << 20, 0),
            (u32::MAX, 1, 1, 1 << 20, 0),
            (1, 0, 1, 1 << 20, 0),
            (1, MAX_USERS + 1, 1, 1 << 20, 0),
            (1, 1, MAX_MESSAGE + 1, u64::MAX, 0),
            (1, 1, 4096, 4095, 0),
            (MAX_CAPACITY, 1, MAX_MESSAGE, u64::MAX, 0),
            (1, 1, 1, 1 << 20, 2),
        ] {
            assert!(Geometry::new(c, u, m, b, f).is_err(), "{c} {u} {m} {b} {f}");
        }
    }
}
