"""Letters on their whole way: carried by a real Postfix, kept by a real Dovecot, fetched over IMAP, read with the standard library.

ONLYOFFICE contract §1a.6 steps 7 to 11, §7.5.7, §7.5.8, §8.21.
"""

import asyncio
import contextlib
import imaplib
import os
import random
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import select, update

from postroom import clock
from postroom.delivery import contexts
from postroom.messages import alerts, letters
from postroom.messages.letter_records import Letter, LetterFile
from postroom.messages.letters import Desk
from postroom.messages.records import MailOptions, NewAttachment
from postroom.settings import DeliverySettings
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import attachments, messages, recipients
from tests import postfix
from tests.delivery import dovecot
from tests.delivery.dovecot import Dovecot
from tests.delivery.letters import add_person, settled, states, status, until, with_relay, working
from tests.delivery.mails import read, recipient, skeleton, text_of, wire
from tests.delivery.sink import Sink, running
from tests.messages.test_letters import INVITATION
from tests.processes import free_port

NAME = "zażółć gęślą jaźń: plan zajęć na rok akademicki 2026.pdf"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
DOCUMENT = random.Random(7).randbytes(300_000)
BODY = f"""<html><head><title>x</title></head><body>
<p>Zażółć gęślą jaźń &amp; <b>więcej</b>.   </p>
.
..two dots
From here on: {"long " * 400}
<img src="cid:logo@x" alt="logo"></body></html>"""
EVENT = INVITATION.format("REQUEST").replace("END:VEVENT", f"SUMMARY:Spotkanie {'ważne ' * 30}\nEND:VEVENT")


def desk(store: Store, author: int) -> Desk:
    return Desk(settings=store.settings, vault=store.vault, author_id=author, dialect="onlyoffice", now=clock.now())


async def attached(store: Store, author: int, message: int, filename: str, content_type: str, content: bytes) -> int:
    async with store.blobs.writer() as writer:
        await writer.write(content)
        key = await writer.commit()
    new = NewAttachment(blob_key=key, filename=filename, content_type=content_type, size=len(content))
    return await store.database.write(letters.add_file, author, message, new, clock.now())


def a_letter(**changes: Any) -> Letter:
    values: dict[str, Any] = {"sender": "anna@uni.example", "to": ("ok-bob@x.example",), "subject": "Temat", "body": "<p>Treść</p>"}
    return Letter(**{**values, **changes})


def fetched(server: Dovecot, user: str) -> tuple[bytes, EmailMessage]:
    """The one mail in a person's mailbox, over IMAP."""
    with imaplib.IMAP4("127.0.0.1", server.port) as client:
        client.authenticate("PLAIN", lambda _challenge: f"\0{user}\0{dovecot.PASSWORDS[user]}".encode())
        client.select("INBOX", readonly=True)
        assert client.search(None, "ALL")[1] == [b"1"]
        data = client.fetch("1", "(BODY.PEEK[])")[1][0][1]  # type: ignore[index]
    assert isinstance(data, bytes)
    parsed = message_from_bytes(data, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return data, parsed


@contextlib.contextmanager
def mail_servers() -> Iterator[tuple[postfix.Postfix, Dovecot]]:
    """A Postfix that puts the mail for x.example into the mailboxes of a Dovecot."""
    for reason in filter(None, (postfix.missing(), dovecot.missing())):
        pytest.skip(f"{reason}: letters through real mail servers are not shown here")
    with dovecot.running() as server:
        mailboxes = server.folder / "mail"
        mailboxes.mkdir()
        owner = server.folder.stat()
        os.chown(mailboxes, owner.st_uid, owner.st_gid)
        accounts = " ".join(f"{{ {user}@x.example = {user}/Maildir/ }}" for user in dovecot.PASSWORDS)
        settings = {
            "virtual_mailbox_domains": "x.example",
            "virtual_mailbox_base": str(mailboxes),
            "virtual_mailbox_maps": f"inline:{{ {accounts} }}",
            "virtual_uid_maps": f"static:{owner.st_uid}",
            "virtual_gid_maps": f"static:{owner.st_gid}",
            "virtual_minimum_uid": "1",
        }
        with postfix.running_postfix(free_port(), settings) as relay:
            yield relay, server


def test_a_letter_through_postfix_and_dovecot(sqlite_store: Store) -> None:
    """To, Cc, Bcc, a file with a Polish name, a picture within the text, an invitation: all arrives, and nobody sees who is hidden."""
    with mail_servers() as (relay, server):
        ours = with_relay(sqlite_store, relay.port, DeliverySettings(retry_first=0.5), security="opportunistic")
        author = ours.database.write_now(add_person, "Łucja", "Żak", "lucja@uni.example")
        letter = Letter(
            sender="lucja@uni.example",
            to=('"Ala Łoś" <ala@x.example>',),
            cc=("ola@x.example",),
            bcc=("Ula <ula@x.example>",),
            subject="Zażółć gęślą jaźń: plan spotkania " + "bardzo " * 12,
            body=BODY,
            important=True,
            read_receipt=True,
            delivery_receipt=True,
            calendar=EVENT,
            mime_reply_to="parent.1@far.example",
        )

        async def main() -> int:
            message: int = (await ours.database.write(letters.save_draft, desk(ours, author), letter)).message_id
            picture = await attached(ours, author, message, "logo.png", "image/png", PICTURE)
            document = await attached(ours, author, message, NAME, "", DOCUMENT)
            files = (LetterFile(attachment_id=picture, content_id="logo@x"), LetterFile(attachment_id=document))
            await ours.database.write(letters.send, desk(ours, author), structs.replace(letter, files=files), message)
            async with working(ours):
                await settled(ours, message, 60)
            assert set(ours.database.read_now(states, message).values()) == {"delivered"}
            await until(lambda: all(list((server.folder / "mail" / user).glob("Maildir/new/*")) for user in ("ala", "ola", "ula")), 60)
            return message

        message = asyncio.run(main())
        mails = {user: fetched(server, user) for user in ("ala", "ola", "ula")}
    sent_at = sqlite_store.database.read_now(lambda tx: tx.execute(select(messages.c.sent_at).where(messages.c.id == message)).scalar_one())
    for user, (data, parsed) in mails.items():
        assert parsed["Bcc"] is None
        assert user == "ula" or b"ula@" not in data.lower()
        check_headers(parsed, sent_at)
        check_parts(parsed)
        transmitted = data[data.index(b"Date:") :]
        assert max(map(len, transmitted.split(b"\r\n"))) <= 998
        assert not [line for line in transmitted.partition(b"\r\n\r\n")[2].split(b"\r\n") if line.endswith((b" ", b"\t"))]


def check_headers(parsed: EmailMessage, sent_at: int) -> None:
    """§1a.6 step 8."""
    assert [defect for part in parsed.walk() for defect in part.defects] == []
    assert parsedate_to_datetime(parsed["Date"]).timestamp() == sent_at // 1000
    assert str(parsed["From"]) == "Łucja Żak <lucja@uni.example>"
    assert [(address.display_name, address.addr_spec) for address in parsed["To"].addresses] == [("Ala Łoś", "ala@x.example")]
    assert [(address.display_name, address.addr_spec) for address in parsed["Cc"].addresses] == [("", "ola@x.example")]
    assert parsed["Subject"] == ("Zażółć gęślą jaźń: plan spotkania " + "bardzo " * 12)
    assert (parsed["In-Reply-To"], parsed["References"]) == ("<parent.1@far.example>", None)
    assert (parsed["Importance"], parsed["X-Priority"], parsed["Auto-Submitted"]) == ("high", "1", "auto-generated")
    for name in ("Return-Receipt-To", "Disposition-Notification-To"):
        assert parsed[name].endswith("<lucja@uni.example>")


def check_parts(parsed: EmailMessage) -> None:
    assert structure(parsed) == [
        "multipart/mixed",
        ["multipart/related", ["multipart/alternative", "text/plain", "text/html", "text/calendar"], "image/png"],
        "application/ics",
        "application/pdf",
    ]
    assert "Zażółć gęślą jaźń & więcej." in text_of(parsed)
    assert text_of(parsed, "html").replace("\n", "") == BODY.replace("\n", "")
    parts = {part.get_content_type(): part for part in parsed.walk()}
    assert parts["text/calendar"]["Content-Type"].params["method"] == "REQUEST"
    ics = EVENT.replace("\n", "\r\n")
    assert parts["text/calendar"].get_payload(decode=True) == ics.encode()
    invitation = parts["application/ics"]
    assert (invitation.get_filename(), invitation["Content-Type"].params["method"]) == ("invite.ics", "REQUEST")
    assert invitation.get_payload(decode=True) == ics.encode()
    picture = parts["image/png"]
    assert (picture["Content-ID"], picture.get_content_disposition(), picture.get_filename()) == ("<logo@x>", "inline", "logo.png")
    assert picture.get_payload(decode=True) == PICTURE
    document = parts["application/pdf"]
    assert (document.get_content_disposition(), document.get_filename()) == ("attachment", NAME)
    assert document["Content-Type"].params["name"].startswith("=?utf-8?B?") or document["Content-Type"].params["name"] == NAME
    assert document.get_payload(decode=True) == DOCUMENT


def structure(part: Any) -> Any:
    kind = part.get_content_type()
    return [kind, *map(structure, part.iter_parts())] if part.is_multipart() else kind


def inbox(tx: Tx, author: int) -> list[Any]:
    line = recipients.join(messages, messages.c.id == recipients.c.message_id)
    found = select(messages.c.subject, messages.c.content, recipients.c.read_at, messages.c.id).select_from(line)
    return list(tx.execute(found.where(recipients.c.user_id == author, recipients.c.received_at.is_not(None))))


def test_a_letter_that_the_relay_refuses_comes_back_and_can_be_sent_again(store: Store) -> None:
    """§7.5.7: in the drafts, the daemon's letter in the inbox, an alert; the second try goes out with a roll of its own."""

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port)
            author = store.database.write_now(add_person, "Anna", "Nowak", "anna@uni.example")
            async with working(ours):
                sent = await ours.database.write(letters.send, desk(ours, author), a_letter(to=("spam@x.example",)))
                await settled(ours, sent.message_id)
                (told,) = store.database.read_now(inbox, author)
                assert (told.subject, told.read_at) == ("Message delivery failure", None)
                refusal = store.database.read_now(lambda tx: tx.execute(select(recipients.c.reply_text)).scalars().first())
                assert refusal is not None
                assert refusal[:30] in told.content
                (alert,) = store.database.read_now(alerts.of_person, author)
                assert (alert.message_id, alert.told_in) == (sent.message_id, told.id)
                again = await ours.database.write(letters.send, desk(ours, author), a_letter(), sent.message_id)
                assert again.message_id == sent.message_id
                await settled(ours, sent.message_id)
            assert store.database.read_now(status, sent.message_id) == "sent"
            assert sink.recipients() == ["ok-bob@x.example"]
            assert len(store.database.read_now(inbox, author)) == 1

    asyncio.run(main())


def test_a_file_whose_bytes_are_gone_is_named_in_the_failure(sqlite_store: Store) -> None:
    """§1a.3: the call succeeds, delivery fails."""

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(sqlite_store, sink.port)
            author = ours.database.write_now(add_person, "Anna", "Nowak", "anna@uni.example")
            message = (await ours.database.write(letters.save_draft, desk(ours, author), a_letter())).message_id
            file = await attached(ours, author, message, "plan.pdf", "application/pdf", b"bytes")
            await ours.database.write(letters.send, desk(ours, author), a_letter(files=(LetterFile(attachment_id=file),)), message)
            ours.database.write_now(lambda tx: tx.execute(update(attachments).values(blob_key="0" * 32)) and None)
            async with working(ours):
                await settled(ours, message)
            (told,) = ours.database.read_now(inbox, author)
            assert f"attachments: file {file} (plan.pdf) is gone" in told.content
            assert sink.recipients() == []

    asyncio.run(main())


def test_a_delivery_receipt_is_asked_for_with_delays(sqlite_store: Store) -> None:
    """§1a.6 step 8: NOTIFY=SUCCESS,FAILURE,DELAY."""

    async def main() -> None:
        async with running(Sink(extensions=("PIPELINING", "8BITMIME", "SIZE 10000000", "DSN"))) as sink:
            ours = with_relay(sqlite_store, sink.port)
            author = ours.database.write_now(add_person, "Anna", "Nowak", "anna@uni.example")
            async with working(ours):
                sent = await ours.database.write(letters.send, desk(ours, author), a_letter(delivery_receipt=True))
                await settled(ours, sent.message_id)
            assert "RCPT TO:<ok-bob@x.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;ok-bob@x.example" in sink.commands

    asyncio.run(main())


def test_an_automatic_reply_says_so_and_asks_for_nothing() -> None:
    """§1a.6 step 8; RFC 3834: no receipts for what a program answered (ours)."""
    options = MailOptions(automatic="replied", marked_generated=True, delivery_receipt=True, read_receipt=True)
    rendered = skeleton(content_format="html", content="<p>Away</p>", mail=options)
    parsed = read(wire(rendered.fill(recipient())))
    assert parsed["Auto-Submitted"] == "auto-replied"
    assert (parsed["Return-Receipt-To"], parsed["Disposition-Notification-To"], rendered.delivery_receipt) == (None, None, False)


def test_a_calendar_only_says_that_it_was_generated() -> None:
    """Bounces and receipts come back as with any mail of a person (ours)."""
    rendered = skeleton(mail=MailOptions(marked_generated=True, delivery_receipt=True))
    parsed = read(wire(rendered.fill(recipient())))
    assert (parsed["Auto-Submitted"], parsed["Precedence"]) == ("auto-generated", None)
    assert (rendered.null_sender, rendered.delivery_receipt) == (False, True)


@pytest.mark.parametrize("body", [letters.EMPTY_BODY, '<div dir="ltr"><br></div>', ""])
def test_html_without_a_word_has_no_text_part(body: str) -> None:
    """§1a.6 step 8."""
    parsed = read(wire(skeleton(content_format="html", content=body, mail=MailOptions(signature=False)).fill(recipient())))
    assert parsed.get_content_type() == "text/html"


def test_recipients_are_called_what_the_author_called_them(store: Store) -> None:
    """Not by their name in the directory: a private address would tell everybody whose it is (ours)."""
    author = store.database.write_now(add_person, "Anna", "Nowak", "anna@uni.example")
    store.database.write_now(add_person, "Bob", "Secret", "bob@home.example")
    letter = a_letter(to=("bob@home.example", "B. <anna@uni.example>"), cc=("Bob <bob@home.example>",))
    sent = store.database.write_now(letters.send, desk(store, author), letter)
    (context,) = store.database.read_now(contexts.load, store.settings, store.vault, [sent.message_id]).values()
    assert (context.to, context.cc) == ((("", "bob@home.example"), ("B.", "anna@uni.example")), ())
