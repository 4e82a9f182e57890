"""Proposes a mapping: for each question of a platform's form the line that it most likely is, and how sure that is.

A proposal is never used before a person confirmed it. Published codes decide where the platform has them; else words
are compared (rapidfuzz), after case, blanks, markup and quotes are made equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from ...schemas.records import Answer, Instrument, Item, MappedQuestion, Mapping, Option
from ...schemas.vocab import Blank
from ..contracts import RemoteAnswer, RemoteForm, RemoteQuestion
from ..words import tr
from .texts import plain, same

SAME = 100.0
ALIKE = 94.0  # the most that a likeness of words can reach: "I could" and "I could not" are 97 % alike
POSSIBLE = 70.0
LONGEST_NAME = 400


@dataclass(frozen=True, slots=True)
class Guess:
    """One question with the line proposed for it. `problem` says what a person must see.

    `sure` runs from 0 to 100. It is 100 when the code or every word is the same, and at most 94 when a person has to
    read both texts.
    """

    question: RemoteQuestion
    item: Item | None
    sure: float
    options: dict[str, Answer]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed mapping of one form to one instrument."""

    form: RemoteForm
    instrument: Instrument
    guesses: tuple[Guess, ...]

    @property
    def complete(self) -> bool:
        """Whether every line of the instrument is proposed once, with all its options; how surely is `sure`."""
        items = [guess.item.id for guess in self.guesses if guess.item is not None]
        needed = {item.id for item in self.instrument.items if not item.optional}
        clean = all(g.problem is None for g in self.guesses if g.item is not None)
        return clean and needed <= set(items) and len(items) == len(set(items))

    @property
    def sure(self) -> float:
        """The mean certainty over the instrument's lines, 0 to 100."""
        return sum(g.sure for g in self.guesses if g.item is not None) / len(self.instrument.items)

    @property
    def language(self) -> str | None:
        """The form's language where it is worded as our instrument is; codes alone do not tell it."""
        alike = all(g.item is None or same(g.question.text, g.item.text) for g in self.guesses)
        return self.instrument.language if alike else None

    def mapping(self, platform: str) -> Mapping:
        """The mapping to store once a person has confirmed it."""
        mapped = [g for g in self.guesses if g.item is not None]
        others = [g.question for g in self.guesses if g.item is None]
        totals = {q.question: name for q in others if (name := _total(q, self.instrument)) is not None}
        return Mapping(
            platform=platform,
            form=self.form.form,
            form_version=self.form.version,
            instrument=self.instrument.id,
            instrument_version=self.instrument.version,
            questions=tuple(
                MappedQuestion(g.question.question, g.item.id, g.question.text, g.options) for g in mapped if g.item
            ),
            ignored=tuple(q.question for q in others if q.question not in totals),
            totals=totals,
            language=self.language,
        )


def propose(form: RemoteForm, instruments: Sequence[Instrument]) -> Proposal | None:
    """The best proposal for a form, or None when it resembles none of the instruments."""
    proposals = [_for(form, instrument) for instrument in instruments]
    best = max(proposals, key=lambda proposal: proposal.sure, default=None)
    return best if best is not None and best.sure >= POSSIBLE else None


def fits(form: RemoteForm, mapping: Mapping) -> bool:
    """Whether a mapping still reads this form: the same version, and every question worded as it was confirmed."""
    if mapping.form != form.form or mapping.form_version not in (None, form.version):
        return False
    texts = {question.question: question.text for question in mapping.questions}
    asked = [question for question in form.questions if question.question in texts]
    return len(asked) > 0 and all(same(question.text, texts[question.question]) for question in asked)


def _for(form: RemoteForm, instrument: Instrument) -> Proposal:
    return Proposal(form, instrument, tuple(_guess(question, instrument) for question in form.questions))


def _guess(question: RemoteQuestion, instrument: Instrument) -> Guess:
    item, sure = _closest(question, instrument)
    if item is None:
        return Guess(question, None, sure, {})
    options, problem = _match_options(question, item)
    return Guess(question, item, sure, options, problem)


def _closest(question: RemoteQuestion, instrument: Instrument) -> tuple[Item | None, float]:
    codes = set(question.codings)
    for item in instrument.items:
        if any((coding.system, coding.code) in codes for coding in item.codings):
            return item, SAME
    text = plain(question.text)
    scored = [(_alike(text, plain(item.text)), item) for item in instrument.items]
    sure, item = max(scored, key=lambda pair: pair[0])
    return (item, sure) if sure >= POSSIBLE else (None, sure)


def _total(question: RemoteQuestion, instrument: Instrument) -> str | None:
    """The score whose published code the question carries: a total that the platform stores beside the answers."""
    codes = set(question.codings)
    found = (s.id for s in instrument.scores if any((coding.system, coding.code) in codes for coding in s.codings))
    return next(found, None)


def _alike(one: str, other: str) -> float:
    return SAME if one == other else min(ALIKE, fuzz.token_sort_ratio(one, other))


def _match_options(question: RemoteQuestion, item: Item) -> tuple[dict[str, Answer], str | None]:
    """Numbers of the platform's options: by code, by label, else by weight; a contradiction is a problem to show."""
    options: dict[str, Answer] = {}
    for offered in question.options:
        name = offered.code or offered.label
        if name is None:
            continue
        if name in options:
            return options, tr("two options of one name")
        value = next((_value(o) for o in item.options if _is_option(o, offered)), None)
        if value is None and offered.weight is not None and offered.weight in item.values:
            value = int(offered.weight)
        if value is None:
            return options, tr("an option whose number is not known")
        if offered.weight is not None and offered.weight != value:
            return options, tr("an option that has another number on the platform")
        options[name] = value
    if problem := _name_labels(question, options):
        return options, problem
    if question.options and {v for v in options.values() if not isinstance(v, Blank)} != set(item.values):
        return options, tr("the options do not cover the line's numbers")
    if not question.options:
        options = {str(value): value for value in item.values}
    return options, None


def _name_labels(question: RemoteQuestion, options: dict[str, Answer]) -> str | None:
    """Adds the labels of coded options, so that one renamed later is seen; two that read the same are a problem."""
    values: dict[str, Answer] = {}
    for offered in question.options:
        if offered.label is None:
            continue
        value = options[offered.code or offered.label]
        if values.setdefault(plain(offered.label), value) != value or options.get(offered.label, value) != value:
            return tr("two options that read the same")
        if len(offered.label) <= LONGEST_NAME:
            options[offered.label] = value
    return None


def _is_option(option: Option, offered: RemoteAnswer) -> bool:
    codes = {option.code, *(coding.code for coding in option.codings)}
    if offered.code is not None and offered.code in codes:
        return True
    return offered.label is not None and plain(offered.label) == plain(option.label)


def _value(option: Option) -> Answer:
    return Blank.DECLINED if option.value is None else option.value
