//! `send`: from the command line, standard input or files to a port.

use crate::args::Send;
use crate::fail::Failure;
use crate::json;
use crate::recv::open;
use crate::stdio::Stdio;
use crate::stream::{self, Progress};
use mailboat::{Domain, Outgoing, Port, Wait};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Standard input is read, and files are copied, in parts of this size; also the largest piece of a
/// stream unless told otherwise.
const PART: usize = 1 << 16;
/// How long an interrupted sender tries to say so. Its death says it too, a little later.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Sends what was asked for.
pub fn run(domain: &Domain, args: &Send, stdio: &Stdio) -> Result<(), Failure> {
    let port = open(domain, &args.name, args.no_create)?;
    let sender = Sender { port: &port, args, stdio };
    if args.raw {
        sender.stream()
    } else if !args.file.is_empty() {
        args.file.iter().try_for_each(|path| sender.file(path))
    } else if !args.messages.is_empty() {
        args.messages.iter().try_for_each(|message| sender.send(message.as_bytes()))
    } else {
        sender.lines()
    }
}

struct Sender<'a> {
    port: &'a Port,
    args: &'a Send,
    stdio: &'a Stdio,
}

impl Sender<'_> {
    fn send(&self, body: &[u8]) -> Result<(), Failure> {
        self.send_as(body, self.args.kind.unwrap_or(0))
    }

    fn send_as(&self, body: &[u8], kind: u32) -> Result<(), Failure> {
        self.report(self.stdio.wait(
            self.port,
            self.args.timeout,
            || Ok(()),
            |wait| self.port.send_message(Outgoing::new(body).kind(kind), wait),
        )?)
    }

    fn report(&self, id: u64) -> Result<(), Failure> {
        if self.args.json { self.stdio.write(json::sent(id).as_bytes()) } else { Ok(()) }
    }

    /// Each line of standard input is a message; the last one needs no end.
    fn lines(&self) -> Result<(), Failure> {
        let end = if self.args.null { 0 } else { b'\n' };
        let mut part = vec![0; PART];
        // The beginning of a line whose end is not read yet.
        let mut line = Vec::new();
        let mut number = 1u64;
        loop {
            let read = self.stdio.read(&mut part)?;
            if read == 0 {
                break;
            }
            let mut rest = &part[..read];
            while let Some(at) = rest.iter().position(|&b| b == end) {
                if line.is_empty() {
                    self.send(&rest[..at])?;
                } else {
                    line.extend_from_slice(&rest[..at]);
                    self.send(&line)?;
                    line.clear();
                }
                rest = &rest[at + 1..];
                number += 1;
            }
            line.extend_from_slice(rest);
            if line.len() as u64 > self.port.max_message() {
                return Err(Failure::error(format!(
                    "line {number} has more than {} bytes, the largest message of {}; create it \
                     with a larger --max-message, or send a stream with --raw",
                    self.port.max_message(),
                    self.port.label()
                )));
            }
        }
        if line.is_empty() { Ok(()) } else { self.send(&line) }
    }

    /// All of standard input, in pieces as large as each read happens to be, so that a slow writer's
    /// bytes are not held back; then the end mark.
    fn stream(&self) -> Result<(), Failure> {
        let largest = self.port.max_message();
        if largest < stream::END_SIZE {
            return Err(Failure::error(format!(
                "a stream needs messages of {} bytes; the largest of {} has {largest}",
                stream::END_SIZE,
                self.port.label()
            )));
        }
        let piece = self.args.piece.unwrap_or_else(|| largest.min(PART as u64));
        if piece > largest {
            return Err(Failure::error(format!(
                "a piece of {piece} bytes is larger than {largest} bytes, the largest message of {}",
                self.port.label()
            )));
        }
        let piece = usize::try_from(piece).map_err(|_| Failure::error("--piece is too large"))?;
        self.pieces(piece).inspect_err(|failure| {
            let why = match failure {
                Failure::Signal => "its sender was interrupted",
                other => other.sentence().unwrap_or("its sender failed"),
            };
            let why = &why.as_bytes()[..why.len().min(usize::try_from(largest).unwrap_or(0))];
            let last_words = Outgoing::new(why).kind(stream::CUT);
            // If there is no room for them, the death of the sender says enough.
            let _ = self.port.send_message(last_words, Wait::from(LAST_WORDS));
        })
    }

    fn pieces(&self, piece: usize) -> Result<(), Failure> {
        let mut part = vec![0; piece];
        let mut progress = Progress::default();
        loop {
            let read = self.stdio.read(&mut part)?;
            if read == 0 {
                break;
            }
            self.send_as(&part[..read], progress.next_kind())?;
            progress.add(read as u64);
        }
        let (kind, body) = progress.end_mark();
        self.send_as(&body, kind)
    }

    /// One message of a whole file.
    fn file(&self, path: &Path) -> Result<(), Failure> {
        if path.as_os_str() == "-" {
            return self.send(&self.whole("standard input", |part| self.stdio.read(part))?);
        }
        let failed = |e: std::io::Error| Failure::error(format!("{}: {e}", path.display()));
        let mut file = File::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if about.is_file() && about.len() > PART as u64 {
            return self.large_file(path, &mut file, about.len());
        }
        self.send(&self.whole(&path.display().to_string(), |part| file.read(part).map_err(failed))?)
    }

    /// Reads to the end, but not much further than a message may go.
    fn whole(
        &self,
        what: &str,
        mut read: impl FnMut(&mut [u8]) -> Result<usize, Failure>,
    ) -> Result<Vec<u8>, Failure> {
        let largest = self.port.max_message();
        let mut part = vec![0; PART];
        let mut body = Vec::new();
        loop {
            match read(&mut part)? {
                0 => return Ok(body),
                n => body.extend_from_slice(&part[..n]),
            }
            if body.len() as u64 > largest {
                return Err(Failure::error(format!(
                    "{what} has more than {largest} bytes, the largest message of {}; create it \
                     with a larger --max-message, or send a stream with --raw",
                    self.port.label()
                )));
            }
        }
    }

    /// A file of known size is read into the message in place, so that it may be larger than the
    /// memory that is left beside it.
    fn large_file(&self, path: &Path, file: &mut File, size: u64) -> Result<(), Failure> {
        let failed = |e: std::io::Error| Failure::error(format!("{}: {e}", path.display()));
        let mut loan = self.stdio.wait(
            self.port,
            self.args.timeout,
            || Ok(()),
            |wait| self.port.loan_wait(size, wait),
        )?;
        let mut part = vec![0; PART];
        let mut length = 0;
        loop {
            self.stdio.check_signals()?;
            let read = file.read(&mut part).map_err(failed)?;
            if read == 0 {
                break;
            }
            if length + read as u64 > size {
                return Err(Failure::error(format!(
                    "{} grew while it was read; nothing was sent of it",
                    path.display()
                )));
            }
            loan.write(length, &part[..read])?;
            length += read as u64;
        }
        let mut loan = Some(loan);
        let kind = self.args.kind.unwrap_or(0);
        let id = self.stdio.wait(
            self.port,
            self.args.timeout,
            || Ok(()),
            |wait| {
                let ready = loan.take().expect("given back after each attempt that failed");
                ready.send_with(length, kind, wait).map_err(|rejected| {
                    loan = Some(rejected.loan);
                    rejected.error
                })
            },
        )?;
        self.report(id)
    }
}
