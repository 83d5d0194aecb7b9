"""SIGKILL at random moments; see storm.py.

MAILBOAT_STORM_SECONDS: how long all storms together take, 20 unless given; long ones are cut into
rounds, each with an audit of its own. MAILBOAT_STORM_SEED: which storm it is; one is chosen, and shown,
unless given. The kills come at the same moments then, as far as the machine lets them.
"""

import math
import os
from typing import Callable, Type

import pytest

from harness.stage import Stage

from conftest import CHOSEN
from storm import MessageStorm, NameStorm, Storm

SECONDS = float(os.environ.get("MAILBOAT_STORM_SECONDS", "20"))
LONGEST_ROUND = 30.0

Run = Callable[..., None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("share")
    assert marker is not None
    seconds = SECONDS * marker.args[0]
    rounds = max(1, math.ceil(seconds / LONGEST_ROUND))
    lengths = [seconds / rounds] * rounds
    metafunc.parametrize("seconds", lengths, ids=[f"round {i + 1}" for i in range(rounds)])


@pytest.fixture
def run(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture, seconds: float) -> Run:
    seed = int(os.environ.get("MAILBOAT_STORM_SEED") or int.from_bytes(os.urandom(4), "little"))

    def run(kind: Type[Storm], stage: Stage, **words: object) -> None:
        storm = kind(stage, CHOSEN, seed, seconds, **words)
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


@pytest.mark.share(0.2)
def test_a_small_port(stage: Stage, run: Run) -> None:
    """Always full or empty: most players sleep when they are killed."""
    run(MessageStorm, stage, options={"capacity": 8})


@pytest.mark.share(0.25)
def test_a_large_port(stage: Stage, run: Run) -> None:
    """Mostly neither full nor empty: most players work when they are killed."""
    run(MessageStorm, stage, options={"capacity": 1000})


@pytest.mark.share(0.15)
def test_a_port_short_of_bytes(stage: Stage, run: Run) -> None:
    """Large messages fight for a few buffers."""
    run(MessageStorm, stage, options={"capacity": 100, "byte_budget": 200_000})


@pytest.mark.share(0.15)
def test_a_queue_in_a_segment(stage: Stage, run: Run) -> None:
    options = {"capacity": 50, "byte_budget": 2_000_000, "max_users": 64}
    run(MessageStorm, stage, options=options, in_segment=True)


@pytest.mark.share(0.1)
def test_a_full_tmpfs(small_stage: Stage, run: Run) -> None:
    """There is memory for a part of what the port may hold."""
    run(MessageStorm, small_stage, options={"capacity": 1000}, roomy=False)


@pytest.mark.share(0.15)
def test_names(stage: Stage, run: Run) -> None:
    """Killed while they make and delete ports and segments."""
    run(NameStorm, stage)
