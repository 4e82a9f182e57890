"""F70: what a power cut may take back. SQLite does not wait for the disk with each page: the end of its log is lost.

The disk of these tests keeps the log up to the last write that waited, the worst that `synchronous=NORMAL` allows.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from handrail.adapters.transport import Transport
from handrail.plugin_core import hookimpl
from handrail.plugin_core.collecting.entry import Entry
from handrail.plugin_core.contracts import HookContext, Page
from handrail.plugin_core.mapping import FormReader
from handrail.plugin_core.store import Store, entries
from handrail.plugin_core.sync import beside, points
from handrail.plugin_core.sync.ingest import Ingest

from tests.mailbox import Mailbox

from .stage import LEANING, Stage, gr18, second_act, small_practice

TABLES = ("responses", "history", "clients", "flags", "deliveries", "notices", "cursors", "audit")
WHAT = {"notices": "state, attempts", "deliveries": "wanted, state, attempts", "flags": "state, shown"}


class PowerCut(Exception):
    """The plug is pulled."""


class Disk:
    """The disk under the store of a practice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = 0
        self.right = Store.write

    def _log(self) -> Path:
        return self.folder / "store.db-wal"

    def _size(self) -> int:
        return self._log().stat().st_size if self._log().exists() else 0

    def write(self, store: Store, work: Any, source: int = 0, *, again: bool = False) -> Any:
        """In place of `Store.write`: notes how far the log is waited for."""
        before = self._size()
        done = self.right(store, work, source, again=again)
        if not again and self._size() != before:  # a transaction that changed nothing waits for nothing
            self.kept = self._size()
        return done

    def copy(self, there: Path, *, cut: bool) -> Path:
        """The store as it is there after a power cut at this moment, or as it is now."""
        there.mkdir(exist_ok=True)
        shutil.copy(self.folder / "store.db", there / "store.db")
        if self._log().exists():
            log = self._log().read_bytes()
            (there / "store.db-wal").write_bytes(log[: self.kept] if cut else log)
        return there / "store.db"

    def at_risk(self, folder: Path) -> list[str]:
        """Tables of which a power cut at this moment would take something back."""
        now, left = (rows(self.copy(folder / name, cut=name == "left")) for name in ("now", "left"))
        for name in ("now", "left"):
            shutil.rmtree(folder / name)
        return [table for table in TABLES if now[table] != left[table]]


def rows(file: Path) -> dict[str, list[Any]]:
    """What stands in a store, without what is sealed."""
    with closing(sqlite3.connect(file)) as conn, conn:
        found = {
            table: sorted(conn.execute(f"SELECT rowid, {WHAT.get(table, '1')} FROM {table}").fetchall())
            for table in TABLES
        }
    conn.close()
    return found


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A small practice with a safety answer, six forms a page, worked on by one process."""
    monkeypatch.setattr(beside, "possible", lambda: False)
    with Stage(tmp_path / "practice", page_size=6) as made:
        small_practice(made)
        yield made


@pytest.fixture
def disk(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Its disk."""
    made = Disk(stage.folder)
    monkeypatch.setattr(Store, "write", lambda *args, **more: made.write(*args, **more))
    return made


class Vendor:
    """A plugin that passes on what it is told."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self.told = told

    @hookimpl
    def responses_stored(self, responses: Any, context: Any) -> None:
        self.told("a plugin of forms")

    @hookimpl
    def flags_changed(self, flags: Any, context: Any) -> None:
        self.told("a plugin of flags")


@pytest.mark.parametrize("listens", [True, False], ids=["a plugin listens", "no plugin"])
def test_f70_nothing_that_was_told_is_taken_back(
    stage: Stage, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listens: bool
) -> None:
    """A letter, a prompt in a chart, a vendor's own record of it: each rests on what the store holds for good. Else the
    store forgets what others act on."""
    told: dict[str, set[str]] = {}

    def tell(what: str) -> None:
        told.setdefault(what, set()).update(disk.at_risk(tmp_path))

    taken, sent = Mailbox.handle_DATA, Transport.exchange

    async def letter(self: Mailbox, server: Any, session: Any, envelope: Any) -> str:
        tell("a letter")
        return await taken(self, server, session, envelope)

    def exchange(self: Transport, method: str, url: str, **more: Any) -> Any:
        if method != "GET":
            tell("the platform")
        return sent(self, method, url, **more)

    monkeypatch.setattr(Mailbox, "handle_DATA", letter)
    monkeypatch.setattr(Transport, "exchange", exchange)
    if listens:
        stage.plugins = [("vendor", Vendor(tell))]
    for act in (lambda _: None, second_act):
        act(stage)
        stage.sync()
    plugins = {"a plugin of forms", "a plugin of flags"} if listens else set()
    assert set(told) == {"a letter", "the platform"} | plugins
    assert not any(told.values()), told


@pytest.mark.parametrize(
    ("point", "hit"),
    [("page-after-commit", 5), ("clients-after-commit", 1), ("rules-after-commit", 1), ("push-after-send", 2)],
)
def test_f70_what_is_taken_back_is_done_again(
    stage: Stage, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, hit: int
) -> None:
    """The cursor, the marks for the rules and what is to be sent are lost with what they stand for, or not at all."""
    with Stage(tmp_path / "undisturbed", page_size=6) as calm:
        small_practice(calm)
        calm.sync()
        right, shown = calm.seen(), calm.shown()
    left = [hit]

    def cut(reached: str) -> None:
        left[0] -= reached == point
        if not left[0]:
            disk.copy(tmp_path / "left", cut=True)
            raise PowerCut

    monkeypatch.setattr(points, "listeners", [cut])
    with pytest.raises(PowerCut):
        stage.sync()
    monkeypatch.setattr(points, "listeners", [])
    for file in stage.folder.glob("store.db*"):
        if file.suffix != ".lock":
            file.unlink()
    for file in (tmp_path / "left").iterdir():
        shutil.copy(file, stage.folder / file.name)
    stage.sync()
    assert stage.seen().differs(right) == {}
    assert stage.shown() == shown


def test_f70_a_form_that_staff_typed_in_is_kept(stage: Stage, disk: Disk, tmp_path: Path) -> None:
    """It is nowhere else: no next run pulls it again, and the sheet of paper is gone by then. The same way come answers
    that clients give on the practice's own page."""
    stage.sync()
    disk.kept = 0
    with stage.engine() as engine:
        entry = Entry(engine)
        entry.store(entry.sheet("gr18", "c1"), stage.now.date(), gr18(LEANING), "staff-1")
        disk.copy(tmp_path / "left", cut=True)
    for file in (tmp_path / "left").iterdir():
        shutil.copy(file, stage.folder / file.name)
    assert [row[0] for row in stage.seen().responses if entries.is_entry(row[0])]


def test_f70_what_an_adapter_says_only_once_is_kept(stage: Stage, disk: Disk, tmp_path: Path) -> None:
    """A file that was taken out of the folder is told of once: its answers would count for ever."""
    stage.sync()
    gone = stage.seen().active()[0]
    disk.kept = 0
    with stage.engine() as engine:
        context = HookContext("practice", "fhir", stage.now)
        ingest = Ingest(engine.store, engine.source, engine.registry, FormReader(engine.mappings()), context)
        ingest.page(Page((), gone=[gone]))
        disk.copy(tmp_path / "left", cut=True)
    for file in (tmp_path / "left").iterdir():
        shutil.copy(file, stage.folder / file.name)
    assert gone not in stage.seen().active()
