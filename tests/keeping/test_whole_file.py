"""A store that SQLCipher encrypts as a whole file (S15): the same practice, and nothing readable beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from handrail.plugin_core.errors import HandrailError, KeyProblem, StoreError
from handrail.plugin_core.keeping.backup import restore
from handrail.plugin_core.settings import load
from handrail.plugin_core.store import Store, keys
from handrail.plugin_core.store.database import engine_of
from handrail.plugin_core.store.whole import DRIVER, rekey

from tests.sync.stage import EVEN, Stage, form

from .child import killed_at
from .conftest import fill

# What a sealed store leaves readable, on purpose: words of ours. Six letters or more, as chance makes shorter ones.
READABLE = (b"SQLite format 3", b"CREATE TABLE", b"responses", b"raised", b"practice", b"alembic_version")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A filled practice in an encrypted file."""
    with Stage(tmp_path, store=f"{DRIVER}:///store.db") as made:
        fill(made)
        yield made


def files(stage: Stage) -> dict[str, bytes]:
    """The store's file, its log and what lies beside under its name, without the lock."""
    found = sorted(stage.folder.glob("store.db*"))
    return {one.name: one.read_bytes() for one in found if not one.name.endswith((".lock", ".owner"))}


def test_s15_nothing_is_readable_in_the_file_its_log_or_what_a_restore_leaves(stage: Stage, tmp_path: Path) -> None:
    """Whoever takes the disk learns not even that it is a practice's, or how many forms came on which day."""
    with stage.engine() as engine:
        engine.hold("c2", stage.now.date(), "away", "anna")  # a write that lies in the log while the store is open
        log = (stage.folder / "store.db-wal").read_bytes()
        found = files(stage)
    assert len(log) > 4096, "the test sees a log with pages in it"
    file = stage.folder / "backup.handrail"
    stage.ask(lambda e: e.keeping.backup(file, "anna"))
    restore(load(stage.file), file, "anna", replace=True)
    for name, raw in {**found, **files(stage), file.name: file.read_bytes()}.items():
        assert [word for word in READABLE if word in raw] == [], name
    with Stage(tmp_path / "plain") as plain:
        fill(plain)
        raw = b"".join(files(plain).values())
        assert [word for word in READABLE if word not in raw] == [], "the same words are in a store without it"


def test_it_is_the_same_practice_as_in_a_plain_file(stage: Stage, tmp_path: Path) -> None:
    """Encryption must change what a thief sees, and nothing of what a clinician sees."""
    with Stage(tmp_path / "plain") as plain:
        fill(plain)
        assert stage.seen().differs(plain.seen()).keys() <= {"cursors"}
        assert stage.active() == plain.active()


def test_a_practice_moves_in_and_out_by_its_backup(tmp_path: Path) -> None:
    """The way that docs/keeping.md gives: back up, change the setting, put the backup in its place."""
    with Stage(tmp_path) as stage:
        fill(stage)
        before = stage.seen()
        for number, kind in enumerate((DRIVER, "sqlite")):
            file = stage.folder / f"{number}.handrail"
            with stage.engine() as engine:
                engine.keeping.backup(file, "anna")
            stage.store_url = f"{kind}:///store.db"
            stage.write_settings()
            restore(load(stage.file), file, "anna", replace=True)
            assert stage.seen().differs(before) == {}
            assert ((stage.folder / "store.db").read_bytes()[:6] == b"SQLite") == (kind == "sqlite")


def test_s18_another_key_opens_nothing_and_nothing_is_written(stage: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    """A wrong key must end in a sentence, never in a new or a mended file."""
    reference = load(stage.file).key_reference
    right = keys.read(reference).reveal()
    before = files(stage)
    keys.write(reference, keys.make_master())
    with pytest.raises(KeyProblem, match="does not open with this key"):
        stage.seen()
    assert capfd.readouterr().err == "", "SQLCipher itself keeps still"
    assert files(stage) == before
    keys.write(reference, right)
    assert stage.seen().clients


@pytest.mark.parametrize(("made", "opened"), [("sqlite", DRIVER), (DRIVER, "sqlite")])
def test_a_store_of_the_other_kind_is_refused_untouched(tmp_path: Path, made: str, opened: str) -> None:
    """Somebody edits the setting and expects the file to follow."""
    with Stage(tmp_path, store=f"{made}:///store.db") as stage:
        stage.course("c1", [EVEN])
        stage.sync()
        before = files(stage)
        stage.store_url = f"{opened}:///store.db"
        stage.write_settings()
        with pytest.raises(HandrailError, match="backup"):
            stage.seen()
        assert files(stage)["store.db"] == before["store.db"]


def test_s17_the_practices_key_and_the_master_key_change(stage: Stage) -> None:
    """Someone who knew the key leaves: afterwards the old key opens nothing of the file."""
    before = stage.seen()
    settings = load(stage.file)
    old = keys.master(settings.key_reference)
    assert stage.ask(lambda e: e.keeping.rotate("anna")).resealed > 20
    stage.ask(lambda e: e.keeping.rotate_master("anna"))
    assert stage.seen().differs(before) == {}
    with pytest.raises(KeyProblem):
        Store(settings.store_url, settings.practice, old)
    stage.put(form("after", "c2", stage.now))
    assert stage.sync().counts["new"] == 1


@pytest.mark.parametrize("point", ["master-new-kept", "master-wrapped", "master-file", "master-in-place"])
def test_s17_a_change_of_the_master_key_may_stop_anywhere(stage: Stage, point: str) -> None:
    """File and practice keys go over to the new key one after the other; between them neither key alone opens both."""
    before = stage.seen()
    assert killed_at(stage.file, stage.now, "master", stage.folder / "unused", point)
    assert stage.seen().differs(before) == {}
    stage.ask(lambda e: e.keeping.rotate_master("anna"))
    assert stage.seen().differs(before) == {}


def test_a_process_that_was_open_before_the_change_gets_a_sentence_and_harms_nothing(stage: Stage) -> None:
    """The desk was left running: it must say so, and must not write pages under the old key into the new file."""
    with stage.engine() as open_before:
        open_before.flags()
        stage.ask(lambda e: e.keeping.rotate_master("anna"))
        with pytest.raises(HandrailError):
            open_before.hold("c2", stage.now.date(), "away", "anna")
    seen = stage.seen()
    assert seen.clients
    assert stage.ask(lambda e: e.keeping.check_trail().problems) == ()


def test_encrypting_anew_is_asked_twice(stage: Stage) -> None:
    """Whoever finishes a stopped change does not know how far it came."""
    settings = load(stage.file)
    old, new = keys.master(settings.key_reference), bytes(range(32))
    for _ in range(2):
        rekey(settings.store_path, old, new)
    engine = engine_of(settings.store_url, new)
    with engine.connect() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM responses").scalar_one() > 5
    engine.dispose()
    rekey(settings.store_path, new, old)
    assert stage.seen().clients


def test_without_the_driver_the_sentence_names_the_extra(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting is copied to a computer that has only the base install."""
    for name in ("sqlcipher3", "sqlcipher3.dbapi2", "pysqlcipher3", "pysqlcipher3.dbapi2"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(StoreError, match=r"handrail\[sqlcipher\]"):
        stage.seen()
