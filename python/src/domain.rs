//! Domains and what they hold.

use crate::args::{location, unsigned32};
use crate::errors::{OrRaise, invalid};
use mailboat::{DomainOptions, Kind};
use pyo3::prelude::*;

/// The place where names live: a directory on tmpfs.
///
/// ``Domain()`` is the default one, private to the user: the environment variable
/// ``MAILBOAT_DOMAIN``, or else the domain ``"default"``. ``location`` is another one's name, or an
/// absolute path (``str`` or ``os.PathLike``). A private domain is created when it is absent.
///
/// ``gid`` makes a domain that is shared with a group: its directory gets this group and ``mode``
/// (``0o770`` unless given), the objects in it the same without the x bits. ``max_tasks`` is how many
/// processes can be attached to a new domain at once.
///
/// Wherever a function takes ``domain=``, it takes a ``Domain``, a location, or ``None`` for the
/// default one.
#[pyclass(module = "mailboat", frozen, weakref)]
pub(crate) struct Domain {
    handle: mailboat::Domain,
}

impl Domain {
    pub(crate) fn new(handle: mailboat::Domain) -> Self {
        Domain { handle }
    }

    pub(crate) fn handle(&self) -> &mailboat::Domain {
        &self.handle
    }
}

/// A domain's path as text. Domains are opened by text, so it is text.
pub(crate) fn path_of(domain: &mailboat::Domain) -> String {
    domain.path().to_string_lossy().into_owned()
}

#[pymethods]
impl Domain {
    #[new]
    #[pyo3(signature = (location=None, *, gid=None, mode=None, max_tasks=None))]
    fn py_new(
        py: Python<'_>,
        location: Option<&Bound<'_, PyAny>>,
        gid: Option<&Bound<'_, PyAny>>,
        mode: Option<&Bound<'_, PyAny>>,
        max_tasks: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let mut options = DomainOptions::new();
        if let Some(place) = location {
            options = options.location(&self::location(place)?);
        }
        match (gid, mode) {
            (Some(gid), mode) => {
                let mode = mode.map_or(Ok(0o770), |mode| unsigned32(mode, "mode"))?;
                options = options.shared(unsigned32(gid, "gid")?, mode);
            }
            (None, Some(_)) => {
                return Err(invalid(
                    py,
                    "mode is for a domain that is shared with a group: give its gid, too",
                ));
            }
            (None, None) => {}
        }
        if let Some(count) = max_tasks {
            options = options.max_tasks(unsigned32(count, "max_tasks")?);
        }
        mailboat::Domain::with(&options).or_raise(py).map(Domain::new)
    }

    /// The directory.
    #[getter]
    fn path(&self) -> String {
        path_of(&self.handle)
    }

    /// The id of this process in the domain: what others see as the ``sender`` of its messages.
    #[getter]
    fn task(&self, py: Python<'_>) -> PyResult<u64> {
        self.handle.task().map(|id| id.0).or_raise(py)
    }

    /// The ports and segments in the domain, as a list of :class:`Entry`.
    fn list(&self, py: Python<'_>) -> PyResult<Vec<Entry>> {
        let entries = py.detach(|| self.handle.list()).or_raise(py)?;
        Ok(entries.into_iter().map(Entry::from).collect())
    }

    /// The processes attached to the domain, as a list of :class:`TaskInfo`.
    fn tasks(&self, py: Python<'_>) -> PyResult<Vec<TaskInfo>> {
        let tasks = py.detach(|| self.handle.tasks()).or_raise(py)?;
        Ok(tasks.into_iter().map(TaskInfo::from).collect())
    }

    /// How the domain is doing, as a :class:`DomainStat`.
    fn stat(&self, py: Python<'_>) -> PyResult<DomainStat> {
        py.detach(|| self.handle.stat()).or_raise(py).map(DomainStat::from)
    }

    fn __repr__(&self) -> String {
        format!("<mailboat.Domain {:?}>", self.path())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyAny>, (String,)) {
        (slf.get_type().into_any(), (slf.get().path(),))
    }
}

/// An object in a domain, as :meth:`Domain.list` tells of it.
#[pyclass(module = "mailboat", frozen, get_all)]
pub(crate) struct Entry {
    /// ``"port"`` or ``"segment"``.
    kind: &'static str,
    /// Its name.
    name: String,
    /// How much memory its file uses.
    bytes: u64,
    /// The user who owns it.
    uid: u32,
    /// The permissions of its file.
    mode: u32,
}

impl From<mailboat::Entry> for Entry {
    fn from(entry: mailboat::Entry) -> Self {
        let kind = match entry.kind {
            Kind::Port => "port",
            Kind::Segment => "segment",
            _ => "other",
        };
        Entry { kind, name: entry.name, bytes: entry.bytes, uid: entry.uid, mode: entry.mode }
    }
}

#[pymethods]
impl Entry {
    fn __repr__(&self) -> String {
        format!("<mailboat.Entry {} {:?}, {} bytes>", self.kind, self.name, self.bytes)
    }
}

/// A process attached to a domain, as :meth:`Domain.tasks` tells of it.
#[pyclass(module = "mailboat", frozen, get_all)]
pub(crate) struct TaskInfo {
    /// Its id in the domain.
    id: u64,
    /// Its process id.
    pid: u32,
    /// Whether it still lives. What a dead one leaves is taken back by the others.
    alive: bool,
    /// When it was attached, in nanoseconds since 1970, as ``time.time_ns()``.
    since_ns: u64,
    /// The name of its program.
    program: String,
}

impl From<mailboat::TaskInfo> for TaskInfo {
    fn from(task: mailboat::TaskInfo) -> Self {
        TaskInfo {
            id: task.id.0,
            pid: task.pid,
            alive: task.alive,
            since_ns: task.since_ns,
            program: task.program,
        }
    }
}

#[pymethods]
impl TaskInfo {
    /// When it was attached, in seconds since 1970, as ``time.time()``.
    #[getter]
    fn since(&self) -> f64 {
        self.since_ns as f64 / 1e9
    }

    fn __repr__(&self) -> String {
        let state = if self.alive { "alive" } else { "dead" };
        format!("<mailboat.TaskInfo {} {:?}, pid {}, {state}>", self.id, self.program, self.pid)
    }
}

/// The state of a domain, from :meth:`Domain.stat`.
#[pyclass(module = "mailboat", frozen, get_all)]
pub(crate) struct DomainStat {
    /// The directory.
    path: String,
    /// The group it is shared with; ``None`` for a private domain.
    gid: Option<u32>,
    /// The permissions of a shared domain's directory; ``None`` for a private one.
    mode: Option<u32>,
    /// How many processes are attached.
    tasks: u32,
    /// How many can be at once.
    max_tasks: u32,
    /// How many died without detaching and were cleaned up after.
    deaths: u64,
    /// The size of the tmpfs in bytes.
    space_total: u64,
    /// What is free of it, in bytes.
    space_available: u64,
}

impl From<mailboat::DomainStat> for DomainStat {
    fn from(stat: mailboat::DomainStat) -> Self {
        DomainStat {
            path: stat.path.to_string_lossy().into_owned(),
            gid: stat.shared.map(|shared| shared.gid),
            mode: stat.shared.map(|shared| shared.mode),
            tasks: stat.tasks,
            max_tasks: stat.max_tasks,
            deaths: stat.deaths,
            space_total: stat.space_total,
            space_available: stat.space_available,
        }
    }
}

#[pymethods]
impl DomainStat {
    fn __repr__(&self) -> String {
        format!(
            "<mailboat.DomainStat {:?}, {} of {} tasks, {} deaths>",
            self.path, self.tasks, self.max_tasks, self.deaths
        )
    }
}
