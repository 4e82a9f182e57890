"""One process at a time syncs or pushes for a practice; any number may read beside it (F73)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from handrail.plugin_core.errors import Busy, StoreError
from handrail.plugin_core.store import Store, Tx, book, forms
from handrail.plugin_core.sync.lock import exclusive
from sqlalchemy import text

from tests.peers.servers import Postgres

from .samples import MASTER, PRACTICE, response, save

HOLDER = """
    import sys
    from handrail.plugin_core.store import Store
    from handrail.plugin_core.sync.lock import exclusive
    from tests.core.samples import MASTER
    with Store(sys.argv[1], sys.argv[2], MASTER) as store, exclusive(store, "syncing"):
        print("held", flush=True)
        sys.stdin.read()
"""


@contextmanager
def holder(address: str, practice: str = PRACTICE) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    code = textwrap.dedent(HOLDER)
    with subprocess.Popen(
        [sys.executable, "-c", code, address, practice],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        try:
            yield child
        finally:
            child.kill()


def test_f73_the_second_process_stops_and_names_the_first(store: Store, store_url: str) -> None:
    """With its number, what it does and since when, so that a person can find it."""
    with holder(store_url) as other:
        with (
            pytest.raises(Busy, match=rf"process {other.pid} on .*, syncing since 20") as caught,
            exclusive(store, "x"),
        ):
            pytest.fail("got in")
        assert "Wait until it has finished" in caught.value.message


def test_f73_reading_goes_on_beside_it(store: Store, source: int, store_url: str) -> None:
    """A report or the list of flags must not wait for a sync; short writes such as an acknowledgement neither."""
    with holder(store_url):
        save(store, source, [response(0)])
        with store.reading(source) as tx:
            assert forms.counts(tx)["responses"] == 1


def test_f73_a_killed_owner_does_not_block(store: Store, store_url: str) -> None:
    """`kill -9` leaves what lay beside the store; the next sync starts all the same."""
    with holder(store_url) as other:
        other.send_signal(signal.SIGKILL)
        other.wait(10)
        for _ in range(200):  # PostgreSQL notices the closed connection a moment later
            try:
                with exclusive(store, "syncing"):
                    return
            except Busy:
                continue
    pytest.fail("a dead process holds the lock")


def test_the_lock_is_given_back_also_after_a_fault(store: Store, store_url: str) -> None:
    """And another process may have it at once."""
    for _ in range(2):
        with pytest.raises(ValueError, match="inside"), exclusive(store, "syncing"):
            raise ValueError("inside")
    with holder(store_url), pytest.raises(Busy), exclusive(store, "x"):
        pytest.fail("got in")


def test_two_practices_in_one_database_do_not_wait_for_each_other(postgres: Postgres) -> None:
    """On PostgreSQL many practices share a database; each has a lock of its own."""
    address = postgres.new_database()
    for name in ("one", "two"):
        Store(address, name, MASTER, create=True).close()
    with holder(address, "one"), Store(address, "two", MASTER) as store, exclusive(store, "syncing"):
        pass


def test_a_lost_connection_does_not_hide_the_fault_inside(postgres: Postgres) -> None:
    """PostgreSQL gives the lock back with the session; giving it back again must not raise over what happened."""
    address = postgres.new_database()
    with Store(address, PRACTICE, MASTER, create=True) as store:

        def cut_and_fail() -> None:
            with exclusive(store, "syncing"):
                cut_the_lock(store)
                raise ValueError("inside")

        with pytest.raises(ValueError, match="inside"):
            cut_and_fail()
        with exclusive(store, "syncing"):
            pass


CUT = text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()")


def cut_the_lock(store: Store) -> None:
    """The session that has a lock is gone, as after a server's restart or behind a firewall that forgets."""
    with store.engine.connect() as conn:
        conn.execute(CUT)


@pytest.mark.parametrize("taken", [True, False], ids=["another has begun", "nobody has begun"])
def test_f73_f91_who_has_lost_the_lock_in_the_middle_writes_nothing_more(postgres: Postgres, taken: bool) -> None:
    """The lock's own session is idle while the platform is asked, so it is the one that gets cut; a second sync begins,
    and both would push. Nobody can say whether one has begun meanwhile, so it stops in any case."""
    address = postgres.new_database()
    with Store(address, PRACTICE, MASTER, create=True) as first, Store(address, PRACTICE, MASTER) as second:
        with exclusive(first, "syncing"):
            first.write(lambda tx: book.record(tx, "first", "before"))
            cut_the_lock(second)
            if taken:
                with exclusive(second, "syncing"):
                    second.write(lambda tx: book.record(tx, "second", "meanwhile"))
            for _ in range(2):
                with pytest.raises(StoreError, match="Run the command again"):
                    first.write(lambda tx: book.record(tx, "first", "after"))
        with first.reading() as tx:
            assert [one.action for one in book.trail(tx)] == ["before", "meanwhile"][: 1 + taken]
        first.write(lambda tx: book.record(tx, "first", "by itself"))  # a desk goes on: it had no lock to lose


def test_f73_f91_the_next_one_does_not_begin_while_a_write_is_open(postgres: Postgres) -> None:
    """The lock is lost between the look at it and the commit: what is committed then was begun by its owner, and is
    there before the next one reads anything."""
    address = postgres.new_database()
    with Store(address, PRACTICE, MASTER, create=True) as first, Store(address, PRACTICE, MASTER) as second:

        def work(tx: Tx) -> None:
            mine = tx.conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()  # it is to live
            with second.engine.connect() as conn:
                conn.execute(text(f"{CUT.text} AND pid <> {mine}"))
            with pytest.raises(Busy), exclusive(second, "syncing"):
                pytest.fail("got in")
            book.record(tx, "first", "begun")

        with exclusive(first, "syncing"):
            first.write(work)
        with exclusive(second, "syncing"), second.reading() as tx:
            assert [one.action for one in book.trail(tx)] == ["begun"]


def test_a_broken_note_of_the_owner_is_no_obstacle(tmp_path: Path) -> None:
    """The lock decides; the note is only for the reader of the message."""
    address = f"sqlite:///{tmp_path}/h.db"
    with Store(address, PRACTICE, MASTER, create=True) as store:
        for note in ("", "[]", "{", json.dumps({"pid": 1})):
            with holder(address):
                (tmp_path / "h.db.owner").write_text(note)
                with pytest.raises(Busy, match=r"at work on this store\. Wait"), exclusive(store, "x"):
                    pytest.fail("got in")
        with exclusive(store, "syncing"):
            assert json.loads((tmp_path / "h.db.owner").read_text())["pid"] == os.getpid()
        assert not (tmp_path / "h.db.owner").exists()


def test_a_folder_that_takes_no_lock_is_said(tmp_path: Path) -> None:
    """F74: a share without locks, or a folder without rights, is named instead of a traceback."""
    address = f"sqlite:///{tmp_path}/h.db"
    with Store(address, PRACTICE, MASTER, create=True) as store:
        (tmp_path / "h.db.lock").mkdir()
        with pytest.raises(StoreError, match=r"cannot be locked"), exclusive(store, "syncing"):
            pytest.fail("got in")
