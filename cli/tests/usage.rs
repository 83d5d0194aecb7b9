//! What can be typed, and what is said about what cannot.

mod common;
use common::Domain;
use std::process::Command;

const COMMANDS: [&str; 7] = ["ls", "stat", "create", "rm", "send", "recv", "completions"];

#[test]
fn help_names_every_command_and_each_has_examples() {
    let domain = Domain::new();
    let help = String::from_utf8(domain.ok(&["--help"])).unwrap();
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command} in {help}");
        let own = String::from_utf8(domain.ok(&[command, "--help"])).unwrap();
        assert!(own.contains("Examples:") && own.contains("--domain"), "{own}");
    }
    assert!(help.contains("Exit status:"), "{help}");
    assert!(!domain.path.exists(), "help needs no domain");
}

#[test]
fn the_version_is_the_workspaces() {
    let version = String::from_utf8(Domain::new().ok(&["--version"])).unwrap();
    assert_eq!(version, format!("mailboat {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_is_not_understood_ends_with_status_2_and_touches_nothing() {
    let domain = Domain::new();
    for (args, said) in [
        (&[][..], ""),
        (&["frobnicate"], "frobnicate"),
        (&["ls", "--frobnicate"], "--frobnicate"),
        (&["create"], "<NAME>"),
        (&["create", "p", "--capacity", "-1"], "-1"),
        (&["create", "p", "--capacity", "many"], "many"),
        (&["create", "p", "--capacity", "4294967296"], "4294967296"),
        (&["create", "p", "--max-message", "1X"], "unit"),
        (&["create", "p", "--max-message", "99999999T"], "64 bits"),
        (&["create", "p", "--mode", "999"], "octal"),
        (&["create", "p", "--size", "1M"], "--segment"),
        (&["create", "--segment", "s"], "--size"),
        (&["create", "--segment", "s", "--size", "1M", "--capacity", "3"], "--capacity"),
        (&["rm"], "<NAME>"),
        (&["rm", "--port", "--segment", "x"], "--segment"),
        (&["send"], "<NAME>"),
        (&["send", "p", "--kind", "0xff000000"], "reserved"),
        (&["send", "p", "--kind", "-1"], "-1"),
        (&["send", "p", "--timeout", "-1"], "-1"),
        (&["send", "p", "--timeout=-1"], "seconds"),
        (&["send", "p", "--timeout", "nan"], "seconds"),
        (&["send", "p", "m", "--raw"], "--raw"),
        (&["send", "p", "m", "--file", "f"], "--file"),
        (&["send", "p", "--raw", "--kind", "1"], "--kind"),
        (&["send", "p", "--raw", "--piece", "0"], "at least one byte"),
        (&["send", "p", "--piece", "64K"], "--raw"),
        (&["recv", "p", "--raw", "--json"], "--json"),
        (&["recv", "p", "--skip"], "--raw"),
        (&["recv", "p", "--follow", "--count", "2"], "--count"),
        (&["recv", "p", "--count", "-2"], "-2"),
        (&["stat", "--segment"], "<NAME>"),
        (&["completions", "cmd.exe"], "cmd.exe"),
    ] {
        let complaint = domain.run(args).failed(2);
        assert!(complaint.contains(said), "{args:?}: {complaint}");
    }
    assert!(!domain.path.exists());
}

#[test]
fn bad_names_are_told_why() {
    let domain = Domain::new();
    let long = "x".repeat(201);
    for (name, said) in
        [("", "empty"), (".hidden", "begin"), ("a/b", "'/'"), ("ä", "begin"), (&long, "201 bytes")]
    {
        for args in [
            &["create", name][..],
            &["create", "--segment", name, "--size", "4K"],
            &["stat", name],
            &["rm", name],
            &["send", name, "x"],
            &["recv", name, "--timeout", "0"],
        ] {
            let complaint = domain.run(args).failed(1);
            assert!(complaint.contains(said), "{args:?}: {complaint}");
        }
    }
    assert_eq!(domain.ok(&["ls", "--json"]), b"[]\n");
}

#[test]
fn the_domain_is_an_argument_or_in_the_environment() {
    let (one, other) = (Domain::new(), Domain::new());
    one.ok(&["create", "here"]);
    let path = other.path.to_str().unwrap();
    one.ok(&["--domain", path, "create", "there"]);
    one.ok(&["create", "there-too", "--domain", path]);
    let names = |domain: &Domain| -> Vec<String> {
        let listing = String::from_utf8(domain.ok(&["ls"])).unwrap();
        let second = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
        listing.lines().skip(1).map(second).collect()
    };
    assert_eq!(names(&one), ["here"]);
    assert_eq!(names(&other), ["there", "there-too"]);
}

#[test]
fn a_place_that_cannot_be_a_domain_is_told_why() {
    let domain = Domain::new();
    for place in ["/proc", "/nowhere/at/all", "a/b", "/dev/null", ""] {
        let complaint = domain.run(&["--domain", place, "ls"]).failed(1);
        assert!(complaint.len() > 10, "{place}: {complaint}");
    }
}

#[test]
fn completions_are_scripts() {
    let domain = Domain::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = domain.ok(&["completions", shell]);
        assert!(String::from_utf8(script.clone()).unwrap().contains("recv"));
        if shell == "bash" {
            let path = std::env::temp_dir().join(format!("mailboat-{}.bash", std::process::id()));
            std::fs::write(&path, script).unwrap();
            let status = Command::new("bash").arg("-n").arg(&path).status().unwrap();
            std::fs::remove_file(&path).unwrap();
            assert!(status.success());
        }
    }
}
