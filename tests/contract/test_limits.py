"""Too large: said with both figures, and nothing lost or changed."""

import pytest

from harness.stage import Actor


@pytest.mark.parametrize("most", [1, 192, 193, 1000, 4096, 65536])
def test_the_largest_message_passes_and_one_byte_more_does_not(
    sender: Actor, receiver: Actor, most: int
) -> None:
    sender.create("p", max_message=most)
    receiver.open("p")
    sender.send("p", b"x" * most)
    answer = sender.refused("send", "p", body=b"x" * (most + 1))
    assert answer.status == "too_large"
    assert f"{most + 1} bytes" in answer.text and f"{most} bytes" in answer.text
    assert answer.needed == most + 1
    assert [len(a.body or b"") for a in receiver.drain("p")] == [most]


def test_a_loan_can_be_as_large_as_a_message(sender: Actor, receiver: Actor) -> None:
    sender.create("p", max_message=1000)
    receiver.open("p")
    answer = sender.refused("loan", "p", loan="l", size=1001)
    assert answer.status == "too_large"
    assert "1001 bytes" in answer.text and "1000 bytes" in answer.text
    assert receiver.stat("p").loaned == 0
    sender.loan("p", "l", 1000)


@pytest.mark.parametrize("size, room", [(1, 0), (100, 99), (193, 192), (5000, 10)])
def test_a_message_that_does_not_fit_the_buffer_stays_where_it_is(
    sender: Actor, receiver: Actor, size: int, room: int
) -> None:
    sender.create("p")
    receiver.open("p")
    id = sender.send("p", b"x" * size, kind=1).id
    sender.send("p", b"next")
    for _ in range(2):
        answer = receiver.refused("receive_into", "p", room=room, wait="try")
        assert answer.status == "too_large"
        assert f"{size} bytes" in answer.text and f"{room} bytes" in answer.text
        assert answer.needed == size
    # It is still the first, and nobody had it in hand.
    answer = receiver.receive_into("p", size, wait="try")
    assert (answer.id, answer.body, answer.redeliveries) == (id, b"x" * size, 0)
    assert receiver.receive("p").body == b"next"


def test_one_who_waits_is_told_of_a_message_that_does_not_fit(
    sender: Actor, receiver: Actor
) -> None:
    sender.create("p")
    receiver.open("p")
    receive = receiver.start("receive_into", "p", room=4).waits()
    sender.send("p", b"12345")
    assert receive.outcome().status == "too_large"
    assert receiver.receive("p", wait="try").body == b"12345"


def test_a_small_message_passes_where_large_ones_do_not(sender: Actor, receiver: Actor) -> None:
    sender.create("p", max_message=100)
    receiver.open("p")
    for _ in range(3):
        assert sender.refused("send", "p", body=b"x" * 101).status == "too_large"
        sender.send("p", b"x" * 100, wait="try")
    assert len(receiver.drain("p")) == 3


def test_a_loan_ends_where_it_was_asked_to_end(sender: Actor, receiver: Actor) -> None:
    sender.create("p")
    receiver.open("p")
    assert sender.loan("p", "l", 10).capacity == 10
    for offset, body in [(10, b"x"), (0, b"x" * 11), (11, b""), (1 << 62, b"x")]:
        answer = sender.refused("write", loan="l", offset=offset, body=body)
        assert answer.status in ("invalid", "too_large"), (offset, body)
    assert sender.refused("commit", loan="l", length=11).status in ("invalid", "too_large")
    sender.write("l", b"x" * 10)
    sender.commit("l")
    assert receiver.receive("p").body == b"x" * 10
