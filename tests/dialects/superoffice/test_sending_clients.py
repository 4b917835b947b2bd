"""The published client for Node sends mails, in both of its versions, over real SMTP (wire/superoffice.md §5.1 to §5.3)."""

import asyncio
from typing import Any

import pytest

from tests.delivery.letters import with_relay, working
from tests.delivery.sink import Sink, running
from tests.dialects.superoffice.conftest import Api
from tests.dialects.superoffice.test_clients import VERSIONS, client
from tests.dialects.superoffice.test_sending import JAN, read

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("version", VERSIONS)
def test_mails_are_sent_and_a_failure_is_seen(sqlite_api: Api, version: str) -> None:
    """From the empty object that the server gave to one that is sent; what reached nobody rejects the promise, with the words of SMTP."""
    changes = {
        "to": [{"address": "ok-bob@x.example", "name": "Bob"}],
        "from": JAN,
        "subject": "Hei æøå",
        "htmlBody": "<p>x</p>",
        "priority": "High",
        "messageID": "<one@client.example>",
        "attachments": [{"filename": "a.txt", "type": "text/plain", "stream": "aGVsbG8="}],
        "customHeaderList": [{"name": "X-Foo", "values": ["1", "2"]}],
    }

    def calls() -> list[Any]:
        with client(sqlite_api, version, ticket=sqlite_api.ticket) as node:
            answers = []
            for other in ({}, {"to": [{"address": "p5@x.example"}], "messageID": "<two@client.example>"}):
                node.do("call", method="createDefaultEMailEntity")
                answers.append(node.do("send", changes={**changes, **other}))
            return answers

    async def main() -> tuple[list[Any], Sink]:
        async with running(Sink()) as sink, working(with_relay(sqlite_api.store, sink.port)):
            return await asyncio.to_thread(calls), sink

    (sent, failed), sink = asyncio.run(main())
    (told,) = sent.content
    assert (sent.status, told["isSent"], told["messageID"], told["priority"]) == (200, True, "one@client.example", "High")
    assert sink.recipients() == ["ok-bob@x.example"]
    assert [part.get_content() for part in read(sink).iter_attachments()] == ["hello"]
    assert read(sink).get_all("X-Foo") == ["1", "2"]
    assert (failed.status, failed.content["ErrorType"]) == (502, "SmtpCommandException")
    assert "550" in failed.content["ErrorMessage"]
