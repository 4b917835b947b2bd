"""Objects of another user are as if not there, for every method (design §1.5)."""

import pytest

from postroom.dialects.usos.application import ENDPOINTS
from tests.dialects.usos.conftest import Installation

BY_MESSAGE = {
    "copy_message": {},
    "message": {},
    "recipients": {"fields": "email"},
    "recipients_group": {"fields": "emails"},
    "refresh_recipients": {},
    "retry_send_message": {},
    "send_message": {},
    "update_message": {"subject": "stolen"},
    "update_recipients_group": {"emails": "thief@else.example"},
}
BY_ATTACHMENT = {"attachment": {}, "update_attachment": {"description": "stolen"}}
BY_LIST = {
    "messages": ("message_ids", None),
    "delete_messages": ("message_ids", []),
    "attachments": ("attachment_ids", None),
    "delete_attachments": ("attachment_ids", []),
}


@pytest.fixture
def foreign(usos: Installation) -> tuple[str, str]:
    """A message of Anna's with an attachment."""
    message_id = usos.draft(usos.anna_token, subject="private")
    return message_id, str(usos.put(message_id, token=usos.anna_token).json()["attachment_id"])


def test_every_method_is_tried() -> None:
    tried = {*BY_MESSAGE, *BY_ATTACHMENT, *BY_LIST, "put_attachment", "create_message", "create_and_send_message", "user"}
    assert {f"services/mailclient/{name}" for name in tried} == {name for name in ENDPOINTS if name.startswith("services/mailclient/")}


def test_messages_and_attachments_of_others_are_not_found(usos: Installation, foreign: tuple[str, str]) -> None:
    """The answers are the same, byte for byte, as for what never was."""
    message_id, attachment_id = foreign
    for methods, name, number in ((BY_MESSAGE, "message_id", message_id), (BY_ATTACHMENT, "attachment_id", attachment_id)):
        for method, parameters in methods.items():
            theirs = usos.refused(method, **{name: number}, **parameters)
            assert theirs["error"] == "object_not_found", method
            assert theirs == usos.refused(method, **{name: "987654"}, **parameters)
    assert usos.put(message_id).json()["error"] == "object_not_found"
    for method, (name, nothing) in BY_LIST.items():
        number = message_id if name == "message_ids" else attachment_id
        assert usos.ask(method, **{name: number}) == ({number: None} if nothing is None else {"matched": []})
    assert usos.ask("user") == []


def test_nothing_of_it_has_changed_for_its_owner(usos: Installation, foreign: tuple[str, str]) -> None:
    test_messages_and_attachments_of_others_are_not_found(usos, foreign)
    message_id, attachment_id = foreign
    shown = usos.ask("message", usos.anna_token, message_id=message_id, fields="subject|status|attachments[id|description]")
    assert shown == {"subject": "private", "status": "draft", "attachments": [{"id": attachment_id, "description": ""}]}
    assert usos.ask("recipients_group", usos.anna_token, message_id=message_id, fields="emails") == {"emails": []}


def test_an_address_of_others_is_forbidden_and_their_groups_are_not_there(usos: Installation) -> None:
    address = usos.assigned_address()
    body = usos.refused("create_message", usos.anna_token, from_inst_address_id=str(address))
    assert (body["error"], body["reason"]) == ("object_forbidden", "inst_address_unassigned")
    body = usos.refused(
        "create_and_send_message", usos.anna_token, subject="s", content="c", emails="x@else.example", from_inst_address_id=str(address)
    )
    assert (body["error"], body["reason"]) == ("object_forbidden", "inst_address_unassigned")
    assert usos.ask("user", usos.anna_token) == []
