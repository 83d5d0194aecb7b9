//! Endless sending and receiving, until the process is killed or told to stop.
//! What is sent and what is logged is described in `tests/drivers/README.md`.

use crate::dice::Dice;
use crate::table::{Handle, table};
use crate::wire::{Answer, Failure, Outcome, Request};
use mailboat::{Error, ErrorKind, Header, Outgoing, Receipt, Wait};
use std::fs::File;
use std::io::Write;
use std::time::Duration;

const HEAD: usize = 24;
/// States of a delivery, in the log; one more than received is given back.
const DAMAGED: u32 = 0;
const RECEIVED: u32 = 1;

pub fn perform(request: &Request) -> Option<Outcome> {
    Some(match request.verb.as_str() {
        "storm_send" => Sending::new(request).and_then(Sending::run),
        "storm_receive" => Receiving::new(request).and_then(Receiving::run),
        _ => return None,
    })
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ byte as u32, |c, _| (c >> 1) ^ (0xedb8_8320 & (c & 1).wrapping_neg()))
    })
}

/// Sender, sequence number, length, checksum of all but itself, filling.
fn message(sender: u64, seq: u64, length: usize) -> Vec<u8> {
    let mut body: Vec<u8> = (0..length).map(|i| (seq + 7 * i as u64) as u8).collect();
    body[..8].copy_from_slice(&sender.to_le_bytes());
    body[8..16].copy_from_slice(&seq.to_le_bytes());
    body[16..20].copy_from_slice(&(length as u32).to_le_bytes());
    body[20..24].fill(0);
    let crc = crc32(&body);
    body[20..24].copy_from_slice(&crc.to_le_bytes());
    body
}

/// The numbers in a message, if it is as it was sent.
fn check(mut body: Vec<u8>) -> Option<(u64, u64)> {
    let crc = u32::from_le_bytes(body.get(20..24)?.try_into().ok()?);
    body[20..24].fill(0);
    let number = |at: usize| Some(u64::from_le_bytes(body[at..at + 8].try_into().ok()?));
    let length = u32::from_le_bytes(body[16..20].try_into().ok()?) as usize;
    (length == body.len() && crc32(&body) == crc).then_some((number(0)?, number(8)?))
}

fn open_log(request: &Request) -> Result<File, Failure> {
    Ok(File::options().append(true).create(true).open(request.word("log")?)?)
}

fn stopped() -> bool {
    table().stop
}

/// Whether it is worth another try.
fn passes(error: &Error) -> bool {
    use ErrorKind::{Empty, Full, NoSpace, Timeout};
    matches!(error.kind(), Empty | Full | NoSpace | Timeout)
}

struct Sending {
    handle: Handle,
    log: File,
    sender: u64,
    /// How many to send; 0 is no limit.
    count: u64,
    max_size: u64,
    dice: Dice,
    wait: Wait,
}

impl Sending {
    fn new(request: &Request) -> Result<Self, Failure> {
        Ok(Sending {
            handle: table().handle(request.word("handle")?)?,
            log: open_log(request)?,
            sender: request.need("sender")?,
            count: request.number("count")?.unwrap_or(0),
            max_size: request.number("max_size")?.unwrap_or(64 << 10),
            dice: Dice(request.need("seed")?),
            wait: Duration::from_millis(20).into(),
        })
    }

    fn length(&mut self) -> usize {
        let most = match self.dice.below(20) {
            0 => self.max_size,
            1..6 => 2000,
            _ => 100,
        };
        HEAD + self.dice.below(most.saturating_sub(HEAD as u64) + 1) as usize
    }

    fn run(mut self) -> Outcome {
        let mut seq = 0;
        while (self.count == 0 || seq < self.count) && !stopped() {
            let left = if self.count == 0 { u64::MAX } else { self.count - seq };
            let n = if self.dice.below(4) == 0 { 1 + self.dice.below(8.min(left)) } else { 1 };
            let bodies: Vec<Vec<u8>> =
                (0..n).map(|i| message(self.sender, seq + i, self.length())).collect();
            match self.send(&bodies) {
                Ok(sent) => {
                    let records: Vec<u8> = (seq..seq + sent)
                        .flat_map(|s| [self.sender.to_le_bytes(), s.to_le_bytes()].concat())
                        .collect();
                    self.log.write_all(&records)?;
                    seq += sent;
                }
                Err(e) if passes(&e) => {}
                Err(e) if e.kind() == ErrorKind::Closed => break,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(Answer::new().with("sent", seq))
    }

    /// Sends the first so many of the messages, in one way or another.
    fn send(&mut self, bodies: &[Vec<u8>]) -> mailboat::Result<u64> {
        if bodies.len() > 1 {
            let all: Vec<_> = bodies.iter().map(|body| Outgoing::new(body)).collect();
            return Ok(self.handle.send_many(&all, self.wait)? as u64);
        }
        let body = &bodies[0];
        match self.dice.below(4) {
            0 => {
                let mut loan = self.handle.loan_wait(body.len() as u64 + 1, self.wait)?;
                loan.write(0, body)?;
                if self.dice.below(4) == 0 {
                    loan.discard();
                    return Ok(0);
                }
                loan.send_with(body.len() as u64, 0, self.wait)?;
            }
            _ => {
                self.handle.send_message(Outgoing::new(body), self.wait)?;
            }
        }
        Ok(1)
    }
}

struct Receiving {
    handle: Handle,
    log: File,
    dice: Dice,
    wait: Wait,
    /// Whether messages are copied out, or taken and acknowledged.
    copying: bool,
    /// Taken, and to be acknowledged later.
    held: Vec<Receipt>,
    good: u64,
    bad: u64,
}

impl Receiving {
    fn new(request: &Request) -> Result<Self, Failure> {
        Ok(Receiving {
            handle: table().handle(request.word("handle")?)?,
            log: open_log(request)?,
            dice: Dice(request.need("seed")?),
            wait: Duration::from_millis(20).into(),
            copying: request.get("way")? == Some("copy"),
            held: Vec::new(),
            good: 0,
            bad: 0,
        })
    }

    fn run(mut self) -> Outcome {
        loop {
            let result = if self.copying { self.receive() } else { self.take() };
            match result {
                Ok(()) => {}
                Err(e) if passes(&e) => {
                    // What is held back may be all that there is left.
                    for receipt in std::mem::take(&mut self.held) {
                        self.acknowledge(receipt)?;
                    }
                    if stopped() {
                        break;
                    }
                }
                Err(e) if e.kind() == ErrorKind::Closed => break,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(Answer::new().with("received", self.good).with("bad", self.bad))
    }

    fn receive(&mut self) -> mailboat::Result<()> {
        let messages = if self.dice.below(4) == 0 {
            self.handle.receive_many(8, self.wait)?
        } else {
            vec![self.handle.receive_wait(self.wait)?]
        };
        for message in messages {
            self.record(message.body, &message.header, false);
        }
        Ok(())
    }

    fn take(&mut self) -> mailboat::Result<()> {
        let receipts = if self.dice.below(4) == 0 {
            self.handle.take_many(8, self.wait)?
        } else {
            vec![self.handle.take_wait(self.wait)?]
        };
        for receipt in receipts {
            match self.dice.below(20) {
                way @ 0..2 => {
                    self.note(&receipt, true);
                    if way == 0 {
                        receipt.nack()?;
                    } // Else it is dropped, which comes to the same.
                }
                2..5 if self.held.len() < 4 => self.held.push(receipt),
                _ => self.acknowledge(receipt)?,
            }
        }
        Ok(())
    }

    /// The record comes first: what is acknowledged is in the log, whenever the process is killed.
    fn acknowledge(&mut self, receipt: Receipt) -> mailboat::Result<()> {
        self.note(&receipt, false);
        receipt.ack()
    }

    fn note(&mut self, receipt: &Receipt, given_back: bool) {
        self.record(receipt.to_vec(), receipt.header(), given_back);
    }

    fn record(&mut self, body: Vec<u8>, header: &Header, given_back: bool) {
        let checked = check(body);
        let (sender, seq) = checked.unwrap_or_default();
        let state = if checked.is_none() { DAMAGED } else { RECEIVED + u32::from(given_back) };
        let record = [
            &sender.to_le_bytes()[..],
            &seq.to_le_bytes(),
            &header.id.to_le_bytes(),
            &header.redeliveries.to_le_bytes(),
            &state.to_le_bytes(),
        ]
        .concat();
        self.log.write_all(&record).expect("the log can be written");
        self.good += u64::from(state == RECEIVED);
        self.bad += u64::from(state == DAMAGED);
    }
}
