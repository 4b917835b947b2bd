"""``postroom user totp``, ``logout`` and ``ticket``: second factors, and sessions of programs."""

import base64
import io
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from postroom import clock
from postroom.directory import people, sessions, totp
from postroom.directory.people import NewPerson
from postroom.storage.store import Store


@pytest.fixture
def jan(place: Store) -> int:
    return place.database.write_now(people.add, NewPerson(first_name="Jan", last_name="Robak", email="jan@x.example"), clock.now())


def begin(store: Store, user_id: int) -> str:
    return store.database.write_now(sessions.begin, "onlyoffice", user_id, clock.now(), clock.DAY).token


def test_a_second_factor_is_shown_once_and_works(place: Store, jan: int, run: Any) -> None:
    told = run("user", "totp", str(jan))
    assert told.status == 0
    uri = urlsplit(told.out.splitlines()[-1])
    assert (uri.scheme, uri.path) == ("otpauth", "/Postroom%3Ajan%40x.example")
    secret = base64.b32decode(parse_qs(uri.query)["secret"][0])
    now = clock.now()
    code = totp.code_at(secret, now // 30_000)
    assert place.database.write_now(totp.use, place.vault, jan, code, now)
    assert run("user", "totp", str(jan), "--off").status == 0
    assert not place.database.write_now(totp.use, place.vault, jan, totp.code_at(secret, now // 30_000 + 1), now)


def test_logging_out_ends_sessions(place: Store, jan: int, run: Any) -> None:
    token = begin(place, jan)
    told = run("user", "logout", str(jan))
    assert (told.status, "1." in told.out) == (0, True)
    assert place.database.read_now(sessions.holder, "onlyoffice", token, clock.now()) is None


def test_another_password_ends_sessions(place: Store, jan: int, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    token = begin(place, jan)
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    assert run("user", "password", str(jan), "--stdin").status == 0
    assert place.database.read_now(sessions.holder, "onlyoffice", token, clock.now()) is None


def test_a_ticket(place: Store, jan: int, run: Any) -> None:
    """It is a session of the SuperOffice interface, as long as is said, and ends with the others."""

    def holder(ahead: int) -> int | None:
        found: int | None = place.database.read_now(sessions.holder, "superoffice", ticket, clock.now() + ahead)
        return found

    told = run("user", "ticket", str(jan))
    ticket = told.out.strip()
    assert (told.status, holder(0), holder(5 * clock.HOUR), holder(7 * clock.HOUR)) == (0, jan, jan, None)
    assert run("user", "logout", str(jan)).status == 0
    assert holder(0) is None
    ticket = run("user", "ticket", str(jan), "--hours", "24").out.strip()
    assert (holder(23 * clock.HOUR), holder(25 * clock.HOUR)) == (jan, None)


@pytest.mark.parametrize("command", ["totp", "logout", "ticket"])
@pytest.mark.parametrize("user", ["99", "jan@x.example"])
def test_nobody_else_is_touched(jan: int, run: Any, command: str, user: str) -> None:
    told = run("user", command, user)
    assert told.status == 1
    assert "postroom find" in told.err
