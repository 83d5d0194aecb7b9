//! Names: domains, ports, segments and queues made and deleted.

use super::common::{Place, in_child};
use super::{Act, for_each_step, keep, killed_at};
use mailboat::{
    Access, Domain, DomainOptions, ErrorKind, Owner, Port, PortOptions, Queue, QueueOptions,
    Segment, SegmentOptions,
};

/// Kills at each step of something done with names; afterwards `check` uses the same names, told
/// whether it was killed.
fn kill_at_each_name(
    what: &str,
    before: impl Fn(&str),
    prepare: fn(&str) -> Act,
    check: impl Fn(&str, bool) -> Domain,
) {
    for_each_step(what, |k| {
        let place = Place::new(&format!("names-{}", what.replace(' ', "-")));
        // So that the child finds nothing of this process's open.
        in_child(|| before(&place.0));
        let killed = killed_at(k, || prepare(&place.0));
        let domain = check(&place.0, killed);
        let alive = domain.tasks().unwrap().into_iter().filter(|t| t.alive).count();
        assert_eq!(alive, 1, "{what}, step {k}");
        assert!(domain.list().unwrap().len() <= 1, "{what}, step {k}");
        killed
    });
}

fn nothing(_: &str) {}

fn domain_with_port(path: &str) {
    keep(Port::create_in(&Domain::at(path).unwrap(), "a", &PortOptions::new()).unwrap());
}

fn domain_with_segment(path: &str) {
    let domain = Domain::at(path).unwrap();
    Segment::create_in(&domain, "a", 4096, &SegmentOptions::new()).unwrap();
}

#[test]
fn a_death_while_a_domain_is_made_leaves_it_to_the_next() {
    let prepare = |path: &str| -> Act {
        let path = path.to_owned();
        Box::new(move || keep(Domain::at(&path).unwrap()))
    };
    kill_at_each_name("making a domain", nothing, prepare, |path, _| Domain::at(path).unwrap());
}

#[test]
fn a_death_while_a_shared_domain_is_made_leaves_it_to_the_next() {
    fn shared(path: &str) -> Domain {
        // SAFETY: getegid cannot fail and touches no memory.
        let gid = unsafe { libc::getegid() };
        Domain::with(&DomainOptions::new().location(path).shared(gid, 0o770)).unwrap()
    }
    let prepare = |path: &str| -> Act {
        let path = path.to_owned();
        Box::new(move || keep(shared(&path)))
    };
    kill_at_each_name("making a shared domain", nothing, prepare, |path, _| shared(path));
}

#[test]
fn a_death_while_leaving_a_domain_leaves_no_task() {
    let prepare = |path: &str| -> Act {
        let domain = Domain::at(path).unwrap();
        Box::new(move || drop(domain))
    };
    kill_at_each_name("leaving a domain", nothing, prepare, |path, killed| {
        let domain = Domain::at(path).unwrap();
        // Whoever has left is not dead.
        assert!(killed || domain.stat().unwrap().deaths == 0);
        domain
    });
}

#[test]
fn a_death_while_a_port_is_made_leaves_its_name_free_or_a_whole_port() {
    for owner in [Owner::Task, Owner::Domain] {
        let prepare: fn(&str) -> Act = match owner {
            Owner::Task => |path| {
                let domain = Domain::at(path).unwrap();
                let options = PortOptions::new().owner(Owner::Task);
                Box::new(move || keep(Port::create_in(&domain, "a", &options).unwrap()))
            },
            _ => |path| {
                let domain = Domain::at(path).unwrap();
                Box::new(move || keep(Port::create_in(&domain, "a", &PortOptions::new()).unwrap()))
            },
        };
        kill_at_each_name(
            &format!("making a port of {owner:?}"),
            nothing,
            prepare,
            |path, killed| {
                let domain = Domain::at(path).unwrap();
                let found = Port::open_in(&domain, "a").map_err(|e| e.kind());
                match found {
                    Ok(port) => {
                        assert_eq!(owner, Owner::Domain, "its owner is dead");
                        port.try_send(b"x").unwrap();
                    }
                    Err(kind) => {
                        assert!(killed || owner == Owner::Task);
                        assert_eq!(kind, ErrorKind::NotFound);
                        Port::create_in(&domain, "a", &PortOptions::new()).unwrap();
                    }
                }
                domain
            },
        );
    }
}

#[test]
fn a_death_while_a_port_is_deleted_leaves_its_name_to_the_next() {
    let prepare = |path: &str| -> Act {
        let domain = Domain::at(path).unwrap();
        Box::new(move || {
            Port::delete_in(&domain, "a").unwrap();
            keep(domain);
        })
    };
    let drop_it = |path: &str| -> Act {
        let domain = Domain::at(path).unwrap();
        Port::delete_in(&domain, "a").unwrap();
        let owned = PortOptions::new().owner(Owner::Task);
        let port = Port::create_in(&domain, "a", &owned).unwrap();
        Box::new(move || drop(port))
    };
    for (what, prepare, owned) in
        [("deleting a port", prepare as fn(&str) -> Act, false), ("dropping a port", drop_it, true)]
    {
        kill_at_each_name(what, domain_with_port, prepare, |path, killed| {
            let domain = Domain::at(path).unwrap();
            match Port::open_in(&domain, "a") {
                Ok(port) => {
                    assert!(killed && !owned);
                    port.try_send(b"x").unwrap();
                    Port::delete_in(&domain, "a").unwrap();
                }
                Err(e) => assert_eq!(e.kind(), ErrorKind::NotFound),
            }
            Port::create_in(&domain, "a", &PortOptions::new()).unwrap();
            domain
        });
    }
}

#[test]
fn a_death_while_a_segment_is_made_grown_or_deleted_leaves_a_whole_one_or_none() {
    let make = |path: &str| -> Act {
        let domain = Domain::at(path).unwrap();
        Box::new(move || {
            keep(Segment::create_in(&domain, "a", 4096, &SegmentOptions::new()).unwrap())
        })
    };
    let grow = |path: &str| -> Act {
        let domain = Domain::at(path).unwrap();
        let segment = Segment::open_in(&domain, "a", Access::ReadWrite).unwrap();
        Box::new(move || {
            segment.grow(10_000).unwrap();
            keep(segment);
        })
    };
    let delete = |path: &str| -> Act {
        let domain = Domain::at(path).unwrap();
        Box::new(move || {
            Segment::delete_in(&domain, "a").unwrap();
            keep(domain);
        })
    };
    type Case = (&'static str, fn(&str), fn(&str) -> Act, Option<u64>);
    let cases: [Case; 3] = [
        ("making a segment", nothing, make, Some(4096)),
        ("growing a segment", domain_with_segment, grow, Some(10_000)),
        ("deleting a segment", domain_with_segment, delete, None),
    ];
    for (what, before, prepare, done) in cases {
        kill_at_each_name(what, before, prepare, |path, killed| {
            let domain = Domain::at(path).unwrap();
            let segment = Segment::open_in(&domain, "a", Access::ReadWrite);
            let size = segment.as_ref().ok().map(Segment::size);
            assert!(killed || size == done, "{size:?}");
            match segment {
                Ok(segment) => {
                    assert!(matches!(segment.size(), 4096 | 10_000));
                    segment.write(segment.size() - 1, b"x").unwrap();
                }
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::NotFound);
                    domain_with_segment(path);
                }
            }
            domain
        });
    }
}

#[test]
fn a_death_while_a_queue_is_made_in_a_segment_leaves_its_place_to_the_next() {
    let prepare = |path: &str| -> Act {
        let domain = Domain::at(path).unwrap();
        let segment = Segment::open_in(&domain, "a", Access::ReadWrite).unwrap();
        Box::new(move || {
            keep(Queue::create(&segment, 4096, &QueueOptions::new()).unwrap());
            keep(segment);
        })
    };
    kill_at_each_name("making a queue", domain_with_segment, prepare, |path, killed| {
        let domain = Domain::at(path).unwrap();
        let segment = Segment::open_in(&domain, "a", Access::ReadWrite).unwrap();
        match Queue::create(&segment, 4096, &QueueOptions::new()) {
            Ok(queue) => {
                assert!(killed);
                queue.try_send(b"x").unwrap();
            }
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::AlreadyExists);
                Queue::open(&segment, 4096).unwrap().try_send(b"x").unwrap();
            }
        }
        domain
    });
}
