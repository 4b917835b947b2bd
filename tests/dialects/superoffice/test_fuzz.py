"""Whatever is sent, it gets an answer of the interface, never one that nobody expected."""

import json
import string
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from postroom.dialects.superoffice.operation import NAMES
from tests.dialects.superoffice.conftest import Api
from tests.dialects.superoffice.probes import PROBES

RARE = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
METHODS = st.sampled_from([one.name for one in PROBES])
NAME = st.sampled_from(
    [
        "emails",
        "Emails",
        "to",
        "From",
        "Address",
        "subject",
        "ids",
        "read",
        "Priority",
        "flags",
        "Sent",
        "attachments",
        "stream",
        "inReplyTo",
        "0",
    ]
)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
DATES = st.sampled_from(
    ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59Z", "0000-12-31T19:00:00", "2024-02-30", "1900-01-01T00:00:00+23:59"]
)
VALUES = st.one_of(st.sampled_from(["", "0", "33", "true", "9" * 30, "Seen, Answered", "High", "aGVsbG8=", "\x00"]), DATES, TEXTS)
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=4),
)
MAIL: Any = st.dictionaries(NAME, JSON, max_size=5)
KEYS = st.sampled_from(
    ["ids", "ids[]", "ids[0]", "Ids", "read", "Emails[0][Subject]", "Emails[0].To[0].Address", "Emails[][To]", "Emails", "subject"]
)
TYPES = st.sampled_from(["application/json", "text/xml", "application/xml", "application/x-www-form-urlencoded", "text/plain", "x"])
PIECES = st.sampled_from(
    [
        b"<r>",
        b"</r>",
        b"<Ids>",
        b"</Ids>",
        b"<int>",
        b"</int>",
        b"7",
        b"{",
        b"}",
        b'"ids"',
        b":",
        b"[",
        b"]",
        b",",
        b"=",
        b"&",
        b"ids",
        b"\xff",
    ]
)
ZONES = st.sampled_from(["", "NO", "UTC,includeTZOffset", "US,includeTZOffset", "Pacific/Kiritimati,includeTZOffset", "262"])
SELECT = st.text("$/, abcST", max_size=20)


@pytest.fixture(name="sqlite_api")
def _sqlite_api(sqlite_api: Api) -> Api:
    sqlite_api.serve(*PROBES)
    return sqlite_api


def check(answer: requests.Response) -> None:
    assert answer.status_code in {200, 204, 400, 404, 405, 415, 421}, (answer.status_code, answer.text)
    if answer.headers.get("content-type", "").startswith("application/json"):
        content = answer.json()
        assert answer.status_code < 400 or content["Message"]
    elif answer.status_code != 204:
        assert answer.text.startswith("<?xml") or "<pre>" in answer.text


@RARE
@given(METHODS, JSON | st.builds(lambda mail: {"emails": [mail]}, MAIL) | MAIL, ZONES, SELECT)
def test_any_json(sqlite_api: Api, name: str, body: object, zone: str, select: str) -> None:
    headers = {"Content-Type": "application/json", "SO-TimeZone": zone}
    check(sqlite_api.call(name, data=json.dumps(body), headers=headers, params={"$select": select}))


@RARE
@given(METHODS, st.lists(st.tuples(KEYS, VALUES), max_size=5), st.lists(st.tuples(KEYS, VALUES), max_size=3))
def test_any_form(sqlite_api: Api, name: str, form: Any, query: Any) -> None:
    check(sqlite_api.call(name, data=form, params=query))


@RARE
@given(
    METHODS, TYPES, st.one_of(st.binary(max_size=100), st.lists(PIECES, max_size=12).map(b"".join)), st.sampled_from(["text/xml", "*/*"])
)
def test_any_body(sqlite_api: Api, name: str, content_type: str, body: bytes, accept: str) -> None:
    check(sqlite_api.call(name, data=body, headers={"Content-Type": content_type, "Accept": accept}))


@RARE
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    st.sampled_from(["/api/", "/api/v1/agents/email/", "/Cust12345/api/v1/", "/swagger/", "/api/state/"]),
    st.text(string.ascii_letters + string.digits + "/%.?=&-_[] \\", max_size=40),
    st.text(string.ascii_letters + "/*;,=.0 ", max_size=40),
)
def test_any_path_and_accept(sqlite_api: Api, verb: str, start: str, path: str, accept: str) -> None:
    headers = {"Authorization": f"SOTicket {sqlite_api.ticket}", "Accept": accept.strip()}
    check(sqlite_api.request(verb, start + path, headers=headers))


@RARE
@given(
    st.one_of(st.sampled_from(["Basic ", "SOTicket ", "Bearer ", ""]), st.text(string.printable, max_size=5)),
    st.text(string.ascii_letters + ":.=+/ ", max_size=40),
)
def test_any_credentials(sqlite_api: Api, scheme: str, rest: str) -> None:
    given = "".join(character for character in scheme + rest if character.isprintable()).strip()
    answer = sqlite_api.request("POST", "/api/v1/Agents/EMail/GetCurrentAccountId", headers={"Authorization": given})
    assert answer.status_code in {401, 429}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
def test_the_document_is_kept(sqlite_api: Api, mode: GenerationMode) -> None:
    """Each method, called as its declaration wants it, and with what it does not want, answers as the document says."""
    answered: set[tuple[str, int]] = set()
    served = {one.name for one in sqlite_api.methods}
    for found in schemathesis.openapi.from_url(f"{sqlite_api.root}/swagger/docs/v1-Agents", timeout=20).get_all_operations():
        operation = found.ok()
        name = operation.path.rpartition("/")[2]
        if name not in served:
            continue  # they answer 501 to anything

        @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy(generation_mode=mode))
        def keep(case: Case) -> None:
            response = case.call(headers={"Authorization": f"Bearer {sqlite_api.ticket}"}, timeout=20)
            case.validate_response(response, checks=[status_code_conformance, response_schema_conformance])
            answered.add((case.operation.path.rpartition("/")[2], response.status_code))

        keep()
    assert {name for name, _ in answered} == served
    assert served < set(NAMES)
