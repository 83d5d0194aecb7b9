//! A queue in figures.

use super::Queue;
use crate::error::Result;
use crate::message::TaskId;
use crate::shm::layout::{FLAG_TIMESTAMPS, at};
use crate::shm::slab::state;
use crate::shm::users::Task;
use crate::sync::Relaxed;

/// A queue in figures, as of one moment; while it is in use they need not fit each other exactly.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueueStat {
    /// Messages queued at most.
    pub capacity: u32,
    /// Messages queued, those given back not included.
    pub queued: u64,
    /// Messages taken and not yet acknowledged.
    pub in_hand: u64,
    /// Buffers that senders are filling.
    pub loaned: u64,
    /// Messages given back, or left by dead receivers, that wait to be delivered again.
    pub given_back: u64,
    /// The largest message, in bytes.
    pub max_message: u64,
    /// Memory for messages of more than 1 KiB, at most.
    pub byte_budget: u64,
    /// Memory for messages of more than 1 KiB, at present.
    pub bytes_committed: u64,
    /// Handles attached.
    pub users: u32,
    /// Handles that may be attached.
    pub max_users: u32,
    /// Messages sent since it was made.
    pub sent: u64,
    /// Messages claimed by receivers since it was made, redeliveries not counted.
    pub received: u64,
    /// Messages handed out again.
    pub redelivered: u64,
    /// Users whose death was cleared up.
    pub deaths: u64,
    /// Whether messages carry the time when they were sent.
    pub timestamps: bool,
    /// Whether it was closed.
    pub closed: bool,
    /// The tasks that have it attached, one entry for each handle.
    pub tasks: Vec<TaskId>,
}

impl Queue {
    /// The queue in figures. Looks at every buffer, so not for every message; the dead are noticed
    /// and cleared up on the way.
    pub fn stat(&self) -> Result<QueueStat> {
        let inner = &*self.inner;
        let engine = &inner.engine;
        let fault = |f| inner.fault(f);
        if !self.is_closed() {
            let me = inner.enter()?;
            inner.look_around(me)?;
        }
        let (mut in_hand, mut given_back, mut owned) = (0, 0, 0u64);
        engine
            .each_chunk(|k, index, head| match head.state() {
                state::OWNED if engine.is_spare(k, index) => {}
                state::READING => in_hand += 1,
                state::ORPHAN => given_back += 1,
                state::OWNED | state::QUEUED => owned += 1,
                _ => {}
            })
            .map_err(fault)?;
        let queued = engine.queued().map_err(fault)?;
        let count = |offset| -> Result<u64> {
            Ok(engine.position(offset).map_err(fault)?.count(engine.geo.capacity))
        };
        let tasks: Vec<TaskId> = engine.users().map(|u| task_id(u.task())).collect();
        Ok(QueueStat {
            capacity: engine.geo.capacity,
            queued,
            in_hand,
            loaned: owned.saturating_sub(queued),
            given_back,
            max_message: engine.geo.max_message,
            byte_budget: engine.geo.byte_budget,
            bytes_committed: engine.charged_bytes().map_err(fault)?,
            users: tasks.len() as u32,
            max_users: engine.geo.max_users,
            sent: count(at::TAIL)?,
            received: count(at::HEAD)?,
            redelivered: engine.region.word(at::REDELIVERED).load(Relaxed),
            deaths: engine.region.word(at::DEATHS).load(Relaxed),
            timestamps: engine.geo.flags & FLAG_TIMESTAMPS != 0,
            closed: self.is_closed(),
            tasks,
        })
    }
}

fn task_id(task: Task) -> TaskId {
    TaskId(task.0)
}
