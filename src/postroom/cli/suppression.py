"""The commands about the suppression list: who gets no mail, why, and until when."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from postroom import clock
from postroom.cli.directory import print_problems
from postroom.cli.output import AsJson, CommandFailure, console, moment, opened_store, print_json, row, table

if TYPE_CHECKING:  # loading SQLAlchemy takes longer than all the rest of the command line
    from postroom.directory.suppressions import Suppression
    from postroom.storage.store import Store

_SHOWN: Final = 50
_PAGE: Final = 1_000


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    group = typer.Typer(help="The suppression list: addresses that get no mail.", no_args_is_help=True)
    app.add_typer(group, name="suppression")
    group.command("list", epilog="Example: postroom suppression list uni.example")(list_entries)
    group.command("add", epilog='Example: postroom suppression add jan@uni.example --detail "asked by phone"')(add)
    group.command("remove", epilog="Example: postroom suppression remove jan@uni.example")(remove)
    group.command("import", epilog="Example: postroom suppression import list.csv")(import_list)
    group.command("export", epilog="Example: postroom suppression export > list.csv")(export)


def list_entries(
    words: Annotated[list[str] | None, typer.Argument(help="Parts of an address; none: everything.", metavar="WORDS")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many to show.")] = _SHOWN,
    as_json: AsJson = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Show the addresses that get no mail, with the reason and the end of each entry."""
    shown = table("Suppressed", "address", "reason", "words", "message", "since", "until", times=("since", "until"))
    count = 0
    with opened_store() as store:
        for entry in _entries(store, " ".join(words or [])):
            count += 1
            if count > limit:
                break
            if as_json:
                print_json(entry)
            else:
                until = moment(entry.expires_at) or "removed"
                row(shown, entry.email, entry.reason, entry.detail, entry.message_id or "", moment(entry.created_at), until)
    if as_json:
        return
    nobody = "No address on the suppression list has these parts." if words else "Nobody is on the suppression list."
    console().print(shown if count else nobody)
    if count > limit:
        console().print(f"There is more: add --limit {limit * 10}, or more words.")


def add(
    address: Annotated[str, typer.Argument(help="The address, in any case of letters.")],
    detail: Annotated[str, typer.Option(help="Why, in your words; the roll of a message shows them.")] = "",
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="For so many days; else until it is removed.")] = None,
) -> None:
    """Send nothing more to an address, from the next message on; an earlier entry is replaced."""
    from postroom.directory import suppressions  # noqa: PLC0415 - loaded by the commands that need it

    now = clock.now()
    until = None if days is None else now + days * clock.DAY
    with opened_store() as store:
        new = store.database.write_now(suppressions.put, address, "manual", detail, now, expires_at=until)
    console().print("Added." if new else "It was on the list; the entry is replaced.")


def remove(address: Annotated[str, typer.Argument(help="The address, in any case of letters.")]) -> None:
    """Take an address off the list: the next message, or the next retry, goes out to it."""
    from postroom.directory import suppressions  # noqa: PLC0415 - as above

    with opened_store() as store:
        if not store.database.write_now(suppressions.remove, address, clock.now()):
            raise CommandFailure(f"{address} is not on the list; 'postroom suppression list WORDS' looks for parts of an address.")
    console().print("Removed.")


def import_list(file: Annotated[Path, typer.Argument(help="CSV file.", metavar="FILE", exists=True, dir_okay=False)]) -> None:
    """Put the addresses of a CSV file on the list: all of them, or nothing when one line is wrong.

    Columns: email and, if wanted, reason, detail, expires. Of two entries for one address the one that holds longer stays.
    """
    from postroom.directory.importing import ImportFailed  # noqa: PLC0415 - as above
    from postroom.directory.importing.suppressions import import_suppressions  # noqa: PLC0415 - as above

    with opened_store() as store:
        try:
            counts = store.database.write_now(import_suppressions, file.name, lambda: file.open("rb"), clock.now())
        except ImportFailed as failure:
            print_problems(failure)
            raise CommandFailure("Nothing was imported; mend that, then run the command again.") from None
    counted = table("Imported", "lines", "new", "changed", "over already")
    row(counted, counts.lines, counts.added, counts.changed, counts.lapsed)
    console().print(counted)


def export() -> None:
    """Print the list as CSV, as 'postroom suppression import' reads it."""
    from postroom.directory.importing.suppressions import written  # noqa: PLC0415 - as above

    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow(("email", "reason", "detail", "expires"))
    with opened_store() as store:
        for entry in _entries(store, ""):
            lines.writerow((entry.email, entry.reason, entry.detail, written(entry.expires_at)))


def _entries(store: "Store", words: str) -> "Iterator[Suppression]":
    """Read the list in pages, so that the longest one needs no more memory than the shortest."""
    from postroom.directory.suppressions import page  # noqa: PLC0415 - as above

    after, now = 0, clock.now()
    while entries := store.database.read_now(page, words, after, _PAGE, now):
        yield from entries
        after = entries[-1].id
