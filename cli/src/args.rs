//! The command line: what can be typed, and the help that explains it.

use crate::{size, stream};
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

const AFTER: &str = "\
Examples:
  mailboat send jobs 'first job' 'second job'    two messages
  mailboat recv jobs                             waits for one message and prints it
  ls *.png | mailboat send images                one message for each line
  mailboat recv images --follow | while read -r f; do convert \"$f\" \"$f.jpg\"; done
  tar c src | mailboat send backup --raw         a stream of bytes ...
  mailboat recv backup --raw | tar tv            ... and its other end
  mailboat ls                                    what there is, and how full

Exit status:
  0  done
  1  it could not be done; the reason is on standard error
  2  the command line was not understood
  3  nothing came, or there was no room, within --timeout
A command that a signal ends (Ctrl-C) dies of that signal, after giving back what it had in hand.";

/// Look at the ports and segments of a domain, and send and receive messages.
///
/// A port is a named mailbox in shared memory: any number of processes send to it, any number
/// receive, each message goes to exactly one of them, and messages outlive the process that sent
/// them. A segment is a named piece of shared memory. Both live in a domain, a directory on tmpfs.
#[derive(Parser)]
#[command(name = "mailboat", version, after_help = AFTER, disable_help_subcommand = true)]
pub struct Cli {
    /// The domain: a name, or the absolute path of a directory on tmpfs. The one in the environment
    /// variable MAILBOAT_DOMAIN unless given, else "default"
    #[arg(long, global = true, value_name = "DOMAIN", display_order = 900)]
    pub domain: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    Ls(Ls),
    Stat(Stat),
    Create(Create),
    Rm(Rm),
    Send(Send),
    Recv(Recv),
    Completions(Completions),
}

/// List the ports and segments of the domain
///
/// SIZE is the memory an object really uses. QUEUED and USERS are snapshots, and so may already
/// have changed.
#[derive(Args)]
#[command(after_help = "\
Examples:
  mailboat ls
  mailboat ls --json | jq -r '.[] | select(.queued > 0) | .name'
  mailboat --domain /dev/shm/test ls")]
pub struct Ls {
    /// Print an array of objects, one for each port or segment
    #[arg(long)]
    pub json: bool,
}

/// Show a port or a segment in full, or the domain
///
/// For a port: its limits and how much of them is in use, the messages queued, in hand and given
/// back, who uses it, and what it lived through (deaths recovered, redeliveries). Without NAME: the
/// domain's place, its tasks, and the space left.
#[derive(Args)]
#[command(after_help = "\
Examples:
  mailboat stat orders
  mailboat stat orders --json | jq .queued
  mailboat stat                       the domain")]
pub struct Stat {
    /// The port or segment; the domain if left out
    pub name: Option<String>,
    /// NAME is a segment, should there be a port of this name too
    #[arg(long, requires = "name")]
    pub segment: bool,
    /// Print one object
    #[arg(long)]
    pub json: bool,
}

/// Create a port, or a segment
///
/// A port made here is owned by the domain: it stays until it is removed. Sizes are bytes, or have
/// a unit: 64K, 16M, 1G.
#[derive(Args)]
#[command(after_help = "\
Examples:
  mailboat create orders
  mailboat create frames --capacity 8 --max-message 64M --byte-budget 512M
  mailboat create --segment map --size 16M")]
pub struct Create {
    /// Its name: 1 to 200 of [A-Za-z0-9._-], the first one a letter or a digit
    pub name: String,
    /// Settings of the port.
    #[command(flatten)]
    pub port: PortSettings,
    /// File mode in octal, such as 660; the domain's habit if left out
    #[arg(long, value_name = "MODE", value_parser = parse_mode)]
    pub mode: Option<u32>,
    /// Be content if there is such a port or segment already; it keeps the settings it has
    #[arg(long)]
    pub exist_ok: bool,
    /// Create a segment of --size bytes instead of a port
    #[arg(long, requires = "size", conflicts_with = "PortSettings")]
    pub segment: bool,
    /// Bytes of the segment
    #[arg(long, value_name = "SIZE", value_parser = size::parse, requires = "segment")]
    pub size: Option<u64>,
    /// How far the segment may grow
    #[arg(long, value_name = "SIZE", value_parser = size::parse, requires = "segment")]
    pub max_size: Option<u64>,
    /// Print what was created, as `stat --json` does
    #[arg(long)]
    pub json: bool,
}

/// Settings of a new port; what is left out is as the library has it. A test holds the figures told
/// here to the library's.
#[derive(Args)]
pub struct PortSettings {
    /// Messages queued at most, then senders wait; 1024 if left out
    #[arg(long, value_name = "COUNT")]
    pub capacity: Option<u32>,
    /// The largest message; 16M if left out
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub max_message: Option<u64>,
    /// Memory for the bodies of all messages of more than 1 KiB; 64M, or four of the largest
    /// messages, if left out
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub byte_budget: Option<u64>,
    /// How many handles may be attached at once; 256 if left out
    #[arg(long, value_name = "COUNT")]
    pub max_users: Option<u32>,
    /// Note in each message when it was sent
    #[arg(long)]
    pub timestamps: bool,
}

/// Remove ports and segments
///
/// Users of a port are told at once that it is closed, blocked ones too; messages still queued are
/// gone. A segment lives on, without its name, until its last user detaches.
#[derive(Args)]
#[command(after_help = "\
Examples:
  mailboat rm orders
  mailboat rm -f scratch-1 scratch-2")]
pub struct Rm {
    /// The ports and segments
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// The names are segments, should there be ports of the same names too
    #[arg(long, conflicts_with = "port")]
    pub segment: bool,
    /// The names are ports, should there be segments of the same names too
    #[arg(long)]
    pub port: bool,
    /// Be content if there is no such thing
    #[arg(short, long)]
    pub force: bool,
}

/// Send messages to a port
///
/// Each MESSAGE is one message. Without any, each line of standard input is one, without its line
/// end (--null: each part that ends with a zero byte); a last line needs no line end. An empty line
/// is an empty message. While the port is full, send waits for room.
///
/// The port is created, with default settings, if there is none: either side of a pipeline may start
/// first. Use --no-create where that would only hide a mistyped name.
///
/// With --raw all of standard input travels as one stream, untouched, in as many messages as it
/// takes, and `recv --raw` on the other side writes the same bytes and knows where they end. The
/// pieces are messages of kind 0xff000000 (the first) and above, numbered; the end mark is a message of
/// kind 0xffffffff, whose body says how many pieces and bytes there were (two 64-bit little-endian
/// numbers). A sender that fails or is interrupted sends kind 0xfffffffe instead of it, and the
/// receiver, which also notices a sender's death, fails and says that the stream was cut off. One
/// stream at a time can be sent to a port; streams may follow one another.
#[derive(Args)]
#[command(after_help = "\
Examples:
  mailboat send jobs 'convert a.png' 'convert b.png'
  find . -name '*.c' -print0 | mailboat send files --null
  mailboat send frames --file frame.bin --kind 7
  cc -S -o - hello.c | mailboat send asm --raw
  mailboat send jobs --timeout 0 'now or never'   exit status 3 if there is no room")]
pub struct Send {
    /// The port
    pub name: String,
    /// The messages; after -- they may begin with a hyphen
    #[arg(value_name = "MESSAGE", conflicts_with_all = ["file", "raw"])]
    pub messages: Vec<OsString>,
    /// Send the whole file as one message; "-" is standard input. May be given several times
    #[arg(long, value_name = "FILE", conflicts_with = "raw")]
    pub file: Vec<PathBuf>,
    /// Send all of standard input as one stream of bytes
    #[arg(long)]
    pub raw: bool,
    /// The largest piece of a stream; 64K if left out
    #[arg(long, value_name = "SIZE", value_parser = parse_piece, requires = "raw")]
    pub piece: Option<u64>,
    /// Lines of standard input end with a zero byte, not a line feed
    #[arg(short = '0', long, conflicts_with_all = ["messages", "file", "raw"])]
    pub null: bool,
    /// The kind of the messages, a number below 0xff000000 (those above are for streams)
    #[arg(long, value_name = "N", value_parser = parse_kind, conflicts_with = "raw")]
    pub kind: Option<u32>,
    /// Wait at most so many seconds for room, for each message; 0: do not wait
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub timeout: Option<Duration>,
    /// Fail if there is no such port
    #[arg(long)]
    pub no_create: bool,
    /// Print the ids of the messages, one object for each
    #[arg(long)]
    pub json: bool,
}

/// Receive messages from a port
///
/// Waits for one message, writes its body and a line feed, and only then acknowledges it: a message
/// that could not be written out (the disk is full, the program behind the pipe has gone) is given
/// back, and the next receiver gets it, flagged as redelivered.
///
/// The port is created, with default settings, if there is none; see --no-create.
///
/// With --raw bodies are written as they are, nothing added. A stream, sent by `send --raw`, counts
/// as one and is written from its first byte to its last; any other message counts as one too.
/// If the stream was cut off, because its sender died, was interrupted or failed, what came of it has been
/// written, and the exit status is 1 (`set -o pipefail` lets the whole pipeline fail). What a receiver that was itself interrupted left of a
/// stream is not mistaken for a stream: recv refuses it, unless --skip throws it away.
/// Without --raw, recv refuses streams.
#[derive(Args)]
#[command(after_help = "\
Examples:
  mailboat recv jobs                            one message
  mailboat recv jobs --count 10 --timeout 2.5   ten, waiting at most 2.5 s for each
  mailboat recv jobs --follow                   until interrupted, or until the port is removed
  mailboat recv jobs --follow --timeout 0       all that are there
  mailboat recv jobs --json | jq .redelivered
  mailboat recv asm --raw | as -o hello.o -     one stream")]
pub struct Recv {
    /// The port
    pub name: String,
    /// Receive so many messages (with --raw: streams), then end
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, hide_default_value = true)]
    pub count: u64,
    /// Go on until interrupted, until the port is removed, or until nothing came for --timeout
    #[arg(short, long, conflicts_with = "count")]
    pub follow: bool,
    /// Write bodies as they are, and streams whole
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
    /// Throw away the remains of an interrupted stream that stand before the next whole one
    #[arg(long, requires = "raw")]
    pub skip: bool,
    /// End each message with a zero byte, not a line feed
    #[arg(short = '0', long, conflicts_with_all = ["raw", "json"])]
    pub null: bool,
    /// Wait at most so many seconds for each message; 0: do not wait
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub timeout: Option<Duration>,
    /// Fail if there is no such port
    #[arg(long)]
    pub no_create: bool,
    /// Print header and body, one object on a line for each message; the body is text if it is
    /// UTF-8, else `body_base64`
    #[arg(long)]
    pub json: bool,
}

/// Print the completions for a shell
#[derive(Args)]
#[command(after_help = "\
Examples:
  mailboat completions bash > ~/.local/share/bash-completion/completions/mailboat
  mailboat completions fish > ~/.config/fish/completions/mailboat.fish")]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| "a time to wait is zero or more seconds, such as 2.5".into())
}

fn parse_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text.strip_prefix("0o").unwrap_or(text), 8) {
        Ok(mode) if mode <= 0o777 && !text.starts_with('+') => Ok(mode),
        _ => Err("a mode is an octal number up to 777, such as 660".into()),
    }
}

fn parse_kind(text: &str) -> Result<u32, String> {
    let kind = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    match kind {
        Ok(kind) if !stream::RESERVED.contains(&kind) => Ok(kind),
        Ok(_) => Err("kinds from 0xff000000 on are reserved for streams (--raw)".into()),
        Err(_) => Err("a kind is a whole number from 0 to 0xfeffffff".into()),
    }
}

fn parse_piece(text: &str) -> Result<u64, String> {
    match size::parse(text)? {
        0 => Err("a piece has at least one byte".into()),
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn kinds_modes_and_seconds() {
        assert_eq!(parse_kind("0xfeffffff"), Ok(0xfeff_ffff));
        assert_eq!(parse_kind("7"), Ok(7));
        for bad in ["0xff000000", "4294967295", "4294967296", "-1", "", "0x", "seven"] {
            assert!(parse_kind(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_mode("660"), Ok(0o660));
        assert_eq!(parse_mode("0600"), Ok(0o600));
        for bad in ["", "8", "1777", "-1", "+600", "rw"] {
            assert!(parse_mode(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_seconds("2.5"), Ok(Duration::from_millis(2500)));
        assert_eq!(parse_seconds("0"), Ok(Duration::ZERO));
        for bad in ["", "-1", "nan", "inf", "1e300", "soon"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }
}
