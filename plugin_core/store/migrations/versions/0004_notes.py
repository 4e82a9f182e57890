"""Notes on a client that belong to no flag."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from handrail.plugin_core.store.migrations.guarding import guard, unguard

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("source", "key", name=op.f("pk_notes")),
    )
    op.create_index("ix_notes_client", "notes", ["source", "client"], unique=False)
    guard(source=["notes"])


def downgrade() -> None:
    unguard(["notes"])
    op.drop_index("ix_notes_client", table_name="notes")
    op.drop_table("notes")
