"""Full and empty: at once, after a while, or until it goes on."""

import pytest

from harness.stage import Actor, Stage

BLOCKING_RECEIVES = [
    ("receive", {}),
    ("receive", {"header": 0}),
    ("receive_into", {"room": 100}),
    ("receive_many", {"max": 4}),
    ("take", {"receipt": "r"}),
    ("take_many", {"receipt": "r", "max": 4}),
]


def fill_up(sender: Actor, port: str, capacity: int) -> None:
    for i in range(capacity):
        sender.send(port, b"%d" % i, wait="try")


def test_a_full_port_says_so_at_once_or_after_the_time_given(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p", capacity=2)
    receiver.open("p")
    fill_up(sender, "p", 2)
    for actor in (sender, receiver):
        assert actor.refused("send", "p", body=b"x", wait="try").status == "full"
        assert actor.refused("send", "p", body=b"x", wait=0.02).status == "timeout"
    # And nothing was sent.
    assert [answer.body for answer in receiver.drain("p")] == [b"0", b"1"]


def test_an_empty_port_says_so_at_once_or_after_the_time_given(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    receiver.open("p")
    for actor in (sender, receiver):
        for verb, words in BLOCKING_RECEIVES:
            assert actor.refused(verb, "p", **words, wait="try").status == "empty", verb
            assert actor.refused(verb, "p", **words, wait=0.02).status == "timeout", verb
    sender.send("p", b"later")
    assert receiver.receive("p", wait="try").body == b"later"


@pytest.mark.parametrize("wait", ["forever", 3600])
def test_a_blocked_sender_goes_on_when_there_is_room(
    sender: Actor, receiver: Actor, wait: object
) -> None:
    sender.create("p", capacity=2)
    receiver.open("p")
    fill_up(sender, "p", 2)
    send = sender.start("send", "p", b"last", wait=wait).waits()
    assert receiver.receive("p").body == b"0"
    send.result()
    assert [receiver.receive("p").body for _ in range(2)] == [b"1", b"last"]


@pytest.mark.parametrize("wait", ["forever", 3600])
@pytest.mark.parametrize("verb, words", BLOCKING_RECEIVES, ids=lambda x: x if x is str else None)
def test_a_blocked_receiver_goes_on_when_there_is_a_message(
    sender: Actor, receiver: Actor, verb: str, words: dict, wait: object
) -> None:
    sender.create("p")
    receiver.open("p")
    receive = receiver.start(verb, "p", **words, wait=wait).waits()
    sender.send("p", b"hello")
    answer = receive.result()
    assert (answer[0] if len(answer) else answer).body == b"hello"


def test_a_loan_that_is_committed_wakes_a_blocked_receiver(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    sender.loan("p", "l", 5)
    sender.fill("l", b"hello")
    receive = receiver.start("receive", "p").waits()
    sender.commit("l")
    assert receive.result().body == b"hello"


def test_a_batch_wakes_all_blocked_receivers(stage: Stage, sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    others = [receiver, stage.aside(receiver), stage.aside(receiver)]
    receives = [other.start("receive", "p").waits() for other in others]
    sender.send_many("p", [b"one", b"two", b"three"])
    assert sorted(r.result().body for r in receives) == [b"one", b"three", b"two"]


def test_each_message_wakes_a_receiver_of_its_own(
    stage: Stage, sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    receiver.open("p")
    others = [receiver, stage.aside(receiver), stage.aside(sender)]
    receives = [other.start("receive", "p").waits() for other in others]
    for body in (b"one", b"two", b"three"):
        sender.send("p", body)
    assert sorted(r.result().body for r in receives) == [b"one", b"three", b"two"]


def test_each_place_that_becomes_free_lets_a_sender_go_on(
    stage: Stage, sender: Actor, receiver: Actor
) -> None:
    sender.create("p", capacity=1)
    receiver.open("p")
    sender.send("p", b"first")
    others = [sender, stage.aside(sender), stage.aside(receiver)]
    sends = [o.start("send", "p", b"%d" % i).waits() for i, o in enumerate(others)]
    bodies = [receiver.receive("p").body for _ in range(4)]
    for send in sends:
        send.result()
    assert bodies[0] == b"first"
    assert sorted(bodies[1:]) == [b"0", b"1", b"2"]


def test_a_blocked_batch_goes_on_as_room_is_made(sender: Actor, receiver: Actor) -> None:
    sender.create("p", capacity=2)
    receiver.open("p")
    bodies = [b"%d" % i for i in range(7)]
    send = sender._start("send_many", bodies, {"handle": "p"}).waits()
    assert [receiver.receive("p").body for _ in bodies] == bodies
    assert send.result().sent == 7


def test_a_batch_that_runs_out_of_time_says_how_many_were_sent(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p", capacity=3)
    receiver.open("p")
    bodies = [b"%d" % i for i in range(5)]
    assert sender.send_many("p", bodies, wait=0.02).sent == 3
    assert sender.refused("send_many", "p", bodies=bodies[3:], wait=0.02).status == "timeout"
    assert sender.refused("send_many", "p", bodies=bodies[3:], wait="try").status == "full"
    assert [answer.body for answer in receiver.drain("p")] == bodies[:3]


def test_a_message_given_back_wakes_a_blocked_receiver(
    stage: Stage, sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    receiver.open("p")
    sender.send("p", b"hello")
    receiver.take("p", "r")
    receive = stage.aside(sender).start("receive", "p").waits()
    receiver.nack("r")
    answer = receive.result()
    assert (answer.body, answer.redeliveries) == (b"hello", 1)


def test_a_blocked_loan_goes_on_when_a_buffer_comes_back(sender: Actor, receiver: Actor) -> None:
    # One buffer of 64 KiB is all that this port has.
    sender.create("p", capacity=4, max_message=64 << 10, byte_budget=64 << 10)
    receiver.open("p")
    sender.loan("p", "first", 60_000)
    assert receiver.refused("loan", "p", loan="l", size=60_000, wait="try").status == "full"
    assert receiver.refused("loan", "p", loan="l", size=60_000, wait=0.02).status == "timeout"
    loan = receiver.start("loan", "p", loan="l", size=60_000).waits()
    sender.discard("first")
    loan.result()
    receiver.fill("l", b"in place")
    receiver.commit("l", length=8)
    assert sender.receive("p").body == b"in place"


def test_an_acknowledgement_makes_room_for_a_sender_without_buffers(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p", capacity=4, max_message=64 << 10, byte_budget=64 << 10)
    receiver.open("p")
    sender.send("p", b"a" * 60_000)
    receiver.take("p", "r")
    send = sender.start("send", "p", b"b" * 60_000).waits()
    receiver.ack("r")
    send.result()
    assert receiver.receive("p").body == b"b" * 60_000
