"""Housekeeping: what is over goes, what somebody needs stays, and it may run anywhere at any time."""

import asyncio
import os
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, insert, select, update

from postroom import clock
from postroom.delivery import housekeeping
from postroom.directory import mail_accounts
from postroom.directory.mail_accounts import Autoreply
from postroom.errors import NotFound
from postroom.messages import letters, mail_filters, search
from postroom.messages.letter_records import Letter
from postroom.messages.letters import Desk
from postroom.messages.mail_filters import Action, NewFilter, Rule
from postroom.storage.blobs import PARTS, FolderBlobs
from postroom.storage.database import Tx
from postroom.storage.store import Store, open_store
from postroom.storage.tables import (
    attachments,
    clients,
    login_failures,
    message_words,
    messages,
    nonces,
    recipients,
    request_tokens,
    sent_copies,
    sessions,
    tokens,
    unindexed_messages,
    uploads,
    users,
)
from tests.delivery.letters import add_message, add_person
from tests.messages.conftest import Office
from tests.support import counted

NOW = clock.now()


def add_file(tx: Tx, message: int, key: str, expires_at: int | None) -> None:
    row = {"message_id": message, "blob_key": key, "filename": "x", "content_type": "text/plain", "size": 1, "created_at": 1}
    tx.execute(insert(attachments).values(**row, expires_at=expires_at))


async def blob(store: Store) -> str:
    async with store.blobs.writer() as writer:
        await writer.write(b"x")
        return await writer.commit()


def aged(store: Store, key: str, hours: float) -> None:
    """Let a file look as if it was written hours ago."""
    [path] = (store.settings.data_dir / "blobs").glob(f"*/{key}")
    written = clock.now() / clock.SECOND - hours * 3600
    os.utime(path, (written, written))


async def sweep(store: Store, now: int) -> int:
    return sum([await housekeeping.sweep(store, part, now) for part in range(PARTS)])


async def exists(store: Store, key: str) -> bool:
    try:
        return [chunk async for chunk in store.blobs.read(key, 0, 1)] == [b"x"]
    except NotFound:
        return False


def add_upload(tx: Tx, user: int, key: str | None, expires_at: int) -> None:
    row = {"user_id": user, "blob_key": key, "filename": "x", "size": 1, "created_at": 1}
    tx.execute(insert(uploads).values(**row, expires_at=expires_at))


def test_uploads_that_no_message_took_over_go_with_their_files(store: Store) -> None:
    """An upload is kept for a day; one that is complete keeps its file from the sweep until then."""

    async def main() -> None:
        user = store.database.write_now(add_person)
        over, alive = [await blob(store) for _ in range(2)]
        for key, end in ((over, NOW), (alive, NOW + 1), (None, NOW)):
            store.database.write_now(add_upload, user, key, end)
        aged(store, alive, 25)
        await asyncio.gather(housekeeping.clear(store, NOW), housekeeping.clear(store, NOW))
        assert [await exists(store, key) for key in (over, alive)] == [False, True]
        assert await sweep(store, NOW) == 0
        assert await exists(store, alive)
        assert store.database.read_now(lambda tx: list(tx.execute(select(uploads.c.blob_key)).scalars())) == [alive]

    asyncio.run(main())


def test_files_are_deleted_when_their_links_are_over(store: Store) -> None:
    """Contract 1.3: after this time attachments will be automatically deleted."""

    async def main() -> None:
        message = store.database.write_now(add_message, ["a@x.example"])
        over, alive, draft = [await blob(store) for _ in range(3)]
        for key, end in ((over, NOW), (alive, NOW + 1), (draft, None)):
            store.database.write_now(add_file, message, key, end)
        await asyncio.gather(housekeeping.clear(store, NOW), housekeeping.clear(store, NOW))
        assert [await exists(store, key) for key in (over, alive, draft)] == [False, True, True]
        revoked = store.database.read_now(lambda tx: dict(tx.execute(select(attachments.c.blob_key, attachments.c.revoked_at)).all()))
        assert revoked == {over: NOW, alive: None, draft: None}

    asyncio.run(main())


def test_old_nonces_are_forgotten(store: Store) -> None:
    def prepare(tx: Tx) -> None:
        client = tx.execute(insert(clients).values(key="k", secret="s", name="n", created_at=1).returning(clients.c.id)).scalar_one()
        seconds = NOW // 1000
        window = store.settings.oauth.timestamp_window
        rows: list[dict[str, Any]] = [{"client_id": client, "timestamp": seconds - age, "nonce": "x"} for age in (0, window, 3 * window)]
        tx.execute(insert(nonces), rows)

    store.database.write_now(prepare)
    asyncio.run(housekeeping.clear(store, NOW))
    assert len(store.database.read_now(lambda tx: tx.execute(select(nonces)).all())) == 2


def test_a_busy_minute_leaves_no_nonces_behind(store: Store) -> None:
    """What a busy API uses up in a minute is cleared in one: the table must not grow for ever."""

    def prepare(tx: Tx) -> None:
        client = tx.execute(insert(clients).values(key="k", secret="s", name="n", created_at=1).returning(clients.c.id)).scalar_one()
        tx.execute(insert(nonces), [{"client_id": client, "timestamp": 1, "nonce": str(number)} for number in range(2_500)])

    store.database.write_now(prepare)
    asyncio.run(housekeeping.clear(store, NOW))
    assert store.database.read_now(lambda tx: tx.execute(select(nonces)).all()) == []


def test_what_is_over_of_logins_and_consents_is_forgotten(store: Store) -> None:
    """Request tokens that nobody exchanged, tokens that ended over 30 days ago, wrong passwords of the day before yesterday, sessions."""

    def prepare(tx: Tx) -> None:
        client = tx.execute(insert(clients).values(key="k", secret="s", name="n", created_at=1).returning(clients.c.id)).scalar_one()
        user = tx.execute(
            insert(users).values(first_name="a", last_name="b", created_at=1, modified_at=1).returning(users.c.id)
        ).scalar_one()
        own = {"secret": "s", "client_id": client, "created_at": 1}
        for name, ago in (("old", 31 * clock.DAY), ("new", 29 * clock.DAY)):
            tx.execute(insert(tokens).values(**own, token=name, user_id=user, expires_at=NOW - ago))
        tx.execute(insert(tokens).values(**own, token="for good", user_id=user))
        for name, expires_at in (("old", NOW), ("new", NOW + 1)):
            tx.execute(insert(request_tokens).values(**own, token=name, callback="oob", expires_at=expires_at))
        for name, ago in (("old", clock.DAY + 1), ("new", clock.DAY - 1)):
            tx.execute(insert(login_failures).values(subject=name, failures=9, last_at=NOW - ago))
        for name, expires_at in (("old", NOW), ("new", NOW + 1)):
            tx.execute(insert(sessions).values(kind="x", token_hash=name, user_id=user, created_at=1, expires_at=expires_at))

    def left(tx: Tx) -> list[set[str]]:
        columns = (tokens.c.token, request_tokens.c.token, login_failures.c.subject, sessions.c.token_hash)
        return [set(tx.execute(select(column)).scalars()) for column in columns]

    store.database.write_now(prepare)
    asyncio.run(housekeeping.clear(store, NOW))
    assert store.database.read_now(left) == [{"new", "for good"}, {"new"}, {"new"}, {"new"}]


def test_a_blob_that_is_gone_already_stops_nothing(store: Store) -> None:
    """Two workers, or one after a crash, may come for the same file."""
    message = store.database.write_now(add_message, ["a@x.example"])
    store.database.write_now(add_file, message, "ab" * 16, NOW)
    asyncio.run(housekeeping.clear(store, NOW))
    store.database.write_now(lambda tx: tx.execute(update(attachments).values(revoked_at=None)))
    asyncio.run(housekeeping.clear(store, NOW))


def test_no_work_is_no_trouble(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(housekeeping.clear(store, NOW))
    assert "cleared" not in capsys.readouterr().out


def test_files_that_a_crash_left_behind_are_swept(store: Store) -> None:
    """The file of no row, the file of a withdrawn link, an unfinished upload: all of them once they are old, nothing else ever."""

    async def main() -> None:
        message = store.database.write_now(add_message, ["a@x.example"])
        nobodys, withdrawn, needed, young = [await blob(store) for _ in range(4)]
        for key in (withdrawn, needed):
            store.database.write_now(add_file, message, key, None)
        revoke = update(attachments).where(attachments.c.blob_key == withdrawn).values(revoked_at=1)
        store.database.write_now(lambda tx: tx.execute(revoke) and None)
        unfinished = store.settings.data_dir / "blobs" / "incoming" / ("0f" * 16)
        unfinished.write_bytes(b"half")
        for key in (nobodys, withdrawn, needed, unfinished.name):
            aged(store, key, 25)
        assert await sweep(store, clock.now()) == 3
        assert [await exists(store, key) for key in (nobodys, withdrawn, needed, young)] == [False, False, True, True]
        assert not unfinished.exists()

    asyncio.run(main())


@pytest.mark.parametrize("ahead", [0, 30])
def test_a_file_that_is_uploaded_right_now_is_never_swept(store: Store, ahead: int) -> None:
    """Between the last byte and the row, and while it comes in; also by a worker whose clock is half an hour ahead."""

    async def main() -> None:
        now = clock.now() + ahead * clock.MINUTE
        async with store.blobs.writer() as writer:
            await writer.write(b"x")
            assert await sweep(store, now) == 0
            key = await writer.commit()
        assert await sweep(store, now) == 0
        aged(store, key, 23)
        assert await sweep(store, now) == 0
        assert await exists(store, key)

    asyncio.run(main())


def test_files_of_others_are_left_alone(store: Store) -> None:
    """Nobody knows what lies in a folder besides our blobs: only what looks like one of ours is ours."""

    async def main() -> None:
        await blob(store)
        folder = store.settings.data_dir / "blobs" / "ab"
        folder.mkdir(exist_ok=True)
        for name in (".nfs0001", "ab", "ab" * 17, "AB" * 16, "cd" * 16):
            (folder / name).write_bytes(b"x")
            aged(store, name, 48)
        assert await sweep(store, clock.now()) == 0

    asyncio.run(main())


def test_each_round_sweeps_some_part(store: Store) -> None:
    """With something to find in every part, one round finds it in one at least."""
    folder = store.settings.data_dir / "blobs"
    for part in range(PARTS):
        path = folder / f"{part:02x}" / (f"{part:02x}" * 16)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
        aged(store, path.name, 48)
    asyncio.run(housekeeping.clear(store, clock.now()))
    assert len(list(folder.glob("*/*"))) < PARTS


class Stuck(FolderBlobs):
    """A store of blobs that deletes nothing: the process is killed before, or the disk is broken."""

    async def delete(self, key: str) -> None:
        raise PermissionError(13, "Permission denied", key)


def test_what_fails_keeps_nothing_else_from_being_cleared(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """The step is named in the log, the others do their work, and the files that stay behind are swept later."""
    stuck = msgspec.structs.replace(store, blobs=Stuck(store.settings.data_dir / "blobs"))

    def prepare(tx: Tx, keys: list[str]) -> None:
        message = add_message(tx, ["a@x.example"], status="sent", retain_until=NOW)
        add_file(tx, message, keys[0], NOW)
        add_file(tx, message, keys[1], None)
        client = tx.execute(insert(clients).values(key="k", secret="s", name="n", created_at=1).returning(clients.c.id)).scalar_one()
        tx.execute(insert(nonces).values(client_id=client, timestamp=1, nonce="x"))

    async def main() -> None:
        keys = [await blob(store), await blob(store)]
        store.database.write_now(prepare, keys)
        await housekeeping.clear(stuck, NOW)
        for table in (nonces, attachments, messages):
            assert store.database.read_now(lambda tx, table=table: tx.execute(select(table)).all()) == []
        assert [await exists(store, key) for key in keys] == [True, True]
        for key in keys:
            aged(store, key, 25)
        assert await sweep(store, clock.now()) == 2

    asyncio.run(main())
    output = capsys.readouterr().out
    assert "not_cleared" in output
    assert "links" in output
    assert "retained" in output


def test_two_workers_clear_at_once(store: Store) -> None:
    """A long roll, many short ones and their files: all of it goes, once, and neither worker trips over the other."""
    other = open_store(store.settings)

    def prepare(tx: Tx, keys: list[str]) -> None:
        long = add_message(tx, [f"a{number}@x.example" for number in range(3_500)], status="sent", retain_until=NOW - 1)
        add_file(tx, long, keys[0], None)
        for key in keys[1:]:
            add_file(tx, add_message(tx, ["b@x.example"], status="error", retain_until=NOW), key, None)

    async def main() -> None:
        keys = [await blob(store) for _ in range(30)]
        store.database.write_now(prepare, keys)
        await asyncio.gather(housekeeping.clear(store, NOW), housekeeping.clear(other, NOW))
        for table in (recipients, attachments, messages):
            assert store.database.read_now(lambda tx, table=table: tx.execute(select(table)).all()) == []
        assert not any([await exists(store, key) for key in keys])

    try:
        asyncio.run(main())
    finally:
        other.close()


def test_copies_in_sent_folders_are_forgotten_after_a_month(store: Store) -> None:
    """Those that were made or given up; one that is still to be made waits, however old."""

    def prepare(tx: Tx) -> None:
        common = {"host": "h", "port": 993, "security": "tls", "username": "u", "secret": "", "folder": "Sent", "expires_at": NOW}
        common |= {"message_id": add_message(tx, ["a@x.example"]), "created_at": 1}
        states = (("done", NOW - 31 * clock.DAY), ("failed", NOW - 31 * clock.DAY), ("done", NOW - 29 * clock.DAY), ("queued", None))
        tx.execute(insert(sent_copies), [{**common, "state": state, "settled_at": at} for state, at in states])

    store.database.write_now(prepare)
    asyncio.run(housekeeping.clear(store, NOW))
    left = store.database.read_now(lambda tx: tx.execute(select(sent_copies.c.state).order_by(sent_copies.c.id)).scalars().all())
    assert left == ["done", "queued"]


def test_letters_are_answered_and_older_messages_indexed(store: Store) -> None:
    """Steps ``answered`` and ``indexed``: a letter to somebody who is away is answered once, and a message from before is found."""

    async def main() -> None:
        office = Office(store)
        account = office.run(mail_accounts.named, office.other, "otto@uni.example")
        office.run(mail_accounts.reply, office.other, account.id, Autoreply(on=True, begin=1, html="<p>Away</p>"))
        desk = Desk(settings=store.settings, vault=store.vault, author_id=office.author, dialect="onlyoffice", now=NOW)
        older = office.run(letters.send, desk, Letter(sender="anna@uni.example", to=("otto@uni.example",), subject="Oldtimer")).message_id
        office.run(lambda tx: tx.execute(delete(message_words)) and None)
        office.run(lambda tx: tx.execute(insert(unindexed_messages).values(message_id=older)) and None)
        for _ in range(2):
            await housekeeping.clear(store, NOW)
        assert [row.subject for row in office.rows(messages, messages.c.author_id == office.other)] == ["Re: Oldtimer"]
        assert older in office.run(search.find, office.author, "oldtimer", search.WRITTEN)

    asyncio.run(main())


def test_filters_act_behind_automatic_replies(store: Store) -> None:
    """Step ``filtered``: who is away answers a letter that a filter removes, too."""
    office = Office(store)
    account = office.run(mail_accounts.named, office.other, "otto@uni.example")
    office.run(mail_accounts.reply, office.other, account.id, Autoreply(on=True, html="Away"))
    office.run(mail_filters.create, office.other, NewFilter(rule=Rule(actions=(Action(deed="remove"),))))
    desk = Desk(settings=store.settings, vault=store.vault, author_id=office.author, dialect="onlyoffice", now=NOW)
    number = office.run(letters.send, desk, Letter(sender="anna@uni.example", to=("otto@uni.example",))).message_id
    asyncio.run(housekeeping.clear(store, NOW))
    assert [row.author_id for row in office.rows(messages)] == [office.author, office.other]
    [line] = office.rows(recipients, recipients.c.message_id == number)
    assert line.deleted_at == NOW


def test_nobody_waits_for_what_mailboxes_do_by_themselves(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A letter to many who are away and have filters is answered and filtered in short transactions: on SQLite all others wait for each."""
    office = Office(sqlite_store)
    people = {f"p{n}@uni.example": office.person(f"P{n}", email=f"p{n}@uni.example") for n in range(40)}
    for email, user_id in people.items():
        account = office.run(mail_accounts.named, user_id, email)
        office.run(mail_accounts.reply, user_id, account.id, Autoreply(on=True, html="Away"))
        office.run(mail_filters.create, user_id, NewFilter(rule=Rule(actions=(Action(deed="move", folder="spam"),))))
    desk = Desk(settings=sqlite_store.settings, vault=sqlite_store.vault, author_id=office.author, dialect="onlyoffice", now=NOW)
    number = office.run(letters.send, desk, Letter(sender="anna@uni.example", to=tuple(people))).message_id
    write, costs = sqlite_store.database.write, []

    async def counting(unit: Any, *arguments: Any, **named: Any) -> Any:
        with counted(sqlite_store) as statements:
            result = await write(unit, *arguments, **named)
        costs.append(len(statements))
        return result

    monkeypatch.setattr(sqlite_store.database, "write", counting)
    asyncio.run(housekeeping.clear(sqlite_store, NOW))
    assert max(costs) < 300
    assert len(office.rows(messages)) == 1 + len(people)
    assert {line.place for line in office.rows(recipients, recipients.c.message_id == number)} == {"spam"}
