//! Domains: where names live.
use crate::{error::Result, TaskId};
use std::path::Path;
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DomainOptions { /** name or absolute path; None: MAILBOAT_DOMAIN, else "default" */ pub location: Option<String>, pub shared: Option<Shared>, pub max_tasks: Option<u32> }
/// a domain shared with a group
#[derive(Clone, Copy, Debug)]
pub struct Shared { pub gid: u32, /** of the directory, e.g. 0o770; files get it without x bits */ pub mode: u32 }
impl DomainOptions { pub fn new() -> Self { todo!() } pub fn location(self, l: &str) -> Self { todo!() } pub fn shared(self, gid: u32, mode: u32) -> Self { todo!() } pub fn max_tasks(self, n: u32) -> Self { todo!() } }
/// cheap to clone
#[derive(Clone)]
pub struct Domain { }
impl Domain {
    /// the default one
    pub fn open() -> Result<Domain> { todo!() }
    /// by name or absolute path; private ones are created when absent
    pub fn at(location: &str) -> Result<Domain> { todo!() }
    pub fn with(options: &DomainOptions) -> Result<Domain> { todo!() }
    pub fn path(&self) -> &Path { todo!() }
    pub fn task(&self) -> Result<TaskId> { todo!() }
    pub fn list(&self) -> Result<Vec<Entry>> { todo!() }
    pub fn tasks(&self) -> Result<Vec<TaskInfo>> { todo!() }
    pub fn stat(&self) -> Result<DomainStat> { todo!() }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind { Port, Segment }
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry { pub kind: Kind, pub name: String, pub bytes: u64, pub uid: u32, pub mode: u32 }
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskInfo { pub id: TaskId, pub pid: u32, pub alive: bool, pub since_ns: u64 /* CLOCK_REALTIME */ , pub program: String }
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DomainStat { pub path: std::path::PathBuf, pub shared: Option<Shared>, pub tasks: u32, pub max_tasks: u32, pub deaths: u64, pub space_total: u64, pub space_available: u64 }
