"""The commands that show what is: message, settings."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct
from msgspec.structs import asdict
from rich.markup import escape
from rich.padding import Padding

from postroom.cli.output import AsJson, console, moment, opened_store, print_json, printable, row, table
from postroom.configuration import describe, load, template
from postroom.directory.values import LARGEST_ID
from postroom.errors import NotFound

if TYPE_CHECKING:  # loading SQLAlchemy takes longer than all the rest of the command line
    from postroom.delivery.records import RollLine
    from postroom.storage.database import Tx
    from postroom.storage.store import Store

_PAGE: Final = 500
_SHOWN: Final = 50
_FAULTS: Final = {"address": "no such address", "mailbox_full": "mailbox full", "policy": "refused by policy"}


class MessageHead(Struct, frozen=True, kw_only=True):
    """What is said of a message above its roll."""

    id: int
    subject: str
    status: str
    author_id: int | None
    sent_at: int | None
    settled_at: int | None


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command(epilog="Example: postroom message 42 --all")(message)
    app.command(epilog="Example: postroom settings --toml > postroom.toml")(settings)


def message(
    number: Annotated[int, typer.Argument(min=1, help="The number of the message.", metavar="N")],
    everyone: Annotated[bool, typer.Option("--all", help="Show the whole roll, not only its beginning.")] = False,  # noqa: FBT002 - as above
    as_json: AsJson = False,  # noqa: FBT002 - as above
) -> None:
    """Show what became of one message: its recipients by state, then the roll with each outcome and reply.

    With --json the first line is the message with its counts, each further one a recipient with every try that failed.
    """
    from postroom.messages.roll import state_counts  # noqa: PLC0415 - as above

    with opened_store() as store:
        head = store.database.read_now(_head, number)
        counts = store.database.read_now(state_counts, number)
        pages = _pages(store, number, None if everyone else _SHOWN)
        if as_json:
            print_json({**asdict(head), "counts": counts})
            for page in pages:
                for line in page:
                    print_json(line)
            return
        _print_head(head)
        total = sum(counts.values())
        rows = sum(store.database.read_now(state_counts, number, include_self=True).values())
        console().print(f"\n{total} recipient{'' if total == 1 else 's'}{', and a copy for the author' if rows > total else ''}")
        states = table("", "state", "people")
        for state, people in sorted(counts.items()):
            row(states, state, people)
        console().print(states)
        for page in pages:
            _print_roll(page)
    if rows > _SHOWN and not everyone:
        console().print(f"{rows - _SHOWN} more: postroom message {number} --all")


def settings(
    toml: Annotated[bool, typer.Option("--toml", help="Print a settings file with every default, commented out.")] = False,  # noqa: FBT002 - as above
    as_json: AsJson = False,  # noqa: FBT002 - as above
) -> None:
    """Show every setting, its present value, and what it is for; secrets are never printed."""
    if toml:
        typer.echo(template(), nl=False)
        return
    listed = describe(load())
    if as_json:
        for setting in listed:
            print_json(setting)
        return
    for setting in listed:
        default = "" if setting.default == setting.value else f"  (default: {setting.default or 'empty'})"
        console().print(f"[bold]{escape(setting.name)}[/] = {escape(printable(setting.value or '(empty)'))}{escape(default)}")
        console().print(Padding(escape(f"{setting.environment}\n{setting.description}"), (0, 0, 1, 4), expand=False))


def _head(tx: "Tx", number: int) -> MessageHead:
    from sqlalchemy import select  # noqa: PLC0415 - as above

    from postroom.storage.tables import messages  # noqa: PLC0415 - as above

    found = None
    if number <= LARGEST_ID:
        columns = [messages.c[name] for name in MessageHead.__struct_fields__]
        found = tx.execute(select(*columns).where(messages.c.id == number)).one_or_none()
    if found is None:
        raise NotFound("message", number)
    return MessageHead(**found._mapping)  # noqa: SLF001 - the public name of SQLAlchemy's row as a mapping


def _pages(store: "Store", number: int, limit: int | None) -> "Iterator[list[RollLine]]":
    """Read the roll in pages, so that the longest one needs no more memory than the shortest."""
    from postroom.delivery.overview import roll  # noqa: PLC0415 - as above

    after = 0
    while page := store.database.read_now(roll, number, after, limit or _PAGE):
        yield page
        if limit or len(page) < _PAGE:
            return
        after = page[-1].id


def _print_head(head: MessageHead) -> None:
    author = "nobody: the server itself" if head.author_id is None else f"user {head.author_id}"
    for name, value in [
        ("Message", f"{head.id}, {head.status}"),
        ("Subject", printable(head.subject)),
        ("Author", author),
        ("Sent", moment(head.sent_at)),
        ("Settled", moment(head.settled_at)),
    ]:
        console().print(f"{name:8} {value}", markup=False)


def _print_roll(lines: "list[RollLine]") -> None:
    shown = table("", "recipient", "user", "name", "address", "state", "tries", "when", "reply", times=("when",))
    for line in lines:
        name = f"{line.name} (copy for the author)" if line.role == "self" else line.name
        when = moment(line.settled_at) or (f"due {moment(line.due_at)}" if line.due_at else "")
        where = line.email or ("inbox" if line.state == "delivered" else "none")
        row(shown, line.id, line.user_id or "", name, where, _state(line), line.attempts, when, line.reply_text or "")
    console().print(shown)


def _state(line: "RollLine") -> str:
    from postroom.delivery.records import PARKED_MARK  # noqa: PLC0415 - as above
    from postroom.storage.tables import WAITING_STATES  # noqa: PLC0415 - as above

    doubt = " (perhaps twice)" if line.ambiguous else ""
    last = line.tries[-1] if line.tries else None
    fault = _FAULTS.get(last.fault or "") if last is not None and last.outcome == line.state else None
    held = None
    if line.due_at is None and line.state in WAITING_STATES:
        held = "parked" if (line.reply_text or "").startswith(PARKED_MARK) else "held"
    return ", ".join(filter(None, [f"{line.state}{doubt}", fault, held]))
