"""Files of drafts and templates over HTTP (wire/onlyoffice.md §1a.3, §1b Attachments, §7.5.9, §8.9)."""

from typing import Any

import pytest
import requests

from postroom.dialects.onlyoffice.errors import ARGUMENT, ARGUMENT_NULL, EXCEPTION
from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.mailbox import EWA, JAN
from tests.messages.test_letters import INVITATION

SEND = "/mail/messages/send"
LETTER = {"from": JAN, "to": ["b@x.example"], "subject": "Hello", "body": "<p>Hi</p>"}
NOTHING = 400, "Object reference not set to an instance of an object.", ARGUMENT_NULL


def put(api: Api) -> int:
    return int(api.result("PUT", SEND, json=LETTER))


def save(api: Api) -> int:
    return int(api.result("PUT", "/mail/drafts/save", json=LETTER)["id"])


def stored(api: Api) -> int:
    """How many files the blob store holds."""
    return sum(path.is_file() for path in api.store.settings.data_dir.glob("blobs/**/*"))


def add(api: Api, draft: int, data: bytes = b"abc", **query: Any) -> requests.Response:
    return api.call("POST", "/mail/messages/attachment/add", params={"id_message": draft, "name": "zażółć.txt", **query}, data=data)


def test_files_are_added_to_a_draft_and_named_by_the_letter(api: Api) -> None:
    """§1a.3, §7.5.9: drafts/save, attachment/add, send; files left out are not mailed."""
    draft = api.result("PUT", "/mail/drafts/save", json=LETTER)["id"]
    first, second = add(api, draft), add(api, draft, b"defg", content_type="text/csv")
    file = first.json()["response"]
    assert (first.status_code, file["fileName"], file["size"], file["contentType"]) == (201, "zażółć.txt", 3, "text/plain")
    assert second.json()["response"]["contentType"] == "text/csv"
    kept = [{name: str(value) for name, value in file.items()}]  # as the documentation shows them: texts
    number = api.result("PUT", SEND, json={**LETTER, "id": draft, "attachments": [{"value": kept[0]}, kept[0]]})
    assert [one["fileId"] for one in api.result("GET", f"/mail/messages/{number}")["attachments"]] == [file["fileId"]]


@pytest.mark.parametrize(
    ("draft", "data", "text"),
    [
        (0, b"abc", "Field 'id_message' must have non-negative value."),
        (1, b"", "Empty files not supported."),
    ],
)
def test_files_that_are_refused(sqlite_api: Api, draft: int, data: bytes, text: str) -> None:
    """§1b Attachments, §8.9."""
    sqlite_api.refused(add(sqlite_api, draft, data), 400, text, EXCEPTION)


@pytest.mark.parametrize(
    ("name", "kept"),
    [("../../etc/passwd", "passwd"), ("a/b\\c.txt", "c.txt"), ("ż" * 251 + ".txt", "ż" * 251 + ".txt"), ("=?utf-8?q?a?=", "=?utf-8?q?a?=")],
)
def test_names_of_files(sqlite_api: Api, name: str, kept: str) -> None:
    """A name is what stands behind the last stroke, of whatever letters (ours)."""
    draft = sqlite_api.result("PUT", "/mail/drafts/save", json=LETTER)["id"]
    answer = sqlite_api.call("POST", "/mail/messages/attachment/add", params={"id_message": draft, "name": name}, data=b"abc")
    assert answer.json()["response"]["fileName"] == kept


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x" * 256, "More than 255."),
        ("a\r\nX: y", "Control characters and line breaks are not allowed."),
        ("\u202egpj.exe", "Marks that change the direction of text are not allowed."),
        ("..", "Empty."),
    ],
)
def test_names_that_no_file_can_have(sqlite_api: Api, name: str, text: str) -> None:
    draft = sqlite_api.result("PUT", "/mail/drafts/save", json=LETTER)["id"]
    answer = sqlite_api.call("POST", "/mail/messages/attachment/add", params={"id_message": draft, "name": name}, data=b"abc")
    sqlite_api.refused(answer, 400, f"{text}\r\nParameter name: filename", ARGUMENT)
    assert stored(sqlite_api) == 0


def test_files_of_nothing_that_is_a_draft_are_refused(sqlite_api: Api) -> None:
    number = put(sqlite_api)
    sqlite_api.refused(add(sqlite_api, number), 400, "Message is not a draft or templates.", EXCEPTION)
    sqlite_api.refused(add(sqlite_api, 999_998), *NOTHING)
    hers = sqlite_api.result("PUT", "/mail/drafts/save", token=sqlite_api.token_of(sqlite_api.ewa), json={**LETTER, "from": EWA})["id"]
    sqlite_api.refused(add(sqlite_api, hers), *NOTHING)
    assert stored(sqlite_api) == 0


def test_a_file_of_a_form(sqlite_api: Api) -> None:
    """§1b: a part of a form, which says itself what it is; the query has the last word."""
    draft = save(sqlite_api)
    part = {"file": ("plan.csv", b"a;b", "text/csv")}
    path = "/mail/messages/attachment/add"
    plain = sqlite_api.result("POST", path, params={"id_message": draft}, files=part)
    assert (plain["fileName"], plain["contentType"], plain["size"]) == ("plan.csv", "text/csv", 3)
    named = sqlite_api.result("POST", path, params={"id_message": draft, "name": "other.csv"}, files=part)
    assert (named["fileName"], named["fileNumber"]) == ("other.csv", 2)
    sqlite_api.refused(
        sqlite_api.call("POST", path, params={"id_message": draft}, files={"x": (None, b"1")}), 400, "Empty files not supported.", EXCEPTION
    )


def test_files_beyond_25_mib_together(sqlite_api: Api) -> None:
    """§1b: what is stored and what is new."""
    draft = save(sqlite_api)
    assert add(sqlite_api, draft, b"x" * 20_000_000).status_code == 201
    for size in (26_214_401, 7_000_000):
        sqlite_api.refused(add(sqlite_api, draft, b"x" * size), 400, "Total size of all files exceeds limit!", EXCEPTION)
    assert stored(sqlite_api) == 1


def test_a_file_is_taken_away(api: Api) -> None:
    """§1b DELETE: its bytes go with it; another one, or one of another message, is left alone."""
    draft, other = save(api), save(api)
    file, kept = add(api, draft).json()["response"]["fileId"], add(api, other).json()["response"]["fileId"]
    assert api.result("DELETE", f"/mail/messages/{draft}/attachments/{kept}") == draft
    assert stored(api) == 2
    assert api.result("DELETE", f"/mail/messages/{draft}/attachments/{file}") == draft
    assert stored(api) == 1
    assert api.result("GET", f"/mail/messages/{draft}")["attachments"] == []
    assert api.result("DELETE", f"/mail/messages/{draft}/attachments/{file}") == draft


def test_files_that_are_not_taken_away(sqlite_api: Api) -> None:
    sent = put(sqlite_api)
    for path, error in (
        ("0/attachments/1", (400, "Invalid message id. Message id must be positive integer\r\nParameter name: messageid", ARGUMENT)),
        (
            "2/attachments/-1",
            (400, "Invalid attachment id. Attachment id must be positive integer\r\nParameter name: attachmentid", ARGUMENT),
        ),
        (f"{sent}/attachments/1", (400, "Message is not a draft or templates.", EXCEPTION)),
        ("999998/attachments/1", NOTHING),
    ):
        sqlite_api.refused(sqlite_api.call("DELETE", f"/mail/messages/{path}"), *error)


@pytest.mark.parametrize("method", ["REQUEST", "REPLY", "CANCEL"])
def test_a_calendar_is_added(sqlite_api: Api, method: str) -> None:
    given = {"id_message": save(sqlite_api), "ical_body": INVITATION.format(method)}
    file = sqlite_api.result("POST", "/mail/messages/calendarbody/add", json=given)
    assert (file["fileName"], file["contentType"]) == (f"{method.lower()}.ics", "text/calendar")


def test_calendars_that_are_none(sqlite_api: Api) -> None:
    for text, said in (("", "Empty"), (" ", "Empty"), ("x", "Invalid"), (INVITATION.format("PUBLISH"), "Invalid")):
        answer = sqlite_api.call("POST", "/mail/messages/calendarbody/add", json={"id_message": 2, "ical_body": text})
        sqlite_api.refused(answer, 400, f"{said} calendar body\r\nParameter name: ical_body", ARGUMENT)


def test_there_are_no_documents(sqlite_api: Api) -> None:
    """§8.9, §8.22."""
    draft = save(sqlite_api)
    for number, file, text in (
        (draft, "", "Some input parameters are invalid."),
        (999_998, "5", "Message could not be found."),
        (draft, "5", "Document could not be found or does not exist on the chosen storage."),
    ):
        answer = sqlite_api.call("POST", f"/mail/messages/{number}/document", data={"fileId": file})
        sqlite_api.refused(answer, 400, text, EXCEPTION)
