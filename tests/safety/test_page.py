"""docs/safety.md names a test for each way in which a notice could be lost or late; each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "safety.md"
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("|") and "`test_" in line
]


def test_each_row_of_the_page_names_tests_that_exist() -> None:
    """A promise with a test that is gone is a promise without one."""
    there: set[str] = set()
    for file in Path(__file__).parents[1].rglob("test_*.py"):
        there.update(re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(ROWS) >= 40
    for lost, prevents, tests in ROWS:
        assert lost, tests
        assert prevents, lost
        named = re.findall(r"`(test_\w+)`", tests)
        assert named, f"no test for: {lost}"
        assert [name for name in named if name not in there] == [], lost


def test_every_test_of_telling_is_in_the_page() -> None:
    """What is tested is promised, too: who reads the page must find all of it."""
    page = PAGE.read_text(encoding="utf-8")
    ours: list[str] = []
    for name in ("test_telling.py", "test_independence.py", "test_crash.py"):
        source = (Path(__file__).parent / name).read_text(encoding="utf-8")
        ours += re.findall(r"^def (test_\w+)", source, re.MULTILINE)
    assert [name for name in ours if f"`{name}`" not in page] == []


def test_the_page_says_what_the_channel_is_not() -> None:
    """Who trusts it with more than it can do would be left alone by it."""
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    for sentence in ("A poll cannot be a watch", "not watched around the clock", "A 0 is not safety"):
        assert sentence in page
