//! Named shared memory.
use crate::{domain::Domain, error::Result};
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access { ReadOnly, ReadWrite }
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SegmentOptions { /** how far it may grow; None: max(size, 1 GiB) */ pub max_size: Option<u64>, pub mode: Option<u32> }
impl SegmentOptions { pub fn new() -> Self { todo!() } pub fn max_size(mut self, bytes: u64) -> Self { self.max_size = Some(bytes); self } pub fn mode(mut self, mode: u32) -> Self { self.mode = Some(mode); self } }
/// cheap to clone; detached when the last clone (and queue in it) is dropped
#[derive(Clone)]
pub struct Segment { }
impl Segment {
    pub fn create(name: &str, size: u64, options: &SegmentOptions) -> Result<Segment> { todo!() }
    pub fn open(name: &str, access: Access) -> Result<Segment> { todo!() }
    pub fn open_or_create(name: &str, size: u64, options: &SegmentOptions) -> Result<Segment> { todo!() }
    pub fn delete(name: &str) -> Result<()> { todo!() }
    pub fn create_in(domain: &Domain, name: &str, size: u64, options: &SegmentOptions) -> Result<Segment> { todo!() }
    pub fn open_in(domain: &Domain, name: &str, access: Access) -> Result<Segment> { todo!() }
    pub fn open_or_create_in(domain: &Domain, name: &str, size: u64, options: &SegmentOptions) -> Result<Segment> { todo!() }
    pub fn delete_in(domain: &Domain, name: &str) -> Result<()> { todo!() }
    pub fn name(&self) -> &str { todo!() }
    pub fn domain(&self) -> &Domain { todo!() }
    pub fn access(&self) -> Access { todo!() }
    /// bytes usable now (another user may have grown it)
    pub fn size(&self) -> u64 { todo!() }
    pub fn max_size(&self) -> u64 { todo!() }
    pub fn grow(&self, new_size: u64) -> Result<()> { todo!() }
    pub fn is_deleted(&self) -> bool { todo!() }
    /// the address stays the same while attached, growing included
    pub fn as_ptr(&self) -> *mut u8 { todo!() }
    pub fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> { todo!() }
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> { todo!() }
}
