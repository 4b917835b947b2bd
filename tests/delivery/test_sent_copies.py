"""Copies of sent messages on their whole way: from the request into a folder of a real Dovecot, through all that can go wrong."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from email import message_from_bytes
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from postroom import clock
from postroom.delivery import composer, contexts, copy_queue, sent_copies
from postroom.delivery.copy_queue import ClaimedCopy
from postroom.delivery.imap import Answer, Conversation
from postroom.delivery.sent_copies import AT_ONCE, MAX_REFUSALS, ONE_HOST, judge
from postroom.errors import Unavailable
from postroom.messages import copies
from postroom.messages.copies import Copy, ImapAccount
from postroom.settings import DeliverySettings, SuperofficeSettings
from postroom.storage import tables
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.store import Store
from tests.delivery import dovecot
from tests.delivery.dovecot import Dovecot
from tests.delivery.letters import FAST, add_message, until
from tests.delivery.scripted import Scripted
from tests.processes import free_port
from tests.support import counted


@pytest.fixture(scope="module")
def started() -> Iterator[Dovecot]:
    reason = dovecot.missing()
    if reason:
        pytest.skip(f"{reason}: copies in folders of a real IMAP server are not shown here")
    with dovecot.running() as server:
        yield server


@pytest.fixture
def server(started: Dovecot, monkeypatch: pytest.MonkeyPatch) -> Dovecot:
    monkeypatch.setenv("SSL_CERT_FILE", str(started.certificate))
    return started


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> str:
    """A folder for each test: the server is one for all of them."""
    return "".join(character if character.isalnum() else "-" for character in request.node.name)


def impatient(store: Store) -> Store:
    return msgspec.structs.replace(store, settings=msgspec.structs.replace(store.settings, delivery=FAST))


@contextlib.asynccontextmanager
async def copying(store: Store) -> AsyncIterator[asyncio.Task[None]]:
    """The part of a worker that makes copies runs meanwhile, with leave to reach all that is asked for; it is cancelled at the end."""
    found = store.database.read_now(lambda tx: list(tx.execute(select(tables.sent_copies.c.host, tables.sent_copies.c.port))))
    servers = SuperofficeSettings(incoming_servers=[f"{host}:{port}" for host, port in found])
    store = msgspec.structs.replace(store, settings=msgspec.structs.replace(store.settings, superoffice=servers))
    task = asyncio.create_task(sent_copies.keep_copying(store, "w", asyncio.Event()))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def ask(store: Store, account: ImapAccount, message: int | None = None) -> tuple[int, int]:
    """Ask for a copy of a message, by default one of its own; return the numbers of message and copy."""
    message = message or store.database.write_now(add_message, ["ala@x.example", "ola@x.example"])
    settings = msgspec.structs.replace(store.settings, superoffice=SuperofficeSettings(incoming_servers=[f"{account.host}:{account.port}"]))
    return message, store.database.write_now(copies.request, settings, store.vault, message, account, now=clock.now())


def state(store: Store, message: int) -> Copy:
    (copy,) = store.database.read_now(copies.of_message, message)
    return copy


def row(store: Store, number: int) -> Any:
    found = select(tables.sent_copies).where(tables.sent_copies.c.id == number)
    return store.database.read_now(lambda tx: tx.execute(found).one())


def becomes(store: Store, message: int, wanted: str) -> Callable[[], bool]:
    return lambda: state(store, message).state == wanted


def absent_account() -> ImapAccount:
    return ImapAccount(host="127.0.0.1", port=free_port(), security="none", username="ala", password="Kot w butach", folder="Sent")


def add_hidden(tx: Tx) -> int:
    message = add_message(tx, ["ala@x.example", "ola@x.example", "hidden@x.example"])
    tx.execute(update(tables.recipients).where(tables.recipients.c.email == "hidden@x.example").values(role="bcc"))
    return message


def test_copy_appears_as_the_mail_that_its_author_sent(store: Store, server: Dovecot, folder: str) -> None:
    """Read, with everybody in its headers, the hidden ones too, and the date of sending; the password is forgotten."""
    ours = impatient(store)
    message, number = ask(ours, server.account(folder=folder), ours.database.write_now(add_hidden))

    async def main() -> None:
        async with copying(ours):
            await until(becomes(ours, message, "done"))
        context = ours.database.read_now(contexts.load_copy, ours.settings, ours.vault, message)
        assert context is not None
        assert server.kept(folder) == [("S", await composer.render_copy(ours, context))]

    asyncio.run(main())
    mail = message_from_bytes(server.kept(folder)[0][1])
    assert (mail["To"], mail["Bcc"]) == ("ala@x.example, ola@x.example", "hidden@x.example")
    kept = row(ours, number)
    assert (kept.secret, kept.attempts, kept.lease_owner, kept.due_at) == ("", 1, None, None)
    assert kept.settled_at >= kept.created_at
    assert "Append completed" in kept.reply_text


def test_lost_outcome_makes_no_second_copy(store: Store, server: Dovecot, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Design 1.3 for copies: the worker dies between the word of the server and the commit of the outcome."""

    def lost(*_: object) -> None:
        raise Unavailable("the disk is gone")

    monkeypatch.setattr(sent_copies, "GRACE", 0.2)
    ours = impatient(store)
    message, number = ask(ours, server.account(folder=folder))

    async def main() -> None:
        with monkeypatch.context() as crash:
            crash.setattr(copy_queue, "settle", lost)
            crash.setattr(copy_queue, "release", lost)
            async with copying(ours):
                await until(lambda: len(server.kept(folder)) == 1)
        assert row(ours, number).state == "sending"
        ours.database.write_now(lambda tx: tx.execute(update(tables.sent_copies).values(lease_until=clock.now())) and None)
        async with copying(ours):
            await until(becomes(ours, message, "done"))

    asyncio.run(main())
    assert len(server.kept(folder)) == 1
    assert state(ours, message).reply_text == "it was there already"
    assert row(ours, number).recoveries == 1


def test_absent_server_is_waited_for(store: Store, server: Dovecot, folder: str) -> None:
    ours = impatient(store)
    message, _ = ask(ours, server.account(folder=folder))

    async def main() -> None:
        await asyncio.to_thread(server.stop)
        try:
            async with copying(ours):
                await until(lambda: state(ours, message).attempts >= 2)
                assert "refused" in (state(ours, message).reply_text or "")
                await asyncio.to_thread(server.start)
                await until(becomes(ours, message, "done"))
        finally:
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)

    asyncio.run(main())
    assert len(server.kept(folder)) == 1


def test_refused_login_is_tried_three_times(store: Store, server: Dovecot, folder: str) -> None:
    """More would lock the account on many servers. The words are kept, the password is not."""
    ours = impatient(store)
    message, number = ask(ours, server.account("ola", folder=folder, password="nie to"))

    async def main() -> None:
        async with copying(ours):
            await until(becomes(ours, message, "failed"))

    asyncio.run(main())
    kept = row(ours, number)
    assert (kept.secret, kept.attempts, kept.refusals) == ("", MAX_REFUSALS, MAX_REFUSALS)
    assert kept.reply_text == "[AUTHENTICATIONFAILED] Authentication failed."
    assert server.kept(folder, "ola") == []


def test_two_workers_make_each_copy_once(store: Store, server: Dovecot, folder: str) -> None:
    ours = impatient(store)
    asked = [ask(ours, server.account(folder=folder))[0] for _ in range(12)]

    async def main() -> None:
        async with copying(ours), copying(ours):
            for message in asked:
                await until(becomes(ours, message, "done"))

    asyncio.run(main())
    identifiers = [message_from_bytes(content)["Message-ID"] for _, content in server.kept(folder)]
    assert len(identifiers) == len(set(identifiers)) == 12
    assert {state(ours, message).attempts for message in asked} == {1}


def test_number_of_copies_at_once_is_bounded_in_all_and_for_each_host(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    running: Counter[str] = Counter()
    seen: list[tuple[int, int]] = []

    def slow(conversation: Conversation, *_: object, **__: object) -> Answer:
        host = conversation._account.host
        running[host] += 1
        seen.append((running.total(), running[host]))
        time.sleep(0.1)
        running[host] -= 1
        return Answer("done", "")

    monkeypatch.setattr(Conversation, "append", slow)
    hosts = ["one.example"] * 5 + ["two.example"] * 4 + ["three.example"]
    asked = [ask(sqlite_store, msgspec.structs.replace(absent_account(), host=host))[0] for host in hosts]

    async def main() -> None:
        async with copying(sqlite_store):
            for message in asked:
                await until(becomes(sqlite_store, message, "done"))

    asyncio.run(main())
    assert max(total for total, _ in seen) == AT_ONCE
    assert max(to_one for _, to_one in seen) == ONE_HOST


def test_stop_breaks_off_and_puts_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that says nothing does not hold up the end of a worker, and the copy is not lost."""
    monkeypatch.setattr(sent_copies, "GRACE", 0.3)
    with Scripted(b"* OK hello\r\n", hang_up=False) as silent:
        account = ImapAccount(host="127.0.0.1", port=silent.port, security="none", username="u", password="p", folder="Sent")
        message, number = ask(store, account)

        async def main() -> float:
            async with copying(store):
                await until(lambda: silent.heard != b"" or state(store, message).state == "sending")
                await asyncio.sleep(0.2)
                begun = time.monotonic()
            return time.monotonic() - begun

        assert asyncio.run(main()) < 3
    kept = row(store, number)
    assert (kept.state, kept.attempts, kept.lease_owner) == ("queued", 1, None)
    assert kept.secret
    assert kept.due_at is not None


def test_try_that_takes_too_long_is_broken_off(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sent_copies, "LONGEST", 0.3)
    with Scripted(b"* OK hello\r\n", hang_up=False) as silent:
        account = ImapAccount(host="127.0.0.1", port=silent.port, security="none", username="u", password="p", folder="Sent")
        message, _ = ask(sqlite_store, account)

        async def main() -> None:
            async with copying(sqlite_store):
                await until(lambda: state(sqlite_store, message).reply_text is not None)

        asyncio.run(main())
    kept = state(sqlite_store, message)
    assert (kept.state, kept.reply_text) == ("queued", "it took too long")


def test_message_that_no_mail_can_be_made_of_fails_alone(sqlite_store: Store, server: Dovecot, folder: str) -> None:
    broken = sqlite_store.database.write_now(add_message, ["a@x.example"], subject="two\r\nlines")
    ask(sqlite_store, server.account(folder=folder), broken)
    whole, _ = ask(sqlite_store, server.account(folder=folder))

    async def main() -> None:
        async with copying(sqlite_store):
            await until(becomes(sqlite_store, broken, "failed"))
            await until(becomes(sqlite_store, whole, "done"))

    asyncio.run(main())
    assert "no mail could be made: Subject" in (state(sqlite_store, broken).reply_text or "")
    assert len(server.kept(folder)) == 1


def test_password_under_another_key_fails_with_the_reason(sqlite_store: Store) -> None:
    message, number = ask(sqlite_store, absent_account())
    other = msgspec.structs.replace(sqlite_store, vault=Vault(b"another key of this installation"))

    async def main() -> None:
        async with copying(other):
            await until(becomes(sqlite_store, message, "failed"))

    asyncio.run(main())
    assert "another secret_key" in row(sqlite_store, number).reply_text
    assert row(sqlite_store, number).secret == ""


@pytest.mark.parametrize("named", [True, False])
def test_forbidden_address_or_server_fails_at_once(sqlite_store: Store, named: bool) -> None:  # noqa: FBT001
    """A name of others that leads inside, or a server that is not allowed any more: two days of trying would change nothing."""
    message, number = ask(sqlite_store, msgspec.structs.replace(absent_account(), host="localhost"))
    port = row(sqlite_store, number).port
    servers = SuperofficeSettings(incoming_servers=[f"localhost:{port}"] if named else [])
    settings = msgspec.structs.replace(sqlite_store.settings, superoffice=servers)
    ours = msgspec.structs.replace(sqlite_store, settings=settings)

    async def main() -> None:
        task = asyncio.create_task(sent_copies.keep_copying(ours, "w", asyncio.Event()))
        await until(becomes(ours, message, "failed"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    kept = row(ours, number)
    assert (kept.secret, kept.attempts, kept.refusals) == ("", 1, 0)
    assert ("leads to an address" if named else "may name") in kept.reply_text


def test_copy_is_given_up_when_its_time_is_over(store: Store) -> None:
    """The last try falls on the expiry; then the reason stays and the password goes."""
    ours = impatient(store)
    message, number = ask(ours, absent_account())

    async def main() -> None:
        async with copying(ours):
            await until(lambda: row(ours, number).attempts >= 2)
            ours.database.write_now(lambda tx: tx.execute(update(tables.sent_copies).values(expires_at=clock.now() + 100)) and None)
            await until(becomes(ours, message, "failed"))

    asyncio.run(main())
    kept = row(ours, number)
    assert kept.secret == ""
    assert kept.settled_at >= kept.expires_at
    assert "refused" in kept.reply_text


def test_idle_part_reads_seldom_and_never_writes(sqlite_store: Store) -> None:
    """While mail pours out every commit wakes it."""

    async def main() -> None:
        wake = asyncio.Event()
        task = asyncio.create_task(sent_copies.keep_copying(sqlite_store, "w", wake))
        for _ in range(50):
            wake.set()
            await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with counted(sqlite_store) as statements:
        asyncio.run(main())
    assert 2 <= len(statements) <= 6
    assert all(statement.startswith("SELECT") for statement in statements)


def test_absent_store_is_waited_for(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sent_copies, "_STORE_PAUSE", 0.05)
    failures = 3
    real = copy_queue.next_due

    def away(tx: Tx) -> int | None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise Unavailable("gone for a moment")
        return real(tx)

    monkeypatch.setattr(copy_queue, "next_due", away)
    monkeypatch.setattr(Conversation, "append", lambda *_, **__: Answer("done", ""))
    message, _ = ask(sqlite_store, absent_account())

    async def main() -> None:
        async with copying(sqlite_store) as task:
            await until(becomes(sqlite_store, message, "done"))
            assert not task.done()

    asyncio.run(main())
    assert failures < 0


COPY = ClaimedCopy(
    id=1,
    message_id=2,
    host="imap.example",
    port=993,
    security="tls",
    username="u",
    secret="sealed",
    folder="Sent",
    attempts=1,
    refusals=0,
    expires_at=10_000_000,
)
RULES = DeliverySettings(retry_first=60, retry_longest=3_600)


@pytest.mark.parametrize(
    ("kind", "changes", "now", "state", "due_at"),
    [
        ("done", {}, 0, "done", None),
        ("done", {}, 10_000_000, "done", None),
        ("later", {}, 0, "queued", 60_000),
        ("later", {"attempts": 3}, 0, "queued", 240_000),
        ("later", {}, 9_990_000, "queued", 10_000_000),
        ("later", {}, 10_000_000, "failed", None),
        ("never", {}, 0, "failed", None),
        ("login", {}, 0, "queued", 3_600_000),
        ("login", {"attempts": 9, "refusals": 1}, 0, "queued", 3_600_000),
        ("login", {"refusals": 2}, 0, "failed", None),
        ("login", {}, 10_000_000, "failed", None),
    ],
)
def test_each_answer_has_its_consequence(kind: Any, changes: dict[str, int], now: int, state: str, due_at: int | None) -> None:
    outcome = judge(msgspec.structs.replace(COPY, **changes), Answer(kind, "words"), RULES, now=now, dice=0.5)
    assert (outcome.state, outcome.due_at, outcome.reply_text) == (state, due_at, "words")
    assert outcome.refused == (kind == "login")


def test_records_of_a_copy_show_nothing_of_the_account() -> None:
    assert repr(COPY) == "ClaimedCopy(1)"
