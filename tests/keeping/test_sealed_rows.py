"""Sealed columns on both databases (S15, S16): no odd word in files, logs and dumps; what was touched does not open."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.errors import SealBroken
from handrail.plugin_core.store import sealed
from sqlalchemy import select, text

from tests.peers.install import postgres_bin
from tests.peers.servers import Postgres
from tests.sync.stage import EVEN, LEANING, NOW, PHQ9, Stage, form, gr18

from .test_rotation import fill_the_rest

NAME = "Zebrafinch Quillfeather"
CLIENT = "zebrafinch-client-4"
CANARIES = (b"Zebrafinch", b"Quillfeather", b"zebrafinch", b"Patient/", b'"G1"', b"away to see")


def test_s16_each_sealed_column_notices_an_edit_and_a_swap(stage: Stage) -> None:
    """Whoever can write the file must not be able to give one client another one's answers, or to change one."""
    fill_the_rest(stage)

    def touched(engine: Any) -> list[str]:
        seen: list[str] = []
        others: list[bytes] = []
        with engine.store.reading(engine.source) as tx:
            for what in sealed.SEALED:
                column = what.table.c[what.column]
                rows = tx.conn.execute(select(what.table).where(column.is_not(None))).all()
                if not rows:
                    continue
                seen.append(str(column))
                place, value = what.place(rows[0]), bytes(getattr(rows[0], what.column))
                middle = len(value) // 2
                wrong = [value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :], value[:-1], b""]
                wrong += [bytes(getattr(row, what.column)) for row in rows[1:2]] + others[-1:]
                for one in wrong:
                    with pytest.raises(SealBroken) as told:
                        tx.sealer.open(place, one)
                    assert place in told.value.message, "the record is named"
                assert tx.sealer.open(place, value) is not None
                others.append(value)
        return seen

    assert len(stage.ask(touched)) >= 18, "nearly every sealed column of the store has a row here"


def private(stage: Stage) -> None:
    """A practice whose one client is an odd word, with forms, prompts, a hold and a form set aside."""
    stage.person(CLIENT, name=NAME)
    for number, levels in enumerate([EVEN, EVEN, EVEN, LEANING, LEANING]):
        when = NOW - timedelta(days=7 + 28 * (4 - number))
        stage.put(form(f"zebrafinch-{number}", CLIENT, when, gr18(levels)), when)
    when = NOW - timedelta(days=2)
    stage.put(form("zebrafinch-safety", CLIENT, when, PHQ9, instrument="phq9"), when)
    stage.put(form("zebrafinch-odd", CLIENT, when, version="9"), when)
    stage.sync()
    stage.ask(lambda e: e.hold(CLIENT, NOW.date() + timedelta(days=7), "away to see Quillfeather", "anna"))


def found(raw: bytes) -> list[bytes]:
    """The odd words that are in it."""
    return [word for word in CANARIES if word in raw]


def test_s15_nothing_readable_in_postgresqls_files_log_and_dump(tmp_path: Path, start_peer: Callable[..., Any]) -> None:
    """Whoever runs the server, or gets its disk, its write-ahead log or a dump, reads nobody's name."""
    postgres = start_peer(Postgres())  # of its own: what other tests leave in a log proves nothing
    with Stage(tmp_path, store=postgres.new_database()) as stage:
        private(stage)
        assert stage.active()

        def number(engine: Any) -> tuple[int, str]:
            with engine.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
                conn.execute(text("CHECKPOINT"))
                row = conn.execute(text("SELECT oid, datname FROM pg_database WHERE datname = current_database()"))
                return tuple(row.one())

        oid, database = stage.ask(number)
        data = postgres.folder / "data"
        files = [*(data / "base" / str(oid)).iterdir(), *(data / "pg_wal").glob("0*")]
        read = {path.name: path.read_bytes() for path in files}
        assert any(b"gr18" in raw for raw in read.values()), "the search itself finds what is readable"
        assert {name: found(raw) for name, raw in read.items() if found(raw)} == {}
        assert found(postgres.log.read_bytes()) == []
        programs = postgres_bin()
        assert programs is not None
        command = [
            programs / "pg_dump",
            "-h",
            "127.0.0.1",
            "-p",
            str(postgres.port),
            "-U",
            "app",
            "--inserts",
            database,
        ]
        dump = subprocess.run(command, capture_output=True, check=True).stdout
        assert b"gr18" in dump
        assert found(dump) == []


def test_s15_nothing_readable_beside_the_store(tmp_path: Path) -> None:
    """A backup, what a restore leaves, the copy of the trail, lock files: all that lies in the folder but the answers
    that a person asked for."""
    with Stage(tmp_path) as stage:
        private(stage)
        stage.ask(lambda e: e.keeping.backup(stage.folder / "a.backup", "anna"))
        with stage.engine() as engine:
            engine.hold(CLIENT, NOW.date() + timedelta(days=9), "away to see Quillfeather", "anna")
            kept = engine.store.engine.raw_connection()
            temporary = kept.cursor().execute("PRAGMA temp_store").fetchone()[0]
            kept.close()
            assert temporary == 2, "SQLite's temporary tables stay in memory"
            read = {path.name: path.read_bytes() for path in stage.folder.rglob("*") if path.is_file()}
        assert len(read) > 5
        assert {name: found(raw) for name, raw in read.items() if found(raw)} == {}
