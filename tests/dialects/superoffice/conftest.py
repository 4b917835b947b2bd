"""A running installation: the interface behind real HTTP on a loopback port, with people who have passwords."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import requests

from postroom.application import PORTS
from postroom.dialects.superoffice import mount
from postroom.dialects.superoffice.application import METHODS
from postroom.dialects.superoffice.operation import Methods
from postroom.storage.store import Store
from tests.dialects.conftest import PASSWORD, Office, Server, running


@pytest.fixture(autouse=True)
def _easy_passwords(easy_passwords: None) -> None:
    """Nothing here is about the work of hashing."""


class Api(Office):
    """What a test needs of a running installation."""

    def __init__(self, store: Store, server: Server) -> None:
        super().__init__(store, server)
        self.methods: Methods = METHODS
        self.ticket = self.ticket_of(self.jan)
        self.change(tenants=["Cust12345"])

    def change(self, **values: Any) -> None:
        """Serve with other settings of the dialect."""
        changed = msgspec.structs.replace(self.store.settings.superoffice, **values)
        self.store = msgspec.structs.replace(self.store, settings=msgspec.structs.replace(self.store.settings, superoffice=changed))
        self.server.serve(mount(self.store, self.methods, ports=PORTS))

    def serve(self, *methods: Any) -> None:
        """Serve more methods, or others instead of those that have the same names."""
        others = {one.name for one in methods}
        self.methods = (*(one for one in self.methods if one.name not in others), *methods)
        self.server.serve(mount(self.store, self.methods, ports=PORTS))

    def ticket_of(self, user_id: int) -> str:
        return self.session("superoffice", user_id)

    def request(self, verb: str, path: str, *, headers: Any = None, **options: Any) -> requests.Response:
        """Send a request of nobody."""
        return self.http.request(verb, f"{self.root}{path}", headers=headers, **{"timeout": 30, **options})

    def call(self, name: str, body: Any = None, *, ticket: str = "", headers: Any = None, **options: Any) -> requests.Response:
        """Call a method with a body in JSON, with the ticket of Jan unless another one is given."""
        given = {"Authorization": f"SOTicket {ticket or self.ticket}", **(headers or {})}
        if "data" not in options:
            options["json"] = body
        return self.request("POST", f"/api/v1/Agents/EMail/{name}", headers=given, **options)

    def result(self, name: str, body: Any = None, **options: Any) -> Any:
        """Call with success; return the answer, ``None`` for 204."""
        answer = self.call(name, body, **options)
        assert answer.status_code in {200, 204}, answer.text
        return answer.json() if answer.status_code == 200 else None

    def refused(self, answer: requests.Response, status: int, error_type: str, message: str) -> None:
        """§3.5: the error object."""
        assert answer.status_code == status, answer.text
        expected = {"Error": True, "ErrorType": error_type, "ErrorMessage": message, "ErrorSource": "Postroom"}
        assert answer.json() == expected

    def malformed(self, answer: requests.Response, detail: str) -> None:
        """§3.5: a request that cannot be read."""
        assert answer.status_code == 400, answer.text
        assert answer.json() == {"Message": "The request is invalid.", "MessageDetail": detail}


def basic(name: str = "jan@x.example", password: str = PASSWORD) -> dict[str, str]:
    """Return the header of HTTP Basic."""
    return {"Authorization": f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"}


@pytest.fixture
def api(store: Store, server: Server) -> Iterator[Api]:
    """A running installation, on both databases."""
    yield from running(Api(store, server))


@pytest.fixture
def sqlite_api(sqlite_store: Store, server: Server) -> Iterator[Api]:
    """A running installation on SQLite, for what has nothing to do with the database."""
    yield from running(Api(sqlite_store, server))
