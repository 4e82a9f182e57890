"""Files and folders that only their owner can read, whatever the umask allows (S19)."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

FOLDER = 0o700
FILE = 0o600
PAUSES = (0.05, 0.1, 0.2, 0.4)
log = logging.getLogger(__name__)


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


def write(path: Path, text: str, *, lasting: bool = True) -> None:
    """Writes a text file, as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"), lasting=lasting)


def write_bytes(path: Path, data: bytes, *, lasting: bool = True) -> None:
    """Writes a file beside and moves it into place, so that a stop leaves the old one or the new one, never half.

    :param lasting: False where nothing is lost if a power cut takes it: a busy disk takes long to say that it has it.
    """
    folder(path.parent)
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE), "wb") as out:
            out.write(data)
            if lasting:
                out.flush()
                os.fsync(out.fileno())
        _move(temporary, path)
    except OSError:
        remove(temporary)  # half of a page with names on it
        raise


def _move(temporary: Path, path: Path) -> None:
    """Windows refuses to replace a file while another program (a virus scanner, a reader) has it open: tried anew."""
    for pause in PAUSES:
        try:
            temporary.replace(path)
        except PermissionError:
            if os.name != "nt":
                raise
            time.sleep(pause)
        else:
            return
    temporary.replace(path)


def remove(path: Path) -> None:
    """Removes a file that another program may have open just now; one that cannot be removed is left and said so."""
    try:
        path.unlink(missing_ok=True)
    except NotADirectoryError:
        return  # nothing is there: what should hold it is a file
    except OSError as error:
        log.info("%s was left where it is (%s)", path.name, type(error).__name__)
