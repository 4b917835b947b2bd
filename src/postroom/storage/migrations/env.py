"""What Alembic runs: the revisions, on the open transaction that ``migrations.migrate`` hands over."""

from alembic import context

from postroom.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
