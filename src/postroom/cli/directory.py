"""The commands that say who there is: import, find, user, client, token."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from postroom import clock
from postroom.cli.output import AsJson, CommandFailure, console, opened_store, print_json, row, table

if TYPE_CHECKING:  # loading SQLAlchemy takes longer than all the rest of the command line
    from postroom.directory.finding import Found
    from postroom.directory.importing import ImportFailed, Progress

_SHOWN: Final = 50


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command("import", epilog="Example: postroom import organisation/")(import_folder)
    app.command(epilog="Example: postroom find nowak")(find)
    people = _group(app, "user", "People of the organisation.")
    people.command("add", epilog="Example: postroom user add --first-name Anna --last-name Nowak --email anna@example.edu")(add_user)
    programs = _group(app, "client", "Programs that call the API.")
    programs.command("add", epilog='Example: postroom client add "Timetable" --json')(add_client)
    programs.command("disable", epilog="Example: postroom client disable KEY")(disable_client)
    rights = _group(app, "token", "Rights of programs to act for people.")
    rights.command("add", epilog="Example: postroom token add --client KEY --user 17 --scope mailclient")(add_token)
    rights.command("revoke", epilog="Example: postroom token revoke TOKEN")(revoke_token)


def _group(app: typer.Typer, name: str, about: str) -> typer.Typer:
    group = typer.Typer(help=about, no_args_is_help=True)
    group.callback()(_nothing)
    app.add_typer(group, name=name)
    return group


def _nothing() -> None:
    """Make typer keep 'add' as a command of its own, though it is the only one of its group."""


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
    return f"{found.kind}{owner}{'' if found.active else ', inactive'}"


def add_user(
    first_name: Annotated[str, typer.Option(help="First name.")],
    last_name: Annotated[str, typer.Option(help="Last name.")],
    email: Annotated[str | None, typer.Option(help="Primary address.")] = None,
    alt_email: Annotated[str | None, typer.Option(help="Alternative address.")] = None,
    language: Annotated[str, typer.Option(help="Language of what the server writes to this person: pl or en.")] = "pl",
) -> None:
    """Add a person, and print the number that stands for this person from now on."""
    from postroom.directory.people import NewPerson, add  # noqa: PLC0415 - loaded by the commands that need it

    person = NewPerson(first_name=first_name, last_name=last_name, email=email, alt_email=alt_email, language=language)
    with opened_store() as store:
        typer.echo(store.database.write_now(add, person, clock.now()))


def add_client(
    name: Annotated[str, typer.Argument(help="What the program is called.")],
    administrative: Annotated[bool, typer.Option("--administrative", help="It may act for anybody, without a token.")] = False,  # noqa: FBT002 - a flag
    as_json: AsJson = False,  # noqa: FBT002 - as above
) -> None:
    """Add a program that may call the API, and print its key and secret: this once, they are kept encrypted."""
    from postroom.directory import clients  # noqa: PLC0415 - as above

    with opened_store() as store:
        client = store.database.write_now(clients.add_client, store.vault, name, administrative=administrative, now=clock.now())
    if as_json:
        print_json({"id": client.id, "key": client.key, "secret": client.secret})
    else:
        _print_pair(f"Client {client.id}: {client.name}", client.key, client.secret)


def disable_client(key: Annotated[str, typer.Argument(help="Key of the client; 'postroom find NAME' shows it.", metavar="KEY")]) -> None:
    """Let a program call no more: from now on its key, and every token of it, is refused. What it has sent goes on its way."""
    from postroom.directory import clients  # noqa: PLC0415 - as above

    with opened_store() as store:
        store.database.write_now(clients.disable_client, key)
    console().print("Disabled.")


def add_token(
    client_key: Annotated[str, typer.Option("--client", help="Key of the client.", metavar="KEY")],
    user: Annotated[int, typer.Option("--user", min=1, help="Number of the person; 'postroom find NAME' shows it.", metavar="ID")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="What it may do for this person, mailclient say; may be given more than once.")
    ],
    as_json: AsJson = False,  # noqa: FBT002 - as above
) -> None:
    """Let a client act for a person within scopes, and print the token and its secret: this once, they are kept encrypted."""
    from postroom.directory import clients  # noqa: PLC0415 - as above
    from postroom.directory.records import Token  # noqa: PLC0415 - as above
    from postroom.storage.database import Tx  # noqa: PLC0415 - as above
    from postroom.storage.secrets import Vault  # noqa: PLC0415 - as above

    def add(tx: Tx, vault: Vault) -> Token:
        client = clients.client_by_key(tx, vault, client_key)
        if client is None:
            raise CommandFailure(f"There is no client with the key {client_key!r}; 'postroom client add NAME' makes one.")
        return clients.add_token(tx, vault, client.id, user, scope, clock.now())

    with opened_store() as store:
        token = store.database.write_now(add, store.vault)
    if as_json:
        print_json({"token": token.token, "secret": token.secret})
    else:
        _print_pair(f"Token for user {user}: {', '.join(sorted(token.scopes))}", token.token, token.secret)


def revoke_token(token: Annotated[str, typer.Argument(help="The token, as 'postroom token add' printed it.", metavar="TOKEN")]) -> None:
    """End a token for good: from now on its client cannot act for the person by it."""
    from postroom.directory import clients  # noqa: PLC0415 - as above

    with opened_store() as store:
        store.database.write_now(clients.revoke_token, token, clock.now())
    console().print("Revoked.")


def _print_pair(title: str, key: str, secret: str) -> None:
    shown = table(title, "", "keep it now: it is not shown again")
    row(shown, "key", key)
    row(shown, "secret", secret)
    console().print(shown)
