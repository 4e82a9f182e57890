"""`python -m tests.reliability` writes docs/reliability.md: each fault and protection, and the tests that hold it.

A test holds an id when its name (`test_f69_...`), its text or a case of its module names it. The promises are in
reliability.toml; an id has a test, or a reason why there is none, or it is open.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIST = Path(__file__).with_suffix(".toml")
PAGE = ROOT / "docs" / "reliability.md"
NAMED = re.compile(r"(?<![A-Za-z0-9])([FSfs])(\d{1,3})(a?)(?![A-Za-z0-9])")
SHOWN = 3
LINES = ("F1", "F2")  # also names of lines of a form: these count in the names of tests alone

HEAD = """\
# Faults and protections

Made by `python -m tests.reliability` from the list of promises and from the tests; do not edit it here. F: what may go
wrong between Handrail, a platform and a database. S: what protects data and secrets. *open*: nothing holds it yet.

| id | promise | state | held by |
|---|---|---|---|
"""


def listed() -> tuple[dict[str, str], dict[str, str]]:
    """Promises and reasons by id."""
    found = tomllib.loads(LIST.read_text(encoding="utf-8"))
    return found["promises"], found["reasons"]


def holders() -> dict[str, list[str]]:
    """Tests by id, as `folder/file.py::test`; a file alone where a case of its table names the id."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        place = path.relative_to(ROOT / "tests").as_posix()
        if place == "test_reliability.py":
            continue  # names ids to hold the list together, and no promise
        source = path.read_text(encoding="utf-8")
        for name, text in _parts(source):
            for kind, number, letter in NAMED.findall(text.replace("_", " ")):
                key = f"{kind.upper()}{number}{letter}"
                if key not in LINES or f"_{key.lower()}_" in name:
                    found[key].add(f"{place}::{name}" if name else place)
    return {key: sorted(tests, key=_best(key)) for key, tests in found.items()}


def _best(key: str) -> Callable[[str], tuple[bool, bool, str]]:
    """Tests whose name has the id come first."""
    return lambda one: (f"_{key.lower()}_" not in one, "::" not in one, one)


def _parts(source: str) -> Iterator[tuple[str, str]]:
    """(test, its text) for each test; ("", text) for everything else that is no comment but the first lines."""
    tree = ast.parse(source)
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        tests = [one for one in inner if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")]
        for test in tests:
            yield test.name, f"{test.name} {ast.get_source_segment(source, test) or ''}"
        if not tests and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            yield "", ast.get_source_segment(source, node) or ""


@cache
def states() -> dict[str, tuple[str, str, list[str]]]:
    """id -> (promise, "held", "documented" or "open", tests)."""
    promises, reasons = listed()
    tests = holders()
    found = {}
    for key, promise in promises.items():
        held = tests.get(key, [])
        found[key] = (promise, "held" if held else "documented" if key in reasons else "open", held)
    return found


def page() -> str:
    """The whole page."""
    _, reasons = listed()
    lines = []
    for key, (promise, state, tests) in states().items():
        shown = "<br>".join(f"`{one}`" for one in tests[:SHOWN])
        more = f"<br>and {len(tests) - SHOWN} more" if len(tests) > SHOWN else ""
        lines.append(f"| {key} | {promise} | {state} | {shown + more or reasons.get(key, '')} |\n")
    return HEAD + "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    still = [key for key, (_, state, _) in states().items() if state == "open"]
    print(f"{PAGE.relative_to(ROOT)}: {len(still)} open" + (f" ({', '.join(still)})" if still else ""))
    sys.exit(0)
