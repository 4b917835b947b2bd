"""From a draft to the last outcome, its report, and a second try for those who failed."""

import asyncio
from email import message_from_bytes, policy
from typing import Any

from sqlalchemy import func, insert, select, update

from postroom import clock
from postroom.delivery.dispatch import BACKLOG
from postroom.messages import audience, drafts, message_ids, private, roll, submission
from postroom.messages.mailboxes import ThreadLine
from postroom.messages.private import PrivateMessage
from postroom.messages.records import AudienceChange, DraftContent
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import messages, recipients
from tests.delivery.letters import add_message, add_person, rows, settled, states, status, until, with_relay, working
from tests.delivery.sink import Sink, running


def send(tx: Tx, settings: Any, author: int, emails: list[str]) -> int:
    now = clock.now()
    content = DraftContent(subject="News", content="Hello.", send_summary=True, send_to_myself=True)
    message = drafts.create(tx, author, content, now, "usos")
    audience.update(tx, author, message, AudienceChange(emails=emails), strict=True, now=now)
    roll.refresh(tx, author, message, "primary_only", now)
    submission.submit(tx, settings, author, message, "en", now)
    return message


def test_retry_goes_to_those_who_failed_only(store: Store) -> None:
    """Contract 1.4 no. 13: nobody who has the message gets it again; the report and the copy to oneself come by mail."""

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port)
            author = store.database.write_now(add_person, "Ala", "Kot", "ok-ala@uni.example")
            async with working(ours):
                message = await ours.database.write(send, ours.settings, author, ["ok1@x.example", "ok2@x.example", "spam@x.example"])
                await settled(ours, message)
                assert store.database.read_now(status, message) == "error"
                await until(lambda: len(sink.recipients()) == 4)
                report = message_from_bytes(sink.taken[-1].content, policy=policy.default)
                assert report["Auto-Submitted"] == "auto-generated"
                assert report["To"].addresses[0].addr_spec == "ok-ala@uni.example"
                assert "spam@x.example" in report.get_content()  # type: ignore[attr-defined]
                await ours.database.write(submission.retry, ours.settings, author, message, "en", clock.now())
                await until(lambda: store.database.read_now(status, message) == "error")
                await until(lambda: len(sink.recipients()) == 5)
            assert sink.asked["spam@x.example"] == 2
            assert [sink.asked[address] for address in ("ok1@x.example", "ok2@x.example")] == [1, 1]
            assert sink.asked["ok-ala@uni.example"] == 3  # the copy and two reports
            assert store.database.read_now(states, message)["spam@x.example"] == "failed"

    asyncio.run(main())


def test_an_address_that_does_not_exist_is_not_written_to_again(store: Store) -> None:
    """A hard bounce suppresses: the next message, and a retry of this one, leave it out and say why."""

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port)
            author = store.database.write_now(add_person, "Ala", "Kot", "ok-ala@uni.example")
            async with working(ours):
                first = await ours.database.write(send, ours.settings, author, ["p5@x.example", "spam@x.example"])
                await settled(ours, first)
                second = await ours.database.write(send, ours.settings, author, ["P5@x.example", "ok@x.example"])
                await settled(ours, second)
                await ours.database.write(submission.retry, ours.settings, author, first, "en", clock.now())
                await until(lambda: store.database.read_now(status, first) == "error")
            assert (sink.asked["p5@x.example"], sink.asked["P5@x.example"], sink.asked["spam@x.example"]) == (1, 0, 2)
            assert store.database.read_now(states, first) == {
                "p5@x.example": "suppressed",
                "spam@x.example": "failed",
                "ok-ala@uni.example": "delivered",
            }
            left_out = store.database.read_now(rows, second)["P5@x.example"]
            assert left_out.state == "suppressed"
            assert "550 5.1.1 no such person" in left_out.reply_text

    asyncio.run(main())


def test_a_worker_holds_a_small_part_of_a_long_roll(sqlite_store: Store) -> None:
    """Memory does not grow with the roll: what is claimed at any time is bounded by the window and the connections."""
    held: list[int] = []

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(sqlite_store, sink.port, connections=2)
            message = sqlite_store.database.write_now(add_message, [f"ok{n}@x.example" for n in range(300)], lane="bulk")

            def done() -> bool:
                held.append(sqlite_store.database.read_now(sending))
                return sqlite_store.database.read_now(status, message) != "pending"

            async with working(ours):
                await until(done, 60)
            assert len(sink.recipients()) == 300

    asyncio.run(main())
    assert 0 < max(held) <= 2 * BACKLOG + 2 * 2  # each connection has one on the wire, and one whose envelope is open


def sending(tx: Tx) -> int:
    return tx.execute(select(func.count()).where(recipients.c.state == "sending")).scalar_one()


def test_an_answer_to_everybody_goes_to_bare_addresses_by_mail(store: Store) -> None:
    """People have it in their inboxes; the mail names only those whom it goes to, and the message that it answers."""

    def begin(tx: Tx, author: int, person: int) -> int:
        message = send(tx, store.settings, author, ["ok1@x.example", "ok2@x.example"])
        tx.execute(update(messages).where(messages.c.id == message).values(shared=True))
        tx.execute(insert(recipients).values(message_id=message, user_id=person, state="delivered", received_at=1, settled_at=1))
        return message

    def answer(tx: Tx, settings: Settings, person: int, thread_id: int) -> ThreadLine:
        message = PrivateMessage(subject="Re: News", content="<p>Zażółć</p>", recipient_ids=[])
        return private.reply(tx, settings, person, thread_id, message, clock.now(), "schoology")

    async def main() -> None:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port)
            author, person = (store.database.write_now(add_person, name, "Kot", f"ok-{name}@uni.example") for name in ("Ala", "Ola"))
            thread_id = store.database.write_now(begin, author, person)
            async with working(ours):
                await settled(ours, thread_id)
                before = len(sink.taken)
                made = await ours.database.write(answer, ours.settings, person, thread_id)
                await settled(ours, made.message_id)
            assert made.recipient_ids == sorted([author, person])
            assert sink.asked["ok-Ola@uni.example"] == 0
            found = {row.email: row.state for row in store.database.read_now(lines_of, made.message_id)}
            assert found == dict.fromkeys([None, "ok1@x.example", "ok2@x.example"], "delivered")
            assert store.database.read_now(status, made.message_id) == "sent"
            [content] = {taken.content for taken in sink.taken[before:] if b"Subject: Re: News" in taken.content}
            mail = message_from_bytes(content, policy=policy.default)
            assert [address.addr_spec for address in mail["To"].addresses] == ["ok1@x.example", "ok2@x.example"]
            assert mail["From"].addresses[0].addr_spec == "ok-Ola@uni.example"
            named = message_ids.made(ours.vault, ours.settings.mail.domain, thread_id)
            assert (mail["In-Reply-To"], mail["References"]) == (named, named)

    asyncio.run(main())


def lines_of(tx: Tx, message: int) -> list[Any]:
    return list(tx.execute(select(recipients.c.email, recipients.c.state).where(recipients.c.message_id == message)))
