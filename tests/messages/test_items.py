"""What stands in a person's mailbox, and as whom it shows (ONLYOFFICE contract §1b)."""

import pytest

from postroom.errors import NotFound
from postroom.messages import conversations, item_lists, items, letters
from postroom.messages.item_details import load
from postroom.messages.item_lists import Wanted
from postroom.messages.items import Key
from postroom.messages.letter_records import Letter
from postroom.storage.store import Store
from tests.messages.post_office import ADDRESSES, PostOffice, own
from tests.support import counted


@pytest.fixture
def post(store: Store) -> PostOffice:
    return PostOffice(store)


def test_each_folder_holds_what_belongs_there(post: PostOffice) -> None:
    sent = post.letter(1)
    draft, template = post.saved(1), post.saved(1, template=True)
    on_its_way = post.run(letters.send, post.desk(1), Letter(sender=ADDRESSES[1], to=("otto@uni.example",), subject="Slow"), 0).message_id
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


def test_nobody_sees_items_of_others(post: PostOffice) -> None:
    number = post.letter(1)
    draft = post.saved(1)
    for stranger, keys in ((post.third, [own(number), own(draft), post.came(2, number)]), (2, [own(number), own(draft)])):
        assert post.run(items.find, stranger, [*keys, Key(own=True, id=0), Key(own=False, id=2**40)]) == []
        for key in keys:
            with pytest.raises(NotFound):
                post.run(conversations.of_item, stranger, key, 10)
        assert post.run(conversations.of_items, stranger, keys) == []
    assert post.listed(post.third) == []


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
    numbers = post.talk(2)
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
        found, _ = post.run(item_lists.page, 1, Wanted(text="hello", unread=True), 0, 25)
        shown = post.run(load, post.reader, found)
    looked_up = post.store.database.dialect == "sqlite"  # the words of the query (search.find)
    assert (len(shown), len(statements)) == (25, 4 + looked_up)
    with counted(post.store) as statements:
        post.run(item_lists.heads, 1, Wanted(), 25)
    assert len(statements) == 1


def test_the_size_of_an_item_is_a_number(post: PostOffice) -> None:
    """Sums of PostgreSQL are decimals, which JSON shows as texts."""
    (item,) = post.details(1, [own(post.letter(1))])
    assert type(item.size) is int
