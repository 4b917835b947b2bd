"""The command line of Postroom: ``postroom``, or ``python -m postroom``.

A command does its work and says what came of it; what a person can mend ends in one red sentence and exit status 1 (2 for
a call that is wrong in itself), never in a traceback. Libraries are loaded by the command that needs them, so that
``--help`` and short commands start fast.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from postroom import __version__
from postroom.cli import clients, directory, inspection, links, queue, servers, showcase, suppression
from postroom.cli.output import CommandFailure, report
from postroom.configuration import PREFIX, SettingsError
from postroom.errors import PostroomError

app = typer.Typer(
    name="postroom",
    help="The post office of an organisation behind an HTTP door.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
servers.add_to(app)
directory.add_to(app)
clients.add_to(app)
queue.add_to(app)
inspection.add_to(app)
suppression.add_to(app)
links.add_to(app)
showcase.add_to(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command that ``arguments`` (or those of the process) name; ends with ``SystemExit``."""
    try:
        app(arguments, prog_name="postroom")
    except (CommandFailure, PostroomError, SettingsError) as error:
        report(error)
        raise SystemExit(1) from None


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the value of the flag
    if wanted:
        typer.echo(f"postroom {__version__}")
        raise typer.Exit


@app.callback(epilog="Example: postroom --config /etc/postroom.toml serve")
def common(
    config: Annotated[
        Path | None,
        typer.Option(help="File with the settings, instead of POSTROOM_CONFIG or postroom.toml in the working directory.", metavar="FILE"),
    ] = None,
    version: Annotated[  # noqa: ARG001, FBT002 - the callback has done its work before
        bool, typer.Option("--version", help="Print the version and stop.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Run the post office of an organisation: people, messages, delivery."""
    if config is not None:
        os.environ[f"{PREFIX}CONFIG"] = str(config)  # in the environment, since the processes of 'serve' are to read it, too
