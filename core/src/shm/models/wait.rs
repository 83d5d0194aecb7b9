//! Sleeping and waking: a forgotten wake-up is a deadlock here, since nobody wakes by the clock.

use super::*;
use crate::shm::wait::{Event, Spin, Waited, block};
use crate::time::{Deadline, Wait};
use loom::thread;

impl Party {
    fn wait<T>(
        &self,
        event: &Event<'_>,
        mut attempt: impl FnMut() -> Option<T>,
        more: impl Fn() -> bool,
    ) -> T {
        let forever = Deadline::after(Wait::FOREVER, 0);
        let idle = || -> Result<(), ()> { unreachable!("there is no time in the model") };
        match block(event, &forever, &Spin::new(), || Ok(attempt()), idle, more) {
            Ok(Waited::Done(done)) => done,
            _ => unreachable!("for ever is for ever"),
        }
    }

    /// As a queue does: receives, waiting for a message, and wakes a sender.
    fn receive_waiting(&self) -> u64 {
        let event = self.engine.readable();
        let taken = self.wait(&event, || self.take(), || self.engine.has_message());
        self.acknowledge(&taken);
        self.engine.writable().notify(1);
        taken.id
    }

    /// As a queue does: sends, waiting for room, and wakes a receiver.
    fn send_waiting(&self, id: u64) {
        let event = self.engine.writable();
        let room = || !self.engine.is_full().unwrap();
        let chunk = self.wait(&event, || self.allocate(0), room);
        self.write(&chunk, id);
        let publish = || (self.engine.publish(&chunk).unwrap() == Published::Done).then_some(());
        self.wait(&event, publish, room);
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
    check(Depth { dense: 3, wide: None }, &["[1, 2]"], || {
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
