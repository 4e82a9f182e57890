"""The practice's own figures in words, for the page, and as facts for other programs (docs/figures.md)."""

from __future__ import annotations

from typing import Any

from ..figures import LEAST, YEAR_DAYS, PracticeFigures
from ..words import mark, tr
from ..words.spelling import tenths, whole

TOO_FEW = mark("fewer than {least}, so no share is given")
PERCENT = mark("{share} in 100 ({part} of {of})")


def rows(found: PracticeFigures) -> list[tuple[str, str]]:
    """Name and value of each figure, in the order in which they are read."""
    said = sum(found.useful.get(word, 0) for word in ("yes", "no", "unsure"))
    few = tr(TOO_FEW, least=LEAST)
    hundred, days = found.prompts_per_hundred, found.days_to_seen
    return [
        (tr("Forms asked for whose time is over: answered"), _share(found.answered_share, found.answered, found.asked)),
        (tr("Forms asked for and still open"), whole(found.open)),
        (tr("Prompts for each hundred clients in a year"), few if hundred is None else tenths(hundred)),
        (tr("Prompts that a person has noted as seen"), whole(found.seen)),
        (tr("Of these found useful, where somebody said"), _share(found.useful_share, found.useful["yes"], said)),
        (tr("Days from form to that note, half of them sooner"), few if days is None else tenths(days)),
    ]


def head() -> str:
    """What stands above them."""
    return tr("This practice in the last {days} days", days=YEAR_DAYS)


def facts(found: PracticeFigures) -> dict[str, Any]:
    """The same for `report --json`; shares from 0 to 1, null where too few stand behind them."""
    return {
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "asked": found.asked,
        "answered": found.answered,
        "answered_share": found.answered_share,
        "open": found.open,
        "clients": found.clients,
        "prompts": found.prompts,
        "prompts_per_hundred_clients_a_year": found.prompts_per_hundred,
        "seen": found.seen,
        "useful": dict(found.useful),
        "useful_share": found.useful_share,
        "median_days_to_seen": found.days_to_seen,
    }


def _share(share: float | None, part: int, of: int) -> str:
    if share is None:
        return tr(TOO_FEW, least=LEAST)
    return tr(PERCENT, share=whole(round(100 * share)), part=whole(part), of=whole(of))
