//! Memory taken from a tmpfs that is full, and given back to it.

use super::common::{Place, die, in_child, on_small_tmpfs};
use super::{child_with_signal, for_each_step, keep, killed_at, open, receive_all};
use mailboat::{Domain, Error, Port, PortOptions, Wait};
use std::os::unix::process::ExitStatusExt;

/// A file that takes up all memory of a tmpfs but some bytes, until it is dropped.
struct Filler(String);

impl Filler {
    fn new(dir: &str, leave: u64) -> Self {
        use std::io::Write;
        let path = format!("{dir}/filler");
        let mut file = std::fs::File::create(&path).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len((length - leave) / 4096 * 4096).unwrap();
        Filler(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A buffer must not count as having memory any more before its memory is given back.
#[test]
fn a_death_while_memory_is_given_back_lets_nobody_run_into_a_hole() {
    const LARGE: usize = 256 << 10;
    let place = Place::new("hole");
    on_small_tmpfs(&place, 8 << 20, |dir| {
        let path = format!("{dir}/domain");
        let domain = Domain::at(&path).unwrap();
        let options = PortOptions::new().capacity(8).max_message(LARGE as u64).byte_budget(1 << 20);
        for_each_step("receiving, then a full tmpfs", |k| {
            let port = Port::create_in(&domain, "a", &options).unwrap();
            port.try_send(&[1; LARGE]).unwrap();
            port.try_send(&[1; LARGE]).unwrap();
            port.try_receive().unwrap();
            let killed = killed_at(k, || {
                let port = open(&path);
                let mut buffer = vec![0; LARGE];
                Box::new(move || {
                    port.receive_into(&mut buffer, Wait::TRY).unwrap();
                    keep(port);
                })
            });
            port.stat().unwrap();
            let filler = Filler::new(dir, 0);
            // In a child, since the failure would be a SIGBUS.
            in_child(|| {
                let port = open(&path);
                for _ in 0..3 {
                    if let Err(e) = port.try_send(&[2; LARGE]) {
                        assert!(matches!(e, Error::NoSpace { .. }), "{e}");
                    }
                }
            });
            drop((filler, port));
            Port::delete_in(&domain, "a").unwrap();
            killed
        });
    });
}

/// Of two who make more buffers usable at once, the one that fails for lack of memory must leave the
/// other's alone.
#[test]
fn a_sender_that_finds_no_memory_does_not_damage_its_neighbours_message() {
    let place = Place::new("neighbour");
    on_small_tmpfs(&place, 8 << 20, |dir| {
        let path = format!("{dir}/domain");
        let domain = Domain::at(&path).unwrap();
        let options = PortOptions::new().capacity(8).max_message(4096).byte_budget(1 << 20);
        let mut refusals = 0;
        for_each_step("sending with little memory, stopped", |k| {
            let port = Port::create_in(&domain, "a", &options).unwrap();
            let filler = Filler::new(dir, 32 << 10);
            let mut child = child_with_signal(k, libc::SIGSTOP, || {
                let port = open(&path);
                Box::new(move || {
                    if let Err(e) = port.try_send(&[1; 1000]) {
                        assert!(matches!(e, Error::NoSpace { .. }), "{e}");
                        die();
                    }
                    keep(port);
                })
            });
            let refused = |status: std::process::ExitStatus| {
                assert!(status.success() || status.signal() == Some(libc::SIGKILL), "{status}");
                !status.success()
            };
            let stopped = child.is_stopped();
            drop(filler);
            if stopped {
                port.try_send(&[7; 1000]).unwrap();
                child.go_on();
                refusals += refused(child.wait()) as u32;
            }
            let bodies = receive_all(&port, 1000);
            assert!(!stopped || bodies.contains(&7), "step {k}: {bodies:?}");
            drop(port);
            Port::delete_in(&domain, "a").unwrap();
            stopped
        });
        assert!(refusals > 0, "memory was never short");
    });
}
