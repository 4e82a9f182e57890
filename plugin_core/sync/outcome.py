"""How a run ended, in words: a run that read everything and could not tell somebody is named for what it is."""

from __future__ import annotations

from ...schemas.records import RunReport
from ...schemas.vocab import RunOutcome
from ..words import Texts, mark, tr

OUTCOMES = Texts(
    {
        RunOutcome.COMPLETE: mark("complete"),
        RunOutcome.INCOMPLETE: mark("incomplete: goes on with the next sync"),
        RunOutcome.FAILED: mark("did not work"),
    }
)
UNTOLD = mark("all was read, but not everybody could be told of a safety answer")


def only_untold(report: RunReport) -> bool:
    """Whether everything was read and nothing went wrong but this: somebody could not be told of a safety answer."""
    fatal = [problem.source for problem in report.problems if problem.fatal]
    return report.outcome is RunOutcome.FAILED and bool(fatal) and set(fatal) == {"safety"}


def words(report: RunReport) -> str:
    """How the run ended."""
    return tr(UNTOLD) if only_untold(report) else OUTCOMES[report.outcome]
