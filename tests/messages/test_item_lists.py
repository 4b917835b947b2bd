"""Lists of a mailbox: conditions, pages and neighbours (ONLYOFFICE contract §1b, §3.7, §3.8)."""

from typing import Any

import pytest
from sqlalchemy import insert, update

from postroom.errors import NotFound
from postroom.messages import item_lists, labels, letters, search
from postroom.messages.item_lists import Wanted
from postroom.messages.labels import NewLabel
from postroom.messages.letter_records import Letter
from postroom.storage.store import Store
from postroom.storage.tables import attachments, messages, recipients
from tests.messages.conftest import NOW
from tests.messages.post_office import ADDRESSES, PostOffice, own


@pytest.fixture
def post(store: Store) -> PostOffice:
    return PostOffice(store)


def test_pages_go_on_where_the_last_one_ended(post: PostOffice) -> None:
    numbers = [post.letter(2, "anna@uni.example") for _ in range(5)]
    newest_first = [post.came(1, number) for number in reversed(numbers)]
    assert [post.listed(1, start, 2) for start in (0, 2, 4, 6)] == [newest_first[:2], newest_first[2:4], newest_first[4:], []]
    assert post.listed(1, oldest_first=True) == newest_first[::-1]
    assert post.page(1, 0, 2)[1] == 5
    assert post.page(1, 0, 2, unread=True)[1] == 5
    assert post.page(1, -3, 2)[0] == post.page(1, 0, 2)[0]


def test_a_long_list_with_conditions_is_counted_so_far(post: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_lists, "COUNTED", 2)
    for _ in range(6):
        post.letter(2, "anna@uni.example")
    assert post.page(1, 0, 1)[1] == 6
    assert post.page(1, 0, 1, unread=True)[1] == 3
    assert post.page(1, 2, 1, unread=True)[1] == 5


@pytest.mark.parametrize("oldest_first", [False, True])
def test_a_search_is_counted_with_its_page(post: PostOffice, *, oldest_first: bool) -> None:
    """Of both kinds, in order, and behind the end, too."""
    keys = [post.came(1, post.letter(2, "anna@uni.example")) if place % 2 else own(post.letter(1)) for place in range(5)]
    post.move(1, *keys, to="trash")
    wanted = {"folder": "trash", "text": "hello", "oldest_first": oldest_first}
    expected = keys if oldest_first else keys[::-1]
    for start in (0, 2, 4):
        found, total = post.page(1, start, 2, **wanted)
        assert ([one.key for one in found], total) == (expected[start : start + 2], 5)
    assert post.page(1, 5, 2, **wanted) == ([], 5)
    assert post.page(1, 0, 2, **{**wanted, "text": "nothing"}) == ([], 0)


def test_trash_shows_both_kinds_by_date(post: PostOffice) -> None:
    first, second, third = post.letter(1), post.letter(2, "anna@uni.example"), post.saved(1)
    keys = [own(first), post.came(1, second), own(third)]
    post.move(1, *keys, to="trash")
    assert post.listed(1, folder="trash") == keys[::-1]
    assert post.listed(1, 1, 1, folder="trash") == [keys[1]]
    assert post.page(1, folder="trash")[1] == 3


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"unread": True}, [1, 2, 3]),
        ({"unread": False}, [0]),
        ({"important": True}, [1]),
        ({"important": False}, [0, 2, 3]),
        ({"with_files": True}, [2]),
        ({"with_files": False}, [0, 1, 3]),
        ({"with_calendar": True}, [3]),
        ({"with_calendar": False}, [0, 1, 2]),
        ({"since": NOW + 2_000, "until": NOW + 3_000}, [1, 2]),
        ({"text": "zolw"}, [0]),
        ({"text": "ŻÓŁ"}, [0]),
        ({"text": "ółw"}, []),
        ({"text": "report otto"}, [1]),
        ({"text": "report nobody"}, []),
        ({"text": "???"}, []),
        ({"sender": "OTTO@uni"}, [0, 1, 2, 3]),
        ({"sender": "anna"}, []),
        ({"recipient": "carol"}, [2]),
        ({"recipient": "hidden"}, []),
        ({"text": "hidden"}, []),
        ({"email": "Anna@home.example"}, [3]),
        ({"unread": True, "text": "hello", "with_calendar": False}, [2]),
    ],
)
def test_filters(post: PostOffice, wanted: dict[str, Any], expected: list[int]) -> None:
    """§3.8, §8.26: booleans compare, words begin words."""
    numbers = [
        post.letter(2, "anna@uni.example", body="<p>Ein <b>Żółw</b></p><style>p {color: teal}</style>"),
        post.letter(2, "anna@uni.example", subject="Monthly report", important=True),
        _with_file(post),
        post.letter(2, "anna@home.example", calendar="BEGIN:VCALENDAR"),
    ]
    keys = [post.came(1, number) for number in numbers] if _is_there(post, numbers[3]) else []
    post.run(lambda tx: tx.execute(update(recipients).where(recipients.c.id == keys[0].id).values(read_at=1)) and None)
    assert sorted(post.listed(1, **wanted)) == sorted(keys[place] for place in expected)


def _is_there(post: PostOffice, number: int) -> bool:
    """A letter with a calendar that cannot be read comes to nobody: for the list it is put there."""
    line = post.rows(recipients, recipients.c.message_id == number)[0]
    values = {"user_id": 1, "received_at": post.now, "state": "delivered"}
    post.run(lambda tx: tx.execute(update(recipients).where(recipients.c.id == line.id).values(values)) and None)
    post.run(lambda tx: tx.execute(update(messages).where(messages.c.id == number).values(sent_at=post.now)) and None)
    post.run(search.index, [number], again=True)
    return True


def _with_file(post: PostOffice) -> int:
    number = post.letter(2, "anna@uni.example", cc=("Carol <carol@x.example>",), bcc=("hidden@x.example",))
    file = {"blob_key": "k", "filename": "a.pdf", "content_type": "application/pdf", "size": 7}
    values = {"message_id": number, "created_at": NOW, **file}
    post.run(lambda tx: tx.execute(insert(attachments).values(values)) and None)
    return number


def test_in_sent_and_drafts_from_means_to(post: PostOffice) -> None:
    """§3.8; the author finds hidden recipients, too."""
    number = post.letter(1, bcc=("hidden@x.example",))
    draft = post.saved(1, to=("carol, dora",))
    assert post.listed(1, folder="sent", sender="otto") == post.listed(1, folder="sent", recipient="anna") == [own(number)]
    assert post.listed(1, folder="sent", sender="hidden") == post.listed(1, folder="sent", text="hidden") == [own(number)]
    assert post.listed(1, folder="sent", sender="anna") == []
    assert post.listed(1, folder="drafts", sender="dora") == [own(draft)]


def test_a_changed_draft_is_found_by_what_it_is_now(post: PostOffice) -> None:
    draft = post.saved(1, subject="Before")
    post.run(letters.save_draft, post.desk(1), Letter(sender=ADDRESSES[1], to=("otto@uni.example",), subject="After"), draft)
    assert post.listed(1, folder="drafts", text="before") == []
    assert post.listed(1, folder="drafts", text="after") == [own(draft)]
    sent = post.letter(1, message_id=draft, subject="At last")
    assert post.listed(1, folder="sent", text="last") == [own(sent)]


def test_all_labels_must_be_there(post: PostOffice) -> None:
    numbers = [post.letter(1) for _ in range(3)]
    first, second = (post.run(labels.create, 1, NewLabel(name=name)) for name in "ab")
    post.run(labels.put, 1, first, [own(numbers[0]), own(numbers[1])])
    post.run(labels.put, 1, second, [own(numbers[1]), own(numbers[2])])
    assert post.listed(1, folder="sent", label_ids=(first, second)) == [own(numbers[1])]
    assert post.listed(1, folder="sent", label_ids=(second,)) == [own(numbers[2]), own(numbers[1])]


def test_neighbours(post: PostOffice) -> None:
    """§1b: the next one is what stands behind in the list, whichever way it is sorted."""
    first, second, third = (post.came(1, post.letter(2, "anna@uni.example")) for _ in range(3))
    beside = lambda key, **rest: post.run(item_lists.beside, 1, Wanted(oldest_first=rest.pop("oldest", False)), key, **rest)  # noqa: E731
    assert [beside(second), beside(second, before=True)] == [first, third]
    assert [beside(second, oldest=True), beside(second, oldest=True, before=True)] == [third, first]
    assert beside(first) is None is beside(third, before=True)
    with pytest.raises(NotFound):
        post.run(item_lists.beside, 2, Wanted(), first)


def test_neighbours_of_the_same_moment(post: PostOffice) -> None:
    keys = [post.came(1, post.letter(2, "anna@uni.example")) for _ in range(3)]
    keys += [own(post.letter(1)) for _ in range(2)]
    post.move(1, *keys, to="trash")
    post.run(lambda tx: tx.execute(update(recipients).values(received_at=NOW)) and None)
    post.run(lambda tx: tx.execute(update(messages).values(sent_at=NOW)) and None)
    order = post.listed(1, folder="trash")
    assert len(order) == 5
    walked = [order[0]]
    while (key := post.run(item_lists.beside, 1, Wanted(folder="trash"), walked[-1])) is not None:
        walked.append(key)
    assert walked == order
    back = [order[-1]]
    while (key := post.run(item_lists.beside, 1, Wanted(folder="trash"), back[-1], before=True)) is not None:
        back.append(key)
    assert back[::-1] == order
