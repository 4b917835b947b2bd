"""Files as the web client of the original sends them (wire/onlyoffice.md §1b Attachments, ``UploadProgress.ashx``)."""

import asyncio
from typing import Any

import httpx2
import pytest

from postroom.application import application
from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.mailbox import JAN

SUBMIT = "submit=ASC.Web.Mail.HttpHandlers.FilesUploader,ASC.Web.Mail"


def upload(api: Api, path: str, cookie: str, **content: Any) -> httpx2.Response:
    async def main() -> httpx2.Response:
        transport = httpx2.ASGITransport(application(api.store))
        async with httpx2.AsyncClient(transport=transport, base_url="http://post.example") as client:
            return await client.post(path, headers={"Cookie": f"asc_auth_key={cookie}"}, **content)

    return asyncio.run(main())


def draft(api: Api) -> int:
    number: int = api.result("PUT", "/mail/drafts/save", json={"from": JAN})["id"]
    return number


@pytest.mark.parametrize("path", ["/UploadProgress.ashx", "/addons/mail/uploadprogress.ashx"])
def test_a_file_of_a_form_is_attached(api: Api, path: str) -> None:
    """The answer holds the file as ``attachment/add`` has it, and where it can be fetched."""
    number = draft(api)
    answer = upload(api, f"{path}?{SUBMIT}&messageId={number}&name=plan.txt&copyToMy=0", api.token, files={"file": ("other.txt", b"abc")})
    (file,) = api.result("GET", f"/mail/messages/{number}")["attachments"]
    assert answer.status_code == 200
    assert answer.json() == {
        "Success": True,
        "FileName": "plan.txt",
        "FileURL": f"{api.store.settings.public_url}/addons/mail/HttpHandlers/Download.ashx?attachid={file['fileId']}",
        "Data": file,
        "Message": "",
    }


def test_what_is_wrong_is_said_in_the_answer(api: Api) -> None:
    """``Success`` false, with the texts of ``attachment/add``; nothing is attached, and other people's drafts are as if not there."""
    number = draft(api)
    hers = api.token_of(api.ewa)
    for query, content, cookie, text in (
        (f"messageId={number}&name=a", b"", api.token, "Empty files not supported."),
        ("messageId=0&name=a", b"x", api.token, "Field 'id_message' must have non-negative value."),
        ("messageId=x&name=a", b"x", api.token, "Input string was not in a correct format."),
        (f"messageId={number}&name=a", b"x", hers, "Object reference not set to an instance of an object."),
    ):
        answer = upload(api, f"/UploadProgress.ashx?{query}", cookie, content=content)
        assert (answer.status_code, answer.json()["Success"], answer.json()["Message"]) == (200, False, text)
    assert not api.result("GET", f"/mail/messages/{number}")["hasAttachments"]


def test_nobody_uploads_anything(api: Api) -> None:
    """As downloads: 403 for whoever is not known."""
    answer = upload(api, f"/UploadProgress.ashx?messageId={draft(api)}", "wrong", content=b"x")
    assert (answer.status_code, answer.text) == (403, "Access denied.")
