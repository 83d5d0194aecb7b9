"""Something else stands at an object's place: a clear refusal in every language, and nothing touched."""

import os
import struct
from pathlib import Path
from typing import Callable

import pytest

from harness.stage import Actor, Stage
from harness.wire import Answer

from conftest import CHOSEN
from test_errors import same_everywhere

# Offsets in an object's file, and in a port's queue behind its first page; see docs/design.md.
VERSION, KIND, LENGTH = 8, 16, 24
QUEUE, CAPACITY, MAX_MESSAGE = 4096, 24, 40


def poke(path: Path, offset: int, value: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(struct.pack("<Q", value))


def replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def link_to_copy(path: Path) -> None:
    other = path.with_name("elsewhere")
    path.rename(other)
    path.symlink_to(other)


SPOILERS = {
    "symlink": (link_to_copy, "wrong_type"),
    "directory": (lambda path: replace(path, Path.mkdir), "wrong_type"),
    "fifo": (lambda path: replace(path, os.mkfifo), "wrong_type"),
    "two links": (lambda path: os.link(path, path.with_name("second")), "wrong_type"),
    "empty": (lambda path: os.truncate(path, 0), "corrupt"),
    "short": (lambda path: os.truncate(path, 100), "corrupt"),
    "one page": (lambda path: os.truncate(path, 4096), "corrupt"),
    "cut by a byte": (lambda path: os.truncate(path, path.stat().st_size - 1), "corrupt"),
    "longer": (lambda path: os.truncate(path, path.stat().st_size + 4096), "corrupt"),
    "zeros": (lambda path: replace(path, lambda p: p.write_bytes(bytes(1 << 16))), "corrupt"),
    "text": (lambda path: replace(path, lambda p: p.write_text("hello\n" * 5000)), "corrupt"),
    "magic": (lambda path: poke(path, 0, 0x1234), "corrupt"),
    "version": (lambda path: poke(path, VERSION, 99), "version"),
    "kind": (lambda path: poke(path, KIND, 7), "corrupt"),
    "length": (lambda path: poke(path, LENGTH, 1 << 62), "corrupt"),
}

QUEUE_SPOILERS = {
    "queue's magic": (lambda path: poke(path, QUEUE, 0), "corrupt"),
    "queue's version": (lambda path: poke(path, QUEUE + VERSION, 2), "version"),
    "capacity 0": (lambda path: poke(path, QUEUE + CAPACITY, 0), "corrupt"),
    "another capacity": (lambda path: poke(path, QUEUE + CAPACITY, 1025), "corrupt"),
    "endless capacity": (lambda path: poke(path, QUEUE + CAPACITY, (1 << 64) - 1), "corrupt"),
    "endless messages": (lambda path: poke(path, QUEUE + MAX_MESSAGE, (1 << 64) - 1), "corrupt"),
}


def make(stage: Stage, verb: str, **words: object) -> None:
    """Makes an object and lets go of it: a file that is cut short kills those who have it mapped."""
    actor = stage.actor(CHOSEN[0])
    actor.call(verb, **words)
    actor.call("reset")


def expect_untouched(stage: Stage, path: Path, provoke: Callable[[Actor], Answer]) -> Answer:
    before = path.lstat()
    answer = same_everywhere(stage, provoke)
    after = path.lstat()
    assert (after.st_ino, after.st_size, after.st_mode) == (
        before.st_ino,
        before.st_size,
        before.st_mode,
    )
    return answer


@pytest.mark.parametrize("what", SPOILERS)
@pytest.mark.parametrize("verb", ["open", "open_or_create"])
def test_no_port_is_opened_there(stage: Stage, verb: str, what: str) -> None:
    spoil, status = SPOILERS[what]
    make(stage, "create", handle="p", name="p")
    path = Path(stage.place, "p.port")
    spoil(path)
    words = {"name": "p", "handle": "h"}
    assert expect_untouched(stage, path, lambda a: a.refused(verb, **words)).status == status


@pytest.mark.parametrize("what", SPOILERS)
@pytest.mark.parametrize("verb", ["segment_open", "segment_open_or_create"])
def test_no_segment_is_attached_there(stage: Stage, verb: str, what: str) -> None:
    spoil, status = SPOILERS[what]
    make(stage, "segment_create", segment="s", name="s", size=10_000)
    path = Path(stage.place, "s.segment")
    spoil(path)
    words = {"name": "s", "segment": "h", "size": 100}
    assert expect_untouched(stage, path, lambda a: a.refused(verb, **words)).status == status


@pytest.mark.parametrize("what", QUEUE_SPOILERS)
def test_no_port_with_an_impossible_queue_is_opened(stage: Stage, what: str) -> None:
    spoil, status = QUEUE_SPOILERS[what]
    make(stage, "create", handle="p", name="p")
    path = Path(stage.place, "p.port")
    spoil(path)
    answer = expect_untouched(stage, path, lambda a: a.refused("open", name="p", handle="h"))
    assert answer.status == status


def test_a_segments_file_is_no_port(stage: Stage) -> None:
    stage.actor(CHOSEN[0]).segment_create("x", 10_000)
    Path(stage.place, "x.segment").rename(Path(stage.place, "x.port"))
    answer = same_everywhere(stage, lambda a: a.refused("open", name="x", handle="h"))
    assert answer.status in ("corrupt", "wrong_type")


@pytest.mark.parametrize(
    "what",
    ["empty", "short", "cut by a byte", "zeros", "text", "magic", "version", "symlink",
     "directory"],
)
def test_a_spoiled_roster_makes_no_domain(stage: Stage, what: str) -> None:
    spoil, status = SPOILERS[what]
    keeper = stage.actor(CHOSEN[0])
    keeper.call("domain")
    spoil(Path(stage.place, ".roster"))

    answers = []
    for language in CHOSEN:
        actor = stage.actor(language, domain=False)
        answers.append(actor.refused("domain", location=stage.place))
    assert {(a.status, a.text) for a in answers} == {(answers[0].status, answers[0].text)}
    assert answers[0].status == status


# ---- other users

NOBODY, SOMEBODY, GROUP = 65534, 65533, 65532


@pytest.fixture
def users(stage: Stage) -> Callable[[str, int, int], Actor]:
    """Actors of other users."""
    if os.geteuid() != 0:
        pytest.skip("only root can play several users")
    os.chmod(os.path.dirname(stage.place), 0o711)

    def user(language: str, uid: int, gid: int) -> Actor:
        actor = stage.stranger(language)
        actor.call("become", uid=uid, gid=gid)
        return actor

    return user


def test_a_private_domain_is_closed_to_others(
    stage: Stage, users: Callable[[str, int, int], Actor]
) -> None:
    stage.actor(CHOSEN[0]).create("p")
    answers = [
        users(language, NOBODY, GROUP).refused("domain", location=stage.place)
        for language in CHOSEN
    ]
    assert {(a.status, a.text) for a in answers} == {("not_permitted", answers[0].text)}


@pytest.mark.processes
def test_a_shared_domain_serves_two_users_of_a_group(
    stage: Stage, cast, users: Callable[[str, int, int], Actor]
) -> None:
    os.chmod(os.path.dirname(stage.place), 0o777)
    sender = users(cast.sender, NOBODY, GROUP)
    receiver = users(cast.receiver, SOMEBODY, GROUP)
    sender.call("domain", location=stage.place, gid=GROUP, mode=0o770)
    receiver.call("domain", location=stage.place)
    sender.create("p")
    receiver.open("p")
    stat = receiver.stat("p")
    assert (stat.uid, stat.mode) == (NOBODY, 0o660)
    sender.send("p", b"to a colleague")
    assert receiver.take("p", "r").body == b"to a colleague"
    receiver.kill()
    answer = sender.receive("p")
    assert (answer.body, answer.redeliveries) == (b"to a colleague", 1)
    # A port of the sender's alone, and one who is not of the group.
    sender.create("mine", mode=0o600)
    colleague = users(cast.receiver, SOMEBODY, GROUP)
    colleague.call("domain", location=stage.place)
    assert colleague.refused("open", "m", name="mine").status == "not_permitted"
    assert colleague.refused("delete", name="mine").status == "not_permitted"
    stranger = users(cast.receiver, SOMEBODY, SOMEBODY)
    assert stranger.refused("domain", location=stage.place).status == "not_permitted"
    sender.send("mine", b"still there")
