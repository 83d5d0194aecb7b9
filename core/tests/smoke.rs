//! One path through everything, in one process.

use mailboat::{
    Domain, ErrorKind, Outgoing, Owner, Port, PortOptions, Queue, QueueOptions, Segment,
    SegmentOptions, Wait,
};
use std::time::Duration;

struct Place(String);

impl Place {
    fn new(name: &str) -> Self {
        let path = format!("/dev/shm/mailboat-test-{}-{name}", std::process::id());
        let _ = std::fs::remove_dir_all(&path);
        Place(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn messages_of_all_sizes_arrive_in_order() {
    let place = Place::new("sizes");
    let domain = Domain::at(&place.0).unwrap();
    let port = Port::create_in(&domain, "a", &PortOptions::default()).unwrap();
    let sizes = [0usize, 1, 64, 191, 192, 193, 1024, 1025, 5000, 65536, 1 << 20, 5 << 20, 16 << 20];
    for (i, &size) in sizes.iter().enumerate() {
        let body: Vec<u8> = (0..size).map(|j| (i + j) as u8).collect();
        port.send_message(Outgoing::new(&body).kind(i as u32), Wait::TRY).unwrap();
    }
    assert_eq!(port.len(), sizes.len() as u64);
    let other = Port::open_in(&domain, "a").unwrap();
    for (i, &size) in sizes.iter().enumerate() {
        let m = other.try_receive().unwrap();
        assert_eq!(m.header.kind, i as u32);
        assert_eq!(m.body.len(), size);
        assert!(m.body.iter().enumerate().all(|(j, &b)| b == (i + j) as u8));
    }
    assert_eq!(other.try_receive().unwrap_err().kind(), ErrorKind::Empty);
    let e = port.try_send(&vec![0; (16 << 20) + 1]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::TooLarge);
    println!("{e}");
    let stat = port.stat().unwrap();
    println!("{stat:#?}");
    assert_eq!(stat.queue.users, 2);
    println!("{:#?}", domain.list().unwrap());
    println!("{:#?}", domain.tasks().unwrap());
}

#[test]
fn full_timeout_nack_and_delete() {
    let place = Place::new("full");
    let domain = Domain::at(&place.0).unwrap();
    let port = Port::create_in(&domain, "a", &PortOptions::new().capacity(3)).unwrap();
    for i in 0..3u8 {
        port.try_send(&[i]).unwrap();
    }
    let e = port.try_send(b"x").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Full);
    println!("{e}");
    let e = port.send_timeout(b"x", Duration::from_millis(20)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Timeout);
    println!("{e}");
    let a = port.take().unwrap();
    let b = port.take().unwrap();
    b.nack().unwrap();
    drop(a);
    let again = port.take().unwrap();
    assert_eq!((again.to_vec(), again.header().redeliveries), (vec![0], 1));
    again.ack().unwrap();
    let again = port.receive().unwrap();
    assert_eq!((again.body, again.header.redeliveries), (vec![1], 1));
    assert_eq!(port.receive().unwrap().body, [2]);
    std::thread::scope(|s| {
        let waiter = s.spawn(|| port.receive().unwrap_err().kind());
        let waiter2 = s.spawn(|| port.receive().unwrap_err().kind());
        Port::delete_in(&domain, "a").unwrap();
        assert_eq!(waiter.join().unwrap(), ErrorKind::Closed);
        assert_eq!(waiter2.join().unwrap(), ErrorKind::Closed);
    });
    assert_eq!(Port::open_in(&domain, "a").unwrap_err().kind(), ErrorKind::NotFound);
    let owned = Port::create_in(&domain, "b", &PortOptions::new().owner(Owner::Task)).unwrap();
    let user = Port::open_in(&domain, "b").unwrap();
    drop(owned);
    assert_eq!(user.try_send(b"").unwrap_err().kind(), ErrorKind::Closed);
    assert!(domain.list().unwrap().is_empty());
}

#[test]
fn a_queue_in_a_segment() {
    let place = Place::new("segment");
    let domain = Domain::at(&place.0).unwrap();
    let segment = Segment::create_in(&domain, "s", 10_000, &SegmentOptions::default()).unwrap();
    segment.write(9_990, b"0123456789").unwrap();
    assert!(segment.write(9_991, b"0123456789").is_err());
    segment.grow(20_000).unwrap();
    segment.write(9_991, b"0123456789").unwrap();
    let queue = Queue::create(&segment, 1 << 20, &QueueOptions::default()).unwrap();
    let other = Queue::open(&segment, 1 << 20).unwrap();
    std::thread::scope(|s| {
        s.spawn(|| {
            for i in 0..100_000u64 {
                queue.send(&i.to_le_bytes()).unwrap();
            }
        });
        for i in 0..100_000u64 {
            assert_eq!(other.receive().unwrap().body, i.to_le_bytes());
        }
    });
}
