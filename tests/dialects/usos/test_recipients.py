"""services/mailclient: rows 10, 11, 12 and 17 of the table in contract §1.4, over real HTTP."""

from typing import Any

import pytest
from sqlalchemy import update

from postroom import clock
from postroom.directory import groups
from postroom.messages import audience, drafts
from postroom.messages.records import AudienceChange, State
from postroom.storage.database import Tx
from postroom.storage.tables import recipients
from tests.dialects.usos.conftest import Installation


class Groups:
    """A small tree: everybody > students, a custom group of Jan's, one of Anna's, a course."""

    def __init__(self, usos: Installation) -> None:
        now, write = clock.now(), usos.store.database.write_now
        self.root: int = write(groups.create_primary, "", "Everybody", None, now)
        self.students: int = write(groups.create_primary, "S", "Students", "", now)
        self.own: int = write(groups.create_custom, usos.jan, "Friends", now)
        self.foreign: int = write(groups.create_custom, usos.anna, "Anna's", now)
        self.course: int = write(groups.create_course, "ALG-1", "Algebra", now)
        write(groups.add_members, self.students, user_ids=[usos.anna])
        write(groups.add_members, self.own, user_ids=[usos.ewa], emails=["friend@else.example"])
        write(groups.add_members, self.course, user_ids=[usos.jan, usos.anna])


def roll(usos: Installation, message_id: str, fields: str = "email|user[id]") -> Any:
    return usos.ask("recipients", message_id=message_id, fields=fields)


# -- rows 17 and 11: update_recipients_group, recipients_group -----------------------------------------------------------


def test_rows_11_and_17_the_group_keeps_all_four_lists(usos: Installation) -> None:
    """§1.4 rows 11 and 17, §4.4: primary and custom groups, users, emails; default fields of bare references."""
    given = Groups(usos)
    message_id = usos.draft()
    answer = usos.ask(
        "update_recipients_group",
        message_id=message_id,
        primary_group_ids="S",
        custom_group_ids=f"{given.own}|{given.course}",
        user_ids=f"{usos.anna}|{usos.jan}",
        emails="a@x.example|b@y.example",
    )
    assert answer == {}
    assert usos.ask("recipients_group", message_id=message_id, fields="primary_groups|custom_groups|users|emails") == {
        "primary_groups": [{"id": "S", "name": "Students"}],
        "custom_groups": [{"id": str(given.own), "name": "Friends"}, {"id": str(given.course), "name": "Algebra"}],
        "users": [
            {"id": str(usos.anna), "first_name": "Anna", "last_name": "Żak"},
            {"id": str(usos.jan), "first_name": "Jan", "last_name": "Robak"},
        ],
        "emails": ["a@x.example", "b@y.example"],
    }
    detailed = usos.ask("recipients_group", message_id=message_id, fields="users[titles|email|alt_email|photo_urls[200x200]]")
    assert detailed["users"][0] == {
        "titles": {"before": "dr", "after": None},
        "email": "anna@uni.example",
        "alt_email": None,
        "photo_urls": {"200x200": "https://photos.example/anna.jpg"},
    }


def test_row_17_an_absent_list_is_unchanged_and_an_empty_one_is_cleared(usos: Installation) -> None:
    """§1.4 row 17: default unchanged; §7: emails= clears."""
    given = Groups(usos)
    message_id = usos.draft()
    lists = {"primary_group_ids": "S", "custom_group_ids": str(given.own), "user_ids": str(usos.anna), "emails": "a@x.example"}
    fields = {"primary_group_ids": "primary_groups", "custom_group_ids": "custom_groups", "user_ids": "users", "emails": "emails"}
    usos.ask("update_recipients_group", message_id=message_id, **lists)
    usos.ask("update_recipients_group", message_id=message_id)
    before = usos.ask("recipients_group", message_id=message_id, fields="|".join(fields.values()))
    assert all(before.values())
    for name, field in fields.items():
        usos.ask("update_recipients_group", message_id=message_id, **{name: ""})
        before[field] = []
        assert usos.ask("recipients_group", message_id=message_id, fields="|".join(fields.values())) == before


@pytest.mark.parametrize("name", ["primary_group_ids", "custom_group_ids", "user_ids"])
def test_row_17_a_missing_reference_is_an_error_only_if_strict(usos: Installation, name: str) -> None:
    """strict true, the default: object_not_found with the parameter's name; false: dropped in silence."""
    given = Groups(usos)
    good = {"primary_group_ids": "S", "custom_group_ids": str(given.own), "user_ids": str(usos.anna)}[name]
    message_id = usos.draft()
    for bad in ("nope", "99999999999", "999"):
        for strict in ({}, {"strict": "true"}):
            body = usos.refused("update_recipients_group", message_id=message_id, **{name: f"{good}|{bad}"}, **strict)
            assert (body["error"], body["param_name"]) == ("object_not_found", name)
    assert usos.ask("update_recipients_group", message_id=message_id, **{name: f"{good}|nope|99999999999"}, strict="False") == {}
    shown = usos.ask("recipients_group", message_id=message_id, fields="primary_groups[id]|custom_groups[id]|users[id]")
    assert [entry["id"] for entries in shown.values() for entry in entries] == [good]


def test_row_17_custom_groups_of_others_are_as_if_not_there(usos: Installation) -> None:
    given = Groups(usos)
    body = usos.refused("update_recipients_group", message_id=usos.draft(), custom_group_ids=str(given.foreign))
    assert (body["error"], body["param_name"]) == ("object_not_found", "custom_group_ids")
    body = usos.refused("update_recipients_group", message_id=usos.draft(), custom_group_ids=str(given.students))
    assert (body["error"], body["param_name"]) == ("object_not_found", "custom_group_ids")


@pytest.mark.parametrize(
    "emails", ["nobody", "a@b@c", "a b@x.example", "a@x.example|<b@x.example>", "a\r\nBcc: b@x.example", "é@x.example"]
)
@pytest.mark.parametrize("strict", ["true", "false"])
def test_row_17_malformed_addresses_are_param_invalid(sqlite_usos: Installation, emails: str, strict: str) -> None:
    body = sqlite_usos.refused("update_recipients_group", message_id=sqlite_usos.draft(), emails=emails, strict=strict)
    assert (body["error"], body["param_name"]) == ("param_invalid", "emails")


def test_row_17_drafts_only(usos: Installation) -> None:
    """object_invalid, reason draft_required; object_not_found, param_name message_id; strict is a boolean."""
    message_id = usos.ready()
    assert usos.refused("update_recipients_group", message_id=message_id, strict="maybe")["param_name"] == "strict"
    usos.ask("send_message", message_id=message_id)
    assert usos.refused("update_recipients_group", message_id=message_id, emails="a@x.example")["reason"] == "draft_required"
    assert usos.refused("update_recipients_group", message_id="999", emails="a@x.example")["param_name"] == "message_id"


def test_row_17_a_set_sent_as_a_repeated_parameter_is_joined(sqlite_usos: Installation) -> None:
    """§5.2, §5.4: with two members the parameter repeats."""
    message_id = sqlite_usos.draft()
    data = [("message_id", message_id), ("emails", "a@x.example"), ("emails", "b@x.example")]
    assert sqlite_usos.http.post(sqlite_usos.url("update_recipients_group"), data=data, auth=sqlite_usos.auth(), timeout=20).json() == {}
    assert sqlite_usos.ask("recipients_group", message_id=message_id, fields="emails") == {"emails": ["a@x.example", "b@x.example"]}


def test_row_11_recipients_group_needs_fields(usos: Installation) -> None:
    """§1.4 row 11: fields required, no default; groups only with primary sub-fields; object_not_found, param_name message_id."""
    message_id = usos.draft()
    assert usos.refused("recipients_group", message_id=message_id)["param_name"] == "fields"
    assert usos.refused("recipients_group", message_id="999", fields="emails")["param_name"] == "message_id"
    body = usos.refused("recipients_group", message_id=message_id, fields="custom_groups[users]")
    assert (body["error"], body["field_name"], body["method_name"]) == ("field_invalid", "users", "services/csgroups/custom_group")


def test_the_root_of_primary_groups_is_the_empty_string(usos: Installation) -> None:
    """§4.8: as an ID in answers; as a parameter the empty string is the empty list (§7)."""
    Groups(usos)
    message_id = usos.draft()
    change = AudienceChange(primary_group_codes=[""])
    usos.store.database.write_now(audience.update, usos.jan, int(message_id), change, strict=True, now=clock.now())
    assert usos.ask("recipients_group", message_id=message_id, fields="primary_groups") == {
        "primary_groups": [{"id": "", "name": "Everybody"}]
    }
    usos.ask("refresh_recipients", message_id=message_id)
    assert roll(usos, message_id) == [{"email": "anna@uni.example", "user": {"id": str(usos.anna)}}]
    usos.ask("update_recipients_group", message_id=message_id, primary_group_ids="")
    assert usos.ask("recipients_group", message_id=message_id, fields="primary_groups") == {"primary_groups": []}


# -- rows 12 and 10: refresh_recipients, recipients ----------------------------------------------------------------------


def test_rows_10_and_12_the_list_is_frozen_until_refreshed(usos: Installation) -> None:
    """§1.3: not refreshed by changes of the group."""
    given = Groups(usos)
    message_id = usos.draft()
    usos.ask("update_recipients_group", message_id=message_id, custom_group_ids=str(given.own), emails="X@Y.example")
    assert roll(usos, message_id) == []
    assert usos.ask("refresh_recipients", message_id=message_id) == {}
    expected = [
        {"email": None, "user": {"id": str(usos.ewa)}},
        {"email": "friend@else.example", "user": None},
        {"email": "X@y.example", "user": None},
    ]
    assert roll(usos, message_id) == expected
    usos.ask("update_recipients_group", message_id=message_id, custom_group_ids="")
    assert roll(usos, message_id) == expected
    assert usos.ask("message", message_id=message_id, fields="recipients_valid") == {"recipients_valid": False}
    usos.ask("refresh_recipients", message_id=message_id)
    assert roll(usos, message_id) == expected[2:]


@pytest.mark.parametrize(
    ("source", "emails"),
    [
        (None, ["jan@uni.example", None]),
        ("primary_only", ["jan@uni.example", None]),
        ("alt_only", ["jan@home.example", "ewa@home.example"]),
        ("primary_preferred", ["jan@uni.example", "ewa@home.example"]),
        ("alt_preferred", ["jan@home.example", "ewa@home.example"]),
    ],
)
def test_row_12_email_source_chooses_the_address(usos: Installation, source: str | None, emails: list[str | None]) -> None:
    """§1.4 row 12, §4.5: four values, default primary_only."""
    message_id = usos.draft()
    usos.ask("update_recipients_group", message_id=message_id, user_ids=f"{usos.jan}|{usos.ewa}")
    usos.ask("refresh_recipients", message_id=message_id, **({} if source is None else {"email_source": source}))
    assert [line["email"] for line in roll(usos, message_id)] == emails


def test_row_12_refresh_recipients_errors(usos: Installation) -> None:
    """draft_required; object_not_found, param_name message_id; an unknown email_source."""
    message_id = usos.ready()
    body = usos.refused("refresh_recipients", message_id=message_id, email_source="any")
    assert (body["error"], body["param_name"]) == ("param_invalid", "email_source")
    usos.ask("send_message", message_id=message_id)
    assert usos.refused("refresh_recipients", message_id=message_id)["reason"] == "draft_required"
    assert usos.refused("refresh_recipients", message_id="999")["param_name"] == "message_id"


def test_row_12_a_group_that_changes_meanwhile_is_reported(usos: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """object_invalid, reason recipients_group_modified: the version that was read is the one that must still hold."""
    message_id = usos.draft()
    usos.ask("update_recipients_group", message_id=message_id, emails="a@x.example")
    get = drafts.get
    calls: list[int] = []

    def get_then_change(tx: Tx, author_id: int, number: int) -> Any:
        found = get(tx, author_id, number)
        calls.append(number)
        if len(calls) == 1:
            monkeypatch.undo()
            usos.ask("update_recipients_group", message_id=message_id, emails="b@x.example")
        return found

    monkeypatch.setattr(drafts, "get", get_then_change)
    body = usos.refused("refresh_recipients", message_id=message_id)
    assert (body["error"], body["reason"]) == ("object_invalid", "recipients_group_modified")


def test_row_10_recipients_needs_fields_and_a_message(usos: Installation) -> None:
    """§1.4 row 10: fields required, no default; object_not_found, param_name message_id."""
    message_id = usos.draft()
    assert usos.refused("recipients", message_id=message_id)["param_name"] == "fields"
    assert usos.refused("recipients", message_id="999", fields="email")["param_name"] == "message_id"
    assert usos.ask("recipients", message_id=message_id, fields="email") == []


def test_row_10_recipients_bare_user_has_the_default_fields(usos: Installation) -> None:
    """§3.3, §5.2: OpenUSOS asks for email|user and gets first_name, id and last_name; an address is not resolved to a user."""
    message_id = usos.draft()
    usos.ask("update_recipients_group", message_id=message_id, user_ids=str(usos.anna), emails="jan@uni.example")
    usos.ask("refresh_recipients", message_id=message_id)
    assert roll(usos, message_id, "email|user") == [
        {"email": "anna@uni.example", "user": {"id": str(usos.anna), "first_name": "Anna", "last_name": "Żak"}},
        {"email": "jan@uni.example", "user": None},
    ]


STATES: dict[State, str | None] = {
    "listed": None,
    "queued": "pending",
    "sending": "pending",
    "deferred": "pending",
    "unknown": "pending",
    "delivered": "sent",
    "failed": "error",
    "suppressed": "error",
    "expired": "error",
    "cancelled": "error",
}


def test_row_10_status_of_a_recipient_follows_its_state(sqlite_usos: Installation) -> None:
    """§4.3: null for a draft, pending while open, sent when delivered, error otherwise; always null without an address."""
    message_id = sqlite_usos.draft()
    sqlite_usos.ask("update_recipients_group", message_id=message_id, user_ids=f"{sqlite_usos.anna}|{sqlite_usos.ewa}")
    sqlite_usos.ask("refresh_recipients", message_id=message_id)
    for state, status in STATES.items():

        def put(tx: Tx, state: State = state) -> None:
            tx.execute(update(recipients).where(recipients.c.message_id == int(message_id)).values(state=state))

        sqlite_usos.store.database.write_now(put)
        assert roll(sqlite_usos, message_id, "status") == [{"status": status}, {"status": None}]


def test_row_10_the_copy_to_myself_is_not_a_recipient(usos: Installation) -> None:
    message_id = usos.ready(send_to_myself="true")
    usos.ask("send_message", message_id=message_id)
    assert roll(usos, message_id, "email|status") == [{"email": "guest@else.example", "status": "pending"}]
    assert usos.ask("message", message_id=message_id, fields="recipients_count|emails_count") == {"recipients_count": 1, "emails_count": 1}


def test_row_10_recipients_longer_than_a_page_come_whole(usos: Installation) -> None:
    message_id = usos.draft()
    emails = [f"p{number:04}@x.example" for number in range(1_001)]
    usos.ask("update_recipients_group", message_id=message_id, emails="|".join(emails))
    usos.ask("refresh_recipients", message_id=message_id)
    assert [line["email"] for line in roll(usos, message_id, "email")] == emails
    assert usos.send("recipients", message_id=message_id, fields="email|user", format="xmlmap2").text.count("<object>") == 1_001
