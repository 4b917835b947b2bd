"""Stores with several relays."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from postroom.settings import DomainSettings, RelaySettings, RouteSettings
from postroom.storage.store import Store
from tests.delivery.letters import with_relay
from tests.delivery.sink import Sink, running


def with_relays(
    store: Store, *, routes: Sequence[RouteSettings] = (), domains: dict[str, DomainSettings] | None = None, **relays: dict[str, Any]
) -> Store:
    """The same store with these relays on loopback ports, one of them ``default``."""
    ours = with_relay(store, **relays.pop("default"))
    others = {name: RelaySettings(**{"connections": 3, "timeout": 5.0, **relay}) for name, relay in relays.items()}
    settings = msgspec.structs.replace(ours.settings, relays=others, routes=list(routes), domains=domains or {})
    return msgspec.structs.replace(ours, settings=settings)


@contextlib.asynccontextmanager
async def sinks(count: int) -> AsyncIterator[list[Sink]]:
    """So many relays that take mail."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running(Sink())) for _ in range(count)]


async def unused_port() -> int:
    """A port where nobody listens."""
    async with running(Sink()) as sink:
        return sink.port
