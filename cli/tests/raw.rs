//! Streams: `send --raw` and `recv --raw`.

mod common;
use common::{Domain, Ended, end, give, json_lines, signal};
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = r#"
#include <stdio.h>
int main(void) { puts("built through a port"); return 42; }
"#;

/// Some bytes of every value, of any length.
fn binary(length: usize) -> Vec<u8> {
    (0..length as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// `cc -S -o - hello.c | mailboat send asm --raw`, to be waited for.
fn compile_and_send(domain: &Domain) -> Child {
    let shell = Command::new("sh")
        .args(["-c", "cc -S -x c -o - - | \"$0\" send asm --raw", env!("CARGO_BIN_EXE_mailboat")])
        .env("MAILBOAT_DOMAIN", &domain.path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut shell = shell.unwrap();
    shell.stdin.take().unwrap().write_all(PROGRAM.as_bytes()).unwrap();
    shell
}

/// `mailboat recv asm --raw | as -o hello.o -`, to be waited for.
fn receive_and_assemble(domain: &Domain, object: &str) -> Child {
    Command::new("sh")
        .args([
            "-c",
            "\"$0\" recv asm --raw | as -o \"$1\" -",
            env!("CARGO_BIN_EXE_mailboat"),
            object,
        ])
        .env("MAILBOAT_DOMAIN", &domain.path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Links the object, runs the result, and removes both.
fn link_and_run(object: &str) {
    let program = format!("{object}.run");
    assert!(Command::new("cc").args(["-o", &program, object]).status().unwrap().success());
    let ended = Ended::from(Command::new(&program).output().unwrap());
    std::fs::remove_file(&program).unwrap();
    std::fs::remove_file(object).unwrap();
    assert_eq!((ended.status, ended.out_text().as_str()), (Some(42), "built through a port\n"));
}

fn object(domain: &Domain, name: &str) -> String {
    let test = domain.path.file_name().unwrap().to_str().unwrap();
    format!("{}/{test}-{name}.o", std::env::temp_dir().display())
}

#[test]
fn compiler_and_assembler_work_through_a_port_whichever_starts_first() {
    let domain = Domain::new();
    let path = object(&domain, "sender-first");
    end(compile_and_send(&domain)).succeeded();
    end(receive_and_assemble(&domain, &path)).succeeded();
    link_and_run(&path);

    domain.ok(&["rm", "asm"]);
    let path = object(&domain, "receiver-first");
    let receiver = receive_and_assemble(&domain, &path);
    domain.until("asm", |stat| stat["users"] == 1);
    end(compile_and_send(&domain)).succeeded();
    end(receiver).succeeded();
    link_and_run(&path);

    let path = object(&domain, "together");
    let (receiver, sender) = (receive_and_assemble(&domain, &path), compile_and_send(&domain));
    end(sender).succeeded();
    end(receiver).succeeded();
    link_and_run(&path);
}

#[test]
fn several_such_streams_follow_one_another() {
    let domain = Domain::new();
    for _ in 0..3 {
        end(compile_and_send(&domain)).succeeded();
    }
    for i in 0..3 {
        let path = object(&domain, &i.to_string());
        end(receive_and_assemble(&domain, &path)).succeeded();
        link_and_run(&path);
    }
    assert_eq!(domain.stat("asm")["queued"], 0);
}

#[test]
fn any_bytes_come_through_in_pieces_of_any_size() {
    let domain = Domain::new();
    for (length, piece) in
        [(0, "64K"), (1, "64K"), (100_000, "1K"), (300, "1"), (5_000_000, "64K"), (3_000_000, "1M")]
    {
        let bytes = binary(length);
        let receiver = domain.start(&["recv", "p", "--raw"]);
        domain.feed(&["send", "p", "--raw", "--piece", piece], bytes.clone()).succeeded();
        let got = end(receiver).succeeded();
        assert!(got == bytes, "{} bytes of {length}", got.len());
    }
    let stat = domain.stat("p");
    assert_eq!((&stat["queued"], &stat["in_hand"]), (&0.into(), &0.into()));
}

#[test]
fn a_stream_larger_than_the_port_flows_through_it() {
    let domain = Domain::new();
    domain.ok(&["create", "p", "--capacity", "4"]);
    let bytes = binary(2_000_000);
    let mut sender = domain.start(&["send", "p", "--raw", "--piece", "5000"]);
    let feeder = give(sender.stdin.take().unwrap(), bytes.clone());
    domain.until("p", |stat| stat["queued"] == 4);
    assert!(domain.ok(&["recv", "p", "--raw"]) == bytes);
    end(sender).succeeded();
    feeder.join().unwrap();
}

#[test]
fn count_and_follow_count_streams_and_single_messages() {
    let domain = Domain::new();
    domain.feed(&["send", "p", "--raw", "--piece", "2"], "first").succeeded();
    domain.ok(&["send", "p", "|single|"]);
    domain.feed(&["send", "p", "--raw"], "").succeeded();
    domain.feed(&["send", "p", "--raw", "--piece", "3"], "last").succeeded();
    domain.feed(&["send", "p", "--raw"], "rest").succeeded();
    assert_eq!(domain.ok(&["recv", "p", "--raw", "-n", "4"]), b"first|single|last");
    assert_eq!(domain.ok(&["recv", "p", "--raw", "--follow", "--timeout", "0"]), b"rest");
}

#[test]
fn the_pieces_of_a_port_with_small_messages_are_small() {
    let domain = Domain::new();
    domain.ok(&["create", "p", "--max-message", "20"]);
    domain.feed(&["send", "p", "--raw"], "a text of more than twenty bytes").succeeded();
    assert_eq!(domain.ok(&["recv", "p", "--raw"]), b"a text of more than twenty bytes");
    let complaint = domain.feed(&["send", "p", "--raw", "--piece", "21"], "x").failed(1);
    assert!(complaint.contains("21") && complaint.contains("20"), "{complaint}");
    domain.ok(&["create", "tiny", "--max-message", "15"]);
    let complaint = domain.feed(&["send", "tiny", "--raw"], "x").failed(1);
    assert!(complaint.contains("15"), "{complaint}");
}

#[test]
fn lines_are_not_made_of_a_stream() {
    let domain = Domain::new();
    domain.feed(&["send", "p", "--raw"], "bytes").succeeded();
    let complaint = domain.run(&["recv", "p"]).failed(1);
    assert!(complaint.contains("--raw"), "{complaint}");
    assert_eq!(domain.ok(&["recv", "p", "--raw"]), b"bytes", "it was given back");
    domain.feed(&["send", "p", "--raw"], "bytes").succeeded();
    let got = json_lines(&domain.ok(&["recv", "p", "--json", "-n", "2"]));
    assert_eq!((&got[0]["kind"], &got[0]["body"]), (&0xff00_0000u32.into(), &"bytes".into()));
    assert_eq!((&got[1]["kind"], &got[1]["length"]), (&0xffff_ffffu32.into(), &16.into()));
}

/// Starts a sender of a stream and lets it send `bytes`, but not its end.
fn unfinished(domain: &Domain, bytes: &[u8]) -> (Child, std::process::ChildStdin) {
    let before = domain.run(&["stat", "p", "--json"]);
    let before = serde_json::from_slice(&before.out)
        .map_or(0, |s: serde_json::Value| s["sent"].as_u64().unwrap());
    let mut sender = domain.start(&["send", "p", "--raw"]);
    let mut input = sender.stdin.take().unwrap();
    input.write_all(bytes).unwrap();
    domain.until("p", |stat| stat["sent"].as_u64().unwrap() > before);
    (sender, input)
}

#[test]
fn a_killed_sender_is_noticed() {
    let domain = Domain::new();
    let (sender, _input) = unfinished(&domain, b"half a ");
    let receiver = domain.start(&["recv", "p", "--raw"]);
    domain.until("p", |stat| stat["received"] == 1);
    signal(&sender, Signal::SIGKILL);
    end(sender);
    let ended = end(receiver);
    assert_eq!(ended.out, b"half a ");
    let complaint = ended.failed(1);
    assert!(complaint.contains("cut off after 7 bytes: its sender died"), "{complaint}");

    // Also when it was dead before the receiver came.
    let (sender, _input) = unfinished(&domain, b"another half");
    signal(&sender, Signal::SIGKILL);
    end(sender);
    let ended = domain.run(&["recv", "p", "--raw"]);
    assert_eq!(ended.out, b"another half");
    assert!(ended.failed(1).contains("its sender died"));

    domain.feed(&["send", "p", "--raw"], "whole").succeeded();
    assert_eq!(domain.ok(&["recv", "p", "--raw"]), b"whole", "nothing is left of the halves");
}

#[test]
fn an_interrupted_sender_says_so() {
    let domain = Domain::new();
    let (sender, _input) = unfinished(&domain, b"half");
    signal(&sender, Signal::SIGINT);
    assert_eq!(end(sender).signal, Some(Signal::SIGINT as i32));
    let ended = domain.run(&["recv", "p", "--raw"]);
    assert_eq!(ended.out, b"half");
    let complaint = ended.failed(1);
    assert!(complaint.contains("cut off after 4 bytes: its sender was interrupted"), "{complaint}");
}

#[test]
fn a_sender_that_fails_says_why() {
    let domain = Domain::new();
    let directory = std::fs::File::open("/").unwrap();
    let sender = domain
        .command(&["send", "p", "--raw"])
        .stdin(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let complaint = end(sender).failed(1);
    assert!(complaint.contains("reading standard input"), "{complaint}");
    let complaint = domain.run(&["recv", "p", "--raw"]).failed(1);
    assert!(complaint.contains("reading standard input"), "{complaint}");
}

#[test]
fn a_stream_that_was_cut_off_does_not_run_into_the_next() {
    let domain = Domain::new();
    let (sender, _input) = unfinished(&domain, b"half");
    signal(&sender, Signal::SIGKILL);
    end(sender);
    domain.feed(&["send", "p", "--raw"], "whole").succeeded();
    let ended = domain.run(&["recv", "p", "--raw"]);
    assert_eq!(ended.out, b"half");
    assert!(ended.failed(1).contains("its sender died"));
    assert_eq!(domain.ok(&["recv", "p", "--raw"]), b"whole");
}

#[test]
fn two_streams_at_once_are_told_apart_from_one() {
    let domain = Domain::new();
    let (sender, input) = unfinished(&domain, b"one ");
    domain.ok(&["send", "p", "other"]);
    let ended = domain.run(&["recv", "p", "--raw"]);
    assert_eq!(ended.out, b"one ");
    let complaint = ended.failed(1);
    assert!(complaint.contains("one stream at a time"), "{complaint}");
    assert_eq!(domain.ok(&["recv", "p"]), b"other\n");
    drop(input);
    end(sender).succeeded();
}

#[test]
fn the_remains_of_an_interrupted_receiver_are_not_taken_for_a_stream() {
    let domain = Domain::new();
    domain.feed(&["send", "p", "--raw", "--piece", "64K"], binary(1 << 20)).succeeded();
    domain.feed(&["send", "p", "--raw"], "whole").succeeded();

    let mut receiver = domain.start(&["recv", "p", "--raw"]);
    let mut out = receiver.stdout.take().unwrap();
    out.read_exact(&mut vec![0; 200_000]).unwrap();
    drop(out);
    let ended = end(receiver);
    assert_eq!((ended.status, ended.err.as_str()), (Some(1), ""));

    for _ in 0..2 {
        let ended = domain.run(&["recv", "p", "--raw"]);
        assert_eq!(ended.out, b"");
        let complaint = ended.failed(1);
        assert!(complaint.contains("remains") && complaint.contains("--skip"), "{complaint}");
    }
    let ended = domain.run(&["recv", "p", "--raw", "--skip"]);
    assert_eq!((ended.status, &ended.out[..]), (Some(0), &b"whole"[..]), "{ended:?}");
    assert!(ended.err.contains("thrown away"), "{}", ended.err);
    assert_eq!(domain.stat("p")["queued"], 0);
}

#[test]
fn a_receiver_that_is_killed_with_the_first_piece_in_hand_leaves_the_stream_whole() {
    let domain = Domain::new();
    let bytes = binary(1 << 20);
    // From a file, a read gives as much as is asked for: one piece.
    let path = object(&domain, "input");
    std::fs::write(&path, &bytes).unwrap();
    let sender = domain
        .command(&["send", "p", "--raw", "--piece", "1M"])
        .stdin(std::fs::File::open(&path).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    end(sender).succeeded();
    std::fs::remove_file(&path).unwrap();
    // Nobody reads what it writes, so it never comes to acknowledge the piece.
    let receiver = domain.start(&["recv", "p", "--raw"]);
    domain.until("p", |stat| stat["in_hand"] == 1);
    signal(&receiver, Signal::SIGKILL);
    end(receiver);
    assert!(domain.ok(&["recv", "p", "--raw"]) == bytes);
}

#[test]
fn a_stream_shared_by_two_receivers_is_whole_for_neither() {
    let domain = Domain::new();
    let (sender, input) = unfinished(&domain, b"one ");
    let mut first = domain.start(&["recv", "p", "--raw"]);
    let mut out = first.stdout.take().unwrap();
    out.read_exact(&mut [0; 4]).unwrap();
    // A second piece is taken away; it is not put back where it was, but received as JSON.
    signal(&first, Signal::SIGSTOP);
    let mut input = input;
    input.write_all(b"two ").unwrap();
    let thief = domain.ok(&["recv", "p", "--json"]);
    assert_eq!(json_lines(&thief)[0]["body"], "two ");
    input.write_all(b"three").unwrap();
    drop(input);
    end(sender).succeeded();
    signal(&first, Signal::SIGCONT);
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    let complaint = end(first).failed(1);
    assert!(complaint.contains("pieces are missing"), "{complaint}");
}
