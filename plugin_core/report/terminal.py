"""The views for the terminal: a client's course, and a flag redone step by step (the list of flags: `listing`).

Built for 80 columns and for a pipe as much as for a wide screen: words before colours, no boxes, and every text from
outside cleared of what could steer a terminal (S28). Import this module only where something is printed: it loads rich.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.text import Text

from ...schemas.records import Course, ScoredForm
from ...schemas.vocab import STANDING_STATES
from ..contracts import RuleSpec
from ..rules import builtin_rules, words
from ..safety.told import sentences as told_sentences
from ..words import mark, tr
from ..words.spelling import short_day
from . import phrases
from .cards import notes_on_last
from .listing import HEAD, KIND, NO_TITLES, QUIET, Hanging, as_is, indented
from .plain import plain
from .plot import ASCII, FINE, Marks, legend, plot
from .series import (
    Series,
    all_scores,
    few,
    lines_named,
    main_scores,
    notes_of,
    scores_for,
    series_of,
    shown_value,
    visible,
)

if TYPE_CHECKING:
    from ..signal.picture import Picture
    from ..views import ClientView, FlagRow

DAY, CELL = 12, 10
_FLAG = mark("Flag {flag}, rule {rule} version {version}, since {day}")


# --- one client ------------------------------------------------------------------------------------------------------


def client_panels(view: ClientView, rules: Sequence[RuleSpec] | None = None) -> RenderableType:
    """A client's page before a session: flags, each form's course with its numbers, what is missing by name, holds.

    :param rules: the rules whose notes on the last form are shown; by default Handrail's own.
    """
    standing = [row for row in view.flags if row.flag.state in STANDING_STATES]
    passed = [row for row in view.flags if row.flag.state not in STANDING_STATES]
    courses = visible(view.courses)
    rests = frozenset(form.id for row in standing for form in row.flag.evidence.forms)
    parts: list[RenderableType] = [as_is(view.shown, HEAD)]
    if view.clinician:
        parts.append(as_is(tr("Therapist: {name}", name=view.clinician)))
    parts += [as_is(phrases.held(hold)) for hold in view.holds]
    parts += [as_is(told) for told in (*phrases.ended(view), *phrases.remarks_of(view), *phrases.notes_of(view))]
    parts += _standing(standing)
    for course in courses:
        parts += [Text(""), *_course(course, rests, builtin_rules() if rules is None else rules)]
    if not courses:
        parts += [Text(""), as_is(words.EMPTY_STATES[0])]
    if passed:
        parts += [Text(""), as_is(tr("Earlier flags"), HEAD)]
        parts += [indented(_earlier(row)) for row in passed]
    parts += [Text(""), as_is(tr(phrases.ABOUT[1]), QUIET)]
    return Group(*parts)


def _standing(rows: Sequence[FlagRow]) -> Iterator[RenderableType]:
    for row in rows:
        said = [as_is(line, QUIET) for line in phrases.seen_of(row)]
        head = as_is(f"{phrases.heading(row, NO_TITLES)} ({short_day(row.flag.opened)}, {row.id})", HEAD)
        state = as_is(f"{phrases.state_of(row)}; {phrases.sent_of(row)}", QUIET)
        yield Text("")
        yield head
        yield indented(as_is(row.flag.evidence.reason), state, *said)


def _earlier(row: FlagRow) -> Text:
    opened = short_day(row.flag.opened)
    closed = row.flag.closed
    when = tr("{start} to {end}", start=opened, end=short_day(closed)) if closed else opened
    return as_is(f"{when}  {phrases.heading(row, NO_TITLES)}, {phrases.state_of(row)} ({row.id})")


def _course(course: Course, rests: frozenset[str], rules: Sequence[RuleSpec]) -> Iterator[RenderableType]:
    yield as_is(phrases.course_title(course), HEAD)
    if (empty := few(course)) is not None:
        yield indented(as_is(empty))
    else:
        drawn = [series_of(course, name) for name in main_scores(course.instrument)]
        yield indented(*(_Plot(series, rests) for series in drawn), _Legend(tuple(drawn), rests))
    yield indented(_Numbers(course), *_remarks(course), *_bands(course))
    for title, reason in notes_on_last(course, rules):
        yield indented(Text(""), Group(as_is(title, HEAD), as_is(reason)))


@dataclass(frozen=True, slots=True)
class _Plot:
    """A plot as wide as there is room, in characters that the output knows."""

    series: Series
    rests: frozenset[str]
    model: Picture | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        hoped = phrases.HOPED[self.series.definition.direction]
        yield as_is(f"{self.series.definition.title}{f' ({hoped})' if hoped else ''}")
        lines = plot(self.series, marked=self.rests, width=options.max_width, marks=_marks(options), model=self.model)
        yield Text("\n".join(lines), no_wrap=True)


@dataclass(frozen=True, slots=True)
class _Legend:
    """The meaning of the marks, in the same characters."""

    series: tuple[Series, ...]
    rests: frozenset[str]
    model: Picture | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        yield as_is(legend(self.series, self.rests, _marks(options), self.model), QUIET)


def _marks(options: ConsoleOptions) -> Marks:
    return ASCII if options.ascii_only else FINE


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Every score of every form, in as many blocks as the width asks for: no column is cut off."""

    course: Course

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        scores, forms = all_scores(self.course.instrument), self.course.forms
        longest = max(len(word) for name in scores for word in plain(self.course.instrument.score(name).title).split())
        wide = min(max(CELL, longest + 1), options.max_width - DAY)
        fit = max((options.max_width - DAY) // wide, 1)
        for block in (scores[n : n + fit] for n in range(0, len(scores), fit)):
            heads = [wrap(plain(self.course.instrument.score(name).title), wide - 1) for name in block]
            tall = max(len(head) for head in heads)
            rows = [["", *("" if tall - y > len(h) else h[y - tall + len(h)] for h in heads)] for y in range(tall)]
            rows[-1][0] = tr("Form of")
            rows += [[short_day(form.authored), *(shown_value(form, name)[0] for name in block)] for form in forms]
            lines = [f"{first:<{DAY}}" + "".join(f"{cell:>{wide}}" for cell in cells) for first, *cells in rows]
            ruled = [*lines[:tall], ("-" if options.ascii_only else "─") * (DAY + wide * len(block)), *lines[tall:]]
            yield Text("\n".join(["", *(line.rstrip() for line in ruled)]), no_wrap=True)


def _remarks(course: Course) -> Iterator[RenderableType]:
    """What is missing by name, and what else a reader must know of a form; then the lines that were named."""
    noted = notes_of(course, course.forms)
    for form, beside in zip(course.forms, noted, strict=True):
        if told := [*_reasons(course, form), *beside]:
            yield Hanging(short_day(form.authored), 13, as_is("; ".join(told)))
    for name, text in lines_named(course, noted):
        yield Hanging(name, 13, as_is(text, QUIET))


def _reasons(course: Course, form: ScoredForm) -> Iterator[str]:
    for name in all_scores(course.instrument):
        _, why = shown_value(form, name)
        if why and len(course.instrument.score(name).items) > 1:
            yield f"{course.instrument.score(name).title}: {why}"


def _bands(course: Course) -> Iterator[RenderableType]:
    for name in all_scores(course.instrument):
        for span in series_of(course, name).spans:
            told = tr(
                "{score}: baseline {mean}, band {low} to {high} ({origin}), {start} to {end}",
                score=course.instrument.score(name).title,
                mean=words.one(span.mean),
                low=words.one(span.low),
                high=words.one(span.high),
                origin=words.origin(span.origin),
                start=short_day(span.start),
                end=short_day(span.end),
            )
            yield as_is(told, QUIET)


# --- one flag, step by step ------------------------------------------------------------------------------------------


def explain_text(row: FlagRow, course: Course | None = None, titles: Mapping[str, str] = NO_TITLES) -> RenderableType:
    """The whole sum of a flag: forms, answers, numbers with their origin, each step, what would clear it, who knows.

    :param course: the course that it rests on; with it the plot of its scores is shown.
    """
    flag, evidence = row.flag, row.flag.evidence
    parts: list[RenderableType] = [
        Text.assemble(as_is(row.client, HEAD), "  ", as_is(phrases.heading(row, titles), KIND)),
        as_is(tr(_FLAG, flag=row.id, rule=flag.rule, version=flag.rule_version, day=words.day(flag.opened)), QUIET),
        Text(""),
        as_is(evidence.reason),
    ]
    if course is not None and row.kind != "safety" and (shown := visible([course])) and few(shown[0]) is None:
        parts += [Text(""), *_plots(row, shown[0])]
    parts += _section(tr("Forms that it rests on"), [_form(form) for form in _forms(row)])
    parts += _section(
        tr("Numbers that were not computed"), [as_is(phrases.constant(item)) for item in evidence.constants]
    )
    parts += _section(tr("The sum"), [_steps(row)] if evidence.steps else [])
    moved = any(move.before is not None for move in evidence.moves)
    head = tr("Lines that moved") if moved else tr("Lines and what was answered")
    parts += _section(head, [as_is(told) for told in _moves(row)])
    parts += _section(tr("When it clears"), [as_is(evidence.clears_when)] if evidence.clears_when else [])
    parts += _section(tr("What became of it"), [as_is(told) for told in _became(row)])
    if row.kind in ("prompt", "good-news"):
        parts += _section(tr(phrases.NEXT), [as_is(f"- {tr(option)}") for option in words.OPTIONS])
    return Group(*parts)


def _section(head: str, inside: Sequence[RenderableType]) -> list[RenderableType]:
    return [Text(""), as_is(head, HEAD), indented(*inside)] if inside else []


def _plots(row: FlagRow, course: Course) -> Iterator[RenderableType]:
    rests = frozenset(form.id for form in row.flag.evidence.forms)
    drawn = [series_of(course, name) for name in scores_for(row.flag, course)]
    model = _model(row, course)
    yield indented(*(_Plot(series, rests, model) for series in drawn), _Legend(tuple(drawn), rests, model))


def _model(row: FlagRow, course: Course) -> Picture | None:
    """How the model saw the course when this flag came up; None for rules that do not ask it."""
    if (row.flag.rule, row.flag.rule_version.partition("-")[0]) not in (("R1", "1"), ("N", "2")):
        return None
    from ..signal.picture import picture

    return picture(course, row.flag.opening_form)


def _forms(row: FlagRow) -> Iterator[tuple[str, str]]:
    for form in row.flag.evidence.forms:
        yield f"{short_day(form.authored)} ({form.role})", phrases.values(form.values)


def _form(form: tuple[str, str]) -> RenderableType:
    return Group(as_is(form[0]), indented(as_is(form[1] or tr("no number was read from it"), QUIET)))


def _steps(row: FlagRow) -> RenderableType:
    found = []
    for number, step in enumerate(row.flag.evidence.steps, 1):
        working = as_is(f"{step.working} → {phrases.result(step.result)}", QUIET)
        found.append(Hanging(f"{number:>2}.", 5, Group(as_is(step.what), working)))
    return Group(*found)


def _moves(row: FlagRow) -> Iterator[str]:
    for move in row.flag.evidence.moves:
        moved = tr("{before} to {after}", before=words.raw(move.before or 0.0), after=move.after)
        yield f"{words.quoted(move.text)} ({move.item}): {move.after if move.before is None else moved}"


def _became(row: FlagRow) -> Iterator[str]:
    flag = row.flag
    yield phrases.sentence(f"{phrases.state_of(row)}{f', {words.day(flag.closed)}' if flag.closed else ''}")
    for delivery in row.deliveries:
        yield phrases.sentence(phrases.sent(delivery))
    if row.kind == "safety":
        yield from told_sentences(row)
    elif not row.deliveries:
        yield tr("It was not sent to the platform; it is in the list: handrail flags")
    yield from phrases.seen_of(row)
    yield from phrases.remarked(row)
    if row.hold is not None:
        yield phrases.held(row.hold)
