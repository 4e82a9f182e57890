"""The list of clients, kept in memory in step with the store: names are sealed, so they are opened once, not per page.

Each look compares what the store says with what was read before and opens only rows that changed. What is kept are
names, counts and dates; no answer, no score.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ..collecting.facts import Standing
from ..store import accounts, forms, overview
from ..store.sql import from_ms

if TYPE_CHECKING:
    from ..collecting.facts import DueRow
    from ..engine import Engine
    from ..store import Tx
    from ..store.accounts import Look
    from ..store.overview import ClientRow, Forms

LATE = frozenset({Standing.MISSED, Standing.LATE})
OPEN = frozenset({Standing.DUE, Standing.TRYING, Standing.ASKED, Standing.REMINDED, Standing.REFUSED, *LATE})


@dataclass(frozen=True, slots=True)
class Person:
    """A client as lists show them: who, whose, how many forms, when the newest."""

    key: str
    name: str
    clinician: str | None
    clinician_name: str | None
    ended: date | None
    forms: int
    newest: datetime | None


class Row(NamedTuple):
    """A client in the list of one viewer.

    `fresh_forms`: forms since they last looked; `fresh`: whether anything is new to them. `prompts` and `good` are
    shown flags that nobody has acknowledged, `safety` open notices. `waiting`: forms due, asked for or missed;
    `missed`: how many requests in a row were not answered; `unanswered`: whether a form was asked for and its time is
    over, or nearly.
    """

    person: Person
    fresh: bool
    fresh_forms: int
    looked: bool
    safety: int
    prompts: int
    good: int
    held_until: date | None
    waiting: tuple[DueRow, ...]
    due: date | None
    missed: int
    unanswered: bool


@dataclass(frozen=True, slots=True)
class _Known:
    """A person with what they were read from."""

    marks: int
    ended: str | None
    sealed: bytes
    person: Person


class Caseload:
    """All clients of a practice, for many readers at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._people: dict[str, _Known] = {}
        self._due_stamp: tuple[Any, ...] | None = None
        self._due: dict[str, tuple[DueRow, ...]] = {}
        self._upcoming: dict[str, date] = {}

    def people(self, engine: Engine, source: int) -> dict[str, Person]:
        """All clients, by key, as the store has them now."""
        with engine.store.reading(source) as tx:
            return self._read_people(engine, tx)

    def person(self, engine: Engine, source: int, key: str) -> Person | None:
        """One client as the store has them now; None: there is none of that key."""
        with engine.store.reading(source) as tx:
            row = next(iter(overview.client_rows(tx, key)), None)
        known = self._people.get(key)
        if row is not None and known is not None and _same(known, row):
            return known.person
        return None if row is None else self.people(engine, source).get(key)

    def _read_people(self, engine: Engine, tx: Tx) -> dict[str, Person]:
        rows = overview.client_rows(tx)
        with self._lock:
            before = self._people
        stale = [row for row in rows if not _same(before.get(row.key), row)]
        if not stale and len(rows) == len(before):
            return {key: known.person for key, known in before.items()}
        keys = [row.key for row in stale]
        opened = forms.read_clients(tx, keys)
        theirs = {one.descriptor.id for one in engine.registry.instruments.values()
                  if one.descriptor.audience == "therapist"}  # fmt: skip
        counted = overview.forms_of(tx, keys, theirs)
        fresh = {row.key: _known(row, opened[row.key], counted.get(row.key), engine) for row in stale}
        now = {row.key: fresh.get(row.key) or before[row.key] for row in rows}
        with self._lock:
            self._people = now
        return {key: known.person for key, known in now.items()}

    def due(self, engine: Engine, source: int) -> dict[str, tuple[DueRow, ...]]:
        """Forms that are due, asked for or missed, by client."""
        if not source:
            return {}
        today = engine.now().date()
        with engine.store.reading(source) as tx:
            stamp = (today, *overview.asking_stamp(tx))
        with self._lock:
            if stamp == self._due_stamp:
                return self._due
        found: dict[str, tuple[DueRow, ...]] = {}
        upcoming: dict[str, date] = {}
        for row in engine.collecting.due():
            if row.due is not None and row.standing in (*OPEN, Standing.LATER):
                upcoming[row.key] = min(row.due, upcoming.get(row.key, row.due))
            if row.standing in OPEN or row.missed:
                found[row.key] = (*found.get(row.key, ()), row)
        with self._lock:
            self._due_stamp, self._due, self._upcoming = stamp, found, upcoming
        return found

    def rows(self, engine: Engine, source: int, account: str) -> list[Row]:
        """Every client, as one person sees the list; in no order."""
        waiting = self.due(engine, source)
        upcoming = self._upcoming
        today = engine.now().date()
        with engine.store.reading(source) as tx:
            people = self._read_people(engine, tx)
            looks = accounts.looks_of(tx, account)
            held = overview.held(tx, today.isoformat())
            standing = overview.standing(tx)
        return [
            _row(
                person,
                looks.get(key),
                standing.get(key, overview.Standing()),
                date.fromisoformat(held[key]) if key in held else None,
                waiting.get(key, ()),
                upcoming.get(key),
            )
            for key, person in people.items()
        ]

    def clinicians(self, engine: Engine, source: int) -> list[tuple[str, str]]:
        """The therapists whom clients have: (the platform's reference, name), by name."""
        people = self.people(engine, source).values()
        found = {one.clinician: one.clinician_name or one.clinician for one in people if one.clinician}
        return sorted(found.items(), key=lambda pair: pair[1].casefold())


def _same(known: _Known | None, row: ClientRow) -> bool:
    return known is not None and known.marks == row.marks and known.ended == row.ended and known.sealed == row.sealed


def _known(row: ClientRow, opened: forms.StoredClient, counted: Forms | None, engine: Engine) -> _Known:
    newest = None if counted is None else from_ms(counted.newest_ms).astimezone(engine.settings.zone)
    person = Person(
        row.key,
        opened.name or opened.ref,
        opened.clinician,
        opened.clinician_name,
        None if row.ended is None else date.fromisoformat(row.ended),
        0 if counted is None else counted.number,
        newest,
    )
    return _Known(row.marks, row.ended, row.sealed, person)


def _row(
    person: Person,
    look: Look | None,
    standing: overview.Standing,
    held_until: date | None,
    waiting: tuple[DueRow, ...],
    due: date | None,
) -> Row:
    newer = look is not None and standing.number > look.flags
    fresh_forms = person.forms if look is None else max(0, person.forms - look.forms)
    missed = max([one.missed for one in waiting], default=0)
    return Row(
        person,
        fresh_forms > 0 or newer,
        fresh_forms,
        look is not None,
        standing.safety,
        standing.prompts,
        standing.good,
        held_until,
        waiting,
        due,
        missed,
        missed > 0 or any(one.standing in LATE for one in waiting),
    )
