"""What a practice may send to whoever helps it: made from a list of what is allowed, nothing else gets in (S25).

Versions, names of settings that are set (values of a few harmless ones), counts, how runs ended, states of the looks.
No path, address, name, reference, finding or message: those may hold the name of a practice or a person.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ..engine import Engine, version
from ..errors import HandrailError
from ..settings import Settings, load
from ..store import book
from ..store.database import HEAD
from .check import Check

FORMAT = 1
RUNS = 20
# Settings whose value is told: closed words, numbers and switches. Of all others only that they are set.
TOLD = frozenset(
    {
        "language", "budget", "reconcile_days", "push.on", "collect.every_weeks", "collect.channel",
        "collect.by_itself", "collect.reminders", "mail.security", "schedule.every_minutes", "schedule.alarm_hours",
        "safety.repeat_minutes", "safety.promise_minutes", "platform.name",
    }
)  # fmt: skip
_WORD = re.compile(r"[A-Za-z0-9_.+:\-]{1,40}")


def bundle(file: Path, checks: Sequence[Check]) -> dict[str, Any]:
    """The facts. `checks` as `examine` found them; of each its name and state alone."""
    made: dict[str, Any] = {
        "format": FORMAT,
        "handrail": version(),
        "store_version": HEAD,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "encoding": sys.getfilesystemencoding(),
        "packages": dict(_packages()),
        "looks": [{"look": check.name, "state": check.state} for check in checks if _WORD.fullmatch(_id(check.name))],
    }
    try:
        settings = load(file)
        made["settings"] = dict(_settings(settings))
        with Engine(settings) as engine:
            made |= _of_store(engine)
    except HandrailError as error:
        made["stopped_by"] = type(error).__name__
    return made


def _id(name: str) -> str:
    return name.replace(" ", "-")


def _packages() -> Iterator[tuple[str, str]]:
    for wanted in metadata.requires("handrail") or []:
        name = re.split(r"[\s;<>=!~\[]", wanted, maxsplit=1)[0]
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue


def _settings(settings: Settings) -> Iterator[tuple[str, Any]]:
    """(name, value or "set") of everything that is not as it would be without a settings file."""
    usual = Settings(settings.file)
    for name in Settings.__slots__:
        value, default = getattr(settings, name), getattr(usual, name)
        if name == "file" or value == default:
            continue
        if name == "platform":
            yield "platform.name", _told("platform.name", value.platform)
            yield from ((f"platform.settings.{key}", "set") for key in sorted(value.settings) if _WORD.fullmatch(key))
            yield from ((f"platform.secrets.{key}", "set") for key in sorted(value.secrets) if _WORD.fullmatch(key))
        elif hasattr(value, "__slots__") and not isinstance(value, str):
            for part in value.__slots__:
                if getattr(value, part) != getattr(default, part, None):
                    yield f"{name}.{part}", _told(f"{name}.{part}", getattr(value, part))
        else:
            yield name, _told(name, value)


def _told(name: str, value: Any) -> Any:
    if name not in TOLD:
        return "set"
    return value if isinstance(value, (bool, int)) or _WORD.fullmatch(str(value)) else "set"


def _of_store(engine: Engine) -> dict[str, Any]:
    with engine.store.reading(engine.source) as tx:
        runs = book.last_runs(tx, RUNS)
    return {
        "database": engine.store.engine.dialect.name,
        "counts": _numbers(engine.status()),
        "runs": [
            {
                "started": run.started.isoformat(timespec="seconds"),
                "outcome": run.outcome.value,
                "counts": _numbers(run.counts),
                "seconds": {name: round(value, 2) for name, value in run.seconds.items() if _WORD.fullmatch(_id(name))},
                "problems": len(run.problems),
                "undone": len(run.undone),
            }
            for run in runs
        ],
    }


def _numbers(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: int(number) for name, number in counts.items() if _WORD.fullmatch(_id(name))}
