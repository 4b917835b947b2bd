"""The mail of an item as a file (SuperOffice contract §1.4: GetEMailAsEmlStream)."""

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import update

from postroom.delivery import eml
from postroom.errors import NotFound
from postroom.messages import letters
from postroom.messages.items import Key
from postroom.messages.letter_records import LetterFile
from postroom.messages.records import NewAttachment
from postroom.storage.store import Store
from postroom.storage.tables import attachments
from tests.messages.conftest import NOW
from tests.messages.post_office import PostOffice


@pytest.fixture
def post(store: Store) -> PostOffice:
    return PostOffice(store)


def mail(post: PostOffice, user_id: int, key: Key, *, with_files: bool = True) -> EmailMessage:
    content = asyncio.run(eml.of_item(post.store, user_id, key, with_files=with_files))
    assert b"\n" not in content.replace(b"\r\n", b"")
    return message_from_bytes(content, policy=policy.default)


def with_file(post: PostOffice, **changes: Any) -> int:
    """Send a letter with a file, from person 1 to person 2."""

    async def stored() -> str:
        async with post.store.blobs.writer() as blob:
            await blob.write(b"a file\n.\n")
            return await blob.commit()

    draft = post.saved(1, to=("otto@uni.example",))
    new = NewAttachment(blob_key=asyncio.run(stored()), filename="notes.txt", content_type="text/plain", size=9)
    number = post.run(letters.add_file, 1, draft, new, NOW)
    return post.letter(1, message_id=draft, files=(LetterFile(attachment_id=number),), **changes)


def test_what_came_is_the_mail_that_came(post: PostOffice) -> None:
    number = with_file(post, cc=("eve@elsewhere.example",), bcc=("hidden@elsewhere.example",))
    came = mail(post, 2, post.came(2, number))
    assert came["Message-ID"] == f"<{post.identifier(2, post.came(2, number))}>"
    assert (came["From"], came["To"], came["Cc"], came["Bcc"]) == (
        "Anna Nowak <anna@uni.example>",
        "otto@uni.example",
        "eve@elsewhere.example",
        None,
    )
    assert came["Subject"] == "Hello"
    assert b"hidden" not in bytes(came)
    (file,) = came.iter_attachments()
    assert file.get_filename() == "notes.txt"
    assert file.get_content() == "a file\n.\n"
    body = came.get_body(("html",))
    assert body is not None
    assert "Hi there" in body.get_content()


def test_the_author_sees_the_hidden_ones_too(post: PostOffice) -> None:
    number = post.letter(1, bcc=("hidden@elsewhere.example",))
    assert mail(post, 1, Key(own=True, id=number))["Bcc"] == "hidden@elsewhere.example"


def test_without_files_there_are_none(post: PostOffice) -> None:
    number = with_file(post)
    assert list(mail(post, 1, Key(own=True, id=number), with_files=False).iter_attachments()) == []


def test_files_that_were_withdrawn_are_left_out(post: PostOffice) -> None:
    number = with_file(post)
    post.run(lambda tx: tx.execute(update(attachments).values(revoked_at=NOW)) and None)
    assert list(mail(post, 2, post.came(2, number)).iter_attachments()) == []


def test_who_got_a_mail_of_their_own_sees_nobody_else(post: PostOffice) -> None:
    number = post.mail(1, user_ids=[2], emails=["eve@elsewhere.example"])
    key = post.came(2, number)
    came = mail(post, 2, key)
    assert came["To"] == "Otto Nowak <otto@uni.example>"
    assert came["Message-ID"] == f"<{post.identifier(2, key)}>"
    assert b"eve@" not in bytes(came)
    assert "eve@elsewhere.example" in mail(post, 1, Key(own=True, id=number))["To"]


def test_private_messages_and_drafts_have_one_too(post: PostOffice) -> None:
    line = post.write(1, 2)
    assert mail(post, 2, post.came(2, line.message_id))["From"] == "Anna Nowak <anna@uni.example>"
    assert mail(post, 1, Key(own=True, id=post.saved(1, body="<p>Draft</p>")))["Subject"] == "Draft"


def test_nobody_gets_the_mail_of_others(post: PostOffice) -> None:
    number = post.letter(1)
    for user_id, key in ((2, Key(own=True, id=number)), (1, post.came(2, number)), (1, Key(own=True, id=0)), (1, Key(own=False, id=2**62))):
        with pytest.raises(NotFound):
            mail(post, user_id, key)
