"""The watched folder: which files in it are tables, which are still being written, and how messages call them.

A file's name may hold a client's, so messages show of it only words that exports are usually named with.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from ...plugin_core import private
from ...plugin_core.errors import NotTheApi
from ...plugin_core.words import tr
from .faults import Changing
from .tables import CSV_ENDINGS, EXCEL_ENDINGS

_EXPORT_WORDS = (
    "export exports exported extract extracts data answers answer responses response results result forms form "
    "intake intakes questionnaire questionnaires survey surveys outcome outcomes measure measures measurement "
    "measurements report reports client clients patient patients list all new old final copy kopie of and the "
    "from to until bis von und neu alt gr gad phq core ts growth reliance wide long table sheet file files csv "
    "xlsx tsv txt utf bom ansi excel macro january february march april may june july august september october "
    "november december jan feb mar apr jun jul aug sep sept oct nov dec januar februar märz mai juni juli "
    "oktober dezember okt dez week month year quarter q antworten bogen bögen fragebogen fragebögen auswertung "
    "auszug daten ergebnisse formulare liste intakeq practiceq jane simplepractice therapynotes cliniko "
    "healthie drchrono carepatron zanda theranest ensora de en bad good broken cut empty half day daily weekly "
    "monthly test sample example demo "
)
_SHOWN = frozenset(_EXPORT_WORDS.split())
_WORD = re.compile(r"[^\W\d_]+")
LONGEST_NAME = 60
MOST_REMEMBERED = 5000


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file as the folder shows it: another one when it was written anew."""

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Found:
    """One table in the folder."""

    path: Path
    stamp: Stamp

    @property
    def shown(self) -> str:
        """What messages call it."""
        return shown(self.path.name)

    def unchanged(self) -> bool:
        """Whether it is still what it was when it was found."""
        return stamp_of(self.path) == self.stamp


def shown(name: str) -> str:
    """The name with every word that is not one of exports cut to its first letter, numbers and signs as they are."""
    cut = _WORD.sub(lambda word: word[0] if word[0].casefold() in _SHOWN else f"{word[0][0]}…", name)
    return "".join(letter if letter.isprintable() else "?" for letter in cut)[:LONGEST_NAME]


def stamp_of(path: Path) -> Stamp | None:
    """Size and time of a file; None where it is not there, or not to be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Stamp(found.st_size, found.st_mtime_ns)


class Folder:
    """The watched folder.

    :param settle: seconds for which a file must not have changed before it is read.
    """

    def __init__(self, path: Path, settle: float, now: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self.path = path
        self._settle = settle
        self._now, self._sleep = now, sleep

    def tables(self) -> tuple[list[Found], list[str]]:
        """The files to read, oldest first, and sentences on those that are left for a later run.

        :raises NotTheApi: the folder is not there, or may not be read.
        """
        ready: list[Found] = []
        fresh: list[Found] = []
        left: list[str] = []
        names = self._names()
        for name in names:
            if f"~${name}" in names or (len(name) > 8 and f"~${name[2:]}" in names):
                left.append(_open_elsewhere(name))
                continue
            path = self.path / name
            stamp = stamp_of(path)
            if stamp is None or not path.is_file() or not _is_table(name):
                continue
            still = abs(self._now() - stamp.mtime_ns / 1e9) < self._settle or stamp.mtime_ns / 1e9 > self._now()
            (fresh if still else ready).append(Found(path, stamp))
        if fresh:
            self._sleep(self._settle)
        for one in fresh:
            if one.unchanged():
                ready.append(one)
            else:
                left.append(being_written(one))
        return sorted(ready, key=lambda one: (one.stamp.mtime_ns, one.path.name)), left

    def _names(self) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self.path))
        except OSError:
            raise NotTheApi(
                tr(
                    "The folder of files cannot be read: {folder}. Check that it is there and that this computer may "
                    "read it (the setting folder).",
                    folder=self.path,
                )
            ) from None


def _is_table(name: str) -> bool:
    return name.lower().endswith((*CSV_ENDINGS, *EXCEL_ENDINGS)) and not name.startswith(("~$", "."))


def being_written(one: Found) -> str:
    """That a file is left for the next run."""
    return tr("{file} is being written; it is read in the next run.", file=one.shown)


def _open_elsewhere(name: str) -> str:
    return tr(
        "{file} is open in Excel; it is read once it is closed. If nobody has it open, delete the file in that folder "
        "whose name begins with ~$.",
        file=shown(name),
    )


class Received:
    """When each content first arrived, and what of each file was set aside: a private file of the practice.

    Only an order in time and names by hash, so that losing it or writing it twice does no harm: an older export that is
    put into the folder again does not take back what a newer one has corrected.
    """

    def __init__(self, own: Path) -> None:
        self._path = own / "layouts" / "received.state"
        self.first: dict[str, int] = {}
        self.aside: dict[str, list[str]] = {}
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            self.first = {str(name): int(at) for name, at in stored["first"].items()}
            self.aside = {str(name): [str(one) for one in ids] for name, ids in stored["aside"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.first = {}

    def at(self, content: str, stamp: Stamp) -> int:
        """The time (ns) from which a content is known: the oldest that any copy of it had."""
        known = min(self.first.get(content, stamp.mtime_ns), stamp.mtime_ns)
        if self.first.get(content) != known:
            self.first[content] = known
            self._save()
        return known

    def no_more(self, name: str, there: Set[str]) -> list[str]:
        """What of a file was set aside and is not in it any more, neither as a form nor set aside."""
        return [one for one in self.aside.get(name, []) if one not in there]

    def settle(self, name: str, ids: Sequence[str], forms: Set[str] = frozenset()) -> None:
        """Remembers what of a file is set aside now: once the page that says so is stored. Before that, a stop between
        the two would leave what is mended set aside for ever.

        :param forms: what was read as forms. Whatever was set aside of it, in another file too, it is to stay.
        """
        every = {**self.aside, name: list(ids)}
        left = {file: kept for file, held in every.items() if (kept := [one for one in held if one not in forms])}
        if left != self.aside:
            self.aside = left
            self._save()

    def vanished(self, present: Mapping[str, object]) -> Iterator[tuple[str, list[str]]]:
        """Files of which something was set aside and which are not in the folder any more."""
        return iter([(name, ids) for name, ids in self.aside.items() if name not in present])

    def _save(self) -> None:
        if len(self.first) > MOST_REMEMBERED:
            newest = sorted(self.first.items(), key=lambda pair: pair[1])[-MOST_REMEMBERED:]
            self.first = dict(newest)
        private.write(self._path, json.dumps({"first": self.first, "aside": self.aside}) + "\n")


def guarded(found: Found) -> None:
    """Raises Changing when the file was changed since it was found."""
    if not found.unchanged():
        raise Changing
