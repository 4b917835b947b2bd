"""services/instaddr: institutional addresses (wire/usos.md §4.7; docs/usos.md, The directory)."""

from typing import Any

import pytest

from postroom import clock
from postroom.directory import addresses, people
from postroom.directory.people import NewPerson
from tests.dialects.usos.callers import admin, ask_admin, consumer, error
from tests.dialects.usos.conftest import Installation
from tests.support import counted

ADMINISTRATIVE = ("all", "create", "delete", "inst_addresses", "update", "update_user", "user")


def make(usos: Installation, name: str = "Dean", email: str = "dean@uni.example") -> str:
    answer = ask_admin(usos, "instaddr/create", name=name, email=email)
    assert list(answer) == ["inst_address_id"]
    return str(answer["inst_address_id"])


def show(usos: Installation, address: str, fields: str = "id|name|email") -> Any:
    return ask_admin(usos, "instaddr/inst_address", inst_address_id=address, fields=fields)


def test_an_address_is_created_and_seen_by_every_consumer(usos: Installation) -> None:
    """§4.7: inst_address is not administrative; default fields id|name|email."""
    address = make(usos, " Dziekan ", "Dean@UNI.example")
    expected = {"id": address, "name": "Dziekan", "email": "Dean@uni.example"}
    assert consumer(usos, "instaddr/inst_address", inst_address_id=address).json() == expected
    assert usos.ask("instaddr/inst_address", inst_address_id=address) == expected


@pytest.mark.parametrize("method", ADMINISTRATIVE)
def test_all_others_are_administrative(usos: Installation, method: str) -> None:
    assert error(consumer(usos, f"instaddr/{method}")) == (403, "method_forbidden", "trusted_required")
    assert error(usos.send(f"instaddr/{method}")) == (403, "method_forbidden", "trusted_required")


@pytest.mark.parametrize(
    ("parameters", "kind", "param"),
    [
        ({"name": "n"}, "param_missing", "email"),
        ({"email": "a@x.example"}, "param_missing", "name"),
        ({"name": "", "email": "a@x.example"}, "param_invalid", "name"),
        ({"name": "n" * 201, "email": "a@x.example"}, "param_invalid", "name"),
        ({"name": "a\nb", "email": "a@x.example"}, "param_invalid", "name"),
        ({"name": "n", "email": "no address"}, "param_invalid", "email"),
        ({"name": "n", "email": "DEAN@uni.example"}, "param_invalid", "email"),
    ],
)
def test_create_within_rules(usos: Installation, parameters: dict[str, str], kind: str, param: str) -> None:
    make(usos)
    assert error(admin(usos, "instaddr/create", **parameters)) == (400, kind, param)
    assert len(ask_admin(usos, "instaddr/all")) == 1


@pytest.mark.parametrize("number", ["999", "x", "2147483648"])
def test_an_address_that_is_not_there(usos: Installation, number: str) -> None:
    for method in ("inst_address", "update"):
        body = admin(usos, f"instaddr/{method}", inst_address_id=number).json()
        assert (body["error"], body["param_name"]) == ("object_not_found", "inst_address_id")


def test_all_is_not_for_calls_on_behalf_of_a_user(usos: Installation) -> None:
    """§4.7: with an access token method_forbidden; it gives primary fields only."""
    first, second = make(usos, "A", "a@x.example"), make(usos, "B", "b@x.example")
    assert ask_admin(usos, "instaddr/all") == [
        {"id": first, "name": "A", "email": "a@x.example"},
        {"id": second, "name": "B", "email": "b@x.example"},
    ]
    assert error(admin(usos, "instaddr/all", as_user_id=str(usos.jan))) == (403, "method_forbidden", "token_present")
    assert error(admin(usos, "instaddr/all", fields="users")) == (400, "field_invalid", "users")
    assert error(admin(usos, "instaddr/user", fields="users", as_user_id=str(usos.jan))) == (400, "field_invalid", "users")


def test_all_comes_in_pages_and_whole(usos: Installation) -> None:
    def many(tx: Any) -> None:
        for number in range(1_001):
            addresses.add(tx, f"a{number}@x.example", "A", clock.now())

    usos.store.database.write_now(many)
    found = ask_admin(usos, "instaddr/all", fields="email")
    assert [one["email"] for one in found] == [f"a{number}@x.example" for number in range(1_001)]


def test_several_addresses_are_a_dictionary(usos: Installation) -> None:
    address = make(usos)
    answer = ask_admin(usos, "instaddr/inst_addresses", inst_address_ids=f"x|{address}", fields="name|users")
    assert answer == {"x": None, address: {"name": "Dean", "users": []}}
    many = "|".join(map(str, range(1, 502)))
    assert error(admin(usos, "instaddr/inst_addresses", inst_address_ids=many)) == (400, "param_invalid", "inst_address_ids")
    assert error(admin(usos, "instaddr/inst_addresses")) == (400, "param_missing", "inst_address_ids")


def test_update_changes_what_is_given(usos: Installation) -> None:
    address, other = make(usos), make(usos, "Other", "other@uni.example")
    assert ask_admin(usos, "instaddr/update", inst_address_id=address, name="Rector") == {}
    assert show(usos, address) == {"id": address, "name": "Rector", "email": "dean@uni.example"}
    assert ask_admin(usos, "instaddr/update", inst_address_id=address, email="rector@uni.example") == {}
    assert ask_admin(usos, "instaddr/update", inst_address_id=address, email="Rector@uni.example") == {}  # its own, in other letters
    assert ask_admin(usos, "instaddr/update", inst_address_id=address) == {}
    for parameters, param in (
        ({"email": "OTHER@uni.example"}, "email"),
        ({"email": ""}, "email"),
        ({"name": "", "email": "new@uni.example"}, "name"),
    ):
        assert error(admin(usos, "instaddr/update", inst_address_id=address, **parameters)) == (400, "param_invalid", param)
    assert show(usos, address) == {"id": address, "name": "Rector", "email": "Rector@uni.example"}
    assert show(usos, other)["email"] == "other@uni.example"


def test_a_user_may_send_from_exactly_those_that_are_listed(usos: Installation) -> None:
    first, second, third = (make(usos, name, f"{name}@x.example") for name in "abc")
    jan = str(usos.jan)

    def assigned() -> list[str]:
        return [one["id"] for one in ask_admin(usos, "instaddr/user", as_user_id=jan)]

    for wanted in ([first, second], [second, third], [first], []):
        assert ask_admin(usos, "instaddr/update_user", user_id=jan, inst_address_ids="|".join(wanted)) == {}
        assert assigned() == wanted
    ask_admin(usos, "instaddr/update_user", user_id=jan, inst_address_ids=first)
    for parameters, param in (
        ({"user_id": jan, "inst_address_ids": f"{second}|999"}, "inst_address_ids"),
        ({"user_id": "999", "inst_address_ids": second}, "user_id"),
    ):
        assert error(admin(usos, "instaddr/update_user", **parameters)) == (400, "object_not_found", param)
    assert assigned() == [first]
    assert ask_admin(usos, "instaddr/user", as_user_id=str(usos.anna)) == []
    assert error(admin(usos, "instaddr/user")) == (401, "method_forbidden", "user_missing")


def test_users_of_an_address_are_for_administrative_consumers(usos: Installation) -> None:
    address = make(usos)
    gone = usos.store.database.write_now(people.add, NewPerson(first_name="Olga", last_name="Gone", active=False), clock.now())
    for user_id in (usos.jan, usos.ewa, gone):
        ask_admin(usos, "instaddr/update_user", user_id=str(user_id), inst_address_ids=address)
    ask_admin(usos, "instaddr/update_user", user_id=str(usos.ewa), inst_address_ids="")
    assert show(usos, address, "users[first_name|email]") == {"users": [{"first_name": "Jan", "email": "jan@uni.example"}]}
    body = usos.refused("instaddr/inst_address", inst_address_id=address, fields="users", expecting=403)
    named = (body["error"], body["field_name"], body["method_name"], body["reason"])
    assert named == ("field_forbidden", "users", "services/instaddr/inst_address", "trusted_required")


def test_a_draft_from_a_revoked_address_cannot_be_sent(usos: Installation) -> None:
    """Contract §1.4: inst_address_unassigned."""
    address = make(usos)
    ask_admin(usos, "instaddr/update_user", user_id=str(usos.jan), inst_address_ids=address)
    message_id = usos.ready(from_inst_address_id=address)
    ask_admin(usos, "instaddr/update_user", user_id=str(usos.jan), inst_address_ids="")
    assert usos.refused("send_message", message_id=message_id)["reason"] == "inst_address_unassigned"


def test_messages_outlive_their_address_as_their_authors_own(usos: Installation) -> None:
    address, kept = make(usos), make(usos, "Kept", "kept@x.example")
    ask_admin(usos, "instaddr/update_user", user_id=str(usos.jan), inst_address_ids=f"{address}|{kept}")
    message_id = usos.ready(from_inst_address_id=address)
    assert usos.ask("message", message_id=message_id, fields="from_inst_address[name]") == {"from_inst_address": {"name": "Dean"}}
    assert ask_admin(usos, "instaddr/delete", inst_address_ids=f"x|999|{address}|{address}") == {"matched": [address]}
    assert [one["id"] for one in ask_admin(usos, "instaddr/user", as_user_id=str(usos.jan))] == [kept]
    assert usos.ask("message", message_id=message_id, fields="from_inst_address") == {"from_inst_address": None}
    assert usos.ask("send_message", message_id=message_id) == {}
    assert error(admin(usos, "instaddr/delete")) == (400, "param_missing", "inst_address_ids")


def test_statements(usos: Installation) -> None:
    """As many for ten addresses as for one. Administrative calls look no token up: client and nonce, then their own."""
    numbers = [make(usos, "A", f"a{number}@x.example") for number in range(10)]
    for user_id in (usos.jan, usos.anna):
        ask_admin(usos, "instaddr/update_user", user_id=str(user_id), inst_address_ids="|".join(numbers))
    for ids in (numbers[:1], numbers):
        with counted(usos.store) as statements:
            ask_admin(usos, "instaddr/inst_addresses", inst_address_ids="|".join(ids), fields="name|users")
        assert len(statements) == 2 + 3
