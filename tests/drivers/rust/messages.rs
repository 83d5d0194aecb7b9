//! Ports and queues: making, sending, receiving.

use crate::table::{Handle, found, table};
use crate::wire::{Answer, Failure, Outcome, Request};
use mailboat::{
    Header, Loan, Message, Outgoing, Owner, Port, PortOptions, QueueOptions, QueueStat, Receipt,
    Wait,
};
use std::time::Duration;

pub fn perform(request: &Request) -> Option<Outcome> {
    Some(match request.verb.as_str() {
        "create" | "open" | "open_or_create" => open(request),
        "delete" => delete(request),
        "close" => close(request),
        "facts" => facts(request),
        "stat" => stat(request),
        "send" => send(request),
        "try_send" => try_send(request),
        "send_many" => send_many(request),
        "receive" => receive(request),
        "try_receive" => try_receive(request),
        "receive_into" => receive_into(request),
        "receive_many" => receive_many(request),
        "loan" => loan(request),
        "fill" | "write" => fill(request),
        "commit" => commit(request),
        "discard" => with_loan(request, |loan| loan.discard()),
        "drop_loan" => with_loan(request, drop),
        "take" => take(request),
        "try_take" => try_take(request),
        "take_many" => take_many(request),
        "look" => look(request),
        "copy" => copy(request),
        "ack" => with_receipt(request, Receipt::ack),
        "nack" => with_receipt(request, Receipt::nack),
        "drop_receipt" => with_receipt(request, |receipt| {
            drop(receipt);
            Ok(())
        }),
        _ => return None,
    })
}

pub fn wait_of(request: &Request) -> Result<Wait, Failure> {
    Ok(match request.get("wait")?.unwrap_or("forever") {
        "forever" => Wait::FOREVER,
        "try" => Wait::TRY,
        seconds => {
            let seconds: f64 =
                seconds.parse().map_err(|_| Failure::protocol(format!("wait={seconds}")))?;
            Duration::from_secs_f64(seconds).into()
        }
    })
}

pub fn queue_options(request: &Request) -> Result<QueueOptions, Failure> {
    let mut options = QueueOptions::new().timestamps(request.on("timestamps")?);
    if let Some(capacity) = request.number("capacity")? {
        options = options.capacity(capacity);
    }
    if let Some(bytes) = request.number("max_message")? {
        options = options.max_message(bytes);
    }
    if let Some(bytes) = request.number("byte_budget")? {
        options = options.byte_budget(bytes);
    }
    if let Some(users) = request.number("max_users")? {
        options = options.max_users(users);
    }
    Ok(options)
}

fn port_options(request: &Request) -> Result<PortOptions, Failure> {
    let mut options = PortOptions::new();
    options.queue = queue_options(request)?;
    if request.get("owner")? == Some("task") {
        options = options.owner(Owner::Task);
    }
    if let Some(mode) = request.number("mode")? {
        options = options.mode(mode);
    }
    Ok(options)
}

fn open(request: &Request) -> Outcome {
    let name = request.word("name")?;
    let options = port_options(request)?;
    let domain = table().domain.clone();
    let port = match (request.verb.as_str(), &domain) {
        ("create", Some(domain)) => Port::create_in(domain, name, &options),
        ("create", None) => Port::create(name, &options),
        ("open", Some(domain)) => Port::open_in(domain, name),
        ("open", None) => Port::open(name),
        (_, Some(domain)) => Port::open_or_create_in(domain, name, &options),
        (_, None) => Port::open_or_create(name, &options),
    }?;
    keep(request, Handle::Port(port))
}

/// Puts a new handle into the table; one that had the name is closed.
pub fn keep(request: &Request, handle: Handle) -> Outcome {
    let before = table().handles.insert(request.word("handle")?.to_owned(), handle);
    drop(before);
    Ok(Answer::new())
}

fn delete(request: &Request) -> Outcome {
    let name = request.word("name")?;
    let domain = table().domain.clone();
    match domain {
        Some(domain) => Port::delete_in(&domain, name)?,
        None => Port::delete(name)?,
    }
    Ok(Answer::new())
}

fn close(request: &Request) -> Outcome {
    let name = request.word("handle")?;
    let handle = table().handles.remove(name);
    found(handle, name).map(drop)?;
    Ok(Answer::new())
}

fn handle(request: &Request) -> Result<Handle, Failure> {
    table().handle(request.word("handle")?)
}

fn facts(request: &Request) -> Outcome {
    let handle = handle(request)?;
    Ok(Answer::new()
        .with("capacity", handle.capacity())
        .with("max_message", handle.max_message())
        .with("queued", handle.len())
        .with("closed", u32::from(handle.is_closed())))
}

fn stat(request: &Request) -> Outcome {
    let handle = handle(request)?;
    let (answer, queue) = match &handle {
        Handle::Queue(queue) => (Answer::new(), queue.stat()?),
        Handle::Port(port) => {
            let stat = port.stat()?;
            let owner = if stat.owner == Owner::Task { "task" } else { "domain" };
            let answer = Answer::new()
                .with("owner", owner)
                .with("owner_task", stat.owner_task.map_or(0, |t| t.0))
                .with("mode", stat.mode)
                .with("uid", stat.uid)
                .with("file_bytes", stat.file_bytes);
            (answer, stat.queue)
        }
    };
    let QueueStat { capacity, queued, in_hand, loaned, given_back, .. } = queue;
    let tasks: Vec<String> = queue.tasks.iter().map(ToString::to_string).collect();
    Ok(answer
        .with("capacity", capacity)
        .with("queued", queued)
        .with("in_hand", in_hand)
        .with("loaned", loaned)
        .with("given_back", given_back)
        .with("max_message", queue.max_message)
        .with("byte_budget", queue.byte_budget)
        .with("bytes_committed", queue.bytes_committed)
        .with("users", queue.users)
        .with("max_users", queue.max_users)
        .with("sent", queue.sent)
        .with("received", queue.received)
        .with("redelivered", queue.redelivered)
        .with("deaths", queue.deaths)
        .with("timestamps", u32::from(queue.timestamps))
        .with("closed", u32::from(queue.closed))
        .with("tasks", tasks.join(",")))
}

fn send(request: &Request) -> Outcome {
    let (queue, body, wait) = (handle(request)?, request.body()?, wait_of(request)?);
    let id = match request.number("kind")? {
        Some(kind) => queue.send_message(Outgoing::new(body).kind(kind), wait),
        None if wait == Wait::FOREVER => queue.send(body),
        None if wait == Wait::TRY => queue.try_send(body),
        None => queue.send_timeout(body, Duration::from_secs_f64(request.need("wait")?)),
    }?;
    Ok(Answer::new().with("id", id))
}

fn try_send(request: &Request) -> Outcome {
    Ok(Answer::new().with("id", handle(request)?.try_send(request.body()?)?))
}

fn send_many(request: &Request) -> Outcome {
    let kind = request.number("kind")?.unwrap_or(0);
    let messages: Vec<_> =
        request.bodies.iter().map(|body| Outgoing::new(body).kind(kind)).collect();
    let sent = handle(request)?.send_many(&messages, wait_of(request)?)?;
    Ok(Answer::new().with("sent", sent))
}

fn about(header: &Header) -> Answer {
    Answer::new()
        .with("length", header.length)
        .with("kind", header.kind)
        .with("id", header.id)
        .with("sender", header.sender)
        .with("redeliveries", header.redeliveries)
        .with("redelivered", u32::from(header.is_redelivered()))
        .maybe("sent_ns", header.sent_ns)
}

fn whole(message: Message) -> Answer {
    about(&message.header).body(message.body)
}

fn receive(request: &Request) -> Outcome {
    let (queue, wait) = (handle(request)?, wait_of(request)?);
    let message = if wait == Wait::FOREVER {
        queue.receive()
    } else if wait == Wait::TRY {
        queue.receive_wait(wait)
    } else {
        queue.receive_timeout(Duration::from_secs_f64(request.need("wait")?))
    };
    message.map(whole).map_err(Into::into)
}

fn try_receive(request: &Request) -> Outcome {
    handle(request)?.try_receive().map(whole).map_err(Into::into)
}

fn receive_into(request: &Request) -> Outcome {
    let mut buffer = vec![0; request.need("room")?];
    let header = handle(request)?.receive_into(&mut buffer, wait_of(request)?)?;
    buffer.truncate(header.length as usize);
    Ok(about(&header).body(buffer))
}

fn receive_many(request: &Request) -> Outcome {
    let messages = handle(request)?.receive_many(request.need("max")?, wait_of(request)?)?;
    Ok(Answer::new().items(messages.into_iter().map(whole).collect()))
}

fn loan(request: &Request) -> Outcome {
    let loan = handle(request)?.loan_wait(request.need("size")?, wait_of(request)?)?;
    let answer = Answer::new().with("capacity", loan.capacity());
    let before = table().loans.insert(request.word("loan")?.to_owned(), loan);
    drop(before);
    Ok(answer)
}

/// Takes a loan out of the table for as long as something is done with it.
fn borrowed<T>(
    request: &Request,
    work: impl FnOnce(Loan) -> Result<T, (Option<Loan>, Failure)>,
) -> Result<T, Failure> {
    let name = request.word("loan")?;
    let loan = table().loans.remove(name);
    work(found(loan, name)?).map_err(|(loan, failure)| {
        if let Some(loan) = loan {
            table().loans.insert(name.to_owned(), loan);
        }
        failure
    })
}

fn with_loan(request: &Request, end: impl FnOnce(Loan)) -> Outcome {
    borrowed(request, |loan| {
        end(loan);
        Ok(Answer::new())
    })
}

/// `fill` writes through the address, `write` through the call.
fn fill(request: &Request) -> Outcome {
    let offset: usize = request.number("offset")?.unwrap_or(0);
    let body = request.body()?;
    borrowed(request, |mut loan| {
        let result = if request.verb == "write" {
            loan.write(offset as u64, body).map_err(Failure::from)
        } else {
            // SAFETY: all processes of the test only use mailboat.
            let memory = unsafe { loan.as_mut_slice() };
            let place = memory.get_mut(offset..offset + body.len());
            place.map(|place| place.copy_from_slice(body)).ok_or_else(|| {
                Failure::protocol("the bytes to be written do not fit into the loan")
            })
        };
        match result {
            Ok(()) => Ok(loan),
            Err(failure) => Err((Some(loan), failure)),
        }
    })
    .map(|loan| {
        let name = request.word("loan").unwrap_or_default().to_owned();
        table().loans.insert(name, loan);
        Answer::new()
    })
}

fn commit(request: &Request) -> Outcome {
    let wait = wait_of(request)?;
    let (length, kind) = (request.number("length")?, request.number("kind")?);
    borrowed(request, |loan| {
        let result = match (length, kind) {
            (None, None) if wait == Wait::FOREVER => loan.send(),
            _ => {
                let length = length.unwrap_or_else(|| loan.capacity());
                loan.send_with(length, kind.unwrap_or(0), wait)
            }
        };
        let id = result.map_err(|rejected| (Some(rejected.loan), rejected.error.into()))?;
        Ok(Answer::new().with("id", id))
    })
}

fn in_hand(receipt: &Receipt) -> Answer {
    // SAFETY: all processes of the test only use mailboat.
    let body = unsafe { receipt.as_slice() }.to_vec();
    about(receipt.header()).body(body)
}

fn hold(name: &str, receipt: Receipt) -> Answer {
    let answer = in_hand(&receipt);
    let before = table().receipts.insert(name.to_owned(), receipt);
    drop(before);
    answer
}

fn take(request: &Request) -> Outcome {
    let (queue, wait) = (handle(request)?, wait_of(request)?);
    let receipt = if wait == Wait::FOREVER { queue.take() } else { queue.take_wait(wait) }?;
    Ok(hold(request.word("receipt")?, receipt))
}

fn try_take(request: &Request) -> Outcome {
    let receipt = handle(request)?.try_take()?;
    Ok(hold(request.word("receipt")?, receipt))
}

/// The receipts are called NAME.0, NAME.1 and so on.
fn take_many(request: &Request) -> Outcome {
    let receipts = handle(request)?.take_many(request.need("max")?, wait_of(request)?)?;
    let name = request.word("receipt")?;
    let held = |(i, receipt)| hold(&format!("{name}.{i}"), receipt);
    Ok(Answer::new().items(receipts.into_iter().enumerate().map(held).collect()))
}

fn look(request: &Request) -> Outcome {
    let name = request.word("receipt")?;
    let table = table();
    Ok(in_hand(found(table.receipts.get(name), name)?))
}

fn copy(request: &Request) -> Outcome {
    let name = request.word("receipt")?;
    let mut part = vec![0; request.need("length")?];
    let table = table();
    found(table.receipts.get(name), name)?.copy_to(request.need("offset")?, &mut part)?;
    Ok(Answer::new().body(part))
}

fn with_receipt(request: &Request, end: impl FnOnce(Receipt) -> mailboat::Result<()>) -> Outcome {
    let name = request.word("receipt")?;
    let receipt = table().receipts.remove(name);
    end(found(receipt, name)?)?;
    Ok(Answer::new())
}
