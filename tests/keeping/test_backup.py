"""Backups (S15, S18, S22, F78): whole or not at all, opened by the key alone, and what comes back is what was there."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.errors import HandrailError, KeyProblem, UsageError
from handrail.plugin_core.keeping.backup import read, restore
from handrail.plugin_core.settings import load
from handrail.plugin_core.store import keys
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from tests.peers.servers import Postgres
from tests.sync.stage import Stage, form

from .child import killed_at
from .conftest import fill


def written(stage: Stage, name: str = "backup.handrail") -> Path:
    """A backup of the stage's store."""
    file = stage.folder / name
    stage.ask(lambda e: e.keeping.backup(file, "anna"))
    return file


def put_back(stage: Stage, file: Path, *, replace: bool = True) -> Any:
    """As `handrail restore` does it."""
    return restore(load(stage.file), file, "anna", replace=replace)


def test_f78_a_backup_brings_everything_back_and_the_next_sync_catches_up(stage: Stage) -> None:
    """A disk dies. What was there last week comes back, what came since is pulled, nothing is pushed twice."""
    file = written(stage)
    then = stage.seen()
    stage.later(days=1)
    stage.put(form("later", "c2", stage.now))
    stage.sync()
    now, shown = stage.seen(), stage.shown()
    contents = put_back(stage, file)
    assert contents.rows["responses"] == len(then.responses)
    assert stage.seen().differs(then) == {}
    stage.sync()
    assert stage.seen().differs(now).keys() <= {"cursors"}
    assert stage.shown() == shown


def test_s22_no_canary_is_in_the_file(stage: Stage) -> None:
    """The backup lies on a stick in a drawer."""
    raw = written(stage).read_bytes()
    for canary in (b"c1-3", b"Invented", b"bereavement", b"Patient/", b"responses", b"gr18", b"anna"):
        assert canary not in raw, canary


@pytest.mark.skipif(os.name != "posix", reason="NOT RUN: modes are POSIX")
def test_s19_only_its_owner_can_read_it(stage: Stage) -> None:
    """Whatever the umask allows."""
    old = os.umask(0)
    try:
        file = written(stage)
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_backup_is_never_written_over(stage: Stage) -> None:
    """The only good one is lost to a slip."""
    file = written(stage)
    kept = file.read_bytes()
    with pytest.raises(UsageError, match="no backup is written over"):
        written(stage)
    assert file.read_bytes() == kept


def test_s18_another_key_opens_nothing_and_nothing_is_touched(stage: Stage) -> None:
    """The wrong key must not end in an empty store."""
    file = written(stage)
    before = stage.seen()
    reference = load(stage.file).key_reference
    right = keys.read(reference).reveal()
    keys.write(reference, keys.make_master())
    with pytest.raises(KeyProblem, match="Nothing was restored"):
        put_back(stage, file)
    keys.write(reference, right)
    assert stage.seen().differs(before) == {}


def test_a_store_that_is_there_is_replaced_only_when_told(stage: Stage) -> None:
    """A restore in the wrong window would throw a week away."""
    file = written(stage)
    with pytest.raises(UsageError, match="--replace"):
        put_back(stage, file, replace=False)
    put_back(stage, file)
    if stage.store_url.startswith("sqlite"):
        assert list(stage.folder.glob("store.db.before-restore-1")), "the old file stays beside"


def test_a_backup_of_another_practice_is_refused(stage: Stage) -> None:
    """Two practices on one computer."""
    file = written(stage)
    other = load(stage.file)
    object.__setattr__(other, "practice", "south-road")
    with pytest.raises(UsageError, match=r"'practice'.*'south-road'"):
        restore(other, file, "anna", replace=True)


@pytest.mark.parametrize("what", ["cut", "edited", "swapped", "longer", "empty", "text"])
def test_s16_a_damaged_backup_is_refused_as_a_whole(stage: Stage, what: str) -> None:
    """Half a practice that looks like a whole one."""
    file = written(stage)
    raw = file.read_bytes()
    middle = len(raw) // 2
    changed = {
        "cut": raw[: len(raw) - 30],
        "edited": raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :],
        "swapped": raw[:34] + raw[middle:] + raw[34:middle],
        "longer": raw + b"\x00\x00\x00\x01x",
        "empty": b"",
        "text": b"client,score\n",
    }[what]
    file.write_bytes(changed)
    before = stage.seen()
    with pytest.raises(HandrailError) as told:
        put_back(stage, file)
    assert str(file) in told.value.message
    assert stage.seen().differs(before) == {}


@pytest.mark.parametrize("point", ["restore-filled", "restore-old-moved"])
def test_a_restore_that_is_killed_can_be_given_again(stage: Stage, point: str) -> None:
    """Power goes while the store is being replaced."""
    if not stage.store_url.startswith("sqlite"):
        pytest.skip("NOT RUN: on PostgreSQL a restore is one transaction and has no such steps")
    file = written(stage)
    before = stage.seen()
    assert killed_at(stage.file, stage.now, "restore", file, point)
    put_back(stage, file)
    assert stage.seen().differs(before) == {}


def test_a_backup_that_is_killed_leaves_no_file_that_looks_whole(stage: Stage) -> None:
    """A half backup is found on the day it is needed."""
    file = stage.folder / "backup.handrail"
    assert killed_at(stage.file, stage.now, "backup", file, "backup-written")
    assert not file.exists()
    written(stage)


def test_from_a_file_into_a_server_and_back(tmp_path: Path, postgres: Postgres) -> None:
    """A practice grows: its laptop's store moves to a server, without losing a day."""
    with Stage(tmp_path) as stage:
        fill(stage)
        before = stage.seen()
        file = written(stage)
        stage.store_url = postgres.new_database()
        stage.write_settings()
        put_back(stage, file)
        assert stage.seen().differs(before) == {}
        stage.put(form("on-the-server", "c2", stage.now))
        assert stage.sync().counts["new"] == 1
        grown = stage.seen()
        back = written(stage, "back.handrail")
        stage.store_url = "sqlite:///again.db"
        stage.write_settings()
        put_back(stage, back, replace=False)
        assert stage.seen().differs(grown) == {}


@pytest.fixture(scope="module")
def one_backup(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes, Path]:
    """(the file's bytes, the master key, a place to write) of a small practice."""
    folder = tmp_path_factory.mktemp("fuzz")
    with Stage(folder) as stage:
        stage.course("c1", [{"growth": 2, "reliance": 1, "outlook": 1}] * 2)
        stage.sync()
        file = written(stage)
        return file.read_bytes(), keys.master(load(stage.file).key_reference), folder / "tried"


@given(data=st.data())
@trying(max_examples=150)
def test_no_bytes_raise_anything_but_a_sentence(one_backup: tuple[bytes, bytes, Path], data: st.DataObject) -> None:
    """Any change of any byte, any length: our own error, never another."""
    raw, master, file = one_backup
    at = data.draw(st.integers(0, len(raw)))
    more = data.draw(st.binary(max_size=40))
    until = data.draw(st.integers(at, min(len(raw), at + 40)))
    changed = raw[:at] + more + raw[until:]
    file.write_bytes(changed)
    if changed == raw:
        assert read(file, master, "practice").rows["responses"] == 2
        return
    with pytest.raises(HandrailError):
        read(file, master, "practice")
