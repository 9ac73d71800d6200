"""Alembic's environment: one connection, one transaction, plain SQL files."""

from alembic import context
from sqlalchemy import create_engine, pool, text

url = context.config.attributes["url"]
engine = create_engine(url, poolclass=pool.NullPool)
with engine.begin() as connection:
    # Two migrations started at once run one after the other.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('magiclink.migrate'))"))
    context.configure(
        connection=connection, version_table="magiclink_schema_version", transaction_per_migration=False
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
