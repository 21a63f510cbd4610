"""Run by Alembic for each command, with the connection that `service.registry.schema` hands over."""

from __future__ import annotations

from alembic import context

from service.registry.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
    render_as_batch=False,
)
with context.begin_transaction():
    context.run_migrations()
