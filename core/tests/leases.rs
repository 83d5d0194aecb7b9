//! Leases lost and kept: other code of the process closes descriptors, reuses their numbers, forks.
//!
//! Whoever lost a lease counts as dead to the others; it must be told, must harm nobody, and go on.

mod common;

use common::{Child, Place, in_child, stop_here};
use mailboat::{Domain, ErrorKind, Port, PortOptions, Wait};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};

/// This process's descriptors of the roster: those that hold a lock, and the others.
fn roster_descriptors(place: &Place) -> (Vec<i32>, Vec<i32>) {
    let mut all: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .collect();
    all.retain(|fd| {
        std::fs::read_link(format!("/proc/self/fd/{fd}"))
            .is_ok_and(|to| to.to_str() == Some(&format!("{}/.roster", place.0)))
    });
    all.into_iter().partition(|fd| {
        std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap().contains("lock:")
    })
}

fn close(fd: i32) {
    // SAFETY: closing behind the library's back is what these tests are about; the library does
    // nothing with a number but what is harmless for any file.
    assert_eq!(unsafe { libc::close(fd) }, 0);
}

/// Loses the lease by closing its descriptor. Returns its number.
fn lose_lease(place: &Place) -> i32 {
    let (held, _) = roster_descriptors(place);
    assert_eq!(held.len(), 1);
    close(held[0]);
    held[0]
}

/// Another process looks at the port, and so at who lives.
fn somebody_looks(place: &Place) {
    in_child(|| drop(Port::open_in(&place.open(), "a").unwrap().stat().unwrap()));
}

/// A file of other code of this process, at the number `fd`, which is free.
fn stranger_at(fd: i32) -> File {
    let file = tempfile();
    // SAFETY: the number is free, and this file is its only owner from here on.
    unsafe {
        assert_eq!(libc::dup2(file.as_raw_fd(), fd), fd);
        File::from_raw_fd(fd)
    }
}

fn tempfile() -> File {
    // SAFETY: a C string; the descriptor is nobody else's.
    unsafe { File::from_raw_fd(libc::memfd_create(c"stranger".as_ptr(), libc::MFD_CLOEXEC)) }
}

/// That a stranger's file is still open and as it was left.
fn check_stranger(file: &mut File) {
    file.write_all(b"log").unwrap();
    file.rewind().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("log"), "{text:?}");
}

#[test]
fn one_directory_is_one_task_however_its_path_is_written() {
    let place = Place::new("spelling");
    let domain = place.open();
    let name = place.0.strip_prefix("/dev/shm/").unwrap();
    for path in [
        place.0.clone(),
        format!("{}/", place.0),
        format!("//dev/./shm//{name}"),
        format!("/dev/shm/../shm/{name}"),
        format!("/proc/self/root/dev/shm/{name}"),
    ] {
        let other = Domain::at(&path).unwrap();
        assert_eq!(other.task().unwrap(), domain.task().unwrap(), "{path}");
    }
    // Dropping all but one has left the task alive, also in the eyes of others.
    in_child(|| assert_eq!(place.open().tasks().unwrap().iter().filter(|t| t.alive).count(), 2));
}

#[test]
fn a_loan_of_a_lost_lease_is_not_sent() {
    let place = Place::new("loan");
    let options = PortOptions::new().capacity(1);
    let port = Port::create_in(&place.open(), "a", &options).unwrap();
    in_child(|| {
        let port = Port::open_in(&place.open(), "a").unwrap();
        let mut loan = port.loan(5).unwrap();
        loan.write(0, b"hello").unwrap();
        lose_lease(&place);
        somebody_looks(&place);
        // One call tells of it, and the next has a new lease.
        assert_eq!(port.try_receive().unwrap_err().kind(), ErrorKind::LeaseLost);
        assert_eq!(port.try_receive().unwrap_err().kind(), ErrorKind::Empty);
        // The buffer is free by now, and others use it.
        let others: Vec<_> = std::iter::from_fn(|| port.try_loan(5).ok()).collect();
        assert!(!others.is_empty());
        let rejected = loan.send_with(5, 0, Wait::TRY).unwrap_err();
        assert_eq!(rejected.error.kind(), ErrorKind::LeaseLost);
        // Nor does dropping it free what is another's now.
        drop(rejected);
        port.try_loan(5).unwrap_err();
        drop(others);
        port.try_send(b"anew").unwrap();
    });
    assert_eq!(port.try_receive().unwrap().body, b"anew");
    assert_eq!(port.try_receive().unwrap_err().kind(), ErrorKind::Empty);
}

#[test]
fn receipts_of_a_lost_lease_cannot_end_the_next_one() {
    let place = Place::new("receipts");
    let port = Port::create_in(&place.open(), "a", &PortOptions::new()).unwrap();
    for i in 0..10u8 {
        port.send(&[i]).unwrap();
    }
    in_child(|| {
        let port = Port::open_in(&place.open(), "a").unwrap();
        let receipts: Vec<_> = (0..10).map(|_| port.take().unwrap()).collect();
        lose_lease(&place);
        somebody_looks(&place);
        assert_eq!(port.try_take().unwrap_err().kind(), ErrorKind::LeaseLost);
        let task = || place.open().task().unwrap();
        port.try_receive().unwrap();
        let anew = task();
        for receipt in receipts {
            assert_eq!(receipt.ack().unwrap_err().kind(), ErrorKind::LeaseLost);
            let _ = port.try_receive();
        }
        assert_eq!(task(), anew);
        // The parent's handle and this one.
        assert_eq!(port.stat().unwrap().queue.users, 2);
    });
    let stat = port.stat().unwrap().queue;
    assert_eq!((stat.users, stat.queued, stat.in_hand, stat.given_back), (1, 0, 0, 0));
}

/// What a program that becomes a daemon does.
#[test]
fn a_process_that_closed_all_descriptors_declares_nobody_dead_and_goes_on() {
    let place = Place::new("closed");
    let port = Port::create_in(&place.open(), "a", &PortOptions::new()).unwrap();
    port.send(b"1").unwrap();
    let receipt = port.take().unwrap();
    let mut child = Child::run(|| {
        let domain = place.open();
        let port = Port::open_in(&domain, "a").unwrap();
        // SAFETY: numbers alone; what it does to the library is what this is about.
        assert_eq!(unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) }, 0);
        let mut strangers: Vec<File> = (0..20).map(|_| tempfile()).collect();
        // Looks after the dead, and so at whether the parent lives.
        let stat = port.stat().unwrap().queue;
        assert_eq!((stat.users, stat.in_hand, stat.deaths), (2, 1, 0));
        assert_eq!(port.try_receive().unwrap_err().kind(), ErrorKind::Empty);
        strangers.iter_mut().for_each(check_stranger);
        stop_here();
        // The parent has looked: this process holds no lease.
        assert_eq!(port.try_send(b"2").unwrap_err().kind(), ErrorKind::LeaseLost);
        port.try_send(b"2").unwrap();
        assert_eq!(port.stat().unwrap().queue.users, 2);
        assert_eq!(domain.tasks().unwrap().iter().filter(|t| t.alive).count(), 2);
        drop((port, domain));
        strangers.iter_mut().for_each(check_stranger);
    });
    child.wait_until_stopped();
    receipt.ack().unwrap();
    assert_eq!(port.stat().unwrap().queue.users, 1);
    child.go_on();
    child.succeed();
    assert_eq!(port.try_receive().unwrap().body, b"2");
    let stat = port.stat().unwrap().queue;
    assert_eq!((stat.users, stat.redelivered), (1, 0));
}

#[test]
fn a_forked_child_leaves_a_file_open_that_has_the_number_of_a_lost_lease() {
    let place = Place::new("number");
    in_child(|| {
        let domain = place.open();
        let port = Port::create_in(&domain, "a", &PortOptions::new()).unwrap();
        let mut stranger = stranger_at(lose_lease(&place));
        in_child(|| {
            check_stranger(&mut stranger);
            // The child attaches all the same, and leaves the file alone when it leaves.
            port.try_send(b"child").unwrap();
            drop((port.clone(), domain.clone()));
            check_stranger(&mut stranger);
        });
        check_stranger(&mut stranger);
        // In the parent too, when it loses, renews and gives up the domain.
        somebody_looks(&place);
        assert_eq!(port.try_send(b"parent").unwrap_err().kind(), ErrorKind::LeaseLost);
        assert_eq!(port.try_receive().unwrap().body, b"child");
        in_child(|| check_stranger(&mut stranger));
        drop((port, domain));
        check_stranger(&mut stranger);
        let (held, others) = roster_descriptors(&place);
        assert!(held.is_empty() && others.is_empty(), "left open: {held:?} {others:?}");
    });
}

#[test]
fn a_file_that_has_the_number_of_a_closed_probe_is_left_alone() {
    let place = Place::new("probe");
    let living = Port::create_in(&place.open(), "a", &PortOptions::new()).unwrap();
    in_child(|| {
        let domain = place.open();
        let (_, probes) = roster_descriptors(&place);
        let mut strangers = Vec::new();
        for fd in probes {
            close(fd);
            let mut stranger = stranger_at(fd);
            check_stranger(&mut stranger);
            strangers.push(stranger);
        }
        assert_eq!(domain.tasks().unwrap().iter().filter(|t| t.alive).count(), 2);
        let port = Port::open_in(&domain, "a").unwrap();
        assert_eq!(port.stat().unwrap().queue.users, 2);
        drop((port, domain));
        strangers.iter_mut().for_each(check_stranger);
        for stranger in strangers {
            close(stranger.into_raw_fd());
        }
    });
    assert_eq!(living.stat().unwrap().queue.users, 1);
}

/// Lives on when its parent has died, until it is killed.
fn outlive_the_parent() {
    // SAFETY: numbers alone.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
    stop_here();
    // SAFETY: no arguments at all.
    unsafe { libc::pause() };
}

#[test]
fn a_forked_child_does_not_keep_the_lease_of_its_parent() {
    let place = Place::new("parent");
    let port = Port::create_in(&place.open(), "a", &PortOptions::new()).unwrap();
    port.send(b"1").unwrap();
    // A second process takes a message, and forks a third that outlives it.
    let mut second = Child::run(|| {
        let port = Port::open_in(&place.open(), "a").unwrap();
        std::mem::forget(port.take().unwrap());
        let mut third = std::mem::ManuallyDrop::new(Child::run(outlive_the_parent));
        // It gives up what it inherited when it first runs.
        third.wait_until_stopped();
        third.go_on();
        port.send(&third.pid().to_ne_bytes()).unwrap();
        stop_here();
    });
    second.wait_until_stopped();
    let third = i32::from_ne_bytes(port.receive().unwrap().body.try_into().unwrap());
    assert_eq!(port.stat().unwrap().queue.in_hand, 1);
    second.kill();
    let stat = port.stat().unwrap().queue;
    assert_eq!((stat.users, stat.in_hand, stat.given_back), (1, 0, 1));
    // SAFETY: a process of this test, which pauses until it is killed.
    assert_eq!(unsafe { libc::kill(third, libc::SIGKILL) }, 0);
}
