"""Alembic's way in. The connection and its transaction are the caller's (see `chappe.wire.migrating`)."""

from __future__ import annotations

from alembic import context

from chappe.desk.all_tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a column only by making its table anew.
    render_as_batch=True,
    transactional_ddl=True,
)
# The transaction is open already, and takes in the creation of alembic's own table.
context.run_migrations()
