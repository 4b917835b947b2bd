"""A real Postfix between us and a server that refuses: what it bounces comes back to us (issue: bounces)."""

import asyncio
import smtplib
from collections.abc import Mapping

import msgspec
import pytest
from sqlalchemy import update

from postroom.delivery import verp
from postroom.delivery.bounces.listener import listening
from postroom.settings import BounceSettings
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import recipients
from tests.delivery.letters import add_message, rows, states, tallies, tries, until
from tests.delivery.sink import Sink, running
from tests.postfix import Postfix, missing, running_postfix
from tests.processes import free_port

PEOPLE = ["p5-gone@x.example", "ok-ann@x.example", "spam-bob@x.example"]
"""As ``Sink`` treats them: refused as unknown; taken; refused for the content."""

SOON = {"queue_run_delay": "1s", "minimal_backoff_time": "1s", "maximal_backoff_time": "1s"}
"""When Postfix tries again what it could not deliver."""


@pytest.fixture
def postfix_needed() -> None:
    if reason := missing():
        pytest.skip(f"{reason}: bounces of a real mail server are not shown here")


def handed_over(tx: Tx) -> int:
    message = add_message(tx, PEOPLE)
    tx.execute(update(recipients).where(recipients.c.message_id == message).values(state="delivered", due_at=None))
    return message


def hand_over(postfix: Postfix, paths: Mapping[str, str]) -> None:
    """One mail to each recipient, each with its own return path."""
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=30) as client:
        for email, path in paths.items():
            client.sendmail(path, [email], f"From: ann@uni.example\r\nTo: {email}\r\nSubject: Timetable\r\n\r\nHello.\r\n")


@pytest.mark.parametrize(("protocol", "transport"), [("lmtp", "lmtp:inet:127.0.0.1:{}"), ("smtp", "smtp:[127.0.0.1]:{}")])
@pytest.mark.usefixtures("postfix_needed")
def test_what_a_real_postfix_bounces_fails_here(sqlite_store: Store, protocol: str, transport: str) -> None:
    """With the words of the server that refused it. While nobody listens Postfix keeps the bounces; mail that arrived stays delivered."""
    port = free_port()
    bounces = BounceSettings(domain="bounces.uni.example", listen=protocol, port=port)  # type: ignore[arg-type]
    ours = msgspec.structs.replace(sqlite_store, settings=msgspec.structs.replace(sqlite_store.settings, bounces=bounces))
    back = {"transport_maps": f"inline:{{ {{ bounces.uni.example = {transport.format(port)} }} }}", **SOON}
    message = ours.database.write_now(handed_over)
    found = ours.database.read_now(rows, message)
    paths = {email: verp.of_recipient(ours.settings, ours.vault, row.id) for email, row in found.items()}

    async def main() -> None:
        async with running(Sink()) as sink:
            with running_postfix(sink.port, back) as postfix:
                await asyncio.to_thread(hand_over, postfix, paths)
                await until(lambda: postfix.log().count("Connection refused") >= 2, 30)
                async with listening(ours):
                    await until(lambda: list(ours.database.read_now(states, message).values()).count("failed") == 2, 60)
                    await until(postfix.is_empty, 30)
            assert sink.recipients() == ["ok-ann@x.example"]

    asyncio.run(main())
    ended = ours.database.read_now(rows, message)
    assert {email: row.state for email, row in ended.items()} == dict(zip(PEOPLE, ["failed", "delivered", "failed"], strict=True))
    gone, spam = ended["p5-gone@x.example"], ended["spam-bob@x.example"]
    assert (gone.reply_code, gone.reply_text) == (550, "550-5.1.1 no such person 550 5.1.1 ask somebody else")
    assert (spam.reply_code, spam.reply_text) == (554, "554 5.7.1 we do not want this")
    assert [tried.relay for tried in ours.database.read_now(tries)] == ["bounce", "bounce"]
    assert tallies(ours) == {"bounce.applied": 2}
