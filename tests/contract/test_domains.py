"""Domains: where names live."""

import os

import pytest

from harness.stage import Actor, Stage


@pytest.fixture
def named(stage: Stage) -> str:
    return os.path.join(os.path.dirname(stage.place), "named")


def test_the_environment_says_which_domain_is_the_default(
    stage: Stage, sender: Actor, receiver: Actor
) -> None:
    # Without a domain of their own: as programs do that never speak of one.
    for actor in (sender, receiver):
        actor.call("domain")
        actor.call("environment", name="MAILBOAT_DOMAIN", value=stage.place)
    sender.create("p")
    receiver.open("p")
    sender.send("p", b"hello")
    assert receiver.receive("p").body == b"hello"
    sender.segment_create("s", 100)
    receiver.segment_open("s")
    receiver.open_or_create("q")
    sender.open_or_create("q")
    sender.call("segment_open_or_create", name="s", segment="s2", size=1)
    assert receiver.call("domain_list").items[0].name == "p"
    receiver.delete("p")
    receiver.call("segment_delete", name="s")
    receiver.delete("q")
    assert sender.call("domain_list").items == []
    assert os.path.isdir(stage.place)
    for actor in (sender, receiver):
        actor.call("environment", name="MAILBOAT_DOMAIN")


def test_the_same_name_in_two_domains_is_two_ports(
    stage: Stage, sender: Actor, receiver: Actor, named: str
) -> None:
    sender.create("p")
    receiver.open("p")
    sender.call("domain", location=named)
    sender.create("p", handle="other")
    sender.send("other", b"there")
    sender.send("p", b"here")
    assert [a.body for a in receiver.drain("p")] == [b"here"]
    receiver.call("domain", location=named)
    receiver.open("p", handle="other")
    assert [a.body for a in receiver.drain("other")] == [b"there"]


def test_a_private_domain_belongs_to_its_user_alone(stage: Stage, actor: Actor) -> None:
    assert os.stat(stage.place).st_mode & 0o777 == 0o700
    actor.create("p")
    actor.segment_create("s", 100)
    for name in os.listdir(stage.place):
        assert os.stat(os.path.join(stage.place, name)).st_mode & 0o777 == 0o600, name


def test_a_list_has_all_objects_with_their_particulars(sender: Actor, receiver: Actor) -> None:
    sender.create("port")
    sender.create("a", mode=0o640)
    sender.segment_create("segment", 10_000)
    items = receiver.call("domain_list").items
    assert [(i.kind, i.name, i.mode, i.uid) for i in items] == [
        ("port", "a", 0o640, os.getuid()),
        ("port", "port", 0o600, os.getuid()),
        ("segment", "segment", 0o600, os.getuid()),
    ]
    assert all(int(item.bytes) >= 10_000 for item in items)


def test_every_process_is_a_task_of_its_own(stage: Stage, sender: Actor, receiver: Actor) -> None:
    same = sender.process is receiver.process
    assert (sender.task() == receiver.task()) == same
    tasks = receiver.call("domain_tasks").items
    assert {(t.id, t.pid, t.alive) for t in tasks} == {
        (sender.task(), sender.process.pid, 1),
        (receiver.task(), receiver.process.pid, 1),
    }
    assert sender.call("domain_stat").tasks == (1 if same else 2)


@pytest.mark.processes
def test_a_task_leaves_with_its_last_handle(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    receiver.call("domain")
    assert sender.call("domain_stat").tasks == 2
    receiver.close("p")
    stat = sender.call("domain_stat")
    assert (stat.tasks, stat.deaths) == (1, 0)


@pytest.mark.processes
def test_a_domain_takes_no_more_tasks_than_it_was_made_for(
    stage: Stage, sender: Actor, receiver: Actor, named: str
) -> None:
    sender.call("domain", location=named, max_tasks=2)
    receiver.call("domain", location=named)
    third = stage.actor(receiver.language, domain=False)
    answer = third.refused("domain", location=named)
    assert answer.status == "too_many"
    assert "2 tasks" in answer.text
    receiver.kill()
    # The place of one who died can be taken.
    third.call("domain", location=named)
    sender.create("p")
    third.open("p")
    sender.send("p", b"hello")
    assert third.receive("p").body == b"hello"
    stat = sender.call("domain_stat")
    assert (stat.tasks, stat.max_tasks) == (2, 2)
