"""When no sync has succeeded for long: what `flags` and `doctor` say first, and one letter a day to a person.

If nothing runs at all, nobody is left to write a letter: that is what a monitor with `handrail doctor --quiet` is for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ...schemas.records import RunReport
from ...schemas.vocab import RunOutcome
from ..contracts import Letter
from ..errors import Busy, HandrailError
from ..store import book
from ..sync.outcome import only_untold
from ..words import mark, tr, trn
from . import watch

if TYPE_CHECKING:
    from ..engine import Engine
    from ..sync.run import Options

JUMP = timedelta(minutes=10)  # a time further ahead than this was written by a clock that has been put back since
OTHERS_TIME = timedelta(hours=1)  # how long another run may go on before a scheduled one says so
MORNING = 8 * 60

SUBJECT = mark("Handrail: no sync has succeeded since {since}")
SUBJECT_NEVER = mark("Handrail: no sync has succeeded yet")
LETTER = mark("""\
Handrail for {practice} has not been able to sync since {since}.

What clients have answered since then is not in Handrail, and nobody is told of it by Handrail, safety answers \
included. Until this is mended, look at new answers in your platform itself.

What happened at the last try: {problem}

What to do: on the computer that runs Handrail, run this command. It says what is wrong and how to mend it.

    handrail doctor

This letter comes once a day and stops by itself with the next sync that succeeds.
""")
STALE = mark(
    "NOT UP TO DATE: the last sync that succeeded was on {when} ({ago} ago). What clients have answered since is not "
    "here. See: handrail doctor"
)
NEVER = mark("NOT UP TO DATE: no sync has succeeded yet. What clients have answered is not here. See: handrail doctor")
UNTOLD = mark(
    "NOT EVERYBODY COULD BE TOLD of a safety answer, so no sync counts as done. What clients have answered is here: "
    "the last sync read everything on {when}. See: handrail doctor"
)
SUBJECT_UNTOLD = mark("Handrail: not everybody could be told of a safety answer")
LETTER_UNTOLD = mark("""\
Handrail for {practice} reads what clients answer as it should. But since {since} no sync has succeeded, because not \
everybody could be told of a safety answer. What clients have answered is in Handrail.

What happened at the last try: {problem}

What to do: on the computer that runs Handrail, run these commands. The first shows the answer, the second says what \
is wrong and how to mend it.

    handrail flags
    handrail doctor

This letter comes once a day and stops by itself with the next sync that succeeds.
""")
AHEAD = mark(
    "NOT UP TO DATE as far as can be told: this computer's clock was put back since the last sync that succeeded. "
    "Check the date and run: handrail sync"
)


def last_success(engine: Engine) -> datetime | None:
    """When a sync last succeeded, by the store and by the file beside the settings; times in the future left out."""
    now = engine.now()
    with engine.store.reading(engine.source) as tx:
        stored = book.last_success(tx, now + JUMP)
    noted = watch.read(watch.place(engine.settings)).succeeded
    known = [time for time in (stored, noted) if time is not None and time <= now + JUMP]
    return max(known, default=None)


def stale(engine: Engine) -> str | None:
    """What to say first when the last success is older than the practice's alarm time; None: it is recent."""
    now, last = engine.now(), last_success(engine)
    recent = timedelta(hours=engine.settings.schedule.alarm_hours)
    if last is not None and now - last < recent:
        return None
    if (read := _read_lately(engine, now - recent)) is not None:
        return tr(UNTOLD, when=_local(engine, read))
    if last is None:
        ahead = any(run.outcome is RunOutcome.COMPLETE for run in engine.runs(1))
        return tr(AHEAD if ahead else NEVER)
    return tr(STALE, when=_local(engine, last), ago=_words(now - last))


def _read_lately(engine: Engine, since: datetime) -> datetime | None:
    """When the last run ended, if it read everything since then and only could not tell somebody."""
    last = next(iter(engine.runs(1)), None)
    if last is None or not only_untold(last) or not since < last.finished <= engine.now() + JUMP:
        return None
    return last.finished


def _local(engine: Engine, time: datetime) -> str:
    return time.astimezone(engine.settings.zone).strftime("%Y-%m-%d %H:%M")


def sync(engine: Engine, options: Options, say: Callable[[str], None]) -> RunReport:
    """A sync whose end is noted, and told when it is time to. `say` is told what became of the letter.

    :raises HandrailError: as `Engine.sync`. A dry run is not noted; nor is one that finds another at work which has
        not been so for long.
    """
    try:
        report = engine.sync(options)
    except Busy as error:
        if not brief(error, engine.now()):
            ended(engine, error.message, say)
        raise
    except HandrailError as error:
        ended(engine, error.message, say)
        raise
    except Exception as error:
        ended(engine, tr("An unforeseen fault ({fault}).", fault=type(error).__name__), say)
        raise
    if not options.dry_run:
        ended(engine, _problem(report), say, read=only_untold(report))
    return report


def brief(error: Busy, now: datetime) -> bool:
    """Whether the other run is at work for less than an hour, as far as the clocks can tell."""
    return error.since is not None and abs(now - error.since) < OTHERS_TIME


def ended(engine: Engine, problem: str | None, say: Callable[[str], None], *, read: bool = False) -> None:
    """Notes the end of a run, and sends the letter of the day when no run has succeeded for the alarm time.

    :param problem: what failed, a plain sentence without client data; None: the run succeeded.
    :param read: whether everything was read all the same, and only somebody could not be told of a safety answer.
    """
    settings, now = engine.settings, engine.now()
    path = watch.place(settings)
    before = watch.read(path)
    if problem is None:
        watch.write(path, watch.Record(succeeded=now, ended=now))
        return
    succeeded = _last_known(engine, before)
    since = before.failing_since if before.failing_since and before.failing_since <= now + JUMP else now
    record = replace(before, succeeded=succeeded, ended=now, failures=before.failures + 1, failing_since=since)
    kept = watch.write(path, record)
    if not settings.schedule.alarm_to or not _due(engine, before, succeeded or (since if kept else None), kept):
        return
    try:
        engine.mailer.send(_letter(engine, succeeded, since, problem, read))
    except HandrailError as error:
        told = tr("No sync has succeeded for long, and the letter about it could not be sent.")
        say(f"{told} {error.message}")
        return
    watch.write(path, replace(record, told=now.astimezone(settings.zone).date()))


def _last_known(engine: Engine, before: watch.Record) -> datetime | None:
    """The last success, by the file alone where the store does not open. One that lies in the future was noted by a
    clock that has been put back, and counts no more."""
    try:
        return last_success(engine)
    except HandrailError:
        return before.succeeded if before.succeeded and before.succeeded <= engine.now() + JUMP else None


def _due(engine: Engine, before: watch.Record, since: datetime | None, kept: bool) -> bool:
    """Whether this failed run is to be told.

    :param since: since when none has succeeded, None where that is not known.
    :param kept: whether the end of this run could be noted.

    The first failure after a long sleep of the computer waits for the next one: the network is often not up yet.
    Where nothing can be noted (a read-only folder), only the first run after eight in the morning tells.
    """
    settings, now = engine.settings, engine.now()
    every = timedelta(minutes=settings.schedule.every_minutes)
    local = now.astimezone(settings.zone)
    if since is not None and now - since < timedelta(hours=settings.schedule.alarm_hours):
        return False
    if not kept:
        return MORNING <= local.hour * 60 + local.minute < MORNING + every // timedelta(minutes=1)
    asleep = before.ended is not None and now - before.ended > 3 * every
    return before.told != local.date() and not (asleep and before.failures == 0)


def _letter(engine: Engine, succeeded: datetime | None, since: datetime, problem: str, read: bool) -> Letter:
    settings = engine.settings
    when = _local(engine, succeeded or since)
    subject = SUBJECT_UNTOLD if read else SUBJECT if succeeded else SUBJECT_NEVER
    day = engine.now().astimezone(settings.zone).date()
    return Letter(
        to=settings.schedule.alarm_to,
        subject=tr(subject, since=when),
        text=tr(
            LETTER_UNTOLD if read else LETTER, practice=settings.name or settings.practice, since=when, problem=problem
        ),
        key=f"alarm {settings.practice} {day.isoformat()}",
    )


def _problem(report: RunReport) -> str | None:
    """What failed, None for a complete run."""
    if report.outcome is RunOutcome.COMPLETE:
        return None
    fatal = [problem.what for problem in report.problems if problem.fatal]
    return " ".join(fatal) or tr("The platform could not be read to the end.")


def _words(age: timedelta) -> str:
    hours = int(age / timedelta(hours=1))
    if hours < 48:
        return trn("{count} hour", "{count} hours", hours)
    return trn("{count} day", "{count} days", hours // 24)
