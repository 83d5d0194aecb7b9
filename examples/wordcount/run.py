"""Runs the word count, kills two workers in the middle of their work, and checks the result.

    run.py --reader PROGRAM --collector PROGRAM [--input FOLDER] [--workers N] [--piece BYTES]
"""

import argparse
import ctypes
import fcntl
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLACE = "/dev/shm"
PREFIX = "mailboat-demo-"
END_KIND = 3
# The workers stop at these points, in this order, to be killed there.
KILLS = ("counting", "sent")
TICK = 0.05


class Failure(Exception):
    """The demo cannot go on; the text says why."""


class Interrupted(Exception):
    """A signal asks the demo to end."""


def say(sentence):
    erase = "\r\033[K" if sys.stderr.isatty() else ""
    print(f"{erase}run: {sentence}", file=sys.stderr, flush=True)


def private_place():
    """A new directory in shared memory for the domain, marked as in use by a lock.

    Should an earlier run have been killed itself, its directory is still there; nobody holds its
    lock, and it is removed.
    """
    for old in Path(PLACE).glob(PREFIX + "*"):
        try:
            with open(old / "lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(old, ignore_errors=True)
        except OSError:
            pass  # in use, or somebody else's
    while True:
        place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE))
        lock = open(place / "lock", "w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (place / "lock").exists():
            return place, lock
        # Another run saw the directory before it was locked, and removed it as a leftover.


PARENT = os.getpid()


def die_with_parent():
    """In a child: should this program be killed, the kernel kills the child as well."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != PARENT:
        # It was killed before the kernel knew.
        os._exit(1)


def start(command, **options):
    # Sessions of their own: Ctrl-C comes to this program only, which ends them in order.
    return subprocess.Popen(
        command, start_new_session=True, preexec_fn=die_with_parent, stdin=subprocess.DEVNULL, **options
    )


class Demo:
    def __init__(self, arguments, place):
        import mailboat

        self.mailboat = mailboat
        self.arguments = arguments
        self.counts, self.summary = place / "counts", place / "summary"
        piece = arguments.piece
        # Small ports: whoever is faster has to wait.
        self.pieces = mailboat.Port.create("pieces", capacity=32, max_message=piece + 8)
        # An entry has 6 bytes and the word, in the text the word has at least itself and a border;
        # so no result is four times as long as its text.
        self.results = mailboat.Port.create("results", capacity=32, max_message=4 * piece + 64)
        self.selector = selectors.DefaultSelector()
        self.workers = {}
        self.started = 0
        self.kills = 0
        self.stops = self.plan()
        self.processes = []

    def plan(self):
        """The numbers of the pieces from which on the workers are to be killed: after about one and
        two thirds of the work."""
        import reference

        estimate = sum(-(-size // self.arguments.piece) for _, size in reference.files(self.arguments.input))
        return {point: estimate * (i + 1) // (len(KILLS) + 1) for i, point in enumerate(KILLS)}

    def run(self):
        begin = time.monotonic()
        self.collector = self.keep(start([self.arguments.collector, self.counts, self.summary]))
        for _ in range(self.arguments.workers):
            self.start_worker()
        reader = [self.arguments.reader, self.arguments.input, str(self.arguments.piece)]
        self.reader = self.keep(start(reader))
        while not self.all_acknowledged():
            self.look_after_workers()
            self.check()
        # Every result was sent before its piece was acknowledged: this comes after the last one.
        self.results.send(b"", kind=END_KIND)
        while self.collector.poll() is None:
            self.look_after_workers()
            self.check()
        self.check()
        messages = self.pieces.stat().sent + self.results.stat().sent
        self.mailboat.Port.delete("pieces")
        self.mailboat.Port.delete("results")
        for worker in list(self.workers.values()):
            if worker.wait() != 0:
                raise Failure(f"worker {worker.number} ended with status {worker.returncode}")
        return messages, time.monotonic() - begin

    def keep(self, process):
        self.processes.append(process)
        return process

    def start_worker(self):
        self.started += 1
        stops = [f"{point}:{self.stops[point]}" for point in KILLS[self.kills :]]
        command = [sys.executable, HERE / "worker.py", *stops]
        worker = self.keep(start(command, stdout=subprocess.PIPE))
        worker.number = self.started
        self.workers[worker.pid] = worker
        self.selector.register(worker.stdout, selectors.EVENT_READ, worker)

    def look_after_workers(self):
        """Waits a moment for workers that have stopped; kills those that are to be killed there, and
        lets the others go on."""
        for key, _ in self.selector.select(TICK):
            worker = key.data
            line = worker.stdout.readline().split()
            if not line:
                self.selector.unregister(worker.stdout)
                continue
            _, status = os.waitpid(worker.pid, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                raise Failure(f"worker {worker.number} ended when it should have stopped")
            point, number = line[0].decode(), int(line[1])
            if self.kills < len(KILLS) and point == KILLS[self.kills]:
                self.kill(worker, point, number)
            else:
                os.kill(worker.pid, signal.SIGCONT)

    def kill(self, worker, point, number):
        in_hand = self.pieces.stat().in_hand
        if in_hand < 1:
            raise Failure(f"worker {worker.number} stopped, but no piece is in hand")
        worker.kill()
        if worker.wait() != -signal.SIGKILL:
            raise Failure(f"worker {worker.number} ended by itself, before it could be killed")
        self.kills += 1
        del self.workers[worker.pid]
        self.selector.unregister(worker.stdout)
        worker.stdout.close()
        where = {"counting": "while it counted", "sent": "between sending the result and acknowledging"}
        say(f"killed worker {worker.number} (pid {worker.pid}) {where[point]} piece {number}; {in_hand} in hand")
        self.start_worker()

    def all_acknowledged(self):
        """Whether the reader has ended and nothing of what it sent is queued or in a worker's hands.

        A figure may be read while a message moves from one to the other, so two looks must agree
        and nothing have moved in between.
        """
        if self.reader.poll() is None:
            return False
        looks = [self.pieces.stat() for _ in range(2)]
        rest = [s.queued + s.in_hand + s.given_back + s.loaned for s in looks]
        return rest == [0, 0] and looks[0].received == looks[1].received

    def check(self):
        if self.reader.poll() not in (None, 0):
            raise Failure(f"the reader ended with status {self.reader.returncode}")
        if self.collector.poll() not in (None, 0):
            raise Failure(f"the collector ended with status {self.collector.returncode}")
        for worker in self.workers.values():
            if worker.poll() is not None:
                raise Failure(f"worker {worker.number} ended with status {worker.returncode}")

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def verdict(self):
        """What the collector found, and whatever is wrong with it."""
        import reference

        summary = {}
        for line in self.summary.read_text().splitlines():
            name, value = line.split()
            summary[name] = int(value)
        counts = {}
        with open(self.counts, "rb") as file:
            for line in file:
                count, word = line.split()
                counts[word] = int(count)
        say("counting again in one process")
        expected, expected_bytes = reference.count(self.arguments.input)

        wrong = []
        if counts != expected:
            differ = [w for w in counts.keys() | expected.keys() if counts.get(w) != expected.get(w)]
            shown = ", ".join(
                f"{w.decode()[:40]} {counts.get(w, 0)}/{expected.get(w, 0)}" for w in sorted(differ)[:5]
            )
            wrong.append(f"the counts differ in {len(differ)} words: {shown}")
            if expected_bytes != summary["bytes"]:
                wrong.append(f"{summary['bytes']} bytes were counted, then {expected_bytes}: did the folder change?")
        if self.kills != len(KILLS):
            wrong.append(f"{self.kills} workers were killed instead of {len(KILLS)}")
        if summary["redelivered"] < self.kills:
            wrong.append("a piece that was in a killed worker's hands did not come back")
        for trouble in "lost", "duplicated", "unknown":
            if summary[trouble] != 0:
                wrong.append(f"{summary[trouble]} pieces {trouble}")
        if summary["bytes"] != summary["total_bytes"]:
            wrong.append(f"{summary['total_bytes']} bytes were sent and {summary['bytes']} counted")
        if not wrong:
            say(f"both counts are equal: {sum(counts.values())} words, {len(counts)} different")
            say(f"results that came twice after a kill, and were merged once: {summary['repeated']}")
        return summary, wrong


def run(arguments):
    place, _lock = private_place()
    demo = None
    try:
        os.environ["MAILBOAT_DOMAIN"] = str(place / "domain")
        demo = Demo(arguments, place)
        messages, seconds = demo.run()
        summary, wrong = demo.verdict()
    finally:
        # Another signal must not leave the work of this undone.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if demo is not None:
            demo.end()
        shutil.rmtree(place, ignore_errors=True)
    for sentence in wrong:
        say(sentence)
    print(
        f"messages {messages}, bytes {summary['bytes']}, kills {demo.kills}, "
        f"redelivered {summary['redelivered']}, lost {summary['lost']}, "
        f"duplicated {summary['duplicated']}, seconds {seconds:.1f}"
    )
    return 1 if wrong else 0


def interrupted(number, _frame):
    raise Interrupted(signal.Signals(number).name)


def main():
    parser = argparse.ArgumentParser(description="The word count demo.")
    parser.add_argument("--reader", required=True, type=Path)
    parser.add_argument("--collector", required=True, type=Path)
    parser.add_argument("--input", default="/usr/include")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--piece", type=int, default=1 << 16)
    arguments = parser.parse_args()
    if not os.path.isdir(arguments.input) and not os.path.isfile(arguments.input):
        parser.error(f"there is no folder or file {arguments.input}")
    if arguments.workers < 1 or arguments.piece < 1024:
        parser.error("at least one worker, and 1024 bytes for a piece, are needed")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        return run(arguments)
    except Interrupted as name:
        say(f"ended by {name}; nothing is left behind")
        return 130
    except Failure as failure:
        say(str(failure))
        return 1


if __name__ == "__main__":
    sys.exit(main())
