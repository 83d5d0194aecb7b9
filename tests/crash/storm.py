"""A storm: senders and receivers in all languages, killed at random moments, and an audit of every
message.

At any time there is one sender and one receiver of each language. One after the other is killed, or
stopped for a while first, and a new one takes its place. Nobody is told anything. In the end what is
left is received, and each message that was reported sent must have come, undamaged, and no delivery
may be a secret repetition.
"""

import os
import random
import signal
import time
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple

from harness.audit import Audit
from harness.stage import Actor, Stage, Started


@dataclass
class Player:
    """A sender or a receiver, alive."""

    role: str
    actor: Actor
    # Under way since the port was opened.
    started: Optional[Started] = None


@dataclass
class Storm:
    stage: Stage
    languages: Tuple[str, ...]
    seed: int
    seconds: float
    # How the thing is made that all use, in "the port" of each actor.
    options: Dict[str, object]
    in_segment: bool = False
    # Whether there is memory for all that the options allow.
    roomy: bool = True
    # The largest message.
    max_size: int = 40_000

    kills: int = 0
    stops: int = 0
    sent_logs: List[str] = field(default_factory=list)
    received_logs: List[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        # Children of a process that does nothing else are quickly made, in every language.
        self.nurseries = {language: self.stage.actor(language, "nursery", domain=False)
                          for language in self.languages}
        self.keeper = self.stage.actor(self.languages[0], "keeper")
        if self.in_segment:
            size = int(self.keeper.call("queue_size", **self.options).size)
            self.keeper.segment_create("s", size)
            self.keeper.call("queue_create", handle="p", segment="s", offset=0, **self.options)
        else:
            self.keeper.create("p", **self.options)

    def open(self, actor: Actor) -> None:
        if self.in_segment:
            actor.segment_open("s")
            actor.call("queue_open", handle="p", segment="s", offset=0)
        else:
            actor.open("p")

    def enter(self, role: str, language: str) -> Player:
        """A new player, who does not know of those before."""
        actor = self.nurseries[language].fork()
        actor.call("domain", location=self.stage.place)
        player = Player(role, actor)
        logs = self.sent_logs if role == "sender" else self.received_logs
        number = len(logs) + 1
        logs.append(self.stage.file(f"{role}{number}"))
        self.open(actor)
        words: Dict[str, object] = {"log": logs[-1], "seed": self.dice.randrange(1 << 32)}
        if role == "sender":
            words.update(sender=number, max_size=self.max_size - 1)
            player.started = actor.start("storm_send", "p", **words)
        else:
            player.started = actor.start("storm_receive", "p", **words)
        return player

    def strike(self, player: Player) -> None:
        """Kills, mostly at once."""
        pid = player.actor.process.pid
        if self.dice.random() < 0.15:
            # In the middle of whatever it does it stands still, and the others go on.
            os.kill(pid, signal.SIGSTOP)
            self.stops += 1
            time.sleep(self.dice.random() * 0.1)
            if self.dice.random() < 0.5:
                os.kill(pid, signal.SIGCONT)
                return
        os.kill(pid, signal.SIGKILL)
        self.kills += 1

    def rage(self) -> None:
        players = [self.enter(role, language)
                   for language in self.languages for role in ("receiver", "sender")]
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            # When it happens is what is random here; nothing is waited for.
            time.sleep(self.dice.expovariate(1 / 0.01))
            # Sometimes several at the same moment, one of them perhaps about to clear up after another.
            for victim in self.dice.sample(players, self.dice.choice((1, 1, 1, 1, 2, 4))):
                answer = victim.started.outcome() if victim.started.done else None
                assert answer is None, f"{victim.actor} ended by itself: {answer}"
                before = self.kills
                self.strike(victim)
                if self.kills > before:
                    victim.actor.process.ended()
                    players.remove(victim)
                    players.append(self.enter(victim.role, victim.actor.language))
        self.settle(players)

    def settle(self, players: List[Player]) -> None:
        """Senders end first, then receivers, then one more receives what the dead left."""
        for role in ("sender", "receiver"):
            for player in players:
                if player.role == role:
                    player.actor.process.call("-", "stop").result()
                    answer = player.started.result()
                    assert answer.words.get("bad", 0) == 0
        self.keeper.stat("p")
        last = self.enter("receiver", self.dice.choice(self.languages))
        last.actor.process.call("-", "stop").result()
        last.started.result()
        for player in [*players, last]:
            player.actor.process.kill()

    def run(self) -> Audit:
        self.rage()
        audit = Audit(self.sent_logs, self.received_logs)
        audit.check()
        # Each death can leave the messages of one call sent and not reported; it is 8 at most.
        assert len(audit.unreported) <= 8 * self.kills
        self.check_clean()
        return audit

    def check_clean(self) -> None:
        """Nothing is left, and all of the memory can be used."""
        stat = self.keeper.stat("p")
        left = (stat.queued, stat.in_hand, stat.loaned, stat.given_back)
        assert left == (0, 0, 0, 0), stat
        assert (stat.users, stat.closed) == (1, 0), stat
        tasks = [t for t in self.keeper.call("domain_tasks").items if t.alive]
        assert [t.pid for t in tasks] == [self.keeper.process.pid]
        used = self.room("p")
        if not self.roomy:
            assert used[0] == self.options["capacity"]
            return
        if self.in_segment:
            size = int(self.keeper.call("queue_size", **self.options).size)
            self.keeper.segment_create("fresh", size)
            self.keeper.call("queue_create", handle="f", segment="fresh", offset=0, **self.options)
        else:
            self.keeper.create("f", **self.options)
        assert used == self.room("f"), "a port that has been through a storm holds less than a new one"

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
