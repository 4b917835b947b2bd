"""Several programs in one mailbox at once (wire/onlyoffice.md §1b, §8.16): nothing breaks, and the counters say what the lists hold."""

import random
from functools import partial
from typing import Any

import requests

from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.mailbox import EWA, JAN, Mailbox
from tests.messages.school import at_once

CLIENTS, CALLS = 8, 25
FOLDERS = {1: "inbox", 2: "sent", 3: "drafts", 4: "trash", 5: "spam"}


def _any_call(chance: random.Random, ids: list[int], drafts: list[int], folders: list[int], tags: list[int]) -> tuple[str, str, Any]:
    some = chance.sample([*ids, *drafts], chance.randint(1, 6))
    moving = {"ids": some, "folder": chance.choice([1, 2, 3, 4, 5, 6]), "userFolderId": chance.choice(folders)}
    letter = {"from": JAN, "to": [EWA, JAN], "subject": "Hello", "tags": tags}
    tag, draft = chance.choice(tags), chance.choice(drafts)
    calls: list[tuple[str, str, Any]] = [
        ("PUT", "messages/mark", {"ids": some, "status": chance.choice(["read", "unread", "important", "normal"])}),
        ("PUT", "messages/move", moving),
        ("PUT", "conversations/move", moving),
        ("PUT", "messages/restore", {"ids": some}),
        ("PUT", "messages/remove", {"ids": some[:1]}),
        ("DELETE", "folders/4/messages", {}),
        ("PUT", f"tags/{tag}/set", {"messages": some}),
        ("PUT", f"conversations/tag/{tag}/unset", {"messages": some}),
        ("DELETE", f"tags/{tags[-1]}", {}),
        ("POST", "tags", {"name": "Same", "style": "1", "addresses": []}),
        ("DELETE", f"userfolders/{folders[-1]}", {}),
        ("POST", "userfolders", {"name": "Same"}),
        ("PUT", "messages/send", {**letter, "id": draft}),
        ("PUT", "messages/send", letter),
        ("PUT", "drafts/save", {**letter, "id": draft}),
        ("POST", f"messages/attachment/add?id_message={draft}&name=a.txt", b"abc"),
        ("GET", "conversations", None),
    ]
    return chance.choice(calls)


def test_many_programs_in_one_mailbox(api: Api) -> None:
    box = Mailbox(api)
    ids = [box.came(api.jan, box.letter(api.ewa)) for _ in range(4)] + [2 * box.letter(api.jan) for _ in range(4)]
    drafts = [2 * box.draft(subject="Draft", to=("b@x.example",)) for _ in range(3)]
    folders = [api.result("POST", "/mail/userfolders", json={"name": name})["id"] for name in "AB"]
    tags = [api.result("POST", "/mail/tags", json={"name": name, "style": "1", "addresses": []})["id"] for name in "AB"]
    statuses: set[int] = set()

    def work(seed: int) -> None:
        chance = random.Random(seed)
        with requests.Session() as http:
            for _ in range(CALLS):
                verb, path, content = _any_call(chance, ids, drafts, folders, tags)
                how = {"data": content} if isinstance(content, bytes) else {"json": content}
                answer = http.request(verb, f"{api.base}/mail/{path}", headers={"Authorization": api.token}, timeout=30, **how)
                statuses.add(answer.status_code)

    assert at_once(*(partial(work, seed) for seed in range(CLIENTS))) == []
    assert {200, 201} <= statuses <= {200, 201, 400, 403, 404}
    for made in ("tags", "userfolders"):
        names = [one["name"] for one in box.get(made)]
        assert len(names) == len(set(names))
    counts = {one["id"]: one for one in box.get("folders")}
    for folder, name in FOLDERS.items():
        shown, total = box.list(folder=folder, page_size=1_000)
        assert len(shown) == total == counts[folder]["total_messages_count"], name
        if folder != 3:
            assert len(box.list("conversations", folder=folder, page_size=1_000)[0]) == counts[folder]["total_count"], name
