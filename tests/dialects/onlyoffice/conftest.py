"""A running installation: the interface behind real HTTP on a loopback port, with people who have passwords."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import requests
from starlette.routing import Mount

from postroom.dialects.onlyoffice import mount
from postroom.dialects.onlyoffice.application import OPERATIONS
from postroom.storage.store import Store
from tests.dialects.conftest import Office, Server, running
from tests.dialects.onlyoffice.probes import PROBES


@pytest.fixture(autouse=True)
def _easy_passwords(easy_passwords: None) -> None:
    """Nothing here is about the work of hashing."""


class Api(Office):
    """What a test needs of a running installation."""

    def __init__(self, store: Store, server: Server) -> None:
        super().__init__(store, server)
        self.base = f"{self.root}/api/2.0"
        self.mounted = self.mount()
        server.serve(self.mounted)
        self.token = self.token_of(self.jan)

    def mount(self) -> Mount:
        return mount(self.store, (*OPERATIONS, *PROBES))

    def change(self, **values: Any) -> None:
        """Serve with other settings of the dialect."""
        changed = msgspec.structs.replace(self.store.settings.onlyoffice, **values)
        self.store = msgspec.structs.replace(self.store, settings=msgspec.structs.replace(self.store.settings, onlyoffice=changed))
        self.server.serve(self.mount())

    def token_of(self, user_id: int) -> str:
        return self.session("onlyoffice", user_id)

    def call(self, verb: str, path: str, *, token: str | None = "", headers: Any = None, **options: Any) -> requests.Response:
        """Call, with the token of Jan unless another one, or ``None``, is given."""
        given = {} if token is None else {"Authorization": token or self.token}
        return self.http.request(verb, f"{self.base}{path}", headers={**given, **(headers or {})}, **{"timeout": 30, **options})

    def result(self, verb: str, path: str, **options: Any) -> Any:
        """Call with success; return what stands in ``response``."""
        answer = self.call(verb, path, **options)
        assert answer.status_code == (201 if verb == "POST" else 200), answer.text
        content = answer.json()
        assert (content["status"], content["statusCode"]) == (0, answer.status_code)
        return content["response"]

    def refused(self, answer: requests.Response, status: int, message: str, hresult: int) -> None:
        """§3.3: the envelope of an error, and nothing more."""
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/json; charset=UTF-8"
        assert json.loads(answer.text) == {"status": 1, "statusCode": status, "error": {"message": message, "hresult": hresult, "data": {}}}


@pytest.fixture
def api(store: Store, server: Server) -> Iterator[Api]:
    """A running installation, on both databases."""
    yield from running(Api(store, server))


@pytest.fixture
def sqlite_api(sqlite_store: Store, server: Server) -> Iterator[Api]:
    """A running installation on SQLite, for what has nothing to do with the database."""
    yield from running(Api(sqlite_store, server))
