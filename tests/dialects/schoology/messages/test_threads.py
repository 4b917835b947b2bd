"""Looking at threads, marking and deleting them: wire/schoology.md sections 1.2, 1.3, 3.1, 4.2, 4.3, 7.1 and 7.2."""

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import update

from postroom import clock
from postroom.dialects.schoology import messages
from postroom.messages import private, submission
from postroom.messages.records import AudienceChange, DraftContent
from postroom.settings import SchoologySettings
from postroom.storage import tables
from postroom.storage.database import Tx
from tests.dialects.schoology.messages.conftest import School

FOLDERS = ["inbox", "sent"]


def status(school: School, who: int, number: int) -> str | None:
    return dict(school.inbox(who)).get(number)


def texts(thread: Any) -> list[str]:
    return [item["message"] for item in thread["message"]]


@pytest.mark.parametrize("folder", FOLDERS)
def test_view(school: School, folder: str) -> None:
    """§1.2, §4.2, §4.3: always a list, without links; both folders give the same, to all who take part."""
    sent = school.send(school.ada, school.ben, school.cleo, message="Hi,\r\n\r\n\r\nBye")
    for who in (school.ada, school.ben, school.cleo):
        thread = school.ask(who, f"/messages/{folder}/{sent['id']}")
        assert list(thread) == ["message"]
        (item,) = thread["message"]
        assert list(item) == ["id", "subject", "recipient_ids", "last_updated", "mid", "author_id", "message_status", "message"]
        assert item == {
            "id": sent["id"],
            "subject": "Subject",
            "recipient_ids": f"{school.ben},{school.cleo}",
            "last_updated": sent["last_updated"],
            "mid": None,
            "author_id": school.ada,
            "message_status": "read",
            "message": "Hi,\r\n\r\n\r\nBye",
        }


def test_view_in_xml(sqlite_school: School) -> None:
    """§4.3; line breaks come as they were sent."""
    school = sqlite_school
    number = school.send(school.ada, school.ben, message="Hi,\r\n\r\n\r\nBye")["id"]
    answer = school.request(school.ben, "GET", f"/messages/inbox/{number}", headers={"Accept": "text/xml"})
    root = ET.fromstring(answer.content)
    assert (root.tag, [child.tag for child in root]) == ("result", ["message"])
    found = [(child.tag, child.text) for child in root[0]]
    assert found[:3] == [("id", str(number)), ("subject", "Subject"), ("recipient_ids", str(school.ben))]
    assert found[4:] == [("mid", None), ("author_id", str(school.ada)), ("message_status", "read"), ("message", "Hi,\r\n\r\n\r\nBye")]


def test_all_messages_of_the_thread_come_oldest_first(school: School) -> None:
    """§1.1; the order is our choice (§7.1)."""
    number = school.send(school.ada, school.ben, message="1")["id"]
    school.send(school.ben, school.ada, message="2", path=f"/messages/{number}")
    school.send(school.ada, message="3", path=f"/messages/{number}")
    for who in (school.ada, school.ben):
        thread = school.ask(who, f"/messages/inbox/{number}")
        assert texts(thread) == ["1", "2", "3"]
        assert {item["id"] for item in thread["message"]} == {number}
        assert [item["author_id"] for item in thread["message"]] == [school.ada, school.ben, school.ada]


@pytest.mark.parametrize("folder", FOLDERS)
def test_view_marks_read(school: School, folder: str) -> None:
    """§1.2."""
    number = school.send(school.ada, school.ben, school.cleo)["id"]
    assert status(school, school.ben, number) == "unread"
    school.ask(school.ben, f"/messages/{folder}/{number}")
    assert status(school, school.ben, number) == "read"
    assert school.ask(school.ben, "/messages/inbox")["unread_count"] == "0"
    assert status(school, school.cleo, number) == "unread"


@pytest.mark.parametrize("flag", ["TRUE", "true", "1"])
def test_keep_unread(sqlite_school: School, flag: str) -> None:
    """§1.3, §7.1."""
    school = sqlite_school
    number = school.send(school.ada, school.ben)["id"]
    (item,) = school.ask(school.ben, f"/messages/inbox/{number}?keep_unread={flag}")["message"]
    assert item["message_status"] == "unread"
    assert status(school, school.ben, number) == "unread"


@pytest.mark.parametrize("flag", ["FALSE", "0", "", "yes"])
def test_other_flags_are_none(sqlite_school: School, flag: str) -> None:
    school = sqlite_school
    number = school.send(school.ada, school.ben)["id"]
    school.ask(school.ben, f"/messages/inbox/{number}?keep_unread={flag}")
    assert status(school, school.ben, number) == "read"


def test_what_came_while_the_thread_was_read_stays_unread(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what was shown is marked."""
    number = school.send(school.ada, school.ben)["id"]
    mark_read = messages.threads.mark_read

    def later(tx: Tx, *args: Any, **kwargs: Any) -> None:
        monkeypatch.setattr(messages.threads, "mark_read", mark_read)
        message = private.PrivateMessage(subject="s", content="late", recipient_ids=[school.ben])
        private.reply(tx, school.store.settings, school.ada, number, message, clock.now(), "schoology")
        mark_read(tx, *args, **kwargs)

    monkeypatch.setattr(messages.threads, "mark_read", later)
    assert texts(school.ask(school.ben, f"/messages/inbox/{number}")) == ["Message"]
    assert status(school, school.ben, number) == "unread"


@pytest.mark.parametrize("folder", FOLDERS)
def test_update(school: School, folder: str) -> None:
    """§1.2: 204, empty; on sent the same as on inbox (§7.2, our choice)."""
    number = school.send(school.ada, school.ben)["id"]
    for wanted in ("read", "unread", "unread", "read"):
        answer = school.request(school.ben, "PUT", f"/messages/{folder}/{number}", json={"message_status": wanted})
        assert (answer.status_code, answer.content) == (204, b"")
        assert status(school, school.ben, number) == wanted


def test_update_in_xml(sqlite_school: School) -> None:
    """§3.3; §3.2: the empty answer still has the negotiated type."""
    school = sqlite_school
    number = school.send(school.ada, school.ben)["id"]
    body = b"<message> <message_status>read</message_status> </message>"
    headers = {"Content-Type": "text/xml", "Accept": "text/xml"}
    answer = school.request(school.ben, "PUT", f"/messages/inbox/{number}", data=body, headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert status(school, school.ben, number) == "read"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{ "message_status": "read", }'),  # the sample of the documentation, with its trailing comma
        ("application/json", b'{"message_status": "seen"}'),
        ("application/json", b'{"message_status": "READ"}'),
        ("application/json", b'{"message_status": null}'),
        ("application/json", b'{"message_status": ["read"]}'),
        ("application/json", b"{}"),
        ("application/json", b""),
        ("text/xml", b"<message/>"),
        ("text/xml", b"<message><message_status/></message>"),
        ("text/xml", b"<message><message_status>read</message_status><message_status>read</message_status></message>"),
    ],
    ids=range(10),
)
def test_a_status_that_is_none(sqlite_school: School, content_type: str, body: bytes) -> None:
    """§7.1: malformed JSON and unknown message_status are 400."""
    school = sqlite_school
    number = school.send(school.ada, school.ben)["id"]
    answer = school.request(school.ben, "PUT", f"/messages/inbox/{number}", data=body, headers={"Content-Type": content_type})
    assert answer.status_code == 400
    assert isinstance(answer.json(), str)
    assert status(school, school.ben, number) == "unread"


def test_forms_are_415(sqlite_school: School) -> None:
    """§2.1, §3.1."""
    school = sqlite_school
    number = school.send(school.ada, school.ben)["id"]
    headers = {"Content-Type": "text/plain"}
    assert school.request(school.ben, "PUT", f"/messages/inbox/{number}", data=b"message_status=read", headers=headers).status_code == 415
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert school.request(school.ben, "PUT", f"/messages/inbox/{number}", data=b"--x--", headers=form).status_code == 415
    assert status(school, school.ben, number) == "unread"


def test_the_sender_finds_the_thread_under_inbox(school: School) -> None:
    """§1.2, C live: create, PUT, GET, DELETE and GET under inbox, all as the sender."""
    number = school.send(school.ada, school.ben, message="Text")["id"]
    put = school.request(school.ada, "PUT", f"/messages/inbox/{number}", json={"message_status": "read"})
    assert (put.status_code, put.content) == (204, b"")
    (item,) = school.ask(school.ada, f"/messages/inbox/{number}")["message"]
    assert (item["author_id"], item["message_status"], item["recipient_ids"]) == (school.ada, "read", str(school.ben))
    assert item["message"] == "Text"
    gone = school.request(school.ada, "DELETE", f"/messages/inbox/{number}")
    assert (gone.status_code, gone.content) == (204, b"")
    missing = school.request(school.ada, "GET", f"/messages/inbox/{number}")
    assert (missing.status_code, missing.content) == (404, b"")


@pytest.mark.parametrize("folder", FOLDERS)
def test_delete(school: School, folder: str) -> None:
    """§1.2: 204, then 404 in either folder; §1.1: nothing is un-sent; §7.1: for the deleting user only."""
    number = school.send(school.ada, school.ben, school.cleo)["id"]
    for who in (school.ada, school.ben):
        answer = school.request(who, "DELETE", f"/messages/{folder}/{number}")
        assert (answer.status_code, answer.content) == (204, b"")
        for verb, path in (("GET", "inbox"), ("GET", "sent"), ("DELETE", "inbox"), ("DELETE", "sent")):
            assert school.request(who, verb, f"/messages/{path}/{number}").status_code == 404
        assert school.request(who, "PUT", f"/messages/inbox/{number}", json={"message_status": "read"}).status_code == 404
    assert (school.inbox(school.ben), school.sent(school.ada)) == ([], [])
    assert school.ask(school.ben, "/messages/inbox")["unread_count"] == "0"
    assert texts(school.ask(school.cleo, f"/messages/inbox/{number}")) == ["Message"]


def test_a_new_message_brings_a_deleted_thread_back(school: School) -> None:
    number = school.send(school.ada, school.ben, message="old")["id"]
    school.request(school.ben, "DELETE", f"/messages/inbox/{number}")
    school.send(school.ada, school.ben, message="new", path=f"/messages/{number}")
    assert school.inbox(school.ben) == [(number, "unread")]
    assert texts(school.ask(school.ben, f"/messages/inbox/{number}")) == ["new"]
    assert texts(school.ask(school.ada, f"/messages/inbox/{number}")) == ["old", "new"]


# -- without a folder --------------------------------------------------------------------------------------------------


def test_without_a_folder_strictly(sqlite_school: School) -> None:
    """§1.2: 400 live; §7.1: the strict mode."""
    school = sqlite_school
    number = school.send(school.ada, school.ben)["id"]
    for verb in ("GET", "DELETE"):
        assert school.request(school.ben, verb, f"/messages/{number}").status_code == 400
        assert school.request(school.dan, verb, f"/messages/{number}").status_code == 400
    assert school.inbox(school.ben) == [(number, "unread")]


def test_without_a_folder_as_documented(configured_school: Callable[..., School]) -> None:
    """§7.1: the documented mode."""
    school = configured_school(schoology=SchoologySettings(strict=False))
    number = school.send(school.ada, school.ben)["id"]
    assert school.request(school.dan, "GET", f"/messages/{number}").status_code == 404
    assert school.request(school.dan, "DELETE", f"/messages/{number}").status_code == 404
    assert texts(school.ask(school.ben, f"/messages/{number}")) == ["Message"]
    assert school.inbox(school.ben) == [(number, "read")]
    assert school.request(school.ben, "DELETE", f"/messages/{number}").status_code == 204
    assert school.request(school.ben, "GET", f"/messages/{number}").status_code == 404
    assert school.request(school.ben, "GET", "/messages").status_code == 405


def test_put_needs_a_folder(sqlite_school: School) -> None:
    assert sqlite_school.request(sqlite_school.ben, "PUT", "/messages/1", json={"message_status": "read"}).status_code == 405


# -- of others ---------------------------------------------------------------------------------------------------------


def calls(number: object) -> list[tuple[str, str, Any]]:
    """Every call that names a thread."""
    body = {"subject": "s", "message": "m", "recipient_ids": ""}
    found: list[tuple[str, str, Any]] = [("POST", f"/messages/{number}", body), ("POST", "/messages", {**body, "id": number})]
    for folder in FOLDERS:
        path = f"/messages/{folder}/{number}"
        found += [("GET", path, None), ("PUT", path, {"message_status": "read"}), ("POST", path, body), ("DELETE", path, None)]
    return found


def test_threads_of_others_are_not_there(school: School) -> None:
    """§7.2, our choice: 404 with an empty body, for replies too; nobody learns that a thread exists."""
    number = school.send(school.ada, school.ben)["id"]
    before = school.ask(school.ben, f"/messages/inbox/{number}?keep_unread=TRUE")
    for verb, path, body in calls(number):
        answer = school.request(school.cleo, verb, path, json=body)
        assert (verb, path, answer.status_code, answer.content) == (verb, path, 404, b"")
        xml = school.request(school.cleo, verb, path, json=body, headers={"Accept": "text/xml"})
        assert (xml.status_code, xml.content) == (404, b"")
    assert school.ask(school.ben, f"/messages/inbox/{number}?keep_unread=TRUE") == before
    assert (school.inbox(school.cleo), school.sent(school.cleo), school.sent(school.ada)) == ([], [], [number])


@pytest.mark.parametrize("number", ["0", "99999", "2147483647", "2147483648", "9" * 30, "9" * 5_000])
def test_numbers_that_nothing_has(sqlite_school: School, number: str) -> None:
    """Whatever the number, it is 404."""
    for verb, path, body in calls(number):
        assert (verb, path[:20], sqlite_school.request(sqlite_school.ben, verb, path, json=body).status_code) == (verb, path[:20], 404)


@pytest.mark.parametrize("number", ["x", "-1", "1.0", "1e3", "%00", "%C2%B2", "null"])
def test_numbers_that_are_none(sqlite_school: School, number: str) -> None:
    for verb, path, body in calls(number):
        assert (verb, path, sqlite_school.request(sqlite_school.ben, verb, path, json=body).status_code) == (verb, path, 404)


def test_a_message_within_a_thread_is_no_thread(school: School) -> None:
    """Numbers are those of threads; a message has no number of its own here."""
    number = school.send(school.ada, school.ben)["id"]
    school.send(school.ben, path=f"/messages/{number}")
    for who in (school.ada, school.ben):
        assert school.request(who, "GET", f"/messages/inbox/{number + 1}").status_code == 404


def test_a_reply_to_some_is_not_shown_to_the_others(school: School) -> None:
    """Whoever stands not on the roll of a message never sees it, though the thread is theirs."""
    number = school.send(school.ada, school.ben, school.cleo, message="all")["id"]
    school.send(school.ben, school.ada, message="ada alone", path=f"/messages/{number}")
    assert texts(school.ask(school.cleo, f"/messages/inbox/{number}")) == ["all"]
    assert texts(school.ask(school.ada, f"/messages/inbox/{number}")) == ["all", "ada alone"]
    assert [item["message"] for item in school.ask(school.cleo, "/messages/inbox")["message"]] == ["all"]


# -- of other dialects -------------------------------------------------------------------------------------------------


def mailing(school: School) -> int:
    """Write to Ben and Cleo through another dialect, one mail for each."""
    content = DraftContent(subject="Exams", content="On Monday.")
    group = AudienceChange(user_ids=[school.ben, school.cleo], emails=["guest@else.example"])
    write = school.store.database.write_now
    return write(submission.create_and_submit, school.store.settings, school.ada, content, group, "en", clock.now(), "usos")


def test_a_mailing_of_another_dialect_names_nobody_else(school: School) -> None:
    """One store, one set of rules; of a mailing each knows of oneself alone, and its author of all people."""
    number = mailing(school)
    for path in ("/messages/inbox", f"/messages/inbox/{number}"):
        (item,) = school.ask(school.ben, path)["message"]
        assert (item["id"], item["subject"], item["message"]) == (number, "Exams", "On Monday.")
        assert (item["recipient_ids"], item["author_id"]) == (str(school.ben), school.ada)
    assert school.ask(school.ada, f"/messages/sent/{number}")["message"][0]["recipient_ids"] == f"{school.ben},{school.cleo}"


def test_an_answer_to_a_mailing_goes_to_its_author(school: School) -> None:
    number = mailing(school)
    answer = school.send(school.ben, message="When?", path=f"/messages/{number}")
    assert answer["recipient_ids"] == ",".join(map(str, sorted((school.ada, school.ben))))
    assert school.inbox(school.ada) == [(number, "unread")]
    assert texts(school.ask(school.cleo, f"/messages/inbox/{number}")) == ["On Monday."]


def test_an_author_whom_nobody_knows_is_zero(school: School) -> None:
    """§4.2: author_id is a number in the inbox."""
    number = mailing(school)
    school.store.database.write_now(lambda tx: tx.execute(update(tables.messages).values(author_id=None)))
    for path in ("/messages/inbox", f"/messages/inbox/{number}"):
        assert school.ask(school.ben, path)["message"][0]["author_id"] == 0
