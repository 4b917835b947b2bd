"""What a person has settled for each of their addresses (directory/mail_accounts)."""

import pytest
from sqlalchemy import update

from postroom.directory import mail_accounts
from postroom.directory.mail_accounts import Autoreply
from postroom.errors import NotFound
from postroom.storage.store import Store
from postroom.storage.tables import users
from tests.messages.conftest import Office


def test_each_address_has_a_number_that_stays(store: Store) -> None:
    office = Office(store)
    office.address("office@uni.example", assigned_to=office.author)
    assert office.run(mail_accounts.of_person, office.author) == []
    first = office.run(mail_accounts.number_all, office.author)
    assert [account.address.email for account in first] == ["anna@uni.example", "anna@home.example", "office@uni.example"]
    assert office.run(mail_accounts.number_all, office.author) == first
    assert len({account.id for account in first}) == 3
    office.run(lambda tx: tx.execute(update(users).where(users.c.id == office.author).values(email="ANNA@uni.example")) and None)
    assert [account.id for account in office.run(mail_accounts.number_all, office.author)] == [account.id for account in first]


def test_an_address_that_is_gone_has_no_account(store: Store) -> None:
    office = Office(store)
    address = office.address("office@uni.example", assigned_to=office.author)
    number = office.run(mail_accounts.number_all, office.author)[2].id
    office.revoke(address)
    with pytest.raises(NotFound):
        office.run(mail_accounts.get, office.author, number)


def test_accounts_of_others_are_none(store: Store) -> None:
    office = Office(store)
    number = office.run(mail_accounts.number_all, office.author)[0].id
    for unit, rest in (
        (mail_accounts.get, ()),
        (mail_accounts.reply, (Autoreply(),)),
    ):
        with pytest.raises(NotFound):
            office.run(unit, office.other, number, *rest)
    with pytest.raises(NotFound):
        office.run(mail_accounts.sign, office.other, number, "x", on=True)
    office.run(mail_accounts.sign, office.author, number, "<p>A</p>", on=True)
    office.run(mail_accounts.reply, office.author, number, Autoreply(on=True, html="x", begin=5))
    kept = office.run(mail_accounts.get, office.author, number)
    assert (kept.signature, kept.signature_on, kept.autoreply) == ("<p>A</p>", True, Autoreply(on=True, html="x", begin=5))
