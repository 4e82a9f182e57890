"""Chooses the scheduler of this computer, and makes, finds and removes the practice's entry in it."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path
from types import ModuleType

from .. import private
from ..errors import HandrailError, UsageError
from ..settings import Settings
from ..words import tr
from . import cron, launchd, systemd, windows
from .cadence import Cadence
from .job import Installed, Job, Plan, Run, Step, run

SCHEDULERS: dict[str, ModuleType] = {"systemd": systemd, "launchd": launchd, "windows": windows, "cron": cron}


def chosen(name: str | None = None, run: Run = run) -> ModuleType:
    """The scheduler of that name, else this computer's own."""
    if name is not None:
        return SCHEDULERS[name]
    if sys.platform == "darwin":
        return launchd
    if sys.platform == "win32":
        return windows
    return systemd if systemd.usable(run) else cron


def job_of(settings: Settings, *, every: int | None = None, send: bool | None = None) -> Job:
    """The sync of a practice as it would be made now.

    :param every: minutes between runs; by default what the settings say.
    :param send: whether each run also sends forms that are due; by default what the settings say.
    :raises UsageError: a path cannot be written into any scheduler's file.
    """
    # The practice's id is often left as it is, so the computer's name takes part in spreading the start times (F94).
    cadence = Cadence.of(every or settings.schedule.every_minutes, settings.practice, socket.gethostname())
    job = Job(
        practice=settings.practice,
        settings=settings.file,
        cadence=cadence,
        program=program(),
        send=settings.collect.by_itself if send is None else send,
        home=Path.home(),
    )
    for word in job.command:
        if not word.isprintable():  # a line break would end the line of a unit file; half a letter cannot be written
            raise UsageError(tr("A path of this Handrail or of its settings holds letters that no scheduler can take."))
    return job


def program() -> tuple[str, ...]:
    """How this Handrail is started, by absolute paths; a link is kept, since an upgrade may move what it leads to.

    On Windows without a console window, which would flash up at each run.
    """
    beside = Path(sys.executable).parent
    windowless = beside / "pythonw.exe"
    if sys.platform == "win32" and windowless.exists():
        return (str(windowless), "-m", f"{__package__.rpartition('.')[0]}.cli")
    called = Path(sys.argv[0])
    name = "handrail.exe" if sys.platform == "win32" else "handrail"
    for place in (called, beside / name):
        if place.name in ("handrail", "handrail.exe") and place.is_file():
            return (str(place.absolute()),)
    on_path = shutil.which("handrail")
    return (on_path,) if on_path else (sys.executable, "-m", f"{__package__.rpartition('.')[0]}.cli")


def plan(job: Job, name: str | None = None, run: Run = run) -> Plan:
    """What would be written and run."""
    made: Plan = chosen(name, run).plan(job, run)
    return made


def found(job: Job, name: str | None = None, run: Run = run) -> Installed | None:
    """The entry that is there, if there is one."""
    there: Installed | None = chosen(name, run).found(job, run)
    return there


def make(plan: Plan, run: Run = run) -> None:
    """Writes the files and runs the commands of a plan.

    :raises HandrailError: a file cannot be written, or a command fails; the message names it. What was written is
        removed again.
    """
    if not plan.make:
        raise HandrailError(tr("This computer has no scheduler that Handrail knows; the lines above are all there is."))
    try:
        for path, data in plan.files.items():
            private.write_bytes(path, data)
        for step in plan.make:
            _do(step, run)
    except BaseException:
        remove(plan, run)
        raise


def remove(plan: Plan, run: Run = run) -> None:
    """Takes an entry away: its commands, then its files; what is not there is no fault."""
    for step in plan.undo:
        _do(step, run)
    for path in plan.files:
        path.unlink(missing_ok=True)
    for step in plan.after:
        _do(step, run)


def _do(step: Step, run: Run) -> None:
    done = run(step.words, step.stdin)
    if done.status != 0 and not step.optional:
        said = (done.err.strip() or done.out.strip() or f"exit status {done.status}").splitlines()[-1]
        raise HandrailError(
            tr("The system's scheduler said no to '{words}': {said}", words=" ".join(step.words), said=said)
        )
