"""The mail catcher speaks SMTP as a relay does, and what it answers follows from the address alone."""

import itertools
import smtplib

import pytest

from postroom.demo.catcher import HOST, Catcher, treatment


def _address(wanted: str) -> str:
    return next(a for n in itertools.count() if treatment(a := f"somebody{n}@example.org") == wanted)


def _send(catcher: Catcher, *recipients: str, text: str = "Subject: x\n\nZażółć\n") -> dict[str, tuple[int, bytes]]:
    with smtplib.SMTP(HOST, catcher.port) as client:
        return client.sendmail("from@example.org", recipients, text.encode())


def test_most_addresses_are_taken_some_rejected_some_deferred() -> None:
    # the module's promise: about 2 % and 4 %, whatever the case of the letters
    fates = [treatment(f"Person.{n}@Example.edu") for n in range(20_000)]
    assert 0.015 < fates.count("reject") / len(fates) < 0.025
    assert 0.03 < fates.count("defer") / len(fates) < 0.05
    assert fates == [treatment(f"person.{n}@example.EDU") for n in range(20_000)]


def test_rejects_with_550() -> None:
    address = _address("reject")
    with Catcher() as catcher, pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        _send(catcher, address)
    code, text = refused.value.recipients[address]
    assert (code, text.split()[0]) == (550, b"5.1.1")
    assert catcher.rejected == {address: 1}
    assert not catcher.taken


def test_defers_once_with_451_then_takes() -> None:
    address = _address("defer")
    with Catcher() as catcher:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            _send(catcher, address.upper())
        assert refused.value.recipients[address.upper()][0] == 451
        assert not catcher.taken
        assert _send(catcher, address) == {}
    assert catcher.taken == {address: 1}
    assert catcher.deferred == {address: 1}


def test_keeps_every_mail_of_the_spared_and_a_few_of_others() -> None:
    spared, other = _address("reject"), _address("take")
    with Catcher(spared=[spared.upper()], samples=1) as catcher:
        for _ in range(3):
            _send(catcher, spared, other)
    assert catcher.taken == {spared: 3, other: 3}
    assert len(catcher.kept_for(spared)) == 3
    assert len(catcher.kept_for(other)) == 1
    assert "Zażółć".encode() in catcher.kept_for(other)[0]


def test_leaves_in_time_though_a_client_keeps_its_connection() -> None:
    with Catcher() as catcher:
        client = smtplib.SMTP(HOST, catcher.port)
        client.ehlo()
    client.close()
    assert not catcher._thread.is_alive()
