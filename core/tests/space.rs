//! A tmpfs that runs full: an error with figures, nothing left behind, never a signal, and all goes on
//! once there is space again.

mod common;

use common::{Place, in_child, on_small_tmpfs};
use mailboat::{
    Domain, Error, ErrorKind, Port, PortOptions, Queue, QueueOptions, Segment, SegmentOptions,
};
use std::os::unix::fs::FileExt;

/// Free bytes where the domain is.
fn available(domain: &Domain) -> u64 {
    domain.stat().unwrap().space_available
}

/// A file that takes up all of a tmpfs but `leave` bytes, until it is dropped.
struct Filler(String);

impl Filler {
    fn new(domain: &Domain, leave: u64) -> Self {
        let path = domain.path().join("filler");
        let file = std::fs::File::create(&path).unwrap();
        let mut at = 0;
        while available(domain) >= leave + 4096 {
            file.write_all_at(&[1], at).unwrap();
            at += 4096;
        }
        Filler(path.to_str().unwrap().to_owned())
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

/// The error must be about space, with figures that fit, the place, and what can be done.
fn is_no_space(error: &Error, domain: &Domain) {
    let text = error.to_string();
    let Error::NoSpace { needed, available, place, .. } = error else { panic!("{text}") };
    assert!(needed > available, "{text}");
    assert_eq!(&**place, domain.path().to_str().unwrap(), "{text}");
    for word in [
        &format!("{needed} bytes needed"),
        &format!("{available} available"),
        &**place,
        "mailboat ls",
        "remount",
    ] {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

fn files(domain: &Domain) -> usize {
    std::fs::read_dir(domain.path()).unwrap().count()
}

fn with_domain(name: &str, size: u64, f: impl FnOnce(Domain)) {
    on_small_tmpfs(&Place::new(name), size, |dir| f(Domain::at(&format!("{dir}/d")).unwrap()));
}

#[test]
fn ports_until_there_is_no_space() {
    with_domain("space-ports", 2 << 20, |domain| {
        let mut ports: Vec<Port> = Vec::new();
        for _ in 0..2 {
            let error = loop {
                let name = format!("p{}", ports.len());
                let before = (files(&domain), available(&domain));
                match Port::create_in(&domain, &name, &PortOptions::new()) {
                    Ok(port) => ports.push(port),
                    Err(e) => {
                        assert_eq!((files(&domain), available(&domain)), before);
                        break e;
                    }
                }
            };
            is_no_space(&error, &domain);
            assert!(ports.len() > 2, "{}", ports.len());
            for (i, port) in ports.iter().enumerate() {
                port.try_send(&i.to_le_bytes()).unwrap();
                assert_eq!(port.try_receive().unwrap().body, i.to_le_bytes());
            }
            let last = ports.pop().unwrap();
            Port::delete_in(&domain, last.name()).unwrap();
            drop(last);
        }
        // There is space again for a smaller one.
        Port::create_in(&domain, "small", &PortOptions::new().capacity(1)).unwrap();
    });
}

#[test]
fn large_messages_until_there_is_no_space() {
    const SIZE: usize = 100_000;
    with_domain("space-messages", 4 << 20, |domain| {
        let options = PortOptions::new().max_message(1 << 20).byte_budget(1 << 30);
        let port = Port::create_in(&domain, "p", &options).unwrap();
        for round in 0..3u8 {
            let mut sent = 0u8;
            let error = loop {
                match port.try_send(&[round ^ sent; SIZE]) {
                    Ok(_) => sent += 1,
                    Err(e) => break e,
                }
            };
            is_no_space(&error, &domain);
            assert!(sent > 5, "{sent}");
            // Neither do refused loans and sends eat up what is left.
            let before = available(&domain);
            for size in [SIZE, 1 << 20, 200_000] {
                is_no_space(&port.try_loan(size as u64).unwrap_err(), &domain);
                is_no_space(&port.try_send(&vec![0; size]).unwrap_err(), &domain);
            }
            assert!(available(&domain) + (64 << 10) >= before, "{before}");
            // Small ones need nothing.
            port.try_send(b"small").unwrap();
            for i in 0..sent {
                assert!(port.try_receive().unwrap().body == [round ^ i; SIZE], "damaged: {i}");
            }
            assert_eq!(port.try_receive().unwrap().body, b"small");
        }
        let stat = port.stat().unwrap().queue;
        assert_eq!((stat.loaned, stat.in_hand, stat.queued), (0, 0, 0));
    });
}

/// All sizes on a tmpfs without a byte to spare: what is there works, what is not there is refused.
#[test]
fn nothing_left_at_all() {
    with_domain("space-nothing", 2 << 20, |domain| {
        let port = Port::create_in(&domain, "p", &PortOptions::new().capacity(8)).unwrap();
        let segment = Segment::create_in(&domain, "s", 5000, &SegmentOptions::new()).unwrap();
        let filler = Filler::new(&domain, 0);
        assert_eq!(available(&domain), 0);
        // In a child, since the failure would be a SIGBUS.
        in_child(|| {
            for size in [0, 1, 192] {
                port.try_send(&vec![3; size]).unwrap();
                assert_eq!(port.try_receive().unwrap().body, vec![3; size]);
            }
            for size in [193, 1024, 5000, 100_000, 16 << 20] {
                is_no_space(&port.try_send(&vec![3; size]).unwrap_err(), &domain);
                is_no_space(&port.try_loan(size as u64).unwrap_err(), &domain);
            }
            segment.write(0, &[7; 5000]).unwrap();
            is_no_space(&segment.grow(100_000).unwrap_err(), &domain);
            assert_eq!(segment.size(), 5000);
            let options = QueueOptions::new().capacity(8);
            is_no_space(&Queue::create(&segment, 8192, &options).unwrap_err(), &domain);
            let made = Port::create_in(&domain, "q", &PortOptions::new().capacity(1));
            is_no_space(&made.unwrap_err(), &domain);
            let made = Segment::create_in(&domain, "t", 1, &SegmentOptions::new());
            is_no_space(&made.unwrap_err(), &domain);
            // What is there can be opened.
            Port::open_in(&domain, "p").unwrap().try_send(b"x").unwrap();
        });
        drop(filler);
        for size in [193, 1024, 5000, 100_000] {
            port.try_send(&vec![3; size]).unwrap();
        }
        segment.grow(100_000).unwrap();
        let mut bytes = vec![1; 100_000];
        segment.read(0, &mut bytes).unwrap();
        assert!(bytes[..5000] == [7; 5000] && bytes[5000..].iter().all(|&b| b == 0));
    });
}

#[test]
fn a_segment_grows_until_there_is_no_space() {
    with_domain("space-segment", 4 << 20, |domain| {
        let created = Segment::create_in(&domain, "large", 5 << 20, &SegmentOptions::new());
        is_no_space(&created.unwrap_err(), &domain);
        assert_eq!(files(&domain), 1, "only the roster");
        let other = Segment::create_in(&domain, "other", 1 << 20, &SegmentOptions::new()).unwrap();
        let segment = Segment::create_in(&domain, "s", 4096, &SegmentOptions::new()).unwrap();
        let before = available(&domain);
        is_no_space(&segment.grow(8 << 20).unwrap_err(), &domain);
        assert_eq!((segment.size(), available(&domain)), (4096, before), "nothing was taken");
        let mut size = 4096;
        let error = loop {
            match segment.grow(size + (100 << 10)) {
                Ok(()) => size += 100 << 10,
                Err(e) => break e,
            }
            assert_eq!(segment.size(), size);
            segment.write(size - 5, b"hello").unwrap();
        };
        is_no_space(&error, &domain);
        assert_eq!(segment.size(), size);
        let mut hello = [0; 5];
        segment.read(size - 5, &mut hello).unwrap();
        assert_eq!(&hello, b"hello");
        // Deleted, its memory lives as long as somebody has it.
        Segment::delete_in(&domain, "other").unwrap();
        assert_eq!(segment.grow(size + (900 << 10)).unwrap_err().kind(), ErrorKind::NoSpace);
        drop(other);
        segment.grow(size + (900 << 10)).unwrap();
    });
}

/// The same on kernels where memory cannot be committed through a mapping: in a process of its own,
/// as each process asks its kernel once.
#[test]
fn without_populating() {
    const VARIABLE: &str = "MAILBOAT_NO_POPULATE";
    if std::env::var_os(VARIABLE).is_some() {
        return;
    }
    let tests = std::process::Command::new(std::env::current_exe().unwrap())
        .env(VARIABLE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&tests.stdout);
    assert!(tests.status.success(), "{text}{}", String::from_utf8_lossy(&tests.stderr));
    assert!(text.contains("5 passed"), "{text}");
}
