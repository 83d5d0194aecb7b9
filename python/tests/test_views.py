"""Views of messages, loans and segments: they keep their memory, whatever happens around them."""

import gc
import itertools
import sys
import weakref
from typing import Callable, List, Tuple

import numpy
import pytest

import mailboat
from conftest import ranges_of

# Small ones live beside their header, large ones in memory of their own.
SIZES = [16, 5000, 1 << 20]


def pattern(size: int) -> bytes:
    return (bytes(range(1, 256)) * (size // 255 + 1))[:size]


def address_of(view: object) -> int:
    return int(numpy.frombuffer(view, dtype="u1").__array_interface__["data"][0])  # type: ignore[call-overload]


def fill_again(port: mailboat.Port, size: int) -> None:
    """Uses all the memory that the port can use for messages of this size, and lets go of it."""
    held: List[mailboat.Loan] = []
    while True:
        try:
            held.append(port.loan(size, timeout=0))
        except mailboat.Full:
            break
        held[-1].write(b"\xff" * size)
    assert held
    for loan in held:
        loan.discard()


@pytest.fixture
def tight(domain: mailboat.Domain) -> mailboat.Port:
    """A port with little memory, all of which is soon used again."""
    return mailboat.Port.create(
        "tight", capacity=4, max_message=1 << 20, byte_budget=4 << 20, domain=domain
    )


@pytest.mark.parametrize("size", SIZES)
def test_a_view_of_a_taken_message_shows_the_ports_memory(
    port: mailboat.Port, place: str, size: int
) -> None:
    port.send(pattern(size))
    with port.take() as message:
        view = memoryview(message)
        array = numpy.frombuffer(message, dtype="u1")
        assert (view.nbytes, view.readonly, view.format, view.ndim) == (size, True, "B", 1)
        assert view.obj is message
        assert view == pattern(size)
        assert address_of(view) == address_of(array)
        assert any(address_of(view) in mapped for mapped in ranges_of(place))
        assert not array.flags.writeable
        with pytest.raises(TypeError):
            view[0] = 0
        with pytest.raises((TypeError, BufferError, ValueError)):
            port.receive_into(message)
        del array
        view.release()


def test_a_view_of_a_received_message_shows_its_own_copy(port: mailboat.Port) -> None:
    port.send(b"abc")
    message = port.receive()
    view = memoryview(message)
    assert view.obj is message.body
    assert view.readonly
    del message
    assert view == b"abc"


def test_a_received_message_is_hashable_bytes_for_everybody(port: mailboat.Port) -> None:
    port.send(b"abc")
    message = port.receive()
    assert b"".join([message, b"d"]) == b"abcd"
    assert bytearray(message) == b"abc"
    assert numpy.frombuffer(message, dtype="u1").tolist() == [97, 98, 99]


@pytest.mark.parametrize("size", SIZES)
def test_memory_is_not_used_again_under_a_view(tight: mailboat.Port, size: int) -> None:
    tight.send(pattern(size))
    with tight.take() as message:
        frame = numpy.frombuffer(message, dtype="u1")
    # The block is over and the array is not: the message is still in hand.
    assert message.state == "taken"
    assert tight.stat().in_hand == 1
    fill_again(tight, size)
    assert frame.tobytes() == pattern(size)
    del message
    gc.collect()
    fill_again(tight, size)
    assert frame.tobytes() == pattern(size)
    part = frame[3:9]
    del frame
    assert tight.stat().in_hand == 1
    assert part.tobytes() == pattern(size)[3:9]
    del part
    assert tight.stat().in_hand == 0
    assert tight.try_receive() is None


def test_the_block_ends_the_message_when_nothing_looks_at_it(port: mailboat.Port) -> None:
    port.send(b"abc")
    with port.take() as message:
        with memoryview(message) as view:
            assert view == b"abc"
    assert message.state == "acknowledged"
    with pytest.raises(ValueError, match="released memoryview"):
        view[0]


def test_an_exception_gives_back_when_the_last_view_has_gone(port: mailboat.Port) -> None:
    number = port.send(b"abc")
    with pytest.raises(ZeroDivisionError):
        with port.take() as message:
            view = memoryview(message)
            1 / 0
    assert port.try_receive() is None
    assert message.state == "taken"
    view.release()
    assert message.state == "given back"
    again = port.receive(0)
    assert (again.id, again.redelivered) == (number, True)


@pytest.mark.parametrize("end", ["ack", "nack"])
def test_ending_by_hand_is_refused_while_a_view_exists(port: mailboat.Port, end: str) -> None:
    port.send(b"abc")
    message = port.take()
    view = memoryview(message)
    array = numpy.frombuffer(view, dtype="u1")
    with pytest.raises(BufferError, match="views alive: 1"):
        getattr(message, end)()
    assert (message.state, message.body) == ("taken", b"abc")
    assert array.tolist() == [97, 98, 99]
    del array
    view.release()
    getattr(message, end)()
    assert message.state in ("acknowledged", "given back")


def test_after_the_block_no_new_view_is_made(port: mailboat.Port) -> None:
    port.send(b"abc")
    with port.take() as message:
        view = memoryview(message)
    for call in (
        lambda: memoryview(message),
        lambda: message.body,
        lambda: bytes(message),
        message.ack,
        message.nack,
    ):
        with pytest.raises(ValueError, match="views? alive: 1|when the last view"):
            call()
    # Of the view that exists, others can be made.
    assert memoryview(view)[1:] == b"bc"
    with message:
        pass
    assert message.state == "taken"
    del view
    assert message.state == "acknowledged"


Thing = Tuple[str, Callable[[], object]]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_things_may_be_dropped_in_any_order(
    domain: mailboat.Domain, port: mailboat.Port, order: Tuple[int, ...]
) -> None:
    body = pattern(5000)
    port.send(body)
    other = mailboat.Port.open("port", domain=domain)
    message = other.take()
    view = memoryview(message)
    things = [other, message, view, numpy.frombuffer(view, dtype="u1")]
    gone = [weakref.ref(thing) for thing in things[:2]]
    del other, message, view
    for position, index in enumerate(order):
        things[index] = None  # type: ignore[call-overload]
        gc.collect()
        for thing in things[2:]:
            if thing is not None:
                assert bytes(thing) == body
                assert port.stat().in_hand == 1
    assert [reference() for reference in gone] == [None, None]
    # It was never acknowledged, so dropping it gave it back.
    assert port.stat().in_hand == 0
    assert port.receive(0).body == body


def test_cycles_are_collected(port: mailboat.Port) -> None:
    class Holder:
        pass

    port.send(b"abc")
    holder = Holder()
    holder.message = port.take()  # type: ignore[attr-defined]
    holder.view = memoryview(holder.message)  # type: ignore[attr-defined]
    holder.me = holder  # type: ignore[attr-defined]
    del holder
    gc.collect()
    assert port.stat().in_hand == 0
    assert port.receive(0).redelivered


def test_a_view_outlives_the_deletion_of_its_port(
    domain: mailboat.Domain, port: mailboat.Port
) -> None:
    port.send(pattern(5000))
    message = port.take()
    view = memoryview(message)
    mailboat.Port.delete("port", domain=domain)
    port.close()
    gc.collect()
    assert view == pattern(5000)
    del message
    assert view == pattern(5000)


def test_many_views_are_counted(port: mailboat.Port) -> None:
    port.send(b"abc")
    message = port.take()
    views = [memoryview(message) for _ in range(10)]
    with pytest.raises(BufferError, match="views alive: 10"):
        message.ack()
    # One that was refused does not count.
    with pytest.raises(BufferError):
        port.receive_into(message, timeout=0)
    for view in views[:9]:
        view.release()
    with pytest.raises(BufferError, match="views alive: 1$"):
        message.ack()
    views[9].release()
    message.ack()


@pytest.mark.parametrize("size", SIZES)
def test_a_loan_is_written_in_the_ports_memory(port: mailboat.Port, place: str, size: int) -> None:
    with port.loan(size) as loan:
        view = memoryview(loan)
        assert (view.nbytes, view.readonly, view.format) == (size, False, "B")
        array = numpy.frombuffer(loan, dtype="u1")
        assert array.flags.writeable
        assert any(address_of(view) in mapped for mapped in ranges_of(place))
        array[:] = numpy.frombuffer(pattern(size), dtype="u1")
        assert view == pattern(size)
        del array
        view.release()
    assert port.receive(0).body == pattern(size)


def test_a_loan_is_not_sent_while_a_view_could_write_it(port: mailboat.Port) -> None:
    with pytest.raises(BufferError, match="the loan cannot be sent while views"):
        with port.loan(3) as loan:
            array = numpy.frombuffer(loan, dtype="u1")
            array[:] = [97, 98, 99]
    assert loan.state == "open"
    assert port.try_receive() is None
    for call in (loan.commit, loan.discard):
        with pytest.raises(BufferError, match="views alive: 1"):
            call()
    del array
    loan.commit()
    assert port.receive(0).body == b"abc"


def test_a_loan_left_by_an_exception_waits_for_its_views(port: mailboat.Port) -> None:
    with pytest.raises(ZeroDivisionError):
        with port.loan(3) as loan:
            view = memoryview(loan)
            1 / 0
    assert loan.state == "discarded"
    assert port.stat().loaned == 1
    view[:] = b"abc"
    for call in (loan.commit, loan.discard, lambda: memoryview(loan), lambda: loan.write(b"")):
        with pytest.raises(ValueError, match="already discarded"):
            call()
    view.release()
    assert port.stat().loaned == 0
    assert port.try_receive() is None


def test_a_dropped_loan_lives_as_long_as_its_views(tight: mailboat.Port) -> None:
    view = memoryview(tight.loan(5000))
    gc.collect()
    assert tight.stat().loaned == 1
    view[:] = pattern(5000)
    fill_again(tight, 5000)
    assert view == pattern(5000)
    del view
    assert tight.stat().loaned == 0


def test_a_segment_stays_attached_for_its_views(
    domain: mailboat.Domain, segment: mailboat.Segment, place: str
) -> None:
    view = memoryview(segment)
    assert (view.nbytes, view.readonly) == (1 << 20, False)
    assert any(address_of(view) in mapped for mapped in ranges_of(place))
    with pytest.raises(BufferError, match="the segment cannot be closed"):
        segment.close()
    with segment:
        pass
    assert segment.closed
    view[:3] = b"abc"
    mailboat.Segment.delete("segment", domain=domain)
    gc.collect()
    assert view[:3] == b"abc"
    for call in (lambda: memoryview(segment), lambda: segment.read(0, 1), lambda: len(segment)):
        with pytest.raises(ValueError, match="this segment was closed"):
            call()
    mapped = len(ranges_of(f"{place}/"))
    del view
    assert len(ranges_of(f"{place}/")) < mapped


def test_views_of_a_segment_keep_their_place_when_it_grows(segment: mailboat.Segment) -> None:
    before = numpy.frombuffer(segment, dtype="u1")
    before[0] = 7
    segment.grow(2 << 20)
    after = numpy.frombuffer(segment, dtype="u1")
    assert (before.size, after.size) == (1 << 20, 2 << 20)
    assert address_of(before) == address_of(after)
    after[0] = 8
    assert before[0] == 8
    del before, after


def test_a_segment_opened_to_be_read_is_not_written(
    domain: mailboat.Domain, segment: mailboat.Segment
) -> None:
    segment.write(b"abc")
    with mailboat.Segment.open("segment", readonly=True, domain=domain) as reader:
        with memoryview(reader) as view:
            assert view.readonly
            assert view[:3] == b"abc"
            with pytest.raises(TypeError):
                view[0] = 0
        with pytest.raises(mailboat.NotPermitted):
            reader.write(b"x")
        with pytest.raises(mailboat.NotPermitted):
            reader.grow(2 << 20)


def test_numpy_reads_a_message_as_what_it_is(port: mailboat.Port) -> None:
    image = numpy.arange(12, dtype="<f4").reshape(3, 4)
    with port.loan(image.nbytes, kind=1) as loan:
        numpy.copyto(numpy.frombuffer(loan, image.dtype).reshape(image.shape), image)
    with port.take() as message:
        seen = numpy.frombuffer(message, dtype="<f4").reshape(3, 4)
        assert (seen == image).all()
        assert seen.ctypes.data == address_of(message)
        assert seen.ctypes.data % 64 == 0
        del seen


# What a program leaves behind when it ends: nothing that crashes, nothing that complains.
ENDINGS = {
    "views in globals": """
        view = memoryview(port.take())
        loan_view = memoryview(port.loan(5000))
        segment_view = memoryview(segment)
    """,
    "views after the block": """
        with port.take() as message:
            view = memoryview(message)
        with segment:
            segment_view = memoryview(segment)
    """,
    "views in a cycle": """
        class Holder: pass
        holder = Holder()
        holder.me, holder.view, holder.other = holder, memoryview(port.take()), memoryview(segment)
    """,
    "views held by the module": """
        mailboat.kept = [memoryview(port.take()), memoryview(port.loan(10)), memoryview(segment)]
    """,
    "views used at exit": """
        import atexit, weakref
        view = memoryview(port.take())
        atexit.register(lambda: print(bytes(view[:3])))
    """,
    "views used by a finalizer": """
        class Last:
            def __init__(self): self.view = memoryview(port.take())
            def __del__(self): assert self.view[:3] == b"xxx"
        last = Last()
    """,
    "a loan and a message open": """
        message, loan = port.take(), port.loan(100)
    """,
    "an exception on its way": """
        import sys
        sys.excepthook = lambda *arguments: None
        with port.take() as message:
            view = memoryview(message)
            raise SystemExit(0)
    """,
    "a thread that waits": """
        import threading
        empty = mailboat.Port.create("empty")
        threading.Thread(target=empty.receive, daemon=True).start()
    """,
    "a thread that reads": """
        import threading
        from collections import deque
        view = memoryview(port.take())
        go = threading.Event()
        def read():
            while True:
                bytes(view); go.set()
        threading.Thread(target=read, daemon=True).start()
        go.wait()
    """,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_may_end_with_views_alive(child, domain: mailboat.Domain, ending: str) -> None:
    program = """
        import mailboat
        port = mailboat.Port.create("orders")
        port.send(b"x" * 5000)
        segment = mailboat.Segment.create("memory", 4096)
    """
    child(program + ENDINGS[ending]).end("b'xxx'\n" if "at exit" in ending else "")
    # What it had in hand is there for the next one, unless its block was over.
    with mailboat.Port.open("orders", domain=domain) as port:
        if ending == "views after the block":
            assert port.try_take() is None
        else:
            assert port.receive(60).body == b"x" * 5000
        assert port.stat().in_hand == 0


@pytest.mark.parametrize("kind", ["received", "taken", "loan", "segment", "handle"])
def test_objects_leave_no_references_behind(
    domain: mailboat.Domain, port: mailboat.Port, segment: mailboat.Segment, kind: str
) -> None:
    """The types are made by hand, in part: neither lost nor surplus references to them."""

    def make() -> object:
        if kind == "handle":
            return mailboat.Port.open("port", domain=domain)
        if kind == "segment":
            return mailboat.Segment.open("segment", domain=domain)
        if kind == "loan":
            return port.loan(5)
        port.send(b"x")
        return port.receive() if kind == "received" else port.take()

    def counts() -> List[int]:
        gc.collect()
        return [sys.getrefcount(cls) for cls in type(make()).__mro__[:-1]] + [
            sys.getrefcount(None) if sys.version_info < (3, 12) else 0
        ]

    def use() -> None:
        thing = make()
        if kind != "handle":
            bytes(memoryview(thing))  # type: ignore[arg-type]
        repr(thing)
        with pytest.raises(Exception):
            setattr(thing, "no_such_attribute", 1)
        if kind == "taken":
            thing.ack()  # type: ignore[attr-defined]

    use()
    before = counts()
    for _ in range(200):
        use()
    assert [abs(a - b) < 20 for a, b in zip(counts(), before)] == [True] * len(before)


def test_empty_shells_are_of_no_use_and_no_danger() -> None:
    """Whoever goes round the back gets an object that says no."""
    for cls in (mailboat.Message, mailboat.Loan, mailboat.Segment):
        base = cls.__mro__[1]
        with pytest.raises(TypeError, match="not safe"):
            base.__new__(cls)
        shell = base()
        for name in dir(shell):
            if not name.startswith("_") and name != "closed":
                with pytest.raises((ValueError, TypeError)):
                    getattr(shell, name)()
        for call in (memoryview, bytes, len, repr):
            with pytest.raises((ValueError, TypeError)):
                call(shell)
