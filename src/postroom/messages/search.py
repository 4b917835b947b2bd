"""Finding messages by their words: subject, text, whom they are from and whom they went to.

Each message is one document, whoever has it. Its words are folded (``directory.names``), each with a letter in front that says where
it stands, so that both databases need nothing but an index of words: FTS5 on SQLite, GIN on PostgreSQL. A word of a query fits every word
that it begins: ``nowak`` finds *Nowakowska*, ``owak`` does not (our choice; the contract's look for any piece of a text costs a look
at every message). All words of a query have to fit.

Nobody finds a message by a hidden recipient but its author. Whoever writes messages calls ``index`` once their rolls are made.
"""

import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    Row,
    Select,
    any_,
    bindparam,
    cast,
    column,
    delete,
    func,
    literal,
    literal_column,
    select,
    table,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY

from postroom.directory import names, people
from postroom.directory.records import Mailbox
from postroom.messages import letter_records, options
from postroom.messages.letter_records import LetterOptions
from postroom.storage import bulk, plain
from postroom.storage.database import Tx
from postroom.storage.tables import institutional_addresses, message_words, messages, recipients, unindexed_messages, users

MAX_QUERY: Final = 200
"""Characters of a query that count."""
MAX_WORDS: Final = 8
"""Words of a query that count."""

MAX_FOUND: Final = 1_000
"""Messages of a person that a query finds."""

_MAX_FOLLOWED: Final = 100
"""Words of the index with one beginning that a search on SQLite follows each on its own."""

_MAX_TEXT: Final = 50_000
"""Characters of a text in which it is found."""
_MAX_NAMED: Final = 100
"""Recipients of a message by whom it is found; a letter is by all."""

_MAX_DOCUMENT: Final = 500_000
"""Bytes of the words of a message: PostgreSQL takes no more than a megabyte. Only very long names in a header come to as much."""

WRITTEN: Final = "t"
"""In front of words of subject and text; of the author; of To and Cc; and of recipients whom only the author may know of."""
SENDER: Final = "s"
NAMED: Final = "n"
HIDDEN: Final = "h"
_PERSON: Final = "p"
"""In front of the number of a person who has the message, so that a search reads nothing but the person's own; else ``_MANY``."""
_MANY: Final = "many"

_TAG: Final = re.compile(r"<(?:style|script)\b.*?(?:</(?:style|script)\s*>|$)|<!--.*?(?:-->|$)|<[^<>]*>", re.IGNORECASE | re.DOTALL)

_ATOM: Final = r"[^\s@<>()\[\]\"',;:]"
_ADDRESS: Final = re.compile(rf"(?<!{_ATOM}){_ATOM}+@{_ATOM}+")
"""It begins where a word does: else every place of a long word without an address would be tried."""
_WORD: Final = re.compile(r"[^\W_]+")
_JOINT: Final = "·"
_LONGEST: Final = 100

_index: Final = table("message_index", column("rowid"))

_KNOWN_WORDS: Final = text("""
WITH RECURSIVE reached (beginning, word, place) AS (
    SELECT value, (SELECT term FROM message_index_words WHERE term >= value LIMIT 1), 1 FROM json_each(:beginnings)
    UNION ALL
    SELECT beginning, (SELECT term FROM message_index_words WHERE term >= reached.word || char(1) LIMIT 1), place + 1 FROM reached
    WHERE word < beginning || char(1114111) AND place < :most
)
SELECT beginning, word FROM reached WHERE word < beginning || char(1114111)
""")
"""The words of SQLite's index that have one of these beginnings, at most so many of each: from word to next word, whatever they are in."""

_m: Final = messages.c
_r: Final = recipients.c


def text_of(content: str, content_format: str) -> str:
    """Return what one reads of a text: of HTML all but its tags, and all on one line."""
    said = html.unescape(_TAG.sub(" ", content)) if content_format == "html" else content
    return " ".join(said.split())


def index(tx: Tx, message_ids: Sequence[int], *, again: bool = False) -> None:
    """Make messages, at most 500, found by what they are now; ``again``: they were found by something else before.

    Three statements, or four.
    """
    if again:
        tx.execute(delete(message_words).where(message_words.c.message_id.in_(message_ids)))
    rows = tx.execute(_SAID, {"messages": message_ids}).all()
    rolls = _rolls(tx, message_ids)
    documents = [{"message_id": row.id, "words": _document(row, rolls.get(row.id, []))} for row in rows]
    bulk.insert_rows(tx, message_words, documents)


def index_older(tx: Tx, limit: int) -> int:
    """Index the newest ``limit`` (500 at most) of the messages that were there before the index; return how many there were.

    Any number of workers may call this at the same time.
    """
    number = unindexed_messages.c.message_id
    newest = select(number).order_by(number.desc()).limit(limit).with_for_update(skip_locked=True)
    numbers = list(tx.scalars(newest))
    if numbers:
        tx.execute(delete(unindexed_messages).where(number.in_(numbers)))
        index(tx, numbers, again=True)  # whoever saved one meanwhile has indexed it
    return len(numbers)


def find(tx: Tx, user_id: int, query: str, where: str) -> list[int]:
    """Return the numbers of messages that have all the words of a query in one of the places, at most the newest 1,000 of the person's.

    Messages of others may be among them. ``where``: the letters of the places, such as ``WRITTEN + SENDER``. A query of no word finds
    nothing. One statement; on SQLite two.
    """
    wanted = _words_of(query[:MAX_QUERY])[:MAX_WORDS]
    if not wanted:
        return []
    of_person = (f"{_PERSON}{user_id}", f"{_PERSON}{_MANY}")
    if tx.dialect.name == "sqlite":
        words = _matched(tx, wanted, where)
        match = " AND ".join([*words, "({})".format(" OR ".join(f'"{person}"' for person in of_person))])
        found = select(_index.c.rowid).where(literal_column(_index.name).op("MATCH")(match)).order_by(_index.c.rowid.desc())
    else:
        words = ["({})".format(" | ".join(f"'{place}{word}':*" for place in where)) for word in wanted]
        match = " & ".join([*words, "({})".format(" | ".join(f"'{person}'" for person in of_person))])
        # PostgreSQL knows how frequent words are: it looks for rare ones in their index, and reads the newest messages for others.
        plain.plan_anew(tx)
        number = message_words.c.message_id
        found = select(number).where(message_words.c.words.bool_op("@@")(cast(match, TSQUERY))).order_by(number.desc())
    return list(tx.scalars(found.limit(MAX_FOUND)))


def _matched(tx: Tx, wanted: Sequence[str], where: str) -> list[str]:
    """Return for each word of a query what FTS5 is to match.

    A beginning makes FTS5 read everything of all words that begin so before it tells the first message; whole words it follows from the
    newest message on, as far as it is asked. So beginnings stand in a query only if more words begin so than are worth following.
    """
    beginnings = [f"{place}{word}" for word in wanted for place in where]
    known: dict[str, list[str]] = {beginning: [] for beginning in beginnings}
    for beginning, word in tx.execute(_KNOWN_WORDS, {"beginnings": json.dumps(beginnings), "most": _MAX_FOLLOWED + 1}):
        known[beginning].append(f'"{word}"')
    for beginning, begun in known.items():
        if len(begun) > _MAX_FOLLOWED or not begun:
            known[beginning] = [f'"{beginning}" *']
    return ["({})".format(" OR ".join(one for place in where for one in known[f"{place}{word}"])) for word in wanted]


def is_among(tx: Tx, message_id: ColumnElement[int], numbers: Sequence[int]) -> ColumnElement[bool]:
    """Return, in SQL, whether a message is one of many, given as one value."""
    if tx.dialect.name == "sqlite":
        return message_id.in_(select(func.json_each(json.dumps(numbers)).table_valued("value").c.value))
    return message_id == any_(literal(numbers, ARRAY(Integer)))


def document(said: str, sender: str, named: Iterable[str], hidden: Iterable[str] = (), *, person_ids: Iterable[int] | None) -> str:
    """Return the words by which a message is found, as the index keeps them; ``person_ids``: who has it, ``None``: many.

    Of a message of very many words the first ones count, those of the last recipients not.
    """
    listed = [*((NAMED, one) for one in named), *((HIDDEN, one) for one in hidden)]
    every = ((WRITTEN, said), (SENDER, sender), *listed)
    persons = [_MANY] if person_ids is None else map(str, person_ids)
    words = dict.fromkeys(f"{place}{word}" for place, written in every for word in _words_in(written))
    return " ".join((*_first(words), *(f"{_PERSON}{person}" for person in persons)))


def _first(words: Iterable[str]) -> Iterator[str]:
    left = _MAX_DOCUMENT
    for word in words:
        left -= len(word.encode()) + 1
        if left < 0:
            return
        yield word


def _words_in(written: str) -> list[str]:
    """Return the words of a text; an address is a word, too, besides those that it is made of."""
    return [*names.words_of(written), *map(_joined, _ADDRESS.findall(written))]


def _words_of(query: str) -> list[str]:
    """Return the words of a query, in which what looks like the beginning of an address is one."""
    words: list[str] = []
    for piece in query.split():
        words += [_joined(piece)] if _ADDRESS.fullmatch(piece) else names.words_of(piece)
    return list(dict.fromkeys(words))


def _joined(address: str) -> str:
    """Return an address as one word: its parts, and between them a sign that no word has and at which no index parts them."""
    return _JOINT.join(_WORD.findall(names.fold(address)))[:_LONGEST]


def _said() -> Select[Any]:
    a = institutional_addresses.c
    columns = (
        _m.id,
        _m.author_id,
        _m.subject,
        func.substr(_m.content, 1, _MAX_TEXT).label("content"),
        _m.content_format,
        _m.shared,
        _m.letter,
        _m.options,
        _m.mail,
        func.coalesce(a.name, people.full_name()).label("name"),
        func.coalesce(a.email, users.c.email, users.c.alt_email, "").label("email"),
    )
    source = messages.outerjoin(users, users.c.id == _m.author_id).outerjoin(institutional_addresses, a.id == _m.from_address_id)
    return select(*columns).select_from(source).where(_m.id.in_(bindparam("messages", expanding=True))).order_by(_m.id)


def _line() -> Select[Any]:
    name, email = func.coalesce(_r.name, people.full_name()).label("name"), func.coalesce(_r.email, users.c.email, "").label("email")
    lines = select(_r.id, _r.message_id, _r.user_id, _r.role, name, email)
    return lines.select_from(recipients.outerjoin(users, users.c.id == _r.user_id)).order_by(_r.id).limit(_MAX_NAMED + 1)


_SAID: Final = _said()
_LINES: Final = _line()
_LINES_OF_ONE: Final = _LINES.where(_r.message_id == bindparam("message"))


def _rolls(tx: Tx, message_ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    """Return the beginning of the roll of each message."""
    if len(message_ids) == 1:
        found = tx.execute(_LINES_OF_ONE, {"message": message_ids[0]})
    else:
        found = tx.execute(union_all(*(select(_LINES.where(_r.message_id == number).subquery()) for number in message_ids)))
    rolls: dict[int, list[Row[Any]]] = {}
    for line in found:
        rolls.setdefault(line.message_id, []).append(line)
    return rolls


def _document(row: Row[Any], roll: list[Row[Any]]) -> str:
    kept = letter_records.decoded(row.options) if row.letter else LetterOptions(sender=Mailbox(row.name, row.email))
    named, hidden = [*kept.to, *kept.cc], [*kept.bcc]
    for line in [] if row.letter else roll[:_MAX_NAMED]:
        (named if row.shared and line.role != "bcc" else hidden).append(f"{line.name} {line.email}")
    said = f"{row.subject} {text_of(row.content, row.content_format)}"
    persons = {row.author_id, *(line.user_id for line in roll)} - {None}
    sender = kept.sender if row.letter else options.decoded(row.mail).sender or kept.sender
    return document(
        said,
        f"{sender.name} {sender.email}",
        named,
        hidden,
        person_ids=sorted(persons) if len(roll) <= _MAX_NAMED else None,
    )
