"""How much fits."""

import pytest

from harness.stage import Actor


@pytest.mark.parametrize("capacity", [1, 2, 3, 7, 64])
def test_a_port_holds_exactly_as_many_messages_as_it_was_made_for(
    sender: Actor, receiver: Actor, capacity: int
) -> None:
    sender.create("p", capacity=capacity)
    receiver.open("p")
    for round in range(3):
        for i in range(capacity):
            sender.send("p", b"%d %d" % (round, i), wait="try")
        answer = sender.refused("send", "p", body=b"one too many", wait="try")
        assert answer.status == "full"
        assert f"{capacity} of {capacity} messages queued" in answer.text
        # One out, one in.
        assert receiver.receive("p").body == b"%d 0" % round
        sender.send("p", b"in its place", wait="try")
        assert sender.refused("send", "p", body=b"one too many", wait="try").status == "full"
        assert len(receiver.drain("p")) == capacity


def test_messages_in_hand_do_not_count_as_queued(sender: Actor, receiver: Actor) -> None:
    sender.create("p", capacity=2)
    receiver.open("p")
    sender.send("p", b"a")
    sender.send("p", b"b")
    receiver.take("p", "r")
    sender.send("p", b"c", wait="try")
    assert sender.refused("send", "p", body=b"d", wait="try").status == "full"
    receiver.ack("r")
    assert sender.refused("send", "p", body=b"d", wait="try").status == "full"


def test_the_byte_budget_limits_large_messages_and_leaves_small_ones_alone(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p", capacity=100, max_message=64 << 10, byte_budget=256 << 10)
    receiver.open("p")
    body = b"x" * (64 << 10)
    for _ in range(4):
        sender.send("p", body, wait="try")
    answer = sender.refused("send", "p", body=body, wait="try")
    assert answer.status == "full"
    sender.send("p", b"small", wait="try")
    # Each one that is received makes room for another.
    for _ in range(8):
        assert receiver.receive("p").length in (len(body), 5)
        sender.send("p", body, wait="try") if receiver.facts("p").queued < 4 else None
    assert {answer.length for answer in receiver.drain("p")} == {len(body)}


def test_both_sides_know_the_limits_and_how_full_it_is(sender: Actor, receiver: Actor) -> None:
    sender.create("p", capacity=5, max_message=1000)
    receiver.open("p")
    for expected in range(4):
        for actor in (sender, receiver):
            facts = actor.facts("p")
            assert (facts.capacity, facts.max_message, facts.queued, facts.closed) == (
                5,
                1000,
                expected,
                0,
            )
        sender.send("p", b"")


def test_a_port_takes_no_more_users_than_it_was_made_for(sender: Actor, receiver: Actor) -> None:
    sender.create("p", max_users=2)
    receiver.open("p")
    answer = receiver.refused("open", "second", name="p")
    assert answer.status == "too_many"
    assert "2 users" in answer.text
    sender.send("p", b"still works")
    assert receiver.receive("p").body == b"still works"
    receiver.close("p")
    receiver.open("p")


def test_a_port_that_is_there_keeps_its_options(sender: Actor, receiver: Actor) -> None:
    sender.open_or_create("p", capacity=3)
    receiver.open_or_create("p", capacity=7, max_message=10, timestamps=True)
    facts = receiver.facts("p")
    assert (facts.capacity, facts.max_message) == (3, 16 << 20)
    sender.send("p", b"hello")
    assert "sent_ns" not in receiver.receive("p")
