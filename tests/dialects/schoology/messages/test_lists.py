"""Lists of messages and recipients: wire/schoology.md sections 1.2, 1.3, 4.2, 4.3 and 7.1."""

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from postroom.dialects.schoology.records import MessageList, RecipientList
from postroom.settings import ContactSettings, HttpSettings
from tests.dialects.schoology.messages.conftest import School

ITEM = ["id", "subject", "recipient_ids", "last_updated", "mid", "author_id", "message_status", "message", "links"]


def test_inbox(school: School) -> None:
    """§4.2: keys in their order, and types; unread_count is a string; there is no total. §4.3."""
    sent = school.send(school.ada, school.ben, school.cleo, subject="Getting started", message="Hi,\r\n\r\n\r\nBye")
    page = school.ask(school.ben, "/messages/inbox")
    assert list(page) == ["message", "links", "unread_count"]
    assert page["unread_count"] == "1"
    assert page["links"] == {"self": f"{school.url}/messages/inbox?start=0&limit=20"}
    (item,) = page["message"]
    assert list(item) == ITEM
    assert item == {
        "id": sent["id"],
        "subject": "Getting started",
        "recipient_ids": f"{school.ben},{school.cleo}",
        "last_updated": sent["last_updated"],
        "mid": None,
        "author_id": school.ada,
        "message_status": "unread",
        "message": "Hi,\r\n\r\n\r\nBye",
        "links": {"self": f"{school.url}/messages/inbox/{sent['id']}"},
    }


def test_sent(school: School) -> None:
    """§4.2: as inbox, but author_id and message_status are null, and there is no unread_count."""
    sent = school.send(school.ada, school.ben)
    page = school.ask(school.ada, "/messages/sent")
    assert list(page) == ["message", "links"]
    assert page["links"] == {"self": f"{school.url}/messages/sent?start=0&limit=20"}
    (item,) = page["message"]
    assert list(item) == ITEM
    assert (item["id"], item["author_id"], item["message_status"], item["recipient_ids"]) == (sent["id"], None, None, str(school.ben))
    assert item["links"] == {"self": f"{school.url}/messages/sent/{sent['id']}"}
    assert school.ask(school.ben, "/messages/sent")["message"] == []
    assert school.ask(school.ada, "/messages/inbox")["message"] == []


def test_empty_folders(sqlite_school: School) -> None:
    page = sqlite_school.ask(sqlite_school.ben, "/messages/inbox")
    assert page == {"message": [], "links": {"self": f"{sqlite_school.url}/messages/inbox?start=0&limit=20"}, "unread_count": "0"}


def test_each_thread_stands_once_by_its_newest_message(school: School) -> None:
    first = school.send(school.ada, school.ben)["id"]
    second = school.send(school.ada, school.ben)["id"]
    assert school.inbox(school.ben) == [(second, "unread"), (first, "unread")]
    school.send(school.ada, school.ben, message="And now", path=f"/messages/{first}")
    page = school.ask(school.ben, "/messages/inbox")
    assert [(item["id"], item["message"]) for item in page["message"]] == [(first, "And now"), (second, "Message")]
    assert page["unread_count"] == "2"
    assert school.sent(school.ada) == [first, second]


def test_next_is_there_only_when_more_remain(school: School) -> None:
    """§1.3: and it is to be followed."""
    numbers = [school.send(school.ada, school.ben)["id"] for _ in range(5)]
    seen: list[int] = []
    path: str | None = "/messages/inbox?limit=2&with_attachments=TRUE"
    pages = 0
    while path is not None:
        page = school.ask(school.ben, path)
        seen += [item["id"] for item in page["message"]]
        assert page["unread_count"] == "5"
        assert "with_attachments=TRUE" in page["links"]["self"]
        following = page["links"].get("next")
        path = following.removeprefix(school.url) if following else None
        pages += 1
    assert (seen, pages) == (numbers[::-1], 3)
    assert "next" not in school.ask(school.ben, "/messages/inbox?start=0&limit=5")["links"]
    last = school.ask(school.ada, "/messages/sent?start=3&limit=2")
    assert ([item["id"] for item in last["message"]], "next" in last["links"]) == ([numbers[1], numbers[0]], False)


@pytest.mark.parametrize(
    ("query", "start", "limit"),
    [
        ("", 0, 20),
        ("limit=20", 0, 20),
        ("limit=200", 0, 200),
        ("limit=201", 0, 200),
        ("limit=" + "9" * 5_000, 0, 200),
        ("limit=0", 0, 20),
        ("limit=-5", 0, 20),
        ("limit=abc", 0, 20),
        ("limit=1.5", 0, 20),
        ("limit=", 0, 20),
        ("limit=%C2%B2", 0, 20),
        ("limit=007", 0, 7),
        ("start=1", 1, 20),
        ("start_id=1", 1, 20),
        ("start=1&start_id=2", 1, 20),
        ("start=-1", 0, 20),
        ("start=abc&limit=3", 0, 3),
        ("start=999999999999999999999", 2_147_483_647, 20),
        ("start=0&nonsense=1&picture_size=big", 0, 20),
    ],
)
def test_paging_falls_back_and_is_capped(sqlite_school: School, query: str, start: int, limit: int) -> None:
    """§1.3 and §7.1: default 20, cap 200; 0, negative or text falls back; what is unknown is ignored."""
    number = sqlite_school.send(sqlite_school.ada, sqlite_school.ben)["id"]
    page = sqlite_school.ask(sqlite_school.ben, f"/messages/inbox?{query}")
    assert page["links"] == {"self": f"{sqlite_school.url}/messages/inbox?start={start}&limit={limit}"}
    assert [item["id"] for item in page["message"]] == ([number] if start == 0 else [])


def test_links_come_from_the_settings_and_never_from_host(configured_school: Callable[..., School]) -> None:
    """§5.2, the hazard; §7.1."""
    school = configured_school(http=HttpSettings(public_url="https://post.school.example/"))
    for _ in range(2):
        school.send(school.ada, school.ben)
    page = school.ask(school.ben, "/messages/inbox?limit=1", headers={"Host": "api.schoology.com"})
    assert page["links"]["next"] == "https://post.school.example/v1/messages/inbox?start=1&limit=1"
    assert page["message"][0]["links"]["self"].startswith("https://post.school.example/v1/messages/inbox/")
    assert "api.schoology.com" not in str(page)


def test_a_body_on_get_is_ignored(sqlite_school: School) -> None:
    """§5.2."""
    answer = sqlite_school.request(
        sqlite_school.ben, "GET", "/messages/inbox", data=b"{not json", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 200


def test_there_is_no_list_of_everything(sqlite_school: School) -> None:
    """§1.2: GET /messages is 405."""
    answer = sqlite_school.request(sqlite_school.ben, "GET", "/messages")
    assert (answer.status_code, answer.content) == (405, b"")
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("folder", ["trash", "INBOX", "inbox%20", ""])
def test_there_are_no_other_folders(sqlite_school: School, folder: str) -> None:
    assert sqlite_school.request(sqlite_school.ben, "GET", f"/messages/{folder}").status_code == 404
    assert sqlite_school.request(sqlite_school.ben, "GET", f"/messages/{folder}/1").status_code == 404


def test_lists_in_xml(sqlite_school: School) -> None:
    """§3.2, §4.3."""
    school = sqlite_school
    number = school.send(school.ada, school.ben, subject="a & b", message="")["id"]
    answer = school.request(school.ben, "GET", "/messages/inbox", headers={"Accept": "text/xml"})
    assert answer.headers["Content-Type"] == "text/xml; charset=UTF-8"
    text = answer.content.decode()
    assert text.startswith('<?xml version="1.0" encoding="utf-8" ?>')
    assert f"<subject>a &amp; b</subject><recipient_ids>{school.ben}</recipient_ids>" in text
    assert "<mid />" in text
    assert "<message /><links><self>" in text
    assert "?start=0&amp;limit=20</self></links><unread_count>1</unread_count></result>" in text
    root = ET.fromstring(text)
    assert [child.tag for child in root] == ["message", "links", "unread_count"]
    assert [(child.tag, child.text) for child in root[0]][:1] == [("id", str(number))]
    empty = school.request(school.dan, "GET", "/messages/inbox", headers={"Accept": "application/xml"}).text
    assert "<message" not in empty


def test_html_is_made_safe_and_plain_text_is_as_it_is(sqlite_school: School) -> None:
    """§4.2: HTML is accepted and stored; what could harm does not come out again."""
    school = sqlite_school
    html = '<p onclick="x()">Hi<script>alert(1)</script> <a href="javascript:x">you</a><br /></p>'
    number = school.send(school.ada, school.ben, message=html)["id"]
    for path in ("/messages/inbox", f"/messages/inbox/{number}"):
        shown = school.ask(school.ben, path)["message"][0]["message"]
        assert "Hi" in shown
        assert not any(word in shown for word in ("script", "onclick", "javascript", "alert"))
    school.send(school.ada, school.ben, message="1 < 2 & 3 > 2")
    assert school.ask(school.ben, "/messages/inbox")["message"][0]["message"] == "1 < 2 & 3 > 2"


# -- recipients ------------------------------------------------------------------------------------------------------


def test_recipients(school: School) -> None:
    """§1.2, §4.3: whom the caller may write to; id is a numeric string."""
    page = school.ask(school.ben, "/messages/recipients")
    assert page["recipient"] == [
        {"id": str(school.ada), "name": "Ada Alder", "school": "", "picture_url": ""},
        {"id": str(school.cleo), "name": "Cleo Cedar", "school": "", "picture_url": "https://photos.example/cleo.jpg"},
        {"id": str(school.dan), "name": "Dan Dogwood", "school": "", "picture_url": ""},
    ]
    assert page["links"] == {"self": f"{school.url}/messages/recipients?start=0&limit=200"}
    assert [one["school"] for one in school.ask(school.ada, "/messages/recipients")["recipient"]] == ["Hill Valley High School", "", ""]


def test_recipients_in_pages(school: School) -> None:
    """§1.2: limit is honoured (our choice), and other parameters are accepted."""
    first = school.ask(school.ben, "/messages/recipients?limit=2&picture_size=sm")
    assert [one["name"] for one in first["recipient"]] == ["Ada Alder", "Cleo Cedar"]
    rest = school.ask(school.ben, first["links"]["next"].removeprefix(school.url))
    assert [one["name"] for one in rest["recipient"]] == ["Dan Dogwood"]
    assert "next" not in rest["links"]
    assert [one["name"] for one in school.ask(school.ben, "/messages/recipients?search=ced")["recipient"]] == ["Cleo Cedar"]
    assert school.request(school.ben, "GET", f"/messages/recipients?search={'x' * 101}").status_code == 400
    assert "start=0&limit=200" in school.ask(school.ben, "/messages/recipients?limit=500")["links"]["self"]


def test_recipients_follow_the_rules(configured_school: Callable[..., School]) -> None:
    """§1.1, §4.5: several permissions decide; nobody at all is an empty list."""
    rules = ContactSettings(may_write_to={"student": ["staff"], "*": ["nobody"]})
    school = configured_school(contacts=rules)
    assert [one["name"] for one in school.ask(school.ben, "/messages/recipients")["recipient"]] == ["Ada Alder"]
    assert school.ask(school.ada, "/messages/recipients")["recipient"] == []
    xml = school.request(school.ada, "GET", "/messages/recipients", headers={"Accept": "text/xml"}).text
    assert "<recipient" not in xml


def test_nobody_has_no_messages(sqlite_school: School) -> None:
    """A key of no person acts for nobody: 403, with an empty text (§3.1)."""
    for who in (sqlite_school.machine, sqlite_school.admin):
        for path in ("/messages/inbox", "/messages/sent", "/messages/recipients", "/messages/inbox/1"):
            answer = sqlite_school.request(who, "GET", path)
            assert (answer.status_code, answer.text) == (403, '""')
        for verb, path in (("POST", "/messages"), ("POST", "/messages/1"), ("PUT", "/messages/inbox/1"), ("DELETE", "/messages/inbox/1")):
            body: Any = {"subject": "s", "recipient_ids": str(sqlite_school.ben), "message_status": "read"}
            assert sqlite_school.request(who, verb, path, json=body).status_code == 403
    assert sqlite_school.inbox(sqlite_school.ben) == []


def test_an_administrative_program_acts_for_a_person(sqlite_school: School) -> None:
    """§2.4."""
    school = sqlite_school
    number = school.send(school.ada, school.ben)["id"]
    page = school.request(school.admin, "GET", "/messages/inbox", headers={"X-Schoology-Run-As": str(school.ben)}).json()
    assert [item["id"] for item in page["message"]] == [number]


def test_every_object_is_a_record(sqlite_school: School) -> None:
    """Whatever is answered is what the OpenAPI document says."""
    school = sqlite_school
    school.send(school.ada, school.ben)
    msgspec.convert(school.ask(school.ben, "/messages/inbox"), MessageList)
    msgspec.convert(school.ask(school.ben, "/messages/recipients"), RecipientList)
