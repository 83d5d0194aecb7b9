"""Processes that play: starting them, asking them, seeing that they wait, killing them."""

import os
import platform
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Optional

from .wire import Answer, Parser, request

# Nothing is right or wrong by how long it took. This only ends a test that hangs.
PATIENCE = float(os.environ.get("MAILBOAT_TEST_PATIENCE", "60"))

FUTEX = {"x86_64": "202", "aarch64": "98"}[platform.machine()]

LANGUAGES = ("rust", "c", "cpp", "python")


class Hang(AssertionError):
    """A driver did not answer."""


def command(language: str) -> List[str]:
    """How to start a driver. The places are set by mk/contract.mk."""
    programs = Path(os.environ["MAILBOAT_DRIVERS"])
    if language == "python":
        return [sys.executable, str(Path(__file__).parent.parent / "drivers/python/driver.py")]
    return [str(programs / f"driver-{language}")]


class Pending:
    """A request that may not have been answered yet."""

    def __init__(self, process: "Process", tag: int, thread: str, verb: str) -> None:
        self.process = process
        self.tag = tag
        self.thread = thread
        self.verb = verb
        self.answer: Optional[Answer] = None

    @property
    def done(self) -> bool:
        if self.answer is None:
            self.process.pump(0)
        return self.answer is not None

    def result(self) -> Answer:
        """The answer, whatever it is."""
        end = time.monotonic() + PATIENCE
        while self.answer is None:
            if not self.process.pump(end - time.monotonic()):
                raise Hang(f"{self} got no answer; {self.process.where(self.thread)}")
        return self.answer

    def __repr__(self) -> str:
        return f"{self.verb} in thread {self.thread} of {self.process}"


class Process:
    """A driver: a process of its own, or the child of one."""

    def __init__(self, language: str, pid: int, to_it: int, from_it: int) -> None:
        self.language = language
        self.pid = pid
        self.gone = False
        self._to = to_it
        self._from = from_it
        self._parser = Parser()
        self._pending: Dict[int, Pending] = {}
        self._tids: Dict[str, int] = {}
        self._last_tag = 0
        self.child: Optional["subprocess.Popen[bytes]"] = None
        self.parent: Optional["Process"] = None

    @classmethod
    def start(cls, language: str, **environment: str) -> "Process":
        env = {k: v for k, v in os.environ.items() if k != "MAILBOAT_DOMAIN"}
        child = subprocess.Popen(
            command(language),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**env, "RUST_BACKTRACE": "1", **environment},
        )
        assert child.stdin and child.stdout
        self = cls(language, child.pid, child.stdin.fileno(), child.stdout.fileno())
        self.child = child
        hello = self.call("-", "hello").result()
        assert hello.language == language, hello
        return self

    # ---- asking

    def call(
        self, thread: str, verb: str, bodies: Optional[List[bytes]] = None, **words: object
    ) -> Pending:
        self._last_tag += 1
        pending = Pending(self, self._last_tag, thread, verb)
        self._pending[pending.tag] = pending
        self._write(request(pending.tag, thread, verb, words, bodies))
        return pending

    def _write(self, data: bytes) -> None:
        # The driver reads while it works, so this ends.
        view = memoryview(data)
        while view:
            view = view[os.write(self._to, view) :]

    def pump(self, seconds: float) -> bool:
        """Takes in what there is, after waiting for something to come; whether something came."""
        if not select.select([self._from], [], [], max(seconds, 0))[0]:
            return False
        data = os.read(self._from, 1 << 20)
        if not data:
            self.ended()
            status = "" if self.child is None else f", status {self.child.returncode}"
            raise AssertionError(f"{self} ended{status}")
        for tag, answer in self._parser.feed(data):
            self._pending.pop(tag).answer = answer
        return True

    @property
    def busy(self) -> bool:
        while self.pump(0):
            pass
        return bool(self._pending)

    # ---- seeing

    def tid(self, thread: str) -> int:
        if thread not in self._tids:
            self._tids[thread] = int(self.call(thread, "thread").result().tid)
        return self._tids[thread]

    def sleeps_in(self, tid: int, place: str) -> bool:
        """Whether a thread is in futex(2), on a word in a file under `place`."""
        try:
            words = Path(f"/proc/{self.pid}/task/{tid}/syscall").read_text().split()
        except ProcessLookupError:
            return False
        if words[0] != FUTEX:
            return False
        address = int(words[1], 16)
        for line in Path(f"/proc/{self.pid}/maps").read_text().splitlines():
            span, _, rest = line.partition(" ")
            low, high = (int(x, 16) for x in span.split("-"))
            if low <= address < high:
                return place + "/" in rest
        return False

    def uses(self, place: str) -> List[str]:
        """Mappings and descriptors of files under `place`."""
        found = [
            line
            for line in Path(f"/proc/{self.pid}/maps").read_text().splitlines()
            if place + "/" in line
        ]
        for fd in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                target = os.readlink(fd)
            except FileNotFoundError:
                continue
            if target.startswith(place):
                found.append(f"{fd} -> {target}")
        return found

    def where(self, thread: str) -> str:
        """For messages about hangs."""
        if thread not in self._tids:
            return "which thread it is is not known"
        task = Path(f"/proc/{self.pid}/task/{self._tids[thread]}")
        try:
            return f"it is in system call {(task / 'syscall').read_text().strip()}"
        except OSError as error:
            return str(error)

    # ---- ending

    def kill(self) -> None:
        """SIGKILL; returns when the kernel has cleaned up after it."""
        os.kill(self.pid, signal.SIGKILL)
        self.ended()

    def exit(self) -> None:
        """Lets it end by itself, with all its handles open."""
        self.call("-", "exit")
        self.ended()

    def ended(self) -> None:
        """Waits for its end."""
        self.gone = True
        if self.child is not None:
            try:
                self.child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                raise Hang(f"{self} does not end") from None
            assert self.child.stdin and self.child.stdout
            self.child.stdin.close()
            self.child.stdout.close()
        elif self.parent is not None:
            os.close(self._to)
            if not self.parent.gone:
                # If it is his. An orphan, or a child of a fork server, is reaped by somebody else.
                self.parent.call("-", "wait_child", pid=self.pid).result()
            self._let_go()

    def _let_go(self) -> None:
        """Returns when its last thread has gone, and with it all that it had."""
        end = time.monotonic() + PATIENCE
        proc = Path(f"/proc/{self.pid}")
        try:
            # A zombie's state alone does not say so: its first thread may go before the others.
            while (proc / "stat").read_text().rpartition(") ")[2][0] not in "ZX" or len(
                list((proc / "task").iterdir())
            ) > 1:
                if time.monotonic() > end:
                    raise Hang(f"{self} does not end")
                time.sleep(0.0005)
        except (FileNotFoundError, ProcessLookupError):
            pass

    def dispose(self) -> None:
        """Gets rid of it, in whatever state it is."""
        if not self.gone:
            try:
                self.kill()
            except (OSError, AssertionError):
                self.gone = True

    def __repr__(self) -> str:
        return f"{self.language} driver {self.pid}"


class Door:
    """Where a forked child of a driver comes in."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen(1)
        self._listener.settimeout(PATIENCE)

    def child(self, parent: Process, pid: int) -> Process:
        try:
            connection, _ = self._listener.accept()
        except socket.timeout:
            raise Hang(f"the child of {parent} does not come") from None
        finally:
            self._listener.close()
            os.unlink(self.path)
        connection.setblocking(True)
        fd = connection.detach()
        child = Process(parent.language, pid, fd, fd)
        child.parent = parent
        return child
