"""What ``postroom queue`` shows: messages and domains that wait, workers and their relays, and what is counted."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from postroom import clock
from postroom.cli.output import AsJson, console, moment, opened_store, print_json, row, table

if TYPE_CHECKING:  # loading SQLAlchemy takes longer than all the rest of the command line
    from postroom.delivery.records import Counter, DomainLine, QueueLine, RelayReport, WorkerLine
    from postroom.messages.records import State

_SHOWN: Final = 50
_DOMAINS: Final = 20
_OVERDUE: Final = 10_000
_STUCK: Final = "Some are overdue: a backlog; or no worker runs; or the relay is away, then relay_down in the worker's log says why."
_HELD: Final = "Held and parked ones wait until somebody decides: postroom queue release, settle or cancel."


def overview(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Messages to show, the oldest first.")] = _SHOWN,
    as_json: AsJson = False,
) -> None:
    """Show what waits for delivery, since when and why; the workers and how they get on with their relays."""
    if context.invoked_subcommand is not None:
        return
    from postroom.delivery import counters, presence  # noqa: PLC0415 - loaded by the commands that need it
    from postroom.delivery.overview import domains  # noqa: PLC0415 - as above
    from postroom.delivery.overview import overview as messages  # noqa: PLC0415 - as above

    with opened_store() as store:
        read = store.database.read_now
        lines, places = read(messages, limit + 1), read(domains, _DOMAINS)
        workers, counted = read(presence.reports), read(counters.read)
    shown = lines[:limit]
    if as_json:
        for part in (*shown, *places, *workers, *counted):
            print_json(part)
        return
    if lines:
        _print_messages(shown)
    else:
        console().print("Nothing waits.")
    if len(lines) > limit:
        console().print(f"There is more: postroom queue --limit {limit * 10}")
    _print_domains(places)
    _print_workers(workers)
    _print_counted(counted)


def listed(states: "Mapping[State, int] | Mapping[str, int]") -> str:
    """Say how many are in which state."""
    return ", ".join(f"{number:,} {state}" for state, number in sorted(states.items()))


def _print_messages(lines: "list[QueueLine]") -> None:
    columns = ("message", "subject", "lane", "people", "sent", "next try", "last reply")
    shown = table("Waiting for delivery", *columns, times=("sent", "next try"))
    for line in lines:
        apart = {"held": line.held - line.parked, "parked": line.parked}
        people = "; ".join(filter(None, [listed(line.states), listed({word: number for word, number in apart.items() if number})]))
        row(shown, line.message_id, line.subject, line.lane, people, moment(line.since), moment(line.next_due), line.last_reply)
    console().print(shown)
    if any(line.next_due is not None and line.next_due < clock.now() - _OVERDUE for line in lines):
        console().print(_STUCK)
    if any(line.held for line in lines):
        console().print(_HELD)


def _print_domains(lines: "Sequence[DomainLine]") -> None:
    if not lines:
        return
    shown = table("Where they wait", "domain", "waiting", "deferred", "last reply")
    for line in lines:
        row(shown, line.domain, line.waiting, line.deferred, line.last_reply)
    console().print(shown)


def _print_workers(lines: "Sequence[WorkerLine]") -> None:
    from postroom.messages.workload import SILENT_AFTER  # noqa: PLC0415 - as above

    if not lines:
        return
    silent = clock.now() - SILENT_AFTER
    shown = table("Workers", "worker", "heard of", "relay", "state", "connections", "busy", "sent", "a second", times=("heard of",))
    slow = table("Domains", "worker", "domain", "relay", "busy", "waiting", "")
    for line in lines:
        heard = f"{moment(line.seen_at)}{' (silent)' if line.seen_at <= silent else ''}"
        for relay in line.report.relays:
            figures = (relay.connections, relay.busy, relay.sent, f"{relay.rate:.1f}")
            row(shown, line.name, heard, f"{relay.name} ({relay.address})", _state(relay), *figures)
        if not line.report.relays:
            row(shown, line.name, heard)
        for place in line.report.domains:
            row(slow, line.name, place.name, place.relay, place.busy, place.waiting, "others go first" if place.put_off else "")
    console().print(shown)
    if slow.row_count:
        console().print(slow)


def _state(relay: "RelayReport") -> str:
    if relay.up:
        return "up"
    again = "" if relay.next_try_in is None else f", next try in {relay.next_try_in:.0f} s"
    return f"down: {relay.reason}{again}"


def _print_counted(lines: "Sequence[Counter]") -> None:
    if not lines:
        return
    shown = table("Counted", "what", "how often")
    for line in lines:
        row(shown, line.name, line.value)
    console().print(shown)
