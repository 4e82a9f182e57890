"""Scores everything that is stored anew, by the instruments and rules as they are now.

The rules read every course anyway, so the scores are made on the way: each form is unsealed once. New scores and what
the rules make of them are one transaction for each page of clients. Nothing is pushed from here: a changed rule may
call for thousands of flags, and a person decides about that (F90).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from ...schemas.records import ScoredForm
from ..contracts import HookContext
from ..registry import Registry
from ..settings import Settings
from ..store import Store, Tx, forms, outgoing
from . import judged
from .basis import code
from .evaluate import Evaluate, Evaluated, Read
from .quiet import quiet_collector

if TYPE_CHECKING:
    from ..views import Rescored

Fresh = dict[str, tuple[ScoredForm, str]]
Series = dict[str, list[tuple[str, str, ScoredForm]]]


def rescore(
    store: Store,
    source: int,
    settings: Settings,
    registry: Registry,
    as_of: datetime,
    progress: Callable[[str, int, int | None], None],
) -> Rescored:
    """Rescores all and lets the rules read every course; gives the counts."""
    from ..views import Rescored

    with store.reading(source) as tx:
        waiting = outgoing.counts(tx).get("pending", 0)
    store.write(forms.mark_all_dirty, source)
    carriers = settings.push.carriers if settings.push.on else ()
    context = HookContext(settings.practice, settings.platform.platform if settings.platform else "", as_of)
    work = _Rescoring(store, source, registry, context, carriers, settings.read_tags)
    work.progress = progress
    with quiet_collector():
        done = work.run()
    judged.note(store, source, registry, work.failed)
    with store.reading(source) as tx:
        done.counts["to_push"] = max(outgoing.counts(tx).get("pending", 0) - waiting, 0)
    return Rescored(work.seen, work.changed, dict(done.counts), tuple(done.problems))


class _Rescoring(Evaluate):
    """Reads courses as after a sync, each form with scores made anew."""

    progress: Callable[[str, int, int | None], None]
    seen = changed = 0

    def _trusts(self, rule: str) -> bool:
        """Called after Handrail or a plugin changed: a vendor's evidence is made anew, and compared; of Handrail's own
        the code is part of what it follows from."""
        return bool(code()) and self.registry.plugins.is_own(self.registry.rules[rule].plugin)

    def _series(self, tx: Tx, keys: Sequence[str], scored_by: dict[str, str] | None = None) -> Series:
        scored_by = {} if scored_by is None else scored_by
        series = super()._series(tx, keys, scored_by)
        known = {key: self.registry.scorer(key) for key in self.registry.instruments}
        today = {one.instrument.sha256[:12] for one in known.values()}
        otherwise = {key for key, by in scored_by.items() if by not in today}
        fresh: Fresh = {}
        for found in series.values():
            for index, (instrument, version, form) in enumerate(found):
                scorer = known.get((instrument, version))
                if scorer is None:
                    continue
                scores, straight = scorer.scores(form.answers), scorer.straight_line(form.answers)
                if scores != form.scores or straight is not form.straight_line or form.id in otherwise:
                    anew = replace(form, scores=scores, straight_line=straight)
                    fresh[form.id] = anew, scorer.instrument.sha256[:12]
                    found[index] = instrument, version, anew
        self._found = sum(map(len, series.values())), fresh
        return series

    def _more(self) -> tuple[int, Fresh]:
        return self._found

    def _settle(self, read: Read, done: Evaluated) -> None:
        super()._settle(read, done)
        seen, fresh = read.more
        self.seen += seen
        self.changed += len(fresh)
        self.progress("rescoring", seen, None)

    def _write_more(self, tx: Tx, more: tuple[int, Fresh]) -> None:
        forms.rescored(tx, more[1])
