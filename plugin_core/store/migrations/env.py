"""Run by alembic: migrates over the connection that `run` opened, inside its transaction."""

from __future__ import annotations

from alembic import context
from handrail.plugin_core.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
