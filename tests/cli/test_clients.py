"""``postroom client`` and ``postroom user password``: programs, where people are sent back to, and passwords."""

import io
import json
import re
from typing import Any

import pytest

from postroom import clock
from postroom.directory import clients, contacts, passwords, people
from postroom.directory.people import NewPerson
from postroom.storage.store import Store

CALLBACK = "https://app.example/back"


def added(run: Any, *options: str) -> str:
    return str(json.loads(run("client", "add", "Plan", "--json", *options).out)["key"])


def test_a_client_is_added_with_callbacks_and_shown(run: Any, place: Store) -> None:
    key = added(
        run, "--callback", CALLBACK, "--callback", "org.example.app:/back", "--url", "https://app.example/", "--email", "it@x.example"
    )
    shown = run("client", "show", key).out
    for words in (key, CALLBACK, "org.example.app:/back", "https://app.example/", "it@x.example", "active"):
        assert words in shown
    told = json.loads(run("client", "show", key, "--json").out)
    assert told["contact"]["callbacks"] == [CALLBACK, "org.example.app:/back"]
    assert "secret" not in told


def test_what_is_given_replaces_what_was_there(run: Any, place: Store) -> None:
    key = added(run, "--callback", CALLBACK, "--email", "it@x.example")
    assert run("client", "change", key, "--callback", "https://b.example/", "--url", "https://b.example/").out == "Changed.\n"
    contact = place.database.read_now(contacts.program, key).contact
    assert (contact.callbacks, contact.url, contact.email) == (("https://b.example/",), "https://b.example/", "it@x.example")
    run("client", "change", key, "--callback", "", "--email", "")
    contact = place.database.read_now(contacts.program, key).contact
    assert (contact.callbacks, contact.email) == ((), "")


@pytest.mark.parametrize("wrong", [["--callback", "javascript:x"], ["--url", "x"], ["--email", "x"]])
def test_what_cannot_be_is_one_sentence(run: Any, place: Store, wrong: list[str]) -> None:
    assert run("client", "add", "Plan", *wrong).status == 1
    key = added(run, "--callback", CALLBACK)
    assert run("client", "change", key, *wrong).status == 1
    assert place.database.read_now(contacts.program, key).contact.callbacks == (CALLBACK,)


@pytest.mark.parametrize("command", ["show", "change"])
def test_an_unknown_client_is_one_sentence(run: Any, place: Store, command: str) -> None:
    told = run("client", command, "nobody")
    assert (told.status, "client" in told.err) == (1, True)


def test_a_password_is_read_from_standard_input(run: Any, place: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    jan = place.database.write_now(people.add, NewPerson(first_name="Jan", last_name="Lis"), clock.now())
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\nanother line\n"))
    told = run("user", "password", str(jan), "--stdin")
    assert (told.status, told.out, "horse" in told.err) == (0, f"Set for Jan Lis (number {jan}).\n", False)
    held = place.database.read_now(passwords.by_id, jan)
    assert held is not None
    assert passwords.matches(held.password_hash, "correct horse")


def test_a_password_is_asked_for_twice(run: Any, place: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    jan = place.database.write_now(people.add, NewPerson(first_name="Jan", last_name="Lis"), clock.now())
    asked: dict[str, Any] = {}

    def prompt(text: str, **options: Any) -> str:
        asked.update(options, text=text)
        return "correct horse"

    monkeypatch.setattr("typer.prompt", prompt)
    assert run("user", "password", str(jan)).status == 0
    assert asked == {"text": f"Password for Jan Lis (number {jan})", "hide_input": True, "confirmation_prompt": True}


@pytest.mark.parametrize(
    ("user", "password"), [("1", "short"), ("1", ""), ("1", "x" * 1_001), ("99", "correct horse"), ("jan@x.example", "correct horse")]
)
def test_a_password_that_cannot_be_set_is_one_sentence(
    run: Any, place: Store, monkeypatch: pytest.MonkeyPatch, user: str, password: str
) -> None:
    place.database.write_now(people.add, NewPerson(first_name="Jan", last_name="Lis"), clock.now())
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
    told = run("user", "password", user, "--stdin")
    assert (told.status, told.err.count("\n")) == (1, 1)
    assert place.database.read_now(passwords.by_id, 1) is None


def test_clients_are_listed(run: Any, place: Store) -> None:
    assert "client add" in run("client", "list").out
    key, other = added(run), added(run, "--administrative")
    run("client", "disable", other)
    lines = run("client", "list").out.splitlines()
    assert any(key in line and "active" in line for line in lines)
    assert any(other in line and "disabled" in line and "yes" in line for line in lines)
    assert [json.loads(line)["key"] for line in run("client", "list", "--json").out.splitlines()] == [key, other]


def test_a_token_that_was_lost_is_found_and_revoked_by_its_number(run: Any, place: Store) -> None:
    """Nobody is shown the token itself; what does not hold any more is not listed."""
    jan = place.database.write_now(people.add, NewPerson(first_name="Jan", last_name="Lis"), clock.now())
    key = added(run)
    assert "No program" in run("token", "list").out
    token = json.loads(run("token", "add", "--client", key, "--user", str(jan), "--scope", "mailclient", "--json").out)["token"]
    for chosen in ([], ["--client", key], ["--user", str(jan)]):
        shown = run("token", "list", *chosen).out
        assert "Jan Lis" in shown
        assert "mailclient" in shown
        assert token not in shown
    assert "Jan Lis" not in run("token", "list", "--user", str(jan + 1)).out
    number = json.loads(run("token", "list", "--json").out)["id"]
    assert run("token", "revoke", str(number)).out == "Revoked.\n"
    assert place.database.read_now(clients.token_by_key, place.vault, token, clock.now()) is None
    assert "No program" in run("token", "list").out
    assert run("token", "revoke", str(number)).status == 1
    assert run("token", "list", "--client", "nobody").status == 1


def test_a_scope_that_does_not_exist_is_refused(run: Any, place: Store) -> None:
    told = run("token", "add", "--client", added(run), "--user", "1", "--scope", "mailcleint")
    assert told.status == 1
    assert "did you mean mailclient?" in told.err


def test_a_personal_key_is_added_and_shown_with_its_person(run: Any, place: Store) -> None:
    jan = place.database.write_now(people.add, NewPerson(first_name="Jan", last_name="Lis"), clock.now())
    key = added(run, "--user", str(jan))
    client = place.database.read_now(clients.client_by_key, place.vault, key)
    assert client is not None
    assert client.user_id == jan
    assert json.loads(run("client", "show", key, "--json").out)["user_id"] == jan
    assert any(re.findall(r"\w+", line) == ["person", str(jan)] for line in run("client", "show", key).out.splitlines())
    assert json.loads(run("client", "list", "--json").out)["user_id"] == jan
    assert run("client", "add", "Plan", "--user", str(jan + 1)).status == 1


def test_a_token_may_have_the_scope_of_the_schoology_dialect(run: Any, place: Store) -> None:
    jan = place.database.write_now(people.add, NewPerson(first_name="Jan", last_name="Lis"), clock.now())
    assert run("token", "add", "--client", added(run), "--user", str(jan), "--scope", "schoology").status == 0
    assert json.loads(run("token", "list", "--json").out)["scopes"] == ["schoology"]
