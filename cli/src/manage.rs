//! `create` and `rm`.

use crate::args::{Create, Rm};
use crate::fail::Failure;
use crate::look;
use crate::stdio::Stdio;
use mailboat::{Domain, ErrorKind, Kind, Port, PortOptions, Segment, SegmentOptions};

/// Creates a port or a segment.
pub fn create(domain: &Domain, args: &Create, stdio: &Stdio) -> Result<(), Failure> {
    let text = if args.segment {
        let segment = create_segment(domain, args)?;
        args.json.then(|| look::segment_json(domain, &segment)).transpose()?
    } else {
        let port = create_port(domain, args)?;
        args.json.then(|| look::port_json(&port)).transpose()?
    };
    text.map_or(Ok(()), |text| stdio.write(text.as_bytes()))
}

fn create_port(domain: &Domain, args: &Create) -> Result<Port, Failure> {
    let settings = &args.port;
    let mut options = PortOptions::new().timestamps(settings.timestamps);
    if let Some(count) = settings.capacity {
        options = options.capacity(count);
    }
    if let Some(bytes) = settings.max_message {
        options = options.max_message(bytes);
    }
    if let Some(bytes) = settings.byte_budget {
        options = options.byte_budget(bytes);
    }
    if let Some(count) = settings.max_users {
        options = options.max_users(count);
    }
    if let Some(mode) = args.mode {
        options = options.mode(mode);
    }
    Ok(if args.exist_ok {
        Port::open_or_create_in(domain, &args.name, &options)?
    } else {
        Port::create_in(domain, &args.name, &options)?
    })
}

fn create_segment(domain: &Domain, args: &Create) -> Result<Segment, Failure> {
    let size = args.size.ok_or_else(|| Failure::error("--segment needs --size"))?;
    let mut options = SegmentOptions::new();
    if let Some(bytes) = args.max_size {
        options = options.max_size(bytes);
    }
    if let Some(mode) = args.mode {
        options = options.mode(mode);
    }
    Ok(if args.exist_ok {
        Segment::open_or_create_in(domain, &args.name, size, &options)?
    } else {
        Segment::create_in(domain, &args.name, size, &options)?
    })
}

/// Removes ports and segments; what cannot be removed is said, and the rest removed all the same.
pub fn rm(domain: &Domain, args: &Rm) -> Result<(), Failure> {
    let mut all = Ok(());
    for name in &args.names {
        match remove(domain, args, name) {
            Ok(()) => {}
            Err(e) if args.force && e.kind() == ErrorKind::NotFound => {}
            Err(e) => {
                crate::say(&e.to_string());
                all = Err(Failure::AlreadySaid);
            }
        }
    }
    all
}

fn remove(domain: &Domain, args: &Rm, name: &str) -> mailboat::Result<()> {
    if args.segment {
        return Segment::delete_in(domain, name);
    }
    if args.port {
        return Port::delete_in(domain, name);
    }
    let mut kinds = domain.list()?.into_iter().filter(|e| e.name == name).map(|e| e.kind);
    match (kinds.next(), kinds.next()) {
        (Some(_), Some(_)) => Err(mailboat::Error::new(
            ErrorKind::Invalid,
            format!("there is a port and a segment {name:?}; say --port or --segment"),
        )),
        (Some(Kind::Segment), None) => Segment::delete_in(domain, name),
        // Also when there is nothing of this name: the library says so in its own words.
        _ => Port::delete_in(domain, name),
    }
}
