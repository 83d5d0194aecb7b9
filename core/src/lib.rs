//! Mailboat: inter-process communication through shared memory that survives any kill.
//!
//! Processes open a [`Port`] by name and exchange messages through shared memory, with no daemon.
//!
//! ```no_run
//! use mailboat::{Port, PortOptions};
//! # fn main() -> mailboat::Result<()> {
//! let port = Port::open_or_create("orders", &PortOptions::default())?;
//! port.send(b"hello")?;
//! let receipt = port.take()?; // in hand: if this process dies now, the next one gets it, flagged
//! assert_eq!(receipt.to_vec(), b"hello");
//! receipt.ack()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | domain | the place where names live: one directory on tmpfs, private to the user unless shared explicitly |
//! | task | a process attached to a domain, with a lease that the kernel drops when it dies |
//! | segment | named shared memory |
//! | queue | the crash-safe many-to-many buffer inside a segment |
//! | port | a named mailbox: a queue with an owner and limits |
//! | message | header and body |
//! | loan | a message being written in place, not yet sent |
//! | receipt | a message in a receiver's hands until acknowledged or given back |
//!
//! Every call that can wait comes as try, with a timeout, and without limit. No call installs a
//! signal handler, starts a thread, prints or aborts.
// The model checker is shown the algorithms and not what stands on them.
#![cfg_attr(loom, allow(dead_code, unused_imports))]

#[cfg(not(loom))]
mod domain;
mod error;
mod message;
mod name;
mod os;
#[cfg(not(loom))]
mod port;
#[cfg(not(loom))]
mod queue;
#[cfg(not(loom))]
mod segment;
mod shm;
mod sync;
mod time;

#[cfg(not(loom))]
pub use domain::{Domain, DomainOptions, DomainStat, Entry, Kind, Shared, TaskInfo};
pub use error::{Error, ErrorKind, FullLimit, Result};
pub use message::{Header, Message, Outgoing, TaskId};
pub use name::MAX_NAME;
#[cfg(not(loom))]
pub use port::{Owner, Port, PortOptions, PortStat};
#[cfg(not(loom))]
pub use queue::{Loan, Queue, QueueOptions, QueueStat, Receipt, Rejected};
#[cfg(not(loom))]
pub use segment::{Access, Segment, SegmentOptions};
#[cfg(mailboat_steps)]
pub use sync::steps;
pub use time::Wait;
