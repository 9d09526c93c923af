"""Alembic: runs the versions on the connection that `Database.migrate` lends."""

from alembic import context

from riskweave.service.tables import VERSION_TABLE, metadata

# Alembic runs this file; whoever merely imports it, to read its documentation, finds nothing to do.
if hasattr(context, "config"):
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()
