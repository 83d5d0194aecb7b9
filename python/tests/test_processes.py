"""Several processes: fork, spawn, and what a kill leaves."""

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

import mailboat
import workers

METHODS = ["fork", "spawn", "forkserver"]


@pytest.mark.parametrize("method", METHODS)
def test_ports_go_to_the_processes_of_multiprocessing(domain: mailboat.Domain, method: str) -> None:
    context = multiprocessing.get_context(method)
    requests = mailboat.Port.create("requests", domain=domain)
    replies = mailboat.Port.create("replies", domain=domain)
    processes = [context.Process(target=workers.upper, args=(requests, replies)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [replies.receive().body for _ in processes] == [b"ready"] * 2
    for number in range(50):
        requests.send(b"request %d" % number)
    answers = [replies.receive() for _ in range(50)]
    assert {answer.body for answer in answers} == {b"REQUEST %d" % n for n in range(50)}
    # Each child is a task of its own.
    assert domain.task not in {answer.sender for answer in answers}
    assert {answer.kind for answer in answers} <= {process.pid & 0xFFFF for process in processes}
    requests.shut()
    for process in processes:
        process.join()
        assert process.exitcode == 0


@pytest.mark.parametrize("method", METHODS)
def test_segments_and_queues_go_there_too(domain: mailboat.Domain, method: str) -> None:
    size = mailboat.Queue.required_size(capacity=4, max_message=100)
    segment = mailboat.Segment.create("memory", 4096 + size, domain=domain)
    queue = mailboat.Queue.create(segment, 4096, capacity=4, max_message=100)
    context = multiprocessing.get_context(method)
    process = context.Process(target=workers.write, args=(segment, queue))
    process.start()
    assert queue.receive().body == b"done"
    assert segment.read(100, 20) == b"written by the child"
    process.join()
    assert process.exitcode == 0


def test_errors_come_back_from_a_pool(domain: mailboat.Domain) -> None:
    with mailboat.Port.create("empty", domain=domain) as port:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            with pytest.raises(mailboat.Timeout) as caught:
                pool.submit(workers.fail, port).result()
    assert isinstance(caught.value.because, mailboat.Empty)


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_taker_gives_its_message_to_the_next(
    domain: mailboat.Domain, port: mailboat.Port, method: str
) -> None:
    context = multiprocessing.get_context(method)
    for count in range(2):
        if count == 0:
            number = port.send(b"precious")
        ours, theirs = context.Pipe()
        process = context.Process(target=workers.take_and_wait, args=(port, theirs))
        process.start()
        theirs.close()
        body, pid = ours.recv()
        ours.close()
        assert (body, pid) == (b"precious", process.pid)
        assert port.try_receive() is None
        process.kill()
        process.join()
    message = port.receive(60)
    assert (message.id, message.body) == (number, b"precious")
    assert (message.redelivered, message.redeliveries) == (True, 2)
    assert port.stat().deaths == 2
    assert port.try_receive() is None


def test_a_waiting_receiver_gets_what_a_killed_one_had(
    domain: mailboat.Domain, port: mailboat.Port
) -> None:
    """Nobody sends anything more: the death itself has to be noticed."""
    port.send(b"precious")
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=workers.take_and_wait, args=(port, theirs))
    process.start()
    _, pid = ours.recv()
    ours.close()
    theirs.close()
    os.kill(pid, signal.SIGKILL)
    assert port.take(60).redeliveries == 1
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_a_killed_sender_leaves_what_it_sent_and_no_loan(
    domain: mailboat.Domain, port: mailboat.Port, child: Any
) -> None:
    sender = child(
        """
        import mailboat, os, signal
        port = mailboat.Port.open("port")
        view = memoryview(port.loan(5000))
        view[:4] = b"half"
        port.send(b"whole")
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    sender.process.wait()
    assert port.receive(60).body == b"whole"
    with pytest.raises(mailboat.Timeout):
        port.receive(0.3)
    assert port.stat().loaned == 0


def test_a_forked_child_uses_what_it_inherited(child: Any) -> None:
    child(
        """
        import mailboat, os
        port = mailboat.Port.create("orders")
        answers = mailboat.Port.create("answers")
        parent = port.domain.task
        pid = os.fork()
        if pid == 0:
            message = port.receive(60)
            assert port.domain.task != parent
            answers.send(message.body + b" received", kind=port.domain.task)
            os._exit(0)
        port.send(b"hello")
        answer = answers.receive(60)
        assert answer.body == b"hello received"
        assert answer.sender == answer.kind != parent == port.domain.task
        assert os.waitpid(pid, 0)[1] == 0
        print("done")
        """
    ).end("done\n")


def test_what_the_parent_has_in_hand_stays_the_parents(child: Any) -> None:
    child(
        """
        import gc, mailboat, os
        port = mailboat.Port.create("orders")
        port.send(b"x" * 5000)
        port.send(b"second")
        port.send(b"third")
        message, dropped, loan = port.take(), port.take(), port.loan(5000)
        with port.take() as deferred:
            late = memoryview(deferred)
        view, loan_view = memoryview(message), memoryview(loan)
        pid = os.fork()
        if pid == 0:
            # Views of before the fork go on showing the memory.
            assert view == b"x" * 5000 and late == b"third"
            view.release(); loan_view.release()
            for call in (message.ack, loan.commit):
                try:
                    call()
                except mailboat.Forked:
                    pass
                else:
                    raise AssertionError(call)
            # Dropping does nothing here: not to what was in hand, nor to a block that was over.
            late.release()
            del message, dropped, loan, view, loan_view, late, deferred
            gc.collect()
            assert port.try_take() is None
            stat = port.stat()
            assert (stat.in_hand, stat.loaned) == (3, 1), stat
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert view == b"x" * 5000
        view.release(); loan_view.release()
        message.ack(); dropped.ack()
        loan.write(b"from the parent"); loan.commit(15)
        late.release()
        assert deferred.state == "acknowledged"
        assert port.receive(0).body == b"from the parent"
        assert port.stat().in_hand == 0
        print("done")
        """
    ).end("done\n")


def test_a_port_of_the_parent_survives_its_children(child: Any) -> None:
    child(
        """
        import mailboat, os
        with mailboat.Port.create("mine", owner="task") as port:
            pid = os.fork()
            if pid == 0:
                port.send(b"x")
                port.close()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            assert not port.closed
            assert port.receive(60).body == b"x"
        print("done")
        """
    ).end("done\n")


def test_forking_while_other_threads_use_the_port(child: Any) -> None:
    child(
        """
        import mailboat, os, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)     # that fork and threads do not mix
        port = mailboat.Port.create("orders")
        stop = threading.Event()
        def busy():
            while not stop.is_set():
                port.send(b"x" * 300)
                port.receive()
        threads = [threading.Thread(target=busy) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                port.send(b"y")
                port.receive(60)
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        stop.set()
        for thread in threads:
            thread.join()
        print("done")
        """
    ).end("done\n")


def test_a_port_of_a_killed_process_is_closed(domain: mailboat.Domain, child: Any) -> None:
    owner = child(
        """
        import mailboat
        port = mailboat.Port.create("mine", owner="task")
        print("ready", flush=True)
        input()
        """
    )
    assert owner.line() == "ready"
    user = mailboat.Port.open("mine", domain=domain)
    owner.process.kill()
    owner.process.wait()
    with pytest.raises(mailboat.Closed):
        user.receive(60)
    with pytest.raises(mailboat.NotFound):
        mailboat.Port.open("mine", domain=domain)
