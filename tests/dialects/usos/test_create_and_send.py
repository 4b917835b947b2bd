"""services/mailclient/create_and_send_message, as contract §7 decides: all of it, or nothing."""

from typing import Any

import pytest
from sqlalchemy import func, select

from postroom.storage.tables import messages, recipients
from tests.dialects.usos.conftest import Installation
from tests.dialects.usos.test_sending import language
from tests.dialects.usos.test_statements import statements

METHOD = "create_and_send_message"


def kept(usos: Installation) -> tuple[int, int]:
    """Return how many messages and recipients there are in the store, whosever."""
    return usos.store.database.read_now(
        lambda tx: (
            tx.execute(select(func.count()).select_from(messages)).scalar_one(),
            tx.execute(select(func.count()).select_from(recipients)).scalar_one(),
        )
    )


def test_it_writes_addresses_and_sends(usos: Installation) -> None:
    """The message is one like any other afterwards: pending, with its group, its frozen list and its options."""
    answer = usos.ask(
        METHOD,
        subject="Exams",
        content="On <b>Monday</b>",
        content_format="html",
        send_summary="true",
        attachments_lifetime="30",
        user_ids=f"{usos.anna}|{usos.ewa}",
        emails="guest@else.example|GUEST@else.example",
        lang="en-GB",
    )
    assert list(answer) == ["message_id"]
    message_id = answer["message_id"]
    fields = "subject|content|content_format|send_summary|send_to_myself|attachments_lifetime|status|recipients_valid"
    assert usos.ask("message", message_id=message_id, fields=fields) == {
        "subject": "Exams",
        "content": "On <b>Monday</b>",
        "content_format": "html",
        "send_summary": True,
        "send_to_myself": False,
        "attachments_lifetime": 30,
        "status": "pending",
        "recipients_valid": True,
    }
    listed = usos.ask("recipients", message_id=message_id, fields="email|user[id]|status")
    assert listed == [
        {"email": "anna@uni.example", "user": {"id": str(usos.anna)}, "status": "pending"},
        {"email": None, "user": {"id": str(usos.ewa)}, "status": None},  # only her alternative address is known
        {"email": "guest@else.example", "user": None, "status": "pending"},
    ]
    assert language(usos, message_id) == "en"


@pytest.mark.parametrize(
    ("parameters", "error", "key", "value"),
    [
        ({"subject": ""}, "object_invalid", "reason", "subject_required"),
        ({"content": " \n"}, "object_invalid", "reason", "content_required"),
        ({"emails": ""}, "object_invalid", "reason", "recipients_required"),
        ({"send_to_myself": "true", "emails": ""}, "object_invalid", "reason", "recipients_required"),
        ({"user_ids": "1|987654"}, "object_not_found", "param_name", "user_ids"),
        ({"user_ids": "somebody"}, "object_not_found", "param_name", "user_ids"),
        ({"from_inst_address_id": "987654"}, "object_not_found", "param_name", "from_inst_address_id"),
        ({"emails": "a@x.example|nobody"}, "param_invalid", "param_name", "emails"),
        ({"subject": "x" * 201}, "param_invalid", "param_name", "subject"),
        ({"subject": "a\nb"}, "param_invalid", "param_name", "subject"),
        ({"content": "x" * 15_001}, "param_invalid", "param_name", "content"),
        ({"content_format": "rtf"}, "param_invalid", "param_name", "content_format"),
        ({"attachments_lifetime": "0"}, "param_invalid", "param_name", "attachments_lifetime"),
        ({"lang": "de"}, "param_invalid", "param_name", "lang"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(usos: Installation, parameters: dict[str, str], error: str, key: str, value: str) -> None:
    body = usos.refused(METHOD, **{"subject": "s", "content": "c", "emails": "a@x.example", **parameters})
    assert (body["error"], body[key]) == (error, value)
    assert kept(usos) == (0, 0)


def test_an_address_that_was_taken_away_is_forbidden(usos: Installation) -> None:
    address = str(usos.assigned_address(assigned=False))
    body = usos.refused(METHOD, subject="s", content="c", emails="a@x.example", from_inst_address_id=address)
    assert (body["error"], body["reason"]) == ("object_forbidden", "inst_address_unassigned")
    assert kept(usos) == (0, 0)


def test_a_repeated_call_under_one_key_sends_once(usos: Installation) -> None:
    call: dict[str, Any] = {"subject": "s", "content": "c", "emails": "a@x.example", "idempotency_key": "k"}
    first = usos.ask(METHOD, **call)
    assert usos.ask(METHOD, **call) == first
    assert kept(usos) == (1, 1)
    assert usos.refused(METHOD, **{**call, "subject": "other"})["param_name"] == "idempotency_key"


def test_it_takes_as_many_statements_for_many_as_for_two(usos: Installation) -> None:
    counts = [
        statements(
            usos, METHOD, subject="s", content="c", user_ids=f"{usos.anna}|{usos.ewa}", emails="|".join(f"p{n}@x.example" for n in number)
        )
        for number in (range(1), range(200))
    ]
    assert counts[0] == counts[1]
