"""Contexts: what the composer is told of a message, and the mail that comes of it with the files from the store."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, update

from postroom import clock
from postroom.delivery import composer, contexts
from postroom.delivery.composer import Skeleton
from postroom.errors import Invalid, Unavailable
from postroom.messages import message_ids, options
from postroom.messages.records import MAX_MAIL_FILES, MailOptions
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import attachments, recipients
from tests.delivery.letters import add_message, add_person, rows
from tests.delivery.mails import read, recipient, wire
from tests.support import counted


def named(tx: Tx, message: int, role: str, email: str | None, name: str | None = None, user: int | None = None) -> None:
    tx.execute(insert(recipients).values(message_id=message, role=role, email=email, name=name, user_id=user, state="queued"))


def load(store: Store, message: int) -> contexts.Context:
    return store.database.read_now(contexts.load, store.settings, store.vault, [message])[message]


def shared_message(tx: Tx) -> int:
    message = add_message(tx, ["first@x.example"], shared=True)
    named(tx, message, "to", "ola@x.example", "given name", add_person(tx, "Ola", "Łoś", None))
    named(tx, message, "cc", "rektor@x.example", "Rektor")
    named(tx, message, "bcc", "hidden@x.example", "Hidden")
    named(tx, message, "to", "bare@x.example")
    named(tx, message, "self", "ala@uni.example")
    named(tx, message, "to", None, None, add_person(tx, "Nobody", "Here", None))
    return message


def add_file(tx: Tx, message: int, key: str, size: int, **columns: Any) -> int:
    values = {
        "message_id": message,
        "blob_key": key,
        "filename": "żółw.bin",
        "content_type": "application/octet-stream",
        "size": size,
        "disposition": "attachment",
        "created_at": 1,
        **columns,
    }
    return int(tx.execute(insert(attachments).values(values).returning(attachments.c.id)).scalar_one())


async def blob(store: Store, content: bytes) -> str:
    async with store.blobs.writer() as writer:
        await writer.write(content)
        return await writer.commit()


def render(store: Store, context: contexts.Context) -> Skeleton:
    return asyncio.run(composer.render(store, context, mailing=False))


def with_file(store: Store, content: bytes, **columns: Any) -> contexts.Context:
    message = store.database.write_now(add_message, ["a@x.example"])
    store.database.write_now(add_file, message, asyncio.run(blob(store, content)), len(content), **columns)
    return load(store, message)


def test_shared_messages_name_to_and_cc_in_the_order_of_the_roll(store: Store) -> None:
    """As the author called them, else people of the organisation by their full name; nobody hidden, nobody without an address."""
    context = load(store, store.database.write_now(shared_message))
    assert context.to == (("", "first@x.example"), ("given name", "ola@x.example"), ("", "bare@x.example"))
    assert context.cc == (("Rektor", "rektor@x.example"),)
    assert context.bcc == ()


def test_other_messages_name_nobody(store: Store) -> None:
    context = load(store, store.database.write_now(add_message, ["a@x.example", "b@x.example"]))
    assert (context.shared, context.to, context.cc) == (False, (), ())


def test_the_copy_names_the_hidden_ones_too(store: Store) -> None:
    message = store.database.write_now(shared_message)
    context = store.database.read_now(contexts.load_copy, store.settings, store.vault, message)
    assert context is not None
    assert context.bcc == (("Hidden", "hidden@x.example"),)
    assert len(context.to) == 3
    parsed = read(asyncio.run(composer.render_copy(store, context)))
    assert str(parsed["Bcc"]) == "Hidden <hidden@x.example>"
    assert store.database.read_now(contexts.load_copy, store.settings, store.vault, 10**6) is None


@pytest.mark.parametrize(
    ("emails", "shared", "alone"), [(["a@x.example"], False, True), (["a@x.example"], True, False), (["a@x", "b@x"], False, False)]
)
def test_the_only_recipient_is_known_to_the_copy(store: Store, emails: list[str], *, shared: bool, alone: bool) -> None:
    """The author's copy to oneself does not count."""

    def fill(tx: Tx) -> int:
        message = add_message(tx, emails, shared=shared)
        named(tx, message, "self", "ala@uni.example")
        return message

    message = store.database.write_now(fill)
    context = store.database.read_now(contexts.load_copy, store.settings, store.vault, message)
    first = store.database.read_now(rows, message)[emails[0]].id
    assert context is not None
    assert context.only_recipient == (first if alone else None)


def test_too_many_names_are_cut_off_behind_the_limit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than can be named is enough to know; a roll of any length takes no more memory."""
    monkeypatch.setattr(contexts, "MAX_NAMED", 3)
    message = store.database.write_now(add_message, [f"a{number}@x.example" for number in range(9)], shared=True)
    assert len(load(store, message).to) == 4


def test_an_answer_names_the_mail_that_it_answers(store: Store) -> None:
    """RFC 5322 section 3.6.4; where all recipients of the answered message had the same mail, and nothing else is given."""

    def fill(tx: Tx, **columns: Any) -> int:
        return add_message(tx, ["a@x.example"], author_id=author, **columns)

    author = store.database.write_now(add_person)
    first, given, separate = (
        store.database.write_now(fill, **columns)
        for columns in ({"shared": True}, {"shared": True, "mail": '{"message_id": "own@client.example"}'}, {"shared": False})
    )
    ours = message_ids.made(store.vault, store.settings.mail.domain, first)
    cases: list[tuple[dict[str, Any], tuple[str | None, str | None]]] = [
        ({"in_reply_to": first, "shared": True}, (ours, ours)),
        ({"in_reply_to": first}, (ours, ours)),
        ({"in_reply_to": given}, ("<own@client.example>", "<own@client.example>")),
        ({"in_reply_to": first, "mail": '{"in_reply_to": "x@y", "references": ["1@y"]}'}, ("<x@y>", "<1@y>")),
        ({"in_reply_to": first, "mail": '{"references": ["1@y"]}'}, (ours, "<1@y>")),
        ({"in_reply_to": separate}, (None, None)),
        ({"in_reply_to": first, "kind": "summary"}, (None, None)),
    ]
    for columns, fields in cases:
        context = load(store, store.database.write_now(fill, **columns))
        parsed = read(wire(render(store, context).fill(recipient("a@x.example"))))
        assert (parsed["In-Reply-To"], parsed["References"]) == fields


def test_shared_messages_of_a_batch_cost_one_statement_more(store: Store) -> None:
    ids = [store.database.write_now(shared_message) for _ in range(5)]
    with counted(store) as statements:
        found = store.database.read_now(contexts.load, store.settings, store.vault, ids)
    assert len(statements) == 3
    assert {len(context.to) for context in found.values()} == {3}


def test_options_and_kind_of_a_message_come_along(store: Store) -> None:
    mail = options.encoded(MailOptions(importance="high"))
    message = store.database.write_now(add_message, ["a@x.example"], mail=mail, template=True)
    context = load(store, message)
    assert (context.mail, context.template) == (mail, True)
    assert b"X-Priority: 2\r\n" in wire(render(store, context).fill(recipient()))


def test_files_and_links_are_told_apart(store: Store) -> None:
    def fill(tx: Tx) -> int:
        message = add_message(tx, ["a@x.example"])
        add_file(tx, message, "a", 1, disposition="link")
        add_file(tx, message, "b", 2)
        add_file(tx, message, "c", 3, disposition="inline", content_id="c@x")
        return message

    context = load(store, store.database.write_now(fill))
    assert [link.size for link in context.links] == [1]
    assert [(file.blob_key, file.disposition, file.content_id) for file in context.files] == [
        ("b", "attachment", None),
        ("c", "inline", "c@x"),
    ]


def test_files_come_from_the_store_into_the_mail(store: Store) -> None:
    content = bytes(range(256)) * 5_000
    (part,) = read(wire(render(store, with_file(store, content)).fill(recipient()))).iter_attachments()
    assert (part.get_filename(), part.get_payload(decode=True)) == ("żółw.bin", content)


def test_a_file_that_is_gone_or_withdrawn_makes_no_mail(sqlite_store: Store) -> None:
    context = with_file(sqlite_store, b"content")
    asyncio.run(sqlite_store.blobs.delete(context.files[0].blob_key))
    with pytest.raises(Invalid, match=r"attachments: file \d+ \([^)]+\) is gone"):
        render(sqlite_store, context)
    with pytest.raises(Invalid, match="was withdrawn"):
        render(sqlite_store, with_file(sqlite_store, b"content", revoked_at=clock.now()))
    cut = with_file(sqlite_store, b"content")
    sqlite_store.database.write_now(lambda tx: tx.execute(update(attachments).values(size=8)))
    with pytest.raises(Invalid, match="is not whole"):
        render(sqlite_store, load(sqlite_store, cut.message_id))


def test_a_file_that_cannot_be_read_now_is_no_fault_of_the_message(sqlite_store: Store) -> None:
    """A folder in its place stands for a failing disk: the worker waits, nobody fails."""
    context = with_file(sqlite_store, b"content")
    path = next(sqlite_store.settings.data_dir.glob(f"blobs/*/{context.files[0].blob_key}"))
    path.unlink()
    path.mkdir()
    with pytest.raises(Unavailable, match="attachment store"):
        render(sqlite_store, context)


def test_files_that_are_too_large_together_are_not_even_read(sqlite_store: Store) -> None:
    def fill(tx: Tx) -> int:
        message = add_message(tx, ["a@x.example"])
        for _ in range(2):
            add_file(tx, message, "never read", MAX_MAIL_FILES // 2 + 1)
        return message

    with pytest.raises(Invalid, match="more than 26214400 bytes"):
        render(sqlite_store, load(sqlite_store, sqlite_store.database.write_now(fill)))


class _Zeros:
    """A blob store whose only blob is as long as anybody wants."""

    async def read(self, _key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        yield bytes(stop - start)


def test_large_files_do_not_hold_up_the_loop(sqlite_store: Store) -> None:
    """Encoding 25 MB is done beside the loop: other tasks go on meanwhile."""
    file = contexts.File(
        id=1,
        blob_key="k",
        filename="a.bin",
        content_type="application/octet-stream",
        size=MAX_MAIL_FILES,
        description="",
        disposition="attachment",
        content_id=None,
        withdrawn=False,
    )
    context = load(sqlite_store, sqlite_store.database.write_now(add_message, ["a@x.example"]))
    store = msgspec.structs.replace(sqlite_store, blobs=_Zeros())

    async def turns() -> int:
        task = asyncio.create_task(composer.render(store, msgspec.structs.replace(context, files=(file,)), mailing=False))
        count = 0
        while not task.done():
            await asyncio.sleep(0.001)
            count += 1
        assert (await task).size > MAX_MAIL_FILES * 4 // 3
        return count

    assert asyncio.run(turns()) >= 5


def test_a_message_with_bad_options_hinders_no_other(store: Store) -> None:
    bad = store.database.write_now(add_message, ["a@x.example"], mail="{")
    good = store.database.write_now(add_message, ["a@x.example"])
    found = store.database.read_now(contexts.load, store.settings, store.vault, [bad, good])
    assert sorted(found) == [bad, good]
    with pytest.raises(Invalid, match=r"^mail: "):
        render(store, found[bad])
    assert render(store, found[good]).common is None
