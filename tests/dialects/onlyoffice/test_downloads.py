"""Files of messages at the original's address (wire/onlyoffice.md §1b Attachments)."""

import asyncio
import io
import zipfile

import httpx2
import pytest

from postroom.application import application
from postroom.dialects.onlyoffice.errors import ARGUMENT, EXCEPTION, HTTP
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


def test_all_files_of_a_message(api: Api, file: int) -> None:
    """§1b downloadall: an operation of type 8, whose source is the archive; whoever has the message gets it, nobody else."""
    api.result("POST", "/mail/messages/attachment/add", params={"id_message": draft_of(api), "name": "A.txt"}, data=b"xyz")
    done = api.result("PUT", f"/mail/messages/attachment/downloadall/{draft_of(api)}")
    assert (done["completed"], done["operationType"], done["error"]) == (True, 8, "")
    assert api.result("GET", f"/mail/operations/{done['id']}") == done
    for path in (done["source"], done["source"].lower()):
        answer = fetch(api, path, api.token)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == {"a.txt": b"abcdef", "A (2).txt": b"xyz"}
    for token in (None, api.token_of(api.ewa)):
        answer = fetch(api, done["source"], token)
        assert (answer.status_code, answer.text) == (403, "Access denied.")


def test_messages_without_files_to_put_together(sqlite_api: Api) -> None:
    """Unknown ones, those of others, and those that have none."""
    api = sqlite_api
    own = api.result("PUT", "/mail/drafts/save", json={"from": JAN})["id"]
    hers = api.result("PUT", "/mail/drafts/save", json={"from": EWA}, token=api.token_of(api.ewa))["id"]
    path = "/mail/messages/attachment/downloadall"
    api.refused(api.call("PUT", f"{path}/{own}"), 400, "Message has no attachments.", EXCEPTION)
    api.refused(api.call("PUT", f"{path}/{hers}"), 404, f"Message with {hers} wasn't found.", HTTP)
    api.refused(api.call("PUT", f"{path}/0"), 400, "Invalid message id\r\nParameter name: messageId", ARGUMENT)
    assert fetch(api, f"/addons/mail/httphandlers/downloadall.ashx?messageid={own}", api.token).status_code == 403


def draft_of(api: Api) -> int:
    (draft,) = api.result("GET", "/mail/messages", params={"folder": 3})
    return int(draft["id"])
