"""Runs migrations on the connection that `storage.migrate` gives; Alembic loads it, nobody else."""

from alembic import context

from riskweave.storage.tables import metadata

# Only while Alembic runs this does its context have a configuration.
config = getattr(context, "config", None)
if config is not None:
    # The journal and the service's own tables may share a database, each with a history of its own.
    context.configure(
        connection=config.attributes["connection"],
        target_metadata=metadata,
        version_table="journal_version",
    )
    context.run_migrations()
