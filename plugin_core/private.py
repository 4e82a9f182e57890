"""Files and folders that only their owner can read, whatever the umask allows (S19)."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = 0o700
FILE = 0o600


def folder(path: Path) -> None:
    """Makes a folder and those above it that are missing, each for its owner only; what is there stays as it is.

    `Path.mkdir(parents=True, mode=...)` gives the mode to the last one alone.
    """
    missing = [level for level in (path, *path.parents) if not level.exists()]
    for level in reversed(missing):
        level.mkdir(mode=FOLDER, exist_ok=True)


def create(path: Path) -> None:
    """Makes an empty file. Raises FileExistsError when there is one."""
    folder(path.parent)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE))


def write(path: Path, text: str) -> None:
    """Writes a file beside and moves it into place, so that a stop leaves the old one or the new one, never half."""
    folder(path.parent)
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)
