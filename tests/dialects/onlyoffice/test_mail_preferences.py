"""Signatures, automatic replies, switches, images and alerts over HTTP (wire/onlyoffice.md §1b, §4)."""

import json

import pytest
from sqlalchemy import update

from postroom.dialects.onlyoffice.errors import ARGUMENT, EXCEPTION
from postroom.directory import mail_accounts
from postroom.messages import reports
from postroom.storage.tables import messages, recipients
from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.mailbox import Mailbox


@pytest.fixture
def box(api: Api) -> Mailbox:
    return Mailbox(api)


def account(box: Mailbox) -> int:
    return int(box.api.write(mail_accounts.number_all, box.api.jan)[0].id)


def test_a_signature(box: Mailbox) -> None:
    number = account(box)
    assert box.get(f"signature/{number}") == {"mailboxId": number, "html": "", "isActive": False}
    settled = {"mailboxId": number, "html": "<p>Jan</p>", "isActive": True}
    assert box.api.result("POST", f"/mail/signature/update/{number}", json={"html": "<p>Jan</p>", "is_active": True}) == settled
    assert box.get(f"signature/{number}") == settled
    ewa = box.api.token_of(box.api.ewa)
    for verb, path in (("GET", f"signature/{number}"), ("POST", f"signature/update/{number}")):
        box.api.refused(box.api.call(verb, f"/mail/{path}", json={}, token=ewa), 400, "Mailbox not found", ARGUMENT)


def test_numbers_of_accounts_stay(box: Mailbox) -> None:
    number = account(box)
    assert account(box) == number
    assert box.api.write(mail_accounts.number_all, box.api.ewa)[0].id != number


def test_an_automatic_reply(box: Mailbox) -> None:
    number = account(box)
    given = {
        "turnOn": True,
        "onlyContacts": True,
        "turnOnToDate": True,
        "fromDate": "2026-01-01T08:00:00",
        "toDate": "2026-01-08",
        "html": "<p>Away</p>",
    }
    answer = box.api.result("POST", f"/mail/autoreply/update/{number}", json={**given, "subject": "Away"})
    assert answer == {**given, "mailboxId": number, "toDate": "2026-01-08T00:00:00", "subject": "Away"}
    kept = box.api.write(mail_accounts.get, box.api.jan, number).autoreply
    assert (kept.on, kept.only_contacts, kept.html) == (True, True, "<p>Away</p>")


def test_an_automatic_reply_without_an_end(sqlite_api: Api) -> None:
    """§4: dates that are none are those of .NET, which clients know."""
    number = account(Mailbox(sqlite_api))
    given = {"fromDate": "2026-01-01", "html": "x"}
    answer = sqlite_api.result("POST", f"/mail/autoreply/update/{number}", json=given)
    assert answer["toDate"] == "0001-01-01T00:00:00"
    assert sqlite_api.result("POST", f"/mail/autoreply/update/{number}", json=answer) == answer


def test_an_automatic_reply_for_ever(sqlite_api: Api) -> None:
    """The dates that .NET has for none and for never are no trouble, neither now nor whenever accounts are listed."""
    number = account(Mailbox(sqlite_api))
    given = {"fromDate": "2026-01-01", "html": "x"}
    for content, to_date in (
        ({"toDate": "0001-01-01T00:00:00"}, "0001-01-01"),
        ({"turnOnToDate": True, "toDate": "9999-12-31T23:59:59.9999999"}, "9999-12-"),
    ):
        answer = sqlite_api.result("POST", f"/mail/autoreply/update/{number}", json={**given, **content})
        assert answer["toDate"].startswith(to_date)
        assert sqlite_api.result("GET", "/mail/accounts")[0]["autoreply"] == answer


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fromDate": ""}, "Invalid parameter\r\nParameter name: fromDate"),
        ({"fromDate": "0001-01-01T00:00:00"}, "Invalid parameter\r\nParameter name: fromDate"),
        ({"toDate": ""}, "Invalid parameter\r\nParameter name: toDate"),
        ({"toDate": "2025-01-01"}, "Wrong date interval, toDate < fromDate\r\nParameter name: fromDate"),
        ({"html": ""}, "Invalid parameter\r\nParameter name: html"),
    ],
)
def test_what_is_no_automatic_reply(sqlite_api: Api, changes: dict[str, str], message: str) -> None:
    number = account(Mailbox(sqlite_api))
    given = {"turnOnToDate": True, "fromDate": "2026-01-01", "toDate": "2026-01-08", "html": "x"}
    sqlite_api.refused(sqlite_api.call("POST", f"/mail/autoreply/update/{number}", json={**given, **changes}), 400, message, ARGUMENT)
    answer = sqlite_api.call("POST", f"/mail/autoreply/update/{number}", json=given, token=sqlite_api.token_of(sqlite_api.ewa))
    sqlite_api.refused(answer, 400, "Mailbox is not owned by user.", EXCEPTION)


def test_a_failure_is_told(box: Mailbox) -> None:
    """§1a.6 step 11: data is JSON in a text, with numbers that lead to the letter and to what tells of it."""
    number = box.letter(box.api.jan, to=("nobody@x.example",), subject="Gone")

    def fail(tx: object) -> None:
        tx.execute(update(messages).where(messages.c.id == number).values(status="pending"))  # type: ignore[attr-defined]
        tx.execute(update(recipients).where(recipients.c.message_id == number).values(state="failed", reply_text="550 no"))  # type: ignore[attr-defined]

    box.api.write(fail)
    box.api.write(reports.settle, box.api.store.settings, [number], box.now)
    (alert,) = box.get("alert")
    data = json.loads(alert["data"])
    assert (alert["type"], alert["id_mailbox"]) == (1, -1)
    assert (data["message_id"], data["subject"], data["from"]) == (2 * number, "Gone", '"Jan Robak" <jan@x.example>')
    told = box.get(f"messages/{data['failure_id']}")
    assert (told["subject"], told["important"], told["wasNew"], told["folder"]) == ("Message delivery failure", True, True, 1)
    assert f'<a id="delivery_failure_button" mailid="{2 * number}" class="button blue" href="#">' in told["htmlBody"]
    assert box.list(folder=3)[0] == [2 * number]
    ewa = box.api.token_of(box.api.ewa)
    box.api.refused(box.api.call("DELETE", f"/mail/alert/{alert['id']}", token=ewa), 400, "Delete failed", EXCEPTION)
    assert box.api.result("DELETE", f"/mail/alert/{alert['id']}") == alert["id"]
    assert box.get("alert") == []
    wrong = "Invalid alert id. Id must be positive integer.\r\nParameter name: id"
    box.api.refused(box.api.call("DELETE", "/mail/alert/0"), 400, wrong, ARGUMENT)


def test_switches(box: Mailbox) -> None:
    defaults = {
        "enableConversations": True,
        "alwaysDisplayImages": False,
        "cacheUnreadMessages": False,
        "enableGoNextAfterMove": False,
        "replaceMessageBody": False,
    }
    assert box.get("settings") == defaults
    for name in ("alwaysDisplayImages", "cacheMessagesEnabled", "goNextAfterMoveEnabled", "replaceMessageBody"):
        assert box.put(f"settings/{name}", enabled=True) == {}
        assert box.get(f"settings/{name}") is (name != "cacheMessagesEnabled")
    box.put("settings/conversationsEnabled", enabled=False)
    assert box.get("settings/conversationsEnabled") is False
    assert box.get("settings") == {name: name not in {"cacheUnreadMessages", "enableConversations"} for name in defaults}
    assert box.api.result("GET", "/mail/settings", token=box.api.token_of(box.api.ewa)) == defaults


def test_addresses_of_images(box: Mailbox) -> None:
    for verb in ("POST", "DELETE"):
        answer = box.api.call(verb, "/mail/display_images/address?address=")
        box.api.refused(answer, 400, "Invalid address. Address can't be empty.\r\nParameter name: address", ARGUMENT)
    box.api.result("POST", "/mail/display_images/address", json={"address": "A@x.example"})
    box.api.result("POST", "/mail/display_images/address", json={"address": "a@X.example"})
    assert box.get("display_images/addresses") == ["a@x.example"]
    assert box.api.result("GET", "/mail/display_images/addresses", token=box.api.token_of(box.api.ewa)) == []
    assert box.api.result("DELETE", "/mail/display_images/address", params={"address": "a@x.example"}) == "a@x.example"
    assert box.get("display_images/addresses") == []
