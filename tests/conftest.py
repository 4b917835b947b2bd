"""Fixtures for the whole suite: an opened store, on SQLite and on PostgreSQL."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import uvloop
from sqlalchemy import text

from postroom.cli import main
from postroom.configuration import PREFIX
from postroom.settings import DatabaseSettings, Settings
from postroom.storage.database import Tx, open_database
from postroom.storage.migrations import migrate
from postroom.storage.store import Store, open_store
from postroom.storage.tables import metadata
from tests.alone import room
from tests.postgres import NoPostgresqlError, throwaway_database, throwaway_server

SECRET_KEY = "a key for tests only, of no worth at all"

_NO_POSTGRESQL = "no PostgreSQL: "

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
"""Tests run on the event loop that the servers run on: it is stricter, and other, in small things."""

hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")
"""An example may take its time: the machine has other workers, and other things, to do."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test that measures time be alone; waiting for that is not part of its time-out."""
    with room(alone=item.get_closest_marker("alone") is not None):
        return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it loudly, in the last lines, when the half of the suite that needs PostgreSQL did not run."""
    skipped = sorted({(report.nodeid, str(report.longrepr[2])) for report in terminalreporter.stats.get("skipped", [])})
    if missing := [reason for _, reason in skipped if _NO_POSTGRESQL in reason]:
        terminalreporter.write_sep("!", "THE POSTGRESQL HALF WAS SKIPPED", red=True, bold=True)
        terminalreporter.write_line(missing[0])
    for name, reason in skipped:
        if "PostgreSQL" not in reason:
            terminalreporter.write_line(f"SKIPPED, so not shown here: {name}: {reason}", red=True)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A database of our own on a throw-away PostgreSQL, with the schema; skips where none is to be had."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(throwaway_server())
        except NoPostgresqlError as error:
            pytest.skip(f"{_NO_POSTGRESQL}{error}")
        url = stack.enter_context(throwaway_database(server))
        database = open_database(Settings(database=DatabaseSettings(url=url)))
        migrate(database)
        database.close()
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite store with the schema, to be copied for each test."""
    folder = tmp_path_factory.mktemp("template")
    database = open_database(Settings(data_dir=folder))
    migrate(database)
    database.close()
    return folder / "postroom.sqlite3"


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of an empty store with the schema; the test runs on both databases."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "postroom.sqlite3")
        return Settings(data_dir=tmp_path, secret_key=SECRET_KEY)
    return Settings(data_dir=tmp_path, secret_key=SECRET_KEY, database=DatabaseSettings(url=request.getfixturevalue("postgresql_url")))


@pytest.fixture
def sqlite_settings(sqlite_template: Path, tmp_path: Path) -> Settings:
    """Settings of an empty SQLite store, for what has nothing to do with the database."""
    shutil.copy(sqlite_template, tmp_path / "postroom.sqlite3")
    return Settings(data_dir=tmp_path, secret_key=SECRET_KEY)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """An opened, empty store, on both databases."""
    yield from _opened(settings)


@pytest.fixture
def sqlite_store(sqlite_settings: Settings) -> Iterator[Store]:
    """An opened, empty store on SQLite, for what has nothing to do with the database."""
    yield from _opened(sqlite_settings)


class Result:
    """What a command said, and its exit status."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Run a command in this process, with settings of the test alone."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(f"{PREFIX}CONFIG", "")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("postroom.logs.configure", lambda _level: None)  # the log of this process belongs to all tests
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, **environment: str) -> Result:
        for name, value in environment.items():
            monkeypatch.setenv(f"{PREFIX}{name}", value)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return Result(int(ended.value.code or 0), told.out, told.err)

    return call


@pytest.fixture
def place(settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, run: Any) -> Store:
    """The store that the commands work on, on both databases."""
    monkeypatch.setenv("POSTROOM_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("POSTROOM_SECRET_KEY", settings.secret_key)
    if settings.database.url:
        monkeypatch.setenv("POSTROOM_DATABASE__URL", settings.database.url)
    return store


def _opened(settings: Settings) -> Iterator[Store]:
    store = open_store(settings)
    if store.database.dialect == "postgresql":
        store.database.write_now(_empty)
    try:
        yield store
    finally:
        store.close()


def _empty(tx: Tx) -> None:
    names = ", ".join(table.name for table in metadata.sorted_tables)
    tx.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
