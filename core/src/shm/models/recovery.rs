//! Death at each access, and those who clear up after it.

use super::*;
use loom::thread;

/// The end of a task, as the kernel tells it: set when its lease is dropped.
struct Lease(Word);

impl Lease {
    fn new() -> Arc<Self> {
        Arc::new(Lease(Word::new(0)))
    }

    fn drop_it(&self) {
        self.0.store(1, Release);
    }

    fn is_dropped(&self) -> bool {
        self.0.load(Acquire) == 1
    }
}

/// Messages received, with their redeliveries.
fn received<const N: usize>(party: &Party) -> [Option<(u64, u32)>; N] {
    [(); N].map(|()| party.receive().map(|t| (t.id, t.chunk.head.redeliveries())))
}

/// Runs `life` until it ends or dies before its access number `steps`, and then sweeps, as the first
/// to notice would. Whether it died.
fn live_and_sweep<T>(
    steps: u32,
    doomed: Party,
    life: impl FnOnce(&Party) -> T + 'static,
) -> thread::JoinHandle<bool> {
    thread::spawn(move || {
        let died = death::before(steps, || life(&doomed)).is_none();
        doomed.engine.sweep(doomed.me).unwrap();
        died
    })
}

/// A sender dies before each of its accesses, beside a receiver.
#[test]
fn a_sender_dies() {
    let outcomes = &[
        "(true, [Some((1, 0)), None])",
        "(true, [Some((1, 0)), Some((2, 0))])",
        "(false, [Some((1, 0)), Some((2, 0))])",
    ];
    check_deaths(Depth { dense: 2, wide: Some(2) }, outcomes, |steps| {
        let engine = queue(2, 1);
        let ledger = Arc::default();
        let [doomed, a, b] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
        assert!(b.send(1));
        let user = doomed.me;
        let sweeper = live_and_sweep(steps, doomed, |doomed| doomed.send_and_look_ahead(2));
        let receiver = thread::spawn(move || received::<2>(&a));
        let received = receiver.join().unwrap();
        let died = sweeper.join().unwrap();
        assert!(!engine.is_attached(user), "the sweep is done");
        audit(&b, &[2]);
        (died, (died, received))
    });
}

/// A sender dies before each of its accesses, beside a sender; both go for the only slot.
#[test]
fn a_sender_dies_beside_another() {
    let outcomes = &["(true, true)", "(true, false)", "(false, true)", "(false, false)"];
    check_deaths(Depth { dense: 1, wide: Some(3) }, outcomes, |steps| {
        let engine = queue(1, 1);
        let ledger = Arc::default();
        let [doomed, a, b] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
        let sweeper = live_and_sweep(steps, doomed, |doomed| doomed.send(1));
        let sender = thread::spawn(move || a.send(2));
        let sent = sender.join().unwrap();
        let died = sweeper.join().unwrap();
        audit(&b, &[1]);
        (died, (died, sent))
    });
}

/// A receiver dies before each of its accesses, from looking for a message to acknowledging it,
/// beside another receiver.
#[test]
fn a_receiver_dies() {
    let outcomes = &[
        "(true, [Some((1, 1)), Some((2, 0))])",
        "(true, [Some((2, 0)), Some((1, 1))])",
        "(true, [Some((1, 0)), Some((2, 0))])",
        "(true, [Some((1, 0)), Some((2, 1))])",
        "(false, [Some((2, 0)), None])",
    ];
    check_deaths(Depth { dense: 1, wide: Some(2) }, outcomes, |steps| {
        let engine = queue(2, 0);
        let ledger = Arc::default();
        let [doomed, a, b] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
        assert!(b.send(1) && b.send(2));
        let sweeper = live_and_sweep(steps, doomed, |doomed| doomed.receive());
        let receiver = thread::spawn(move || received::<2>(&a));
        let received = receiver.join().unwrap();
        let died = sweeper.join().unwrap();
        audit(&b, &[]);
        (died, (died, received))
    });
}

/// A receiver dies before each of its accesses, beside a sender for whom it makes room.
#[test]
fn a_receiver_dies_beside_a_sender() {
    let outcomes = &["(true, true)", "(true, false)", "(false, true)", "(false, false)"];
    check_deaths(Depth { dense: 2, wide: Some(3) }, outcomes, |steps| {
        let engine = queue(1, 1);
        let ledger = Arc::default();
        let [doomed, a, b] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
        assert!(b.send(1));
        let sweeper = live_and_sweep(steps, doomed, |doomed| doomed.receive());
        let sender = thread::spawn(move || a.send(2));
        let sent = sender.join().unwrap();
        let died = sweeper.join().unwrap();
        audit(&b, &[]);
        (died, (died, sent))
    });
}

/// A receiver dies while it gives a message back.
#[test]
fn a_receiver_dies_giving_back() {
    let outcomes = &["(true, [Some((1, 1))])", "(false, [Some((1, 1))])", "(true, [None])"];
    check_deaths(Depth { dense: 2, wide: Some(3) }, outcomes, |steps| {
        let engine = queue(1, 0);
        let ledger = Arc::default();
        let [doomed, a, b] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
        assert!(b.send(1));
        let life = |doomed: &Party| doomed.take().map(|taken| doomed.nack(&taken));
        let sweeper = live_and_sweep(steps, doomed, life);
        let receiver = thread::spawn(move || received::<1>(&a));
        let received = receiver.join().unwrap();
        let died = sweeper.join().unwrap();
        audit(&b, &[]);
        (died, (died, received))
    });
}

/// What somebody leaves who died at the worst moments: the first message in hand with its slot not
/// emptied, the second published, and a chunk not published.
fn everything_left(engine: &Arc<Engine>, ledger: &Arc<Ledger>, other: &Party) -> Party {
    let doomed = Party::new(engine, ledger, 9);
    assert!(other.send(1) && doomed.send(2));
    doomed.allocate(0).unwrap();
    stop_with_message_in_hand(&doomed);
    doomed
}

/// Claims the first message and dies before its slot is emptied.
fn stop_with_message_in_hand(doomed: &Party) {
    let engine = &doomed.engine;
    for steps in 0.. {
        let before = engine.slot(0).load(Acquire);
        assert!(death::before(steps, || engine.claim(doomed.me, u64::MAX)).is_none());
        let mut in_hand = false;
        engine
            .each_chunk(|_, _, head| {
                in_hand |= (head.state(), head.owner()) == (state::READING, doomed.me.owner());
            })
            .unwrap();
        if in_hand {
            assert_eq!(engine.slot(0).load(Acquire), before, "died in between");
            return;
        }
    }
}

/// A sweeper dies before each of its accesses; the next one finishes, beside a receiver.
#[test]
fn a_sweeper_dies() {
    let outcomes = &[
        "(true, [Some((1, 1)), Some((2, 0))])",
        "(true, [Some((2, 0)), Some((1, 1))])",
        "(true, [Some((2, 0)), None])",
    ];
    check_deaths(Depth { dense: 1, wide: Some(3) }, outcomes, |steps| {
        let engine = queue(2, 1);
        let ledger = Arc::default();
        let [a, b] = [1, 2].map(|task| Party::new(&engine, &ledger, task));
        let doomed = everything_left(&engine, &ledger, &b);
        let user = doomed.me;
        let sweep = |doomed: &Party| doomed.engine.sweep(doomed.me).unwrap();
        let sweepers = live_and_sweep(steps, doomed, sweep);
        let receiver = thread::spawn(move || received::<2>(&a));
        let received = receiver.join().unwrap();
        let died = sweepers.join().unwrap();
        assert!(!engine.is_attached(user));
        audit(&b, &[]);
        (died, (died, received))
    });
}

/// Somebody died with a message in hand whose slot was not emptied, and whoever swept died too, before
/// each of its accesses. What it got done must be enough for the message to be delivered again and for
/// its chunk to be used for another one, with receivers looking at the slot.
#[test]
fn a_half_swept_chunk_is_used_again() {
    let outcomes = &[
        "(true, [Some((2, 1))], [None])",
        "(true, [Some((2, 1))], [Some((3, 0))])",
        "(true, [None], [None])",
        "(false, [Some((2, 1))], [Some((3, 0))])",
    ];
    check_deaths(Depth { dense: 2, wide: None }, outcomes, |steps| {
        let engine = queue(1, 1);
        let ledger: Arc<Ledger> = Arc::default();
        let [a, b] = [1, 2].map(|task| Party::new(&engine, &ledger, task));
        let doomed = Party::new(&engine, &ledger, 9);
        // The first message was given back, so that receivers look for such.
        assert!(b.send(1));
        let first = a.take().unwrap();
        assert!(b.send(2));
        stop_with_message_in_hand(&doomed);
        a.nack(&first);
        let sweep = || doomed.engine.sweep(doomed.me).unwrap();
        let died = death::before(steps, sweep).is_none();
        // With that one in hand the chunk of the other is the only one.
        let first = a.take().unwrap();
        let second = received::<1>(&a);
        let sender = b.clone();
        let sender = thread::spawn(move || sender.send(3));
        let receiver = a.clone();
        let receiver = thread::spawn(move || received::<1>(&receiver));
        let third = receiver.join().unwrap();
        sender.join().unwrap();
        sweep();
        a.acknowledge(&first);
        audit(&b, &[]);
        (died, (died, second, third))
    });
}

/// Two sweep at once, beside a receiver.
#[test]
fn two_sweepers() {
    let outcomes = &[
        "([true, false], [Some((1, 1)), Some((2, 0))])",
        "([false, true], [Some((2, 0)), Some((1, 1))])",
        "([true, false], [Some((2, 0)), None])",
    ];
    check(Depth { dense: 1, wide: Some(1) }, outcomes, || {
        let engine = queue(2, 1);
        let ledger = Arc::default();
        let [a, b] = [1, 2].map(|task| Party::new(&engine, &ledger, task));
        let doomed = everything_left(&engine, &ledger, &b);
        let sweepers = [(); 2].map(|()| {
            let doomed = doomed.clone();
            thread::spawn(move || doomed.engine.sweep(doomed.me).unwrap())
        });
        let receiver = thread::spawn(move || received::<2>(&a));
        let received = receiver.join().unwrap();
        let swept = sweepers.map(|s| s.join().unwrap());
        assert!(swept[0] != swept[1], "one of them finished");
        audit(&b, &[]);
        (swept, received)
    });
}

/// Two sweepers, of whom one goes on as a new user, at the place that the dead one had, while the
/// other may still be under way: what the new one has in hand is its own.
#[test]
fn a_place_is_used_again_beside_a_late_sweeper() {
    check(Depth { dense: 2, wide: Some(4) }, &["(true, false)", "(false, true)"], || {
        let engine = queue_of(Geometry::with_spare(1, 2, 192, 0, 0, 0).unwrap());
        let ledger: Arc<Ledger> = Arc::default();
        let [doomed, a] = [1, 2].map(|task| Party::new(&engine, &ledger, task));
        doomed.allocate(0).unwrap();
        let user = doomed.me;
        let late = thread::spawn(move || doomed.engine.sweep(doomed.me).unwrap());
        let new = thread::spawn(move || {
            let first = engine.sweep(user).unwrap();
            let new = Party::new(&engine, &ledger, 3);
            assert_eq!(new.me.place, user.place);
            let chunk = new.allocate(0).expect("swept");
            new.write(&chunk, 7);
            assert!(new.publish(&chunk, 7), "the ring is empty");
            let taken = new.take().expect("nobody else takes");
            new.acknowledge(&taken);
            first
        });
        let outcome = (late.join().unwrap(), new.join().unwrap());
        audit(&a, &[]);
        outcome
    });
}

/// A user leaves, which takes a sweep of its own, and what it sent stays; whoever sees its lease
/// dropped afterwards finds nothing left to do.
#[test]
fn a_user_leaves_beside_a_sweeper() {
    let outcomes = &["[Some((1, 0))]", "[None]"];
    check(Depth { dense: 2, wide: Some(4) }, outcomes, || {
        let engine = queue(1, 0);
        let ledger = Arc::default();
        let [leaver, a, b] = [1, 2, 3].map(|task| Party::new(&engine, &ledger, task));
        let lease = Lease::new();
        let (user, dropped) = (leaver.me, lease.clone());
        let leaver = thread::spawn(move || {
            assert!(leaver.send(1));
            leaver.engine.sweep(leaver.me).unwrap();
            dropped.drop_it();
        });
        let sweeper = {
            let engine = engine.clone();
            thread::spawn(move || lease.is_dropped() && engine.sweep(user).unwrap())
        };
        let receiver = thread::spawn(move || received::<1>(&a));
        leaver.join().unwrap();
        assert!(!sweeper.join().unwrap(), "the leaver has done all");
        let received = receiver.join().unwrap();
        audit(&b, &[]);
        received
    });
}
