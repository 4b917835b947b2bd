"""A site on both databases, and one on SQLite for what has nothing to do with the database."""

from collections.abc import Iterator

import pytest

from postroom.storage.store import Store
from tests.consent import Site, running_site
from tests.dialects.conftest import Server


@pytest.fixture
def site(store: Store, server: Server) -> Iterator[Site]:
    with running_site(store, server) as site:
        yield site


@pytest.fixture
def sqlite_site(sqlite_store: Store, server: Server) -> Iterator[Site]:
    with running_site(sqlite_store, server) as site:
        yield site
