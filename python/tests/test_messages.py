"""Sending, receiving, taking, giving back."""

import array
import ctypes
import mmap
import time

import numpy
import pytest

import mailboat

SIZES = [0, 1, 64, 192, 193, 256, 1000, 65535, 65536, 1 << 20, 16 << 20]


@pytest.mark.parametrize("size", SIZES)
def test_any_size_arrives_whole(port: mailboat.Port, size: int) -> None:
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    port.send(body)
    message = port.receive()
    assert message.body == body
    assert len(message) == size
    port.send(body)
    with port.take() as message:
        assert bytes(message) == message.body == body
        assert memoryview(message) == body
    target = bytearray(size)
    port.send(body)
    assert port.receive_into(target).length == size
    assert target == body


def test_a_header_tells_all(port: mailboat.Port, domain: mailboat.Domain) -> None:
    number = port.send(b"abc", kind=7)
    message = port.receive()
    for header in (message, message.header):
        assert (header.id, header.kind, header.sender) == (number, 7, domain.task)
        assert (header.redeliveries, header.redelivered) == (0, False)
        assert (header.sent, header.sent_ns) == (None, None)
    assert message.header.length == len(message) == 3
    assert repr(message) == f"<mailboat.Message {number}, kind 7, 3 bytes, received>"
    assert repr(message.header) == f"<mailboat.Header {number}, kind 7, 3 bytes>"


def test_ids_are_unique_in_the_domain(domain: mailboat.Domain) -> None:
    ports = [mailboat.Port.create(name, domain=domain) for name in ("a", "b")]
    ids = [port.send(b"") for _ in range(100) for port in ports]
    assert len(set(ids)) == 200
    for port in ports:
        port.close()


def test_times_are_those_of_the_monotonic_clock(domain: mailboat.Domain) -> None:
    with mailboat.Port.create("timed", timestamps=True, domain=domain) as port:
        before = time.monotonic_ns()
        port.send(b"")
        after = time.monotonic_ns()
        message = port.receive()
        assert message.sent_ns is not None
        assert before <= message.sent_ns <= after
        assert message.sent == pytest.approx(message.sent_ns / 1e9)
        assert message.header.sent_ns == message.sent_ns


def test_kinds_are_32_bits(port: mailboat.Port) -> None:
    for kind in (0, 1, 2**32 - 1):
        port.send(b"", kind=kind)
        assert port.receive().kind == kind


class Struct(ctypes.Structure):
    _fields_ = [("a", ctypes.c_uint32), ("b", ctypes.c_uint8 * 4)]


def mapped() -> mmap.mmap:
    memory = mmap.mmap(-1, 4096)
    memory[:5] = b"hello"
    return memory


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        bytearray(b"hello"),
        memoryview(b"hello"),
        memoryview(b"hello world")[3:8],
        memoryview(array.array("d", [1, 2, 3])),
        array.array("i", [1, -2, 3]),
        numpy.arange(12, dtype="f4").reshape(3, 4),
        numpy.arange(6, dtype="u2")[2:4],
        numpy.float64(2.5),
        numpy.zeros((0, 4)),
        (ctypes.c_int * 4)(1, 2, 3, 4),
        Struct(7, (1, 2, 3, 4)),
        mapped(),
        b"",
    ],
    ids=lambda data: type(data).__name__,
)
def test_whatever_has_the_buffer_protocol_can_be_sent(port: mailboat.Port, data) -> None:
    expected = memoryview(data).tobytes()
    port.send(data)
    assert port.receive().body == expected
    port.try_send(data)
    assert port.receive().body == expected
    assert port.send_many([data, data]) == 2
    assert [message.body for message in port.receive_many(9)] == [expected] * 2


def test_a_message_can_be_sent_on(port: mailboat.Port) -> None:
    port.send(b"once")
    with port.take() as message:
        port.send(message)
    port.send(port.receive())
    assert port.receive().body == b"once"


def test_sending_lets_go_of_the_data(port: mailboat.Port) -> None:
    data = bytearray(b"x" * 100)
    port.send(data)
    with pytest.raises(mailboat.TooLarge):
        port.send(bytearray(port.max_message + 1))
    data.extend(b"it can be resized, so nobody holds it")
    target = bytearray(1000)
    port.receive_into(target)
    with pytest.raises(mailboat.Empty):
        port.receive_into(target, timeout=0)
    target.extend(b"this one, too")


@pytest.mark.parametrize("method", ["receive", "take"])
def test_order_is_kept(port: mailboat.Port, method: str) -> None:
    for number in range(100):
        port.send(b"%d" % number)
    for number in range(100):
        with getattr(port, method)() as message:
            assert message.body == b"%d" % number


def test_trying(port: mailboat.Port) -> None:
    assert port.try_receive() is None
    assert port.try_take() is None
    number = port.try_send(b"x", kind=3)
    message = port.try_receive()
    assert message is not None
    assert (message.id, message.kind) == (number, 3)
    port.try_send(b"y")
    taken = port.try_take()
    assert taken is not None
    with taken as message:
        assert message.body == b"y"
    for call in (port.receive, port.take, lambda t: port.receive_many(1, t)):
        with pytest.raises(mailboat.Empty):
            call(0)


def test_full(domain: mailboat.Domain) -> None:
    with mailboat.Port.create("small", capacity=2, domain=domain) as port:
        port.send(b"1")
        port.send(b"2")
        for call in (
            lambda: port.try_send(b"3"),
            lambda: port.send(b"3", timeout=0),
            lambda: port.send(b"3" * (1 << 20), timeout=0),
            lambda: port.send_many([b"3", b"4"], timeout=0),
        ):
            with pytest.raises(mailboat.Full, match="2 of 2") as caught:
                call()
            assert (caught.value.limit, caught.value.used, caught.value.max) == ("capacity", 2, 2)
        assert [message.body for message in port.receive_many(10)] == [b"1", b"2"]
        assert port.try_receive() is None


def test_timeouts_say_how_long_and_why(port: mailboat.Port) -> None:
    for call in (port.receive, port.take, lambda t: port.take_many(3, t)):
        with pytest.raises(mailboat.Timeout) as caught:
            call(0.01)
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.after >= 0.01
        assert isinstance(caught.value.because, mailboat.Empty)
    while True:
        try:
            port.try_send(b"")
        except mailboat.Full:
            break
    with pytest.raises(mailboat.Timeout) as caught:
        port.send(b"", 0.01)
    assert isinstance(caught.value.because, mailboat.Full)


def test_many_at_once(port: mailboat.Port) -> None:
    assert port.send_many([]) == 0
    assert port.send_many((b"%d" % number for number in range(10)), kind=4) == 10
    first = port.receive_many(3)
    assert [message.body for message in first] == [b"0", b"1", b"2"]
    assert {message.kind for message in first} == {4}
    assert {message.state for message in first} == {"received"}
    second = port.take_many(100)
    assert [message.body for message in second] == [b"%d" % number for number in range(3, 10)]
    assert port.stat().in_hand == 7
    for message in second:
        message.ack()
    assert port.stat().in_hand == 0


def test_many_tells_how_many_went_in(domain: mailboat.Domain) -> None:
    with mailboat.Port.create("small", capacity=3, domain=domain) as port:
        assert port.send_many([b"x"] * 5, timeout=0) == 3
        assert len(port) == 3
        port.receive()
        assert port.send_many([b"x"] * 5, timeout=0.01) == 1
        # One that is refused stops the others, but not those before it.
        port.receive_many(3)
        assert port.send_many([b"x", bytes(port.max_message + 1), b"x"]) == 1
        with pytest.raises(mailboat.TooLarge):
            port.send_many([bytes(port.max_message + 1), b"x"])


def test_many_checks_all_before_it_sends_any(port: mailboat.Port) -> None:
    with pytest.raises(TypeError):
        port.send_many([b"good", "bad"])
    with pytest.raises(TypeError):
        port.send_many(5)
    assert port.try_receive() is None


def test_into_a_buffer(port: mailboat.Port) -> None:
    target = bytearray(b"." * 8)
    number = port.send(b"abc", kind=2)
    header = port.receive_into(target)
    assert target == b"abc....."
    assert (header.length, header.kind, header.id) == (3, 2, number)
    numbers = numpy.zeros(4, dtype="u2")
    port.send(numpy.array([1, 2, 3, 4], dtype="u2"))
    port.receive_into(numbers)
    assert numbers.tolist() == [1, 2, 3, 4]


def test_what_does_not_fit_stays(port: mailboat.Port) -> None:
    port.send(b"four")
    with pytest.raises(mailboat.TooLarge) as caught:
        port.receive_into(bytearray(3))
    assert (caught.value.size, caught.value.max) == (4, 3)
    assert port.receive(0).body == b"four"
    port.send(bytes(1 << 20))
    with pytest.raises(mailboat.TooLarge) as caught:
        port.receive_into(bytearray((1 << 20) - 1))
    assert caught.value.size == 1 << 20
    assert not port.receive(0).redelivered


def test_taken_messages_are_acknowledged_at_the_end_of_the_block(port: mailboat.Port) -> None:
    port.send(b"x")
    with port.take() as message:
        assert message.state == "taken"
        assert port.stat().in_hand == 1
    assert message.state == "acknowledged"
    assert port.stat().in_hand == 0
    assert port.try_take() is None


def test_taken_messages_are_given_back_on_an_exception(port: mailboat.Port) -> None:
    number = port.send(b"x")
    with pytest.raises(ZeroDivisionError):
        with port.take() as message:
            1 / 0
    assert message.state == "given back"
    again = port.receive(0)
    assert (again.id, again.redelivered, again.redeliveries) == (number, True, 1)
    assert "redelivered 1x" in repr(again)


def test_dropped_messages_are_given_back(port: mailboat.Port) -> None:
    number = port.send(b"x")
    for count in range(3):
        message = port.take(0)
        assert (message.id, message.redeliveries) == (number, count)
        del message
    assert port.receive(0).redeliveries == 3


def test_ending_by_hand(port: mailboat.Port) -> None:
    port.send(b"x")
    message = port.take()
    message.nack()
    assert message.state == "given back"
    message = port.take()
    message.ack()
    assert message.state == "acknowledged"
    assert port.try_take() is None
    for call in (message.ack, message.nack):
        with pytest.raises(mailboat.Invalid, match="already acknowledged"):
            call()
    # In a block that was ended by hand before, there is nothing left to do.
    port.send(b"y")
    with port.take() as message:
        message.ack()
    port.send(b"z")
    with port.take() as message:
        message.nack()
    assert port.receive(0).redelivered


def test_received_messages_are_not_in_hand(port: mailboat.Port) -> None:
    port.send(b"x")
    with port.receive() as message:
        assert message.state == "received"
        for call in (message.ack, message.nack):
            with pytest.raises(mailboat.Invalid, match="not in hand"):
                call()
    assert message.state == "received"
    assert message.body == b"x"
    assert message.body is message.body


def test_what_is_known_stays_known(port: mailboat.Port) -> None:
    number = port.send(b"abc", kind=9)
    with port.take() as message:
        pass
    assert (message.id, message.kind, len(message)) == (number, 9, 3)
    assert message.header.length == 3
    for call in (lambda: message.body, lambda: bytes(message), lambda: memoryview(message)):
        with pytest.raises(ValueError, match="already acknowledged"):
            call()


def test_an_empty_message_is_a_message(port: mailboat.Port) -> None:
    port.send(b"")
    port.send(b"")
    bodies = []
    while message := port.try_receive():
        bodies.append(message.body)
    assert bodies == [b"", b""]


def test_closing_the_port_leaves_messages_in_hand(domain: mailboat.Domain) -> None:
    port = mailboat.Port.create("orders", domain=domain)
    port.send(b"x" * 1000)
    port.send(b"y")
    message, loan = port.take(), port.loan(3)
    port.close()
    assert message.body == b"x" * 1000
    message.ack()
    loan.write(b"abc")
    loan.commit()
    with mailboat.Port.open("orders", domain=domain) as port:
        assert [each.body for each in port.receive_many(9)] == [b"y", b"abc"]


def test_iterating_ends_when_the_port_is_deleted(
    port: mailboat.Port, domain: mailboat.Domain
) -> None:
    assert iter(port) is port
    for number in range(5):
        port.send(b"%d" % number)
    bodies = []
    for message in port:
        bodies.append(message.body)
        if len(bodies) == 5:
            mailboat.Port.delete("port", domain=domain)
    assert bodies == [b"0", b"1", b"2", b"3", b"4"]
    with pytest.raises(StopIteration):
        next(port)
