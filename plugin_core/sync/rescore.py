"""Scores everything that is stored anew, by the instruments and rules as they are now.

Streamed by key, a page in a transaction; afterwards every course is read again. Nothing is pushed from here: a changed
rule may call for thousands of flags, and a person decides about that (F90).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from ..contracts import HookContext
from ..registry import Registry
from ..settings import Settings
from ..store import Store, Tx, forms
from .evaluate import Evaluate
from .ingest import rescore_form

if TYPE_CHECKING:
    from ..engine import Rescored

PAGE = 1000


def rescore(
    store: Store,
    source: int,
    settings: Settings,
    registry: Registry,
    as_of: datetime,
    progress: Callable[[str, int, int | None], None],
) -> Rescored:
    """Rescores all, then lets the rules read every course; gives the counts."""
    from ..engine import Rescored

    counts: Counter[str] = Counter()
    after = ""
    while True:
        last = _page(store, source, registry, after, counts)
        progress("rescoring", counts["forms"], None)
        if last is None:
            break
        after = last
    store.write(forms.mark_all_dirty, source)
    carriers = settings.push.carriers if settings.push.on else ()
    context = HookContext(settings.practice, settings.platform.platform if settings.platform else "", as_of)
    done = Evaluate(store, source, registry, context, carriers).run()
    return Rescored(counts["forms"], counts["changed"], dict(done.counts))


def _page(store: Store, source: int, registry: Registry, after: str, counts: Counter[str]) -> str | None:
    """One page; gives its last key, or None when there is no more."""

    def write(tx: Tx) -> tuple[str | None, int, int]:
        rows = forms.all_rows(tx, after, PAGE)
        fresh = []
        for row in rows:
            scored = rescore_form(registry, row, tx)
            if scored is not None:
                fresh.append((row.key, *scored))
        forms.rescored(tx, fresh)
        return (rows[-1].key if rows else None), len(rows), len(fresh)

    last, seen, changed = store.write(write, source)
    counts["forms"] += seen
    counts["changed"] += changed
    return last
