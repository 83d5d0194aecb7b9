"""Loans: written in place, sent or discarded."""

import io

import pytest

import mailboat


def test_a_block_sends_at_its_end(port: mailboat.Port) -> None:
    with port.loan(5, kind=3) as loan:
        assert (loan.size, len(loan), loan.length, loan.kind) == (5, 5, 5, 3)
        assert (loan.state, loan.id) == ("open", None)
        loan.write(b"hello")
        assert port.try_receive() is None
    message = port.receive(0)
    assert (message.body, message.kind) == (b"hello", 3)
    assert (loan.state, loan.id) == ("sent", message.id)
    assert repr(loan) == "<mailboat.Loan 5 bytes, sent>"


def test_a_block_discards_on_an_exception(port: mailboat.Port) -> None:
    with pytest.raises(ZeroDivisionError):
        with port.loan(5) as loan:
            1 / 0
    assert (loan.state, loan.id) == ("discarded", None)
    assert port.stat().loaned == 0
    assert port.try_receive() is None


def test_less_can_be_sent_than_was_asked_for(port: mailboat.Port) -> None:
    with port.loan(100) as loan:
        loan.write(b"abcdef")
        loan.length = 3
        loan.kind = 8
    message = port.receive(0)
    assert (message.body, message.kind) == (b"abc", 8)
    loan = port.loan(100, kind=1)
    loan.write(b"abcdef")
    loan.commit(length=4, kind=2)
    message = port.receive(0)
    assert (message.body, message.kind) == (b"abcd", 2)
    port.loan(100).commit(0)
    assert port.receive(0).body == b""


def test_writing_in_parts(port: mailboat.Port) -> None:
    with port.loan(6) as loan:
        loan.write(b"abc")
        loan.write(bytearray(b"def"), offset=3)
        loan.write(b"", 6)
    assert port.receive(0).body == b"abcdef"


def test_writing_from_its_own_memory(port: mailboat.Port) -> None:
    with port.loan(8) as loan:
        loan.write(b"abcdef..")
        with memoryview(loan) as view:
            loan.write(view[:6], 2)
    assert port.receive(0).body == b"ababcdef"


def test_reading_a_file_into_it(port: mailboat.Port) -> None:
    with port.loan(100) as loan:
        loan.length = io.BytesIO(b"contents").readinto(loan)
    assert port.receive(0).body == b"contents"


def test_commit_and_discard(port: mailboat.Port) -> None:
    loan = port.loan(1)
    loan.write(b"x")
    number = loan.commit()
    assert number == loan.id == port.receive(0).id
    port.loan(1).discard()
    for again in (loan.commit, loan.discard, lambda: loan.write(b"y"), lambda: memoryview(loan)):
        with pytest.raises(mailboat.Invalid, match="already sent"):
            again()
    with loan:
        pass
    assert port.try_receive() is None


def test_a_dropped_loan_is_discarded(port: mailboat.Port) -> None:
    loan = port.loan(1)
    assert port.stat().loaned == 1
    del loan
    assert port.stat().loaned == 0


def test_what_does_not_fit(port: mailboat.Port) -> None:
    with pytest.raises(mailboat.TooLarge) as caught:
        port.loan(port.max_message + 1)
    assert (caught.value.size, caught.value.max) == (port.max_message + 1, port.max_message)
    loan = port.loan(10)
    for call in (
        lambda: loan.commit(length=11),
        lambda: setattr(loan, "length", 11),
    ):
        with pytest.raises(mailboat.TooLarge) as caught:
            call()
        assert (caught.value.size, caught.value.max) == (11, 10)
    for offset, data in ((0, b"x" * 11), (10, b"x"), (11, b""), (2**64 - 1, b"xx")):
        with pytest.raises(mailboat.Invalid):
            loan.write(data, offset)
    assert (loan.state, loan.length) == ("open", 10)


def test_a_loan_that_could_not_be_sent_is_still_open(domain: mailboat.Domain) -> None:
    with mailboat.Port.create("small", capacity=1, domain=domain) as port:
        port.send(b"in the way")
        with pytest.raises(mailboat.Timeout) as caught:
            with port.loan(3, timeout=0.01) as loan:
                loan.write(b"abc")
        assert isinstance(caught.value.because, mailboat.Full)
        assert loan.state == "open"
        with pytest.raises(mailboat.Full):
            loan.commit(timeout=0)
        with pytest.raises(mailboat.Timeout):
            loan.commit(timeout=0.01)
        assert port.receive(0).body == b"in the way"
        loan.commit(timeout=None)
        assert port.receive(0).body == b"abc"


def test_all_buffers_lent(domain: mailboat.Domain) -> None:
    with mailboat.Port.create(
        "small", capacity=1, byte_budget=1 << 20, max_message=1 << 18, domain=domain
    ) as port:
        loans = []
        with pytest.raises(mailboat.Full) as caught:
            while True:
                loans.append(port.loan(1 << 18, timeout=0))
        assert caught.value.limit in ("buffers", "byte_budget")
        assert caught.value.used <= caught.value.max
        with pytest.raises(mailboat.Timeout):
            port.loan(1 << 18, timeout=0.01)
        loans.pop()
        port.loan(1 << 18, timeout=0)


def test_deleting_the_port_ends_loans(port: mailboat.Port, domain: mailboat.Domain) -> None:
    loan = port.loan(3)
    mailboat.Port.delete("port", domain=domain)
    with pytest.raises(mailboat.Closed):
        loan.commit()
    loan.write(b"abc")
    loan.discard()
