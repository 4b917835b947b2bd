"""A running installation: the interface behind real HTTP on a loopback port, with an administrative client."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests
from starlette.routing import Mount

from postroom import clock
from postroom.dialects.postroom import application
from postroom.directory import clients, suppressions
from postroom.directory.records import Client
from postroom.storage.store import Store
from tests.dialects.conftest import Server


class Api:
    """What a test needs of a running installation."""

    def __init__(self, store: Store, server: Server) -> None:
        self.store = store
        self.base = f"{server.base}postroom/v1"
        server.serve(Mount("/postroom/v1", application(store)))
        self.http = requests.Session()
        write, now = store.database.write_now, clock.now()
        self.client: Client = write(clients.add_client, store.vault, "office", administrative=True, now=now)
        self.ordinary: Client = write(clients.add_client, store.vault, "app", administrative=False, now=now)

    def call(self, verb: str, path: str, *, client: Client | None = None, **options: Any) -> requests.Response:
        client = client or self.client
        return self.http.request(verb, f"{self.base}{path}", **{"auth": (client.key, client.secret), "timeout": 30, **options})

    def one(self, verb: str, email: str, **options: Any) -> requests.Response:
        return self.call(verb, f"/suppressions/{quote(email, safe='')}", **options)

    def refused(self, response: requests.Response, status: int, error: str) -> Any:
        assert response.status_code == status, response.text
        assert response.headers["Content-Type"] == "application/json"
        body = response.json()
        assert body["error"] == error
        assert body["message"]
        return body

    def size(self) -> int:
        return self.store.database.read_now(suppressions.size)


@pytest.fixture
def api(store: Store, server: Server) -> Iterator[Api]:
    """A running installation, on both databases."""
    api = Api(store, server)
    yield api
    api.http.close()


@pytest.fixture
def sqlite_api(sqlite_store: Store, server: Server) -> Iterator[Api]:
    """A running installation on SQLite, for what has nothing to do with the database."""
    api = Api(sqlite_store, server)
    yield api
    api.http.close()
