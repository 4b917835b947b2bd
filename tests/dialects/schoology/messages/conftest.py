"""People who write to each other."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from postroom.directory.records import Client
from postroom.storage.store import Store
from tests.dialects.conftest import Server, configuring, running
from tests.dialects.schoology.conftest import Callers


class School(Callers):
    """Ada teaches; Ben and Cleo learn, and so does Dan, whom nobody writes to."""

    def __init__(self, store: Store, server: Server) -> None:
        super().__init__(store, server)
        self.dan = self.person("Dan", "Dogwood", role="student")
        self.url = f"{store.settings.public_url}/v1"
        """What links begin with: an address of the settings, not the one that is called."""
        dan_key = self.client("Dan's key", user_id=self.dan)
        self._keys = {self.ben: self.key, self.cleo: self.cleo_key, self.ada: self.ada_key, self.dan: dan_key}

    def request(self, who: int | Client, verb: str, path: str, **options: Any) -> requests.Response:
        """Make a signed call as a person, or as a program."""
        return self.signed(verb, path, who if isinstance(who, Client) else self._keys[who], **options)

    def ask(self, who: int, path: str, **options: Any) -> Any:
        """GET and return the decoded answer, which must be a success."""
        response = self.request(who, "GET", path, **options)
        assert response.status_code == 200, (response.status_code, response.text)
        return response.json()

    def send(self, who: int, *to: int, subject: str = "Subject", message: str = "Message", path: str = "/messages") -> Any:
        """Send a message, or answer in the thread that ``path`` names; return the decoded answer, which must be a success."""
        body = {"subject": subject, "message": message, "recipient_ids": ",".join(map(str, to))}
        response = self.request(who, "POST", path, json=body)
        assert response.status_code == 201, (response.status_code, response.text)
        return response.json()

    def inbox(self, who: int) -> list[tuple[int, str]]:
        """Return what stands in the inbox: numbers of threads and whether they are read."""
        return [(item["id"], item["message_status"]) for item in self.ask(who, "/messages/inbox?limit=200")["message"]]

    def sent(self, who: int) -> list[int]:
        """Return the numbers of the threads in the folder of sent messages."""
        return [item["id"] for item in self.ask(who, "/messages/sent?limit=200")["message"]]


@pytest.fixture
def school(store: Store, server: Server) -> Iterator[School]:
    """A running installation, on both databases."""
    yield from running(School(store, server))


@pytest.fixture
def sqlite_school(sqlite_store: Store, server: Server) -> Iterator[School]:
    """A running installation on SQLite, for what has nothing to do with the database."""
    yield from running(School(sqlite_store, server))


@pytest.fixture
def configured_school(sqlite_store: Store, server: Server) -> Iterator[Callable[..., School]]:
    """Make a running installation on SQLite with other settings: ``configured_school(schoology=…, http=…)``."""
    yield from configuring(School, sqlite_store, server)
