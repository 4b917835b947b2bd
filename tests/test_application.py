"""The whole application (application.py): what is where, health, and what reaches a client or the log when something breaks."""

import asyncio
import importlib
import json
from typing import Any

import httpx2
import pytest
import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from postroom import application as module
from postroom.application import Guard, application
from postroom.errors import Unavailable
from postroom.storage.store import Store

usos = importlib.import_module("postroom.dialects.usos.application")  # its package gives that name to the function in it


def ask(app: ASGIApp, path: str, method: str = "GET") -> httpx2.Response:
    async def main() -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://post.example") as client:
            return await client.request(method, path)

    return asyncio.run(main())


def raising(error: BaseException, *, after_start: bool = False) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        if after_start:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    return app


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Any:
    structlog.reset_defaults()
    monkeypatch.setattr(module, "_log", structlog.get_logger())
    with capture_logs() as entries:
        yield entries


def test_health_tells_of_the_store(store: Store) -> None:
    app = application(store)
    answer = ask(app, "/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    store.close()
    answer = ask(app, "/healthz")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})
    assert int(answer.headers["retry-after"]) > 0


def test_the_dialect_answers_below_services(sqlite_store: Store) -> None:
    """An unsigned call: the refusal is in the dialect's own form, so the mount is right."""
    answer = ask(application(sqlite_store), "/services/mailclient/message?message_id=1")
    assert answer.status_code == 401
    assert "message" in answer.json()


def test_the_root_says_what_this_is(sqlite_store: Store) -> None:
    answer = ask(application(sqlite_store), "/")
    assert answer.status_code == 200
    assert "<h1>Postroom</h1>" in answer.text


@pytest.mark.parametrize("path", ["/nope", "/links", "/links/1", "/service", "/healthz/", "/..%2f..%2fetc/passwd"])
def test_other_paths_are_404(sqlite_store: Store, path: str) -> None:
    assert ask(application(sqlite_store), path).status_code == 404


def test_a_closed_store_is_503_with_retry_after(sqlite_store: Store, log: list[Any]) -> None:
    """A store that cannot answer is 503, for links as for everything."""
    app = application(sqlite_store)
    sqlite_store.close()
    answer = ask(app, "/links/1/x/y")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers


def test_an_unexpected_error_is_500_with_a_number_that_is_in_the_log(log: list[Any]) -> None:
    answer = ask(Guard(raising(RuntimeError("secret details"))), "/x")
    assert answer.status_code == 500
    assert "secret details" not in answer.text
    assert [entry["error_id"] for entry in log if entry["event"] == "unexpected_error"] == [answer.json()["error_id"]]


def test_an_unexpected_error_of_a_dialect_has_its_number_too(sqlite_store: Store, log: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/cli.md: the answer names the error_id that is in the log."""

    async def break_off(*_: Any) -> Any:
        raise RuntimeError("secret details")

    monkeypatch.setattr(usos, "authenticate", break_off)
    answer = ask(application(sqlite_store), "/services/mailclient/user")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/json")
    assert [entry["error_id"] for entry in log if entry["event"] == "unexpected_error"] == [answer.json()["error_id"]]


def test_why_a_dialect_answers_503_is_in_the_log(sqlite_store: Store, log: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: Any) -> Any:
        raise Unavailable("disk /dev/sda1 is full")

    monkeypatch.setattr(usos, "authenticate", refuse)
    monkeypatch.setattr(usos, "_log", structlog.get_logger())
    answer = ask(application(sqlite_store), "/services/mailclient/user")
    assert answer.status_code == 503
    assert "sda1" not in answer.text
    assert [entry["reason"] for entry in log if entry["event"] == "store_unavailable"] == ["disk /dev/sda1 is full"]


def test_unavailable_is_503_and_says_nothing_of_the_inside(log: list[Any]) -> None:
    answer = ask(Guard(raising(Unavailable("disk /dev/sda1 is full"))), "/x")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, str(module.RETRY_AFTER))
    assert "sda1" not in answer.text
    assert any("sda1" in str(entry.get("reason")) for entry in log)


@pytest.mark.parametrize("error", [RuntimeError("x"), Unavailable("x"), ClientDisconnect()])
def test_an_error_after_the_head_sends_no_second_head(error: Exception, log: list[Any]) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    asyncio.run(Guard(raising(error, after_start=True))({"type": "http", "method": "GET", "path": "/x"}, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start"]


def test_the_log_has_neither_query_strings_nor_the_secrets_of_links(sqlite_store: Store, log: list[Any]) -> None:
    """Query strings hold OAuth signatures and tokens; a link's signature opens the file."""
    app = application(sqlite_store)
    ask(app, "/services/mailclient/message?oauth_token=TOPSECRET&oauth_signature=TOPSECRET")
    ask(app, "/links/17/TOPSECRET/TOPSECRET.pdf?TOPSECRET")
    ask(app, "/postroom/v1/suppressions/TOPSECRET@x.example")
    for path in ("/api/2.0/authentication/TOPSECRET", "/API/2.0/Authentication/TOPSECRET.json", "//api/2.0/authentication/TOPSECRET"):
        ask(app, f"http://post.example{path}", "POST")
    ask(app, "/healthz?TOPSECRET")
    assert [entry["path"] for entry in log if entry["event"] == "request"] == [
        "/services/mailclient/message",
        "/links/17/…",
        "/postroom/v1/suppressions/…",
        "/api/2.0/authentication/…",
        "/API/2.0/Authentication/…",
        "/api/2.0/authentication/…",
        "/healthz",
    ]
    assert "TOPSECRET" not in json.dumps(log, default=str)


def test_each_request_is_logged_once(log: list[Any], sqlite_store: Store) -> None:
    ask(application(sqlite_store), "/nope", "POST")
    (entry,) = [entry for entry in log if entry["event"] == "request"]
    assert (entry["method"], entry["status"], entry["client"]) == ("POST", 404, "127.0.0.1")
    assert entry["milliseconds"] >= 0


def test_anything_but_http_passes_the_guard(log: list[Any]) -> None:
    seen: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    asyncio.run(Guard(app)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]
    assert log == []
