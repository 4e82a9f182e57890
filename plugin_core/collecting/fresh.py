"""Whether the forms that are here are recent enough to ask by: who has answered since would be asked again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ..store import book
from ..sync.outcome import only_untold
from ..words import spelling, tr

if TYPE_CHECKING:
    from ..engine import Engine

RECENT = timedelta(days=1)


def old_news(engine: Engine) -> str | None:
    """A sentence where no sync has read everything within a day; None: one has.

    One that failed only because somebody could not be told of a safety answer has read everything, too.
    """
    now = engine.now()
    with engine.store.reading(engine.source) as tx:
        last = book.last_success(tx, now)
        runs = book.last_runs(tx, 1)
    if runs and only_untold(runs[0]) and runs[0].finished <= now:
        last = runs[0].finished
    if last is None:
        return tr("No sync has succeeded so far: who has answered is not known here. First run: handrail sync")
    if now - last <= RECENT:
        return None
    return tr(
        "Forms were last read on {when}; who has answered since is not known here. First run: handrail sync",
        when=spelling.moment(last.astimezone(engine.settings.zone)),
    )
