"""What `handrail doctor` looks at on this computer: Python, files and who can read them, folders, disk, time zone."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from ..engine import Engine
from ..paths import is_file
from ..settings import Settings
from ..words import tr
from .check import NOTE, OK, WRONG, Check

MB = 1_000_000
FULL, NEARLY = 100 * MB, 1000 * MB
# Beginnings of folder names under which something else copies, moves and locks files.
SYNCHRONISED = (
    "dropbox",
    "onedrive",
    "icloud",
    "mobile documents",
    "cloudstorage",
    "google drive",
    "googledrive",
    "nextcloud",
    "owncloud",
    "pcloud",
    "syncthing",
)
REMOTE = ("nfs", "cifs", "smb", "fuse.sshfs", "afpfs", "davfs")


def python() -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check("Python", OK if sys.version_info >= (3, 11) else WRONG, version)


def programs() -> Iterator[Check]:
    """Two installations side by side: the one that is upgraded may not be the one that runs."""
    names = ("handrail.exe",) if os.name == "nt" else ("handrail",)
    folders = [Path(part) for part in os.environ.get("PATH", "").split(os.pathsep) if part]
    there = [folder / name for folder in folders for name in names if is_file(folder / name)]
    different = list({path.resolve(): path for path in reversed(there)}.values())[::-1]
    if len(different) > 1:
        listed = ", ".join(str(path) for path in different)
        yield Check(
            "programs",
            NOTE,
            tr(
                "There are {different} Handrails: {listed}. Keep one and uninstall the others.",
                different=len(different),
                listed=listed,
            ),
        )


def files(engine: Engine) -> Iterator[Check]:
    """Owner-only files, and a store that is not in a folder that something else writes to (S19, F74)."""
    settings = engine.settings
    for name, path in (("settings file", settings.file), ("store file", sqlite_path(settings))):
        if path is None or not is_file(path):
            continue
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Check(name, WRONG, tr("others on this computer can read {path}. Run: chmod 600 {path}", path=path))
        if os.name == "nt" and not path.resolve().is_relative_to(Path.home().resolve()):
            yield Check(
                name, NOTE, tr("{path} lies outside your own folder; see in its properties who can read it.", path=path)
            )
        if not os.access(path.parent, os.W_OK):
            yield Check(
                name,
                WRONG,
                tr("The folder {parent} cannot be written to by you. Change its rights or owner.", parent=path.parent),
            )
        yield from _shared(name, path)


def _shared(name: str, path: Path) -> Iterator[Check]:
    folders = [part.casefold() for part in path.resolve().parent.parts]
    if any(folder.startswith(SYNCHRONISED) for folder in folders):
        yield Check(
            name,
            WRONG,
            tr("{path} lies in a synchronised folder, which can damage a store. Move it elsewhere.", path=path),
        )
    elif str(path).startswith("\\\\") or _mount(path).startswith(REMOTE):
        yield Check(
            name,
            WRONG,
            tr("{path} lies on a network drive, which can damage a store. Move it to this computer.", path=path),
        )


def _mount(path: Path) -> str:
    """The kind of file system that a path lies on, by /proc (Linux); empty where that is not told."""
    try:
        rows = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        return ""
    above = {str(folder) for folder in path.resolve().parents}
    known = [(len(row[1]), row[2]) for row in rows if row[1].replace("\\040", " ") in above]
    return max(known, default=(0, ""))[1]


def disk(engine: Engine) -> Iterator[Check]:
    """Room for the store, and for what SQLite writes beside it."""
    settings = engine.settings
    path = sqlite_path(settings)
    folder = settings.folder if path is None else path.parent
    if not folder.is_dir():
        return
    free = shutil.disk_usage(folder).free
    if free < NEARLY:
        text = tr(
            "only {mb} MB are free where {folder} lies. Make room; a full disk stops every sync.",
            mb=free // MB,
            folder=folder,
        )
        yield Check("disk", WRONG if free < FULL else NOTE, text)


def time_zone(engine: Engine) -> Iterator[Check]:
    """Days count in the practice's zone; one that was never set, or is not this computer's, is worth a look."""
    settings, here = engine.settings, engine.now()
    dates = (here, here.replace(month=1, day=1), here.replace(month=7, day=1))
    computer = [date.astimezone().utcoffset() for date in dates]
    practice = [date.astimezone(settings.zone).utcoffset() for date in dates]
    on_utc = all(not offset for offset in computer)
    if settings.time_zone == "UTC":
        yield Check("time zone", NOTE, tr("UTC. If the practice is elsewhere, set time_zone in the settings."))
    elif computer != practice and not on_utc:  # servers are kept on UTC, which says nothing
        text = tr(
            "The settings say {time_zone}, this computer's clock another zone. Check both.",
            time_zone=settings.time_zone,
        )
        yield Check("time zone", NOTE, text)


def sqlite_path(settings: Settings) -> Path | None:
    """The store's file, None for another database."""
    return settings.store_path if settings.store_in_file else None
