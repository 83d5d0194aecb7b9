"""The memory behind the domain runs out: an error with the figures, never a crash, nothing lost."""

import os
from contextlib import contextmanager
from typing import Iterator

import pytest

from harness.stage import Actor, Stage

from conftest import CHOSEN
from test_errors import same_everywhere

SIZE = 4 << 20


def free(stage: Stage) -> int:
    space = os.statvfs(os.path.dirname(stage.place))
    return space.f_bavail * space.f_frsize


@contextmanager
def filled(stage: Stage, leave: int = 0) -> Iterator[None]:
    """Somebody else uses up the tmpfs, all but so many bytes."""
    path = os.path.join(os.path.dirname(stage.place), "ballast")
    fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        os.posix_fallocate(fd, 0, free(stage) - leave)
        yield
    finally:
        os.close(fd)
        os.unlink(path)


PAIRS = [(a, b) for a in CHOSEN for b in CHOSEN]


@pytest.fixture(params=PAIRS, ids="-to-".join)
def small_pair(small_stage: Stage, request: pytest.FixtureRequest) -> tuple:
    return tuple(small_stage.actor(language) for language in request.param)


@pytest.mark.parametrize(
    "verb, words",
    [
        ("create", {"name": "p", "handle": "p", "capacity": 1 << 20}),
        ("open_or_create", {"name": "p", "handle": "p", "capacity": 1 << 20}),
        ("segment_create", {"name": "s", "segment": "s", "size": 5 << 20}),
        ("segment_open_or_create", {"name": "s", "segment": "s", "size": 5 << 20}),
    ],
    ids=lambda x: x if isinstance(x, str) else None,
)
def test_what_does_not_fit_is_not_made(small_stage: Stage, verb: str, words: dict) -> None:
    keeper = small_stage.actor(CHOSEN[0])
    before = free(small_stage)
    answer = same_everywhere(small_stage, lambda actor: actor.refused(verb, **words))
    assert answer.status == "no_space"
    # How much is needed, how much there is, where, and what to do.
    assert f"{answer.needed} bytes needed" in answer.text
    assert f"{before} available" in answer.text
    assert os.path.dirname(small_stage.place) in answer.text
    assert "enlarge the tmpfs" in answer.text
    assert int(answer.needed) > SIZE
    assert keeper.call("domain_list").items == []
    assert free(small_stage) == before
    keeper.create("small", capacity=10)


def test_a_segment_that_cannot_grow_stays_as_it_is(small_stage: Stage) -> None:
    keeper = small_stage.actor(CHOSEN[0])
    keeper.segment_create("s", 10_000)
    keeper.segment_write("s", 0, b"x" * 10_000)

    def grow(actor: Actor):  # type: ignore[no-untyped-def]
        actor.segment_open("s")
        return actor.refused("segment_grow", segment="s", size=100 << 20)

    assert same_everywhere(small_stage, grow).status == "no_space"
    assert keeper.call("segment_stat", segment="s").size == 10_000
    assert keeper.segment_look("s", 0, 10_000) == b"x" * 10_000
    keeper.call("segment_grow", segment="s", size=20_000)


def test_a_send_without_memory_is_refused_and_all_else_goes_on(
    small_stage: Stage, small_pair: tuple
) -> None:
    sender, receiver = small_pair
    sender.create("p", capacity=20)
    receiver.open("p")
    sender.send("p", b"before")
    with filled(small_stage):
        for verb, words in [
            ("send", {"handle": "p", "body": b"x" * 10_000}),
            ("send", {"handle": "p", "body": b"x" * 10_000, "wait": "try"}),
            ("send_many", {"handle": "p", "bodies": [b"x" * 10_000]}),
            ("loan", {"handle": "p", "loan": "l", "size": 10_000}),
        ]:
            answer = sender.refused(verb, **words)
            assert answer.status == "no_space", (verb, answer)
            assert "enlarge the tmpfs" in answer.text
        # What a port promised when it was made, it keeps.
        for i in range(19):
            sender.send("p", b"small", wait="try")
        assert sender.refused("send", "p", body=b"small", wait="try").status == "full"
        assert receiver.receive("p").body == b"before"
        assert [a.body for a in receiver.drain("p")] == [b"small"] * 19
        assert receiver.stat("p").loaned == 0
    sender.send("p", b"x" * 10_000)
    assert receiver.receive("p").body == b"x" * 10_000


def test_messages_up_to_the_last_byte(small_stage: Stage, small_pair: tuple) -> None:
    sender, receiver = small_pair
    sender.create("p", capacity=1000)
    receiver.open("p")
    sent = 0
    while True:
        answer = sender.start("send", "p", b"%06d" % sent * 5000, wait="try").outcome()
        if answer.status != "ok":
            break
        sent += 1
    assert answer.status == "no_space"
    assert sent > 50
    for i in range(sent):
        assert receiver.receive("p").body == b"%06d" % i * 5000
    # And again, in the memory that is there now.
    for i in range(sent):
        sender.send("p", b"%06d" % i * 5000, wait="try")
    assert len(receiver.drain("p")) == sent


def test_a_port_of_others_is_opened_when_nothing_is_left(
    small_stage: Stage, small_pair: tuple
) -> None:
    sender, receiver = small_pair
    sender.create("p", capacity=4)
    sender.send("p", b"hello")
    receiver.call("task")
    with filled(small_stage):
        receiver.open("p")
        assert receiver.receive("p").body == b"hello"
        receiver.delete("p")
        assert sender.refused("send", "p", body=b"x").status == "closed"


@pytest.mark.parametrize("leave", [0, 4096, 16384])
def test_a_domain_that_does_not_fit_is_refused(small_stage: Stage, leave: int) -> None:
    elsewhere = os.path.join(os.path.dirname(small_stage.place), "another")
    # The stage's own domain is there, for those who ask.
    small_stage.actor(CHOSEN[0])
    with filled(small_stage, leave):
        answer = same_everywhere(
            small_stage, lambda actor: actor.refused("domain", location=elsewhere)
        )
        assert answer.status == "no_space"
    small_stage.actor(CHOSEN[0]).call("domain", location=elsewhere)


def test_a_killed_sender_leaves_a_full_tmpfs_usable(
    small_stage: Stage, small_pair: tuple
) -> None:
    sender, receiver = small_pair
    receiver.create("p", capacity=1000)
    sender.open("p")
    loans = 0
    while True:
        words = {"loan": f"l{loans}", "size": 30_000, "wait": "try"}
        answer = sender.start("loan", "p", **words).outcome()
        if answer.status != "ok":
            break
        loans += 1
    assert answer.status == "no_space"
    assert receiver.refused("loan", "p", **words).status == "no_space"
    sender.kill()
    assert receiver.stat("p").loaned == 0
    for i in range(loans):
        receiver.loan("p", f"l{i}", 30_000, wait="try")
