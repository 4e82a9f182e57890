"""Asks for known holes in what the base lock pins, by pip-audit (S46).

    python -m tests.supply.holes

Without the advisory service nothing is known, and that is said aloud: pip-audit itself ends well then, with each
package passed over. Where HANDRAIL_DEMAND_AUDIT is set, as on whoever's machine releases, it is a failure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "base.lock"
TOOL = ROOT / ".cache" / "supply" / ("Scripts/pip-audit.exe" if os.name == "nt" else "bin/pip-audit")
ASK = ("--requirement", str(LOCK), "--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off")
SECONDS = 300


@dataclass(frozen=True, slots=True)
class Found:
    """Packages that were looked up, holes by package, and why the others were not."""

    looked: int
    holes: Sequence[str]
    skipped: Sequence[str]


def read(answer: str) -> Found:
    """What pip-audit's JSON says. Raises ValueError where it is none."""
    rows = json.loads(answer)["dependencies"]
    holes = [
        f"{row['name']} {row['version']}: {one['id']}, mended in {', '.join(one['fix_versions']) or 'no version yet'}"
        for row in rows
        for one in row.get("vulns", ())
    ]
    skipped = [str(row["skip_reason"]) for row in rows if "skip_reason" in row]
    return Found(len(rows) - len(skipped), holes, skipped)


def ask() -> Found:
    """Runs pip-audit. Whatever keeps it from an answer is a reason why nothing was looked up."""
    if not TOOL.exists():
        return Found(0, (), ("pip-audit is not installed; make check installs it",))
    try:
        done = subprocess.run([TOOL, *ASK], capture_output=True, text=True, check=False, timeout=SECONDS)
        return read(done.stdout)
    except subprocess.TimeoutExpired:
        return Found(0, (), (f"no answer within {SECONDS} seconds",))
    except (ValueError, KeyError, TypeError):
        return Found(0, (), (done.stderr.strip().splitlines()[-1][:300] if done.stderr.strip() else "no answer",))


def told(found: Found, *, demanded: bool) -> tuple[int, str]:
    """(exit status, what to print)."""
    lines = [f"KNOWN HOLE: {hole}" for hole in found.holes]
    if found.skipped:
        lines.append(
            f"NOT RUN: {len(found.skipped)} packages were not looked up for known holes. The first reason: "
            f"{found.skipped[0]}\nRun it where pypi.org can be reached: make check"
        )
    elif not lines:
        lines.append(f"known holes: none in {found.looked} packages")
    return (1 if found.holes or (found.skipped and demanded) else 0), "\n".join(lines)


def main() -> int:
    """Ends with 1 where there is a hole, or where an answer is demanded and none came."""
    status, text = told(ask(), demanded=os.environ.get("HANDRAIL_DEMAND_AUDIT", "") not in ("", "0"))
    print(text)
    return status


if __name__ == "__main__":
    sys.exit(main())
