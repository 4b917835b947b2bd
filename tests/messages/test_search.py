"""Finding messages by their words (messages/search)."""

import time

import pytest
from sqlalchemy import delete, insert, select

from postroom.messages import search
from postroom.storage.store import Store
from postroom.storage.tables import message_words, messages, unindexed_messages
from tests.messages.post_office import PostOffice, own
from tests.support import counted

ANYWHERE = search.WRITTEN + search.SENDER + search.NAMED


@pytest.fixture
def post(store: Store) -> PostOffice:
    return PostOffice(store)


def found(post: PostOffice, user_id: int, query: str, where: str = ANYWHERE) -> list[int]:
    return post.run(search.find, user_id, query, where)


def test_the_text_of_html_is_what_one_reads() -> None:
    page = "<p>One<br>two &amp; <b>three</b></p><style>p {}</style><!-- four --><script>five()"
    assert search.text_of(page, "html") == "One two & three"
    assert search.text_of("a <b> c", "plain") == "a <b> c"


@pytest.mark.parametrize(
    "hostile",
    ["<" * 200_000, "<!--" * 50_000, "<style" * 30_000, "<a " * 60_000, "&#" * 100_000, "x" * 200_000, "a@" * 100_000, "@" * 200_000],
)
def test_no_text_takes_long_to_read(hostile: str) -> None:
    """Nor to be taken apart into words: whoever sends holds up everybody meanwhile."""
    began = time.process_time()
    search.document(search.text_of(hostile, "html"), "anna@uni.example", [], person_ids=[1])
    assert time.process_time() - began < 1


def test_an_address_is_a_word(post: PostOffice) -> None:
    """Whole, or its beginning; and so are its parts."""
    number = post.letter(1, "Bob <bob.b+x@deep.x.example>")
    for query in ("bob.b+x@deep.x.example", "BOB.B+X@deep", "deep example", "bob"):
        assert found(post, 1, query) == [number], query
    for query in ("b+x@deep", "bob.b+x@x.example", "eep"):
        assert found(post, 1, query) == [], query
    assert found(post, 1, "bob", search.SENDER) == []


@pytest.mark.parametrize("query", ["", "  ", "?!", '"', "')", "@", "z@", "@z", "* OR x", "NEAR(", "\0", "'word':*", "\\", "ß", "·"])
def test_any_query_is_answered(post: PostOffice, query: str) -> None:
    """Nothing that people write is taken for the language of an index."""
    post.letter(1, subject="Something")
    assert found(post, 1, query) == []


@pytest.mark.parametrize("followed", [0, 2, 100])
def test_a_beginning_finds_the_same_however_many_words_begin_so(post: PostOffice, monkeypatch: pytest.MonkeyPatch, followed: int) -> None:
    """On SQLite words are followed one by one up to a number, and together beyond it."""
    monkeypatch.setattr(search, "_MAX_FOLLOWED", followed)
    subjects = ("żar", "żaba", "żabami", "żabka dom", "\U0010ffff żab", "other")
    numbers = [post.letter(1, subject=subject) for subject in subjects]
    for query, places in (("żab", (4, 3, 2, 1)), ("ża", (4, 3, 2, 1, 0)), ("żabam", (2,)), ("żab do", (3,)), ("żab qu", ()), ("żabz", ())):
        assert found(post, 1, query) == [numbers[place] for place in places], query


def test_the_words_of_a_query_take_no_statement_each(post: PostOffice) -> None:
    for query in ("hello", "hello bob b@x.example he wor"):
        with counted(post.store) as statements:
            found(post, 1, query)
        assert len(statements) == (2 if post.store.database.dialect == "sqlite" else 1)


def test_long_queries_are_cut(post: PostOffice) -> None:
    number = post.letter(1, subject="Something")
    assert found(post, 1, f"something {' ' * search.MAX_QUERY}nothing") == [number]
    assert found(post, 1, "so som some somet someth somethi somethin something nothing") == [number]


def test_a_search_reads_what_the_person_has(post: PostOffice) -> None:
    number = post.letter(1)
    assert [found(post, reader, "hello") for reader in (1, 2, post.third)] == [[number], [number], []]
    crowd = [post.person(f"P{place}") for place in range(101)]
    many = post.mail(1, user_ids=crowd, subject="To many")
    assert found(post, crowd[0], "many") == [many]
    assert post.listed(post.third, text="many") == [], "the index cannot tell, the list does"


def test_of_many_the_newest_are_found(post: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_FOUND", 2)
    numbers = [post.letter(1) for _ in range(3)]
    assert found(post, 1, "hello") == numbers[:0:-1]


def test_what_is_deleted_is_found_no_more(post: PostOffice) -> None:
    """The index goes with the message, on both databases."""
    number = post.letter(1)
    post.run(lambda tx: tx.execute(delete(messages).where(messages.c.id == number)) and None)
    assert post.run(lambda tx: list(tx.scalars(select(message_words.c.message_id)))) == []
    again = post.letter(1, subject="Other")
    assert (found(post, 1, "hello"), found(post, 1, "other")) == ([], [again])


def test_the_number_of_statements_does_not_depend_on_the_number_of_messages(post: PostOffice) -> None:
    numbers = [post.letter(1) for _ in range(20)]
    for some in (numbers[:1], numbers):
        with counted(post.store) as statements:
            post.run(search.index, some, again=True)
        assert len(statements) == 4 + len([one for one in statements if one.startswith("COPY")])
    assert post.listed(1, folder="sent", text="hello") == [own(number) for number in reversed(numbers)]


def test_messages_from_before_the_index_are_found_in_the_end(post: PostOffice) -> None:
    """A few at a time, the newest first; one that was saved anew meanwhile is found by what it is now."""
    numbers = [post.letter(1, subject=f"Oldtimer {place}") for place in range(3)]
    post.run(lambda tx: tx.execute(delete(message_words)) and None)
    post.run(lambda tx: tx.execute(insert(unindexed_messages), [{"message_id": number} for number in numbers]) and None)
    post.run(search.index, numbers[2:])
    assert found(post, 1, "oldtimer") == numbers[2:]
    assert post.run(search.index_older, 2) == 2
    assert found(post, 1, "oldtimer") == [numbers[2], numbers[1]]
    assert [post.run(search.index_older, 2) for _ in range(2)] == [1, 0]
    assert found(post, 1, "oldtimer") == numbers[::-1]


def test_a_header_of_very_long_names_can_be_indexed(post: PostOffice) -> None:
    """PostgreSQL indexes no more than a megabyte: subject, text and the first recipients are found then, and whoever has the message."""
    addresses = tuple('"{}" <p{}@x.example>'.format(" ".join(f"Ł{n}x{m}".ljust(48, "x") for m in range(18)), n) for n in range(1_200))
    number = post.letter(1, to="otto@uni.example", cc=addresses, subject="Something")
    for query in ("something there", "otto", "p1@x.example"):
        assert found(post, 1, query) == found(post, 2, query) == [number], query
    assert found(post, 1, "p1199@x.example") == []
