"""From claimed recipients to jobs: each message rendered once, and kept while its recipients come by."""

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import structlog
from msgspec import Struct

from postroom.delivery import contexts
from postroom.delivery.composer import Skeleton, render
from postroom.delivery.contexts import Context
from postroom.delivery.dispatch import Dispatch
from postroom.delivery.records import Due
from postroom.delivery.window import Job, domain_of
from postroom.directory import mail_servers
from postroom.directory.mail_servers import Connection
from postroom.directory.values import chunks
from postroom.errors import Invalid, Unavailable
from postroom.messages import connections

_KEPT: Final = 64
"""Rendered messages that are kept, beside those that waiting jobs hold."""

_HELD: Final = 64 * 1024 * 1024
"""Bytes of rendered messages that are kept."""

_AWAY: Final = 60.0
"""Seconds after which a mail is tried again whose file could not be read."""

_FRESH: Final = 1.0
"""Seconds for which a message that was read is taken to be as it was: only the state of its links can change."""


_log: Final = structlog.get_logger("postroom.delivery")


class _Rendered(Struct, frozen=True, eq=False):
    context: Context
    skeleton: Skeleton
    read_at: float


Key = tuple[int, bool]
"""Number of a message, and whether it goes to many."""


class Renderer:
    """Makes jobs for one worker. A message that no mail can be made of fails for its recipients, not for the others."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        self._rendered: OrderedDict[Key, _Rendered] = OrderedDict()

    async def jobs(self, claimed: Sequence[Due]) -> list[Job]:
        """Return the jobs of claimed recipients: one for each, several in one where they share a mail. Raises ``Unavailable``."""
        broken = await self._render({_key(due) for due in claimed})
        await self._wait_for_files([due for due in claimed if isinstance(broken.get(_key(due)), Unavailable)])
        own = await self._own_servers([due for due in claimed if _key(due) not in broken])
        jobs: list[Job] = []
        shared: dict[tuple[Key, tuple[str, ...]], list[Due]] = {}
        for due in claimed:
            key = _key(due)
            if key in broken:
                if not isinstance(broken[key], Unavailable):
                    self._dispatch.refuse([due], broken[key])
                continue
            rendered = self._rendered[key]
            domain = domain_of(due.email or "")
            if rendered.skeleton.own_connection:
                server = own[due.message_id]
                if isinstance(server, Invalid):
                    self._dispatch.refuse([due], server)
                    continue
                relays: tuple[str, ...] = (server,) if server else ()
            else:
                relays = self._dispatch.routes.relays(rendered.skeleton.sender, domain)
            if rendered.context.shared:
                shared.setdefault((key, relays), []).append(due)
            else:
                jobs.append(Job((due,), rendered.skeleton, relays, domain))
        jobs += self._transactions(shared)
        self._forget()
        return jobs

    async def _own_servers(self, dues: Sequence[Due]) -> dict[int, str | Invalid | None]:
        """Return the names of the relays of letters with connections of their own, or why these cannot be used. Only they cost a read."""
        letters = {due.message_id for due in dues if self._rendered[_key(due)].skeleton.own_connection}
        if not letters:
            return {}
        store = self._dispatch.store
        found = await store.database.read_briefly(connections.of_messages, store.vault, letters)
        return {number: self._own_server(found, number) for number in letters}

    def _own_server(self, found: Mapping[int, Connection | None], message_id: int) -> str | Invalid | None:
        connection = found.get(message_id)
        if connection is None:
            kept = message_id in found
            return Invalid("server", "its password was encrypted with another secret_key" if kept else "its login is not kept any more")
        if not mail_servers.is_allowed(self._dispatch.settings, connection.host, connection.port, "smtp"):
            return Invalid("server", mail_servers.NOT_ALLOWED)
        return self._dispatch.own.name_of(connection)

    async def _wait_for_files(self, dues: Sequence[Due]) -> None:
        """Put back whose mail needs a file that cannot be read now; nobody else waits for it."""
        if dues:
            _log.warning("attachment_unavailable", messages=sorted({due.message_id for due in dues})[:20], recipients=len(dues))
            await self._dispatch.release_ids([due.id for due in dues], _AWAY)

    def _transactions(self, shared: Mapping[tuple[Key, tuple[str, ...]], Sequence[Due]]) -> Iterator[Job]:
        """Split the recipients of shared mails into as many as a transaction may name."""
        for (key, relays), dues in shared.items():
            most = min((self._dispatch.relays[name].settings.recipients_per_message for name in relays), default=1)
            for some in chunks(dues, most):
                yield Job(tuple(some), self._rendered[key].skeleton, relays, domain_of(some[0].email or ""))

    async def _render(self, keys: set[Key]) -> dict[Key, Exception]:
        """Have every message of ``keys`` rendered as it is now; return why some cannot be."""
        at = time.monotonic()
        stale = [key for key in keys if key not in self._rendered or at - self._rendered[key].read_at > _FRESH]
        if not stale:
            return {}
        store = self._dispatch.store
        found = await store.database.read_briefly(contexts.load, store.settings, store.vault, {message for message, _ in stale})
        broken: dict[Key, Exception] = {}
        for key in stale:
            context = found.get(key[0])
            if context is None:
                broken[key] = Invalid("message", "it is gone")
                continue
            try:
                await self._keep(key, context, at)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the message's own fault
                broken[key] = error
        return broken

    async def _keep(self, key: Key, context: Context, at: float) -> None:
        known = self._rendered.get(key)
        if known is not None and known.context == context:
            made = known.skeleton
        else:
            made = await render(self._dispatch.store, context, mailing=key[1])
        self._rendered[key] = _Rendered(context, made, at)
        self._rendered.move_to_end(key)

    def _forget(self) -> None:
        held = sum(rendered.skeleton.size for rendered in self._rendered.values())
        while self._rendered and (len(self._rendered) > _KEPT or held > _HELD):
            held -= self._rendered.popitem(last=False)[1].skeleton.size


def _key(due: Due) -> Key:
    return due.message_id, due.lane == "bulk"
