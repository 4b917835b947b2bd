"""A whole application behind real HTTP, with people of a school who may write to each other, and keys for those who write programs."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from starlette.routing import Mount

from postroom import clock
from postroom.application import application
from postroom.directory import clients, passwords, people
from postroom.directory.contacts import Contact
from postroom.directory.people import NewPerson
from postroom.directory.records import Client, Token
from postroom.messages import mailboxes, private
from postroom.messages.mailboxes import ThreadLine
from postroom.messages.private import PrivateMessage
from postroom.settings import HttpSettings
from postroom.storage.store import Store
from tests.consent import PASSWORD, Visitor
from tests.dialects.conftest import Server
from tests.support import EASY_HASHER

CALLBACK = "https://app.example/back"


class School:
    """Anna uses the clients; Jan is whom she writes with, and acts without them."""

    def __init__(self, store: Store, server: Server) -> None:
        settings = msgspec.structs.replace(store.settings, http=HttpSettings(public_url=server.base))
        self.store = msgspec.structs.replace(store, settings=settings)
        self.base = server.base
        server.serve(Mount("", application(self.store)))
        write, now = store.database.write_now, clock.now()
        self.jan = write(people.add, NewPerson(first_name="Jan", last_name="Robak"), now)
        self.anna = write(people.add, NewPerson(first_name="Anna", last_name="Żak", email="anna@school.example"), now)
        write(passwords.keep, self.anna, passwords.digest(PASSWORD), now)
        add, vault = clients.add_client, store.vault
        self.key: Client = write(add, vault, "Anna", administrative=False, user_id=self.anna, now=now)
        contact = Contact(url=None, callbacks=(CALLBACK,))
        self.program: Client = write(add, vault, "app", administrative=False, contact=contact, now=now)
        self.token: Token = write(clients.add_token, vault, self.program.id, self.anna, ["schoology"], now)

    def url(self, path: str) -> str:
        """Return the address of a path below /v1, which begins with a slash."""
        return f"{self.base}v1{path}"

    @property
    def page(self) -> str:
        """Where people are asked whether a program may act for them."""
        return f"{self.base}oauth/authorize"

    def consent(self, url: str) -> dict[str, str]:
        """Go where a client sends Anna, and let her agree; return what the callback gets."""
        assert url.startswith(f"{self.page}?")
        given = dict(parse_qsl(urlsplit(url).query))
        visitor = Visitor(self.base, {})
        visitor.url = self.page
        visitor.open(given.pop("oauth_token"), **given)
        visitor.log_in("anna@school.example", PASSWORD)
        page = visitor.submit("allow")
        assert page.target.startswith(f"{CALLBACK}?")
        return page.answer

    def answer(self, thread_id: int, content: str) -> None:
        """Let Jan answer everybody in a thread."""
        message = PrivateMessage(subject="Re", content=content, recipient_ids=[])
        self.store.database.write_now(private.reply, self.store.settings, self.jan, thread_id, message, clock.now(), "usos")

    def write(self, content: str) -> int:
        """Let Jan write to Anna; return the number of the thread."""
        message = PrivateMessage(subject="Hej", content=content, recipient_ids=[self.anna])
        write = self.store.database.write_now
        return write(private.send, self.store.settings, self.jan, message, clock.now(), "usos").thread_id

    def unread(self, user_id: int | None = None) -> int:
        """Return how many unread threads Anna has, or somebody else."""
        return self.store.database.read_now(mailboxes.unread_count, user_id or self.anna)

    def seen_by(self, user_id: int, thread_id: int) -> list[ThreadLine]:
        return self.store.database.read_now(mailboxes.thread, user_id, thread_id)


@contextmanager
def running_school(store: Store, server: Server) -> Iterator[School]:
    """Run a school on an opened store. Its passwords are hashed with little work: how much it is has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", EASY_HASHER)
        yield School(store, server)
