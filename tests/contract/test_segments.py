"""Segments: memory that processes share."""

import pytest

from harness.stage import Actor, Stage

NOISE = bytes(i * i + 3 * i & 255 for i in range(10_000))


@pytest.mark.parametrize("write", ["segment_write", "segment_fill"])
@pytest.mark.parametrize("read", ["segment_read", "segment_look"])
def test_what_one_writes_the_other_reads(
    sender: Actor, receiver: Actor, write: str, read: str
) -> None:
    sender.segment_create("s", 20_000)
    receiver.segment_open("s")
    assert getattr(receiver, read)("s", 0, 20_000) == bytes(20_000)
    getattr(sender, write)("s", 123, NOISE)
    assert getattr(receiver, read)("s", 0, 20_000) == bytes(123) + NOISE + bytes(9_877)
    getattr(receiver, write)("s", 19_999, b"!")
    assert getattr(sender, read)("s", 19_998, 2) == b"\0!"


def test_both_see_the_same_segment(sender: Actor, receiver: Actor) -> None:
    sender.segment_create("s", 5000, max_size=25 * 4096)
    receiver.segment_open("s", access="read")
    for actor, access in ((sender, "write"), (receiver, "read")):
        stat = actor.call("segment_stat", segment="s")
        assert (stat.size, stat.max_size, stat.name, stat.deleted) == (5000, 25 * 4096, "s", 0)
        assert stat.access == access


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 1 << 20])
def test_a_segment_has_just_the_size_asked_for(
    sender: Actor, receiver: Actor, size: int
) -> None:
    sender.segment_create("s", size)
    receiver.segment_open("s")
    assert receiver.call("segment_stat", segment="s").size == size
    receiver.segment_write("s", size - 1, b"!")
    assert sender.segment_read("s", size - 1, 1) == b"!"
    assert sender.refused("segment_write", segment="s", offset=size, body=b"x").status == "invalid"
    answer = sender.refused("segment_read", segment="s", offset=size - 1, length=2)
    assert answer.status == "invalid"
    sender.segment_write("s", size, b"")


def test_growth_by_one_is_seen_by_the_other(sender: Actor, receiver: Actor) -> None:
    sender.segment_create("s", 1000, max_size=1 << 20)
    receiver.segment_open("s")
    sender.segment_write("s", 0, b"a" * 1000)
    assert receiver.refused("segment_read", segment="s", offset=1000, length=1).status == "invalid"
    sender.call("segment_grow", segment="s", size=1 << 20)
    assert receiver.call("segment_stat", segment="s").size == 1 << 20
    assert receiver.segment_look("s", 0, 1 << 20) == b"a" * 1000 + bytes((1 << 20) - 1000)
    receiver.segment_fill("s", (1 << 20) - 5, b"hello")
    assert sender.segment_look("s", (1 << 20) - 5, 5) == b"hello"


def test_a_segment_never_becomes_smaller(sender: Actor, receiver: Actor) -> None:
    sender.segment_create("s", 1000, max_size=8192)
    receiver.segment_open("s")
    sender.call("segment_grow", segment="s", size=8192)
    receiver.call("segment_grow", segment="s", size=1500)
    assert sender.call("segment_stat", segment="s").size == 8192
    for actor in (sender, receiver):
        answer = actor.refused("segment_grow", segment="s", size=8193)
        assert answer.status == "too_large"
        assert "8193 bytes" in answer.text and "8192 bytes" in answer.text


def test_all_users_have_the_same_limit_of_growth(sender: Actor, receiver: Actor) -> None:
    sender.segment_create("s", 1000, max_size=2000)
    receiver.segment_open("s")
    for actor in (sender, receiver):
        # Rounded up to whole pages, for its maker too.
        assert actor.call("segment_stat", segment="s").max_size == 4096
        assert actor.refused("segment_grow", segment="s", size=4097).status == "too_large"


def test_one_who_attached_for_reading_cannot_change_it(sender: Actor, receiver: Actor) -> None:
    sender.segment_create("s", 1000, max_size=2000)
    sender.segment_write("s", 0, b"hello")
    receiver.segment_open("s", access="read")
    for verb, words in [
        ("segment_write", {"offset": 0, "body": b"x"}),
        ("segment_grow", {"size": 2000}),
        ("queue_create", {"handle": "q", "offset": 0}),
        ("queue_open", {"handle": "q", "offset": 0}),
    ]:
        assert receiver.refused(verb, segment="s", **words).status == "not_permitted", verb
    assert receiver.segment_look("s", 0, 5) == b"hello"
    sender.segment_write("s", 0, b"HELLO")
    assert receiver.segment_look("s", 0, 5) == b"HELLO"


def test_the_memory_of_a_deleted_segment_lives_until_the_last_user(
    sender: Actor, receiver: Actor
) -> None:
    sender.segment_create("s", 1000)
    receiver.segment_open("s")
    sender.segment_write("s", 0, b"old")
    receiver.call("segment_delete", name="s")
    assert sender.call("segment_stat", segment="s").deleted == 1
    assert sender.refused("segment_open", name="s", segment="x").status == "not_found"
    # A new one of this name is another.
    receiver.call("segment_create", name="s", segment="new", size=10)
    assert receiver.segment_read("new", 0, 3) == bytes(3)
    sender.segment_write("s", 3, b"er")
    assert receiver.segment_read("s", 0, 5) == b"older"
    assert receiver.segment_read("new", 0, 5) == bytes(5)
    assert receiver.call("segment_stat", segment="new").deleted == 0


def test_open_or_create_takes_one_that_is_there_as_it_is(sender: Actor, receiver: Actor) -> None:
    open_or_create = {"name": "s", "segment": "s"}
    sender.call("segment_open_or_create", size=100, max_size=4096, **open_or_create)
    sender.segment_write("s", 0, b"mine")
    receiver.call("segment_open_or_create", size=5000, max_size=9000, **open_or_create)
    stat = receiver.call("segment_stat", segment="s")
    assert (stat.size, stat.max_size) == (100, 4096)
    assert receiver.segment_read("s", 0, 4) == b"mine"


@pytest.mark.processes
def test_the_memory_outlives_one_who_was_killed(sender: Actor, receiver: Actor) -> None:
    sender.segment_create("s", 1000)
    sender.segment_write("s", 10, b"from one who is dead")
    sender.kill()
    receiver.segment_open("s")
    assert receiver.segment_look("s", 10, 20) == b"from one who is dead"


def test_a_segment_is_no_port_and_a_port_no_segment(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    sender.segment_create("s", 100)
    assert receiver.refused("open", "s", name="s").status == "not_found"
    assert receiver.refused("segment_open", segment="p", name="p").status == "not_found"
    assert receiver.refused("delete", name="s").status == "not_found"
    assert receiver.refused("segment_delete", name="p").status == "not_found"


# ---- queues in segments

SMALL = {"capacity": 4, "max_message": 10_000, "byte_budget": 100_000, "max_users": 8}
OFFSET = 8192


@pytest.fixture
def queue(sender: Actor, receiver: Actor) -> str:
    """A queue in a segment, that both have open."""
    size = int(sender.call("queue_size", **SMALL).size)
    assert receiver.call("queue_size", **SMALL).size == size
    sender.segment_create("s", OFFSET + size)
    receiver.segment_open("s")
    sender.call("queue_create", handle="q", segment="s", offset=OFFSET, **SMALL)
    receiver.call("queue_open", handle="q", segment="s", offset=OFFSET)
    return "q"


def test_messages_go_through_a_queue_in_a_segment(
    sender: Actor, receiver: Actor, queue: str
) -> None:
    bodies = [b"", b"small", b"x" * 10_000]
    for body in bodies:
        sender.send(queue, body, kind=4)
    answers = receiver.drain(queue)
    assert [(a.body, a.kind, a.sender) for a in answers] == [
        (body, 4, sender.task()) for body in bodies
    ]
    receiver.loan(queue, "l", 10_000)
    receiver.fill("l", NOISE)
    receiver.commit("l", length=9000)
    assert sender.take(queue, "r").body == NOISE[:9000]
    sender.nack("r")
    assert receiver.receive(queue).redeliveries == 1


def test_a_queue_in_a_segment_is_bounded_and_blocks(
    sender: Actor, receiver: Actor, queue: str
) -> None:
    receive = receiver.start("receive", queue).waits()
    sender.send(queue, b"wakes")
    assert receive.result().body == b"wakes"
    for i in range(4):
        sender.send(queue, b"%d" % i, wait="try")
    assert sender.refused("send", queue, body=b"x", wait="try").status == "full"
    assert sender.refused("send", queue, body=b"x", wait=0.01).status == "timeout"
    send = sender.start("send", queue, b"4").waits()
    assert receiver.receive(queue).body == b"0"
    send.result()
    assert [a.body for a in receiver.drain(queue)] == [b"1", b"2", b"3", b"4"]
    assert sender.refused("send", queue, body=b"x" * 10_001).status == "too_large"


def test_a_queue_leaves_the_rest_of_its_segment_alone(
    sender: Actor, receiver: Actor, queue: str
) -> None:
    sender.segment_write("s", 0, NOISE[:OFFSET])
    for _ in range(10):
        sender.send(queue, b"\xff" * 10_000)
        receiver.receive(queue)
    assert receiver.segment_read("s", 0, OFFSET) == NOISE[:OFFSET]


def test_two_queues_in_one_segment_are_two(sender: Actor, receiver: Actor, queue: str) -> None:
    size = int(sender.call("queue_size", **SMALL).size)
    sender.segment_create("two", 2 * size)
    receiver.segment_open("two")
    for handle, offset in (("a", 0), ("b", size)):
        receiver.call("queue_create", handle=handle, segment="two", offset=offset, **SMALL)
        sender.call("queue_open", handle=handle, segment="two", offset=offset)
    sender.send("a", b"a")
    sender.send("b", b"b")
    assert [a.body for a in receiver.drain("b")] == [b"b"]
    assert [a.body for a in receiver.drain("a")] == [b"a"]


def test_a_queue_that_was_shut_is_closed_for_all(
    stage: Stage, sender: Actor, receiver: Actor, queue: str
) -> None:
    receive = stage.aside(receiver).start("receive", queue).waits()
    sender.call("queue_shut", handle=queue)
    assert receive.outcome().status == "closed"
    for actor in (sender, receiver):
        assert actor.refused("send", queue, body=b"x").status == "closed"
        assert actor.refused("receive", queue, wait="try").status == "closed"


def test_a_queue_outlives_the_handle_and_the_name_of_its_segment(
    sender: Actor, receiver: Actor, queue: str
) -> None:
    receiver.call("segment_close", segment="s")
    sender.call("segment_delete", name="s")
    sender.send(queue, b"hello")
    assert receiver.receive(queue).body == b"hello"


def test_where_no_queue_is_none_is_found(sender: Actor, receiver: Actor) -> None:
    sender.segment_create("s", 1 << 20)
    words = {"handle": "q", "segment": "s"}
    assert sender.refused("queue_open", offset=0, **words).status == "not_found"
    assert sender.refused("queue_open", offset=1, **words).status == "invalid"
    assert sender.refused("queue_create", offset=100, **words).status == "invalid"
    assert sender.refused("queue_create", offset=1 << 30, **words).status == "too_large"
    sender.call("queue_create", offset=4096, **words, **SMALL)
    receiver.segment_open("s")
    answer = receiver.refused("queue_create", offset=4096, **words, **SMALL)
    assert answer.status == "already_exists"
    receiver.call("queue_open", offset=4096, **words)


@pytest.mark.processes
def test_a_queue_in_a_segment_survives_a_kill(
    sender: Actor, receiver: Actor, queue: str
) -> None:
    sender.send(queue, b"a")
    sender.send(queue, b"b")
    receiver.take(queue, "r")
    receiver.loan(queue, "l", 100)
    receiver.kill()
    assert {(a.body, a.redeliveries) for a in (sender.receive(queue), sender.receive(queue))} == {
        (b"a", 1),
        (b"b", 0),
    }
    stat = sender.stat(queue)
    assert (stat.users, stat.in_hand, stat.loaned, stat.deaths) == (1, 0, 0, 1)
