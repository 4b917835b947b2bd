"""Messages over HTTP: lists, single ones, marking and moving (wire/onlyoffice.md §1b Messages, §3.7, §3.8, §4 MailMessage)."""

from typing import Any

import pytest

from postroom.dialects.onlyoffice.errors import ARGUMENT, HTTP
from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.mailbox import EWA, JAN, Mailbox
from tests.support import counted

MEMBERS = {
    *("introduction", "contentIsBlocked", "important", "subject", "hasAttachments", "to", "address", "from", "id", "chainId", "chainDate"),
    *("date", "dateDisplay", "labelsInString", "isNew", "isAnswered", "isForwarded", "textBodyOnly", "size", "emlLink", "streamId"),
    *("restoreFolderId", "folder", "userFolderId", "chainLength", "wasNew", "isToday", "isYesterday", "receivedDate", "isBodyCorrupted"),
    *("hasParseError", "mimeMessageId", "mimeReplyToId", "calendarUid", "readRequestStatus"),
}
"""Of a row of a list; the others are left out when there is nothing to say."""


@pytest.fixture
def box(api: Api) -> Mailbox:
    return Mailbox(api)


@pytest.fixture
def sqlite_box(sqlite_api: Api) -> Mailbox:
    return Mailbox(sqlite_api)


def test_a_row_of_a_list_has_the_members_of_the_contract(box: Mailbox) -> None:
    """§4 MailMessage: the members of rows, and what is empty in them."""
    number = box.letter(box.api.ewa, cc=("c@x.example",), bcc=("b@x.example",), important=True)
    came = box.came(box.api.jan, number)
    (row,) = box.get("messages")
    assert row.keys() == MEMBERS | {"cc"}
    shown = {
        name: row[name] for name in ("id", "from", "to", "cc", "subject", "important", "isNew", "folder", "restoreFolderId", "introduction")
    }
    assert shown == {
        "id": came,
        "from": EWA,
        "to": JAN,
        "cc": "c@x.example",
        "subject": "Hello",
        "important": True,
        "isNew": True,
        "folder": 1,
        "restoreFolderId": 1,
        "introduction": "Hi there",
    }
    assert (row["streamId"], row["address"], row["mimeMessageId"], row["wasNew"], row["chainLength"]) == (None, None, None, False, 1)
    (sent,) = box.api.result("GET", "/mail/messages?folder=2", token=box.api.token_of(box.api.ewa))
    assert (sent["id"], sent["bcc"], sent["isNew"], sent["folder"]) == (2 * number, "b@x.example", False, 2)


def test_lists_and_pages(box: Mailbox) -> None:
    """§3.7: page counts from 1, anything less is the first; §3.8: other conditions."""
    ids = [box.came(box.api.jan, box.letter(box.api.ewa, subject=f"Number {place}")) for place in range(5)][::-1]
    assert box.list() == (ids, 5)
    assert box.list(page=2, page_size=2) == (ids[2:4], 5)
    assert box.list(page=0, page_size=2) == box.list(page_size=2, startIndex=3) == (ids[:2], 5)
    assert box.list(sortorder="ascending") == (ids[::-1], 5)
    assert box.list(search="number") == (ids, 5)
    assert box.list(search="NUMBER 3") == ([ids[1]], 1)
    assert box.list(from_address="ewa@x") == (ids, 5)
    assert box.list(unread="false") == box.list(folder=9) == box.list(mailbox_id=77) == box.list(attachments="true") == ([], 0)


def test_a_folder_that_is_not_there(sqlite_box: Mailbox) -> None:
    answer = sqlite_box.api.call("GET", "/mail/messages?user_folder_id=5")
    sqlite_box.api.refused(answer, 400, "Folder not found", ARGUMENT)


def test_a_single_message(box: Mailbox) -> None:
    body = '<p>Hi<script>x()</script> <a onclick="y()" href="javascript:z()">b</a><img src="https://x.example/a.png"></p>'
    number = box.letter(box.api.ewa, body=body)
    came = box.came(box.api.jan, number)
    shown = box.get(f"messages/{came}")
    assert shown.keys() == MEMBERS | {"attachments", "htmlBody"}
    assert "script" not in shown["htmlBody"]
    assert 'tl_disabled_src="https://x.example/a.png"' in shown["htmlBody"]
    assert (shown["contentIsBlocked"], shown["isNew"], shown["wasNew"], shown["attachments"]) == (True, False, True, [])
    assert (shown["address"], shown["mimeMessageId"], len(shown["streamId"])) == ("jan@x.example", box.identifier(number), 32)
    assert 'src="https://x.example/a.png"' in box.get(f"messages/{came}", loadImages="true")["htmlBody"].replace("tl_disabled_src", "")
    assert box.list(unread="true")[0] == [came], "looking at it does not mark it"
    box.get(f"messages/{came}", markRead="true")
    assert box.list(unread="true")[0] == []
    assert box.get(f"messages/{came}")["wasNew"] is False


def test_images_of_some_are_shown(sqlite_box: Mailbox) -> None:
    came = sqlite_box.came(sqlite_box.api.jan, sqlite_box.letter(sqlite_box.api.ewa, body='<img src="https://x.example/a.png">'))
    blocked = lambda: sqlite_box.get(f"messages/{came}")["contentIsBlocked"]  # noqa: E731
    assert blocked()
    assert sqlite_box.api.result("POST", "/mail/display_images/address", json={"address": "EWA@x.example"}) == "EWA@x.example"
    assert not blocked()
    assert sqlite_box.get("display_images/addresses") == ["ewa@x.example"]
    sqlite_box.api.result("DELETE", "/mail/display_images/address?address=ewa@x.example")
    assert blocked()
    sqlite_box.put("settings/alwaysDisplayImages", enabled=True)
    assert not blocked()


def test_what_is_not_there(box: Mailbox) -> None:
    """404 alike for nobody's and for other people's messages: neither number of one leads to it."""
    number = box.letter(box.api.ewa)
    stranger = box.api.token_of(box.api.person("Olaf", "Inny", "olaf@x.example"))
    for wrong in (2 * number, 99, 2**40 + 1, 2**63 - 1):
        box.api.refused(box.api.call("GET", f"/mail/messages/{wrong}"), 404, f"Message with {wrong} wasn't found.", HTTP)
    for theirs in (2 * number, box.came(box.api.jan, number)):
        answer = box.api.call("GET", f"/mail/messages/{theirs}", token=stranger)
        box.api.refused(answer, 404, f"Message with {theirs} wasn't found.", HTTP)
        assert box.api.result("GET", f"/mail/messages/{theirs}/next", token=stranger) == -1
    box.api.refused(box.api.call("GET", "/mail/messages/0"), 400, "Invalid message id\r\nParameter name: id", ARGUMENT)


def test_neighbours(box: Mailbox) -> None:
    """§1b ``messages/{id}/{next|prev}``: the neighbour in the list, -1 where there is none."""
    first, second, third = (box.came(box.api.jan, box.letter(box.api.ewa)) for _ in range(3))
    assert (box.get(f"messages/{second}/next"), box.get(f"messages/{second}/prev")) == (first, third)
    assert (box.get(f"messages/{first}/next"), box.get(f"messages/{third}/prev")) == (-1, -1)
    assert box.get(f"messages/{second}/next.json", sortorder="ascending") == third


@pytest.mark.parametrize("path", ["mark", "move", "restore", "remove"])
@pytest.mark.parametrize("kind", ["messages", "conversations"])
def test_ids_must_be_given(sqlite_box: Mailbox, path: str, kind: str) -> None:
    """§1b: lists of ids must not be empty."""
    answer = sqlite_box.api.call("PUT", f"/mail/{kind}/{path}", json={"ids": []})
    sqlite_box.api.refused(answer, 400, "Empty ids collection\r\nParameter name: ids", ARGUMENT)


def test_marking(box: Mailbox) -> None:
    """§1b ``messages/mark``: every status."""
    came = box.came(box.api.jan, box.letter(box.api.ewa))
    for status, query in (("read", {"unread": "true"}), ("important", {"important": "false"}), ("receiptProcessed", {"unread": "true"})):
        assert box.put("messages/mark", ids=[came], status=status) == [came]
        assert box.list(**query)[0] == []
    box.put("messages/mark", ids=[str(came)], status="unread")
    box.put("messages/mark", ids=came, status="normal")
    assert box.list(unread="true", important="false")[0] == [came]


def test_moving_and_back(box: Mailbox) -> None:
    came, draft = box.came(box.api.jan, box.letter(box.api.ewa)), 2 * box.draft()
    folder = box.api.result("POST", "/mail/userfolders", json={"name": "Plans"})["id"]
    assert box.put("messages/move", ids=[came, draft], folder=4) == [came, draft]
    assert (box.list(folder=4)[0], box.list()[0], box.list(folder=3)[0]) == ([draft, came], [], [])
    assert box.get(f"messages/{came}")["folder"] == 4
    box.put("messages/restore", ids=[came, draft])
    assert (box.list()[0], box.list(folder=3)[0]) == ([came], [draft])
    box.put("messages/move", ids=[came], folder=6, userFolderId=folder)
    assert box.list(user_folder_id=folder) == box.list(folder=6) == ([came], 1)
    assert box.get("userfolders/bymail", mailId=came)["id"] == folder
    assert box.get("userfolders/bymail", mailId=draft) == {}
    box.put("messages/remove", ids=[came])
    assert box.list(user_folder_id=folder)[0] == []


@pytest.mark.parametrize("kind", ["messages", "conversations"])
def test_an_unknown_status_marks_nothing(box: Mailbox, kind: str) -> None:
    """§1b ``mark``: the numbers are answered, and the message stays as it is."""
    came = box.came(box.api.jan, box.letter(box.api.ewa))
    before = box.get("messages")
    assert box.put(f"{kind}/mark", ids=[came], status="nonsense") == [came]
    assert box.get("messages") == before


def test_a_folder_of_ones_own_says_nothing_beside_another(box: Mailbox) -> None:
    """§1b ``messages/move``: ``userFolderId`` is ignored unless the folder is 6, also an unknown one."""
    came = box.came(box.api.jan, box.letter(box.api.ewa))
    assert box.put("messages/move", ids=[came], folder=4, userFolderId=99) == [came]
    assert box.list(folder=4)[0] == [came]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"folder": 0}, "Invalid folder id\r\nParameter name: folder"),
        ({"folder": 8}, "Invalid folder id\r\nParameter name: folder"),
        ({"folder": 6, "userFolderId": 99}, "Folder not found"),
        ({"folder": 6}, "Folder not found"),
    ],
)
@pytest.mark.parametrize("kind", ["messages", "conversations"])
def test_where_nothing_can_go(sqlite_box: Mailbox, kind: str, content: dict[str, Any], message: str) -> None:
    came = sqlite_box.came(sqlite_box.api.jan, sqlite_box.letter(sqlite_box.api.ewa))
    sqlite_box.api.refused(sqlite_box.api.call("PUT", f"/mail/{kind}/move", json={"ids": [came], **content}), 400, message, ARGUMENT)
    assert sqlite_box.list()[0] == [came]


def test_nobody_touches_messages_of_others(box: Mailbox) -> None:
    number = box.letter(box.api.ewa)
    came, theirs = box.came(box.api.jan, number), 2 * number
    stranger = box.api.token_of(box.api.person("Olaf", "Inny", "olaf@x.example"))
    for path, content in (("mark", {"status": "important"}), ("move", {"folder": 4}), ("remove", {}), ("restore", {})):
        for kind in ("messages", "conversations"):
            answer = box.api.call("PUT", f"/mail/{kind}/{path}", json={"ids": [came, theirs], **content}, token=stranger)
            assert answer.status_code == 200
    assert box.list(important="false", unread="true") == ([came], 1)


def test_a_template_is_empty(sqlite_box: Mailbox) -> None:
    shown = sqlite_box.get("messages/template")
    assert (shown["subject"], shown["htmlBody"], shown["attachments"], shown["to"], len(shown["streamId"])) == ("", "", [], "", 32)


def test_the_number_of_statements_of_a_list(box: Mailbox) -> None:
    for _ in range(3):
        box.letter(box.api.ewa)
    with counted(box.api.store) as statements:
        box.list(search="hello")
    words = 2 if box.api.store.database.dialect == "sqlite" else 1
    assert len(statements) == 1 + words + 3, "who is calling; words, keys with their count, rows, labels"
