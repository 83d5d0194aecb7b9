//! The only system calls.

pub(crate) mod clock;
#[cfg(not(loom))]
pub(crate) mod file;
pub(crate) mod futex;
#[cfg(not(loom))]
pub(crate) mod lock;
#[cfg(not(loom))]
pub(crate) mod map;
#[cfg(not(loom))]
pub(crate) mod process;
