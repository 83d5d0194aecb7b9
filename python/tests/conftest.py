"""What the tests share: a domain of their own, child interpreters, and a net under everything."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional

import pytest

import mailboat


def pytest_addoption(parser: pytest.Parser) -> None:
    if pytest.version_tuple < (9,):
        parser.addini("faulthandler_exit_on_timeout", "known from pytest 9 on", type="bool")


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A directory for a domain, which is the default one while the test runs."""
    directory = tempfile.mkdtemp(prefix="mailboat-python-test-", dir="/dev/shm")
    location = os.path.join(directory, "domain")
    monkeypatch.setenv("MAILBOAT_DOMAIN", location)
    yield location
    shutil.rmtree(directory)


@pytest.fixture
def domain(place: str) -> mailboat.Domain:
    return mailboat.Domain(place)


@pytest.fixture
def port(domain: mailboat.Domain) -> Iterator[mailboat.Port]:
    with mailboat.Port.create("port", domain=domain) as port:
        yield port


@pytest.fixture
def segment(domain: mailboat.Domain) -> Iterator[mailboat.Segment]:
    with mailboat.Segment.create("segment", 1 << 20, domain=domain) as segment:
        yield segment


def end_with_parent() -> None:
    """Runs in a child: should this test run be killed, nothing of it stays behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


class Child:
    """A Python program of its own, with all checks of the interpreter on."""

    def __init__(self, program: str, arguments: List[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(program)]
            + arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent,
            preexec_fn=end_with_parent,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        """The next line that it prints; fails the test with its complaints if it ended instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            _, errors = self.process.communicate()
            pytest.fail(f"the child ended with {self.process.returncode}:\n{errors}")
        return line.rstrip("\n")

    def end(self, expected: str = "") -> None:
        """Waits for its end, which must be orderly, after it printed what is expected."""
        printed, errors = self.process.communicate()
        assert (self.process.returncode, errors, printed) == (0, "", expected), errors


@pytest.fixture
def child(place: str) -> Iterator[Callable[..., Child]]:
    """Starts children in the test's domain, and ends those that are left."""
    children = []

    def start(program: str, *arguments: Any) -> Child:
        children.append(Child(program, [str(argument) for argument in arguments]))
        return children[-1]

    yield start
    for each in children:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


def ranges_of(path: str, pid: str = "self") -> List[range]:
    """The addresses at which a process has files below this path mapped."""
    found = []
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and fields[5].startswith(path):
                start, end = (int(number, 16) for number in fields[0].split("-"))
                found.append(range(start, end))
    return found


def wait_until_asleep(place: str, pid: int, thread: Optional[int] = None) -> None:
    """Returns when a thread (the first one, unless given) of the process sleeps on a word in shared
    memory of the domain."""
    path = f"/proc/{pid}/task/{thread or pid}/syscall"
    while True:
        with open(path) as file:
            call = file.read().split()
        if call[0] == FUTEX:
            address = int(call[1], 16)
            if any(address in mapped for mapped in ranges_of(place, str(pid))):
                return
        time.sleep(0)


FUTEX = {"x86_64": "202", "aarch64": "98"}[os.uname().machine]
