"""Turns the levels of a course into answers, and answers into the form that the platform shows: seeded, exact, whole.

A level becomes a total of its lines, and the total is spread over the lines; so a score lands within half a step of
what the course meant, while single lines differ as they do on real forms. Reversed lines are turned back to raw here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any

from ...schemas.records import Answers, Instrument, Item
from ...schemas.vocab import Blank
from .checks import Json
from .courses import Course, level

LINE_CAPS = {"W2": 3, "W5": 3}  # the highest answer is a topic of its own (P7): only where a course says so
WEIGHTS = ("http://hl7.org/fhir/StructureDefinition/ordinalValue", "http://hl7.org/fhir/StructureDefinition/itemWeight")
GROUPS = {"growth": "growth", "reliance": "reliance", "outlook": "outlook"}
SINGLES = {"F1": "relief", "F2": "change", "N2": "horizon"}


def client_answers(rng: Random, instrument: Instrument, course: Course, number: int) -> dict[str, int]:
    """The raw answers of one `gr18` form of a course."""
    if course.straight is not None and number >= 2:
        return {item.id: course.straight for item in instrument.items}
    caps = {**LINE_CAPS, **course.caps}
    answers: dict[str, int] = {}
    for score, name in GROUPS.items():
        items = [instrument.item(one) for one in instrument.score(score).items]
        aim = level(getattr(course, name), number, course.forms) + rng.uniform(-0.12, 0.12)
        answers.update(spread(rng, items, round(aim * len(items)), caps))
    for line, name in SINGLES.items():
        aim = level(getattr(course, name), number, course.forms) + rng.uniform(-0.2, 0.2)
        answers[line] = max(0, min(4, round(aim)))
    return answers


def symptom_answers(rng: Random, instrument: Instrument, course: Course, number: int) -> dict[str, int]:
    """The raw answers of one symptom form of a course. Safety lines are 0 unless a course marks them."""
    safety = {line.item for line in instrument.safety}
    scored = [instrument.item(one) for one in instrument.scores[0].items if one not in safety]
    total = round(level(course.symptoms[instrument.id], number, course.forms) + rng.uniform(-1, 1))
    answers = spread(rng, scored, total, {})
    for item in instrument.items:
        answers.setdefault(item.id, 0 if item.id in safety else 1)
    return answers


def stance_answers(rng: Random, instrument: Instrument, course: Course) -> dict[str, int]:
    """A therapist's self-check, even but for the answers that the course names."""
    answers = spread(rng, instrument.items, round(1.2 * len(instrument.items)), {})
    return {**answers, **course.stance}


def spread(rng: Random, items: Sequence[Item], total: int, caps: Mapping[str, int]) -> dict[str, int]:
    """Raw answers of these lines, whose sum in the score's direction is `total`, or the nearest that caps allow.

    :param caps: the highest answer in the score's direction of single lines, by id.
    """
    tops = [min(caps.get(item.id, item.values[-1]), item.values[-1]) for item in items]
    lift = [0] * len(items)
    for _ in range(max(0, min(total, sum(tops)))):
        free = [index for index, top in enumerate(tops) if lift[index] < top]
        lift[min(free, key=lambda index: lift[index] + rng.random() * 1.7)] += 1
    return {
        item.id: item.values[0] + item.values[-1] - up if item.reverse else up
        for item, up in zip(items, lift, strict=True)
    }


# --- onto the platform's form --------------------------------------------------------------------------------------


def fill(questionnaire: Json, answers: Answers) -> list[Json]:
    """The `item` list of a QuestionnaireResponse: lines as the published form nests them, unanswered ones left out.

    The option is the one that the form weighs with the number; `declined` is the option without a weight.

    :param questionnaire: the published Questionnaire; the linkId of a line is its item id.
    :raises ValueError: the form has no option for an answer.
    """
    return list(_lines(questionnaire.get("item", ()), lambda link: answers.get(link, Blank.EMPTY)))


def _lines(items: Iterable[Json], answer: Callable[[str], int | Blank]) -> Iterable[Json]:
    for item in items:
        line: Json = {key: item[key] for key in ("linkId", "text") if key in item}
        inner = list(_lines(item.get("item", ()), answer))
        given = answer(item["linkId"])
        if item.get("answerOption") and given is not Blank.EMPTY:
            line["answer"] = [{"valueCoding": _option(item, given)}]
        if inner:
            line["item"] = inner
        if "answer" in line or inner:
            yield line


def _option(item: Json, given: int | Blank) -> Json:
    wanted = None if given is Blank.DECLINED else given
    for option in item["answerOption"]:
        coding = option["valueCoding"]
        if _weight([*option.get("extension", ()), *coding.get("extension", ())]) == wanted:
            return {key: coding[key] for key in ("system", "code", "display") if key in coding}
    raise ValueError(f"The published form has no option for an answer of line {item['linkId']}.")


def _weight(extensions: Iterable[Mapping[str, Any]]) -> float | None:
    for extension in extensions:
        if extension.get("url") in WEIGHTS:
            return float(extension["valueDecimal"])
    return None
