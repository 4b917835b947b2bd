"""An office with people to write to, and the shortest ways to a draft, a roll, a sent message."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from sqlalchemy import insert, select, update

from postroom.messages import audience, drafts, roll, submission
from postroom.messages.records import AudienceChange, DraftContent, Message, Recipient
from postroom.storage.store import Store
from postroom.storage.tables import address_assignments, group_members, groups, institutional_addresses, recipients, users

NOW = 1_700_000_000_000
T = TypeVar("T")


class Office:
    """A store with shortcuts; every call is a unit of its own."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.settings = store.settings
        self.author = self.person("Anna", email="anna@uni.example", alt_email="anna@home.example")
        self.other = self.person("Otto", email="otto@uni.example")

    def run(self, unit: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return self.store.database.write_now(unit, *args, **kwargs)

    def _insert(self, table: Any, **values: Any) -> int:
        return self.run(lambda tx: int(tx.execute(insert(table).values(**values).returning(table.c.id)).scalar_one()))

    def person(self, name: str, *, email: str | None = None, alt_email: str | None = None, active: bool = True) -> int:
        values = {"first_name": name, "last_name": "Nowak", "email": email, "alt_email": alt_email, "active": active}
        return self._insert(users, **values, created_at=NOW, modified_at=NOW)

    def group(self, kind: str = "custom", *, owner: int | None = None, code: str | None = None, parent: int | None = None) -> int:
        values = {"kind": kind, "owner_id": owner, "code": code, "parent_id": parent, "name": code or "group"}
        return self._insert(groups, **values, created_at=NOW, modified_at=NOW)

    def member(self, group_id: int, *, user: int | None = None, subgroup: int | None = None, email: str | None = None) -> None:
        self._insert(group_members, group_id=group_id, user_id=user, subgroup_id=subgroup, email=email)

    def address(self, email: str, *, assigned_to: int | None = None) -> int:
        address_id = self._insert(institutional_addresses, email=email, name="Office", created_at=NOW)
        if assigned_to is not None:
            row = {"address_id": address_id, "user_id": assigned_to, "assigned_at": NOW}
            self.run(lambda tx: tx.execute(insert(address_assignments).values(row)) and None)
        return address_id

    def revoke(self, address_id: int) -> None:
        column = address_assignments.c.address_id
        self.run(lambda tx: tx.execute(update(address_assignments).where(column == address_id).values(revoked_at=NOW)) and None)

    def draft(self, **content: Any) -> int:
        values = {"subject": "Hello", "content": "A text.", **content}
        return self.run(drafts.create, self.author, DraftContent(**values), NOW, "usos")

    def get(self, message_id: int) -> Message:
        return self.run(drafts.get, self.author, message_id)

    def audience(self, message_id: int, **change: Any) -> None:
        self.run(audience.update, self.author, message_id, AudienceChange(**change), strict=True, now=NOW)

    def refresh(self, message_id: int, source: Any = "primary_only", now: int = NOW) -> list[Recipient]:
        self.run(roll.refresh, self.author, message_id, source, now)
        return self.roll(message_id)

    def roll(self, message_id: int, *, include_self: bool = False) -> list[Recipient]:
        return self.run(roll.page, message_id, None, 1000, include_self=include_self)

    def ready(self, *, emails: list[str] | None = None, user_ids: list[int] | None = None, **content: Any) -> int:
        """A draft that can be sent."""
        message_id = self.draft(**content)
        self.audience(message_id, emails=emails, user_ids=user_ids)
        self.refresh(message_id)
        return message_id

    def submit(self, message_id: int, now: int = NOW) -> None:
        self.run(submission.submit, self.settings, self.author, message_id, "en", now)

    def sent(self, **ready: Any) -> int:
        message_id = self.ready(**ready)
        self.submit(message_id)
        return message_id

    def outcome(self, message_id: int, state: str, *, email: str | None = None, reply: str | None = None, role: str | None = None) -> None:
        """Let delivery end for some recipients of a message; for all of them by default."""
        statement = update(recipients).where(recipients.c.message_id == message_id, recipients.c.state != "suppressed")
        if email is not None:
            statement = statement.where(recipients.c.email == email)
        if role is not None:
            statement = statement.where(recipients.c.role == role)
        self.run(lambda tx: tx.execute(statement.values(state=state, reply_text=reply, settled_at=NOW)) and None)

    def rows(self, table: Any, *where: Any) -> list[Any]:
        return self.run(lambda tx: list(tx.execute(select(table).where(*where).order_by(table.c.id)).all()))


@pytest.fixture
def office(store: Store) -> Office:
    return Office(store)
