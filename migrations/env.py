"""Runs the migrations on the connection, and in the transaction, that `gateway.db.schema` hands over."""

from __future__ import annotations

from alembic import context

from gateway.db.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # Batch mode copies a table where SQLite cannot alter it.
    render_as_batch=True,
)
context.run_migrations()
