"""A store with files to be fetched, and the shortest way to ask for them."""

import asyncio
import shutil
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import update

from postroom import clock
from postroom.application import application
from postroom.directory import people
from postroom.messages import attachments, drafts
from postroom.messages.records import Attachment, DraftContent, NewAttachment
from postroom.storage.store import Store
from postroom.storage.tables import attachments as attachments_table
from tests.consent import Site, running_site
from tests.dialects.conftest import Server

CHROMIUM = shutil.which("chromium")

QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-sandbox",
]
"""No service of anybody is asked for anything; without a sandbox, since tests may run as root."""


class Shelf:
    """Files of one author, and requests for them as a browser sends them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.app = application(store)
        self.author = store.database.write_now(people.add, people.NewPerson(first_name="Anna", last_name="Nowak"), clock.now())

    def put(self, content: bytes, filename: str = "plan.pdf", content_type: str = "application/pdf") -> Attachment:
        async def upload() -> str:
            async with self.store.blobs.writer() as writer:
                await writer.write(content)
                return await writer.commit()

        new = NewAttachment(blob_key=asyncio.run(upload()), filename=filename, content_type=content_type, size=len(content))
        write = self.store.database.write_now
        message_id = write(drafts.create, self.author, DraftContent(), clock.now(), "usos")
        number = write(attachments.add, self.author, message_id, new, clock.now())
        return write(attachments.get, self.author, number)

    def change(self, attachment: Attachment, **values: Any) -> None:
        statement = update(attachments_table).where(attachments_table.c.id == attachment.id).values(**values)
        self.store.database.write_now(lambda tx: tx.execute(statement) and None)

    def path(self, attachment: Attachment) -> str:
        return attachments.link_path(self.store.vault, attachment)

    def get(self, path: str, method: str = "GET", **headers: str) -> httpx2.Response:
        async def ask() -> httpx2.Response:
            transport = httpx2.ASGITransport(self.app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://post.example") as client:
                return await client.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})

        return asyncio.run(ask())


@pytest.fixture
def shelf(sqlite_store: Store) -> Shelf:
    return Shelf(sqlite_store)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def site(sqlite_store: Store, server: Server) -> Iterator[Site]:
    with running_site(sqlite_store, server) as site:
        yield site


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser; skips where there is none. Not for the whole session: while it lives, an event loop of its own runs in this thread."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium; as root: make system-packages")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Page]:
    """A tab without scripts, and what the browser complained of, which must be nothing."""
    context = chromium.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(20_000)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert [text for text in complaints if "Content Security Policy" in text] == []
