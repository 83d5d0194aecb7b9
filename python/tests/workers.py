"""What the tests run in processes of multiprocessing, which must be able to import it."""

import os
from typing import Any

import mailboat


def upper(requests: mailboat.Port, replies: mailboat.Port) -> None:
    replies.send(b"ready")
    for message in requests:
        replies.send(message.body.upper(), kind=os.getpid() & 0xFFFF)


def write(segment: mailboat.Segment, queue: mailboat.Queue) -> None:
    segment.write(b"written by the child", 100)
    queue.send(b"done")


def take_and_wait(port: mailboat.Port, ready: Any) -> None:
    message = port.take()
    ready.send((message.body, os.getpid()))
    mailboat.Port.open_or_create("never", domain=port.domain).receive()


def fail(port: mailboat.Port) -> None:
    port.receive(timeout=0.001)
