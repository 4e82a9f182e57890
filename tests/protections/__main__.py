"""`python -m tests.protections [ID...]`: takes protections out of a copy of the program, one at a time.

The tests that hold one must be green with it, and each of them red without it: one that stays green holds nothing. A
copy lies in a folder of its own; the program itself is never touched.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from .table import ROOT, Edit, Protection, protections

PACKAGES = ("schemas", "plugin_core", "adapters")
LEFT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "handrail-demo", "*.egg-info")
FAILED = 1  # pytest's exit status where tests failed
PATIENCE = 900.0


class Copy:
    """A copy of the program that tests run against, whatever is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT, folder, ignore=LEFT)
        if (ROOT / ".cache").exists():
            (folder / ".cache").symlink_to(ROOT / ".cache")
        (folder / "build" / "handrail").mkdir(parents=True)
        for name in PACKAGES:
            (folder / "build" / "handrail" / name).symlink_to(folder / name)

    def test(self, tests: Iterable[str]) -> tuple[int, list[str]]:
        """Runs tests against the copy; gives pytest's exit status and what it said."""
        command = [sys.executable, "-B", "-m", "pytest", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider"]
        path = f"{self.folder / 'build'}{os.pathsep}{self.folder}"
        env = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [*command, *(f"tests/{one}" for one in tests)],
            cwd=self.folder, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        return done.returncode, (done.stdout + done.stderr).strip().splitlines()

    def without(self, one: Protection) -> str | None:
        """Why it cannot be said that its tests notice when a protection is gone; None where all of them do."""
        whole = {edit.file: (self.folder / edit.file).read_text(encoding="utf-8") for edit in one.edits}
        try:
            for edit in one.edits:
                if not self._take_out(edit):
                    return f"{edit.file} has no {edit.old!r} any more: mend the table"
            status, said = self.test(one.tests)
        finally:
            for name, text in whole.items():
                (self.folder / name).write_text(text, encoding="utf-8")
        noticed = {line.split()[1].split("[")[0] for line in said if line.startswith(("FAILED ", "ERROR "))}
        blind = [test for test in one.tests if f"tests/{test}" not in noticed]
        if status == FAILED and not blind:
            return None
        return f"these stay green without it: {', '.join(blind)}" if status in (0, FAILED) else "\n".join(said[-5:])

    def _take_out(self, edit: Edit) -> bool:
        file = self.folder / edit.file
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(edit.old, edit.new), encoding="utf-8")
        return edit.old in text


def main() -> int:
    """Tries each; 1 where a test held nothing."""
    parser = argparse.ArgumentParser(prog="python -m tests.protections", description=__doc__)
    parser.add_argument("ids", nargs="*", metavar="ID", help="all without any")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many are tried at a time")
    asked = parser.parse_args()
    chosen = [one for one in protections() if not asked.ids or one.id in asked.ids]
    if missing := set(asked.ids) - {one.id for one in chosen}:
        parser.error(f"the table has no {', '.join(sorted(missing))}")
    with tempfile.TemporaryDirectory() as folder:
        copies = [Copy(Path(folder) / str(number)) for number in range(max(1, asked.jobs))]
        status, said = copies[0].test(sorted({test for one in chosen for test in one.tests}))
        print(f"with all of them: {said[-1]}", flush=True)
        if status:
            print("\n".join(said[-30:]))
            return 1
        idle = _tried(chosen, copies)
    print(f"{len(chosen) - len(idle)} of {len(chosen)} held{': not ' if idle else ''}{', '.join(idle)}")
    return 1 if idle else 0


def _tried(chosen: list[Protection], copies: list[Copy]) -> list[str]:
    """The ids of those that nothing holds."""
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def tried(one: Protection) -> str | None:
        copy = free.get()
        try:
            wrong = copy.without(one)
        except subprocess.TimeoutExpired:
            wrong = f"its tests did not end within {PATIENCE:.0f} s"
        finally:
            free.put(copy)
        print(f"{one.id:<4} {'held' if wrong is None else f'NOT HELD: {wrong}'}", flush=True)
        return None if wrong is None else one.id

    with ThreadPoolExecutor(len(copies)) as pool:
        return [name for name in pool.map(tried, chosen) if name is not None]


if __name__ == "__main__":
    sys.exit(main())
