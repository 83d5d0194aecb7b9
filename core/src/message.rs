//! What travels: headers, messages to send, messages received, loans and receipts.

/// Identifies a task: unique in its domain for as long as the domain exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub u64);

impl std::fmt::Display for TaskId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a message says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Length of the body in bytes.
    pub length: u64,
    /// A number of the user's own.
    pub kind: u32,
    /// How often the message was handed to a receiver before this one, who then died or gave it
    /// back. Counts up to 255 and stays there.
    pub redeliveries: u32,
    /// Unique in the domain.
    pub id: u64,
    /// The task that sent it.
    pub sender: TaskId,
    /// When it was sent, in nanoseconds on CLOCK_MONOTONIC, on ports that ask for timestamps.
    pub sent_ns: Option<u64>,
}

impl Header {
    /// Whether an earlier receiver had this message in hand.
    pub fn is_redelivered(&self) -> bool {
        self.redeliveries > 0
    }
}

/// A message to be sent: a body, and a kind if wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing<'a> {
    /// The body, copied when it is sent.
    pub body: &'a [u8],
    /// A number of the user's own, 0 unless set.
    pub kind: u32,
}

impl<'a> Outgoing<'a> {
    /// A message of kind 0.
    pub const fn new(body: &'a [u8]) -> Self {
        Outgoing { body, kind: 0 }
    }

    /// The same with this kind.
    pub const fn kind(mut self, kind: u32) -> Self {
        self.kind = kind;
        self
    }
}

impl<'a> From<&'a [u8]> for Outgoing<'a> {
    fn from(body: &'a [u8]) -> Self {
        Outgoing::new(body)
    }
}

/// A received message, copied out and acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// What it says about itself.
    pub header: Header,
    /// The body.
    pub body: Vec<u8>,
}
