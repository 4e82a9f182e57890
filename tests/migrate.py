"""`python -m tests.migrate "what changes"`: writes the next migration from what tables.py says beyond the last one."""

from __future__ import annotations

import sys

from alembic import command
from handrail.plugin_core.store import migrations
from handrail.plugin_core.store.database import HEAD
from sqlalchemy import create_engine


def main(message: str) -> None:
    """Upgrades an empty database to the last migration, compares it with the tables, writes the difference."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection, connection.begin():
        config = migrations.config(connection)
        command.upgrade(config, "head")
        command.revision(config, message, autogenerate=True, rev_id=f"{int(HEAD) + 1:04d}")


if __name__ == "__main__":
    main(sys.argv[1])
