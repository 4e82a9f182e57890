"""A task of the Windows Task Scheduler, as XML for `schtasks /Create /XML`.

`StartWhenAvailable` makes up for a start that was missed; `IgnoreNew` starts no second copy. The task runs as the user
who makes it, while signed in (`InteractiveToken`): so no password is stored, and the Windows credential store, where
the key lies, is open. Elements in the order that the scheduler's schema wants.
"""

from __future__ import annotations

import getpass
import os
import re
import subprocess
from collections.abc import Sequence
from xml.etree import ElementTree as Tree

from ..errors import UsageError
from ..words import mark, tr
from .job import Installed, Job, Plan, Run, Step

KIND = mark("a task of the Windows Task Scheduler")
SPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
NOTE = mark("It runs while you are signed in (the screen may be locked), and makes up for a run that was missed.")
_VARIABLE = re.compile(r"%[^%]+%")


def plan(job: Job, _run: Run) -> Plan:
    """What a task is made of.

    :raises UsageError: a path holds what Windows would take for a variable; the scheduler knows no way to write it.
    """
    if any(_VARIABLE.search(word) for word in (job.command[0], line(job.command[1:]))):
        raise UsageError(
            tr(
                "A path of this Handrail or of its settings holds two percent signs, which the Windows Task "
                "Scheduler takes for a variable. Move it to a folder without them."
            )
        )
    text = xml(job)
    path = job.settings.with_name(f"{job.name}.xml")
    return Plan(
        kind=tr(KIND),
        files={path: text.replace("\n", "\r\n").encode("utf-16")},
        make=(Step(("schtasks", "/Create", "/TN", _task(job), "/XML", str(path), "/F")),),
        undo=(Step(("schtasks", "/Delete", "/TN", _task(job), "/F"), optional=True),),
        see=f"schtasks /Query /TN {_task(job)} /V /FO LIST",
        notes=(tr(NOTE),),
        shown={str(path): text},
    )


def found(job: Job, run: Run) -> Installed | None:
    """The task that the scheduler knows."""
    asked = run(("schtasks", "/Query", "/TN", _task(job), "/XML"), None)
    if asked.status != 0:
        return None
    try:
        root = Tree.fromstring(asked.out.strip().partition("?>")[2] or asked.out)  # noqa: S314 - the system's own words
    except Tree.ParseError:
        return Installed("", same=False, problem=tr("the task {job} cannot be read", job=_task(job)))
    action = [root.findtext(f".//{{{SPACE}}}{name}", "") for name in ("Command", "Arguments")]
    wanted = [job.command[0], line(job.command[1:])]
    interval = root.findtext(f".//{{{SPACE}}}Interval", "")
    off = root.findtext(f".//{{{SPACE}}}Settings/{{{SPACE}}}Enabled", "true") == "false"
    problem = tr("the task is switched off") if off else None
    elsewhere = line([str(job.settings)]) not in action[1]
    return Installed(action[0], action == wanted and _minutes(interval) == job.cadence.every, problem, elsewhere)


def xml(job: Job) -> str:
    """The task's definition."""
    task = Tree.Element("Task", version="1.2", xmlns=SPACE)
    _add(task, "RegistrationInfo", {"Description": f"Handrail: sync of the practice {job.practice}"})
    hour, minute = divmod(job.cadence.offset, 60)
    trigger = _add(_add(task, "Triggers"), "TimeTrigger")
    _add(trigger, "StartBoundary", text=f"2026-01-01T{hour:02}:{minute:02}:00")
    _add(trigger, "Repetition", {"Interval": f"PT{job.cadence.every}M", "StopAtDurationEnd": "false"})
    who = _add(_add(task, "Principals"), "Principal", {}, id="Author")
    _add(who, "UserId", text=_user())
    _add(who, "LogonType", text="InteractiveToken")
    _add(who, "RunLevel", text="LeastPrivilege")
    _add(task, "Settings", _SETTINGS)
    action = _add(_add(task, "Actions", {}, Context="Author"), "Exec")
    _add(action, "Command", text=job.command[0])
    _add(action, "Arguments", text=line(job.command[1:]))
    Tree.indent(task)
    return '<?xml version="1.0" encoding="UTF-16"?>\n' + Tree.tostring(task, encoding="unicode") + "\n"


_SETTINGS = {
    "MultipleInstancesPolicy": "IgnoreNew",
    "DisallowStartIfOnBatteries": "false",
    "StopIfGoingOnBatteries": "false",
    "StartWhenAvailable": "true",
    "RunOnlyIfNetworkAvailable": "false",
    "Enabled": "true",
    "ExecutionTimeLimit": "PT6H",
}


def line(words: Sequence[str]) -> str:
    """Arguments in one line, by the rules by which Windows programs take it apart again."""
    return subprocess.list2cmdline(list(words))


def _add(
    above: Tree.Element, name: str, children: dict[str, str] | None = None, text: str | None = None, **more: str
) -> Tree.Element:
    made = Tree.SubElement(above, name, more)
    made.text = text
    for child, value in (children or {}).items():
        Tree.SubElement(made, child).text = value
    return made


def _task(job: Job) -> str:
    return f"Handrail\\{job.practice}"


def _user() -> str:
    domain = os.environ.get("USERDOMAIN")
    name = getpass.getuser()
    return f"{domain}\\{name}" if domain else name


def _minutes(interval: str) -> int:
    """Minutes of an interval as the scheduler writes it back: PT60M may come as PT1H."""
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?", interval)
    days, hours, minutes = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    return days * 1440 + hours * 60 + minutes
