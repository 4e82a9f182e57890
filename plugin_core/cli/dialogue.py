"""How `connect` speaks with whoever runs it: on a terminal by questions, else by what the command was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..words import tr
from .app import App, author

if TYPE_CHECKING:
    from ..engine import Engine

QUIET_CHOICES = 12


class Said:
    """A `Dialogue` without a person: what was given with `--answer` and `--confirm`. What is found is shown all the
    same, as somebody reads it before or after they confirm; without `app` it is only kept, for JSON."""

    def __init__(self, answers: Mapping[str, str], confirm: bool, app: App | None = None) -> None:
        self._app = app
        self._answers = answers
        self._confirm = confirm
        self._used: set[str] = set()
        self.shown: list[dict[str, Any]] = []
        self.declined = False

    @property
    def who(self) -> str:
        """See `Dialogue`."""
        return author()

    @property
    def unused(self) -> list[str]:
        """Names given with `--answer` that nothing asked for."""
        return sorted(set(self._answers) - self._used)

    def show(self, title: str, rows: Sequence[tuple[str, str]], problems: Sequence[str] = ()) -> None:
        """See `Dialogue`: problems first."""
        facts = [{"what": what, "is": how} for what, how in rows]
        self.shown.append({"title": title, "facts": facts, "problems": list(problems)})
        if self._app is not None:
            _print(self._app, title, rows, problems)

    def choose(self, name: str, question: str, choices: Mapping[str, str], proposed: str | None) -> str | None:
        """See `Dialogue`."""
        if name not in self._answers:
            return self._without(question, choices, proposed)
        self._used.add(name)
        found = self._answers[name]
        if choices and found not in choices:
            near = ", ".join(list(choices)[:QUIET_CHOICES])
            raise UsageError(
                tr("--answer {name}: there is no {found!r}. There is: {near}.", name=name, found=found, near=near)
            )
        return found

    def _without(self, question: str, choices: Mapping[str, str], proposed: str | None) -> str | None:  # noqa: ARG002
        return proposed

    def agree(self, question: str) -> bool:  # noqa: ARG002 - the protocol's
        """See `Dialogue`."""
        return self._confirm


class Asked(Said):
    """A `Dialogue` on a terminal. What has one answer is not asked at first, only shown; `everything` asks it."""

    everything = False

    def _without(self, question: str, choices: Mapping[str, str], proposed: str | None) -> str | None:
        if proposed is not None and not self.everything:
            return proposed
        return pick(question, choices, proposed)

    def agree(self, question: str) -> bool:
        """See `Dialogue`."""
        yes = self._confirm or click.confirm(question, default=False)
        self.declined = self.declined or not yes
        return yes


def _print(app: App, title: str, rows: Sequence[tuple[str, str]], problems: Sequence[str]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from ..report.plain import plain

    click.echo(f"\n{plain(title)}")
    for problem in problems:
        click.echo("  " + tr("Look at this: {what}", what=plain(problem)))
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    for what, how in rows:
        table.add_row(Text(plain(what)), Text(plain(how)))
    app.print(table)


def pick(question: str, choices: Mapping[str, str], proposed: str | None) -> str | None:
    """Asks for one of the choices by its number or word; for any text where there are none. Empty: nobody decides."""
    from ..report.plain import plain

    words = list(choices)
    for number, word in enumerate(words, 1):
        said = plain(choices[word])
        click.echo(f"  {number:>3}  {plain(word)}{': ' if said else ''}{said}")
    while True:
        given = str(click.prompt(question, default=proposed or "", show_default=bool(proposed))).strip()
        if not given:
            return None
        if not words or given in choices:
            return given
        if given.isdigit() and 1 <= int(given) <= len(words):
            return words[int(given) - 1]
        click.echo(tr("Give one of the numbers or words above, or nothing."))


def arranged(
    app: App, engine: Engine, answers: Mapping[str, str], confirm: bool, *, terminal: bool, silent: bool
) -> tuple[Said, list[str]]:
    """Lets the platform settle what its forms hang on (see `AdapterSpec.arrange`); gives what is still open.

    :param terminal: somebody is there to be asked.
    :param silent: nothing is printed.
    :raises UsageError: an answer was given that nothing asked for.
    """
    from ..opening import context_of

    dialogue = (Asked if terminal else Said)(answers, confirm, None if silent else app)
    spec = engine.spec
    if spec.arrange is None:
        if answers:
            raise UsageError(tr("{platform} asks nothing that --answer could answer.", platform=spec.title))
        return dialogue, []
    context = context_of(engine, spec, engine.connection)
    left = list(spec.arrange(context, dialogue))
    if isinstance(dialogue, Asked) and dialogue.declined and click.confirm(tr("Go through it question by question?")):
        dialogue.everything = True
        left = list(spec.arrange(context, dialogue))
    if dialogue.unused:
        raise UsageError(
            tr(
                "Nothing asks for {name}: it was given with --answer. What was confirmed stays.",
                name=dialogue.unused[0],
            )
        )
    return dialogue, left
