//! What can go wrong: one error type, whose kinds are the status numbers of the C interface.

use std::sync::Arc;

/// The kind of an [`Error`], one number each. The numbers are the status codes of the C interface
/// (`MB_FULL` and so on); they are append-only and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum ErrorKind {
    /// The port can take no more just now; receivers must make room.
    Full = 1,
    /// There is no message just now.
    Empty = 2,
    /// The time given ran out before the operation could be done. Nothing was changed.
    Timeout = 3,
    /// The port was deleted, or its owner has gone.
    Closed = 4,
    /// The process on the other side died.
    PeerDied = 5,
    /// The permissions, the owner or the way the object was opened do not allow this.
    NotPermitted = 6,
    /// The message, or the buffer asked for, is larger than a limit allows.
    TooLarge = 7,
    /// The tmpfs behind the domain has not enough free memory.
    NoSpace = 8,
    /// The shared memory contains what no well-behaved process would have written.
    Corrupt = 9,
    /// The object was made by another version of the shared-memory layout.
    Version = 10,
    /// There is no object of this name.
    NotFound = 11,
    /// There is an object of this name already.
    AlreadyExists = 12,
    /// The name breaks the rules for names.
    BadName = 13,
    /// An argument is out of its range.
    Invalid = 14,
    /// Something else stands where the object should be: a symlink, a directory, another kind.
    WrongType = 15,
    /// The domain's place cannot hold a domain: not tmpfs, not writable, not a directory.
    BadDomain = 16,
    /// A table of limited size has no free place: tasks of a domain, users of a port.
    TooMany = 17,
    /// This task was declared dead while it was alive, because the descriptor that holds its lease
    /// was closed behind the library's back. What it had in hand was given back.
    LeaseLost = 18,
    /// The loan or receipt belongs to the parent of this forked process.
    Forked = 19,
    /// A signal arrived while an interruptible call was waiting. Nothing was changed.
    Interrupted = 20,
    /// The operating system refused; the message says what and why.
    System = 21,
    /// A defect in mailboat itself: a panic was caught at the border of the library.
    Internal = 22,
}

impl ErrorKind {
    /// Every kind, in the order of the numbers.
    pub const ALL: &'static [ErrorKind] = &[
        ErrorKind::Full,
        ErrorKind::Empty,
        ErrorKind::Timeout,
        ErrorKind::Closed,
        ErrorKind::PeerDied,
        ErrorKind::NotPermitted,
        ErrorKind::TooLarge,
        ErrorKind::NoSpace,
        ErrorKind::Corrupt,
        ErrorKind::Version,
        ErrorKind::NotFound,
        ErrorKind::AlreadyExists,
        ErrorKind::BadName,
        ErrorKind::Invalid,
        ErrorKind::WrongType,
        ErrorKind::BadDomain,
        ErrorKind::TooMany,
        ErrorKind::LeaseLost,
        ErrorKind::Forked,
        ErrorKind::Interrupted,
        ErrorKind::System,
        ErrorKind::Internal,
    ];

    /// The status number of the C interface.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// The kind with this status number, if there is one.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?.checked_sub(1)?).copied()
    }

    /// The kind in a few words.
    pub const fn text(self) -> &'static str {
        match self {
            ErrorKind::Full => "full",
            ErrorKind::Empty => "empty",
            ErrorKind::Timeout => "timed out",
            ErrorKind::Closed => "closed",
            ErrorKind::PeerDied => "peer died",
            ErrorKind::NotPermitted => "not permitted",
            ErrorKind::TooLarge => "too large",
            ErrorKind::NoSpace => "no space",
            ErrorKind::Corrupt => "corrupt",
            ErrorKind::Version => "made by another layout version",
            ErrorKind::NotFound => "not found",
            ErrorKind::AlreadyExists => "already exists",
            ErrorKind::BadName => "bad name",
            ErrorKind::Invalid => "invalid argument",
            ErrorKind::WrongType => "wrong type of object",
            ErrorKind::BadDomain => "not a usable domain",
            ErrorKind::TooMany => "too many users",
            ErrorKind::LeaseLost => "lease lost",
            ErrorKind::Forked => "belongs to the parent process",
            ErrorKind::Interrupted => "interrupted by a signal",
            ErrorKind::System => "system error",
            ErrorKind::Internal => "internal error",
        }
    }
}

/// Which limit of a port made a send impossible for the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FullLimit {
    /// As many messages are queued as the port's capacity allows.
    Capacity,
    /// Every message buffer of the size needed is queued, loaned or in a receiver's hands.
    Buffers,
    /// The port's byte budget for large messages is used up.
    ByteBudget,
}

/// An error: its [`kind`](Error::kind) is for programs, its text, with the names and figures, for
/// people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// See [`ErrorKind::Full`].
    #[error("{object} is full: {}", full_text(*limit, *used, *max))]
    Full {
        /// The port or queue.
        object: Arc<str>,
        /// Which of its limits.
        limit: FullLimit,
        /// How much of the limit is in use (messages, buffers, bytes).
        used: u64,
        /// The limit (messages, buffers, bytes).
        max: u64,
    },
    /// See [`ErrorKind::Empty`].
    #[error("empty: there is no message just now")]
    Empty,
    /// See [`ErrorKind::Timeout`].
    #[error("{object}: timed out after {:.3} s: {because}", *after_ns as f64 / 1e9)]
    Timeout {
        /// The port or queue.
        object: Arc<str>,
        /// How long was waited, in nanoseconds.
        after_ns: u64,
        /// What stood in the way.
        because: Box<Error>,
    },
    /// See [`ErrorKind::Closed`].
    #[error("{object} is closed: {why}")]
    Closed {
        /// The port or queue.
        object: Arc<str>,
        /// What closed it.
        why: &'static str,
    },
    /// See [`ErrorKind::TooLarge`].
    #[error("{what} of {size} bytes is larger than the largest allowed, {max} bytes ({whose})")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        size: u64,
        /// The largest allowed, in bytes.
        max: u64,
        /// Whose limit it is and how to change it.
        whose: Arc<str>,
    },
    /// See [`ErrorKind::NoSpace`].
    #[error(
        "no space for {what}: {needed} bytes needed, {available} available on the tmpfs at {place}; \
         delete objects that are no longer used (mailboat ls), or enlarge the tmpfs (mount -o remount,size=...)"
    )]
    NoSpace {
        /// What the memory was for.
        what: Arc<str>,
        /// Bytes needed.
        needed: u64,
        /// Bytes that the tmpfs had left.
        available: u64,
        /// Where the tmpfs is.
        place: Arc<str>,
    },
    /// See [`ErrorKind::Corrupt`].
    #[error("{object} is corrupt: {what} (found {found}, expected {expected})")]
    Corrupt {
        /// The object.
        object: Arc<str>,
        /// What is wrong with it.
        what: &'static str,
        /// What was found.
        found: Arc<str>,
        /// What should have been there.
        expected: Arc<str>,
    },
    /// See [`ErrorKind::Version`].
    #[error(
        "{object} has shared-memory layout version {found}, this library has {expected}; \
         use one version of mailboat on both sides, or delete the object and create it anew"
    )]
    Version {
        /// The object.
        object: Arc<str>,
        /// The version found in it.
        found: u32,
        /// The version of this library.
        expected: u32,
    },
    /// See [`ErrorKind::LeaseLost`].
    #[error(
        "{object}: this task was declared dead, because the descriptor that holds its lease was closed \
         by other code of this process; what it had in hand was given back"
    )]
    LeaseLost {
        /// The object that was in use.
        object: Arc<str>,
    },
    /// See [`ErrorKind::Forked`].
    #[error(
        "this {what} belongs to the parent of this forked process; only the parent can finish it"
    )]
    Forked {
        /// Loan or receipt.
        what: &'static str,
    },
    /// See [`ErrorKind::Interrupted`].
    #[error("interrupted by a signal while waiting")]
    Interrupted,
    /// See [`ErrorKind::System`].
    #[error("{action}: {source}")]
    System {
        /// What was being done.
        action: Arc<str>,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Any other kind, with its sentence.
    #[error("{message}")]
    Other {
        /// The kind.
        kind: ErrorKind,
        /// The sentence.
        message: Arc<str>,
    },
}

fn full_text(limit: FullLimit, used: u64, max: u64) -> String {
    match limit {
        FullLimit::Capacity => format!(
            "{used} of {max} messages queued; receive some, or create it with a larger capacity"
        ),
        FullLimit::Buffers => format!(
            "all {max} buffers of this size are queued, loaned or not yet acknowledged; \
             acknowledge what was taken, or create it with a larger capacity"
        ),
        FullLimit::ByteBudget => format!(
            "{used} of {max} bytes of its byte budget in use; receive some, or create it with a larger budget"
        ),
    }
}

/// The result of most operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Full { .. } => ErrorKind::Full,
            Error::Empty => ErrorKind::Empty,
            Error::Timeout { .. } => ErrorKind::Timeout,
            Error::Closed { .. } => ErrorKind::Closed,
            Error::TooLarge { .. } => ErrorKind::TooLarge,
            Error::NoSpace { .. } => ErrorKind::NoSpace,
            Error::Corrupt { .. } => ErrorKind::Corrupt,
            Error::Version { .. } => ErrorKind::Version,
            Error::LeaseLost { .. } => ErrorKind::LeaseLost,
            Error::Forked { .. } => ErrorKind::Forked,
            Error::Interrupted => ErrorKind::Interrupted,
            Error::System { .. } => ErrorKind::System,
            Error::Other { kind, .. } => *kind,
        }
    }

    /// The error number of the operating system, where there is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::System { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }

    /// An error of `kind` with its own sentence.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error::Other { kind, message: message.into().into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn system(action: impl Into<String>, source: std::io::Error) -> Self {
        Error::System { action: action.into().into(), source }
    }

    pub(crate) fn corrupt(
        object: &Arc<str>,
        what: &'static str,
        found: impl std::fmt::Display,
        expected: impl std::fmt::Display,
    ) -> Self {
        Error::Corrupt {
            object: object.clone(),
            what,
            found: found.to_string().into(),
            expected: expected.to_string().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_dense_and_round_trip() {
        for (i, kind) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!(kind.code(), i as i32 + 1);
            assert_eq!(ErrorKind::from_code(kind.code()), Some(*kind));
        }
        assert_eq!(ErrorKind::from_code(0), None);
        assert_eq!(ErrorKind::from_code(-1), None);
        assert_eq!(ErrorKind::from_code(ErrorKind::ALL.len() as i32 + 1), None);
    }

    #[test]
    fn full_says_which_limit_and_what_to_do() {
        let e = Error::Full {
            object: "port \"orders\"".into(),
            limit: FullLimit::Capacity,
            used: 10,
            max: 10,
        };
        assert_eq!(
            e.to_string(),
            "port \"orders\" is full: 10 of 10 messages queued; receive some, or create it with a larger capacity"
        );
    }
}
