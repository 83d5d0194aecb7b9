//! The same work done by mailboat.

use crate::Figures;
use crate::floor::one_way;
use crate::pair::{Shared, now, run};
use mailboat::{Domain, Error, ErrorKind, Outgoing, Port, PortOptions, Wait};

fn fresh(name: &str, options: &PortOptions) -> Port {
    let _ = Port::delete(name);
    Port::create(name, options).expect("a port")
}

fn poll<T>(mut attempt: impl FnMut() -> Result<T, Error>) -> T {
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(e) if matches!(e.kind(), ErrorKind::Empty | ErrorKind::Full) => {}
            Err(e) => panic!("{e}"),
        }
    }
}

/// There and back through two ports, halved, with tries that never sleep; the body is written and
/// read.
pub fn one_way_polling(size: usize) -> f64 {
    ping_pong(
        size,
        |port, body| {
            poll(|| port.try_send(body));
        },
        |port, body| {
            poll(|| port.receive_into(body, Wait::TRY));
        },
    )
}

/// The same with calls that wait as long as they must, and sleep if that is long.
pub fn one_way_blocking(size: usize) -> f64 {
    ping_pong(
        size,
        |port, body| {
            port.send(body).expect("sent");
        },
        |port, body| {
            port.receive_into(body, Wait::FOREVER).expect("received");
        },
    )
}

fn ping_pong(size: usize, send: impl Fn(&Port, &[u8]), receive: impl Fn(&Port, &mut [u8])) -> f64 {
    let turns = if size > 4096 { 300 } else { 100_000 };
    let domain = Domain::open().expect("a domain");
    let there = fresh("there", &PortOptions::default());
    let back = fresh("back", &PortOptions::default());
    let shared = Shared::new();
    let result = run(
        || {
            let mut body = vec![0u8; size];
            shared.meet(0);
            for _ in 0..turns {
                receive(&there, &mut body);
                send(&back, &body);
            }
        },
        || {
            let mut body = vec![0u8; size];
            shared.meet(0);
            let mut start = 0;
            for i in 0..turns {
                if i == turns / 10 {
                    start = now();
                }
                body.fill(i as u8);
                send(&there, &body);
                receive(&back, &mut body);
                assert_eq!(body[size - 1], i as u8);
            }
            (now() - start) as f64 / (turns - turns / 10) as f64 / 2.0
        },
    );
    drop(domain);
    result
}

/// Messages from one process to another as fast as they go, in millions a second.
pub fn stream(size: usize, batch: usize) -> f64 {
    const COUNT: usize = 1_500_000;
    let _domain = Domain::open().expect("a domain");
    let port = fresh("stream", &PortOptions::default());
    let shared = Shared::new();
    run(
        || {
            let mut bodies = vec![vec![0u8; size]; batch];
            shared.meet(0);
            let mut i = 0u64;
            while (i as usize) < COUNT {
                for body in &mut bodies {
                    body[..8].copy_from_slice(&i.to_le_bytes());
                    i += 1;
                }
                if batch == 1 {
                    port.send(&bodies[0]).expect("sent");
                    continue;
                }
                let messages: Vec<Outgoing<'_>> =
                    bodies.iter().map(|body| Outgoing::new(body)).collect();
                let mut rest = &messages[..];
                while !rest.is_empty() {
                    rest = &rest[port.send_many(rest, Wait::FOREVER).expect("sent")..];
                }
            }
        },
        || {
            let mut buffer = vec![0u8; size * batch];
            shared.meet(0);
            let start = now();
            let mut next = 0u64;
            while (next as usize) < COUNT.next_multiple_of(batch) {
                if batch == 1 {
                    port.receive_into(&mut buffer, Wait::FOREVER).expect("received");
                    assert_eq!(buffer[..8], next.to_le_bytes());
                    next += 1;
                    continue;
                }
                let count = port
                    .receive_many_into(&mut buffer, batch, Wait::FOREVER, &mut |_, _| {})
                    .expect("received");
                for i in 0..count {
                    assert_eq!(buffer[i * size..i * size + 8], next.to_le_bytes());
                    next += 1;
                }
            }
            next as f64 * 1e3 / (now() - start) as f64
        },
    )
}

/// A message of 64 bytes to a receiver that sleeps, one way, in ns.
pub fn sleeping() -> f64 {
    let _domain = Domain::open().expect("a domain");
    let port = fresh("sleeping", &PortOptions::default());
    one_way(
        |_| {
            port.receive_into(&mut [0; 64], Wait::FOREVER).expect("received");
        },
        |_| {
            port.send(&[7; 64]).expect("sent");
        },
    )
}

/// Opening and closing a port that exists, in us.
pub fn open_port() -> f64 {
    let _domain = Domain::open().expect("a domain");
    let _port = fresh("open", &PortOptions::default());
    let times: Vec<f64> = (0..200)
        .map(|_| {
            let start = now();
            let port = Port::open("open").expect("opened");
            let time = (now() - start) as f64 / 1e3;
            drop(port);
            time
        })
        .collect();
    crate::median(&times)
}

/// Making a default port, in us.
pub fn create_port() -> f64 {
    let _domain = Domain::open().expect("a domain");
    let times: Vec<f64> = (0..100)
        .map(|_| {
            let _ = Port::delete("create");
            let start = now();
            let port = Port::create("create", &PortOptions::default()).expect("made");
            let time = (now() - start) as f64 / 1e3;
            drop(port);
            time
        })
        .collect();
    crate::median(&times)
}

/// What needs no repetition.
pub fn once(figures: &mut Figures) {
    let _domain = Domain::open().expect("a domain");
    let port = fresh("once", &PortOptions::default());
    let bytes = port.stat().expect("figures").file_bytes;
    figures.insert("memory of a default port, KiB", vec![bytes as f64 / 1024.0]);

    let descriptors = || std::fs::read_dir("/proc/self/fd").expect("a listing").count() as f64;
    let before = descriptors();
    let ports: Vec<Port> =
        (0..10_000).map(|i| fresh(&format!("many-{i}"), &PortOptions::new().capacity(8))).collect();
    figures.insert("descriptors for 10,000 open ports", vec![descriptors() - before]);
    for port in ports {
        let name = port.name().to_owned();
        drop(port);
        Port::delete(&name).expect("deleted");
    }

    let cpu = || {
        // SAFETY: all zero is a valid rusage, and the kernel fills it in.
        let mut u: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: `u` is a valid place.
        unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut u) };
        let seconds = |t: libc::timeval| t.tv_sec as f64 * 1e6 + t.tv_usec as f64;
        seconds(u.ru_utime) + seconds(u.ru_stime)
    };
    let before = cpu();
    let e =
        port.receive_timeout(std::time::Duration::from_secs(2)).expect_err("nothing to receive");
    assert_eq!(e.kind(), ErrorKind::Timeout);
    figures.insert("processor used by 2 s of sleep, us", vec![cpu() - before]);
}

/// Sending and receiving in one thread: what the instructions cost without any traffic, in ns.
pub fn alone() -> f64 {
    const TURNS: u64 = 1_000_000;
    let _domain = Domain::open().expect("a domain");
    let port = fresh("alone", &PortOptions::default());
    let mut body = [7u8; 64];
    let start = now();
    for _ in 0..TURNS {
        port.try_send(&body).expect("sent");
        port.receive_into(&mut body, Wait::TRY).expect("received");
    }
    (now() - start) as f64 / TURNS as f64
}
