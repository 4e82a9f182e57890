"""The walk through proposed mappings: what is problematic first, how sure each line is, and what a person decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from ...schemas.records import Answer, Item
from ...schemas.vocab import Blank
from ..errors import PlatformError, SettingsError, UsageError
from ..mapping import propose
from ..mapping.texts import plain as same
from ..words import Texts, mark, tr
from ..words.spelling import whole
from .app import App, author

if TYPE_CHECKING:
    from ..contracts import RemoteForm
    from ..engine import Engine
    from ..mapping.propose import Guess, Proposal

NO_LINE = "-"
DECLINED, LEFT_OUT = "d", "-"
MOST_OPTIONS = 8
_BY = Texts(
    {
        propose.CODE: mark("by its code"),
        propose.WORDS: mark("same words"),
        propose.WORDING: mark("known wording"),
        propose.LINE_ID: mark("by the line's id"),
        propose.LIKENESS: mark("alike, read both"),
        propose.PERSON: mark("you said so"),
    }
)
NUMBER_OF = mark("Number for {label!r} ({low} to {high}, d: would rather not say, - : not known, sets a form aside)")


class Walk:
    """One walk over all forms of the platform that nobody has confirmed yet.

    :param confirm_all: confirm what needs no reading, ask nothing.
    :param remap: the id or title of a form to go through anew.
    """

    def __init__(self, app: App, engine: Engine, *, confirm_all: bool, terminal: bool, remap: str | None) -> None:
        self._app = app
        self._engine = engine
        self._confirm_all = confirm_all
        self._asks = terminal and not confirm_all
        self._remap = remap
        self.confirmed: list[str] = []
        self.left: list[str] = []
        self.facts: list[dict[str, Any]] = []

    def run(self) -> Walk:
        """Goes through the proposals.

        :raises UsageError: there is no form to go through anew by that name.
        """
        try:
            proposals = self._engine.proposals(remap=self._remap)
        except PlatformError as error:
            self.left = [tr("the platform's forms could not be listed: {why}", why=error.message)]
            return self
        if self._remap is not None and not any(self._is_remapped(one.form) for one in proposals):
            raise UsageError(
                tr(
                    "No form of the platform called {form} resembles a form that Handrail knows. Nothing was changed.",
                    form=repr(self._remap),
                )
            )
        for proposal in proposals:
            self._one(proposal)
        return self

    def _is_remapped(self, form: RemoteForm) -> bool:
        return self._remap in (form.form, form.title)

    def _one(self, proposal: Proposal) -> None:
        ours = f"{proposal.instrument.id}/{proposal.instrument.version}"
        title = tr("{form} as {instrument}", form=proposal.form.title or proposal.form.form, instrument=ours)
        reworded = self._reworded(proposal.form)
        if self._asks:
            proposal = self._walk(proposal, title, reworded)
        agreed = proposal.certain if self._confirm_all else self._asks and self._agreed(proposal)
        if agreed and (problem := self._keep(proposal)):
            self.left.append(f"{title}: {problem}")
            agreed = False
        elif agreed:
            self.confirmed.append(title)
        else:
            self.left.append(_left(proposal, title, reworded))
        self.facts.append(facts_of(proposal, reworded, confirmed=agreed))

    def _reworded(self, form: RemoteForm) -> list[str]:
        """Questions of a form that was mapped and is worded differently since."""
        old = [one for one in self._engine.mappings() if one.form == form.form]
        return propose.changed(form, old[0]) if old else []

    def _keep(self, proposal: Proposal) -> str:
        try:
            self._engine.confirm(proposal, author())
        except SettingsError as error:  # a form with safety lines, and nobody who would be told
            return error.message
        return ""

    # --- on a terminal ---------------------------------------------------------------------------------------------

    def _walk(self, proposal: Proposal, title: str, reworded: Sequence[str]) -> Proposal:
        """Shows a proposal and lets the person settle what is wrong with it."""
        click.echo(f"\n{_shown(title)}")
        for text in reworded:
            click.echo("  " + tr("Changed since it was confirmed: {text}", text=_shown(text)))
        self._table(proposal)
        lacking = _lacking(proposal)
        if lacking:
            click.echo(tr("No question for: {lines}", lines=", ".join(lacking)))
        if proposal.complete:
            return proposal
        if not any(guess.problem and guess.item for guess in proposal.guesses):
            click.echo(tr("It cannot be read like this. Change the form where it is made, then connect again."))
            return proposal
        if not click.confirm(tr("Settle what is open, question by question?"), default=False):
            return proposal
        options: dict[tuple[str, ...], dict[str, Answer]] = {}
        settled = tuple(self._settled(guess, proposal, options) for guess in proposal.guesses)
        proposal = replace(proposal, guesses=settled)
        self._table(proposal)
        return proposal

    def _settled(self, guess: Guess, proposal: Proposal, known: dict[tuple[str, ...], dict[str, Answer]]) -> Guess:
        """The question as the person decides; only those with a problem are asked about."""
        if guess.problem is None or guess.item is None:
            return guess
        click.echo(f"\n{_shown(guess.question.text)}\n  " + tr("problem: {what}", what=guess.problem))
        from .dialogue import pick

        lines = {item.id: _shown(item.text) for item in proposal.instrument.items} | {NO_LINE: tr("left out")}
        chosen = pick(tr("Which line is it?"), lines, guess.item.id)
        if chosen in (None, NO_LINE):
            return propose.by_hand(guess, None, {})
        item = proposal.instrument.item(str(chosen))
        labels = tuple(one.label or one.code or "" for one in guess.question.options)
        if labels not in known:
            known[labels] = _numbers(guess, item)
        if {value for value in known[labels].values() if not isinstance(value, Blank)} != set(item.values):
            return replace(guess, item=item, problem=tr("the options do not cover the line's numbers"))
        return propose.by_hand(guess, item, known[labels])

    def _agreed(self, proposal: Proposal) -> bool:
        return proposal.complete and click.confirm(tr("Read the form like this?"), default=False)

    def _table(self, proposal: Proposal) -> None:
        """The lines, those with a problem first, then by how sure they are."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(tr("question"), tr("line"), tr("sure"), tr("options"), box=box.SIMPLE_HEAD, pad_edge=False)
        for guess in sorted(proposal.guesses, key=lambda one: (one.problem is None, one.item is None, one.sure)):
            line = tr("left out") if guess.item is None else f"{guess.item.id} {guess.item.text}"
            sure = "" if guess.item is None else f"{guess.sure:.0f} % {_BY[guess.by]}"
            said = tr("problem: {what}", what=guess.problem) if guess.problem else _options(guess)
            style = "bold" if guess.problem else ""
            table.add_row(*(Text(_shown(cell), style=style) for cell in (guess.question.text, line, sure, said)))
        self._app.print(table)


def _numbers(guess: Guess, item: Item) -> dict[str, Answer]:
    """Asks for the number of each option of a question."""
    found: dict[str, Answer] = {}
    values = {str(value): value for value in item.values}
    for one in item.options:
        click.echo(f"  {DECLINED if one.value is None else one.value}  {_shown(one.label)}")
    for option in guess.question.options:
        name = option.code or option.label or ""
        label = _shown(option.label or name)
        proposed = next((str(value) for key, value in guess.options.items() if key == name), "")
        asked = tr(NUMBER_OF, label=label, low=min(item.values), high=max(item.values))
        given = click.prompt(asked, type=click.Choice([*values, DECLINED, LEFT_OUT]), default=proposed or LEFT_OUT)
        if given != LEFT_OUT:
            found[name] = Blank.DECLINED if given == DECLINED else values[given]
            if option.label is not None and len(option.label) <= 400:
                found[option.label] = found[name]
    return found


def _options(guess: Guess) -> str:
    """The options with their numbers, in the order of these; in short where the words are the form's own."""
    if guess.item is None:
        return ""
    words = {same(option.label): option.value for option in guess.item.options}
    if all(words.get(same(name), "") == _value(value) for name, value in guess.options.items()):
        return tr("the form's own words")
    labels = {option.value: option.label for option in guess.item.options}
    ranked = sorted(guess.options.items(), key=lambda pair: (isinstance(pair[1], Blank), str(pair[1])))
    shown = [f"{name} = {labels[_value(value)]}" for name, value in ranked]
    return "; ".join(shown[:MOST_OPTIONS]) + (" ..." if len(shown) > MOST_OPTIONS else "")


def _value(answer: Answer) -> int | None:
    return None if isinstance(answer, Blank) else answer


def _lacking(proposal: Proposal) -> list[str]:
    have = {guess.item.id for guess in proposal.guesses if guess.item is not None}
    return [item.id for item in proposal.instrument.items if item.id not in have and not item.optional]


def _left(proposal: Proposal, title: str, reworded: Sequence[str]) -> str:
    if reworded:
        title = tr("{form}, changed since it was confirmed", form=title)
    how = mark("{form} ({sure} % sure)") if proposal.complete else mark("{form} ({sure} % sure, incomplete)")
    return tr(how, form=title, sure=whole(round(proposal.sure)))


def _shown(text: str) -> str:
    from ..report.plain import plain

    return plain(text)


def facts_of(proposal: Proposal, reworded: Sequence[str], *, confirmed: bool) -> dict[str, Any]:
    """A proposal for other programs: each question with its line, how sure that is, and the problem if there is one."""
    return {
        "form": proposal.form.form,
        "title": proposal.form.title,
        "version": proposal.form.version,
        "instrument": proposal.instrument.id,
        "instrument_version": proposal.instrument.version,
        "language": proposal.instrument.language,
        "sure": round(proposal.sure, 1),
        "complete": proposal.complete,
        "confirmed": confirmed,
        "changed": list(reworded),
        "lines_without_a_question": _lacking(proposal),
        "questions": [
            {
                "question": guess.question.question,
                "text": guess.question.text,
                "line": None if guess.item is None else guess.item.id,
                "sure": round(guess.sure, 1),
                "by": guess.by,
                "options": dict(guess.options),
                "problem": guess.problem,
            }
            for guess in proposal.guesses
        ],
    }
