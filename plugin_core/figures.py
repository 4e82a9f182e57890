"""The practice's own figures over a year: what was asked and came back, what was prompted, and whether it was of use.

For the practice as a whole only: never by therapist or client, and no share of fewer than five (docs/figures.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING

from ..schemas.vocab import AskState
from .store import figures as counts

if TYPE_CHECKING:
    from .engine import Engine

YEAR_DAYS = 365
LEAST = 5
"""A share of fewer than these says more of single people than of the practice."""


@dataclass(frozen=True, slots=True)
class PracticeFigures:
    """What happened between two instants. A share is None where too few stand behind it.

    `asked` counts requests that have run their time (answered or expired), so that what is still open does not look
    like a refusal; `open` are those. `useful` maps yes, no, unsure and unsaid to counts of prompts that were seen.
    """

    since: datetime
    until: datetime
    asked: int
    answered: int
    open: int
    clients: int
    prompts: int
    seen: int
    useful: Mapping[str, int]
    days_to_seen: float | None

    @property
    def answered_share(self) -> float | None:
        """Answered of asked, 0 to 1."""
        return self.answered / self.asked if self.asked >= LEAST else None

    @property
    def prompts_per_hundred(self) -> float | None:
        """Prompts per hundred clients with a form, for a year."""
        years = (self.until - self.since).days / YEAR_DAYS
        return 100 * self.prompts / self.clients / years if self.clients >= LEAST and years > 0 else None

    @property
    def useful_share(self) -> float | None:
        """Found useful, of those seen prompts on which somebody said yes, no or unsure; 0 to 1."""
        said = sum(self.useful.get(word, 0) for word in ("yes", "no", "unsure"))
        return self.useful.get("yes", 0) / said if said >= LEAST else None


class Figures:
    """Counts over one practice.

    :param engine: the practice.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self, days: int = YEAR_DAYS) -> PracticeFigures:
        """The figures of the last so many days."""
        until = self._engine.now()
        since = until - timedelta(days=days)
        with self._engine.store.reading(self._engine.source) as tx:
            asked = counts.asked(tx, since.date(), until.date())
            clients = counts.clients_with_forms(tx, since, until)
            prompts = counts.prompts(tx, since, until)
            seen = counts.seen(tx, since, until)
        over = asked[AskState.ANSWERED] + asked[AskState.EXPIRED]
        words = [said or "unsaid" for _, said in seen]
        return PracticeFigures(
            since=since,
            until=until,
            asked=over,
            answered=asked[AskState.ANSWERED],
            open=asked.total() - over - asked[AskState.REFUSED],
            clients=clients,
            prompts=prompts,
            seen=len(seen),
            useful={word: words.count(word) for word in ("yes", "no", "unsure", "unsaid")},
            days_to_seen=median(days for days, _ in seen) if len(seen) >= LEAST else None,
        )
