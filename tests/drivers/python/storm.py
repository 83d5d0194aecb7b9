"""Endless sending and receiving, until the process is killed or told to stop.

What is sent and what is logged is described in ../README.md.
"""

import os
import random
import struct
import zlib
from typing import List, Tuple

import mailboat
from messages import handle
from table import State
from wire import Answer, Request

HEAD = struct.Struct("<QQII")
SENT = struct.Struct("<QQ")
DELIVERY = struct.Struct("<QQQII")
A_WHILE = 0.02
# What became of a delivery, in the log.
DAMAGED, RECEIVED, GIVEN_BACK = range(3)
# Reasons to try again.
PASSING = (mailboat.Full, mailboat.Empty, mailboat.Timeout, mailboat.NoSpace)
# Byte i of a filling is the low byte of sequence + 7 i.
PATTERN = bytes(7 * i & 255 for i in range(512))


def make_message(sender: int, seq: int, length: int) -> bytes:
    begin = PATTERN.index(seq & 255)
    period = PATTERN[begin : begin + 256]
    filling = (period * (length // 256 + 1))[HEAD.size : length]
    head = HEAD.pack(sender, seq, length, 0)
    return HEAD.pack(sender, seq, length, zlib.crc32(head + filling)) + filling


def checked(body: bytes) -> Tuple[int, int, bool]:
    if len(body) < HEAD.size:
        return 0, 0, False
    sender, seq, length, crc = HEAD.unpack_from(body)
    plain = HEAD.pack(sender, seq, length, 0) + body[HEAD.size :]
    if length != len(body) or crc != zlib.crc32(plain):
        return 0, 0, False
    return sender, seq, True


def open_log(request: Request) -> int:
    return os.open(request.need("log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


class Sending:
    def __init__(self, request: Request) -> None:
        self.port = handle(request)
        self.log = open_log(request)
        self.sender = request.number("sender")
        self.count = int(request.get("count") or 0)
        self.max_size = int(request.get("max_size") or 64 << 10)
        self.dice = random.Random(request.number("seed"))
        self.seq = 0

    def run(self) -> Answer:
        while (not self.count or self.seq < self.count) and not State.stop:
            n = self.dice.choice((1, 1, 1, self.dice.randint(1, 8)))
            if self.count:
                n = min(n, self.count - self.seq)
            bodies = [make_message(self.sender, self.seq + i, self.length()) for i in range(n)]
            try:
                sent = self.send(bodies)
            except PASSING:
                continue
            except mailboat.Closed:
                break
            records = b"".join(SENT.pack(self.sender, self.seq + i) for i in range(sent))
            os.write(self.log, records)
            self.seq += sent
        os.close(self.log)
        return Answer(sent=self.seq)

    def length(self) -> int:
        way = self.dice.randrange(20)
        most = self.max_size if way == 0 else 2000 if way < 6 else 100
        return self.dice.randint(HEAD.size, most)

    def send(self, bodies: List[bytes]) -> int:
        """Sends the first so many, in one way or another."""
        if len(bodies) > 1:
            return self.port.send_many(bodies, A_WHILE)
        body = bodies[0]
        way = self.dice.randrange(5)
        if way == 0:
            with self.port.loan(len(body), A_WHILE) as loan:
                with memoryview(loan) as view:
                    view[:] = body
        elif way == 1:
            loan = self.port.loan(len(body) + 1, A_WHILE)
            loan.write(body)
            if self.dice.randrange(4) == 0:
                loan.discard()
                return 0
            loan.commit(len(body), timeout=A_WHILE)
        elif way == 2:
            self.port.send(bytearray(body), A_WHILE)
        else:
            self.port.send(body, A_WHILE)
        return 1


class Receiving:
    def __init__(self, request: Request) -> None:
        self.port = handle(request)
        self.log = open_log(request)
        self.dice = random.Random(request.number("seed"))
        self.copying = request.get("way") == "copy"
        self.held: List[mailboat.Message] = []
        self.good = self.bad = 0

    def run(self) -> Answer:
        while True:
            try:
                self.receive() if self.copying else self.take()
            except PASSING:
                # What is held back may be all that there is left.
                while self.held:
                    self.acknowledge(self.held.pop())
                if State.stop:
                    break
            except mailboat.Closed:
                break
        os.close(self.log)
        return Answer(received=self.good, bad=self.bad)

    def receive(self) -> None:
        if self.dice.randrange(4) == 0:
            messages = self.port.receive_many(8, A_WHILE)
        else:
            messages = [self.port.receive(A_WHILE)]
        for message in messages:
            self.record(message)

    def take(self) -> None:
        if self.dice.randrange(4) == 0:
            receipts = self.port.take_many(8, A_WHILE)
        else:
            receipts = [self.port.take(A_WHILE)]
        while receipts:
            receipt = receipts.pop(0)
            way = self.dice.randrange(20)
            if way < 2:
                self.record(receipt, GIVEN_BACK)
                if way == 0:
                    receipt.nack()
                # Else it is forgotten, which comes to the same.
                del receipt
            elif way < 5 and len(self.held) < 4:
                self.held.append(receipt)
            elif way < 8:
                with receipt:
                    self.record(receipt)
            else:
                self.acknowledge(receipt)

    def acknowledge(self, receipt: mailboat.Message) -> None:
        """The record comes first: what is acknowledged is in the log, whenever the process is killed."""
        self.record(receipt)
        receipt.ack()

    def record(self, message: mailboat.Message, state: int = RECEIVED) -> None:
        sender, seq, good = checked(bytes(message))
        state = state if good else DAMAGED
        os.write(self.log, DELIVERY.pack(sender, seq, message.id, message.redeliveries, state))
        self.good += state == RECEIVED
        self.bad += state == DAMAGED


VERBS = {
    "storm_send": lambda request: Sending(request).run(),
    "storm_receive": lambda request: Receiving(request).run(),
}
