"""The table of protections: for each fault or protection of docs/reliability.md the code that holds it, the same code
without it, and tests that then fail. One TOML file for some thirty ids, in their order.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Edit:
    """`old` in `file` is what protects, wherever it stands there; with `new` in its place it is gone."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Protection:
    """What is taken out together, and the tests that must notice, as `folder/file.py::test` below `tests/`."""

    id: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


def protections() -> list[Protection]:
    """All of them, in the order of their files."""
    found = []
    for path in sorted(Path(__file__).parent.glob("*.toml")):
        for name, row in tomllib.loads(path.read_text(encoding="utf-8")).items():
            places = [row, *row.get("also", [])]
            edits = tuple(Edit(one["file"], one["old"], one["new"]) for one in places)
            found.append(Protection(name, edits, tuple(row["tests"])))
    return found
