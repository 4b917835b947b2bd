"""A client that knows nothing but the address reads apiref, and calls every method that it lists with every argument it documents.

A method that is declared anew is walked without a change here: values come from the documented kind of each argument.
"""

import itertools
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import requests
from requests_oauthlib import OAuth1

from postroom import clock
from postroom.dialects.usos.scopes import SCOPES
from postroom.directory import clients, groups
from tests.dialects.usos.conftest import Installation
from tests.dialects.usos.vocabulary import error_of

GENERAL = {"method_forbidden", "param_invalid", "param_forbidden", "field_forbidden", "field_invalid"}
"""Errors that need not be documented for each method."""

Method = dict[str, Any]


class Walker:
    """Calls methods as their documentation has it."""

    def __init__(self, usos: Installation) -> None:
        self.usos = usos
        self.as_administrator = False
        """Call as an administrative program, which may choose more fields."""
        self._number = itertools.count()
        self._objects: dict[str, Callable[[], str]] = {
            "message_id": usos.ready,
            "message_ids": usos.ready,
            "attachment_id": lambda: usos.attach(usos.draft()),
            "attachment_ids": lambda: usos.attach(usos.draft()),
            "user_id": lambda: str(usos.anna),
            "user_ids": lambda: f"{usos.anna}|{usos.ewa}",
            "from_inst_address_id": lambda: str(usos.assigned_address()),
            "inst_address_id": lambda: str(usos.assigned_address()),
            "inst_address_ids": lambda: str(usos.assigned_address()),
            "primary_group_id": lambda: "S",
            "primary_group_ids": lambda: "S",
            "custom_group_id": self._custom_group,
            "custom_group_ids": self._custom_group,
        }

    def _custom_group(self) -> str:
        return str(self.usos.store.database.write_now(groups.create_custom, self.usos.jan, "Friends", clock.now()))

    def _sent(self) -> str:
        sent = self.usos.mail("send_simple_message", subject="s", content="c", recipients="a@x.example")
        return str(sent["message_id"])

    def documented(self) -> list[Method]:
        """Return the documentation of every method that the index lists."""
        index = self.unsigned("apiref/method_index").json()
        return [self.unsigned("apiref/method", name=one["name"]).json() for one in index]

    def unsigned(self, method: str, **parameters: str) -> requests.Response:
        return self.usos.http.get(self.usos.url(method), params=parameters, timeout=30)

    def values(self, method: Method, *names: str) -> dict[str, str]:
        """Return a value for every argument but files; with names, for these and the required ones only."""
        wanted = [one for one in method["arguments"] if not names or one["is_required"] or one["name"] in names]
        return {one["name"]: self.value(one, method) for one in wanted if one["type"] != "file"}

    def value(self, argument: Any, method: Method) -> str:
        name, kind = argument["name"], argument["type"]
        if kind == "selector":
            return "|".join(one["name"] for one in method["result_fields"] if self._selectable(one, argument))
        if name in {"message_id", "message_ids"} and method["name"].startswith("services/mailing/"):
            return self._sent()
        if name in self._objects:
            return self._objects[name]()
        if argument["default_value"]:
            return str(argument["default_value"])
        return (choices(kind) or [self._sensible(name, kind, method)])[0]

    def _sensible(self, name: str, kind: str, method: Method) -> str:
        """Return a value for an argument that is no object, word or selector, and has no default."""
        if kind == "JSON":
            return '[{"email": "guest@else.example"}]'
        if "email" in name or name in {"recipients", "send_summary_to"}:
            return f"guest{next(self._number)}@else.example"
        named = {"callback": "cb", "scopes": "mailclient", "oauth_callback": "oob"}
        if method["name"].startswith("services/apiref/"):
            named["name"] = "services/apiref" if method["short_name"] == "module" else method["name"]
        by_kind = {"bool": "true", "int": "7", "ID": "1", "ID or null": "1", "list of IDs": "1", "list": "1"}
        return named.get(name) or by_kind.get(kind) or f"text {next(self._number)}"

    def _selectable(self, field: Any, argument: Any) -> bool:
        allowed = field["is_primary"] or "primary fields" not in argument["description"]
        return allowed and (self.as_administrator or "administrative consumers only" not in field["description"])

    def call(self, method: Method, parameters: dict[str, str], *, verb: str = "POST", with_file: bool = True) -> requests.Response:
        """Call as somebody who may: with a new token each time, since some methods end it."""
        options = method["auth_options"]
        sent = dict(parameters)
        auth = self._auth(options, sent)
        url = self.usos.base + method["name"]
        file = next((one["name"] for one in method["arguments"] if one["type"] == "file"), None) if with_file else None
        if file is not None:
            return self.usos.http.post(url, params=sent, files={file: ("a.txt", b"abc")}, auth=auth, timeout=30)
        place: dict[str, Any] = {"params": sent} if verb == "GET" else {"data": sent or {"nothing": ""}}
        return self.usos.http.request(verb, url, auth=auth, timeout=30, **place)

    def _auth(self, options: Any, sent: dict[str, str]) -> OAuth1 | None:
        if options["consumer"] == "ignored":
            return None
        administrator = self.as_administrator or options["administrative_only"]
        client = self.usos.admin if administrator else self.usos.client
        if options["token"] == "ignored" or administrator:
            sent.update({"as_user_id": str(self.usos.jan)} if options["token"] == "required" else {})
            return OAuth1(client.key, client.secret)
        store = self.usos.store
        token = store.database.write_now(clients.add_token, store.vault, client.id, self.usos.jan, list(SCOPES), clock.now())
        return OAuth1(client.key, client.secret, token.token, token.secret)


def choices(kind: str) -> list[str]:
    """Return the words that an argument may be, if it may be these only."""
    return kind.removeprefix("list of ").split(" | ") if " | " in kind else []


def check(method: Method, response: requests.Response) -> dict[str, Any]:
    """Check that an answer to right arguments is a success or a documented error."""
    body = error_of(response)
    assert body.get("error") != "param_missing", (method["name"], body)
    if body.get("error") and body["error"] not in GENERAL:
        assert f"<b>{body['error']}</b>" in method["errors"], (method["name"], body)
        assert any(body.get(key) and f"<i>{body[key]}</i>" in method["errors"] for key in ("param_name", "reason")), (method["name"], body)
    return body


def admitted(response: requests.Response) -> bool:
    """Tell whether the arguments were looked at: not where a method wants an encrypted connection, or a token that apiref cannot get."""
    return response.status_code not in {401, 403}


@pytest.fixture
def walker(sqlite_usos: Installation) -> Walker:
    for code, parent in (("", None), ("S", "")):
        sqlite_usos.store.database.write_now(groups.create_primary, code, "Group", parent, clock.now())
    return Walker(sqlite_usos)


def test_every_method_takes_all_of_its_arguments_by_both_verbs(walker: Walker) -> None:
    for method in walker.documented():
        for verb in ("GET", "POST"):
            check(method, walker.call(method, walker.values(method), verb=verb))


def test_administrative_programs_take_them_too(walker: Walker) -> None:
    walker.as_administrator = True
    for method in walker.documented():
        assert check(method, walker.call(method, walker.values(method))).get("error") != "field_forbidden", method["name"]


def test_every_method_answers_what_was_asked(walker: Walker) -> None:
    """The values are sensible, so everything succeeds but what takes more than a call: a delivery that failed, a person's consent."""
    refused = {}
    for method in walker.documented():
        if body := check(method, walker.call(method, walker.values(method))):
            refused[method["name"]] = body.get("reason") or body["message"]
    assert refused == {"services/mailclient/retry_send_message": "error_required", "services/oauth/access_token": "Invalid token"}


def test_every_argument_can_be_given_alone(walker: Walker) -> None:
    """Beside the required ones."""
    for method in walker.documented():
        for argument in method["arguments"]:
            check(method, walker.call(method, walker.values(method, argument["name"])))


def test_each_required_argument_is_missed_by_its_name(walker: Walker) -> None:
    for method in walker.documented():
        for argument in method["arguments"]:
            if argument["is_required"]:
                values = walker.values(method, argument["name"])
                values.pop(argument["name"], None)
                response = walker.call(method, values, with_file=argument["type"] != "file")
                body = error_of(response)
                if admitted(response):
                    assert (body["error"], body["param_name"]) == ("param_missing", argument["name"]), (method["name"], body)


def wrong(argument: Any) -> str | None:
    """Return a value that the documentation of an argument excludes, if it excludes any."""
    limit = re.search(r"At most ([\d,]+) characters", argument["description"])
    if limit:
        return "x" * (int(limit[1].replace(",", "")) + 1)
    if choices(argument["type"]) or argument["type"] in {"bool", "int"}:
        return "nonsense"
    return "a[" if argument["type"] == "selector" else None


def test_values_that_are_excluded_are_refused_by_the_name_of_the_argument(walker: Walker) -> None:
    """And every word that an argument may be is taken."""
    for method in walker.documented():
        for argument in method["arguments"]:
            name = argument["name"]
            if value := wrong(argument):
                response = walker.call(method, {**walker.values(method, name), name: value})
                body = error_of(response)
                if admitted(response):
                    assert (body["error"], body["param_name"]) == ("param_invalid", name), (method["name"], body)
            for word in choices(argument["type"]):
                body = check(method, walker.call(method, {**walker.values(method, name, "callback"), name: word}))
                assert body.get("param_name") != name, (method["name"], name, word, body)


def test_every_method_answers_in_every_format(walker: Walker) -> None:
    """But for those whose answer has a form of its own, as OAuth wants it."""
    for method in walker.documented():
        for name, kind in (("json", "application/json"), ("jsonp", "application/javascript"), ("xmlmap2", "text/xml")):
            response = walker.call(method, {**walker.values(method, "format", "callback"), "format": name})
            if not check(method, response) and response.headers["Content-Type"] != "application/x-www-form-urlencoded":
                assert response.headers["Content-Type"] == f"{kind}; charset=utf-8", method["name"]
                if name == "xmlmap2":
                    ET.fromstring(response.content)
                else:
                    assert response.text.startswith("cb(") == (name == "jsonp")


def test_whoever_lacks_what_a_method_requires_is_told_so(walker: Walker) -> None:
    """No signature, no token, no administrative rights: as auth_options has it."""
    client = OAuth1(walker.usos.client.key, walker.usos.client.secret)
    for method in walker.documented():
        options, url = method["auth_options"], walker.usos.base + method["name"]
        unsigned = error_of(walker.usos.http.get(url, timeout=30))
        if not options["ssl_required"]:
            assert (unsigned.get("reason") == "consumer_missing") == (options["consumer"] == "required"), method["name"]
        signed = walker.usos.http.get(url, auth=client, timeout=30)
        reason = error_of(signed).get("reason")
        if options["administrative_only"]:
            assert reason == "trusted_required", method["name"]
        elif options["token"] == "required":
            assert signed.status_code in {401, 403}, method["name"]
            assert reason == "user_missing" or options["ssl_required"], method["name"]
