//! `recv`: from a port to standard output.

use crate::args::Recv;
use crate::fail::Failure;
use crate::json;
use crate::stdio::Stdio;
use crate::stream::{Break, Incoming, Step};
use mailboat::{Domain, Port, PortOptions, Receipt, TaskId};

/// Bodies are copied out of shared memory in parts of this size.
const PART: usize = 1 << 18;

/// Opens the port, creating it unless told not to.
pub fn open(domain: &Domain, name: &str, no_create: bool) -> Result<Port, Failure> {
    Ok(if no_create {
        Port::open_in(domain, name)?
    } else {
        Port::open_or_create_in(domain, name, &PortOptions::new())?
    })
}

/// Receives messages or streams, as many as asked for.
pub fn run(domain: &Domain, args: &Recv, stdio: &Stdio) -> Result<(), Failure> {
    let port = open(domain, &args.name, args.no_create)?;
    // Looking at the figures also gives back what receivers that died had in hand, so that it comes
    // first.
    port.stat()?;
    let receiver = Receiver { domain, port: &port, args, stdio };
    let mut left = if args.follow { u64::MAX } else { args.count };
    while left > 0 {
        let done = if args.raw { receiver.stream() } else { receiver.message() };
        match done {
            Err(Failure::NotInTime(_)) if args.follow => break,
            other => other?,
        }
        left -= 1;
    }
    Ok(())
}

struct Receiver<'a> {
    domain: &'a Domain,
    port: &'a Port,
    args: &'a Recv,
    stdio: &'a Stdio,
}

impl Receiver<'_> {
    /// One message, written and then acknowledged. A receipt that is dropped before that gives the
    /// message back.
    fn message(&self) -> Result<(), Failure> {
        let receipt = self.take(|| Ok(()))?;
        if crate::stream::RESERVED.contains(&receipt.header().kind) && !self.args.json {
            return Err(Failure::error(format!(
                "the next message of {} is part of a stream of bytes; receive it with --raw",
                self.port.label()
            )));
        }
        if self.args.json {
            self.stdio.write(json::message(receipt.header(), receipt.to_vec()).as_bytes())?;
        } else {
            self.write_body(&receipt, if self.args.null { b"\0" } else { b"\n" })?;
        }
        Ok(receipt.ack()?)
    }

    /// One stream, or one message that stands for itself.
    fn stream(&self) -> Result<(), Failure> {
        let mut incoming = Incoming::default();
        let mut skipped = 0u64;
        loop {
            let receipt = match incoming.sender() {
                None => self.take(|| Ok(()))?,
                Some(sender) => self.next_of(sender, &incoming)?,
            };
            match incoming.judge(receipt.header(), || receipt.to_vec()) {
                Step::Piece => {
                    self.write_body(&receipt, b"")?;
                    incoming.accept(receipt.header());
                    receipt.ack()?;
                }
                Step::Single => {
                    self.write_body(&receipt, b"")?;
                    receipt.ack()?;
                    break;
                }
                Step::End => {
                    receipt.ack()?;
                    break;
                }
                Step::Cut | Step::Remains if self.args.skip && incoming.sender().is_none() => {
                    skipped += 1;
                    receipt.ack()?;
                }
                Step::Cut => {
                    let why = String::from_utf8_lossy(&receipt.to_vec()).into_owned();
                    receipt.ack()?;
                    return Err(self.cut_off(&incoming, &why));
                }
                Step::Remains => {
                    return Err(Failure::error(format!(
                        "{} holds the remains of an interrupted stream, whose beginning was \
                         received before; throw them away with --skip",
                        self.port.label()
                    )));
                }
                Step::Broken(what) => {
                    let sender = incoming.sender();
                    drop(receipt);
                    return Err(self.broken(&incoming, sender, &what));
                }
            }
        }
        if skipped > 0 {
            crate::say(&format!("{skipped} messages of an interrupted stream were thrown away"));
        }
        Ok(())
    }

    /// The next message while a stream of `sender` is under way. A sender that has died sends no
    /// end mark, so its life is looked at whenever nothing comes; what it sent before it died is
    /// received first.
    fn next_of(&self, sender: TaskId, incoming: &Incoming) -> Result<Receipt, Failure> {
        let mut dead = false;
        let next = self.take(|| {
            dead = !self.is_alive(sender)?;
            if dead { Err(Failure::AlreadySaid) } else { Ok(()) }
        });
        match next {
            Err(Failure::AlreadySaid) if dead => match self.port.try_take() {
                Ok(receipt) => Ok(receipt),
                Err(e) if e.kind() == mailboat::ErrorKind::Empty => {
                    Err(self.cut_off(incoming, "its sender died"))
                }
                Err(e) => Err(e.into()),
            },
            other => other,
        }
    }

    fn take(&self, mut look: impl FnMut() -> Result<(), Failure>) -> Result<Receipt, Failure> {
        let look = || {
            self.stdio.check_output()?;
            look()
        };
        self.stdio.wait(self.port, self.args.timeout, look, |wait| self.port.take_wait(wait))
    }

    fn is_alive(&self, task: TaskId) -> Result<bool, Failure> {
        Ok(self.domain.tasks()?.iter().any(|t| t.id == task && t.alive))
    }

    fn write_body(&self, receipt: &Receipt, end: &[u8]) -> Result<(), Failure> {
        let length = receipt.len();
        let mut part = vec![0; (length + end.len()).min(PART)];
        let mut offset = 0;
        loop {
            let size = (length - offset).min(part.len());
            receipt.copy_to(offset as u64, &mut part[..size])?;
            offset += size;
            if offset == length && size + end.len() <= part.len() {
                // The end goes with the last part: a short message is one write.
                part[size..size + end.len()].copy_from_slice(end);
                return self.stdio.write(&part[..size + end.len()]);
            }
            self.stdio.write(&part[..size])?;
        }
    }

    fn cut_off(&self, incoming: &Incoming, why: &str) -> Failure {
        Failure::error(format!(
            "the stream on {} was cut off after {} bytes: {why}",
            self.port.label(),
            incoming.progress.bytes
        ))
    }

    fn broken(&self, incoming: &Incoming, sender: Option<TaskId>, what: &Break) -> Failure {
        let gone = |task: &TaskId| !self.is_alive(*task).unwrap_or(true);
        match what {
            Break::Restarted => self.cut_off(incoming, "its sender began another one"),
            Break::Other(_) if sender.as_ref().is_some_and(gone) => {
                self.cut_off(incoming, "its sender died")
            }
            Break::Other(other) => self.cut_off(
                incoming,
                &format!(
                    "a message of task {other} stands in the middle of it; one stream at a time \
                     can be sent to a port"
                ),
            ),
            Break::Gap => self.cut_off(
                incoming,
                "pieces are missing; one receiver at a time can receive a stream",
            ),
        }
    }
}
