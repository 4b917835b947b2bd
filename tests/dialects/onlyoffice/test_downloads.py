"""Files of messages at the original's address (wire/onlyoffice.md §1b Attachments)."""

import asyncio

import httpx2
import pytest

from postroom.application import application
from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.mailbox import EWA, JAN

PATH = "/addons/mail/HttpHandlers/Download.ashx"


@pytest.fixture
def file(api: Api) -> int:
    """A file of a draft of Jan."""
    draft = api.result("PUT", "/mail/drafts/save", json={"from": JAN})["id"]
    added = api.result("POST", "/mail/messages/attachment/add", params={"id_message": draft, "name": "a.txt"}, data=b"abcdef")
    return int(added["fileId"])


def fetch(api: Api, path: str, token: str | None, **headers: str) -> httpx2.Response:
    """Fetch from the whole application, and go where it leads."""

    async def main() -> httpx2.Response:
        given = {"Authorization": token, **headers} if token else headers
        transport = httpx2.ASGITransport(application(api.store))
        async with httpx2.AsyncClient(transport=transport, base_url="http://post.example", follow_redirects=True) as client:
            return await client.get(path, headers=given)

    return asyncio.run(main())


def test_the_author_gets_the_file(api: Api, file: int) -> None:
    """§1b: in letters of either case, with a token in any of its places, and with ranges."""
    for path in (PATH, PATH.lower()):
        answer = fetch(api, f"{path}?attachid={file}", api.token)
        assert (answer.status_code, answer.content) == (200, b"abcdef")
        assert answer.headers["content-disposition"].startswith("attachment;")
    assert fetch(api, f"{PATH}?attachid={file}", None, Cookie=f"asc_auth_key={api.token}").content == b"abcdef"
    part = fetch(api, f"{PATH}?attachid={file}", api.token, Range="bytes=1-2")
    assert (part.status_code, part.content) == (206, b"bc")


def test_whoever_got_the_message_gets_its_files(api: Api, file: int) -> None:
    """Also out of the trash; until the message is gone for good."""
    hers = api.token_of(api.ewa)
    assert fetch(api, f"{PATH}?attachid={file}", hers).status_code == 403
    number = api.result("PUT", "/mail/messages/send", json={"from": JAN, "to": [EWA], "attachments": [{"fileId": file}]})
    (sent,) = api.result("GET", f"/mail/messages/{number}")["attachments"]
    (came,) = api.result("GET", "/mail/messages", token=hers)
    assert fetch(api, f"{PATH}?attachid={sent['fileId']}", hers).content == b"abcdef"
    assert fetch(api, f"{PATH}?attachid={file}", hers).status_code == 403, "the draft is not hers"
    api.result("PUT", "/mail/messages/move", token=hers, json={"ids": [came["id"]], "folder": 4})
    assert fetch(api, f"{PATH}?attachid={sent['fileId']}", hers).content == b"abcdef"
    api.result("PUT", "/mail/messages/remove", token=hers, json={"ids": [came["id"]]})
    assert fetch(api, f"{PATH}?attachid={sent['fileId']}", hers).status_code == 403


@pytest.mark.parametrize("number", ["", "x", "-1", "0", "9" * 19, "1" * 30, "%D9%A1"])
def test_what_is_no_file(sqlite_api: Api, number: str) -> None:
    for path in (PATH, f"{PATH}?attachid={number}"):
        answer = fetch(sqlite_api, path, sqlite_api.token)
        assert (answer.status_code, answer.text) == (403, "Access denied.")


def test_nobody_gets_anything(api: Api, file: int) -> None:
    for token in (None, "wrong"):
        assert fetch(api, f"{PATH}?attachid={file}", token).text == "Access denied."
