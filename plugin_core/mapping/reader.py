"""Reads a platform's form through its mapping, or says why it cannot be read. Nothing is scored on a guess.

A question reworded or removed, an option unknown, two answers on one line, a weight that contradicts the mapping: each
sets the form aside with a plain reason (F56, F58, F68). A line that is merely absent is left out; scoring counts it as
empty, since servers leave unanswered lines out. Only an adapter can say that its forms have a line for each question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from collections.abc import Mapping as MappingABC
from contextlib import suppress
from typing import Any

from ...schemas.records import Answer, Instrument, MappedQuestion, Mapping, Option, Quarantined
from ...schemas.vocab import Blank, QuarantineReason
from ..contracts import RemoteAnswer, RemoteLine, RemoteResponse
from ..uris import BASE
from ..words import ENGLISH, kept, mark
from .texts import plain, same

MOST_MET = 4096
R = QuarantineReason
Flat = dict[str, Any]
_REWORDED = mark("the question is worded differently than when it was mapped")
_RENAMED = mark("an option is named differently than when it was mapped")
_REMOVED = mark("the question is no longer part of the platform's form, though it was mapped")
_DOUBLED = mark("two options read the same")
_UNKNOWN = mark("a question that the form's mapping does not know")
_NO_VERSION = mark("a form without a version than those that are mapped")
_OTHER_VERSION = mark("a form of another version than those that are mapped")
MOST_PAIRS = 1000


class _SetAside(Exception):
    """Internal: leaves the reading of one form with its reason."""

    def __init__(self, reason: QuarantineReason, where: str, message: str) -> None:
        super().__init__(reason)
        self.reason, self.where, self.message = reason, where, message


class _Question:
    """One mapped question, compiled.

    `pairs` are the (code, label) that were looked up already, so that the common answer costs one look-up.
    """

    __slots__ = ("item", "labels", "numbers", "options", "pairs", "seen", "several", "text")

    def __init__(self, mapped: MappedQuestion) -> None:
        self.item = mapped.item
        self.text = mapped.text
        self.options = dict(mapped.options)
        self.labels: dict[str, set[Answer]] = {}
        for name, value in mapped.options.items():
            self.labels.setdefault(plain(name), set()).add(value)
        names = Counter(mapped.options.values())
        self.several = frozenset(value for value, number in names.items() if number > 1)
        self.numbers = {
            float(name): value for name, value in mapped.options.items() if name.isascii() and name.isdigit()
        }
        self.seen: set[str | None] = {None, mapped.text}
        self.pairs: dict[tuple[str | None, str | None], Answer] = {}

    def accepts(self, text: str | None) -> bool:
        """Whether the question still reads as it did when the mapping was confirmed."""
        if text in self.seen:
            return True
        if text is not None and same(text, self.text):
            self.seen.add(text)
            return True
        return False

    def number(self, answer: RemoteAnswer) -> Answer:
        """The number of an answer, or why it has none."""
        where = kept.LINE.format(line=self.item)
        value = self._look_up(answer, where)
        if value is None:
            raise _SetAside(R.UNKNOWN_ANSWER, where, mark("an answer that the form's mapping does not know"))
        if answer.weight is not None and (isinstance(value, str) or answer.weight != value):
            raise _SetAside(
                R.WEIGHT_DIFFERS, where, mark("the answer came with another number than the mapping gives it")
            )
        return value

    def _look_up(self, answer: RemoteAnswer, where: str) -> Answer | None:
        """By code, by label, or by a number that the mapping names. A bare number is no position in the list."""
        coded = None if answer.code is None else self.options.get(answer.code)
        named = self._named(answer.label, where)
        if (
            coded is not None
            and answer.label is not None
            and named != coded
            and (named is not None or coded in self.several)
        ):
            raise _SetAside(R.CHANGED_DEFINITION, where, _RENAMED)
        found = named if coded is None else coded
        if found is None and answer.code is None and answer.label is None and answer.number is not None:
            return self.numbers.get(answer.number)
        if found is not None and len(self.pairs) < MOST_PAIRS:
            self.pairs[answer.code, answer.label] = found
        return found

    def _named(self, label: str | None, where: str) -> Answer | None:
        values = self.labels.get(plain(label), set()) if label is not None else set()
        if len(values) > 1:
            raise _SetAside(R.CHANGED_DEFINITION, where, _DOUBLED)
        return next(iter(values), None)


class _Form:
    """One mapping, compiled: the questions of one version of one form."""

    def __init__(self, mapping: Mapping) -> None:
        self.instrument = (mapping.instrument, mapping.instrument_version)
        self.version = mapping.form_version
        self.language = mapping.language
        self.questions = {q.question: _Question(q) for q in mapping.questions}
        self.ignored = frozenset(mapping.ignored)
        self.totals = dict(mapping.totals)
        self._met: dict[RemoteLine, tuple[str, Answer]] = {}

    def answers(self, lines: Sequence[RemoteLine]) -> tuple[dict[str, Answer], dict[str, float]]:
        """Answers by item and totals by score, from a form's lines."""
        met = list(map(self._met.get, lines))
        if all(met):  # the innermost loop of a sync: there are few different lines
            answers = dict(met)  # type: ignore[arg-type]
            if len(answers) == len(met):
                return answers, {}
        return self._line_by_line(lines)

    def has_all(self, lines: Sequence[RemoteLine]) -> None:
        """Sets a form aside that no longer asks a mapped question: its answer would else count as left empty."""
        if missing := self.questions.keys() - {line.question for line in lines}:
            item = min(self.questions[name].item for name in missing)
            raise _SetAside(R.CHANGED_DEFINITION, kept.LINE.format(line=item), _REMOVED)

    def _line_by_line(self, lines: Sequence[RemoteLine]) -> tuple[dict[str, Answer], dict[str, float]]:
        answers: dict[str, Answer] = {}
        totals: dict[str, float] = {}
        find = self.questions.get
        for line in lines:
            question = find(line.question)
            if question is None:
                self._other(line, totals)
                continue
            if line.text not in question.seen and not question.accepts(line.text):
                raise _SetAside(R.CHANGED_DEFINITION, kept.LINE.format(line=question.item), _REWORDED)
            given = line.answers
            if not given:
                continue
            if len(given) > 1 or question.item in answers:
                raise _SetAside(R.TWO_ANSWERS, kept.LINE.format(line=question.item), mark("two answers on one line"))
            answer = given[0]
            value = question.pairs.get((answer.code, answer.label))
            if value is None or (answer.weight is not None and answer.weight != value):
                value = question.number(answer)
            answers[question.item] = value
            if len(self._met) < MOST_MET:
                self._met[line] = question.item, value
        return answers, totals

    def _other(self, line: RemoteLine, totals: dict[str, float]) -> None:
        if not line.answers:
            return
        if (score := self.totals.get(line.question)) is not None:
            stored = line.answers[0].number
            if stored is not None:
                totals[score] = stored
        elif line.question not in self.ignored:
            raise _SetAside(R.UNKNOWN_QUESTION, kept.A_LINE, _UNKNOWN)


class FormReader:
    """Reads forms through all mappings of one platform.

    :param mappings: confirmed mappings, those of our own forms included.
    """

    def __init__(self, mappings: Sequence[Mapping]) -> None:
        self._forms: dict[str, list[_Form]] = {}
        for mapping in mappings:
            self._forms.setdefault(mapping.form, []).append(_Form(mapping))

    def knows(self, form: str) -> bool:
        """Whether any version of this form is mapped; others are not ours to read and are not stored."""
        return form in self._forms

    def read(self, remote: RemoteResponse) -> Flat | Quarantined:
        """The form as flat fields for `ResponseSchema`, only those that it has; or why it is set aside."""
        try:
            form = self._version_of(remote)
            if remote.whole:
                form.has_all(remote.lines)
            answers, totals = form.answers(remote.lines)
        except _SetAside as found:
            return Quarantined(remote.id, found.reason, found.where, found.message, remote.form, remote.version)
        return self._flat(remote, form, answers, totals)

    def _flat(self, remote: RemoteResponse, form: _Form, answers: dict[str, Answer], totals: dict[str, float]) -> Flat:
        flat: Flat = {
            "id": remote.id,
            "client": remote.client,
            "instrument": form.instrument[0],
            "instrument_version": form.instrument[1],
            "authored": remote.authored,
            "answers": answers,
            "status": remote.status,
        }
        for name, value in (
            ("version", remote.version),
            ("updated", remote.updated),
            ("mode", remote.mode or None),
            ("language", remote.language or form.language),
            ("source", remote.source),
            ("totals", totals or None),
        ):
            if value is not None:
                flat[name] = value
        if remote.tags:
            flat["tags"] = list(remote.tags)
        return flat

    def instruments(self, form: str | None) -> set[tuple[str, str]]:
        """The instruments that any version of this form is read as."""
        return {one.instrument for one in self._forms.get(form or "", ())}

    def read_only(self, remote: RemoteResponse, items: Collection[str]) -> Flat | None:
        """Single lines of a form that cannot be read as a whole, each by the mapping's own words; None: not even they.

        A line that reads exactly as it was mapped is no guess, whatever is wrong with the others.
        """
        for form in self._forms.get(remote.form, ()):
            wanted = {name for name, question in form.questions.items() if question.item in items}
            lines = tuple(line for line in remote.lines if line.question in wanted)
            with suppress(_SetAside):
                answers, _ = form.answers(lines)
                if answers:
                    return self._flat(remote, form, answers, {})
        return None

    def _version_of(self, remote: RemoteResponse) -> _Form:
        forms = self._forms.get(remote.form, ())
        for version in (remote.form_version, None):  # a mapping of this very version before one of any
            for form in forms:
                if form.version == version:
                    return form
        if remote.form_version is None:
            raise _SetAside(R.UNKNOWN_VERSION, kept.THE_FORM, _NO_VERSION)
        raise _SetAside(R.UNKNOWN_VERSION, kept.THE_FORM, _OTHER_VERSION)


# --- our own forms -------------------------------------------------------------------------------------------------


def own_form(instrument: Instrument) -> str:
    """The name by which a form that Handrail published is known on any platform: its canonical address.

    A form in another language than English is a form of its own there, with its language in its address.
    """
    other = "" if instrument.language == ENGLISH else f"-{instrument.language}"
    return f"{BASE}/Questionnaire/{instrument.id}{other}"


def own_mapping(
    instrument: Instrument, platform: str, form: str | None = None, names: MappingABC[str, str] | None = None
) -> Mapping:
    """The mapping of a form that Handrail published: questions are item ids, options are their codes.

    Published codes of an option (LOINC, say) read like its own. `names` are the platform's own names of the questions,
    by item id, where it lets nobody choose them; its forms then carry no version.
    """
    questions = tuple(
        MappedQuestion((names or {}).get(item.id, item.id), item.id, item.text, _options(item.options))
        for item in instrument.items
    )
    return Mapping(
        platform=platform,
        form=form or own_form(instrument),
        form_version=None if names else instrument.version,
        instrument=instrument.id,
        instrument_version=instrument.version,
        questions=questions,
        language=instrument.language,
    )


def _options(options: Sequence[Option]) -> MappingABC[str, Answer]:
    found: dict[str, Answer] = {}
    for option in options:
        value: Answer = Blank.DECLINED if option.value is None else option.value
        number = () if option.value is None else (str(option.value),)
        for name in (option.code, option.label, *(coding.code for coding in option.codings), *number):
            found[name] = value
    return found
