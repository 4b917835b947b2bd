"""How commands speak: results on standard output, errors in one red sentence on standard error; and how they open the store."""

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from postroom.configuration import SettingsError, load
from postroom.errors import NotFound, PostroomError, Unavailable
from postroom.settings import Settings

if TYPE_CHECKING:  # opening a store loads the whole of SQLAlchemy; most helps do without
    from postroom.storage.store import Store

NOT_CURRENT: Final = "has no schema yet, or that of another version; run 'postroom migrate' first"
_PIPE_WIDTH: Final = 240
_DATE_WIDTH: Final = len("2026-01-31")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line, for scripts.")]
"""The option of every command that scripts may read."""


class CommandFailure(Exception):
    """What a person asked for cannot be done; the text is one sentence that says what to do next."""


def console() -> Console:
    """Return the console for results; made anew, since tests and pipes change the streams. A pipe is wide."""
    narrow = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, soft_wrap=False, width=None if narrow else _PIPE_WIDTH)


def command_group(app: typer.Typer, name: str, about: str) -> typer.Typer:
    """Make a group of commands, such as ``postroom user …``."""
    group = typer.Typer(help=about, no_args_is_help=True)
    group.callback()(_nothing)
    app.add_typer(group, name=name)
    return group


def report(error: CommandFailure | PostroomError | SettingsError) -> None:
    """Say an error in one sentence."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]{escape(_sentence(error))}[/]")


def print_json(value: object) -> None:
    """Print a value as one line of JSON, for scripts."""
    print(msgspec.json.encode(value).decode())  # noqa: T201 - standard output is what this function is for


def table(title: str, *columns: str, times: Collection[str] = (), whole: Collection[str] = ()) -> Table:
    """Return an empty table in the one style of all commands; its cells are plain text, see ``row``.

    ``times`` are the columns that hold a ``moment``: they stay as wide as a date, however narrow the terminal. Those in ``whole``
    hold what people copy, and are never broken.
    """
    made = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold", min_width=_DATE_WIDTH if column in times else None, no_wrap=column in whole)
    return made


def row(to: Table, *cells: object) -> None:
    """Add a row; what looks like markup or a control sequence in the cells (subjects, replies of servers) stays text."""
    to.add_row(*(escape(printable(str(cell))) for cell in cells))


def printable(text: str) -> str:
    """Replace what would steer the terminal; every kind of white space becomes a space."""
    return "".join(_shown(character) for character in text)


def moment(at: int | None) -> str:
    """Show a time of the store (milliseconds, UTC) in the time zone of this machine; an empty text for none."""
    return "" if at is None else f"{datetime.fromtimestamp(at / 1000, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def is_there(settings: Settings) -> bool:
    """Tell whether the embedded store is there. Raises ``CommandFailure`` when this user may not read and write it."""
    file = settings.database_file
    try:
        found = file.exists()
        usable = not found or os.access(file, os.R_OK | os.W_OK)
    except PermissionError:  # of the folder
        found = usable = False
    if not usable:
        raise CommandFailure(f"{file} is not open to this user; run the command as the user that runs the server.")
    return found


@contextmanager
def opened_store(settings: Settings | None = None) -> "Iterator[Store]":
    """Open the store for one command. Raises ``CommandFailure`` when its schema is not that of this version.

    Raises ``Unavailable`` when the secret key is not the one that the store was made with: what it would sign is worth nothing.
    """
    from postroom.directory.clients import check_vault  # noqa: PLC0415 - see TYPE_CHECKING above
    from postroom.storage.schema import is_current  # noqa: PLC0415 - see TYPE_CHECKING above
    from postroom.storage.store import open_store  # noqa: PLC0415 - as above

    settings = settings or load()
    if not (settings.database.url or is_there(settings)):
        raise CommandFailure(f"There is no store in {settings.data_dir}; run 'postroom migrate' to make one, or set data_dir.")
    store = open_store(settings)
    try:
        if not store.database.read_now(is_current):
            raise CommandFailure(f"The store {NOT_CURRENT}.")
        store.database.read_now(check_vault, store.vault)
        yield store
    finally:
        store.close()


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"


def _nothing() -> None:
    """Make typer keep a command of its own name, even if it is the only one of its group."""


def _sentence(error: CommandFailure | PostroomError | SettingsError) -> str:
    if isinstance(error, Unavailable):
        text = " ".join(error.reason.split())
        return f"Not available: {text}. Mend that, then run the command again."
    if isinstance(error, NotFound):
        where = " 'postroom find NAME' shows the numbers of people." if error.kind == "user" else ""
        return f"There is no {error.kind.replace('_', ' ')} {error.key}.{where}"
    if isinstance(error, SettingsError):
        return f"Settings: {error}."
    return str(error)
