"""Segments, and queues in them."""

from typing import Any, Dict

import mailboat
import table
from messages import place, queue_options
from table import find, take_out
from wire import Answer, ProtocolError, Request


def options(request: Request) -> Dict[str, Any]:
    return {n: int(request.words[n]) for n in ("max_size", "mode") if n in request.words}


def kept(request: Request, segment: mailboat.Segment) -> Answer:
    table.segments[request.need("segment")] = segment
    return Answer()


def create(request: Request) -> Answer:
    name, size = request.need("name"), request.number("size")
    return kept(request, mailboat.Segment.create(name, size, **options(request), **place()))


def open_segment(request: Request) -> Answer:
    readonly = request.get("access") == "read"
    name = request.need("name")
    return kept(request, mailboat.Segment.open(name, readonly=readonly, **place()))


def open_or_create(request: Request) -> Answer:
    name, size = request.need("name"), request.number("size")
    return kept(request, mailboat.Segment.open_or_create(name, size, **options(request), **place()))


def delete(request: Request) -> Answer:
    mailboat.Segment.delete(request.need("name"), **place())
    return Answer()


def close(request: Request) -> Answer:
    take_out(table.segments, request.need("segment")).close()
    return Answer()


def segment_of(request: Request) -> mailboat.Segment:
    return find(table.segments, request.need("segment"))


def stat(request: Request) -> Answer:
    segment = segment_of(request)
    return Answer(
        size=segment.size,
        max_size=segment.max_size,
        name=segment.name,
        access="read" if segment.readonly else "write",
        deleted=segment.deleted,
    )


def grow(request: Request) -> Answer:
    segment_of(request).grow(request.number("size"))
    return Answer()


def read(request: Request) -> Answer:
    return Answer(segment_of(request).read(request.number("offset"), request.number("length")))


def write(request: Request) -> Answer:
    segment_of(request).write(request.body(), request.number("offset"))
    return Answer()


def look(request: Request) -> Answer:
    offset, length = request.number("offset"), request.number("length")
    with memoryview(segment_of(request)) as view:
        if offset + length > len(view):
            raise ProtocolError("beyond the segment")
        return Answer(bytes(view[offset : offset + length]))


def fill(request: Request) -> Answer:
    offset, body = request.number("offset"), request.body()
    with memoryview(segment_of(request)) as view:
        if offset + len(body) > len(view):
            raise ProtocolError("beyond the segment")
        view[offset : offset + len(body)] = body
    return Answer()


def queue_size(request: Request) -> Answer:
    return Answer(size=mailboat.Queue.required_size(**queue_options(request)))


def queue_create(request: Request) -> Answer:
    queue = mailboat.Queue.create(
        segment_of(request), request.number("offset"), **queue_options(request)
    )
    table.handles[request.need("handle")] = queue
    return Answer()


def queue_open(request: Request) -> Answer:
    queue = mailboat.Queue.open(segment_of(request), request.number("offset"))
    table.handles[request.need("handle")] = queue
    return Answer()


def queue_shut(request: Request) -> Answer:
    find(table.handles, request.need("handle")).shut()
    return Answer()


VERBS = {
    "segment_create": create,
    "segment_open": open_segment,
    "segment_open_or_create": open_or_create,
    "segment_delete": delete,
    "segment_close": close,
    "segment_stat": stat,
    "segment_grow": grow,
    "segment_read": read,
    "segment_write": write,
    "segment_look": look,
    "segment_fill": fill,
    "queue_size": queue_size,
    "queue_create": queue_create,
    "queue_open": queue_open,
    "queue_shut": queue_shut,
}
