"""Errors: a class for each kind, and bad input of every sort."""

import copy
import errno
import os
import pickle
import queue
import socket
import subprocess
from typing import Any, Callable, Dict, List

import numpy
import pytest

import mailboat
from mailboat import _errors, _mailboat

KINDS = _mailboat._ERROR_KINDS

NATURAL = {
    "Full": queue.Full,
    "Empty": queue.Empty,
    "Timeout": TimeoutError,
    "Closed": BrokenPipeError,
    "PeerDied": ConnectionResetError,
    "NotPermitted": PermissionError,
    "TooLarge": ValueError,
    "NoSpace": OSError,
    "NotFound": FileNotFoundError,
    "AlreadyExists": FileExistsError,
    "BadName": ValueError,
    "Invalid": ValueError,
    "Interrupted": InterruptedError,
    "System": OSError,
    "Internal": RuntimeError,
}


def test_each_kind_has_its_class_and_no_class_is_left_over() -> None:
    assert {cls.__name__ for cls in mailboat.Error.__subclasses__()} == {
        name for name, _, _ in KINDS
    }
    assert [(kind.name.replace("_", ""), kind.value) for kind in mailboat.ErrorKind] == [
        (name.upper(), code) for name, code, _ in KINDS
    ]


@pytest.mark.parametrize("name, code, words", KINDS)
def test_the_class_of_a_kind(name: str, code: int, words: str) -> None:
    cls = getattr(mailboat, name)
    assert name in mailboat.__all__
    assert issubclass(cls, mailboat.Error)
    assert cls.__doc__
    assert (cls.__module__, cls.__qualname__) == ("mailboat", name)
    assert (cls.code, cls.kind) == (code, mailboat.ErrorKind(code))
    assert issubclass(cls, NATURAL.get(name, Exception))
    assert issubclass(cls, OSError) == (cls.kind in _errors._ERRNO)
    error = _errors.make(code, "the sentence", None, {"detail": 1})
    assert type(error) is cls
    assert (error.code, error.kind, error.detail) == (code, mailboat.ErrorKind(code), 1)
    assert "the sentence" in str(error)
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(same) is cls
        assert (str(same), same.args, same.detail) == (str(error), error.args, 1)


@pytest.mark.parametrize(
    "name", [name for name, base in NATURAL.items() if issubclass(base, OSError)]
)
def test_errors_of_the_system_have_a_number(name: str) -> None:
    error = _errors.make(getattr(mailboat, name).code, "the sentence", None, {})
    assert isinstance(error, OSError)
    assert error.strerror == "the sentence"
    assert error.errno in errno.errorcode
    base = NATURAL[name]
    if base is not OSError:
        # The number is one for which Python itself would have raised this class.
        assert type(OSError(error.errno, "")) is base
    error = _errors.make(getattr(mailboat, name).code, "the sentence", errno.EIO, {})
    assert isinstance(error, OSError)
    assert (error.errno, error.strerror) == (errno.EIO, "the sentence")


def test_a_real_error_travels_between_processes(port: mailboat.Port) -> None:
    with pytest.raises(mailboat.Timeout) as caught:
        port.receive(0.001)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (type(error), str(error)) == (mailboat.Timeout, str(caught.value))
    assert error.after == caught.value.after
    assert type(error.because) is mailboat.Empty


BAD_NAMES = [
    "",
    ".",
    "..",
    "-a",
    "_a",
    ".hidden",
    "a/b",
    "/a",
    "a b",
    "a\0b",
    "\0",
    "ä",
    "a\n",
    "x" * 201,
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
@pytest.mark.parametrize(
    "call",
    [
        lambda name: mailboat.Port.create(name),
        lambda name: mailboat.Port.open(name),
        lambda name: mailboat.Port.open_or_create(name),
        lambda name: mailboat.Port.delete(name),
        lambda name: mailboat.Segment.create(name, 10),
        lambda name: mailboat.Segment.open(name),
        lambda name: mailboat.Segment.open_or_create(name, 10),
        lambda name: mailboat.Segment.delete(name),
    ],
)
def test_bad_names(domain: mailboat.Domain, call: Callable[[str], Any], name: str) -> None:
    with pytest.raises(mailboat.BadName):
        call(name)
    assert domain.list() == []


def test_the_longest_name(domain: mailboat.Domain) -> None:
    assert mailboat.MAX_NAME == 200
    mailboat.Port.create("x" * mailboat.MAX_NAME, domain=domain).close()


@pytest.mark.parametrize("name", [None, 5, b"bytes", ["list"]], ids=repr)
def test_names_are_strings(place: str, name: Any) -> None:
    for call in (
        mailboat.Port.create,
        mailboat.Port.open,
        mailboat.Port.delete,
        mailboat.Segment.open,
    ):
        with pytest.raises(TypeError):
            call(name)


def test_names_are_text(place: str) -> None:
    with pytest.raises(ValueError):
        mailboat.Port.create("surrogate-\udcff")


BAD_OPTIONS: List[Dict[str, Any]] = [
    {"capacity": 0},
    {"capacity": -1},
    {"capacity": (1 << 26) + 1},
    {"capacity": 1 << 32},
    {"capacity": 1 << 64},
    {"max_message": -1},
    {"max_message": (1 << 40) + 1},
    {"max_message": 1 << 64},
    {"max_message": 1 << 100},
    {"byte_budget": -1},
    {"byte_budget": 1 << 64},
    {"byte_budget": 1, "max_message": 5000},
    {"max_users": 0},
    {"max_users": -5},
    {"max_users": 4097},
    {"owner": "nobody"},
    {"owner": ""},
    {"mode": -1},
    {"mode": 1 << 32},
]


@pytest.mark.parametrize("options", BAD_OPTIONS, ids=repr)
def test_options_out_of_range(domain: mailboat.Domain, options: Dict[str, Any]) -> None:
    for call in (mailboat.Port.create, mailboat.Port.open_or_create):
        with pytest.raises(mailboat.Invalid):
            call("orders", **options)
    assert domain.list() == []


@pytest.mark.parametrize(
    "options",
    [
        {"capacity": "10"},
        {"capacity": 1.5},
        {"max_message": b"1"},
        {"byte_budget": [1]},
        {"max_users": "many"},
        {"owner": 5},
        {"owner": None},
        {"timestamps": 1},
        {"timestamps": None},
        {"mode": "rw"},
        {"domain": 5},
        {"unknown": 1},
    ],
    ids=repr,
)
def test_options_of_the_wrong_type(domain: mailboat.Domain, options: Dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        mailboat.Port.create("orders", **options)
    assert domain.list() == []


def test_options_are_given_by_name(place: str) -> None:
    with pytest.raises(TypeError):
        mailboat.Port.create("orders", 10)  # type: ignore[misc]
    with pytest.raises(TypeError):
        mailboat.Port.create()  # type: ignore[call-arg]


@pytest.mark.parametrize("size", [-1, 1 << 64, 1 << 100])
def test_sizes_out_of_range(port: mailboat.Port, segment: mailboat.Segment, size: int) -> None:
    for call in (
        lambda: port.loan(size),
        lambda: port.receive_many(size),
        lambda: port.take_many(size),
        lambda: mailboat.Segment.create("other", size),
        lambda: mailboat.Segment.open_or_create("other", size),
        lambda: mailboat.Segment.create("other", 10, max_size=size),
        lambda: segment.grow(size),
        lambda: segment.read(size),
        lambda: segment.read(0, size),
        lambda: segment.write(b"", size),
        lambda: port.loan(10).write(b"", size),
        lambda: port.loan(10).commit(size),
        lambda: setattr(port.loan(10), "length", size),
        lambda: mailboat.Queue.create(segment, size),
        lambda: mailboat.Queue.open(segment, size),
        lambda: mailboat.Queue.required_size(max_message=size),
    ):
        with pytest.raises(mailboat.Invalid, match=str(size)):
            call()


def test_sizes_that_are_too_large(port: mailboat.Port, segment: mailboat.Segment) -> None:
    for call in (
        lambda: port.loan(1 << 63),
        lambda: segment.grow(1 << 62),
        lambda: mailboat.Segment.create("other", (1 << 64) - 1),
        lambda: mailboat.Segment.create("other", 1 << 50),
        lambda: mailboat.Segment.create("other", 10, max_size=(1 << 64) - 1),
        lambda: mailboat.Queue.create(segment, (1 << 64) - 4096),
    ):
        with pytest.raises(mailboat.Error):
            call()
    assert [entry.name for entry in segment.domain.list()] == ["port", "segment"]


def test_nothing_at_all(port: mailboat.Port, domain: mailboat.Domain) -> None:
    with pytest.raises(mailboat.Invalid):
        mailboat.Segment.create("other", 0, domain=domain)
    for call in (port.receive_many, port.take_many):
        with pytest.raises(mailboat.Invalid, match="max must be at least 1"):
            call(0)


@pytest.mark.parametrize("size", ["10", 1.0, None, b"1"], ids=repr)
def test_sizes_of_the_wrong_type(port: mailboat.Port, segment: mailboat.Segment, size: Any) -> None:
    for call in (
        port.loan,
        port.receive_many,
        port.take_many,
        lambda size: mailboat.Segment.create("other", size),
        segment.grow,
        lambda size: setattr(port.loan(1), "length", size),
    ):
        with pytest.raises(TypeError):
            call(size)


def test_numbers_of_other_libraries_are_numbers(port: mailboat.Port) -> None:
    port.send(b"x", kind=numpy.uint32(7), timeout=numpy.float32(1))
    assert port.receive(numpy.float64(1)).kind == 7
    port.loan(numpy.int64(5)).discard()


@pytest.mark.parametrize("kind", [-1, 1 << 32, 1 << 64])
def test_kinds_out_of_range(port: mailboat.Port, kind: int) -> None:
    for call in (
        lambda: port.send(b"", kind=kind),
        lambda: port.try_send(b"", kind),
        lambda: port.send_many([b""], kind=kind),
        lambda: port.loan(1, kind=kind),
        lambda: port.loan(1).commit(kind=kind),
        lambda: setattr(port.loan(1), "kind", kind),
    ):
        with pytest.raises(mailboat.Invalid, match="kind must be from 0 to 4294967295"):
            call()
    assert port.stat().sent == 0


@pytest.mark.parametrize(
    "timeout", [-1, -0.001, float("nan"), float("-inf"), -(1 << 2000), 1 << 2000]
)
def test_timeouts_out_of_range(port: mailboat.Port, timeout: float) -> None:
    for call in (
        lambda: port.send(b"", timeout),
        lambda: port.send_many([b""], timeout),
        lambda: port.loan(1, timeout),
        lambda: port.loan(1).commit(timeout=timeout),
        lambda: port.receive(timeout),
        lambda: port.receive_into(bytearray(1), timeout),
        lambda: port.receive_many(1, timeout),
        lambda: port.take(timeout),
        lambda: port.take_many(1, timeout),
    ):
        with pytest.raises(mailboat.Invalid, match="timeout must be a number of seconds"):
            call()
    assert port.stat().sent == 0


@pytest.mark.parametrize("timeout", ["1", b"1", [1], 1j], ids=repr)
def test_timeouts_of_the_wrong_type(port: mailboat.Port, timeout: Any) -> None:
    for call in (port.receive, port.take, lambda timeout: port.send(b"", timeout)):
        with pytest.raises(TypeError, match="timeout"):
            call(timeout)


def test_long_timeouts(port: mailboat.Port) -> None:
    for timeout in (None, float("inf"), 1e300, 1e10, 1 << 70, True):
        port.send(b"x", timeout)
        assert port.receive(timeout).body == b"x"


@pytest.mark.parametrize("data", ["text", None, 5, 1.5, [1], {}, object()], ids=repr)
def test_data_without_bytes(port: mailboat.Port, segment: mailboat.Segment, data: Any) -> None:
    for call in (
        port.send,
        port.try_send,
        lambda data: port.send_many([data]),
        lambda data: port.loan(9).write(data),
        segment.write,
        port.receive_into,
    ):
        with pytest.raises(TypeError, match="bytes-like"):
            call(data)
    assert port.stat().sent == 0


def test_data_must_be_contiguous(port: mailboat.Port, segment: mailboat.Segment) -> None:
    square = numpy.arange(9, dtype="u1").reshape(3, 3)
    for data in (memoryview(b"abcdef")[::2], memoryview(b"abc")[::-1], square[:, 1], square.T):
        for call in (port.send, segment.write, lambda data: port.send_many([data])):
            with pytest.raises((BufferError, ValueError), match="contiguous"):
                call(data)
    with pytest.raises((BufferError, ValueError), match="contiguous"):
        port.receive_into(square.T)
    assert port.stat().sent == 0


def test_released_views(port: mailboat.Port, segment: mailboat.Segment) -> None:
    view = memoryview(bytearray(b"abc"))
    view.release()
    for call in (port.send, port.receive_into, segment.write, port.loan(3).write):
        with pytest.raises(ValueError, match="released"):
            call(view)


def test_targets_must_be_writable(port: mailboat.Port) -> None:
    port.send(b"abc")
    frozen = numpy.zeros(9, dtype="u1")
    frozen.flags.writeable = False
    for target in (b"123456789", memoryview(b"123456789"), frozen):
        with pytest.raises((BufferError, ValueError, TypeError)):
            port.receive_into(target)
    assert not port.receive(0).redelivered


def test_too_large_says_both_figures(domain: mailboat.Domain) -> None:
    with mailboat.Port.create("small", max_message=1000, domain=domain) as port:
        port.send(bytes(1000))
        for call in (
            lambda: port.send(bytes(1001)),
            lambda: port.try_send(bytes(1001)),
            lambda: port.loan(1001),
            lambda: port.send_many([bytes(1001)]),
        ):
            with pytest.raises(mailboat.TooLarge, match="1001.*1000") as caught:
                call()
            assert (caught.value.size, caught.value.max) == (1001, 1000)
        assert len(port) == 1


def test_absent_and_present_objects(domain: mailboat.Domain) -> None:
    for cls in (mailboat.Port, mailboat.Segment):
        with pytest.raises(mailboat.NotFound) as caught:
            cls.open("absent", domain=domain)
        assert caught.value.errno == errno.ENOENT
        assert "absent" in str(caught.value) and domain.path in str(caught.value)
        with pytest.raises(mailboat.NotFound):
            cls.delete("absent", domain=domain)
    mailboat.Port.create("present", domain=domain).close()
    with pytest.raises(mailboat.AlreadyExists) as present:
        mailboat.Port.create("present", domain=domain)
    assert present.value.errno == errno.EEXIST
    mailboat.Segment.create("memory", 10, domain=domain).close()
    with pytest.raises(mailboat.AlreadyExists):
        mailboat.Segment.create("memory", 10, domain=domain)


def files_of(domain: mailboat.Domain, name: str) -> List[str]:
    return [os.path.join(domain.path, file) for file in os.listdir(domain.path) if name in file]


def test_foreign_things_in_the_place_of_a_port(domain: mailboat.Domain) -> None:
    mailboat.Port.create("orders", domain=domain).close()
    (path,) = files_of(domain, "orders")
    kept = path + "-kept"
    os.rename(path, kept)
    for make in (
        lambda: os.symlink(kept, path),
        lambda: os.mkdir(path),
        lambda: os.mkfifo(path),
        lambda: os.link(kept, path),
    ):
        make()
        with pytest.raises(mailboat.Error) as caught:
            mailboat.Port.open("orders", domain=domain)
        assert type(caught.value) in (mailboat.WrongType, mailboat.Corrupt, mailboat.NotPermitted)
        os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    os.rename(kept, path)
    mailboat.Port.open("orders", domain=domain).close()


def test_files_that_are_none_of_ours(domain: mailboat.Domain) -> None:
    port = mailboat.Port.create("orders", domain=domain)
    segment = mailboat.Segment.create("orders", 10, max_size=1 << 20, domain=domain)
    for each in (port, segment):
        each.close()
        (path,) = files_of(domain, "orders." + type(each).__name__.lower())
        length = os.path.getsize(path)
        with open(path, "r+b") as file:
            start = file.read(64)

            def damaged_by(data: bytes, offset: int) -> mailboat.Error:
                file.seek(offset)
                file.write(data)
                file.flush()
                return refused()

            def refused() -> mailboat.Error:
                with pytest.raises(mailboat.Error) as caught:
                    type(each).open("orders", domain=domain)
                return caught.value

            foreign = damaged_by(b"foreign!", 0)
            assert isinstance(foreign, mailboat.Corrupt)
            assert foreign.found != foreign.expected
            file.seek(0)
            file.write(start)
            newer = damaged_by(b"\xe7\x03\0\0", 8)
            assert isinstance(newer, mailboat.Version)
            assert (newer.found, newer.expected) == (999, 1)
            file.seek(0)
            file.write(start)
            file.flush()
            type(each).open("orders", domain=domain).close()
            for shorter in (length - 4096, length // 2, 4096, 100, 0):
                os.truncate(path, shorter)
                assert isinstance(refused(), mailboat.Corrupt)


@pytest.mark.skipif(os.getuid() != 0, reason="mounting takes root")
def test_a_full_tmpfs_is_an_error_with_figures(tmp_path: Any) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting is not permitted here")
    try:
        place = str(tmp_path / "domain")
        with pytest.raises(mailboat.NoSpace) as caught:
            mailboat.Segment.create("memory", 64 << 20, domain=place)
        error = caught.value
        assert isinstance(error, OSError) and error.errno == errno.ENOSPC
        assert error.needed >= 64 << 20
        assert error.available <= 2 << 20
        assert error.place and error.place in str(error)
        with mailboat.Port.create("orders", domain=place) as port:
            sent = 0
            with pytest.raises(mailboat.NoSpace):
                while True:
                    port.send(bytes(300_000))
                    sent += 1
            # Nothing is lost, and there is room again when they have gone.
            assert [len(message) for message in port.receive_many(100)] == [300_000] * sent
            port.send(b"small ones fit")
            assert port.receive(0).body == b"small ones fit"
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_too_many_users(domain: mailboat.Domain) -> None:
    with mailboat.Port.create("small", max_users=2, domain=domain) as port:
        with mailboat.Port.open("small", domain=domain):
            with pytest.raises(mailboat.TooMany, match="2"):
                mailboat.Port.open("small", domain=domain)
        mailboat.Port.open("small", domain=domain).close()
        assert port.stat().users == 1


def test_a_lost_lease(domain: mailboat.Domain, port: mailboat.Port, child: Any) -> None:
    """Other code of the process closes the descriptor that proves that it lives."""
    victim = child(
        """
        import mailboat, os
        port = mailboat.Port.open("port")
        message = port.take()
        print(port.domain.task, flush=True)
        input()
        os.closerange(3, 1000)
        print("closed", flush=True)
        input()
        try:
            message.ack()
        except mailboat.LeaseLost as error:
            print(error.kind.name)
        """
    )
    port.send(b"abc")
    assert int(victim.line()) != domain.task
    victim.process.stdin.write("\n")
    victim.process.stdin.flush()
    assert victim.line() == "closed"
    message = port.receive(60)
    assert (message.body, message.redelivered) == (b"abc", True)
    victim.process.stdin.write("\n")
    victim.process.stdin.flush()
    victim.end("LEASE_LOST\n")


def test_sockets_and_files_take_messages(port: mailboat.Port, tmp_path: Any) -> None:
    port.send(b"abc")
    port.send(b"def")
    ours, theirs = socket.socketpair()
    with ours, theirs, port.take() as message:
        ours.sendall(message)
        assert theirs.recv(10) == b"abc"
    with open(tmp_path / "file", "wb") as file, port.take() as message:
        file.write(message)
    assert (tmp_path / "file").read_bytes() == b"def"
