//! Who can go on is woken, and not only by the look around that every sleeper takes now and then.
//!
//! To tell the two apart this program stands between the library and the kernel: its `syscall` lets
//! the sleepers of these tests sleep far longer than the library asked for. So a wake-up that was
//! forgotten or went to the wrong sleeper shows as a sleep that ended by itself, on a machine of any
//! speed and load.
#![allow(clippy::disallowed_types)] // Not the library, but what stands below it.

mod common;

use common::{PATIENCE, Place, killed_after, until};
use mailboat::{Error, ErrorKind, FullLimit, Outgoing, Port, PortOptions, Wait};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering::SeqCst};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

/// How long a sleep lasts that nobody ends.
const LONG_SLEEP: libc::time_t = 20;

/// What is known of a sleeper.
#[derive(Default)]
struct State {
    thread: AtomicI32,
    /// It is about to sleep, or sleeps.
    asleep: AtomicBool,
    /// Sleeps that ended by themselves.
    late: AtomicU32,
}

thread_local! {
    /// The state of a thread that is one of the sleepers.
    static SLEEPER: Cell<*const State> = const { Cell::new(std::ptr::null()) };
}

type Syscall = unsafe extern "C" fn(libc::c_long, ...) -> libc::c_long;

/// The C library's own.
fn real_syscall() -> Syscall {
    static FOUND: AtomicPtr<libc::c_void> = AtomicPtr::new(std::ptr::null_mut());
    if FOUND.load(SeqCst).is_null() {
        // SAFETY: a C string; looking a name up has no other conditions.
        FOUND.store(unsafe { libc::dlsym(libc::RTLD_NEXT, c"syscall".as_ptr()) }, SeqCst);
    }
    // SAFETY: the C library's function of this name has this type.
    unsafe { std::mem::transmute::<*mut libc::c_void, Syscall>(FOUND.load(SeqCst)) }
}

/// Takes the place of the C library's function for this program. Its variable arguments are passed
/// like those of an ordinary function on the architectures that the library supports.
///
/// # Safety
/// As syscall(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: libc::c_long,
    a: libc::c_long,
    b: libc::c_long,
    c: libc::c_long,
    d: libc::c_long,
    e: libc::c_long,
    f: libc::c_long,
) -> libc::c_long {
    let state = SLEEPER.get();
    // Not the standard library's sleeps, which are private to the process.
    let sleep = number == libc::SYS_futex && b == libc::FUTEX_WAIT_BITSET as libc::c_long;
    if !sleep || state.is_null() {
        // SAFETY: passed on as it came.
        return unsafe { real_syscall()(number, a, b, c, d, e, f) };
    }
    // SAFETY: the thread holds its state as long as it is a sleeper.
    let state = unsafe { &*state };
    // SAFETY: all zero is a valid timespec.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: a valid place for one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec += LONG_SLEEP;
    // One is enough to fail; after that the test may go on.
    let time = if state.late.load(SeqCst) == 0 { &raw const time as libc::c_long } else { d };
    state.asleep.store(true, SeqCst);
    // SAFETY: as it came, but for the time, which lives for the call.
    let result = unsafe { real_syscall()(number, a, b, c, time, e, f) };
    state.asleep.store(false, SeqCst);
    // SAFETY: errno is this thread's.
    if result < 0 && unsafe { *libc::__errno_location() } == libc::ETIMEDOUT {
        state.late.fetch_add(1, SeqCst);
    }
    result
}

/// A thread that waits in a call.
struct Sleeper<'scope, T> {
    thread: ScopedJoinHandle<'scope, T>,
    state: Arc<State>,
}

impl<'scope, T: Send + 'scope> Sleeper<'scope, T> {
    /// Starts the call, and returns when it sleeps.
    fn start(scope: &'scope Scope<'scope, '_>, call: impl FnOnce() -> T + Send + 'scope) -> Self {
        let sleeper = Self::begin(scope, call);
        assert!(sleeper.is_soon_asleep(), "the call did not wait");
        sleeper
    }

    fn begin(scope: &'scope Scope<'scope, '_>, call: impl FnOnce() -> T + Send + 'scope) -> Self {
        let state = Arc::<State>::default();
        let own = state.clone();
        let thread = scope.spawn(move || {
            // SAFETY: gettid touches no memory.
            own.thread.store(unsafe { libc::gettid() }, SeqCst);
            SLEEPER.set(Arc::as_ptr(&own));
            let result = call();
            SLEEPER.set(std::ptr::null());
            result
        });
        Sleeper { thread, state }
    }

    /// Waits until it sleeps. False if the call is over.
    fn is_soon_asleep(&self) -> bool {
        until("the thread sleeps", || {
            if self.thread.is_finished() {
                return Some(false);
            }
            let stat = format!("/proc/self/task/{}/stat", self.state.thread.load(SeqCst));
            let asleep = self.state.asleep.load(SeqCst)
                && std::fs::read_to_string(stat).is_ok_and(|s| s.contains(") S "));
            asleep.then_some(true)
        })
    }

    /// What the call gave. Nobody may have left it asleep.
    fn join(self) -> T {
        let result = self.thread.join().unwrap();
        assert_eq!(self.state.late.load(SeqCst), 0, "it could go on, but was not woken");
        result
    }
}

fn port(place: &Place, options: PortOptions) -> Port {
    Port::create_in(&place.open(), "a", &options).unwrap()
}

#[test]
fn sending_wakes_a_receiver() {
    let place = Place::new("send");
    let port = port(&place, PortOptions::new());
    std::thread::scope(|scope| {
        let receiver = Sleeper::start(scope, || port.receive_timeout(PATIENCE).unwrap().body);
        port.send(b"1").unwrap();
        assert_eq!(receiver.join(), b"1");
        let receiver = Sleeper::start(scope, || port.take_timeout(PATIENCE).unwrap().to_vec());
        let mut loan = port.loan(1).unwrap();
        loan.write(0, b"2").unwrap();
        loan.send().unwrap();
        assert_eq!(receiver.join(), b"2");
    });
}

#[test]
fn sending_many_wakes_as_many_receivers() {
    let place = Place::new("many");
    let port = port(&place, PortOptions::new());
    std::thread::scope(|scope| {
        let receivers: Vec<_> = (0..3)
            .map(|_| Sleeper::start(scope, || port.receive_timeout(PATIENCE).map(drop)))
            .collect();
        assert_eq!(port.send_many(&[Outgoing::new(b"x"); 3], Wait::TRY).unwrap(), 3);
        receivers.into_iter().for_each(|r| r.join().unwrap());
    });
}

#[test]
fn giving_a_message_back_wakes_a_receiver() {
    let place = Place::new("nack");
    let port = port(&place, PortOptions::new());
    port.send(b"1").unwrap();
    for drop_it in [false, true] {
        let receipt = port.take().unwrap();
        std::thread::scope(|scope| {
            let receiver = Sleeper::start(scope, || port.take_timeout(PATIENCE).unwrap());
            if drop_it {
                drop(receipt)
            } else {
                receipt.nack().unwrap()
            }
            assert!(receiver.join().header().redeliveries > 0);
        });
    }
}

/// The message's buffer is not free before it is acknowledged, but its place in the queue is.
#[test]
fn taking_wakes_a_sender_that_waits_for_room() {
    let place = Place::new("take");
    let port = port(&place, PortOptions::new().capacity(1));
    port.send(b"1").unwrap();
    std::thread::scope(|scope| {
        let sender = Sleeper::start(scope, || port.send_timeout(b"2", PATIENCE).unwrap());
        let receipt = port.take().unwrap();
        sender.join();
        receipt.ack().unwrap();
    });
}

#[test]
fn acknowledging_and_discarding_wake_a_sender_that_waits_for_a_buffer() {
    let place = Place::new("buffers");
    let port = port(&place, PortOptions::new().capacity(8).max_message(4096).byte_budget(4096));
    std::thread::scope(|scope| {
        let loan = port.loan(4096).unwrap();
        let sender = Sleeper::start(scope, || port.send_timeout(&[1; 4096], PATIENCE).unwrap());
        drop(loan);
        sender.join();
        let receipt = port.take().unwrap();
        let sender = Sleeper::start(scope, || port.send_timeout(&[2; 4096], PATIENCE).unwrap());
        receipt.ack().unwrap();
        sender.join();
    });
}

/// A loan needs no room in the queue before it is sent.
#[test]
fn discarding_wakes_who_waits_for_a_loan_though_the_queue_is_full() {
    let place = Place::new("discard");
    let port = port(&place, PortOptions::new().capacity(1).max_message(4096).byte_budget(4096));
    let loan = port.loan(4096).unwrap();
    port.send(b"1").unwrap();
    std::thread::scope(|scope| {
        let borrower = Sleeper::start(scope, || drop(port.loan_timeout(4096, PATIENCE).unwrap()));
        drop(loan);
        borrower.join();
    });
}

/// Room in the ring is of no use to who waits for a buffer, so the wake-up is not for that one.
#[test]
fn room_goes_to_the_sender_that_can_use_it() {
    let place = Place::new("room");
    let port = port(&place, PortOptions::new().capacity(1).max_message(4096).byte_budget(4096));
    let loan = port.loan(4096).unwrap();
    let blocked = port.try_loan(4096).unwrap_err();
    assert!(matches!(blocked, Error::Full { limit: FullLimit::Buffers, .. }), "{blocked}");
    std::thread::scope(|scope| {
        let borrower = Sleeper::start(scope, || drop(port.loan_timeout(4096, PATIENCE).unwrap()));
        for _ in 0..3 {
            port.send(b"1").unwrap();
            let sender = Sleeper::start(scope, || port.send_timeout(b"2", PATIENCE).unwrap());
            port.receive().unwrap();
            sender.join();
            port.receive().unwrap();
            assert!(borrower.is_soon_asleep());
        }
        drop(loan);
        borrower.join();
    });
}

/// A sender that sleeps because the ring is full, and finds on waking that its buffer is lacking too.
#[test]
fn a_sender_that_cannot_use_the_room_after_all_passes_the_wake_up_on() {
    let place = Place::new("pass");
    let port = port(&place, PortOptions::new().capacity(1).max_message(4096).byte_budget(4096));
    let loan = port.loan(4096).unwrap();
    port.send(b"1").unwrap();
    std::thread::scope(|scope| {
        // The first to sleep is the first to be woken.
        let large = Sleeper::start(scope, || port.send_timeout(&[3; 4096], PATIENCE).unwrap());
        let small = Sleeper::start(scope, || port.send_timeout(b"2", PATIENCE).unwrap());
        port.receive().unwrap();
        small.join();
        assert_eq!(port.receive().unwrap().body, b"2");
        assert!(large.is_soon_asleep());
        drop(loan);
        large.join();
    });
}

#[test]
fn a_receiver_with_too_small_a_buffer_passes_the_wake_up_on() {
    let place = Place::new("small");
    let port = port(&place, PortOptions::new());
    std::thread::scope(|scope| {
        let small = Sleeper::start(scope, || {
            port.receive_into(&mut [0; 4], PATIENCE.into()).unwrap_err().kind()
        });
        let other = Sleeper::start(scope, || port.receive_timeout(PATIENCE).unwrap().body);
        port.send(&[7; 100]).unwrap();
        assert_eq!(other.join(), [7; 100]);
        // For the first one, if it came too late for the same message.
        port.send(&[7; 100]).unwrap();
        assert_eq!(small.join(), ErrorKind::TooLarge);
    });
}

/// None of its sleeps lasts until it would look around by itself.
#[test]
fn a_receiver_that_is_often_woken_still_gets_what_the_dead_had() {
    let place = Place::new("often");
    let port = port(&place, PortOptions::new());
    port.send(b"precious").unwrap();
    killed_after(|| {
        let port = Port::open_in(&place.open(), "a").unwrap();
        std::mem::forget(port.take().unwrap());
    });
    until("the message comes among the others", || {
        std::thread::scope(|scope| {
            let receiver = Sleeper::begin(scope, || port.receive_timeout(PATIENCE).unwrap());
            if receiver.is_soon_asleep() {
                port.send(b"other").unwrap();
            }
            Some(receiver.join()).filter(|m| m.header.redeliveries > 0)
        })
    });
}

#[test]
fn closing_wakes_all_who_wait() {
    let place = Place::new("close");
    let port = port(&place, PortOptions::new().capacity(1).max_message(4096).byte_budget(4096));
    let other = Port::create_in(&place.open(), "b", &PortOptions::new()).unwrap();
    let loan = port.loan(4096).unwrap();
    port.send(b"1").unwrap();
    std::thread::scope(|scope| {
        let sleepers = [
            Sleeper::start(scope, || port.send_timeout(b"2", PATIENCE).unwrap_err().kind()),
            Sleeper::start(scope, || port.loan_timeout(4096, PATIENCE).unwrap_err().kind()),
            Sleeper::start(scope, || other.receive_timeout(PATIENCE).unwrap_err().kind()),
            Sleeper::start(scope, || other.receive_timeout(PATIENCE).unwrap_err().kind()),
        ];
        Port::delete_in(&place.open(), "a").unwrap();
        other.shut().unwrap();
        for sleeper in sleepers {
            assert_eq!(sleeper.join(), ErrorKind::Closed);
        }
    });
    drop(loan);
}

#[test]
fn a_wait_that_signals_may_end_still_times_out() {
    let place = Place::new("interruptible");
    let port = port(&place, PortOptions::new());
    let wait = Wait::from(Duration::from_millis(10)).interruptible();
    assert_eq!(port.receive_wait(wait).unwrap_err().kind(), ErrorKind::Timeout);
}
