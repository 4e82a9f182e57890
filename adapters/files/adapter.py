"""A watched folder as a platform: what `AdapterSpec.open` gives.

The cursor is the list of files that were read, each by name, size, time and layout; it moves when a whole file is
committed. A file that vanishes was moved away: nothing is withdrawn for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from ...plugin_core.contracts import AdapterContext, Carrier, Identity, Page, Published, RemoteForm, RemoteResponse
from ...plugin_core.errors import SettingsError, Unsupported
from ...plugin_core.words import kept, tr, trn
from ...schemas.records import Client, Cursor, Instrument, Quarantined
from .faults import Changing, FileFault
from .folder import Folder, Found, Received, being_written
from .layout import Layout, Layouts
from .reading import Known, Practice, known, layout_of
from .rows import Broken, Person
from .seen import forms_of
from .tables import scan

STREAM = "files"
PAGE = 500
MOST_LOOKED_AT = 20
MOST_ASIDE = (
    19  # the core stops when 20 of a page and more than half of it are broken: a file is judged as a whole here
)


class FilesAdapter:
    """One practice's watched folder."""

    def __init__(self, context: AdapterContext) -> None:
        if context.own is None:
            raise SettingsError(tr("There is no place where the layouts of files could be kept."))
        self._context = context
        path = Path(context.settings["folder"]).expanduser()
        self._folder = Folder(
            path if path.is_absolute() else context.own / path,
            context.settings.get("settle_seconds", 10),
            context.now,
            context.sleep,
        )
        self._practice = Practice(context.hash, context.zone, context.now)
        self._layouts = Layouts(context.own)
        self._received = Received(context.own)
        self._people: dict[str, Person] = {}
        self._looked: set[Found] = set()

    def test(self) -> Identity:
        """Looks whether the folder can be read, and what is in it."""
        found, left = self._folder.tables()
        layouts = self._layouts.all()
        notes = [*left]
        if not layouts:
            notes.append(tr("Nobody has confirmed yet how the files are read. Run: handrail connect files"))
        notes += [self._said(one, fault.why) for one, fault in self._unfit(found, layouts)] if layouts else []
        title = trn("Folder with {count} table", "Folder with {count} tables", len(found))
        place = sha256(str(self._folder.path.resolve()).encode()).hexdigest()[:32]
        return Identity(title, "", place, {"publish": False, "ask": False, "sessions": False}, notes)

    def _unfit(self, found: Sequence[Found], layouts: list[Layout]) -> Iterator[tuple[Found, FileFault]]:
        for one in found[-MOST_LOOKED_AT:]:
            try:
                layout_of(one, scan(one.path), layouts)
            except FileFault as fault:
                yield one, fault
            except Changing:
                continue

    # --- reading -------------------------------------------------------------------------------------------------

    def pull(self, cursor: Cursor | None) -> Iterator[Page]:
        """See `Adapter.pull`: every file that is new, was written anew, or is read by another layout since."""
        found, left = self._folder.tables()
        layouts = self._layouts.all()
        everything = sha256("|".join(one.fingerprint for one in layouts).encode()).hexdigest()[:12]
        before = _marks(cursor)
        marks = {name: mark for one in found if (mark := before.get(name := self._name(one))) is not None}
        warnings = [*left]
        for one in found:
            name, stamp = self._name(one), [one.stamp.size, one.stamp.mtime_ns]
            if marks.get(name) == [*stamp, everything]:
                continue
            marks[name] = [*stamp, everything]
            for page in self._file(one, layouts):
                last = page.cursor is not None
                yield replace(page, cursor=_cursor(marks) if last else None, warnings=[*warnings, *page.warnings])
                warnings = []
                if not last and not page.responses and not page.set_aside:  # left for a later run
                    del marks[name]
        taken_out, gone, said = self._vanished(found)
        if warnings or gone or said or cursor is None or cursor.token != _cursor(marks).token:
            yield Page((), _cursor(marks), gone=gone, warnings=[*warnings, *said])
        for name in taken_out:
            self._received.settle(name, [])

    def _file(self, found: Found, layouts: list[Layout]) -> Iterator[Page]:
        """The pages of one file; the last has a cursor, as a sign that the file is through."""
        name, own = self._name(found), f"file-{self._name(found)}"
        try:
            one = known(found, layouts, self._practice)
        except Changing:
            yield Page((), warnings=[being_written(found)])
            return
        except FileFault as fault:
            yield from self._refused(found, name, own, fault)
            return
        updated = self._updated(one)
        ids: list[str] = []
        try:
            yield from self._pages(one, updated, ids)
        except FileFault as fault:  # it was whole when it was looked over
            yield from self._refused(found, name, own, fault)
            return
        except Changing:
            yield Page((), warnings=[being_written(found)])
            return
        if not found.unchanged():
            yield Page((), warnings=[being_written(found)])
            return
        yield Page((), Cursor(STREAM), gone=self._received.no_more(name, {*ids, *one.survey.forms}))
        self._received.settle(name, ids, set(one.survey.forms).difference(ids))

    def _refused(self, found: Found, name: str, own: str, fault: FileFault) -> Iterator[Page]:
        where = kept.WHOLE_FILE.format(file=found.shown)
        aside = Quarantined(own, fault.reason, where, fault.why, fault.form)
        gone = self._received.no_more(name, {own})
        yield Page((), Cursor(STREAM), set_aside=[aside], gone=gone, warnings=[self._said(found, fault.why)])
        self._received.settle(name, [own])

    def _said(self, found: Found, why: str) -> str:
        return tr("{file} was set aside as a whole: {why}.", file=found.shown, why=kept.told(why))

    def _pages(self, one: Known, updated: str, ids: list[str]) -> Iterator[Page]:
        forms: list[RemoteResponse] = []
        aside: list[Quarantined] = []
        with one.open(self._practice) as (reader, rows):
            for form in reader.forms(rows, one.survey, updated):
                if isinstance(form, Broken):
                    broken = self._aside(one, form)
                    ids.append(broken.remote_id)
                    aside.append(broken)
                else:
                    forms.append(form)
                if len(forms) >= PAGE or len(aside) >= MOST_ASIDE:
                    yield Page(tuple(forms), set_aside=tuple(aside))
                    forms, aside = [], []
        if forms or aside:
            yield Page(tuple(forms), set_aside=tuple(aside))

    def _aside(self, one: Known, broken: Broken) -> Quarantined:
        where = kept.FILE_LINE.format(line=broken.line, file=one.found.shown)
        own = broken.key or "row-" + self._context.hash(repr((one.scan.sha256, broken.line)))
        return Quarantined(own, broken.reason, where, broken.why, broken.form)

    def _updated(self, one: Known) -> str:
        """When this content first arrived: a copy of an old export does not take back what a newer one corrected."""
        first = self._received.at(one.scan.sha256, one.found.stamp)
        return datetime.fromtimestamp(min(first / 1e9, self._context.now()), UTC).isoformat(timespec="milliseconds")

    def _name(self, found: Found) -> str:
        return self._context.hash(found.path.name)[:16]

    def _vanished(self, found: Sequence[Found]) -> tuple[list[str], list[str], list[str]]:
        """Files that somebody has taken out of the folder since, what was set aside of them (nothing is left to mend),
        and what is said of that."""
        vanished = dict(self._received.vanished({self._name(one): one for one in found}))
        gone = [one for ids in vanished.values() for one in ids]
        said = trn(
            "What was set aside of a file ({count} entry) is no longer listed: the file was taken out of the folder.",
            "What was set aside of files ({count} entries) is no longer listed: they were taken out of the folder.",
            len(gone),
        )
        return list(vanished), gone, [said] if gone else []

    # --- by id, by client ----------------------------------------------------------------------------------------

    def _all(self) -> Iterator[Known]:
        """Every file that can be read now."""
        layouts = self._layouts.all()
        for one in self._folder.tables()[0]:
            try:
                yield known(one, layouts, self._practice)
            except (FileFault, Changing):
                continue

    def fetch(self, remote_ids: Sequence[str]) -> Page:
        """The named forms, as the files that are there now have them, the newest content last. What is in none of
        them is left as it is: its file may have been moved away."""
        wanted = set(remote_ids)
        responses: dict[str, RemoteResponse] = {}
        aside: dict[str, Quarantined] = {}
        for one in sorted(self._all(), key=self._updated):
            if wanted.isdisjoint(one.survey.forms):
                continue
            with one.open(self._practice) as (reader, rows):
                for form in reader.forms(rows, one.survey, self._updated(one)):
                    if isinstance(form, Broken):
                        if (form.key or "") in wanted:
                            aside[form.key or ""] = self._aside(one, form)
                    elif form.id in wanted:
                        responses[form.id] = form
        left = [one for name, one in aside.items() if name not in responses]
        return Page(tuple(responses.values()), set_aside=tuple(left))

    def listing(self) -> Iterator[Mapping[str, str | None]]:
        """Ids of all forms in the files that are there now. Absence says nothing (`Capabilities.lists_all`)."""
        for one in self._all():
            yield dict.fromkeys(one.survey.forms)

    def clients(self, refs: Sequence[str]) -> Iterator[Client]:
        """Names and therapists, from the columns that the layouts name; a client whom no file names is left out."""
        found, _ = self._folder.tables()
        if self._looked != set(found) and any(ref not in self._people for ref in refs):
            self._looked = set(found)
            for one in self._all():
                with one.open(self._practice) as (reader, rows):
                    self._people.update((person.client, person) for person in reader.people(rows))
        for ref in refs:
            if (person := self._people.get(ref)) is not None:
                yield Client(ref, person.name, person.clinician, person.clinician)

    def forms(self) -> Iterator[RemoteForm]:
        """The forms that the files hold, as far as answers show them."""
        return forms_of(self._all(), self._practice)

    # --- what files cannot do --------------------------------------------------------------------------------------

    def publish(self, instrument: Instrument) -> Published:  # noqa: ARG002 - the protocol's
        """Raises Unsupported: forms are made where the files come from."""
        raise Unsupported(tr("Forms cannot be made through files. Make the form where the files come from."))

    def carrier(self, name: str) -> Carrier:  # noqa: ARG002 - the protocol's
        """Raises Unsupported: there is nothing to write to."""
        raise Unsupported(tr("Files take no flags. Enter them by hand: handrail flags --by-hand -o FILE.html"))

    def close(self) -> None:
        """Nothing is kept open between calls."""


def _marks(cursor: Cursor | None) -> dict[str, list[object]]:
    """The files that were read, from the cursor; none where it cannot be read: they are then read again."""
    try:
        found = json.loads(cursor.token) if cursor is not None and cursor.token else {}
    except (ValueError, RecursionError):
        return {}
    return {name: mark for name, mark in found.items() if isinstance(mark, list)} if isinstance(found, dict) else {}


def _cursor(marks: Mapping[str, list[object]]) -> Cursor:
    return Cursor(STREAM, token=json.dumps(dict(sorted(marks.items())), separators=(",", ":")))
