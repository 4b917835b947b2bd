"""Whatever a client sends, it gets an answer of the dialect, never a 500: values made of the declarations, and of nothing sensible."""

import json
import string
from collections.abc import Iterator
from typing import Any, Literal, get_args

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests_oauthlib import OAuth1

from postroom import clock
from postroom.dialects.endpoint import Argument, Endpoint, Field, ObjectType
from postroom.dialects.usos.application import ENDPOINTS
from postroom.dialects.usos.common import arguments_with_common
from postroom.dialects.usos.scopes import SCOPES
from postroom.directory import clients
from tests.dialects.usos.conftest import Installation
from tests.dialects.usos.vocabulary import error_of

METHODS = sorted(name.removeprefix("services/") for name in ENDPOINTS)
ODD = st.one_of(
    st.sampled_from(
        ["", "0", "-1", "|", "||1", "2147483648", "9" * 40, "01", "null", "[", "id[", "*", "a|b[c|d]|e", "{}", "[1", '{"a": [[[]]]}']
    ),
    st.sampled_from(["x\r\ny", "\u202e", "\ufffe", "\u2028", "🙂" * 60, "a/b.txt", "{x.__class__}", "<b>", "a@x.example|b@y.example"]),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=30),
)
"""Values that no argument, or hardly any, is made for."""

KEYS = ["email", "vars", "name", "subject", "content", "recipients", "lang", "content_format", "from_name"]
BY_KIND: dict[str, st.SearchStrategy[str]] = {
    "ID": st.sampled_from(["1", "2", "3", "2147483647"]),
    "ID or null": st.sampled_from(["", "1", "2"]),
    "list of IDs": st.lists(st.sampled_from(["1", "2", "3", "x", ""]), max_size=4).map("|".join),
    "list": st.lists(st.sampled_from(["a@x.example", "b@y.example", "S", "", "@"]), max_size=4).map("|".join),
    "bool": st.sampled_from(["true", "False", "TRUE", "1"]),
    "int": st.integers(-1, 4_000).map(str),
    "string": st.one_of(st.text(max_size=20), st.sampled_from(["a@x.example", "{name}", "{{", "}", "x" * 201, *ENDPOINTS])),
    "JSON": st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["a@x.example", "{name}"])),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)),
        max_leaves=12,
    ).map(json.dumps),
}
"""Values of each documented kind, right ones and some that are nearly right."""


def selectors(fields: list[Field[Any]], depth: int = 0) -> st.SearchStrategy[str]:
    """Make selectors out of declared fields, with sub-fields where there are any and sometimes where there are none."""

    def one(field: Field[Any]) -> st.SearchStrategy[str]:
        below = list(field.target.fields.values()) if field.target is not None else []
        if not below or depth > 2:
            return st.sampled_from([field.name, field.name, field.name, f"{field.name}[id]"])
        return st.one_of(st.just(field.name), selectors(below, depth + 1).map(lambda inner: f"{field.name}[{inner}]"))

    return st.lists(st.sampled_from(fields).flatmap(one), min_size=1, max_size=4).map("|".join)


def values(argument: Argument, result: ObjectType[Any] | None) -> st.SearchStrategy[str]:
    """Make values of an argument: mostly of its kind."""
    if argument.type == "selector" and result is not None:
        usual = selectors(list(result.fields.values()))
    elif " | " in argument.type:
        words = argument.type.removeprefix("list of ").split(" | ")
        usual = st.lists(st.sampled_from(words), min_size=1, max_size=2).map("|".join)
    else:
        usual = BY_KIND.get(argument.type, ODD)
    return st.one_of(usual, usual, usual, ODD)


def calls(endpoint: Endpoint[Any, Any]) -> st.SearchStrategy[dict[str, str]]:
    """Make parameters of a method: most of the required ones, some of the others, a few that it does not know."""
    arguments = {name: one for name, one in arguments_with_common(endpoint).items() if not one.file}
    every = {name: values(one, endpoint.result) for name, one in arguments.items()}
    required = {name: every[name] for name, one in arguments.items() if one.required}
    optional = {name: strategy for name, strategy in every.items() if name not in required} | {"as_user_id": BY_KIND["ID"], "x": ODD}
    full = st.fixed_dictionaries(required, optional=optional)
    return st.one_of(full, full, full, st.fixed_dictionaries({}, optional=every))


ANY_CALL = st.sampled_from(METHODS).flatmap(lambda name: st.tuples(st.just(name), calls(ENDPOINTS[f"services/{name}"])))
PARAMETERS = st.dictionaries(
    st.one_of(
        st.sampled_from(sorted({name for one in ENDPOINTS.values() for name in one.arguments})), st.text(string.printable, max_size=5)
    ),
    ODD,
    max_size=6,
)
RARE = settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def furnished(sqlite_usos: Installation) -> Iterator[Installation]:
    """With messages 1 and 2 and attachment 1, so that some numbers mean something."""
    sqlite_usos.attach(sqlite_usos.ready())
    sqlite_usos.draft()
    return sqlite_usos


Caller = Literal["user", "administrator for a user", "administrator", "program", "nobody"]


CALLERS: st.SearchStrategy[Caller] = st.sampled_from(["user", "user", "administrator for a user", "administrator", *get_args(Caller)])


def signature(usos: Installation, caller: Caller) -> OAuth1 | None:
    """Sign as somebody; with a new token each time, since some methods end it."""
    store, client = usos.store, usos.admin if caller.startswith("administrator") else usos.client
    if caller == "nobody":
        return None
    if caller in {"administrator", "program"}:
        return OAuth1(client.key, client.secret)
    scopes = list(SCOPES) if caller == "user" else []
    token = store.database.write_now(clients.add_token, store.vault, client.id, usos.jan, scopes, clock.now())
    return OAuth1(client.key, client.secret, token.token, token.secret)


@settings(RARE, max_examples=300)
@given(ANY_CALL, st.sampled_from(["GET", "POST"]), CALLERS)
def test_calls_made_of_the_declarations(furnished: Installation, call: tuple[str, dict[str, str]], verb: str, caller: Caller) -> None:
    """Arguments of the right kinds, and wrong ones; selectors of declared fields, nested; by everybody."""
    method, parameters = call
    place: dict[str, Any] = {"params": parameters} if verb == "GET" else {"data": parameters or {"nothing": ""}}
    error_of(furnished.http.request(verb, furnished.url(method), auth=signature(furnished, caller), timeout=30, **place))


@settings(RARE, max_examples=60)
@given(
    st.sampled_from(METHODS),
    PARAMETERS,
    st.binary(max_size=300),
    st.sampled_from(["data", "fields", "message_id", "żółw"]),
    st.text(max_size=20),
)
def test_signed_uploads_to_any_method(
    furnished: Installation, method: str, parameters: dict[str, str], data: bytes, name: str, filename: str
) -> None:
    named = filename.encode("utf-8", "replace").decode()
    response = furnished.http.post(
        furnished.url(method), data=parameters, files=[(name, (named, data))], params={"message_id": "1"}, auth=furnished.auth(), timeout=30
    )
    error_of(response)


@settings(RARE, max_examples=60)
@given(
    st.sampled_from(METHODS),
    st.binary(max_size=200),
    st.sampled_from(
        ["application/x-www-form-urlencoded", "multipart/form-data; boundary=B", "multipart/form-data", "application/json", "x", ""]
    ),
    st.text(string.printable.replace("\r", "").replace("\n", ""), max_size=40),
)
def test_unsigned_nonsense(furnished: Installation, method: str, body: bytes, content_type: str, authorization: str) -> None:
    headers = {"Content-Type": content_type, "Authorization": f"OAuth {authorization}".strip().replace("\x0b", "").replace("\x0c", "")}
    error_of(furnished.http.post(furnished.url(method), data=body, headers=headers, timeout=30))


@settings(RARE, max_examples=60)
@given(st.binary(max_size=200), st.integers(0, 3))
def test_signed_multipart_nonsense(furnished: Installation, body: bytes, boundaries: int) -> None:
    """The signature is right, in the query; the body is anything."""
    prepared = requests.Request(
        "POST", furnished.url("put_attachment"), params={"message_id": "1"}, auth=furnished.auth(signature_type="QUERY")
    )
    url = prepared.prepare().url or ""
    data = b"--B\r\n" * min(boundaries, 1) + body + b"\r\n--B--\r\n" * (boundaries // 2)
    error_of(furnished.http.post(url, data=data, headers={"Content-Type": "multipart/form-data; boundary=B"}, timeout=30))
    assert len(furnished.blobs()) <= 11


@settings(RARE, max_examples=60)
@given(st.text(string.ascii_letters + "/%.?=&-_ \\", max_size=40))
def test_any_path(sqlite_usos: Installation, path: str) -> None:
    response = sqlite_usos.http.get(f"{sqlite_usos.base}services/{path}", timeout=30)
    assert response.status_code < 500
