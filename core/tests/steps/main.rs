//! Death and delay at every single step: between any two accesses to shared memory, and before each
//! system call. Whatever was cut short, the others lose nothing, wait for nothing and clear it up.
//!
//! Needs a library built with `--cfg mailboat_steps`: see `make steps`.
#![cfg(mailboat_steps)]

#[path = "../common/mod.rs"]
mod common;
mod memory;
mod messages;
mod names;

use common::Child;
use mailboat::{Domain, Port, steps};
use std::os::unix::process::ExitStatusExt;

/// What is to be cut short, once all is prepared for it. What it leaves open stays open.
type Act = Box<dyn FnOnce()>;

/// A child that prepares something and does it, but gets a signal before step `k` of doing it.
fn child_with_signal(k: u64, signal: i32, prepare: impl FnOnce() -> Act) -> Child {
    Child::run(|| {
        let act = prepare();
        steps::arm(k, signal);
        act();
        steps::arm(u64::MAX, 0);
    })
}

/// The same, killed. False if it was done before.
fn killed_at(k: u64, prepare: impl FnOnce() -> Act) -> bool {
    let status = child_with_signal(k, libc::SIGKILL, prepare).wait();
    let killed = status.signal() == Some(libc::SIGKILL);
    assert!(killed || status.success(), "step {k}: a child ended with {status}");
    killed
}

/// Calls `f` with 0, 1 and so on, until it says that the step was not reached any more.
fn for_each_step(what: &str, mut f: impl FnMut(u64) -> bool) {
    let count = (0..2000).find(|&k| !f(k)).unwrap_or_else(|| panic!("{what} has no end"));
    assert!(count > 0, "{what} took no step at all");
    println!("{what}: {count} steps");
}

fn open(path: &str) -> Port {
    Port::open_in(&Domain::at(path).unwrap(), "a").unwrap()
}

fn keep<T>(value: T) {
    std::mem::forget(value);
}

/// All messages that are to be had, by their bodies, which must be whole.
fn receive_all(port: &Port, size: usize) -> Vec<u8> {
    let mut bodies = Vec::new();
    while let Ok(message) = port.try_receive() {
        let first = message.body[0];
        assert!(message.body == vec![first; size], "a damaged message");
        bodies.push(first);
    }
    bodies
}
