"""Runs a conformance class without pytest: for `handrail conformance`, and to test the tests themselves."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import HandrailError
from .conformance import AdapterConformance
from .judging import NotApplicable

PASSED, FAILED, NOT_APPLICABLE = "passed", "failed", "not applicable"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one test. `why` is what it is for, `said` what is wrong or why it does not apply."""

    test: str
    why: str
    outcome: str
    said: str = ""


def tests_of(kind: type[AdapterConformance]) -> dict[str, str]:
    """Name and purpose of each test, in the order in which they are written."""
    found: dict[str, str] = {}
    for base in kind.__mro__:
        for name, member in vars(base).items():
            if name.startswith("test_") and callable(member):
                found.setdefault(name, " ".join((inspect.getdoc(member) or "").split()))
    return found


def run(
    kind: type[AdapterConformance], only: Collection[str] | None = None, tell: Callable[[str], None] | None = None
) -> Iterator[Result]:
    """Runs the tests, or those named in `only`; `tell` hears the name of each before it begins."""
    for name, why in tests_of(kind).items():
        if only is None or name in only:
            if tell is not None:
                tell(name)
            outcome, said = _one(kind, name)
            yield Result(name, why, outcome, said)


def _one(kind: type[AdapterConformance], name: str) -> tuple[str, str]:
    bench = kind()
    try:
        bench.setup_method()
        try:
            getattr(bench, name)()
        finally:
            bench.teardown_method()
    except NotApplicable as reason:
        return NOT_APPLICABLE, str(reason)
    except AssertionError as wrong:
        return FAILED, str(wrong) or "an assertion failed"
    except HandrailError as error:
        return FAILED, f"{type(error).__name__}: {error.message}"
    except Exception as error:  # noqa: BLE001 - whatever an adapter raises is a result; its text may be private (S24)
        where = traceback.extract_tb(error.__traceback__)[-1]
        return FAILED, f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
    return PASSED, ""
