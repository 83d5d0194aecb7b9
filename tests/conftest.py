"""Every scenario in every language, and in every pair of languages.

A scenario that takes `sender` and `receiver` is played with each of the four languages in each role,
in two processes, and for each language also with two threads of one process. One that takes `actor`
is played once in each language. One that takes `stage` alone chooses its actors itself.
"""

import os
import sys
from pathlib import Path
from typing import Iterator, NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import tmpfs  # noqa: E402
from harness.driver import LANGUAGES  # noqa: E402
from harness.stage import Actor, Pool, Stage  # noqa: E402

CHOSEN = tuple(os.environ.get("MAILBOAT_TEST_LANGUAGES", " ".join(LANGUAGES)).split())


class Cast(NamedTuple):
    sender: str
    receiver: str
    threads: bool = False

    def __str__(self) -> str:
        return f"{self.sender}-threads" if self.threads else f"{self.sender}-to-{self.receiver}"


PAIRS = [Cast(sender, receiver) for sender in CHOSEN for receiver in CHOSEN]
THREADS = [Cast(language, language, threads=True) for language in CHOSEN]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = metafunc.fixturenames
    if "cast" in names:
        marker = metafunc.definition.get_closest_marker("cast")
        if marker:
            casts = [Cast(*pair) for pair in marker.args if set(pair) <= set(CHOSEN)]
        elif metafunc.definition.get_closest_marker("processes"):
            casts = PAIRS
        else:
            casts = PAIRS + THREADS
        metafunc.parametrize("cast", casts, ids=str)
    if "language" in names:
        metafunc.parametrize("language", CHOSEN)


def pytest_sessionstart(session: pytest.Session) -> None:
    tmpfs.enter()


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):  # type: ignore[no-untyped-def]
    report = yield
    setattr(item, "failed", getattr(item, "failed", False) or report.failed)
    return report


@pytest.fixture
def stage(pool: Pool, request: pytest.FixtureRequest) -> Iterator[Stage]:
    stage = Stage(pool)
    yield stage
    stage.end(getattr(request.node, "failed", False))


@pytest.fixture
def small_stage(pool: Pool, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A stage whose domain is on a tmpfs of 4 MiB, or what `parametrize` says."""
    if tmpfs.refusal:
        pytest.skip(tmpfs.refusal)
    with tmpfs.mounted(getattr(request, "param", 4 << 20)) as place:
        stage = Stage(pool, place)
        yield stage
        stage.end(getattr(request.node, "failed", False))


@pytest.fixture
def sender(stage: Stage, cast: Cast) -> Actor:
    return stage.actor(cast.sender, "sender")


@pytest.fixture
def receiver(stage: Stage, cast: Cast, sender: Actor) -> Actor:
    return stage.actor(cast.receiver, "receiver", beside=sender if cast.threads else None)


@pytest.fixture
def actor(stage: Stage, language: str) -> Actor:
    return stage.actor(language)
