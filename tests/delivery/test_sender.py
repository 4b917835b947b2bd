"""One connection and its mails: shared ones with an outcome for each recipient, return paths, and receipts."""

import asyncio
import re
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select

from postroom import clock
from postroom.delivery import overview, verp
from postroom.messages import options
from postroom.messages.records import MailOptions
from postroom.settings import BounceSettings, DeliverySettings
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import recipients, suppressions
from tests.delivery.letters import add_message, rows, settled, states, tries, until, with_relay, working
from tests.delivery.sink import Sink, running


def put_shared(store: Store, people: dict[str, str], **columns: Any) -> int:
    """A shared message to these addresses, each in a role."""

    def added(tx: Tx) -> int:
        message = add_message(tx, ["placeholder@x.example"], shared=True, **columns)
        tx.execute(recipients.delete().where(recipients.c.message_id == message))
        now = clock.now()
        row = {"message_id": message, "state": "queued", "lane": "single", "due_at": now, "expires_at": now + clock.DAY}
        tx.execute(insert(recipients), [{**row, "email": email, "role": role} for email, role in people.items()])
        return message

    return store.database.write_now(added)


def bouncing(store: Store) -> Store:
    """The same store with return paths that say whose mail came back."""
    bounces = BounceSettings(domain="bounces.example")
    return msgspec.structs.replace(store, settings=msgspec.structs.replace(store.settings, bounces=bounces))


def mails(sink: Sink) -> list[str]:
    return [command for command in sink.commands if command.startswith("MAIL")]


def deliver(store: Store, sink: Sink, message: int, **relay: Any) -> dict[str, Any]:
    """Run a worker until the message is settled; return its recipients."""

    async def main() -> None:
        async with running(sink):
            ours = with_relay(store, sink.port, **relay)
            async with working(ours):
                await settled(ours, message)

    asyncio.run(main())
    return store.database.read_now(rows, message)


def test_a_shared_mail_goes_to_all_in_one_transaction_and_each_has_an_outcome(store: Store) -> None:
    """One is refused, one comes later, a hidden one is named on the envelope only."""
    people = {"ok1@x.example": "to", "p5@x.example": "to", "ok2@y.example": "cc", "t4x1@x.example": "bcc", "ok3@z.example": "bcc"}
    message = put_shared(store, people)
    sink = Sink()
    found = deliver(store, sink, message, connections=1)
    assert {email: (row.state, row.attempts, row.reply_code) for email, row in found.items()} == {
        "ok1@x.example": ("delivered", 1, 250),
        "p5@x.example": ("failed", 1, 550),
        "ok2@y.example": ("delivered", 1, 250),
        "t4x1@x.example": ("delivered", 2, 250),
        "ok3@z.example": ("delivered", 1, 250),
    }
    assert len(mails(sink)) == 2  # one for all, and one for who was deferred
    first, *_, last = sink.taken
    assert first.content == last.content
    assert b"ok1@x.example" in first.content
    assert b"ok2@y.example" in first.content
    assert b"ok3@z.example" not in first.content
    outcomes = {(row.outcome, row.reply_code) for row in store.database.read_now(tries)}
    assert outcomes == {("failed", 550), ("deferred", 451)}


def test_whom_the_transaction_had_no_room_for_goes_into_further_ones_at_once(store: Store) -> None:
    """RFC 5321 section 4.5.3.1.10: no attempt is burnt, nobody waits, nobody is sent to twice."""
    people = {f"ok{n}@x.example": "to" for n in range(23)}
    sink = Sink()
    sink.recipient_limit = 5
    message = put_shared(store, people)
    found = deliver(store, sink, message)
    assert {(row.state, row.attempts) for row in found.values()} == {("delivered", 1)}
    assert sink.recipients() == sorted(people)
    assert len(mails(sink)) == 5
    assert store.database.read_now(tries) == []


def test_too_many_for_a_transaction_that_nobody_was_taken_in_is_a_refusal(sqlite_store: Store) -> None:
    """Else it would go round and round."""
    message = put_shared(sqlite_store, {"ok1@x.example": "to", "ok2@x.example": "to"}, expires_at=clock.now() + 300)
    sink = Sink()
    sink.recipient_limit = 0

    async def main() -> None:
        async with running(sink):
            ours = with_relay(sqlite_store, sink.port)
            async with working(ours):
                await until(lambda: set(sqlite_store.database.read_now(states, message).values()) == {"deferred"})
                await asyncio.sleep(0.3)

    asyncio.run(main())
    assert {row.outcome for row in sqlite_store.database.read_now(tries)} == {"deferred"}
    assert len(mails(sink)) < 40


def test_a_shared_mail_is_split_into_as_many_recipients_as_a_transaction_may_name(store: Store) -> None:
    people = {f"ok{n}@x.example": "to" if n % 2 else "bcc" for n in range(25)}
    message = put_shared(store, people)
    sink = Sink()
    found = deliver(store, sink, message, recipients_per_message=10)
    assert {row.state for row in found.values()} == {"delivered"}
    assert sink.recipients() == sorted(people)
    assert len(mails(sink)) == 3
    assert len({mail.content for mail in sink.taken}) == 1


def test_a_shared_mail_that_is_refused_as_a_whole_fails_for_all_and_blames_no_address(sqlite_store: Store) -> None:
    """The words of the refusal do not say whose address it is."""
    message = put_shared(sqlite_store, {"spam1@x.example": "to", "ok2@x.example": "cc"})
    found = deliver(sqlite_store, Sink(), message)
    assert {(row.state, row.reply_code) for row in found.values()} == {("failed", 554)}


def test_a_shared_mail_whose_connection_breaks_after_the_final_dot_is_unknown_for_all(sqlite_store: Store) -> None:
    message = put_shared(sqlite_store, {"drop1@x.example": "to", "ok2@x.example": "cc"})
    found = deliver(sqlite_store, Sink(), message)
    assert {(row.state, bool(row.ambiguous), row.attempts) for row in found.values()} == {("delivered", True, 2)}


def test_the_same_person_alone_gets_a_shared_mail_too(sqlite_store: Store) -> None:
    message = put_shared(sqlite_store, {"ok1@x.example": "bcc"})
    sink = Sink()
    assert deliver(sqlite_store, sink, message)["ok1@x.example"].state == "delivered"
    assert b"undisclosed-recipients:;" in sink.taken[0].content


def test_the_return_path_is_of_the_message_where_it_names_many_and_else_of_each_recipient(sqlite_store: Store) -> None:
    ours = bouncing(sqlite_store)
    shared = put_shared(ours, {"ok1@x.example": "to", "ok2@x.example": "bcc"})
    sink = Sink()
    deliver(ours, sink, shared)
    assert {verp.read(ours.settings, ours.vault, mail.sender) for mail in sink.taken} == {verp.ReturnPath("message", shared)}
    single = ours.database.write_now(add_message, ["ok1@x.example", "ok2@x.example"])
    found = deliver(ours, sink := Sink(), single)
    read = {mail.recipient: verp.read(ours.settings, ours.vault, mail.sender) for mail in sink.taken}
    assert read == {email: verp.ReturnPath("recipient", row.id) for email, row in found.items()}


def test_automatic_mail_leaves_with_the_null_return_path(sqlite_store: Store) -> None:
    """RFC 3834 section 3.3: nothing may come back, whatever the settings."""
    ours = bouncing(sqlite_store)
    written, answered = (options.encoded(MailOptions(automatic=how)) for how in ("generated", "replied"))
    messages = [
        put_shared(ours, {"ok1@x.example": "to", "ok2@x.example": "to"}, mail=written),
        ours.database.write_now(lambda tx: add_message(tx, ["ok3@x.example"], mail=answered)),
    ]
    sink = Sink()
    for message in messages:
        deliver(ours, sink, message)
    assert {mail.recipient: mail.sender for mail in sink.taken} == dict.fromkeys(["ok1@x.example", "ok2@x.example", "ok3@x.example"], "")


@pytest.mark.parametrize("offered", [True, False])
def test_a_receipt_of_delivery_is_asked_of_a_relay_that_knows_how(sqlite_store: Store, offered: bool) -> None:  # noqa: FBT001
    """RFC 3461: with each recipient, in the form that survives; a relay without DSN gets the mail all the same."""
    wanted = options.encoded(MailOptions(delivery_receipt=True))
    message = put_shared(sqlite_store, {"ok1@x.example": "to", "ok+2@x.example": "to"}, mail=wanted)
    sink = Sink(extensions=("PIPELINING", *(["DSN"] if offered else [])))
    deliver(sqlite_store, sink, message)
    asked = [command for command in sink.commands if command.startswith("RCPT")]
    assert [bool(re.search(r" RET=HDRS$", command)) for command in mails(sink)] == [offered]
    if offered:
        assert asked == [
            "RCPT TO:<ok1@x.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;ok1@x.example",
            "RCPT TO:<ok+2@x.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;ok+2B2@x.example",
        ]
    else:
        assert asked == ["RCPT TO:<ok1@x.example>", "RCPT TO:<ok+2@x.example>"]


@pytest.mark.parametrize("odd", ["b c@x.example", "za\u017c\u00f3\u0142\u0107@x.example", "x>\r\nRCPT TO:<y@z"])
def test_an_address_that_the_relay_cannot_be_told_spoils_a_shared_mail_for_nobody_else(sqlite_store: Store, odd: str) -> None:
    """Such as one beyond ASCII without SMTPUTF8 (RFC 6531): it fails alone, and nothing of it reaches the wire."""
    message = put_shared(sqlite_store, {"ok1@x.example": "to", odd: "bcc", "ok2@y.example": "to"})
    found = deliver(sqlite_store, sink := Sink(), message)
    states_of = {email: (row.state, row.attempts) for email, row in found.items()}
    assert states_of == {"ok1@x.example": ("delivered", 1), odd: ("failed", 1), "ok2@y.example": ("delivered", 1)}
    assert "address" in found[odd].reply_text
    assert sink.recipients() == ["ok1@x.example", "ok2@y.example"]


def test_a_shared_mail_too_large_for_the_relay_fails_for_all(sqlite_store: Store) -> None:
    message = put_shared(sqlite_store, {"ok1@x.example": "to", "ok2@x.example": "to"})
    found = deliver(sqlite_store, sink := Sink(extensions=("PIPELINING", "SIZE 100")), message)
    assert {row.state for row in found.values()} == {"failed"}
    assert all("the relay takes 100 at most" in row.reply_text for row in found.values())
    assert mails(sink) == []


def test_a_421_in_the_middle_of_a_stream_costs_one_recipient_only(sqlite_store: Store) -> None:
    """Whose envelope was open already goes over a new connection, as if never tried."""
    people = [f"ok{n}@x.example" for n in range(5)] + ["421@x.example"] + [f"ok{n}@y.example" for n in range(5)]
    message = sqlite_store.database.write_now(add_message, people)
    sink = Sink()

    async def main() -> None:
        async with running(sink):
            ours = with_relay(sqlite_store, sink.port, connections=1)
            async with working(ours):
                await until(lambda: not set(sqlite_store.database.read_now(states, message).values()) & {"queued", "sending"})

    asyncio.run(main())
    found = sqlite_store.database.read_now(rows, message)
    assert {row.attempts for email, row in found.items() if email.startswith("ok")} == {1}
    assert {row.state for email, row in found.items() if email.startswith("ok")} == {"delivered"}


def test_a_deferred_recipient_comes_back_when_the_server_wants_it(sqlite_store: Store) -> None:
    """Not after the pause of the settings, and not sooner."""
    message = sqlite_store.database.write_now(add_message, ["ok1@x.example", "ok2@x.example"])
    sink = Sink()
    sink.refusals = {"ok1@x.example": ["451 4.7.1 greylisted, try again in 1 second"], "ok2@x.example": ["450 4.2.1 busy"]}
    found = deliver(sqlite_store, sink, message)
    arrived = {mail.recipient: mail.at for mail in sink.taken}
    assert 0.7 <= arrived["ok1@x.example"] - arrived["ok2@x.example"] <= 3.0
    assert {row.attempts for row in found.values()} == {2}


def test_whose_matter_each_refusal_was_is_kept_and_shown(store: Store) -> None:
    """Of each try by itself; a full mailbox waits for long, whoever is nobody is not sent to any more."""
    message = store.database.write_now(add_message, ["grey@x.example", "nobody@x.example", "full@x.example"])
    sink = Sink()
    sink.refusals = {
        "grey@x.example": ["451 4.7.1 greylisted", "451 4.3.0 busy"],
        "nobody@x.example": ["550 5.1.1 no such person"],
        "full@x.example": ["452 4.2.2 mailbox full"],
    }

    async def main() -> None:
        async with running(sink), working(with_relay(store, sink.port, DeliverySettings(retry_first=0.05, retry_longest=100.0))):
            ended = {"grey@x.example": "delivered", "nobody@x.example": "failed", "full@x.example": "deferred"}
            await until(lambda: store.database.read_now(states, message) == ended)

    asyncio.run(main())
    shown = {line.email: [(one.outcome, one.fault, one.reply_code) for one in line.tries] for line in roll(store, message)}
    assert shown == {
        "grey@x.example": [("deferred", "policy", 451), ("deferred", "other", 451)],
        "nobody@x.example": [("failed", "address", 550)],
        "full@x.example": [("deferred", "mailbox_full", 452)],
    }
    left = store.database.read_now(rows, message)["full@x.example"].due_at - clock.now()
    assert 60_000 <= left <= 120_000
    assert [row.email for row in store.database.read_now(suppressed)] == ["nobody@x.example"]


def roll(store: Store, message: int) -> list[Any]:
    return store.database.read_now(overview.roll, message, 0, 10)


def suppressed(tx: Tx) -> list[Any]:
    return list(tx.execute(select(suppressions)))
