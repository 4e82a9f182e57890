"""The forty invented courses of the demo, as data: where each client's answers go over a year, and what must follow.

Nobody real is behind them. Each course says in plain words what it shows, which rules must raise a flag in the course
of the year, and which of these still stand on the last day. Every other rule named in `RULES` must stay silent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Curve = tuple[tuple[int, float], ...]

RULES = ("R1", "P1", "P2", "P3", "P5", "P6", "N", "S")
NOT_EVALUATED = {
    "P4": "the demo platform gives no attended sessions, as most FHIR servers do not",
}


@dataclass(frozen=True, slots=True)
class Course:
    """One client's year.

    Curves are corners (form number, level 0-4 in the direction of the score), counted from 0, or from the end when
    negative; levels between corners lie on a line. `growth`, `reliance` and `outlook` are levels of the scores of
    clinical.md 3; `relief`, `change` and `horizon` those of the lines F1, F2, N2. `symptoms` holds totals of other
    forms. `caps` bound single lines; `marks` set single answers: {(instrument, form number): {item: raw number}}.

    `raised` are the rules that must raise a flag in the year, `passed` those of them whose flag is cleared by its end;
    `noted` says whether `P7` must have a note on the last form. `every` is in weeks, `ended` in days before the end.
    """

    key: str
    words: str
    growth: Curve = ((0, 2.4),)
    reliance: Curve = ((0, 1.3),)
    outlook: Curve = ((0, 1.3),)
    relief: Curve = ((0, 2.4),)
    change: Curve = ((0, 2.4),)
    horizon: Curve = ((0, 2.0),)
    symptoms: Mapping[str, Curve] = field(default_factory=dict)
    caps: Mapping[str, int] = field(default_factory=dict)
    marks: Mapping[tuple[str, int], Mapping[str, int]] = field(default_factory=dict)
    stance: Mapping[str, int] = field(default_factory=dict)
    straight: int | None = None
    forms: int = 13
    every: int = 4
    ended: tuple[int, int] = (3, 20)
    raised: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()
    noted: bool = False
    dirt: tuple[str, ...] = ()
    act: str | None = None

    @property
    def standing(self) -> frozenset[str]:
        """The rules whose flag stands on the last day."""
        return self.raised - self.passed


def level(curve: Curve, number: int, forms: int) -> float:
    """The level of a curve at a form.

    :param number: the form's number, from 0; one beyond the last goes on at the last corner's level.
    :param forms: how many forms the course has, for corners counted from the end.
    """
    corners = [(at if at >= 0 else forms + at, value) for at, value in curve]
    before = corners[0]
    for corner in corners:
        if corner[0] >= number:
            width = corner[0] - before[0]
            return corner[1] if width == 0 else before[1] + (corner[1] - before[1]) * (number - before[0]) / width
        before = corner
    return before[1]


RISE: Curve = ((0, 1.0), (4, 1.0), (8, 2.5))
FALL: Curve = ((0, 2.7), (4, 2.7), (8, 1.2))
ONE_BAD: Curve = ((0, 1.0), (5, 1.0), (6, 2.6), (7, 1.0))
ROUGH: Curve = ((0, 1.0), (3, 1.0), (4, 2.6), (6, 2.4), (7, 1.0))
GREW: Curve = ((0, 1.4), (3, 1.4), (8, 2.9))
HIGH: Curve = ((0, 3.5),)

RISING = "reliance and outlook answers rise in the course of the year and stay up"
GROWS = "growth answers go up and stay up"
CHOICE = "has come for years and wants to: a tool that is chosen, a life that is their own"
PASSES = "leans on therapy a good deal in the first two months, then less and less"
BAD_WEEK = "one bad week in an even year"
STRETCH = "a hard stretch in the middle of the year that passed"
DISTRESS = "the symptom answers rise while growth rises: work on something painful"
STEADY = "an even year"

_P1 = Course("rising", RISING, reliance=RISE, outlook=RISE, raised=frozenset({"R1", "P1"}))
_P2 = Course(
    "growth-down",
    "growth answers go down in the course of the year and stay down",
    growth=FALL,
    raised=frozenset({"P2"}),
)
_P3 = Course(
    "relief",
    "leaves sessions relieved, tries little that is new",
    relief=((0, 3.6),),
    change=((0, 2.4), (5, 2.4), (6, 0.5)),
    raised=frozenset({"P3"}),
)
_P5 = Course(
    "steadily-high",
    "reliance answers are high all year, and growth answers stay where they were",
    growth=((0, 1.7),),
    reliance=HIGH,
    outlook=((0, 2.2),),
    raised=frozenset({"R1", "P5"}),
)
_N = Course("grows", GROWS, growth=GREW, raised=frozenset({"N"}))
_CHOICE = Course(
    "long-by-choice",
    CHOICE,
    growth=((0, 3.2),),
    reliance=((0, 0.6),),
    outlook=((0, 0.7),),
    horizon=((0, 3.0),),
    caps={"N1": 0},
)
_PASSES = Course(
    "early-reliance",
    PASSES,
    reliance=((0, 3.2), (1, 3.2), (3, 1.6), (6, 1.0)),
    outlook=((0, 2.0), (1, 2.0), (5, 1.0)),
    raised=frozenset({"N"}),
)
_BAD_WEEK = Course("bad-week", BAD_WEEK, reliance=ONE_BAD, outlook=ONE_BAD)
_STRETCH = Course(
    "hard-stretch", STRETCH, reliance=ROUGH, outlook=ROUGH, raised=frozenset({"P1"}), passed=frozenset({"P1"})
)
_DISTRESS = Course(
    "productive-distress",
    DISTRESS,
    growth=GREW,
    symptoms={"phq9": ((0, 8), (3, 8), (7, 15))},
    raised=frozenset({"N"}),
)

COURSES: tuple[Course, ...] = (
    _P1,
    Course("rising", RISING, reliance=RISE, outlook=RISE, symptoms={"phq9": ((0, 9),)}, raised=_P1.raised),
    Course(
        "rising-fortnightly",
        "as before, asked every two weeks",
        reliance=((0, 1.0), (9, 1.0), (15, 2.5)),
        outlook=((0, 1.0), (9, 1.0), (15, 2.5)),
        forms=26,
        every=2,
        raised=_P1.raised,
    ),
    _P2,
    Course("growth-down", _P2.words, growth=FALL, symptoms={"gad7": ((0, 7),)}, raised=frozenset({"P2"})),
    _P3,
    Course("relief", _P3.words, relief=_P3.relief, change=((0, 0.5),), forms=9, raised=frozenset({"P3"})),
    Course(
        "little-change",
        "comes, and little changes; the prompt for it (P4) needs attended sessions and is not evaluated here",
        relief=((0, 1.8),),
        change=((0, 0.6),),
        symptoms={"phq9": ((0, 12),)},
    ),
    _P5,
    Course(
        "steadily-high",
        _P5.words,
        growth=((0, 1.5),),
        reliance=HIGH,
        outlook=((0, 2.4),),
        forms=9,
        raised=_P5.raised,
    ),
    Course(
        "two-views",
        "the client says they decide, the therapist that they told the client what to choose; both agreed to compare",
        caps={"W5": 1},
        stance={"T3": 3},
        raised=frozenset({"P6"}),
    ),
    Course(
        "worth-asking",
        "an even year; on the last form one line has the highest answer",
        marks={("gr18", 12): {"W5": 4}},
        noted=True,
    ),
    _N,
    Course("grows", GROWS, growth=GREW, symptoms={"phq9": ((0, 17), (3, 17), (9, 6))}, raised=frozenset({"N"})),
    Course(
        "grows-weekly",
        "as before, asked every week",
        growth=((0, 1.4), (6, 1.4), (16, 2.9)),
        forms=30,
        every=1,
        raised=frozenset({"N"}),
    ),
    Course(
        "horizon",
        "can picture an end now, as they could not in the first half of the year",
        horizon=((0, 1.0), (6, 1.0), (7, 3.0)),
        raised=frozenset({"N"}),
    ),
    Course(
        "safety-phq9",
        "item 9 of the PHQ-9 was answered once with more than not at all, in an otherwise even year",
        symptoms={"phq9": ((0, 9),)},
        marks={("phq9", 10): {"Q9": 1}},
        raised=frozenset({"S"}),
    ),
    Course(
        "safety-core10",
        "item 6 of the CORE-10 was answered once with more than not at all, in an otherwise even year",
        symptoms={"core10": ((0, 14),)},
        marks={("core10", 11): {"Q6": 1}},
        raised=frozenset({"S"}),
    ),
    _DISTRESS,
    Course(
        "productive-distress",
        DISTRESS,
        growth=GREW,
        symptoms={"phq9": ((0, 8), (3, 8), (7, 15)), "gad7": ((0, 6), (4, 6), (8, 12))},
        forms=11,
        raised=frozenset({"N"}),
    ),
    _CHOICE,
    Course("long-by-choice", CHOICE, growth=((0, 3.0),), reliance=((0, 0.8),), outlook=((0, 0.8),), caps={"N1": 1}),
    Course("long-by-choice", CHOICE, growth=((0, 3.3),), reliance=((0, 0.5),), horizon=((0, 4.0),), caps={"N1": 0}),
    _PASSES,
    Course(
        "early-reliance", PASSES, reliance=_PASSES.reliance, outlook=_PASSES.outlook, forms=10, raised=frozenset({"N"})
    ),
    _BAD_WEEK,
    Course("bad-week", BAD_WEEK, growth=((0, 2.5), (7, 2.5), (8, 1.2), (9, 2.5)), symptoms={"gad7": ((0, 8),)}),
    _STRETCH,
    Course(
        "hard-stretch",
        STRETCH,
        reliance=ROUGH,
        outlook=ROUGH,
        symptoms={"phq9": ((0, 10),)},
        raised=_STRETCH.raised,
        passed=_STRETCH.passed,
    ),
    Course("straight-line", "the same answer on every line of nearly every form", straight=3),
    Course("newcomer", "one form so far", forms=1),
    Course("newcomer", "two forms so far", forms=2),
    Course("stopped", "stopped coming some months ago", forms=7, ended=(140, 160)),
    Course(
        "next-raises",
        "reliance and outlook answers were higher on the last form; the next ones are as high, and growth stands still",
        growth=((0, 1.9),),
        reliance=((0, 1.3), (-2, 1.3), (-1, 4.0)),
        outlook=((0, 1.3), (-2, 1.3), (-1, 3.7)),
        ended=(25, 28),
        act="raises R1",
    ),
    Course(
        "next-clears",
        "reliance and outlook answers rose and were back on the last two forms; so are the next ones",
        growth=((0, 2.2),),
        reliance=((0, 1.0), (2, 1.0), (5, 2.6), (-4, 2.6), (-2, 0.6)),
        outlook=((0, 1.0), (2, 1.0), (5, 3.4), (-4, 3.4), (-2, 0.6)),
        ended=(25, 28),
        act="clears R1",
        raised=frozenset({"R1", "P1"}),
        passed=frozenset({"P1"}),
    ),
    Course(
        "next-withdraws",
        "a flag rests on the last form, which then proves to be another person's",
        growth=((0, 1.9),),
        reliance=((0, 1.3), (-3, 1.3), (-2, 4.0)),
        outlook=((0, 1.3), (-3, 1.3), (-2, 3.7)),
        act="withdraws R1",
        raised=frozenset({"R1", "P1"}),
    ),
    Course(
        "next-amends",
        "a flag rests on the last form, which the client then corrects: the lines had been read the wrong way round",
        growth=((0, 1.9),),
        reliance=((0, 1.3), (-3, 1.3), (-2, 4.0)),
        outlook=((0, 1.3), (-3, 1.3), (-2, 3.7)),
        act="amends R1",
        raised=frozenset({"R1", "P1"}),
    ),
    Course("steady", STEADY, dirt=("amended", "some lines left out", "in progress")),
    Course("steady", STEADY, growth=((0, 2.6),), symptoms={"core10": ((0, 9),)}, dirt=("blank", "old wording")),
    Course(
        "steady",
        STEADY,
        growth=((0, 2.2),),
        symptoms={"gad7": ((0, 5),)},
        dirt=("sent twice", "entered in error", "reworded in place"),
    ),
)
