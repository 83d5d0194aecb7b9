//! Ports: named mailboxes. Sending and receiving is in message.rs, loan.rs and receipt.rs.

use crate::check::{flags, give, handle, invalid, items_mut, name, out, take_back};
use crate::domain::mb_domain;
use crate::guard::{prepare, status, value};
use crate::options::{self, Place, Sized_, place};
use crate::status::mb_status;
use crate::time::wait;
use mailboat::{Owner, Port, PortOptions, Queue, QueueOptions, Result, Wait};
use std::ffi::{CString, c_char};
// Not shared between processes: it is the handle's own.
#[expect(
    clippy::disallowed_types,
    reason = "a setting of one handle, no part of the protocol"
)]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

/// A port: a named mailbox that any number of processes send to and receive from; each message
/// goes to exactly one receiver. The same handle stands for a queue that a program placed in a
/// segment (mb_queue_create()): all functions for messages work on both.
///
/// Who owns it: the program that created or opened it, until mb_port_close(). Loans and receipts
/// keep what they need of the port, so the handle may be closed before them. Any number of threads
/// may use it at once.
pub struct mb_port {
    kind: Kind,
    #[expect(clippy::disallowed_types, reason = "a setting of one handle")]
    interruptible: AtomicBool,
    name: CString,
    label: CString,
}

enum Kind {
    Port(Port),
    Queue(Queue),
}

impl mb_port {
    fn named(port: Port) -> *mut mb_port {
        let name = CString::new(port.name()).unwrap_or_default();
        Self::new(Kind::Port(port), name)
    }

    pub(crate) fn in_segment(queue: Queue) -> *mut mb_port {
        Self::new(Kind::Queue(queue), CString::default())
    }

    fn new(kind: Kind, name: CString) -> *mut mb_port {
        let mut port =
            mb_port { kind, interruptible: false.into(), name, label: CString::default() };
        port.label = CString::new(port.queue().label()).unwrap_or_default();
        give(port)
    }

    pub(crate) fn queue(&self) -> &Queue {
        match &self.kind {
            Kind::Port(port) => port,
            Kind::Queue(queue) => queue,
        }
    }

    pub(crate) fn is_in_segment(&self) -> bool {
        matches!(self.kind, Kind::Queue(_))
    }

    pub(crate) fn is_interruptible(&self) -> bool {
        // Relaxed: whoever wants a call to see the setting sets it before.
        self.interruptible.load(Ordering::Relaxed)
    }

    /// The wait that a timeout means for this handle.
    pub(crate) fn wait(&self, timeout_ns: i64) -> Result<Wait> {
        let wait = wait(timeout_ns)?;
        Ok(if self.is_interruptible() { wait.interruptible() } else { wait })
    }
}

/// In mb_port_options: the port belongs to this process and is deleted when the handle that
/// created it is closed, or when the process ends, however it ends. Without it the port belongs to
/// the domain and stays until mb_port_delete().
pub const MB_PORT_OWNED_BY_TASK: u32 = 1;
/// In mb_port_options: note the time in each message that is sent. Reading the clock costs about a
/// quarter of sending a small message.
pub const MB_PORT_TIMESTAMPS: u32 = 2;
/// In mb_port_stats: the port was deleted, or its owner has gone.
pub const MB_PORT_CLOSED: u32 = 4;
/// In mb_port_stats: it is a queue in a segment.
pub const MB_PORT_IN_SEGMENT: u32 = 8;

/// How to make a port, or a queue in a segment. Begin with MB_PORT_OPTIONS_INIT; a field that is 0
/// means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mb_port_options {
    /// sizeof(mb_port_options).
    pub size: usize,
    /// How many messages may be queued, 1 to 67108864. Default: 1024.
    pub capacity: u32,
    /// How many handles may be open at once, 1 to 4096. Default: 256.
    pub max_users: u32,
    /// The largest message in bytes, up to 1 TiB. Default: 16 MiB.
    pub max_message: u64,
    /// Memory for messages over 192 bytes, in bytes. It is used only as far as needed. Default:
    /// 64 MiB, or 4 times max_message if that is more.
    pub byte_budget: u64,
    /// MB_PORT_OWNED_BY_TASK, MB_PORT_TIMESTAMPS, both (with |), or 0. Only MB_PORT_TIMESTAMPS for
    /// a queue in a segment.
    pub flags: u32,
    /// Permission bits of the port, such as 0660; its user must be able to read and write. Default:
    /// 0600, or in a shared domain the domain's. Must be 0 for a queue in a segment.
    pub mode: u32,
}

// SAFETY: `repr(C)`, a `usize` first, plain numbers.
unsafe impl Sized_ for mb_port_options {
    const FIRST: usize = 40;
    const NAME: &'static str = "mb_port_options";
}

impl mb_port_options {
    fn to_port(self) -> Result<PortOptions> {
        flags(self.flags, MB_PORT_OWNED_BY_TASK | MB_PORT_TIMESTAMPS, "mb_port_options.flags")?;
        let mut options = PortOptions::new();
        options.queue = self.queue();
        if self.flags & MB_PORT_OWNED_BY_TASK != 0 {
            options = options.owner(Owner::Task);
        }
        if self.mode != 0 {
            options = options.mode(self.mode);
        }
        Ok(options)
    }

    fn to_queue(self) -> Result<QueueOptions> {
        flags(self.flags, MB_PORT_TIMESTAMPS, "mb_port_options.flags, for a queue in a segment,")?;
        if self.mode != 0 {
            return Err(invalid(
                "mb_port_options.mode is for ports; a queue in a segment has the segment's mode",
            ));
        }
        Ok(self.queue())
    }

    fn queue(self) -> QueueOptions {
        let mut options = QueueOptions::new().timestamps(self.flags & MB_PORT_TIMESTAMPS != 0);
        if self.capacity != 0 {
            options = options.capacity(self.capacity);
        }
        if self.max_users != 0 {
            options = options.max_users(self.max_users);
        }
        if self.max_message != 0 {
            options = options.max_message(self.max_message);
        }
        if self.byte_budget != 0 {
            options = options.byte_budget(self.byte_budget);
        }
        options
    }
}

/// # Safety
/// As for [`options::read`].
unsafe fn port_options(pointer: *const mb_port_options) -> Result<PortOptions> {
    // SAFETY: the caller's promise.
    unsafe { options::read(pointer) }?.map_or_else(|| Ok(PortOptions::new()), |o| o.to_port())
}

/// # Safety
/// As for [`options::read`].
pub(crate) unsafe fn queue_options(pointer: *const mb_port_options) -> Result<QueueOptions> {
    // SAFETY: the caller's promise.
    unsafe { options::read(pointer) }?.map_or_else(|| Ok(QueueOptions::new()), |o| o.to_queue())
}

/// Makes a port in the default domain.
///
/// Parameters:
///   name       1 to 200 bytes of [A-Za-z0-9._-], the first one a letter or digit
///   options    NULL: the defaults
///   port       gets the handle
///
/// Status:    MB_OK, MB_BAD_NAME, MB_ALREADY_EXISTS, MB_NO_SPACE, MB_INVALID (also a short size,
///            unknown bits in flags, a figure or mode out of its range), MB_TIMEOUT (as
///            mb_port_delete()), MB_SYSTEM, MB_INTERNAL; those of mb_domain_open()
/// Ownership: name and options stay the caller's; the handle is the caller's until
///            mb_port_close(); on failure there is none, and no port was made
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      the child may go on using the handle; it becomes a user of its own at the next use
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_create(
    name: *const c_char,
    options: *const mb_port_options,
    port: *mut *mut mb_port,
) -> mb_status {
    prepare();
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let name = crate::check::name(name, "name")?;
            let options = port_options(options)?;
            let port = out(port, "port")?;
            port.set(mb_port::named(Port::create(&name, &options)?));
        }
        Ok(())
    })
}

/// mb_port_create() in a domain of your choice.
///
/// Parameters:
///   domain     the domain
///   name, options, port   as mb_port_create()
///
/// Status:    those of mb_port_create()
/// Ownership: as mb_port_create(); the domain stays the caller's
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      as mb_port_create()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_create_in(
    domain: *const mb_domain,
    name: *const c_char,
    options: *const mb_port_options,
    port: *mut *mut mb_port,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let domain = handle(domain, "domain")?.domain();
            let name = crate::check::name(name, "name")?;
            let options = port_options(options)?;
            let port = out(port, "port")?;
            port.set(mb_port::named(Port::create_in(domain, &name, &options)?));
        }
        Ok(())
    })
}

/// Opens a port of the default domain.
///
/// Parameters:
///   name       its name
///   port       gets the handle
///
/// Status:    MB_OK, MB_NOT_FOUND (also when its owner has gone), MB_BAD_NAME, MB_NOT_PERMITTED,
///            MB_WRONG_TYPE, MB_CORRUPT, MB_VERSION, MB_TOO_MANY (users), MB_TIMEOUT (as
///            mb_port_delete()), MB_INVALID, MB_SYSTEM, MB_INTERNAL; those of mb_domain_open()
/// Ownership: name stays the caller's; the handle is the caller's until mb_port_close(); on
///            failure there is none
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      the child may go on using the handle; it becomes a user of its own at the next use
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_open(name: *const c_char, port: *mut *mut mb_port) -> mb_status {
    prepare();
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let name = crate::check::name(name, "name")?;
            let port = out(port, "port")?;
            port.set(mb_port::named(Port::open(&name)?));
        }
        Ok(())
    })
}

/// mb_port_open() in a domain of your choice.
///
/// Parameters:
///   domain     the domain
///   name, port   as mb_port_open()
///
/// Status:    those of mb_port_open()
/// Ownership: as mb_port_open(); the domain stays the caller's
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      as mb_port_open()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_open_in(
    domain: *const mb_domain,
    name: *const c_char,
    port: *mut *mut mb_port,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let domain = handle(domain, "domain")?.domain();
            let name = crate::check::name(name, "name")?;
            let port = out(port, "port")?;
            port.set(mb_port::named(Port::open_in(domain, &name)?));
        }
        Ok(())
    })
}

/// Opens a port of the default domain, and makes it if there is none of this name. One that is
/// there is taken as it is: the options count only for a new one.
///
/// Parameters:
///   name       its name
///   options    for a new one; NULL: the defaults
///   port       gets the handle
///
/// Status:    those of mb_port_open() and mb_port_create(), but MB_NOT_FOUND and MB_ALREADY_EXISTS
///            only when others make and delete it all the time
/// Ownership: as mb_port_create()
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      as mb_port_create()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_open_or_create(
    name: *const c_char,
    options: *const mb_port_options,
    port: *mut *mut mb_port,
) -> mb_status {
    prepare();
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let name = crate::check::name(name, "name")?;
            let options = port_options(options)?;
            let port = out(port, "port")?;
            port.set(mb_port::named(Port::open_or_create(&name, &options)?));
        }
        Ok(())
    })
}

/// mb_port_open_or_create() in a domain of your choice.
///
/// Parameters:
///   domain     the domain
///   name, options, port   as mb_port_open_or_create()
///
/// Status:    those of mb_port_open_or_create()
/// Ownership: as mb_port_create(); the domain stays the caller's
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      as mb_port_create()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_open_or_create_in(
    domain: *const mb_domain,
    name: *const c_char,
    options: *const mb_port_options,
    port: *mut *mut mb_port,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let domain = handle(domain, "domain")?.domain();
            let name = crate::check::name(name, "name")?;
            let options = port_options(options)?;
            let port = out(port, "port")?;
            port.set(mb_port::named(Port::open_or_create_in(domain, &name, &options)?));
        }
        Ok(())
    })
}

/// Deletes a port of the default domain. All its users get MB_CLOSED at once, those that are
/// waiting too; messages that were still queued are gone. The name is free at once.
///
/// Parameters:
///   name       its name
///
/// Status:    MB_OK, MB_NOT_FOUND, MB_BAD_NAME, MB_NOT_PERMITTED, MB_WRONG_TYPE, MB_TIMEOUT (another
///            process was stopped while it removed this name; the port is deleted all the same),
///            MB_INVALID, MB_SYSTEM, MB_INTERNAL; those of mb_domain_open()
/// Ownership: handles stay their owners', who close them as usual
/// Blocking:  at most a second, while another process removes the same name
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_delete(name: *const c_char) -> mb_status {
    prepare();
    // SAFETY: the caller's promise.
    status(|| Port::delete(&unsafe { self::name(name, "name") }?))
}

/// mb_port_delete() in a domain of your choice.
///
/// Parameters:
///   domain     the domain
///   name       the port's name
///
/// Status:    those of mb_port_delete()
/// Ownership: as mb_port_delete(); the domain stays the caller's
/// Blocking:  as mb_port_delete()
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_delete_in(
    domain: *const mb_domain,
    name: *const c_char,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let domain = handle(domain, "domain")?.domain();
            Port::delete_in(domain, &crate::check::name(name, "name")?)
        }
    })
}

/// Lets a port go. The port itself stays, with the messages queued in it, unless it was made with
/// MB_PORT_OWNED_BY_TASK and this is the handle that made it: then it is deleted.
///
/// Parameters:
///   port       the handle, which is gone afterwards
///
/// Status:    MB_OK, MB_INVALID (NULL or misaligned; nothing was done), MB_INTERNAL
/// Ownership: takes the handle; loans and receipts of it stay usable
/// Blocking:  never
/// Threads:   no other thread may be using the handle, waiting in it included
/// Fork:      the child closes its own copy only
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_close(port: *mut mb_port) -> mb_status {
    // SAFETY: the caller's promise.
    status(|| unsafe { take_back(port, "port") }.map(drop))
}

/// The name of a port.
///
/// Parameters:
///   port       the port
///
/// Returns:   its name, "" for a queue in a segment; NULL if port is NULL or misaligned
///            (mb_last_error() says which)
/// Ownership: the text is the handle's and valid until mb_port_close()
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_name(port: *const mb_port) -> *const c_char {
    // SAFETY: the caller's promise.
    value(std::ptr::null(), || Ok(unsafe { handle(port, "port") }?.name.as_ptr()))
}

/// What a port is called in error sentences: its name and where it is.
///
/// Parameters:
///   port       the port, or queue in a segment
///
/// Returns:   the words; NULL if port is NULL or misaligned (mb_last_error() says which)
/// Ownership: the text is the handle's and valid until mb_port_close()
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_label(port: *const mb_port) -> *const c_char {
    // SAFETY: the caller's promise.
    value(std::ptr::null(), || Ok(unsafe { handle(port, "port") }?.label.as_ptr()))
}

/// How many messages may be queued in a port.
///
/// Parameters:
///   port       the port
///
/// Returns:   messages; 0 if port is NULL or misaligned (mb_last_error() says which)
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_capacity(port: *const mb_port) -> u32 {
    // SAFETY: the caller's promise.
    value(0, || Ok(unsafe { handle(port, "port") }?.queue().capacity()))
}

/// The largest message that a port takes.
///
/// Parameters:
///   port       the port
///
/// Returns:   bytes; 0 if port is NULL or misaligned (mb_last_error() says which)
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_max_message(port: *const mb_port) -> u64 {
    // SAFETY: the caller's promise.
    value(0, || Ok(unsafe { handle(port, "port") }?.queue().max_message()))
}

/// How many messages are queued in a port just now. Others may change that at any moment.
///
/// Parameters:
///   port       the port
///
/// Returns:   messages; 0 if port is NULL or misaligned (mb_last_error() says which)
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_queued(port: *const mb_port) -> u64 {
    // SAFETY: the caller's promise.
    value(0, || Ok(unsafe { handle(port, "port") }?.queue().len()))
}

/// Whether a port was deleted, or its owner has gone.
///
/// Parameters:
///   port       the port
///
/// Returns:   true if it is closed; false if not, or if port is NULL or misaligned
///            (mb_last_error() says which)
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_is_closed(port: *const mb_port) -> bool {
    // SAFETY: the caller's promise.
    value(false, || Ok(unsafe { handle(port, "port") }?.queue().is_closed()))
}

/// Says whether signals end the waiting of calls on this handle. As a handle comes they do not:
/// a call goes on waiting after a signal handler ran.
///
/// When they do, a call that waits ends with MB_INTERRUPTED, having changed nothing, soon after a
/// signal handler ran in its thread. It may also do so without a signal, about every 100 ms, so
/// that a signal that came just before the waiting began is not missed. Look whether your handler
/// ran, then call again with the time that remains.
///
/// Parameters:
///   port       the port
///   on         1: signals end the waiting; 0: they do not
///
/// Status:    MB_OK, MB_INVALID, MB_INTERNAL
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   any, at once; a call that is waiting already keeps to what held when it began
/// Fork:      the child's copy of the handle keeps the setting
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_set_interruptible(port: *const mb_port, on: i32) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise.
        let port = unsafe { handle(port, "port") }?;
        let on = match on {
            0 => false,
            1 => true,
            _ => return Err(invalid(format!("on is {on}; it must be 0 or 1"))),
        };
        port.interruptible.store(on, Ordering::Relaxed);
        Ok(())
    })
}

/// What a port says about itself. Set `size` before asking (MB_PORT_STATS_INIT does).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mb_port_stats {
    /// sizeof(mb_port_stats).
    pub size: usize,
    /// How many messages may be queued.
    pub capacity: u32,
    /// How many handles may be open at once.
    pub max_users: u32,
    /// How many are.
    pub users: u32,
    /// MB_PORT_OWNED_BY_TASK, MB_PORT_TIMESTAMPS, MB_PORT_CLOSED, MB_PORT_IN_SEGMENT, joined with |.
    pub flags: u32,
    /// The user the port belongs to; 0 for a queue in a segment.
    pub uid: u32,
    /// Its permission bits; 0 for a queue in a segment.
    pub mode: u32,
    /// The task that owns it, with MB_PORT_OWNED_BY_TASK; else 0.
    pub owner: u64,
    /// Messages queued just now.
    pub queued: u64,
    /// Messages in receivers' hands: taken, not yet acknowledged.
    pub in_hand: u64,
    /// Messages that senders are writing: loaned, not yet committed.
    pub loaned: u64,
    /// Messages given back, or left by receivers that died, waiting for the next receiver.
    pub given_back: u64,
    /// The largest message, in bytes.
    pub max_message: u64,
    /// Memory for messages over 192 bytes, in bytes.
    pub byte_budget: u64,
    /// How much of the byte budget is set aside just now, in bytes.
    pub bytes_committed: u64,
    /// Memory that the port's file really uses, in bytes; 0 for a queue in a segment, or once the
    /// port was deleted.
    pub file_bytes: u64,
    /// Messages sent since the port was made.
    pub sent: u64,
    /// Messages received or taken since then, each counted once.
    pub received: u64,
    /// How often messages were handed out again since then.
    pub redelivered: u64,
    /// Deaths of users that were noticed and recovered since then.
    pub deaths: u64,
}

// SAFETY: `repr(C)`, a `usize` first, plain numbers.
unsafe impl Sized_ for mb_port_stats {
    const FIRST: usize = 136;
    const NAME: &'static str = "mb_port_stats";
}

/// Figures about a port. It looks at every message buffer, so do not ask after every message; the
/// dead are noticed and cleared up on the way.
///
/// Parameters:
///   port       the port, or queue in a segment
///   stats      gets the figures, each read at its own moment; its size must be set
///              (MB_PORT_STATS_INIT)
///
/// Status:    MB_OK, MB_CORRUPT, MB_LEASE_LOST, MB_INVALID, MB_SYSTEM, MB_INTERNAL
/// Ownership: nothing changes hands
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_stat(
    port: *const mb_port,
    stats: *mut mb_port_stats,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let port = handle(port, "port")?;
            let stats: Place<mb_port_stats> = place(stats, "stats")?;
            stats.set(port.stats()?);
        }
        Ok(())
    })
}

impl mb_port {
    fn stats(&self) -> Result<mb_port_stats> {
        let (queue, owner, uid, mode, file_bytes) = match &self.kind {
            Kind::Port(port) => {
                let stat = port.stat()?;
                (
                    stat.queue,
                    Some((stat.owner, stat.owner_task)),
                    stat.uid,
                    stat.mode,
                    stat.file_bytes,
                )
            }
            Kind::Queue(queue) => (queue.stat()?, None, 0, 0, 0),
        };
        let bit = |on: bool, bit: u32| if on { bit } else { 0 };
        Ok(mb_port_stats {
            size: size_of::<mb_port_stats>(),
            capacity: queue.capacity,
            max_users: queue.max_users,
            users: queue.users,
            flags: bit(matches!(owner, Some((Owner::Task, _))), MB_PORT_OWNED_BY_TASK)
                | bit(queue.timestamps, MB_PORT_TIMESTAMPS)
                | bit(queue.closed, MB_PORT_CLOSED)
                | bit(owner.is_none(), MB_PORT_IN_SEGMENT),
            uid,
            mode,
            owner: owner.and_then(|(_, task)| task).map_or(0, |task| task.0),
            queued: queue.queued,
            in_hand: queue.in_hand,
            loaned: queue.loaned,
            given_back: queue.given_back,
            max_message: queue.max_message,
            byte_budget: queue.byte_budget,
            bytes_committed: queue.bytes_committed,
            file_bytes,
            sent: queue.sent,
            received: queue.received,
            redelivered: queue.redelivered,
            deaths: queue.deaths,
        })
    }
}

/// Which tasks have a port open: an id for each handle, so a task with two handles is there twice.
///
/// Parameters:
///   port       the port, or queue in a segment
///   tasks      gets as many ids as fit; may be NULL when max is 0
///   max        how many fit
///   count      gets how many there are, which may be more than max
///
/// Status:    MB_OK, MB_CORRUPT, MB_LEASE_LOST, MB_INVALID, MB_SYSTEM, MB_INTERNAL
/// Ownership: nothing changes hands
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_users(
    port: *const mb_port,
    tasks: *mut u64,
    max: usize,
    count: *mut usize,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let port = handle(port, "port")?;
            let tasks = items_mut(tasks, max, "tasks")?;
            let count = out(count, "count")?;
            let found = port.queue().stat()?.tasks;
            for (to, from) in tasks.iter_mut().zip(&found) {
                *to = from.0;
            }
            count.set(found.len());
        }
        Ok(())
    })
}
