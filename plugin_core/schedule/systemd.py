"""A user timer of systemd: a service that runs once, and a timer that starts it and catches up on missed runs.

`OnCalendar` with `Persistent=true` (systemd.timer(5)): a start that was missed while the computer was off or the user
away is made up for once, at the next occasion; `OnUnitActiveSec` has no such memory. A service that is still running
is not started a second time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..words import ENGLISH, mark, speaking, tr
from .cadence import Cadence
from .job import Installed, Job, Plan, Run, Step

KIND = mark("a systemd timer of this user")

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

NOTE = mark(
    "It runs while you are signed in, and makes up for missed runs when you sign in again. On a server, where nobody "
    "is signed in, let it run always: loginctl enable-linger"
)


def plan(job: Job, _run: Run) -> Plan:
    """What a timer is made of."""
    service, timer = _places(job)
    command = " ".join(_quoted(word, variable=place > 0) for place, word in enumerate(_startable(job.command)))
    texts = {
        service: SERVICE.format(practice=job.practice, command=command),
        timer: TIMER.format(practice=job.practice, words=_in_english(job), calendar=calendar(job.cadence)),
    }
    control = ("systemctl", "--user")
    return Plan(
        kind=tr(KIND),
        files={path: text.encode() for path, text in texts.items()},
        make=(Step((*control, "daemon-reload")), Step((*control, "enable", "--now", timer.name))),
        undo=(Step((*control, "disable", "--now", timer.name), optional=True),),
        after=(Step((*control, "daemon-reload"), optional=True),),
        see=f"systemctl --user list-timers {timer.name}",
        notes=(tr(NOTE),),
        shown={str(path): text for path, text in texts.items()},
    )


def found(job: Job, run: Run) -> Installed | None:
    """The timer that is there."""
    service, timer = _places(job)
    if not (service.exists() and timer.exists()):
        return None
    here = {path: path.read_bytes() for path in (service, timer)}
    line = next((row for row in here[service].decode().splitlines() if row.startswith("ExecStart=")), "")
    words = [_plain(quoted) for quoted in re.findall(r'"((?:[^"\\]|\\.)*)"', line)]
    program = next(iter(words[len(_SHELL) :] if tuple(words[: len(_SHELL)]) == _SHELL else words), "")
    asked = run(("systemctl", "--user", "is-active", timer.name), None)
    problem = None
    if asked.out.strip() in ("inactive", "failed"):
        problem = tr("the timer {name} is switched off", name=timer.name)
    elsewhere = _quoted(str(job.settings), variable=True).encode() not in here[service]
    return Installed(program, here == dict(plan(job, run).files), problem, elsewhere)


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


def _in_english(job: Job) -> str:
    """How often, for the unit file: it is compared with what is there, so it must not hang on the language."""
    with speaking(ENGLISH):
        return job.cadence.words()


def _places(job: Job) -> tuple[Path, Path]:
    settings = os.environ.get("XDG_CONFIG_HOME")
    folder = (Path(settings) if settings else job.home / ".config") / "systemd" / "user"
    return folder / f"{job.name}.service", folder / f"{job.name}.timer"


_SHELL = ("/bin/sh", "-c", 'exec "$0" "$@"')


def _startable(command: Sequence[str]) -> Sequence[str]:
    """systemd starts no program whose path holds a quote or a backslash; the shell does, given it as a word."""
    return (*_SHELL, *command) if set(command[0]) & set("\"'\\") else command


def _quoted(word: str, *, variable: bool) -> str:
    """A word of ExecStart (systemd.service(5), "Command lines"): `%` names a specifier, `$` a variable except in the
    program's own path, which is taken as it stands."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text.replace("$", "$$") if variable else text}"'


def _plain(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted).replace("%%", "%").replace("$$", "$")
