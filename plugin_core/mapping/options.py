"""Which of a platform's options is which number: by code, by words, else by the platform's own numbers. Never shifted.

A list that counts 1 to 5 where the form counts 0 to 4 is said and left to a person; so is one whose numbers bear no
words, since nobody can tell from numbers alone which end is which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...schemas.records import Answer, Item, Option
from ...schemas.vocab import Blank
from ..contracts import RemoteAnswer, RemoteQuestion
from ..words import mark, tr
from .texts import bare, plain
from .wordings import Wordings

SAME = 100.0
NUMBERS = 90.0
LONGEST_NAME = 400
SAME_NAME = mark("two options of one name")
READ_ALIKE = mark("two options that read the same")
UNKNOWN = mark("an option whose number is not known")
OTHER_NUMBER = mark("an option that has another number on the platform")
NOT_ALL = mark("the options do not cover the line's numbers")
SHIFTED = mark("the platform counts {theirs}, this form {ours}: the numbers are not shifted by themselves")
FROM_WHERE = mark(
    "its answers are numbers without words, and it cannot be told whether they count from {low} or {next}"
)
NO_OPTIONS = mark("no answer was met yet, so that its options are not known")
_BEFORE = re.compile(r"\(?(\d{1,3})\)?\s*(?:[-=:.)]\s*|\s)(\S.*)")
_BEHIND = re.compile(r"(.*\S)\s*[(\[]\s*=?\s*(\d{1,3})\s*(?:points?|punkte?)?\s*[)\]]")


@dataclass(frozen=True, slots=True)
class Matched:
    """Numbers by the platform's codes and labels; `problem` says why that is not all of it. `sure`: see `Guess`."""

    options: dict[str, Answer] = field(default_factory=dict)
    problem: str | None = None
    sure: float = SAME


def match(question: RemoteQuestion, item: Item, known: Wordings, *, observed: bool = False) -> Matched:
    """The numbers of a question's options.

    :param observed: the options are those met in answers; those not met yet are taken from the instrument's words.
    """
    if not question.options and observed:
        return Matched(problem=tr(NO_OPTIONS))
    if not question.options:
        return Matched({str(value): value for value in item.values})
    options: dict[str, Answer] = {}
    numbers: dict[str, int] = {}
    for offered in question.options:
        name = offered.code or offered.label
        if name is not None and (problem := _take(name, offered, item, known, options, numbers)):
            return Matched(options, problem)
    if problem := _name_labels(question, options):
        return Matched(options, problem)
    if numbers:
        return _by_numbers(options, numbers, item, observed=observed)
    return _covered(options, item, observed=observed)


def _take(
    name: str,
    offered: RemoteAnswer,
    item: Item,
    known: Wordings,
    options: dict[str, Answer],
    numbers: dict[str, int],
) -> str | None:
    """Adds one option to those known by code or words, or to those that are numbers alone; gives what is wrong."""
    if name in options or name in numbers:
        return tr(SAME_NAME)
    found = _value_of(offered, item, known)
    if found == OTHER_NUMBER:
        return tr(OTHER_NUMBER)
    if found is not None:
        options[name] = found  # type: ignore[assignment]  # a Blank, or a number
    elif (number := _bare_number(offered)) is not None:
        numbers[name] = number
    else:
        return tr(UNKNOWN)
    return None


def _value_of(offered: RemoteAnswer, item: Item, known: Wordings) -> Answer | str | None:
    """The number by code, words, or weight; OTHER_NUMBER where the platform contradicts; None: nothing known."""
    value = next((_number(one) for one in item.options if _is(one, offered, known)), None)
    told = _told(offered.label)
    if value is None and told is not None:
        words = RemoteAnswer(label=told[1])
        value = next((_number(one) for one in item.options if _is(one, words, known)), None)
        if value is not None and not isinstance(value, Blank) and value != told[0]:
            return OTHER_NUMBER
    if value is None and offered.weight is not None and offered.weight in item.values:
        value = int(offered.weight)
    if value is not None and offered.weight is not None and offered.weight != value:
        return OTHER_NUMBER
    return value


def _told(label: str | None) -> tuple[int, str] | None:
    """Number and words of a label such as "3 - Mostly true" or "Mostly true (3)"."""
    text = plain(label or "")
    if found := _BEFORE.fullmatch(text):
        return int(found[1]), found[2]
    if found := _BEHIND.fullmatch(text):
        return int(found[2]), found[1]
    return None


def _bare_number(offered: RemoteAnswer) -> int | None:
    text = (offered.label or offered.code or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else None


def _by_numbers(options: dict[str, Answer], numbers: Mapping[str, int], item: Item, *, observed: bool) -> Matched:
    """Options that are numbers without words: taken for ours only where they are exactly ours, and never as sure."""
    ours, theirs = set(item.values), set(numbers.values())
    worded = {value for value in options.values() if not isinstance(value, Blank)}
    if not theirs <= ours:
        low, high = min(theirs | worded), max(theirs | worded)
        spans = {"theirs": f"{low}-{high}", "ours": f"{min(ours)}-{max(ours)}"}
        return Matched(options, tr(SHIFTED, **spans))
    if observed and min(ours) not in theirs | worded:
        return Matched(options, tr(FROM_WHERE, low=min(ours), next=min(ours) + 1))
    if not observed and theirs | worded != ours:
        return Matched(options, tr(NOT_ALL))
    found = options | dict(numbers)
    if observed:
        found |= {str(value): value for value in item.values}
    return Matched(found, None, NUMBERS)


def _covered(options: dict[str, Answer], item: Item, *, observed: bool) -> Matched:
    if observed:
        names = {plain(name) for name in options}
        options |= {one.label: _number(one) for one in item.options if plain(one.label) not in names}
    if {value for value in options.values() if not isinstance(value, Blank)} != set(item.values):
        return Matched(options, tr(NOT_ALL))
    return Matched(options)


def _name_labels(question: RemoteQuestion, options: dict[str, Answer]) -> str | None:
    """Adds the labels of coded options, so that one renamed later is seen; two that read the same are a problem."""
    values: dict[str, Answer] = {}
    for offered in question.options:
        name = offered.code or offered.label
        if offered.label is None or name not in options:
            continue
        value = options[name]
        if values.setdefault(plain(offered.label), value) != value or options.get(offered.label, value) != value:
            return tr(READ_ALIKE)
        if len(offered.label) <= LONGEST_NAME:
            options[offered.label] = value
    return None


def _is(option: Option, offered: RemoteAnswer, known: Wordings) -> bool:
    codes = {option.code, *(coding.code for coding in option.codings)}
    if offered.code is not None and offered.code in codes:
        return True
    if offered.label is None:
        return False
    return plain(offered.label) == plain(option.label) or bare(offered.label) in known.options.get(option.code, ())


def _number(option: Option) -> Answer:
    return Blank.DECLINED if option.value is None else option.value
