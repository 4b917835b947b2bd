"""Methods are declared once: what the declaration of every method of the dialect says of it (design §5, contract §1.4)."""

from typing import Annotated, Any

import pytest
from msgspec import Struct

from postroom.dialects.endpoint import Argument, Endpoint, arguments_of
from postroom.dialects.usos.application import ENDPOINTS
from postroom.dialects.usos.selectors import parse

ROWS = {
    "attachment": ("attachment_id fields", {"fields": "id|filename"}),
    "attachments": ("attachment_ids fields", {"fields": "id|filename"}),
    "copy_message": ("message_id", {}),
    "create_message": (
        "subject from_inst_address_id content content_format send_summary send_to_myself attachments_lifetime",
        {
            "subject": "",
            "from_inst_address_id": "",
            "content": "",
            "content_format": "plain",
            "send_summary": "false",
            "send_to_myself": "false",
            "attachments_lifetime": "14",
        },
    ),
    "create_and_send_message": (
        "subject from_inst_address_id content content_format send_summary send_to_myself attachments_lifetime user_ids emails lang",
        {
            "subject": "",
            "from_inst_address_id": "",
            "content": "",
            "content_format": "plain",
            "send_summary": "false",
            "send_to_myself": "false",
            "attachments_lifetime": "14",
            "user_ids": None,
            "emails": None,
            "lang": "pl",
        },
    ),
    "delete_attachments": ("attachment_ids", {}),
    "delete_messages": ("message_ids", {}),
    "message": ("message_id fields", {"fields": "id|subject"}),
    "messages": ("message_ids fields", {"fields": "id|subject"}),
    "put_attachment": ("message_id data filename content_type description", {"filename": None, "content_type": None, "description": ""}),
    "recipients": ("message_id fields", {}),
    "recipients_group": ("message_id fields", {}),
    "refresh_recipients": ("message_id email_source", {"email_source": "primary_only"}),
    "retry_send_message": ("message_id lang", {"lang": "pl"}),
    "send_message": ("message_id lang", {"lang": "pl"}),
    "update_attachment": ("attachment_id description", {}),
    "update_message": (
        "message_id subject from_inst_address_id content content_format send_summary send_to_myself attachments_lifetime",
        dict.fromkeys(
            ("subject", "from_inst_address_id", "content", "content_format", "send_summary", "send_to_myself", "attachments_lifetime")
        ),
    ),
    "update_recipients_group": (
        "message_id primary_group_ids custom_group_ids user_ids emails strict",
        {**dict.fromkeys(("primary_group_ids", "custom_group_ids", "user_ids", "emails")), "strict": "true"},
    ),
    "user": ("fields status", {"fields": "id|subject", "status": None}),
}
"""§1.4, and §7 for create_and_send_message: the arguments of each method, and those that are optional with their defaults."""

ERRORS = {
    "attachment": {"object_not_found attachment_id"},
    "attachments": set(),
    "copy_message": {"object_not_found message_id"},
    "create_message": {"object_forbidden inst_address_unassigned", "object_not_found from_inst_address_id"},
    "create_and_send_message": {
        "object_forbidden inst_address_unassigned",
        "object_invalid content_required",
        "object_invalid recipients_required",
        "object_invalid subject_required",
        "object_not_found from_inst_address_id",
        "object_not_found user_ids",
    },
    "delete_attachments": set(),
    "delete_messages": set(),
    "message": {"object_not_found message_id"},
    "messages": set(),
    "put_attachment": {
        "object_invalid attachment_limit_exceeded",
        "object_invalid draft_required",
        "object_not_found message_id",
    },
    "recipients": {"object_not_found message_id"},
    "recipients_group": {"object_not_found message_id"},
    "refresh_recipients": {
        "object_invalid draft_required",
        "object_invalid recipients_group_modified",
        "object_not_found message_id",
    },
    "retry_send_message": {
        "object_forbidden inst_address_unassigned",
        "object_invalid error_required",
        "object_not_found message_id",
    },
    "send_message": {
        "object_forbidden inst_address_unassigned",
        "object_invalid content_required",
        "object_invalid draft_required",
        "object_invalid recipients_outdated",
        "object_invalid recipients_required",
        "object_invalid subject_required",
        "object_not_found message_id",
    },
    "update_attachment": {"object_invalid draft_required", "object_not_found attachment_id"},
    "update_message": {
        "object_forbidden inst_address_unassigned",
        "object_invalid draft_required",
        "object_not_found from_inst_address_id",
        "object_not_found message_id",
    },
    "update_recipients_group": {
        "object_invalid draft_required",
        "object_not_found custom_group_ids",
        "object_not_found message_id",
        "object_not_found primary_group_ids",
        "object_not_found user_ids",
    },
    "user": set(),
}
"""§1.4: the errors of each method, with their reason or param_name."""

LIMITS = {"subject": 200, "content": 15_000, "filename": 100, "description": 200}
"""§4.5."""


def declared(name: str) -> Endpoint[Any, Any]:
    return ENDPOINTS[f"services/mailclient/{name}"]


def test_there_are_the_18_methods_and_the_one_of_newer_installations() -> None:
    names = [name for name in ENDPOINTS if name.startswith("services/mailclient/")]
    assert {name.removeprefix("services/mailclient/") for name in names} == set(ROWS)
    assert len(names) == 19


@pytest.mark.parametrize("name", ROWS)
def test_arguments_defaults_and_limits_are_those_of_the_row(name: str) -> None:
    names, optional = ROWS[name]
    arguments = declared(name).arguments
    assert list(arguments) == names.split()
    assert {key: argument.default for key, argument in arguments.items() if not argument.required} == optional
    for key in LIMITS.keys() & arguments.keys():
        assert arguments[key].limit == LIMITS[key]


@pytest.mark.parametrize("name", ROWS)
def test_errors_are_those_of_the_row(name: str) -> None:
    declared_errors = {f"{case.error} {word}" for case in declared(name).errors for word in (*case.reasons, *case.param_names)}
    assert declared_errors == ERRORS[name]


@pytest.mark.parametrize("name", ROWS)
def test_every_method_can_be_documented_from_its_declaration(name: str) -> None:
    method = declared(name)
    assert method.summary.endswith(".")
    assert method.returns
    assert method.access.consumer == method.access.token == "required"
    assert method.access.scopes == ("mailclient",)
    for argument in method.arguments.values():
        assert argument.type
        assert argument.description
    if method.result is not None:
        parse(method.result.default, method.result)


def test_an_attribute_that_declares_no_argument_is_refused() -> None:
    class Good(Struct):
        one: Annotated[str, Argument(parse=str, type="string", description="One.")]

    class Bad(Struct):
        one: Annotated[str, "no argument"]

    assert list(arguments_of(Good)) == ["one"]
    with pytest.raises(TypeError, match=r"Bad\.one"):
        arguments_of(Bad)
