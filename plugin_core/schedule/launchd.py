"""A launch agent of macOS, written with plistlib.

`StartCalendarInterval` and not `StartInterval` (launchd.plist(5)): starts that were missed while the computer slept are
made up for by one at waking, while those of `StartInterval` are lost. `RunAtLoad` syncs at each sign-in, which covers a
computer that was switched off. launchd starts no second copy of an agent that still runs.
"""

from __future__ import annotations

import os
import plistlib
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from ..words import mark, tr
from .job import Installed, Job, Plan, Run, Step

KIND = mark("a launch agent of this user (macOS)")
NOTE = mark("It runs while you are signed in, and at waking makes up for a run that was missed.")


def plan(job: Job, _run: Run) -> Plan:
    """What an agent is made of."""
    path, domain = _place(job), _domain()
    data = plistlib.dumps(_facts(job), sort_keys=False)
    return Plan(
        kind=tr(KIND),
        files={path: data},
        make=(
            Step(("launchctl", "bootout", f"{domain}/{_label(job)}"), optional=True),
            Step(("launchctl", "bootstrap", domain, str(path))),
        ),
        undo=(Step(("launchctl", "bootout", f"{domain}/{_label(job)}"), optional=True),),
        see=f"launchctl print {domain}/{_label(job)}",
        notes=(tr(NOTE), tr("What a failed run says is in {job}", job=_log(job))),
        shown={str(path): data.decode()},
    )


def found(job: Job, run: Run) -> Installed | None:
    """The agent that is there."""
    path = _place(job)
    if not path.exists():
        return None
    data = path.read_bytes()
    try:
        facts = plistlib.loads(data)
        program = str(facts["ProgramArguments"][0])
    except (plistlib.InvalidFileException, ExpatError, KeyError, IndexError, TypeError):
        return Installed("", same=False, problem=tr("the file {path} is not as Handrail wrote it", path=path))
    gone = run(("launchctl", "print", f"{_domain()}/{_label(job)}"), None).status not in (0, 127)
    problem = tr("the agent is not loaded") if gone else None
    elsewhere = str(job.settings) not in facts["ProgramArguments"]
    return Installed(program, data == plan(job, run).files[path], problem, elsewhere)


def _facts(job: Job) -> dict[str, Any]:
    cadence = job.cadence
    if cadence.every <= 60:
        times: list[dict[str, int]] = [{"Minute": minute} for minute in cadence.minutes]
    else:
        times = [{"Hour": hour, "Minute": minute} for hour, minute in cadence.times]
    return {
        "Label": _label(job),
        "ProgramArguments": list(job.command),
        "StartCalendarInterval": times,
        "RunAtLoad": True,
        "ProcessType": "Background",
        "Umask": 0o077,
        "StandardOutPath": str(_log(job)),
        "StandardErrorPath": str(_log(job)),
    }


def _label(job: Job) -> str:
    return f"handrail.{job.practice}"


def _domain() -> str:
    """The user's graphical session; on other systems only shown, so any number does."""
    return f"gui/{os.getuid() if hasattr(os, 'getuid') else 501}"


def _place(job: Job) -> Path:
    return job.home / "Library" / "LaunchAgents" / f"{_label(job)}.plist"


def _log(job: Job) -> Path:
    return job.home / "Library" / "Logs" / f"{job.name}.log"
