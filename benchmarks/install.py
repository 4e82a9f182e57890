r"""Set up `.cache/bench-venv`: Handrail itself and what the baselines need, from `requirements.lock`, by hash.

    python -m benchmarks.install

Does nothing where that is done already. `benchmarks.run` calls it. To renew the lock (needs uv), from the top folder:

    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        -c requirements/base.lock setup.cfg requirements/build.in benchmarks/requirements.in \
        -o benchmarks/requirements.lock
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
VENV = TOP / ".cache" / "bench-venv"
LOCK = TOP / "benchmarks" / "requirements.lock"


def program(name: str) -> Path:
    """The path of a program of the benchmark's environment."""
    folder, ending = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
    return VENV / folder / f"{name}{ending}"


def ensure() -> Path:
    """Make the environment where it is absent or out of date; gives its Python.

    Raises `subprocess.CalledProcessError` when pip fails; what pip says goes to standard error.
    """
    mark = VENV / "installed"
    wanted = hashlib.sha256(LOCK.read_bytes() + (TOP / "setup.cfg").read_bytes()).hexdigest()
    if mark.exists() and mark.read_text() == wanted:
        return program("python")
    print("Setting up .cache/bench-venv ...", file=sys.stderr)
    venv.create(VENV, clear=True, with_pip=True)
    _pip("install", "--require-hashes", "-r", str(LOCK))
    _pip("install", "--no-deps", "--no-build-isolation", "-e", str(TOP))
    mark.write_text(wanted)
    return program("python")


def _pip(*arguments: str) -> None:
    command = [str(program("python")), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    subprocess.run(command, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    print(ensure())
