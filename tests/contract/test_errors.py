"""Bad input: the same status, number and sentence in every language."""

import re
from typing import Callable, Dict, List, Tuple

import pytest

from harness.stage import Actor, Stage
from harness.wire import Answer

from conftest import CHOSEN

BAD_NAMES = [
    "",
    ".",
    "..",
    ".hidden",
    "-dash",
    "_underscore",
    "a/b",
    "/absolute",
    "a b",
    "a\nb",
    "naïve",
    "x" * 201,
]


def plain(text: object) -> str:
    """A sentence without what differs from run to run: how long was waited."""
    return re.sub(r"after [0-9.]+ s", "after ... s", str(text))


def same_everywhere(stage: Stage, provoke: Callable[[Actor], Answer]) -> Answer:
    """Provokes an error in every language, and compares."""
    answers: Dict[str, Answer] = {}
    for language in CHOSEN:
        actor = stage.actor(language)
        answers[language] = provoke(actor)
        # So that the next one finds the same.
        actor.call("reset")
        actor.call("domain", location=stage.place)
    first = next(iter(answers.values()))
    for answer in answers.values():
        assert answer.status == first.status, answers
        assert answer.code == first.code, answers
        assert plain(answer.text) == plain(first.text), answers
        assert answer.words.get("needed") == first.words.get("needed"), answers
    kinds = {answer.words["kind_text"] for answer in answers.values() if "kind_text" in answer}
    assert len(kinds) <= 1, answers
    return first


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda n: repr(n[:12]))
@pytest.mark.parametrize(
    "verb", ["create", "open", "open_or_create", "delete", "segment_create", "segment_open",
             "segment_open_or_create", "segment_delete"]
)
def test_a_bad_name_is_refused_with_the_rule(stage: Stage, verb: str, name: str) -> None:
    words: Dict[str, object] = {"name": name}
    if not verb.endswith("delete"):
        words["segment" if verb.startswith("segment") else "handle"] = "h"
    if verb in ("segment_create", "segment_open_or_create"):
        words["size"] = 100
    answer = same_everywhere(stage, lambda actor: actor.refused(verb, **words))
    assert answer.status == "bad_name"
    # Nothing was made.
    assert stage.actor(CHOSEN[0]).call("domain_list").items == []


GOOD_NAMES = ["a", "7", "Z", "a.b", "a_b-c.d", "x" * 200, "A" + "-" * 10, "9."]


@pytest.mark.parametrize("name", GOOD_NAMES, ids=lambda n: n[:12])
def test_a_good_name_is_taken_as_it_is(sender: Actor, receiver: Actor, name: str) -> None:
    sender.create(name)
    receiver.open(name)
    sender.segment_create(name, 100)
    receiver.segment_open(name)
    sender.send(name, b"hello")
    assert receiver.receive(name).body == b"hello"
    listed = {(item.kind, str(item.name)) for item in receiver.call("domain_list").items}
    assert listed == {("port", name), ("segment", name)}


@pytest.mark.parametrize(
    "verb, words, status",
    [
        ("open", {"name": "absent", "handle": "h"}, "not_found"),
        ("delete", {"name": "absent"}, "not_found"),
        ("segment_open", {"name": "absent", "segment": "s"}, "not_found"),
        ("segment_delete", {"name": "absent"}, "not_found"),
        ("create", {"name": "there", "handle": "h"}, "already_exists"),
        ("segment_create", {"name": "there", "segment": "s", "size": 10}, "already_exists"),
        ("create", {"name": "p", "handle": "h", "capacity": (1 << 26) + 1}, "invalid"),
        ("create", {"name": "p", "handle": "h", "max_users": 4097}, "invalid"),
        ("create", {"name": "p", "handle": "h", "max_message": (1 << 40) + 1}, "invalid"),
        ("create", {"name": "p", "handle": "h", "max_message": (1 << 64) - 1}, "invalid"),
        ("create", {"name": "p", "handle": "h", "byte_budget": 100}, "invalid"),
        ("create", {"name": "p", "handle": "h", "mode": 0o10000}, "invalid"),
        ("segment_create", {"name": "s", "segment": "s", "size": 0}, "invalid"),
        ("segment_create", {"name": "s", "segment": "s", "size": 100, "max_size": 99}, "invalid"),
        ("segment_create", {"name": "s", "segment": "s", "size": (1 << 64) - 1}, "invalid"),
        ("queue_size", {"max_users": 4097}, "invalid"),
    ],
    ids=lambda x: x if isinstance(x, str) else None,
)
def test_a_bad_argument_is_refused_and_changes_nothing(
    stage: Stage, verb: str, words: Dict[str, object], status: str
) -> None:
    keeper = stage.actor(CHOSEN[0], "keeper")
    keeper.create("there")
    keeper.segment_create("there", 100)
    answer = same_everywhere(stage, lambda actor: actor.refused(verb, **words))
    assert answer.status == status
    listed = {(item.kind, item.name) for item in keeper.call("domain_list").items}
    assert listed == {("port", "there"), ("segment", "there")}
    keeper.send("there", b"works")
    assert keeper.receive("there").body == b"works"


PROVOKED: List[Tuple[str, str, Dict[str, object]]] = [
    ("full", "send", {"handle": "full", "body": b"x", "wait": "try"}),
    ("timeout", "send", {"handle": "full", "body": b"x", "wait": 0.01}),
    ("timeout", "receive", {"handle": "empty", "wait": 0.01}),
    ("empty", "receive", {"handle": "empty", "wait": "try"}),
    ("empty", "take", {"handle": "empty", "wait": "try", "receipt": "r"}),
    ("too_large", "send", {"handle": "small", "body": b"x" * 101}),
    ("too_large", "send_many", {"handle": "small", "bodies": [b"x" * 101]}),
    ("too_large", "loan", {"handle": "small", "loan": "l", "size": 101}),
    ("too_large", "receive_into", {"handle": "full", "room": 1}),
    ("full", "loan", {"handle": "budget", "loan": "l", "size": 60_000, "wait": "try"}),
    ("closed", "send", {"handle": "closed", "body": b"x"}),
    ("closed", "receive", {"handle": "closed"}),
    ("closed", "take", {"handle": "closed", "receipt": "r"}),
    ("closed", "loan", {"handle": "closed", "loan": "l", "size": 1}),
    ("too_many", "open", {"handle": "h", "name": "crowded"}),
]


@pytest.mark.parametrize("status, verb, words", PROVOKED, ids=lambda x: x if isinstance(x, str) else None)
def test_a_refusal_is_the_same_sentence_in_every_language(
    stage: Stage, status: str, verb: str, words: Dict[str, object]
) -> None:
    keeper = stage.actor(CHOSEN[0], "keeper")
    keeper.create("full", capacity=1)
    keeper.send("full", b"in the way")
    keeper.create("empty")
    keeper.create("small", max_message=100)
    keeper.create("budget", capacity=4, max_message=64 << 10, byte_budget=64 << 10)
    keeper.loan("budget", "l", 60_000)
    keeper.create("crowded", max_users=1)

    def provoke(actor: Actor) -> Answer:
        for name in ("full", "empty", "small", "budget"):
            actor.open(name)
        actor.create("closed")
        actor.delete("closed")
        return actor.refused(verb, **words)

    answer = same_everywhere(stage, provoke)
    assert answer.status == status
    # It names the port, and where it is; but for a poller that finds nothing, which is no news.
    name = words.get("name") or words["handle"]
    assert status == "empty" or (f'"{name}"' in answer.text and stage.place in answer.text)


def test_a_segment_says_the_same_in_every_language(stage: Stage) -> None:
    keeper = stage.actor(CHOSEN[0], "keeper")
    keeper.segment_create("s", 1000, max_size=8192)

    def refusals(actor: Actor) -> List[Answer]:
        actor.segment_open("s")
        grow = actor.refused("segment_grow", segment="s", size=8193)
        actor.segment_open("s", access="read")
        return [
            grow,
            actor.refused("segment_grow", segment="s", size=1001),
            actor.refused("segment_write", segment="s", offset=0, body=b"x"),
        ]

    statuses = []
    for i in range(3):
        statuses.append(same_everywhere(stage, lambda actor: refusals(actor)[i]).status)
    assert statuses == ["too_large", "not_permitted", "not_permitted"]


@pytest.mark.parametrize(
    "location, status",
    [
        ("/tmp", "bad_domain"),
        ("/dev/null", "bad_domain"),
        ("/dev/shm/mailboat-no-such-place/domain", "bad_domain"),
        ("bad/name", "bad_name"),
        ("..", "bad_name"),
        ("-x", "bad_name"),
    ],
)
def test_a_place_that_cannot_hold_a_domain(stage: Stage, location: str, status: str) -> None:
    answer = same_everywhere(stage, lambda actor: actor.refused("domain", location=location))
    if location == "/tmp" and answer.status == "not_permitted":
        pytest.skip("/tmp is tmpfs here, and refused for its permissions")
    assert answer.status == status
