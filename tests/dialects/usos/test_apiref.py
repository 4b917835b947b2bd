"""services/apiref: the interface describes itself (contract §1.6), in the form that consoles for it read."""

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from requests_oauthlib import OAuth1

from postroom.dialects.endpoint import Field
from postroom.dialects.usos.apiref import reference
from postroom.dialects.usos.application import ENDPOINTS, MODULES
from postroom.dialects.usos.scopes import SCOPES
from postroom.settings import HttpSettings, UsosSettings
from tests.dialects.usos.conftest import Installation

FIELDS = [
    "name",
    "short_name",
    "description",
    "brief_description",
    "ref_url",
    "auth_options",
    "arguments",
    "returns",
    "errors",
    "result_fields",
    "beta",
    "deprecated",
    "is_internal",
]
LINK = re.compile(r"developers/api/(services/[a-z0-9_/]+/)#([a-z0-9_]+)$")


@pytest.fixture
def usos(sqlite_usos: Installation) -> Installation:
    """Nothing here has to do with the database."""
    return sqlite_usos


def ask(usos: Installation, method: str, **parameters: str) -> Any:
    """Call without a signature."""
    answer = usos.http.get(usos.url(f"apiref/{method}"), params=parameters, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def described(usos: Installation, name: str) -> Any:
    return ask(usos, "method", name=f"services/{name}")


def html(fragment: str) -> ET.Element:
    """Parse a fragment, which must be well-formed."""
    return ET.fromstring(f"<div>{fragment}</div>")


def text(element: ET.Element | None) -> str:
    return "" if element is None else "".join(element.itertext()).strip()


def read_returns(fragment: str) -> dict[str, tuple[str, str | None, bool]]:
    """Read a returns section as a console does: field → group, the method that describes its sub-fields, only primary ones."""
    children = list(html(fragment))
    at = next((n for n, child in enumerate(children) if child.tag == "p" and re.search(r"\bfields\b[\s\w]*:\s*$", text(child))), None)
    if at is None:
        return {}
    assert children[at + 1].tag == "ul"
    found = {}
    for group in children[at + 1]:
        name = {"Primary:": "primary", "Secondary:": "secondary"}[text(group.find("p"))]
        for item in group.findall("ul/li"):
            found[text(item.find("p/b"))] = (name, *read_reference(item))
    return found


def read_reference(item: ET.Element) -> tuple[str | None, bool]:
    for paragraph in item.findall("p"):
        if re.match(r"\s*This field references", text(paragraph)):
            (link,) = [LINK.search(anchor.get("href", "")) for anchor in paragraph.findall("a")]
            assert link
            return link[1] + link[2], bool(re.search(r"only\s+primary\s+are\s+allowed", text(paragraph)))
    return None, False


def test_method_index_lists_every_method_once_by_name(usos: Installation) -> None:
    index = ask(usos, "method_index")
    assert [entry["name"] for entry in index] == sorted(ENDPOINTS)
    assert {"name": "services/apisrv/now", "brief_description": "Get the current time of the server."} in index


@pytest.mark.parametrize("name", ENDPOINTS)
def test_the_brief_description_is_one_line_of_at_most_80_characters(name: str) -> None:
    assert re.fullmatch(r"[^\n]{1,80}", ENDPOINTS[name].summary), "the first line of the handler's docstring is too long"


def test_method_shows_all_but_admin_access_by_default(usos: Installation) -> None:
    found = described(usos, "mailclient/create_message")
    assert list(found) == FIELDS
    assert found["name"] == "services/mailclient/create_message"
    assert found["short_name"] == "create_message"
    assert found["brief_description"] == "Create a new message, a draft."
    assert found["description"] == "<p>Create a new message, a draft.</p>"
    assert found["ref_url"].endswith("/developers/api/services/mailclient/#create_message")
    assert found["auth_options"] == {
        "consumer": "required",
        "token": "required",
        "administrative_only": False,
        "ssl_required": False,
        "scopes": ["mailclient"],
    }
    assert (found["beta"], found["deprecated"], found["is_internal"]) == (False, None, False)
    assert found["result_fields"] == []


def test_arguments_are_those_of_the_declaration_and_the_common_ones(usos: Installation) -> None:
    """Those of the signature are not listed, nor as_user_id; idempotency_key is where a method sends."""
    arguments = {one["name"]: one for one in described(usos, "mailclient/create_message")["arguments"]}
    own = ["subject", "from_inst_address_id", "content", "content_format", "send_summary", "send_to_myself", "attachments_lifetime"]
    assert list(arguments) == [*own, "format", "callback"]
    assert arguments["subject"] == {
        "name": "subject",
        "is_required": False,
        "is_deprecated": False,
        "type": "string",
        "default_value": "",
        "description": "Subject. At most 200 characters.",
    }
    assert arguments["format"]["default_value"] == "json"
    sending = described(usos, "mailclient/send_message")["arguments"]
    assert [one["name"] for one in sending] == ["message_id", "lang", "idempotency_key", "format", "callback"]
    assert [one["is_required"] for one in sending] == [True, False, False, False, False]


def test_returns_can_be_read_by_consoles(usos: Installation) -> None:
    """The fiddler finds fields, groups, and where sub-fields are described, in the HTML."""
    fields = read_returns(described(usos, "mailclient/message")["returns"])
    assert {name: group for name, (group, _, _) in fields.items()} == {
        field.name: "primary" if field.primary else "secondary" for field in ENDPOINTS["services/mailclient/message"].result.fields.values()
    }
    assert fields["attachments"] == ("secondary", "services/mailclient/attachment", False)
    assert fields["subject"] == ("primary", None, False)


def test_every_reference_leads_to_a_method_whose_returns_list_the_fields(usos: Installation) -> None:
    for entry in ask(usos, "method_index"):
        for name, (_, method, _) in read_returns(ask(usos, "method", name=entry["name"])["returns"]).items():
            if method is not None:
                assert read_returns(ask(usos, "method", name=method)["returns"]), (entry["name"], name)


def test_only_primary_is_said_where_it_holds(usos: Installation) -> None:
    """A reference to a kind of object that a method describes says whether only its primary fields may be chosen."""
    results = {endpoint.result: name for name, endpoint in ENDPOINTS.items() if endpoint.result and endpoint.result.method == name}
    for kind, name in results.items():
        fields = read_returns(ask(usos, "method", name=name)["returns"])
        for field in kind.fields.values():
            expected = results.get(field.target) if field.target else None
            assert fields[field.name][1:] == (expected, field.only_primary and expected is not None)


def test_a_dictionary_that_no_method_describes_lists_its_sub_fields(usos: Installation) -> None:
    item = next(one for one in described(usos, "apisrv/installation")["result_fields"] if one["name"] == "institution")
    assert [text(name) for name in html(item["description"]).findall("ul/li/p/b")] == ["id", "name"]


def test_result_fields_tell_their_group(usos: Installation) -> None:
    found = {one["name"]: one for one in described(usos, "mailclient/message")["result_fields"]}
    assert found["subject"] == {"name": "subject", "description": "subject", "is_primary": True, "is_secondary": False}
    assert (found["content"]["is_primary"], found["content"]["is_secondary"]) == (False, True)


def test_fields_for_administrative_consumers_are_marked() -> None:
    fields = (
        Field[None](name="open", description="for all", value=lambda _: None),
        Field[None](name="closed", description="for few", value=lambda _: None, administrative=True),
    )
    found = [reference.field_description(field, reference.gather(MODULES, "")) for field in fields]
    assert found == ["for all", "for few (administrative consumers only)"]


def test_a_selector_names_the_method_that_describes_its_fields(usos: Installation) -> None:
    """Where it is not the method itself; and consoles look for 'primary fields' in the text."""
    found = described(usos, "mailclient/messages")
    argument = next(one["description"] for one in found["arguments"] if one["name"] == "fields")
    (link,) = [LINK.search(anchor.get("href", "")) for anchor in html(argument).iter("a")]
    assert link
    assert link[1] + link[2] == "services/mailclient/message"
    assert "primary fields" in argument
    assert read_returns(found["returns"]) == {}
    own = next(one["description"] for one in described(usos, "mailclient/message")["arguments"] if one["name"] == "fields")
    assert "<a" not in own
    assert "primary fields" not in own


def test_errors_are_those_of_the_declaration(usos: Installation) -> None:
    listed = html(described(usos, "mailclient/put_attachment")["errors"])
    assert [text(item) for item in listed.findall("ul/li")] == [
        (
            "object_invalid (reason: attachment_limit_exceeded, draft_required) - the message has 10 attachments already, "
            "or is not a draft any more"
        ),
        "object_not_found (param_name: message_id) - the message could not be found",
    ]
    assert described(usos, "mailclient/user")["errors"] == ""


def test_all_html_is_well_formed(usos: Installation) -> None:
    for name in ENDPOINTS:
        found = ask(usos, "method", name=name)
        html(found["description"] + found["returns"] + found["errors"])
        for one in [*found["arguments"], *found["result_fields"]]:
            html(one["description"])


def test_fields_of_a_method_can_be_selected(usos: Installation) -> None:
    assert ask(usos, "method", name="services/apisrv/now", fields="short_name|auth_options[token|scopes]|arguments[name]") == {
        "short_name": "now",
        "auth_options": {"token": "ignored", "scopes": []},
        "arguments": [{"name": "format"}, {"name": "callback"}],
    }


def test_admin_access_is_told_to_whoever_signs(configured: Callable[..., Installation]) -> None:
    usos = configured(usos=UsosSettings(administrative_mail=True))
    asked = {"name": "services/mailclient/message", "fields": "admin_access|auth_options[administrative_only]"}
    assert ask(usos, "method", **asked) == {"admin_access": None, "auth_options": {"administrative_only": True}}
    for client, expected in ((usos.admin, True), (usos.client, False)):
        auth = OAuth1(client.key, client.secret)
        answer = usos.http.get(usos.url("apiref/method"), params=asked, auth=auth, timeout=30)
        assert answer.json()["admin_access"] is expected


def test_addresses_begin_with_the_public_one(configured: Callable[..., Installation]) -> None:
    usos = configured(http=HttpSettings(public_url="https://post.uni.example/mail/"))
    found = ask(usos, "method", name="services/mailclient/messages")
    assert found["ref_url"] == "https://post.uni.example/mail/developers/api/services/mailclient/#messages"
    assert 'href="https://post.uni.example/mail/developers/api/services/mailclient/#message"' in found["returns"]


@pytest.mark.parametrize("name", ["", "services/mailclient", "mailclient/message", "services/nothing/here", "services/mailclient/message/"])
def test_an_unknown_method_is_not_found(usos: Installation, name: str) -> None:
    body = usos.http.get(usos.url("apiref/method"), params={"name": name}, timeout=30).json()
    assert (body["error"], body["param_name"], body["method_name"]) == ("object_not_found", "name", "services/apiref/method")


def test_module_shows_its_methods_by_name(usos: Installation) -> None:
    found = ask(usos, "module", name="services/apiref")
    assert list(found) == ["name", "title", "brief_description", "description", "submodules", "methods", "beta"]
    assert found["methods"] == [f"services/apiref/{name}" for name in ("method", "method_index", "module", "scopes")]
    assert (found["name"], found["submodules"], found["beta"]) == ("services/apiref", [], False)
    html(found["description"])


def test_the_root_module_leads_to_all_others(usos: Installation) -> None:
    """A client that walks from the root down finds every method."""
    root = ask(usos, "module", name="services")
    assert root["methods"] == []
    assert root["submodules"] == [module.name for module in MODULES]
    reached = [name for module in root["submodules"] for name in ask(usos, "module", name=module)["methods"]]
    assert sorted(reached) == sorted(ENDPOINTS)


def test_an_unknown_module_is_not_found(usos: Installation) -> None:
    body = usos.http.get(usos.url("apiref/module"), params={"name": "services/nothing"}, timeout=30).json()
    assert (body["error"], body["param_name"], body["method_name"]) == ("object_not_found", "name", "services/apiref/module")


def test_scopes_are_all_that_a_token_may_have(usos: Installation) -> None:
    found = ask(usos, "scopes")
    assert [one["key"] for one in found] == list(SCOPES)
    assert all(one["developers_description"] for one in found)


def test_there_is_no_method_tree(usos: Installation) -> None:
    assert usos.http.get(usos.url("apiref/method_tree"), timeout=30).status_code == 404
