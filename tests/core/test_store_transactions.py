"""One page, one transaction: whatever the database says in the middle, a page is there whole or not at all."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.errors import StoreError
from handrail.plugin_core.store import Store, Tx, book, database, forms
from handrail.plugin_core.store.tables import cursors, responses
from handrail.schemas.records import Cursor
from sqlalchemy import event, make_url, select, text, update
from sqlalchemy.exc import OperationalError

from .samples import MASTER, PRACTICE, START, client_of, everything, response, rows, save


def page(store: Store, numbers: range) -> Callable[[Tx], None]:
    """Work that stores a page of forms, its clients and its cursor."""
    items = [response(n) for n in numbers]

    def work(tx: Tx) -> None:
        forms.save(tx, rows(store, tx, items), [])
        forms.mark_dirty(tx, {client_of(store, tx.source): items[0].client})
        book.set_cursor(tx, Cursor("responses", items[-1].updated))

    return work


def count(store: Store, source: int) -> int:
    with store.reading(source) as tx:
        return forms.counts(tx)["responses"]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeats follow at once, and SQLite waits for a lock only briefly."""
    monkeypatch.setattr(database, "PAUSE", 0.001)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)


def test_a_page_that_fails_at_its_end_leaves_nothing(store: Store, source: int) -> None:
    """Promise 4: responses, clients and cursor together or not at all."""
    before = everything(store)

    def work(tx: Tx) -> None:
        page(store, range(5))(tx)
        raise ValueError("the last step broke")

    with pytest.raises(ValueError, match="last step"):
        store.write(work, source)
    assert everything(store) == before


def test_storing_a_page_again_changes_nothing(store: Store, source: int) -> None:
    """Promise 2: an unknown outcome is answered by doing it again (F76), so that must be harmless."""
    store.write(page(store, range(5)), source)
    before = _without_sealed(everything(store))
    store.write(page(store, range(5)), source)
    assert _without_sealed(everything(store)) == before


def _without_sealed(found: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Sealed values differ by their nonce each time, and each time is counted as a mark for the rules."""
    other = ("sealed", "marks")
    return {name: [{k: v for k, v in row.items() if k not in other} for row in rows] for name, rows in found.items()}


def test_more_rows_than_one_statement_takes(store: Store, source: int) -> None:
    """Look-ups by key go in chunks: SQLite and PostgreSQL both limit the parameters of one statement."""
    items = [response(n) for n in range(1200)]
    save(store, source, items)
    keys = [store.sealer.hash("response", str(source), item.id) for item in items]
    with store.reading(source) as tx:
        assert len(forms.known(tx, keys)) == 1200
        assert len(forms.remote_ids(tx, keys)) == 1200


@contextmanager
def held(address: str) -> Iterator[Callable[[], None]]:
    """Another program that holds SQLite's write lock until it is told to let go."""
    other = sqlite3.connect(address.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    def let_go() -> None:
        other.execute("ROLLBACK")

    try:
        yield let_go
    finally:
        other.close()


def test_f72_a_database_locked_for_a_while_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup or a virus scanner holds it for a moment: the page goes in afterwards, once."""
    monkeypatch.setattr(database, "PAUSE", 0.05)
    address = f"sqlite:///{tmp_path}/h.db"
    with Store(address, PRACTICE, MASTER, create=True) as store:
        source = store.source("demo")
        with held(address) as let_go:
            threading.Timer(0.3, let_go).start()
            store.write(page(store, range(5)), source)
        assert count(store, source) == 5


def test_f72_a_database_locked_for_good_is_said_and_nothing_is_half_done(tmp_path: Path) -> None:
    """After a bounded number of tries, with what to do."""
    address = f"sqlite:///{tmp_path}/h.db"
    with Store(address, PRACTICE, MASTER, create=True) as store:
        source = store.source("demo")
        with held(address), pytest.raises(StoreError, match="Another program holds the store"):
            store.write(page(store, range(5)), source)
        with held(address):
            assert count(store, source) == 0, "reading goes on beside a writer"
        store.write(page(store, range(5)), source)
        assert count(store, source) == 5


def test_f71_a_full_disk_leaves_the_pages_before_and_nothing_of_this_one(tmp_path: Path) -> None:
    """SQLite is told that the disk holds no more; when there is room again the same page goes in."""
    with Store(f"sqlite:///{tmp_path}/h.db", PRACTICE, MASTER, create=True) as store:
        source = store.source("demo")
        store.write(page(store, range(5)), source)
        before = everything(store)
        limit = [0]
        event.listen(store.engine, "begin", lambda conn: conn.exec_driver_sql(f"PRAGMA max_page_count = {limit[0]}"))
        with store.engine.connect() as conn:
            limit[0] = int(conn.exec_driver_sql("PRAGMA page_count").scalar_one()) + 2
        with pytest.raises(StoreError, match=r"disk is full; nothing was half written\. Make room"):
            store.write(page(store, range(5, 400)), source)
        assert everything(store) == before
        limit[0] = 1_000_000
        store.write(page(store, range(5, 400)), source)
        assert count(store, source) == 400


def test_f75_two_writers_in_each_others_way_both_get_through(store: Store, source: int) -> None:
    """A deadlock on PostgreSQL (and two writers on SQLite): the one that loses begins again, whole."""
    save(store, source, [response(0), response(1)])
    first, second = (store.sealer.hash("response", str(source), response(n).id) for n in (0, 1))
    met = threading.Barrier(2, timeout=60)
    tries: dict[str, int] = {"one": 0, "two": 0}

    def work(name: str, order: tuple[str, str]) -> Callable[[Tx], None]:
        def run(tx: Tx) -> None:
            tries[name] += 1
            for number, key in enumerate(order):
                where = (responses.c.source == source) & (responses.c.key == key)
                tx.conn.execute(update(responses).where(where).values(remote_version=name))
                if number == 0 and tries[name] == 1 and store.engine.dialect.name == "postgresql":
                    met.wait()

        return run

    faults: list[BaseException] = []

    def writer(name: str, order: tuple[str, str]) -> None:
        try:
            store.write(work(name, order), source)
        except BaseException as error:  # noqa: BLE001 - shown below; a thread would lose it
            faults.append(error)

    threads = [
        threading.Thread(target=writer, args=("one", (first, second))),
        threading.Thread(target=writer, args=("two", (second, first))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert faults == []
    with store.reading(source) as tx:
        versions = set(tx.conn.execute(select(responses.c.remote_version)).scalars())
    assert len(versions) == 1, "each transaction took both rows or none"
    if store.engine.dialect.name == "postgresql":
        assert sorted(tries.values()) == [1, 2]


def test_f75_a_serialisation_failure_repeats_the_whole_transaction(postgres: Any) -> None:
    """As on a server whose default isolation is stricter than usual."""
    url = postgres.new_database()
    plain = database.engine_of(url)
    with plain.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        name = make_url(url).database
        conn.exec_driver_sql(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'repeatable read'")
    plain.dispose()
    with Store(url, PRACTICE, MASTER, create=True) as store:
        source = store.source("demo")
        save(store, source, [response(0)])
        tries = []

        def work(tx: Tx) -> None:
            tx.conn.execute(select(responses.c.key)).all()
            tries.append(1)
            if len(tries) == 1:
                save(store, source, [response(0, answer=1)])
            tx.conn.execute(update(responses).values(remote_version="9"))

        store.write(work, source)
        assert len(tries) == 2


def test_f75_a_connection_cut_in_the_middle_repeats_the_transaction(postgres: Any) -> None:
    """The server is restarted or a firewall forgets the connection."""
    with Store(postgres.new_database(), PRACTICE, MASTER, create=True) as store:
        source = store.source("demo")
        tries = []

        def work(tx: Tx) -> None:
            tries.append(1)
            page(store, range(3))(tx)
            if len(tries) == 1:
                with store.engine.connect() as other:
                    pid = tx.conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
                    other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            tx.conn.exec_driver_sql("SELECT 1")

        store.write(work, source)
        assert len(tries) == 2
        assert count(store, source) == 3


def test_f75_repeating_ends(store: Store, source: int) -> None:
    """A fault that does not pass ends the run in a sentence, not in a loop."""
    tries = []

    class Deadlock(Exception):
        sqlstate = "40P01"

    def work(_: Tx) -> None:
        tries.append(1)
        raise OperationalError("", {}, Deadlock("deadlock"))

    with pytest.raises(StoreError):
        store.write(work, source)
    assert len(tries) == database.TRIES


@pytest.mark.parametrize("took", [True, False], ids=["commit-took", "commit-lost"])
def test_f76_a_commit_whose_outcome_is_unknown_ends_in_the_same_store(store: Store, source: int, took: bool) -> None:
    """The answer to COMMIT never comes: either way the same transaction again leaves one copy."""
    broken: list[int] = []
    dialect = store.engine.dialect
    real = dialect.do_commit

    class Cut(Exception):
        sqlstate = "08006"

    def do_commit(connection: Any) -> None:
        if not broken:
            broken.append(1)
            if took:
                real(connection)
            raise OperationalError("COMMIT", {}, Cut("connection lost"))
        real(connection)

    dialect.do_commit = do_commit  # type: ignore[method-assign, assignment]
    try:
        store.write(page(store, range(4)), source)
    finally:
        del dialect.do_commit
    assert broken
    assert count(store, source) == 4
    with store.reading(source) as tx:
        assert tx.conn.execute(select(cursors.c.stream)).scalars().all() == ["responses"]


def test_a_reader_sees_one_state_while_a_writer_commits(store: Store, source: int) -> None:
    """A report made while a sync runs must not join the forms of before with the flags of after."""
    save(store, source, [response(0)])
    with store.reading(source) as tx:
        assert forms.counts(tx)["responses"] == 1
        save(store, source, [response(1)])
        assert forms.counts(tx)["responses"] == 1
    assert count(store, source) == 2


def test_rehearsal_shows_what_would_be_and_takes_all_back(store: Store, source: int) -> None:
    """`sync --dry-run` runs the real code: it must count what it would do, and leave nothing of it."""
    save(store, source, [response(0)])
    before = everything(store)
    with store.rehearsal():
        store.write(page(store, range(5)), source)
        assert count(store, source) == 5
        assert store.source("another") != source
        with store.reading(source) as tx:
            assert book.cursor(tx, "responses") is not None
    assert everything(store) == before
    assert count(store, source) == 1


def test_rehearsal_keeps_a_failed_page_apart(store: Store, source: int) -> None:
    """A page that fails inside a dry run is rolled back as in a real one; the dry run goes on."""
    with store.rehearsal():
        store.write(page(store, range(2)), source)

        def broken(tx: Tx) -> None:
            page(store, range(2, 9))(tx)
            tx.conn.execute(text("SELECT nonsense FROM nowhere"))

        with pytest.raises(StoreError):
            store.write(broken, source)
        assert count(store, source) == 2
        store.write(page(store, range(2, 3)), source)
        assert count(store, source) == 3
    assert count(store, source) == 0


def test_a_rehearsal_that_breaks_off_takes_all_back(store: Store, source: int) -> None:
    """Ctrl-C in the middle of a dry run."""

    def run() -> None:
        with store.rehearsal():
            store.write(page(store, range(5)), source)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert count(store, source) == 0
    store.write(page(store, range(3)), source)
    assert count(store, source) == 3


WRITER = """
    import sys
    from handrail.plugin_core.store import Store
    from tests.core.samples import MASTER, PRACTICE
    from tests.core.test_store_transactions import page
    store = Store(sys.argv[1], PRACTICE, MASTER)
    source = store.source("demo")
    for start in range(0, 100_000, 50):
        store.write(page(store, range(start, start + 50)), source)
        print(start + 50, flush=True)
"""


@pytest.mark.parametrize("after", [0.0, 0.004, 0.011])
def test_f69_kill_at_any_moment_leaves_whole_pages_and_their_cursor(store_url: str, after: float) -> None:
    """`kill -9` while pages are written: every page that was reported is there, none is there in part."""
    with Store(store_url, PRACTICE, MASTER, create=True) as store:
        store.source("demo")
    code = textwrap.dedent(WRITER)
    with subprocess.Popen(
        [sys.executable, "-c", code, store_url], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as child:
        assert child.stdout is not None
        reported = [int(child.stdout.readline()) for _ in range(3)]
        time.sleep(after)
        child.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        reported += [int(line) for line in child.stdout]
    with Store(store_url, PRACTICE, MASTER) as store:
        source = store.source("demo")
        stored = count(store, source)
        assert stored % 50 == 0
        assert stored >= reported[-1]
        with store.reading(source) as tx:
            cursor = book.cursor(tx, "responses")
        assert cursor is not None
        assert cursor.since == response(stored - 1).updated
        assert cursor.since is not None
        assert cursor.since > START
