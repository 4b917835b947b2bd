"""Which operation a verb and a path mean (wire/onlyoffice.md §3.4, §8.12)."""

from typing import Any

import pytest
from msgspec import Struct

from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.operation import Nothing, Operation, operation
from postroom.dialects.onlyoffice.routing import Table


class One(Struct):
    id: int


class Two(Struct):
    id: int
    way: str


def declared(verb: Any, path: str, given: type[Struct] = Nothing) -> Operation[Any]:
    async def handler(_call: Call, _given: Any) -> None:
        """Do nothing."""

    return operation(verb, path, given, result=None)(handler)


TABLE = Table(
    (
        declared("GET", "/mail/messages"),
        declared("GET", "/mail/messages/{id:[0-9]+}", One),
        declared("GET", "/mail/messages/{id:[0-9]+}/{way:next|prev}", Two),
        declared("GET", "/mail/messages/template"),
        declared("PUT", "/mail/messages/send"),
        declared("PUT", "/mail/tags/{id}", One),
        declared("PUT", "/mail/tags/{id}/set", One),
    )
)


@pytest.mark.parametrize(
    ("verb", "path", "declared", "values"),
    [
        ("GET", "/mail/messages", "/mail/messages", []),
        ("GET", "/MAIL/Messages.JSON", "/mail/messages", []),
        ("GET", "/mail/messages/", "/mail/messages", []),
        ("GET", "/mail/messages/7", "/mail/messages/{id}", [("id", "7")]),
        ("GET", "/mail/messages/7.json", "/mail/messages/{id}", [("id", "7")]),
        ("GET", "/mail/messages/7/NEXT.json", "/mail/messages/{id}/{way}", [("id", "7"), ("way", "NEXT")]),
        ("GET", "/mail/messages/template", "/mail/messages/template", []),
        ("PUT", "/mail/tags/-7", "/mail/tags/{id}", [("id", "-7")]),
        ("PUT", "/mail/tags/-7/Set", "/mail/tags/{id}/set", [("id", "-7")]),
        ("PUT", "/mail/tags/set", "/mail/tags/{id}", [("id", "set")]),
    ],
)
def test_paths_lead_to_operations(verb: str, path: str, declared: str, values: list[tuple[str, str]]) -> None:
    found = TABLE.find(verb, path)
    assert found is not None
    assert (found.operation.verb, found.operation.plain_path, found.values, found.wants_xml) == (verb, declared, values, False)


@pytest.mark.parametrize("path", ["/mail/messages.xml", "/mail/messages.TML", "/mail/messages/7.xml", "/mail/messages/7/next.tml"])
def test_suffixes_want_xml(path: str) -> None:
    found = TABLE.find("GET", path)
    assert found is not None
    assert found.wants_xml


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("PUT", "/mail/messages"),
        ("PATCH", "/mail/messages"),
        ("get", "/mail/messages"),
        ("GET", "/mail"),
        ("GET", ""),
        ("GET", "/"),
        ("GET", "/mail//messages"),
        ("GET", "/mail/messages/x"),
        ("GET", "/mail/messages/-1"),
        ("GET", "/mail/messages/٣"),
        ("GET", "/mail/messages/7/later"),
        ("GET", "/mail/messages.yaml"),
        ("GET", "/mail/messages.json.json"),
        ("GET", "/mail/messages/7" + "/x" * 10_000),
        ("PUT", "/mail/tags/.json"),
    ],
)
def test_all_others_lead_nowhere(verb: str, path: str) -> None:
    assert TABLE.find(verb, path) is None


def test_two_operations_in_one_place_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="twice"):
        Table((declared("GET", "/a/{id}", One), declared("GET", "/A/{id}", One)))


class Optional(Struct):
    id: int = 0


@pytest.mark.parametrize(("path", "given"), [("/a", One), ("/a/{other}", Optional), ("/a/{id}", Nothing), ("/a/{id}", Two)])
def test_a_path_and_a_record_that_do_not_fit_are_a_mistake(path: str, given: type[Struct]) -> None:
    with pytest.raises(TypeError):
        declared("GET", path, given)
