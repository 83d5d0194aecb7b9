//! Ports: queues with a name.

use crate::args::{domain, unsigned32};
use crate::domain::{Domain, path_of};
use crate::errors::{OrRaise, invalid};
use crate::queue::{Handle, Limits, Queue};
use crate::stat::PortStat;
use mailboat::{Owner, PortOptions};
use pyo3::prelude::*;

/// A mailbox with a name, which any process can open, send to and receive from.
///
/// ``Port.create(name)``, ``Port.open(name)`` and ``Port.open_or_create(name)`` make one;
/// ``Port.delete(name)`` removes it. Closing a port leaves it, and the messages in it, for others,
/// unless its owner is the task.
///
/// ::
///
///     with mailboat.Port.create("orders", capacity=1024) as port:
///         port.send(b"hello", timeout=1.0)
///         with port.take() as message:        # acknowledged at the end of the block
///             print(bytes(message))
///
/// All that :class:`Queue` has is here, too: sending, receiving, waiting.
#[pyclass(module = "mailboat", frozen, extends = Queue, weakref)]
pub(crate) struct Port {
    name: String,
    domain: mailboat::Domain,
}

/// The options of a port, as given by keyword.
struct Choices<'a, 'py> {
    limits: Limits<'a, 'py>,
    owner: &'a str,
    mode: Option<&'a Bound<'py, PyAny>>,
}

impl Choices<'_, '_> {
    fn options(&self, py: Python<'_>) -> PyResult<PortOptions> {
        let owner = match self.owner {
            "domain" => Owner::Domain,
            "task" => Owner::Task,
            other => {
                return Err(invalid(
                    py,
                    format!("owner must be \"domain\" or \"task\", got {other:?}"),
                ));
            }
        };
        let mut options = PortOptions::new().owner(owner);
        options.queue = self.limits.options()?;
        if let Some(mode) = self.mode {
            options = options.mode(unsigned32(mode, "mode")?);
        }
        Ok(options)
    }
}

fn made(py: Python<'_>, port: mailboat::Port) -> PyResult<Bound<'_, Port>> {
    let itself = Port { name: port.name().to_owned(), domain: port.domain().clone() };
    Bound::new(py, PyClassInitializer::from(Queue::of_port(port)).add_subclass(itself))
}

/// The two that take options.
enum Way {
    Create,
    OpenOrCreate,
}

fn make<'py>(
    py: Python<'py>,
    way: &Way,
    name: &str,
    choices: &Choices<'_, 'py>,
    place: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, Port>> {
    let options = choices.options(py)?;
    let place = domain(place)?;
    let port = py.detach(|| match (way, &place) {
        (Way::Create, None) => mailboat::Port::create(name, &options),
        (Way::Create, Some(domain)) => mailboat::Port::create_in(domain, name, &options),
        (Way::OpenOrCreate, None) => mailboat::Port::open_or_create(name, &options),
        (Way::OpenOrCreate, Some(domain)) => {
            mailboat::Port::open_or_create_in(domain, name, &options)
        }
    });
    made(py, port.or_raise(py)?)
}

fn opened<'py>(
    py: Python<'py>,
    name: &str,
    place: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, Port>> {
    let place = domain(place)?;
    let port = py.detach(|| match &place {
        None => mailboat::Port::open(name),
        Some(domain) => mailboat::Port::open_in(domain, name),
    });
    made(py, port.or_raise(py)?)
}

/// For pickle.
#[pyfunction]
#[pyo3(name = "_reopen_port")]
pub(crate) fn reopen<'py>(
    py: Python<'py>,
    domain: &Bound<'py, PyAny>,
    name: &str,
) -> PyResult<Bound<'py, Port>> {
    opened(py, name, Some(domain))
}

#[pymethods]
impl Port {
    /// Creates a port; :class:`AlreadyExists` if there is one of this name (1 to 200 bytes of
    /// ``[A-Za-z0-9._-]``, the first one a letter or digit).
    ///
    /// ``capacity``: messages queued at most (1024 unless given). ``max_message``: the largest, in
    /// bytes (16 MiB). ``byte_budget``: bytes of memory for messages over 1 KiB (the greater of
    /// 64 MiB and four of the largest messages). ``max_users``: how many handles can be attached at once
    /// (256). ``owner``: ``"domain"``, it stays until deleted, or ``"task"``, it goes when this handle is
    /// closed or this process ends. ``timestamps``: note the time of sending in each message.
    /// ``mode``: the permissions of its file. ``domain``: where; see :class:`Domain`.
    #[staticmethod]
    #[pyo3(signature = (name, *, capacity=None, max_message=None, byte_budget=None, max_users=None, owner="domain", timestamps=false, mode=None, domain=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords")]
    fn create<'py>(
        py: Python<'py>,
        name: &str,
        capacity: Option<&Bound<'py, PyAny>>,
        max_message: Option<&Bound<'py, PyAny>>,
        byte_budget: Option<&Bound<'py, PyAny>>,
        max_users: Option<&Bound<'py, PyAny>>,
        owner: &str,
        timestamps: bool,
        mode: Option<&Bound<'py, PyAny>>,
        domain: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Port>> {
        let limits = Limits { capacity, max_message, byte_budget, max_users, timestamps };
        make(py, &Way::Create, name, &Choices { limits, owner, mode }, domain)
    }

    /// Opens the port of this name; :class:`NotFound` if there is none.
    #[staticmethod]
    #[pyo3(signature = (name, *, domain=None))]
    fn open<'py>(
        py: Python<'py>,
        name: &str,
        domain: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Port>> {
        opened(py, name, domain)
    }

    /// Opens the port of this name, or creates it as ``create()`` does. The options are for a new
    /// port only: one that exists stays as it is.
    #[staticmethod]
    #[pyo3(signature = (name, *, capacity=None, max_message=None, byte_budget=None, max_users=None, owner="domain", timestamps=false, mode=None, domain=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords")]
    fn open_or_create<'py>(
        py: Python<'py>,
        name: &str,
        capacity: Option<&Bound<'py, PyAny>>,
        max_message: Option<&Bound<'py, PyAny>>,
        byte_budget: Option<&Bound<'py, PyAny>>,
        max_users: Option<&Bound<'py, PyAny>>,
        owner: &str,
        timestamps: bool,
        mode: Option<&Bound<'py, PyAny>>,
        domain: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Port>> {
        let limits = Limits { capacity, max_message, byte_budget, max_users, timestamps };
        make(py, &Way::OpenOrCreate, name, &Choices { limits, owner, mode }, domain)
    }

    /// Deletes the port of this name. Its users, those that wait included, get :class:`Closed` at
    /// once; messages still queued are gone.
    #[staticmethod]
    #[pyo3(signature = (name, *, domain=None))]
    fn delete(py: Python<'_>, name: &str, domain: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let place = crate::args::domain(domain)?;
        py.detach(|| match &place {
            None => mailboat::Port::delete(name),
            Some(domain) => mailboat::Port::delete_in(domain, name),
        })
        .or_raise(py)
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The domain it is in.
    #[getter]
    fn domain(&self) -> Domain {
        Domain::new(self.domain.clone())
    }

    /// How it is doing.
    fn stat<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PortStat>> {
        let py = slf.py();
        let stat = match slf.as_super().get().handle(py)? {
            Handle::Port(port) => py.detach(|| port.stat()).or_raise(py)?,
            Handle::Queue(_) => return Err(invalid(py, "this is a queue, not a port")),
        };
        Bound::new(py, PortStat::made(stat))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> String {
        let port = slf.get();
        let place = path_of(&port.domain);
        format!("<mailboat.Port {:?} in {place}, {}>", port.name, slf.as_super().get().state())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String, String))> {
        let py = slf.py();
        slf.as_super().get().handle(py)?;
        let port = slf.get();
        let reopen = py.import("mailboat._mailboat")?.getattr("_reopen_port")?;
        Ok((reopen, (path_of(&port.domain), port.name.clone())))
    }
}
