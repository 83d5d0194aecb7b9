"""A port is deleted, or goes with its owner: its users are told at once."""

import pytest

from harness.stage import Actor, Stage

# Each call that can find a port closed.
CALLS = [
    ("send", {"body": b"x"}),
    ("send", {"body": b"x", "kind": 1}),
    ("send_many", {"bodies": [b"x"]}),
    ("receive", {}),
    ("receive_into", {"room": 10}),
    ("receive_many", {"max": 2}),
    ("loan", {"loan": "l2", "size": 10}),
    ("take", {"receipt": "r2"}),
    ("take_many", {"receipt": "r2", "max": 2}),
]


def expect_closed(actor: Actor, port: str) -> None:
    for wait in ("try", "forever", 3600):
        for verb, words in CALLS:
            answer = actor.refused(verb, port, **words, wait=wait)
            assert answer.status == "closed", (verb, wait, answer)
    assert actor.facts(port).closed == 1


@pytest.mark.parametrize("deleter", ["sender", "receiver"])
def test_a_deleted_port_is_closed_for_all_its_users(
    sender: Actor, receiver: Actor, deleter: str
) -> None:
    sender.create("p")
    receiver.open("p")
    sender.send("p", b"gone")
    (sender if deleter == "sender" else receiver).delete("p")
    expect_closed(sender, "p")
    expect_closed(receiver, "p")
    assert sender.stat("p").closed == 1


BLOCKED = [
    ("receive", {}),
    ("receive_into", {"room": 10}),
    ("receive_many", {"max": 2}),
    ("take", {"receipt": "r"}),
    ("take_many", {"receipt": "r", "max": 2}),
]


@pytest.mark.parametrize("wait", ["forever", 3600])
def test_those_that_wait_for_a_message_are_told_at_once(
    stage: Stage, sender: Actor, receiver: Actor, wait: object
) -> None:
    sender.create("p")
    receiver.open("p")
    started = []
    for verb, words in BLOCKED:
        for actor in (sender, receiver):
            waiting = stage.aside(actor)
            started.append(waiting.start(verb, "p", **words, wait=wait).waits())
    sender.delete("p")
    assert {call.outcome().status for call in started} == {"closed"}


@pytest.mark.parametrize("wait", ["forever", 3600])
def test_those_that_wait_for_room_are_told_at_once(
    stage: Stage, sender: Actor, receiver: Actor, wait: object
) -> None:
    sender.create("p", capacity=1)
    receiver.open("p")
    sender.loan("p", "l", 1)
    sender.send("p", b"full")
    calls = [
        stage.aside(sender).start("send", "p", b"x", wait=wait).waits(),
        stage.aside(receiver).start("send", "p", b"x", kind=1, wait=wait).waits(),
        stage.aside(receiver)._start("send_many", [b"x"], {"handle": "p", "wait": wait}).waits(),
        stage.aside(sender).start("commit", loan="l", wait=wait).waits(),
    ]
    receiver.delete("p")
    assert {call.outcome().status for call in calls} == {"closed"}


def test_the_name_of_a_deleted_port_is_free_at_once(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p", handle="old")
    sender.send("p", b"old")
    receiver.delete("p")
    assert sender.refused("open", "p2", name="p").status == "not_found"
    receiver.create("p")
    sender.open("p", handle="new")
    sender.send("new", b"new")
    assert [a.body for a in receiver.drain("p")] == [b"new"]
    expect_closed(sender, "p")
    expect_closed(receiver, "old")
    # Closing what was deleted leaves the new one alone.
    receiver.close("old")
    sender.close("p")
    sender.send("new", b"still here")
    assert receiver.receive("p").body == b"still here"


def test_what_was_in_hand_when_a_port_was_deleted_can_be_read_and_let_go(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    receiver.open("p")
    for body in (b"one", b"two", b"three"):
        sender.send("p", body)
    for name in ("a", "b", "c"):
        receiver.take("p", name)
    sender.loan("p", "l", 10)
    sender.delete("p")
    assert receiver.look("a").body == b"one"
    receiver.ack("a")
    receiver.nack("b")
    receiver.call("drop_receipt", receipt="c")
    sender.fill("l", b"0123456789")
    assert sender.refused("commit", loan="l").status == "closed"
    sender.discard("l")


def test_deleting_twice_is_not_found(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.delete("p")
    assert sender.refused("delete", name="p").status == "not_found"
    assert receiver.refused("delete", name="p").status == "not_found"


# ---- owners


def test_a_port_owned_by_its_task_goes_when_its_maker_closes_it(
    stage: Stage, sender: Actor, receiver: Actor
) -> None:
    sender.create("p", owner="task")
    receiver.open("p")
    assert receiver.stat("p").owner == "task"
    assert receiver.stat("p").owner_task == sender.task()
    waiting = stage.aside(receiver)
    receive = waiting.start("receive", "p").waits()
    sender.close("p")
    assert receive.outcome().status == "closed"
    expect_closed(receiver, "p")
    assert receiver.refused("open", "p2", name="p").status == "not_found"


def test_a_port_owned_by_its_task_stays_when_another_user_closes_it(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p", owner="task")
    sender.open("p", handle="second")
    receiver.open("p")
    receiver.send("p", b"hello")
    receiver.close("p")
    sender.close("second")
    receiver.open("p")
    assert receiver.receive("p", wait="try").body == b"hello"


@pytest.mark.processes
def test_a_port_owned_by_its_task_goes_when_its_owner_is_killed(
    stage: Stage, sender: Actor, receiver: Actor
) -> None:
    sender.create("p", owner="task")
    receiver.open("p")
    sender.send("p", b"gone")
    assert receiver.receive("p").body == b"gone"
    receive = receiver.start("receive", "p").waits()
    sender.kill()
    # Nobody else does anything: the one who waits finds out by himself.
    assert receive.outcome().status == "closed"
    expect_closed(receiver, "p")
    assert receiver.refused("open", "p2", name="p").status in ("not_found", "closed")
    receiver.create("p")


@pytest.mark.processes
def test_a_port_owned_by_its_task_goes_when_its_owner_ends(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p", owner="task")
    receiver.open("p")
    receive = receiver.start("receive", "p").waits()
    sender.process.exit()
    assert receive.outcome().status == "closed"
    assert receiver.call("domain_list").items == []


@pytest.mark.processes
def test_the_name_is_free_after_its_owner_was_killed(sender: Actor, receiver: Actor) -> None:
    sender.create("p", owner="task")
    sender.kill()
    receiver.create("p")
    receiver.send("p", b"new")
    assert receiver.receive("p").body == b"new"


def test_a_port_owned_by_the_domain_stays_when_its_maker_closes_it(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    assert sender.stat("p").owner == "domain"
    assert sender.stat("p").owner_task == 0
    sender.close("p")
    receiver.open("p")
    receiver.send("p", b"hello")
    assert receiver.receive("p").body == b"hello"
