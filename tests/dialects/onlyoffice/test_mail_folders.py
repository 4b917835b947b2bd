"""Folders over HTTP (wire/onlyoffice.md §1b Folders, §4 Folder, UserFolder, Operation)."""

import pytest

from postroom.dialects.onlyoffice.errors import ARGUMENT, EXCEPTION, HTTP
from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.mailbox import Mailbox

FAILED = "Internal server error. Try again later."


@pytest.fixture
def box(api: Api) -> Mailbox:
    return Mailbox(api)


@pytest.fixture
def sqlite_box(sqlite_api: Api) -> Mailbox:
    return Mailbox(sqlite_api)


def test_counting_what_stands_in_folders(box: Mailbox) -> None:
    """Conversations without a suffix, messages with one; Sending is hidden; drafts are no conversations (§7.3.1)."""
    first = box.letter(box.api.ewa)
    box.letter(box.api.ewa, answers=first)
    box.letter(box.api.ewa)
    box.draft()
    folders = {folder.pop("id"): folder for folder in box.get("folders")}
    assert list(folders) == [1, 2, 3, 4, 5, 6, 7]
    modified = folders[1].pop("time_modified")
    assert len(modified) == len("2026-01-01T00:00:00")
    assert folders[1] == {"unread": 2, "unread_messages": 3, "total_count": 2, "total_messages_count": 3}
    folders[3].pop("time_modified")
    assert folders[3] == {"unread": 0, "unread_messages": 0, "total_count": 0, "total_messages_count": 1}


def test_emptying(box: Mailbox) -> None:
    ids = [box.came(box.api.jan, box.letter(box.api.ewa)) for _ in range(3)]
    box.put("messages/move", ids=ids[:1], folder=4)
    box.put("messages/move", ids=ids[1:2], folder=5)
    for folder in (1, 3, 9, 4):
        assert box.api.result("DELETE", f"/mail/folders/{folder}/messages") == folder
    assert [box.list(folder=folder)[0] for folder in (1, 4, 5)] == [ids[2:], [], ids[1:2]]


def test_folders_of_ones_own(box: Mailbox) -> None:
    top = box.api.result("POST", "/mail/userfolders", json={"name": "Plans"})
    assert top == {
        "id": top["id"],
        "parent": 0,
        "name": "Plans",
        **dict.fromkeys(("unread_count", "total_count", "unread_chain_count", "total_chain_count", "folder_count"), 0),
    }
    inner = box.api.result("POST", "/mail/userfolders", data={"name": "Old", "parentId": str(top["id"])})
    came = box.came(box.api.jan, box.letter(box.api.ewa))
    box.put("messages/move", ids=[came], folder=6, userFolderId=inner["id"])
    assert [(folder["name"], folder["folder_count"], folder["unread_count"]) for folder in box.get("userfolders")] == [
        ("Plans", 1, 0),
        ("Old", 0, 1),
    ]
    assert [folder["name"] for folder in box.get("userfolders", parentId=top["id"])] == ["Old"]
    assert [folder["name"] for folder in box.api.result("GET", f"/mail/userfolders?ids[]={top['id']}")] == ["Plans"]
    renamed = box.put(f"userfolders/{inner['id']}", name="Older", parentId=0)
    assert (renamed["name"], renamed["parent"], renamed["total_chain_count"]) == ("Older", 0, 1)
    done = box.api.result("DELETE", f"/mail/userfolders/{inner['id']}")
    assert (done["completed"], done["percents"], done["operationType"], done["error"]) == (True, 100, 5, "")
    assert box.get(f"operations/{done['id']}") == done
    assert (box.get("operations"), box.list(folder=4)[0]) == ([], [came])


def test_what_a_folder_cannot_be(box: Mailbox) -> None:
    """§8.9: bad input is 400, with the texts of the original."""
    top = box.api.result("POST", "/mail/userfolders", json={"name": "Plans"})["id"]
    inner = box.api.result("POST", "/mail/userfolders", json={"name": "Old", "parentId": top})["id"]
    ewa = box.api.token_of(box.api.ewa)
    for verb, path, content, message, hresult in (
        ("POST", "", {"name": "plans"}, 'Folder "plans" already exists', ARGUMENT),
        ("POST", "", {"name": " "}, "Folder name cannot be empty", ARGUMENT),
        ("POST", "", {"name": "New", "parentId": 99}, FAILED, EXCEPTION),
        ("PUT", f"/{top}", {"name": "Plans", "parentId": inner}, FAILED, EXCEPTION),
        ("PUT", f"/{top}", {"name": "Plans", "parentId": top}, FAILED, EXCEPTION),
        ("PUT", "/99", {"name": "New"}, FAILED, EXCEPTION),
        ("DELETE", "/99", {}, FAILED, EXCEPTION),
    ):
        box.api.refused(box.api.call(verb, f"/mail/userfolders{path}", json=content), 400, message, hresult)
    for verb in ("PUT", "DELETE"):
        answer = box.api.call(verb, f"/mail/userfolders/{top}", json={"name": "Mine"}, token=ewa)
        box.api.refused(answer, 400, FAILED, EXCEPTION)
    assert box.api.result("GET", "/mail/userfolders", token=ewa) == []
    assert [folder["name"] for folder in box.get("userfolders")] == ["Plans", "Old"]


def test_operations(sqlite_box: Mailbox) -> None:
    done = sqlite_box.get("folders/recalculate")
    assert (done["operationType"], done["completed"]) == (1, True)
    for wrong in ("9-abc", "1-", "x", "5-%2e"):
        answer = sqlite_box.api.call("GET", f"/mail/operations/{wrong}")
        sqlite_box.api.refused(answer, 404, f"Operation with {wrong.replace('%2e', '.')} wasn't found.", HTTP)
