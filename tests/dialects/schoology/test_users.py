"""Who am I, and who is somebody (wire/schoology.md §1.5)."""

from collections.abc import Callable
from typing import Any

import pytest

from postroom.settings import ContactSettings, HttpSettings
from tests.dialects.schoology.conftest import Callers
from tests.support import counted

KEYS = [
    "uid",
    "id",
    "school_id",
    "building_id",
    "school_uid",
    "name_title",
    "name_first",
    "name_middle",
    "name_last",
    "name_display",
    "primary_email",
    "picture_url",
    "send_message",
    "role_id",
    "tz_name",
    "tz_offset",
    "child_uids",
    "permissions",
    "synced",
    "language",
    "password",
]


def test_me_leads_to_the_person(callers: Callers) -> None:
    """§1.5: 303; §5.2: never to the host that a client names, which may be the real service."""
    base = callers.store.settings.public_url
    for host in (None, "api.schoology.com"):
        response = callers.signed("GET", "/users/me", headers={"Host": host} if host else {})
        assert (response.status_code, response.headers["Location"]) == (303, f"{base}/v1/users/{callers.ben}")
        assert response.content == b""
    assert callers.signed("GET", "/users/me", callers.machine).status_code == 403


def test_the_location_is_made_of_the_setting(configured_callers: Callable[..., Callers]) -> None:
    callers = configured_callers(http=HttpSettings(public_url="https://post.example/"))
    assert callers.signed("GET", "/users/me").headers["Location"] == f"https://post.example/v1/users/{callers.ben}"


def test_a_person_by_the_key_of_another_system(callers: Callers) -> None:
    """§1.5: users/ext/{uid} leads to the person, too."""
    response = callers.signed("GET", "/users/ext/S-17")
    assert (response.status_code, response.headers["Location"].rpartition("/v1")[2]) == (303, f"/users/{callers.ben}")
    for uid in ("S-99", "S-18", "%00", "x" * 1_000, "%2F"):
        response = callers.signed("GET", f"/users/ext/{uid}")
        assert (response.status_code, response.text) == (404, ""), uid


def test_app_user_info(callers: Callers) -> None:
    """§1.5: both are ints."""
    told = callers.get("/app-user-info")
    assert list(told) == ["web_session_timestamp", "api_uid"]
    assert type(told["web_session_timestamp"]) is int
    assert told["api_uid"] == callers.ben


def test_a_person_sees_oneself(callers: Callers) -> None:
    """§1.5: keys and types."""
    told = callers.get(f"/users/{callers.ben}")
    assert list(told) == KEYS
    assert told == {
        "uid": str(callers.ben),
        "id": callers.ben,
        "school_id": 0,
        "building_id": 0,
        "school_uid": "S-17",
        "name_title": "",
        "name_first": "Ben",
        "name_middle": "",
        "name_last": "Birch",
        "name_display": "Ben Birch",
        "primary_email": "ben@school.example",
        "picture_url": "",
        "send_message": 0,
        "role_id": 0,
        "tz_name": "UTC",
        "tz_offset": 0,
        "child_uids": None,
        "permissions": {"is_directory_public": False, "allow_connections": False},
        "synced": 0,
        "language": "pl",
        "password": "",
    }


def private(told: Any) -> tuple[Any, Any]:
    return told["primary_email"], told["school_uid"]


def test_who_sees_the_address_of_another(callers: Callers) -> None:
    """Our choice: the person, staff, and administrative clients."""
    path = f"/users/{callers.ben}"
    assert private(callers.get(path, callers.cleo_key)) == (None, None)
    assert private(callers.get(path, callers.machine)) == (None, None)
    assert private(callers.get(path, token=callers.token(callers.cleo))) == (None, None)
    for client in (callers.key, callers.ada_key, callers.admin):
        assert private(callers.get(path, client)) == ("ben@school.example", "S-17")
    other = callers.get(f"/users/{callers.cleo}")
    assert (other["primary_email"], other["picture_url"], other["name_display"]) == (None, "https://photos.example/cleo.jpg", "Cleo Cedar")


def test_send_message_tells_whom_the_caller_may_write_to(configured_callers: Callable[..., Callers]) -> None:
    """§4.5: an int flag; the rules are those of sending."""
    callers = configured_callers(contacts=ContactSettings(may_write_to={"student": ["staff"], "*": ["everyone"]}))
    assert callers.get(f"/users/{callers.cleo}")["send_message"] == 0
    assert callers.get(f"/users/{callers.ada}")["send_message"] == 1
    assert callers.get(f"/users/{callers.cleo}", callers.ada_key)["send_message"] == 1
    assert callers.get(f"/users/{callers.ada}", callers.ada_key)["send_message"] == 0, "nobody writes to oneself"
    assert callers.get(f"/users/{callers.ada}", callers.admin)["send_message"] == 0, "nobody writes for nobody"


@pytest.mark.parametrize("number", ["0", "999", "2147483648", "9" * 4_500, "1.0", "x", "-1", "%20", "\u0661"])
def test_nobody_of_that_number(sqlite_callers: Callers, number: str) -> None:
    """§3.1: 404, empty; a number with more digits than Python reads is one of nobody, too."""
    response = sqlite_callers.signed("GET", f"/users/{number}")
    assert (response.status_code, response.text) == (404, "")


def test_whoever_has_gone_is_not_shown(callers: Callers) -> None:
    for client in (callers.key, callers.ada_key, callers.admin):
        assert callers.signed("GET", f"/users/{callers.gus}", client).status_code == 404


def test_the_list_is_for_staff_and_administrative_clients(callers: Callers) -> None:
    """§1.5: 403 for students."""
    for client in (callers.key, callers.cleo_key, callers.machine):
        response = callers.signed("GET", "/users", client)
        assert (response.status_code, response.text) == (403, '""')
    for client in (callers.ada_key, callers.admin):
        told = callers.get("/users", client)
        assert list(told) == ["user", "total", "links"]
        assert [one["id"] for one in told["user"]] == [callers.ben, callers.cleo, callers.ada]
        assert told["total"] == 3
        assert told["user"][0]["primary_email"] == "ben@school.example"
    assert [one["send_message"] for one in callers.get("/users", callers.ada_key)["user"]] == [1, 1, 0]


@pytest.mark.parametrize(
    ("query", "numbers", "start", "limit", "more"),
    [
        ("", [0, 1, 2], 0, 20, False),
        ("?limit=2", [0, 1], 0, 2, True),
        ("?start=2&limit=2", [2], 2, 2, False),
        ("?start_id=1&limit=1", [1], 1, 1, True),
        ("?limit=0", [0, 1, 2], 0, 20, False),
        ("?limit=-1&start=x", [0, 1, 2], 0, 20, False),
        ("?limit=500", [0, 1, 2], 0, 200, False),
        (f"?start={'9' * 30}", [], 2_147_483_647, 20, False),
    ],
)
def test_pages_of_the_list(sqlite_callers: Callers, query: str, numbers: list[int], start: int, limit: int, more: Any) -> None:
    """§1.3: default 20, cap 200, bad values fall back; links.next only where more remain."""
    callers = sqlite_callers
    told = callers.get(f"/users{query}", callers.admin)
    everybody = [callers.ben, callers.cleo, callers.ada]
    assert [one["id"] for one in told["user"]] == [everybody[number] for number in numbers]
    url = f"{callers.store.settings.public_url}/v1/users"
    assert told["links"]["self"] == f"{url}?start={start}&limit={limit}"
    assert told["links"].get("next") == (f"{url}?start={start + limit}&limit={limit}" if more else None)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/users/me", 2),  # client, nonce
        ("/app-user-info", 2),
        ("/users/{ben}", 3),  # and the person
        ("/users/{cleo}", 5),  # and, of a person's rights to write, the sender and the other
    ],
)
def test_statements(callers: Callers, path: str, expected: int) -> None:
    with counted(callers.store) as found:
        assert callers.signed("GET", path.format(ben=callers.ben, cleo=callers.cleo)).status_code in {200, 303}
    assert len(found) == expected, found
    token = callers.token(callers.ben)
    with counted(callers.store) as found:
        callers.signed("GET", path.format(ben=callers.ben, cleo=callers.cleo), token=token)
    assert len(found) == expected + 1, "and the token"


def test_the_list_takes_as_many_statements_for_many_as_for_few(callers: Callers) -> None:
    counts = []
    for _ in range(2):
        with counted(callers.store) as found:
            callers.get("/users?limit=200", callers.ada_key)
        counts.append(len(found))
        for number in range(30):
            callers.person(f"P{number}", "Pine")
    assert counts == [7, 7]
