"""The command line (cli/): what scripts and people rely on. Expected errors are one sentence and exit status 1, never a traceback."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import psutil
import pytest
import typer
from sqlalchemy import insert, select, update

from postroom import __version__, clock
from postroom.cli import app
from postroom.directory import clients, people
from postroom.messages import attachments, drafts
from postroom.messages.records import DraftContent, NewAttachment
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import attempts, messages, recipients, users


def commands() -> Iterator[list[str]]:
    def walk(command: click.Command, path: list[str]) -> Iterator[list[str]]:
        yield path
        for name, below in getattr(command, "commands", {}).items():
            yield from walk(below, [*path, name])

    yield from walk(typer.main.get_command(app), [])


# -- help, version, usage --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_explains_itself(run: Any, command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.status == 0
    assert "Usage: postroom" in result.out
    if command and command[-1] not in {"user", "client", "token", "link", "suppression"}:
        assert f"Example: postroom {' '.join(command)}" in result.out


@pytest.mark.parametrize("command", [command for command in commands() if command], ids=" ".join)
def test_the_document_shows_every_command(command: list[str]) -> None:
    """docs/cli.md."""
    assert f"    postroom {' '.join(command)}" in (Path(__file__).parent.parent / "docs" / "cli.md").read_text(encoding="utf-8")


def test_the_version(run: Any) -> None:
    result = run("--version")
    assert (result.status, result.out) == (0, f"postroom {__version__}\n")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["queue", "--nonsense"], ["message"], ["message", "x"], ["message", "0"], ["import", "no/such"]]
)
def test_a_wrong_call_is_status_2(run: Any, arguments: list[str]) -> None:
    assert run(*arguments).status == 2


def test_help_and_version_start_fast_since_they_load_no_heavy_library() -> None:
    program = """
import sys
from postroom.cli import main
try:
    main(["--version"])
except SystemExit:
    print(*sys.modules)
"""
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert not {"sqlalchemy", "alembic", "starlette", "uvicorn", "cryptography", "psycopg"} & set(loaded)


def test_it_runs_as_a_module_too() -> None:
    done = subprocess.run([sys.executable, "-m", "postroom", "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"postroom {__version__}\n"


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["queue"], ["message", "1"], ["client", "add", "x"]])
def test_without_a_store_the_way_on_is_told_and_none_is_made(run: Any, tmp_path: Path, command: list[str]) -> None:
    result = run(*command, DATA_DIR=str(tmp_path / "data"))
    assert result.status == 1
    assert "postroom migrate" in result.err
    assert not (tmp_path / "data").exists()


def test_a_store_without_the_schema_is_refused(run: Any, tmp_path: Path) -> None:
    (tmp_path / "postroom.sqlite3").touch()
    result = run("queue", DATA_DIR=str(tmp_path))
    assert (result.status, "postroom migrate" in result.err) == (1, True)


def test_another_secret_key_is_noticed_at_the_start(run: Any, sqlite_settings: Settings) -> None:
    """A worker with another key would put links into mails that lead nowhere. All commands open the store in one way."""
    place = {"DATA_DIR": str(sqlite_settings.data_dir)}
    assert run("client", "add", "x", SECRET_KEY="k" * 32, **place).status == 0
    refused = run("queue", SECRET_KEY="another" * 8, **place)
    assert (refused.status, "another secret_key" in refused.err) == (1, True)


@pytest.mark.parametrize("command", [["queue"], ["migrate"], ["serve"], ["api"]])
@pytest.mark.parametrize("closed", ["folder", "file"])
def test_a_store_of_another_user_is_one_sentence(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], closed: str
) -> None:
    (tmp_path / "postroom.sqlite3").touch()
    (tmp_path / "postroom.toml").touch()

    def refuse(_: Path) -> bool:
        raise PermissionError

    if closed == "folder":  # as the system does; tests may run as a user who may do everything
        monkeypatch.setattr(Path, "exists", refuse)
    else:
        monkeypatch.setattr(os, "access", lambda *_: False)
    result = run(*command, DATA_DIR=str(tmp_path), CONFIG=str(tmp_path / "postroom.toml"))
    assert (result.status, "as the user that runs the server" in result.err) == (1, True)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"HTTP__PORT": "ninety"}, "HTTP__PORT"),
        ({"NO_SUCH": "1"}, "POSTROOM_NO_SUCH"),
        ({"DATABASE__URL": "mysql://x/y"}, "database.url"),
        ({"DATABASE__URL": "postgresql://postroom@127.0.0.1:1/x"}, "Not available"),
        ({"CONFIG": "/no/such/file.toml"}, "file.toml"),
    ],
)
def test_settings_that_cannot_be_used_are_one_sentence(run: Any, environment: dict[str, str], words: str) -> None:
    result = run("queue", **environment)
    assert result.status == 1
    assert words in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_the_config_option_names_the_file(run: Any, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('log_level = "debug"\n')
    listed = [json.loads(line) for line in run("--config", "other.toml", "settings", "--json").out.splitlines()]
    assert {setting["name"]: setting["value"] for setting in listed}["log_level"] == "debug"


# -- migrate, user, client, token ------------------------------------------------------------------------------------


def test_import_of_a_folder_without_files_says_which_are_wanted(run: Any, place: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("import", str(tmp_path / "empty"))
    assert (result.status, "none of people.csv" in result.err, "line" in result.err) == (1, True, False)


def test_migrate_makes_a_store_and_does_no_harm_twice(run: Any, tmp_path: Path) -> None:
    for _ in range(2):
        assert run("migrate", DATA_DIR=str(tmp_path / "data")).status == 0
    assert run("queue").out == "Nothing waits.\n"


def test_user_add_prints_the_number_alone(run: Any, place: Store) -> None:
    name = ["--first-name", "Łucja", "--last-name", "Nowak"]
    result = run("user", "add", *name, "--email", "lucja@uni.example", "--role", "teacher", "--language", "en")
    person = place.database.read_now(people.get, int(result.out))
    assert (person.first_name, person.last_name, person.email) == ("Łucja", "Nowak", "lucja@uni.example")
    assert (person.role, person.language) == ("teacher", "en")


@pytest.mark.parametrize("wrong", [["--email", "no address"], ["--language", "de"], ["--alt-email", "a@b\r\nX: y"]])
def test_user_add_refuses_what_the_directory_refuses(run: Any, place: Store, wrong: list[str]) -> None:
    assert run("user", "add", "--first-name", "A", "--last-name", "B", *wrong).status == 1
    assert place.database.read_now(lambda tx: tx.execute(select(users)).all()) == []


def test_client_and_token_are_shown_once_and_work(run: Any, place: Store) -> None:
    person = place.database.write_now(people.add, people.NewPerson(first_name="A", last_name="B"), clock.now())
    client = json.loads(run("client", "add", "Timetable", "--json").out)
    token = json.loads(
        run("token", "add", "--client", client["key"], "--user", str(person), "--scope", "mailclient", "--scope", "studies", "--json").out
    )
    known = place.database.read_now(clients.client_by_key, place.vault, client["key"])
    assert known is not None
    assert (known.secret, known.name, known.administrative) == (client["secret"], "Timetable", False)
    held = place.database.read_now(clients.token_by_key, place.vault, token["token"], clock.now())
    assert held is not None
    assert (held.secret, held.user_id, held.scopes) == (token["secret"], person, {"mailclient", "studies"})


def test_an_administrative_client(run: Any, place: Store) -> None:
    result = run("client", "add", "Office", "--administrative")
    key = re.search(r"key\W+(\w{20})\b", result.out)
    assert key is not None
    known = place.database.read_now(clients.client_by_key, place.vault, key[1])
    assert known is not None
    assert known.administrative
    assert known.secret in result.out


@pytest.mark.parametrize(
    ("client", "user", "words"), [("no-such-key", "1", "postroom client add"), (None, "999", "user 999"), (None, str(2**63), "user")]
)
def test_tokens_need_a_client_and_a_person(run: Any, place: Store, client: str | None, user: str, words: str) -> None:
    key = client or json.loads(run("client", "add", "Timetable", "--json").out)["key"]
    result = run("token", "add", "--client", key, "--user", user, "--scope", "mailclient")
    assert (result.status, words in result.err) == (1, True)


def test_a_disabled_client_stays_known_but_out(run: Any, place: Store) -> None:
    key = json.loads(run("client", "add", "Timetable", "--json").out)["key"]
    assert run("client", "disable", key).out == "Disabled.\n"
    assert "client, inactive" in run("find", "Timetable").out
    assert run("token", "add", "--client", key, "--user", "1", "--scope", "mailclient").status == 1
    assert run("client", "disable", "nobody").status == 1


def test_a_revoked_token_no_longer_works(run: Any, place: Store) -> None:
    person = place.database.write_now(people.add, people.NewPerson(first_name="A", last_name="B"), clock.now())
    key = json.loads(run("client", "add", "Timetable", "--json").out)["key"]
    token = json.loads(run("token", "add", "--client", key, "--user", str(person), "--scope", "mailclient", "--json").out)["token"]
    assert run("token", "revoke", token).status == 0
    assert place.database.read_now(clients.token_by_key, place.vault, token, clock.now()) is None
    assert run("token", "revoke", "no-such-token").status == 1


def test_find_shows_the_numbers_that_other_commands_take(run: Any, place: Store) -> None:
    person = people.NewPerson(uid="A-17", first_name="Łucja", last_name="Nowak", email="lucja@uni.example")
    number = place.database.write_now(people.add, person, clock.now())
    place.database.write_now(people.add, people.NewPerson(first_name="Jan", last_name="Kowal", active=False), clock.now())
    assert re.search(rf"user\W+{number}\W+A-17\W+Łucja Nowak\W+lucja@uni\.example", run("find", "łucja").out)
    assert "user, inactive" in run("find", "kowal").out
    place.database.write_now(people.add, people.NewPerson(first_name="Ewa", last_name="Lis", role="teacher"), clock.now())
    assert "user, teacher" in run("find", "lis").out
    assert [json.loads(line)["name"] for line in run("find", "--json").out.splitlines()] == ["Łucja Nowak", "Jan Kowal", "Ewa Lis"]
    assert "There is more" in run("find", "--limit", "1").out
    assert "Nobody" in run("find", "nobody-like-this").out


# -- import ----------------------------------------------------------------------------------------------------------


def test_import_shows_what_it_did(run: Any, place: Store, tmp_path: Path) -> None:
    folder = tmp_path / "organisation"
    folder.mkdir()
    (folder / "people.csv").write_text("uid,first_name,last_name,email\n1,Anna,Nowak,anna@uni.example\n2,Jan,Kowal,\n")
    first, second = run("import", str(folder)), run("import", str(folder))
    assert (first.status, second.status) == (0, 0)
    assert re.search(r"people\.csv\W+2\W+0\W+0\W+0\b", first.out)
    assert re.search(r"people\.csv\W+0\W+0\W+0\W+2\b", second.out)


def test_import_names_the_wrong_lines_and_imports_nothing(run: Any, place: Store, tmp_path: Path) -> None:
    folder = tmp_path / "organisation"
    folder.mkdir()
    (folder / "people.csv").write_text("uid,first_name,last_name,email\n1,Anna,Nowak,anna@uni.example\n2,Jan,Kowal,no address\n")
    result = run("import", str(folder))
    assert result.status == 1
    assert re.search(r"people\.csv\W+3\b", result.err)
    assert "Nothing was imported" in result.err
    assert place.database.read_now(lambda tx: tx.execute(select(users)).all()) == []


# -- queue, message --------------------------------------------------------------------------------------------------


def send(tx: Tx, people_count: int, subject: str) -> int:
    """A message on its way: two thirds delivered, the rest waiting."""
    message = {
        "dialect": "usos",
        "subject": subject,
        "content": "x",
        "status": "pending",
        "created_at": 1,
        "modified_at": 1,
        "sent_at": 1_700_000_000_000,
    }
    number = int(tx.execute(insert(messages).values(message).returning(messages.c.id)).scalar_one())
    rows = [
        {
            "message_id": number,
            "email": f"p{count}@uni.example",
            "state": "delivered" if count % 3 else "deferred",
            "due_at": 1_700_000_060_000,
        }
        for count in range(people_count)
    ]
    tx.execute(insert(recipients), rows)
    waiting = select(recipients.c.id).where(recipients.c.message_id == number, recipients.c.state == "deferred")
    try_ = {"at": 1, "relay": "relay", "outcome": "deferred", "reply_code": 450, "reply_text": "450 4.2.0 greylisted"}
    tx.execute(insert(attempts), [{**try_, "recipient_id": recipient} for recipient in tx.scalars(waiting)])
    reply = {"reply_code": 450, "reply_text": "450 4.2.0 greylisted [bold]\x1b[31m", "attempts": 2}
    tx.execute(update(recipients).where(recipients.c.state == "deferred").values(reply))
    return number


def test_queue_shows_what_waits_and_why(run: Any, place: Store) -> None:
    number = place.database.write_now(send, 30, "Exams [red]moved[/]\x1b]0;owned\x07")
    result = run("queue")
    assert "10 deferred" in result.out
    assert "Exams [red]moved[/]" in result.out, "what looks like markup is text"
    assert "greylisted" in result.out
    assert "\x1b" not in result.out, "a subject does not steer the terminal"
    line, domain = [json.loads(line) for line in run("queue", "--json").out.splitlines()]
    assert (line["kind"], line["message_id"], line["states"], line["held"]) == ("message", number, {"deferred": 10}, 0)
    assert domain == {"kind": "domain", "domain": "uni.example", "waiting": 10, "deferred": 10, "last_reply": "450 4.2.0 greylisted"}


def test_queue_is_bounded_and_says_so(run: Any, place: Store) -> None:
    for count in range(3):
        place.database.write_now(send, 3, f"Message {count}")
    result = run("queue", "--limit", "2")
    assert "Message 0" in result.out
    assert "Message 2" not in result.out
    assert "There is more" in result.out
    kinds = [json.loads(line)["kind"] for line in run("queue", "--limit", "2", "--json").out.splitlines()]
    assert kinds == ["message", "message", "domain"]


def test_message_shows_counts_and_the_beginning_of_the_roll(run: Any, place: Store) -> None:
    number = place.database.write_now(send, 1200, "Exams")
    result = run("message", str(number))
    assert "1200 recipients" in result.out
    assert re.search(r"deferred\W+400\b", result.out)
    assert re.search(r"delivered\W+800\b", result.out)
    assert "p49@" in result.out
    assert "p50@" not in result.out
    assert f"1150 more: postroom message {number} --all" in result.out
    assert re.search(r"│ 450 4\.2\.0 greylisted", result.out), "the reply, its code once"


def test_message_says_whose_matter_the_last_refusal_was(run: Any, place: Store) -> None:
    number = place.database.write_now(send, 3, "Exams")
    place.database.write_now(lambda tx: tx.execute(update(attempts).values(fault="mailbox_full")) and None)
    said = run("message", str(number)).out
    assert re.search(r"deferred,\W+mailbox\W+full", said)
    assert said.count("deferred,") == 1, "who was delivered in the end has no fault"
    roll = [json.loads(line) for line in run("message", str(number), "--json").out.splitlines()[1:]]
    assert [tried["fault"] for line in roll for tried in line["tries"]] == ["mailbox_full"]
    place.database.write_now(lambda tx: tx.execute(update(recipients).values(state="queued")) and None)
    assert "mailbox" not in run("message", str(number)).out, "what came before another round of tries is history"


def test_message_pages_through_the_whole_roll(run: Any, place: Store) -> None:
    number = place.database.write_now(send, 1200, "Exams")
    everyone = run("message", str(number), "--all").out
    assert all(f"p{count}@" in everyone for count in (0, 499, 500, 999, 1000, 1199))
    head, *roll = [json.loads(line) for line in run("message", str(number), "--all", "--json").out.splitlines()]
    assert head["counts"] == {"delivered": 800, "deferred": 400}
    assert [line["email"] for line in roll] == [f"p{count}@uni.example" for count in range(1200)]


def test_message_names_people_and_counts_the_copy_for_the_author_beside_the_roll(run: Any, place: Store) -> None:
    number = place.database.write_now(send, 3, "Exams")
    person = place.database.write_now(people.add, people.NewPerson(first_name="Jan", last_name="Nowak"), clock.now())
    more = [
        {"message_id": number, "user_id": person, "state": "suppressed", "role": role, "reply_text": "no address"}
        for role in ("to", "self")
    ]
    reader = {"message_id": number, "user_id": person, "state": "delivered", "role": "to", "reply_text": None}
    place.database.write_now(lambda tx: tx.execute(insert(recipients), [*more, reader]) and None)
    result = run("message", str(number))
    assert "5 recipients, and a copy for the author" in result.out
    assert re.search(r"suppressed\W+1\b", result.out)
    assert re.search(r"Jan Nowak\W+none\W+suppressed", result.out)
    assert re.search(r"Jan Nowak\W+inbox\W+delivered", result.out)
    assert "Jan Nowak (copy for the author)" in result.out
    head, *roll = [json.loads(line) for line in run("message", str(number), "--json").out.splitlines()]
    assert head["counts"] == {"delivered": 3, "deferred": 1, "suppressed": 1}
    assert [line["name"] for line in roll] == ["", "", "", "Jan Nowak", "Jan Nowak", "Jan Nowak"]


def test_queue_says_where_to_look_when_nothing_goes_on(run: Any, place: Store) -> None:
    place.database.write_now(send, 3, "Exams")
    assert "overdue" in run("queue").out
    later = update(recipients).where(recipients.c.state == "deferred").values(due_at=clock.now() + 60_000)
    place.database.write_now(lambda tx: tx.execute(later) and None)
    assert "overdue" not in run("queue").out


@pytest.mark.parametrize("number", ["1", "999999", str(2**31), str(2**70)])
def test_a_message_that_is_not_there(run: Any, place: Store, number: str) -> None:
    result = run("message", number)
    assert (result.status, f"no message {number}" in result.err) == (1, True)


def test_output_that_is_not_read_to_its_end_is_no_error(place: Store, settings: Settings) -> None:
    """postroom message 1 --all | head: the reader leaves early."""
    number = place.database.write_now(send, 3000, "Exams")
    command = [sys.executable, "-m", "postroom", "message", str(number), "--all", "--json"]
    with psutil.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(60)
    assert b"Traceback" not in errors


# -- settings --------------------------------------------------------------------------------------------------------


def test_settings_never_show_a_secret(run: Any) -> None:
    secrets = {"SECRET_KEY": "s" * 40, "RELAY__PASSWORD": "hunter2hunter2", "DATABASE__URL": "postgresql://u:hunter3hunter3@h/d"}
    for arguments in ([], ["--json"], ["--toml"]):
        told = run("settings", *arguments, **secrets)
        assert told.status == 0
        assert not re.search("s{40}|hunter", told.out + told.err)


def test_settings_are_listed_so_that_names_stay_whole_in_a_narrow_terminal(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = run("settings", HTTP__PORT="9999").out
    for words in ("http.port = 9999  (default: 8025)", "POSTROOM_RELAY__MESSAGES_PER_CONNECTION", "Port that the API listens on"):
        assert words in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_link_is_shown_and_withdrawn_with_its_file(run: Any, place: Store) -> None:
    """Design 1.5: links are revocable, for a file that went to the wrong people say; the file leaves the disk at once."""

    async def stored() -> str:
        async with place.blobs.writer() as blob:
            await blob.write(b"secret marks")
            return await blob.commit()

    def attached(tx: Tx, key: str) -> tuple[int, int]:
        author = people.add(tx, people.NewPerson(first_name="A", last_name="B"), clock.now())
        message = drafts.create(tx, author, DraftContent(subject="s"), clock.now(), "usos")
        new = NewAttachment(blob_key=key, filename="oceny.csv", content_type="text/csv", size=12)
        return message, attachments.add(tx, author, message, new, clock.now())

    key = asyncio.run(stored())
    message, attachment = place.database.write_now(attached, key)
    assert "oceny.csv" in run("link", "list", str(message)).out
    assert "no attachments" in run("link", "list", str(message + 1)).out
    assert run("link", "revoke", str(attachment)).out == "Withdrawn.\n"
    assert not list(place.settings.data_dir.glob(f"blobs/*/{key}"))
    assert "ended" in run("link", "list", str(message)).out
    assert run("link", "revoke", str(attachment)).out == "It was withdrawn before.\n"
    missing = run("link", "revoke", str(attachment + 1))
    assert (missing.status, "no attachment" in missing.err) == (1, True)
