"""What is to be run, what will be written for it, and how commands of the system are called."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..words import tr
from .cadence import Cadence

SECONDS = 60


@dataclass(frozen=True, slots=True)
class Job:
    """One practice's sync. `program` is how this Handrail is started, with absolute paths."""

    practice: str
    settings: Path
    cadence: Cadence
    program: tuple[str, ...]
    send: bool
    home: Path

    @property
    def name(self) -> str:
        """What the entry is called on every system."""
        return f"handrail-{self.practice}"

    @property
    def command(self) -> tuple[str, ...]:
        """The words that are run: no secret among them, since every user of the computer may see them."""
        sending = ("--send",) if self.send else ()
        return (*self.program, "--settings", str(self.settings), "sync", "--quiet", *sending)


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the system. `optional`: goes on when it fails (taking away what may not be there)."""

    words: tuple[str, ...]
    stdin: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """All that making an entry writes and runs, and how it is looked at and taken away again."""

    kind: str
    files: Mapping[Path, bytes]
    make: tuple[Step, ...]
    undo: tuple[Step, ...]
    see: str
    notes: tuple[str, ...] = ()
    after: tuple[Step, ...] = ()  # once the files are gone again
    shown: Mapping[str, str] = field(default_factory=dict)  # what a person reads instead of bytes: title -> text


@dataclass(frozen=True, slots=True)
class Installed:
    """An entry that is there: what it starts, whether it is as it would be made today, what is wrong with it.

    `elsewhere`: it is another practice's, of other settings under the same name.
    """

    program: str
    same: bool
    problem: str | None = None
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command of the system ended."""

    status: int
    out: str = ""
    err: str = ""


Run = Callable[[Sequence[str], str | None], Ran]


def run(words: Sequence[str], stdin: str | None = None) -> Ran:
    """Runs a command of the system without a shell; one that is not there ends with 127, as in a shell."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words of the scheduler modules, no shell
            list(words),
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except OSError:  # not there, or on a PATH whose folders are closed to this user
        return Ran(127, "", f"{words[0]}: not found")
    except subprocess.TimeoutExpired:
        return Ran(124, "", tr("{words}: no answer within {seconds} seconds", words=words[0], seconds=SECONDS))
    return Ran(done.returncode, done.stdout, done.stderr)
