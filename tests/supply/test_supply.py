"""S46: what Handrail is made of is known, pinned, allowed and looked up; the same source gives the same wheel."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_vendor_package import FOLDERS, ROOT, sources

from . import holes, licences

LOCKS = ("base.lock", "test.lock", "supply.lock")
EPOCH = "1767225600"


@pytest.mark.parametrize("name", LOCKS)
def test_s46_each_package_is_pinned_with_its_hash(name: str) -> None:
    """A version that somebody replaced on the registry must not be installed."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
    assert len(blocks) > 10
    loose = [block.split()[0] for block in blocks if "==" not in block.split()[0] or "--hash=sha256:" not in block]
    assert loose == []


def test_s46_installs_demand_the_hashes() -> None:
    """Hashes that are not asked for protect nobody."""
    lines = [line for line in (ROOT / "Makefile").read_text().splitlines() if "install" in line and ".lock" in line]
    installs = [line for line in lines if line.startswith("\t")]
    assert len(installs) >= 3
    assert all("--require-hashes" in line for line in installs)


def test_every_licence_is_allowed() -> None:
    """A package whose licence binds whoever ships it would bind each vendor."""
    assert len(licences.locked()) > 80
    assert licences.refused() == []


@pytest.mark.parametrize(
    ("expression", "fine"),
    [
        ("MIT", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only", False),
        ("MIT AND AGPL-3.0-only", False),
        ("AGPL-3.0-only AND (MIT OR Zlib)", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("unknown", False),
    ],
)
def test_a_licence_is_judged_by_all_that_binds(expression: str, fine: bool) -> None:
    """One half that is free does not free the other."""
    assert licences.allowed(expression) is fine


HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["2.0"], "aliases": [], "description": "invented"}
ANSWERS = {
    "nothing known": ([{"name": "a", "version": "1", "vulns": []}], 0, "none in 1 packages"),
    "a hole": ([{"name": "a", "version": "1", "vulns": [HOLE]}], 1, "KNOWN HOLE: a 1: PYSEC-2026-1, mended in 2.0"),
    "passed over": ([{"name": "a", "skip_reason": "not found on PyPI"}], 0, "NOT RUN: 1 packages"),
    "both": ([{"name": "a", "version": "1", "vulns": [HOLE]}, {"name": "b", "skip_reason": "x"}], 1, "NOT RUN: 1"),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_s46_what_was_not_looked_up_is_said(what: str) -> None:
    """pip-audit ends well when its service gives nothing: "no holes" would then be read where nobody has looked."""
    rows, status, said = ANSWERS[what]
    found = holes.read(json.dumps({"dependencies": rows, "fixes": []}))
    assert holes.told(found, demanded=False)[0] == status
    assert said in holes.told(found, demanded=False)[1]
    assert holes.told(found, demanded=True)[0] == (1 if found.skipped or found.holes else 0)


def test_without_the_tool_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A check that is missing must not look like one that passed."""
    monkeypatch.setattr(holes, "TOOL", tmp_path / "pip-audit")
    assert "NOT RUN" in holes.told(holes.ask(), demanded=False)[1]
    tool = tmp_path / "pip-audit"
    tool.write_text("#!/bin/sh\necho 'no network' >&2\nexit 1\n")
    tool.chmod(0o700)
    if os.name == "posix":
        assert "no network" in holes.told(holes.ask(), demanded=False)[1]


def built(place: Path, **environment: str) -> bytes:
    """A wheel of a copy of the tree, made at another place and time."""
    own = place / "src"
    own.mkdir(parents=True)
    paths = [ROOT / name for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "NOTICE")]
    for path in (*paths, *(one for folder in FOLDERS for one in sources(ROOT / folder))):
        target = own / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(0o644)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    surrounding = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH, **environment}
    done = subprocess.run(
        [*command, "-w", str(place), str(own)], capture_output=True, text=True, check=False, env=surrounding
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = place.glob("*.whl")
    return wheel.read_bytes()


def test_s46_the_same_source_gives_the_same_wheel(tmp_path: Path) -> None:
    """Whoever doubts a release can build it and compare."""
    first = built(tmp_path / "one", PYTHONHASHSEED="1", TZ="UTC", LC_ALL="C")
    again = built(tmp_path / "another-place", PYTHONHASHSEED="2", TZ="Asia/Tokyo", LC_ALL="C.UTF-8")
    assert first == again
