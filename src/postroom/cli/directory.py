"""The commands that say who there is: import, find, user."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from postroom import clock
from postroom.cli.output import CommandFailure, command_group, console, opened_store, print_json, row, table

if TYPE_CHECKING:  # loading SQLAlchemy takes longer than all the rest of the command line
    from postroom.directory.finding import Found
    from postroom.directory.importing import ImportFailed, Progress
    from postroom.directory.records import Person

_SHOWN: Final = 50

User = Annotated[str, typer.Argument(help="Number of the person, not the uid; 'postroom find NAME' shows it.", metavar="USER")]


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command("import", epilog="Example: postroom import organisation/")(import_folder)
    app.command(epilog="Example: postroom find nowak")(find)
    people = command_group(app, "user", "People of the organisation.")
    people.command("add", epilog="Example: postroom user add --first-name Anna --last-name Nowak --email anna@example.edu")(add_user)
    people.command("password", epilog="Example: postroom user password 17")(set_password)
    people.command("totp", epilog="Example: postroom user totp 17")(set_second_factor)
    people.command("logout", epilog="Example: postroom user logout 17")(log_out)
    people.command("ticket", epilog="Example: postroom user ticket 17 --hours 24")(issue_ticket)
    people.command("notify", epilog="Example: postroom user notify 17 digest --no-content")(notify)


def import_folder(
    folder: Annotated[Path, typer.Argument(help="Folder with the CSV files.", metavar="DIR", exists=True, file_okay=False)],
) -> None:
    """Read people, groups, memberships and addresses from CSV files: all of them, or nothing when one line is wrong.

    Running it again changes only what differs. docs/importing.md describes the files.
    """
    from postroom.directory import importing  # noqa: PLC0415 - loaded by the commands that need it

    with opened_store() as store:
        try:
            with _progress() as show:
                result = importing.import_folder(store.database, folder, show)
        except importing.ImportFailed as failure:
            print_problems(failure)
            raise CommandFailure("Nothing was imported; mend that, then run the command again.") from None
    counted = table("Imported", "file", "new", "changed", "removed", "as before")
    for file in result.files:
        row(counted, file.file, file.created, file.updated, file.removed, file.unchanged)
    console().print(counted)


@contextmanager
def _progress() -> "Iterator[Progress]":
    """Show a bar for each file on standard error; nothing where nobody looks."""
    from rich import progress  # noqa: PLC0415 - as above
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - as above

    columns = (TextColumn("{task.description:>16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    errors = Console(stderr=True)
    with progress.Progress(*columns, console=errors, disable=not errors.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def show(file: str, done: int, total: int) -> None:
            if file not in tasks:
                tasks[file] = bars.add_task(file)
            bars.update(tasks[file], completed=done, total=total or None)

        yield show


def print_problems(failure: "ImportFailed") -> None:
    """List on standard error what is wrong with the files of an import."""
    errors = Console(stderr=True, highlight=False)
    if not failure.problems[0].file:  # the folder as a whole
        errors.print(failure.problems[0].reason, markup=False, soft_wrap=True)
        return
    shown = table("What is wrong", "file", "line", "reason")
    for problem in failure.problems:
        row(shown, problem.file, problem.line or "", problem.reason)
    errors.print(shown)
    if failure.omitted:
        errors.print(f"and {failure.omitted} more")


def find(
    words: Annotated[
        list[str] | None, typer.Argument(help="Parts of a name, an address or a key; none: everybody.", metavar="WORDS")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many to show.")] = _SHOWN,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line, for scripts.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Find people, groups, institutional addresses and clients, with the numbers and keys that stand for them.

    The API and the other commands know people, addresses and groups by number, primary groups by key.
    """
    from postroom.directory import finding  # noqa: PLC0415 - loaded by the commands that need it

    with opened_store() as store:
        found = store.database.read_now(finding.find, " ".join(words or []), limit + 1)
    if as_json:
        for one in found[:limit]:
            print_json(one)
        return
    if not found:
        console().print("Nobody and nothing of that name.")
        return
    shown = table("Found", "what", "number", "key", "name", "address")
    for one in found[:limit]:
        row(shown, _what(one), one.id, one.key or "", one.name, one.email or "")
    console().print(shown)
    if len(found) > limit:
        console().print(f"There is more: add --limit {limit * 10}, or more words.")


def _what(found: "Found") -> str:
    owner = f" of user {found.owner_id}" if found.owner_id is not None else ""
    role = f", {found.role}" if found.role else ""
    return f"{found.kind}{owner}{role}{'' if found.active else ', inactive'}"


def add_user(  # noqa: PLR0917 - what is said of a person
    first_name: Annotated[str, typer.Option(help="First name.")],
    last_name: Annotated[str, typer.Option(help="Last name.")],
    email: Annotated[str | None, typer.Option(help="Primary address.")] = None,
    alt_email: Annotated[str | None, typer.Option(help="Alternative address.")] = None,
    role: Annotated[str, typer.Option(help="Such as student or teacher; contacts.may_write_to goes by it.")] = "",
    language: Annotated[str, typer.Option(help="Language of what the server writes to this person: pl or en.")] = "pl",
) -> None:
    """Add a person, and print the number that stands for this person from now on."""
    from postroom.directory.people import NewPerson, add  # noqa: PLC0415 - loaded by the commands that need it

    person = NewPerson(first_name=first_name, last_name=last_name, email=email, alt_email=alt_email, role=role, language=language)
    with opened_store() as store:
        typer.echo(store.database.write_now(add, person, clock.now()))


def set_password(
    user: User,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the password from the first line of standard input.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Give a person the password to log in with, on pages and at interfaces. Open sessions end; tokens of programs hold."""
    from postroom.directory import passwords, people, sessions  # noqa: PLC0415 - loaded by the commands that need it
    from postroom.storage.database import Tx  # noqa: PLC0415 - as above

    def keep(tx: Tx, user_id: int, password_hash: str, now: int) -> None:
        passwords.keep(tx, user_id, password_hash, now)
        sessions.end_all(tx, user_id)

    with opened_store() as store:
        person = store.database.read_now(people.get, _number(user))
        whose = _whose(person)
        asked = f"Password for {whose}"
        password = sys.stdin.readline().rstrip("\r\n") if stdin else typer.prompt(asked, hide_input=True, confirmation_prompt=True)
        passwords.check(password)
        store.database.write_now(keep, person.id, passwords.digest(password), clock.now())
    console().print(f"Set for {whose}.", markup=False, soft_wrap=True)


def set_second_factor(
    user: User,
    off: Annotated[bool, typer.Option("--off", help="Let the password alone be enough again.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Have a person give a code beside the password, made by an app on the person's device, and print what the app needs: this once.

    Doing it again makes another secret, which the app must be given anew. Open sessions and tokens of programs hold.
    """
    from postroom.directory import people, totp  # noqa: PLC0415 - loaded by the commands that need it

    with opened_store() as store:
        person = store.database.read_now(people.get, _number(user))
        if off:
            store.database.write_now(totp.remove, person.id)
        else:
            secret = store.database.write_now(totp.enrol, store.vault, person.id)
    if off:
        console().print(f"The password alone is enough for {_whose(person)}.", markup=False, soft_wrap=True)
    else:
        console().print(f"For the app of {_whose(person)}; it is not shown again:", markup=False, soft_wrap=True)
        typer.echo(totp.uri(secret, person.email or str(person.id), store.settings.mail.organisation))


def log_out(user: User) -> None:
    """End the sessions that programs opened with a person's password. Tokens of programs hold: 'postroom token revoke' ends those."""
    from postroom.directory import people, sessions  # noqa: PLC0415 - as above

    with opened_store() as store:
        person = store.database.read_now(people.get, _number(user))
        ended = store.database.write_now(sessions.end_all, person.id)
    console().print(f"Ended for {_whose(person)}: {ended}.", markup=False, soft_wrap=True)


def issue_ticket(
    user: User,
    hours: Annotated[int | None, typer.Option(min=1, max=8_760, help="Hours that it holds. Without: superoffice.ticket_hours.")] = None,
) -> None:
    """Print a ticket with which a program acts for a person at the SuperOffice interface without the password: this once."""
    from postroom.directory import people, sessions  # noqa: PLC0415 - as above

    with opened_store() as store:
        person = store.database.read_now(people.get, _number(user))
        lifetime = (hours or store.settings.superoffice.ticket_hours) * clock.HOUR
        opened = store.database.write_now(sessions.begin, "superoffice", person.id, clock.now(), lifetime)
    typer.echo(opened.token)


def notify(
    user: User,
    choice: Annotated[str, typer.Argument(help="off, each (a mail for each message), or digest (one a day at most).", metavar="CHOICE")],
    content: Annotated[
        bool | None, typer.Option(help="Whether the mails may hold what was written; without the option, that stays as it is.")
    ] = None,
) -> None:
    """Choose whether a person gets mails that tell of private messages; people can choose on the page /notifications themselves."""
    from postroom.directory import people, preferences  # noqa: PLC0415 - loaded by the commands that need it

    chosen = preferences.checked(choice)
    with opened_store() as store:
        person = store.database.read_now(people.get, _number(user))
        before = store.database.read_now(preferences.get, person.id)
        after = preferences.Preference(notify=chosen, content=before.content if content is None else content)
        store.database.write_now(preferences.choose, person.id, after, clock.now())
    quoting = "with" if after.content else "without"
    told = "off" if chosen == "off" else f"{chosen}, {quoting} what was written"
    console().print(f"Notifications of {_whose(person)}: {told}.", markup=False, soft_wrap=True)


def _number(user: str) -> int:
    if not user.isdecimal():
        raise CommandFailure(f"{user!r} is not the number of a person; 'postroom find NAME' shows it.")
    return int(user)


def _whose(person: "Person") -> str:
    return f"{person.first_name} {person.last_name} (number {person.id}{f', uid {person.uid}' if person.uid else ''})"
