"""Alembic's side of the store: `run` upgrades, the versions lie beside."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

from ...errors import StoreError
from ...words import tr

LOCK = 0x68616E64


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without a file of its own."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.attributes["connection"] = connection
    return made


_OWNED = "SELECT pg_has_role(tableowner, 'USAGE') FROM pg_tables WHERE tablename = 'alembic_version'"


def _demand_owner(connection: Connection) -> None:
    """On a host the desk and the workers may not change tables: a new version is brought in by the owner (S51)."""
    if connection.exec_driver_sql(_OWNED).scalar() is False:
        raise StoreError(tr("The host's store is not of this version of Handrail. Run: handrail practices prepare"))


def run(engine: Engine, target: str = "head") -> None:
    """Upgrades the store in one transaction: all of it or nothing (F79)."""
    with engine.connect().execution_options(handrail_write=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":  # SQLite's write lock is held from the start; here we take one
            _demand_owner(connection)
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        command.upgrade(config(connection), target)
