"""`python -m tests.typecheck [FOLDER...]`: mypy --strict over the packages under their installed names, in one command.

The folders stay at the top and are imported as `handrail.plugin_core` and so on. mypy wants files where their names
say, so a mapped tree is made in `build/typed/handrail` first: links to the folders, copies where links are not possible
(Windows without the right to make them). Options are in setup.cfg. `tests` and `benchmarks` may be named as well;
without arguments the three packages are checked.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TYPED = ROOT / "build" / "typed"
PACKAGES = ("schemas", "plugin_core", "adapters")


def mapped() -> Path:
    """Makes the mapped tree anew; gives its folder."""
    house = TYPED / "handrail"
    house.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        place = house / package
        if place.is_symlink():
            place.unlink()
        elif place.exists():
            shutil.rmtree(place)
        try:
            place.symlink_to(ROOT / package, target_is_directory=True)
        except OSError:
            shutil.copytree(ROOT / package, place)
    return house


def command(wanted: list[str]) -> list[str]:
    """The call of mypy: packages by their installed names, other folders by their path."""
    house = mapped()
    targets = [str(house / name) if name in PACKAGES else str(ROOT / name) for name in wanted or PACKAGES]
    options = ["--config-file", str(ROOT / "setup.cfg"), "--cache-dir", str(ROOT / ".mypy_cache")]
    return [sys.executable, "-m", "mypy", *options, *targets]


def main(wanted: list[str]) -> int:
    """Runs it; gives mypy's exit status."""
    return subprocess.run(command(wanted), cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
