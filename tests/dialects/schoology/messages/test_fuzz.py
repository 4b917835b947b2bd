"""Whatever a client sends of messages, it gets an answer of the interface, never a 500; and what is refused changes nothing."""

import json
from typing import Any
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from postroom.storage.database import Tx
from postroom.storage.tables import messages, recipients
from tests.dialects.schoology.messages.conftest import School

RARE = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXTS = st.text(max_size=30)
ODD = ["", " ", "0", "1", "2,3", "-1", "9" * 30, "1e3", "null", "true", "\x00", "\ud800", "<b>", "]]>", "&amp;", "read", "unread", "TRUE"]
VALUES = st.one_of(st.sampled_from(ODD), TEXTS)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | VALUES
FIELDS = ["subject", "message", "recipient_ids", "id", "message_status", "file-attachment", "attachments", "type", "url", "fid", "mid"]
NAMES = st.one_of(st.sampled_from(FIELDS), TEXTS)
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=5)
BODIES = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON))
PATHS = st.sampled_from(["/messages", "/messages/1", "/messages/inbox/1", "/messages/sent/1", "/messages/2"])
VERBS = st.sampled_from(["POST", "PUT"])


def rows(tx: Tx) -> list[Any]:
    """Return everything that a call on messages may change."""
    lines = select(recipients.c.id, recipients.c.read_at, recipients.c.deleted_at, recipients.c.superseded_at).order_by(recipients.c.id)
    said = select(func.count(), func.count(messages.c.deleted_at), func.count(messages.c.superseded_at)).select_from(messages)
    return [*tx.execute(lines).all(), *tx.execute(said).all()]


def check(school: School, verb: str, path: str, **options: Any) -> requests.Response:
    """Make a call as Ben, who has got a message from Ada; Cleo has another one."""
    if not school.inbox(school.ben):
        school.send(school.ada, school.ben)
        school.send(school.ada, school.cleo)
    before = school.store.database.read_now(rows)
    answer = school.request(school.ben, verb, path, **options)
    assert answer.status_code in {200, 201, 204, 400, 404, 405, 415}, (answer.status_code, answer.text)
    if answer.status_code >= 400:
        assert school.store.database.read_now(rows) == before
        if answer.content and answer.headers["Content-Type"] == "application/json":
            assert isinstance(answer.json(), str)
    return answer


@RARE
@given(VERBS, PATHS, st.one_of(BODIES, JSON))
def test_any_json(sqlite_school: School, verb: str, path: str, body: object) -> None:
    check(sqlite_school, verb, path, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def as_xml(value: object) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{as_xml(inner)}</{name}>" for name, inner in value.items())
    if isinstance(value, list):
        return "".join(map(as_xml, value))
    return escape(str(value))


@RARE
@given(VERBS, PATHS, BODIES, st.sampled_from(["text/xml", "application/json", "*/*"]))
def test_any_xml(sqlite_school: School, verb: str, path: str, body: object, accept: str) -> None:
    content = f"<body>{as_xml(body)}</body>".encode("utf-8", "replace")
    check(sqlite_school, verb, path, data=content, headers={"Content-Type": "application/xml", "Accept": accept})


@RARE
@given(VERBS, PATHS, st.binary(max_size=100), st.sampled_from(["application/json", "text/xml", "text/xml; charset=utf-16", "x/y", ""]))
def test_any_bytes(sqlite_school: School, verb: str, path: str, body: bytes, content_type: str) -> None:
    check(sqlite_school, verb, path, data=body, headers={"Content-Type": content_type})


@RARE
@given(
    st.sampled_from(["/messages/inbox", "/messages/sent", "/messages/recipients", "/messages/inbox/1", "/messages/1"]),
    st.dictionaries(st.sampled_from(["start", "start_id", "limit", "with_attachments", "keep_unread", "search", "x"]), VALUES, max_size=4),
)
def test_any_query(sqlite_school: School, path: str, query: dict[str, str]) -> None:
    check(sqlite_school, "GET", f"{path}?{urlencode(query, errors='replace')}")


@RARE
@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    st.sampled_from(["", "/inbox", "/sent", "/trash"]),
    st.one_of(st.integers(min_value=-2, max_value=2**70).map(str), VALUES),
)
def test_any_number(sqlite_school: School, verb: str, folder: str, number: str) -> None:
    """Number 1 is Ben's own, and number 2 is not."""
    if number.lstrip("0") == "1":
        return
    body = {"subject": "s", "message_status": "read"}
    answer = check(sqlite_school, verb, f"/messages{folder}/{quote(number, safe='', errors='replace')}", json=body)
    assert answer.status_code >= 400 or not number.strip() or number == "recipients", (answer.status_code, number)
