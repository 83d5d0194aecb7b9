//! The `mailboat` command: look at the ports and segments of a domain, and send and receive from
//! the shell.
#![forbid(unsafe_code)]

mod args;
mod fail;
mod json;
mod look;
mod manage;
mod recv;
mod send;
mod size;
mod stdio;
mod stream;
mod table;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use fail::Failure;
use mailboat::Domain;
use std::io::Write;
use std::process::ExitCode;
use stdio::Stdio;

/// The exit status when the command line was not understood.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return help_or_usage(&e),
    };
    let stdio = match Stdio::new() {
        Ok(stdio) => stdio,
        Err(failure) => return end(&failure),
    };
    // All that the command held is given back when `run` returns; only then may a signal strike.
    match run(cli, &stdio) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            stdio.unblock();
            end(&failure)
        }
    }
}

fn run(cli: Cli, stdio: &Stdio) -> Result<(), Failure> {
    if let Command::Completions(args) = &cli.command {
        let mut script = Vec::new();
        clap_complete::generate(args.shell, &mut Cli::command(), "mailboat", &mut script);
        return stdio.write(&script);
    }
    let domain = match &cli.domain {
        Some(location) => Domain::at(location)?,
        None => Domain::open()?,
    };
    match &cli.command {
        Command::Ls(args) => look::ls(&domain, args, stdio),
        Command::Stat(args) => look::stat(&domain, args, stdio),
        Command::Create(args) => manage::create(&domain, args, stdio),
        Command::Rm(args) => manage::rm(&domain, args),
        Command::Send(args) => send::run(&domain, args, stdio),
        Command::Recv(args) => recv::run(&domain, args, stdio),
        Command::Completions(_) => Ok(()),
    }
}

/// Prints a sentence on standard error.
fn say(sentence: &str) {
    // Nobody is left to be told if this fails.
    let _ = writeln!(std::io::stderr(), "mailboat: {sentence}");
}

fn end(failure: &Failure) -> ExitCode {
    if let Some(sentence) = failure.sentence() {
        say(sentence);
    }
    failure.status()
}

/// Help goes to standard output and is no error; what was not understood goes to standard error in
/// the same form as all other errors.
fn help_or_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return match error.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let text = error.render().to_string();
    say(text.strip_prefix("error: ").unwrap_or(&text).trim_end());
    ExitCode::from(USAGE)
}
