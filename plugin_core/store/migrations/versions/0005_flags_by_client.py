"""The list of clients counts standing flags from the index alone: the rows hold the evidence and are long."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.drop_index("ix_flags_client", table_name="flags")
    op.create_index("ix_flags_client", "flags", ["source", "client", "state", "kind", "shown"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_flags_client", table_name="flags")
    op.create_index("ix_flags_client", "flags", ["source", "client"], unique=False)
