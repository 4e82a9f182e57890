"""A user timer of systemd: a service that runs once, and a timer that starts it and catches up on missed runs.

`OnCalendar` with `Persistent=true` (systemd.timer(5)): a start that was missed while the computer was off or the user
away is made up for once, at the next occasion; `OnUnitActiveSec` has no such memory. A service that is still running
is not started a second time.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from .cadence import Cadence
from .job import Installed, Job, Plan, Run, Step

KIND = "systemd timer of this user"

SERVICE = """\
# Made by: handrail schedule. To remove it: handrail schedule --remove
[Unit]
Description=Handrail: sync of the practice {practice}

[Service]
Type=oneshot
ExecStart={command}
TimeoutStartSec=6h
UMask=0077
NoNewPrivileges=yes
"""

TIMER = """\
# Made by: handrail schedule. To remove it: handrail schedule --remove
[Unit]
Description=Handrail: sync of the practice {practice}, {words}

[Timer]
OnCalendar={calendar}
Persistent=true
AccuracySec=30s

[Install]
WantedBy=timers.target
"""

NOTE = (
    "It runs while you are signed in, and makes up for missed runs when you sign in again. On a server, where nobody "
    "is signed in, let it run always: loginctl enable-linger"
)


def plan(job: Job, _run: Run) -> Plan:
    """What a timer is made of."""
    service, timer = _places(job)
    command = " ".join([_quoted(job.command[0]), *(_quoted(word, variable=True) for word in job.command[1:])])
    texts = {
        service: SERVICE.format(practice=job.practice, command=command),
        timer: TIMER.format(practice=job.practice, words=job.cadence.words(), calendar=calendar(job.cadence)),
    }
    control = ("systemctl", "--user")
    return Plan(
        kind=KIND,
        files={path: text.encode() for path, text in texts.items()},
        make=(Step((*control, "daemon-reload")), Step((*control, "enable", "--now", timer.name))),
        undo=(Step((*control, "disable", "--now", timer.name), optional=True),),
        after=(Step((*control, "daemon-reload"), optional=True),),
        see=f"systemctl --user list-timers {timer.name}",
        notes=(NOTE,),
        shown={str(path): text for path, text in texts.items()},
    )


def found(job: Job, run: Run) -> Installed | None:
    """The timer that is there."""
    service, timer = _places(job)
    if not (service.exists() and timer.exists()):
        return None
    here = {path: path.read_bytes() for path in (service, timer)}
    started = re.search(rb'^ExecStart="((?:[^"\\]|\\.)*)"', here[service], re.MULTILINE)
    program = _plain(started[1].decode()) if started else ""
    asked = run(("systemctl", "--user", "is-active", timer.name), None)
    problem = None
    if asked.out.strip() in ("inactive", "failed"):
        problem = f"the timer {timer.name} is switched off"
    return Installed(program, here == dict(plan(job, run).files), problem)


def usable(run: Run) -> bool:
    """Whether this computer is run by systemd, and this user's part of it answers."""
    if not Path("/run/systemd/system").is_dir():
        return False
    return run(("systemctl", "--user", "show-environment"), None).status == 0


def calendar(cadence: Cadence) -> str:
    """The times as systemd.time(7) writes them."""
    hour, minute = divmod(cadence.offset, 60)
    if cadence.every <= 60:
        return f"*-*-* *:{minute:02}{f'/{cadence.every}' if cadence.every < 60 else ''}:00"
    return f"*-*-* {hour:02}{f'/{cadence.every // 60}' if cadence.every < 1440 else ''}:{minute:02}:00"


def _places(job: Job) -> tuple[Path, Path]:
    settings = os.environ.get("XDG_CONFIG_HOME")
    folder = (Path(settings) if settings else job.home / ".config") / "systemd" / "user"
    return folder / f"{job.name}.service", folder / f"{job.name}.timer"


def _quoted(word: str, *, variable: bool = False) -> str:
    """A word of ExecStart (systemd.service(5), "Command lines"): `%` names a specifier, `$` a variable except in the
    program's own path, which is taken as it stands."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text.replace("$", "$$") if variable else text}"'


def _plain(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted).replace("%%", "%")
