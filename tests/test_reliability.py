"""The page of faults and protections says what the tests hold, and names none that is not there."""

from __future__ import annotations

from pathlib import Path

from . import protections, reliability


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


def test_each_protection_that_can_be_taken_out_is_where_the_list_says() -> None:
    """A list that names code of last month tries nothing: `python -m tests.protections` takes too long for each run."""
    root = Path(__file__).parents[1]
    gone = [one.id for one in protections.PROTECTIONS if one.old not in (root / one.file).read_text(encoding="utf-8")]
    assert gone == []
