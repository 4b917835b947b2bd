"""docs/superoffice.md, the descriptions and the OpenAPI document against what is declared."""

import re
from pathlib import Path
from typing import Any, Final

import pytest

from postroom.dialects.superoffice import carriers, openapi
from postroom.dialects.superoffice.application import METHODS
from postroom.dialects.superoffice.descriptions import result_name, type_name
from postroom.dialects.superoffice.operation import NAMES, Method, method
from postroom.dialects.superoffice.wire_types import Nothing, fields_of
from tests.dialects.superoffice.conftest import Api
from tests.dialects.superoffice.probes import PROBES

PAGE: Final = (Path(__file__).parents[3] / "docs" / "superoffice.md").read_text(encoding="utf-8")
ROWS: Final = {name: rest for name, *rest in re.findall(r"^\| (\w+) \|(?: `(.*?)`)? \| (\S+) \| (yes|no)\b.*\|$", PAGE, flags=re.MULTILINE)}


def request_name(one: Method[Any]) -> str:
    """Write a request as the page does."""
    fields = fields_of(one.request)
    if one.place == "query":
        return "".join(f"?{field.name}" for field in fields)
    if issubclass(one.request, carriers.Carrier):
        return one.request.__name__
    return f"{{{', '.join(f'{field.name}: {type_name(field.kind)}' for field in fields)}}}" if fields else ""


def test_the_page_names_every_method_once() -> None:
    """§1.4: all 110, in their order."""
    assert list(ROWS) == list(NAMES)
    assert len(NAMES) == 110


def test_the_page_says_what_is_served() -> None:
    assert {name for name, (_, _, here) in ROWS.items() if here == "yes"} == {one.name for one in METHODS}


@pytest.mark.parametrize("one", METHODS, ids=lambda one: one.name)
def test_what_is_served_is_as_the_page_says(one: Method[Any]) -> None:
    """§1.4: what a method takes, and what it answers."""
    assert [request_name(one), result_name(one.result)] == ROWS[one.name][:2]
    assert one.summary


def test_no_method_is_declared_twice_or_made_up() -> None:
    assert len({one.name for one in METHODS}) == len(METHODS)
    with pytest.raises(TypeError, match="no method SendMails"):
        method("SendMails", Nothing, None)
    with pytest.raises(TypeError, match="no carrier"):
        method("SendEMails", Nothing, float)


def test_a_get_describes(sqlite_api: Api) -> None:
    """§1.3: and calls nothing, so that nobody has to be known."""
    sqlite_api.serve(*PROBES)
    shown = sqlite_api.request("GET", "/cust12345/API/v1/agents/email/sendemails")
    assert shown.status_code == 200
    assert shown.json() == {
        "Method": "SendEMails",
        "Verb": "POST",
        "Description": "Return the mails.",
        "Served": True,
        "Request": {
            "OutgoingConnectionInfo": "EMailConnectionInfo",
            "Emails": "EMailEntity[]",
            "SentItemsConnectionInfo": "EMailConnectionInfo",
        },
        "Result": "EMailEntity[]",
    }
    assert sqlite_api.request("GET", "/api/v1/Agents/EMail/GetEMailFromTemp").json()["Served"] is False
    assert sqlite_api.request("GET", "/api/v1/Agents/EMail/GetEMails").status_code == 404


def test_the_version(sqlite_api: Api) -> None:
    """§1.3: a flat object of texts for JSON, a page for a browser."""
    answer = sqlite_api.request("GET", "/Cust12345/api")
    base = sqlite_api.store.settings.public_url
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.json()["v1"] == f"{base}/Cust12345/api/v1"
    assert all(isinstance(value, str) for value in answer.json().values())
    page = sqlite_api.request("GET", "/api", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "/api/v1&quot;" in page.text


def test_the_map_of_methods(sqlite_api: Api) -> None:
    """§1.3: URL → verb → what it does."""
    sqlite_api.serve(*PROBES)
    listed = sqlite_api.request("GET", "/api/v1/").json()
    base = f"{sqlite_api.store.settings.public_url}/api/v1/Agents/EMail"
    assert list(listed) == [f"{base}/{name}" for name in NAMES]
    assert listed[f"{base}/GetEMailAccount"] == {"POST": "?eMailAccountId={eMailAccountId}   Return the number as a text."}
    assert listed[f"{base}/GetEMailFromTemp"] == {"POST": "Not served here."}


def test_the_state_of_a_tenant(sqlite_api: Api) -> None:
    state = sqlite_api.request("GET", "/api/state/Cust12345").json()
    base = sqlite_api.store.settings.public_url
    assert (state["ContextIdentifier"], state["State"], state["IsRunning"]) == ("Cust12345", "Running", True)
    assert (state["Endpoint"], state["Api"]) == (base, f"{base}/Cust12345/api")
    assert sqlite_api.request("GET", "/api/state/Cust1").status_code == 404


def test_the_openapi_document(sqlite_api: Api) -> None:
    """Every method is in it, and every reference leads somewhere."""
    sqlite_api.serve(*PROBES)
    document = sqlite_api.request("GET", "/swagger/docs/v1-Agents").json()
    assert list(document["paths"]) == [f"/api/v1/Agents/EMail/{name}" for name in NAMES]
    references = re.findall(r'"#/components/schemas/(\w+)"', openapi.document(PROBES).decode())
    assert {"EMailEntity", "EMailAttachment", "EMailEnvelope", "Error"} <= set(references) <= document["components"]["schemas"].keys()
    account = document["paths"]["/api/v1/Agents/EMail/GetEMailAccount"]["post"]
    assert [one["name"] for one in account["parameters"]] == ["$select", "eMailAccountId"]
    assert "requestBody" not in account
    assert set(document["paths"]["/api/v1/Agents/EMail/GetEMailFromTemp"]["post"]["responses"]) >= {"401", "501"}
