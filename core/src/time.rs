//! How long a call may wait.

use std::time::Duration;

/// How long a call may wait: not at all, for some time, or for ever.
///
/// ```
/// use mailboat::Wait;
/// use std::time::Duration;
/// let a = Wait::TRY;
/// let b: Wait = Duration::from_millis(5).into();
/// let c = Wait::FOREVER;
/// # let _ = (a, b, c);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Nanoseconds; `u64::MAX` is for ever.
    limit_ns: u64,
    interruptible: bool,
}

impl Wait {
    /// Do not wait: succeed at once or fail with *full* or *empty*.
    pub const TRY: Wait = Wait { limit_ns: 0, interruptible: false };
    /// Wait without limit.
    pub const FOREVER: Wait = Wait { limit_ns: u64::MAX, interruptible: false };

    /// Wait at most so many nanoseconds; 0 is a try, `u64::MAX` for ever.
    pub const fn from_nanos(limit_ns: u64) -> Self {
        Wait { limit_ns, interruptible: false }
    }

    /// The same wait, ended with [`ErrorKind::Interrupted`](crate::ErrorKind::Interrupted) when a
    /// signal handler ran in the waiting thread; at the latest every 100 ms it also ends without
    /// one, so that a signal that came just before the sleep is seen. For language bindings that
    /// must look at pending signals.
    pub const fn interruptible(mut self) -> Self {
        self.interruptible = true;
        self
    }

    pub(crate) const fn is_try(self) -> bool {
        self.limit_ns == 0
    }

    pub(crate) const fn is_interruptible(self) -> bool {
        self.interruptible
    }

    pub(crate) const fn nanos(self) -> u64 {
        self.limit_ns
    }
}

impl From<Duration> for Wait {
    fn from(limit: Duration) -> Self {
        Wait::from_nanos(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// `None` is for ever.
impl From<Option<Duration>> for Wait {
    fn from(limit: Option<Duration>) -> Self {
        limit.map_or(Wait::FOREVER, Wait::from)
    }
}

/// The point on CLOCK_MONOTONIC at which a wait ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    start_ns: u64,
    /// `u64::MAX` is never.
    at_ns: u64,
    interruptible: bool,
}

impl Deadline {
    pub(crate) fn after(wait: Wait, now_ns: u64) -> Self {
        Deadline {
            start_ns: now_ns,
            at_ns: now_ns.saturating_add(wait.nanos()),
            interruptible: wait.is_interruptible(),
        }
    }

    pub(crate) fn remaining_ns(&self, now_ns: u64) -> u64 {
        if self.at_ns == u64::MAX { u64::MAX } else { self.at_ns.saturating_sub(now_ns) }
    }

    pub(crate) fn passed(&self, now_ns: u64) -> bool {
        self.at_ns != u64::MAX && now_ns >= self.at_ns
    }

    pub(crate) fn waited_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.start_ns)
    }

    pub(crate) fn is_interruptible(&self) -> bool {
        self.interruptible
    }
}
