"""A worker: takes pieces of text, counts their words, and sends the results.

    worker.py [POINT:NUMBER ...]

At each POINT named ("counting": a piece is taken and not yet counted; "sent": its result is sent and
it is not yet acknowledged) the worker stops itself, once, at the first piece with this number or a
higher one, or at the last; before that it prints the point, so that whoever started it can kill it
right there, or let it go on.
"""

import os
import re
import signal
import struct
import sys
from collections import Counter

import mailboat

WORD = re.compile(rb"[A-Za-z0-9_]{1,1024}")
NUMBER = struct.Struct("<Q")
RESULT = struct.Struct("<QQII")
ENTRY = struct.Struct("<IH")
LAST_PIECE = 2
RESULT_KIND = 1


class Stops:
    """The places where this worker is to stop."""

    def __init__(self, arguments):
        self.wanted = {}
        for argument in arguments:
            point, number = argument.split(":")
            self.wanted[point] = int(number)

    def at(self, point, number, is_last):
        if point in self.wanted and (is_last or number >= self.wanted[point]):
            del self.wanted[point]
            print(point, number, flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)


def result(number, text, redeliveries):
    """The message that tells how often each word is in the text."""
    counts = Counter(WORD.findall(text))
    parts = [RESULT.pack(number, len(text), redeliveries, len(counts))]
    for word, count in counts.items():
        parts.append(ENTRY.pack(count, len(word)))
        parts.append(word)
    return b"".join(parts)


def work(pieces, results, stops):
    while True:
        with pieces.take() as message:  # acknowledged at the end of this block
            with memoryview(message) as view, view[NUMBER.size :] as text:
                (number,) = NUMBER.unpack_from(view)
                is_last = message.kind == LAST_PIECE
                stops.at("counting", number, is_last)
                body = result(number, text, message.redeliveries)
            results.send(body, kind=RESULT_KIND)
            stops.at("sent", number, is_last)


def main():
    stops = Stops(sys.argv[1:])
    try:
        with mailboat.Port.open("pieces") as pieces, mailboat.Port.open("results") as results:
            work(pieces, results, stops)
    except (mailboat.Closed, mailboat.NotFound):
        pass  # the ports were removed, perhaps before this worker came to open them: all is done


if __name__ == "__main__":
    main()
