"""Endless making, opening and deleting of things under a few names; see ../README.md."""

import random
from typing import List, Optional

import mailboat
from mailboat import Port, Segment
from table import State
from wire import Answer, Request

# What others, who do the same at the same time, can be the reason of.
EXPECTED = (
    mailboat.AlreadyExists,
    mailboat.Closed,
    mailboat.Empty,
    mailboat.Full,
    mailboat.NotFound,
    mailboat.Timeout,
)


class Player:
    def __init__(self, request: Request) -> None:
        self.place = {"domain": State.domain}
        self.dice = random.Random(request.number("seed"))
        self.names = request.need("names").split(",")
        self.ports: List[Optional[Port]] = [None] * 3
        self.segments: List[Optional[Segment]] = [None] * 2

    def run(self) -> Answer:
        done = 0
        while not State.stop:
            try:
                self.act(self.dice.choice(self.names))
                done += 1
            except EXPECTED:
                pass
        return Answer(done=done)

    def act(self, name: str) -> None:
        owner = self.dice.choice(("task", "domain", "domain"))
        options = {"capacity": 4, "max_users": 64, "owner": owner, **self.place}
        p = self.dice.randrange(len(self.ports))
        s = self.dice.randrange(len(self.segments))
        port, segment = self.ports[p], self.segments[s]
        action = self.dice.randrange(12)
        if action == 0:
            self.ports[p] = Port.create(name, **options)
        elif action == 1:
            self.ports[p] = Port.open_or_create(name, **options)
        elif action in (2, 3):
            self.ports[p] = Port.open(name, **self.place)
        elif action == 4:
            self.ports[p] = None
        elif action == 5:
            Port.delete(name, **self.place)
        elif action == 6:
            self.segments[s] = Segment.open_or_create(name, 5000, **self.place)
        elif action == 7:
            self.segments[s] = Segment.open(name, **self.place)
        elif action == 8:
            Segment.delete(name, **self.place)
        elif action == 9 and segment is not None:
            segment.grow(segment.size + 5000)
        elif action == 10 and port is not None:
            port.try_send(name.encode())
        elif action == 11 and port is not None:
            # What is taken is given back when it is forgotten.
            port.take(0.001)


VERBS = {"storm_names": lambda request: Player(request).run()}
