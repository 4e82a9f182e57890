"""Every named step in the source is one at which some test stops the process: a step that nobody tries is no safe stop.

A matrix is a test that kills or cuts off at a step; here is only the list of where each kind of step is tried.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TRIED = {
    # the beginning of a step's name: the tests that stop there (folder/file)
    "page-": "sync/test_crash.py",
    "clients-": "sync/test_crash.py",
    "sessions-": "sync/test_crash.py",
    "rules-": "sync/test_crash.py",
    "push-": "sync/test_crash.py",
    "run-": "sync/test_crash.py",
    "mending-": "mending/test_crash.py",
    "leaving-": "mending/test_crash.py",
    "erase-": "mending/test_crash.py",
    "enrol-": "mending/test_crash.py",
    "rotate-": "keeping/test_rotation.py",
    "master-": "keeping/test_rotation.py",
    "master-file": "keeping/test_whole_file.py",
    "backup-": "keeping/test_backup.py",
    "restore-": "keeping/test_backup.py",
    "send-": "collecting/test_send_crash.py",
    "notice-": "safety/test_crash.py",
    "form-": "web/test_form.py",
    "practice-": "fleet/test_practices.py",
    "office-": "fleet/test_practices.py",
}
NAMED = re.compile(r"[a-z]+(?:-[a-z]+)+")


@cache
def reached() -> dict[str, list[str]]:
    """Named steps of the source, and where they are."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "plugin_core").rglob("*.py")) + sorted((ROOT / "adapters").rglob("*.py")):
        for name in re.findall(r'\breach\("([a-z-]+)"\)', path.read_text(encoding="utf-8")):
            found.setdefault(name, []).append(str(path.relative_to(ROOT)))
    return found


@cache
def lists() -> dict[str, set[str]]:
    """Tuples of step names by the module that has them: `plugin_core.sync.points`, `POINTS` and the like."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "plugin_core").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        listed = re.search(r"^POINTS = (\(.*?\))$", source, re.DOTALL | re.MULTILINE)
        if listed:
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found[module] = set(ast.literal_eval(listed[1]))
    return found


@cache
def tried_in(file: Path) -> set[str]:
    """Step names that a test file names itself, and those of the lists that it goes through."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMED.fullmatch(node.value)
    }
    known = lists()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = node.module.removeprefix("handrail.")
            names = [one.name for one in node.names]
            found |= known.get(module, set()) if "POINTS" in names else set()
            for name in names:  # a module whose list is used as `module.POINTS`
                used = f"{name}.POINTS" in file.read_text(encoding="utf-8")
                found |= known.get(f"{module}.{name}", set()) if used else set()
    return found


@pytest.mark.parametrize("step", sorted(reached()))
def test_f69_f100_each_step_is_one_at_which_a_test_stops_the_process(step: str) -> None:
    """Whoever adds a step and no test for it would believe it safe."""
    kinds = [kind for kind in TRIED if step.startswith(kind)]
    assert kinds, f"{step} ({reached()[step]}) is of no kind that is tried; add a test that stops there"
    place = ROOT / "tests" / TRIED[max(kinds, key=len)]
    assert step in tried_in(place), f"{place.name} never stops at {step}"


def test_each_kind_is_there() -> None:
    """A line of the table that is about nothing hides that a step was renamed."""
    assert [kind for kind in TRIED if not any(step.startswith(kind) for step in reached())] == []


def test_each_list_names_what_is_there() -> None:
    """A list with a step that is never reached makes a matrix look larger than it is."""
    assert {step for steps in lists().values() for step in steps} - set(reached()) == set()
