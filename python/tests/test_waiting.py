"""Calls that wait: Ctrl-C, signal handlers, other threads."""

import gc
import os
import signal
import threading
import time
from collections import Counter
from typing import Any, Callable, List

import pytest

import mailboat
from conftest import wait_until_asleep

WAITS = {
    "receive": "empty.receive()",
    "receive with a timeout": "empty.receive(1000)",
    "take": "empty.take()",
    "receive_into": "empty.receive_into(bytearray(10))",
    "receive_into a large buffer": "empty.receive_into(bytearray(1 << 20))",
    "receive_many": "empty.receive_many(5)",
    "take_many": "empty.take_many(5)",
    "iteration": "list(empty)",
    "send": "full.send(b'x')",
    "send something large": "full.send(bytes(1 << 20))",
    "send_many": "full.send_many([b'x', b'y'])",
    "commit": "loan.commit()",
    "the end of a loan's block": "loan.__exit__(None, None, None)",
    "loan": "[full.loan(1 << 20) for _ in range(100)]",
}

SETTING = """
    import mailboat, signal, sys
    empty = mailboat.Port.create("empty")
    full = mailboat.Port.create("full", capacity=1, max_message=1 << 20, byte_budget=4 << 20)
    full.send(b"in the way")
    loan = full.loan(3)
    print("ready", flush=True)
"""


@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_ends_a_wait(child: Any, place: str, wait: str) -> None:
    program = f"""
        try:
            {WAITS[wait]}
        except KeyboardInterrupt:
            print("interrupted", loan.state, len(full), len(empty))
    """
    waiting = child(SETTING.replace("\n    ", "\n        ") + program)
    assert waiting.line() == "ready"
    wait_until_asleep(place, waiting.pid)
    os.kill(waiting.pid, signal.SIGINT)
    waiting.end("interrupted open 1 0\n")


@pytest.mark.parametrize("wait", ["receive", "send", "commit"])
def test_a_handler_that_returns_lets_it_wait_on(child: Any, place: str, wait: str) -> None:
    program = f"""
        signal.signal(signal.SIGUSR1, lambda *_: print("handled", flush=True))
        print("armed", flush=True)
        {WAITS[wait]}
        print("done")
    """
    waiting = child(SETTING.replace("\n    ", "\n        ") + program)
    assert (waiting.line(), waiting.line()) == ("ready", "armed")
    for _ in range(3):
        wait_until_asleep(place, waiting.pid)
        os.kill(waiting.pid, signal.SIGUSR1)
        assert waiting.line() == "handled"
    wait_until_asleep(place, waiting.pid)
    mailboat.Port.open("empty").send(b"x")
    mailboat.Port.open("full").receive()
    waiting.end("done\n")


def test_a_handler_may_use_the_very_port_that_waits(child: Any, place: str) -> None:
    waiting = child(
        """
        import mailboat, signal
        port = mailboat.Port.create("orders")
        signal.signal(signal.SIGUSR1, lambda *_: port.send(b"from the handler"))
        print("ready", flush=True)
        print(port.receive().body)
        """
    )
    assert waiting.line() == "ready"
    wait_until_asleep(place, waiting.pid)
    os.kill(waiting.pid, signal.SIGUSR1)
    waiting.end("b'from the handler'\n")


def test_a_timeout_counts_the_whole_wait(child: Any, place: str) -> None:
    """A wait that signals cut into pieces ends when it would have ended without them."""
    waiting = child(
        """
        import mailboat, signal, time
        port = mailboat.Port.create("orders")
        signal.signal(signal.SIGUSR1, lambda *_: print("handled", flush=True))
        print("ready", flush=True)
        before = time.monotonic()
        try:
            port.receive(timeout=1.0)
        except mailboat.Timeout as error:
            assert 1.0 <= error.after <= time.monotonic() - before, error.after
            assert f"{error.after:.3f}" in str(error)
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            print("ended", flush=True)
        """
    )
    assert waiting.line() == "ready"
    wait_until_asleep(place, waiting.pid)
    os.kill(waiting.pid, signal.SIGUSR1)
    pieces = 0
    while waiting.line() == "handled":
        pieces += 1
        os.kill(waiting.pid, signal.SIGUSR1)
    assert pieces > 0
    waiting.end()


class Thread(threading.Thread):
    """A thread that is asleep in a call when it has started, and whose result is looked at."""

    def __init__(self, place: str, call: Callable[[], Any]) -> None:
        super().__init__()
        self.call = call
        self.result: Any = None
        self.start()
        assert self.native_id is not None
        wait_until_asleep(place, os.getpid(), self.native_id)

    def run(self) -> None:
        try:
            self.result = self.call()
        except Exception as error:
            self.result = error

    def end(self) -> Any:
        self.join()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def test_other_threads_run_while_one_waits(port: mailboat.Port, place: str) -> None:
    receiver = Thread(place, port.receive)
    taker = Thread(place, port.take)
    port.send(b"x")
    port.send(b"x")
    assert receiver.end().state == "received"
    taker.end().ack()


def test_other_threads_run_while_one_sends(domain: mailboat.Domain, place: str) -> None:
    with mailboat.Port.create("full", capacity=1, domain=domain) as port:
        port.send(b"1")
        for call in (lambda: port.send(b"2"), lambda: port.send(b"2" * 100_000)):
            sender = Thread(place, call)
            port.receive()
            number = sender.end()
            assert port.stat().sent >= 2 and number
        loan = port.loan(3)
        committer = Thread(place, loan.commit)
        assert loan.state == "being sent"
        for use in (loan.commit, loan.discard, lambda: memoryview(loan), lambda: loan.write(b"")):
            with pytest.raises(ValueError, match="another thread is sending"):
                use()
        port.receive()
        assert committer.end() == loan.id


def test_deleting_ends_the_waits_of_all(domain: mailboat.Domain, place: str) -> None:
    port = mailboat.Port.create("orders", capacity=1, domain=domain)
    threads = [
        Thread(place, port.receive),
        Thread(place, port.take),
        Thread(place, lambda: list(port)),
    ]
    mailboat.Port.delete("orders", domain=domain)
    for thread in threads[:2]:
        with pytest.raises(mailboat.Closed):
            thread.end()
    assert threads[2].end() == []


def test_closing_a_handle_leaves_calls_under_way(port: mailboat.Port, place: str) -> None:
    receiver = Thread(place, port.receive)
    with mailboat.Port.open("port", domain=port.domain) as other:
        port.close()
        other.send(b"x")
    assert receiver.end().body == b"x"


def test_dropping_a_handle_leaves_calls_under_way(domain: mailboat.Domain, place: str) -> None:
    receiver = Thread(place, mailboat.Port.create("orders", domain=domain).receive)
    gc.collect()
    with mailboat.Port.open("orders", domain=domain) as other:
        other.send(b"x")
    assert receiver.end().body == b"x"


def test_many_threads_share_one_handle(domain: mailboat.Domain) -> None:
    """Every message comes out once, whatever the way in and out."""
    senders, each = 4, 300
    with mailboat.Port.create("orders", capacity=16, domain=domain) as port:
        seen: List[bytes] = []
        failures: List[BaseException] = []

        def guarded(call: Callable[..., None], *arguments: Any) -> None:
            try:
                call(*arguments)
            except mailboat.Closed:
                pass
            except BaseException as error:
                failures.append(error)

        def send(who: int) -> None:
            for number in range(0, each, 3):
                port.send(b"%d %d" % (who, number))
                with port.loan(20) as loan:
                    body = b"%d %d" % (who, number + 1)
                    loan.write(body)
                    loan.length = len(body)
                assert port.send_many([b"%d %d" % (who, number + 2)]) == 1

        def receive(how: int) -> None:
            while True:
                if how == 0:
                    seen.append(port.receive().body)
                elif how == 1:
                    with port.take() as message, memoryview(message) as view:
                        seen.append(bytes(view))
                elif how == 2:
                    seen.extend(message.body for message in port.receive_many(5))
                else:
                    target = bytearray(20)
                    seen.append(bytes(target[: port.receive_into(target).length]))

        sending = [threading.Thread(target=guarded, args=(send, who)) for who in range(senders)]
        receiving = [threading.Thread(target=guarded, args=(receive, how)) for how in range(4)]
        for thread in sending + receiving:
            thread.start()
        for thread in sending:
            thread.join()
        while len(port) or port.stat().in_hand:
            time.sleep(0)
        port.shut()
        for thread in receiving:
            thread.join()
        assert failures == []
        expected = Counter(b"%d %d" % (who, n) for who in range(senders) for n in range(each))
        assert Counter(seen) == expected


def test_views_are_counted_from_any_thread(port: mailboat.Port) -> None:
    port.send(b"abc" * 1000)
    message = port.take()

    def look() -> None:
        for _ in range(300):
            with memoryview(message) as view:
                assert view[0] == ord("a")
            assert message.body[:3] == b"abc"

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    message.ack()


def test_a_message_may_end_while_another_thread_copies_it(port: mailboat.Port) -> None:
    for _ in range(20):
        port.send(b"x" * (1 << 20))
        copies: List[Any] = []
        with port.take() as message:
            started = threading.Event()

            def copy(message: mailboat.Message = message) -> None:
                started.set()
                try:
                    while True:
                        copies.append(message.body == b"x" * (1 << 20))
                except ValueError:
                    copies.append("ended")

            thread = threading.Thread(target=copy)
            thread.start()
            started.wait()
        thread.join()
        assert copies.pop() == "ended"
        assert all(copies)
        assert port.stat().in_hand == 0
