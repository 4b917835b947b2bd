"""Accounts over HTTP (wire/onlyoffice.md §1b Accounts, §4 Account)."""

from typing import Any

import pytest

from postroom import clock
from postroom.dialects.onlyoffice.errors import ARGUMENT, ARGUMENT_NULL, EXCEPTION, INVALID_OPERATION
from postroom.directory import addresses
from postroom.storage.tables import users
from tests.dialects.onlyoffice.conftest import Api

REFUSED = 403, "Accounts are kept in the directory of the organisation.", INVALID_OPERATION


def office(api: Api, now: int | None = None) -> int:
    """Jan writes for an office, too."""
    number: int = api.write(addresses.add, "office@x.example", "Office", clock.now())
    api.write(addresses.assign, number, api.jan, now or clock.now())
    return number


def test_accounts_are_the_addresses_of_a_person(api: Api) -> None:
    """The first one is what programs write from; whatever is told of servers is empty."""
    office(api)
    own, shared = api.result("GET", "/mail/accounts")
    assert (own["email"], own["name"], own["enabled"], own["isDefault"]) == ("jan@x.example", "Jan Robak", True, True)
    assert (shared["email"], shared["name"], shared["isDefault"]) == ("office@x.example", "Office", False)
    assert own["signature"]["mailboxId"] == own["mailboxId"] != shared["mailboxId"]
    assert api.result("GET", "/mail/accounts") == [own, shared], "numbers stay"
    single = api.result("GET", "/mail/accounts/single?email=OFFICE@x.example")
    assert (single["id"], single["email"], single["password"], single["server"]) == (shared["mailboxId"], "office@x.example", "", "")


def test_since_when_an_account_is_there(api: Api) -> None:
    """§3.5: in the zone of the installation; one's own since the directory has the person, an office's since it was assigned."""
    office(api, 1_700_000_000_000)
    joined = 1_600_000_000_000
    api.write(lambda tx: tx.execute(users.update().where(users.c.id == api.jan).values(created_at=joined)) and None)
    for zone, first, second in (
        ("UTC", "2020-09-13T12:26:40", "2023-11-14T22:13:20"),
        ("Asia/Tokyo", "2020-09-13T21:26:40", "2023-11-15T07:13:20"),
    ):
        api.change(timezone=zone)
        assert [one["dateCreated"] for one in api.result("GET", "/mail/accounts")] == [first, second]
        singles = [api.result("GET", f"/mail/accounts/single?email={name}@x.example") for name in ("jan", "office")]
        assert [one["begin_date"] for one in singles] == [first, second]


def test_an_address_that_was_revoked(api: Api) -> None:
    """§1a.5 rows 6 and 7: nothing is sent, or saved, from it any more; until it is assigned again."""
    number = office(api)
    letter = {"from": "Office@x.example", "to": ["ewa@x.example"]}
    api.write(addresses.revoke, number, api.jan, clock.now())
    sent = api.call("PUT", "/mail/messages/send", json=letter)
    api.refused(sent, 403, "Sending emails from a disabled account is forbidden", INVALID_OPERATION)
    for path in ("drafts", "templates"):
        api.refused(api.call("PUT", f"/mail/{path}/save", json=letter), 400, "No such mailbox", ARGUMENT)
    moved = api.call("PUT", "/mail/messages/reassign", json={"folder": 3, "email": "office@x.example"})
    api.refused(moved, 400, "No such mailbox", ARGUMENT)
    hers = api.call("PUT", "/mail/messages/send", json=letter, token=api.token_of(api.ewa))
    api.refused(hers, 400, "Mailbox not found", ARGUMENT)
    assert api.result("GET", "/mail/messages?folder=3") == []
    api.write(addresses.assign, number, api.jan, clock.now())
    assert api.result("PUT", "/mail/messages/send", json=letter) > 0


def test_the_default_account(api: Api) -> None:
    office(api)
    choose = lambda email, chosen: api.result("PUT", "/mail/accounts/default", json={"email": email, "isDefault": chosen})  # noqa: E731
    defaults = lambda: [one["email"] for one in api.result("GET", "/mail/accounts") if one["isDefault"]]  # noqa: E731
    assert choose("Office@X.example", True) == "office@x.example"
    assert defaults() == ["office@x.example"]
    choose("office@x.example", False)
    assert defaults() == ["jan@x.example"]


@pytest.mark.parametrize(
    ("verb", "path", "given", "error"),
    [
        ("GET", "single", {"email": ""}, (400, "Email empty\r\nParameter name: email", ARGUMENT)),
        ("GET", "single", {"email": "x@x.example"}, (400, "Account wasn't found by email: x@x.example", EXCEPTION)),
        ("PUT", "default", {}, (400, "Value cannot be null.\r\nParameter name: email", ARGUMENT_NULL)),
        ("PUT", "default", {"email": "ewa@x.example", "isDefault": "true"}, (400, "Account not found", ARGUMENT)),
        ("PUT", "state", {}, (400, "Value cannot be null.\r\nParameter name: email", ARGUMENT_NULL)),
        ("PUT", "state", {"email": "x@x.example"}, (400, "Account wasn't found by email: x@x.example", EXCEPTION)),
        ("PUT", "state", {"email": "jan@x.example", "state": "false"}, REFUSED),
        ("DELETE", "", {}, (400, "Email empty\r\nParameter name: email", ARGUMENT)),
        ("DELETE", "", {"email": "x@x.example"}, (400, "Account wasn't found by email: x@x.example", EXCEPTION)),
        ("DELETE", "", {"email": "jan@x.example"}, REFUSED),
        *[(verb, path, {}, REFUSED) for verb in ("POST", "PUT") for path in ("", "oauth")],
        ("POST", "simple", {"email": "a@b.example", "password": "x"}, REFUSED),
        ("GET", "setups", {"email": "a@b.example"}, REFUSED),
        ("PUT", "emailinfolder", {"mailbox_id": "1"}, REFUSED),
    ],
)
def test_what_is_refused(sqlite_api: Api, verb: str, path: str, given: dict[str, str], error: Any) -> None:
    """§8.9 in place of 500; what the directory alone decides is 403."""
    sqlite_api.refused(sqlite_api.call(verb, f"/mail/accounts/{path}".rstrip("/"), params=given), *error)


def test_what_changes_nothing(sqlite_api: Api) -> None:
    (own,) = sqlite_api.result("GET", "/mail/accounts")
    assert sqlite_api.result("PUT", "/mail/accounts/state", json={"email": "jan@x.example", "state": True}) == own["mailboxId"]
    assert sqlite_api.result("PUT", "/mail/accounts/updateuseractivity", json={"userOnline": True}) == {}
    assert sqlite_api.result("GET", "/mail/helpcenter").startswith("<p>")
    assert sqlite_api.result("GET", "/mail/accounts") == [own]
