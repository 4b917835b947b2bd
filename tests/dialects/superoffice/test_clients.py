"""The client that SuperOffice publishes for Node, in both of its versions (wire/superoffice.md §5, §6): only the host is changed."""

from pathlib import Path
from typing import Any, Final

import pytest

from postroom.dialects.superoffice import defaults
from tests.dialects.conftest import PASSWORD
from tests.dialects.published import Answer, NodeClient
from tests.dialects.superoffice.conftest import Api
from tests.dialects.superoffice.probes import PROBES

VERSIONS: Final = ("12.4.1514", "10.2.9")
UNAUTHORIZED: Final = Answer({"Message": "Authorization has been denied for this request."}, 401)

pytestmark = pytest.mark.timeout(300)
"""The first of these tests installs the client."""


def client(api: Api, version: str, path: str = "", **options: Any) -> NodeClient:
    """Start the client, below a path of the server."""
    return NodeClient(Path(__file__).parent / "webapi.js", "@superoffice/webapi", version, base=f"{api.root}{path}", **options)


@pytest.mark.parametrize("version", VERSIONS)
def test_from_an_empty_mail_to_one_that_is_sent(sqlite_api: Api, version: str) -> None:
    """§5.3: what CreateDefault gave, filled in, goes there and back: numbers for words, dates of the year 1, nulls."""
    sqlite_api.serve(*PROBES)
    with client(sqlite_api, version, "/Cust12345", name="jan@x.example", password=PASSWORD) as node:
        empty = node.do("call", method="createDefaultEMailEntity").content
        assert (empty["flags"], empty["priority"], empty["to"], empty["isSent"]) == (0, "NoPriority", [], False)
        changes = {
            "subject": "Hei æøå",
            "to": [{"address": "a@example.com", "name": "A"}],
            "priority": "High",
            "flags": 33,
            "attachments": [{"filename": "a.txt", "stream": "aGVsbG8="}],
            "customHeaderList": [{"name": "X-Foo", "values": ["1", "2"]}],
        }
        sent = node.do("send", changes=changes)
        assert sent.status == 200
        (mail,) = sent.content
        assert (mail["subject"], mail["priority"], mail["flags"]) == ("Hei æøå", "High", 33)
        assert mail["to"][0]["address"] == "a@example.com"
        assert mail["attachments"][0]["stream"] == "aGVsbG8="
        assert mail["customHeaderList"][0]["values"] == ["1", "2"]
        assert mail["sent"] == empty["sent"]


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_to_fill_in(sqlite_api: Api, version: str) -> None:
    """§1.4: the client can read each empty object."""
    with client(sqlite_api, version, ticket=sqlite_api.ticket) as node:
        for one in defaults.METHODS:
            created = node.do("call", method=one.name[0].lower() + one.name[1:])
            assert created.status == 200, one.name
            assert created.content, one.name


@pytest.mark.parametrize("version", VERSIONS)
def test_calls_of_every_kind(sqlite_api: Api, version: str) -> None:
    """§1.4, notes, §5.2: with a ticket; numbers, nothing, arguments in the query, files as bytes and as base64."""
    sqlite_api.serve(*PROBES)
    with client(sqlite_api, version, "/api/", ticket=f"7T:{sqlite_api.ticket}") as node:
        assert node.do("call", method="getCurrentAccountId") == Answer(sqlite_api.jan, 200)
        assert node.do("call", method="markEmailsAsRead", args=[[1, 2], True]).status == 200
        assert node.do("call", method="getEMailAccount", args=[5]).status == 200
        whole = {"method": "getEMailAsStream", "args": [None, 1, False]}
        assert node.do("call", **whole) == Answer([0, 255, *b"eml"], 200)
        assert node.do("call", **whole, options={"returnBlobAs": 1}) == Answer("AP9lbWw=", 200)


@pytest.mark.parametrize("version", VERSIONS)
def test_errors_reach_the_program(sqlite_api: Api, version: str) -> None:
    """§5.2, key facts 5: a call that failed is never mistaken for one that did not."""
    with client(sqlite_api, version) as node:
        assert node.do("call", method="getCurrentAccountId") == UNAUTHORIZED
    with client(sqlite_api, version, name="jan@x.example", password="wrong") as node:
        assert node.do("call", method="createDefaultEMailEntity") == UNAUTHORIZED
    with client(sqlite_api, version, "/Cust1", ticket=sqlite_api.ticket) as node:
        assert node.do("call", method="createDefaultEMailEntity").status == 421
    with client(sqlite_api, version, ticket=sqlite_api.ticket) as node:
        refused = node.do("call", method="getEMailFromTemp", args=["x"])
        assert (refused.status, refused.content["ErrorType"]) == (501, "NotImplementedException")


@pytest.mark.parametrize("version", VERSIONS)
def test_options_of_a_call(sqlite_api: Api, version: str) -> None:
    """§2.2, §3.2: language and time zone, in the headers that the client makes of them."""
    sqlite_api.serve(*PROBES)
    with client(sqlite_api, version, ticket=sqlite_api.ticket) as node:
        asked = {"languageCode": "sv", "cultureCode": "nb", "timezone": "US", "timezoneInclude": True}
        mail = {"subject": "x", "sent": "2024-01-02T03:04:05.000Z"}
        (sent,) = node.do("call", method="sendEMails", args=[None, [mail], None], options=asked).content
        assert sent["sent"] == "2024-01-02T03:04:05.000Z", "the moment is the same in every zone, since its offset is told"
        refused = node.do("call", method="sendEMails", args=[None, [mail], None], options={"timezone": "Mars"})
        assert (refused.status, refused.content["Message"]) == (400, "The request is invalid.")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_selection(sqlite_api: Api, version: str) -> None:
    """§3.4, §5.1: as the client writes it into the query; what was not chosen is empty to it, and no error. With a Bearer token."""
    sqlite_api.serve(*PROBES)
    bearer = f"Bearer 8A:Cust12345.{sqlite_api.ticket}"
    with client(sqlite_api, version, authorization=bearer, select="Subject,From/Address") as node:
        mail = {
            "subject": "x",
            "plainBody": "y",
            "from": {"address": "a@example.com", "name": "A"},
            "to": [{"address": "b@example.com"}],
            "flags": 1,
        }
        (sent,) = node.do("call", method="sendEMails", args=[None, [mail], None]).content
        assert (sent["subject"], sent["from"]["address"]) == ("x", "a@example.com")
        assert (sent["plainBody"], sent["from"]["name"], sent["to"], sent["flags"], sent["attachments"]) == (None, None, [], 0, [])
