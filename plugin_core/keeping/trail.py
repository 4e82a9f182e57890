"""Is the audit trail as it was written? Redoes its chain, and compares its end with copies kept outside the store.

A chain alone does not show that its end was cut off (S39). Hence a copy of the last link lies beside the settings,
renewed after each sync, and every check prints the link for the practice to keep elsewhere (a printout, a mail).
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from .. import private
from ..errors import UsageError
from ..settings import Settings
from ..store import Store, chain
from ..words import mark, tr

FILE = "trail.json"
_KEPT = re.compile(r"(\d{1,18})-([0-9a-f]{64})")
log = logging.getLogger(__name__)

CHANGED = mark("Entry {number} is not as it was written, or one before it was put in, taken out or moved.")
MISSING = mark("Entry {number} is missing.")
CUT_OFF = mark("The trail ends with entry {last}; the copy {where} knows entry {number}. Its end was cut off.")
OTHER = mark("Entry {number} is another one than the copy {where} knows.")
BESIDE = mark("beside the settings")
GIVEN = mark("that you gave")


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found: how many entries, of which `older` are from before the trail was a chain; the last link as
    `NUMBER-HASH`; and plain sentences for each place that is not as it was written."""

    entries: int
    older: int
    link: str
    problems: tuple[str, ...]


def check(store: Store, settings: Settings, kept: str | None) -> Checked:
    """See `Keeping.check_trail`."""
    copies = [(BESIDE, _beside(settings)), (GIVEN, _given(kept))]
    with store.reading() as tx:
        walked = chain.walk(tx)
        problems = [tr(CHANGED if one.changed else MISSING, number=one.number) for one in walked.breaks]
        for where, copy in copies:
            if copy is None or copy.number == 0:
                continue
            there = chain.link_at(tx, copy.number)
            if there is None and copy.number > walked.last.number:
                problems.append(tr(CUT_OFF, last=walked.last.number, where=tr(where), number=copy.number))
            elif there != copy.digest:
                problems.append(tr(OTHER, number=copy.number, where=tr(where)))
    return Checked(walked.entries, walked.older, _written(walked.last), tuple(problems))


def remember(store: Store, settings: Settings) -> None:
    """See `Keeping.remember_trail`. A folder that cannot be written is logged: the trail itself is in the store."""
    with store.reading() as tx:
        last = chain.last_link(tx)
    written = json.dumps({"practice": settings.practice, "link": _written(last)}) + "\n"
    try:
        if not _is_there(_file(settings), written):
            private.write(_file(settings), written)
    except OSError as error:
        log.warning("the copy of the audit trail's end was not written (%s)", type(error).__name__)


def _is_there(file: Path, written: str) -> bool:
    try:
        return file.read_bytes() == written.encode()
    except OSError:
        return False


def forget(settings: Settings) -> None:
    """The store was replaced by a backup: its trail ends earlier, and rightly so."""
    private.remove(_file(settings))


def _file(settings: Settings) -> Path:
    return settings.folder / FILE


def _beside(settings: Settings) -> chain.Link | None:
    try:
        found = json.loads(_file(settings).read_text(encoding="utf-8"))
        return _read(found["link"]) if found["practice"] == settings.practice else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(
            tr("The copy of the audit trail's end ({path}) cannot be read. Look who changed it.", path=_file(settings))
        ) from None


def _given(kept: str | None) -> chain.Link | None:
    if kept is None:
        return None
    found = _read(kept.strip())
    if found is None:
        raise UsageError(tr("Give the link as handrail audit verify printed it: a number, a dash and 64 characters."))
    return found


def _read(text: str) -> chain.Link | None:
    found = _KEPT.fullmatch(text)
    return chain.Link(int(found[1]), found[2]) if found else None


def _written(link: chain.Link) -> str:
    return f"{link.number}-{link.digest}" if link.number else ""
