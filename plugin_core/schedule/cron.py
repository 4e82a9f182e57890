"""Lines in the user's crontab, for Linux without systemd, between marker lines that are ours; the rest stays as it is.

cron does not make up for missed runs; the next one brings all that has changed meanwhile.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from ..errors import HandrailError
from ..words import mark, tr
from .cadence import Cadence
from .job import Installed, Job, Plan, Run, Step

KIND = mark("lines in this user's crontab")
NOTES = (
    mark("cron does not make up for runs that were missed while the computer was off; the next run brings everything."),
    mark("cron has no way into the keyring of your desktop: the key has to lie in a file (handrail init --key-file)."),
)
ABSENT = mark("There is no crontab command on this computer: give these lines to whatever runs jobs here.")


def plan(job: Job, run: Run) -> Plan:
    """What is added. Where there is no crontab command, the lines are only shown.

    :raises HandrailError: the present crontab cannot be read; it would be lost by writing a new one.
    """
    present = _present(run)
    block = "\n".join((_begin(job), f"{times(job.cadence)} {escaped(job.command)}", _end(job)))
    if present is None:
        return Plan(tr(KIND), {}, (), (), "", (tr(ABSENT),), shown={"crontab": block})
    others = _without(job, present)
    return Plan(
        kind=tr(KIND),
        files={},
        make=(Step(("crontab", "-"), stdin=f"{others}{block}\n"),),
        undo=(Step(("crontab", "-"), stdin=others),),
        see="crontab -l",
        notes=tuple(tr(note) for note in NOTES),
        shown={"added to the crontab": block},
    )


def found(job: Job, run: Run) -> Installed | None:
    """Our lines in the crontab."""
    present = _present(run) or ""
    ours = re.search(f"^{re.escape(_begin(job))}\n(.*)\n{re.escape(_end(job))}$", present, re.MULTILINE)
    if ours is None:
        return None
    wanted = f"{times(job.cadence)} {escaped(job.command)}"
    try:
        words = shlex.split(ours[1].replace("\\%", "%"))
    except ValueError:
        words = []
    problem = None if len(words) > 5 else tr("its line is not as Handrail wrote it")
    elsewhere = str(job.settings) not in words
    return Installed(words[5] if len(words) > 5 else "", ours[1] == wanted, problem, elsewhere)


def times(cadence: Cadence) -> str:
    """The five fields of crontab(5)."""
    minutes = ",".join(str(minute) for minute in cadence.minutes)
    hours = "*" if cadence.every <= 60 else ",".join(str(hour) for hour, _ in cadence.times)
    return f"{minutes} {hours} * * *"


def escaped(words: Sequence[str]) -> str:
    """Words for the shell, with each `%` kept from cron, which takes a bare one for a line break.

    cron reads a backslash before anything as covering that one, so a `%` behind a backslash of the path itself is
    parted from it by an empty pair of quotes.
    """
    line = shlex.join(words)
    return re.sub(r"(\\?)%", lambda hit: f"{hit[1]}''\\%" if hit[1] else "\\%", line)


def _present(run: Run) -> str | None:
    """The crontab as it is, empty if there is none yet; None where there is no such command."""
    listed = run(("crontab", "-l"), None)
    if listed.status == 127:
        return None
    if listed.status != 0 and "no crontab" not in listed.err.lower():
        raise HandrailError(tr("Your crontab cannot be read, so nothing was written to it. See: crontab -l"))
    text = listed.out if listed.status == 0 else ""
    return text if not text or text.endswith("\n") else text + "\n"


def _without(job: Job, crontab: str) -> str:
    return re.sub(f"^{re.escape(_begin(job))}\n(?:.*\n)*?{re.escape(_end(job))}\n", "", crontab, flags=re.MULTILINE)


def _begin(job: Job) -> str:
    return f"# >>> {job.name}, made by: handrail schedule"


def _end(job: Job) -> str:
    return f"# <<< {job.name}"
