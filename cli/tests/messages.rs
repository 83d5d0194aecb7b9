//! `send` and `recv` of messages.

mod common;
use common::{Domain, end, give, json_lines, signal};
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

/// A folder for the files of a test, removed at its end.
struct Files(std::path::PathBuf);

impl Files {
    fn new(domain: &Domain) -> Self {
        let path = std::env::temp_dir().join(domain.path.file_name().unwrap());
        std::fs::create_dir_all(&path).unwrap();
        Files(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn arguments_are_messages_in_their_order() {
    let domain = Domain::new();
    domain.ok(&["send", "p", "--", "one", "", "two words", "-3"]);
    assert_eq!(domain.ok(&["recv", "p"]), b"one\n");
    assert_eq!(domain.ok(&["recv", "p", "-n", "3"]), b"\ntwo words\n-3\n");
}

#[test]
fn lines_are_messages_and_the_last_needs_no_end() {
    let domain = Domain::new();
    for (input, bodies) in [
        ("a\nb\n", &["a", "b"][..]),
        ("a\nb", &["a", "b"]),
        ("\n\na", &["", "", "a"]),
        ("\n", &[""]),
        ("a\r\n", &["a\r"]),
        ("", &[]),
    ] {
        domain.feed(&["send", "p"], input).succeeded();
        let got = json_lines(&domain.ok(&["recv", "p", "--json", "--follow", "--timeout", "0"]));
        let got: Vec<&str> = got.iter().map(|m| m["body"].as_str().unwrap()).collect();
        assert_eq!(got, bodies, "{input:?}");
    }
}

#[test]
fn long_lines_and_many_lines_come_through() {
    let domain = Domain::new();
    let mut input = Vec::new();
    for i in 0..300usize {
        input.extend(std::iter::repeat_n(b'a' + (i % 26) as u8, i * i % 70_001));
        input.push(b'\n');
    }
    domain.feed(&["send", "p"], input.clone()).succeeded();
    let got = domain.ok(&["recv", "p", "--follow", "--timeout", "0"]);
    assert!(got == input, "{} bytes of {}", got.len(), input.len());
}

#[test]
fn zero_bytes_can_end_lines() {
    let domain = Domain::new();
    domain.feed(&["send", "p", "--null"], "a\nb\0c\0").succeeded();
    assert_eq!(domain.ok(&["recv", "p", "-0", "-n", "2"]), b"a\nb\0c\0");
}

#[test]
fn a_line_larger_than_the_port_allows_is_an_error_with_the_figure() {
    let domain = Domain::new();
    domain.ok(&["create", "p", "--max-message", "1000"]);
    let input = format!("short\n{}\nnever\n", "x".repeat(1001));
    let complaint = domain.feed(&["send", "p"], input).failed(1);
    assert!(complaint.contains("1000"), "{complaint}");
    let endless = "x".repeat(1 << 20);
    let complaint = domain.feed(&["send", "p"], endless).failed(1);
    assert!(complaint.contains("line 1") && complaint.contains("1000"), "{complaint}");
    let complaint = domain.run(&["send", "p", &"x".repeat(1001)]).failed(1);
    assert!(complaint.contains("1001") && complaint.contains("1000"), "{complaint}");
    assert_eq!(domain.ok(&["recv", "p", "--follow", "--timeout", "0"]), b"short\n");
}

#[test]
fn a_file_is_one_message() {
    let domain = Domain::new();
    let files = Files::new(&domain);
    let binary: Vec<u8> = (0..1_000_003u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    for (name, bytes) in [("empty", &b""[..]), ("small", b"a\nb"), ("large", &binary)] {
        let path = files.write(name, bytes);
        domain.ok(&["send", "p", "--file", &path, "--kind", "7"]);
        let got = domain.ok(&["recv", "p", "--raw"]);
        assert!(got == bytes, "{name}: {} bytes of {}", got.len(), bytes.len());
    }
    let path = files.write("x", b"X");
    domain.ok(&["send", "p", "--file", &path, "--file", &path]);
    assert_eq!(domain.ok(&["recv", "p", "-n", "2"]), b"X\nX\n");
    domain.feed(&["send", "p", "--file", "-"], "from\nstdin").succeeded();
    assert_eq!(domain.ok(&["recv", "p", "--raw"]), b"from\nstdin");
    // The kernel says that this one has no bytes, and it has.
    domain.ok(&["send", "p", "--file", "/proc/self/stat"]);
    assert!(domain.ok(&["recv", "p", "--raw"]).len() > 10);
}

#[test]
fn files_that_cannot_be_sent_are_told_why() {
    let domain = Domain::new();
    let files = Files::new(&domain);
    domain.ok(&["create", "p", "--max-message", "100K"]);
    let path = files.write("too-large", &vec![1; 102_401]);
    let complaint = domain.run(&["send", "p", "--file", &path]).failed(1);
    assert!(complaint.contains("102401") && complaint.contains("102400"), "{complaint}");
    let complaint = domain.run(&["send", "p", "--file", "/dev/zero"]).failed(1);
    assert!(complaint.contains("102400"), "{complaint}");
    let complaint = domain.run(&["send", "p", "--file", "/nowhere"]).failed(1);
    assert!(complaint.contains("/nowhere"), "{complaint}");
    let complaint = domain.run(&["send", "p", "--file", files.0.to_str().unwrap()]).failed(1);
    assert!(complaint.contains(files.0.to_str().unwrap()), "{complaint}");
    assert_eq!(domain.stat("p")["sent"], 0);
    assert_eq!(domain.stat("p")["loaned"], 0);
}

#[test]
fn json_gives_header_and_body() {
    let domain = Domain::new();
    domain.ok(&["create", "p", "--timestamps"]);
    let ids = json_lines(&domain.ok(&["send", "p", "text", "--kind", "0x10", "--json"]));
    let got = json_lines(&domain.ok(&["recv", "p", "--json"]));
    assert_eq!(got[0]["id"], ids[0]["id"]);
    assert_eq!(got[0]["kind"], 16);
    assert_eq!(got[0]["length"], 4);
    assert_eq!(got[0]["body"], "text");
    assert_eq!(got[0]["redelivered"], false);
    assert_eq!(got[0]["redeliveries"], 0);
    assert!(got[0]["sender"].is_u64());
    assert!(got[0]["sent_ns"].as_u64().unwrap() > 0);

    domain.feed(&["send", "q", "--file", "-"], b"\xff\x00\xfb".as_slice()).succeeded();
    domain.ok(&["send", "q", ""]);
    let got = json_lines(&domain.ok(&["recv", "q", "--json", "-n", "2"]));
    assert_eq!(got[0]["body_base64"], "/wD7");
    assert!(got[0].get("body").is_none() && got[0]["sent_ns"].is_null());
    assert_eq!(got[1]["body"], "");
}

#[test]
fn nothing_in_time_is_status_3() {
    let domain = Domain::new();
    let complaint = domain.run(&["recv", "p", "--timeout", "0"]).failed(3);
    assert!(complaint.contains("empty"), "{complaint}");
    let complaint = domain.run(&["recv", "p", "--timeout", "0.25"]).failed(3);
    assert!(complaint.contains("timed out after 0.2"), "the whole wait is told: {complaint}");
    let complaint = domain.run(&["recv", "p", "--raw", "--timeout", "0"]).failed(3);
    assert!(complaint.contains("empty"), "{complaint}");
}

#[test]
fn no_room_in_time_is_status_3_and_says_which_limit() {
    let domain = Domain::new();
    domain.ok(&["create", "p", "--capacity", "2"]);
    let complaint = domain.run(&["send", "p", "a", "b", "c", "--timeout", "0"]).failed(3);
    assert!(complaint.contains("2 of 2 messages"), "{complaint}");
    let complaint = domain.run(&["send", "p", "c", "--timeout", "0.05"]).failed(3);
    assert!(complaint.contains("timed out") && complaint.contains("2 of 2"), "{complaint}");
    assert_eq!(domain.ok(&["recv", "p", "--follow", "--timeout", "0"]), b"a\nb\n");
}

#[test]
fn a_full_port_makes_the_sender_wait_and_nothing_is_lost() {
    let domain = Domain::new();
    domain.ok(&["create", "p", "--capacity", "2"]);
    let lines: String = (0..500).map(|i| format!("line {i}\n")).collect();
    let mut sender = domain.start(&["send", "p"]);
    let feeder = give(sender.stdin.take().unwrap(), lines.clone().into_bytes());
    domain.until("p", |stat| stat["queued"] == 2);
    let got = domain.ok(&["recv", "p", "--count", "500"]);
    assert_eq!(String::from_utf8(got).unwrap(), lines);
    end(sender).succeeded();
    feeder.join().unwrap();
}

#[test]
fn a_missing_port_is_made_unless_that_is_refused() {
    let domain = Domain::new();
    for args in [&["send", "p", "x", "--no-create"][..], &["recv", "p", "--no-create"]] {
        let complaint = domain.run(args).failed(1);
        assert!(complaint.contains('p'), "{complaint}");
        assert_eq!(domain.ok(&["ls", "--json"]), b"[]\n");
    }
    let receiver = domain.start(&["recv", "p"]);
    domain.until("p", |stat| stat["users"] == 1);
    domain.ok(&["send", "p", "x", "--no-create"]);
    assert_eq!(end(receiver).succeeded(), b"x\n");
}

#[test]
fn follow_goes_on_until_the_port_is_removed() {
    let domain = Domain::new();
    let mut receiver = domain.start(&["recv", "p", "--follow"]);
    let mut out = BufReader::new(receiver.stdout.take().unwrap());
    for body in ["one", "", "three"] {
        domain.ok(&["send", "p", body]);
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{body}\n"), "each message is written when it comes");
    }
    domain.ok(&["rm", "p"]);
    let complaint = end(receiver).failed(1);
    assert!(complaint.contains("closed"), "{complaint}");
}

#[test]
fn follow_with_a_timeout_takes_what_there_is() {
    let domain = Domain::new();
    domain.ok(&["send", "p", "a", "b"]);
    assert_eq!(domain.ok(&["recv", "p", "--follow", "--timeout", "0"]), b"a\nb\n");
    assert_eq!(domain.ok(&["recv", "p", "--follow", "--timeout", "0"]), b"");
}

#[test]
fn each_message_goes_to_one_of_several_receivers() {
    let domain = Domain::new();
    domain.ok(&["create", "p"]);
    let receivers: Vec<_> = (0..3).map(|_| domain.start(&["recv", "p", "-n", "40"])).collect();
    let lines: String = (0..120).map(|i| format!("{i}\n")).collect();
    domain.feed(&["send", "p"], lines).succeeded();
    let mut got: Vec<u32> = receivers
        .into_iter()
        .flat_map(|r| {
            String::from_utf8(end(r).succeeded())
                .unwrap()
                .lines()
                .map(|l| l.parse().unwrap())
                .collect::<Vec<_>>()
        })
        .collect();
    got.sort_unstable();
    assert_eq!(got, (0..120).collect::<Vec<_>>());
}

#[test]
fn a_message_that_cannot_be_written_is_given_back() {
    let domain = Domain::new();
    domain.ok(&["send", "p", "precious"]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let receiver =
        domain.command(&["recv", "p"]).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let complaint = end(receiver).failed(1);
    assert!(complaint.contains("writing"), "{complaint}");
    let stat = domain.stat("p");
    assert_eq!((&stat["given_back"], &stat["in_hand"]), (&1.into(), &0.into()));
    let got = json_lines(&domain.ok(&["recv", "p", "--json"]));
    assert_eq!((&got[0]["body"], &got[0]["redelivered"]), (&"precious".into(), &true.into()));
}

#[test]
fn a_reader_that_goes_in_the_middle_of_a_message_does_not_lose_it() {
    let domain = Domain::new();
    let body = "x".repeat(1 << 20);
    domain.feed(&["send", "p", "--file", "-"], body.clone()).succeeded();
    domain.ok(&["send", "p", "next"]);
    let mut receiver = domain.start(&["recv", "p", "-n", "2"]);
    let mut out = receiver.stdout.take().unwrap();
    let mut some = [0; 100];
    out.read_exact(&mut some).unwrap();
    drop(out);
    let ended = end(receiver);
    assert_eq!((ended.status, ended.err.as_str()), (Some(1), ""), "ends without a word");
    let got = json_lines(&domain.ok(&["recv", "p", "--json", "-n", "2"]));
    assert_eq!((&got[0]["length"], &got[0]["redeliveries"]), (&(1 << 20).into(), &1.into()));
    assert!(got[0]["body"] == body);
    assert_eq!((&got[1]["body"], &got[1]["redeliveries"]), (&"next".into(), &0.into()));
}

#[test]
fn an_idle_receiver_notices_that_its_reader_has_gone() {
    let domain = Domain::new();
    let mut receiver = domain.start(&["recv", "p", "--follow"]);
    domain.until("p", |stat| stat["users"] == 1);
    drop(receiver.stdout.take());
    let ended = end(receiver);
    assert_eq!((ended.status, ended.err.as_str()), (Some(1), ""));
}

#[test]
fn a_signal_ends_a_waiting_receiver_cleanly() {
    let domain = Domain::new();
    for sig in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let receiver = domain.start(&["recv", "p"]);
        domain.until("p", |stat| stat["users"] == 1);
        signal(&receiver, sig);
        let ended = end(receiver);
        assert_eq!((ended.signal, ended.err.as_str()), (Some(sig as i32), ""));
    }
    let stat = domain.stat("p");
    assert_eq!((&stat["deaths"], &stat["users"]), (&0.into(), &0.into()));
}

#[test]
fn a_signal_ends_a_receiver_that_cannot_write_and_the_message_is_given_back() {
    let domain = Domain::new();
    domain.feed(&["send", "p", "--file", "-"], "x".repeat(1 << 20)).succeeded();
    let receiver = domain.start(&["recv", "p"]);
    domain.until("p", |stat| stat["in_hand"] == 1);
    signal(&receiver, Signal::SIGINT);
    assert_eq!(end(receiver).signal, Some(Signal::SIGINT as i32));
    let stat = domain.stat("p");
    assert_eq!((&stat["given_back"], &stat["deaths"]), (&1.into(), &0.into()));
}

#[test]
fn a_killed_receiver_gives_its_message_back() {
    let domain = Domain::new();
    domain.feed(&["send", "p", "--file", "-"], "x".repeat(1 << 20)).succeeded();
    let receiver = domain.start(&["recv", "p"]);
    domain.until("p", |stat| stat["in_hand"] == 1);
    signal(&receiver, Signal::SIGKILL);
    end(receiver);
    domain.ok(&["send", "p", "later"]);
    let got = json_lines(&domain.ok(&["recv", "p", "--json", "--follow", "--timeout", "0"]));
    assert_eq!((&got[0]["length"], &got[0]["redelivered"]), (&(1 << 20).into(), &true.into()));
    assert_eq!((&got[1]["body"], &got[1]["redelivered"]), (&"later".into(), &false.into()));
    assert_eq!(domain.stat("p")["deaths"], 1);
}

#[test]
fn a_signal_ends_a_sender_that_waits_for_room_or_for_input() {
    let domain = Domain::new();
    domain.ok(&["create", "p", "--capacity", "1"]);
    let mut sender = domain.start(&["send", "p"]);
    let mut input = sender.stdin.take().unwrap();
    input.write_all(b"one\nunfinished").unwrap();
    domain.until("p", |stat| stat["queued"] == 1);
    signal(&sender, Signal::SIGTERM);
    assert_eq!(end(sender).signal, Some(Signal::SIGTERM as i32));

    let sender = domain.start(&["send", "p", "two"]);
    domain.until("p", |stat| stat["users"] == 1);
    signal(&sender, Signal::SIGTERM);
    assert_eq!(end(sender).signal, Some(Signal::SIGTERM as i32));
    assert_eq!(domain.ok(&["recv", "p", "--follow", "--timeout", "0"]), b"one\n");
    assert_eq!(domain.stat("p")["deaths"], 0);
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let domain = Domain::new();
    let receiver = std::process::Command::new("sh")
        .args(["-c", "trap '' INT; exec \"$0\" recv p", env!("CARGO_BIN_EXE_mailboat")])
        .env("MAILBOAT_DOMAIN", &domain.path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    domain.until("p", |stat| stat["users"] == 1);
    signal(&receiver, Signal::SIGINT);
    domain.ok(&["send", "p", "still here"]);
    assert_eq!(end(receiver).succeeded(), b"still here\n");
}
