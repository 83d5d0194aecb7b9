"""Segments, and queues inside of them."""

import pickle

import pytest

import mailboat


def test_create_open_and_delete(domain: mailboat.Domain, place: str) -> None:
    with mailboat.Segment.create("memory", 10000, domain=domain) as segment:
        assert (segment.name, segment.domain.path) == ("memory", place)
        assert (segment.size, len(segment), segment.readonly) == (10000, 10000, False)
        assert segment.max_size >= 1 << 30
        assert segment.read() == bytes(10000)
        segment.write(b"hello", 100)
        with mailboat.Segment.open("memory", domain=domain) as other:
            assert other.read(100, 5) == b"hello"
            other.write(b"J", offset=100)
        assert segment.read(size=5, offset=100) == b"Jello"
        assert not segment.deleted
        mailboat.Segment.delete("memory", domain=domain)
        assert segment.deleted
        assert segment.read(100, 5) == b"Jello"
        with pytest.raises(mailboat.NotFound):
            mailboat.Segment.open("memory", domain=domain)
    assert segment.closed
    assert "closed" in repr(segment)
    segment.close()


def test_in_the_default_domain(place: str) -> None:
    with mailboat.Segment.create("memory", 1) as segment:
        assert segment.domain.path == place
    with mailboat.Segment.open_or_create("memory", 500) as segment:
        assert segment.size == 1
    with mailboat.Segment.open("memory", readonly=True) as segment:
        assert segment.readonly
        assert repr(segment) == f'<mailboat.Segment "memory" in {place}, 1 bytes>'
    mailboat.Segment.delete("memory")
    with mailboat.Segment.open_or_create("memory", 500, max_size=1000, mode=0o640) as segment:
        assert (segment.size, segment.max_size >= 1000) == (500, True)
        (entry,) = segment.domain.list()
        assert (entry.kind, entry.name, entry.mode & 0o777) == ("segment", "memory", 0o640)


def test_growing(segment: mailboat.Segment, domain: mailboat.Domain) -> None:
    with mailboat.Segment.open("segment", domain=domain) as other:
        segment.grow(3 << 20)
        assert segment.size == other.size == len(other) == 3 << 20
        other.write(b"end", (3 << 20) - 3)
        assert segment.read((3 << 20) - 3) == b"end"


def test_growing_has_a_limit(domain: mailboat.Domain) -> None:
    with mailboat.Segment.create("memory", 4096, max_size=8192, domain=domain) as segment:
        with pytest.raises(mailboat.TooLarge):
            segment.grow(segment.max_size + 1)
        assert segment.size == 4096
        segment.grow(8192)


def test_beyond_the_end(segment: mailboat.Segment) -> None:
    size = segment.size
    for offset, length in (
        (size, 1),
        (0, size + 1),
        (size + 1, 0),
        (size + 1, None),
        (1, 2**64 - 1),
    ):
        with pytest.raises(mailboat.Invalid):
            segment.read(offset, length)
    for offset, data in ((size, b"x"), (size - 1, b"xx"), (2**64 - 1, b"xx"), (size + 1, b"")):
        with pytest.raises(mailboat.Invalid):
            segment.write(data, offset)
    assert segment.read(size) == segment.read(size, 0) == b""
    assert segment.read() == bytes(size)


def test_writing_from_its_own_memory(segment: mailboat.Segment) -> None:
    segment.write(b"abcdef")
    with memoryview(segment) as view:
        segment.write(view[:6], 2)
    assert segment.read(0, 8) == b"ababcdef"


def test_pickling_opens_it_again(segment: mailboat.Segment, domain: mailboat.Domain) -> None:
    again = pickle.loads(pickle.dumps(segment))
    segment.write(b"abc")
    assert type(again) is mailboat.Segment
    assert (again.read(0, 3), again.readonly) == (b"abc", False)
    with mailboat.Segment.open("segment", readonly=True, domain=domain) as reader:
        assert pickle.loads(pickle.dumps(reader)).readonly
    with pytest.raises(ValueError, match="closed"):
        pickle.dumps(reader)


OPTIONS = {"capacity": 8, "max_message": 1000, "byte_budget": 100_000}


@pytest.fixture
def queue(domain: mailboat.Domain) -> mailboat.Queue:
    size = 4096 + mailboat.Queue.required_size(**OPTIONS)  # type: ignore[arg-type]
    segment = mailboat.Segment.create("memory", size, domain=domain)
    return mailboat.Queue.create(segment, 4096, **OPTIONS)  # type: ignore[arg-type]


def test_a_queue_does_what_a_port_does(queue: mailboat.Queue) -> None:
    number = queue.send(b"abc", kind=1)
    assert len(queue) == 1
    message = queue.receive()
    assert (message.id, message.kind, message.body) == (number, 1, b"abc")
    queue.try_send(b"x" * 1000)
    with queue.take() as message:
        assert message.body == b"x" * 1000
    assert queue.try_take() is None
    with queue.loan(3) as loan:
        loan.write(b"abc")
    target = bytearray(3)
    queue.receive_into(target)
    assert queue.send_many([b"1", b"2"]) == 2
    assert [message.body for message in queue.receive_many(5)] == [b"1", b"2"]
    assert (queue.capacity, queue.max_message, queue.closed) == (8, 1000, False)
    stat = queue.stat()
    assert (type(stat), stat.capacity, stat.sent) == (mailboat.QueueStat, 8, 5)
    assert repr(stat).startswith("<mailboat.QueueStat 0 of 8 queued")


def test_a_queue_is_found_at_its_offset(queue: mailboat.Queue, domain: mailboat.Domain) -> None:
    queue.send(b"abc")
    assert repr(queue) == '<mailboat.Queue, queue at 4096 in segment "memory", 1 queued>'
    with mailboat.Segment.open("memory", domain=domain) as segment:
        for offset in (0, 8192):
            with pytest.raises(mailboat.Error):
                mailboat.Queue.open(segment, offset)
        other = mailboat.Queue.open(segment, offset=4096)
        with pytest.raises(mailboat.AlreadyExists):
            mailboat.Queue.create(segment, 4096, **OPTIONS)  # type: ignore[arg-type]
    # It keeps its segment.
    with other:
        assert other.receive(0).body == b"abc"
    with pytest.raises(ValueError, match='queue at 4096 in segment "memory" was closed'):
        other.send(b"")


def test_a_queue_is_shut_for_all(queue: mailboat.Queue) -> None:
    other = pickle.loads(pickle.dumps(queue))
    assert type(other) is mailboat.Queue
    other.send(b"abc")
    assert queue.receive(0).body == b"abc"
    queue.shut()
    assert queue.closed and other.closed
    assert list(other) == []
    with pytest.raises(mailboat.Closed):
        other.send(b"")


def test_a_queue_needs_its_size(domain: mailboat.Domain) -> None:
    with mailboat.Segment.create("little", 4096, max_size=8192, domain=domain) as segment:
        with pytest.raises(mailboat.Error):
            mailboat.Queue.create(segment)
        for offset in (1, 4095):
            with pytest.raises(mailboat.Invalid):
                mailboat.Queue.create(segment, offset, **OPTIONS)  # type: ignore[arg-type]


def test_a_closed_segment_takes_no_queue(segment: mailboat.Segment) -> None:
    segment.close()
    for call in (mailboat.Queue.create, mailboat.Queue.open):
        with pytest.raises(ValueError, match="this segment was closed"):
            call(segment)
