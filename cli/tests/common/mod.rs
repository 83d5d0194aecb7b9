//! A private domain for each test, and the command run in it.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// Only a test that hangs ever waits so long; it is then killed and fails.
const FAR_TOO_LONG: Duration = Duration::from_secs(120);

/// A domain of the test's own, removed at its end.
pub struct Domain {
    pub path: PathBuf,
}

impl Domain {
    pub fn new() -> Self {
        static NUMBER: Mutex<u32> = Mutex::new(0);
        let mut number = NUMBER.lock().unwrap();
        *number += 1;
        let name = format!("mailboat-cli-test-{}-{number}", std::process::id());
        Domain { path: PathBuf::from("/dev/shm").join(name) }
    }

    /// The command with these arguments, its input and output to be set.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailboat"));
        command.args(args).env("MAILBOAT_DOMAIN", &self.path).env("COLUMNS", "100");
        command
    }

    /// Starts the command with all three of its ends on pipes.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs the command with this input.
    pub fn feed(&self, args: &[&str], input: impl Into<Vec<u8>>) -> Ended {
        let mut child = self.start(args);
        let feeder = give(child.stdin.take().unwrap(), input.into());
        let ended = end(child);
        feeder.join().unwrap();
        ended
    }

    /// Runs the command without input.
    pub fn run(&self, args: &[&str]) -> Ended {
        self.feed(args, "")
    }

    /// Runs the command, which must succeed without a word on standard error.
    pub fn ok(&self, args: &[&str]) -> Vec<u8> {
        self.run(args).succeeded()
    }

    /// What `stat --json` says of a port.
    pub fn stat(&self, port: &str) -> Value {
        serde_json::from_slice(&self.ok(&["stat", port, "--json"])).unwrap()
    }

    /// Waits until `stat --json` of a port satisfies the condition.
    pub fn until(&self, port: &str, mut condition: impl FnMut(&Value) -> bool) -> Value {
        let start = std::time::Instant::now();
        loop {
            let ended = self.run(&["stat", port, "--json"]);
            if ended.status == Some(0) {
                let stat = serde_json::from_slice(&ended.out).unwrap();
                if condition(&stat) {
                    return stat;
                }
            }
            assert!(start.elapsed() < FAR_TOO_LONG, "{}", ended.out_text());
            thread::yield_now();
        }
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Writes the input from a thread of its own, and closes it. A command that does not read it all is
/// no error here.
pub fn give(mut stdin: ChildStdin, input: Vec<u8>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let _ = stdin.write_all(&input);
    })
}

/// Sends a signal to a child that was not yet waited for.
pub fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit status, if it was not ended by a signal.
    pub status: Option<i32>,
    pub signal: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
}

impl Ended {
    pub fn out_text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Its output, if all went well.
    #[track_caller]
    pub fn succeeded(self) -> Vec<u8> {
        assert_eq!((self.status, self.err.as_str()), (Some(0), ""), "{self:?}");
        self.out
    }

    /// Its complaint, if it ended with this status and one sentence in the usual form.
    #[track_caller]
    pub fn failed(self, status: i32) -> String {
        assert_eq!(self.status, Some(status), "{self:?}");
        let sentence = self.err.strip_prefix("mailboat: ").expect(&self.err).trim_end();
        if status != 2 {
            assert!(!sentence.is_empty() && !sentence.contains('\n'), "{self:?}");
        }
        sentence.to_owned()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Ended {
            status: output.status.code(),
            signal: output.status.signal(),
            out: output.stdout,
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Waits for the end of a command, and collects what it wrote.
pub fn end(child: Child) -> Ended {
    let pid = Pid::from_raw(child.id() as i32);
    let (done, hangs) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if hangs.recv_timeout(FAR_TOO_LONG) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = kill(pid, Signal::SIGKILL);
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    watchdog.join().unwrap();
    output.into()
}

/// The lines of JSON that `recv --json` printed.
pub fn json_lines(out: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(out).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
