//! Sleeping and waking: a forgotten wake-up is a deadlock here, since nobody wakes by the clock.

use super::*;
use crate::shm::wait::{Event, Waited, block};
use crate::time::{Deadline, Wait};
use loom::thread;
use std::cell::Cell;

/// What a sender waits for.
#[derive(Clone, Copy, PartialEq)]
enum Lack {
    Slot,
    Chunk,
}

impl Party {
    fn wait<'a, T>(
        &'a self,
        event: impl Fn() -> Event<'a>,
        mut attempt: impl FnMut() -> Option<T>,
        more: impl Fn() -> bool,
    ) -> T {
        let forever = Deadline::after(Wait::FOREVER, 0);
        let attempt = || Ok::<_, ()>(attempt());
        match block(event, &forever, None, attempt, |_| Ok(()), more) {
            Ok(Waited::Done(done)) => done,
            _ => unreachable!("for ever is for ever"),
        }
    }

    fn acknowledge_aloud(&self, taken: &Taken) {
        self.acknowledge(taken);
        self.engine.writable().notify(1);
        self.engine.freed().notify(u32::MAX);
    }

    fn take_waiting(&self) -> Taken {
        self.wait(|| self.engine.readable(), || self.take(), || self.engine.has_message())
    }

    /// As a queue does: receives, waiting for a message.
    fn receive_waiting(&self) -> u64 {
        let taken = self.take_waiting();
        self.acknowledge_aloud(&taken);
        taken.id
    }

    /// As a queue does: takes, waiting for a message.
    fn take_aloud(&self) -> Taken {
        let taken = self.take_waiting();
        self.engine.writable().notify(1);
        taken
    }

    fn wait_for_room<T>(&self, mut attempt: impl FnMut(&Cell<Lack>) -> Option<T>) -> T {
        let lack = Cell::new(Lack::Slot);
        let event = || match lack.get() {
            Lack::Slot => self.engine.writable(),
            Lack::Chunk => self.engine.freed(),
        };
        self.wait(event, || attempt(&lack), || !self.engine.is_full().unwrap())
    }

    /// As a queue does: sends, waiting for room, and wakes a receiver.
    fn send_waiting(&self, id: u64) {
        let full = |lack: &Cell<Lack>| {
            let full = self.engine.is_full().unwrap();
            full.then(|| lack.set(Lack::Slot)).is_some()
        };
        let chunk = self.wait_for_room(|lack| {
            if full(lack) {
                return None;
            }
            let chunk = self.allocate(0);
            if chunk.is_none() && !full(lack) {
                lack.set(Lack::Chunk);
            }
            chunk
        });
        self.write(&chunk, id);
        self.wait_for_room(|lack| {
            lack.set(Lack::Slot);
            (self.engine.publish(&chunk).unwrap() == Published::Done).then_some(())
        });
        self.ledger.0.lock().unwrap().sent.push(id);
        self.engine.readable().notify(1);
    }
}

/// A receiver goes to sleep while a message comes.
#[test]
fn one_receiver_sleeps() {
    check(Depth { dense: 4, wide: None }, &["1"], || {
        let engine = queue(1, 0);
        let ledger = Arc::default();
        let [a, b] = [1, 2].map(|task| Party::new(&engine, &ledger, task));
        let receiver = thread::spawn(move || b.receive_waiting());
        a.send(1);
        a.engine.readable().notify(1);
        let received = receiver.join().unwrap();
        audit(&a, &[]);
        received
    });
}

/// Two receivers go to sleep while two messages come: the sender wakes each, or the first one
/// woken wakes the second.
#[test]
fn two_receivers_sleep() {
    check(Depth { dense: 2, wide: Some(3) }, &["[1, 2]", "[2, 1]"], || {
        let engine = queue(2, 0);
        let ledger = Arc::default();
        let [a, b, c] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
        let receivers = [b, c].map(|party| thread::spawn(move || party.receive_waiting()));
        for id in [1, 2] {
            assert!(a.send(id));
            a.engine.readable().notify(1);
        }
        let received = receivers.map(|r| r.join().unwrap());
        audit(&a, &[]);
        received
    });
}

/// A sender waits for room, and a receiver for its messages.
#[test]
fn a_sender_and_a_receiver_sleep_in_turn() {
    check(Depth { dense: 2, wide: Some(3) }, &["[1, 2]"], || {
        let engine = queue(1, 0);
        let ledger = Arc::default();
        let [a, b] = [1, 2].map(|task| Party::new(&engine, &ledger, task));
        let last = a.clone();
        let receiver = thread::spawn(move || [b.receive_waiting(), b.receive_waiting()]);
        a.send_waiting(1);
        a.send_waiting(2);
        let received = receiver.join().unwrap();
        audit(&last, &[]);
        received
    });
}

/// Two senders wait for room in a ring of one slot, while a receiver makes it.
#[test]
fn two_senders_sleep() {
    check(Depth { dense: 1, wide: Some(3) }, &["[1, 2, 3]", "[1, 3, 2]"], || {
        let engine = queue(1, 1);
        let ledger = Arc::default();
        let [a, b, c] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
        assert!(c.send(1));
        let senders =
            [(a, 2), (b, 3)].map(|(party, id)| thread::spawn(move || party.send_waiting(id)));
        let received = [1, 2, 3].map(|_| c.receive_waiting());
        let _ = senders.map(|sender| sender.join().unwrap());
        audit(&c, &[]);
        received
    });
}

/// A sender waits for a slot that is empty as soon as the message is taken, long before it is
/// acknowledged.
#[test]
fn a_sender_sleeps_until_a_message_is_taken() {
    check(Depth { dense: 3, wide: None }, &["[1, 2]"], || {
        let engine = queue(1, 1);
        let ledger = Arc::default();
        let [a, b] = [1, 2].map(|task| Party::new(&engine, &ledger, task));
        let last = a.clone();
        assert!(a.send(1));
        let sender = thread::spawn(move || a.send_waiting(2));
        let first = b.take_aloud();
        sender.join().unwrap();
        let second = b.take_aloud();
        b.acknowledge_aloud(&first);
        b.acknowledge_aloud(&second);
        audit(&last, &[]);
        [first.id, second.id]
    });
}

/// Two senders wait for chunks, all of which one receiver has in hand and gives up one by one.
#[test]
fn two_senders_sleep_until_chunks_are_free() {
    check(Depth { dense: 1, wide: Some(2) }, &["[3, 4]", "[4, 3]"], || {
        let engine = queue(2, 0);
        let ledger = Arc::default();
        let [a, b, c] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
        assert!(c.send(1) && c.send(2));
        let in_hand = [c.take_aloud(), c.take_aloud()];
        let senders =
            [(a, 3), (b, 4)].map(|(party, id)| thread::spawn(move || party.send_waiting(id)));
        for taken in &in_hand {
            c.acknowledge_aloud(taken);
        }
        let _ = senders.map(|sender| sender.join().unwrap());
        let received = [(); 2].map(|()| c.receive().unwrap().id);
        audit(&c, &[]);
        received
    });
}

/// Messages are given back to two who sleep.
#[test]
fn giving_back_wakes() {
    check(Depth { dense: 1, wide: Some(2) }, &["[1, 2]", "[2, 1]"], || {
        let engine = queue(2, 0);
        let ledger = Arc::default();
        let [a, b, c] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
        assert!(c.send(1) && c.send(2));
        let in_hand = [c.take().unwrap(), c.take().unwrap()];
        let receivers = [a, b].map(|party| thread::spawn(move || party.receive_waiting()));
        for taken in &in_hand {
            c.nack(taken);
            c.engine.readable().notify(1);
        }
        let received = receivers.map(|r| r.join().unwrap());
        audit(&c, &[]);
        received
    });
}

/// A sweep wakes who waits for what the dead one had: its message, and its chunk.
#[test]
fn a_sweep_wakes() {
    check(Depth { dense: 1, wide: Some(2) }, &["[1, 2]"], || {
        let engine = queue(1, 1);
        let ledger = Arc::default();
        let [dead, a, b] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
        assert!(b.send(1));
        dead.take().unwrap();
        dead.allocate(0).unwrap();
        let sender = thread::spawn(move || a.send_waiting(2));
        let receiver = b.clone();
        let receiver =
            thread::spawn(move || [receiver.receive_waiting(), receiver.receive_waiting()]);
        dead.engine.sweep(dead.me).unwrap();
        sender.join().unwrap();
        let received = receiver.join().unwrap();
        audit(&b, &[]);
        received
    });
}
