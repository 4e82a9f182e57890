"""The kinds of work that a worker does for a practice, each by the engine's own interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ...schemas.records import RunReport
from ...schemas.vocab import RunOutcome
from ..contracts import HookContext
from ..errors import BY_A_PERSON, HandrailError, KeyProblem, Unreachable
from ..store import book
from ..sync import full_check
from ..sync.lock import exclusive
from ..sync.push import Push
from .timing import Ended

if TYPE_CHECKING:
    from ..engine import Engine

Outcome = tuple[Ended, str | None, RunReport | None]


def sync(engine: Engine) -> Outcome:
    """Pulls, scores, judges, pushes, asks: what `handrail sync` does."""
    return of_report(engine.sync())


def reconcile(engine: Engine) -> Outcome:
    """The same with the look for deleted forms that is otherwise made once a week."""
    full_check.want(engine.store, engine.source)
    return sync(engine)


def push(engine: Engine) -> Outcome:
    """Sends what waits in the outbox, where the practice has agreed to that; reads nothing."""
    pushing = engine.settings.push
    with exclusive(engine.store, "syncing"), engine.store.reading(engine.source) as tx:
        begun = book.pushing_since(tx)
    if not pushing.on or begun is None:
        return Ended.DONE, None, None
    context = HookContext(engine.settings.practice, engine.spec.name, engine.now())
    reasons = {name: name in pushing.reasons for name in pushing.carriers}
    with exclusive(engine.store, "syncing"):
        done = Push(
            engine.store, engine.source, engine.registry, engine.adapter, context, reasons, engine.progress
        ).run()
    return (Ended.DONE, None, None) if done.error is None else of_error(done.error)


def send(engine: Engine) -> Outcome:
    """Asks clients for what is due."""
    done = engine.collecting.send()
    return (
        _ENDED[done.outcome],
        " ".join(done.problems) if done.outcome is not RunOutcome.COMPLETE else None,
        None,
    )


def rescore(engine: Engine) -> Outcome:
    """Scores and judges everything anew; somebody has looked at the counts and asked for it (F90)."""
    done = engine.rescore(dry_run=False)
    return Ended.DONE, " ".join(done.problems) or None, None


DO: Mapping[str, Callable[[Engine], Outcome]] = {
    "sync": sync,
    "push": push,
    "send": send,
    "rescore": rescore,
    "reconcile": reconcile,
}
_ENDED = {RunOutcome.COMPLETE: Ended.DONE, RunOutcome.INCOMPLETE: Ended.AWAY, RunOutcome.FAILED: Ended.FAILED}


def of_report(report: RunReport) -> Outcome:
    """How a sync ended."""
    fatal = [problem for problem in report.problems if problem.fatal]
    said = " ".join(problem.what for problem in fatal) or None
    if any(problem.person for problem in fatal):
        return Ended.WRONG, said, report
    return _ENDED[report.outcome], said if report.outcome is not RunOutcome.COMPLETE else None, report


def of_error(error: HandrailError) -> Outcome:
    """How a turn ended that an error ended."""
    if error.exit_status == BY_A_PERSON or isinstance(error, KeyProblem):
        return Ended.WRONG, error.message, None
    return Ended.AWAY if isinstance(error, Unreachable) else Ended.FAILED, error.message, None
