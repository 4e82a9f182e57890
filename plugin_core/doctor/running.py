"""What `handrail doctor` looks at of running by itself: when a sync last succeeded, the scheduler, the mail server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from ..engine import Engine
from ..paths import is_file
from ..schedule import alarm, making, watch
from .check import NOTE, OK, WRONG, Check

ANEW = "Make it anew: handrail schedule --yes"


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
        yield Check("last sync", NOTE, "there was none yet. Run: handrail sync")
        return
    last = runs[0]
    local = last.finished.astimezone(engine.settings.zone).isoformat(" ", "minutes")
    yield Check("last sync", OK if last.outcome == "complete" else NOTE, f"{last.outcome}, {local}")
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
        text = "nothing runs Handrail by itself, as far as this user's scheduler tells. To have it: handrail schedule"
        yield Check("schedule", NOTE, f"{text}{' (Something did run it lately.)' if recent else ''}")
    elif not is_file(Path(there.program)):
        yield Check("schedule", WRONG, f"its entry starts {there.program or 'a program'} which is gone. {ANEW}")
    elif there.problem:
        yield Check("schedule", WRONG, f"{there.problem}. {ANEW}")
    elif not there.same:
        yield Check("schedule", NOTE, f"its entry is not as it would be made today. {ANEW}")
    else:
        yield Check("schedule", OK, job.cadence.words())


def mail(engine: Engine) -> Iterator[Check]:
    """Whether somebody is told when syncing stops."""
    settings = engine.settings
    if not settings.schedule.alarm_to:
        text = "nobody is told when syncing stops. Set alarm_to in [schedule], and [mail] beside it."
        yield Check("alarm", NOTE, text)
    elif not settings.mail.host:
        yield Check("alarm", WRONG, "alarm_to is set, but no mail server: fill in [mail] host, port and sender.")


def mail_server(engine: Engine) -> Iterator[Check]:
    """Whether the mail server answers and lets Handrail in."""
    if engine.settings.mail.host:
        engine.mailer.test()
        yield Check("mail server", OK, f"{engine.settings.mail.host} answers")
