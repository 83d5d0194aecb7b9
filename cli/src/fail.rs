//! How a command ends when it does not succeed.

use mailboat::Error;
use std::process::ExitCode;

/// The exit status of an error.
const ERROR: u8 = 1;
/// The exit status when nothing came, or there was no room, in the time given.
const NOT_IN_TIME: u8 = 3;

/// Why a command ends without having done everything.
#[derive(Debug)]
pub enum Failure {
    /// An error, in a sentence.
    Error(String),
    /// Nothing came, or there was no room, in the time given; in a sentence.
    NotInTime(String),
    /// Whoever read standard output has gone. Not worth a word: it was their wish.
    OutputClosed,
    /// A signal asks the process to end. It is still pending, and ends the process once unblocked.
    Signal,
    /// Something failed and was said already, and the command went on with the rest.
    AlreadySaid,
}

impl Failure {
    /// An error, in a sentence.
    pub fn error(sentence: impl Into<String>) -> Self {
        Failure::Error(sentence.into())
    }

    /// The sentence, if there is something to be said.
    pub fn sentence(&self) -> Option<&str> {
        match self {
            Failure::Error(sentence) | Failure::NotInTime(sentence) => Some(sentence),
            Failure::OutputClosed | Failure::Signal | Failure::AlreadySaid => None,
        }
    }

    /// The exit status.
    pub fn status(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::NotInTime(_) => NOT_IN_TIME,
            _ => ERROR,
        })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error.to_string())
    }
}
