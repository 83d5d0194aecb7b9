//! What the dead leave behind comes back, whatever the living do meanwhile.

mod common;

use common::{Child, Place, in_child, killed_after, stop_here, until};
use mailboat::{ErrorKind, Owner, Port, PortOptions, Segment, SegmentOptions};

/// A port with a message that a dead receiver had in hand.
fn port_with_a_dead_receiver(place: &Place) -> Port {
    let port = Port::create_in(&place.open(), "a", &PortOptions::new()).unwrap();
    port.send(b"precious").unwrap();
    killed_after(|| {
        let port = Port::open_in(&place.open(), "a").unwrap();
        std::mem::forget(port.take().unwrap());
    });
    port
}

#[test]
fn a_receiver_that_only_polls_gets_what_the_dead_had() {
    let place = Place::new("polls");
    let port = port_with_a_dead_receiver(&place);
    let message = until("a poll finds the message", || port.try_receive().ok());
    assert_eq!((&message.body[..], message.header.redeliveries), (&b"precious"[..], 1));
}

#[test]
fn a_receiver_that_always_finds_messages_gets_what_the_dead_had() {
    let place = Place::new("busy");
    let port = port_with_a_dead_receiver(&place);
    let message = until("the message comes among the others", || {
        port.send(b"other").unwrap();
        Some(port.receive().unwrap()).filter(|m| m.header.redeliveries > 0)
    });
    assert_eq!(message.body, b"precious");
}

#[test]
fn users_that_only_poll_are_told_of_the_owners_death() {
    let place = Place::new("owner");
    let domain = place.open();
    let mut owner = Child::run(|| {
        let options = PortOptions::new().owner(Owner::Task);
        let _port = Port::create_in(&place.open(), "a", &options).unwrap();
        stop_here();
    });
    owner.wait_until_stopped();
    let user = Port::open_in(&domain, "a").unwrap();
    user.try_send(b"x").unwrap();
    owner.kill();
    let told =
        until("polling is refused", || user.try_send(b"y").and(user.try_receive().map(drop)).err());
    assert_eq!(told.kind(), ErrorKind::Closed);
    assert_eq!(Port::open_in(&domain, "a").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_owner_without_descriptors_closes_its_port_for_all_users() {
    let place = Place::new("emfile");
    let domain = place.open();
    let mut owner = Child::run(|| {
        let options = PortOptions::new().owner(Owner::Task);
        let port = Port::create_in(&place.open(), "a", &options).unwrap();
        stop_here();
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `none` lives for the call.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &none) }, 0);
        assert!(std::fs::File::open("/dev/null").is_err());
        drop(port);
        stop_here();
    });
    owner.wait_until_stopped();
    let user = Port::open_in(&domain, "a").unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| user.receive().unwrap_err().kind());
        owner.go_on();
        owner.wait_until_stopped();
        // The owner still lives, so it is not its death that they are told of.
        assert_eq!(user.try_send(b"x").unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(waits.join().unwrap(), ErrorKind::Closed);
    });
    assert_eq!(Port::open_in(&domain, "a").unwrap_err().kind(), ErrorKind::NotFound);
    Port::create_in(&domain, "a", &PortOptions::new()).unwrap();
    assert_eq!(domain.tasks().unwrap().len(), 2);
    owner.go_on();
    owner.succeed();
}

#[test]
fn children_forked_during_deletions_do_not_block_later_ones() {
    let place = Place::new("forks");
    // In a process of its own, so that the children have nothing of other tests.
    in_child(|| {
        let domain = place.open();
        let (done, deletions) = std::sync::mpsc::channel();
        let mut children = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // Ends when nobody counts any more.
                while done.send(()).is_ok() {
                    Segment::create_in(&domain, "x", 1, &SegmentOptions::new()).unwrap();
                    // Waits a second for another's lock, and then fails.
                    Segment::delete_in(&domain, "x").unwrap();
                }
            });
            for _ in 0..100 {
                for _ in 0..7 {
                    deletions.recv().unwrap();
                }
                children.push(Child::run(stop_here));
            }
            drop(deletions);
        });
    });
}
