"""Loans and receipts: messages that are in somebody's hands."""

import pytest

from harness.stage import Actor

SIZES = [0, 1, 192, 193, 100_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", ["fill", "write"])
def test_a_message_written_and_read_in_place(
    sender: Actor, receiver: Actor, size: int, way: str
) -> None:
    sender.create("p")
    receiver.open("p")
    body = bytes(i * 7 & 255 for i in range(size))
    assert sender.loan("p", "l", size).capacity == size
    for half in (slice(0, size // 2), slice(size // 2, size)):
        getattr(sender, way)("l", body[half], offset=half.start)
    assert receiver.facts("p").queued == 0
    id = sender.commit("l", kind=9).id
    answer = receiver.take("p", "r")
    assert (answer.body, answer.kind, answer.id) == (body, 9, id)
    assert answer.sender == sender.task()
    assert receiver.look("r").body == body
    third = size // 3
    assert receiver.call("copy", receipt="r", offset=third, length=size - third).body == body[third:]
    receiver.ack("r")
    assert receiver.drain("p") == []


def test_only_the_part_that_was_committed_is_sent(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    sender.loan("p", "l", 1000)
    sender.fill("l", b"short" + b"-" * 995)
    sender.commit("l", length=5)
    assert receiver.receive("p").body == b"short"


@pytest.mark.parametrize("verb", ["discard", "drop_loan"])
def test_a_loan_given_up_is_never_seen(sender: Actor, receiver: Actor, verb: str) -> None:
    sender.create("p")
    receiver.open("p")
    sender.loan("p", "l", 100)
    sender.fill("l", b"never")
    assert receiver.stat("p").loaned == 1
    sender.call(verb, loan="l")
    stat = receiver.stat("p")
    assert (stat.loaned, stat.queued, stat.sent) == (0, 0, 0)
    assert receiver.drain("p") == []


def test_a_loan_that_cannot_be_committed_is_still_there(sender: Actor, receiver: Actor) -> None:
    sender.create("p", capacity=1)
    receiver.open("p")
    sender.loan("p", "l", 4)
    sender.fill("l", b"mine")
    sender.send("p", b"full")
    assert sender.refused("commit", loan="l", wait="try").status == "full"
    assert sender.refused("commit", loan="l", wait=0.02).status == "timeout"
    assert receiver.receive("p").body == b"full"
    sender.commit("l", wait="try")
    assert receiver.receive("p").body == b"mine"


def test_a_blocked_commit_goes_on_when_there_is_room(sender: Actor, receiver: Actor) -> None:
    sender.create("p", capacity=1)
    receiver.open("p")
    sender.send("p", b"full")
    sender.loan("p", "l", 4)
    sender.fill("l", b"mine")
    commit = sender.start("commit", loan="l").waits()
    receiver.receive("p")
    commit.result()
    assert receiver.receive("p").body == b"mine"


def test_loans_are_sent_in_the_order_of_their_commits(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    for name in ("a", "b", "c"):
        sender.loan("p", name, 1)
        sender.fill(name, name.encode())
    sender.send("p", b"between")
    for name in ("c", "a", "b"):
        sender.commit(name)
    assert [a.body for a in receiver.drain("p")] == [b"between", b"c", b"a", b"b"]


def test_a_message_in_hand_is_nobody_elses(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    sender.send("p", b"one")
    receiver.take("p", "r")
    assert sender.refused("receive", "p", wait="try").status == "empty"
    assert sender.stat("p").in_hand == 1
    receiver.ack("r")
    assert sender.stat("p").in_hand == 0
    assert sender.refused("receive", "p", wait="try").status == "empty"


@pytest.mark.parametrize("verb", ["nack", "drop_receipt"])
@pytest.mark.parametrize("size", [3, 5000])
def test_a_message_given_back_comes_again_flagged_and_counted(
    sender: Actor, receiver: Actor, verb: str, size: int
) -> None:
    sender.create("p")
    receiver.open("p")
    id = sender.send("p", b"x" * size, kind=5).id
    for count in range(4):
        # Whoever it is that gets it next.
        actor = receiver if count % 2 == 0 else sender
        answer = actor.take("p", "r", wait="try")
        assert (answer.redeliveries, answer.redelivered) == (count, int(count > 0))
        assert (answer.id, answer.kind, answer.body) == (id, 5, b"x" * size)
        assert answer.sender == sender.task()
        actor.call(verb, receipt="r")
    stat = sender.stat("p")
    assert (stat.sent, stat.received, stat.given_back) == (1, 1, 1)
    final = sender.receive("p", wait="try")
    assert (final.redeliveries, final.body) == (4, b"x" * size)
    assert sender.stat("p").redelivered == 4


def test_a_message_given_back_comes_before_those_that_wait(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    receiver.open("p")
    for body in (b"a", b"b", b"c"):
        sender.send("p", body)
    receiver.take("p", "r")
    receiver.nack("r")
    assert [(a.body, a.redeliveries) for a in sender.drain("p")] == [
        (b"a", 1),
        (b"b", 0),
        (b"c", 0),
    ]


def test_several_messages_in_hand_are_ended_in_any_order(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    for body in (b"a", b"b", b"c"):
        sender.send("p", body)
    for name in ("a", "b", "c"):
        assert receiver.take("p", name).body == name.encode()
    receiver.ack("b")
    receiver.nack("c")
    assert receiver.look("a").body == b"a"
    assert [a.body for a in sender.drain("p")] == [b"c"]
    receiver.ack("a")
    stat = sender.stat("p")
    assert (stat.in_hand, stat.given_back, stat.queued) == (0, 0, 0)


def test_loans_and_receipts_outlive_the_handle_they_came_from(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    receiver.open("p")
    receiver.open("p", handle="second")
    sender.send("p", b"taken")
    receiver.take("p", "r")
    receiver.close("p")
    assert receiver.look("r").body == b"taken"
    receiver.ack("r")
    sender.loan("p", "l", 6)
    sender.close("p")
    sender.fill("l", b"loaned")
    sender.commit("l")
    assert receiver.receive("second").body == b"loaned"
    assert receiver.stat("second").in_hand == 0


def test_messages_stay_when_all_handles_are_closed(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    bodies = [b"", b"small", b"x" * 10_000]
    for body in bodies:
        sender.send("p", body)
    sender.close("p")
    receiver.open("p")
    assert [answer.body for answer in receiver.drain("p")] == bodies
