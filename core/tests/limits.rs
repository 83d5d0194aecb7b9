//! Limits: what is full can be empty again, and what is refused leaves nothing behind.

mod common;

use common::{PATIENCE, Place, in_child};
use mailboat::{
    Access, Error, ErrorKind, FullLimit, Port, PortOptions, Segment, SegmentOptions, Wait,
};

/// Small messages must not take the memory of larger ones for ever.
#[test]
fn memory_of_one_size_is_there_for_another_once_it_is_free() {
    let place = Place::new("sizes");
    let options = PortOptions::new().capacity(100).max_message(16 << 10).byte_budget(64 << 10);
    let port = Port::create_in(&place.open(), "a", &options).unwrap();
    for _ in 0..3 {
        for size in [1000, 4 << 10, 16 << 10] {
            let count = ((64 << 10) / size).min(100);
            for _ in 0..count {
                port.try_send(&vec![1; size]).unwrap_or_else(|e| panic!("{size} bytes: {e}"));
            }
            if size >= 4 << 10 {
                let error = port.try_send(&vec![1; size]).unwrap_err();
                assert!(
                    matches!(
                        error,
                        Error::Full { limit: FullLimit::ByteBudget | FullLimit::Buffers, .. }
                    ),
                    "{error}"
                );
            }
            for _ in 0..count {
                assert_eq!(port.try_receive().unwrap().body.len(), size);
            }
        }
    }
}

#[test]
fn a_port_that_was_full_of_a_kilobyte_each_takes_larger_ones() {
    let place = Place::new("kilobytes");
    let port = Port::create_in(&place.open(), "a", &PortOptions::new().capacity(70_000)).unwrap();
    for _ in 0..70_000 {
        port.try_send(&[1; 1000]).unwrap();
    }
    assert_eq!(port.try_send(b"").unwrap_err().kind(), ErrorKind::Full);
    for _ in 0..70_000 {
        port.try_receive().unwrap();
    }
    for size in [2000, 100_000, 16 << 20] {
        port.try_send(&vec![1; size]).unwrap();
        assert_eq!(port.try_receive().unwrap().body.len(), size);
    }
}

/// A message can be refused because another's buffer is only just being charged; so whoever waits
/// for memory must hear of it when that one gives up.
#[test]
fn sizes_that_compete_for_the_last_memory_all_get_through() {
    let place = Place::new("compete");
    let options = PortOptions::new().capacity(100).max_message(16 << 10).byte_budget(16 << 10);
    let port = Port::create_in(&place.open(), "a", &options).unwrap();
    let per_sender = 300;
    std::thread::scope(|scope| {
        let port = &port;
        for size in [4 << 10, 8 << 10, 16 << 10] {
            scope.spawn(move || {
                for _ in 0..per_sender {
                    port.send_timeout(&vec![1; size], PATIENCE).unwrap();
                }
            });
        }
        for _ in 0..3 * per_sender {
            port.receive_wait(Wait::from(PATIENCE)).unwrap();
        }
    });
    assert!(port.is_empty());
}

#[test]
fn a_segment_is_as_large_for_those_who_open_it_as_for_its_maker() {
    let place = Place::new("segment");
    let domain = place.open();
    let options = SegmentOptions::new().max_size(10_000);
    let made = Segment::create_in(&domain, "s", 5000, &options).unwrap();
    let opened = Segment::open_in(&domain, "s", Access::ReadWrite).unwrap();
    assert_eq!((made.size(), made.max_size()), (opened.size(), opened.max_size()));
}

#[test]
fn a_limit_on_file_sizes_is_an_error_and_no_signal() {
    let place = Place::new("fsize");
    let domain = place.open();
    in_child(|| {
        let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
        // SAFETY: `limit` lives for the call.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) }, 0);
        let domain = place.open();
        Port::create_in(&domain, "a", &PortOptions::new()).unwrap_err();
        Segment::create_in(&domain, "b", 2 << 20, &SegmentOptions::new()).unwrap_err();
    });
    assert!(domain.list().unwrap().is_empty());
}
