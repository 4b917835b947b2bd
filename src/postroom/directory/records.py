"""What the directory knows, as small typed records: rows of ``storage.tables``, one record a table."""

from typing import Literal

from msgspec import Struct

GroupKind = Literal["primary", "custom", "course"]


class Person(Struct, frozen=True, kw_only=True):
    """Somebody of the organisation."""

    id: int
    uid: str | None
    """The person's key in the system that people are imported from."""
    first_name: str
    middle_names: str
    last_name: str
    title_before: str
    title_after: str
    email: str | None
    """Primary address; ``None`` for a person without one."""
    alt_email: str | None
    language: str
    picture: str | None
    """URL of a photograph."""
    school: str | None
    role: str
    """Such as ``student``; empty for nobody in particular. Who may write to whom goes by it (``contact_rules``)."""
    active: bool


class Mailbox(Struct, frozen=True, forbid_unknown_fields=True):
    """A name and an address."""

    name: str
    email: str


class Group(Struct, frozen=True, kw_only=True):
    """A group of people: primary (the tree of the organisation), custom (somebody's own), or course (members come from a course list)."""

    id: int
    kind: GroupKind
    code: str | None
    """The key outside: a primary group's USOS identifier (``""`` is the root), a course group's list; ``None`` for custom groups."""
    name: str
    owner_id: int | None
    parent_id: int | None


class InstitutionalAddress(Struct, frozen=True, kw_only=True):
    """An address of the organisation that assigned people may send from."""

    id: int
    email: str
    name: str


class Client(Struct, frozen=True, kw_only=True):
    """A program that calls the API (an OAuth consumer)."""

    id: int
    key: str
    secret: str
    name: str
    administrative: bool
    user_id: int | None = None
    """Whose personal key it is: it acts for that person where it brings no token."""

    def __repr__(self) -> str:
        return f"Client(id={self.id}, key={self.key!r})"


class Token(Struct, frozen=True, kw_only=True):
    """The right of a client to act for a person, within scopes."""

    token: str
    secret: str
    client_id: int
    user_id: int
    scopes: frozenset[str]

    def __repr__(self) -> str:
        return f"Token(client_id={self.client_id}, user_id={self.user_id}, scopes={sorted(self.scopes)})"


class RequestToken(Struct, frozen=True, kw_only=True):
    """What a client asks a person's consent with, to be exchanged for a ``Token`` (RFC 5849 §2: temporary credentials)."""

    token: str
    secret: str
    client_id: int
    callback: str
    """URL that the person is sent to afterwards; ``oob``: the verifier is shown instead; empty: it is named later."""
    scopes: frozenset[str]
    user_id: int | None
    """Who consented; ``None`` as long as nobody did."""

    def __repr__(self) -> str:
        return f"RequestToken(client_id={self.client_id}, scopes={sorted(self.scopes)})"
