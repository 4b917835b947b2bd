"""A running installation: the dialect behind real HTTP on a loopback port, with people, groups, clients and tokens."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from requests_oauthlib import OAuth1
from starlette.routing import Mount

from postroom import clock
from postroom.dialects.usos import application
from postroom.directory import addresses, clients, people
from postroom.directory.people import NewPerson
from postroom.directory.records import Client, Token
from postroom.storage.store import Store
from tests.dialects.conftest import Server, configuring, running


class Installation:
    """What a test needs of a running installation: Jan writes, Anna is somebody else, Ewa has no address."""

    def __init__(self, store: Store, server: Server) -> None:
        self.store = store
        self.server = server
        self.base = server.base
        server.serve(Mount("/services", application(store)))
        self.http = requests.Session()
        now = clock.now()
        write = store.database.write_now
        self.jan = write(
            people.add, NewPerson(first_name="Jan", last_name="Robak", email="jan@uni.example", alt_email="jan@home.example"), now
        )
        self.anna = write(
            people.add,
            NewPerson(
                first_name="Anna",
                last_name="Żak",
                title_before="dr",
                email="anna@uni.example",
                picture="https://photos.example/anna.jpg",
            ),
            now,
        )
        self.ewa = write(people.add, NewPerson(first_name="Ewa", last_name="Lis", alt_email="ewa@home.example"), now)
        self.client: Client = write(clients.add_client, store.vault, "app", administrative=False, now=now)
        self.admin: Client = write(clients.add_client, store.vault, "admin", administrative=True, now=now)
        self.token: Token = write(clients.add_token, store.vault, self.client.id, self.jan, ["mailclient"], now)
        self.anna_token: Token = write(clients.add_token, store.vault, self.client.id, self.anna, ["mailclient", "studies"], now)

    def close(self) -> None:
        self.http.close()

    def url(self, method: str) -> str:
        """Return the URL of a method: ``mailing/system_status``, or one of mailclient by its name alone."""
        return f"{self.base}services/{method if '/' in method else f'mailclient/{method}'}"

    def auth(self, token: Token | None = None, **options: Any) -> OAuth1:
        token = token or self.token
        return OAuth1(self.client.key, self.client.secret, token.token, token.secret, **options)

    def send(self, method: str, token: Token | None = None, **parameters: str) -> requests.Response:
        """Call as Jan, or whose token it is: a signed POST with an urlencoded body."""
        return self.http.post(self.url(method), data=parameters or {"nothing": ""}, auth=self.auth(token), timeout=60)

    def ask(self, method: str, token: Token | None = None, **parameters: str) -> Any:
        """Call and return the decoded answer, which must be a success."""
        response = self.send(method, token, **parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, method: str, token: Token | None = None, *, expecting: int = 400, **parameters: str) -> Any:
        """Call and return the decoded error body, which must come with the status ``expecting``."""
        response = self.send(method, token, **parameters)
        assert response.status_code == expecting, response.text
        assert response.headers["Content-Type"].startswith("application/json")
        body = response.json()
        assert body["message"]
        return body

    def mail(self, method: str, client: Client | None = None, *, expecting: int = 200, **parameters: str) -> Any:
        """Call a method of services/mailing as the administrative program, or another one; return the decoded answer."""
        program = client or self.admin
        auth = OAuth1(program.key, program.secret)
        response = self.http.post(self.url(f"mailing/{method}"), data=parameters or {"nothing": ""}, auth=auth, timeout=60)
        assert response.status_code == expecting, response.text
        return response.json()

    def draft(self, token: Token | None = None, **parameters: str) -> str:
        return str(self.ask("create_message", token, **parameters)["message_id"])

    def ready(self, *, emails: str = "guest@else.example", **parameters: str) -> str:
        """Make a draft that can be sent."""
        message_id = self.draft(**{"subject": "Subject", "content": "Content", **parameters})
        assert self.ask("update_recipients_group", message_id=message_id, emails=emails) == {}
        assert self.ask("refresh_recipients", message_id=message_id) == {}
        return message_id

    def put(
        self, message_id: str, name: str = "a.txt", data: bytes = b"abc", token: Token | None = None, **fields: str
    ) -> requests.Response:
        return self.http.post(
            self.url("put_attachment"),
            params={"message_id": message_id},
            data=fields,
            files={"data": (name, data, "application/octet-stream")},
            auth=self.auth(token),
            timeout=60,
        )

    def attach(self, message_id: str, name: str = "a.txt", data: bytes = b"abc", **fields: str) -> str:
        response = self.put(message_id, name, data, **fields)
        assert response.status_code == 200, response.text
        return str(response.json()["attachment_id"])

    def blobs(self) -> list[str]:
        """Names of all files in the blob store, unfinished ones included."""
        folder = self.store.settings.data_dir / "blobs"
        return sorted(path.name for path in folder.rglob("*") if path.is_file())

    def assigned_address(self, *, assigned: bool = True) -> int:
        number: int = self.store.database.write_now(addresses.add, f"office{next(_numbers)}@uni.example", "Office", clock.now())
        if assigned:
            self.store.database.write_now(addresses.assign, number, self.jan, clock.now())
        return number


_numbers = itertools.count()


@pytest.fixture
def usos(store: Store, server: Server) -> Iterator[Installation]:
    """A running installation, on both databases."""
    yield from running(Installation(store, server))


@pytest.fixture
def sqlite_usos(sqlite_store: Store, server: Server) -> Iterator[Installation]:
    """A running installation on SQLite, for what has nothing to do with the database."""
    yield from running(Installation(sqlite_store, server))


@pytest.fixture
def configured(sqlite_store: Store, server: Server) -> Iterator[Callable[..., Installation]]:
    """Make a running installation on SQLite with other settings: ``configured(usos=…, http=…)``."""
    yield from configuring(Installation, sqlite_store, server)
