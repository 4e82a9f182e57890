"""Builds small courses for the tests of rules: a form is written as the means that its lines are to have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone

from handrail.plugin_core.contracts import Reading, RuleSpec
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.rules import builtin_rules
from handrail.plugin_core.scoring import Scorer
from handrail.schemas.records import Answers, Course, Instrument, Response, ScoredForm
from handrail.schemas.vocab import Blank
from hypothesis import strategies as st

START = datetime(2026, 1, 5, 10, tzinfo=UTC)
GR18, TS8, PHQ9 = (builtin_one(name) for name in ("gr18", "ts8", "phq9"))
RULES = {rule.id: rule for rule in builtin_rules()}
GROWTH = tuple(f"G{n}" for n in range(1, 11))
WARNING = ("W1", "W2", "W3", "W4", "W5", "N1")
REVERSED = frozenset({"G2", "G6", "G10", "W3", "W4"})


def keyed(lines: Sequence[str], total: int) -> dict[str, int]:
    """Raw answers to these lines whose keyed values add up to `total`, spread as evenly as it goes."""
    share, rest = divmod(total, len(lines))
    found = {line: share + (1 if n < rest else 0) for n, line in enumerate(lines)}
    return {line: 4 - value if line in REVERSED else value for line, value in found.items()}


def answers(growth: int = 25, warning: int = 8, **lines: int | Blank | None) -> dict[str, int | Blank]:
    """Answers to `gr18`: growth lines adding up to `growth` (of 40), warning lines to `warning` (of 24).

    Further lines by name; None leaves a line out.
    """
    found: dict[str, int | Blank] = {**keyed(GROWTH, growth), **keyed(WARNING, warning), "F1": 2, "F2": 2}
    for line, value in lines.items():
        found.pop(line, None)
        if value is not None:
            found[line] = value
    return found


def scored(
    instrument: Instrument, given: Answers, weeks: float, tags: frozenset[str] = frozenset(), name: str | None = None
) -> ScoredForm:
    """A scored form so many weeks after the start."""
    response = Response(
        id=name or f"{instrument.id}-{weeks:g}",
        client="c-1",
        instrument=instrument.id,
        instrument_version=instrument.version,
        authored=START + timedelta(weeks=weeks),
        answers=given,
        tags=tags,
    )
    return Scorer(instrument).form(response)


def course(*forms: Mapping[str, int | Blank] | ScoredForm, every: float = 4, **more: object) -> Course:
    """A `gr18` course: one form every four weeks, or forms with their own time."""
    made = tuple(
        form if isinstance(form, ScoredForm) else scored(GR18, form, n * every) for n, form in enumerate(forms)
    )
    return Course("c-1", more.pop("instrument", GR18), made, **more)  # type: ignore[arg-type]


def readings(rule: str | RuleSpec, of: Course) -> list[Reading]:
    """What a rule finds."""
    spec = RULES[rule] if isinstance(rule, str) else rule
    return list(spec.judge(of))


def met(rule: str | RuleSpec, of: Course) -> list[bool | None]:
    """Whether the rule is met, form by form."""
    return [reading.met for reading in readings(rule, of)]


def phq9(total: int, weeks: float, **more: int | Blank) -> ScoredForm:
    """A PHQ-9 whose first eight lines add up to `total` (of 24) and whose ninth is 0."""
    share, rest = divmod(total, 8)
    given: dict[str, int | Blank] = {f"Q{n}": share + (1 if n <= rest else 0) for n in range(1, 9)}
    return scored(PHQ9, {**given, "Q9": 0, **more}, weeks)


@st.composite
def any_answers(draw: st.DrawFn) -> dict[str, int | Blank]:
    """Any answers to `gr18`: now and then blank lines, straight lines, or a level that carries through."""
    values = st.integers(0, 4)
    if draw(st.integers(0, 9)) == 0:
        same = draw(values)
        return {item.id: same for item in GR18.items}
    low = draw(st.integers(0, 3))
    near = st.integers(low, low + 1)
    blank = st.sampled_from([Blank.EMPTY, Blank.DECLINED])
    kind = draw(st.sampled_from(["all", "level", "level", "gaps"]))
    pick = {"all": values, "level": near, "gaps": st.one_of(near, near, near, blank)}[kind]
    found: dict[str, int | Blank] = {}
    for item in GR18.items:
        value = draw(pick)
        found[item.id] = 4 - value if item.id in REVERSED and isinstance(value, int) else value
    return found


@st.composite
def any_course(draw: st.DrawFn, most: int = 12) -> Course:
    """Any course of `gr18`, with therapists, sessions, a symptom measure and shared self-checks beside it."""
    size = draw(st.integers(0, most))
    gaps = draw(st.lists(st.sampled_from([0, 1, 7, 14, 28, 28, 42, 43, 100]), min_size=size, max_size=size))
    offset = timezone(timedelta(hours=draw(st.integers(-11, 13))))
    moment, forms = START, []
    for number, gap in enumerate(gaps):
        moment += timedelta(days=gap, minutes=1)
        tags = draw(st.sampled_from([frozenset(), frozenset(), frozenset(), frozenset({"proxy"})]))
        given = draw(any_answers())
        response = Response(f"f{number}", "c-1", "gr18", "1", moment.astimezone(offset), given, tags=tags)
        forms.append(Scorer(GR18).form(response))
    weeks = st.integers(0, 60)
    therapists = tuple(START + timedelta(weeks=w) for w in sorted(draw(st.sets(weeks, max_size=2))))
    held = draw(st.none() | st.lists(weeks, max_size=30))
    sessions = None if held is None else tuple(START + timedelta(weeks=w) for w in sorted(held))
    checks = draw(st.dictionaries(weeks, st.integers(0, 4), max_size=4))
    symptoms = draw(st.dictionaries(weeks, st.integers(0, 24), max_size=4))
    others = {
        "ts8": Course(
            "c-1", TS8, tuple(scored(TS8, {"T3": v}, w, frozenset({"shared"})) for w, v in sorted(checks.items()))
        ),
        "phq9": Course("c-1", PHQ9, tuple(phq9(v, w) for w, v in sorted(symptoms.items()))),
    }
    return Course("c-1", GR18, tuple(forms), others=others, therapists=therapists, sessions=sessions)


def until(of: Course, moment: datetime) -> Course:
    """The course as it was at a moment: nothing of it lies after."""

    def cut(one: Course) -> tuple[ScoredForm, ...]:
        return tuple(form for form in one.forms if form.authored <= moment)

    return Course(
        of.client,
        of.instrument,
        cut(of),
        others={name: Course(o.client, o.instrument, cut(o)) for name, o in of.others.items()},
        therapists=tuple(t for t in of.therapists if t <= moment),
        sessions=None if of.sessions is None else tuple(s for s in of.sessions if s <= moment),
    )
