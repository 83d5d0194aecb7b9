//! Whom a domain trusts: its user, and those with whom it was shared on purpose.

mod common;

use common::{Place, become_user, in_child, is_root};
use mailboat::{Domain, DomainOptions, ErrorKind, Port, PortOptions, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Two users that nobody else is, and that no other run of this test is at the same time.
fn two_users() -> (u32, u32) {
    let first = 1_000_000 + 2 * std::process::id();
    (first, first + 1)
}

fn shared(place: &Place, gid: u32, mode: u32) -> Result<Domain> {
    Domain::with(&DomainOptions::new().location(&place.0).shared(gid, mode))
}

fn set_mode(path: &str, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The directory gets its mode before the domain is whole; a kill in between must not spoil it, and
/// whoever looks at it in between must not make a domain of it that is not shared.
#[test]
fn a_shared_domain_whose_maker_was_killed_can_be_made_again() {
    let place = Place::new("half");
    // SAFETY: getegid cannot fail and touches no memory.
    let gid = unsafe { libc::getegid() };
    std::fs::create_dir(&place.0).unwrap();
    set_mode(&place.0, 0o770);
    assert_eq!(Domain::at(&place.0).unwrap_err().kind(), ErrorKind::NotPermitted);
    let domain = shared(&place, gid, 0o770).unwrap();
    assert_eq!(domain.stat().unwrap().shared.map(|s| (s.gid, s.mode)), Some((gid, 0o770)));
}

#[test]
fn a_directory_with_other_files_is_not_shared() {
    let place = Place::new("files");
    // SAFETY: getegid cannot fail and touches no memory.
    let gid = unsafe { libc::getegid() };
    std::fs::create_dir(&place.0).unwrap();
    std::fs::write(format!("{}/letters", place.0), "private").unwrap();
    assert_eq!(shared(&place, gid, 0o770).unwrap_err().kind(), ErrorKind::BadDomain);
    assert_eq!(std::fs::read_dir(&place.0).unwrap().count(), 1);
}

/// The directory where another user's default domain would be, made by somebody else before.
struct Home(PathBuf);

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_default_domain_put_in_place_by_somebody_else_is_refused() {
    if !is_root() {
        return;
    }
    let (stranger, user) = two_users();
    let home = Home(format!("/dev/shm/mailboat-{user}").into());
    in_child(|| {
        become_user(stranger);
        let home = home.0.to_str().unwrap();
        std::fs::create_dir(home).unwrap();
        set_mode(home, 0o755);
        let place = std::mem::ManuallyDrop::new(Place(format!("{home}/default")));
        let domain = shared(&place, stranger, 0o777).unwrap();
        Port::create_in(&domain, "orders", &PortOptions::new().mode(0o666)).unwrap();
    });
    in_child(|| {
        become_user(user);
        // SAFETY: this process has one thread.
        unsafe { std::env::remove_var("MAILBOAT_DOMAIN") };
        assert_eq!(Domain::open().unwrap_err().kind(), ErrorKind::NotPermitted);
    });
}

#[test]
fn a_domain_that_somebody_shares_with_everybody_must_be_asked_for_as_such() {
    if !is_root() {
        return;
    }
    let (stranger, user) = two_users();
    for mode in [0o777, 0o1777] {
        let place = Place::new("world");
        in_child(|| {
            become_user(stranger);
            let domain = shared(&place, stranger, mode).unwrap();
            Port::create_in(&domain, "a", &PortOptions::new()).unwrap().send(b"x").unwrap();
            // Its maker needs not ask.
            Domain::at(&place.0).unwrap();
        });
        in_child(|| {
            become_user(user);
            assert_eq!(Domain::at(&place.0).unwrap_err().kind(), ErrorKind::NotPermitted);
            let domain = shared(&place, stranger, mode).unwrap();
            let port = Port::open_in(&domain, "a").unwrap();
            assert_eq!(port.try_receive().unwrap().body, b"x");
            // With other particulars it is another domain than the one asked for.
            assert_eq!(
                shared(&place, stranger, 0o770).unwrap_err().kind(),
                ErrorKind::AlreadyExists
            );
        });
    }
}

#[test]
fn members_of_the_group_use_a_shared_domain_without_asking() {
    if !is_root() {
        return;
    }
    let (maker, member) = two_users();
    let place = Place::new("group");
    in_child(|| {
        become_user(maker);
        let domain = shared(&place, maker, 0o770).unwrap();
        Port::create_in(&domain, "a", &PortOptions::new()).unwrap().send(b"x").unwrap();
    });
    let enter = |group: u32| {
        // SAFETY: numbers alone, in a process of one thread.
        let results = unsafe {
            [
                libc::setgroups(1, &group),
                libc::setresgid(member, member, member),
                libc::setresuid(member, member, member),
            ]
        };
        assert_eq!(results, [0; 3]);
    };
    in_child(|| {
        enter(member);
        assert_eq!(Domain::at(&place.0).unwrap_err().kind(), ErrorKind::NotPermitted);
    });
    in_child(|| {
        enter(maker);
        let domain = Domain::at(&place.0).unwrap();
        assert_eq!(Port::open_in(&domain, "a").unwrap().try_receive().unwrap().body, b"x");
    });
}
