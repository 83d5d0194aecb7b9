"""Storms: players in all languages, killed at random moments.

One after the other is killed, or stopped for a while first, and a new one takes its place. Nobody is told
anything.
"""

import os
import random
import signal
import time
from dataclasses import dataclass
from typing import Dict, List, Tuple

from harness.audit import Audit
from harness.stage import Actor, Stage, Started

Words = Dict[str, object]


@dataclass
class Player:
    """Somebody alive, and what he does until he is killed."""

    role: str
    actor: Actor
    started: Started


class Storm:
    # Of each there is always one in each language.
    roles: Tuple[str, ...]

    def __init__(
        self, stage: Stage, languages: Tuple[str, ...], seed: int, seconds: float
    ) -> None:
        self.stage = stage
        self.languages = languages
        self.seconds = seconds
        self.dice = random.Random(seed)
        self.kills = self.stops = 0
        # Children of a process that does nothing else are quickly made, in every language.
        self.nurseries = {
            language: stage.actor(language, "nursery", domain=False) for language in languages
        }
        self.keeper = stage.actor(languages[0], "keeper")

    def begin(self, role: str, actor: Actor) -> Started:
        """What a player of this role does."""
        raise NotImplementedError

    def check(self) -> object:
        """After the storm; what there is to tell."""
        raise NotImplementedError

    def enter(self, role: str, language: str) -> Player:
        """A new player, who does not know of those before."""
        actor = self.nurseries[language].fork()
        actor.call("domain", location=self.stage.place)
        return Player(role, actor, self.begin(role, actor))

    def strike(self, player: Player) -> bool:
        """Kills, mostly at once; sometimes only after a while, or not at all."""
        pid = player.actor.process.pid
        if self.dice.random() < 0.15:
            # In the middle of whatever it does it stands still, and the others go on.
            os.kill(pid, signal.SIGSTOP)
            self.stops += 1
            time.sleep(self.dice.random() * 0.1)
            if self.dice.random() < 0.5:
                os.kill(pid, signal.SIGCONT)
                return False
        os.kill(pid, signal.SIGKILL)
        self.kills += 1
        return True

    def run(self) -> object:
        players = [self.enter(role, language) for language in self.languages for role in self.roles]
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            # When it happens is what is random here; nothing is waited for.
            time.sleep(self.dice.expovariate(1 / 0.01))
            # Sometimes several at the same moment, one of them perhaps about to clear up after another.
            victims = self.dice.sample(players, self.dice.choice((1, 1, 1, 1, 2, 4)))
            for victim in victims:
                if victim.started.done:
                    raise AssertionError(
                        f"{victim.actor} ended by itself: {victim.started.outcome()}"
                    )
            struck = [victim for victim in victims if self.strike(victim)]
            for victim in struck:
                victim.actor.process.ended()
                players.remove(victim)
            players += [self.enter(victim.role, victim.actor.language) for victim in struck]
        self.settle(players)
        return self.check()

    def settle(self, players: List[Player]) -> None:
        """Ends those that are left, the last role first."""
        for role in reversed(self.roles):
            for player in players:
                if player.role == role:
                    player.actor.process.call("-", "stop").result()
                    answer = player.started.result()
                    assert answer.words.get("bad", 0) == 0, answer
        for player in players:
            player.actor.process.kill()


class MessageStorm(Storm):
    """One sender and one receiver of each language, and an audit of every message.

    In the end what is left is received, and each message that was reported sent must have come,
    undamaged, and no delivery may be a secret repetition.
    """

    roles = ("receiver", "sender")
    max_size = 40_000

    def __init__(
        self,
        stage: Stage,
        languages: Tuple[str, ...],
        seed: int,
        seconds: float,
        options: Words,
        in_segment: bool = False,
        roomy: bool = True,
    ) -> None:
        super().__init__(stage, languages, seed, seconds)
        # All go through "p", a port or a queue in a segment, made so.
        self.options = {"max_message": self.max_size, **options}
        self.in_segment = in_segment
        # Whether there is memory for all that the options allow.
        self.roomy = roomy
        self.logs: Dict[str, List[str]] = {role: [] for role in self.roles}
        self.make("p")

    def make(self, name: str) -> None:
        if self.in_segment:
            size = int(self.keeper.call("queue_size", **self.options).size)
            self.keeper.segment_create(name, size)
            place = {"handle": name, "segment": name, "offset": 0}
            self.keeper.call("queue_create", **place, **self.options)
        else:
            self.keeper.create(name, **self.options)

    def begin(self, role: str, actor: Actor) -> Started:
        if self.in_segment:
            actor.segment_open("p")
            actor.call("queue_open", handle="p", segment="p", offset=0)
        else:
            actor.open("p")
        number = len(self.logs[role]) + 1
        self.logs[role].append(self.stage.file(f"{role}{number}"))
        words: Words = {"log": self.logs[role][-1], "seed": self.dice.randrange(1 << 32)}
        if role == "sender":
            words.update(sender=number, max_size=self.max_size - 1)
            return actor.start("storm_send", "p", **words)
        return actor.start("storm_receive", "p", **words)

    def settle(self, players: List[Player]) -> None:
        super().settle(players)
        # One more receives what the dead have left.
        self.keeper.stat("p")
        super().settle([self.enter("receiver", self.dice.choice(self.languages))])

    def check(self) -> Audit:
        audit = Audit(self.logs["sender"], self.logs["receiver"])
        audit.check()
        # Each death can leave the messages of one call sent and not reported; these are 8 at most.
        assert len(audit.unreported) <= 8 * self.kills
        stat = self.keeper.stat("p")
        left = (stat.queued, stat.in_hand, stat.loaned, stat.given_back)
        assert left == (0, 0, 0, 0), stat
        assert (stat.users, stat.closed) == (1, 0), stat
        used = self.room("p")
        if self.roomy:
            self.make("f")
            fresh = self.room("f")
            assert used == fresh, "a port that has been through a storm holds less than a new one"
        else:
            assert used[0] == self.options["capacity"]
        return audit

    def room(self, port: str) -> List[int]:
        """How many messages of different sizes fit."""
        fits = []
        for size in (10, 1000, 4000, self.max_size):
            count = 0
            while True:
                answer = self.keeper.start("send", port, b"x" * size, wait="try").outcome()
                if answer.status != "ok":
                    break
                count += 1
            assert answer.status in ("full", "no_space"), answer
            assert len(self.keeper.drain(port)) == count
            fits.append(count)
        return fits


class NameStorm(Storm):
    """Players that make, open, use and delete ports and segments of the same few names.

    In the end every name can be deleted and used again, and nothing is left that somebody would have
    to remove by hand.
    """

    roles = ("first", "second")
    names = ("a", "b", "c")

    def begin(self, role: str, actor: Actor) -> Started:
        seed = self.dice.randrange(1 << 32)
        return actor.start("storm_names", names=",".join(self.names), seed=seed)

    def check(self) -> str:
        keeper = self.keeper
        left = keeper.call("domain_list").items
        for item in left:
            keeper.call("delete" if item.kind == "port" else "segment_delete", name=item.name)
        assert keeper.call("domain_list").items == []
        assert os.listdir(self.stage.place) == [".roster"]
        for name in self.names:
            keeper.create(name)
            keeper.send(name, name.encode())
            assert keeper.receive(name).body == name.encode()
            keeper.segment_create(name, 100)
            assert keeper.segment_read(name, 0, 100) == bytes(100)
        tasks = [t.pid for t in keeper.call("domain_tasks").items if t.alive]
        assert tasks == [keeper.process.pid]
        return f"{len(left)} objects were left, and could be removed"
