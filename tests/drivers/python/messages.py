"""Ports and queues: making, sending, receiving."""

from typing import Any, Dict, Union

import mailboat
import table
from table import Handle, State, find, take_out
from wire import Answer, ProtocolError, Request, of_items


class Nothing(Exception):
    """A call that returns None has met this."""


def queue_options(request: Request) -> Dict[str, Any]:
    names = ("capacity", "max_message", "byte_budget", "max_users")
    options: Dict[str, Any] = {n: int(request.words[n]) for n in names if n in request.words}
    if request.get("timestamps") == "1":
        options["timestamps"] = True
    return options


def port_options(request: Request) -> Dict[str, Any]:
    options = queue_options(request)
    if "owner" in request.words:
        options["owner"] = request.words["owner"]
    if "mode" in request.words:
        options["mode"] = int(request.words["mode"])
    return options


def place() -> Dict[str, Any]:
    return {} if State.domain is None else {"domain": State.domain}


def create(request: Request) -> Answer:
    port = mailboat.Port.create(request.need("name"), **port_options(request), **place())
    table.handles[request.need("handle")] = port
    return Answer()


def open_port(request: Request) -> Answer:
    table.handles[request.need("handle")] = mailboat.Port.open(request.need("name"), **place())
    return Answer()


def open_or_create(request: Request) -> Answer:
    port = mailboat.Port.open_or_create(request.need("name"), **port_options(request), **place())
    table.handles[request.need("handle")] = port
    return Answer()


def delete(request: Request) -> Answer:
    mailboat.Port.delete(request.need("name"), **place())
    return Answer()


def close(request: Request) -> Answer:
    take_out(table.handles, request.need("handle")).close()
    return Answer()


def handle(request: Request) -> Handle:
    return find(table.handles, request.need("handle"))


def facts(request: Request) -> Answer:
    port = handle(request)
    return Answer(
        capacity=port.capacity,
        max_message=port.max_message,
        queued=len(port),
        closed=port.closed,
    )


def stat(request: Request) -> Answer:
    port = handle(request)
    stat = port.stat()
    answer = Answer(
        capacity=stat.capacity,
        queued=stat.queued,
        in_hand=stat.in_hand,
        loaned=stat.loaned,
        given_back=stat.given_back,
        max_message=stat.max_message,
        byte_budget=stat.byte_budget,
        bytes_committed=stat.bytes_committed,
        users=stat.users,
        max_users=stat.max_users,
        sent=stat.sent,
        received=stat.received,
        redelivered=stat.redelivered,
        deaths=stat.deaths,
        timestamps=stat.timestamps,
        closed=stat.closed,
        tasks=",".join(map(str, stat.tasks)),
    )
    if isinstance(port, mailboat.Port):
        answer.words.update(
            owner=stat.owner,
            owner_task=stat.owner_task or 0,
            mode=stat.mode,
            uid=stat.uid,
            file_bytes=stat.file_bytes,
        )
    return answer


def send(request: Request) -> Answer:
    port, body = handle(request), request.body()
    if "kind" in request.words:
        return Answer(id=port.send(body, request.wait(), kind=request.number("kind")))
    if "wait" in request.words:
        return Answer(id=port.send(body, timeout=request.wait()))
    return Answer(id=port.send(body))


def try_send(request: Request) -> Answer:
    return Answer(id=handle(request).try_send(request.body()))


def send_many(request: Request) -> Answer:
    kind = int(request.get("kind") or 0)
    return Answer(sent=handle(request).send_many(request.bodies, request.wait(), kind))


def about(header: Union[mailboat.Header, mailboat.Message], body: bytes) -> Answer:
    return Answer(
        body,
        length=len(header) if isinstance(header, mailboat.Message) else header.length,
        kind=header.kind,
        id=header.id,
        sender=header.sender,
        redeliveries=header.redeliveries,
        redelivered=header.redelivered,
        sent_ns=header.sent_ns,
    )


def receive(request: Request) -> Answer:
    port = handle(request)
    message = port.receive(request.wait()) if "wait" in request.words else port.receive()
    if request.get("header") == "0":
        return Answer(message.body)
    return about(message, message.body)


def try_receive(request: Request) -> Answer:
    message = handle(request).try_receive()
    if message is None:
        raise Nothing("empty")
    return about(message.header, bytes(message))


def receive_into(request: Request) -> Answer:
    buffer = bytearray(request.number("room"))
    header = handle(request).receive_into(buffer, request.wait())
    return about(header, bytes(buffer[: header.length]))


def receive_many(request: Request) -> Answer:
    messages = handle(request).receive_many(request.number("max"), request.wait())
    return of_items([about(message, bytes(message)) for message in messages])


def loan(request: Request) -> Answer:
    loan = handle(request).loan(request.number("size"), request.wait())
    table.loans[request.need("loan")] = loan
    return Answer(capacity=loan.size)


def fill(request: Request) -> Answer:
    offset, body = int(request.get("offset") or 0), request.body()
    with memoryview(find(table.loans, request.need("loan"))) as view:
        if offset + len(body) > len(view):
            raise ProtocolError("that does not fit into the loan")
        view[offset : offset + len(body)] = body
    return Answer()


def write(request: Request) -> Answer:
    loan = find(table.loans, request.need("loan"))
    loan.write(request.body(), int(request.get("offset") or 0))
    return Answer()


def commit(request: Request) -> Answer:
    name = request.need("loan")
    words: Dict[str, Any] = {k: int(request.words[k]) for k in ("length", "kind") if k in request.words}
    if "wait" in request.words:
        words["timeout"] = request.wait()
    id = find(table.loans, name).commit(**words)
    del table.loans[name]
    return Answer(id=id)


def discard(request: Request) -> Answer:
    take_out(table.loans, request.need("loan")).discard()
    return Answer()


def drop_loan(request: Request) -> Answer:
    take_out(table.loans, request.need("loan"))
    return Answer()


def in_hand(receipt: mailboat.Message) -> Answer:
    with memoryview(receipt) as view:
        return about(receipt, bytes(view))


def held(name: str, receipt: mailboat.Message) -> Answer:
    answer = in_hand(receipt)
    table.receipts[name] = receipt
    return answer


def take(request: Request) -> Answer:
    port = handle(request)
    receipt = port.take(request.wait()) if "wait" in request.words else port.take()
    return held(request.need("receipt"), receipt)


def try_take(request: Request) -> Answer:
    receipt = handle(request).try_take()
    if receipt is None:
        raise Nothing("empty")
    return held(request.need("receipt"), receipt)


def take_many(request: Request) -> Answer:
    receipts = handle(request).take_many(request.number("max"), request.wait())
    name = request.need("receipt")
    return of_items([held(f"{name}.{i}", receipt) for i, receipt in enumerate(receipts)])


def look(request: Request) -> Answer:
    return in_hand(find(table.receipts, request.need("receipt")))


def copy(request: Request) -> Answer:
    offset, length = request.number("offset"), request.number("length")
    with memoryview(find(table.receipts, request.need("receipt"))) as view:
        return Answer(bytes(view[offset : offset + length]))


def ack(request: Request) -> Answer:
    take_out(table.receipts, request.need("receipt")).ack()
    return Answer()


def nack(request: Request) -> Answer:
    take_out(table.receipts, request.need("receipt")).nack()
    return Answer()


def drop_receipt(request: Request) -> Answer:
    take_out(table.receipts, request.need("receipt"))
    return Answer()


VERBS = {
    "create": create,
    "open": open_port,
    "open_or_create": open_or_create,
    "delete": delete,
    "close": close,
    "facts": facts,
    "stat": stat,
    "send": send,
    "try_send": try_send,
    "send_many": send_many,
    "receive": receive,
    "try_receive": try_receive,
    "receive_into": receive_into,
    "receive_many": receive_many,
    "loan": loan,
    "fill": fill,
    "write": write,
    "commit": commit,
    "discard": discard,
    "drop_loan": drop_loan,
    "take": take,
    "try_take": try_take,
    "take_many": take_many,
    "look": look,
    "copy": copy,
    "ack": ack,
    "nack": nack,
    "drop_receipt": drop_receipt,
}
