"""How many SQL statements the message calls take: a constant, never one for each message or recipient."""

from typing import Any

from tests.dialects.schoology.messages.conftest import School
from tests.support import counted


def statements(school: School, who: int, verb: str, path: str, body: Any = None) -> int:
    with counted(school.store) as found:
        assert school.request(who, verb, path, json=body).status_code < 300
    return len(found)


def test_reading(school: School) -> None:
    """Of the first two is the signature: the key and the nonce."""
    number = 0
    for count in (1, 8):
        for _ in range(count):
            number = school.send(school.ada, school.ben, school.cleo)["id"]
        assert statements(school, school.ben, "GET", "/messages/inbox") == 2 + 2
        assert statements(school, school.ben, "GET", "/messages/inbox?limit=1") == 2 + 2
        assert statements(school, school.ada, "GET", "/messages/sent") == 2 + 1
    assert statements(school, school.ben, "GET", "/messages/recipients") == 2 + 2
    for _ in range(8):
        school.send(school.ada, path=f"/messages/{number}")
    assert statements(school, school.ben, "GET", f"/messages/inbox/{number}?keep_unread=1") == 2 + 1
    assert statements(school, school.ben, "GET", f"/messages/inbox/{number}") == 2 + 1 + 1
    assert statements(school, school.ben, "GET", f"/messages/inbox/{number}") == 2 + 1


def test_writing(school: School) -> None:
    """Whether one recipient or twenty; on PostgreSQL an answer locks its thread. Words take three, labels and filters one each."""
    words, lock = 5, school.store.database.dialect == "postgresql"
    for recipients in ([school.ben], [school.person("One", f"Of {number}") for number in range(20)]):
        body = {"subject": "s", "message": "m", "recipient_ids": recipients}
        assert statements(school, school.ada, "POST", "/messages", body) == 2 + 6 + words
        number = school.sent(school.ada)[0]
        assert statements(school, school.ada, "POST", f"/messages/{number}", body) == 2 + 10 + words + lock
        assert statements(school, school.ada, "POST", f"/messages/{number}", {**body, "recipient_ids": ""}) == 2 + 11 + words + lock
        for wanted in ("read", "unread"):
            assert statements(school, school.ada, "PUT", f"/messages/inbox/{number}", {"message_status": wanted}) == 2 + 2
        assert statements(school, school.ada, "DELETE", f"/messages/inbox/{number}") == 2 + 3
