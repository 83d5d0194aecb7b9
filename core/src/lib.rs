#![allow(missing_docs, unused, clippy::all)]
mod domain; mod error; mod message; mod name; mod port; mod queue; mod segment; mod time;
pub use domain::*; pub use error::{Error, ErrorKind, FullLimit, Result}; pub use message::*; pub use name::MAX_NAME; pub use port::*; pub use queue::{Queue, QueueOptions, QueueStat, Loan, Receipt, Rejected}; pub use segment::*; pub use time::Wait;
