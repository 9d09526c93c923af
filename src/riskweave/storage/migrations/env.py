"""Runs migrations on the connection that `storage.migrate` gives."""

from alembic import context

from riskweave.storage.tables import metadata

# The journal and the operational tables of the service share a database, each with a history of its own.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="journal_version",
)
context.run_migrations()
