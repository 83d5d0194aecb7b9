"""Domains: where they are, what is in them, who uses them."""

import contextlib
import os
import pickle
import stat
import time
from pathlib import Path

import pytest

import mailboat


def test_a_private_domain_is_made_when_it_is_absent(place: str) -> None:
    assert not os.path.exists(place)
    domain = mailboat.Domain(place)
    assert domain.path == place
    assert stat.S_IMODE(os.stat(place).st_mode) == 0o700
    assert repr(domain) == f'<mailboat.Domain "{place}">'
    assert mailboat.Domain().path == mailboat.Domain(Path(place)).path == place


def test_a_name_is_a_place_too(place: str) -> None:
    name = f"python-test-{os.getpid()}"
    domain = mailboat.Domain(name)
    try:
        assert domain.path.startswith("/dev/shm/")
        assert name in domain.path
    finally:
        for file in Path(domain.path).iterdir():
            file.unlink()
        os.rmdir(domain.path)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(domain.path))


def test_a_process_is_one_task(domain: mailboat.Domain) -> None:
    before = time.time() - 3600
    assert domain.task == mailboat.Domain(domain.path).task
    (task,) = domain.tasks()
    assert (task.id, task.pid, task.alive) == (domain.task, os.getpid(), True)
    assert before < task.since <= time.time()
    assert task.since == pytest.approx(task.since_ns / 1e9)
    assert task.program
    assert "alive" in repr(task)


def test_listing(domain: mailboat.Domain) -> None:
    assert domain.list() == []
    with (
        mailboat.Port.create("a-port", domain=domain),
        mailboat.Segment.create("a-segment", 1 << 20, domain=domain),
    ):
        entries = {entry.name: entry for entry in domain.list()}
        assert {name: entry.kind for name, entry in entries.items()} == {
            "a-port": "port",
            "a-segment": "segment",
        }
        assert entries["a-segment"].bytes >= 1 << 20
        assert entries["a-port"].bytes > 0
        assert {entry.uid for entry in entries.values()} == {os.getuid()}
        assert {entry.mode & 0o777 for entry in entries.values()} == {0o600}
        assert 'port "a-port"' in repr(entries["a-port"])


def test_stat(domain: mailboat.Domain) -> None:
    stat = domain.stat()
    assert stat.path == domain.path
    assert (stat.gid, stat.mode) == (None, None)
    assert (stat.tasks, stat.max_tasks, stat.deaths) == (1, 1024, 0)
    assert 0 < stat.space_available <= stat.space_total
    assert "1 of 1024 tasks" in repr(stat)


def test_a_shared_domain(place: str) -> None:
    domain = mailboat.Domain(place, gid=os.getgid(), mode=0o750, max_tasks=16)
    assert stat.S_IMODE(os.stat(place).st_mode) & 0o777 == 0o750
    about = domain.stat()
    assert (about.gid, about.mode, about.max_tasks) == (os.getgid(), 0o750, 16)
    with mailboat.Port.create("orders", domain=domain):
        assert [entry.mode & 0o777 for entry in domain.list()] == [0o640]


def test_sharing_needs_a_group(place: str) -> None:
    with pytest.raises(mailboat.Invalid, match="gid"):
        mailboat.Domain(place, mode=0o770)
    assert not os.path.exists(place)
    mailboat.Domain(place, gid=os.getgid())
    assert stat.S_IMODE(os.stat(place).st_mode) & 0o777 == 0o770


def test_pickling(domain: mailboat.Domain) -> None:
    again = pickle.loads(pickle.dumps(domain))
    assert (again.path, again.task) == (domain.path, domain.task)


def test_places_that_cannot_be_domains(place: str) -> None:
    for location in ("/proc/self", "/etc", "/dev/null"):
        with pytest.raises(mailboat.Error):
            mailboat.Domain(location)
    with pytest.raises(mailboat.BadDomain, match="tmpfs"):
        mailboat.Domain(os.path.dirname(os.path.abspath(__file__)))
    for name in ("", "a b", "../up", "-x", "a/b"):
        with pytest.raises(mailboat.Error):
            mailboat.Domain(name)


def test_wrong_types(place: str) -> None:
    for location in (5, b"bytes", object()):
        with pytest.raises(TypeError):
            mailboat.Domain(location)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            mailboat.Port.create("x", domain=location)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        mailboat.Domain("surrogate-\udcff")
    with pytest.raises(mailboat.Error):
        mailboat.Domain("with\0nul")
    for options in (
        {"gid": -1},
        {"gid": 2**32},
        {"gid": os.getgid(), "mode": -1},
        {"max_tasks": 0},
    ):
        with pytest.raises(mailboat.Invalid):
            mailboat.Domain(place, **options)  # type: ignore[arg-type]
    for options in ({"gid": "staff"}, {"gid": 1, "mode": "rwx"}, {"max_tasks": 1.5}):
        with pytest.raises(TypeError):
            mailboat.Domain(place, **options)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        mailboat.Domain(place, 5)  # type: ignore[misc]
