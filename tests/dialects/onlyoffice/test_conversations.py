"""Conversations over HTTP (wire/onlyoffice.md §1b Conversations, §7.4)."""

import pytest

from postroom.dialects.onlyoffice.errors import ARGUMENT
from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.mailbox import Mailbox


@pytest.fixture
def box(api: Api) -> Mailbox:
    return Mailbox(api)


def talk(box: Mailbox, length: int, subject: str) -> list[int]:
    """Ewa writes to Jan, who answers, and so on; the numbers by which Jan knows the messages, oldest first."""
    ids: list[int] = []
    answered = None
    for place in range(length):
        author = box.api.jan if place % 2 else box.api.ewa
        answered = box.letter(author, answers=answered, subject=subject)
        ids.append(2 * answered if place % 2 else box.came(box.api.jan, answered))
    return ids


def test_a_conversation_is_one_row(box: Mailbox) -> None:
    """The row says what is true of any of its messages."""
    ids = talk(box, 3, "Plan")
    box.put("messages/mark", ids=[ids[1]], status="important")
    box.put("messages/mark", ids=[ids[2]], status="read")
    tag = box.api.result("POST", "/mail/tags", json={"name": "A"})["id"]
    box.put(f"tags/{tag}/set", messages=[ids[1]])
    (row,) = box.get("conversations")
    assert (row["id"], row["chainLength"], row["isNew"], row["important"], row["tagIds"]) == (ids[2], 3, True, True, [tag])
    assert [row["id"] for row in box.get("conversations", folder=2)] == [ids[1]]
    assert box.list("conversations") == ([ids[2]], 1)


def test_pages_of_conversations(box: Mailbox) -> None:
    """§1b: total is one more than the page where more follow; pages go on from date and message, forth and back."""
    heads = [talk(box, 1 + 2 * (place % 2), f"Subject {place}")[-1] for place in range(5)][::-1]
    first = box.get("conversations", page_size=2)
    assert box.list("conversations", page_size=2) == (heads[:2], 3)
    last = first[-1]
    onward = {"page_size": 2, "from_date": last["receivedDate"], "from_message": last["id"]}
    assert box.list("conversations", **onward) == (heads[2:4], 3)
    assert box.list("conversations", page_size=2, from_message=heads[3]) == ([heads[4]], 1)
    assert box.list("conversations", page_size=2, from_date=last["receivedDate"]) == (heads[2:4], 3)
    assert box.list("conversations", page_size=2, from_message=heads[4], prev_flag="true") == (heads[2:4], 3)
    assert box.list("conversations", page_size=9, from_message=heads[2], prev_flag="true") == (heads[:2], 2)
    assert box.list("conversations", page_size=9, sortorder="ascending") == (heads[::-1], 5)
    assert box.list("conversations", search="subject 1") == ([heads[3]], 1)


def test_showing_a_conversation(box: Mailbox) -> None:
    """Oldest first; only the text of the one that was asked for."""
    ids = talk(box, 3, "Plan")
    shown = box.get(f"conversation/{ids[1]}")
    assert [row["id"] for row in shown] == ids
    assert ["htmlBody" in row for row in shown] == [False, True, False]
    assert [row["isNew"] for row in shown] == [True, False, True]
    assert all("htmlBody" in row for row in box.get(f"conversation/{ids[1]}", loadAll="true"))
    assert not any(row["isNew"] for row in box.get(f"conversation/{ids[1]}", markRead="true"))
    assert box.list(unread="true")[0] == []


def test_neighbours_of_a_conversation(box: Mailbox) -> None:
    first, second, third = (talk(box, 3, f"Subject {place}") for place in range(3))
    assert box.get(f"conversation/{second[0]}/next") == first[-1]
    assert box.get(f"conversation/{second[2]}/prev") == third[-1]
    assert (box.get(f"conversation/{first[0]}/next"), box.get(f"conversation/{third[0]}/prev")) == (-1, -1)
    assert box.get(f"conversation/{second[1]}/next", folder=2) == first[1]


def test_all_messages_of_a_conversation_move_together(box: Mailbox) -> None:
    ids, other = talk(box, 3, "Plan"), talk(box, 1, "Other")
    assert box.put("conversations/move", ids=[ids[2]], folder=4) == [ids[2]]
    assert (sorted(box.list(folder=4)[0]), box.list()[0]) == (sorted(ids), other)
    assert box.list("conversations", folder=4) == ([ids[2]], 1)
    box.put("conversations/restore", ids=[ids[0]], learnSpamTrainer=True)
    assert (box.list(folder=2)[0], len(box.list()[0])) == ([ids[1]], 3)
    box.put("conversations/mark", ids=[ids[0]], status="read")
    assert box.list(unread="true")[0] == other
    box.put("conversations/remove", ids=[ids[0]])
    assert (box.list(folder=2)[0], box.list()[0]) == ([], other)


def test_tagging_a_conversation(box: Mailbox) -> None:
    """§7.4 TagEngineTests: the whole conversation, not a single message."""
    ids = talk(box, 3, "Plan")
    tag = box.api.result("POST", "/mail/tags", json={"name": "A"})["id"]
    assert box.put(f"conversations/tag/{tag}/set", messages=[ids[0]]) == tag
    assert box.get("tags")[0]["lettersCount"] == 3
    assert box.put(f"conversations/tag/{tag}/unset", messages=[ids[1]]) == tag
    assert box.get("tags")[0]["lettersCount"] == 0
    answer = box.api.call("PUT", f"/mail/conversations/tag/{tag}/set", json={"messages": []})
    box.api.refused(answer, 400, "Message ids are empty\r\nParameter name: messages", ARGUMENT)


def test_what_is_not_there(box: Mailbox) -> None:
    theirs = 2 * box.letter(box.api.ewa)
    for wrong in (theirs, 99, 2**62):
        box.api.refused(box.api.call("GET", f"/mail/conversation/{wrong}"), 400, "Message Id not found", ARGUMENT)
        assert box.get(f"conversation/{wrong}/next") == -1
    for path in ("", "/next", "/prev"):
        answer = box.api.call("GET", f"/mail/conversation/0{path}")
        box.api.refused(answer, 400, "id must be positive integer\r\nParameter name: id", ARGUMENT)
    box.api.refused(box.api.call("GET", "/mail/conversations?user_folder_id=9"), 400, "Folder not found", ARGUMENT)
