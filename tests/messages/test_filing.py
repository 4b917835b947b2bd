"""Putting items elsewhere and back, marking them, and counting what is where (ONLYOFFICE contract §1b, §7.4)."""

import random
from functools import partial

import pytest
from sqlalchemy import select

from postroom.errors import Invalid, NotFound
from postroom.messages import filing, folders, items, mailboxes
from postroom.messages.items import Key
from postroom.storage.store import Store
from postroom.storage.tables import messages, recipients
from tests.messages.post_office import PostOffice, own
from tests.messages.school import at_once
from tests.support import counted, plans


@pytest.fixture
def post(store: Store) -> PostOffice:
    return PostOffice(store)


def restore(post: PostOffice, user_id: int, *keys: Key) -> None:
    post.run(filing.restore, user_id, keys, post.now)


def test_the_trash_is_deleted_for_other_dialects_and_comes_back(post: PostOffice) -> None:
    number = post.letter(2, "anna@uni.example")
    key = post.came(1, number)
    post.move(1, key, to="trash")
    assert (post.inbox(1), post.unread(1)) == ([], 0)
    assert (post.listed(1), post.listed(1, folder="trash")) == ([], [key])
    assert post.details(1, [key])[0].folder == "trash"
    restore(post, 1, key)
    assert [line.message_id for line in post.inbox(1)] == [number]
    assert (post.listed(1), post.listed(1, folder="trash")) == ([key], [])
    assert post.listed(2, folder="sent") == [own(number)], "for the author nothing has changed"


@pytest.mark.parametrize("folder", ["trash", "spam"])
def test_everything_goes_back_where_it_belongs(post: PostOffice, folder: str) -> None:
    keys = [own(post.letter(1)), own(post.saved(1)), own(post.saved(1, template=True)), post.came(1, post.letter(2, "anna@uni.example"))]
    post.move(1, *keys, to=folder)
    assert sorted(post.listed(1, folder=folder)) == sorted(keys)
    restore(post, 1, *keys)
    assert [post.listed(1, folder=home) for home in ("sent", "drafts", "templates", "inbox")] == [[key] for key in keys]


def test_what_was_removed_is_gone_for_this_person_alone(post: PostOffice) -> None:
    number = post.letter(1)
    post.run(filing.remove, 2, [post.came(2, number)], post.now)
    assert post.run(items.find, 2, [post.came(2, number)]) == []
    restore(post, 2, post.came(2, number))
    assert (post.listed(2), post.listed(1, folder="sent")) == ([], [own(number)])
    post.run(filing.remove, 1, [own(number)], post.now)
    assert post.listed(1, folder="sent") == []


def test_what_another_dialect_deletes_is_gone_here(post: PostOffice) -> None:
    numbers = post.talk(3)
    folder = post.folder(1, "Plans")
    trashed, filed = post.came(1, numbers[0]), post.came(1, numbers[2])
    post.move(1, trashed, to="trash")
    post.move(1, filed, to="own", folder_id=folder)
    post.run(mailboxes.delete, 1, numbers[0], post.now)
    assert post.listed(1, folder="own", folder_id=folder) == post.listed(1, folder="sent") == []
    assert post.listed(1, folder="trash") == [trashed], "what lies in the trash was deleted before"


def test_a_folder_of_ones_own(post: PostOffice) -> None:
    """§7.4 UserFolderEngineTests: between own and other folders, with all counters."""
    numbers = post.talk(2)
    folder = post.folder(1, "Plans")
    keys = [post.came(1, numbers[0]), own(numbers[1])]
    post.move(1, *keys, to="own", folder_id=folder)
    assert sorted(post.listed(1, folder="own", folder_id=folder)) == sorted(keys)
    assert (post.count(1, "inbox"), post.count(1, "sent"), post.count(1, "own")) == ((0, 0, 0, 0), (0, 0, 0, 0), (2, 1, 1, 1))
    assert [line.message_id for line in post.inbox(1)] == [numbers[0]], "other dialects know no folders"
    restore(post, 1, *keys)
    assert (post.count(1, "inbox"), post.count(1, "sent"), post.count(1, "own")) == ((1, 1, 1, 1), (1, 0, 1, 0), (0, 0, 0, 0))


def test_nobody_files_into_folders_of_others_or_into_sending(post: PostOffice) -> None:
    key = own(post.letter(1))
    theirs = post.folder(2, "Theirs")
    for wrong in (theirs, 77, 0, 2**40):
        with pytest.raises(NotFound):
            post.move(1, key, to="own", folder_id=wrong)
    with pytest.raises(Invalid):
        post.move(1, key, to="sending")
    assert post.listed(1, folder="sent") == [key]


def test_nobody_touches_items_of_others(post: PostOffice) -> None:
    number, draft = post.letter(1), post.saved(1)
    keys = [own(number), own(draft), post.came(2, number), Key(own=False, id=99), Key(own=True, id=2**33)]
    before = [post.rows(table) for table in (messages, recipients)]
    for folder in ("trash", "spam", "inbox"):
        post.move(post.third, *keys, to=folder)
    post.run(filing.remove, post.third, keys, post.now)
    post.run(filing.mark_read, post.third, keys, post.now, read=True)
    post.run(filing.mark_important, post.third, keys, important=True)
    assert [post.rows(table) for table in (messages, recipients)] == before


def test_marking(post: PostOffice) -> None:
    """§7.4: read, unread and important, of what came; what oneself wrote is never unread."""
    number = post.letter(2, "anna@uni.example")
    key, mine = post.came(1, number), own(post.letter(1))
    post.run(filing.mark_read, 1, [key, mine], 5, read=True)
    post.run(filing.mark_read, 1, [key], 9, read=True)
    assert post.rows(recipients, recipients.c.id == key.id)[0].read_at == 5
    assert (post.listed(1, unread=True), post.count(1, "inbox")) == ([], (1, 0, 1, 0))
    post.run(filing.mark_read, 1, [key, mine], 9, read=False)
    assert (post.listed(1, unread=True), post.listed(1, folder="sent", unread=True)) == ([key], [])
    post.run(filing.mark_important, 1, [key, mine], important=True)
    assert [item.important for item in post.details(1, [key, mine])] == [True, True]
    assert post.details(2, [own(number)])[0].important is False
    post.run(filing.mark_important, 1, [key], important=False)
    assert post.listed(1, important=True) == []


def test_counters(post: PostOffice) -> None:
    """§7.3.1: drafts are no conversations. §7.4: removing everything brings the counters to 0."""
    numbers = post.talk(4)
    post.saved(1)
    assert post.count(1, "inbox") == (2, 2, 1, 1)
    assert post.count(1, "sent") == (2, 0, 1, 0)
    assert post.count(1, "drafts") == (1, 0, 0, 0)
    keys = [post.came(1, numbers[0]), post.came(1, numbers[2])]
    post.move(1, keys[0], to="trash")
    assert (post.count(1, "inbox"), post.count(1, "trash")) == ((1, 1, 1, 1), (1, 1, 1, 1))
    post.run(filing.remove, 1, keys, post.now)
    assert (post.count(1, "inbox"), post.count(1, "trash")) == ((0, 0, 0, 0), (0, 0, 0, 0))


def test_one_message_stands_for_its_thread_whatever_is_filed(post: PostOffice) -> None:
    """The invariant of ``threads``, over anything that people do with what they have."""
    dice = random.Random(7)
    numbers = [*post.talk(6, "One"), *post.talk(5, "Two")]
    folder = post.folder(1, "F")
    keys = [post.came(1, number) if _came_to_anna(post, number) else own(number) for number in numbers]
    for step in range(60):
        some = dice.sample(keys, dice.randint(1, 4))
        match dice.randint(0, 4):
            case 0:
                post.move(1, *some, to="own", folder_id=folder)
            case 1:
                restore(post, 1, *some)
            case 2 if step > 40:
                post.run(filing.remove, 1, some[:1], post.now)
            case _:
                post.move(1, *some, to=dice.choice(["trash", "spam"]))
        assert post.standing(1) == post.newest(1)
    assert post.standing(2) == post.newest(2)


def _came_to_anna(post: PostOffice, number: int) -> bool:
    return bool(post.rows(messages, messages.c.id == number)[0].author_id == 2)


def test_the_number_of_statements_does_not_depend_on_the_number_of_items(post: PostOffice) -> None:
    keys = [post.came(1, post.letter(2, "anna@uni.example")) for _ in range(20)]
    lengths = []
    for some in (keys[:1], keys):
        with counted(post.store) as statements:
            post.move(1, *some, to="trash")
        lengths.append(len(statements))
    assert lengths[0] == lengths[1] <= 7


# -- the tree --------------------------------------------------------------------------------------------------------


def names(post: PostOffice, user_id: int = 1) -> dict[str, int]:
    return {folder.name: folder.parent_id for folder in post.run(folders.tree, user_id)}


def test_the_rules_of_the_tree(post: PostOffice) -> None:
    """§7.4: duplicate and empty names, a parent that is not there, a folder in itself."""
    top = post.folder(1, " Plans ")
    inner = post.folder(1, "Old", top)
    post.folder(2, "Plans")
    theirs = post.folder(2, "Theirs")
    for name, parent, error in (
        ("plans", 0, "exists"),
        ("OLD", top, "exists"),
        ("  ", 0, "required"),
        ("x\ny", 0, "name"),
        ("x" * 256, 0, "name"),
        ("New", 99, "99"),
        ("New", theirs, str(theirs)),
    ):
        with pytest.raises(Exception, match=error):
            post.folder(1, name, parent)
    change = lambda number, name, parent: post.run(folders.change, 1, number, name, parent, 5)  # noqa: E731
    for number, name, parent, error in (
        (top, "Plans", top, "itself"),
        (top, "Plans", inner, "itself"),
        (theirs, "Mine", 0, str(theirs)),
        (inner, "Plans", 0, "exists"),
    ):
        with pytest.raises(Exception, match=error):
            change(number, name, parent)
    assert names(post) == {"Plans": 0, "Old": top}
    change(inner, "Older", 0)
    change(top, "PLANS", inner)
    assert names(post) == {"PLANS": inner, "Older": 0}
    assert [folder.folders for folder in post.run(folders.tree, 1)] == [0, 1]
    assert [folder.id for folder in post.run(folders.tree, 1, parent_id=0)] == [inner]
    assert [folder.id for folder in post.run(folders.tree, 1, ids=[top, theirs])] == [top]


def test_removing_a_folder_puts_what_it_held_into_the_trash(post: PostOffice) -> None:
    """§1b DELETE userfolders: with the folders in it."""
    numbers = post.talk(2)
    top = post.folder(1, "Plans")
    inner = post.folder(1, "Old", top)
    keys = [post.came(1, numbers[0]), own(numbers[1])]
    post.move(1, keys[0], to="own", folder_id=inner)
    post.move(1, keys[1], to="own", folder_id=top)
    with pytest.raises(NotFound):
        post.run(folders.remove, 2, top, 5)
    post.run(folders.remove, 1, top, post.now)
    assert names(post) == {}
    assert sorted(post.listed(1, folder="trash")) == sorted(keys)
    assert post.standing(1) == post.newest(1)


def test_a_removed_folder_may_have_held_what_was_deleted_elsewhere(post: PostOffice) -> None:
    number = post.letter(2, "anna@uni.example")
    folder = post.folder(1, "Plans")
    post.move(1, post.came(1, number), to="own", folder_id=folder)
    post.run(mailboxes.delete, 1, number, post.now)
    post.run(folders.remove, 1, folder, post.now)
    assert post.listed(1, folder="trash") == []
    assert post.run(lambda tx: tx.scalars(select(recipients.c.folder_id)).all()) == [None]


def test_emptying_the_trash(post: PostOffice) -> None:
    """§1b DELETE folders: one of the two, and nobody else's."""
    number = post.letter(2, "anna@uni.example")
    keys = [post.came(1, number), own(post.saved(1)), own(post.letter(1))]
    post.move(1, *keys[:2], to="trash")
    post.move(1, keys[2], to="spam")
    post.move(2, own(number), to="trash")
    post.run(filing.empty, 1, "trash")
    assert (post.listed(1, folder="trash"), post.listed(1, folder="spam"), post.listed(2, folder="trash")) == ([], keys[2:], [own(number)])
    assert [one.key for one in post.run(items.find, 1, keys)] == keys[2:]


def test_a_conversation_counts_where_it_has_something(post: PostOffice) -> None:
    """Whatever stands for the thread: one that lies in two folders counts in both."""
    numbers = post.talk(5)
    folder = post.folder(1, "Plans")
    post.talk(1, "Other")
    newest = post.came(1, numbers[4])
    post.move(1, newest, to="own", folder_id=folder)
    assert (post.count(1, "inbox"), post.count(1, "own")) == ((3, 3, 2, 2), (1, 1, 1, 1))
    post.move(1, post.came(1, numbers[0]), post.came(1, numbers[2]), to="own", folder_id=folder)
    assert (post.count(1, "inbox"), post.count(1, "own")) == ((1, 1, 1, 1), (3, 3, 1, 1))
    post.run(filing.mark_read, 1, [newest], 5, read=True)
    assert (post.count(1, "own"), post.count(1, "sent")) == ((3, 2, 1, 1), (2, 0, 1, 0))


def test_counting_takes_a_few_statements(post: PostOffice) -> None:
    with counted(post.store) as statements:
        post.run(folders.counts, 1)
    assert len(statements) == 4


def test_counting_reads_nothing_twice(post: PostOffice) -> None:
    """Whether the inbox has something of a conversation that was put elsewhere is looked up by number: thousands may be elsewhere."""
    folder = post.folder(1, "Plans")
    for _ in range(40):
        post.move(1, post.came(1, post.letter(2, "anna@uni.example")), to="own", folder_id=folder)
    _, inbox, _, elsewhere = post.run(plans, folders.counts, 1)
    assert "ix_recipients_inbox" in inbox
    assert "ix_recipients_folder_id" in elsewhere
    assert "ix_recipients_mailbox" not in elsewhere


def test_a_folder_that_goes_while_something_is_put_into_it(post: PostOffice) -> None:
    """What came first goes to the trash with it; what comes later finds none. Nobody gets an error of the database."""
    keys = [post.came(1, post.letter(2, "anna@uni.example")), own(post.letter(1))]
    for turn in range(8):
        folder = post.folder(1, f"Plans {turn}")
        failed = at_once(
            partial(post.run, filing.move, 1, keys, "own", post.now, folder_id=folder),
            partial(post.run, folders.remove, 1, folder, post.now),
        )
        assert {type(error) for error in failed} <= {NotFound}
        assert post.listed(1, folder="own") == []
        restore(post, 1, *keys)
