"""What `handrail doctor` looks at: a table of checks from the settings to the platform, each a plain finding.

A check that fails stops those that need it; the others still run, so that one look shows all that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..engine import Engine
from ..errors import HandrailError
from ..settings import load
from . import computer, remote, storing
from .check import NOTE, OK, WRONG, Check

__all__ = ["LOOKS", "NOTE", "OK", "WRONG", "Check", "examine"]

LOOKS: dict[str, Callable[[Engine], Iterator[Check]]] = {
    "plugins": storing.plugins,
    "store": storing.store,
    "platform": remote.platform,
}


def examine(file: Path, *, offline: bool) -> list[Check]:
    """Looks at everything there is.

    :param file: the settings file, there or not.
    :param offline: leave the platform out.
    """
    checks = [computer.python()]
    try:
        settings = load(file)
    except HandrailError as error:
        return [*checks, Check("settings", WRONG, error.message)]
    checks += [Check("settings", OK, str(file)), *computer.files(settings)]
    with Engine(settings) as engine:
        for name, look in LOOKS.items():
            if offline and name == "platform":
                continue
            try:
                checks += look(engine)
            except HandrailError as error:
                checks.append(Check(name, WRONG, error.message))
    return checks
