"""The operator's hand on the queue: the sub-commands of ``postroom queue``, which by itself shows what waits (``overview``)."""

import sys
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from postroom import clock
from postroom.cli import overview
from postroom.cli.output import AsJson, CommandFailure, console, opened_store, print_json
from postroom.cli.overview import listed
from postroom.errors import WrongState

if TYPE_CHECKING:  # loading SQLAlchemy takes longer than all the rest of the command line
    from postroom.delivery.operations import Operation
    from postroom.delivery.records import Affected, Selection
    from postroom.storage.store import Store

_ON_WIRE: Final = (
    "{} more are being sent at this moment and cannot be called back; whoever of them comes back can be caught by the same command."
)

Message = Annotated[int | None, typer.Option("--message", min=1, help="Recipients of this message.", metavar="N")]
Domain = Annotated[str | None, typer.Option("--domain", help="Recipients at this domain.")]
Address = Annotated[str | None, typer.Option("--address", help="This recipient, whatever the message.")]
Chosen = Annotated[
    list[int] | None, typer.Option("--recipient", min=1, help="This recipient of 'postroom message N'; may be repeated.", metavar="N")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask first.")]


class Decision(StrEnum):
    """What an operator can make of an unknown outcome."""

    DELIVERED = "delivered"
    FAILED = "failed"


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    group = typer.Typer(invoke_without_command=True, epilog="Example: postroom queue --limit 20")
    group.callback()(overview.overview)
    app.add_typer(group, name="queue")
    group.command(epilog="Example: postroom queue retry --domain uni.example")(retry)
    group.command(epilog="Example: postroom queue cancel --message 42")(cancel)
    group.command(epilog="Example: postroom queue hold --message 42 --domain uni.example")(hold)
    group.command(epilog="Example: postroom queue release --message 42")(release)
    group.command(epilog="Example: postroom queue settle --as delivered --recipient 1017")(settle)


def retry(
    *,
    message: Message = None,
    domain: Domain = None,
    address: Address = None,
    recipient: Chosen = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="With --message alone: send it again to everybody whom it failed to reach.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Try whoever waits now: deferred and held ones, and those of unknown outcome.

    With --failed, the failed and expired recipients of one message in error return to the queue, as when its author sends it again.
    """
    from postroom.delivery import operations  # noqa: PLC0415 - as above

    if not failed:
        _operate(operations.RETRY, "tried now", _selection(message, domain, address, recipient), yes=yes, as_json=as_json)
        return
    if message is None or domain or address or recipient:
        raise typer.BadParameter("--failed goes with --message, and with nothing else that chooses recipients")
    with opened_store() as store:
        try:
            queued = store.database.write_now(operations.retry_failed, store.settings, message, clock.now())
        except WrongState:
            raise CommandFailure(f"Message {message} is not in error; only such a message can be sent again.") from None
    if as_json:
        print_json({"done": {"failed": queued}, "on_wire": 0})
    else:
        console().print(f"{_people(queued)} queued again.")


def cancel(
    *,
    message: Message = None,
    domain: Domain = None,
    address: Address = None,
    recipient: Chosen = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send nothing more to whoever waits, for good: they are cancelled, and their messages end."""
    from postroom.delivery import operations  # noqa: PLC0415 - as above

    _operate(operations.CANCEL, "cancelled", _selection(message, domain, address, recipient), yes=yes, as_json=as_json)


def hold(
    *,
    message: Message = None,
    domain: Domain = None,
    address: Address = None,
    recipient: Chosen = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Keep whoever waits from being tried, and from expiring, until they are released or cancelled."""
    from postroom.delivery import operations  # noqa: PLC0415 - as above

    _operate(operations.HOLD, "held", _selection(message, domain, address, recipient), yes=yes, as_json=as_json)


def release(
    *,
    message: Message = None,
    domain: Domain = None,
    address: Address = None,
    recipient: Chosen = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let whoever is held go on, with the whole time anew: held by an operator, as of unknown outcome, or parked after crashes."""
    from postroom.delivery import operations  # noqa: PLC0415 - as above

    _operate(operations.RELEASE, "released", _selection(message, domain, address, recipient), yes=yes, as_json=as_json)


def settle(
    *,
    decision: Annotated[Decision, typer.Option("--as", help="What became of them, as far as you know.")],
    message: Message = None,
    domain: Domain = None,
    address: Address = None,
    recipient: Chosen = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Decide about recipients of unknown outcome that are held: they count as delivered, or as failed, for good."""
    from postroom.delivery import operations  # noqa: PLC0415 - as above

    operation = operations.DELIVERED if decision is Decision.DELIVERED else operations.FAILED
    _operate(operation, f"settled as {decision}", _selection(message, domain, address, recipient), yes=yes, as_json=as_json)


def _selection(message: int | None, domain: str | None, address: str | None, recipient: list[int] | None) -> "Selection":
    from postroom.delivery import operations  # noqa: PLC0415 - as above
    from postroom.delivery.records import Selection  # noqa: PLC0415 - as above

    chosen = Selection(message_id=message, domain=domain, address=address, recipient_ids=tuple(recipient or ()))
    return operations.checked(chosen)


def _operate(operation: "Operation", done: str, selection: "Selection", *, yes: bool, as_json: bool) -> None:
    """Say how many an operation would change, ask, work through them and say what was done."""
    from postroom.delivery import operations  # noqa: PLC0415 - as above

    with opened_store() as store:
        affected = store.database.read_now(operations.count, selection, operation)
        changed: Counter[str] = Counter()
        if affected.states:
            if not yes:
                _ask(affected, done)
            changed = _work_through(store, operation, selection)
    if as_json:
        print_json({"done": changed, "on_wire": affected.on_wire})
        return
    console().print(f"{_people(changed.total())} {done}{': ' if changed else ''}{listed(changed)}.")
    if affected.on_wire:
        console().print(_ON_WIRE.format(affected.on_wire))


def _ask(affected: "Affected", done: str) -> None:
    """Ask on standard error, so that results stay alone on standard output; no answer is a no. Raises ``typer.Abort``."""
    total = sum(affected.states.values())
    typer.echo(f"{_people(total)} ({listed(affected.states)}) will be {done}. Go on? [y/N]: ", nl=False, err=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise typer.Abort


def _work_through(store: "Store", operation: "Operation", selection: "Selection") -> Counter[str]:
    from postroom.delivery import operations  # noqa: PLC0415 - as above

    changed: Counter[str] = Counter()
    place = (0, 0)
    while True:
        ids, place = store.database.read_now(operations.next_step, selection, operation, place)
        if not ids:
            return changed
        changed.update(store.database.write_now(operations.perform, store.settings, operation, ids, clock.now()))


def _people(number: int) -> str:
    return f"{number:,} recipient{'' if number == 1 else 's'}"
