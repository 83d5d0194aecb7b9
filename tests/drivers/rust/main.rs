//! The Rust driver: does what the line protocol asks, through the crate `mailboat`.
//!
//! One thread reads the requests; each request names the thread that is to do it, which is made when
//! its name comes up for the first time. Thread `-` is the reading one itself.

mod control;
mod dice;
mod messages;
mod names;
mod segments;
mod storm;
mod table;
mod wire;

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use wire::{Failure, Outcome, Request};

fn main() {
    let input = std::io::stdin().as_fd().try_clone_to_owned().expect("standard input");
    let output = std::io::stdout().as_fd().try_clone_to_owned().expect("standard output");
    serve(input, output)
}

/// Answers requests until there are no more, then ends the process with all handles open.
fn serve(input: OwnedFd, output: OwnedFd) -> ! {
    let mut input = BufReader::with_capacity(1 << 20, File::from(input));
    let output = Arc::new(Mutex::new(File::from(output)));
    let mut threads: HashMap<String, Sender<Request>> = HashMap::new();
    while let Ok(Some(request)) = Request::read(&mut input) {
        if request.thread == "-" {
            respond(&output, &request);
            continue;
        }
        let output = &output;
        let inbox = threads.entry(request.thread.clone()).or_insert_with(|| {
            let (inbox, requests) = channel::<Request>();
            let output = output.clone();
            std::thread::spawn(move || {
                while let Ok(request) = requests.recv() {
                    respond(&output, &request);
                }
            });
            inbox
        });
        inbox.send(request).expect("its thread does not end");
    }
    std::process::exit(0)
}

fn respond(output: &Mutex<File>, request: &Request) {
    let outcome = perform(request);
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    if wire::answer(&mut *output, &request.tag, outcome).is_err() {
        // Nobody listens any more.
        std::process::exit(1);
    }
}

fn perform(request: &Request) -> Outcome {
    let parts =
        [control::perform, messages::perform, segments::perform, storm::perform, names::perform];
    let answer = parts.iter().find_map(|part| part(request));
    answer.unwrap_or_else(|| Err(Failure::protocol(format!("no verb {}", request.verb))))
}
