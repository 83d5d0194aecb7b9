//! Sending and receiving by copy.

use crate::check::{bytes, bytes_mut, flags, handle, invalid, items, items_mut, out, out_or_null};
use crate::guard::status;
use crate::port::mb_port;
use crate::status::mb_status;
use mailboat::{Error, Header, Outgoing, Queue, Result};
use std::ffi::c_void;

/// In mb_header: an earlier receiver had this message in hand, and died or gave it back.
pub const MB_MESSAGE_REDELIVERED: u32 = 1;
/// In mb_header: sent_ns is set.
pub const MB_MESSAGE_TIMESTAMPED: u32 = 2;

/// What a message says about itself.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mb_header {
    /// Length of the body in bytes.
    pub length: u64,
    /// Where the body begins in the buffer of mb_port_receive_many(), in bytes; else 0.
    pub offset: u64,
    /// The message's id, unique in the domain.
    pub id: u64,
    /// The task that sent it.
    pub sender: u64,
    /// When it was sent, in nanoseconds on CLOCK_MONOTONIC, with MB_MESSAGE_TIMESTAMPED; else 0.
    pub sent_ns: u64,
    /// A number of the sender's own.
    pub kind: u32,
    /// How often it was handed to a receiver before this time. Counts up to 255 and stays there.
    pub redeliveries: u32,
    /// MB_MESSAGE_REDELIVERED, MB_MESSAGE_TIMESTAMPED, joined with |; later versions may set more.
    pub flags: u32,
    /// 0 for now.
    pub reserved: u32,
    /// 0 for now.
    pub reserved2: u64,
}

impl mb_header {
    pub(crate) fn new(header: &Header, offset: u64) -> Self {
        let redelivered = if header.is_redelivered() { MB_MESSAGE_REDELIVERED } else { 0 };
        let timestamped = if header.sent_ns.is_some() { MB_MESSAGE_TIMESTAMPED } else { 0 };
        mb_header {
            length: header.length,
            offset,
            id: header.id,
            sender: header.sender.0,
            sent_ns: header.sent_ns.unwrap_or(0),
            kind: header.kind,
            redeliveries: header.redeliveries,
            flags: redelivered | timestamped,
            reserved: 0,
            reserved2: 0,
        }
    }
}

/// A message to be sent by mb_port_send_many().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mb_outgoing {
    /// The body; may be NULL when length is 0.
    pub data: *const c_void,
    /// Its length in bytes.
    pub length: usize,
    /// A number of your own.
    pub kind: u32,
    /// 0: none are defined yet.
    pub flags: u32,
}

/// The bytes of a body. A length beyond what a process can address is what it claims to be: a
/// message that is too large.
///
/// # Safety
/// As for [`bytes`].
unsafe fn body<'a>(
    queue: &Queue,
    data: *const c_void,
    length: usize,
    name: &str,
) -> Result<&'a [u8]> {
    if isize::try_from(length).is_err() && !data.is_null() {
        return Err(Error::TooLarge {
            what: "message",
            size: length as u64,
            max: queue.max_message(),
            whose: queue.label().into(),
        });
    }
    // SAFETY: the caller's promise.
    unsafe { bytes(data, length, name) }
}

/// Sends a message, with kind 0. It is copied into the port, and outlives this process.
///
/// Parameters:
///   port         the port
///   data         the body; may be NULL when length is 0
///   length       bytes, 0 to mb_port_max_message()
///   timeout_ns   how long to wait while the port is full, in nanoseconds; MB_TRY, MB_FOREVER
///
/// Status:    MB_OK, MB_FULL (only with MB_TRY), MB_TIMEOUT, MB_CLOSED, MB_TOO_LARGE, MB_NO_SPACE,
///            MB_LEASE_LOST, MB_CORRUPT, MB_INTERRUPTED (only if set so), MB_INVALID,
///            MB_SYSTEM, MB_INTERNAL
/// Ownership: data stays the caller's; on failure nothing was sent
/// Blocking:  as timeout_ns says, while the port is full
/// Threads:   any, at once
/// Fork:      the child sends as a task of its own
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_send(
    port: *const mb_port,
    data: *const c_void,
    length: usize,
    timeout_ns: i64,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let port = handle(port, "port")?;
            let body = body(port.queue(), data, length, "data")?;
            port.queue().send_message(Outgoing::new(body), port.wait(timeout_ns)?)?;
        }
        Ok(())
    })
}

/// Sends a message with a kind, and tells its id.
///
/// Parameters:
///   port         the port
///   data         the body; may be NULL when length is 0
///   length       bytes, 0 to mb_port_max_message()
///   kind         a number of your own
///   timeout_ns   how long to wait while the port is full, in nanoseconds; MB_TRY, MB_FOREVER
///   id           gets the message's id, unique in the domain; may be NULL
///
/// Status:    those of mb_port_send()
/// Ownership: data stays the caller's; on failure nothing was sent
/// Blocking:  as timeout_ns says, while the port is full
/// Threads:   any, at once
/// Fork:      the child sends as a task of its own
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_send_message(
    port: *const mb_port,
    data: *const c_void,
    length: usize,
    kind: u32,
    timeout_ns: i64,
    id: *mut u64,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let port = handle(port, "port")?;
            let body = body(port.queue(), data, length, "data")?;
            let id = out_or_null(id, "id")?;
            let wait = port.wait(timeout_ns)?;
            id.set(port.queue().send_message(Outgoing::new(body).kind(kind), wait)?);
        }
        Ok(())
    })
}

/// Sends several messages in one call, in their order. It stops at the first that cannot be sent
/// in time.
///
/// Parameters:
///   port         the port
///   messages     the messages; may be NULL when count is 0
///   count        how many
///   timeout_ns   how long to wait in all while the port is full, in nanoseconds; MB_TRY,
///                MB_FOREVER
///   sent         gets how many were sent: the first so many of messages
///
/// Status:    MB_OK when at least one was sent, or count is 0. Else what stopped the first:
///            the statuses of mb_port_send(). MB_INVALID (then none was sent) also for unknown
///            bits in flags of any of them
/// Ownership: messages and their data stay the caller's; what was not sent is the caller's to
///            send again
/// Blocking:  as timeout_ns says, while the port is full
/// Threads:   any, at once; messages of other threads may come between
/// Fork:      the child sends as a task of its own
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_send_many(
    port: *const mb_port,
    messages: *const mb_outgoing,
    count: usize,
    timeout_ns: i64,
    sent: *mut usize,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let port = handle(port, "port")?;
            let messages = items(messages, count, "messages")?;
            let sent = out(sent, "sent")?;
            let wait = port.wait(timeout_ns)?;
            let mut outgoing = Vec::with_capacity(messages.len());
            for (i, message) in messages.iter().enumerate() {
                // The name is put together only when there is something to complain about.
                if message.flags != 0 {
                    flags(message.flags, 0, &format!("messages[{i}].flags"))?;
                }
                if message.data.is_null() && message.length != 0 {
                    return Err(invalid(format!("messages[{i}].data is NULL")));
                }
                let body = body(port.queue(), message.data, message.length, "data")?;
                outgoing.push(Outgoing::new(body).kind(message.kind));
            }
            sent.set(if outgoing.is_empty() {
                0
            } else {
                port.queue().send_many(&outgoing, wait)?
            });
        }
        Ok(())
    })
}

/// Receives a message: copies its body out and acknowledges it.
///
/// Parameters:
///   port         the port
///   buffer       gets the body; may be NULL when capacity is 0
///   capacity     its size in bytes
///   length       gets the length of the body in bytes
///   timeout_ns   how long to wait while the port is empty, in nanoseconds; MB_TRY, MB_FOREVER
///
/// Status:    MB_OK, MB_EMPTY (only with MB_TRY), MB_TIMEOUT, MB_CLOSED, MB_TOO_LARGE (the body does
///            not fit; mb_last_error_bytes() says what it needs), MB_LEASE_LOST, MB_CORRUPT, MB_INTERRUPTED (only if set so), MB_INVALID, MB_SYSTEM,
///            MB_INTERNAL
/// Ownership: on success the message is gone from the port; on failure none was taken: one that
///            does not fit stays where it was. What is in the buffer after a failure is undefined
/// Blocking:  as timeout_ns says, while the port is empty
/// Threads:   any, at once; each message goes to one of them
/// Fork:      the child receives as a task of its own
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_receive(
    port: *const mb_port,
    buffer: *mut c_void,
    capacity: usize,
    length: *mut usize,
    timeout_ns: i64,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let port = handle(port, "port")?;
            let buffer = bytes_mut(buffer, capacity, "buffer")?;
            let length = out(length, "length")?;
            let header = port.queue().receive_into(buffer, port.wait(timeout_ns)?)?;
            // It fitted into the buffer, so it fits into a usize.
            length.set(header.length as usize);
        }
        Ok(())
    })
}

/// Receives a message with what it says about itself.
///
/// Parameters:
///   port         the port
///   buffer       gets the body; may be NULL when capacity is 0
///   capacity     its size in bytes
///   timeout_ns   how long to wait while the port is empty, in nanoseconds; MB_TRY, MB_FOREVER
///   header       gets length, kind, id, sender and the rest
///
/// Status:    those of mb_port_receive()
/// Ownership: as mb_port_receive()
/// Blocking:  as timeout_ns says, while the port is empty
/// Threads:   any, at once; each message goes to one of them
/// Fork:      the child receives as a task of its own
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_receive_message(
    port: *const mb_port,
    buffer: *mut c_void,
    capacity: usize,
    timeout_ns: i64,
    header: *mut mb_header,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let port = handle(port, "port")?;
            let buffer = bytes_mut(buffer, capacity, "buffer")?;
            let header = out(header, "header")?;
            let found = port.queue().receive_into(buffer, port.wait(timeout_ns)?)?;
            header.set(mb_header::new(&found, 0));
        }
        Ok(())
    })
}

/// Receives several messages in one call: waits for the first, then takes what more is there, as
/// far as it fits. The bodies lie one after the other in the buffer; body i is headers[i].length
/// bytes at headers[i].offset.
///
/// Parameters:
///   port         the port
///   buffer       gets the bodies; may be NULL when capacity is 0
///   capacity     its size in bytes
///   headers      gets what each message says about itself
///   max          how many headers fit, at least 1
///   timeout_ns   how long to wait for the first, in nanoseconds; MB_TRY, MB_FOREVER
///   received     gets how many were received, at least 1
///
/// Status:    those of mb_port_receive(); MB_TOO_LARGE when the first body does not fit
/// Ownership: on success the messages received are gone from the port; on failure none was taken.
///            What is in buffer and headers after a failure is undefined
/// Blocking:  as timeout_ns says, while the port is empty
/// Threads:   any, at once; each message goes to one of them
/// Fork:      the child receives as a task of its own
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_port_receive_many(
    port: *const mb_port,
    buffer: *mut c_void,
    capacity: usize,
    headers: *mut mb_header,
    max: usize,
    timeout_ns: i64,
    received: *mut usize,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for all pointers.
        unsafe {
            let port = handle(port, "port")?;
            let buffer = bytes_mut(buffer, capacity, "buffer")?;
            let headers = items_mut(headers, at_least_one(max)?, "headers")?;
            let received = out(received, "received")?;
            let mut places = headers.iter_mut();
            let count = port.queue().receive_many_into(
                buffer,
                max,
                port.wait(timeout_ns)?,
                &mut |header, offset| {
                    if let Some(place) = places.next() {
                        *place = mb_header::new(&header, offset as u64);
                    }
                },
            )?;
            received.set(count);
        }
        Ok(())
    })
}

/// A batch of none could only wait for nothing.
pub(crate) fn at_least_one(max: usize) -> Result<usize> {
    if max == 0 { Err(invalid("max is 0; it must be at least 1")) } else { Ok(max) }
}
