"""The Python part of the quick benchmark: two pinned processes; prints its figures as JSON."""

import json
import os
import time

import mailboat

TURNS = 30_000
COUNT = 200_000


def polled(receive):
    while True:
        message = receive()
        if message is not None:
            return message


def in_two_processes(child, parent):
    os.sched_setaffinity(0, {0, 1})
    pid = os.fork()
    if pid == 0:
        os.sched_setaffinity(0, {1})
        try:
            child()
        finally:
            os._exit(0)
    os.sched_setaffinity(0, {0})
    answer = parent()
    os.waitpid(pid, 0)
    return answer


def fresh(name, **options):
    try:
        mailboat.Port.delete(name)
    except mailboat.NotFound:
        pass
    return mailboat.Port.create(name, **options)


def ping_pong(receive_there, receive_back):
    there, back = fresh("python-there"), fresh("python-back")
    body = bytes(64)

    def child():
        receive = receive_there(there)
        for _ in range(TURNS):
            receive()
            back.send(body)

    def parent():
        receive = receive_back(back)
        start = 0
        for turn in range(TURNS):
            if turn == TURNS // 10:
                start = time.perf_counter_ns()
            there.send(body)
            receive()
        return (time.perf_counter_ns() - start) / (TURNS - TURNS // 10) / 2

    return in_two_processes(child, parent)


def polling(port):
    return lambda: polled(port.try_receive)


def blocking(port):
    return port.receive


def stream():
    port = fresh("python-stream")
    body = bytes(64)

    def child():
        for _ in range(COUNT):
            port.send(body)

    def parent():
        port.receive()
        start = time.perf_counter_ns()
        for _ in range(COUNT - 1):
            port.receive()
        return COUNT / ((time.perf_counter_ns() - start) / 1e3)

    return in_two_processes(child, parent)


if __name__ == "__main__":
    print(
        json.dumps(
            {
                "polling_ns": ping_pong(polling, polling),
                "blocking_ns": ping_pong(blocking, blocking),
                "stream_per_us": stream(),
            }
        )
    )
