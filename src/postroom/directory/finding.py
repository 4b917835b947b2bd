"""Looking the directory up: which number stands for whom, in the API and in the commands."""

from collections.abc import Iterator
from itertools import islice
from typing import Final, Literal

from msgspec import Struct
from sqlalchemy import select

from postroom.directory import people
from postroom.storage.database import Tx
from postroom.storage.tables import clients, groups, institutional_addresses, users

Kind = Literal["user", "primary group", "custom group", "course group", "address", "client"]

_GROUP_KINDS: Final[dict[str, Kind]] = {"primary": "primary group", "custom": "custom group", "course": "course group"}


class Found(Struct, frozen=True, kw_only=True):
    """Somebody or something of the directory."""

    kind: Kind
    id: int
    key: str | None
    """The key outside: the ``uid`` of a person, the code of a group, the key of a client."""
    name: str
    email: str | None = None
    """Of a person the primary address; of an institutional address the address itself."""
    role: str = ""
    """Of a person, as ``contacts.may_write_to`` names it."""
    owner_id: int | None = None
    """Whose custom group it is."""
    active: bool = True


def find(tx: Tx, words: str, limit: int) -> list[Found]:
    """Return up to ``limit`` people, groups, institutional addresses and clients, in this order, each kind by number.

    Each of the ``words`` stands in the key, the name or the address, in any case of letters; without words everybody is
    found. Rows are compared here, one by one, since the two stores disagree about the case of letters beyond ASCII.
    """
    wanted = words.casefold().split()
    return list(islice((found for found in _everything(tx) if _matches(found, wanted)), limit))


def _everything(tx: Tx) -> Iterator[Found]:
    yield from _people(tx)
    for group in tx.execute(select(groups.c.id, groups.c.kind, groups.c.code, groups.c.name, groups.c.owner_id).order_by(groups.c.id)):
        yield Found(kind=_GROUP_KINDS[group.kind], id=group.id, key=group.code, name=group.name, owner_id=group.owner_id)
    kept = institutional_addresses.c
    for address in tx.execute(select(kept.id, kept.email, kept.name).order_by(kept.id)):
        yield Found(kind="address", id=address.id, key=None, name=address.name, email=address.email)
    for client in tx.execute(select(clients.c.id, clients.c.key, clients.c.name, clients.c.active).order_by(clients.c.id)):
        yield Found(kind="client", id=client.id, key=client.key, name=client.name, active=client.active)


def _people(tx: Tx) -> Iterator[Found]:
    columns = (users.c.id, users.c.uid.label("key"), people.full_name().label("name"), users.c.email, users.c.role, users.c.active)
    for person in tx.execute(select(*columns).order_by(users.c.id)).mappings():
        yield Found(kind="user", **person)


def _matches(found: Found, wanted: list[str]) -> bool:
    text = f"{found.key or ''} {found.name} {found.email or ''}".casefold()
    return all(word in text for word in wanted)
