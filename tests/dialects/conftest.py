"""Real HTTP on a loopback port, and installations behind it, for the tests of all dialects."""

import inspect
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import msgspec
import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from postroom import clock
from postroom import errors as core
from postroom.dialects import oauth1
from postroom.directory import passwords, people, sessions
from postroom.directory.people import NewPerson
from postroom.storage.store import Store
from tests.support import EASY_HASHER

PASSWORD = "correct horse"


class Closing(Protocol):
    """What is closed when a test is over."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Closing)


class Server:
    """uvicorn in a thread, for the whole session; ``serve`` puts another application behind it."""

    def __init__(self) -> None:
        self._app: ASGIApp = Starlette()
        self._server = uvicorn.Server(
            uvicorn.Config(self._call, host="127.0.0.1", port=0, log_level="error", lifespan="off", interface="asgi3")
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        end = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.005)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.base = f"http://127.0.0.1:{port}/"

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def serve(self, mount: Mount) -> None:
        self._app = Starlette(routes=[mount])

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The HTTP server of the session."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def easy_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with little work: how much it is has tests of its own."""
    monkeypatch.setattr(passwords, "_HASHER", EASY_HASHER)


class Office:
    """An installation whose interface asks for passwords, and two people who have one."""

    def __init__(self, store: Store, server: Server) -> None:
        self.store = store
        self.server = server
        self.root = server.base.rstrip("/")
        self.http = requests.Session()
        self.write = store.database.write_now
        self.jan = self.person("Jan", "Robak", "jan@x.example")
        self.ewa = self.person("Ewa", "Lis", "ewa@x.example")

    def close(self) -> None:
        self.http.close()

    def person(self, first: str, last: str, email: str) -> int:
        number: int = self.write(people.add, NewPerson(first_name=first, last_name=last, email=email), clock.now())
        self.write(passwords.keep, number, passwords.digest(PASSWORD), clock.now())
        return number

    def session(self, kind: sessions.Kind, user_id: int) -> str:
        """Let a person log in; return the token."""
        token: str = self.write(sessions.begin, kind, user_id, clock.now(), clock.DAY).token
        return token


def running(installation: C) -> Iterator[C]:
    """Close an installation when the test is over."""
    try:
        yield installation
    finally:
        installation.close()


def configuring(make: Callable[[Store, Server], C], store: Store, server: Server) -> Iterator[Callable[..., C]]:
    """Return what makes an installation with other settings, such as ``configured(usos=…, http=…)``, and close them in the end."""
    made: list[C] = []

    def configure(**sections: msgspec.Struct) -> C:
        settings = msgspec.structs.replace(store.settings, **sections)
        made.append(make(msgspec.structs.replace(store, settings=settings), server))
        return made[-1]

    yield configure
    for installation in made:
        installation.close()


def every_error() -> set[type[Exception]]:
    """Return every error of the core and of signatures that a dialect has to translate."""
    return {
        kind
        for module in (core, oauth1)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == module.__name__ and kind not in {core.PostroomError, oauth1.OAuthError}
    }
