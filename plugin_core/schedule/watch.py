"""How the last runs ended, in a small file beside the settings: what the store cannot tell when it does not open.

The file is written in place at one size, so that a full disk, one of the things to be told, does not keep it from
being written. It holds times and counts alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from .. import private
from ..settings import Settings

SIZE = 512


@dataclass(frozen=True, slots=True)
class Record:
    """Last success, last run however it ended, failed runs in a row, since when they fail, day of the last letter."""

    succeeded: datetime | None = None
    ended: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    told: date | None = None


def place(settings: Settings) -> Path:
    """Where the file of a practice lies."""
    return settings.folder / f"{settings.practice}.runs"


def read(path: Path) -> Record:
    """The record; an empty one where there is none, or where it cannot be understood."""
    try:
        found = json.loads(path.read_text(encoding="ascii"))
        return Record(
            succeeded=_time(found, "succeeded"),
            ended=_time(found, "ended"),
            failures=int(found["failures"]),
            failing_since=_time(found, "failing_since"),
            told=date.fromisoformat(found["told"]) if found["told"] else None,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Record()


def write(path: Path, record: Record) -> bool:
    """Writes the record; gives whether that was possible."""
    facts = {
        "succeeded": _text(record.succeeded),
        "ended": _text(record.ended),
        "failures": record.failures,
        "failing_since": _text(record.failing_since),
        "told": _text(record.told),
    }
    data = json.dumps(facts).encode("ascii").ljust(SIZE - 1) + b"\n"
    try:
        if not path.exists():
            private.write_bytes(path, data)
            return True
        with path.open("r+b") as out:
            out.write(data)
            out.truncate()
            out.flush()
            os.fsync(out.fileno())
    except OSError:
        return False
    return True


def _text(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def _time(found: Mapping[str, str | None], name: str) -> datetime | None:
    text = found[name]
    if not text:
        return None
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(name)
    return value
