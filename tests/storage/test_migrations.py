"""The schema through time (storage/migrations): idempotent, whole or nothing, and the same as the page of tables on both databases."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

from postroom.directory.names import words_of
from postroom.errors import Unavailable
from postroom.messages import search
from postroom.settings import DatabaseSettings, Settings
from postroom.storage import migrations, schema
from postroom.storage.database import Database, Tx, open_database
from postroom.storage.store import Store
from postroom.storage.tables import label_addresses, metadata, recipients, user_words, users
from tests.postgres import throwaway_database


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a store that nobody has migrated yet."""
    if request.param == "sqlite":
        yield Settings(data_dir=tmp_path / "fresh")
        return
    server = request.getfixturevalue("postgresql_url").rsplit("/", 1)[0]
    with throwaway_database(server) as url:
        yield Settings(data_dir=tmp_path, database=DatabaseSettings(url=url))


@pytest.fixture
def database(empty: Settings) -> Iterator[Database]:
    opened = open_database(empty)
    yield opened
    opened.close()


def is_ours(name: str | None, kind: str = "table", _parents: object = None) -> bool:
    """Whether something is on the page of tables: the index of words is a matter of each database."""
    return kind not in {"table", "index"} or not (name or "").startswith(("message_index", "ix_message_words"))


def table_names(tx: Tx) -> set[str]:
    return {name for name in inspect(tx).get_table_names() if is_ours(name)}


def revisions() -> Config:
    """Where Alembic finds them."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(tx: Tx, revision: str) -> None:
    """Make a store as it was of an older version."""
    config = revisions()
    config.attributes["connection"] = tx
    command.upgrade(config, revision)


def test_an_empty_store_is_not_current_until_it_is_migrated(database: Database) -> None:
    assert not database.read_now(schema.is_current)
    migrations.migrate(database)
    assert database.read_now(schema.is_current)
    assert database.read_now(table_names) == {*metadata.tables, "alembic_version"}


def test_migrating_twice_changes_nothing(database: Database) -> None:
    migrations.migrate(database)
    database.write_now(
        lambda tx: tx.execute(text("INSERT INTO clients (key, secret, name, created_at) VALUES ('k', 's', 'n', 1)")) and None
    )
    migrations.migrate(database)
    assert database.read_now(lambda tx: tx.execute(text("SELECT count(*) FROM clients")).scalar_one()) == 1


def test_people_of_an_older_store_are_found_by_their_names(database: Database) -> None:
    """Revision 0003 takes their names apart just as those of new people are."""
    everybody = [("Łucja", "Maria", "Żółkiewska-Nowak"), ("Jürgen", "", "Weiß"), ("", "", "\ufdfa" * 9), ("𝓐нна", "", "Ёлкина")]

    def before(tx: Tx) -> None:
        upgrade(tx, "0002")
        for first, middle, last in everybody:
            values = {"first_name": first, "middle_names": middle, "last_name": last, "created_at": 1, "modified_at": 1}
            tx.execute(insert(users), values)

    database.write_now(before)
    migrations.migrate(database)
    kept = database.read_now(lambda tx: {tuple(row) for row in tx.execute(select(user_words.c.user_id, user_words.c.word))})
    assert kept == {(number, word) for number, parts in enumerate(everybody, 1) for word in words_of(" ".join(parts))}


def test_what_people_got_before_stands_in_their_inboxes(database: Database) -> None:
    """Revision 0004: read, and whatever became of the mail; but no draft, no report, no copy to oneself, and nothing of bare addresses."""
    kinds = [("message", 5), ("message", None), ("summary", 6), ("message", 7)]
    lines = [
        (1, 1, "to", "delivered"),
        (1, 2, "to", "suppressed"),
        (1, 1, "self", "delivered"),
        (1, None, "to", "delivered"),
        (2, 1, "to", "listed"),
        (3, 1, "to", "delivered"),
        (4, 2, "bcc", "failed"),
    ]

    def before(tx: Tx) -> None:
        upgrade(tx, "0003")
        for number in (1, 2):
            person = "INSERT INTO users (first_name, last_name, created_at, modified_at) VALUES ('A', :name, 1, 1)"
            tx.execute(text(person), {"name": f"B{number}"})
        columns = "kind, author_id, dialect, created_at, modified_at, sent_at"
        for kind, sent_at in kinds:
            message = text(f"INSERT INTO messages ({columns}) VALUES (:kind, 1, 'usos', 1, 1, :sent_at)")
            tx.execute(message, {"kind": kind, "sent_at": sent_at})
        line = "INSERT INTO recipients (message_id, user_id, email, role, state) VALUES (:message, :person, :email, :role, :state)"
        for message_id, person_id, role, state in lines:
            email = None if person_id else "x@x.example"
            tx.execute(text(line), {"message": message_id, "person": person_id, "email": email, "role": role, "state": state})

    database.write_now(before)
    migrations.migrate(database)
    columns = select(recipients.c.received_at, recipients.c.read_at).order_by(recipients.c.id)
    found = database.read_now(lambda tx: [tuple(row) for row in tx.execute(columns)])
    assert found == [(at, at) for at in (5, 5, None, None, None, None, 7)]


def test_what_a_store_has_acts_from_then_on(database: Database) -> None:
    """Revision 0012: messages that no search finds are noted, but for drafts of other kinds; addresses of labels label what comes."""

    def before(tx: Tx) -> None:
        upgrade(tx, "0009")
        tx.execute(text("INSERT INTO users (first_name, last_name, created_at, modified_at) VALUES ('A', 'Olden', 1, 1)"))
        message = "INSERT INTO messages (author_id, dialect, subject, created_at, modified_at, sent_at, letter)"
        message += " VALUES (1, 'usos', 'Oldtimer', 1, 1, :sent_at, :letter)"
        for sent_at, letter in ((1, False), (None, True), (None, False), (2, True)):
            tx.execute(text(message), {"sent_at": sent_at, "letter": letter})
        tx.execute(text("INSERT INTO message_words (message_id, words) VALUES (4, 'told')"))
        kept = {"some": '["\\"Ewa\\" <EWA@x.example>", "ewa@x.example", "jan@x.example"]'}
        tx.execute(text("INSERT INTO labels (user_id, name, addresses) VALUES (1, 'A', :some), (1, 'B', '[]')"), kept)

    database.write_now(before)
    migrations.migrate(database)
    bound = select(label_addresses.c.email, label_addresses.c.label_id).order_by(label_addresses.c.email)
    assert database.read_now(lambda tx: [tuple(row) for row in tx.execute(bound)]) == [("ewa@x.example", 1), ("jan@x.example", 1)]
    assert database.write_now(search.index_older, 500) == 2
    assert database.read_now(search.find, 1, "oldtimer", search.WRITTEN) == [2, 1]


@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_the_schema_is_that_of_the_tables(store: Store) -> None:
    """What the revisions made and what storage/tables.py says do not differ."""

    def differences(tx: Connection) -> list[object]:
        return compare_metadata(MigrationContext.configure(tx, opts={"compare_type": True, "include_name": is_ours}), metadata)

    assert store.database.read_now(differences) == []


def test_two_that_migrate_at_once_do_not_disturb_each_other(empty: Settings) -> None:
    """Two hosts that start together, both with 'postroom migrate' before."""
    databases = [open_database(empty) for _ in range(4)]
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(migrations.migrate, databases))
        assert databases[0].read_now(schema.is_current)
    finally:
        for database in databases:
            database.close()


def test_a_migration_that_fails_leaves_nothing(database: Database) -> None:
    """All of it or nothing: half a schema would be worse than none. A foreign table stands in the way of the last one here."""
    database.write_now(lambda tx: tx.execute(text("CREATE TABLE attempts (id INTEGER)")) and None)
    with pytest.raises(DBAPIError, match="already exists"):
        migrations.migrate(database)
    assert database.read_now(table_names) == {"attempts"}


def test_a_store_of_a_newer_version_is_refused(database: Database) -> None:
    """Going back to an older version of the program must not touch what the newer one made."""
    migrations.migrate(database)
    database.write_now(lambda tx: tx.execute(text("UPDATE alembic_version SET version_num = '9999'")) and None)
    assert not database.read_now(schema.is_current)
    with pytest.raises(Unavailable, match="older"):
        migrations.migrate(database)


def test_servers_need_the_newest_revision() -> None:
    """Its number is written down, so that they need not read the migrations."""
    assert ScriptDirectory.from_config(revisions()).get_current_head() == schema.REVISION


def test_servers_do_not_load_the_machinery_of_migrations() -> None:
    program = "import sys, postroom.application, postroom.delivery.worker, postroom.storage.schema; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
