"""Opening the store, and what lies in it at rest: sealed, for its owner only, never half of a newer or foreign one."""

from __future__ import annotations

import os
import sqlite3
import stat
import traceback
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.errors import KeyProblem, SealBroken, StoreError
from handrail.plugin_core.store import Store, Tx, book, courses, flags, forms, notes, outgoing
from handrail.plugin_core.store.tables import metadata
from handrail.schemas.records import Acknowledgement, Client, Cursor, Hold, Quarantined
from handrail.schemas.vocab import QuarantineReason, RemoteState
from sqlalchemy import create_engine, event, select, text, update

from .samples import (
    CANARY,
    MASTER,
    PRACTICE,
    START,
    bytes_of,
    client_of,
    everything,
    key_of,
    raise_flag,
    response,
    save,
)


def fill(store: Store, source: int) -> None:
    """One of everything that knows something of a person, with the canary in it."""
    save(store, source, [response(0), response(1, client=f"Patient/{CANARY}-2")])
    raise_flag(store, source, "f" * 32, ["flag", "task"])
    one = client_of(store, source)

    def work(tx: Tx) -> None:
        forms.save_clients(tx, {one: Client(f"Patient/{CANARY}-1", f"Ms {CANARY}", f"Dr {CANARY}")}, date(2026, 3, 2))
        flags.acknowledge(tx, Acknowledgement("f" * 32, START, f"Dr {CANARY}", f"asked about {CANARY}", "yes"))
        flags.add_hold(tx, Hold(one, date(2026, 3, 2), date(2026, 4, 2), f"away to {CANARY}", f"Dr {CANARY}"))
        notes.add(tx, notes.Note("d" * 32, one, START, f"Dr {CANARY}", f"talked of {CANARY}"))
        aside = Quarantined(f"{CANARY}-9", QuarantineReason.SHAPE, "item[3]", "is missing", f"form {CANARY}", "1")
        forms.set_aside(tx, {"a" * 32: aside})
        outgoing.sent(tx, outgoing.pending(tx, 1, 0)[0], f"Flag/{CANARY}", "3")
        forms.deactivate(tx, [key_of(store, source, response(1))], "entered-in-error")
        book.set_cursor(tx, Cursor("responses", START))
        book.record(tx, "handrail", "flag-shown-on-platform", "f" * 32, "flag")

    store.write(work, source)


def test_what_was_stored_is_read_back_as_it_was(store: Store, source: int) -> None:
    """The plain case on both databases; all else here is about what goes wrong."""
    fill(store, source)
    one = client_of(store, source)
    with store.reading(source) as tx:
        ((instrument, version, form),) = courses.forms_of(tx, [one])[one]
        assert (instrument, version, form.authored, dict(form.answers)) == ("gr18", "1", START, {"G1": 3, "G2": 1})
        assert form.scores["growth"].value == 3.0
        person = forms.read_clients(tx)[one]
        assert (person.ref, person.name, person.clinician) == (f"Patient/{CANARY}-1", f"Ms {CANARY}", f"Dr {CANARY}")
        ((flag, kind),) = flags.read(tx)
        assert (flag.state, flag.evidence.reason, kind) == ("acknowledged", f"because {CANARY}", "prompt")
        assert flags.acknowledged(tx, [flag.key])[flag.key][0].note == f"asked about {CANARY}"
        assert flags.holds_of(tx, [one])[one][0].reason == f"away to {CANARY}"
        assert forms.in_quarantine(tx)[0].remote_id == f"{CANARY}-9"
        assert forms.remote_ids(tx, [key_of(store, source, response(0))]) == {
            key_of(store, source, response(0)): f"{CANARY}-form-0"
        }


def test_s15_no_canary_in_any_column(store: Store, source: int) -> None:
    """Whoever copies the database must find no name, reference, id, note or reason in it."""
    fill(store, source)
    found = everything(store)
    assert all(found[name] for name in (*SEALED, "history")), "nothing was looked at"
    for name, rows in found.items():
        for row in rows:
            for column, value in row.items():
                raw = value if isinstance(value, bytes) else str(value).encode()
                assert CANARY.encode() not in raw, f"{name}.{column} holds a canary in clear"
                assert b'"G1"' not in raw, f"{name}.{column} holds answers in clear"


def test_s15_no_canary_in_the_file_the_log_or_the_journal(tmp_path: Path) -> None:
    """As the files lie on the disk: while the store is open, with its write-ahead log, and after."""
    with Store(f"sqlite:///{tmp_path}/s/h.db", PRACTICE, MASTER, create=True) as store:
        source = store.source("demo")
        fill(store, source)
        assert (tmp_path / "s" / "h.db-wal").stat().st_size > 0
        raw = bytes_of(tmp_path)
        assert CANARY.encode() not in raw
        assert b'"G1"' not in raw
        assert b"flag-shown-on-platform" in raw, "the search itself must find what is readable"
    assert CANARY.encode() not in bytes_of(tmp_path)
    assert not (tmp_path / "s" / "h.db-wal").exists()


def test_f80_the_log_does_not_grow_beside_a_desk_that_is_open_all_day(tmp_path: Path) -> None:
    """While another program has the store open, SQLite does not fold the log in at the end of a sync by itself: it
    would grow by every sync, fill the disk, and each look would go through all of it."""
    address = f"sqlite:///{tmp_path}/h.db"
    sizes = []
    with Store(address, PRACTICE, MASTER, create=True) as desk:
        source = desk.source("demo")
        for number in range(6):
            with Store(address, PRACTICE, MASTER) as store:
                save(store, source, [response(number)])
            with desk.reading(source) as tx:
                assert forms.counts(tx)["responses"] == number + 1
            sizes.append((tmp_path / "h.db-wal").stat().st_size)
    assert sizes[0] > 0
    assert sizes == sizes[:1] * 6


SEALED: dict[str, Callable[[Tx, str], object]] = {
    "responses": lambda tx, one: courses.forms_of(tx, [one, client_of_two(tx)]),
    "clients": lambda tx, one: forms.read_clients(tx),
    "quarantine": lambda tx, one: forms.in_quarantine(tx),
    "flags": lambda tx, one: flags.read(tx),
    "deliveries": lambda tx, one: outgoing.pending(tx, 9, 0),
    "acknowledgements": lambda tx, one: flags.acknowledged(tx, ["f" * 32]),
    "holds": lambda tx, one: flags.holds_of(tx, [one]),
    "notes": lambda tx, one: notes.of_clients(tx, [one]),
}


def client_of_two(tx: Tx) -> str:
    return tx.sealer.hash("client", str(tx.source), f"Patient/{CANARY}-2")


def double(store: Store, source: int) -> None:
    """Two rows in every sealed table, as near to each other as they can be."""
    save(store, source, [response(0), response(1), response(2, client=f"Patient/{CANARY}-2")])
    raise_flag(store, source, "f" * 32, ["flag", "task"])
    raise_flag(store, source, "e" * 32, ["flag"])
    one = client_of(store, source)

    def work(tx: Tx) -> None:
        for day in (1, 2):
            flags.acknowledge(tx, Acknowledgement("f" * 32, START.replace(day=day), "Dr A", f"note {day}"))
            notes.add(tx, notes.Note(str(day) * 32, one, START.replace(day=day), "Dr A", f"note {day}"))
            flags.add_hold(tx, Hold(one, date(2026, 3, day), date(2026, 4, 2), f"reason {day}", "Dr A"))
            aside = Quarantined(f"remote-{day}", QuarantineReason.SHAPE, "item", "is missing")
            forms.set_aside(tx, {str(day) * 32: aside})
        for item in outgoing.pending(tx, 9, 0):
            outgoing.sent(tx, item, f"{item.carrier}/{item.flag[0]}", "1")
        outgoing.want(tx, {"f" * 32: RemoteState.RETRACTED, "e" * 32: RemoteState.RETRACTED}, [])

    store.write(work, source)


@pytest.mark.parametrize("name", SEALED)
def test_s16_two_swapped_values_are_noticed_and_the_row_is_named(store: Store, source: int, name: str) -> None:
    """Swapping answers, notes or remote ids of two rows by plain SQL must not pass as one's own."""
    double(store, source)
    table = metadata.tables[name]
    with store.engine.connect() as conn:
        last_first = [column.desc() for column in table.primary_key]  # the last two deliveries are of one flag
        first, second = conn.execute(select(table).order_by(*last_first).limit(2)).all()
    _set_sealed(store, name, first, second.sealed)
    _set_sealed(store, name, second, first.sealed)
    with store.reading(source) as tx, pytest.raises(SealBroken) as caught:
        SEALED[name](tx, client_of(store, source))
    assert f"{name}:{source}:" in str(caught.value)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("name", SEALED)
def test_s16_an_edited_value_is_noticed(store: Store, source: int, name: str) -> None:
    """One bit of one byte, by plain SQL."""
    double(store, source)
    table = metadata.tables[name]
    with store.engine.connect() as conn:
        first = conn.execute(select(table).order_by(*table.primary_key).limit(1)).one()
    edited = bytearray(first.sealed)
    edited[-1] ^= 1
    _set_sealed(store, name, first, bytes(edited))
    with store.reading(source) as tx, pytest.raises(SealBroken, match=f"{name}:{source}:"):
        SEALED[name](tx, client_of(store, source))


def _set_sealed(store: Store, name: str, row: Any, sealed: bytes) -> None:
    table = metadata.tables[name]
    where = [column == getattr(row, column.name) for column in table.primary_key]
    with store.engine.connect().execution_options(handrail_write=True) as conn, conn.begin():
        conn.execute(update(table).where(*where).values(sealed=sealed))


def test_s18_the_wrong_key_opens_nothing_and_writes_nothing(store_url: str) -> None:
    """Nothing is "repaired" when the key is lost: the right one, put back later, must find all as it was."""
    with Store(store_url, PRACTICE, MASTER, create=True) as store:
        fill(store, store.source("demo"))
        before = everything(store)
    for create in (False, True):
        with pytest.raises(KeyProblem, match=r"Nothing was written.*right key"):
            Store(store_url, PRACTICE, bytes(32), create=create)
    with Store(store_url, PRACTICE, MASTER) as store:
        assert everything(store) == before


def test_s18_a_key_row_swapped_for_another_practices_is_noticed(store_url: str) -> None:
    """Two practices in one database: a swapped key would seal one's data with the other's key."""
    for name in ("one", "two"):
        Store(store_url, name, MASTER, create=True).close()
    with Store(store_url, "one", MASTER) as store:
        keys = metadata.tables["keys"]
        with store.engine.connect() as conn:
            other = conn.execute(select(keys.c.wrapped).where(keys.c.practice == "two")).scalar_one()
        with store.engine.connect().execution_options(handrail_write=True) as conn, conn.begin():
            conn.execute(update(keys).where(keys.c.practice == "one").values(wrapped=other))
    with pytest.raises(KeyProblem):
        Store(store_url, "one", MASTER)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's; Windows keeps an ACL instead")
def test_s19_all_that_is_made_is_for_its_owner_only(tmp_path: Path) -> None:
    """With a umask that hides nothing; folders 0700, files 0600, logs and lock files included."""
    from handrail.plugin_core.sync.lock import exclusive

    old = os.umask(0)
    try:
        address = f"sqlite:///{tmp_path}/a/b/h.db"
        with Store(address, PRACTICE, MASTER, create=True) as store, exclusive(store, "syncing"):
            fill(store, store.source("demo"))
            found = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*")}
    finally:
        os.umask(old)
    assert found.keys() == {"a", "b", "h.db", "h.db-wal", "h.db-shm", "h.db.lock", "h.db.owner"}
    assert {name: oct(mode) for name, mode in found.items() if mode != (0o700 if name in "ab" else 0o600)} == {}


def test_s20_what_is_not_needed_is_not_kept(store: Store, source: int) -> None:
    """A client's own name is kept only when the platform gives clients; forms bring none into the store."""
    save(store, source, [response(0)])
    with store.reading(source) as tx:
        assert forms.read_clients(tx)[client_of(store, source)].name is None


def test_f79_a_store_of_a_newer_version_is_left_alone(store_url: str) -> None:
    """An old program must not write into what it does not understand."""
    with Store(store_url, PRACTICE, MASTER, create=True) as store:
        with store.engine.connect().execution_options(handrail_write=True) as conn, conn.begin():
            conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        before = everything(store)
    for create in (False, True):
        with pytest.raises(StoreError, match=r"newer Handrail \(store version 9999.*Nothing was changed"):
            Store(store_url, PRACTICE, MASTER, create=create)
    with pytest.raises(StoreError):
        Store(store_url, "another", MASTER, create=True)
    store = Store.__new__(Store)
    store.engine = create_engine(store_url).execution_options()
    assert everything(store) == before
    store.engine.dispose()


def test_a_store_that_is_not_there_is_said_with_the_next_step(tmp_path: Path) -> None:
    """And nothing is made by looking."""
    with pytest.raises(StoreError, match=r"no store at .*h\.db.*handrail init"):
        Store(f"sqlite:///{tmp_path}/h.db", PRACTICE, MASTER)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_database_and_an_unknown_practice_are_said(store_url: str) -> None:
    """Both are a wrong setting more often than a loss."""
    if store_url.startswith("postgresql"):
        with pytest.raises(StoreError, match="no Handrail store in this database"):
            Store(store_url, PRACTICE, MASTER)
    Store(store_url, PRACTICE, MASTER, create=True).close()
    with pytest.raises(StoreError, match=r"no practice 'elsewhere'.*handrail init"):
        Store(store_url, "elsewhere", MASTER)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("no address", "not the address of a database"),
        ("postgresql+nonsense://h/n", "not the address of a database"),
        ("postgresql+pg8000://h/n", r"handrail\[postgres\]"),
        ("postgresql+psycopg://zebrafinch:zebrafinch@127.0.0.1:1/n", "cannot be reached"),
    ],
)
def test_a_wrong_address_is_one_plain_sentence(url: str, says: str) -> None:
    """And never repeats the address, which may hold a password."""
    with pytest.raises(StoreError, match=says) as caught:
        Store(url, PRACTICE, MASTER, create=True)
    assert CANARY not in str(caught.value)


def test_a_wrong_user_is_not_called_unreachable(postgres: Any) -> None:
    """Trying again later would not help."""
    wrong = postgres.new_database().replace("app@", "nobody@")
    with pytest.raises(StoreError, match="does not let Handrail in"):
        Store(wrong, PRACTICE, MASTER, create=True)


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    """Half a file after a broken copy: restoring the backup is what helps."""
    path = tmp_path / "h.db"
    path.write_bytes(b"SQLite format 2\x00" + bytes(4000))
    with pytest.raises(StoreError, match="damaged"):
        Store(f"sqlite:///{path}", PRACTICE, MASTER)


def _duplicate(tx: Tx) -> None:
    row = {"id": CANARY, "created_ms": 0, "sealed": CANARY.encode()}
    for _ in range(2):
        tx.conn.execute(metadata.tables["practices"].insert().values(**row))


def _missing(tx: Tx) -> None:
    tx.conn.execute(metadata.tables["clients"].insert().values(source=1, key=CANARY, dirty=True, sealed=None))


def _wrong_type(tx: Tx) -> None:
    tx.conn.execute(text(f"INSERT INTO runs (source, started_ms, outcome, report) VALUES (1, '{CANARY}', '', NULL)"))


@pytest.mark.parametrize("fault", [_duplicate, _missing, _wrong_type])
def test_s24_an_error_of_the_database_shows_no_row(store: Store, fault: Callable[[Tx], None]) -> None:
    """The server quotes rows in its messages ("Key (id)=(...)", "Failing row contains ..."): none may get out."""
    with pytest.raises(StoreError) as caught:
        store.write(fault)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(caught.value.detail)
    assert CANARY not in shown
    assert everything(store)["practices"][0]["id"] == PRACTICE


def test_the_same_clients_of_two_platforms_are_kept_apart(store: Store) -> None:
    """F66: two sources may use the same ids."""
    one, two = store.source("fhir"), store.source("demo")
    assert one != two
    assert store.source("fhir") == one
    save(store, one, [response(0, answer=1)])
    save(store, two, [response(0, answer=4)])
    for source, answer in ((one, 1), (two, 4)):
        with store.reading(source) as tx:
            key = client_of(store, source)
            assert [f.answers["G1"] for _, _, f in courses.forms_of(tx, [key])[key]] == [answer]


def test_f14_the_fingerprint_of_the_server_is_kept(store: Store) -> None:
    """So that another or an emptied server behind the same address is seen."""
    source = store.source("demo")
    assert store.fingerprint(source) is None
    store.set_fingerprint(source, "abc")
    assert store.fingerprint(source) == "abc"


def test_closing_never_hides_why(store_url: str) -> None:
    """A reading that broke off in the middle leaves its cursor open; closing after it must let the first fault out."""
    store = Store(store_url, PRACTICE, MASTER, create=True)
    source = store.source("demo")
    double(store, source)
    with store.engine.connect().execution_options(handrail_write=True) as conn, conn.begin():
        conn.execute(update(metadata.tables["flags"]).values(sealed=b"edited"))
    with pytest.raises(SealBroken), store, store.reading(source) as tx:
        flags.read(tx)


def test_a_read_only_store_is_said(tmp_path: Path) -> None:
    """A restored backup often lies on a read-only disk."""
    with Store(f"sqlite:///{tmp_path}/h.db", PRACTICE, MASTER, create=True) as store:
        event.listen(store.engine, "connect", lambda conn, _: conn.execute("PRAGMA query_only = ON"))
        store.engine.dispose()
        with pytest.raises(StoreError, match="read-only"):
            store.source("demo")


def test_sqlite_is_set_for_power_loss(tmp_path: Path) -> None:
    """F70: write-ahead log with a full sync at each commit, and no temporary file in a shared folder (S19)."""
    with Store(f"sqlite:///{tmp_path}/h.db", PRACTICE, MASTER, create=True) as store, store.engine.connect() as conn:
        pragmas = {name: conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in _PRAGMAS}
    assert pragmas == _PRAGMAS
    with closing(sqlite3.connect(tmp_path / "h.db")) as plain, plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    plain.close()


_PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "temp_store": 2}
