"""What `handrail doctor` looks at of running by itself: when a sync last succeeded, the scheduler, the mail server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from ...schemas.vocab import RunOutcome
from ..engine import Engine
from ..paths import is_file
from ..schedule import alarm, making, watch
from ..sync import outcome
from ..words import mark, tr
from .check import NOTE, OK, WRONG, Check

ANEW = mark("Make it anew: handrail schedule --yes")


def fresh(engine: Engine) -> Iterator[Check]:
    """Whether the last success is recent enough to trust what Handrail shows."""
    if engine.settings.platform is not None and (sentence := alarm.stale(engine)):
        never = not engine.runs(1)
        yield Check("last sync", NOTE if never else WRONG, sentence)


def last_run(engine: Engine) -> Iterator[Check]:
    """How the last run ended."""
    if engine.settings.platform is None:
        return
    runs = engine.runs(1)
    if not runs:
        yield Check("last sync", NOTE, tr("there was none yet. Run: handrail sync"))
        return
    last = runs[0]
    local = last.finished.astimezone(engine.settings.zone).strftime("%Y-%m-%d %H:%M")
    state = OK if last.outcome is RunOutcome.COMPLETE else NOTE
    yield Check("last sync", state, f"{outcome.words(last)}, {local}")
    for problem in last.problems:
        yield Check("last sync", WRONG if problem.fatal else NOTE, problem.what)


def schedule(engine: Engine) -> Iterator[Check]:
    """The entry in this computer's scheduler: there, working, and leading to a Handrail that is still there."""
    settings = engine.settings
    job = making.job_of(settings)
    there = making.found(job)
    if there is None or there.elsewhere:
        ended = watch.read(watch.place(settings)).ended
        recent = ended is not None and engine.now() - ended < timedelta(hours=settings.schedule.alarm_hours)
        text = tr(
            "nothing runs Handrail by itself, as far as this user's scheduler tells. To have it: handrail schedule"
        )
        more = tr("It did run lately: by hand, or by a scheduler that cannot be seen from here.")
        yield Check("schedule", NOTE, f"{text}. {more}" if recent else text)
    elif not is_file(Path(there.program)):
        yield Check(
            "schedule",
            WRONG,
            tr(
                "its entry starts {program} which is gone. {anew}",
                program=there.program or tr("a program"),
                anew=tr(ANEW),
            ),
        )
    elif there.problem:
        yield Check("schedule", WRONG, f"{there.problem}. {tr(ANEW)}")
    elif not there.same:
        yield Check("schedule", NOTE, tr("its entry is not as it would be made today. {anew}", anew=tr(ANEW)))
    else:
        yield Check("schedule", OK, job.cadence.words())


def mail(engine: Engine) -> Iterator[Check]:
    """Whether somebody is told when syncing stops."""
    settings = engine.settings
    if not settings.schedule.alarm_to:
        text = tr("nobody is told when syncing stops. Set alarm_to in [schedule], and [mail] beside it.")
        yield Check("alarm", NOTE, text)
    elif not settings.mail.host:
        yield Check("alarm", WRONG, tr("alarm_to is set, but no mail server: fill in [mail] host, port and sender."))


def mail_server(engine: Engine) -> Iterator[Check]:
    """Whether the mail server answers and lets Handrail in."""
    if engine.settings.mail.host:
        engine.mailer.test()
        yield Check("mail server", OK, tr("{host} answers", host=engine.settings.mail.host))
