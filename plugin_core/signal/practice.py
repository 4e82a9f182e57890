"""What other constants would change in a practice's flags: all its courses read twice, nothing written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ...schemas.records import Course
from ..rules.life import GOOD_NEWS, PROMPT, episodes
from .local import Known, used_with

if TYPE_CHECKING:
    from ..engine import Engine

CLIENTS_A_PAGE = 200


def courses(engine: Engine) -> Iterator[list[Course]]:
    """The courses of all clients as the rules of a sync read them, a page at a time."""
    from ..store import forms
    from ..sync.reading import courses_of, series_of, start_of
    from ..sync.sessions import attended

    settings, registry = engine.settings, engine.registry
    keys = [key for key, _ in engine.clients()]
    for start in range(0, len(keys), CLIENTS_A_PAGE):
        page = keys[start : start + CLIENTS_A_PAGE]
        with engine.store.reading(engine.source) as tx:
            people = forms.read_clients(tx, page)
            series = series_of(tx, page, registry, settings.zone, settings.read_tags)
            held = attended(tx, page, settings.zone)
        found: list[Course] = []
        for key in page:
            starts = list(map(start_of, people[key].changes))
            found += courses_of(key, series[key], starts, registry, held[key] if held else None)
        yield found


def standing(engine: Engine, known: Known) -> dict[str, tuple[int, int]]:
    """Flags that the rules call for today, by rule: now, and with these constants. Holds are left aside."""
    now: Counter[str] = Counter()
    then: Counter[str] = Counter()
    for page in courses(engine):
        changed = [replace(course, instrument=used_with(course.instrument, known)) for course in page]
        for counted, read in ((now, page), (then, changed)):
            engine.registry.prepare(read)
            for course in read:
                for rule in engine.registry.rules_for(course.instrument.id):
                    if rule.kind in (PROMPT, GOOD_NEWS):
                        counted[rule.id] += sum(one.closed is None for one in episodes(rule, course))
    return {rule: (now[rule], then[rule]) for rule in sorted(now.keys() | then.keys()) if now[rule] or then[rule]}
