//! Waiting in such a way that a signal, or the end of whoever reads the output, ends the wait
//! cleanly.
//!
//! The signals that ask a process to end are blocked and looked for wherever the command may wait:
//! beside standard input and output through a signal descriptor, in the library's calls every
//! 100 ms. So there is no handler and no instant at which a signal is missed, and what the command
//! has in hand is given back before it dies, by the same signal.

use crate::fail::Failure;
use mailboat::{Error, ErrorKind, Port, Wait};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{SFlag, fstat};
use std::io::{self, Stdin, Stdout};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// A write of this size to a pipe that is ready to be written does not block.
const PIPE_WRITE: usize = 4096;

/// Standard input and output, and the signals that ask the process to end.
pub struct Stdio {
    input: Stdin,
    output: Stdout,
    output_is_file: bool,
    signals: SignalFd,
    wanted: SigSet,
}

impl Stdio {
    /// Blocks the signals. One that was ignored when the process began (`nohup`, a shell's
    /// background job) stays ignored.
    pub fn new() -> Result<Self, Failure> {
        let failed = |e: Errno| Failure::error(format!("preparing for signals: {}", e.desc()));
        let mut wanted = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            if !is_ignored(signal) {
                wanted.add(signal);
            }
        }
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&wanted), None).map_err(failed)?;
        let signals = SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC).map_err(failed)?;
        let output = io::stdout();
        let output_is_file = fstat(output.as_fd())
            .is_ok_and(|s| SFlag::from_bits_truncate(s.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG);
        Ok(Stdio { input: io::stdin(), output, output_is_file, signals, wanted })
    }

    /// Lets the signals through: the one that came ends the process.
    pub fn unblock(&self) {
        let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&self.wanted), None);
    }

    /// Fails if a signal asks the process to end.
    pub fn check_signals(&self) -> Result<(), Failure> {
        let mut fds = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::ZERO) {
            Ok(n) if n > 0 => Err(Failure::Signal),
            _ => Ok(()),
        }
    }

    /// Fails if whoever read standard output has gone.
    pub fn check_output(&self) -> Result<(), Failure> {
        let mut fds = [PollFd::new(self.output.as_fd(), PollFlags::empty())];
        match poll(&mut fds, PollTimeout::ZERO) {
            Ok(n) if n > 0 && has(&fds[0], PollFlags::POLLERR) => Err(Failure::OutputClosed),
            _ => Ok(()),
        }
    }

    /// Reads what there is of standard input, waiting for the first byte; 0 is its end.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Failure> {
        loop {
            self.ready(self.input.as_fd(), PollFlags::POLLIN)?;
            match nix::unistd::read(self.input.as_fd(), buffer) {
                Ok(n) => return Ok(n),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(e) => {
                    return Err(Failure::error(format!("reading standard input: {}", e.desc())));
                }
            }
        }
    }

    /// Writes all of `bytes` to standard output.
    pub fn write(&self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            self.ready(self.output.as_fd(), PollFlags::POLLOUT)?;
            let most = if self.output_is_file { bytes.len() } else { bytes.len().min(PIPE_WRITE) };
            match nix::unistd::write(self.output.as_fd(), &bytes[..most]) {
                Ok(n) => bytes = &bytes[n..],
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(Errno::EPIPE) => return Err(Failure::OutputClosed),
                Err(e) => {
                    return Err(Failure::error(format!("writing standard output: {}", e.desc())));
                }
            }
        }
        Ok(())
    }

    /// Waits until the descriptor is ready (or in a state that reading or writing it tells), or a
    /// signal comes.
    fn ready(&self, fd: std::os::fd::BorrowedFd<'_>, what: PollFlags) -> Result<(), Failure> {
        loop {
            let mut fds =
                [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN), PollFd::new(fd, what)];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) if fds[0].any() == Some(true) => return Err(Failure::Signal),
                Ok(_) if fds[1].any() == Some(true) => return Ok(()),
                Ok(_) | Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(e) => return Err(Failure::error(format!("waiting: {}", e.desc()))),
            }
        }
    }

    /// Calls `operation` on the port until it succeeds, fails, or `timeout` (for ever if `None`) is
    /// over. In between, at least every 100 ms, looks for signals and calls `look`, which may end the
    /// wait.
    pub fn wait<T>(
        &self,
        port: &Port,
        timeout: Option<Duration>,
        mut look: impl FnMut() -> Result<(), Failure>,
        mut operation: impl FnMut(Wait) -> mailboat::Result<T>,
    ) -> Result<T, Failure> {
        // While the other side keeps up there is nothing to wait for; signals are seen beside the
        // input and output that come between such calls.
        match operation(Wait::TRY) {
            Ok(value) => return Ok(value),
            Err(e) if !is_not_now(&e) => return Err(e.into()),
            Err(e) if timeout == Some(Duration::ZERO) => {
                return Err(Failure::NotInTime(reason(port, e)));
            }
            Err(_) => {}
        }
        let start = Instant::now();
        loop {
            self.check_signals()?;
            let left = timeout.map(|t| t.saturating_sub(start.elapsed()));
            match operation(Wait::from(left).interruptible()) {
                Ok(value) => return Ok(value),
                Err(e) if e.kind() == ErrorKind::Interrupted => look()?,
                Err(e) if is_not_now(&e) => {
                    // The library saw only the last part of the wait.
                    let waited = start.elapsed().as_secs_f64();
                    let reason = reason(port, e);
                    return Err(Failure::NotInTime(format!(
                        "timed out after {waited:.3} s: {reason}"
                    )));
                }
                Err(e) => return Err(e.into()),
            }
        }
    }
}

fn is_not_now(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Full | ErrorKind::Empty | ErrorKind::Timeout)
}

/// Why it is not possible now.
fn reason(port: &Port, error: Error) -> String {
    match error {
        Error::Timeout { because, .. } => reason(port, *because),
        e if e.kind() == ErrorKind::Empty => format!("{} is empty", port.label()),
        e => e.to_string(),
    }
}

fn has(fd: &PollFd<'_>, flag: PollFlags) -> bool {
    fd.revents().is_some_and(|r| r.contains(flag))
}

/// Whether the process was started with this signal ignored, as the kernel tells it: reading the
/// action of a signal through `sigaction` would mean to set it first.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    mask >> (signal as i32 - 1) & 1 == 1
}
