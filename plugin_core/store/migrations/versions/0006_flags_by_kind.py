"""Safety notices that nobody has closed are looked for several times a sync: found by their kind, not among all flags
that stand."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.drop_index("ix_flags_state", table_name="flags")
    op.create_index("ix_flags_state", "flags", ["source", "state", "kind"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_flags_state", table_name="flags")
    op.create_index("ix_flags_state", "flags", ["source", "state"], unique=False)
