"""What `handrail doctor` looks at: a table of checks from this computer to the platform, each a plain finding.

A check that fails stops those that need it; the others still run, so that one look shows all that is wrong. The page
docs/doctor.md lists the likeliest mistakes with what is said of each; tests make every one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..engine import Engine
from ..errors import HandrailError
from ..settings import load
from ..words import speaking, tr
from ..words.kept import why_of
from . import computer, remote, running, safety, storing
from .check import NOTE, OK, WRONG, Check

__all__ = ["LOOKS", "NOTE", "OK", "WRONG", "Check", "examine"]

# In the order of the page; an area of Handrail adds its own by a line here.
LOOKS: dict[str, Callable[[Engine], Iterator[Check]]] = {
    "files": computer.files,
    "disk": computer.disk,
    "time zone": computer.time_zone,
    "schedule": running.schedule,
    "plugins": storing.plugins,
    "store": storing.store,
    "last sync": running.last_run,
    "safety answers": safety.channel,
    "mail": running.mail,
    "mail server": running.mail_server,
    "platform": remote.platform,
}
ONLINE = frozenset({"mail server", "platform"})


def examine(file: Path, *, offline: bool) -> list[Check]:
    """Looks at everything there is; when the last success of a sync is too old, that comes first.

    :param file: the settings file, there or not.
    :param offline: leave out what asks over the network: the platform, the mail server.
    """
    checks = [*computer.python(), *computer.programs()]
    try:
        settings = load(file)
    except HandrailError as error:
        return [*checks, Check("settings", WRONG, error.message)]
    checks.append(Check("settings", OK, str(file)))
    with speaking(settings.language), Engine(settings) as engine:
        for name, look in LOOKS.items():
            if not (offline and name in ONLINE):
                checks += _guarded(name, look, engine)
        first = [check for check in _guarded("last sync", running.fresh, engine) if check.state == WRONG]
    return list(dict.fromkeys([*first, *checks]))


def _guarded(name: str, look: Callable[[Engine], Iterator[Check]], engine: Engine) -> list[Check]:
    """What a look finds; what it found before it failed is kept, and the failure is a finding of its own."""
    found: list[Check] = []
    try:
        found.extend(look(engine))
    except HandrailError as error:
        found.append(Check(name, WRONG, error.message))
    except OSError as error:
        why = why_of(error)
        if error.filename:
            text = tr("could not be looked at ({why} at {file}).", why=why, file=error.filename)
        else:
            text = tr("could not be looked at ({why}).", why=why)
        found.append(Check(name, WRONG, text))
    return found
