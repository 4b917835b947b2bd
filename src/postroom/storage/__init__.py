"""Where everything is kept: the schema, units of work on SQLite and PostgreSQL, migrations, blobs and secrets."""
