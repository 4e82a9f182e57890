"""A host with practices on the real PostgreSQL, its roles apart, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handrail.plugin_core.fleet.host import Host, load
from handrail.plugin_core.fleet.practices import BackOffice
from handrail.plugin_core.settings import save
from handrail.plugin_core.store.database import engine_of
from sqlalchemy import Connection, text

from tests.sync.stage import Stage

NORTH, SOUTH = "north", "south"


class House:
    """A prepared host in a database of its own.

    :param store: the address of an empty database, by a user who may do everything there.
    """

    def __init__(self, folder: Path, store: str, **roles: str) -> None:
        self.file = folder / "host.toml"
        save(
            self.file, {"host.store": store, "host.key": "file:host.key"} | {f"roles.{k}": v for k, v in roles.items()}
        )
        self.stages: dict[str, Stage] = {}

    @property
    def host(self) -> Host:
        """Its settings."""
        return load(self.file)

    def office(self, author: str = "anna") -> BackOffice:
        """The back office with somebody in it."""
        return BackOffice(self.host, author)

    def prepare(self) -> None:
        """As `handrail practices prepare`."""
        with self.office() as office:
            office.prepare()

    def address(self, role: str) -> str:
        """The store as a role signs in: owner, worker, web or report."""
        return self.host.address(getattr(self.host.roles, role)).render_as_string(hide_password=False)

    def move_in(self, practice: str) -> Stage:
        """A practice with a platform of its own, taken in by the back office; from then on it works as a worker."""
        stage = Stage(
            self.file.parent / "practices" / practice, store=self.address("owner"), more=f'practice = "{practice}"'
        )
        self.stages[practice] = stage
        with self.office() as office:
            office.add(practice, {})
        self.let(practice, "worker")
        return stage

    def let(self, practice: str, role: str) -> Stage:
        """The practice's programs sign in by another role from now on."""
        stage = self.stages[practice]
        stage.store_url = self.address(role)
        stage.write_settings()
        return stage

    @contextmanager
    def sql(self, role: str | None = None, practice: str | None = None) -> Iterator[Connection]:
        """A transaction in plain SQL that is rolled back, by a role or by the one who may do everything, as whose."""
        engine = engine_of(self.host.store if role is None else self.address(role))
        try:
            with engine.execution_options(handrail_practice=practice).connect() as conn:
                yield conn
        finally:
            engine.dispose()

    def do(self, *statements: str) -> None:
        """Statements by the one who may do everything, committed."""
        with self.sql() as conn:
            for statement in statements:
                conn.execute(text(statement))
            conn.commit()

    def close(self) -> None:
        """Stops the platforms."""
        for stage in self.stages.values():
            stage.__exit__()


@contextmanager
def house(folder: Path, store: str, *practices: str, fill: Callable[[Stage], Any] | None = None) -> Iterator[House]:
    """A prepared host with these practices."""
    made = House(folder, store)
    try:
        made.prepare()
        for practice in practices:
            stage = made.move_in(practice)
            if fill is not None:
                fill(stage)
        yield made
    finally:
        made.close()
