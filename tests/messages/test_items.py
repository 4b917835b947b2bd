"""What stands in a person's mailbox, in lists and conversations (ONLYOFFICE contract §1b, §3.7, §3.8, §7.4)."""

from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import insert, update

from postroom.errors import NotFound
from postroom.messages import items, labels, letters, search
from postroom.messages.item_details import load
from postroom.messages.items import Key, Summary, Wanted
from postroom.messages.labels import NewLabel
from postroom.messages.letter_records import Letter
from postroom.storage.store import Store
from postroom.storage.tables import attachments, messages, recipients
from tests.messages.conftest import NOW
from tests.messages.post_office import ADDRESSES, PostOffice
from tests.support import counted


@pytest.fixture
def post(store: Store) -> PostOffice:
    return PostOffice(store)


def own(number: int) -> Key:
    return Key(own=True, id=number)


def test_each_folder_holds_what_belongs_there(post: PostOffice) -> None:
    sent = post.letter(1)
    draft, template = post.saved(1), post.saved(1, template=True)
    on_its_way = post.run(letters.send, post.desk(1), structs.replace(_letter(), subject="Slow"), 0).message_id
    answer = post.letter(2, "anna@uni.example")
    assert post.listed(1, folder="sent") == [own(sent)]
    assert post.listed(1, folder="drafts") == [own(draft)]
    assert post.listed(1, folder="templates") == [own(template)]
    assert post.listed(1, folder="sending") == [own(on_its_way)]
    assert post.listed(1, folder="inbox") == [post.came(1, answer)]
    assert post.listed(2, folder="inbox") == [post.came(2, on_its_way), post.came(2, sent)]
    assert post.listed(1, folder="trash") == post.listed(1, folder="spam") == post.listed(1, folder="own", folder_id=5) == []
    homes = {item.key: item.home for item in post.details(1, [own(sent), own(draft), own(template), own(on_its_way)])}
    assert list(homes.values()) == ["sent", "drafts", "templates", "sending"]


def test_messages_of_other_dialects_stand_there_too(post: PostOffice) -> None:
    """One store: what was written elsewhere is read here; a draft of another program is none of ours, nor is a copy to oneself."""
    line = post.write(2, 1)
    mailed = post.mail(2, user_ids=[1])
    post.draft()
    copied = post.mail(1, user_ids=[2], send_to_myself=True)
    assert post.listed(1) == [post.came(1, mailed), post.came(1, line.message_id)]
    assert post.listed(1, folder="drafts") == []
    assert post.listed(1, folder="sending") == [own(copied)]


def test_pages_go_on_where_the_last_one_ended(post: PostOffice) -> None:
    numbers = [post.letter(2, "anna@uni.example") for _ in range(5)]
    newest_first = [post.came(1, number) for number in reversed(numbers)]
    assert [post.listed(1, start, 2) for start in (0, 2, 4, 6)] == [newest_first[:2], newest_first[2:4], newest_first[4:], []]
    assert post.listed(1, oldest_first=True) == newest_first[::-1]
    assert post.page(1, 0, 2)[1] == 5
    assert post.page(1, 0, 2, unread=True)[1] == 5
    assert post.page(1, -3, 2)[0] == post.page(1, 0, 2)[0]


def test_a_long_list_with_conditions_is_counted_so_far(post: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "COUNTED", 2)
    for _ in range(6):
        post.letter(2, "anna@uni.example")
    assert post.page(1, 0, 1)[1] == 6
    assert post.page(1, 0, 1, unread=True)[1] == 3
    assert post.page(1, 2, 1, unread=True)[1] == 5


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


def _letter() -> Any:
    return Letter(sender=ADDRESSES[1], to=("otto@uni.example",))


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
    post.run(letters.save_draft, post.desk(1), structs.replace(_letter(), subject="After"), draft)
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
    beside = lambda key, **rest: post.run(items.beside, 1, Wanted(oldest_first=rest.pop("oldest", False)), key, **rest)  # noqa: E731
    assert [beside(second), beside(second, before=True)] == [first, third]
    assert [beside(second, oldest=True), beside(second, oldest=True, before=True)] == [third, first]
    assert beside(first) is None is beside(third, before=True)
    with pytest.raises(NotFound):
        post.run(items.beside, 2, Wanted(), first)


def test_neighbours_of_the_same_moment(post: PostOffice) -> None:
    keys = [post.came(1, post.letter(2, "anna@uni.example")) for _ in range(3)]
    keys += [own(post.letter(1)) for _ in range(2)]
    post.move(1, *keys, to="trash")
    post.run(lambda tx: tx.execute(update(recipients).values(received_at=NOW)) and None)
    post.run(lambda tx: tx.execute(update(messages).values(sent_at=NOW)) and None)
    order = post.listed(1, folder="trash")
    assert len(order) == 5
    walked = [order[0]]
    while (key := post.run(items.beside, 1, Wanted(folder="trash"), walked[-1])) is not None:
        walked.append(key)
    assert walked == order
    back = [order[-1]]
    while (key := post.run(items.beside, 1, Wanted(folder="trash"), back[-1], before=True)) is not None:
        back.append(key)
    assert back[::-1] == order


# -- conversations ---------------------------------------------------------------------------------------------------


def talk(post: PostOffice, length: int, subject: str = "Plan") -> list[int]:
    """Otto writes to Anna, who answers, and so on; the numbers of the messages."""
    numbers, answered = [], ""
    for place in range(length):
        author, to = (1, "otto@uni.example") if place % 2 else (2, "anna@uni.example")
        numbers.append(post.letter(author, to, subject=subject, mime_reply_to=answered))
        answered = post.identifier(author, own(numbers[-1]))
    return numbers


def test_a_conversation_is_shown_once_by_its_newest_item_in_the_list(post: PostOffice) -> None:
    first, second = talk(post, 4, "One"), talk(post, 2, "Two")
    assert post.heads(1) == [post.came(1, second[0]), post.came(1, first[2])]
    assert post.heads(1, folder="sent") == [own(second[1]), own(first[3])]
    assert post.heads(1, 1) == [post.came(1, second[0])]
    assert post.heads(1, oldest_first=True) == [post.came(1, first[2]), post.came(1, second[0])]
    assert post.heads(1, until=post.now - 5_000) == [post.came(1, first[0])], "of what fits, the newest"


@pytest.mark.parametrize(("page_size", "count", "text"), [(4, 7, ""), (3, 6, ""), (3, 6, "subject")])
@pytest.mark.parametrize("oldest_first", [False, True])
def test_conversations_page_by_page(post: PostOffice, page_size: int, count: int, text: str, *, oldest_first: bool) -> None:
    """§7.4 ChainEngineTests, in small; forth and back."""
    for place in range(count):
        talk(post, 1 + 2 * (place % 2), f"Subject {place}")
    whole = post.run(items.heads, 1, Wanted(oldest_first=oldest_first, text=text), 100)
    assert len(whole) == count
    walked: list[Any] = []
    while some := post.run(items.heads, 1, Wanted(oldest_first=oldest_first, text=text), page_size, walked[-1] if walked else None):
        walked += some
    assert walked == whole
    before = post.run(items.heads, 1, Wanted(oldest_first=oldest_first, text=text), page_size, whole[-1], before=True)
    assert before == whole[-1 - page_size : -1]


def test_what_came_and_what_was_sent_is_one_conversation(post: PostOffice) -> None:
    numbers = talk(post, 4)
    mine = [post.came(1, numbers[0]), own(numbers[1]), post.came(1, numbers[2]), own(numbers[3])]
    shown = post.run(items.conversation, 1, mine[2], 100)
    assert [one.key for one in shown] == mine
    assert [one.key for one in post.run(items.conversation, 1, mine[2], 2)] == mine[2:]
    label = post.run(labels.create, 1, NewLabel(name="A"))
    post.run(labels.put, 1, label, [mine[1]])
    assert post.run(items.summaries, 1, shown) == {(numbers[0], None, None): Summary(count=4, unread=2, label_ids={label})}
    assert {one.key for one in post.run(items.conversations, 1, [mine[1]])} == set(mine)


def test_what_was_put_elsewhere_is_a_conversation_of_its_own(post: PostOffice) -> None:
    numbers = talk(post, 4)
    folder = post.folder(1, "Plans")
    post.move(1, post.came(1, numbers[0]), own(numbers[1]), to="own", folder_id=folder)
    filed = post.run(items.conversation, 1, own(numbers[1]), 100)
    assert [one.key for one in filed] == [post.came(1, numbers[0]), own(numbers[1])]
    assert post.heads(1, folder="own", folder_id=folder) == [own(numbers[1])]
    assert post.heads(1) == [post.came(1, numbers[2])]
    half = Summary(count=2, unread=1)
    assert post.run(items.summaries, 1, filed) == {(numbers[0], None, None): half, (numbers[0], None, folder): half}


def test_a_draft_is_a_conversation_of_its_own(post: PostOffice) -> None:
    draft = post.saved(1)
    assert [one.key for one in post.run(items.conversation, 1, own(draft), 100)] == [own(draft)]
    assert [one.key for one in post.run(items.conversations, 1, [own(draft)])] == [own(draft)]


def test_nobody_sees_items_of_others(post: PostOffice) -> None:
    number = post.letter(1)
    draft = post.saved(1)
    for stranger, keys in ((post.third, [own(number), own(draft), post.came(2, number)]), (2, [own(number), own(draft)])):
        assert post.run(items.find, stranger, [*keys, Key(own=True, id=0), Key(own=False, id=2**40)]) == []
        for key in keys:
            with pytest.raises(NotFound):
                post.run(items.conversation, stranger, key, 10)
        assert post.run(items.conversations, stranger, keys) == []
    assert post.listed(post.third) == []


# -- what is shown ---------------------------------------------------------------------------------------------------


def test_an_item_as_its_reader_sees_it(post: PostOffice) -> None:
    number = post.letter(
        2, "Anna <anna@uni.example>", cc=("c@x.example",), bcc=("b@x.example",), important=True, body="<p>Hi<script>x()</script></p>"
    )
    came, sent = post.details(1, [post.came(1, number)], whole=True)[0], post.details(2, [own(number)], whole=True)[0]
    assert (came.sender, came.to, came.cc, came.bcc) == ('"Otto Nowak" <otto@uni.example>', "Anna <anna@uni.example>", "c@x.example", "")
    assert (came.content, came.introduction) == ("<p>Hi</p>", "Hi")
    assert (came.important, came.unread, came.answered, came.address) == (True, True, False, "anna@uni.example")
    assert (sent.bcc, sent.unread, sent.address, sent.identifier) == ("b@x.example", False, "otto@uni.example", came.identifier)


def test_an_answer_is_told(post: PostOffice) -> None:
    numbers = talk(post, 2)
    assert [item.answered for item in post.details(1, [post.came(1, numbers[0]), own(numbers[1])])] == [True, False]


def test_recipients_of_other_messages(post: PostOffice) -> None:
    """All are named by a private message; of a mailing each sees only themselves, and its author everybody."""
    line = post.write(2, 1, post.third)
    mailed = post.mail(2, user_ids=[1, post.third])
    private, mailing = post.details(1, [post.came(1, line.message_id), post.came(1, mailed)])
    assert (private.to, private.sender) == ('"Anna Nowak" <anna@uni.example>, "Ewa Nowak"', '"Otto Nowak" <otto@uni.example>')
    assert mailing.to == "anna@uni.example"
    assert post.details(2, [own(mailed)])[0].to == '"Anna Nowak" <anna@uni.example>, "Ewa Nowak"'


def test_the_number_of_statements_is_that_of_the_tables(post: PostOffice) -> None:
    for _ in range(30):
        post.letter(2, "anna@uni.example")
    with counted(post.store) as statements:
        found, _ = post.run(items.page, 1, Wanted(text="hello", unread=True), 0, 25)
        shown = post.run(load, post.reader, found)
    assert (len(shown), len(statements)) == (25, 5)
    with counted(post.store) as statements:
        post.run(items.heads, 1, Wanted(), 25)
    assert len(statements) == 1


def test_the_size_of_an_item_is_a_number(post: PostOffice) -> None:
    """Sums of PostgreSQL are decimals, which JSON shows as texts."""
    (item,) = post.details(1, [own(post.letter(1))])
    assert type(item.size) is int
