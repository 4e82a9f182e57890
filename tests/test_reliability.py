"""The page of faults and protections says what the tests hold, and names none that is not there."""

from __future__ import annotations

from . import reliability
from .protections.table import ROOT, protections


def test_the_page_is_in_step_with_the_tests() -> None:
    """Whoever trusts the page would trust a test that is gone."""
    assert reliability.PAGE.read_text(encoding="utf-8") == reliability.page(), "run: python -m tests.reliability"


def test_every_id_is_listed_once_and_in_order() -> None:
    """An id that is forgotten here is forgotten for good."""
    promises, reasons = reliability.listed()
    faults = [f"F{number}" for number in range(1, 105)]
    faults.insert(faults.index("F15"), "F14a")
    faults.insert(faults.index("F85"), "F84a")
    assert list(promises) == faults + [f"S{number}" for number in range(1, 53)]
    assert set(reasons) <= set(promises)


def test_each_protection_that_can_be_taken_out_is_where_the_table_says() -> None:
    """A table that names code or tests of last month tries nothing: trying it takes too long for each run."""
    gone = []
    for one in protections():
        gone += [(one.id, edit.old) for edit in one.edits if edit.old not in (ROOT / edit.file).read_text("utf-8")]
        gone += [(one.id, test) for test in one.tests if not _is_there(test)]
    assert gone == []


def _is_there(test: str) -> bool:
    file, _, name = test.partition("::")
    return f"def {name.rpartition('::')[2]}(" in (ROOT / "tests" / file).read_text("utf-8")
