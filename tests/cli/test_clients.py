"""``postroom client`` and ``postroom user password``: programs, where people are sent back to, and passwords."""

import io
import json
from typing import Any

import pytest

from postroom import clock
from postroom.directory import contacts, passwords, people
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
    assert (told.status, told.out, "horse" in told.err) == (0, "Set.\n", False)
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
    assert asked == {"text": "Password", "hide_input": True, "confirmation_prompt": True}


@pytest.mark.parametrize(("user", "password"), [("1", "short"), ("1", ""), ("1", "x" * 1_001), ("99", "correct horse")])
def test_a_password_that_cannot_be_set_is_one_sentence(
    run: Any, place: Store, monkeypatch: pytest.MonkeyPatch, user: str, password: str
) -> None:
    place.database.write_now(people.add, NewPerson(first_name="Jan", last_name="Lis"), clock.now())
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
    told = run("user", "password", user, "--stdin")
    assert (told.status, told.err.count("\n")) == (1, 1)
    assert place.database.read_now(passwords.by_id, 1) is None
