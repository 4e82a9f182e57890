"""docs/upgrade.md, played: a store of the Handrail before is brought to this version with its data, works, and is
refused by the old program; going back is restoring the backup. The old program itself runs, from its own commit."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core import cli
from handrail.plugin_core.store import database

from tests.sync.stage import EVEN, LEANING, SHRUNK, Stage, form

ROOT = Path(__file__).parents[2]
OLD = "bdc5ffd"  # the last commit whose store is of version 0001
OLD_PLUGINS = {
    "core": "handrail.plugin_core.builtin",
    "demo": "handrail.adapters.demo",
    "fhir": "handrail.adapters.fhir",
}
SETTINGS = """
key = "file:key"
store = "sqlite:///store.db"
[platform]
name = "fhir"
[platform.settings]
base_url = "{base}"
auth = "bearer"
[platform.secrets]
token = "file:token"
[push]
on = true
carriers = ["flag"]
"""
MAKE = """
import sys
from datetime import timedelta
from pathlib import Path
from handrail.plugin_core.settings import load
from handrail.plugin_core.store import Store, keys
s = load(Path(sys.argv[1]))
Store(s.store_url, s.practice, keys.master(s.key_reference), create=True).close()
"""


class Practice:
    """A practice's folder and the old program, which works on it as its own command."""

    def __init__(self, stage: Stage, folder: Path, house: Path) -> None:
        self.stage = stage
        self.folder = folder
        self.file = folder / "handrail.toml"
        self.house = house

    def old(self, *words: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs the old program; `code` instead of its command."""
        start = ["-c", code] if code else ["-m", "handrail.plugin_core.cli", "--settings", str(self.file)]
        env = {**os.environ, "PYTHONPATH": str(self.house)}
        call = [sys.executable, *start, *words]
        return subprocess.run(call, cwd=self.house, env=env, capture_output=True, text=True, check=False)

    def shown(self) -> list[str]:
        """The flags on the platform: whose, and whether they stand there."""
        return sorted(f"{one['subject']['reference']} {one['status']}" for one in self.stage.place().all("Flag"))

    def all_prompt(self) -> None:
        """As CHANGELOG.md tells a practice that wants every rule to prompt, as the old program's did."""
        self.file.write_text("prompts = []\n" + self.file.read_text(encoding="utf-8"), encoding="utf-8")

    def version(self) -> str:
        """The version of the store."""
        with closing(sqlite3.connect(self.folder / "store.db")) as db, db:
            found: str = db.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The old program's tree under its import name."""
    git = shutil.which("git")
    known = git and subprocess.run(["git", "cat-file", "-e", f"{OLD}^{{commit}}"], cwd=ROOT, capture_output=True)
    if not known or known.returncode != 0:
        pytest.skip(f"NOT RUN: the old program (commit {OLD}) is not in this copy of the repository")
    top = tmp_path_factory.mktemp("old")
    (top / "handrail").mkdir()
    packed = subprocess.run(
        ["git", "archive", OLD, "schemas", "plugin_core", "adapters"], cwd=ROOT, capture_output=True, check=True
    )
    subprocess.run(["tar", "-x", "-C", str(top / "handrail")], input=packed.stdout, check=True)
    described = top / "handrail-0.1.0.dist-info"  # as pip wrote it then: which plugins the old program came with
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: handrail\nVersion: 0.1.0\n", encoding="utf-8")
    points = "".join(f"{name} = {module}\n" for name, module in OLD_PLUGINS.items())
    (described / "entry_points.txt").write_text(f"[handrail]\n{points}", encoding="utf-8")
    return top


@pytest.fixture
def practice(tmp_path: Path, house: Path) -> Any:
    """A practice that the old program has set up and synced once."""
    with Stage(tmp_path / "platform") as stage:
        stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
        stage.course("b", [EVEN, EVEN, EVEN, SHRUNK, SHRUNK])
        stage.course("c", [EVEN, EVEN, LEANING, LEANING, EVEN, EVEN])
        stage.put(form("a-old", "a", stage.now - timedelta(days=3), version="0"))
        folder = tmp_path / "practice"
        folder.mkdir()
        for name in ("key", "token"):
            shutil.copy(stage.folder / name, folder / name)
        (folder / "handrail.toml").write_text(SETTINGS.format(base=stage.base), encoding="utf-8")
        made = Practice(stage, folder, house)
        done = made.old(str(made.file), code=MAKE)
        assert done.returncode == 0, done.stderr
        first = made.old("sync", "--yes")
        assert first.returncode == 0, first.stdout + first.stderr
        yield made


def flags_of(text: str) -> list[tuple[str, ...]]:
    """What the list of flags says, as far as both versions say it."""
    rows = json.loads(text)
    rows = rows["flags"] if isinstance(rows, dict) else rows
    return sorted((row["client"], row["rule"], row["state"], row["reason"]) for row in rows)


def test_the_store_is_upgraded_with_all_that_is_in_it_and_works(
    practice: Practice, capsys: pytest.CaptureFixture[str]
) -> None:
    """An upgrade that loses a flag, or pushes one a second time, would be found by a client."""
    assert practice.version() == "0001"
    before = practice.old("flags", "--all", "--json")
    shown = practice.shown()
    assert shown
    assert cli.run(["--settings", str(practice.file), "flags", "--all", "--json"]) == 0
    assert flags_of(capsys.readouterr().out) == flags_of(before.stdout)
    assert practice.version() == database.HEAD != "0001"
    practice.all_prompt()
    assert cli.run(["--settings", str(practice.file), "sync", "--full", "--yes"]) == 0
    assert practice.shown() == shown, "nothing is pushed twice, nothing taken back"
    practice.stage.course("late", [EVEN, EVEN, EVEN, LEANING, LEANING])
    assert cli.run(["--settings", str(practice.file), "sync", "--full"]) == 0
    assert practice.shown() == sorted([*shown, "Patient/late active"])


def test_f79_the_old_program_refuses_the_newer_store_and_changes_nothing(practice: Practice) -> None:
    """Two computers on one store, one of them not upgraded yet."""
    assert cli.run(["--settings", str(practice.file), "flags"]) == 0
    with closing(sqlite3.connect(practice.folder / "store.db")) as db, db:
        before = list(db.iterdump())
    for words in (("sync",), ("flags",)):
        done = practice.old(*words)
        assert done.returncode == 1
        assert "made by a newer Handrail" in done.stderr
        assert "pipx upgrade handrail" in done.stderr
    with closing(sqlite3.connect(practice.folder / "store.db")) as db, db:
        assert list(db.iterdump()) == before


def test_f78_going_back_is_restoring_the_backup(practice: Practice) -> None:
    """The old program goes on from there, and pushes nothing a second time."""
    backup = practice.folder.with_name("backup")
    shutil.copytree(practice.folder, backup)
    practice.stage.course("late", [EVEN, EVEN, EVEN, SHRUNK, SHRUNK])
    practice.all_prompt()
    assert cli.run(["--settings", str(practice.file), "sync", "--full", "--yes"]) == 0
    assert "Patient/late active" in practice.shown()
    shown = practice.shown()
    shutil.rmtree(practice.folder)
    shutil.copytree(backup, practice.folder)
    done = practice.old("sync", "--full", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert practice.version() == "0001"
    assert practice.shown() == shown, "the derived key finds what is there"
