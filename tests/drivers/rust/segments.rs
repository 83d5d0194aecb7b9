//! Segments, and queues in them.

use crate::messages::{keep, queue_options};
use crate::table::{Handle, found, table};
use crate::wire::{Answer, Failure, Outcome, Request};
use mailboat::{Access, Queue, Segment, SegmentOptions};

pub fn perform(request: &Request) -> Option<Outcome> {
    Some(match request.verb.as_str() {
        "segment_create" | "segment_open" | "segment_open_or_create" => open(request),
        "segment_delete" => delete(request),
        "segment_close" => close(request),
        "segment_stat" => stat(request),
        "segment_grow" => grow(request),
        "segment_read" => read(request),
        "segment_write" => write(request),
        "segment_look" => look(request),
        "segment_fill" => fill(request),
        "queue_size" => {
            queue_options(request).and_then(|o| Ok(Queue::required_size(&o)?)).map(size)
        }
        "queue_create" | "queue_open" => queue(request),
        "queue_shut" => shut(request),
        _ => return None,
    })
}

fn size(bytes: u64) -> Answer {
    Answer::new().with("size", bytes)
}

fn open(request: &Request) -> Outcome {
    let name = request.word("name")?;
    let mut options = SegmentOptions::new();
    if let Some(bytes) = request.number("max_size")? {
        options = options.max_size(bytes);
    }
    if let Some(mode) = request.number("mode")? {
        options = options.mode(mode);
    }
    let access = match request.get("access")? {
        Some("read") => Access::ReadOnly,
        _ => Access::ReadWrite,
    };
    let domain = table().domain.clone();
    let segment = match (request.verb.as_str(), &domain) {
        ("segment_create", Some(d)) => Segment::create_in(d, name, request.need("size")?, &options),
        ("segment_create", None) => Segment::create(name, request.need("size")?, &options),
        ("segment_open", Some(d)) => Segment::open_in(d, name, access),
        ("segment_open", None) => Segment::open(name, access),
        (_, Some(d)) => Segment::open_or_create_in(d, name, request.need("size")?, &options),
        (_, None) => Segment::open_or_create(name, request.need("size")?, &options),
    }?;
    let before = table().segments.insert(request.word("segment")?.to_owned(), segment);
    drop(before);
    Ok(Answer::new())
}

fn delete(request: &Request) -> Outcome {
    let name = request.word("name")?;
    let domain = table().domain.clone();
    match domain {
        Some(domain) => Segment::delete_in(&domain, name)?,
        None => Segment::delete(name)?,
    }
    Ok(Answer::new())
}

fn close(request: &Request) -> Outcome {
    let name = request.word("segment")?;
    let segment = table().segments.remove(name);
    found(segment, name).map(drop)?;
    Ok(Answer::new())
}

fn segment(request: &Request) -> Result<Segment, Failure> {
    table().segment(request.word("segment")?)
}

fn stat(request: &Request) -> Outcome {
    let segment = segment(request)?;
    Ok(size(segment.size())
        .with("max_size", segment.max_size())
        .with("name", segment.name())
        .with("access", if segment.access() == Access::ReadOnly { "read" } else { "write" })
        .with("deleted", u32::from(segment.is_deleted())))
}

fn grow(request: &Request) -> Outcome {
    segment(request)?.grow(request.need("size")?)?;
    Ok(Answer::new())
}

fn read(request: &Request) -> Outcome {
    let mut bytes = vec![0; request.need("length")?];
    segment(request)?.read(request.need("offset")?, &mut bytes)?;
    Ok(Answer::new().body(bytes))
}

fn write(request: &Request) -> Outcome {
    segment(request)?.write(request.need("offset")?, request.body()?)?;
    Ok(Answer::new())
}

/// Where `length` bytes at `offset` are.
fn place(segment: &Segment, offset: u64, length: usize) -> Result<*mut u8, Failure> {
    if offset.checked_add(length as u64).is_none_or(|end| end > segment.size()) {
        return Err(Failure::protocol("beyond the segment"));
    }
    Ok(segment.as_ptr().wrapping_add(offset as usize))
}

/// Reads through the address.
fn look(request: &Request) -> Outcome {
    let segment = segment(request)?;
    let mut bytes = vec![0; request.need("length")?];
    let from = place(&segment, request.need("offset")?, bytes.len())?;
    // SAFETY: `place` has checked the range, the segment is attached, and nobody writes meanwhile.
    unsafe { std::ptr::copy_nonoverlapping(from.cast_const(), bytes.as_mut_ptr(), bytes.len()) };
    Ok(Answer::new().body(bytes))
}

/// Writes through the address.
fn fill(request: &Request) -> Outcome {
    let (segment, bytes) = (segment(request)?, request.body()?);
    if segment.access() == Access::ReadOnly {
        return Err(Failure::protocol("attached for reading"));
    }
    let to = place(&segment, request.need("offset")?, bytes.len())?;
    // SAFETY: `place` has checked the range; the segment is attached for writing.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    Ok(Answer::new())
}

fn queue(request: &Request) -> Outcome {
    let (segment, offset) = (segment(request)?, request.need("offset")?);
    let queue = match request.verb.as_str() {
        "queue_create" => Queue::create(&segment, offset, &queue_options(request)?)?,
        _ => Queue::open(&segment, offset)?,
    };
    keep(request, Handle::Queue(queue))
}

fn shut(request: &Request) -> Outcome {
    let handle = table().handle(request.word("handle")?)?;
    handle.shut()?;
    Ok(Answer::new())
}
