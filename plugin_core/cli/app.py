"""What every command shares: the settings in force, the engine, and how facts, tables and progress are printed."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..logs import set_up
from ..words import Texts, mark, tr

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from ..engine import Engine
    from ..settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def indented(facts: Any) -> str:
    """What `json.dumps` writes of facts with an indent of 2, several times faster: it indents in Python, not in C."""
    import msgspec

    # A path of the computer may hold letters that are none, and numbers may be beyond all bounds.
    line = json.dumps(facts, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        return msgspec.json.format(line, indent=2).decode("utf-8", "surrogatepass")
    except msgspec.DecodeError:  # Infinity is JSON for Python alone
        return json.dumps(facts, ensure_ascii=False, indent=2)


def json_option(function: F) -> F:
    """`--json`: the facts as JSON on standard output, for other programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")(function)


class Day(click.DateTime):
    """A day on the command line, as 2026-05-04; refused with an example instead of a pattern."""

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d"])

    def get_metavar(self, *_args: Any, **_more: Any) -> str:
        return tr("YYYY-MM-DD")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(tr("Write the day as year-month-day, for example 2026-05-04."), param, ctx)


class App:
    """One call of the command."""

    def __init__(self, settings_file: Path | None, verbose: bool, log_json: bool = False) -> None:
        from ..paths import default_file

        self.file = (settings_file or default_file()).absolute()
        set_up(verbose=verbose, as_json=log_json)

    @cached_property
    def settings(self) -> Settings:
        """The settings, read when first needed."""
        from ..settings import load
        from ..words import speak

        found = load(self.file)
        speak(found.language)
        return found

    @cached_property
    def console(self) -> Console:
        """Where tables and texts go; plain where it is not a terminal."""
        from rich.console import Console

        return Console(highlight=False, soft_wrap=False)

    @contextmanager
    def engine(self, *, progress: bool = False) -> Iterator[Engine]:
        """The practice's engine, closed at the end; with `progress`, shown on a terminal."""
        from ..engine import Engine

        with Progress(progress and sys.stderr.isatty()) as shown, Engine(self.settings, progress=shown) as engine:
            yield engine

    def print(self, *things: RenderableType) -> None:
        """Prints texts, tables and panels."""
        for thing in things:
            self.console.print(thing)

    def json(self, facts: Any) -> None:
        """Prints facts as JSON."""
        click.echo(indented(facts))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Prints a plain table that reads well at 80 columns."""
        from rich import box
        from rich.table import Table

        table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        self.print(table)


class Progress:
    """A line on standard error that says what is going on, once it takes more than a second."""

    def __init__(self, on: bool) -> None:
        self.on = on
        self._begun = time.monotonic()
        self._last = 0.0
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._wrote = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._wrote:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def __call__(self, part: str, more: int, of: int | None = None) -> None:
        """Adds to a part's count; `of` is the whole where it is known."""
        if not self.on:
            return
        with self._lock:
            self._counts[part] = self._counts.get(part, 0) + more
            now = time.monotonic()
            if now - self._begun < 1 or now - self._last < 0.1:
                return
            self._last = now
            fields = {"part": _PARTS.get(part, part), "done": self._counts[part], "seconds": f"{now - self._begun:.0f}"}
            line = tr("{part}: {done} of {all} ({seconds} s)", all=of, **fields) if of else tr(_DONE, **fields)
            sys.stderr.write(f"\r\033[K{line}")
            sys.stderr.flush()
            self._wrote = True


_DONE = mark("{part}: {done} ({seconds} s)")
_PARTS = Texts(
    {
        "rescoring": mark("rescoring"),
        "pulling": mark("pulling"),
        "asking about clients": mark("asking about clients"),
        "pushing": mark("pushing"),
        "asking": mark("asking"),
        "testing": mark("testing"),
    }
)


def write_out(path: Path, text: str) -> None:
    """Writes what a person asked for, whole or not at all, for them alone.

    :raises UsageError: it cannot be written there.
    """
    from .. import private
    from ..errors import UsageError
    from ..words.kept import why_of

    try:
        private.write(path, text)
    except OSError as error:
        raise UsageError(
            tr("{path} cannot be written ({why}). Choose another place.", path=path, why=why_of(error))
        ) from None


pass_app = click.make_pass_decorator(App)


def author() -> str:
    """Who acts, as the audit trail names them: the user of this computer."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no user name in a bare container
        return "unknown user"
