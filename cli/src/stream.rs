//! How a stream of bytes travels in messages.
//!
//! A stream is a run of pieces from one task, numbered in their kinds, and an end mark that says how
//! much there was. The numbers and the sums let a receiver tell a whole stream from what is left of
//! one that was interrupted, and from several that got mixed; neither is ever taken for a whole one.

use mailboat::{Header, TaskId};
use std::ops::RangeInclusive;

/// The kinds that belong to streams.
pub const RESERVED: RangeInclusive<u32> = FIRST..=END;
/// The first piece of a stream. Piece `n` has a kind higher by `n`, until the numbers run out and
/// begin again with that of the second.
const FIRST: u32 = 0xff00_0000;
/// How many kinds there are for the pieces after the first.
const NUMBERS: u64 = 0x00ff_ff00;
/// The end mark: the stream is whole. Its body is the number of pieces and of bytes, 64 bits each,
/// little-endian.
const END: u32 = 0xffff_ffff;
/// The sender could not go on: the stream ends here and is not whole. The body says why.
pub const CUT: u32 = 0xffff_fffe;
/// Bytes of the end mark's body.
pub const END_SIZE: u64 = 16;

/// What has passed of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub pieces: u64,
    pub bytes: u64,
}

impl Progress {
    /// The kind of the next piece.
    pub fn next_kind(self) -> u32 {
        match self.pieces {
            0 => FIRST,
            n => FIRST + 1 + u32::try_from((n - 1) % NUMBERS).expect("below 2^24"),
        }
    }

    /// Counts a piece.
    pub fn add(&mut self, bytes: u64) {
        self.pieces += 1;
        self.bytes += bytes;
    }

    /// Kind and body of the end mark after this.
    pub fn end_mark(self) -> (u32, [u8; END_SIZE as usize]) {
        let mut body = [0; END_SIZE as usize];
        body[..8].copy_from_slice(&self.pieces.to_le_bytes());
        body[8..].copy_from_slice(&self.bytes.to_le_bytes());
        (END, body)
    }

    fn is_told_by(self, end_mark: &[u8]) -> bool {
        end_mark == self.end_mark().1
    }
}

/// What to do with a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// It belongs to the stream: write its body, and expect more.
    Piece,
    /// It was the end of the stream. Nothing to be written.
    End,
    /// It is no part of a stream, but a whole thing of its own: write its body.
    Single,
    /// It says that the sender had to stop.
    Cut,
    /// It is left over from a stream whose beginning is gone.
    Remains,
    /// It is not what comes next in the stream being received; the stream cannot be completed.
    Broken(Break),
}

/// Why a stream cannot be completed.
#[derive(Debug, PartialEq, Eq)]
pub enum Break {
    /// Its sender began another one.
    Restarted,
    /// Another task's message stands where its next piece should be.
    Other(TaskId),
    /// Pieces of it are missing, or were not in order.
    Gap,
}

/// A stream being received.
#[derive(Default)]
pub struct Incoming {
    /// Who sends it, once its first piece has come.
    sender: Option<TaskId>,
    /// What has come of it.
    pub progress: Progress,
}

impl Incoming {
    /// Whose stream has begun and not ended.
    pub fn sender(&self) -> Option<TaskId> {
        self.sender
    }

    /// Judges a message. `body` gives its body, asked for with marks only.
    pub fn judge(&self, header: &Header, body: impl FnOnce() -> Vec<u8>) -> Step {
        let Some(sender) = self.sender else {
            return match header.kind {
                FIRST => Step::Piece,
                END if Progress::default().is_told_by(&body()) => Step::End,
                CUT => Step::Cut,
                kind if RESERVED.contains(&kind) => Step::Remains,
                _ => Step::Single,
            };
        };
        if header.sender != sender {
            return Step::Broken(Break::Other(header.sender));
        }
        match header.kind {
            END if self.progress.is_told_by(&body()) => Step::End,
            CUT => Step::Cut,
            FIRST => Step::Broken(Break::Restarted),
            kind if kind == self.progress.next_kind() => Step::Piece,
            kind if RESERVED.contains(&kind) => Step::Broken(Break::Gap),
            _ => Step::Broken(Break::Other(sender)),
        }
    }

    /// Notes that a piece was written.
    pub fn accept(&mut self, header: &Header) {
        self.sender = Some(header.sender);
        self.progress.add(header.length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_numbered_and_the_first_number_is_not_used_again() {
        let kind = |pieces| Progress { pieces, bytes: 0 }.next_kind();
        assert_eq!(kind(0), FIRST);
        assert_eq!(kind(1), FIRST + 1);
        assert_eq!(kind(NUMBERS), FIRST + 0x00ff_ff00);
        assert_eq!(kind(NUMBERS + 1), FIRST + 1);
        assert!(kind(NUMBERS) < CUT);
    }

    #[test]
    fn the_end_mark_tells_the_sums() {
        let progress = Progress { pieces: 2, bytes: 0x0102 };
        let (kind, body) = progress.end_mark();
        assert_eq!(kind, END);
        assert_eq!(body, [2, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]);
        assert!(progress.is_told_by(&body));
        assert!(!Progress { pieces: 2, bytes: 0x0103 }.is_told_by(&body));
        assert!(!progress.is_told_by(&body[..8]));
    }
}
