"""Several messages in one call."""

from harness.stage import Actor


def bodies(count: int) -> list:
    return [b"%d" % i * (1 + i * 37 % 400) for i in range(count)]


def test_a_batch_is_received_as_single_messages(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    assert sender.send_many("p", bodies(50), kind=7).sent == 50
    answers = receiver.drain("p")
    assert [answer.body for answer in answers] == bodies(50)
    assert {answer.kind for answer in answers} == {7}
    assert len({answer.id for answer in answers}) == 50


def test_single_messages_are_received_as_a_batch(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    ids = [sender.send("p", body, kind=i).id for i, body in enumerate(bodies(20))]
    answer = receiver.receive_many("p", 100)
    assert [item.body for item in answer.items] == bodies(20)
    assert [item.id for item in answer.items] == ids
    assert [item.kind for item in answer.items] == list(range(20))
    assert {item.sender for item in answer.items} == {sender.task()}


def test_a_batch_has_at_most_as_many_as_were_asked_for(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    sender.send_many("p", bodies(10))
    assert [i.body for i in receiver.receive_many("p", 4).items] == bodies(10)[:4]
    assert [i.body for i in receiver.take_many("p", "r", 4).items] == bodies(10)[4:8]
    assert [i.body for i in receiver.receive_many("p", 4, wait="try").items] == bodies(10)[8:]


def test_each_message_of_a_taken_batch_is_ended_on_its_own(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    receiver.open("p")
    sender.send_many("p", [b"a", b"b", b"c"])
    receiver.take_many("p", "r", 3)
    receiver.ack("r.1")
    receiver.nack("r.0")
    assert receiver.look("r.2").body == b"c"
    again = sender.receive("p", wait="try")
    assert (again.body, again.redeliveries) == (b"a", 1)
    receiver.ack("r.2")
    assert sender.drain("p") == []


def test_a_batch_of_nothing_is_nothing(sender: Actor, receiver: Actor) -> None:
    sender.create("p", capacity=1)
    receiver.open("p")
    sender.send("p", b"full")
    assert sender.send_many("p", [], wait="try").sent == 0
    assert len(receiver.drain("p")) == 1


def test_a_batch_sends_what_fits_in_front_of_what_is_refused(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p", max_message=10)
    receiver.open("p")
    assert sender.send_many("p", [b"ok", b"x" * 11, b"after"]).sent == 1
    assert sender.refused("send_many", "p", bodies=[b"x" * 11, b"after"]).status == "too_large"
    assert [answer.body for answer in receiver.drain("p")] == [b"ok"]


def test_empty_messages_count_in_a_batch(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    assert sender.send_many("p", [b"", b"x", b""]).sent == 3
    assert [item.body for item in receiver.receive_many("p", 9).items] == [b"", b"x", b""]
