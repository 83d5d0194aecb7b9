//! What the driver has open, by the names that the test gave.

use crate::wire::Failure;
use mailboat::{Domain, Loan, Port, Queue, Receipt, Segment};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A port, or a queue in a segment.
#[derive(Clone)]
pub enum Handle {
    Port(Port),
    Queue(Queue),
}

impl std::ops::Deref for Handle {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        match self {
            Handle::Port(port) => port,
            Handle::Queue(queue) => queue,
        }
    }
}

pub struct Table {
    /// Where ports and segments are made and opened; `None`: the default domain.
    pub domain: Option<Domain>,
    pub handles: BTreeMap<String, Handle>,
    pub loans: BTreeMap<String, Loan>,
    pub receipts: BTreeMap<String, Receipt>,
    pub segments: BTreeMap<String, Segment>,
    /// Whether storms are to end.
    pub stop: bool,
}

static TABLE: Mutex<Table> = Mutex::new(Table {
    domain: None,
    handles: BTreeMap::new(),
    loans: BTreeMap::new(),
    receipts: BTreeMap::new(),
    segments: BTreeMap::new(),
    stop: false,
});

/// Never held while something waits.
pub fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Table {
    pub fn handle(&self, name: &str) -> Result<Handle, Failure> {
        found(self.handles.get(name), name).cloned()
    }

    pub fn segment(&self, name: &str) -> Result<Segment, Failure> {
        found(self.segments.get(name), name).cloned()
    }
}

/// Something that the test must have made before.
pub fn found<T>(thing: Option<T>, name: &str) -> Result<T, Failure> {
    thing.ok_or_else(|| Failure::protocol(format!("there is no {name}")))
}
