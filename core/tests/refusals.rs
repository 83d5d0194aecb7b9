//! Bad input is refused with an error of its own that says what is wrong, and changes nothing.

mod common;

use common::{Place, become_user, in_child, is_root};
use mailboat::{
    Access, Domain, DomainOptions, Error, ErrorKind, Outgoing, Port, PortOptions, Queue,
    QueueOptions, Segment, SegmentOptions, Wait,
};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    match result {
        Ok(_) => panic!("this should have been refused"),
        Err(e) => e.kind(),
    }
}

/// The error, which must be of this kind and say all of this.
fn says<T>(result: Result<T, Error>, kind: ErrorKind, words: &[&str]) {
    let Err(error) = result else { panic!("this should have been refused: {words:?}") };
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

fn small() -> PortOptions {
    PortOptions::new().capacity(2).max_message(1000)
}

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The names of the files in the domain, its roster left out.
fn files(place: &Place) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(&place.0)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".roster")
        .collect();
    names.sort();
    names
}

#[test]
fn bad_names() {
    let place = Place::new("names");
    let domain = place.open();
    let long = "x".repeat(201);
    let names =
        ["", ".", "..", ".hidden", "-x", "_x", "a/b", "/a", "a b", "a\0b", "a\n", "ä", "xä", &long];
    for name in names {
        let options = SegmentOptions::new();
        let refused = [
            kind(Port::create_in(&domain, name, &small())),
            kind(Port::open_in(&domain, name)),
            kind(Port::open_or_create_in(&domain, name, &small())),
            kind(Port::delete_in(&domain, name)),
            kind(Segment::create_in(&domain, name, 1, &options)),
            kind(Segment::open_in(&domain, name, Access::ReadOnly)),
            kind(Segment::open_or_create_in(&domain, name, 1, &options)),
            kind(Segment::delete_in(&domain, name)),
        ];
        assert_eq!(refused, [ErrorKind::BadName; 8], "{name:?}");
    }
    for location in ["", "a/b", "../a", "a b", ".x", &long] {
        assert_eq!(kind(Domain::at(location)), ErrorKind::BadName, "{location:?}");
    }
    assert_eq!(kind(Domain::at("/dev/shm/a\0b")), ErrorKind::BadName);
    assert!(files(&place).is_empty());
    Port::create_in(&domain, &"x".repeat(200), &small()).unwrap();
}

#[test]
fn sizes_out_of_range() {
    let place = Place::new("ranges");
    let domain = place.open();
    let all = || PortOptions::new().capacity(1 << 26).max_message(1 << 40).byte_budget(u64::MAX);
    for options in [
        small().capacity(0),
        small().capacity((1 << 26) + 1),
        small().capacity(u32::MAX),
        small().max_message((1 << 40) + 1),
        small().max_message(u64::MAX),
        small().max_users(0),
        small().max_users(u32::MAX),
        small().max_message(1 << 20).byte_budget((1 << 20) - 1),
        small().max_message(1 << 20).byte_budget(0),
        all(),
        small().mode(0o400),
        small().mode(0o700),
        small().mode(0o4600),
        small().mode(u32::MAX),
    ] {
        assert_eq!(
            kind(Port::create_in(&domain, "a", &options)),
            ErrorKind::Invalid,
            "{options:?}"
        );
    }
    let sizes = [
        (0, SegmentOptions::new()),
        (u64::MAX, SegmentOptions::new()),
        ((1 << 44) + 1, SegmentOptions::new()),
        (2, SegmentOptions::new().max_size(1)),
        (1, SegmentOptions::new().max_size(0)),
        (1, SegmentOptions::new().max_size(u64::MAX)),
        (1, SegmentOptions::new().mode(0o1600)),
    ];
    for (size, options) in &sizes {
        let refused = kind(Segment::create_in(&domain, "a", *size, options));
        assert_eq!(refused, ErrorKind::Invalid, "{size} {options:?}");
    }
    for max_tasks in [0, (1 << 14) + 1, u32::MAX] {
        let other = Place::new("ranges-tasks");
        let options = DomainOptions::new().location(&other.0).max_tasks(max_tasks);
        assert_eq!(kind(Domain::with(&options)), ErrorKind::Invalid, "{max_tasks}");
        assert!(!Path::new(&other.0).exists());
    }
    assert!(files(&place).is_empty());
}

#[test]
fn queues_that_do_not_fit_their_segment() {
    let place = Place::new("queues");
    let domain = place.open();
    let options = QueueOptions::new().capacity(1).max_message(100);
    let needed = Queue::required_size(&options).unwrap();
    let reach = SegmentOptions::new().max_size(4 * needed);
    let segment = Segment::create_in(&domain, "s", 8192, &reach).unwrap();
    let create = |offset| Queue::create(&segment, offset, &options);
    for offset in [1, 8, 4095, u64::MAX] {
        says(create(offset), ErrorKind::Invalid, &[&offset.to_string(), "4096"]);
        assert_eq!(kind(Queue::open(&segment, offset)), ErrorKind::Invalid);
    }
    let end = segment.max_size();
    for offset in [end - needed + 4096, end, u64::MAX - 4095] {
        says(create(offset), ErrorKind::TooLarge, &[&needed.to_string()]);
        assert!(matches!(
            kind(Queue::open(&segment, offset)),
            ErrorKind::NotFound | ErrorKind::Corrupt
        ));
    }
    says(Queue::open(&segment, 4096), ErrorKind::NotFound, &["queue at 4096", "\"s\""]);
    let queue = create(4096).unwrap();
    queue.send(b"kept").unwrap();
    says(create(4096), ErrorKind::AlreadyExists, &["queue at 4096", "\"s\""]);
    assert_eq!(Queue::open(&segment, 4096).unwrap().try_receive().unwrap().body, b"kept");
    let read_only = Segment::open_in(&domain, "s", Access::ReadOnly).unwrap();
    says(Queue::open(&read_only, 4096), ErrorKind::NotPermitted, &["\"s\"", "for reading"]);
    says(
        Queue::create(&read_only, end - needed, &options),
        ErrorKind::NotPermitted,
        &["\"s\"", "for reading"],
    );
}

#[test]
fn a_message_larger_than_the_ports_largest() {
    let place = Place::new("largest");
    let port = Port::create_in(&place.open(), "orders", &small()).unwrap();
    let both = &["1001 bytes", "1000 bytes", "\"orders\"", "max_message"];
    says(port.send(&[0; 1001]), ErrorKind::TooLarge, both);
    says(port.try_send(&[0; 1001]), ErrorKind::TooLarge, both);
    says(port.loan(1001), ErrorKind::TooLarge, both);
    says(port.loan(u64::MAX), ErrorKind::TooLarge, &["1000 bytes"]);
    let batch = [Outgoing::new(b"one"), Outgoing::new(&[0; 1001])];
    assert_eq!(port.send_many(&batch, Wait::TRY).unwrap(), 1);
    says(port.send_many(&batch[1..], Wait::TRY), ErrorKind::TooLarge, both);
    assert_eq!(port.len(), 1);
    port.try_receive().unwrap();
    port.try_send(&[7; 1000]).unwrap();
    says(
        port.receive_into(&mut [0; 999], Wait::TRY),
        ErrorKind::TooLarge,
        &["1000 bytes", "999 bytes"],
    );
    assert_eq!(port.try_receive().unwrap().body, [7; 1000], "it stayed where it was");
    let stat = port.stat().unwrap().queue;
    assert_eq!((stat.loaned, stat.in_hand, stat.queued), (0, 0, 0));
}

#[test]
fn ranges_beyond_a_loan_a_message_and_a_segment() {
    let place = Place::new("beyond");
    let domain = place.open();
    let port = Port::create_in(&domain, "a", &small()).unwrap();
    let mut loan = port.loan(10).unwrap();
    for (offset, length) in [(0, 11), (10, 1), (11, 0), (u64::MAX, 1), (u64::MAX - 5, 10)] {
        assert_eq!(kind(loan.write(offset, &vec![0; length])), ErrorKind::Invalid);
    }
    loan.write(0, b"0123456789").unwrap();
    loan.write(10, b"").unwrap();
    let rejected = loan.send_with(11, 0, Wait::TRY).unwrap_err();
    assert_eq!(rejected.error.kind(), ErrorKind::Invalid);
    rejected.loan.send_with(10, 5, Wait::TRY).unwrap();
    let receipt = port.try_take().unwrap();
    for (offset, length) in [(0, 11), (10, 1), (11, 0), (u64::MAX, 1)] {
        assert_eq!(kind(receipt.copy_to(offset, &mut vec![0; length])), ErrorKind::Invalid);
    }
    assert_eq!((receipt.to_vec().as_slice(), receipt.header().kind), (&b"0123456789"[..], 5));
    let segment = Segment::create_in(&domain, "s", 100, &SegmentOptions::new()).unwrap();
    for (offset, length) in [(0, 101), (100, 1), (101, 0), (u64::MAX, 1), (u64::MAX - 9, 20)] {
        says(segment.write(offset, &vec![1; length]), ErrorKind::Invalid, &["100 bytes", "\"s\""]);
        assert_eq!(kind(segment.read(offset, &mut vec![1; length])), ErrorKind::Invalid);
    }
    let mut all = [1; 100];
    segment.read(0, &mut all).unwrap();
    assert_eq!(all, [0; 100]);
    says(segment.grow((1 << 30) + 1), ErrorKind::TooLarge, &["1073741825", "1073741824", "\"s\""]);
    assert_eq!(segment.size(), 100);
}

#[test]
fn absent_existing_and_deleted_objects() {
    let place = Place::new("objects");
    let domain = place.open();
    let absent = &["\"a\"", &place.0];
    says(Port::open_in(&domain, "a"), ErrorKind::NotFound, absent);
    says(Port::delete_in(&domain, "a"), ErrorKind::NotFound, absent);
    says(Segment::open_in(&domain, "a", Access::ReadOnly), ErrorKind::NotFound, absent);
    says(Segment::delete_in(&domain, "a"), ErrorKind::NotFound, absent);

    let port = Port::create_in(&domain, "a", &small()).unwrap();
    port.send(b"kept").unwrap();
    says(Port::create_in(&domain, "a", &small()), ErrorKind::AlreadyExists, absent);
    let other = Port::open_or_create_in(&domain, "a", &small().capacity(9)).unwrap();
    assert_eq!((other.capacity(), other.try_receive().unwrap().body), (2, b"kept".to_vec()));
    let segment = Segment::create_in(&domain, "a", 10, &SegmentOptions::new()).unwrap();
    segment.write(0, b"kept").unwrap();
    let again = Segment::create_in(&domain, "a", 20, &SegmentOptions::new());
    says(again, ErrorKind::AlreadyExists, absent);
    let other = Segment::open_or_create_in(&domain, "a", 99, &SegmentOptions::new()).unwrap();
    assert_eq!(other.size(), 10);

    port.send(b"gone").unwrap();
    let receipt = port.take().unwrap();
    let loan = port.loan(5).unwrap();
    Port::delete_in(&domain, "a").unwrap();
    says(port.try_send(b""), ErrorKind::Closed, absent);
    says(port.try_receive(), ErrorKind::Closed, absent);
    says(port.try_loan(1), ErrorKind::Closed, absent);
    says(port.send_many(&[Outgoing::new(b"")], Wait::TRY), ErrorKind::Closed, absent);
    assert_eq!(loan.send().unwrap_err().error.kind(), ErrorKind::Closed);
    assert_eq!(receipt.to_vec(), b"gone", "its memory lives as long as somebody has it");
    drop(receipt);
    says(Port::open_in(&domain, "a"), ErrorKind::NotFound, absent);
    let anew = Port::create_in(&domain, "a", &small()).unwrap();
    anew.send(b"another").unwrap();
    says(port.try_receive(), ErrorKind::Closed, absent);

    assert!(!segment.is_deleted());
    Segment::delete_in(&domain, "a").unwrap();
    assert!(segment.is_deleted() && other.is_deleted());
    segment.write(9, b"x").unwrap();
    let mut byte = [0];
    other.read(9, &mut byte).unwrap();
    assert_eq!(&byte, b"x", "its memory lives as long as somebody has it");
    segment.grow(5000).unwrap();
    says(Segment::open_in(&domain, "a", Access::ReadOnly), ErrorKind::NotFound, absent);
}

/// A user without special rights, in a child.
fn as_ordinary_user(f: impl FnOnce()) {
    in_child(|| {
        if is_root() {
            become_user(1_000_000 + 2 * std::process::id());
        }
        f();
    });
}

#[test]
fn wrong_rights() {
    let place = Place::new("rights");
    as_ordinary_user(|| {
        let domain = place.open();
        drop(Port::create_in(&domain, "a", &small()).unwrap());
        let segment = Segment::create_in(&domain, "s", 10, &SegmentOptions::new()).unwrap();
        segment.write(0, b"kept").unwrap();
        let (port_file, segment_file) =
            (format!("{}/a.port", place.0), format!("{}/s.segment", place.0));
        set_mode(&port_file, 0o400);
        set_mode(&segment_file, 0o400);
        let what = &["\"a\"", "writing", "0400"];
        says(Port::open_in(&domain, "a"), ErrorKind::NotPermitted, what);
        says(Port::delete_in(&domain, "a"), ErrorKind::NotPermitted, what);
        says(Port::open_or_create_in(&domain, "a", &small()), ErrorKind::NotPermitted, what);
        let writing = Segment::open_in(&domain, "s", Access::ReadWrite);
        says(writing, ErrorKind::NotPermitted, &["\"s\"", "writing", "0400"]);
        let reading = Segment::open_in(&domain, "s", Access::ReadOnly).unwrap();
        let mut bytes = [0; 4];
        reading.read(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"kept");
        let for_reading = &["\"s\"", "for reading"];
        says(reading.write(0, b"x"), ErrorKind::NotPermitted, for_reading);
        says(reading.grow(20), ErrorKind::NotPermitted, for_reading);
        set_mode(&segment_file, 0o000);
        let reading = Segment::open_in(&domain, "s", Access::ReadOnly);
        says(reading, ErrorKind::NotPermitted, &["\"s\"", "reading", "0000"]);
        // What cannot be opened is listed all the same: it is there.
        assert_eq!(domain.list().unwrap().len(), 2);
        assert_eq!(files(&place), ["a.port", "s.segment"]);
    });
}

#[test]
fn a_foreign_owner() {
    if !is_root() {
        return;
    }
    let place = Place::new("foreign");
    let domain = place.open();
    drop(Port::create_in(&domain, "a", &small()).unwrap());
    drop(Segment::create_in(&domain, "s", 10, &SegmentOptions::new()).unwrap());
    for file in files(&place) {
        std::os::unix::fs::chown(format!("{}/{file}", place.0), Some(12345), None).unwrap();
    }
    let whose = &["user 12345"];
    says(Port::open_in(&domain, "a"), ErrorKind::NotPermitted, whose);
    says(Port::delete_in(&domain, "a"), ErrorKind::NotPermitted, whose);
    says(Segment::open_in(&domain, "s", Access::ReadOnly), ErrorKind::NotPermitted, whose);
    assert_eq!(files(&place).len(), 2);
}

#[test]
fn something_else_at_the_objects_place() {
    let place = Place::new("else");
    let domain = place.open();
    let real = Port::create_in(&domain, "real", &small()).unwrap();
    let at = |name: &str| format!("{}/{name}.port", place.0);
    std::os::unix::fs::symlink(at("real"), at("link")).unwrap();
    std::os::unix::fs::symlink("/nowhere", at("dangling")).unwrap();
    std::fs::create_dir(at("directory")).unwrap();
    let fifo = std::ffi::CString::new(at("fifo")).unwrap();
    // SAFETY: a C string that lives for the call.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    let socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    let before = files(&place);
    for (name, what) in [
        ("link", "symbolic link"),
        ("dangling", "symbolic link"),
        ("directory", "directory"),
        ("fifo", "pipe"),
        ("socket", "socket"),
    ] {
        let words = &[what, name];
        says(Port::open_in(&domain, name), ErrorKind::WrongType, words);
        says(Port::delete_in(&domain, name), ErrorKind::WrongType, words);
        says(Port::open_or_create_in(&domain, name, &small()), ErrorKind::WrongType, words);
        assert_eq!(kind(Port::create_in(&domain, name, &small())), ErrorKind::AlreadyExists);
    }
    assert_eq!(files(&place), before, "nothing was removed");
    drop(socket);
    std::fs::hard_link(at("real"), at("twin")).unwrap();
    for name in ["real", "twin"] {
        says(Port::open_in(&domain, name), ErrorKind::WrongType, &["2 links", name]);
        says(Port::delete_in(&domain, name), ErrorKind::WrongType, &["2 links", name]);
    }
    std::fs::remove_file(at("twin")).unwrap();
    Port::open_in(&domain, "real").unwrap().send(b"still there").unwrap();
    assert_eq!(real.try_receive().unwrap().body, b"still there");
}

/// A fresh port's file, changed by `spoil`.
fn spoilt_port(place: &Place, domain: &Domain, spoil: impl FnOnce(&std::fs::File)) {
    let path = format!("{}/a.port", place.0);
    let _ = std::fs::remove_file(&path);
    drop(Port::create_in(domain, "a", &small()).unwrap());
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    spoil(&file);
}

fn put(file: &std::fs::File, offset: u64, word: u64) {
    file.write_all_at(&word.to_le_bytes(), offset).unwrap();
}

fn get(file: &std::fs::File, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, offset).unwrap();
    u64::from_le_bytes(bytes)
}

/// Of the object's page: magic, version, kind, length. From 4096 on the queue: magic, version, total,
/// capacity, max_users, max_message, byte_budget, flags.
#[test]
fn a_file_that_does_not_fit() {
    let place = Place::new("unfit");
    let domain = place.open();
    let refused = |what: &str, kind: ErrorKind, words: &[&str], spoil: &dyn Fn(&std::fs::File)| {
        spoilt_port(&place, &domain, spoil);
        let before = std::fs::read(format!("{}/a.port", place.0)).unwrap();
        let result = Port::open_in(&domain, "a");
        assert!(result.is_err(), "{what}");
        says(result, kind, &[words, &["\"a\""]].concat());
        assert_eq!(std::fs::read(format!("{}/a.port", place.0)).unwrap(), before, "{what}");
    };
    let (corrupt, version) = (ErrorKind::Corrupt, ErrorKind::Version);
    for page in [0, 4096] {
        refused("magic", corrupt, &["magic", "0x0000000000000bad"], &|f| put(f, page, 0xbad));
        refused("version", version, &["version 99", "has 1"], &|f| put(f, page + 8, 99));
    }
    refused("kind", corrupt, &["kind", "found 2"], &|f| put(f, 16, 2));
    refused("length", corrupt, &["length", "12345 bytes"], &|f| put(f, 24, 12345));
    for length in [0, 1, 4095] {
        let found = format!("{length} bytes");
        refused("cut short", corrupt, &[&found], &|f| f.set_len(length).unwrap());
    }
    refused("cut", corrupt, &["length"], &|f| f.set_len(8192).unwrap());
    refused("longer", corrupt, &["length"], &|f| f.set_len(get(f, 24) + 4096).unwrap());
    let words = ["total", "capacity", "max_users", "max_message", "byte_budget", "flags"];
    for (i, what) in words.iter().enumerate() {
        for value in [0, 1, 4096, 1 << 20, 1 << 32, 1 << 63, u64::MAX] {
            let offset = 4096 + 16 + 8 * i as u64;
            spoilt_port(&place, &domain, |f| {
                if get(f, offset) != value {
                    put(f, offset, value);
                }
            });
            match Port::open_in(&domain, "a") {
                Err(e) => assert_eq!(e.kind(), corrupt, "{what} {value}: {e}"),
                // What leaves all in the file's pages cannot be told from what was meant.
                Ok(port) => {
                    assert_ne!(*what, "total");
                    let _ = port.try_send(b"x");
                    let _ = port.try_receive();
                }
            }
        }
    }
    // The whole length fits, and yet the queue does not add up to it.
    refused("geometry", corrupt, &["geometry"], &|f| {
        put(f, 4096 + 16, get(f, 4096 + 16) - 4096);
    });
    std::fs::write(format!("{}/a.port", place.0), [0; 10_000]).unwrap();
    set_mode(format!("{}/a.port", place.0), 0o600);
    says(Port::open_in(&domain, "a"), corrupt, &["magic"]);
    // What is no port of ours can be deleted all the same.
    Port::delete_in(&domain, "a").unwrap();
    Port::create_in(&domain, "a", &small()).unwrap();
}

#[test]
fn a_segments_file_that_does_not_fit() {
    let place = Place::new("unfit-segment");
    let domain = place.open();
    let path = format!("{}/s.segment", place.0);
    let options = SegmentOptions::new().max_size(10_000);
    for (what, offset, value, kind) in [
        ("magic", 0, 7, ErrorKind::Corrupt),
        ("version", 8, 2, ErrorKind::Version),
        ("a port's kind", 16, 1, ErrorKind::Corrupt),
        ("length", 24, 4096, ErrorKind::Corrupt),
        ("no size", 48, 0, ErrorKind::Corrupt),
        ("size beyond the file", 48, 1 << 20, ErrorKind::Corrupt),
    ] {
        drop(Segment::create_in(&domain, "s", 100, &options).unwrap());
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        put(&file, offset, value);
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let error = Segment::open_in(&domain, "s", access).unwrap_err();
            assert_eq!(error.kind(), kind, "{what}: {error}");
        }
        Segment::delete_in(&domain, "s").unwrap();
    }
}

#[test]
fn a_roster_that_does_not_fit() {
    let place = Place::new("unfit-roster");
    let path = format!("{}/.roster", place.0);
    for (what, offset, value, kind) in [
        ("magic", 0, 7, ErrorKind::Corrupt),
        ("version", 8, 2, ErrorKind::Version),
        ("no tasks", 16, 0, ErrorKind::Corrupt),
        ("too many tasks", 16, 1 << 40, ErrorKind::Corrupt),
    ] {
        drop(place.open());
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        put(&file, offset, value);
        let error = Domain::at(&place.0).unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {error}");
        std::fs::remove_file(&path).unwrap();
    }
    std::fs::write(&path, b"short").unwrap();
    assert_eq!(kind(Domain::at(&place.0)), ErrorKind::Corrupt);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(matches!(kind(Domain::at(&place.0)), ErrorKind::WrongType | ErrorKind::System));
}

#[test]
fn a_place_that_cannot_be_a_domain() {
    let bad = ErrorKind::BadDomain;
    // Nothing can be made in there, but the refusal is about what it is.
    says(Domain::at("/proc"), bad, &["/proc", "not on tmpfs"]);
    let disk = std::env::temp_dir().join(format!("mailboat-test-{}", std::process::id()));
    if is_tmpfs(&std::env::temp_dir()) {
        eprintln!("not run: the directory for temporary files is on tmpfs too");
    } else {
        let path = disk.to_str().unwrap();
        says(Domain::at(path), bad, &[path, "not on tmpfs", "/dev/shm"]);
        assert!(!disk.join(".roster").exists());
        let _ = std::fs::remove_dir(&disk);
    }
    says(Domain::at("/dev/shm/mailboat-nowhere/deep"), bad, &["mailboat-nowhere"]);
    let place = Place::new("file");
    std::fs::write(&place.0, b"").unwrap();
    says(Domain::at(&place.0), bad, &["not a directory"]);
    std::fs::remove_file(&place.0).unwrap();
    let real = Place::new("real");
    real.open();
    std::os::unix::fs::symlink(&real.0, &place.0).unwrap();
    says(Domain::at(&place.0), bad, &["symbolic link"]);
    std::fs::remove_file(&place.0).unwrap();
}

fn is_tmpfs(path: &Path) -> bool {
    let path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: all zero is a valid statfs, which the kernel fills in; a C string that lives for the
    // call.
    unsafe {
        let mut s: libc::statfs = std::mem::zeroed();
        libc::statfs(path.as_ptr(), &mut s) == 0 && s.f_type == libc::TMPFS_MAGIC
    }
}

#[test]
fn a_domain_that_others_may_use_or_own() {
    let place = Place::new("open");
    drop(place.open());
    for mode in [0o755, 0o770, 0o777, 0o711, 0o701] {
        set_mode(&place.0, mode);
        let words = &[&format!("{mode:04o}")[..], &place.0, "shared"];
        says(Domain::at(&place.0), ErrorKind::NotPermitted, words);
    }
    set_mode(&place.0, 0o700);
    place.open();
    if !is_root() {
        return;
    }
    let empty = Place::new("foreign-empty");
    std::fs::create_dir(&empty.0).unwrap();
    set_mode(&empty.0, 0o700);
    for place in [&place, &empty] {
        std::os::unix::fs::chown(&place.0, Some(12345), None).unwrap();
        let before = files(place);
        says(Domain::at(&place.0), ErrorKind::NotPermitted, &["user 12345", &place.0]);
        assert_eq!(files(place), before);
    }
}

#[test]
fn a_domain_that_is_not_writable() {
    let place = Place::new("read-only");
    as_ordinary_user(|| {
        let domain = place.open();
        let port = Port::create_in(&domain, "a", &small()).unwrap();
        set_mode(&place.0, 0o500);
        let made = Port::create_in(&domain, "b", &small());
        says(made, ErrorKind::NotPermitted, &[&place.0, "not writable"]);
        let made = Segment::create_in(&domain, "s", 10, &SegmentOptions::new());
        says(made, ErrorKind::NotPermitted, &[&place.0, "not writable"]);
        port.send(b"what is open works").unwrap();
        Port::open_in(&domain, "a").unwrap();
        set_mode(&place.0, 0o700);
        let locked = Place(format!("{}/locked", place.0));
        std::fs::create_dir(&locked.0).unwrap();
        set_mode(&locked.0, 0o500);
        assert_eq!(kind(Domain::at(&locked.0)), ErrorKind::NotPermitted);
        assert_eq!(kind(Domain::at(&format!("{}/deeper", locked.0))), ErrorKind::NotPermitted);
        set_mode(&locked.0, 0o700);
    });
}

#[test]
fn too_many_users() {
    let place = Place::new("users");
    let domain = place.open();
    let port = Port::create_in(&domain, "orders", &small().max_users(3)).unwrap();
    let others = [(); 2].map(|()| Port::open_in(&domain, "orders").unwrap());
    says(Port::open_in(&domain, "orders"), ErrorKind::TooMany, &["3 users", "orders", "max_users"]);
    let clone = port.clone();
    drop(port);
    assert_eq!(kind(Port::open_in(&domain, "orders")), ErrorKind::TooMany, "a clone is the same");
    drop(clone);
    let more = Port::open_in(&domain, "orders").unwrap();
    assert_eq!(kind(Port::open_in(&domain, "orders")), ErrorKind::TooMany);
    drop((more, others));
    let port = Port::open_in(&domain, "orders").unwrap();
    assert_eq!(port.stat().unwrap().queue.users, 1);
}

#[test]
fn too_many_tasks() {
    let place = Place::new("tasks");
    let domain = Domain::with(&DomainOptions::new().location(&place.0).max_tasks(2)).unwrap();
    let mut second = common::Child::run(|| {
        let _domain = place.open();
        common::stop_here();
    });
    second.wait_until_stopped();
    assert_eq!(domain.stat().unwrap().tasks, 2);
    in_child(|| {
        let words = &["2 tasks", &place.0, "max_tasks"];
        says(Domain::at(&place.0), ErrorKind::TooMany, words);
        // A fork of a task that is in is a task of its own, for which there is no place.
        says(domain.task(), ErrorKind::TooMany, words);
    });
    second.kill();
    // Who was killed has left a place, and so does a child that ends without leaving.
    for _ in 0..3 {
        in_child(|| {
            place.open();
        });
    }
    let stat = domain.stat().unwrap();
    assert_eq!((stat.tasks, stat.deaths), (1, 4));
}

#[test]
fn what_a_forked_child_may_not_finish() {
    let place = Place::new("forked");
    let domain = place.open();
    let port = Port::create_in(&domain, "a", &small()).unwrap();
    port.send(b"the parent's").unwrap();
    let receipt = port.take().unwrap();
    let mut loan = port.loan(10).unwrap();
    loan.write(0, b"0123456789").unwrap();
    let parent = domain.task().unwrap();
    let receipts = std::cell::Cell::new(Some(receipt));
    let loans = std::cell::Cell::new(Some(loan));
    in_child(|| {
        let forked = ErrorKind::Forked;
        let rejected = loans.take().unwrap().send().unwrap_err();
        assert_eq!(rejected.error.kind(), forked);
        assert!(rejected.error.to_string().contains("parent"));
        drop(rejected);
        let receipt = receipts.take().unwrap();
        assert_eq!(receipt.to_vec(), b"the parent's");
        assert_eq!(kind(receipt.ack()), forked);
        // Handles attach by themselves.
        assert_ne!(domain.task().unwrap(), parent);
        port.try_send(b"the child's").unwrap();
        assert_eq!(port.stat().unwrap().queue.users, 2);
    });
    assert_eq!(domain.task().unwrap(), parent);
    let (receipt, loan) = (receipts.take().unwrap(), loans.take().unwrap());
    assert_eq!(receipt.to_vec(), b"the parent's");
    in_child(|| {
        drop(receipts.take());
        drop(loans.take());
        assert_eq!(port.len(), 1, "a drop in the child does nothing");
    });
    receipt.ack().unwrap();
    loan.send().unwrap();
    let received = [port.try_receive().unwrap(), port.try_receive().unwrap()];
    assert_eq!(received.each_ref().map(|m| &m.body[..]), [&b"the child's"[..], b"0123456789"]);
    assert!(received.iter().all(|m| !m.header.is_redelivered()));
    let stat = port.stat().unwrap().queue;
    assert_eq!((stat.in_hand, stat.loaned, stat.queued, stat.users), (0, 0, 0, 1));
}

/// The kernel itself refuses writes through what was opened for reading.
#[test]
fn a_segment_opened_for_reading_is_mapped_so() {
    let place = Place::new("mapped");
    let domain = place.open();
    let made = Segment::create_in(&domain, "s", 5000, &SegmentOptions::new()).unwrap();
    let opened = Segment::open_in(&domain, "s", Access::ReadOnly).unwrap();
    assert_eq!((made.access(), opened.access()), (Access::ReadWrite, Access::ReadOnly));
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let rights = |address: usize| {
        let line = maps.lines().find(|line| {
            let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
            let number = |text| usize::from_str_radix(text, 16).unwrap();
            (number(from)..number(to)).contains(&address)
        });
        line.unwrap().split(' ').nth(1).unwrap()
    };
    assert_eq!(rights(made.as_ptr() as usize), "rw-s");
    assert_eq!(rights(opened.as_ptr() as usize), "r--s");
    made.write(4990, b"seen").unwrap();
    let mut seen = [0; 4];
    opened.read(4990, &mut seen).unwrap();
    assert_eq!(&seen, b"seen");
    made.grow(100_000).unwrap();
    assert_eq!(opened.size(), 100_000);
    made.write(99_996, b"more").unwrap();
    opened.read(99_996, &mut seen).unwrap();
    assert_eq!(&seen, b"more");
}
