//! A wait lasts at least as long as it may, and no try waits.

mod common;

use common::Place;
use mailboat::{Error, ErrorKind, Outgoing, Port, PortOptions, Wait};
use std::time::{Duration, Instant};

/// Up to more than the longest sleep between two looks around.
const TIMES: [Duration; 4] = [
    Duration::from_nanos(1),
    Duration::from_micros(30),
    Duration::from_millis(3),
    Duration::from_millis(230),
];

fn at_least<T>(time: Duration, because: ErrorKind, call: impl FnOnce(Wait) -> Result<T, Error>) {
    let start = Instant::now();
    let error = call(Wait::from(time)).err().expect("there is nothing that it could wait for");
    let elapsed = start.elapsed();
    assert!(elapsed >= time, "{elapsed:?} instead of {time:?}");
    let Error::Timeout { after_ns, because: why, .. } = &error else { panic!("{error}") };
    assert_eq!(why.kind(), because);
    assert!(Duration::from_nanos(*after_ns) >= time && *after_ns <= elapsed.as_nanos() as u64);
}

#[test]
fn nothing_ends_before_its_time() {
    let place = Place::new("timeouts");
    let domain = place.open();
    let empty = Port::create_in(&domain, "empty", &PortOptions::new().capacity(1)).unwrap();
    let full = Port::create_in(&domain, "full", &PortOptions::new().capacity(1)).unwrap();
    full.try_send(b"x").unwrap();
    let lent = Port::create_in(&domain, "lent", &PortOptions::new().capacity(1)).unwrap();
    let _loans: Vec<_> = std::iter::from_fn(|| lent.try_loan(1).ok()).collect();
    for time in TIMES {
        at_least(time, ErrorKind::Empty, |wait| empty.receive_wait(wait));
        at_least(time, ErrorKind::Empty, |wait| empty.take_wait(wait));
        at_least(time, ErrorKind::Empty, |wait| empty.receive_into(&mut [0; 10], wait));
        at_least(time, ErrorKind::Empty, |wait| empty.receive_many(3, wait));
        at_least(time, ErrorKind::Empty, |wait| empty.take_many(3, wait));
        at_least(time, ErrorKind::Full, |wait| full.send_message(Outgoing::new(b"y"), wait));
        at_least(time, ErrorKind::Full, |wait| full.send_many(&[Outgoing::new(b"y")], wait));
        at_least(time, ErrorKind::Full, |wait| lent.loan_wait(1, wait));
        let loan = full.loan(1).unwrap();
        at_least(time, ErrorKind::Full, |wait| loan.send_with(1, 0, wait).map_err(Error::from));
    }
    assert_eq!(full.try_receive().unwrap().body, b"x");
    assert!(full.is_empty(), "what ran out of time was not sent");
}

#[test]
fn a_try_is_told_what_stands_in_the_way_and_not_the_time() {
    let place = Place::new("tries");
    let domain = place.open();
    let port = Port::create_in(&domain, "p", &PortOptions::new().capacity(1)).unwrap();
    for wait in [Wait::TRY, Wait::from_nanos(0), Wait::from(Duration::ZERO)] {
        assert_eq!(port.receive_wait(wait).unwrap_err().kind(), ErrorKind::Empty);
        port.send_message(Outgoing::new(b"x"), wait).unwrap();
        let refused = port.send_message(Outgoing::new(b"y"), wait).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Full);
        assert!(refused.to_string().contains("1 of 1 messages"), "{refused}");
        assert_eq!(port.receive_wait(wait).unwrap().body, b"x");
    }
}
