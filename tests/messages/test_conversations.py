"""Conversations of a mailbox (ONLYOFFICE contract §1b, §7.4)."""

from typing import Any

import pytest

from postroom.messages import conversations, item_lists, labels
from postroom.messages.conversations import Summary
from postroom.messages.item_lists import Wanted
from postroom.messages.labels import NewLabel
from postroom.storage.store import Store
from tests.messages.post_office import PostOffice, own
from tests.support import counted, plans


@pytest.fixture
def post(store: Store) -> PostOffice:
    return PostOffice(store)


def test_a_conversation_is_shown_once_by_its_newest_item_in_the_list(post: PostOffice) -> None:
    first, second = post.talk(4, "One"), post.talk(2, "Two")
    assert post.heads(1) == [post.came(1, second[0]), post.came(1, first[2])]
    assert post.heads(1, folder="sent") == [own(second[1]), own(first[3])]
    assert post.heads(1, 1) == [post.came(1, second[0])]
    assert post.heads(1, oldest_first=True) == [post.came(1, first[2]), post.came(1, second[0])]
    assert post.heads(1, until=post.now - 5_000) == [post.came(1, first[0])], "of what fits, the newest"


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(folder="sent"),
        Wanted(folder="sending"),
        Wanted(since=1, until=2),
        Wanted(folder="own", folder_id=1),
        Wanted(folder="trash"),
        Wanted(folder="sent", since=1),
        Wanted(unread=True),
    ],
)
def test_what_is_newer_in_a_conversation_is_looked_up_by_number(post: PostOffice, wanted: Wanted) -> None:
    """Not in all of the mailbox by date, for each row of a list."""
    (plan,) = post.run(plans, item_lists.heads, 1, wanted, 25)
    for index in ("ix_recipients_mailbox", "ix_messages_own", "ix_recipients_folder_id", "ix_recipients_place", "ix_messages_folder_id"):
        assert plan.count(index) <= 1


@pytest.mark.parametrize(("page_size", "count", "text"), [(4, 7, ""), (3, 6, ""), (3, 6, "subject")])
@pytest.mark.parametrize("oldest_first", [False, True])
def test_conversations_page_by_page(post: PostOffice, page_size: int, count: int, text: str, *, oldest_first: bool) -> None:
    """§7.4 ChainEngineTests, in small; forth and back."""
    for place in range(count):
        post.talk(1 + 2 * (place % 2), f"Subject {place}")
    whole = post.run(item_lists.heads, 1, Wanted(oldest_first=oldest_first, text=text), 100)
    assert len(whole) == count
    walked: list[Any] = []
    while some := post.run(item_lists.heads, 1, Wanted(oldest_first=oldest_first, text=text), page_size, walked[-1] if walked else None):
        walked += some
    assert walked == whole
    before = post.run(item_lists.heads, 1, Wanted(oldest_first=oldest_first, text=text), page_size, whole[-1], before=True)
    assert before == whole[-1 - page_size : -1]


def test_what_came_and_what_was_sent_is_one_conversation(post: PostOffice) -> None:
    numbers = post.talk(4)
    mine = [post.came(1, numbers[0]), own(numbers[1]), post.came(1, numbers[2]), own(numbers[3])]
    shown = post.run(conversations.of_item, 1, mine[2], 100)
    assert [one.key for one in shown] == mine
    assert [one.key for one in post.run(conversations.of_item, 1, mine[2], 2)] == mine[2:]
    label = post.run(labels.create, 1, NewLabel(name="A"))
    post.run(labels.put, 1, label, [mine[1]])
    assert post.run(conversations.summaries, 1, shown) == {(numbers[0], None, None): Summary(count=4, unread=2, label_ids={label})}
    assert {one.key for one in post.run(conversations.of_items, 1, [mine[1]])} == set(mine)


def test_what_was_put_elsewhere_is_a_conversation_of_its_own(post: PostOffice) -> None:
    numbers = post.talk(4)
    folder = post.folder(1, "Plans")
    post.move(1, post.came(1, numbers[0]), own(numbers[1]), to="own", folder_id=folder)
    filed = post.run(conversations.of_item, 1, own(numbers[1]), 100)
    assert [one.key for one in filed] == [post.came(1, numbers[0]), own(numbers[1])]
    assert post.heads(1, folder="own", folder_id=folder) == [own(numbers[1])]
    assert post.heads(1) == [post.came(1, numbers[2])]
    half = Summary(count=2, unread=1)
    assert post.run(conversations.summaries, 1, filed) == {(numbers[0], None, None): half, (numbers[0], None, folder): half}


def test_a_draft_is_a_conversation_of_its_own(post: PostOffice) -> None:
    draft = post.saved(1)
    assert [one.key for one in post.run(conversations.of_item, 1, own(draft), 100)] == [own(draft)]
    assert [one.key for one in post.run(conversations.of_items, 1, [own(draft)])] == [own(draft)]


def test_conversations_together_take_as_many_statements_as_one(post: PostOffice) -> None:
    numbers = [post.letter(1) for _ in range(3)]

    def statements(some: list[int]) -> int:
        with counted(post.store) as done:
            found = post.run(conversations.of_items, 1, map(own, some))
        assert sorted(one.message_id for one in found) == some
        return len(done)

    assert statements(numbers[:1]) == statements(numbers)
