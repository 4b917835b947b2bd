"""The commands that run something for long: serve, api, worker; and migrate, which goes before them."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import structlog
import typer

from postroom.cli.output import CommandFailure, console, is_there, opened_store
from postroom.configuration import SettingsError, load
from postroom.errors import PostroomError
from postroom.settings import Settings

CRASHED: Final = 70
"""Exit status of a process that met what nobody expected (EX_SOFTWARE)."""

Supervised = Annotated[bool, typer.Option("--supervised", hidden=True, help="Stop when standard input ends.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command(epilog="Example: postroom serve")(serve)
    app.command(epilog="Example: postroom api")(api)
    app.command(epilog="Example: postroom worker")(worker)
    app.command(epilog="Example: postroom migrate")(migrate)


def serve() -> None:
    """Run the API and the worker together, two processes, until Ctrl-C or SIGTERM.

    Makes or upgrades the embedded store first; a store on PostgreSQL is upgraded by 'postroom migrate' only.
    """
    from postroom import logs  # noqa: PLC0415 - loaded by the commands that need it
    from postroom.supervision import postroom_program, supervise  # noqa: PLC0415 - as above

    settings = load()
    logs.configure(settings.log_level)
    if not settings.database.url:
        _migrate(settings)
    with opened_store(settings):
        pass  # what is wrong with the store is said once, here, not by each process again and again
    raise typer.Exit(asyncio.run(supervise([postroom_program("api"), postroom_program("worker")])))


def api(supervised: Supervised = False) -> None:  # noqa: FBT002 - an option of the command line
    """Run the API alone, one process; as many on as many machines as you like, on PostgreSQL."""
    from postroom import serving  # noqa: PLC0415 - as above

    settings = _begin(supervised=supervised)
    with _logged("api"), opened_store(settings) as store:
        serving.run_api(store)


def worker(supervised: Supervised = False) -> None:  # noqa: FBT002 - as above
    """Run a delivery worker alone, one process; as many as you like, on PostgreSQL."""
    from postroom import serving  # noqa: PLC0415 - as above

    settings = _begin(supervised=supervised)
    with _logged("worker"), opened_store(settings) as store:
        serving.run_worker(store)


def migrate() -> None:
    """Make the store, or bring it to the schema of this version: all of it or nothing. Does no harm when run again."""
    settings = load()
    _migrate(settings)
    place = "on PostgreSQL" if settings.database.url else f"in {settings.data_dir}"
    console().print(f"The store {place} has the schema of this version.", markup=False, soft_wrap=True)


def _begin(*, supervised: bool) -> Settings:
    from postroom import logs, serving  # noqa: PLC0415 - as above

    settings = load()
    logs.configure(settings.log_level)
    if supervised:
        serving.stop_with_parent()
    return settings


@contextmanager
def _logged(name: str) -> Iterator[None]:
    """Log what nobody expected, with a number to find it by, and end with ``CRASHED``: whoever runs the process starts it again."""
    try:
        yield
    except (CommandFailure, PostroomError, SettingsError):
        raise
    except Exception as error:  # noqa: BLE001 - the last place where it can be logged
        structlog.get_logger("postroom.serving").critical("crashed", process=name, error_id=secrets.token_hex(6), exc_info=error)
        raise typer.Exit(CRASHED) from None


def _migrate(settings: Settings) -> None:
    from postroom.storage import migrations  # noqa: PLC0415 - as above
    from postroom.storage.database import open_database  # noqa: PLC0415 - as above

    if not settings.database.url:
        is_there(settings)  # else SQLite would say less clearly that another user made it
    database = open_database(settings)
    try:
        migrations.migrate(database)
    finally:
        database.close()
