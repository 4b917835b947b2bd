"""The frame over real HTTP (wire/superoffice.md §1.3, §3, §5): what comes in, and in what form it is answered."""

import asyncio
import gzip
import json
from base64 import b64encode
from typing import Any, Final

import httpx2
import pytest

from postroom.application import application
from postroom.dialects.superoffice import application as dialect
from postroom.dialects.superoffice.operation import NAMES
from postroom.errors import Forbidden, Invalid, NotFound, TooLarge, Unavailable, WrongState
from tests.dialects.superoffice.conftest import Api, basic
from tests.dialects.superoffice.probes import PROBES, first

JSON: Final = {"Content-Type": "application/json"}
XML: Final = {"Content-Type": "application/xml"}
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
SENT: Final = (
    '{"outgoingConnectionInfo":{"serverName":"smtp.example.com:587","userName":"u","password":"p","folder":"Sent","useSSL":true},"emails":'
    '[{"to":[{"address":"a@example.com","name":"A"}],"cc":[],"bcc":[],"subject":"Hei æøå","htmlBody":"<p>x</p>","plainBody":"x","from":'
    '{"address":"me@example.com","name":"Me"},"sent":"2024-01-02T03:04:05.000Z","receivedAt":"0001-01-01T00:00:00.000Z","priority":"High",'
    '"flags":33,"tableRight":{"mask":15},"attachments":[{"filename":"a.txt","type":"text/plain","stream":"aGVsbG8="}],"customHeaderList":'
    '[{"name":"X-Foo","values":["1","2"],"tableRight":null}]}],"sentItemsConnectionInfo":null}'
)
"""What the client of SuperOffice sends (§5.1, §5.3)."""
DOCUMENT: Final = (
    '<SendEMailsRequest xmlns="urn:x"><!-- x --><OutgoingConnectionInfo><ServerName>smtp.example.com:587</ServerName><UseSSL>true</UseSSL>'
    "</OutgoingConnectionInfo><Emails><EMailEntity><To><EMailAddress><Address>a@example.com</Address><Name>A</Name></EMailAddress></To><Cc/>"
    "<Bcc></Bcc><Subject>Hei æøå</Subject><HTMLBody>&lt;p&gt;x&lt;/p&gt;</HTMLBody><PlainBody>x</PlainBody><From><Address>me@example.com"
    "</Address><Name>Me</Name></From><Sent>2024-01-02T03:04:05Z</Sent><Priority>High</Priority><Flags>Seen, Answered</Flags><Attachments>"
    "<EMailAttachment><Filename>a.txt</Filename><Type>text/plain</Type><Stream>aGVsbG8=</Stream></EMailAttachment></Attachments>"
    "<CustomHeaderList><EMailCustomHeader><Name>X-Foo</Name><Values><string>1</string><string>2</string></Values></EMailCustomHeader>"
    "</CustomHeaderList><InReplyTo /></EMailEntity></Emails></SendEMailsRequest>"
)
PAIRS: Final = [
    ("Emails[0][To][0][Address]", "a@example.com"),
    ("Emails[0].To[0].Name", "A"),
    ("Emails[0][Subject]", "Hei æøå"),
    ("Emails[0][HTMLBody]", "<p>x</p>"),
    ("Emails[0][PlainBody]", "x"),
    ("Emails[0][From][Address]", "me@example.com"),
    ("Emails[0][From][Name]", "Me"),
    ("Emails[0][Sent]", "2024-01-02T03:04:05Z"),
    ("Emails[0][Priority]", "2"),
    ("Emails[0][Flags]", "33"),
    ("Emails[0][Attachments][0][Filename]", "a.txt"),
    ("Emails[0][Attachments][0][Type]", "text/plain"),
    ("Emails[0][Attachments][0][Stream]", "aGVsbG8="),
    ("Emails[0][CustomHeaderList][0][Name]", "X-Foo"),
    ("Emails[0][CustomHeaderList][0][Values][]", "1"),
    ("Emails[0][CustomHeaderList][0][Values][]", "2"),
]


@pytest.fixture(name="sqlite_api")
def _sqlite_api(sqlite_api: Api) -> Api:
    sqlite_api.serve(*PROBES)
    return sqlite_api


def known(value: Any) -> Any:
    """Leave out what has its default, so that what came can be seen."""
    if isinstance(value, list):
        return [known(one) for one in value]
    if isinstance(value, dict):
        return {name: known(one) for name, one in value.items() if one not in (None, [], {}, 0, False, "Unknown", "0001-01-01T00:00:00")}
    return value


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (SENT.encode(), JSON),
        (SENT.encode(), {"Content-Type": "text/json; charset=utf-8"}),
        (SENT.encode(), {"Content-Type": "application/json-patch+json"}),
        (SENT.encode(), {"Content-Type": None}),
        (b"\xef\xbb\xbf" + SENT.encode(), {"Content-Type": "application/merge-patch+json"}),
        (DOCUMENT.encode(), XML),
        (f'<?xml version="1.0" encoding="utf-8"?>{DOCUMENT}'.encode(), {"Content-Type": "text/xml"}),
        (PAIRS, FORM),
    ],
)
def test_every_form_says_the_same(sqlite_api: Api, content: Any, headers: Any) -> None:
    """§3.1, key facts 1 to 4: names in any case, choices as words or numbers; the answer is PascalCase, with words."""
    assert known(sqlite_api.result("SendEMails", data=content, headers=headers)) == [
        {
            "To": [{"Address": "a@example.com", "Name": "A"}],
            "Subject": "Hei æøå",
            "HTMLBody": "<p>x</p>",
            "From": {"Address": "me@example.com", "Name": "Me"},
            "Sent": "2024-01-02T04:04:05",
            "Priority": "High",
            "Flags": "Seen, Answered",
            "PlainBody": "x",
            "Attachments": [{"Filename": "a.txt", "Type": "text/plain", "Stream": "aGVsbG8="}],
            "CustomHeaderList": [{"Name": "X-Foo", "Values": ["1", "2"]}],
        }
    ]


def test_an_answer_in_xml_can_be_sent_back(sqlite_api: Api) -> None:
    """§3.1: the shape of both is the same."""
    body = json.loads(SENT)["emails"][0]
    answer = sqlite_api.call("SaveEMail", body, headers={"Accept": "application/xml"})
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"
    assert answer.text.startswith('<?xml version="1.0" encoding="utf-8" ?>\n<EMailEntity><To><EMailAddress><ContactId>0</ContactId>')
    assert "TableRight" not in answer.text
    back = {**XML, "SO-TimeZone": "PL"}
    assert sqlite_api.result("SaveEMail", data=answer.content, headers=back) == sqlite_api.result("SaveEMail", body)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json; charset=utf-8"),
        ("application/json", "application/json; charset=utf-8"),
        ("*/*", "application/json; charset=utf-8"),
        ("application/json, text/json, application/xml, text/xml", "application/json; charset=utf-8"),
        ("text/json", "text/json; charset=utf-8"),
        ("text/xml", "text/xml; charset=utf-8"),
        ("application/xml;q=0.5, application/json;q=0.4", "application/xml; charset=utf-8"),
        ("application/xml;q=0, image/png", "application/json; charset=utf-8"),
        ("application/octet-stream", "application/json; charset=utf-8"),
    ],
)
def test_accept(sqlite_api: Api, accept: str | None, content_type: str) -> None:
    """§3.1."""
    answer = sqlite_api.call("RefreshFolder", {"ids": [1, 2]}, headers={"Accept": accept})
    assert answer.headers["content-type"] == content_type
    assert answer.text == ('<?xml version="1.0" encoding="utf-8" ?>\n<int>3</int>' if "/xml" in content_type else "3")


def test_results_of_every_kind(sqlite_api: Api) -> None:
    """§3.5, §1.4: null where nothing was found, 204 where there is nothing to say."""
    assert sqlite_api.call("SaveEMail", {}).text == "null"
    nothing = sqlite_api.call("MarkEmailsAsRead", {"ids": [1], "read": True})
    assert (nothing.status_code, nothing.content) == (204, b"")
    assert sqlite_api.result("SendEMails", {"emails": []}) == []


@pytest.mark.parametrize("name", ["eMailAccountId", "EMailAccountId", "emailaccountid"])
def test_an_argument_in_the_query(sqlite_api: Api, name: str) -> None:
    """§1.4, notes: in letters of either case, with the body null."""
    headers = {"Accept-Language": "nb", "SO-Language": "sv-SE"}
    assert sqlite_api.result("GetEMailAccount", params={name: "5"}, headers=headers) == "5 sv"
    assert sqlite_api.result("GetEMailAccount", params={name: "5"}, headers={**headers, "SO-Language": "*"}) == "5 "


def test_a_file(sqlite_api: Api) -> None:
    """§1.4, notes: by Accept, bytes or base64."""
    raw = sqlite_api.call("GetEMailAsStream", headers={"Accept": "application/octet-stream"})
    assert (raw.content, raw.headers["content-type"]) == (b"\x00\xffeml", "application/octet-stream")
    assert sqlite_api.result("GetEMailAsStream", headers={"Accept": "application/json"}) == b64encode(b"\x00\xffeml").decode()


@pytest.mark.parametrize("select", ["Subject,From/Address,to/name", " subject , FROM/address,To/Name"])
def test_select(sqlite_api: Api, select: str) -> None:
    """§3.4: nested, in any case; keys stay, and what .NET takes no null for has its default."""
    everything = sqlite_api.result("SendEMails", data=SENT.encode(), headers=JSON)[0]
    (shown,) = sqlite_api.result("SendEMails", data=SENT.encode(), headers=JSON, params={"$select": select})
    assert list(shown) == list(everything)
    assert list(shown["From"]) == list(everything["From"])
    assert known(shown) == {
        "Subject": "Hei æøå",
        "From": {"Address": "me@example.com"},
        "To": [{"Name": "A"}],
        "Priority": "NoPriority",
        "Flags": "None",
    }
    assert (shown["Attachments"], shown["Sent"], shown["Size"]) == (None, "0001-01-01T00:00:00", 0)


def test_a_select_of_everything(sqlite_api: Api) -> None:
    """Empty, or of an object as a whole."""
    everything = sqlite_api.result("SendEMails", data=SENT.encode(), headers=JSON)
    assert sqlite_api.result("SendEMails", data=SENT.encode(), headers=JSON, params={"$select": ""}) == everything
    for select in ("from", "From/Address,From", "From, From/Address"):
        (shown,) = sqlite_api.result("SendEMails", data=SENT.encode(), headers=JSON, params={"$select": select})
        assert shown["From"] == everything[0]["From"]
        assert shown["Subject"] is None
    too_long = ",".join(["x"] * 501)
    expected = "$select: at most 500 names, of at most 8 parts, can be chosen."
    sqlite_api.malformed(sqlite_api.call("SendEMails", {"emails": []}, params={"$select": too_long}), expected)


@pytest.mark.parametrize(
    ("zone", "sent", "unset"),
    [
        (None, "2024-01-02T04:04:05", "0001-01-01T00:00:00"),
        ("UTC", "2024-01-02T03:04:05", "0001-01-01T00:00:00"),
        ("NO, includeTZOffset", "2024-01-02T04:04:05+01:00", "0001-01-01T01:00:00+01:00"),
        ("261,includeTZOffset", "2024-01-02T04:04:05+01:00", "0001-01-01T01:00:00+01:00"),
        ("America/New_York,includeTZOffset", "2024-01-01T22:04:05-05:00", "0001-01-01T00:00:00-05:00"),
        ("includetzoffset,UTC", "2024-01-02T03:04:05Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_time_zones(sqlite_api: Api, zone: str | None, sent: str, unset: str) -> None:
    """§3.2; the zone is named in the answer."""
    answer = sqlite_api.call("SendEMails", data=SENT.encode(), headers={**JSON, "SO-TimeZone": zone})
    assert (answer.json()[0]["Sent"], answer.json()[0]["RepliedAt"]) == (sent, unset)
    assert answer.headers["so-timezone"]


@pytest.mark.parametrize("zone", ["262", "Mars", "../etc/passwd", "NO,SE", "x" * 300])
def test_unknown_time_zones(sqlite_api: Api, zone: str) -> None:
    answer = sqlite_api.call("SendEMails", {"emails": []}, headers={"SO-Timezone": zone})
    assert (answer.status_code, answer.json()["MessageDetail"][:12]) == (400, "SO-TimeZone:")


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"", JSON),
        (b"null", JSON),
        (b"[]", JSON),
        (b"5", JSON),
        (b"{", JSON),
        (b'{"ids": 1}', JSON),
        (b'{"ids": "x"}', JSON),
        (b'{"ids": [{}]}', JSON),
        (b'{"ids": [1.5]}', JSON),
        (b'{"ids": [2147483648]}', JSON),
        (b'{"read": "yes"}', JSON),
        (b'{"read": {}}', JSON),
        (b'"\xff"', JSON),
        (b'{"ids": ["\\ud800"]}', JSON),
        (b"[" * 100_000, JSON),
        (b"[" * 300_000, JSON),
        (b"<a>", XML),
        (b'<!DOCTYPE a [<!ENTITY x "1">]><a><Ids><int>&x;</int></Ids></a>', XML),
        (b"<a>" * 30 + b"</a>" * 30, XML),
        (b'<?xml version="1.0" encoding="nothing"?><a/>', XML),
        (b"ids=%zz", FORM),
        (b"ids=1&ids[0][x]=1", FORM),
        (b"ids[0]=x", FORM),
        (b"a" + b"[b]" * 20 + b"=1", FORM),
        (b"read=%00", FORM),
    ],
)
def test_what_cannot_be_read(sqlite_api: Api, content: bytes, headers: Any) -> None:
    """§3.5: 400 in the form of the framework, which says where."""
    answer = sqlite_api.call("RefreshFolder", data=content, headers=headers)
    assert (answer.status_code, answer.json()["Message"]) == (400, "The request is invalid.")
    assert answer.json()["MessageDetail"]


def test_the_place_of_what_is_wrong_is_named(sqlite_api: Api) -> None:
    body = {"emails": [{"subject": "x"}, {"to": [{"address": {}}]}]}
    sqlite_api.malformed(sqlite_api.call("SendEMails", body), "Emails[1].To[0].Address: a text is expected.")
    body = {"emails": [{"attachments": [{"stream": {}}]}]}
    sqlite_api.malformed(sqlite_api.call("SendEMails", body), "Emails[0].Attachments[0].Stream: base64 is expected.")


def test_other_media_types(sqlite_api: Api) -> None:
    """§7.1."""
    answer = sqlite_api.call("RefreshFolder", data=b"x", headers={"Content-Type": "multipart/form-data"})
    message = "The request entity's media type 'multipart/form-data' is not supported for this resource."
    assert (answer.status_code, answer.json()) == (415, {"Message": message})


def test_the_size_of_a_body_is_bounded(sqlite_api: Api) -> None:
    sqlite_api.change(max_body=2_000)
    answer = sqlite_api.call("SaveEMail", {"subject": "x" * 3_000})
    assert (answer.status_code, answer.json()) == (413, {"Message": "The request is longer than 2000 bytes."})
    assert sqlite_api.result("SaveEMail", {"subject": "x" * 1_000})["Subject"] == "x" * 1_000


def test_a_long_file(sqlite_api: Api) -> None:
    """Read, decoded, encoded and packed in threads, and still the same."""
    content = b64encode(bytes(range(256)) * 4_000).decode()
    body = {"emails": [{"subject": "x", "attachments": [{"stream": content}]}]}
    assert sqlite_api.result("SendEMails", body)[0]["Attachments"][0]["Stream"] == content


def test_methods_that_are_not_served(sqlite_api: Api) -> None:
    """§1.4: every name of the agent is known; the shape of the path is not enough."""
    served = {one.name for one in sqlite_api.methods}
    for name in NAMES:
        if name not in served:
            message = f"{name} is not served here."
            sqlite_api.refused(sqlite_api.call(name.upper()), 501, "NotImplementedException", message)
    for name in ("GetEMails", "", "SendEMails/1"):
        answer = sqlite_api.call(name)
        assert answer.status_code == 404
        assert list(answer.json()) == ["Message"]


@pytest.mark.parametrize(("verb", "path"), [("PUT", "/api/v1/Agents/EMail/SendEMails"), ("POST", "/api"), ("OPTIONS", "/api/v1")])
def test_other_verbs(sqlite_api: Api, verb: str, path: str) -> None:
    """§7.1: 405, as the framework words it."""
    answer = sqlite_api.request(verb, path, headers=basic())
    assert answer.status_code == 405
    assert answer.json() == {"Message": f"The requested resource does not support http method '{verb}'."}
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("path", ["/api/v2", "/api/v1/Agents/Person/Get", "/swagger", "/api/state/", "/Cust12345/api/x"])
def test_other_paths(sqlite_api: Api, path: str) -> None:
    answer = sqlite_api.request("GET", path)
    assert (answer.status_code, answer.json()) == (404, {"Message": "No HTTP resource was found that matches the request URI."})


def test_tenants(sqlite_api: Api) -> None:
    """§3.5: 421 for a tenant that is not here, whoever asks."""
    for path in ("/cust12345/api", "/Cust12345/api/v1/Agents/EMail/SendEMails", "/api"):
        assert sqlite_api.request("GET", path).status_code == 200
    for verb, path in [("GET", "/Cust1/api"), ("POST", "/Cust1/api/v1/Agents/EMail/SendEMails")]:
        answer = sqlite_api.request(verb, path)
        assert (answer.status_code, answer.json()) == (421, {"Message": "Wrong subdomain used to access tenant."})


@pytest.mark.parametrize(
    ("error", "status", "error_type", "message"),
    [
        (NotFound("message", 5), 404, "SoNotFoundException", "Message 5 not found"),
        (Invalid("To", "no address"), 400, "ArgumentException", "To: no address"),
        (TooLarge("To", 5), 400, "ArgumentOutOfRangeException", "To: more than 5"),
        (WrongState("already_sent"), 409, "InvalidOperationException", "Already sent."),
        (Forbidden("not_yours"), 403, "SoSentryException", "Not yours."),
        (Unavailable("disk full"), 503, "ServiceUnavailableException", "The server cannot take this now."),
    ],
)
def test_errors_of_the_core(sqlite_api: Api, error: Exception, status: int, error_type: str, message: str) -> None:
    """§3.5: never 200, which no client would notice."""

    async def fail(_call: object, _request: object) -> None:
        raise error

    sqlite_api.serve(type(first)(**{name: getattr(first, name) for name in first.__struct_fields__} | {"handler": fail}))
    answer = sqlite_api.call("SaveEMail", {})
    sqlite_api.refused(answer, status, error_type, message)
    assert ("retry-after" in answer.headers) is (status == 503)
    in_xml = sqlite_api.call("SaveEMail", {}, headers={"Accept": "text/xml"})
    assert (in_xml.status_code, in_xml.headers["content-type"]) == (status, "text/xml; charset=utf-8")
    assert f"<Error><Error>true</Error><ErrorType>{error_type}</ErrorType>" in in_xml.text


def test_the_limit_of_requests(sqlite_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """§3.6, §7.1: for each person; 429 and when to come again."""
    monkeypatch.setattr(dialect.clock, "now", lambda: 1_772_366_403_000)
    sqlite_api.change(rate_limit=2)
    ewa = sqlite_api.ticket_of(sqlite_api.ewa)
    statuses = [sqlite_api.call("GetCurrentAccountId").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    answer = sqlite_api.call("Save")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert sqlite_api.call("GetCurrentAccountId", ticket=ewa).status_code == 200


def test_answers_are_packed_for_who_takes_it(sqlite_api: Api) -> None:
    """§1.3: long ones, by gzip."""
    headers = {"Accept-Encoding": "gzip, compress, deflate, br"}
    answer = sqlite_api.call("SaveEMail", {"subject": "x" * 5_000}, headers=headers, stream=True)
    assert answer.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.raw.read()))["Subject"] == "x" * 5_000
    assert "content-encoding" not in sqlite_api.call("RefreshFolder", {"ids": []}, headers=headers).headers


def test_beside_the_other_interfaces(sqlite_api: Api) -> None:
    """The whole application: /api/2.0 stays what it is, and so does what no interface is at."""

    async def ask() -> list[tuple[int, bool]]:
        transport = httpx2.ASGITransport(application(sqlite_api.store))
        async with httpx2.AsyncClient(transport=transport, base_url="http://x.example") as client:
            answers = [await client.get(path) for path in ("/api", "/Cust12345/api", "/api/2.0/openapi.json", "/nothing/apiary")]
            answers.append(await client.post("/Cust12345/api/v1/Agents/EMail/Save"))
            return [(answer.status_code, '"NetServer"' in answer.text) for answer in answers]

    assert asyncio.run(ask()) == [(200, True), (200, True), (200, False), (404, False), (401, False)]
