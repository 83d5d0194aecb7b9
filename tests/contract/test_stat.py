"""The figures, which are the same for everybody who asks."""

from typing import Dict

import pytest

from harness.stage import Actor, Stage

from conftest import CHOSEN


def agreed(stage: Stage, port: str) -> Dict[str, object]:
    """What all languages say about a port, which must be the same."""
    asked = {}
    askers = []
    for language in CHOSEN:
        asker = stage.actor(language)
        asker.open(port)
        askers.append(asker)
    for asker in askers:
        stat = dict(asker.stat(port).words)
        stat["tasks"] = sorted(str(stat["tasks"]).split(","))
        asked[asker.language] = stat
    first = next(iter(asked.values()))
    for language, stat in asked.items():
        assert stat == first, language
    for asker in askers:
        asker.close(port)
    # These askers are users themselves.
    own = {str(asker.task()) for asker in askers}
    first["users"] = int(str(first["users"])) - len(askers)
    first["tasks"] = [task for task in first["tasks"] if task not in own]  # type: ignore
    return first


def test_all_languages_agree_on_all_figures(stage: Stage) -> None:
    maker = stage.actor(CHOSEN[0], "maker")
    user = stage.actor(CHOSEN[-1], "user")
    maker.create("p", capacity=50, max_message=100_000, byte_budget=1 << 20, max_users=9,
                 timestamps=True, owner="task", mode=0o640)
    user.open("p")
    for i in range(20):
        maker.send("p", b"x" * (1 + 1000 * (i % 5)))
    user.receive_many("p", 5)
    for name in ("a", "b", "c"):
        user.take("p", name)
    user.nack("a")
    user.take("p", "a")
    user.nack("b")
    maker.loan("p", "l1", 10)
    user.loan("p", "l2", 50_000)
    victim = stage.actor(CHOSEN[0], "victim")
    victim.open("p")
    victim.take("p", "r")
    victim.kill()
    stat = agreed(stage, "p")
    expected = {
        "owner": "task",
        "owner_task": maker.task(),
        "mode": 0o640,
        "capacity": 50,
        "queued": 12,
        "in_hand": 2,
        "loaned": 2,
        "given_back": 1,
        "max_message": 100_000,
        "byte_budget": 1 << 20,
        "max_users": 9,
        "users": 2,
        "sent": 20,
        "received": 8,
        "redelivered": 2,
        "deaths": 1,
        "timestamps": 1,
        "closed": 0,
        "tasks": sorted(map(str, (maker.task(), user.task()))),
    }
    assert {key: stat[key] for key in expected} == expected
    assert int(str(stat["file_bytes"])) > 0
    assert 0 < int(str(stat["bytes_committed"])) <= 1 << 20


def test_all_languages_agree_on_the_defaults(stage: Stage) -> None:
    made = {}
    for language in CHOSEN:
        stage.actor(language).create(language)
        made[language] = agreed(stage, language)
        assert made[language].pop("tasks") != []
    first = next(iter(made.values()))
    assert all(stat == first for stat in made.values()), made
    assert (first["capacity"], first["max_message"], first["max_users"]) == (1024, 16 << 20, 256)
    assert (first["byte_budget"], first["timestamps"], first["owner"]) == (64 << 20, 0, "domain")


def test_a_default_port_commits_at_most_512_kib(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    assert 0 < int(receiver.stat("p").file_bytes) <= 512 << 10
    assert receiver.stat("p").bytes_committed == 0


def test_figures_follow_what_happens(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")

    def figures() -> tuple:
        stats = [actor.stat("p") for actor in (sender, receiver)]
        seen = {
            (s.queued, s.in_hand, s.loaned, s.given_back, s.sent, s.received, s.redelivered)
            for s in stats
        }
        assert len(seen) == 1
        return seen.pop()

    assert figures() == (0, 0, 0, 0, 0, 0, 0)
    sender.send("p", b"a")
    sender.send("p", b"b")
    assert figures() == (2, 0, 0, 0, 2, 0, 0)
    receiver.take("p", "r")
    assert figures() == (1, 1, 0, 0, 2, 1, 0)
    receiver.nack("r")
    assert figures() == (1, 0, 0, 1, 2, 1, 0)
    receiver.take("p", "r")
    assert figures() == (1, 1, 0, 0, 2, 1, 1)
    receiver.ack("r")
    assert figures() == (1, 0, 0, 0, 2, 1, 1)
    sender.loan("p", "l", 1)
    assert figures() == (1, 0, 1, 0, 2, 1, 1)
    sender.commit("l", length=0)
    assert figures() == (2, 0, 0, 0, 3, 1, 1)
    receiver.drain("p")
    assert figures() == (0, 0, 0, 0, 3, 3, 1)


def test_all_languages_agree_on_a_queue_in_a_segment(stage: Stage) -> None:
    options = {"capacity": 7, "max_message": 5000, "byte_budget": 50_000, "max_users": 8}
    maker = stage.actor(CHOSEN[0], "maker")
    sizes = {stage.actor(language).call("queue_size", **options).size for language in CHOSEN}
    assert len(sizes) == 1
    maker.segment_create("s", int(sizes.pop()))
    maker.call("queue_create", handle="q", segment="s", offset=0, **options)
    maker.send("q", b"hello")
    maker.send("q", b"x" * 5000)
    maker.take("q", "r")
    stats = []
    for language in CHOSEN:
        asker = stage.actor(language)
        asker.segment_open("s")
        asker.call("queue_open", handle="q", segment="s", offset=0)
        stat = dict(asker.stat("q").words)
        stat.pop("tasks")
        stats.append(stat)
        asker.close("q")
    assert all(stat == stats[0] for stat in stats), stats
    assert (stats[0]["capacity"], stats[0]["queued"], stats[0]["in_hand"]) == (7, 1, 1)
    assert stats[0]["users"] == 2


@pytest.mark.processes
def test_memory_for_large_messages_is_given_back(sender: Actor, receiver: Actor) -> None:
    sender.create("p", capacity=64, max_message=1 << 20, byte_budget=64 << 20)
    receiver.open("p")
    for _ in range(40):
        sender.send("p", b"x" * (1 << 20))
    full = receiver.stat("p")
    assert int(full.bytes_committed) >= 40 << 20 and int(full.file_bytes) >= 40 << 20
    receiver.call("receive", handle="p", header=0)
    for _ in range(39):
        receiver.take("p", "r")
        receiver.ack("r")
    empty = receiver.stat("p")
    # Down to the high-water mark, a quarter of the budget.
    assert int(empty.bytes_committed) <= 16 << 20
    assert int(empty.file_bytes) <= 18 << 20
