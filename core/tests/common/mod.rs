//! What tests with several processes need: a domain of their own, children, a small tmpfs.
#![allow(dead_code)] // Each test program uses a part.

use mailboat::Domain;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// How long a test waits for what must happen sooner or later.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A directory for one test's domain, removed at the end. The domain makes it.
pub struct Place(pub String);

impl Place {
    pub fn new(name: &str) -> Self {
        let path = format!("/dev/shm/mailboat-test-{}-{name}", std::process::id());
        let _ = std::fs::remove_dir_all(&path);
        Place(path)
    }

    pub fn open(&self) -> Domain {
        Domain::at(&self.0).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A forked child, killed when dropped.
pub struct Child {
    pid: i32,
    ended: bool,
}

impl Child {
    /// Forks. The child runs `f` and ends: with 0, or with 1 and a message if `f` panicked. A child
    /// that hangs is ended by SIGALRM, and none outlives the thread that forked it.
    pub fn run(f: impl FnOnce()) -> Child {
        speak_up_in_children();
        // SAFETY: the tests' threads hold no lock over a fork that a child needs; the library's own
        // state is guarded by its fork handlers.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
        if pid == 0 {
            // SAFETY: numbers alone.
            unsafe {
                libc::alarm(3 * PATIENCE.as_secs() as u32);
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            }
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
            // SAFETY: ends the process without running the harness's exit handlers.
            unsafe { libc::_exit(result.is_err() as i32) };
        }
        Child { pid, ended: false }
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    fn signal(&self, signal: i32) {
        // SAFETY: a child that was not waited for yet, so the number is still its own.
        unsafe { libc::kill(self.pid, signal) };
    }

    fn wait_with(&mut self, flags: i32) -> ExitStatus {
        let mut status = 0;
        // SAFETY: `status` is a valid place.
        let pid = unsafe { libc::waitpid(self.pid, &mut status, flags) };
        assert_eq!(pid, self.pid);
        let status = ExitStatus::from_raw(status);
        self.ended = status.stopped_signal().is_none();
        status
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        self.wait_with(0)
    }

    /// Waits for its end, which must be a good one.
    pub fn succeed(self) {
        let status = self.wait();
        assert!(status.success(), "a child ended with {status}");
    }

    /// Waits until it calls [`stop_here`] or is stopped by a signal; false if it ended.
    pub fn is_stopped(&mut self) -> bool {
        self.wait_with(libc::WUNTRACED).stopped_signal().is_some()
    }

    /// Waits until it calls [`stop_here`].
    pub fn wait_until_stopped(&mut self) {
        let status = self.wait_with(libc::WUNTRACED);
        assert!(status.stopped_signal().is_some(), "a child ended with {status}");
    }

    pub fn go_on(&self) {
        self.signal(libc::SIGCONT);
    }

    /// Kills it and waits for its end.
    pub fn kill(self) {}
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.ended {
            self.signal(libc::SIGKILL);
            let mut status = 0;
            // SAFETY: `status` is a valid place.
            unsafe { libc::waitpid(self.pid, &mut status, 0) };
        }
    }
}

/// Makes panics of children be seen: the harness would keep their messages for the end of a test, and
/// lose them with the process. Takes no lock that another thread could hold over the fork.
fn speak_up_in_children() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let parent = std::process::id();
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::process::id() == parent {
                return usual(info);
            }
            let text = format!("in a child process: {info}\n");
            // SAFETY: the text lives for the call.
            unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
        }));
    });
}

/// Runs `f` in a child, which must end well.
pub fn in_child(f: impl FnOnce()) {
    Child::run(f).succeed();
}

/// Runs `f` in a child, which then dies with all it has in hand.
pub fn killed_after(f: impl FnOnce()) {
    let status = Child::run(|| {
        f();
        die();
    })
    .wait();
    assert_eq!(status.signal(), Some(libc::SIGKILL), "a child ended with {status}");
}

/// Ends this process at once.
pub fn die() {
    // SAFETY: a signal to ourselves, which cannot be handled.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
}

/// Stops this child until its parent lets it go on.
pub fn stop_here() {
    // SAFETY: a signal to ourselves.
    unsafe { libc::raise(libc::SIGSTOP) };
}

/// Calls `f` again and again until it gives something.
pub fn until<T>(what: &str, mut f: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = f() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "still not after {PATIENCE:?}: {what}");
        std::thread::yield_now();
    }
}

/// Whether this process may act as other users; says so if not.
pub fn is_root() -> bool {
    // SAFETY: geteuid cannot fail and touches no memory.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        eprintln!("not run: this test needs root, to act as other users");
    }
    root
}

/// Becomes another user, of one group, for the rest of this child.
pub fn become_user(id: u32) {
    // SAFETY: system calls with numbers alone, in a process of one thread.
    let results = unsafe {
        [
            libc::setgroups(0, std::ptr::null()),
            libc::setresgid(id, id, id),
            libc::setresuid(id, id, id),
        ]
    };
    assert_eq!(results, [0; 3]);
}

/// Runs `f` in a child that has a tmpfs of `size` bytes at the directory given, which nobody else
/// sees. Does nothing but say so where that is not permitted.
pub fn on_small_tmpfs(place: &Place, size: u64, f: impl FnOnce(&str)) {
    std::fs::create_dir_all(&place.0).unwrap();
    const NOT_PERMITTED: i32 = 77;
    let status = Child::run(|| {
        if !has_private_mounts() {
            // SAFETY: ends the process.
            unsafe { libc::_exit(NOT_PERMITTED) };
        }
        let target = std::ffi::CString::new(place.0.as_str()).unwrap();
        let options = std::ffi::CString::new(format!("size={size},mode=0700")).unwrap();
        // SAFETY: C strings that live for the call.
        let mounted = unsafe {
            libc::mount(
                c"tmpfs".as_ptr(),
                target.as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                options.as_ptr().cast(),
            )
        };
        if mounted != 0 {
            // SAFETY: ends the process.
            unsafe { libc::_exit(NOT_PERMITTED) };
        }
        f(&place.0);
    })
    .wait();
    if status.code() == Some(NOT_PERMITTED) {
        eprintln!("not run: mounting a tmpfs is not permitted here");
        return;
    }
    assert!(status.success(), "a child ended with {status}");
}

/// Gives this child mounts of its own; as an ordinary user by way of a user namespace.
fn has_private_mounts() -> bool {
    // SAFETY: geteuid, getegid, unshare: numbers alone, in a process of one thread.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    // SAFETY: as above.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        // SAFETY: as above.
        if unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) } != 0 {
            return false;
        }
        let maps = [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("{uid} {uid} 1")),
            ("gid_map", format!("{gid} {gid} 1")),
        ];
        if maps.iter().any(|(file, map)| std::fs::write(format!("/proc/self/{file}"), map).is_err())
        {
            return false;
        }
    }
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    let none = std::ptr::null();
    // SAFETY: a C string that lives for the call, and none where none is needed.
    unsafe { libc::mount(none, c"/".as_ptr(), none, flags, none.cast()) == 0 }
}
