//! `create`, `ls`, `stat` and `rm`.

mod common;
use common::{Domain, end, signal};
use nix::sys::signal::Signal;
use serde_json::Value;

fn ls(domain: &Domain) -> Vec<Value> {
    serde_json::from_slice(&domain.ok(&["ls", "--json"])).unwrap()
}

#[test]
fn a_new_port_has_the_settings_asked_for() {
    let domain = Domain::new();
    let out = domain.ok(&[
        "create",
        "p",
        "--capacity",
        "7",
        "--max-message",
        "64K",
        "--byte-budget",
        "1M",
        "--max-users",
        "9",
        "--timestamps",
        "--mode",
        "600",
        "--json",
    ]);
    let created: Value = serde_json::from_slice(&out).unwrap();
    let stat = domain.stat("p");
    for told in [&created, &stat] {
        assert_eq!(told["kind"], "port");
        assert_eq!(told["name"], "p");
        assert_eq!(told["owner"], "domain");
        assert_eq!(told["mode"], "0600");
        assert_eq!(told["capacity"], 7);
        assert_eq!(told["max_message"], 65536);
        assert_eq!(told["byte_budget"], 1 << 20);
        assert_eq!(told["max_users"], 9);
        assert_eq!(told["timestamps"], true);
        assert_eq!(told["queued"], 0);
        assert_eq!(told["users"], 0, "the command that looks does not count itself");
        assert_eq!(told["tasks"], Value::Array(vec![]));
        assert_eq!(told["domain"], domain.path.to_str().unwrap());
    }
}

#[test]
fn the_help_tells_the_settings_of_a_port_made_without_any() {
    let domain = Domain::new();
    domain.ok(&["create", "p"]);
    let stat = domain.stat("p");
    assert_eq!(stat["capacity"], 1024);
    assert_eq!(stat["max_message"], 16 << 20);
    assert_eq!(stat["byte_budget"], 64 << 20);
    assert_eq!(stat["max_users"], 256);
    domain.ok(&["create", "q", "--max-message", "1G"]);
    assert_eq!(domain.stat("q")["byte_budget"], 4u64 << 30);
    let help = String::from_utf8(domain.ok(&["create", "--help"])).unwrap();
    for told in ["1024 if left out", "16M if left out", "64M, or four", "256 if left out"] {
        assert!(help.contains(told), "{help}");
    }
}

#[test]
fn a_new_segment_has_the_size_asked_for() {
    let domain = Domain::new();
    domain.ok(&["create", "--segment", "map", "--size", "1M", "--max-size", "4M"]);
    let stat = domain.stat("map");
    assert_eq!(stat["kind"], "segment");
    assert_eq!(stat["size"], 1 << 20);
    assert_eq!(stat["max_size"], 4 << 20);
    let text = String::from_utf8(domain.ok(&["stat", "map"])).unwrap();
    assert!(text.contains("segment \"map\"") && text.contains("1 MiB"), "{text}");
}

#[test]
fn what_exists_is_not_created_again_unless_that_is_fine() {
    let domain = Domain::new();
    for kind in [&["create", "x"][..], &["create", "--segment", "y", "--size", "4K"]] {
        domain.ok(kind);
        let complaint = domain.run(kind).failed(1);
        assert!(complaint.contains("already"), "{complaint}");
        domain.ok(&[kind, &["--exist-ok"]].concat());
    }
}

#[test]
fn limits_out_of_range_are_refused_and_nothing_is_made() {
    let domain = Domain::new();
    for args in [
        &["create", "p", "--capacity", "0"][..],
        &["create", "p", "--capacity", "4294967295"],
        &["create", "p", "--max-message", "2T"],
        &["create", "p", "--max-message", "18446744073709551615"],
        &["create", "p", "--max-users", "0"],
        &["create", "p", "--max-users", "100000"],
        &["create", "--segment", "s", "--size", "0"],
        &["create", "--segment", "s", "--size", "18446744073709551615"],
    ] {
        let ended = domain.run(args);
        let complaint = ended.failed(1);
        assert!(complaint.len() > 10, "{args:?}: {complaint}");
    }
    assert_eq!(ls(&domain), [] as [Value; 0]);
}

#[test]
fn ls_lists_ports_and_segments_with_their_figures() {
    let domain = Domain::new();
    domain.ok(&["send", "jobs", "one", "two", "three"]);
    domain.ok(&["create", "--segment", "map", "--size", "64K"]);
    let mut all = ls(&domain);
    all.sort_by_key(|entry| entry["name"].as_str().unwrap().to_owned());
    assert_eq!(all.len(), 2);
    assert_eq!(
        (&all[0]["kind"], &all[0]["name"], &all[0]["queued"], &all[0]["users"], &all[0]["owner"]),
        (&"port".into(), &"jobs".into(), &3.into(), &0.into(), &"domain".into())
    );
    assert_eq!((&all[1]["kind"], &all[1]["name"]), (&"segment".into(), &"map".into()));
    assert_eq!(all[1]["queued"], Value::Null);
    for entry in &all {
        assert!(entry["bytes"].as_u64().unwrap() > 0, "{entry}");
        assert_eq!(entry["uid"], nix::unistd::getuid().as_raw());
    }

    let text = String::from_utf8(domain.ok(&["ls"])).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    let heading: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(heading, ["KIND", "NAME", "QUEUED", "USERS", "SIZE", "OWNER"]);
    let column = lines[0].find("NAME").unwrap();
    for line in &lines[1..] {
        let name = &line[column..];
        assert!(name.starts_with("jobs ") || name.starts_with("map "), "{text}");
    }
}

#[test]
fn an_empty_domain_lists_nothing() {
    let domain = Domain::new();
    assert_eq!(ls(&domain), [] as [Value; 0]);
    assert_eq!(String::from_utf8(domain.ok(&["ls"])).unwrap().lines().count(), 1);
}

#[test]
fn stat_shows_users_and_their_tasks() {
    let domain = Domain::new();
    domain.ok(&["create", "p"]);
    let receiver = domain.start(&["recv", "p", "--follow"]);
    let stat = domain.until("p", |stat| stat["users"] == 1);
    let task = stat["tasks"][0].as_u64().unwrap();

    let whole: Value = serde_json::from_slice(&domain.ok(&["stat", "--json"])).unwrap();
    assert_eq!(whole["kind"], "domain");
    assert_eq!(whole["path"], domain.path.to_str().unwrap());
    assert!(whole["space_available"].as_u64() <= whole["space_total"].as_u64());
    let tasks = whole["tasks"].as_array().unwrap();
    let info = tasks.iter().find(|t| t["id"] == task).expect("the receiver's task");
    assert_eq!(info["pid"], receiver.id());
    assert_eq!(info["alive"], true);

    let text = String::from_utf8(domain.ok(&["stat", "p"])).unwrap();
    assert!(text.contains(&receiver.id().to_string()), "{text}");
    assert!(text.contains("1 of 256"), "{text}");
    let text = String::from_utf8(domain.ok(&["stat"])).unwrap();
    assert!(text.contains(&receiver.id().to_string()), "{text}");

    signal(&receiver, Signal::SIGTERM);
    assert_eq!(end(receiver).signal, Some(Signal::SIGTERM as i32));
    let stat = domain.stat("p");
    assert_eq!((&stat["users"], &stat["deaths"]), (&0.into(), &0.into()));
}

#[test]
fn stat_counts_what_the_port_lived_through() {
    let domain = Domain::new();
    domain.ok(&["send", "p", "a", "b", "c"]);
    domain.ok(&["recv", "p"]);
    let stat = domain.stat("p");
    assert_eq!((&stat["sent"], &stat["received"]), (&3.into(), &1.into()));
    assert_eq!((&stat["queued"], &stat["in_hand"]), (&2.into(), &0.into()));
    let text = String::from_utf8(domain.ok(&["stat", "p"])).unwrap();
    assert!(text.contains("2 of 1024 messages"), "{text}");
}

#[test]
fn what_is_absent_is_named() {
    let domain = Domain::new();
    for args in [&["stat", "ghost"][..], &["stat", "--segment", "ghost"], &["rm", "ghost"]] {
        let complaint = domain.run(args).failed(1);
        assert!(complaint.contains("ghost"), "{args:?}: {complaint}");
    }
}

#[test]
fn rm_removes_all_it_can() {
    let domain = Domain::new();
    domain.ok(&["create", "a"]);
    domain.ok(&["create", "--segment", "b", "--size", "4K"]);
    domain.ok(&["create", "c"]);
    let complaint = domain.run(&["rm", "a", "ghost", "b"]).failed(1);
    assert!(complaint.contains("ghost"), "{complaint}");
    assert_eq!(ls(&domain).len(), 1);
    domain.ok(&["rm", "-f", "ghost", "c"]);
    assert_eq!(ls(&domain).len(), 0);
    domain.run(&["rm", "c"]).failed(1);
}

#[test]
fn a_port_and_a_segment_of_one_name_are_told_apart() {
    let domain = Domain::new();
    domain.ok(&["create", "x"]);
    // Where the library keeps one name space for both, there is nothing to be told apart.
    if domain.run(&["create", "--segment", "x", "--size", "4K"]).status != Some(0) {
        assert_eq!(ls(&domain).len(), 1);
        return;
    }
    assert_eq!(domain.stat("x")["kind"], "port");
    let segment = domain.ok(&["stat", "--segment", "x", "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&segment).unwrap()["kind"], "segment");
    let complaint = domain.run(&["rm", "x"]).failed(1);
    assert!(complaint.contains("--segment"), "{complaint}");
    domain.ok(&["rm", "--segment", "x"]);
    assert_eq!(domain.stat("x")["kind"], "port");
    domain.ok(&["rm", "x"]);
}

#[test]
fn a_damaged_port_is_listed_and_told_about() {
    let domain = Domain::new();
    domain.ok(&["create", "good"]);
    domain.ok(&["create", "bad"]);
    let file = std::fs::read_dir(&domain.path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_str().unwrap().contains("bad"))
        .unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[..64].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();

    let ended = domain.run(&["ls"]);
    assert!(ended.out_text().contains("bad") && ended.out_text().contains("good"));
    let complaint = ended.failed(1);
    assert!(complaint.contains("bad"), "{complaint}");
    domain.run(&["stat", "bad"]).failed(1);
    domain.run(&["send", "bad", "x"]).failed(1);
    domain.run(&["recv", "bad"]).failed(1);
    domain.ok(&["rm", "bad"]);
    domain.ok(&["ls"]);
}
