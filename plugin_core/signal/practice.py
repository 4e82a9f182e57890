"""What other constants would change in a practice's flags: everything rescored twice, and nothing of it kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...schemas.records import Course
from ...schemas.vocab import STANDING_STATES
from ..rules.life import GOOD_NEWS, PROMPT
from .local import Known

if TYPE_CHECKING:
    from ..engine import Engine
    from ..registry import Registry

CLIENTS_A_PAGE = 200


def courses(engine: Engine) -> Iterator[list[Course]]:
    """The courses of all clients as the rules of a sync read them, a page at a time."""
    from ..store import forms
    from ..sync.reading import courses_of, series_of, start_of
    from ..sync.sessions import attended

    settings, registry = engine.settings, engine.registry
    for page in _pages(engine):
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
    """Flags that stand after all is rescored, by rule: as things are, and with these constants. A rehearsal of
    `handrail rescore`, so that holds, stale courses, discharges and vetoes count as they will."""
    from ..sync.lock import exclusive

    with exclusive(engine.store, "rescoring"):
        now, then = (_rehearsed(engine, one) for one in (engine.registry, engine.registry.with_constants(known)))
    return {rule: (now[rule], then[rule]) for rule in sorted(now.keys() | then.keys())}


def _rehearsed(engine: Engine, registry: Registry) -> Counter[str]:
    from ..store import flags
    from ..sync.rescore import rescore

    store, source, found = engine.store, engine.source, Counter[str]()
    with store.rehearsal():
        rescore(store, source, engine.settings, registry, engine.now(), engine.progress)
        for page in _pages(engine):
            with store.reading(source) as tx:
                rows = [row for rows in flags.of_clients(tx, page).values() for row in rows]
            found.update(row.rule for row in rows if row.kind in (PROMPT, GOOD_NEWS) and row.state in STANDING_STATES)
    return found


def _pages(engine: Engine) -> Iterator[list[str]]:
    keys = [key for key, _ in engine.clients()]
    for start in range(0, len(keys), CLIENTS_A_PAGE):
        yield keys[start : start + CLIENTS_A_PAGE]
