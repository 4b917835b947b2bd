"""Tags over HTTP (wire/onlyoffice.md §1b Tags, §4 Tag, §8.27)."""

import pytest

from postroom.dialects.onlyoffice.errors import ARGUMENT
from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.mailbox import EWA, JAN, Mailbox


@pytest.fixture
def box(api: Api) -> Mailbox:
    return Mailbox(api)


def test_tags(box: Mailbox) -> None:
    first = box.api.result("POST", "/mail/tags", json={"name": "A", "style": "3", "addresses": ["a@x.example"]})
    assert first == {"id": first["id"], "name": "A", "style": "3", "addresses": ["a@x.example"], "lettersCount": 0}
    second = box.api.result("POST", "/mail/tags", data={"name": "B"})
    assert second["addresses"] == []
    assert [tag["name"] for tag in box.get("tags")] == ["B", "A"]
    assert box.put(f"tags/{first['id']}", name="Z", style="1")["name"] == "Z"
    came = box.came(box.api.jan, box.letter(box.api.ewa))
    assert box.put(f"tags/{first['id']}/set", messages=[came]) == first["id"]
    box.put(f"tags/{second['id']}/set", messages=[came])
    row = box.get(f"messages/{came}")
    assert (row["tagIds"], row["labelsInString"]) == ([first["id"], second["id"]], f"{first['id']},{second['id']}")
    assert box.api.result("GET", f"/mail/messages?tags[]={first['id']}&tags[]={second['id']}")[0]["id"] == came
    box.put(f"tags/{second['id']}/unset", messages=[came])
    assert box.api.result("GET", f"/mail/messages?tags[]={second['id']}") == []
    assert box.api.result("DELETE", f"/mail/tags/{first['id']}") == first["id"]
    assert "tagIds" not in box.get(f"messages/{came}")


def test_what_a_tag_cannot_be(box: Mailbox) -> None:
    """§1b Tags: the texts of the original."""
    tag = box.api.result("POST", "/mail/tags", json={"name": "A"})["id"]
    theirs = box.api.result("POST", "/mail/tags", json={"name": "A"}, token=box.api.token_of(box.api.ewa))["id"]
    for verb, path, content, message in (
        ("POST", "", {"name": "a"}, 'Tag "a" already exists'),
        ("POST", "", {}, "Tag name cannot be empty"),
        ("PUT", f"/{tag}", {"name": ""}, "Tag name cannot be empty"),
        ("PUT", "/-1", {"name": "B"}, "Invalid tag id\r\nParameter name: id"),
        ("PUT", "/99", {"name": "B"}, "Tag not found"),
        ("PUT", f"/{theirs}", {"name": "B"}, "Tag not found"),
        ("DELETE", "/-1", {}, "Invalid tag id\r\nParameter name: id"),
        ("PUT", f"/{tag}/set", {}, "Messages are empty\r\nParameter name: messages"),
        ("PUT", f"/{tag}/unset", {"messages": []}, "Messages are empty\r\nParameter name: messages"),
    ):
        box.api.refused(box.api.call(verb, f"/mail/tags{path}", json=content), 400, message, ARGUMENT)


def test_tags_of_others_do_nothing(box: Mailbox) -> None:
    """An unknown tag, or somebody else's, is a call without effect."""
    ewa = box.api.token_of(box.api.ewa)
    theirs = box.api.result("POST", "/mail/tags", json={"name": "A"}, token=ewa)["id"]
    came = box.came(box.api.jan, box.letter(box.api.ewa))
    for wrong in (theirs, 99):
        assert box.put(f"tags/{wrong}/set", messages=[came]) == wrong
        assert box.api.result("DELETE", f"/mail/tags/{wrong}") == wrong
    box.api.result("PUT", f"/mail/tags/{theirs}/set", json={"messages": [came]}, token=ewa)
    assert [tag["lettersCount"] for tag in box.api.result("GET", "/mail/tags", token=ewa)] == [0]


def test_tags_with_addresses_are_on_what_comes_and_what_goes(box: Mailbox) -> None:
    """§1a.6 step 3: what is saved or sent from the address of a tag has it, beside those named; and so has what comes from there."""
    create = lambda name, *addresses: box.api.result("POST", "/mail/tags", json={"name": name, "addresses": list(addresses)})["id"]  # noqa: E731
    mine, hers, other = create("Me", '"Jan" <JAN@x.example>'), create("Ewa", "ewa@x.example"), create("Other")
    assert box.get(f"messages/{box.came(box.api.jan, box.letter(box.api.ewa))}")["tagIds"] == [hers]
    draft = box.put("drafts/save", **{"from": JAN})
    assert draft["tagIds"] == [mine]
    number = box.put("messages/send", **{"id": draft["id"], "from": JAN, "to": [EWA], "tags": [other, mine]})
    assert box.get(f"messages/{number}")["tagIds"] == [mine, other]
    box.put(f"tags/{mine}", name="Me", style="")
    assert "tagIds" not in box.put("drafts/save", **{"from": JAN})
