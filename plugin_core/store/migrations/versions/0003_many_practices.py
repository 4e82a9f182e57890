"""Many practices on one server: who is due and being worked on, requests counted across workers, row security."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from handrail.plugin_core.store.migrations.guarding import give_up_for_owner, guard, keep_for_owner, unguard

revision = "0003"
down_revision = "0002"
OFFICE = "-host"  # as fleet/host.py names it today

OF_PRACTICE = ("keys", "sources", "audit", "authors", "accounts", "logins", "invites", "attempts")
OF_SOURCE = (
    *("clients", "responses", "history", "quarantine", "flags", "acknowledgements", "holds", "deliveries", "cursors"),
    *("missing", "runs", "enrolments", "asks", "sessions", "notices", "redirects", "erased", "remarks", "selfchecks"),
    *("looks", "hints"),
)


def upgrade() -> None:
    op.create_table(
        "due",
        sa.Column("practice", sa.Text(), nullable=False),
        sa.Column("interval_ms", sa.BigInteger(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("queued_ms", sa.BigInteger(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("told_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_ok_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("practice", name=op.f("pk_due")),
    )
    op.create_index("ix_due_next", "due", ["next_ms"], unique=False)
    op.create_table(
        "buckets",
        sa.Column("registration", sa.Text(), nullable=False),
        sa.Column("used", sa.Text(), nullable=False),
        sa.Column("not_before_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("registration", name=op.f("pk_buckets")),
    )
    guard(practice=OF_PRACTICE, source=OF_SOURCE, itself=["practices"])
    keep_for_owner(OFFICE)


def downgrade() -> None:
    give_up_for_owner()
    unguard([*OF_PRACTICE, *OF_SOURCE, "practices"])
    op.drop_table("buckets")
    op.drop_index("ix_due_next", table_name="due")
    op.drop_table("due")
