"""services/mailclient: rows 3, 4, 6, 7, 8, 16 and 18 of the table in contract §1.4, over real HTTP."""

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from postroom import clock
from postroom.directory import addresses, clients, people
from postroom.directory.people import NewPerson
from postroom.messages import drafts
from postroom.messages.records import DraftContent
from postroom.storage.database import Tx
from postroom.storage.tables import messages
from tests.dialects.usos.conftest import Installation

ALL = "id|from_inst_address|subject|status|date|send_summary|send_to_myself|content|content_format|attachments_lifetime|recipients_valid|"
ALL += "recipients_count|emails_count|attachments"


# -- row 4: create_message -----------------------------------------------------------------------------------------------


def test_row_4_create_message_without_arguments_takes_every_default(usos: Installation) -> None:
    """§1.4 row 4: subject and content empty, address null, plain, no summary, no copy, 14 days."""
    answer = usos.ask("create_message")
    assert list(answer) == ["message_id"]
    assert re.fullmatch(r"[1-9][0-9]*", answer["message_id"])
    shown = usos.ask("message", message_id=answer["message_id"], fields=ALL)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", shown.pop("date"))
    assert shown == {
        "id": answer["message_id"],
        "from_inst_address": None,
        "subject": "",
        "status": "draft",
        "send_summary": False,
        "send_to_myself": False,
        "content": "",
        "content_format": "plain",
        "attachments_lifetime": 14,
        "recipients_valid": False,
        "recipients_count": 0,
        "emails_count": 0,
        "attachments": [],
    }


def test_row_4_create_message_keeps_every_argument(usos: Installation) -> None:
    """§1.4 row 4; §3.1: parameters are UTF-8."""
    address = usos.assigned_address()
    given = {
        "subject": "Zażółć gęślą jaźń 🙂",
        "content": "<p>ż</p>\r\n",
        "content_format": "html",
        "send_summary": "true",
        "send_to_myself": "True",
        "attachments_lifetime": "90",
        "from_inst_address_id": str(address),
    }
    message_id = usos.draft(**given)
    shown = usos.ask("message", message_id=message_id, fields=ALL)
    assert shown["subject"] == given["subject"]
    assert shown["content"] == given["content"]
    assert (shown["content_format"], shown["send_summary"], shown["send_to_myself"]) == ("html", True, True)
    assert shown["attachments_lifetime"] == 90
    assert shown["from_inst_address"]["id"] == str(address)
    assert set(shown["from_inst_address"]) == {"id", "name", "email"}


@pytest.mark.parametrize(("name", "limit"), [("subject", 200), ("content", 15_000)])
def test_row_4_create_message_limits_count_characters(usos: Installation, name: str, limit: int) -> None:
    """§1.4 row 4, §4.5; §7: too long → param_invalid with param_name."""
    message_id = usos.draft(**{name: "ż" * limit})
    assert usos.ask("message", message_id=message_id, fields=name) == {name: "ż" * limit}
    for method, parameters in (("create_message", {}), ("update_message", {"message_id": message_id})):
        body = usos.refused(method, **parameters, **{name: "ż" * (limit + 1)})
        assert (body["error"], body["param_name"]) == ("param_invalid", name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject", "a\r\nBcc: x@y.example"),
        ("subject", "a\nb"),
        ("subject", "a\x00b"),
        ("subject", "a\u2028b"),
        ("content", "a\x00b"),
        ("content", "a\x07b"),
        ("content_format", "markdown"),
        ("content_format", ""),
        ("send_summary", "yes"),
        ("send_to_myself", ""),
        ("send_to_myself", "1"),
        ("attachments_lifetime", "0"),
        ("attachments_lifetime", "-1"),
        ("attachments_lifetime", "14.5"),
        ("attachments_lifetime", "3651"),
        ("attachments_lifetime", "99999999999"),
        ("attachments_lifetime", ""),
        ("attachments_lifetime", "١٤"),
    ],
)
def test_rows_4_and_16_values_that_break_a_rule_are_param_invalid(sqlite_usos: Installation, name: str, value: str) -> None:
    message_id = sqlite_usos.draft(subject="before")
    for method, parameters in (("create_message", {}), ("update_message", {"message_id": message_id})):
        body = sqlite_usos.refused(method, **parameters, **{name: value})
        assert (body["error"], body["param_name"]) == ("param_invalid", name)
    assert sqlite_usos.ask("user") == [{"id": message_id, "subject": "before"}]


@pytest.mark.parametrize("value", ["true", "True", "TRUE", "false", "False"])
def test_booleans_come_in_any_case(sqlite_usos: Installation, value: str) -> None:
    """§3.3, §7."""
    message_id = sqlite_usos.draft(send_summary=value)
    assert sqlite_usos.ask("message", message_id=message_id, fields="send_summary") == {"send_summary": value.lower() == "true"}


def test_rows_4_and_16_an_address_that_is_not_assigned_is_forbidden(usos: Installation) -> None:
    """object_forbidden, reason inst_address_unassigned; never assigned, or revoked."""
    foreign, revoked = usos.assigned_address(assigned=False), usos.assigned_address()
    usos.store.database.write_now(addresses.revoke, revoked, usos.jan, clock.now())
    message_id = usos.draft()
    for address in (foreign, revoked):
        for method, parameters in (("create_message", {}), ("update_message", {"message_id": message_id})):
            body = usos.refused(method, **parameters, from_inst_address_id=str(address))
            assert (body["error"], body["reason"]) == ("object_forbidden", "inst_address_unassigned")


@pytest.mark.parametrize("address", ["999", "x", "-1", "0", "99999999999", "1" * 33])
def test_rows_4_and_16_an_unknown_address_is_not_found(usos: Installation, address: str) -> None:
    """object_not_found, param_name from_inst_address_id; malformed and impossible IDs alike."""
    message_id = usos.draft()
    for method, parameters in (("create_message", {}), ("update_message", {"message_id": message_id})):
        body = usos.refused(method, **parameters, from_inst_address_id=address)
        assert (body["error"], body["param_name"]) == ("object_not_found", "from_inst_address_id")
        assert body["method_name"] == f"services/mailclient/{method}"


# -- row 16: update_message ----------------------------------------------------------------------------------------------


def test_row_16_update_message_leaves_absent_values_as_they_are(usos: Installation) -> None:
    """§1.4 row 16: default unchanged, for each parameter on its own; the answer is {}."""
    address = usos.assigned_address()
    message_id = usos.draft(subject="s", content="c", content_format="html", send_summary="true", attachments_lifetime="3")
    before = usos.ask("message", message_id=message_id, fields=ALL)
    changes = {
        "subject": ("other", "other"),
        "content": ("new", "new"),
        "content_format": ("plain", "plain"),
        "send_summary": ("false", False),
        "send_to_myself": ("true", True),
        "attachments_lifetime": ("90", 90),
    }
    assert usos.ask("update_message", message_id=message_id) == {}
    for name, (sent, expected) in changes.items():
        assert usos.ask("update_message", message_id=message_id, **{name: sent}) == {}
        after = usos.ask("message", message_id=message_id, fields=ALL)
        assert {key for key in after if after[key] != before[key]} - {"date"} == {name}
        assert after[name] == expected
        before = after
    assert usos.ask("update_message", message_id=message_id, from_inst_address_id=str(address)) == {}
    assert usos.ask("message", message_id=message_id, fields="from_inst_address[id]") == {"from_inst_address": {"id": str(address)}}
    assert usos.ask("update_message", message_id=message_id, subject="") == {}
    assert usos.ask("message", message_id=message_id, fields="subject|from_inst_address[id]") == {
        "subject": "",
        "from_inst_address": {"id": str(address)},
    }
    assert usos.ask("update_message", message_id=message_id, from_inst_address_id="") == {}
    assert usos.ask("message", message_id=message_id, fields="from_inst_address") == {"from_inst_address": None}


def test_row_16_update_message_only_changes_drafts(usos: Installation) -> None:
    """object_invalid, reason draft_required; object_not_found, param_name message_id."""
    message_id = usos.ready()
    usos.ask("send_message", message_id=message_id)
    body = usos.refused("update_message", message_id=message_id, subject="x")
    assert (body["error"], body["reason"]) == ("object_invalid", "draft_required")
    assert usos.refused("update_message", message_id="999", subject="x")["param_name"] == "message_id"


# -- row 7: message ------------------------------------------------------------------------------------------------------


def test_row_7_message_shows_id_and_subject_by_default(usos: Installation) -> None:
    message_id = usos.draft(subject="s")
    assert usos.ask("message", message_id=message_id) == {"id": message_id, "subject": "s"}


def test_row_7_message_fields_of_a_message_with_everything(usos: Installation) -> None:
    """§4.1: counts, attachments with any sub-fields, the address with its primary ones, the state of the recipients list."""
    message_id = usos.draft(subject="s", content="c", from_inst_address_id=str(usos.assigned_address()))
    usos.ask("update_recipients_group", message_id=message_id, user_ids=f"{usos.anna}|{usos.ewa}", emails="x@y.example")
    assert usos.ask("message", message_id=message_id, fields="recipients_valid|recipients_count") == {
        "recipients_valid": False,
        "recipients_count": 0,
    }
    usos.ask("refresh_recipients", message_id=message_id)
    attachment_id = usos.attach(message_id, "ż.txt", b"12345", description="d")
    shown = usos.ask(
        "message",
        message_id=message_id,
        fields="recipients_valid|recipients_count|emails_count|attachments|from_inst_address[email]",
    )
    assert (shown["recipients_valid"], shown["recipients_count"], shown["emails_count"]) == (True, 3, 2)
    assert shown["attachments"] == [{"id": attachment_id, "filename": "ż.txt"}]
    assert re.fullmatch(r"office\d+@uni\.example", shown["from_inst_address"]["email"])
    files = usos.ask("message", message_id=message_id, fields="attachments[size|description|url]")["attachments"]
    assert (files[0]["size"], files[0]["description"]) == (5, "d")
    assert files[0]["url"].startswith(f"{usos.store.settings.public_url}/links/{attachment_id}/")
    usos.ask("send_message", message_id=message_id)
    assert usos.ask("message", message_id=message_id, fields="status|recipients_valid") == {"status": "pending", "recipients_valid": True}


@pytest.mark.parametrize("message_id", ["999", "abc", "", "-1", "0", "01", "2147483648", "9" * 33, "1|2", "\u0661", "1 "])
def test_row_7_message_that_is_not_there_is_not_found(usos: Installation, message_id: str) -> None:
    """object_not_found, param_name message_id: unknown, malformed, or impossible."""
    usos.draft()
    body = usos.refused("message", message_id=message_id)
    assert (body["error"], body["param_name"], body["method_name"]) == ("object_not_found", "message_id", "services/mailclient/message")


def test_row_7_date_is_polish_time_of_the_last_change(sqlite_usos: Installation) -> None:
    """§3.3: Polish local time without an offset."""
    message_id = sqlite_usos.draft()
    zoned = sqlite_usos.ask("message", message_id=message_id, fields="date")["date"]
    utc = clock.now() // 1000
    expected = {wire_date(utc), wire_date(utc - 1), wire_date(utc - 2)}
    assert zoned in expected


def test_row_7_date_of_a_sent_message_is_the_time_of_sending(usos: Installation) -> None:
    """§4.1: whatever happens to it later, such as its end."""
    message_id = usos.ready()
    usos.ask("send_message", message_id=message_id)
    times = {"status": "sent", "sent_at": 1_700_000_000_000, "modified_at": 1_700_090_000_000}
    change(usos, message_id, **times)
    assert usos.ask("message", message_id=message_id, fields="date") == {"date": "2023-11-14 23:13:20"}


def change(usos: Installation, message_id: str, **values: Any) -> None:
    """Let something have become of a message."""

    def unit(tx: Tx) -> None:
        tx.execute(update(messages).where(messages.c.id == int(message_id)).values(values))

    usos.store.database.write_now(unit)


def wire_date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, ZoneInfo("Europe/Warsaw")).strftime("%Y-%m-%d %H:%M:%S")


# -- row 8: messages -----------------------------------------------------------------------------------------------------


def test_row_8_messages_maps_each_id_and_null_for_the_unknown(usos: Installation) -> None:
    one, two = usos.draft(subject="1"), usos.draft(subject="2")
    foreign = usos.draft(usos.anna_token)
    wanted = [two, "999", one, "abc", foreign, "99999999999"]
    answer = usos.ask("messages", message_ids="|".join(wanted))
    assert answer == {
        two: {"id": two, "subject": "2"},
        "999": None,
        one: {"id": one, "subject": "1"},
        "abc": None,
        foreign: None,
        "99999999999": None,
    }
    assert list(answer) == wanted


def test_row_8_messages_shows_primary_fields_only(usos: Installation) -> None:
    """§1.4 row 8; §3.4: a secondary field gives field_invalid."""
    message_id = usos.draft(from_inst_address_id=str(usos.assigned_address()))
    shown = usos.ask("messages", message_ids=message_id, fields="id|from_inst_address[name]|subject|status|date")[message_id]
    assert (shown["status"], shown["from_inst_address"]) == ("draft", {"name": "Office"})
    for field in ("send_summary", "content", "attachments", "recipients_count"):
        body = usos.refused("messages", message_ids=message_id, fields=f"id|{field}")
        assert (body["error"], body["field_name"], body["method_name"]) == ("field_invalid", field, "services/mailclient/messages")


def test_row_8_messages_needs_ids_and_takes_an_empty_list(usos: Installation) -> None:
    assert usos.refused("messages")["param_name"] == "message_ids"
    assert usos.ask("messages", message_ids="") == {}


def test_a_repeated_list_parameter_is_joined(sqlite_usos: Installation) -> None:
    """§7: join the repeats with a pipe; empty elements are dropped; of scalars, different values are refused."""
    one, two = sqlite_usos.draft(), sqlite_usos.draft()
    response = sqlite_usos.http.post(
        sqlite_usos.url("messages"), data=[("message_ids", one), ("message_ids", two)], auth=sqlite_usos.auth(), timeout=20
    )
    assert set(response.json()) == {one, two}
    assert set(sqlite_usos.ask("messages", message_ids=f"|{one}||{two}|{one}|")) == {one, two}
    response = sqlite_usos.http.post(
        sqlite_usos.url("message"), data=[("message_id", one), ("message_id", two)], auth=sqlite_usos.auth(), timeout=20
    )
    assert (response.json()["error"], response.json()["param_name"]) == ("param_invalid", "message_id")


# -- row 3: copy_message -------------------------------------------------------------------------------------------------


def test_row_3_copy_message_is_a_draft_without_attachments(usos: Installation) -> None:
    message_id = usos.ready(subject="s", content="c", content_format="html", attachments_lifetime="5")
    usos.attach(message_id)
    usos.ask("send_message", message_id=message_id)
    answer = usos.ask("copy_message", message_id=message_id)
    assert list(answer) == ["message_id"]
    assert answer["message_id"] != message_id
    shown = usos.ask("message", message_id=answer["message_id"], fields=ALL)
    assert (shown["status"], shown["attachments"], shown["recipients_valid"]) == ("draft", [], False)
    assert (shown["subject"], shown["content"], shown["content_format"], shown["attachments_lifetime"]) == ("s", "c", "html", 5)
    assert usos.ask("recipients_group", message_id=answer["message_id"], fields="emails") == {"emails": ["guest@else.example"]}
    assert usos.refused("copy_message", message_id="999")["param_name"] == "message_id"


# -- row 6: delete_messages ----------------------------------------------------------------------------------------------


def test_row_6_delete_messages_lists_those_really_deleted(usos: Installation) -> None:
    one, two, kept = usos.draft(), usos.ready(), usos.draft()
    foreign = usos.draft(usos.anna_token)
    usos.attach(one)
    usos.ask("send_message", message_id=two)
    assert usos.ask("delete_messages", message_ids=f"{two}|999|{one}|{foreign}|x") == {"matched": [two, one]}
    assert usos.ask("user", fields="id") == [{"id": kept}]
    assert usos.ask("message", usos.anna_token, message_id=foreign)["id"] == foreign
    assert usos.blobs() == []
    assert usos.ask("delete_messages", message_ids=one) == {"matched": []}
    assert usos.ask("delete_messages", message_ids="") == {"matched": []}
    assert usos.refused("delete_messages")["error"] == "param_missing"


# -- row 18: user --------------------------------------------------------------------------------------------------------


def test_row_18_user_lists_own_messages_by_status(usos: Installation) -> None:
    draft, sent = usos.draft(subject="d"), usos.ready(subject="p")
    usos.draft(usos.anna_token, subject="foreign")
    usos.ask("send_message", message_id=sent)
    both = [{"id": draft, "subject": "d"}, {"id": sent, "subject": "p"}]
    assert usos.ask("user") == both
    assert usos.ask("user", status="draft") == both[:1]
    assert usos.ask("user", status="pending|draft") == both
    assert usos.ask("user", status="sent|error") == []
    assert usos.ask("user", status="") == []


def test_row_18_user_finds_each_status(usos: Installation) -> None:
    """§1.4 row 18, §4.5: draft, pending, sent, error."""
    numbers = {status: usos.draft() for status in ("draft", "pending", "sent", "error")}
    for status, message_id in numbers.items():
        change(usos, message_id, status=status)
    for status, message_id in numbers.items():
        assert usos.ask("user", fields="id|status", status=status) == [{"id": message_id, "status": status}]
    assert [one["status"] for one in usos.ask("user", fields="status", status="error|sent")] == ["sent", "error"]


def test_row_18_user_refuses_secondary_fields_and_unknown_statuses(sqlite_usos: Installation) -> None:
    """§7: unknown value in status → param_invalid."""
    body = sqlite_usos.refused("user", fields="content")
    assert (body["error"], body["field_name"]) == ("field_invalid", "content")
    body = sqlite_usos.refused("user", status="draft|deleted")
    assert (body["error"], body["param_name"]) == ("param_invalid", "status")


def test_row_18_user_lists_more_than_one_page(sqlite_usos: Installation) -> None:
    def fill(tx: Tx) -> list[int]:
        return [drafts.create(tx, sqlite_usos.jan, DraftContent(), 1, "usos") for _ in range(1_001)]

    made = sqlite_usos.store.database.write_now(fill)
    assert [int(one["id"]) for one in sqlite_usos.ask("user", fields="id")] == made


def test_people_who_left_may_not_call(usos: Installation) -> None:
    gone = usos.store.database.write_now(people.add, NewPerson(first_name="A", last_name="B", active=False), clock.now())
    token = usos.store.database.write_now(clients.add_token, usos.store.vault, usos.client.id, gone, ["mailclient"], clock.now())
    assert usos.refused("user", token, expecting=401) == {"message": "Invalid token"}
