"""Contacts over HTTP (wire/onlyoffice.md §1b Contacts, §4 Contact)."""

from typing import Any

from postroom.dialects.onlyoffice.errors import ARGUMENT
from tests.dialects.onlyoffice.conftest import Api
from tests.support import counted


def add(api: Api, name: str = "Bob", **more: Any) -> Any:
    return api.result("POST", "/mail/contact/add", json={"name": name, "emails": [f"{name.lower()}@b.example"], **more})


def listed(api: Api, path: str = "contacts", **query: Any) -> Any:
    answer = api.call("GET", f"/mail/{path}", params=query).json()
    return [one["name"] for one in answer["response"]], answer.get("total")


def test_a_contact_is_entered_changed_and_removed(api: Api) -> None:
    new = add(api, emails=["bob@b.example", "b2@b.example"], phoneNumbers=["+48 1"], description="He")
    assert (new["name"], new["description"], new["type"]) == ("Bob", "He", 1)
    assert [(one["value"], one["isPrimary"]) for one in new["emails"]] == [("bob@b.example", True), ("b2@b.example", False)]
    assert [one["value"] for one in new["phones"]] == ["+48 1"]
    changed = api.result("PUT", "/mail/contact/update", json={"id": new["id"], "name": "Rob", "emails": "rob@b.example"})
    assert (changed["id"], changed["name"], changed["phones"]) == (new["id"], "Rob", [])
    assert api.result("GET", "/mail/contacts") == [changed]
    assert api.result("PUT", "/mail/contacts/remove", json={"ids": [new["id"]]}) == [new["id"]]
    assert listed(api) == ([], 0)


def test_contacts_are_listed(api: Api) -> None:
    """In pages, in either order, by words and by what reaches them; ``total`` is that of the conditions."""
    for name in ("Bob", "Cat", "Dan"):
        add(api, name, phoneNumbers=["77"] if name == "Dan" else [])
    assert listed(api) == (["Bob", "Cat", "Dan"], 3)
    assert listed(api, pageSize=1, fromIndex=1) == (["Cat"], 3)
    assert listed(api, sortorder="descending", pageSize=2) == (["Dan", "Cat"], 3)
    assert listed(api, search="CAT") == listed(api, search="cat@b") == (["Cat"], 1)
    assert listed(api, search="%") == listed(api, contactType=0) == listed(api, fromIndex=2**31 - 1, search="no one") == ([], 0)
    assert listed(api, "contacts/bycontactinfo", infoType=1, data="BOB@b.example", isPrimary="true")[0] == ["Bob"]
    assert listed(api, "contacts/bycontactinfo", infoType=2, data="77")[0] == ["Dan"]
    assert listed(api, "contacts/bycontactinfo", infoType=1, data="bob")[0] == []


def test_the_number_of_statements_does_not_grow_with_the_contacts(api: Api) -> None:
    def statements() -> int:
        with counted(api.store) as done:
            listed(api)
        return len(done)

    add(api)
    few = statements()
    for name in ("Cat", "Dan", "Eve"):
        add(api, name)
    assert statements() == few <= 5


def test_contacts_that_are_refused(sqlite_api: Api) -> None:
    """§1b Contacts: the texts of the original."""
    none = 400, "Invalid list of emails.\r\nParameter name: emails", ARGUMENT
    for emails in ([], [""], ["nonsense"], ["a@b.example, c@d.example"]):
        sqlite_api.refused(sqlite_api.call("POST", "/mail/contact/add", json={"name": "Bob", "emails": emails}), *none)
    wrong = 400, "Invalid contact id.\r\nParameter name: id", ARGUMENT
    sqlite_api.refused(sqlite_api.call("PUT", "/mail/contact/update", json={"emails": "a@b.example"}), *wrong)
    unknown = sqlite_api.call("PUT", "/mail/contact/update", json={"id": 77, "emails": "a@b.example"})
    sqlite_api.refused(unknown, 400, "Contact not found", ARGUMENT)
    empty = sqlite_api.call("PUT", "/mail/contacts/remove", json={"ids": []})
    sqlite_api.refused(empty, 400, "Empty ids collection\r\nParameter name: ids", ARGUMENT)
    assert listed(sqlite_api) == ([], 0)


def test_contacts_of_others_are_left_alone(api: Api) -> None:
    number = add(api)["id"]
    hers = api.token_of(api.ewa)
    changing = api.call("PUT", "/mail/contact/update", token=hers, json={"id": number, "name": "X", "emails": "x@b.example"})
    api.refused(changing, 400, "Contact not found", ARGUMENT)
    api.result("PUT", "/mail/contacts/remove", token=hers, json={"ids": [number]})
    assert api.result("GET", "/mail/contacts", token=hers) == []
    assert listed(api) == (["Bob"], 1)


def test_addresses_are_found_by_a_piece(sqlite_api: Api) -> None:
    """Contacts, one's own addresses, and people whom one may write to; each once."""
    add(sqlite_api, "Bob")
    search = lambda term: sqlite_api.result("GET", "/mail/emails/search", params={"term": term})  # noqa: E731
    assert search("bob") == ['"Bob" <bob@b.example>']
    assert search("robak") == ['"Jan Robak" <jan@x.example>']
    assert search("nobody") == []
    answer = sqlite_api.call("GET", "/mail/emails/search?term=%20")
    sqlite_api.refused(answer, 400, "term parameter empty.\r\nParameter name: term", ARGUMENT)
