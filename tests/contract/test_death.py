"""A process is killed, or just ends: nothing is lost, nobody hangs, the memory comes back."""

import time
from typing import Callable

import pytest

from harness.driver import PATIENCE
from harness.stage import Actor, Stage
from harness.wire import Answer

pytestmark = pytest.mark.processes


def until(attempt: Callable[[], Answer], status: str) -> Answer:
    """Polls, as a program does that never sleeps."""
    end = time.monotonic() + PATIENCE
    while True:
        answer = attempt()
        if answer.status == status:
            return answer
        assert time.monotonic() < end, f"after {PATIENCE} s of trying: {answer}"


@pytest.fixture
def other(stage: Stage, cast) -> Actor:
    """Somebody who stays, in the language of the one who does not."""
    return stage.actor(cast.sender, "other")


@pytest.mark.parametrize("noticed", [False, True])
def test_a_message_is_delivered_though_its_sender_was_killed(
    sender: Actor, receiver: Actor, noticed: bool
) -> None:
    receiver.create("p")
    sender.open("p")
    task = sender.task()
    bodies = [b"", b"small", b"x" * 100_000]
    ids = [sender.send("p", body, kind=2).id for body in bodies]
    sender.kill()
    if noticed:
        assert receiver.stat("p").deaths == 1
    answers = receiver.drain("p")
    assert [(a.body, a.id, a.sender, a.redeliveries) for a in answers] == [
        (body, id, task, 0) for body, id in zip(bodies, ids)
    ]


@pytest.mark.parametrize("clean", [False, True])
def test_messages_outlive_a_sender_that_ends(sender: Actor, receiver: Actor, clean: bool) -> None:
    sender.create("p")
    sender.send("p", b"first")
    sender.loan("p", "l", 6)
    sender.fill("l", b"second")
    sender.commit("l")
    if clean:
        sender.close("p")
    sender.process.exit()
    receiver.open("p")
    assert [a.body for a in receiver.drain("p")] == [b"first", b"second"]
    assert receiver.stat("p").users == 1


def test_what_a_killed_receiver_had_in_hand_comes_again_flagged(
    stage: Stage, sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    receiver.open("p")
    bodies = [b"small", b"x" * 5000, b"", b"never taken"]
    ids = [sender.send("p", body, kind=1).id for body in bodies]
    for name in ("a", "b", "c"):
        receiver.take("p", name)
    receiver.kill()
    answers = [sender.receive("p") for _ in bodies]
    assert {(a.id, a.body, a.redeliveries, a.redelivered) for a in answers} == {
        (ids[0], bodies[0], 1, 1),
        (ids[1], bodies[1], 1, 1),
        (ids[2], bodies[2], 1, 1),
        (ids[3], bodies[3], 0, 0),
    }
    assert sender.drain("p") == []
    stat = sender.stat("p")
    assert (stat.deaths, stat.redelivered, stat.users) == (1, 3, 1)


def test_a_death_is_noticed_by_one_who_asks_for_figures(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    sender.send("p", b"first")
    sender.send("p", b"second")
    receiver.take("p", "r")
    receiver.kill()
    stat = sender.stat("p")
    assert (stat.in_hand, stat.given_back, stat.queued, stat.deaths) == (0, 1, 1, 1)
    # What comes again comes before what waits.
    assert [(a.body, a.redeliveries) for a in sender.drain("p")] == [(b"first", 1), (b"second", 0)]


def test_a_death_is_noticed_by_one_who_opens_the_port(
    sender: Actor, receiver: Actor, other: Actor
) -> None:
    sender.create("p")
    receiver.open("p")
    sender.send("p", b"hello")
    receiver.take("p", "r")
    receiver.kill()
    other.open("p")
    answer = other.receive("p")
    assert (answer.body, answer.redeliveries) == (b"hello", 1)


def test_a_death_is_noticed_by_one_who_only_ever_tries(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    sender.send("p", b"hello")
    receiver.take("p", "r")
    receiver.kill()
    answer = until(lambda: sender.start("receive", "p", wait="try").outcome(), "ok")
    assert (answer.body, answer.redeliveries) == (b"hello", 1)


def test_a_death_makes_room_for_one_who_only_ever_tries(sender: Actor, receiver: Actor) -> None:
    sender.create("p", capacity=4, max_message=64 << 10, byte_budget=64 << 10)
    receiver.open("p")
    receiver.loan("p", "l", 60_000)
    receiver.kill()
    until(lambda: sender.start("send", "p", b"x" * 60_000, wait="try").outcome(), "ok")


def test_one_who_waits_gets_what_a_killed_receiver_had_in_hand(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    receiver.open("p")
    sender.send("p", b"hello")
    receiver.take("p", "r")
    receive = sender.start("receive", "p").waits()
    receiver.kill()
    answer = receive.result()
    assert (answer.body, answer.redeliveries) == (b"hello", 1)


def test_what_was_acknowledged_before_a_kill_does_not_come_again(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    receiver.open("p")
    for body in (b"taken", b"received", b"x" * 5000, b"left"):
        sender.send("p", body)
    receiver.take("p", "r")
    receiver.ack("r")
    receiver.receive("p")
    receiver.receive_many("p", 1)
    receiver.kill()
    answers = sender.drain("p")
    assert [(a.body, a.redeliveries) for a in answers] == [(b"left", 0)]


def test_deaths_in_a_row_are_counted_in_the_message(
    stage: Stage, sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    sender.send("p", b"dangerous")
    victim = receiver
    for count in range(3):
        victim.open("p")
        assert victim.take("p", "r").redeliveries == count
        victim.kill()
        victim = stage.actor(receiver.language)
    assert sender.receive("p").redeliveries == 3
    assert sender.stat("p").deaths == 3


def test_the_loans_of_a_killed_sender_come_back(sender: Actor, receiver: Actor) -> None:
    receiver.create("p", capacity=4, max_message=64 << 10, byte_budget=256 << 10)
    sender.open("p")
    for i, size in enumerate((10, 1000, 60_000, 60_000, 60_000)):
        sender.loan("p", f"l{i}", size)
    before = receiver.stat("p")
    assert before.loaned == 5
    sender.kill()
    after = receiver.stat("p")
    assert (after.loaned, after.queued, after.users, after.deaths) == (0, 0, 1, 1)
    # All buffers can be had again.
    for i in range(3):
        receiver.loan("p", f"l{i}", 60_000, wait="try")


def test_a_sender_without_room_goes_on_after_the_one_who_had_it_was_killed(
    sender: Actor, receiver: Actor
) -> None:
    receiver.create("p", capacity=4, max_message=64 << 10, byte_budget=64 << 10)
    sender.open("p")
    sender.loan("p", "l", 60_000)
    send = receiver.start("send", "p", b"x" * 60_000).waits()
    sender.kill()
    send.result()
    assert receiver.receive("p").length == 60_000


def test_a_kill_of_one_who_waits_disturbs_nobody(
    stage: Stage, sender: Actor, receiver: Actor, other: Actor
) -> None:
    sender.create("p", capacity=1)
    receiver.open("p")
    other.open("p")
    receive = other.start("receive", "p").waits()
    receiver.start("receive", "p").waits()
    receiver.kill()
    sender.send("p", b"for the other")
    assert receive.result().body == b"for the other"
    sender.send("p", b"full")
    send = other.start("send", "p", b"next").waits()
    victim = stage.actor(receiver.language)
    victim.open("p")
    victim.start("send", "p", b"never").waits()
    victim.kill()
    assert sender.receive("p").body == b"full"
    send.result()
    assert [a.body for a in sender.drain("p")] == [b"next"]


def test_a_killed_user_leaves_the_list_of_users(
    sender: Actor, receiver: Actor, other: Actor
) -> None:
    sender.create("p")
    receiver.open("p")
    other.open("p")
    tasks = {actor: str(actor.task()) for actor in (sender, receiver, other)}
    assert sorted(str(sender.stat("p").tasks).split(",")) == sorted(tasks.values())
    receiver.kill()
    stat = sender.stat("p")
    assert sorted(str(stat.tasks).split(",")) == sorted([tasks[sender], tasks[other]])
    assert (stat.users, stat.deaths) == (2, 1)
    assert other.call("domain_stat").tasks == 2


def test_the_places_of_killed_users_can_be_taken(stage: Stage, sender: Actor, receiver: Actor) -> None:
    sender.create("p", max_users=2)
    receiver.open("p")
    receiver.kill()
    victim = stage.actor(receiver.language)
    victim.open("p")
    sender.send("p", b"hello")
    assert victim.receive("p").body == b"hello"


def test_a_port_is_usable_by_others_after_its_maker_was_killed(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    sender.send("p", b"hello")
    sender.kill()
    receiver.open("p")
    assert receiver.receive("p").body == b"hello"
    receiver.send("p", b"again")
    assert receiver.receive("p").body == b"again"
    receiver.delete("p")


def test_no_two_tasks_have_the_same_id_though_one_is_dead(
    stage: Stage, sender: Actor, receiver: Actor
) -> None:
    seen = {sender.task(), receiver.task()}
    for _ in range(3):
        victim = stage.actor(receiver.language)
        seen.add(victim.task())
        victim.kill()
    assert len(seen) == 5
    tasks = sender.call("domain_tasks").items
    assert {t.id for t in tasks if t.alive} == {sender.task(), receiver.task()}


def test_everything_a_process_had_comes_back_when_it_is_killed_in_the_middle(
    stage: Stage, sender: Actor, receiver: Actor
) -> None:
    receiver.create("p", capacity=8)
    sender.open("p")
    for i in range(8):
        sender.send("p", b"%d" % i)
    for i in range(3):
        sender.take("p", f"r{i}")
    sender.loan("p", "l", 100)
    sender.start("receive_into", "p", room=0)
    sender.kill()
    answers = [receiver.receive("p") for _ in range(8)]
    assert sorted(a.body for a in answers) == [b"%d" % i for i in range(8)]
    assert sorted(a.redeliveries for a in answers) == [0] * 5 + [1] * 3
    stat = receiver.stat("p")
    assert (stat.queued, stat.in_hand, stat.loaned, stat.given_back) == (0, 0, 0, 0)
    for i in range(8):
        receiver.send("p", b"%d" % i, wait="try")
    assert receiver.refused("send", "p", body=b"x", wait="try").status == "full"
