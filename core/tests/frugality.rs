//! What it costs to have a port: memory, descriptors, processor time.

use mailboat::{Domain, ErrorKind, Port, PortOptions};
use std::time::Duration;

struct Place(String);

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn place(name: &str) -> (Place, Domain) {
    let path = format!("/dev/shm/mailboat-test-{}-{name}", std::process::id());
    let _ = std::fs::remove_dir_all(&path);
    let domain = Domain::at(&path).unwrap();
    (Place(path), domain)
}

#[test]
fn a_default_port_commits_at_most_512_kib() {
    let (_place, domain) = place("memory");
    let port = Port::create_in(&domain, "p", &PortOptions::default()).unwrap();
    let bytes = port.stat().unwrap().file_bytes;
    assert!(bytes <= 512 << 10, "{bytes}");
}

#[test]
fn ten_thousand_open_ports_need_no_descriptors() {
    let (_place, domain) = place("descriptors");
    let count = || {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
            .filter(|target| target.starts_with(domain.path()))
            .count()
    };
    let options = PortOptions::new().capacity(4);
    let before = count();
    let ports: Vec<Port> = (0..10_000)
        .map(|i| Port::create_in(&domain, &format!("p{i}"), &options).unwrap())
        .collect();
    assert_eq!((before, count()), (2, 2));
    for (i, port) in ports.iter().enumerate() {
        port.try_send(&i.to_le_bytes()).unwrap();
    }
    for (i, port) in ports.iter().enumerate() {
        assert_eq!(port.try_receive().unwrap().body, i.to_le_bytes());
    }
}

#[test]
fn a_sleeping_receiver_uses_no_processor() {
    let (_place, domain) = place("sleep");
    let port = Port::create_in(&domain, "p", &PortOptions::default()).unwrap();
    let used = || {
        let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `t` is a valid place.
        assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut t) }, 0);
        Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
    };
    let before = used();
    let e = port.receive_timeout(Duration::from_secs(1)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Timeout);
    // A processor's time and not the clock's, so a loaded machine changes little: some looks around
    // and one short spin, a hundredth of the second at the very most.
    assert!(used() - before < Duration::from_millis(10), "{:?}", used() - before);
}
