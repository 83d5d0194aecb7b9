//! Ports: named mailboxes.
use crate::{domain::Domain, error::Result, queue::{Queue, QueueOptions, QueueStat}, TaskId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Owner { 
    /// stays until deleted
    #[default] Domain,
    /// goes when the creating handle is closed or its process ends
    Task }

#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PortOptions { pub queue: QueueOptions, pub owner: Owner, /** file mode, None: the domain's */ pub mode: Option<u32> }
impl PortOptions {
    pub fn new() -> Self { todo!() }
    pub fn capacity(mut self, n: u32) -> Self { self.queue.capacity = n; self }
    pub fn max_message(mut self, bytes: u64) -> Self { self.queue.max_message = bytes; self }
    pub fn byte_budget(mut self, bytes: u64) -> Self { self.queue.byte_budget = Some(bytes); self }
    pub fn max_users(mut self, n: u32) -> Self { self.queue.max_users = n; self }
    pub fn timestamps(mut self, on: bool) -> Self { self.queue.timestamps = on; self }
    pub fn owner(mut self, owner: Owner) -> Self { self.owner = owner; self }
    pub fn mode(mut self, mode: u32) -> Self { self.mode = Some(mode); self }
}

/// derefs to Queue: all sending and receiving is there
#[derive(Clone)]
pub struct Port { queue: Queue }
impl std::ops::Deref for Port { type Target = Queue; fn deref(&self) -> &Queue { &self.queue } }
impl Port {
    pub fn create(name: &str, options: &PortOptions) -> Result<Port> { todo!() }
    pub fn open(name: &str) -> Result<Port> { todo!() }
    pub fn open_or_create(name: &str, options: &PortOptions) -> Result<Port> { todo!() }
    pub fn delete(name: &str) -> Result<()> { todo!() }
    pub fn create_in(domain: &Domain, name: &str, options: &PortOptions) -> Result<Port> { todo!() }
    pub fn open_in(domain: &Domain, name: &str) -> Result<Port> { todo!() }
    pub fn open_or_create_in(domain: &Domain, name: &str, options: &PortOptions) -> Result<Port> { todo!() }
    pub fn delete_in(domain: &Domain, name: &str) -> Result<()> { todo!() }
    pub fn name(&self) -> &str { todo!() }
    pub fn domain(&self) -> &Domain { todo!() }
    pub fn stat(&self) -> Result<PortStat> { todo!() }
}
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PortStat { pub name: String, pub owner: Owner, pub owner_task: Option<TaskId>, pub mode: u32, pub uid: u32, pub file_bytes: u64 /*memory really used by the file*/, pub queue: QueueStat }
