"""A process forks: the child uses the handles as a task of its own; what the parent had in hand stays
the parent's."""

import pytest

from harness.stage import Actor, Stage

pytestmark = pytest.mark.processes

# The sender is the one who forks.


def test_the_child_sends_and_receives_as_a_task_of_its_own(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    receiver.open("p")
    sender.send("p", b"before")
    child = sender.fork()
    assert child.receive("p").body == b"before"
    child.send("p", b"from the child")
    sender.send("p", b"from the parent")
    first, second = receiver.receive("p"), receiver.receive("p")
    assert (first.body, second.body) == (b"from the child", b"from the parent")
    assert first.sender == child.task()
    assert second.sender == sender.task()
    assert child.task() != sender.task()
    tasks = {str(actor.task()) for actor in (sender, receiver, child)}
    assert set(str(receiver.stat("p").tasks).split(",")) == tasks


def test_messages_of_parent_and_child_have_different_ids(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    # So that the child inherits a block of ids that is half used.
    ids = [sender.send("p", b"", kind=1).id]
    child = sender.fork()
    for _ in range(10):
        ids += [actor.send("p", b"", kind=1).id for actor in (sender, child)]
    assert len(set(ids)) == 21
    assert {answer.id for answer in receiver.drain("p")} == set(ids)


@pytest.mark.parametrize("verb", ["ack", "nack"])
def test_the_child_cannot_end_what_the_parent_has_in_hand(
    sender: Actor, receiver: Actor, verb: str
) -> None:
    sender.create("p")
    receiver.open("p")
    receiver.send("p", b"mine")
    sender.take("p", "r")
    child = sender.fork()
    answer = child.refused(verb, receipt="r")
    assert answer.status == "forked"
    assert receiver.stat("p").in_hand == 1
    assert receiver.refused("receive", "p", wait="try").status == "empty"
    assert sender.look("r").body == b"mine"
    sender.ack("r")
    assert receiver.stat("p").in_hand == 0


def test_the_child_cannot_send_what_the_parent_has_on_loan(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    receiver.open("p")
    sender.loan("p", "l", 5)
    sender.fill("l", b"mine.")
    child = sender.fork()
    assert child.refused("commit", loan="l").status == "forked"
    assert receiver.stat("p").loaned == 1
    assert receiver.drain("p") == []
    sender.commit("l")
    assert [answer.body for answer in receiver.drain("p")] == [b"mine."]


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("end", ["lets go", "ends", "killed"])
def test_the_end_of_the_child_takes_nothing_from_the_parent(
    sender: Actor, receiver: Actor, end: str, used: bool
) -> None:
    sender.create("p")
    receiver.open("p")
    for body in (b"one", b"two", b"three"):
        receiver.send("p", body)
    sender.take("p", "r")
    sender.loan("p", "l", 6)
    sender.fill("l", b"loaned")
    child = sender.fork()
    if used:
        assert child.receive("p").body == b"two"
    if end == "lets go":
        for verb, words in [
            ("drop_receipt", {"receipt": "r"}),
            ("drop_loan", {"loan": "l"}),
            ("close", {"handle": "p"}),
        ]:
            # Where there is no forgetting, dropping is giving back, which the child is refused.
            child.start(verb, **words).outcome()
        child.call("reset")
    elif end == "ends":
        child.process.exit()
    else:
        child.kill()
    stat = receiver.stat("p")
    assert (stat.in_hand, stat.loaned) == (1, 1)
    assert sender.look("r").body == b"one"
    sender.ack("r")
    sender.commit("l")
    rest = [a.body for a in receiver.drain("p")]
    assert rest == ([b"three", b"loaned"] if used else [b"two", b"three", b"loaned"])
    stat = receiver.stat("p")
    assert (stat.in_hand, stat.loaned, stat.given_back, stat.users) == (0, 0, 0, 2)


def test_what_the_killed_child_had_in_hand_comes_again(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    for body in (b"parent", b"child"):
        receiver.send("p", body)
    sender.take("p", "r")
    child = sender.fork()
    assert child.take("p", "c").body == b"child"
    child.kill()
    answer = receiver.receive("p")
    assert (answer.body, answer.redeliveries) == (b"child", 1)
    assert receiver.stat("p").in_hand == 1
    sender.ack("r")


@pytest.mark.parametrize("used", [False, True])
def test_a_living_child_does_not_keep_its_killed_parent_alive(
    sender: Actor, receiver: Actor, used: bool
) -> None:
    sender.create("p")
    receiver.open("p")
    receiver.send("p", b"in hand")
    receiver.send("p", b"next")
    sender.take("p", "r")
    sender.loan("p", "l", 10)
    child = sender.fork()
    if used:
        assert child.receive("p").body == b"next"
    sender.kill()
    stat = receiver.stat("p")
    assert (stat.in_hand, stat.loaned, stat.given_back, stat.deaths) == (0, 0, 1, 1)
    assert receiver.receive("p").body == b"in hand"
    child.send("p", b"orphan")
    assert receiver.drain("p")[-1].body == b"orphan"


def test_a_blocked_child_gets_what_the_parent_sends(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    child = sender.fork()
    receive = child.start("receive", "p").waits()
    sender.send("p", b"hello")
    assert receive.result().body == b"hello"


def test_a_fork_while_another_thread_waits(
    stage: Stage, sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    sender.create("q")
    receiver.open("p")
    receive = stage.aside(sender).start("receive", "p").waits()
    child = sender.fork()
    child.send("q", b"the child works")
    assert sender.receive("q").body == b"the child works"
    assert not receive.done
    receiver.send("p", b"for the thread")
    assert receive.result().body == b"for the thread"
    # Nobody of the child waits there.
    receiver.send("p", b"for the child")
    assert child.receive("p").body == b"for the child"


def test_a_port_goes_with_the_parent_that_made_it_and_not_with_the_child(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p", owner="task")
    receiver.open("p")
    child = sender.fork()
    child.send("p", b"hello")
    child.close("p")
    assert receiver.receive("p").body == b"hello"
    assert receiver.facts("p").closed == 0
    second = sender.fork()
    second.kill()
    receiver.send("p", b"still open", wait="try")
    third = sender.fork()
    receive = third.start("receive_into", "p", room=0)
    assert receive.outcome().status == "too_large"
    third.receive("p")
    receive = third.start("receive", "p").waits()
    sender.close("p")
    assert receive.outcome().status == "closed"
    assert receiver.facts("p").closed == 1


def test_a_child_of_a_child(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    child = sender.fork()
    grandchild = child.fork()
    for actor, body in ((sender, b"1"), (child, b"2"), (grandchild, b"3")):
        actor.send("p", body)
    answers = receiver.drain("p")
    assert [a.body for a in answers] == [b"1", b"2", b"3"]
    assert len({a.sender for a in answers}) == 3


def test_a_child_opens_and_makes_ports_of_its_own(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    child = sender.fork()
    child.open("p", handle="mine")
    child.create("q")
    receiver.open("q")
    receiver.send("q", b"hello")
    assert child.receive("q").body == b"hello"
    child.kill()
    receiver.send("q", b"the port stays")
    assert receiver.receive("q").body == b"the port stays"
    assert receiver.stat("q").users == 1


def test_parent_and_child_share_the_memory_of_a_segment(sender: Actor, receiver: Actor) -> None:
    sender.segment_create("s", 1000, max_size=1 << 20)
    receiver.segment_open("s")
    child = sender.fork()
    child.segment_fill("s", 0, b"child")
    assert sender.segment_look("s", 0, 5) == b"child"
    assert receiver.segment_look("s", 0, 5) == b"child"
    receiver.call("segment_grow", segment="s", size=1 << 20)
    child.segment_write("s", (1 << 20) - 1, b"!")
    assert sender.segment_read("s", (1 << 20) - 1, 1) == b"!"
    child.kill()
    assert sender.segment_read("s", 0, 5) == b"child"


def test_a_queue_in_a_segment_is_inherited_too(sender: Actor, receiver: Actor) -> None:
    options = {"capacity": 4, "max_message": 100, "max_users": 8}
    size = int(sender.call("queue_size", **options).size)
    sender.segment_create("s", size)
    receiver.segment_open("s")
    sender.call("queue_create", handle="q", segment="s", offset=0, **options)
    receiver.call("queue_open", handle="q", segment="s", offset=0)
    child = sender.fork()
    child.send("q", b"hello")
    assert receiver.receive("q").body == b"hello"
    receiver.send("q", b"in hand")
    child.take("q", "r")
    child.kill()
    answer = receiver.receive("q")
    assert (answer.body, answer.redeliveries) == (b"in hand", 1)


def test_workers_that_are_forked_share_the_work(sender: Actor, receiver: Actor) -> None:
    sender.create("work")
    sender.create("done")
    receiver.open("work")
    receiver.open("done")
    workers = [sender.fork() for _ in range(4)]
    for i in range(40):
        receiver.send("work", b"%d" % i)
    for round in range(10):
        for worker in workers:
            worker.send("done", worker.receive("work").body or b"")
    answers = [receiver.receive("done") for _ in range(40)]
    assert sorted(int(a.body or b"") for a in answers) == list(range(40))
    assert len({a.sender for a in answers}) == 4


# ---- Python's own way


METHODS = ["fork", "spawn", "forkserver"]
PYTHON = pytest.mark.cast(
    ("python", "rust"), ("python", "c"), ("python", "cpp"), ("python", "python")
)


@PYTHON
@pytest.mark.parametrize("method", METHODS)
def test_a_port_is_an_argument_of_a_process(sender: Actor, receiver: Actor, method: str) -> None:
    sender.create("p")
    sender.create("q")
    receiver.open("p")
    receiver.open("q")
    receiver.send("p", b"in hand")
    sender.take("p", "r")
    worker = sender.fork(method=method, handles=f"{sender.prefix}.p,{sender.prefix}.q")
    receiver.send("p", b"question")
    assert worker.receive("p").body == b"question"
    worker.send("q", b"answer")
    answer = receiver.receive("q")
    assert (answer.body, answer.sender) == (b"answer", worker.task())
    assert worker.task() != sender.task()
    receive = worker.start("receive", "p").waits()
    sender.send("p", b"to the worker")
    assert receive.result().body == b"to the worker"
    assert receiver.stat("p").users == 3
    worker.kill()
    assert receiver.stat("p").users == 2
    assert sender.look("r").body == b"in hand"
    sender.ack("r")


@PYTHON
@pytest.mark.parametrize("method", METHODS)
def test_what_a_killed_worker_had_in_hand_comes_again(
    sender: Actor, receiver: Actor, method: str
) -> None:
    sender.create("p")
    receiver.open("p")
    worker = sender.fork(method=method, handles=f"{sender.prefix}.p")
    receiver.send("p", b"work")
    assert worker.take("p", "r").body == b"work"
    worker.kill()
    answer = receiver.receive("p")
    assert (answer.body, answer.redeliveries) == (b"work", 1)


@PYTHON
@pytest.mark.parametrize("method", METHODS)
def test_a_queue_in_a_segment_is_an_argument_too(
    sender: Actor, receiver: Actor, method: str
) -> None:
    options = {"capacity": 4, "max_message": 100, "max_users": 8}
    sender.segment_create("s", int(sender.call("queue_size", **options).size))
    sender.call("queue_create", handle="q", segment="s", offset=0, **options)
    receiver.segment_open("s")
    receiver.call("queue_open", handle="q", segment="s", offset=0)
    worker = sender.fork(method=method, handles=f"{sender.prefix}.q")
    worker.send("q", b"hello")
    assert receiver.receive("q").body == b"hello"
