"""A store that another program holds, or that was replaced under the running desk: told in seconds, nothing is lost."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import keyring
import pytest
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.errors import StoreError
from handrail.plugin_core.keeping.backup import restore
from handrail.plugin_core.keeping.rotation import open_with, rotate, rotate_master
from handrail.plugin_core.store import Store, accounts, flags, keys
from handrail.plugin_core.web import desk as desks
from handrail.plugin_core.web.desk import Desk
from sqlalchemy import text

from ..core.test_keys import Memory, use
from .people import Browser, Clock, House
from .test_api import Program

SHORT = 0.3
Open = Callable[..., House]


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another program that holds SQLite's place to write until the block ends."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


# --- held ------------------------------------------------------------------------------------------------------------


def test_f72_a_store_that_is_held_is_told_after_seconds(open_house: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sits before a white page for most of a minute while a backup runs. A view cannot go into the audit trail
    then, so it is not shown; browsers and programs are told when to try again, and then it is there."""
    monkeypatch.setattr(desks, "PATIENCE", SHORT)
    house = open_house()
    anna, program = house.browser("supervisor"), Program(house, "clients")
    assert (anna.get("/clients").status_code, program.get("/clients").status_code) == (200, 200)
    for ask, path, kind in (
        (anna.get, "/clients", "text/html"),
        (program.get, "/clients", "application/problem+json"),
    ):
        with held(house.desk.settings.store_path):
            begun = time.monotonic()
            answer = ask(path)
            took = time.monotonic() - begun
        assert (answer.status_code, answer.mimetype) == (503, kind)
        assert "Another program holds the store" in answer.text
        assert answer.headers["Retry-After"] == "5"
        assert SHORT * 0.5 < took < 10, "the commands' patience is some fifty seconds"
    assert anna.get("/clients").status_code == 200


def test_the_desks_patience_is_not_the_syncs(open_house: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync at night waits for the backup to end instead of failing after three seconds."""
    monkeypatch.setattr(desks, "PATIENCE", SHORT)
    house = open_house()
    with Engine(house.desk.settings, now=house.clock) as engine, engine.store.engine.connect() as conn:
        assert conn.exec_driver_sql("PRAGMA busy_timeout").scalar() == 10_000
    assert house.ask(lambda e: _timeout(e.store)) == round(SHORT * 1000)


def _timeout(store: Store) -> int:
    with store.reading() as tx:
        return int(tx.conn.exec_driver_sql("PRAGMA busy_timeout").scalar_one())


# --- replaced where there is no file to notice ------------------------------------------------------------------------


@pytest.fixture
def served(open_house: Open, postgres: Any, tmp_path: Path) -> Iterator[House]:
    """A desk on PostgreSQL with the same year of answers, put there by a backup; `tmp_path / "b"` is that backup."""
    house = open_house()
    house.account("supervisor")
    house.ask(lambda e: e.keeping.backup(tmp_path / "b", "boss"))
    settings = replace(house.desk.settings, store=postgres.new_database())
    restore(settings, tmp_path / "b", "boss", replace=False)
    desk = Desk(settings, now=Clock())
    yield House(desk, house.clock)
    desk.close()


def signed_in(house: House) -> Browser:
    """A browser of the account that the backup has."""
    found = Browser(house.app.test_client())
    assert found.sign_in().status_code == 303
    return found


@pytest.mark.peer("postgres")
def test_a_restore_under_a_running_desk_on_postgresql(served: House, tmp_path: Path) -> None:
    """The practice's key was changed, then the backup of the day before put back: what the desk went on sealing with
    the new key, which is gone, could never be opened again by anybody."""
    browser, settings = signed_in(served), served.desk.settings
    assert browser.get("/clients").status_code == 200
    with served.desk.engine() as engine:
        engine.keeping.rotate("boss")
    assert browser.get("/clients").status_code == 200, "a new key alone is learned"
    late = served.account("clinician", login="late")
    with served.desk.engine() as busy:  # a request that is under way while it happens
        restore(settings, tmp_path / "b", "boss", replace=True)
        with pytest.raises(StoreError, match="Load the page again"):
            busy.hold(next(iter(served.clients_of())), date(2026, 6, 1), "away", "anna")
    again = signed_in(served)
    client = next(iter(served.clients_of()))
    held_now = again.send(again.get(f"/client/{client}"), "/hold", {"reason": "away", "until": "2026-06-01"})
    assert held_now.status_code == 303
    with open_with(settings) as store, store.reading(served.ask(lambda e: e.source)) as tx:
        assert accounts.read(tx, late.key) is None
        assert flags.holds_of(tx, [client])[client][-1].reason == "away", "it opens with the keys that there are"


@pytest.mark.peer("postgres")
def test_a_restore_of_the_same_keys_is_noticed_too(served: House, tmp_path: Path) -> None:
    """The list of clients is kept in memory: it would show who came after the backup until somebody restarts."""
    signed_in(served)
    kept = served.desk.caseload
    restore(served.desk.settings, tmp_path / "b", "boss", replace=True)
    assert signed_in(served).get("/clients").status_code == 200
    assert served.desk.caseload is not kept


@pytest.mark.peer("postgres")
def test_f72_a_table_that_is_locked_on_postgresql_is_told_after_seconds(
    served: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server would let the page wait for ever."""
    monkeypatch.setattr(desks, "PATIENCE", SHORT)
    served.desk.close()
    browser = signed_in(served)
    with open_with(served.desk.settings) as other, other.engine.connect() as conn:
        conn.execute(text("LOCK TABLE audit IN EXCLUSIVE MODE"))
        answer = browser.get("/clients")
    assert answer.status_code == 503
    assert "Another program holds the store" in answer.text


def test_a_new_master_key_in_the_keyring_is_noticed(open_house: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file tells of it. The next new key of the practice could not be opened with the old one, and the desk would
    answer with a fault until somebody restarts it."""
    ring = Memory()
    use(monkeypatch, ring)
    monkeypatch.setattr(keyring, "delete_password", ring.delete_password)
    house = open_house()
    settings = replace(house.desk.settings, key="keyring:test")
    keys.write("keyring:test", keys.read(house.desk.settings.key_reference).reveal())
    desk = Desk(settings, now=house.clock)
    try:
        other = House(desk, house.clock)
        browser = other.browser("supervisor")
        assert browser.get("/clients").status_code == 200
        with open_with(settings) as store:
            rotate_master(store, settings)
        with open_with(settings) as store:
            rotate(store, settings, lambda *_: None)
        assert browser.get("/clients").status_code == 200
    finally:
        desk.close()
