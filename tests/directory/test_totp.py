"""The second factor (RFC 6238; wire/onlyoffice.md §2)."""

import base64
import threading
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from sqlalchemy import select

from postroom.directory import passwords, people, totp
from postroom.directory.people import NewPerson
from postroom.errors import NotFound
from postroom.storage.store import Store
from postroom.storage.tables import users

NOW = 1_700_000_000_000
STEP = NOW // 30_000


@pytest.fixture
def jan(store: Store) -> int:
    return store.database.write_now(people.add, NewPerson(first_name="Jan", last_name="Robak"), NOW)


def enrol(store: Store, user_id: int) -> bytes:
    return base64.b32decode(store.database.write_now(totp.enrol, store.vault, user_id))


def use(store: Store, user_id: int, code: str, now: int = NOW) -> bool:
    return store.database.write_now(totp.use, store.vault, user_id, code, now)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_codes_of_the_rfc(seconds: int, code: str) -> None:
    """RFC 6238, appendix B: eight digits, of which ours are the last six."""
    assert totp.code_at(b"12345678901234567890", seconds // 30) == code[-6:]


def test_a_code_is_good_once(store: Store, jan: int) -> None:
    secret = enrol(store, jan)
    code = totp.code_at(secret, STEP)
    assert use(store, jan, code)
    assert not use(store, jan, code)
    assert use(store, jan, totp.code_at(secret, STEP + 1), NOW + 30_000)


def test_no_code_before_the_last_used_is_good(store: Store, jan: int) -> None:
    secret = enrol(store, jan)
    assert use(store, jan, totp.code_at(secret, STEP + 1))
    assert not use(store, jan, totp.code_at(secret, STEP))


@pytest.mark.parametrize(("late", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_clocks_may_differ_by_half_a_minute(store: Store, jan: int, late: int, good: bool) -> None:  # noqa: FBT001 - parametrised
    assert use(store, jan, totp.code_at(enrol(store, jan), STEP + late)) is good


def test_codes_may_be_typed_in_groups(store: Store, jan: int) -> None:
    code = totp.code_at(enrol(store, jan), STEP)
    assert use(store, jan, f" {code[:3]} {code[3:]} ")


@pytest.mark.parametrize("code", ["", "000000", "1234567", "abcdef", "٠١٢٣٤٥", "\ud800", "\0"])
def test_other_codes_are_wrong(store: Store, jan: int, code: str) -> None:
    secret = enrol(store, jan)
    if code in {totp.code_at(secret, STEP + late) for late in (-1, 0, 1)}:
        pytest.skip("one in a million draws is the code itself")
    assert not use(store, jan, code)


def test_whoever_has_no_secret_has_no_codes(store: Store, jan: int) -> None:
    assert not use(store, jan, "000000")
    assert not use(store, jan + 1, "000000")


def test_a_new_secret_ends_the_old_one(store: Store, jan: int) -> None:
    old = enrol(store, jan)
    assert use(store, jan, totp.code_at(old, STEP))
    new = enrol(store, jan)
    assert not use(store, jan, totp.code_at(old, STEP + 1))
    assert use(store, jan, totp.code_at(new, STEP))


def test_the_secret_is_sealed(store: Store, jan: int) -> None:
    secret = store.database.write_now(totp.enrol, store.vault, jan)
    kept = store.database.read_now(lambda tx: tx.execute(select(users.c.totp_secret)).scalar_one())
    assert secret not in kept
    assert store.vault.decrypt(kept, f"totp {jan}") == secret


def test_whoever_has_one_needs_it_to_log_in(store: Store, jan: int) -> None:
    store.database.write_now(passwords.keep, jan, "hash", NOW)

    def needed() -> list[bool]:
        found = [store.database.read_now(passwords.holder, str(jan)), store.database.read_now(passwords.by_id, jan)]
        return [one is not None and one.second_factor for one in found]

    assert needed() == [False, False]
    enrol(store, jan)
    assert needed() == [True, True]
    store.database.write_now(totp.remove, jan)
    assert needed() == [False, False]


@pytest.mark.parametrize("number", [0, -1, 99, 2**31])
def test_nobody_gets_no_secret(store: Store, number: int) -> None:
    with pytest.raises(NotFound):
        store.database.write_now(totp.enrol, store.vault, number)
    with pytest.raises(NotFound):
        store.database.write_now(totp.remove, number)


def test_of_many_at_once_one_uses_the_code(store: Store, jan: int) -> None:
    code = totp.code_at(enrol(store, jan), STEP)
    used: list[bool] = []
    threads = [threading.Thread(target=lambda: used.append(use(store, jan, code))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(used) == [False] * 7 + [True]


def test_apps_read_the_secret_from_a_uri() -> None:
    parts = urlsplit(totp.uri("ABC234", "jan@uni.example", "University & Co"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/University & Co:jan@uni.example"
    assert parse_qs(parts.query) == {
        "secret": ["ABC234"],
        "issuer": ["University & Co"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }
