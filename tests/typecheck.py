"""`python -m tests.typecheck [FOLDER...]`: mypy --strict over the packages, tests and benchmarks, in one command.

The folders stay at the top and are imported as `handrail.plugin_core` and so on. mypy wants files where their names
say, so a mapped tree is made in `build/typed` first: links to the folders, copies where links are not possible (Windows
without the right to make them). The example of a vendor's package lies in it too: tests import it. Options are in
setup.cfg; without arguments all is checked.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TYPED = ROOT / "build" / "typed"
MAPPED = {
    "schemas": "handrail/schemas",
    "plugin_core": "handrail/plugin_core",
    "adapters": "handrail/adapters",
    "docs/examples/handrail-acme/handrail_acme": "handrail_acme",
    "docs/examples/handrail-acme/tests/double.py": "handrail_acme_double.py",
}
FOLDERS = (*MAPPED, "tests", "benchmarks")


def mapped() -> None:
    """Makes the mapped tree anew."""
    for source, name in MAPPED.items():
        place = TYPED / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_symlink():
            place.unlink()
        elif place.is_dir():
            shutil.rmtree(place)
        try:
            place.symlink_to(ROOT / source, target_is_directory=(ROOT / source).is_dir())
        except OSError:
            (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, place)


def command(wanted: list[str]) -> list[str]:
    """The call of mypy: packages by their installed names, other folders by their path."""
    mapped()
    targets = [str(TYPED / MAPPED[name] if name in MAPPED else ROOT / name) for name in wanted or FOLDERS]
    options = ["--config-file", str(ROOT / "setup.cfg"), "--cache-dir", str(ROOT / ".mypy_cache")]
    return [sys.executable, "-m", "mypy", *options, *targets]


def main(wanted: list[str]) -> int:
    """Runs it; gives mypy's exit status."""
    return subprocess.run(command(wanted), cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
