"""What the tests of the original ask of a mailbox, as calls: chains, tags, folders, messages (wire/onlyoffice.md §7.4).

The saved filters of the original are not there. What oneself wrote is never unread here, so its steps that mark it so change nothing.
"""

from typing import Any

import pytest

from postroom.dialects.onlyoffice.errors import EXCEPTION
from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.mailbox import Mailbox
from tests.dialects.onlyoffice.test_conversations import talk

ZERO = (0, 0, 0, 0)


@pytest.fixture
def box(api: Api) -> Mailbox:
    return Mailbox(api)


def counters(box: Mailbox, folder: int) -> tuple[int, int, int, int]:
    """Messages, unread ones, conversations, unread ones."""
    (found,) = (one for one in box.get("folders") if one["id"] == folder)
    return found["total_messages_count"], found["unread_messages"], found["total_count"], found["unread"]


def own_counters(box: Mailbox, number: int) -> tuple[int, int, int, int]:
    (found,) = (one for one in box.get("userfolders") if one["id"] == number)
    return found["total_count"], found["unread_count"], found["total_chain_count"], found["unread_chain_count"]


# -- ChainEngineTests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("page_size", "count"), [(25, 28), (50, 57), (75, 80), (100, 113), (25, 58)])
def test_paging(sqlite_api: Api, page_size: int, count: int) -> None:
    """Onward to the end and back again, in both orders, and among unread ones only; a page back is the one that was left."""
    box = Mailbox(sqlite_api)
    came = [box.came(sqlite_api.jan, box.letter(sqlite_api.ewa, subject=f"[TEST MAIL {place}]")) for place in range(count)]
    for order, whole in (("descending", came[::-1]), ("ascending", came)):
        for more in ({}, {"unread": "true"}):
            query: dict[str, Any] = {"folder": 1, "page_size": page_size, "sortorder": order, **more}
            pages = [box.get("conversations", **query)]
            while len(pages[-1]) == page_size:
                last = pages[-1][-1]
                pages.append(box.get("conversations", **query, from_date=last["receivedDate"], from_message=last["id"], prev_flag="false"))
            assert [row["id"] for page in pages for row in page] == whole
            first = pages[-1][0]
            back = box.get("conversations", **query, from_date=first["receivedDate"], from_message=first["id"], prev_flag="true")
            assert [row["id"] for row in back] == [row["id"] for row in pages[-2]]
    box.put("messages/mark", ids=came[: count // 2], status="read")
    assert len(box.get("conversations", page_size=1_000, unread="true")) == count - count // 2


def test_reading_and_unreading_a_chain(box: Mailbox) -> None:
    """One that came and the answer to it are one conversation; Inbox and Sent count each its own."""
    came, sent = talk(box, 2, "Test subject")
    assert [row["id"] for row in box.get(f"conversation/{came}")] == [came, sent]
    assert (counters(box, 1), counters(box, 2)) == ((1, 1, 1, 1), (1, 0, 1, 0))
    box.put("conversations/mark", ids=[came], status="read")
    assert (counters(box, 1), counters(box, 2)) == ((1, 0, 1, 0), (1, 0, 1, 0))
    box.put("messages/mark", ids=[sent], status="unread")
    assert (counters(box, 1), counters(box, 2)) == ((1, 0, 1, 0), (1, 0, 1, 0))
    box.put("conversations/mark", ids=[came], status="unread")
    assert counters(box, 1) == (1, 1, 1, 1)
    box.get(f"conversation/{came}", markRead="true")
    assert (counters(box, 1), counters(box, 2)) == ((1, 0, 1, 0), (1, 0, 1, 0))


def test_the_same_chain_in_two_mailboxes(box: Mailbox) -> None:
    """What one does with it is nothing to the other."""
    came, sent = talk(box, 2, "Shared")
    hers = {"token": box.api.token_of(box.api.ewa)}
    (theirs,) = box.api.result("GET", "/mail/messages", **hers)
    assert {row["id"] for row in box.api.result("GET", f"/mail/conversation/{theirs['id']}", **hers)}.isdisjoint({came, sent})
    box.put("conversations/move", ids=[came], folder=4)
    assert (counters(box, 1), counters(box, 4)) == (ZERO, (2, 1, 1, 1))
    assert [row["id"] for row in box.api.result("GET", "/mail/messages", **hers)] == [theirs["id"]]
    assert box.api.result("GET", f"/mail/conversation/{theirs['id']}", **hers)[-1]["isNew"] is True


def test_importance_of_a_chain(box: Mailbox) -> None:
    """Important while any of its messages is."""
    ids = talk(box, 3, "Plan")
    important = lambda: [row["important"] for row in box.get("conversations")]  # noqa: E731
    seen = [important()]
    for path, chosen, status in (
        ("messages/mark", ids[0], "important"),
        ("messages/mark", ids[0], "normal"),
        ("conversations/mark", ids[2], "important"),
        ("messages/mark", ids[0], "normal"),
        ("conversations/mark", ids[1], "normal"),
    ):
        box.put(path, ids=[chosen], status=status)
        seen.append(important())
    assert seen == [[False], [True], [False], [True], [True], [False]]


def test_a_chain_goes_to_a_folder_of_ones_own_and_back(box: Mailbox) -> None:
    came, _ = talk(box, 2, "Plan")
    folder = box.api.result("POST", "/mail/userfolders", json={"name": "Plans"})["id"]
    box.put("conversations/move", ids=[came], folder=6, userFolderId=folder)
    assert (counters(box, 1), counters(box, 2), own_counters(box, folder)) == (ZERO, ZERO, (2, 1, 1, 1))
    assert [(row["id"], row["userFolderId"]) for row in box.get("messages", folder=6, user_folder_id=folder)][-1] == (came, folder)
    box.put("conversations/move", ids=[came], folder=1)
    assert (counters(box, 1), counters(box, 2), own_counters(box, folder)) == ((1, 1, 1, 1), (1, 0, 1, 0), ZERO)


# -- TagEngineTests --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["tags/{}", "conversations/tag/{}"])
@pytest.mark.parametrize("unset", [0, 1])
def test_two_tags_of_which_one_is_taken_off(sqlite_api: Api, path: str, unset: int) -> None:
    """Both are on it, newest first in the list of tags; the other one stays."""
    box = Mailbox(sqlite_api)
    came = box.came(sqlite_api.jan, box.letter(sqlite_api.ewa))
    tags = []
    for name, style in (("Tag1", "11"), ("Tag2", "10")):
        tags.append(sqlite_api.result("POST", "/mail/tags", json={"name": name, "style": style})["id"])
        box.put(f"{path.format(tags[-1])}/set", messages=[came])
    assert [tag["id"] for tag in box.get("tags")] == tags[::-1]
    assert box.get(f"messages/{came}")["tagIds"] == tags
    box.put(f"{path.format(tags[unset])}/unset", messages=[came])
    assert box.get(f"messages/{came}")["tagIds"] == [tags[1 - unset]]


# -- UserFolderEngineTests -------------------------------------------------------------------------------------------


def test_folders_within_folders_are_counted(box: Mailbox) -> None:
    """Made there, moved there and away again, and deleted."""
    create = lambda **content: box.api.result("POST", "/mail/userfolders", json=content)["id"]  # noqa: E731
    inside = lambda: {one["id"]: one["folder_count"] for one in box.get("userfolders")}  # noqa: E731
    base = create(name="Folder 1")
    first, second = create(name="Folder 1.1", parentId=base), create(name="Folder 1.2")
    assert inside()[base] == 1
    assert box.put(f"userfolders/{second}", name="Folder 1.2", parentId=base)["parent"] == base
    assert inside()[base] == 2
    box.put(f"userfolders/{first}", name="Folder 1.1", parentId=0)
    assert inside()[base] == 1
    box.api.result("DELETE", f"/mail/userfolders/{second}")
    assert inside() == {base: 0, first: 0}


def test_a_folder_goes_into_none_of_its_own(box: Mailbox) -> None:
    """Neither itself, nor a child however deep; then nothing has changed."""
    chain = [0]
    for name in ("Root", "1", "1.1", "1.1.1"):
        chain.append(box.api.result("POST", "/mail/userfolders", json={"name": name, "parentId": chain[-1]})["id"])
    before = box.get("userfolders")
    for parent in chain[1:]:
        answer = box.api.call("PUT", f"/mail/userfolders/{chain[1]}", json={"name": "Root", "parentId": parent})
        box.api.refused(answer, 400, "Internal server error. Try again later.", EXCEPTION)
    assert box.get("userfolders") == before


def test_messages_go_from_folder_to_folder_with_all_counters(box: Mailbox) -> None:
    """Default folders and own ones, a read and an unread message."""
    ids = [box.came(box.api.jan, box.letter(box.api.ewa, subject=f"Number {place}")) for place in range(2)]
    box.put("messages/mark", ids=ids[:1], status="read")
    one, other = (box.api.result("POST", "/mail/userfolders", json={"name": name})["id"] for name in ("One", "Other"))
    both, read, unread = (2, 1, 2, 1), (1, 0, 1, 0), (1, 1, 1, 1)
    stand = lambda: (counters(box, 1), own_counters(box, one), own_counters(box, other), counters(box, 4))  # noqa: E731
    assert stand() == (both, ZERO, ZERO, ZERO)
    box.put("messages/move", ids=ids, folder=6, userFolderId=one)
    assert stand() == (ZERO, both, ZERO, ZERO)
    assert counters(box, 6) == both
    box.put("messages/move", ids=ids[:1], folder=6, userFolderId=other)
    assert stand() == (ZERO, unread, read, ZERO)
    box.put("messages/move", ids=ids[1:], folder=4)
    assert stand() == (ZERO, ZERO, read, unread)
    box.put("messages/move", ids=ids, folder=1)
    assert stand() == (both, ZERO, ZERO, ZERO)


# -- MessageEngineTests ----------------------------------------------------------------------------------------------


def test_a_message_that_is_removed_counts_nowhere(box: Mailbox) -> None:
    came = box.came(box.api.jan, box.letter(box.api.ewa))
    assert counters(box, 1) == (1, 1, 1, 1)
    box.put("messages/remove", ids=[came])
    assert [counters(box, folder) for folder in (1, 4)] == [ZERO, ZERO]


def test_a_long_text_comes_whole(sqlite_api: Api) -> None:
    """GetMessageStreamTest: nothing of it is cut."""
    box = Mailbox(sqlite_api)
    body = "".join(f"<p>Zażółć {place}</p>" for place in range(5_000))
    came = box.came(sqlite_api.jan, box.letter(sqlite_api.ewa, body=body))
    assert box.get(f"messages/{came}")["htmlBody"] == body
