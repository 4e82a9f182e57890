"""`python -m tests.protections [ID...]`: takes protections out of a copy of the program, one at a time.

For each of them the tests that hold it (docs/reliability.md) must be green with it and red without it: a test that
stays green holds nothing. The copy lies in a folder of its own; the program itself is never touched.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("schemas", "plugin_core", "adapters")
BESIDE = ("tests", "docs", "benchmarks", "setup.cfg", "README.md", ".cache")
FAILED = 1  # pytest's exit status where tests failed


@dataclass(frozen=True, slots=True)
class Protection:
    """`old` in `file` is what protects; with `new` in its place it is gone. `tests` are pytest's arguments."""

    id: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


PROTECTIONS = (
    Protection(
        "F14", "plugin_core/sync/run.py", "elif known != identity.fingerprint:", "elif False:",
        ("tests/sync/test_lifecycle.py", "-k", "f14_another_server"),
    ),
    Protection(
        "F24", "adapters/fhir/decode.py", 'elif mode != "include" and ', "elif ",
        ("tests/adapters/test_fhir_decode.py", "-k", "f24"),
    ),
    Protection(
        "F43", "adapters/login.py", "self._context.keep(TOKENS, text)", "pass",
        ("tests/platforms/test_login.py", "-k", "f43"),
    ),
    Protection(
        "F59", "plugin_core/sync/judging.py", "if remote.status not in _SCORED:", "if False:",
        ("tests/sync/test_quarantine.py", "-k", "f59"),
    ),
    Protection(
        "F62", "plugin_core/store/forms.py", "again = [key for key in absent if key in before]", "again = list(absent)",
        ("tests/core/test_store_forms.py", "-k", "f62"),
    ),
    Protection(
        "F65", "plugin_core/sync/judging.py", "if content and content == stored:", "if False:",
        ("tests/sync/test_lifecycle.py", "-k", "f65"),
    ),
    Protection(
        "F70", "plugin_core/sync/ingest.py", "again=not by_id", "again=True",
        ("tests/sync/test_power_cut.py", "-k", "typed"),
    ),
    Protection(
        "F91", "plugin_core/fleet/lease.py", "        if not held:\n", "        if False:\n",
        ("tests/fleet/test_lease.py", "-k", "f91"),
    ),
    Protection(
        "F92", "plugin_core/fleet/lease.py", "or_(due.c.owner.is_(None), due.c.until_ms < now_ms),\n    )\n    mine",
        "due.c.owner.is_(None),\n    )\n    mine", ("tests/fleet/test_due.py", "-k", "f92"),
    ),
    Protection(
        "F101", "plugin_core/registry.py", "else checked(given.descriptor)", "else given.descriptor",
        ("tests/sync/test_handed.py", "-k", "reasons_costs_only_itself"),
    ),
    Protection(
        "S1", "adapters/addresses.py", "            if origin == place and ", "            if ",
        ("tests/adapters/test_http_links.py", "-k", "s1"),
    ),
    Protection(
        "S16", "plugin_core/store/seal.py", ", place.encode())", ", b'')", ("tests/core/test_seal.py", "-k", "s16"),
    ),
    Protection(
        "S18", "plugin_core/store/database.py", "if len(good) != len(opened):", "if False:",
        ("tests/core/test_store.py", "-k", "s18"),
    ),
    Protection(
        "S26", "plugin_core/logs.py", 'not in ("Cc", "Cf", "Zl", "Zp", "Cs")', 'not in ("Cs",)',
        ("tests/test_promises.py", "-k", "s26"),
    ),
    Protection(
        "S29", "plugin_core/rights/tables.py", "if bare[:1] in TRIGGERS and bare else text", "if False else text",
        ("tests/rights/test_export.py", "-k", "s29"),
    ),
    Protection(
        "S48", "plugin_core/store/opening.py", "set_config('handrail.practice', %s, true)",
        "set_config('handrail.practice', %s, false)", ("tests/fleet/test_tenancy.py", "-k", "mid_error"),
    ),
)  # fmt: skip


class Copy:
    """A copy of the program that tests run against, whatever is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        house = folder / "handrail"
        house.mkdir()
        for name in FOLDERS:
            shutil.copytree(ROOT / name, house / name, ignore=shutil.ignore_patterns("__pycache__"))
            (folder / name).symlink_to(house / name)
        for name in BESIDE:
            if (ROOT / name).exists():
                (folder / name).symlink_to(ROOT / name)

    def test(self, tests: tuple[str, ...]) -> tuple[int, str]:
        """Runs tests against the copy; gives pytest's exit status and its last line."""
        command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."]
        env = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [*command, *tests], cwd=self.folder, env=env, capture_output=True, text=True, check=False, timeout=900
        )
        return done.returncode, (done.stdout.strip().splitlines() or [done.stderr.strip()[-200:]])[-1]

    def without(self, one: Protection) -> tuple[int, str]:
        """The same with a protection taken out, which is put back afterwards."""
        file = self.folder / one.file
        whole = file.read_text(encoding="utf-8")
        if whole.count(one.old) < 1:
            return -1, f"{one.file} has no {one.old!r} any more: mend this list"
        try:
            file.write_text(whole.replace(one.old, one.new), encoding="utf-8")
            return self.test(one.tests)
        finally:
            file.write_text(whole, encoding="utf-8")


def main() -> int:
    """Tries each; 1 where a test held nothing."""
    parser = argparse.ArgumentParser(prog="python -m tests.protections", description=__doc__)
    parser.add_argument("ids", nargs="*")
    wanted = parser.parse_args().ids
    idle = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        for one in PROTECTIONS:
            if wanted and one.id not in wanted:
                continue
            (whole, said), (gone, heard) = copy.test(one.tests), copy.without(one)
            held = whole == 0 and gone == FAILED
            idle += [] if held else [one.id]
            print(f"{one.id:<4} {'held' if held else 'NOT HELD'}: with it {said}; without it {heard}", flush=True)
    return 1 if idle else 0


if __name__ == "__main__":
    sys.exit(main())
