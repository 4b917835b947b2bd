"""Which relays may take a mail: the first route that fits its sender and recipient, else every relay that no route names."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from postroom.settings import RouteSettings, Settings

_CACHED: Final = 4_096


class Routes:
    """The routes of the settings, ready to be asked for each mail."""

    def __init__(self, settings: Settings) -> None:
        """Read the relays and routes of ``settings``."""
        named = {name for route in settings.routes for name in route.relays}
        self._rest = tuple(name for name in settings.all_relays if name not in named) or tuple(settings.all_relays)
        self._routes = settings.routes
        self.relays = lru_cache(_CACHED)(self._relays)

    def _relays(self, sender: str, domain: str) -> tuple[str, ...]:
        """Return the names of the relays for mail from the address ``sender`` to a recipient in ``domain``."""
        for route in self._routes:
            if _fits_sender(route, sender.lower()) and _fits(route.recipients, domain):
                return tuple(route.relays)
        return self._rest


def _fits_sender(route: RouteSettings, sender: str) -> bool:
    return sender in map(str.lower, route.senders) or _fits(route.senders, sender.rpartition("@")[2])


def _fits(patterns: Sequence[str], domain: str) -> bool:
    return not patterns or any(_matches(pattern.lower(), domain) for pattern in patterns)


def _matches(pattern: str, domain: str) -> bool:
    return pattern in {"*", domain} or (pattern.startswith("*.") and domain.endswith(pattern[1:]))
