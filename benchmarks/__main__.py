"""Measure, print a table, and write ``results/latest.json``: ``python -m benchmarks [--only NAME] [--runs 5] [--connections 20]``.

Lines of the results that are not measured now stay as they are; one whose measure breaks off is removed.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from benchmarks import (
    drain,
    idle,
    latency,
    letterboxes,
    letters,
    memory,
    pages,
    programs,
    rolls,
    selectors,
    signed,
    superoffice,
    verification,
)
from benchmarks.measure import Measure, Measurement, Plan
from benchmarks.report import missing_peers, short, table
from benchmarks.versions import of_machine

MEASURES: Final[dict[str, Measure]] = {
    "signed_message": signed.message,
    "signed_create_message": signed.create_message,
    "selectors": selectors.nested,
    "verify_signature": verification.one,
    "send_simple_message": programs.simple_message,
    "send_simple_message_alone": programs.simple_message_alone,
    "template_mailing_sqlite": programs.template_on_sqlite,
    "template_mailing_postgresql": programs.template_on_postgresql,
    "roll_refresh_sqlite": rolls.on_sqlite,
    "roll_refresh_postgresql": rolls.on_postgresql,
    "drain_sqlite": drain.on_sqlite,
    "drain_template_sqlite": drain.template_on_sqlite,
    "drain_postgresql": drain.on_postgresql,
    "peers": drain.peers,
    "single_under_bulk": latency.under_bulk,
    "worker_memory": memory.worker,
    "idle_worker": idle.worker,
    "memory_server": memory.server,
    "schoology_sqlite": pages.on_sqlite,
    "schoology_postgresql": pages.on_postgresql,
    "onlyoffice_send_sqlite": letters.on_sqlite,
    "onlyoffice_send_postgresql": letters.on_postgresql,
    "onlyoffice_file": letters.memory,
    "onlyoffice_lists_sqlite": letterboxes.on_sqlite,
    "onlyoffice_lists_postgresql": letterboxes.on_postgresql,
    "superoffice_send": superoffice.calls,
    "superoffice_file": superoffice.file,
}
RESULTS: Final = Path(__file__).parent / "results" / "latest.json"


def main() -> int:
    """Run what the command line asks for; return the exit code: 1 when a measure broke off."""
    arguments = _arguments()
    console = Console()
    wanted = {arguments.only: MEASURES[arguments.only]} if arguments.only else MEASURES
    results, broken = _earlier(), 0
    for name, measure in wanted.items():
        with console.status(f"{name} ..."):
            try:
                made = measure(Plan(runs=arguments.runs, connections=arguments.connections))
            except Exception:  # noqa: BLE001 - one measure that breaks off must not take the others with it
                console.print_exception(max_frames=4)
                broken = 1
                results.pop(name, None)  # an old figure would hide that there is no new one
                continue
        results[name] = msgspec.structs.replace(made, settings={**made.settings, **of_machine()})
        _write(results)
        console.print(f"{name}: {short(made.median)} {made.unit}", highlight=False)
    shown = {name: results[name] for name in wanted if name in results}
    console.print(table(shown))
    for line in missing_peers(shown):
        console.print(line, style="bold red", highlight=False)
    return broken


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Postroom.")
    parser.add_argument("--only", choices=MEASURES, metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--runs", type=int, default=5, help="runs of each measure after one for warming up (default: 5)")
    parser.add_argument("--connections", type=int, default=20, help="connections to the relay, and of the peers (default: 20)")
    return parser.parse_args()


def _earlier() -> dict[str, Measurement]:
    return msgspec.json.decode(RESULTS.read_bytes(), type=dict[str, Measurement]) if RESULTS.exists() else {}


def _write(results: dict[str, Measurement]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    in_order = {name: results[name] for name in MEASURES if name in results}
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(in_order), indent=2) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
