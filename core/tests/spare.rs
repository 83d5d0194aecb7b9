//! A handle claims a chunk ahead of its next message. Nobody may notice, except by the speed.

use mailboat::{Domain, ErrorKind, Loan, Port, PortOptions};
use std::collections::HashSet;

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

/// Loans until there are no more.
fn loan_all(port: &Port) -> Vec<Loan> {
    let mut loans = Vec::new();
    loop {
        match port.try_loan(1) {
            Ok(loan) => loans.push(loan),
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Full);
                return loans;
            }
        }
    }
}

#[test]
fn a_chunk_claimed_ahead_is_not_counted_as_loaned() {
    let place = Place::new("not-counted");
    let domain = Domain::at(&place.0).unwrap();
    let port = Port::create_in(&domain, "a", &PortOptions::new().capacity(8)).unwrap();
    port.send(b"x").unwrap();
    let stat = port.stat().unwrap().queue;
    assert_eq!((stat.queued, stat.loaned), (1, 0));
    let loan = port.loan(1).unwrap();
    assert_eq!(port.stat().unwrap().queue.loaned, 1);
    drop(loan);
    assert_eq!(port.stat().unwrap().queue.loaned, 0);
}

#[test]
fn one_handle_can_still_use_every_chunk() {
    let place = Place::new("every-chunk");
    let domain = Domain::at(&place.0).unwrap();
    let port = Port::create_in(&domain, "a", &PortOptions::new().capacity(8)).unwrap();
    let all = loan_all(&port).len();
    port.send(b"x").unwrap();
    port.receive().unwrap();
    assert_eq!(loan_all(&port).len(), all);
}

#[test]
fn idle_handles_do_not_starve_others() {
    let place = Place::new("starve");
    let domain = Domain::at(&place.0).unwrap();
    let port = Port::create_in(&domain, "a", &PortOptions::new().capacity(1)).unwrap();
    let all = loan_all(&port).len();
    let others: Vec<Port> = (0..2 * all).map(|_| Port::open_in(&domain, "a").unwrap()).collect();
    for other in &others {
        other.try_send(b"x").unwrap();
        port.try_receive().unwrap();
    }
    assert!(loan_all(&port).len() > all / 2);
    port.try_send(b"x").unwrap();
    port.try_receive().unwrap();
    drop(others);
    assert_eq!(loan_all(&port).len(), all);
}

#[test]
fn a_forked_child_leaves_the_parents_alone() {
    let place = Place::new("fork");
    let domain = Domain::at(&place.0).unwrap();
    let port = Port::create_in(&domain, "a", &PortOptions::new().capacity(8)).unwrap();
    let all = loan_all(&port).len();
    port.try_send(b"before").unwrap();
    // SAFETY: the child only uses the port and leaves by _exit.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let sent = (0..3).all(|_| port.try_send(b"child").is_ok());
        // SAFETY: ends the child without the destructors of the parent's test.
        unsafe { libc::_exit(!sent as i32) };
    }
    let mut status = 1;
    // SAFETY: `status` is a valid place.
    unsafe { libc::waitpid(pid, &mut status, 0) };
    assert_eq!(status, 0);
    port.try_send(b"after").unwrap();
    let got: Vec<_> = (0..5).map(|_| port.try_receive().unwrap()).collect();
    let bodies: Vec<&[u8]> = got.iter().map(|m| &m.body[..]).collect();
    assert_eq!(bodies, [&b"before"[..], b"child", b"child", b"child", b"after"]);
    let ids: HashSet<u64> = got.iter().map(|m| m.header.id).collect();
    assert_eq!(ids.len(), got.len());
    assert_eq!(got[0].header.sender, got[4].header.sender);
    assert_ne!(got[0].header.sender, got[1].header.sender);
    // The child died with a chunk claimed ahead: it comes back.
    port.stat().unwrap();
    assert_eq!(port.stat().unwrap().queue.users, 1);
    assert_eq!(loan_all(&port).len(), all);
}

#[test]
fn threads_of_one_handle_share_it() {
    let place = Place::new("threads");
    let domain = Domain::at(&place.0).unwrap();
    let port = Port::create_in(&domain, "a", &PortOptions::new().capacity(64)).unwrap();
    let all = loan_all(&port).len();
    const EACH: u64 = 20_000;
    let mut ids = HashSet::new();
    std::thread::scope(|s| {
        for t in 0..3u64 {
            let port = &port;
            s.spawn(move || {
                for i in 0..EACH {
                    port.send(&(t * EACH + i).to_le_bytes()).unwrap();
                }
            });
        }
        let mut seen = vec![false; 3 * EACH as usize];
        for _ in 0..3 * EACH {
            let m = port.receive().unwrap();
            let n = u64::from_le_bytes(m.body[..].try_into().unwrap()) as usize;
            assert!(!std::mem::replace(&mut seen[n], true));
            assert!(ids.insert(m.header.id));
        }
    });
    assert_eq!(port.stat().unwrap().queue.loaned, 0);
    assert_eq!(loan_all(&port).len(), all);
}
