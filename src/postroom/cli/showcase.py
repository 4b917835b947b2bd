"""The demonstration."""

from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command(epilog="Example: postroom demo --keep")(demo)


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the folder with the store and the log in place.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Send a message to some 1,500 people of an invented university, and account for each of them.

    Everything happens in a temporary folder and on loopback ports; the last line is a JSON object with the counts.
    """
    from postroom.demo import run  # noqa: PLC0415 - loaded by the command that needs it

    raise typer.Exit(run(keep=keep))
