"""A running installation: the dialect behind real HTTP on a loopback port, with people, personal keys, clients and tokens."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from requests_oauthlib import OAuth1
from starlette.routing import Mount

from postroom import clock
from postroom.dialects.schoology import application
from postroom.directory import clients, people
from postroom.directory.people import NewPerson
from postroom.directory.records import Client, Token
from postroom.storage.store import Store
from tests.dialects.conftest import Server, configuring, running
from tests.dialects.schoology.school import School, running_school


class Callers:
    """Everybody who can sign: people with personal keys, programs, and tokens of the machine. Gus is no longer there."""

    def __init__(self, store: Store, server: Server) -> None:
        self.store = store
        self.server = server
        self.base = f"{server.base}v1"
        server.serve(Mount("/v1", application(store)))
        self.http = requests.Session()
        self.ben = self.person("Ben", "Birch", email="ben@school.example", uid="S-17", role="student", school="Hill Valley High School")
        self.cleo = self.person("Cleo", "Cedar", email="cleo@school.example", picture="https://photos.example/cleo.jpg", role="student")
        self.ada = self.person("Ada", "Alder", email="ada@school.example", role="teacher", title_before="dr")
        self.gus = self.person("Gus", "Gorse", uid="S-18", active=False)
        self.key = self.client("Ben's key", user_id=self.ben)
        self.cleo_key = self.client("Cleo's key", user_id=self.cleo)
        self.ada_key = self.client("Ada's key", user_id=self.ada)
        self.machine = self.client("machine")
        self.admin = self.client("admin", administrative=True)

    def close(self) -> None:
        self.http.close()

    def person(self, first_name: str, last_name: str, **others: Any) -> int:
        person = NewPerson(first_name=first_name, last_name=last_name, **others)
        return int(self.store.database.write_now(people.add, person, clock.now()))

    def client(self, name: str, *, user_id: int | None = None, administrative: bool = False) -> Client:
        made: Client = self.store.database.write_now(
            clients.add_client, self.store.vault, name, administrative=administrative, now=clock.now(), user_id=user_id
        )
        return made

    def token(self, user_id: int, *scopes: str) -> Token:
        """Give the machine a token for a person."""
        write = self.store.database.write_now
        made: Token = write(clients.add_token, self.store.vault, self.machine.id, user_id, scopes or ("schoology",), clock.now())
        return made

    def signed(
        self, verb: str, path: str, client: Client | None = None, *, token: Token | None = None, auth: Any = None, **options: Any
    ) -> requests.Response:
        """Make a signed call as Ben, or as a client, or with a token of the machine; redirects are not followed."""
        client = client or (self.key if token is None else self.machine)
        pair = () if token is None else (token.token, token.secret)
        given = {"auth": auth or OAuth1(client.key, client.secret, *pair), "timeout": 30, "allow_redirects": False, **options}
        return self.http.request(verb, f"{self.base}{path}", **given)

    def get(self, path: str, client: Client | None = None, **options: Any) -> Any:
        """GET and return the decoded answer, which must be a success."""
        response = self.signed("GET", path, client, **options)
        assert response.status_code == 200, response.text
        return response.json()


@pytest.fixture
def callers(store: Store, server: Server) -> Iterator[Callers]:
    """A running installation, on both databases."""
    yield from running(Callers(store, server))


@pytest.fixture
def sqlite_callers(sqlite_store: Store, server: Server) -> Iterator[Callers]:
    """A running installation on SQLite, for what has nothing to do with the database."""
    yield from running(Callers(sqlite_store, server))


@pytest.fixture
def configured_callers(sqlite_store: Store, server: Server) -> Iterator[Callable[..., Callers]]:
    """Make a running callers on SQLite with other settings: ``configured_callers(schoology=…, http=…)``, once in a test."""
    yield from configuring(Callers, sqlite_store, server)


@pytest.fixture
def school(store: Store, server: Server) -> Iterator[School]:
    """A school, on both databases."""
    with running_school(store, server) as school:
        yield school


@pytest.fixture
def sqlite_school(sqlite_store: Store, server: Server) -> Iterator[School]:
    """A school on SQLite, for what has nothing to do with the database."""
    with running_school(sqlite_store, server) as school:
        yield school
