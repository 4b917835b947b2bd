"""Signed return paths: nobody can make a bounce up (issue: VERP, signed)."""

import timeit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery import verp
from postroom.delivery.verp import ReturnPath
from postroom.directory import emails
from postroom.settings import BounceSettings, MailSettings, Settings
from postroom.storage.secrets import Vault

VAULT = Vault(b"a key for tests only, of no worth")
SETTINGS = Settings(bounces=BounceSettings(domain="Bounces.uni.example"), mail=MailSettings(return_path="returns@uni.example"))


@given(st.integers(1, 2**63 - 1))
def test_what_is_written_is_read_again(number: int) -> None:
    for make, kind in ((verp.of_recipient, "recipient"), (verp.of_message, "message")):
        address = make(SETTINGS, VAULT, number)
        assert verp.read(SETTINGS, VAULT, address) == ReturnPath(kind, number)  # type: ignore[arg-type]


def test_an_address_survives_mail_systems() -> None:
    """RFC 5321 section 4.5.3.1.1: 64 octets, with a tag of 16 in front; no character that needs quoting; any case."""
    address = verp.of_recipient(SETTINGS, VAULT, 2**63 - 1)
    local, _, _ = address.partition("@")
    assert len(local) + 16 <= 64
    assert local == local.lower()
    assert emails.normalise(address) == address.lower()
    assert verp.read(SETTINGS, VAULT, address.upper()) == ReturnPath("recipient", 2**63 - 1)


def test_without_a_domain_of_its_own_all_mail_has_one_return_path() -> None:
    plain = msgspec.structs.replace(SETTINGS, bounces=BounceSettings())
    assert verp.of_recipient(plain, VAULT, 7) == verp.of_message(plain, VAULT, 7) == "returns@uni.example"
    assert verp.read(plain, VAULT, verp.of_recipient(SETTINGS, VAULT, 7)) is None
    assert verp.read(plain, VAULT, verp.of_recipient(SETTINGS, VAULT, 7).partition("@")[0] + "@") is None


def test_changed_addresses_are_forged() -> None:
    """Another number, kind, signature, domain, key; a number written otherwise; something around it."""
    address = verp.of_recipient(SETTINGS, VAULT, 17)
    local, _, domain = address.partition("@")
    signature = local.rpartition("-")[2]
    last = "0" if signature[-1] != "0" else "1"
    forged = [
        f"b-18-{signature}@{domain}",
        f"m-17-{signature}@{domain}",
        f"b-017-{signature}@{domain}",
        f"b-17-{signature[:-1]}{last}@{domain}",
        f"b-17-{signature[:-1]}@{domain}",
        f"b-17-@{domain}",
        f"b-\u0661\u0667-{signature}@{domain}",
        f"{local}@uni.example",
        f"{local}@sub.{domain}",
        f"x{local}@{domain}",
        f"{local}x@{domain}",
        f"{address}\n",
        local,
        "<>",
        "",
    ]
    assert [one for one in forged if verp.read(SETTINGS, VAULT, one) is not None] == []
    assert verp.read(SETTINGS, Vault(b"another key for tests, of no worth"), address) is None


@given(st.text(max_size=80))
def test_any_text_is_no_return_path(text: str) -> None:
    assert verp.read(SETTINGS, VAULT, text) is None
    assert verp.read(SETTINGS, VAULT, f"{text}@bounces.uni.example") is None


@pytest.mark.parametrize("make", [verp.of_recipient, verp.of_message])
def test_a_return_path_costs_next_to_nothing(make: object) -> None:
    """It is made for each mail: about 3 microseconds, so a hundredth of what sending takes. The bound is for a busy machine."""
    assert callable(make)
    best = min(timeit.repeat(lambda: make(SETTINGS, VAULT, 123_456_789), number=1_000, repeat=5)) / 1_000
    assert best < 50e-6
