"""SECURITY.md names, for each attacker, tests that are there: promises that nothing holds are worse than none."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def rows() -> list[list[str]]:
    """The lines of the table, by their cells."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.count("|") == 5]


def test_each_attacker_has_what_stops_them_and_a_test() -> None:
    """A threat without a test is a wish."""
    head, _, *lines = rows()
    assert head == ["who", "what they would gain", "what stops them", "shown by"]
    assert len(lines) >= 12
    for who, gain, stops, shown in lines:
        assert gain, who
        assert len(stops) > 20, who
        assert NAMED.search(shown), who


def test_every_test_that_is_named_is_there() -> None:
    """Renamed or removed, it would go on being promised."""
    named = NAMED.findall(PAGE)
    assert len(named) >= 25
    for file, name in named:
        path = ROOT / "tests" / file
        assert path.is_file(), file
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert name in functions, f"{file}::{name}"


def test_every_page_that_is_linked_is_there() -> None:
    """Whoever reads on must find it."""
    for place in re.findall(r"\]\(([\w./-]+\.md)", PAGE):
        assert (ROOT / place).is_file(), place
