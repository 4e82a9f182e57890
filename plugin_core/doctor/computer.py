"""What `handrail doctor` looks at on this computer: Python, files and who can read them, folders, the clock."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from ..settings import Settings
from .check import NOTE, OK, WRONG, Check


def python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", OK if sys.version_info >= (3, 11) else WRONG, version)


def files(settings: Settings) -> Iterator[Check]:
    """Owner-only files, and a store that is not in a folder that something else writes to (S19, F74)."""
    shared = ("Dropbox", "OneDrive", "iCloud", "Google Drive", "Nextcloud")
    for name, path in (("settings file", settings.file), ("store file", _sqlite_path(settings))):
        if path is None or not path.exists():
            continue
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Check(name, WRONG, f"others on this computer can read {path}. Run: chmod 600 {path}")
        if any(part in path.parts for part in shared):
            yield Check(
                name, WRONG, f"{path} lies in a synchronised folder, which can damage a store. Move it elsewhere."
            )
    if not settings.time_zone or settings.time_zone == "UTC":
        yield Check("time zone", NOTE, "UTC. If the practice is elsewhere, set time_zone in the settings.")


def _sqlite_path(settings: Settings) -> Path | None:
    prefix = "sqlite:///"
    return Path(settings.store_url[len(prefix) :]) if settings.store_url.startswith(prefix) else None
