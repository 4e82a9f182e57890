"""Change in the published sense for the practice as a whole: who changed reliably, who crossed a cut-off.

From each client's first scored form to the last, for scores whose reliable change is published, by the functions of
`handrail change`. Never by therapist or client, and no share of fewer than five (docs/figures.md).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ...schemas.records import Course, Instrument, ScoreDefinition
from ...schemas.vocab import Direction
from ..figures import LEAST, YEAR_DAYS
from ..signal.published import DETERIORATED, HARMED, IMPROVED, RECOVERED, UNCHANGED, Pairs, by_difference
from ..words import Texts, mark, tr
from ..words.spelling import short, whole
from .practice import PERCENT, TOO_FEW

PUBLISHED = "published"
KINDS = Texts(
    {
        RECOVERED: mark("reliably better and past the cut-off"),
        IMPROVED: mark("reliably better"),
        UNCHANGED: mark("no reliable change"),
        DETERIORATED: mark("reliably worse"),
        HARMED: mark("reliably worse and past the cut-off"),
    }
)


@dataclass(frozen=True, slots=True)
class Changed:
    """One score of one instrument: how many clients have a first and a last form, and how many changed which way."""

    instrument: Instrument
    score: ScoreDefinition
    clients: int
    counts: dict[str, int]


def read(courses: Iterable[Course], as_of: datetime) -> list[Changed]:
    """What changed, of courses with a form in the year before `as_of`; in the order in which instruments occur."""
    pairs: dict[tuple[str, str, str], tuple[Instrument, ScoreDefinition, list[tuple[float, float]]]] = {}
    for course in courses:
        for score in course.instrument.scores:
            change = score.change
            if change is None or change.origin != PUBLISHED or change.reliable is None:
                continue
            if (pair := _pair(course, score.id, as_of)) is not None:
                key = (*course.instrument.key, score.id)
                pairs.setdefault(key, (course.instrument, score, []))[2].append(pair)
    return [_changed(instrument, score, found) for instrument, score, found in pairs.values()]


def _pair(course: Course, score: str, as_of: datetime) -> tuple[float, float] | None:
    """The first and the last value of a score on two days; None where there are not two, or no form in the year."""
    scored = [(form.authored, value) for form in course.forms if (value := form.value(score)) is not None]
    if len(scored) < 2 or scored[0][0].date() == scored[-1][0].date():
        return None
    if scored[-1][0] < as_of - timedelta(days=YEAR_DAYS):
        return None
    return scored[0][1], scored[-1][1]


def _changed(instrument: Instrument, score: ScoreDefinition, found: list[tuple[float, float]]) -> Changed:
    change = score.change
    if change is None or change.reliable is None:
        raise AssertionError("only scores with a published change are read")
    lower = score.direction is Direction.DOWN
    limit = change.caseness
    if limit is not None and lower:
        limit = math.nextafter(limit, -math.inf)  # the cut-off itself still lies on the clinical side
    kinds = by_difference(
        Pairs([pre for pre, _ in found], [post for _, post in found]),
        lower_is_better=lower,
        least=change.reliable,
        beyond=change.reliable_compare == ">",
        limit=limit,
    )
    counted = Counter(kinds)
    return Changed(instrument, score, len(found), {kind: counted[kind] for kind in KINDS})


def head() -> str:
    """What stands above the rows."""
    return tr("Change in the published sense, from the first form to the last")


def rows(found: Iterable[Changed]) -> list[tuple[str, str]]:
    """Instrument and what became of its clients, for the page."""
    return [(_name(one), _told(one)) for one in found]


def _name(one: Changed) -> str:
    change = one.score.change
    least = short(change.reliable) if change is not None and change.reliable is not None else "?"
    sentence = (
        mark("{title}: {clients} clients with two forms; more than {least} points count")
        if change is not None and change.reliable_compare == ">"
        else mark("{title}: {clients} clients with two forms; {least} points or more count")
    )
    return tr(sentence, title=one.instrument.title, clients=whole(one.clients), least=least)


def _told(one: Changed) -> str:
    if one.clients < LEAST:
        return tr(TOO_FEW, least=LEAST)
    shares = (
        (KINDS[kind], tr(PERCENT, share=whole(round(100 * n / one.clients)), part=whole(n), of=whole(one.clients)))
        for kind, n in one.counts.items()
    )
    return "; ".join(tr("{what}: {share}", what=what, share=share) for what, share in shares)


def facts(found: Iterable[Changed]) -> list[dict[str, Any]]:
    """The same for `report --json`; counts are null where fewer than five clients stand behind them."""
    return [
        {
            "instrument": one.instrument.id,
            "version": one.instrument.version,
            "score": one.score.id,
            "clients": one.clients,
            "counts": dict(one.counts) if one.clients >= LEAST else None,
            "source": one.score.change.source if one.score.change else None,
        }
        for one in found
    ]
