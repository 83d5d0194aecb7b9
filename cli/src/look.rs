//! `ls` and `stat`.

use crate::args::{Ls, Stat};
use crate::fail::Failure;
use crate::json;
use crate::size::human;
use crate::stdio::Stdio;
use crate::table::{Side, Table};
use mailboat::{
    Access, Domain, Entry, Error, ErrorKind, Kind, Owner, Port, PortStat, Segment, TaskId, TaskInfo,
};
use nix::unistd::{Uid, User};
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Lists the domain.
pub fn ls(domain: &Domain, args: &Ls, stdio: &Stdio) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut troubles = Vec::new();
    for entry in domain.list()? {
        let port = match entry.kind {
            Kind::Port => match Port::open_in(domain, &entry.name).and_then(|p| port_stat(&p)) {
                Ok(stat) => Some(stat),
                // Removed since it was listed.
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Closed) => continue,
                Err(e) => {
                    troubles.push(e);
                    None
                }
            },
            _ => None,
        };
        rows.push((entry, port));
    }
    let text = if args.json {
        json::pretty(&rows.iter().map(|(entry, port)| row_json(entry, port.as_ref())).collect())
    } else {
        rows_text(&rows)
    };
    stdio.write(text.as_bytes())?;
    for trouble in &troubles {
        crate::say(&trouble.to_string());
    }
    if troubles.is_empty() { Ok(()) } else { Err(Failure::AlreadySaid) }
}

fn rows_text(rows: &[(Entry, Option<PortStat>)]) -> String {
    let mut table = Table::new(&[
        ("KIND", Side::Left),
        ("NAME", Side::Left),
        ("QUEUED", Side::Right),
        ("USERS", Side::Right),
        ("SIZE", Side::Right),
        ("OWNER", Side::Left),
    ]);
    let dash = || "-".to_owned();
    for (entry, port) in rows {
        table.row(vec![
            kind_text(entry.kind).into(),
            entry.name.clone(),
            port.as_ref().map_or_else(dash, |p| p.queue.queued.to_string()),
            port.as_ref().map_or_else(dash, |p| p.queue.users.to_string()),
            human(entry.bytes),
            port.as_ref().map_or_else(|| "domain".into(), owner_text),
        ]);
    }
    table.text(0)
}

fn row_json(entry: &Entry, port: Option<&PortStat>) -> Value {
    json!({
        "kind": kind_text(entry.kind),
        "name": entry.name,
        "queued": port.map(|p| p.queue.queued),
        "users": port.map(|p| p.queue.users),
        "bytes": entry.bytes,
        "owner": port.map(|p| owner_word(p.owner)),
        "owner_task": port.and_then(|p| p.owner_task).map(|t| t.0),
        "uid": entry.uid,
        "mode": format!("{:04o}", entry.mode & 0o7777),
    })
}

/// Shows one object, or the domain.
pub fn stat(domain: &Domain, args: &Stat, stdio: &Stdio) -> Result<(), Failure> {
    let Some(name) = &args.name else {
        return stdio.write(domain_text(domain, args.json)?.as_bytes());
    };
    let is_segment = args.segment
        || domain.list()?.iter().filter(|e| e.name == *name).all(|e| e.kind == Kind::Segment)
            && domain.list()?.iter().any(|e| e.name == *name);
    let text = if is_segment {
        let segment = Segment::open_in(domain, name, Access::ReadOnly)?;
        if args.json { segment_json(domain, &segment)? } else { segment_text(domain, &segment)? }
    } else {
        let port = Port::open_in(domain, name)?;
        if args.json { port_json(&port)? } else { port_text(domain, &port)? }
    };
    stdio.write(text.as_bytes())
}

/// The port's figures without this command's own handle, which is there only to read them.
fn port_stat(port: &Port) -> Result<PortStat, Error> {
    let mut stat = port.stat()?;
    let me = port.domain().task()?;
    stat.queue.users = stat.queue.users.saturating_sub(1);
    stat.queue.tasks.retain(|task| *task != me);
    stat.queue.tasks.dedup();
    Ok(stat)
}

/// A port as JSON.
pub fn port_json(port: &Port) -> Result<String, Failure> {
    let stat = port_stat(port)?;
    let queue = &stat.queue;
    Ok(json::pretty(&json!({
        "kind": "port",
        "name": stat.name,
        "domain": port.domain().path().to_string_lossy(),
        "owner": owner_word(stat.owner),
        "owner_task": stat.owner_task.map(|t| t.0),
        "uid": stat.uid,
        "mode": format!("{:04o}", stat.mode & 0o7777),
        "bytes": stat.file_bytes,
        "closed": queue.closed,
        "timestamps": queue.timestamps,
        "capacity": queue.capacity,
        "queued": queue.queued,
        "in_hand": queue.in_hand,
        "given_back": queue.given_back,
        "loaned": queue.loaned,
        "max_message": queue.max_message,
        "byte_budget": queue.byte_budget,
        "bytes_committed": queue.bytes_committed,
        "users": queue.users,
        "max_users": queue.max_users,
        "tasks": queue.tasks.iter().map(|t| t.0).collect::<Vec<_>>(),
        "sent": queue.sent,
        "received": queue.received,
        "redelivered": queue.redelivered,
        "deaths": queue.deaths,
    })))
}

fn port_text(domain: &Domain, port: &Port) -> Result<String, Failure> {
    let stat = port_stat(port)?;
    let queue = &stat.queue;
    let mut text = format!("{}\n", port.label());
    facts(
        &mut text,
        &[
            ("owner", owner_text(&stat)),
            ("file", file_text(stat.file_bytes, stat.uid, stat.mode)),
            ("state", if queue.closed { "closed" } else { "open" }.into()),
            ("queued", format!("{} of {} messages", queue.queued, queue.capacity)),
            ("in hand", format!("{} taken, not yet acknowledged", queue.in_hand)),
            ("given back", format!("{} waiting to be redelivered", queue.given_back)),
            ("loaned", format!("{} being written, not yet sent", queue.loaned)),
            ("largest message", human(queue.max_message)),
            (
                "byte budget",
                format!("{} of {} in use", human(queue.bytes_committed), human(queue.byte_budget)),
            ),
            ("timestamps", if queue.timestamps { "yes" } else { "no" }.into()),
            ("sent", queue.sent.to_string()),
            ("received", queue.received.to_string()),
            ("redelivered", queue.redelivered.to_string()),
            ("deaths recovered", queue.deaths.to_string()),
            ("users", format!("{} of {}", queue.users, queue.max_users)),
        ],
    );
    if !queue.tasks.is_empty() {
        let infos = domain.tasks()?;
        text += &tasks_table(&queue.tasks, &infos).text(4);
    }
    Ok(text)
}

/// A segment as JSON.
pub fn segment_json(domain: &Domain, segment: &Segment) -> Result<String, Failure> {
    let entry = segment_entry(domain, segment)?;
    Ok(json::pretty(&json!({
        "kind": "segment",
        "name": segment.name(),
        "domain": domain.path().to_string_lossy(),
        "uid": entry.uid,
        "mode": format!("{:04o}", entry.mode & 0o7777),
        "bytes": entry.bytes,
        "size": segment.size(),
        "max_size": segment.max_size(),
    })))
}

fn segment_text(domain: &Domain, segment: &Segment) -> Result<String, Failure> {
    let entry = segment_entry(domain, segment)?;
    let mut text = format!("segment {:?} in {}\n", segment.name(), domain.path().display());
    facts(
        &mut text,
        &[
            ("size", human(segment.size())),
            ("may grow to", human(segment.max_size())),
            ("file", file_text(entry.bytes, entry.uid, entry.mode)),
        ],
    );
    Ok(text)
}

fn segment_entry(domain: &Domain, segment: &Segment) -> Result<Entry, Failure> {
    domain
        .list()?
        .into_iter()
        .find(|e| e.kind == Kind::Segment && e.name == segment.name())
        .ok_or_else(|| Failure::error(format!("segment {:?} was just removed", segment.name())))
}

fn domain_text(domain: &Domain, as_json: bool) -> Result<String, Failure> {
    let stat = domain.stat()?;
    let tasks = domain.tasks()?;
    let me = domain.task()?;
    if as_json {
        return Ok(json::pretty(&json!({
            "kind": "domain",
            "path": stat.path.to_string_lossy(),
            "shared": stat.shared.map(|s| json!({
                "gid": s.gid,
                "mode": format!("{:04o}", s.mode & 0o7777),
            })),
            "max_tasks": stat.max_tasks,
            "deaths": stat.deaths,
            "space_total": stat.space_total,
            "space_available": stat.space_available,
            "task": me.0,
            "tasks": tasks.iter().map(|t| json!({
                "id": t.id.0,
                "pid": t.pid,
                "alive": t.alive,
                "since_ns": t.since_ns,
                "program": t.program,
            })).collect::<Vec<_>>(),
        })));
    }
    let mut text = format!("domain {}\n", stat.path.display());
    let access = match stat.shared {
        Some(shared) => {
            format!("shared with group {}, mode {:04o}", shared.gid, shared.mode & 0o7777)
        }
        None => "private to the user".into(),
    };
    facts(
        &mut text,
        &[
            ("access", access),
            (
                "space",
                format!("{} of {} available", human(stat.space_available), human(stat.space_total)),
            ),
            ("deaths recovered", stat.deaths.to_string()),
            ("tasks", format!("{} of {}, this command included", stat.tasks, stat.max_tasks)),
        ],
    );
    let ids: Vec<TaskId> = tasks.iter().map(|t| t.id).collect();
    text += &tasks_table(&ids, &tasks).text(4);
    Ok(text)
}

fn tasks_table(ids: &[TaskId], infos: &[TaskInfo]) -> Table {
    let mut table = Table::new(&[
        ("TASK", Side::Right),
        ("PID", Side::Right),
        ("STATE", Side::Left),
        ("SINCE", Side::Right),
        ("PROGRAM", Side::Left),
    ]);
    for id in ids {
        table.row(match infos.iter().find(|info| info.id == *id) {
            Some(info) => vec![
                id.to_string(),
                info.pid.to_string(),
                if info.alive { "alive" } else { "dead" }.into(),
                age(info.since_ns),
                info.program.clone(),
            ],
            None => vec![id.to_string(), "-".into(), "gone".into(), "-".into(), "-".into()],
        });
    }
    table
}

/// How long ago, in the two largest units.
fn age(since_ns: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let seconds = now.saturating_sub(since_ns / 1_000_000_000);
    match (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, _, _) => format!("{d} d {h} h"),
    }
}

fn facts(text: &mut String, facts: &[(&str, String)]) {
    let width = facts.iter().map(|f| f.0.len()).max().unwrap_or(0);
    for (name, value) in facts {
        let _ = writeln!(text, "  {name:width$}  {value}");
    }
}

fn file_text(bytes: u64, uid: u32, mode: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let user = user.map_or_else(|| uid.to_string(), |u| u.name);
    format!("{} of memory, user {user}, mode {:04o}", human(bytes), mode & 0o7777)
}

fn owner_word(owner: Owner) -> &'static str {
    match owner {
        Owner::Domain => "domain",
        Owner::Task => "task",
    }
}

fn owner_text(stat: &PortStat) -> String {
    match stat.owner_task {
        Some(task) => format!("task {task}"),
        None => owner_word(stat.owner).into(),
    }
}

fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Port => "port",
        Kind::Segment => "segment",
        _ => "unknown",
    }
}
