"""services/users: looking people up by number, name and address (wire/usos.md §4.6; docs/usos.md, The directory)."""

from collections.abc import Callable
from typing import Any

import pytest

from postroom import clock
from postroom.directory import people
from postroom.directory.people import NewPerson
from postroom.settings import UsosSettings
from tests.dialects.usos.callers import admin, ask_admin, consumer, error, token
from tests.dialects.usos.conftest import Installation
from tests.support import counted

ADDRESSES = "id|email|alt_email|email_access|has_email"


def add(usos: Installation, **values: Any) -> str:
    return str(usos.store.database.write_now(people.add, NewPerson(**values), clock.now()))


def test_user_by_default_the_users_own_with_the_default_fields(usos: Installation) -> None:
    """§4.6: user_id is optional, default fields id|first_name|last_name."""
    jan = {"id": str(usos.jan), "first_name": "Jan", "last_name": "Robak"}
    assert usos.ask("users/user") == usos.ask("users/user", user_id="") == jan
    anna = usos.ask("users/user", user_id=str(usos.anna), fields="last_name|titles[before]|photo_urls[50x50]")
    assert anna == {"last_name": "Żak", "titles": {"before": "dr"}, "photo_urls": {"50x50": "https://photos.example/anna.jpg"}}


def test_user_takes_a_consumer_and_no_token(usos: Installation) -> None:
    """§4.6: consumer required, token optional; without a token there is no user to fall back on."""
    assert consumer(usos, "users/user", user_id=str(usos.ewa)).json()["first_name"] == "Ewa"
    assert error(consumer(usos, "users/user")) == (401, "method_forbidden", "user_missing")
    unsigned = usos.http.get(usos.url("users/user"), params={"user_id": str(usos.ewa)}, timeout=60)
    assert error(unsigned) == (401, "method_forbidden", "consumer_missing")
    assert ask_admin(usos, "users/user", as_user_id=str(usos.anna))["first_name"] == "Anna"


@pytest.mark.parametrize("number", ["999", "0", "-1", "x", "01", "2147483648"])
def test_user_that_is_not_there(usos: Installation, number: str) -> None:
    body = usos.refused("users/user", user_id=number)
    assert (body["error"], body["param_name"], body["method_name"]) == ("object_not_found", "user_id", "services/users/user")


def test_inactive_users_are_as_if_not_there(usos: Installation) -> None:
    gone = add(usos, first_name="Olga", last_name="Gone", email="olga@uni.example", active=False)
    assert usos.refused("users/user", user_id=gone)["error"] == "object_not_found"
    assert usos.ask("users/users", user_ids=gone) == {gone: None}
    assert usos.ask("users/search2", query="olga")["items"] == []
    assert ask_admin(usos, "users/search_by_email", email="olga@uni.example") == []


def test_users_are_a_dictionary_with_null_for_whom_there_is_not(usos: Installation) -> None:
    """§4.6: id → object or null, in the order asked for."""
    answer = usos.ask("users/users", user_ids=f"{usos.anna}|x|{usos.jan}|999", fields="first_name")
    assert list(answer.items()) == [
        (str(usos.anna), {"first_name": "Anna"}),
        ("x", None),
        (str(usos.jan), {"first_name": "Jan"}),
        ("999", None),
    ]
    assert usos.ask("users/users", user_ids="") == {}
    assert usos.refused("users/users")["error"] == "param_missing"


def test_users_are_at_most_500(usos: Installation) -> None:
    """Our choice; clients ask for 30 (§3.3)."""
    assert len(usos.ask("users/users", user_ids="|".join(map(str, range(1, 501))))) == 500
    body = usos.refused("users/users", user_ids="|".join(map(str, range(1, 502))))
    assert (body["error"], body["param_name"]) == ("param_invalid", "user_ids")


def test_fields_that_are_wrong(usos: Installation) -> None:
    assert usos.refused("users/user", fields="nothing")["error"] == "field_not_found"
    assert usos.refused("users/user", fields="id[x]")["error"] == "field_invalid"
    assert usos.refused("users/search2", query="jan", fields="items[user[x]]")["method_name"] == "services/users/user"


@pytest.mark.parametrize(
    ("scopes", "own", "others"),
    [((), False, False), (("mailclient",), False, False), (("email",), True, False), (("other_emails",), True, True)],
)
def test_who_sees_addresses_depends_on_the_scopes(usos: Installation, scopes: tuple[str, ...], own: bool, others: bool) -> None:  # noqa: FBT001
    """§2.5: ``email`` is one's own address, ``other_emails`` those of others."""
    jan = token(usos, usos.jan, *scopes)
    for user_id, name, shown in ((usos.jan, "jan", own), (usos.anna, "anna", others)):
        user = usos.ask("users/user", jan, user_id=str(user_id), fields=ADDRESSES)
        assert user["email"] == (f"{name}@uni.example" if shown else None)
        assert user["email_access"] == ("plaintext" if shown else "no_access")
        assert user["has_email"] is True
    ewa = usos.ask("users/users", jan, user_ids=str(usos.ewa), fields=ADDRESSES)[str(usos.ewa)]
    assert (ewa["email_access"], ewa["has_email"]) == ("no_email", False)
    assert ewa["alt_email"] == ("ewa@home.example" if others else None)


def test_administrative_consumers_see_addresses_and_ordinary_ones_do_not(usos: Installation) -> None:
    given = {"user_id": str(usos.anna), "fields": "email"}
    assert ask_admin(usos, "users/user", **given) == {"email": "anna@uni.example"}
    assert consumer(usos, "users/user", **given).json() == {"email": None}
    found = usos.ask("users/search2", query="Anna", fields="items[user[email]]")
    assert found == {"items": [{"user": {"email": None}}]}


def test_a_setting_shows_addresses_to_everybody(configured: Callable[..., Installation]) -> None:
    usos = configured(usos=UsosSettings(show_emails=True))
    assert consumer(usos, "users/user", user_id=str(usos.anna), fields="email").json() == {"email": "anna@uni.example"}


def test_a_search_gives_users_and_how_they_match(usos: Installation) -> None:
    """The keys that clients read: items[user|match]|next_page."""
    assert usos.ask("users/search2", query="zak", lang="pl", among="all") == {
        "items": [{"user": {"id": str(usos.anna), "first_name": "Anna", "last_name": "Żak"}, "match": "Anna <b>Żak</b>"}],
        "next_page": False,
    }
    assert usos.ask("users/search2", query="ŻAK ann", fields="items[match]") == {"items": [{"match": "<b>Anna</b> <b>Żak</b>"}]}
    assert usos.ask("users/search2", query="zak jan", fields="items") == {"items": []}


def test_middle_names_match_and_show_it(usos: Installation) -> None:
    add(usos, first_name="Zofia", middle_names="Maria Ewa", last_name="Łoś")
    assert usos.ask("users/search2", query="maria los", fields="items[match]") == {
        "items": [{"match": "Zofia <b>Maria</b> Ewa <b>Łoś</b>"}]
    }


def test_a_match_is_html_that_nobody_can_write_into(usos: Installation) -> None:
    add(usos, first_name="<i>Eve</i>", last_name="O'Neil & Co")
    (item,) = usos.ask("users/search2", query="eve", fields="items[match]")["items"]
    assert item["match"] == "&lt;i&gt;<b>Eve</b>&lt;/i&gt; O&#x27;Neil &amp; Co"


def test_a_search_is_given_in_pages(usos: Installation) -> None:
    for number in range(25):
        add(usos, first_name=f"Zenon{number:02}", last_name="Page")
    first = usos.ask("users/search2", query="page", fields="items[user[first_name]]|next_page")
    assert (len(first["items"]), first["next_page"]) == (20, True)
    rest = usos.ask("users/search2", query="page", start="20", fields="items[user[first_name]]|next_page")
    assert (len(rest["items"]), rest["next_page"]) == (5, False)
    assert len({item["user"]["first_name"] for item in first["items"] + rest["items"]}) == 25
    exactly = usos.ask("users/search2", query="page", num="25", fields="next_page")
    assert exactly == {"next_page": False}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("num", wrong) for wrong in ("0", "101", "x", "")),
        *(("start", wrong) for wrong in ("-1", "10001")),
        *(("query", wrong) for wrong in ("", "a", " -- ", "a b c d e f g h i", "x" * 101)),
    ],
)
def test_a_search_within_limits(usos: Installation, name: str, value: str) -> None:
    body = usos.refused("users/search2", **{"query": "jan", name: value})
    assert (body["error"], body["param_name"]) == ("param_invalid", name)


def test_a_search_needs_a_query(usos: Installation) -> None:
    assert usos.refused("users/search2")["error"] == "param_missing"


def test_search_by_email_is_administrative(usos: Installation) -> None:
    for address in ("jan@uni.example", "JAN@HOME.example"):
        (found,) = ask_admin(usos, "users/search_by_email", email=address, fields="id|email")
        assert found == {"id": str(usos.jan), "email": "jan@uni.example"}
    assert ask_admin(usos, "users/search_by_email", email="nobody@uni.example") == []
    assert error(admin(usos, "users/search_by_email", email="no address")) == (400, "param_invalid", "email")
    assert error(admin(usos, "users/search_by_email")) == (400, "param_missing", "email")
    assert error(consumer(usos, "users/search_by_email", email="jan@uni.example")) == (403, "method_forbidden", "trusted_required")


def test_statements(usos: Installation) -> None:
    """Client, token and nonce, and then one, whatever is asked for."""
    for method, parameters, expected in (
        ("users/user", {"user_id": str(usos.anna)}, 1),
        ("users/users", {"user_ids": f"{usos.jan}|{usos.anna}|{usos.ewa}", "fields": "email|titles|photo_urls"}, 1),
        ("users/search2", {"query": "an zak"}, 2),
        ("users/search2", {"query": "nobody"}, 1),
    ):
        with counted(usos.store) as statements:
            usos.ask(method, **parameters)
        assert len(statements) == 3 + expected
