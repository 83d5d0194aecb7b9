"""SIGKILL at random moments; see storm.py.

MAILBOAT_STORM_SECONDS: how long all storms together take, 20 unless given. MAILBOAT_STORM_SEED: which
storm it is; one is chosen, and shown, unless given. The kills come at the same moments then, as far as
the machine lets them.
"""

import os
from typing import Callable, Type

import pytest

from harness.stage import Stage

from conftest import CHOSEN
from storm import MessageStorm, NameStorm, Storm

SECONDS = float(os.environ.get("MAILBOAT_STORM_SECONDS", "20"))

Run = Callable[..., None]


@pytest.fixture
def run(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture) -> Run:
    seed = int(os.environ.get("MAILBOAT_STORM_SEED") or int.from_bytes(os.urandom(4), "little"))

    def run(kind: Type[Storm], stage: Stage, share: float, **words: object) -> None:
        storm = kind(stage, CHOSEN, seed, SECONDS * share, **words)
        told = f"{request.node.name}: MAILBOAT_STORM_SEED={seed}"
        try:
            result = storm.run()
        except BaseException:
            with capsys.disabled():
                print(f"\n{told}: FAILED after {storm.kills} kills, {storm.stops} stops")
            raise
        with capsys.disabled():
            print(f"\n{told}: {storm.kills} kills, {storm.stops} stops; {result}")

    return run


def test_a_small_port(stage: Stage, run: Run) -> None:
    """Always full or empty: most players sleep when they are killed."""
    run(MessageStorm, stage, 0.2, options={"capacity": 8})


def test_a_large_port(stage: Stage, run: Run) -> None:
    """Mostly neither full nor empty: most players work when they are killed."""
    run(MessageStorm, stage, 0.25, options={"capacity": 1000})


def test_a_port_short_of_bytes(stage: Stage, run: Run) -> None:
    """Large messages fight for a few buffers."""
    run(MessageStorm, stage, 0.15, options={"capacity": 100, "byte_budget": 200_000})


def test_a_queue_in_a_segment(stage: Stage, run: Run) -> None:
    options = {"capacity": 50, "byte_budget": 2_000_000, "max_users": 64}
    run(MessageStorm, stage, 0.15, options=options, in_segment=True)


def test_a_full_tmpfs(small_stage: Stage, run: Run) -> None:
    """There is memory for a part of what the port may hold."""
    run(MessageStorm, small_stage, 0.1, options={"capacity": 1000}, roomy=False)


def test_names(stage: Stage, run: Run) -> None:
    """Killed while they make and delete ports and segments."""
    run(NameStorm, stage, 0.15)
