//! Messages on their way from hand to hand.

use super::common::{Place, killed_after};
use super::{Act, child_with_signal, for_each_step, keep, killed_at, open, receive_all};
use mailboat::{Domain, ErrorKind, Port, PortOptions};

/// Something done with a port that other processes use.
struct Operation {
    name: &'static str,
    /// How many messages are there before, of bodies 1, 2 and so on.
    queued: u8,
    /// Given the domain's path and the messages' size.
    prepare: fn(&str, usize) -> Act,
    /// Which messages may be there after it was killed, and which are there after it was done.
    killed: &'static [&'static [u8]],
    done: &'static [u8],
}

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "sending",
        queued: 0,
        prepare: |path, size| {
            let port = open(path);
            Box::new(move || {
                port.try_send(&vec![3; size]).unwrap();
                keep(port);
            })
        },
        killed: &[&[], &[3]],
        done: &[3],
    },
    Operation {
        name: "lending, writing and sending",
        queued: 0,
        prepare: |path, size| {
            let port = open(path);
            Box::new(move || {
                let mut loan = port.try_loan(size as u64).unwrap();
                loan.write(0, &vec![3; size]).unwrap();
                loan.send().unwrap();
                keep(port);
            })
        },
        killed: &[&[], &[3]],
        done: &[3],
    },
    Operation {
        name: "lending and discarding",
        queued: 0,
        prepare: |path, size| {
            let port = open(path);
            Box::new(move || {
                port.try_loan(size as u64).unwrap().discard();
                keep(port);
            })
        },
        killed: &[&[]],
        done: &[],
    },
    Operation {
        name: "receiving",
        queued: 2,
        prepare: |path, _| {
            let port = open(path);
            Box::new(move || {
                port.try_receive().unwrap();
                keep(port);
            })
        },
        killed: &[&[1, 2], &[2]],
        done: &[2],
    },
    // The second of the large ones is beyond those whose memory is kept.
    Operation {
        name: "receiving the second",
        queued: 2,
        prepare: |path, _| {
            let port = open(path);
            port.try_receive().unwrap();
            Box::new(move || {
                port.try_receive().unwrap();
                keep(port);
            })
        },
        killed: &[&[2], &[]],
        done: &[],
    },
    Operation {
        name: "taking and giving back",
        queued: 2,
        prepare: |path, _| {
            let port = open(path);
            Box::new(move || {
                port.try_take().unwrap().nack().unwrap();
                keep(port);
            })
        },
        killed: &[&[1, 2]],
        done: &[1, 2],
    },
    Operation {
        name: "receiving what was given back",
        queued: 2,
        prepare: |path, _| {
            let port = open(path);
            port.try_take().unwrap().nack().unwrap();
            Box::new(move || {
                port.try_receive().unwrap();
                keep(port);
            })
        },
        killed: &[&[1, 2], &[2]],
        done: &[2],
    },
    Operation {
        name: "acknowledging",
        queued: 2,
        prepare: |path, _| {
            let port = open(path);
            let receipt = port.try_take().unwrap();
            Box::new(move || {
                receipt.ack().unwrap();
                keep(port);
            })
        },
        killed: &[&[1, 2], &[2]],
        done: &[2],
    },
    Operation {
        name: "opening",
        queued: 2,
        prepare: |path, _| {
            let domain = Domain::at(path).unwrap();
            Box::new(move || keep(Port::open_in(&domain, "a").unwrap()))
        },
        killed: &[&[1, 2]],
        done: &[1, 2],
    },
    // With a message of its own still in the queue, which it must not take along.
    Operation {
        name: "leaving",
        queued: 2,
        prepare: |path, size| {
            let port = open(path);
            port.try_send(&vec![3; size]).unwrap();
            Box::new(move || drop(port))
        },
        killed: &[&[1, 2, 3]],
        done: &[1, 2, 3],
    },
    Operation {
        name: "clearing up after the dead",
        queued: 2,
        prepare: |path, size| {
            let port = open(path);
            killed_after(|| {
                keep(port.try_take().unwrap());
                port.try_send(&vec![3; size]).unwrap();
            });
            Box::new(move || {
                port.stat().unwrap();
                keep(port);
            })
        },
        killed: &[&[1, 2, 3]],
        done: &[1, 2, 3],
    },
];

fn kill_at_each_step(operation: &Operation, size: usize) {
    let place = Place::new(&format!("{}-{size}", operation.name.replace([' ', ','], "-")));
    let domain = place.open();
    // One large buffer is kept, the others are given back to the system.
    let options = PortOptions::new().capacity(4).max_message(256 << 10).byte_budget(1 << 20);
    for_each_step(&format!("{} {size} bytes", operation.name), |k| {
        let at = format!("{} {size} bytes, step {k}", operation.name);
        let port = Port::create_in(&domain, "a", &options).unwrap();
        for body in 1..=operation.queued {
            port.try_send(&vec![body; size]).unwrap();
        }
        let killed = killed_at(k, || (operation.prepare)(&place.0, size));
        let stat = port.stat().unwrap().queue;
        assert_eq!((stat.users, stat.in_hand, stat.loaned), (1, 0, 0), "{at}: {stat:?}");
        let bodies = receive_all(&port, size);
        if killed {
            assert!(operation.killed.contains(&&bodies[..]), "{at}: {bodies:?}");
        } else {
            assert_eq!(bodies, operation.done, "{at}");
        }
        let stat = port.stat().unwrap().queue;
        let (queued, given_back) = (stat.queued, stat.given_back);
        assert_eq!((queued, given_back, stat.in_hand, stat.loaned), (0, 0, 0, 0), "{at}");
        // Every buffer is to be had again.
        let all = if size > 100_000 { 4 } else { 4 + 64 };
        let loans: Vec<_> = (0..all).map(|_| port.try_loan(size as u64)).collect();
        assert!(loans.iter().all(|loan| loan.is_ok()), "{at}: {loans:?}");
        drop((loans, port));
        Port::delete_in(&domain, "a").unwrap();
        killed
    });
}

#[test]
fn a_death_while_small_messages_move_loses_and_doubles_nothing() {
    OPERATIONS.iter().for_each(|operation| kill_at_each_step(operation, 10));
}

#[test]
fn a_death_while_middling_messages_move_loses_and_doubles_nothing() {
    OPERATIONS.iter().for_each(|operation| kill_at_each_step(operation, 1000));
}

#[test]
fn a_death_while_large_messages_move_loses_and_doubles_nothing() {
    OPERATIONS.iter().for_each(|operation| kill_at_each_step(operation, 200_000));
}

/// Between publishing a message and moving the tail, or claiming one and moving the head.
#[test]
fn a_death_leaves_no_doubt_how_many_messages_there_are() {
    for operation in OPERATIONS.iter().filter(|o| ["sending", "receiving"].contains(&o.name)) {
        for length_first in [true, false] {
            let place = Place::new(&format!("length-{}-{length_first}", operation.name));
            let domain = place.open();
            let options = PortOptions::new().capacity(1.max(operation.queued.into()));
            for_each_step(&format!("{}, then counting", operation.name), |k| {
                let port = Port::create_in(&domain, "a", &options).unwrap();
                for body in 1..=operation.queued {
                    port.try_send(&[body]).unwrap();
                }
                let killed = killed_at(k, || (operation.prepare)(&place.0, 1));
                let (length, empty) = if length_first {
                    let length = port.len();
                    (length, port.is_empty())
                } else {
                    let empty = port.is_empty();
                    (port.len(), empty)
                };
                assert_eq!(empty, length == 0, "step {k}");
                // What it had in hand is not queued before somebody has looked after the dead.
                if operation.queued == 0 {
                    let full = port.try_send(&[3]).is_err_and(|e| e.kind() == ErrorKind::Full);
                    assert_eq!(full, length == 1, "step {k}");
                    assert_eq!(receive_all(&port, 1), [3], "step {k}");
                } else {
                    let bodies = receive_all(&port, 1);
                    assert_eq!(bodies.len() as u64, length, "step {k}");
                    port.stat().unwrap();
                    let back = receive_all(&port, 1);
                    assert!([&[][..], &[1]].contains(&&back[..]), "step {k}: {back:?}");
                    assert!([&[2][..], &[1, 2]].contains(&&bodies[..]), "step {k}: {bodies:?}");
                    assert!(bodies.len() + back.len() <= 2, "step {k}: {bodies:?} and {back:?}");
                }
                drop(port);
                Port::delete_in(&domain, "a").unwrap();
                killed
            });
        }
    }
}

/// A process stopped anywhere holds up nobody, and goes on as if nothing had been.
#[test]
fn nobody_waits_for_a_process_that_was_stopped() {
    for operation in &OPERATIONS[..7] {
        let place = Place::new(&format!("stop-{}", operation.name.replace([' ', ','], "-")));
        let domain = place.open();
        for_each_step(&format!("{}, stopped", operation.name), |k| {
            let at = format!("{}, stopped at {k}", operation.name);
            let port = Port::create_in(&domain, "a", &PortOptions::new().capacity(4)).unwrap();
            for body in 1..=operation.queued {
                port.try_send(&[body]).unwrap();
            }
            let mut child =
                child_with_signal(k, libc::SIGSTOP, || (operation.prepare)(&place.0, 1));
            let stopped = child.is_stopped();
            // Sending and receiving go round the whole ring.
            let mut bodies = Vec::new();
            for body in [11, 12, 13, 14, 15] {
                port.try_send(&[body]).unwrap_or_else(|e| panic!("{at}: {e}"));
                bodies.push(port.try_receive().unwrap_or_else(|e| panic!("{at}: {e}")).body[0]);
            }
            if stopped {
                child.go_on();
                // The message that it had in mind may be another's by now.
                child.succeed();
            }
            bodies.extend(receive_all(&port, 1));
            bodies.sort_unstable();
            let stat = port.stat().unwrap().queue;
            assert_eq!((stat.queued, stat.in_hand, stat.loaned, stat.given_back), (0, 0, 0, 0));
            // All of ours, but for what the child has received; and what it has sent.
            let mut all: Vec<u8> = (1..=operation.queued).chain(11..=15).collect();
            all.extend(operation.done.iter().filter(|&&b| b == 3));
            all.sort_unstable();
            let received =
                operation.queued as usize - operation.done.iter().filter(|&&b| b != 3).count();
            assert_eq!(bodies.len(), all.len() - received, "{at}: {bodies:?} of {all:?}");
            assert!(bodies.iter().all(|b| all.contains(b)), "{at}: {bodies:?} of {all:?}");
            drop(port);
            Port::delete_in(&domain, "a").unwrap();
            stopped
        });
    }
}
