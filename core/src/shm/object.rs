//! The first page of every file that holds an object: what it is, and how large.

use super::layout::{LAYOUT_VERSION, PAGE};
use super::region::Region;
use crate::error::{Error, Result};
use crate::sync::{Relaxed, Release};
use std::sync::Arc;

/// "MBobject", little-endian.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"MBobject");
/// "MBroster", little-endian.
pub(crate) const ROSTER_MAGIC: u64 = u64::from_le_bytes(*b"MBroster");

/// Where the object itself begins.
pub(crate) const BODY: u64 = PAGE;

/// Offsets of the words of the page. Written before the file gets its name, except where said.
pub(crate) mod at {
    /// [`super::MAGIC`].
    pub(crate) const MAGIC: u64 = 0;
    /// Layout version.
    pub(crate) const VERSION: u64 = 8;
    /// What it is: [`super::PORT`] or [`super::SEGMENT`].
    pub(crate) const KIND: u64 = 16;
    /// Length of the file in bytes.
    pub(crate) const LENGTH: u64 = 24;
    /// The task with which it goes, or 0.
    pub(crate) const OWNER: u64 = 32;
    /// CLOCK_REALTIME nanoseconds when it was made.
    pub(crate) const CREATED: u64 = 40;
    /// Segments: bytes usable. Grows by compare-and-swap once the memory is committed.
    pub(crate) const SIZE: u64 = 48;
    /// Segments: 1 once deleted.
    pub(crate) const DELETED: u64 = 56;
    /// Words that are read when an object is opened.
    pub(crate) const WORDS: usize = 8;
}

/// A port's file: this page, then its queue.
pub(crate) const PORT: u64 = 1;
/// A segment's file: this page, then the user's bytes.
pub(crate) const SEGMENT: u64 = 2;

/// Writes the page of a new object.
pub(crate) fn found(region: &Region, kind: u64, length: u64, owner: u64, created: u64) {
    region.word(at::VERSION).store(LAYOUT_VERSION as u64, Relaxed);
    region.word(at::KIND).store(kind, Relaxed);
    region.word(at::LENGTH).store(length, Relaxed);
    region.word(at::OWNER).store(owner, Relaxed);
    region.word(at::CREATED).store(created, Relaxed);
    region.word(at::MAGIC).store(MAGIC, Release);
}

/// Checks magic and version, which stand in the first two words of every file.
pub(crate) fn check_magic(label: &Arc<str>, words: &[u64], magic: u64) -> Result<()> {
    if words[0] != magic {
        return Err(Error::corrupt(
            label,
            "wrong magic number",
            format_args!("{:#018x}", words[0]),
            format_args!("{magic:#018x}"),
        ));
    }
    if words[1] != LAYOUT_VERSION as u64 {
        return Err(Error::Version {
            object: label.clone(),
            found: words[1] as u32,
            expected: LAYOUT_VERSION,
        });
    }
    Ok(())
}

/// Checks the page of an object against what it should be and how long its file is.
pub(crate) fn check(label: &Arc<str>, words: &[u64], kind: u64, file_length: u64) -> Result<()> {
    check_magic(label, words, MAGIC)?;
    let found = words[at::KIND as usize / 8];
    if found != kind {
        return Err(Error::corrupt(label, "another kind of object", found, kind));
    }
    let length = words[at::LENGTH as usize / 8];
    if length != file_length {
        return Err(Error::corrupt(
            label,
            "the file does not have the length that its header says",
            format_args!("{file_length} bytes"),
            format_args!("{length} bytes"),
        ));
    }
    Ok(())
}
