"""The Python driver: does what the line protocol asks (../README.md), through the module mailboat.

One thread reads the requests; each request names the thread that is to do it, which is made when its
name comes up for the first time. Thread ``-`` is the reading one itself.
"""

import os
import queue
import socket
import sys
import threading
from typing import BinaryIO, Callable, Dict

import mailboat

import control
import messages
import names
import segments
import storm
from wire import Answer, ProtocolError, Request, escape, read

VERBS: Dict[str, Callable[[Request], Answer]] = {
    **control.VERBS,
    **messages.VERBS,
    **segments.VERBS,
    **storm.VERBS,
    **names.VERBS,
}


def failure(error: mailboat.Error) -> Answer:
    # An OSError's text has the number in front; the sentence is what all languages have.
    text = error.strerror if isinstance(error, OSError) else str(error)
    needed = getattr(error, "size", None)
    if needed is None:
        needed = getattr(error, "needed", None)
    return Answer(code=error.code, text=text, needed=needed)


def perform(request: Request) -> bytes:
    try:
        verb = VERBS.get(request.verb)
        if verb is None:
            raise ProtocolError(f"no verb {request.verb}")
        return verb(request).encode(f"{request.tag} ok")
    except mailboat.Error as error:
        return failure(error).encode(f"{request.tag} {error.kind.name.lower()}")
    except messages.Nothing as nothing:
        return f"{request.tag} {nothing}\n".encode()
    except ProtocolError as error:
        return f"{request.tag} protocol text={escape(str(error))}\n".encode()
    except Exception as error:
        name = f"python.{type(error).__name__}"
        return f"{request.tag} {name} text={escape(repr(error))}\n".encode()


class Server:
    """Answers the requests of one stream."""

    def __init__(self, requests: BinaryIO, output: int) -> None:
        self._requests = requests
        self._output = output
        self._writing = threading.Lock()
        self._inboxes: Dict[str, "queue.SimpleQueue[Request]"] = {}

    def serve(self) -> None:
        while True:
            request = read(self._requests)
            if request is None:
                return
            if request.thread == "-":
                self._respond(request)
            else:
                self._inbox(request.thread).put(request)

    def _inbox(self, thread: str) -> "queue.SimpleQueue[Request]":
        inbox = self._inboxes.get(thread)
        if inbox is None:
            inbox = self._inboxes[thread] = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(inbox,), daemon=True).start()
        return inbox

    def _work(self, inbox: "queue.SimpleQueue[Request]") -> None:
        while True:
            self._respond(inbox.get())

    def _respond(self, request: Request) -> None:
        data = memoryview(perform(request))
        with self._writing:
            while data:
                data = data[os.write(self._output, data) :]


def serve_socket(path: str) -> None:
    """What a child does: it answers on a socket, to the end."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    Server(connection.makefile("rb"), connection.fileno()).serve()


control.in_child = serve_socket

if __name__ == "__main__":
    # Ends with everything open: the interpreter takes down what there is.
    Server(sys.stdin.buffer, sys.stdout.fileno()).serve()
