//! What stands where an object should be, and is none: each gets its own error, and nothing changes.

use mailboat::{
    Access, Domain, ErrorKind, Port, PortOptions, Queue, QueueOptions, Segment, SegmentOptions,
};
use std::fs::{File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> (Self, Domain) {
        let path = format!("/dev/shm/mailboat-test-{}-{name}", std::process::id());
        let _ = std::fs::remove_dir_all(&path);
        let domain = Domain::at(&path).unwrap();
        (Place(path.into()), domain)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn patch(path: &Path, offset: u64, value: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&value.to_le_bytes(), offset).unwrap();
}

fn open_error(domain: &Domain, name: &str) -> (ErrorKind, String) {
    let e = Port::open_in(domain, name).unwrap_err();
    (e.kind(), e.to_string())
}

#[test]
fn other_things_at_the_place_of_a_port_are_told_apart() {
    let (place, domain) = Place::new("types");
    Port::create_in(&domain, "real", &PortOptions::default()).unwrap();
    symlink("real.port", place.file("link.port")).unwrap();
    std::fs::create_dir(place.file("dir.port")).unwrap();
    let fifo = std::ffi::CString::new(place.file("fifo.port").as_os_str().as_bytes()).unwrap();
    // SAFETY: a C string and a mode.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    let _socket = std::os::unix::net::UnixListener::bind(place.file("socket.port")).unwrap();
    for (name, said) in
        [("link", "symbolic link"), ("dir", "directory"), ("fifo", "pipe"), ("socket", "socket")]
    {
        let (kind, text) = open_error(&domain, name);
        assert_eq!(kind, ErrorKind::WrongType, "{text}");
        assert!(text.contains(said), "{text}");
        let e = Port::create_in(&domain, name, &PortOptions::default()).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::AlreadyExists, "{e}");
    }
    std::fs::hard_link(place.file("real.port"), place.file("twin.port")).unwrap();
    for name in ["real", "twin"] {
        let (kind, text) = open_error(&domain, name);
        assert_eq!(kind, ErrorKind::WrongType, "{text}");
        assert!(text.contains("2 links"), "{text}");
    }
    std::fs::remove_file(place.file("twin.port")).unwrap();
    Port::open_in(&domain, "real").unwrap();
}

#[test]
fn a_file_that_is_no_port_says_what_is_wrong_with_it() {
    let (place, domain) = Place::new("content");
    let damaged = |name: &str, damage: &dyn Fn(&Path)| {
        drop(Port::create_in(&domain, name, &PortOptions::default()).unwrap());
        damage(&place.file(&format!("{name}.port")));
        open_error(&domain, name)
    };
    let length = |path: &Path, length: u64| {
        OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
    };
    let (kind, text) = damaged("magic", &|path| patch(path, 0, 0x1234));
    assert!(kind == ErrorKind::Corrupt && text.contains("magic"), "{text}");
    let (kind, text) = damaged("version", &|path| patch(path, 8, 77));
    assert!(kind == ErrorKind::Version && text.contains("77"), "{text}");
    let (kind, text) = damaged("queue-version", &|path| patch(path, 4096 + 8, 78));
    assert!(kind == ErrorKind::Version && text.contains("78"), "{text}");
    let (kind, text) = damaged("short", &|path| length(path, 100));
    assert!(kind == ErrorKind::Corrupt && text.contains("100 bytes"), "{text}");
    let (kind, text) = damaged("cut", &|path| length(path, 1 << 20));
    assert!(kind == ErrorKind::Corrupt && text.contains("1048576 bytes"), "{text}");
    let (kind, text) = damaged("other", &|path| patch(path, 16, 2));
    assert!(kind == ErrorKind::Corrupt && text.contains("another kind"), "{text}");
    // Each number of the geometry, off by one and beyond all bounds.
    for (i, offset) in (16..=48).step_by(8).enumerate() {
        for (j, value) in [0, 1025, 1 << 33, u64::MAX].into_iter().enumerate() {
            let name = format!("geometry-{i}-{j}");
            let (kind, text) = damaged(&name, &|path| patch(path, 4096 + offset, value));
            assert_eq!(kind, ErrorKind::Corrupt, "{offset} {value}: {text}");
        }
    }
    File::create(place.file("empty.port")).unwrap();
    let (kind, text) = open_error(&domain, "empty");
    assert_eq!(kind, ErrorKind::Corrupt, "{text}");
    // All of them can be deleted.
    for entry in domain.list().unwrap() {
        Port::delete_in(&domain, &entry.name).unwrap();
    }
    assert_eq!(std::fs::read_dir(&place.0).unwrap().count(), 1, "the roster is left");
}

#[test]
fn a_segment_is_checked_too() {
    let (place, domain) = Place::new("segment");
    let make = |name: &str| {
        drop(Segment::create_in(&domain, name, 5000, &SegmentOptions::default()).unwrap());
        place.file(&format!("{name}.segment"))
    };
    let error = |name: &str| Segment::open_in(&domain, name, Access::ReadWrite).unwrap_err().kind();
    patch(&make("size"), 48, u64::MAX);
    assert_eq!(error("size"), ErrorKind::Corrupt);
    patch(&make("kind"), 16, 1);
    assert_eq!(error("kind"), ErrorKind::Corrupt);
    assert_eq!(error("absent"), ErrorKind::NotFound);
    let segment = Segment::create_in(&domain, "s", 4096, &SegmentOptions::default()).unwrap();
    for offset in [1, 4095, u64::MAX, u64::MAX - 4095] {
        let e = Queue::create(&segment, offset, &QueueOptions::default()).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Invalid | ErrorKind::TooLarge), "{e}");
        assert!(Queue::open(&segment, offset).is_err());
    }
    assert_eq!(Queue::open(&segment, 0).unwrap_err().kind(), ErrorKind::NotFound);
    Queue::create(&segment, 4096, &QueueOptions::default()).unwrap();
    let e = Queue::create(&segment, 4096, &QueueOptions::default()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::AlreadyExists);
    let reader = Segment::open_in(&domain, "s", Access::ReadOnly).unwrap();
    for e in [
        reader.write(0, b"x").unwrap_err(),
        reader.grow(8192).unwrap_err(),
        Queue::open(&reader, 4096).unwrap_err(),
    ] {
        assert_eq!(e.kind(), ErrorKind::NotPermitted, "{e}");
    }
}

#[test]
fn sizes_out_of_range_are_refused_with_the_range() {
    let (_place, domain) = Place::new("sizes");
    for options in [
        PortOptions::new().capacity(0),
        PortOptions::new().capacity(u32::MAX),
        PortOptions::new().max_message(u64::MAX),
        PortOptions::new().max_users(0),
        PortOptions::new().max_users(u32::MAX),
        PortOptions::new().byte_budget(1),
        PortOptions::new().mode(0o777),
        PortOptions::new().mode(0),
    ] {
        let e = Port::create_in(&domain, "p", &options).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Invalid, "{e}");
    }
    for (size, max) in [(0, None), (2, Some(1)), (1, Some(u64::MAX)), (u64::MAX, None)] {
        let mut options = SegmentOptions::new();
        options.max_size = max;
        let e = Segment::create_in(&domain, "s", size, &options).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Invalid, "{e}");
    }
    assert!(domain.list().unwrap().is_empty());
}

#[test]
fn places_that_can_be_no_domain_say_why() {
    let error = |location: &str| {
        let e = Domain::at(location).unwrap_err();
        (e.kind(), e.to_string())
    };
    let (kind, text) = error("/tmp/mailboat-no-tmpfs");
    let _ = std::fs::remove_dir("/tmp/mailboat-no-tmpfs");
    // Where /tmp is a tmpfs, another file system has to do.
    let (kind, text) =
        if kind == ErrorKind::BadDomain { (kind, text) } else { error("/proc/self") };
    assert!(kind == ErrorKind::BadDomain && text.contains("not on tmpfs"), "{text}");
    for location in ["/dev/null", "/dev/shm/none/such", "/proc/x"] {
        let (kind, text) = error(location);
        assert!(matches!(kind, ErrorKind::BadDomain | ErrorKind::NotPermitted), "{text}");
    }
    for name in ["", "a/b", "-x", "x y", &"x".repeat(201)] {
        assert_eq!(error(name).0, ErrorKind::BadName, "{name:?}");
    }
    let path = format!("/dev/shm/mailboat-test-{}-link", std::process::id());
    let _ = std::fs::remove_file(&path);
    symlink("/dev/shm", &path).unwrap();
    let (kind, text) = error(&path);
    std::fs::remove_file(&path).unwrap();
    assert!(kind == ErrorKind::BadDomain && text.contains("symbolic"), "{text}");
    let (place, domain) = Place::new("open");
    drop(domain);
    std::fs::set_permissions(&place.0, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (kind, text) = error(place.0.to_str().unwrap());
    assert!(kind == ErrorKind::NotPermitted && text.contains("0755"), "{text}");
}
