"""What is sent arrives: in order, whole, and with what it says about itself."""

import random
import time

import pytest

from harness.stage import Actor

SIZES = [0, 1, 191, 192, 193, 1024, 64 << 10, 1 << 20]


def noise(size: int) -> bytes:
    """Bytes that look random, the same each time."""
    return random.Random(size).randbytes(size)


def test_messages_are_received_in_the_order_they_were_sent(sender: Actor, receiver: Actor) -> None:
    sender.create("p", capacity=100)
    receiver.open("p")
    bodies = [b"%d" % i * (1 + 50 * (i % 8)) for i in range(100)]
    for body in bodies:
        sender.send("p", body)
    assert [receiver.receive("p").body for _ in bodies] == bodies


def test_order_holds_over_many_rounds_of_the_ring(sender: Actor, receiver: Actor) -> None:
    sender.create("p", capacity=3)
    receiver.open("p")
    sent = received = 0
    for step in range(60):
        for _ in range(1 + step % 3):
            sender.send("p", b"%d" % sent, wait="try")
            sent += 1
        while received < sent:
            assert receiver.receive("p", wait="try").body == b"%d" % received
            received += 1


@pytest.mark.parametrize("size", SIZES)
def test_every_size_arrives_whole(sender: Actor, receiver: Actor, size: int) -> None:
    sender.create("p")
    receiver.open("p")
    sender.send("p", noise(size))
    answer = receiver.receive("p")
    assert answer.length == size
    assert answer.body == noise(size)


@pytest.mark.cast(("rust", "c"), ("c", "cpp"), ("cpp", "python"), ("python", "rust"))
def test_the_largest_message_of_a_default_port_is_16_mib(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    body = noise(16 << 20)
    sender.send("p", body)
    assert receiver.receive("p").body == body
    assert sender.refused("send", "p", body=body + b"!").status == "too_large"


def test_any_bytes_may_be_in_a_message(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    bodies = [
        bytes(range(256)) * 3,
        b"\0",
        b"\0" * 300,
        b"text\0with\0zeros",
        b"\xff\xfe not UTF-8 \x80",
        b"two\r\nlines\n",
    ]
    for body in bodies:
        sender.send("p", body)
    assert [receiver.receive("p").body for _ in bodies] == bodies


@pytest.mark.parametrize("kind", [0, 1, 1 << 31, (1 << 32) - 1])
def test_both_sides_see_the_same_header(sender: Actor, receiver: Actor, kind: int) -> None:
    sender.create("p")
    receiver.open("p")
    id = sender.send("p", b"hello", kind=kind).id
    answer = receiver.receive("p")
    assert answer.kind == kind
    assert answer.id == id
    assert answer.sender == sender.task()
    assert answer.length == 5
    assert (answer.redeliveries, answer.redelivered) == (0, 0)
    assert "sent_ns" not in answer


def test_no_two_messages_have_the_same_id(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    sender.create("q")
    receiver.open("p")
    receiver.open("q")
    ids = set()
    for actor in (sender, receiver):
        for port in ("p", "q"):
            for _ in range(20):
                ids.add(actor.send(port, b"", kind=1).id)
    assert len(ids) == 80
    received = {answer.id for port in ("p", "q") for answer in receiver.drain(port)}
    assert received == ids


def test_a_message_carries_its_time_where_the_port_asks_for_it(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p", timestamps=True)
    receiver.open("p")
    before = time.monotonic_ns()
    sender.send("p", b"first")
    between = time.monotonic_ns()
    sender.loan("p", "l", 6)
    sender.write("l", b"second")
    sender.commit("l")
    after = time.monotonic_ns()
    first = receiver.receive("p")
    second = receiver.take("p", "r")
    assert before <= int(first.sent_ns) <= between <= int(second.sent_ns) <= after
    receiver.ack("r")


def test_the_simplest_calls_do_the_same(sender: Actor, receiver: Actor) -> None:
    sender.create("p", capacity=1)
    receiver.open("p")
    sender.send("p", b"waiting for ever")
    assert receiver.receive("p", header=0).body == b"waiting for ever"
    sender.send("p", b"waiting a while", wait=30)
    assert receiver.receive("p", header=0, wait=30).body == b"waiting a while"
    sender.send("p", b"not waiting", wait="try")
    assert receiver.receive("p", header=0, wait="try").body == b"not waiting"


def test_the_calls_that_never_wait(sender: Actor, receiver: Actor) -> None:
    sender.create("p", capacity=1)
    receiver.open("p")
    assert receiver.refused("try_receive", "p").status == "empty"
    assert receiver.refused("try_take", "p", receipt="r").status == "empty"
    sender.try_send("p", b"one")
    assert sender.refused("try_send", "p", body=b"two").status == "full"
    assert receiver.try_receive("p").body == b"one"
    sender.try_send("p", b"two")
    assert receiver.call("try_take", handle="p", receipt="r").body == b"two"
    receiver.ack("r")
    assert receiver.refused("try_receive", "p").status == "empty"


@pytest.mark.parametrize("size", [0, 1, 192, 193, 5000])
def test_a_buffer_of_just_the_size_is_enough(sender: Actor, receiver: Actor, size: int) -> None:
    sender.create("p")
    receiver.open("p")
    id = sender.send("p", noise(size), kind=3).id
    answer = receiver.receive_into("p", size)
    assert (answer.body, answer.kind, answer.id) == (noise(size), 3, id)


def test_messages_do_not_cross_between_ports(sender: Actor, receiver: Actor) -> None:
    for port in ("p", "q", "P", "p.port"):
        sender.create(port)
        receiver.open(port)
    for port in ("p", "q", "P", "p.port"):
        sender.send(port, port.encode())
    for port in ("p.port", "P", "q", "p"):
        assert [answer.body for answer in receiver.drain(port)] == [port.encode()]
