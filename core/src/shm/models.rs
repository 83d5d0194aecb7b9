//! The algorithms under the model checker: every interleaving, within the bounds stated at each
//! model, of threads that stand for processes, and death before any single access.

use super::layout::{Geometry, at, chunk};
use super::region::Region;
use super::ring::{Claimed, Position, Published};
use super::slab::{Allocation, Chunk, state};
use super::users::{Task, User};
use super::{Engine, found};
use crate::sync::{Acquire, Relaxed, Release, Word, death};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

mod recovery;
mod ring;
mod roster;
mod slab;
mod wait;

/// A queue of messages of the small class, with `capacity + spare` chunks.
fn queue(capacity: u32, spare: u32) -> Arc<Engine> {
    queue_of(Geometry::with_spare(capacity, 3, 192, 0, 0, spare).unwrap())
}

fn queue_of(geo: Geometry) -> Arc<Engine> {
    let region = Region::queue(&geo);
    found(&region, &geo);
    Arc::new(Engine::new(region, geo))
}

fn user(engine: &Engine, task: u32) -> User {
    engine.add_user(Task::new(task, 1)).expect("a free place")
}

/// What was reported, by threads that may die right afterwards. Not a lock of the model: an entry is
/// made between two accesses.
#[derive(Default)]
struct Ledger(Mutex<Records>);

#[derive(Default)]
struct Records {
    sent: Vec<u64>,
    /// Message and redeliveries, as each receiver saw them.
    taken: Vec<(u64, u32)>,
    acknowledged: Vec<u64>,
}

/// A message in hand.
struct Taken {
    chunk: Chunk,
    id: u64,
    position: Position,
}

/// One participant: a process with the queue attached.
#[derive(Clone)]
struct Party {
    engine: Arc<Engine>,
    ledger: Arc<Ledger>,
    me: User,
    /// As a handle has it.
    cursor: Arc<Word>,
}

impl Party {
    fn new(engine: &Engine, ledger: &Arc<Ledger>, task: u32) -> Self {
        // The same memory; what a handle keeps to itself is its own.
        let engine = Arc::new(Engine::new(engine.region.clone(), engine.geo.clone()));
        let me = user(&engine, task);
        Party { engine, ledger: ledger.clone(), me, cursor: Arc::new(Word::new(0)) }
    }

    fn allocate(&self, class: usize) -> Option<Chunk> {
        match self.engine.allocate(self.me, class, &self.cursor).unwrap() {
            Allocation::Chunk(chunk) => Some(chunk),
            _ => None,
        }
    }

    fn write(&self, chunk: &Chunk, id: u64) {
        self.engine.field(chunk, chunk::LENGTH).store(8, Relaxed);
        // Stands for the body: it must travel with the message as the body does.
        self.engine.field(chunk, chunk::ID).store(id, Relaxed);
    }

    fn publish(&self, chunk: &Chunk, id: u64) -> bool {
        match self.engine.publish(chunk).unwrap() {
            Published::Done => {
                self.ledger.0.lock().unwrap().sent.push(id);
                true
            }
            Published::Full => {
                assert!(self.engine.free(chunk), "nobody but its owner frees a chunk");
                false
            }
        }
    }

    fn send(&self, id: u64) -> bool {
        let Some(chunk) = self.allocate(0) else { return false };
        self.write(&chunk, id);
        self.publish(&chunk, id)
    }

    /// Sends, and claims a chunk for another message that never comes.
    fn send_and_look_ahead(&self, id: u64) -> bool {
        let sent = self.send(id);
        self.engine.claim_ahead(self.me, &self.cursor);
        sent
    }

    fn take(&self) -> Option<Taken> {
        let chunk = match self.engine.claim(self.me, u64::MAX).unwrap() {
            Claimed::Chunk(chunk, length) => {
                assert_eq!(length, 8);
                chunk
            }
            Claimed::Empty => return None,
            Claimed::TooLong(_) => unreachable!("there is room for all"),
        };
        let get = |field| self.engine.field(&chunk, field).load(Relaxed);
        let (id, position) = (get(chunk::ID), Position(get(chunk::TARGET)));
        self.ledger.0.lock().unwrap().taken.push((id, chunk.head.redeliveries()));
        Some(Taken { chunk, id, position })
    }

    fn acknowledge(&self, taken: &Taken) {
        assert!(self.engine.free(&taken.chunk), "a living receiver keeps what it has in hand");
        self.ledger.0.lock().unwrap().acknowledged.push(taken.id);
    }

    fn nack(&self, taken: &Taken) {
        assert!(self.engine.give_back_message(&taken.chunk));
    }

    /// Takes and acknowledges one message, if there is one.
    fn receive(&self) -> Option<Taken> {
        let taken = self.take()?;
        self.acknowledge(&taken);
        Some(taken)
    }
}

/// Receives what is left, and compares the books: every message that was reported sent was
/// acknowledged once, and was handed out once without the flag; one whose sender died meanwhile may
/// have been sent or not; nothing else was received; all memory is free.
fn audit(last: &Party, unreported: &[u64]) {
    while last.receive().is_some() {}
    let records = last.ledger.0.lock().unwrap();
    let count = |list: &[u64], id| list.iter().filter(|&&x| x == id).count();
    for &(id, _) in &records.taken {
        assert!(
            records.sent.contains(&id) || unreported.contains(&id),
            "{id} was received and never sent"
        );
    }
    let mut ids: Vec<u64> = records.sent.iter().chain(unreported).copied().collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let acknowledged = count(&records.acknowledged, id);
        let unflagged = records.taken.iter().filter(|&&t| t == (id, 0)).count();
        if records.sent.contains(&id) {
            assert!(acknowledged > 0, "{id} was lost");
        }
        assert!(acknowledged <= 1, "{id} was acknowledged {acknowledged} times");
        assert!(unflagged <= 1, "{id} was delivered {unflagged} times without a flag");
    }
    let engine = &last.engine;
    engine
        .each_chunk(|_, index, head| {
            assert_eq!((head.state(), head.owner()), (state::FREE, 0), "chunk {index} leaked");
        })
        .unwrap();
    assert!(!engine.has_message(), "the queue is drained");
    assert_eq!(engine.queued().unwrap(), 0);
}

/// How far the checker looks into a model.
///
/// Loom leaves out interleavings that it takes to be the same as others. It is sometimes wrong about
/// that: of several threads that only read a word before one writes it, it remembers the last. So
/// each model is run twice: `dense`, with a switch possible at every access whatever loom thinks, and
/// `wide`, with loom's choice of switches and more of them. Both numbers bound how often a thread is
/// stopped that could go on; `None` is no bound. And each model names outcomes that must have been
/// seen, as proof that the checker did look into it.
struct Depth {
    dense: usize,
    wide: Option<usize>,
}

/// Runs a model; what it returns is its outcome, and all of `outcomes` must be among them.
fn check<T: Debug>(depth: Depth, outcomes: &[&str], model: impl Fn() -> T + Sync + Send + 'static) {
    let seen = Seen::default();
    explore(&depth, &seen, Arc::new(model));
    seen.expect(outcomes);
}

/// Runs a model once for each access before which somebody may die, and once without a death. The
/// model is given the number of the access, and tells whether somebody died, with its outcome.
fn check_deaths<T: Debug + 'static>(
    depth: Depth,
    outcomes: &[&str],
    model: impl Fn(u32) -> (bool, T) + Sync + Send + 'static,
) {
    let model = Arc::new(model);
    let seen = Seen::default();
    for steps in 0.. {
        let died = Arc::new(Mutex::new(false));
        let (model, note) = (model.clone(), died.clone());
        let once = move || {
            let (died, outcome) = model(steps);
            *note.lock().unwrap() |= died;
            outcome
        };
        explore(&depth, &seen, Arc::new(once));
        if !*died.lock().unwrap() {
            assert!(steps > 3, "there are at least so many accesses in any life");
            return seen.expect(outcomes);
        }
    }
}

/// What executions of a model came to.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, u64>>>);

impl Seen {
    fn note(&self, outcome: impl Debug) {
        *self.0.lock().unwrap().entry(format!("{outcome:?}")).or_default() += 1;
    }

    fn expect(&self, outcomes: &[&str]) {
        let seen = self.0.lock().unwrap();
        println!("{} executions, outcomes: {seen:#?}", seen.values().sum::<u64>());
        for outcome in outcomes {
            assert!(seen.contains_key(*outcome), "the model never came to {outcome}: {seen:#?}");
        }
    }
}

fn explore<T: Debug>(
    depth: &Depth,
    seen: &Seen,
    model: Arc<impl Fn() -> T + Sync + Send + 'static>,
) {
    // A soak run looks further.
    let further = std::env::var("MAILBOAT_MODELS_FURTHER").map_or(0, |n| n.parse().unwrap());
    for (dense, bound) in [(true, Some(depth.dense)), (false, depth.wide)] {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = bound.map(|n| n + further);
        builder.max_branches = 10_000;
        let (seen, model) = (seen.clone(), model.clone());
        death::switch_everywhere(dense);
        builder.check(move || seen.note(model()));
        death::switch_everywhere(false);
    }
}
