"""How many SQL statements the methods take: a constant, or a constant a page, never one for each row."""

import pytest

from tests.dialects.usos.conftest import Installation
from tests.support import counted

SIGNATURE = 3
"""Client, token and nonce."""


def statements(usos: Installation, method: str, **parameters: str) -> int:
    with counted(usos.store) as found:
        usos.ask(method, **parameters)
    return len(found)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [("id|subject|content|status|date", 1), ("recipients_count|emails_count", 2), ("attachments[url]", 2), ("from_inst_address", 2)],
)
def test_message(usos: Installation, fields: str, expected: int) -> None:
    message_id = usos.ready(from_inst_address_id=str(usos.assigned_address()))
    usos.attach(message_id)
    assert statements(usos, "message", message_id=message_id, fields=fields) == SIGNATURE + expected


def test_create_message(usos: Installation) -> None:
    assert statements(usos, "create_message", subject="s", content="c") == SIGNATURE + 1


def test_messages_and_user_take_as_many_for_ten_as_for_one(usos: Installation) -> None:
    address = str(usos.assigned_address())
    numbers = [usos.draft(from_inst_address_id=address) for _ in range(10)]
    fields = "id|from_inst_address"
    for count in (1, 10):
        assert statements(usos, "messages", message_ids="|".join(numbers[:count]), fields=fields) == SIGNATURE + 2
    assert statements(usos, "user", fields=fields) == SIGNATURE + 2
    assert statements(usos, "user", fields="id") == SIGNATURE + 1


def test_recipients_take_two_a_page(usos: Installation) -> None:
    message_id = usos.draft()
    usos.ask("update_recipients_group", message_id=message_id, user_ids=f"{usos.jan}|{usos.anna}|{usos.ewa}")
    usos.ask("refresh_recipients", message_id=message_id)
    assert statements(usos, "recipients", message_id=message_id, fields="email|status") == SIGNATURE + 2
    assert statements(usos, "recipients", message_id=message_id, fields="email|user") == SIGNATURE + 3
    usos.ask("update_recipients_group", message_id=message_id, emails="|".join(f"p{number}@x.example" for number in range(1_200)))
    usos.ask("refresh_recipients", message_id=message_id)
    assert statements(usos, "recipients", message_id=message_id, fields="email|user") == SIGNATURE + 1 + 3 + 1


def test_attachments(usos: Installation) -> None:
    message_id = usos.draft()
    numbers = [usos.attach(message_id) for _ in range(3)]
    assert statements(usos, "attachments", attachment_ids="|".join(numbers)) == SIGNATURE + 1
