//! What queues and ports tell about themselves.

use mailboat::Owner;
use pyo3::prelude::*;

/// The state of a queue, from ``stat()``.
#[pyclass(module = "mailboat", frozen, get_all, subclass)]
pub(crate) struct QueueStat {
    /// Messages queued at most.
    capacity: u32,
    /// Messages queued now, those given back not counted.
    queued: u64,
    /// Messages taken and not yet acknowledged.
    in_hand: u64,
    /// Buffers that senders are writing.
    loaned: u64,
    /// Messages given back, which wait to be delivered again.
    given_back: u64,
    /// The largest message in bytes.
    max_message: u64,
    /// Bytes of memory for messages over 1 KiB.
    byte_budget: u64,
    /// How many of them are committed.
    bytes_committed: u64,
    /// Handles attached.
    users: u32,
    /// How many can be at once.
    max_users: u32,
    /// Messages ever sent.
    sent: u64,
    /// Messages ever handed to a receiver, redeliveries not counted.
    received: u64,
    /// Messages ever delivered again.
    redelivered: u64,
    /// Users that died and were cleaned up after.
    deaths: u64,
    /// Whether messages carry the time they were sent.
    timestamps: bool,
    /// Whether it was deleted or shut.
    closed: bool,
    /// The tasks that use it, once for each handle.
    tasks: Vec<u64>,
}

impl From<mailboat::QueueStat> for QueueStat {
    fn from(stat: mailboat::QueueStat) -> Self {
        QueueStat {
            capacity: stat.capacity,
            queued: stat.queued,
            in_hand: stat.in_hand,
            loaned: stat.loaned,
            given_back: stat.given_back,
            max_message: stat.max_message,
            byte_budget: stat.byte_budget,
            bytes_committed: stat.bytes_committed,
            users: stat.users,
            max_users: stat.max_users,
            sent: stat.sent,
            received: stat.received,
            redelivered: stat.redelivered,
            deaths: stat.deaths,
            timestamps: stat.timestamps,
            closed: stat.closed,
            tasks: stat.tasks.into_iter().map(|task| task.0).collect(),
        }
    }
}

impl QueueStat {
    fn figures(&self) -> String {
        format!(
            "{} of {} queued, {} in hand, {} users, {} sent, {} received, {} redelivered, {} deaths",
            self.queued,
            self.capacity,
            self.in_hand,
            self.users,
            self.sent,
            self.received,
            self.redelivered,
            self.deaths
        )
    }
}

#[pymethods]
impl QueueStat {
    fn __repr__(&self) -> String {
        format!("<mailboat.QueueStat {}>", self.figures())
    }
}

/// The state of a port: that of its queue, and more.
#[pyclass(module = "mailboat", frozen, get_all, extends = QueueStat)]
pub(crate) struct PortStat {
    /// Its name.
    name: String,
    /// ``"domain"`` or ``"task"``: see ``Port.create()``.
    owner: &'static str,
    /// The task that owns it; ``None`` if the domain does.
    owner_task: Option<u64>,
    /// The permissions of its file.
    mode: u32,
    /// The user who owns its file.
    uid: u32,
    /// How much memory its file uses.
    file_bytes: u64,
}

impl PortStat {
    pub(crate) fn made(stat: mailboat::PortStat) -> PyClassInitializer<Self> {
        let port = PortStat {
            name: stat.name,
            owner: match stat.owner {
                Owner::Domain => "domain",
                Owner::Task => "task",
            },
            owner_task: stat.owner_task.map(|task| task.0),
            mode: stat.mode,
            uid: stat.uid,
            file_bytes: stat.file_bytes,
        };
        PyClassInitializer::from(QueueStat::from(stat.queue)).add_subclass(port)
    }
}

#[pymethods]
impl PortStat {
    fn __repr__(slf: &Bound<'_, Self>) -> String {
        let figures = slf.as_super().get().figures();
        format!("<mailboat.PortStat {:?}, {figures}>", slf.get().name)
    }
}
