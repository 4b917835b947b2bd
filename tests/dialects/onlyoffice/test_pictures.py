"""Pictures of contacts (wire/onlyoffice.md §4 Contact)."""

import asyncio
from xml.etree import ElementTree as ET

import httpx2
import pytest

from postroom.application import application
from postroom.storage.tables import users
from tests.dialects.onlyoffice.conftest import Api


def fetch(api: Api, path: str, token: str | None) -> httpx2.Response:
    """Fetch from the whole application, without going where it leads."""

    async def main() -> httpx2.Response:
        transport = httpx2.ASGITransport(application(api.store))
        async with httpx2.AsyncClient(transport=transport, base_url="http://post.example") as client:
            return await client.get(path, headers={"Cookie": f"asc_auth_key={token}"} if token else {})

    return asyncio.run(main())


def contact(api: Api, name: str, email: str) -> tuple[str, str]:
    made = api.result("POST", "/mail/contact/add", json={"name": name, "emails": [email]})
    return made["smallFotoUrl"], made["mediumFotoUrl"]


@pytest.mark.parametrize(
    ("name", "initials"), [("Ola Maria Kot", "OK"), ("ola", "O"), ("", "AB"), ("<script>&", "S"), ("łąka", "Ł"), ("!", None)]
)
def test_initials_are_drawn(sqlite_api: Api, name: str, initials: str | None) -> None:
    """Of the first word and the last one; of the address where there is no name."""
    for size, path in zip(("32", "82"), contact(sqlite_api, name, "a.b@y.example"), strict=True):
        for spelt in (path, path.replace("httphandlers", "HttpHandlers")):
            answer = fetch(sqlite_api, spelt, sqlite_api.token)
            assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "image/svg+xml")
            drawn = ET.fromstring(answer.text)
            assert drawn.attrib == {"width": size, "height": size}
            assert drawn[1].text == initials


def test_people_of_the_organisation_have_their_photographs(api: Api) -> None:
    """By any address that is theirs alone; only such as a browser fetches."""
    path, _ = contact(api, "Ewa", "EWA@x.example")
    for picture, location in (
        ("https://x.example/ewa.jpg", "https://x.example/ewa.jpg"),
        ("javascript:alert(1)", None),
        (None, None),
    ):
        changed = users.update().where(users.c.id == api.ewa).values(picture=picture)
        api.write(lambda tx, change=changed: tx.execute(change) and None)
        answer = fetch(api, path, api.token)
        assert answer.headers.get("location") == location
        assert answer.status_code == (200 if location is None else 303)


def test_contacts_of_others_are_not_shown(sqlite_api: Api) -> None:
    path, _ = contact(sqlite_api, "Ola", "ola@y.example")
    for token in (None, "wrong", sqlite_api.token_of(sqlite_api.ewa)):
        answer = fetch(sqlite_api, path, token)
        assert (answer.status_code, answer.text) == (403, "Access denied.")
    for number in ("", "0", "-1", "x", "9" * 30, "%D9%A1"):
        assert fetch(sqlite_api, f"/addons/mail/httphandlers/contactphoto.ashx?cid={number}&ps=1", sqlite_api.token).status_code == 403
