"""A real Postfix as the relay: a mailing goes through its queue and on to the sink."""

import asyncio

import pytest

from postroom.settings import DeliverySettings
from postroom.storage.store import Store
from tests.delivery.letters import add_message, settled, states, until, with_relay, working
from tests.delivery.sink import Sink, running
from tests.postfix import missing, running_postfix

REFUSING = {
    "smtpd_recipient_restrictions": "check_recipient_access inline:{ { refused@x.example = REJECT no such person } },"
    " permit_mynetworks, reject"
}


@pytest.fixture
def postfix_needed() -> None:
    if reason := missing():
        pytest.skip(f"{reason}: delivery through a real relay is not shown here")


@pytest.mark.usefixtures("postfix_needed")
def test_mailing_through_postfix(sqlite_store: Store) -> None:
    """A real Postfix as relay carries a mailing. Everybody gets it once, and whom the relay refuses fails with its words."""
    store = sqlite_store
    people = [f"ok{n}@x.example" for n in range(200)]

    async def main() -> None:
        async with running(Sink(extensions=("PIPELINING", "8BITMIME", "SIZE 10000000"))) as sink:
            with running_postfix(sink.port, REFUSING) as postfix:
                ours = with_relay(store, postfix.port, DeliverySettings(retry_first=0.5), connections=8, security="opportunistic")
                message = store.database.write_now(add_message, [*people, "refused@x.example"], lane="bulk")
                async with working(ours):
                    await settled(ours, message, 60)
                found = store.database.read_now(states, message)
                assert {email for email, state in found.items() if state != "delivered"} == {"refused@x.example"}, postfix.log()[-3000:]
                assert found["refused@x.example"] == "failed"
                await until(lambda: len(sink.recipients()) >= len(people), 60)
                assert sink.recipients() == sorted(people)
                assert b"Subject: =?utf-8?B?WmHFvMOzxYLEhw==?=" in sink.taken[0].content

    asyncio.run(main())
