"""Where a scenario is played: a domain of its own, and actors."""

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Union

import pytest

from .driver import PATIENCE, Door, Hang, Pending, Process
from .wire import Answer


class Refused(Exception):
    """A call failed; `answer` says how."""

    def __init__(self, actor: "Actor", verb: str, answer: Answer) -> None:
        super().__init__(f"{actor}: {verb}: {answer}")
        self.answer = answer
        self.status = answer.status


def _checked(actor: "Actor", verb: str, answer: Answer) -> Answer:
    if answer.status != "ok":
        raise Refused(actor, verb, answer)
    return answer


class Started:
    """A call of an actor that is under way."""

    def __init__(self, actor: "Actor", pending: Pending) -> None:
        self.actor = actor
        self._pending = pending

    @property
    def done(self) -> bool:
        return self._pending.done

    def result(self) -> Answer:
        return _checked(self.actor, self._pending.verb, self._pending.result())

    def outcome(self) -> Answer:
        """The answer, also of a failure."""
        return self._pending.result()

    def waits(self) -> "Started":
        """Returns when the call really sleeps in the library; it must not end instead."""
        need_system_calls()
        process, thread = self._pending.process, self._pending.thread
        tid = self.actor.tid
        end = time.monotonic() + PATIENCE
        while not process.sleeps_in(tid, self.actor.stage.place):
            assert not self._pending.done, f"{self._pending} did not wait: {self._pending.answer}"
            if time.monotonic() > end:
                raise Hang(f"{self._pending} neither waits nor ends; {process.where(thread)}")
            time.sleep(0.0005)
        return self


class Actor:
    """One thread of a driver. Its handles have names of their own, also where two actors share a
    process. Verbs are methods: `actor.send("p", b"hello", wait=1)`."""

    # The names in a driver's table, which belong to one actor each.
    NAMES = ("handle", "loan", "receipt", "segment")

    def __init__(self, stage: "Stage", process: Process, thread: str, prefix: str) -> None:
        self.stage = stage
        self.process = process
        self.thread = thread
        self.prefix = prefix
        # Before there is anything that it could wait for.
        self.tid = process.tid(thread)

    @property
    def language(self) -> str:
        return self.process.language

    def _start(
        self, verb: str, bodies: Optional[List[bytes]], words: Dict[str, object]
    ) -> Started:
        for name in self.NAMES:
            if name in words:
                words[name] = f"{self.prefix}.{words[name]}"
        return Started(self, self.process.call(self.thread, verb, bodies, **words))

    def start(
        self, verb: str, handle: Optional[str] = None, body: Optional[bytes] = None, **words: object
    ) -> Started:
        """Begins a call and does not wait for its end."""
        if handle is not None:
            words["handle"] = handle
        return self._start(verb, None if body is None else [body], words)

    def call(self, verb: str, **words: object) -> Answer:
        return self._start(verb, None, words).result()

    def refused(self, verb: str, handle: Optional[str] = None, **words: object) -> Answer:
        """The answer of a call that must fail."""
        bodies = words.pop("bodies", None)
        body = words.pop("body", None)
        if handle is not None:
            words["handle"] = handle
        if body is not None:
            bodies = [body]
        answer = self._start(verb, bodies, words).outcome()  # type: ignore[arg-type]
        assert answer.status != "ok", f"{self}: {verb} {words} succeeded: {answer}"
        assert answer.status != "protocol", answer
        return answer

    # ---- ports

    def create(self, name: str, handle: Optional[str] = None, **options: object) -> Answer:
        return self.call("create", name=name, handle=handle or name, **options)

    def open(self, name: str, handle: Optional[str] = None) -> Answer:
        return self.call("open", name=name, handle=handle or name)

    def open_or_create(self, name: str, handle: Optional[str] = None, **options: object) -> Answer:
        return self.call("open_or_create", name=name, handle=handle or name, **options)

    def delete(self, name: str) -> Answer:
        return self.call("delete", name=name)

    def close(self, handle: str) -> Answer:
        return self.call("close", handle=handle)

    def facts(self, handle: str) -> Answer:
        return self.call("facts", handle=handle)

    def stat(self, handle: str) -> Answer:
        return self.call("stat", handle=handle)

    # ---- messages

    def send(self, handle: str, body: bytes, **words: object) -> Answer:
        return self._start("send", [body], {"handle": handle, **words}).result()

    def try_send(self, handle: str, body: bytes) -> Answer:
        return self._start("try_send", [body], {"handle": handle}).result()

    def send_many(self, handle: str, bodies: List[bytes], **words: object) -> Answer:
        return self._start("send_many", bodies, {"handle": handle, **words}).result()

    def receive(self, handle: str, **words: object) -> Answer:
        return self.call("receive", handle=handle, **words)

    def try_receive(self, handle: str) -> Answer:
        return self.call("try_receive", handle=handle)

    def receive_into(self, handle: str, room: int, **words: object) -> Answer:
        return self.call("receive_into", handle=handle, room=room, **words)

    def receive_many(self, handle: str, max: int, **words: object) -> Answer:
        return self.call("receive_many", handle=handle, max=max, **words)

    def drain(self, handle: str) -> List[Answer]:
        """All that there is."""
        return list(self._drain(handle))

    def _drain(self, handle: str) -> Iterator[Answer]:
        while True:
            answer = self.start("receive", handle, wait="try").outcome()
            if answer.status == "empty":
                return
            yield _checked(self, "receive", answer)

    def loan(self, handle: str, loan: str, size: int, **words: object) -> Answer:
        return self.call("loan", handle=handle, loan=loan, size=size, **words)

    def fill(self, loan: str, body: bytes, offset: int = 0) -> Answer:
        return self._start("fill", [body], {"loan": loan, "offset": offset}).result()

    def write(self, loan: str, body: bytes, offset: int = 0) -> Answer:
        return self._start("write", [body], {"loan": loan, "offset": offset}).result()

    def commit(self, loan: str, **words: object) -> Answer:
        return self.call("commit", loan=loan, **words)

    def discard(self, loan: str) -> Answer:
        return self.call("discard", loan=loan)

    def take(self, handle: str, receipt: str, **words: object) -> Answer:
        return self.call("take", handle=handle, receipt=receipt, **words)

    def take_many(self, handle: str, receipt: str, max: int, **words: object) -> Answer:
        return self.call("take_many", handle=handle, receipt=receipt, max=max, **words)

    def look(self, receipt: str) -> Answer:
        return self.call("look", receipt=receipt)

    def ack(self, receipt: str) -> Answer:
        return self.call("ack", receipt=receipt)

    def nack(self, receipt: str) -> Answer:
        return self.call("nack", receipt=receipt)

    # ---- segments

    def segment_create(self, name: str, size: int, **options: object) -> Answer:
        return self.call("segment_create", name=name, segment=name, size=size, **options)

    def segment_open(self, name: str, access: str = "write") -> Answer:
        return self.call("segment_open", name=name, segment=name, access=access)

    def segment_read(self, segment: str, offset: int, length: int) -> Optional[bytes]:
        return self.call("segment_read", segment=segment, offset=offset, length=length).body

    def segment_look(self, segment: str, offset: int, length: int) -> Optional[bytes]:
        return self.call("segment_look", segment=segment, offset=offset, length=length).body

    def segment_write(self, segment: str, offset: int, body: bytes) -> Answer:
        return self._start("segment_write", [body], {"segment": segment, "offset": offset}).result()

    def segment_fill(self, segment: str, offset: int, body: bytes) -> Answer:
        return self._start("segment_fill", [body], {"segment": segment, "offset": offset}).result()

    # ---- the process

    def task(self) -> int:
        return int(self.call("task").task)

    def kill(self) -> None:
        self.process.kill()

    def fork(self, **words: object) -> "Actor":
        """A child of its process, with copies of all handles."""
        verb = "multiprocessing" if words else "fork"
        door = Door(self.stage.socket())
        started = self.process.call("-", verb, None, socket=door.path, **words).result()
        pid = int(_checked(self, verb, started).pid)
        process = self.stage.own(door.child(self.process, pid))
        return Actor(self.stage, process, self.thread, self.prefix)

    def __repr__(self) -> str:
        return f"{self.prefix} ({self.process})"


class Stage:
    """A domain, and the actors in it."""

    def __init__(self, pool: "Pool", tmpfs: Optional[str] = None) -> None:
        self._pool = pool
        # For what belongs to the test, and unless told otherwise for the domain.
        self._room = tempfile.mkdtemp(prefix="mailboat-contract-", dir="/dev/shm")
        self.place = os.path.join(tmpfs or self._room, "domain")
        self._processes: List[Process] = []
        self._strangers: List[Process] = []
        self._actors = 0
        self._sockets = 0

    def actor(
        self,
        language: str,
        name: str = "actor",
        beside: Optional[Actor] = None,
        domain: Union[str, bool] = True,
    ) -> Actor:
        """Someone who plays: in a process of his own, or as another thread beside someone."""
        self._actors += 1
        if beside is not None:
            return Actor(self, beside.process, f"{name}{self._actors}", f"{name}{self._actors}")
        process = self.own(self._pool.take(language))
        actor = Actor(self, process, f"{name}{self._actors}", f"{name}{self._actors}")
        if domain is not False:
            actor.call("domain", location=self.place if domain is True else domain)
        return actor

    def stranger(self, language: str) -> Actor:
        """Someone in a process that nobody uses afterwards, without a domain."""
        self._actors += 1
        process = self.own(Process.start(language))
        self._strangers.append(process)
        return Actor(self, process, f"stranger{self._actors}", f"stranger{self._actors}")

    def aside(self, actor: Actor) -> Actor:
        """Another thread of an actor, with the same handles."""
        self._actors += 1
        return Actor(self, actor.process, f"{actor.thread}.{self._actors}", actor.prefix)

    def own(self, process: Process) -> Process:
        self._processes.append(process)
        return process

    def socket(self) -> str:
        self._sockets += 1
        return os.path.join(self._room, f"socket{self._sockets}")

    def file(self, name: str) -> str:
        return os.path.join(self._room, name)

    def end(self, failed: bool) -> None:
        """Sends everybody home. Nobody may keep anything of this domain."""
        leftovers: List[str] = []
        try:
            # Children first: they are their parents'.
            for process in reversed(self._processes):
                if process.gone:
                    continue
                if failed or process.parent is not None or process.busy:
                    process.dispose()
                    continue
                process.call("-", "reset").result()
                leftovers += [f"{process}: {use}" for use in process.uses(self.place)]
                if process not in self._strangers:
                    self._pool.give(process)
        finally:
            for process in self._processes:
                if process not in self._pool:
                    process.dispose()
            shutil.rmtree(self._room, ignore_errors=True)
        assert not leftovers, "still in use after everything was closed:\n" + "\n".join(leftovers)


class Pool:
    """Drivers that wait for their next scenario."""

    def __init__(self) -> None:
        self._idle: Dict[str, List[Process]] = {}

    def take(self, language: str) -> Process:
        idle = self._idle.setdefault(language, [])
        return idle.pop() if idle else Process.start(language)

    def give(self, process: Process) -> None:
        self._idle.setdefault(process.language, []).append(process)

    def __contains__(self, process: Process) -> bool:
        return process in self._idle.get(process.language, [])

    def end(self) -> None:
        for idle in self._idle.values():
            for process in idle:
                process.dispose()
        self._idle.clear()


def need_system_calls() -> None:
    if not Path("/proc/self/syscall").exists():
        pytest.skip("this system does not show what a thread waits for: no /proc/PID/task/TID/syscall")
