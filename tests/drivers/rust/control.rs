//! The process itself: domains, threads, forks, the end.

use crate::table::table;
use crate::wire::{Answer, Failure, Outcome, Request};
use mailboat::{Domain, DomainOptions, Kind};
use std::os::unix::net::UnixStream;

pub fn perform(request: &Request) -> Option<Outcome> {
    Some(match request.verb.as_str() {
        "hello" => Ok(Answer::new()
            .with("language", "rust")
            .with("pid", std::process::id())
            .with("version", env!("CARGO_PKG_VERSION"))),
        "thread" => thread(),
        "environment" => environment(request),
        "become" => become_user(request),
        "domain" => domain(request),
        "domain_stat" => domain_stat(),
        "domain_list" => domain_list(),
        "domain_tasks" => domain_tasks(),
        "task" => task(),
        "reset" => reset(),
        "stop" => {
            table().stop = true;
            Ok(Answer::new())
        }
        "fork" => fork(request),
        "wait_child" => wait_child(request),
        "exit" => std::process::exit(0),
        _ => return None,
    })
}

fn thread() -> Outcome {
    // SAFETY: gettid cannot fail and touches no memory.
    Ok(Answer::new().with("tid", unsafe { libc::gettid() }))
}

fn environment(request: &Request) -> Outcome {
    let (name, value) = (request.word("name")?, request.get("value")?);
    // SAFETY: tests ask for this while no other thread of the driver does anything.
    unsafe {
        match value {
            Some(value) => std::env::set_var(name, value),
            None => std::env::remove_var(name),
        }
    }
    Ok(Answer::new())
}

fn become_user(request: &Request) -> Outcome {
    let (uid, gid) = (request.need("uid")?, request.need("gid")?);
    // SAFETY: no list is read for a length of 0, and the others touch no memory.
    let all =
        unsafe { [libc::setgroups(0, std::ptr::null()), libc::setgid(gid), libc::setuid(uid)] };
    if all != [0; 3] {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(Answer::new())
}

fn domain(request: &Request) -> Outcome {
    let domain = match request.get("location")? {
        Some(location) => {
            let mut options = DomainOptions::new().location(location);
            if let Some(gid) = request.number("gid")? {
                options = options.shared(gid, request.need("mode")?);
            }
            if let Some(max_tasks) = request.number("max_tasks")? {
                options = options.max_tasks(max_tasks);
            }
            Some(if options.shared.is_none() && options.max_tasks.is_none() {
                Domain::at(location)?
            } else {
                Domain::with(&options)?
            })
        }
        None => None,
    };
    let path = domain.as_ref().map(|d| d.path().display().to_string());
    let before = std::mem::replace(&mut table().domain, domain);
    drop(before);
    Ok(Answer::new().maybe("path", path))
}

fn this_domain() -> Result<Domain, Failure> {
    let domain = table().domain.clone();
    domain.map_or_else(|| Ok(Domain::open()?), Ok)
}

fn domain_stat() -> Outcome {
    let stat = this_domain()?.stat()?;
    Ok(Answer::new()
        .with("tasks", stat.tasks)
        .with("max_tasks", stat.max_tasks)
        .with("deaths", stat.deaths)
        .with("space_total", stat.space_total)
        .with("shared", u32::from(stat.shared.is_some())))
}

fn domain_list() -> Outcome {
    let list = this_domain()?.list()?;
    let items = list.into_iter().map(|entry| {
        Answer::new()
            .with("kind", if entry.kind == Kind::Port { "port" } else { "segment" })
            .with("name", entry.name)
            .with("bytes", entry.bytes)
            .with("uid", entry.uid)
            .with("mode", entry.mode)
    });
    Ok(Answer::new().items(items.collect()))
}

fn domain_tasks() -> Outcome {
    let tasks = this_domain()?.tasks()?;
    let items = tasks.into_iter().map(|task| {
        Answer::new().with("id", task.id).with("pid", task.pid).with("alive", u32::from(task.alive))
    });
    Ok(Answer::new().items(items.collect()))
}

fn task() -> Outcome {
    Ok(Answer::new().with("task", this_domain()?.task()?))
}

/// Lets go of everything.
fn reset() -> Outcome {
    let mut table = table();
    let loans = std::mem::take(&mut table.loans);
    let receipts = std::mem::take(&mut table.receipts);
    let handles = std::mem::take(&mut table.handles);
    let segments = std::mem::take(&mut table.segments);
    let domain = table.domain.take();
    table.stop = false;
    drop(table);
    drop((loans, receipts, handles, segments, domain));
    Ok(Answer::new())
}

/// A child that has copies of all handles, and answers requests on a socket.
fn fork(request: &Request) -> Outcome {
    let socket = request.word("socket")?;
    // Held over the fork, so that the child does not find it held by a thread that it does not have.
    let held = table();
    // SAFETY: the child only uses what the forking thread owns, the table, which this thread holds,
    // and the allocator, which is usable in the child of a threaded process with the C library here.
    let pid = unsafe { libc::fork() };
    drop(held);
    if pid < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    if pid == 0 {
        let stream = UnixStream::connect(socket).expect("the test listens");
        let output = stream.try_clone().expect("a descriptor");
        crate::serve(stream.into(), output.into());
    }
    Ok(Answer::new().with("pid", pid))
}

fn wait_child(request: &Request) -> Outcome {
    let pid: i32 = request.need("pid")?;
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    if unsafe { libc::waitpid(pid, &mut status, 0) } != pid {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(Answer::new().with("status", status))
}
