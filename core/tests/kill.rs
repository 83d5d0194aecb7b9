//! Senders and receivers killed at random moments, again and again, and an audit of every message.
//!
//! Each process has two threads that share its handle. `MAILBOAT_KILL_ROUNDS` says how many kills,
//! `MAILBOAT_KILL_SEED` which dice; both are told when something is wrong.

mod common;

use common::{Child, Place, until};
use mailboat::{Error, ErrorKind, Loan, Outgoing, Port, PortOptions, Receipt, Wait};
use std::collections::HashMap;
use std::time::Duration;

const SENDERS: usize = 3;
const RECEIVERS: usize = 3;
const THREADS: usize = 2;
const LANES: usize = (SENDERS + RECEIVERS) * THREADS;
/// Largest body, in bytes: beyond the small class, beyond the budgeted ones, given back when free.
const LARGEST: usize = 70_000;
/// What a receiver may note.
const NOTES: usize = 1 << 21;

/// Memory that outlives its writers: what they noted is there however they ended.
struct Board(*mut u64);

// SAFETY: words that are read and written one by one, each by one thread at a time, or by one while
// others only look how far it is.
unsafe impl Sync for Board {}
// SAFETY: as above.
unsafe impl Send for Board {}

/// Words of each lane, of which `NOTES` notes follow.
const HEADER: usize = 8;
const LANE: usize = HEADER + 4 * NOTES;
/// Senders: number of the last message that was about to be sent, and of the last reported sent.
const INTENDED: usize = 0;
const REPORTED: usize = 1;
/// Receivers: how many notes.
const NOTED: usize = 0;
/// Receivers: 1 while a message may be acknowledged before it can be noted.
const INSIDE: usize = 1;
/// Operations so far, by which the auditor chooses a moment.
const STEPS: usize = 2;

impl Board {
    fn new() -> Self {
        let length = (1 + LANES * LANE) * 8;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
        assert_ne!(base, libc::MAP_FAILED);
        Board(base.cast())
    }

    fn at(&self, lane: usize, word: usize) -> *mut u64 {
        assert!(lane < LANES && word < LANE);
        self.0.wrapping_add(1 + lane * LANE + word)
    }

    fn get(&self, lane: usize, word: usize) -> u64 {
        // SAFETY: inside the mapping, as just checked, and aligned.
        unsafe { self.at(lane, word).read_volatile() }
    }

    fn set(&self, lane: usize, word: usize, value: u64) {
        // SAFETY: as above.
        unsafe { self.at(lane, word).write_volatile(value) }
    }

    fn step(&self, lane: usize) {
        self.set(lane, STEPS, self.get(lane, STEPS) + 1);
    }

    fn is_over(&self) -> bool {
        // SAFETY: the first word of the mapping.
        unsafe { self.0.read_volatile() == 1 }
    }

    fn end(&self) {
        // SAFETY: the first word of the mapping.
        unsafe { self.0.write_volatile(1) }
    }

    fn note(&self, lane: usize, note: Note) {
        let count = self.get(lane, NOTED) as usize;
        assert!(count < NOTES, "the board is full");
        let words = [
            note.message.0 << 48 | note.message.1,
            note.id,
            note.redeliveries as u64,
            note.what as u64,
        ];
        for (i, word) in words.into_iter().enumerate() {
            self.set(lane, HEADER + 4 * count + i, word);
        }
        self.set(lane, NOTED, count as u64 + 1);
    }

    fn notes(&self, lane: usize) -> Vec<Note> {
        (0..self.get(lane, NOTED) as usize)
            .map(|i| {
                let word = |k| self.get(lane, HEADER + 4 * i + k);
                Note {
                    message: (word(0) >> 48, word(0) & ((1 << 48) - 1)),
                    id: word(1),
                    redeliveries: word(2) as u32,
                    what: match word(3) {
                        0 => What::Copied,
                        1 => What::InHand,
                        2 => What::Acknowledged,
                        _ => What::Began,
                    },
                }
            })
            .collect()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, which nobody uses any more.
        unsafe { libc::munmap(self.0.cast(), (1 + LANES * LANE) * 8) };
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum What {
    /// Received by copying.
    Copied,
    /// Taken.
    InHand,
    /// Acknowledged: reported as such.
    Acknowledged,
    /// Not a message: a new process begins here.
    Began,
}

/// A lane and its running number.
type Name = (u64, u64);

#[derive(Clone, Copy, Debug)]
struct Note {
    message: Name,
    id: u64,
    redeliveries: u32,
    what: What,
}

/// Pseudo-random numbers (splitmix).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.next() % sides
    }
}

/// The body of a message, which follows from its name: the name, filling, and a checksum.
fn body(name: Name) -> Vec<u8> {
    let mut dice = Dice(name.0 << 48 ^ name.1);
    let length = match dice.roll(20) {
        0 => dice.roll(LARGEST as u64 - 24) as usize,
        1..4 => dice.roll(4000) as usize,
        _ => dice.roll(160) as usize,
    };
    let mut body = [name.0.to_le_bytes(), name.1.to_le_bytes()].concat();
    let filling = dice.next() as u8;
    body.extend((0..length).map(|i| filling.wrapping_add(i as u8)));
    body.extend(checksum(&body).to_le_bytes());
    body
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, &b| (h ^ b as u64).wrapping_mul(0x100_0000_01b3))
}

/// The name of a message, which must be whole.
fn read(bytes: &[u8]) -> Name {
    assert!(bytes.len() >= 24, "a message of {} bytes", bytes.len());
    let word = |i: usize| u64::from_le_bytes(bytes[i..i + 8].try_into().unwrap());
    let end = bytes.len() - 8;
    assert_eq!(checksum(&bytes[..end]), word(end), "a damaged message");
    (word(0), word(8))
}

fn fill(mut loan: Loan, bytes: &[u8]) -> Loan {
    loan.write(0, bytes).unwrap();
    loan
}

/// A refusal that is all right while others are slow: everything else is a failure.
fn later<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(e) => {
            let later = matches!(e.kind(), ErrorKind::Full | ErrorKind::Empty | ErrorKind::Timeout);
            assert!(later, "{e}");
            None
        }
    }
}

const A_WHILE: Duration = Duration::from_millis(50);

/// Sends until it is over. A message that was refused for the time being is tried again.
fn send_all(board: &Board, port: &Port, lane: usize, mut dice: Dice) {
    // What was intended and not reported is in doubt; nobody sends it again.
    let mut next = board.get(lane, INTENDED) + 1;
    while !board.is_over() {
        board.step(lane);
        let name = (lane as u64, next);
        let bytes = body(name);
        let mut count = 1;
        match dice.roll(8) {
            0 => {
                // Made ready and not sent: nobody may see it.
                let loan = later(port.loan_wait(bytes.len() as u64, Wait::from(A_WHILE)));
                drop(loan.map(|loan| fill(loan, b"not sent")));
                continue;
            }
            1..3 => {
                board.set(lane, INTENDED, next);
                let loan = later(port.loan_wait(bytes.len() as u64, Wait::from(A_WHILE)));
                let Some(loan) = loan.map(|loan| fill(loan, &bytes)) else {
                    board.set(lane, INTENDED, next - 1);
                    continue;
                };
                let sent = loan.send_with(bytes.len() as u64, 7, Wait::from(A_WHILE));
                if later(sent.map_err(Error::from)).is_none() {
                    board.set(lane, INTENDED, next - 1);
                    continue;
                }
            }
            3 => {
                let bodies: Vec<Vec<u8>> = (0..3).map(|i| body((name.0, next + i))).collect();
                let batch: Vec<Outgoing> =
                    bodies.iter().map(|body| Outgoing::new(body).kind(7)).collect();
                board.set(lane, INTENDED, next + 2);
                count = later(port.send_many(&batch, Wait::from(A_WHILE))).unwrap_or(0) as u64;
                board.set(lane, INTENDED, next + count - 1);
            }
            _ => {
                board.set(lane, INTENDED, next);
                let message = Outgoing::new(&bytes).kind(7);
                if later(port.send_message(message, Wait::from(A_WHILE))).is_none() {
                    board.set(lane, INTENDED, next - 1);
                    continue;
                }
            }
        }
        next += count;
        board.set(lane, REPORTED, next - 1);
    }
}

fn note_of(receipt: &Receipt) -> Note {
    let header = receipt.header();
    assert_eq!(header.kind, 7);
    Note {
        message: read(&receipt.to_vec()),
        id: header.id,
        redeliveries: header.redeliveries,
        what: What::InHand,
    }
}

/// Receives until it is over.
fn receive_all(board: &Board, port: &Port, lane: usize, mut dice: Dice) {
    while !board.is_over() {
        board.step(lane);
        match dice.roll(4) {
            0 => {
                board.set(lane, INSIDE, 1);
                if let Some(message) = later(port.receive_wait(Wait::from(A_WHILE))) {
                    let note = Note {
                        message: read(&message.body),
                        id: message.header.id,
                        redeliveries: message.header.redeliveries,
                        what: What::Copied,
                    };
                    board.note(lane, note);
                }
                board.set(lane, INSIDE, 0);
            }
            1 => {
                let receipts = later(port.take_many(3, Wait::from(A_WHILE))).unwrap_or_default();
                for receipt in receipts {
                    acknowledge(board, lane, receipt);
                }
            }
            2 => {
                let receipt = later(port.take_wait(Wait::from(A_WHILE)));
                if let Some(receipt) = receipt {
                    if dice.roll(4) == 0 {
                        board.note(lane, note_of(&receipt));
                        if dice.roll(2) == 0 { receipt.nack().unwrap() } else { drop(receipt) }
                    } else {
                        acknowledge(board, lane, receipt);
                    }
                }
            }
            _ => {
                if let Some(receipt) = later(port.try_take()) {
                    acknowledge(board, lane, receipt);
                }
            }
        }
    }
}

/// Notes a message before it is acknowledged, and that it was.
fn acknowledge(board: &Board, lane: usize, receipt: Receipt) {
    let note = note_of(&receipt);
    board.note(lane, note);
    receipt.ack().unwrap();
    board.note(lane, Note { what: What::Acknowledged, ..note });
}

/// A process of one role: two threads with one handle.
fn worker(board: &Board, place: &Place, who: usize, seed: u64) -> Child {
    let lanes = who * THREADS..(who + 1) * THREADS;
    for lane in lanes.clone().filter(|_| who >= SENDERS) {
        board.note(lane, Note { message: (0, 0), id: 0, redeliveries: 0, what: What::Began });
    }
    Child::run(|| {
        let domain = place.open();
        let port = Port::open_in(&domain, "p").unwrap();
        std::thread::scope(|s| {
            for lane in lanes {
                let port = &port;
                let dice = Dice(seed ^ lane as u64);
                s.spawn(move || {
                    let work = if who < SENDERS { send_all } else { receive_all };
                    work(board, port, lane, dice);
                });
            }
        });
    })
}

/// Whether a child has not ended yet. It is not waited for.
fn is_alive(child: &Child) -> bool {
    // SAFETY: all zero is a valid siginfo, which the kernel fills in.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` is a valid place.
    let result = unsafe { libc::waitid(libc::P_PID, child.pid() as u32, &mut info, how) };
    assert_eq!(result, 0);
    info.si_signo == 0
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |value| value.parse().unwrap())
}

#[test]
fn nothing_is_lost_doubled_or_stuck_under_kills() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = setting("MAILBOAT_KILL_SEED", now.as_nanos() as u64);
    let rounds = setting("MAILBOAT_KILL_ROUNDS", 300);
    println!("MAILBOAT_KILL_SEED={seed} MAILBOAT_KILL_ROUNDS={rounds}");
    // Different queues: hardly room for anything, and room for much. An audit every so often.
    let mut left = rounds;
    for (storms, capacity) in [2, 200].into_iter().cycle().enumerate() {
        if left == 0 {
            break;
        }
        let now = left.min(150);
        storm(capacity, now, seed.wrapping_add(storms as u64));
        left -= now;
    }
}

fn storm(capacity: u32, rounds: u64, seed: u64) {
    let place = Place::new(&format!("kill-{capacity}"));
    let options = PortOptions::new()
        .capacity(capacity)
        .max_message(LARGEST as u64 + 100)
        .byte_budget(1 << 20);
    let mut dice = Dice(seed);
    let board = Board::new();
    // The auditor has nothing open while others are born, as little is shared with them as can be.
    drop(Port::create_in(&place.open(), "p", &options).unwrap());
    let mut workers: Vec<Child> =
        (0..SENDERS + RECEIVERS).map(|who| worker(&board, &place, who, dice.next())).collect();
    let steps = |who: usize| {
        (who * THREADS..(who + 1) * THREADS).map(|lane| board.get(lane, STEPS)).sum::<u64>()
    };
    // Messages that may have been sent or not, because their sender died inside.
    let mut doubtful: Vec<Name> = Vec::new();
    // How many messages may have been acknowledged by receivers that died before they had them.
    let mut swallowed = 0;
    for round in 0..rounds {
        let who = dice.roll(workers.len() as u64) as usize;
        // Some operations later, and then anywhere in one.
        let moment = steps(who) + dice.roll(150);
        until("a worker goes on", || {
            assert!(is_alive(&workers[who]), "round {round}: a worker ended by itself");
            (steps(who) >= moment).then_some(())
        });
        for _ in 0..dice.roll(3000) {
            std::hint::spin_loop();
        }
        let seed = dice.next();
        workers.remove(who).kill();
        for lane in who * THREADS..(who + 1) * THREADS {
            if who < SENDERS {
                let unsure = board.get(lane, REPORTED) + 1..=board.get(lane, INTENDED);
                doubtful.extend(unsure.map(|number| (lane as u64, number)));
            } else {
                swallowed += board.get(lane, INSIDE);
                board.set(lane, INSIDE, 0);
            }
        }
        workers.insert(who, worker(&board, &place, who, seed));
    }
    // All alive go on to the end.
    let before: Vec<u64> = (0..workers.len()).map(steps).collect();
    for (who, worker) in workers.iter().enumerate() {
        until("everybody goes on", || {
            assert!(is_alive(worker), "a worker ended by itself");
            (steps(who) > before[who] + 20).then_some(())
        });
    }
    board.end();
    workers.into_iter().for_each(Child::succeed);
    let domain = place.open();
    let port = Port::open_in(&domain, "p").unwrap();
    let mut rest = Vec::new();
    while let Some(receipt) = later(port.try_take()) {
        rest.push(note_of(&receipt));
        receipt.ack().unwrap();
    }
    let sent: Vec<u64> = (0..SENDERS * THREADS).map(|lane| board.get(lane, REPORTED)).collect();
    let mut logs: Vec<Vec<Note>> =
        (SENDERS * THREADS..LANES).map(|lane| board.notes(lane)).collect();
    logs.push(rest);
    let audit = Audit { sent, doubtful, swallowed };
    audit.check(&logs);
    let stat = port.stat().unwrap().queue;
    assert_eq!((stat.queued, stat.given_back, stat.in_hand, stat.loaned), (0, 0, 0, 0), "{stat:?}");
    assert_eq!(stat.users, 1);
    // Every buffer is to be had again.
    for (size, count) in [(1, capacity as usize + 64), (1000, capacity as usize + 64)] {
        let loans: Vec<Loan> = (0..count).map(|_| port.try_loan(size).unwrap()).collect();
        assert_eq!(port.try_loan(size).unwrap_err().kind(), ErrorKind::Full);
        drop(loans);
    }
    // Who was killed before it had opened the port is not among them.
    let deaths = stat.deaths;
    assert!(deaths <= rounds && deaths > rounds / 2, "{deaths}");
    println!("capacity {capacity}: {rounds} kills, {deaths} users cleared up");
}

struct Audit {
    /// Of each sending lane, how many were reported sent; all of them, but for those in doubt.
    sent: Vec<u64>,
    doubtful: Vec<Name>,
    swallowed: u64,
}

impl Audit {
    fn check(&self, logs: &[Vec<Note>]) {
        let mut deliveries: HashMap<Name, Vec<Note>> = HashMap::new();
        for log in logs {
            self.check_order(log);
            for note in log.iter().filter(|note| note.what != What::Began) {
                deliveries.entry(note.message).or_default().push(*note);
            }
        }
        let mut missing = Vec::new();
        for (lane, &last) in self.sent.iter().enumerate() {
            for number in 1..=last {
                let name = (lane as u64, number);
                if !deliveries.contains_key(&name) && !self.doubtful.contains(&name) {
                    missing.push(name);
                }
            }
        }
        assert!(missing.len() as u64 <= self.swallowed, "lost: {missing:?}");
        let mut ids = HashMap::new();
        let mut redelivered = 0;
        for (name, notes) in &deliveries {
            let known = name.1 <= self.sent[name.0 as usize] || self.doubtful.contains(name);
            assert!(known, "{name:?} was never sent: {notes:?}");
            let count = |what| notes.iter().filter(|note| note.what == what).count();
            let ended = count(What::Copied) + count(What::Acknowledged);
            assert!(ended <= 1, "{name:?} was acknowledged {ended} times: {notes:?}");
            // Each time it was handed out its count was another.
            let mut counts: Vec<u32> = notes
                .iter()
                .filter(|note| note.what != What::Acknowledged)
                .map(|note| note.redeliveries)
                .collect();
            counts.sort_unstable();
            assert!(counts.windows(2).all(|two| two[0] < two[1]), "{name:?} twice: {notes:?}");
            redelivered += counts.iter().filter(|&&count| count > 0).count();
            assert!(notes.iter().all(|note| note.id == notes[0].id), "{name:?}: {notes:?}");
            assert_eq!(ids.insert(notes[0].id, *name), None, "one id for two messages");
        }
        println!(
            "{} messages, {} in doubt, {redelivered} redeliveries, {} of at most {} swallowed",
            deliveries.len(),
            self.doubtful.len(),
            missing.len(),
            self.swallowed
        );
        assert!(redelivered > 0, "nothing was ever given back");
    }

    /// To one receiver the messages of one sender come in order, but for those handed out again.
    fn check_order(&self, log: &[Note]) {
        let mut last: HashMap<u64, u64> = HashMap::new();
        for note in log {
            match note.what {
                What::Began => last.clear(),
                What::Copied | What::InHand if note.redeliveries == 0 => {
                    let before = last.insert(note.message.0, note.message.1);
                    assert!(before < Some(note.message.1), "{note:?} after {before:?}");
                }
                _ => {}
            }
        }
    }
}
