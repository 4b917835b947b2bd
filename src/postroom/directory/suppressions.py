"""The suppression list: addresses that get no mail, each with the reason, and until when.

An address stands there once, whatever its case. Entries come from hard bounces and complaints, from people (by hand) and
from files; one whose time is over counts as gone, and ``prune_expired`` clears it away. What the list does to a message
stands in ``messages.queueing``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, get_args

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Select,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
)

from postroom.directory import emails
from postroom.directory.inserting import insert_into
from postroom.directory.values import LARGEST_ID, check_line, chunks, one_line, storable
from postroom.errors import Invalid, NotFound
from postroom.storage import plain
from postroom.storage.database import Tx
from postroom.storage.tables import suppressions

Reason = Literal["hard_bounce", "complaint", "manual", "import"]

REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
MAX_DETAIL: Final = 500
"""Characters of ``detail``."""
LATEST: Final = 253_402_300_799_000
"""The last second of the year 9999: no entry ends later, other than never."""

_FEW: Final = 3

_WORDS: Final[Mapping[Reason, str]] = {
    "hard_bounce": "hard bounce",
    "complaint": "complaint",
    "manual": "added by hand",
    "import": "imported",
}

_s: Final = suppressions.c
_SAME_ADDRESS: Final = [func.lower(_s.email)]
_REPLACED: Final = ("email", "reason", "detail", "message_id", "created_at", "expires_at")
_GIVEN_END: Final[ColumnElement[int]] = literal_column("excluded.expires_at", BigInteger)
_HOLDS_LONGER: Final = or_(_GIVEN_END.is_(None), _s.expires_at <= _GIVEN_END)


class Suppression(Struct, frozen=True, kw_only=True):
    """One entry of the list; times in milliseconds."""

    id: int
    email: str
    reason: Reason
    detail: str
    """The words of the mail server, or of whoever added it."""
    message_id: int | None
    """Whose mail bounced."""
    created_at: int
    expires_at: int | None
    """``None``: until somebody removes it."""


_COLUMNS: Final = tuple(_s[name] for name in Suppression.__struct_fields__)


def suppress(tx: Tx, email: str, reason: Reason, detail: str, now: int, *, expires_at: int | None, message_id: int | None = None) -> None:
    """Put an address on the list for what happened to its mail; of two entries the one that holds longer stays.

    ``detail`` is foreign text: it is brought onto one line and cut. Raises ``Invalid("email")`` for what is no address.
    """
    values = {
        "email": _normal(email),
        "reason": reason,
        "detail": one_line(detail, MAX_DETAIL),
        "message_id": message_id,
        "created_at": now,
    }
    merge(tx, [values | {"expires_at": expires_at}])


def put(tx: Tx, email: str, reason: Reason, detail: str, now: int, *, expires_at: int | None) -> bool:
    """Put an address on the list by the hand of a person, in place of an earlier entry; tell whether there was none.

    Raises ``Invalid`` (``email``, ``detail``, ``expires_at`` that is not in the future) and ``TooLarge("detail")``.
    """
    if expires_at is not None and not now < expires_at <= LATEST:
        raise Invalid("expires_at", "a time in the future is needed, before the year 10000")
    values = {"email": _normal(email), "reason": reason, "detail": check_line("detail", detail, MAX_DETAIL), "created_at": now}
    new = tx.execute(select(_s.id).where(_is(email), _holds(now))).first() is None
    _upsert(tx, [values | {"message_id": None, "expires_at": expires_at}], true())
    return new


def merge(tx: Tx, entries: Sequence[Mapping[str, Any]]) -> int:
    """Put entries (rows with checked values, each address once) on the list where they hold as long as what is there; return how many do.

    One statement; for some hundreds of entries at most.
    """
    return _upsert(tx, entries, _HOLDS_LONGER)


def remove(tx: Tx, email: str, now: int) -> bool:
    """Take an address off the list; tell whether it was on it."""
    if not storable(email):
        return False
    gone = tx.execute(delete(suppressions).where(_is(email)).returning(_s.expires_at)).all()
    return any(row.expires_at is None or row.expires_at > now for row in gone)


def get(tx: Tx, email: str, now: int) -> Suppression:
    """Return the entry of an address. Raises ``NotFound("suppression", email)``."""
    row = tx.execute(select(*_COLUMNS).where(_is(email), _holds(now))).one_or_none() if storable(email) else None
    if row is None:
        raise NotFound("suppression", email)
    return Suppression(**row._asdict())


def page(tx: Tx, words: str, after: int, limit: int, now: int) -> list[Suppression]:
    """Return up to ``limit`` entries behind the number ``after``, by number, whose addresses hold each of the ``words``, in any case."""
    if not storable(words) or after > LARGEST_ID:
        return []
    wanted = [func.lower(_s.email).contains(word, autoescape=True) for word in words.lower().split()]
    rows = tx.execute(select(*_COLUMNS).where(_s.id > after, _holds(now), *wanted).order_by(_s.id).limit(limit))
    return [Suppression(**row._asdict()) for row in rows]


def size(tx: Tx) -> int:
    """Return how many entries are stored, those whose time is over included."""
    return int(tx.execute(select(func.count()).select_from(suppressions)).scalar_one())


def prune_expired(tx: Tx, now: int, limit: int) -> int:
    """Forget at most ``limit`` entries whose time is over; return how many were."""
    old = select(_s.id).where(_s.expires_at <= now).order_by(_s.expires_at).limit(limit)
    return tx.execute(delete(suppressions).where(_s.id.in_(old.scalar_subquery()))).rowcount


def is_suppressed(email: ColumnElement[Any], now: int | BindParameter[int]) -> ColumnElement[bool]:
    """Tell, in SQL, whether the address in a column is on the list: one look-up in an index for each row."""
    return exists().where(func.lower(_s.email) == func.lower(email), _holds(now))


def explanation(dialect: str, email: ColumnElement[Any], now: int | BindParameter[int]) -> ColumnElement[Any]:
    """Say, in SQL, why an address is on the list, null when it is not: ``suppression list: hard bounce on 2026-01-31: 550 …``."""
    return select(_words(dialect)).where(func.lower(_s.email) == func.lower(email), _holds(now)).scalar_subquery()


def explanations(tx: Tx, addresses: Iterable[str], now: int) -> dict[str, str]:
    """Say of those of the addresses that are on the list why they are; the keys are in lower case. One query for 500 addresses.

    For a few, of whom hardly ever one is on the list, one each that only asks whether it is.
    """
    found: dict[str, str] = {}
    asked = {address.lower() for address in addresses}
    if len(asked) <= _FEW:
        on_list = plain.run(tx, *((_ON_LIST, {"address": address, "now": now}) for address in asked))
        asked = {address for address, rows in zip(asked, on_list, strict=True) if rows}
    for some in chunks(asked):
        rows = tx.execute(_EXPLAINED[tx.dialect.name], {"addresses": some, "now": now})
        found.update({address: words for address, words in rows})  # noqa: C416 - dict() of rows loses the types
    return found


def _upsert(tx: Tx, entries: Sequence[Mapping[str, Any]], where: ColumnElement[bool]) -> int:
    statement = insert_into(tx, suppressions).values([dict(entry) for entry in entries])
    changed = statement.on_conflict_do_update(
        index_elements=_SAME_ADDRESS, set_={name: statement.excluded[name] for name in _REPLACED}, where=where
    )
    return len(tx.execute(changed.returning(_s.id)).all())


def _is(email: str) -> ColumnElement[bool]:
    return func.lower(_s.email) == (emails.normalise(email) or email).lower()


def _holds(now: int | ColumnElement[int]) -> ColumnElement[bool]:
    return or_(_s.expires_at == null(), _s.expires_at > now)


def _words(dialect: str) -> ColumnElement[str]:
    said = case((_s.detail == "", ""), else_=": " + _s.detail)
    return "suppression list: " + case(_WORDS, value=_s.reason) + " on " + _day(dialect) + said


def _day(dialect: str) -> ColumnElement[str]:
    seconds = _s.created_at // 1000
    if dialect == "postgresql":
        return func.to_char(func.timezone("UTC", func.to_timestamp(seconds)), "YYYY-MM-DD")
    return func.date(seconds, "unixepoch")


def _explained(dialect: str) -> Select[Any]:
    on_list = func.lower(_s.email).in_(bindparam("addresses", expanding=True))
    return select(func.lower(_s.email), _words(dialect)).where(on_list, _holds(bindparam("now")))


_EXPLAINED: Final = {dialect: _explained(dialect) for dialect in ("sqlite", "postgresql")}
"""Built once: each message of a program asks it, and building it costs more than asking."""

_ON_LIST: Final = plain.compiled(lambda _: select(_s.id).where(func.lower(_s.email) == bindparam("address"), _holds(bindparam("now"))))


def _normal(email: str) -> str:
    normal = emails.normalise(email)
    if normal is None:
        raise Invalid("email", "not an address")
    return normal
