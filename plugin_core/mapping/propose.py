"""Proposes a mapping: for each question of a platform's form the line that it most likely is, and how sure that is.

A proposal is never used before a person confirmed it. Published codes decide where the platform has them; else words
are compared (rapidfuzz), after case, blanks, markup and quotes are made equal. Words that turn the meaning (not, never,
without, another span of time) make another question of it, however alike the rest is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz

from ...schemas.records import Answer, Instrument, Item, MappedQuestion, Mapping
from ..contracts import RemoteForm, RemoteQuestion
from ..words import mark, tr
from .options import Matched, match
from .texts import bare, plain, same, turned
from .wordings import Wordings, wordings_of

SAME = 100.0
KNOWN = 98.0  # a wording that is known of this form, or the same words with a number before them
SURE = 95.0  # below this a person has to read both texts
ALIKE = 94.0  # the most that a likeness of words can reach: "I could" and "I could not" are 97 % alike
BY_ID = 80.0
POSSIBLE = 70.0

CODE, WORDS, WORDING, LINE_ID, LIKENESS, PERSON = "code", "words", "known wording", "id", "likeness", "person"
TWICE = mark("two questions read as this line")
TURNED = mark("reads like {line}, but differs in: {words}. That is another question; it is left out")
OTHER_WORDS = mark("its code says this line, its words say another")
SEVERAL = mark("more than one option can be ticked")


@dataclass(frozen=True, slots=True)
class Guess:
    """One question with the line proposed for it. `problem` says what a person must see; `by` by what it was known.

    `sure` runs from 0 to 100. It is 100 when the code or every word is the same, and at most 94 when a person has to
    read both texts, or to say which way round numbers without words run.
    """

    question: RemoteQuestion
    item: Item | None
    sure: float
    options: dict[str, Answer]
    problem: str | None = None
    by: str = WORDS


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
        alike = all(g.item is None or g.by == WORDING or same(g.question.text, g.item.text) for g in self.guesses)
        return self.instrument.language if alike else None

    @property
    def certain(self) -> bool:
        """Whether nothing of it has to be read by a person: complete, each line known by its code or words, and no
        question left out that reads like one of them."""
        known = all(g.sure >= SURE for g in self.guesses if g.item is not None)
        return self.complete and known and all(g.problem is None for g in self.guesses)

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
    best = max(proposals, key=lambda proposal: (proposal.complete, proposal.sure), default=None)
    return best if best is not None and best.sure >= POSSIBLE else None


def changed(form: RemoteForm, mapping: Mapping) -> list[str]:
    """The texts, as they were confirmed, of the questions that a form words differently now or does not have."""
    texts = {question.question: question.text for question in form.questions}
    return [
        one.text for one in mapping.questions if one.question not in texts or not same(one.text, texts[one.question])
    ]


def fits(form: RemoteForm, mapping: Mapping) -> bool:
    """Whether a mapping still reads this form: the same version, every question there and worded as it was confirmed,
    and no question that it does not know, since an answer on one sets the form aside."""
    if mapping.form != form.form or mapping.form_version not in (None, form.version):
        return False
    known = {*(one.question for one in mapping.questions), *mapping.ignored, *mapping.totals}
    here = {question.question for question in form.questions}
    if form.observed:  # a line that nobody has answered is not seen
        mapping = replace(mapping, questions=tuple(one for one in mapping.questions if one.question in here))
    return len(mapping.questions) > 0 and not changed(form, mapping) and known.issuperset(here)


def by_hand(guess: Guess, item: Item | None, options: dict[str, Answer]) -> Guess:
    """The question as a person has it: another line or none, numbers that they gave to its options."""
    return Guess(guess.question, item, SAME if item is not None else 0.0, options, by=PERSON)


def _for(form: RemoteForm, instrument: Instrument) -> Proposal:
    known = wordings_of(instrument)
    guesses = [_guess(question, instrument, known, observed=form.observed) for question in form.questions]
    times = Counter(guess.item.id for guess in guesses if guess.item is not None)
    return Proposal(form, instrument, tuple(_once(guess, times) for guess in guesses))


def _once(guess: Guess, times: Counter[str]) -> Guess:
    return guess if guess.item is None or times[guess.item.id] == 1 else replace(guess, problem=tr(TWICE))


def _guess(question: RemoteQuestion, instrument: Instrument, known: Wordings, *, observed: bool) -> Guess:
    item, sure, by = _closest(question, instrument, known)
    if item is None:
        return Guess(question, None, sure, {}, by=by)
    words = turned(question.text, item.text) if by in (CODE, LIKENESS) and question.text else ()
    if words and by == LIKENESS:
        said = tr(TURNED, line=item.id, words=", ".join(words))
        return Guess(question, None, sure, {}, said, by)
    if words and _alike(bare(question.text), bare(item.text)) >= POSSIBLE:
        return Guess(question, item, ALIKE, {}, tr(OTHER_WORDS), by)
    if question.several:
        return Guess(question, item, sure, {}, tr(SEVERAL), by)
    found: Matched = match(question, item, known, observed=observed)
    return Guess(question, item, min(sure, found.sure), found.options, found.problem, by)


def _closest(question: RemoteQuestion, instrument: Instrument, known: Wordings) -> tuple[Item | None, float, str]:
    codes = set(question.codings)
    for item in instrument.items:
        if any((coding.system, coding.code) in codes for coding in item.codings):
            return item, SAME, CODE
    text, short = plain(question.text), bare(question.text)
    for item in instrument.items:
        if text == plain(item.text):
            return item, SAME, WORDS
    for item in instrument.items:
        if short == bare(item.text) or short in known.items.get(item.id, ()):
            return item, KNOWN, WORDING
    for item in instrument.items:
        if short == item.id.lower():
            return item, BY_ID, LINE_ID
    sure, item = max(((_alike(short, bare(one.text)), one) for one in instrument.items), key=lambda pair: pair[0])
    return (item, sure, LIKENESS) if sure >= POSSIBLE else (None, sure, LIKENESS)


def _total(question: RemoteQuestion, instrument: Instrument) -> str | None:
    """The score whose published code the question carries: a total that the platform stores beside the answers."""
    codes = set(question.codings)
    found = (s.id for s in instrument.scores if any((coding.system, coding.code) in codes for coding in s.codings))
    return next(found, None)


def _alike(one: str, other: str) -> float:
    return min(ALIKE, fuzz.token_sort_ratio(one, other))
