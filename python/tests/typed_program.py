"""Not run, but checked: what a program with types sees of mailboat."""

import array
from pathlib import Path
from typing import List, Optional

import mailboat

domain = mailboat.Domain(Path("/dev/shm/somewhere"), max_tasks=5)


def produce(port: mailboat.Port) -> int:
    number: int = port.send(b"bytes", timeout=1.5, kind=3)
    port.send(bytearray(3))
    port.send(memoryview(b"x"), None)
    port.send(array.array("i", [1]))
    sent: int = port.send_many([b"a", bytearray(b"b")], timeout=0)
    with port.loan(100, kind=1) as loan:
        view: memoryview = memoryview(loan)
        view[:3] = b"abc"
        view.release()
        loan.length = 3
        loan.write(b"x", offset=1)
    maybe: Optional[int] = loan.id
    return number + sent + (maybe or 0)


def consume(queue: mailboat.Queue) -> List[bytes]:
    bodies: List[bytes] = [message.body for message in queue]
    with queue.take(timeout=None) as message:
        bodies.append(bytes(memoryview(message)))
        port_again: str = message.state
    received: Optional[mailboat.Message] = queue.try_receive()
    if received is not None:
        bodies.append(received.body + port_again.encode())
    header: mailboat.Header = queue.receive_into(bytearray(10))
    sent: Optional[float] = header.sent
    queue.send(message)
    assert sent is None or header.redelivered
    return bodies


with mailboat.Port.open_or_create("orders", capacity=5, owner="task", domain=domain) as orders:
    produce(orders)
    consume(orders)
    stat: mailboat.PortStat = orders.stat()
    names: List[str] = [entry.name for entry in orders.domain.list()]
    try:
        orders.receive(timeout=1)
    except mailboat.Timeout as error:
        kind: mailboat.ErrorKind = error.kind
        waited: float = error.after
        reason: mailboat.Error = error.because

with mailboat.Segment.create("memory", 10, domain="/dev/shm/somewhere") as segment:
    queue: mailboat.Queue = mailboat.Queue.create(segment, capacity=5)
    consume(queue)
    contents: bytes = segment.read(0, 5)
    writable: memoryview = memoryview(segment)
