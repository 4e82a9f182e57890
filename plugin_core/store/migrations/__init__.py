"""Alembic's side of the store: `run` upgrades, the versions lie beside."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

LOCK = 0x68616E64


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without a file of its own."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.attributes["connection"] = connection
    return made


def run(engine: Engine, target: str = "head") -> None:
    """Upgrades the store in one transaction: all of it or nothing (F79)."""
    with engine.connect().execution_options(handrail_write=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":  # SQLite's write lock is held from the start; here we take one
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        command.upgrade(config(connection), target)
