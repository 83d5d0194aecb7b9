"""Ports as objects: made, found, closed, deleted, shown, pickled."""

import os
import pickle
import weakref
from pathlib import Path

import pytest

import mailboat


def test_create_open_and_delete(domain: mailboat.Domain) -> None:
    with mailboat.Port.create("orders", domain=domain) as port:
        port.send(b"hello")
        with mailboat.Port.open("orders", domain=domain) as other:
            assert other.receive().body == b"hello"
        mailboat.Port.delete("orders", domain=domain)
        assert port.closed
        with pytest.raises(mailboat.NotFound):
            mailboat.Port.open("orders", domain=domain)


def test_the_default_domain_is_that_of_the_environment(place: str) -> None:
    with mailboat.Port.create("orders") as port:
        assert port.domain.path == place
    with mailboat.Port.open("orders"):
        pass
    with mailboat.Port.open_or_create("orders"):
        pass
    mailboat.Port.delete("orders")
    with pytest.raises(mailboat.NotFound):
        mailboat.Port.open("orders")


def test_a_domain_is_given_as_object_string_or_path(place: str) -> None:
    mailboat.Port.create("orders", domain=mailboat.Domain(place)).close()
    mailboat.Port.open("orders", domain=place).close()
    mailboat.Port.open("orders", domain=Path(place)).close()
    mailboat.Port.open("orders", domain=None).close()


def test_messages_outlive_the_handle_that_sent_them(domain: mailboat.Domain) -> None:
    with mailboat.Port.create("orders", domain=domain) as port:
        port.send(b"stays")
    with mailboat.Port.open("orders", domain=domain) as port:
        assert port.receive(0).body == b"stays"


def test_a_port_of_a_task_goes_with_its_handle(domain: mailboat.Domain) -> None:
    owner = mailboat.Port.create("mine", owner="task", domain=domain)
    assert owner.stat().owner == "task"
    assert owner.stat().owner_task == domain.task
    user = mailboat.Port.open("mine", domain=domain)
    assert not user.closed
    owner.close()
    assert user.closed
    with pytest.raises(mailboat.Closed):
        user.receive()
    with pytest.raises(mailboat.NotFound):
        mailboat.Port.open("mine", domain=domain)


def test_open_or_create(domain: mailboat.Domain) -> None:
    with mailboat.Port.open_or_create("orders", capacity=7, domain=domain) as first:
        with mailboat.Port.open_or_create("orders", capacity=9, domain=domain) as second:
            assert first.capacity == second.capacity == 7
            first.send(b"same port")
            assert second.receive(0).body == b"same port"


def test_defaults(port: mailboat.Port) -> None:
    stat = port.stat()
    assert port.capacity == stat.capacity == 1024
    assert port.max_message == stat.max_message == 16 << 20
    assert stat.byte_budget == 64 << 20
    assert stat.max_users == 256
    assert stat.timestamps is False
    assert stat.owner == "domain"
    assert stat.owner_task is None


def test_options(domain: mailboat.Domain) -> None:
    with mailboat.Port.create(
        "orders",
        capacity=5,
        max_message=1000,
        byte_budget=100_000,
        max_users=3,
        owner="task",
        timestamps=True,
        mode=0o640,
        domain=domain,
    ) as port:
        stat = port.stat()
        assert (stat.capacity, port.capacity) == (5, 5)
        assert (stat.max_message, port.max_message) == (1000, 1000)
        assert stat.byte_budget >= 100_000
        assert stat.max_users == 3
        assert stat.timestamps is True
        assert stat.mode & 0o777 == 0o640
        assert stat.uid == os.getuid()


def test_stat_counts(port: mailboat.Port, domain: mailboat.Domain) -> None:
    for body in (b"a", b"b", b"c", b"d"):
        port.send(body)
    port.receive()
    taken = port.take()
    port.take().nack()
    loan = port.loan(10)
    stat = port.stat()
    assert stat.name == "port"
    assert (stat.sent, stat.queued, stat.in_hand, stat.given_back, stat.loaned) == (4, 1, 1, 1, 1)
    assert (stat.users, stat.tasks, stat.deaths) == (1, [domain.task], 0)
    assert (stat.closed, stat.redelivered) == (False, 0)
    assert stat.file_bytes > 0
    assert isinstance(stat, mailboat.QueueStat)
    assert "'" not in repr(stat) and '"port"' in repr(stat) and "4 sent" in repr(stat)
    taken.ack()
    loan.discard()
    assert port.receive(0).redelivered
    assert port.stat().redelivered == 1


def test_len_counts_and_a_port_is_always_true(port: mailboat.Port) -> None:
    assert len(port) == 0
    assert port
    port.send(b"")
    port.send(b"")
    assert len(port) == 2


def test_closing(port: mailboat.Port) -> None:
    assert not port.closed
    port.close()
    assert port.closed
    port.close()
    for use in (
        lambda: port.send(b""),
        lambda: port.send(b"x" * (1 << 20)),
        lambda: port.try_send(b""),
        lambda: port.send_many([b""]),
        lambda: port.loan(1),
        lambda: port.receive(),
        lambda: port.try_receive(),
        lambda: port.receive_into(bytearray(1)),
        lambda: port.receive_into(bytearray(1 << 20)),
        lambda: port.receive_many(1),
        lambda: port.take(),
        lambda: port.try_take(),
        lambda: port.take_many(1),
        lambda: port.shut(),
        lambda: port.stat(),
        lambda: port.capacity,
        lambda: port.max_message,
        lambda: len(port),
        lambda: next(port),
        lambda: pickle.dumps(port),
    ):
        with pytest.raises(ValueError, match='this handle of port "port" was closed') as caught:
            use()
        assert isinstance(caught.value, mailboat.Invalid)
    assert port.name == "port"
    assert "closed" in repr(port)


def test_a_with_block_closes_also_on_an_exception(domain: mailboat.Domain) -> None:
    with pytest.raises(ZeroDivisionError):
        with mailboat.Port.create("orders", domain=domain) as port:
            1 / 0
    assert port.closed
    assert mailboat.Port.open("orders", domain=domain).stat().users == 1


def test_deleting_tells_the_users(port: mailboat.Port, domain: mailboat.Domain) -> None:
    port.send(b"gone with the port")
    mailboat.Port.delete("port", domain=domain)
    assert port.closed
    assert "deleted" in repr(port)
    for use in (
        lambda: port.send(b""),
        lambda: port.receive(),
        lambda: port.try_receive(),
        lambda: port.take(),
        lambda: port.loan(1),
        lambda: port.send_many([b""]),
        lambda: port.receive_many(1),
    ):
        with pytest.raises(mailboat.Closed) as caught:
            use()
        assert isinstance(caught.value, BrokenPipeError)


def test_shutting_closes_for_all(port: mailboat.Port, domain: mailboat.Domain) -> None:
    with mailboat.Port.open("port", domain=domain) as other:
        port.shut()
        assert other.closed
        with pytest.raises(mailboat.Closed):
            other.send(b"")


def test_repr(port: mailboat.Port, place: str) -> None:
    port.send(b"")
    assert repr(port) == f'<mailboat.Port "port" in {place}, 1 queued>'


def test_pickling_opens_it_again(port: mailboat.Port) -> None:
    again = pickle.loads(pickle.dumps(port))
    assert type(again) is mailboat.Port
    assert (again.name, again.domain.path) == (port.name, port.domain.path)
    port.send(b"through")
    assert again.receive(0).body == b"through"


def test_messages_and_loans_are_not_pickled(port: mailboat.Port) -> None:
    port.send(b"")
    for thing in (port.take(), port.loan(1)):
        with pytest.raises(TypeError):
            pickle.dumps(thing)


def test_handles_can_be_weakly_referenced(port: mailboat.Port) -> None:
    port.send(b"")
    for thing in (port, port.take(), port.loan(1), port.domain):
        assert weakref.ref(thing)() is thing


def test_classes_are_not_called_and_not_derived_from() -> None:
    for each in (mailboat.Port, mailboat.Queue, mailboat.Header, mailboat.PortStat):
        with pytest.raises(TypeError, match="cannot create"):
            each()
    for each, how in (
        (mailboat.Message, "take"),
        (mailboat.Loan, "loan"),
        (mailboat.Segment, "create"),
    ):
        with pytest.raises(TypeError, match=how):
            each()
        with pytest.raises(TypeError, match="not an acceptable base type"):
            type("Derived", (each,), {})
