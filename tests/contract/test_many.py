"""Many senders, many receivers: each message exactly once."""

from typing import List

import pytest

from harness.audit import Audit
from harness.stage import Actor, Stage, Started

from conftest import CHOSEN

COUNT = 1500


class Storm:
    """Senders that send COUNT messages each, receivers that receive until there are no more."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.sending: List[Started] = []
        self.receiving: List[Started] = []
        self.sent: List[str] = []
        self.received: List[str] = []

    def send(self, actor: Actor, handle: str) -> None:
        number = len(self.sent) + 1
        self.sent.append(self.stage.file(f"sent{number}"))
        self.sending.append(
            actor.start("storm_send", handle, log=self.sent[-1], sender=number, seed=number,
                        count=COUNT, max_size=19_999)
        )

    def receive(self, actor: Actor, handle: str, way: str) -> None:
        number = len(self.received) + 1
        self.received.append(self.stage.file(f"received{number}"))
        self.receiving.append(
            actor.start("storm_receive", handle, log=self.received[-1], seed=number, way=way)
        )

    def end(self) -> Audit:
        for sending in self.sending:
            assert sending.result().sent == COUNT
        for process in {receiving.actor.process for receiving in self.receiving}:
            process.call("-", "stop").result()
        received = [receiving.result() for receiving in self.receiving]
        assert sum(int(answer.bad) for answer in received) == 0
        audit = Audit(self.sent, self.received)
        audit.check()
        assert len(audit.sent) == COUNT * len(self.sent)
        assert audit.unreported == []
        return audit


def expect_clean(actor: Actor, port: str) -> None:
    """Nothing is left in the port, and all of it can be used."""
    stat = actor.stat(port)
    assert (stat.queued, stat.in_hand, stat.loaned, stat.given_back) == (0, 0, 0, 0)
    for i in range(int(stat.capacity)):
        actor.send(port, b"%d" % i, wait="try")
    assert actor.refused("send", port, body=b"", wait="try").status == "full"


@pytest.mark.parametrize("way", ["copy", "take"])
def test_one_to_one(stage: Stage, sender: Actor, receiver: Actor, way: str) -> None:
    sender.create("p", capacity=32)
    receiver.open("p")
    storm = Storm(stage)
    storm.receive(receiver, "p", way)
    storm.send(sender, "p")
    audit = storm.end()
    if way == "copy":
        assert (audit.disordered, audit.redelivered) == ([], 0)
        assert sum(map(len, audit.receivers.values())) == COUNT
    expect_clean(sender, "p")


@pytest.mark.parametrize("way", ["copy", "take"])
def test_all_languages_with_all_others(stage: Stage, way: str) -> None:
    maker = stage.actor(CHOSEN[0], "maker")
    maker.create("p", capacity=32)
    storm = Storm(stage)
    for language in CHOSEN:
        receiver = stage.actor(language, "receiver")
        receiver.open("p")
        storm.receive(receiver, "p", way)
    for language in CHOSEN:
        sender = stage.actor(language, "sender")
        sender.open("p")
        storm.send(sender, "p")
    audit = storm.end()
    if way == "copy":
        assert (audit.disordered, audit.redelivered) == ([], 0)
    expect_clean(maker, "p")


@pytest.mark.parametrize("shared", [False, True], ids=["own handles", "one handle"])
@pytest.mark.parametrize("way", ["copy", "take"])
def test_threads_of_one_process(stage: Stage, actor: Actor, shared: bool, way: str) -> None:
    actor.create("p", capacity=32)
    storm = Storm(stage)
    for i in range(6):
        thread = stage.aside(actor)
        handle = "p" if shared else f"p{i}"
        if not shared:
            actor.open("p", handle=handle)
        storm.receive(thread, handle, way) if i < 3 else storm.send(thread, handle)
    audit = storm.end()
    if way == "copy":
        assert (audit.disordered, audit.redelivered) == ([], 0)
    expect_clean(actor, "p")


def test_a_queue_in_a_segment(stage: Stage, sender: Actor, receiver: Actor) -> None:
    options = {"capacity": 16, "max_message": 20_000, "byte_budget": 100_000, "max_users": 8}
    size = int(sender.call("queue_size", **options).size)
    sender.segment_create("s", size)
    receiver.segment_open("s")
    sender.call("queue_create", handle="q", segment="s", offset=0, **options)
    receiver.call("queue_open", handle="q", segment="s", offset=0)
    storm = Storm(stage)
    storm.receive(receiver, "q", "take")
    storm.send(sender, "q")
    storm.end()
    expect_clean(sender, "q")


def test_both_ways_at_once(stage: Stage, sender: Actor, receiver: Actor) -> None:
    """Two ports between two actors, each of whom sends and receives at the same time."""
    sender.create("there", capacity=16)
    sender.create("back", capacity=16)
    receiver.open("there")
    receiver.open("back")
    storm = Storm(stage)
    storm.receive(receiver, "there", "take")
    storm.receive(stage.aside(sender), "back", "copy")
    storm.send(sender, "there")
    storm.send(stage.aside(receiver), "back")
    storm.end()
    expect_clean(sender, "there")
    expect_clean(receiver, "back")
