//! Senders and receivers that live.

use super::*;
use crate::shm::ring::Slot;
use loom::thread;

/// Three messages of two senders, a ring of one slot, two chunks.
#[test]
fn two_senders_and_one_receiver() {
    check(
        Depth { dense: 1, wide: Some(2) },
        &["(true, [true, false], [Some(1), Some(2)])"],
        || {
            let engine = queue(1, 1);
            let ledger = Arc::default();
            let [a, b, c] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
            let last = c.clone();
            let a = thread::spawn(move || a.send(1));
            let b = thread::spawn(move || [b.send(2), b.send(3)]);
            let c = thread::spawn(move || [c.receive(), c.receive()].map(|t| t.map(|t| t.id)));
            let (one, two) = (a.join().unwrap(), b.join().unwrap());
            assert!(one || two[0], "the ring cannot be full for both");
            let received = c.join().unwrap();
            audit(&last, &[]);
            (one, two, received)
        },
    );
}

/// Two messages in two slots and two chunks, two receivers. What is claimed later was published
/// later.
#[test]
fn one_sender_and_two_receivers() {
    check(
        Depth { dense: 1, wide: Some(3) },
        &["[[1, 2], []]", "[[], [1, 2]]", "[[1], [2]]", "[[2], [1]]", "[[], []]"],
        || {
            let engine = queue(2, 0);
            let ledger = Arc::default();
            let [a, b, c] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
            let receivers = [b, c].map(|party| thread::spawn(move || in_order(&party)));
            assert!(a.send(1) && a.send(2));
            let received = receivers.map(|r| r.join().unwrap());
            audit(&a, &[]);
            received
        },
    );
}

fn in_order(party: &Party) -> Vec<u64> {
    let taken: Vec<Taken> = (0..2).filter_map(|_| party.take()).collect();
    assert!(taken.is_sorted_by_key(|t| (t.position.0, t.id)));
    for taken in &taken {
        if taken.id == 2 {
            let slot = Slot(party.engine.slot(0).load(Acquire));
            assert!(slot.laps_ahead(0) > 0, "claimed before its predecessor");
        }
        party.acknowledge(taken);
    }
    taken.iter().map(|t| t.id).collect()
}

/// One slot and one chunk, used again and again: whoever was stopped with an old look at them
/// must notice. The model's slots hold no bits of the generation, as if it had wrapped each time.
#[test]
fn the_only_slot_and_the_only_chunk_are_used_again() {
    let outcomes = &[
        "[[Some(1), None], [Some(2), None]]",
        "[[Some(1), Some(2)], [None, None]]",
        "[[Some(1), Some(3)], [None, None]]",
    ];
    check(Depth { dense: 2, wide: Some(4) }, outcomes, || {
        let engine = queue(1, 0);
        let ledger = Arc::default();
        let [a, b, c] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
        assert!(c.send(1));
        let receivers = [b, c].map(|party| {
            thread::spawn(move || {
                [party.receive(), party.receive()].map(|taken| taken.map(|t| t.id))
            })
        });
        a.send(2);
        a.send(3);
        let received = receivers.map(|r| r.join().unwrap());
        audit(&a, &[]);
        received
    });
}

/// A message is given back while another receiver looks for one.
#[test]
fn a_message_is_given_back_beside_a_receiver() {
    check(
        Depth { dense: 3, wide: Some(4) },
        &["(Some((1, 1)), Some((2, 0)))", "(Some((2, 0)), Some((1, 1)))"],
        || {
            let engine = queue(2, 0);
            let ledger = Arc::default();
            let [a, b, c] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
            assert!(c.send(1) && c.send(2));
            let in_hand = a.take().unwrap();
            let what = |t: Taken| (t.id, t.chunk.head.redeliveries());
            let giver = thread::spawn(move || {
                a.nack(&in_hand);
                a.receive().map(what)
            });
            let taker = thread::spawn(move || b.receive().map(what));
            let outcome = (giver.join().unwrap(), taker.join().unwrap());
            audit(&c, &[]);
            outcome
        },
    );
}

/// Two messages are given back by two receivers while a third looks: the note that nothing is
/// left must not hide the second.
#[test]
fn two_messages_are_given_back_at_once() {
    check(
        Depth { dense: 2, wide: Some(3) },
        &["[Some(1), Some(2)]", "[Some(2), Some(1)]", "[None, Some(1)]"],
        || {
            let engine = queue(2, 0);
            let ledger = Arc::default();
            let [a, b, c] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
            assert!(c.send(1) && c.send(2));
            let (one, two) = (a.take().unwrap(), b.take().unwrap());
            let givers = [(a, one), (b, two)].map(|(p, t)| thread::spawn(move || p.nack(&t)));
            let taker = c.clone();
            let taker =
                thread::spawn(move || [taker.receive(), taker.receive()].map(|t| t.map(|t| t.id)));
            let _ = givers.map(|giver| giver.join().unwrap());
            let outcome = taker.join().unwrap();
            audit(&c, &[]);
            outcome
        },
    );
}

/// Two threads that send through one handle, and two that receive through another: what a handle
/// keeps to itself, its threads share.
#[test]
fn threads_share_a_handle() {
    let outcomes = &["[Some(1), Some(2)]", "[Some(2), Some(1)]", "[Some(1), None]", "[None, None]"];
    check(Depth { dense: 1, wide: Some(1) }, outcomes, || {
        let engine = queue(1, 1);
        let ledger = Arc::default();
        let [a, b] = [1, 2].map(|task| Party::new(&engine, &ledger, task));
        let receivers = [(); 2].map(|()| {
            let b = b.clone();
            thread::spawn(move || b.receive().map(|t| t.id))
        });
        let sender = a.clone();
        let sender = thread::spawn(move || sender.send(1));
        a.send(2);
        let received = receivers.map(|r| r.join().unwrap());
        sender.join().unwrap();
        audit(&b, &[]);
        received
    });
}
