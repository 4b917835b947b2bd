"""What filters do (ONLYOFFICE contract §1b Filters, §1a.6 step 10, §7.4 Filters)."""

from typing import Any

import pytest

from postroom.directory import mail_accounts, named_mailboxes
from postroom.directory.mail_accounts import Autoreply
from postroom.messages import answering, filtering, folders, labels, letters, mail_filters
from postroom.messages.items import Key
from postroom.messages.labels import NewLabel
from postroom.messages.letter_records import Letter
from postroom.messages.mail_filters import Action, Condition, NewFilter, Rule
from postroom.storage.store import Store
from postroom.storage.tables import due_filters
from tests.messages.conftest import NOW
from tests.messages.post_office import PostOffice
from tests.support import counted

READ = (Action(deed="mark_read"),)
TO_P4 = Condition(place="to", test="contains", value="p4@")


@pytest.fixture
def post(store: Store) -> PostOffice:
    return PostOffice(store)


@pytest.fixture
def sqlite_post(sqlite_store: Store) -> PostOffice:
    return PostOffice(sqlite_store)


def keep(post: PostOffice, *, user_id: int = 2, enabled: bool = True, **rule: Any) -> int:
    new = NewFilter(name="F", enabled=enabled, rule=Rule(**{"actions": READ, **rule}))
    return post.run(mail_filters.create, user_id, new).id


def act(post: PostOffice) -> int:
    return post.run(filtering.act_due, post.settings, post.store.vault, NOW, 100)


def is_for(post: PostOffice, key: Key, *conditions: tuple[Any, Any, str], user_id: int = 2, **rule: Any) -> bool:
    wanted = Rule(conditions=tuple(Condition(place=place, test=test, value=value) for place, test, value in conditions), **rule)
    found = post.run(filtering.standing, user_id, wanted, 10)
    reader = type(post.reader)(settings=post.settings, vault=post.store.vault, user_id=user_id)
    return key in [item.key for item in post.run(filtering.fitting, reader, wanted, found)]


@pytest.mark.parametrize(
    ("place", "value", "matches", "contains"),
    [
        ("from", "anna@uni.example", True, True),
        ("from", "ANNA@UNI.example", True, True),
        ("from", "Anna Nowak", True, True),
        ("from", '"Anna Nowak" <anna@uni.example>', True, True),
        ("from", "uni.example", False, True),
        ("from", "otto@uni.example", False, False),
        ("to", "otto@uni.example", True, True),
        ("to", "Carl", True, True),
        ("to", "carl@x.example", True, True),
        ("to", "dora@x.example", False, False),
        ("cc", "dora@x.example", True, True),
        ("cc", "dora", False, True),
        ("cc", "otto@uni.example", False, False),
        ("to_or_cc", "dora@x.example", True, True),
        ("to_or_cc", "otto@uni.example", True, True),
        ("to_or_cc", "emil@x.example", False, False),
        ("subject", "Hello  world", True, True),
        ("subject", "hello", False, True),
        ("subject", "bye", False, False),
    ],
)
def test_conditions(sqlite_post: PostOffice, place: Any, value: str, matches: bool, contains: bool) -> None:  # noqa: FBT001 - of the table
    """Whole, or a piece, in any case of letters: of the address, the name or both; hidden recipients are not looked at."""
    letter = Letter(
        sender="anna@uni.example",
        to=("otto@uni.example", '"Carl" <carl@x.example>'),
        cc=("dora@x.example",),
        bcc=("emil@x.example",),
        subject="Hello  world",
    )
    key = sqlite_post.came(2, sqlite_post.run(letters.send, sqlite_post.desk(1), letter).message_id)
    assert is_for(sqlite_post, key, (place, "matches", value)) is matches
    assert is_for(sqlite_post, key, (place, "not_matches", value)) is not matches
    assert is_for(sqlite_post, key, (place, "contains", value)) is contains
    assert is_for(sqlite_post, key, (place, "not_contains", value)) is not contains


def test_conditions_go_together(sqlite_post: PostOffice) -> None:
    """All, also where nothing is said, or any; a filter without a condition is for everything."""
    key = sqlite_post.came(2, sqlite_post.letter(1))
    right, wrong = ("subject", "matches", "hello"), ("subject", "matches", "bye")
    for combined, both, one in (("single", False, False), ("all", False, False), ("any", True, True)):
        assert is_for(sqlite_post, key, right, wrong, combined=combined) is both
        assert is_for(sqlite_post, key, wrong, right, combined=combined) is one
        assert is_for(sqlite_post, key, right, combined=combined)
        assert is_for(sqlite_post, key, combined=combined)


def test_where_and_by_which_address_messages_came(sqlite_post: PostOffice) -> None:
    """§4 applyTo: folders, accounts, and whether there are files; an account that is no more has no messages."""
    key = sqlite_post.came(2, sqlite_post.letter(1))
    account = sqlite_post.run(mail_accounts.named, 2, "otto@uni.example").id
    theirs = sqlite_post.run(mail_accounts.named, 1, "anna@uni.example").id
    assert is_for(sqlite_post, key, account_ids=(account,))
    assert is_for(sqlite_post, key, account_ids=(theirs, account))
    assert not is_for(sqlite_post, key, account_ids=(theirs,))
    assert is_for(sqlite_post, key, with_files=False)
    assert not is_for(sqlite_post, key, with_files=True)
    assert not is_for(sqlite_post, key, folders=("sent", "spam"))
    sqlite_post.move(2, key, to="spam")
    assert is_for(sqlite_post, key, folders=("spam",))


def test_actions(post: PostOffice) -> None:
    """Moved to a folder of one's own, labelled, important, read; what is gone is passed over and keeps nothing else from being done."""
    folder, label = post.folder(2, "Anna"), post.run(labels.create, 2, NewLabel(name="L"))
    gone = (Action(deed="label", label_id=99), Action(deed="move", folder="own", folder_id=99))
    move, mark = Action(deed="move", folder="own", folder_id=folder), Action(deed="mark_important")
    keep(post, actions=(*gone, move, Action(deed="label", label_id=label), mark, *READ))
    key = post.came(2, post.letter(1))
    assert act(post) == 1
    [item] = post.details(2, [key])
    assert (item.folder, item.folder_id, item.label_ids, item.important, item.unread) == ("own", folder, [label], True, False)
    assert post.run(folders.tree, 2)[0].count.messages == 1


def test_removed_messages_are_looked_at_by_no_other(post: PostOffice) -> None:
    keep(post, actions=(Action(deed="remove"),))
    keep(post, actions=(Action(deed="move", folder="trash"),))
    number = post.letter(1)
    assert act(post) == 1
    assert post.listed(2) == post.listed(2, folder="trash") == []
    assert len(post.listed(1, folder="sent")) == 1, f"{number} stays with its author"


def test_the_last_filter(sqlite_post: PostOffice) -> None:
    """§4 ignoreOther: only of what it was for itself."""
    keep(sqlite_post, conditions=(Condition(place="subject", test="matches", value="a"),), is_last=True)
    keep(sqlite_post, actions=(Action(deed="mark_important"),))
    first, second = (sqlite_post.came(2, sqlite_post.letter(1, subject=subject)) for subject in "ab")
    act(sqlite_post)
    shown = [(item.unread, item.important) for item in sqlite_post.details(2, [first, second])]
    assert shown == [(False, False), (True, True)]


def test_what_is_put_elsewhere_meanwhile_is_left_alone(sqlite_post: PostOffice) -> None:
    keep(sqlite_post)
    key = sqlite_post.came(2, sqlite_post.letter(1))
    sqlite_post.move(2, key, to="trash")
    assert act(sqlite_post) == 1
    assert sqlite_post.details(2, [key])[0].unread


def test_what_may_have_to_be_answered_is_left_until_then(post: PostOffice) -> None:
    """Who is away answers what a filter removes, too, however many answers there are and whichever worker sends them. No other waits."""
    keep(post, actions=(Action(deed="remove"),))
    keep(post, user_id=1, folders=("sent",))
    account = post.run(mail_accounts.named, 2, "otto@uni.example")
    post.run(mail_accounts.reply, 2, account.id, Autoreply(on=True, html="Away"))
    number = post.letter(1)
    post.run(mail_filters.await_sent, [number])
    assert (act(post), len(post.listed(2))) == (1, 1)
    post.run(answering.send_due, post.settings, post.store.vault, post.now, 10)
    assert (act(post), len(post.listed(2))) == (2, 0), "the letter, and the answer to it"
    assert len(post.listed(1)) == 1


def test_only_people_with_filters_are_waited_for(post: PostOffice) -> None:
    """Whose filters are off is like one who has none; a filter that is taken away meanwhile does nothing."""
    post.letter(1)
    keep(post, enabled=False)
    post.letter(1)
    assert post.rows(due_filters) == []
    number = keep(post)
    key = post.came(2, post.letter(1))
    post.run(mail_filters.remove, 1, number)
    post.run(mail_filters.remove, 2, number)
    assert act(post) == 1
    assert post.details(2, [key])[0].unread


def test_what_was_sent(post: PostOffice) -> None:
    """§1a.6 step 10; noted once, however often its end is told."""
    keep(post, user_id=1, folders=("sent",), actions=(Action(deed="mark_important"),))
    number = post.letter(1)
    for _ in range(2):
        post.run(mail_filters.await_sent, [number])
    assert act(post) == 1
    assert post.details(1, [Key(own=True, id=number)])[0].important


def test_private_messages_come_too(post: PostOffice) -> None:
    """Whichever dialect they are written in."""
    keep(post)
    post.write(1, 2)
    assert act(post) == 1
    assert post.count(2, "inbox")[1] == 0


def test_statements_do_not_grow_with_the_messages(sqlite_post: PostOffice) -> None:
    keep(sqlite_post)
    counts = []
    for many in (1, 20):
        for number in range(many):
            sqlite_post.letter(1, subject=f"No {number}")
        with counted(sqlite_post.store) as statements:
            assert act(sqlite_post) == many
        counts.append(len(statements))
    assert counts[0] == counts[1]


def test_a_long_header_is_read_once(sqlite_post: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many conditions look at it, of however many people: a letter may have 2,000 recipients, and each of them 200 filters."""
    others = [sqlite_post.person(f"P{n}", email=f"p{n}@uni.example") for n in range(5)]
    places = ("to", "cc", "to_or_cc", "to", "cc", "to_or_cc")
    looking = [*(Condition(place=place, test="contains", value="nobody@") for place in places), TO_P4]
    for user_id in others:
        for _ in range(2):
            keep(sqlite_post, user_id=user_id, conditions=tuple(looking), combined="any")
    number = sqlite_post.run(
        letters.send,
        sqlite_post.desk(1),
        Letter(sender="anna@uni.example", to=tuple(f"p{n}@uni.example" for n in range(5)), cc=("once@x.example",)),
    ).message_id
    read: list[str] = []
    split = named_mailboxes.split
    monkeypatch.setattr(named_mailboxes, "split", lambda written: read.append(written) or split(written))
    assert act(sqlite_post) == 5
    assert (len(read), len(set(read))) == (4, 2), "To, Cc, and both of them together"
    assert all(not sqlite_post.details(user_id, [sqlite_post.came(user_id, number)])[0].unread for user_id in others)
