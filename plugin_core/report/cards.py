"""Flags as cards, for every page that shows them: what stands, why, what was said of it, how it was worked out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ...schemas.records import Course
from ...schemas.vocab import STANDING_STATES
from ..rules import words
from ..rules.life import NOTE, notes
from ..words import tr
from ..words.spelling import short_day
from . import phrases
from .charts import course_figure
from .series import scores_for, visible

if TYPE_CHECKING:
    from ..contracts import RuleSpec
    from ..signal.picture import Picture
    from ..views import ClientView, FlagRow

Json = dict[str, Any]


def cards(rows: Iterable[FlagRow], views: Mapping[str, ClientView], titles: Mapping[str, str]) -> list[Json]:
    """Cards of the standing flags in their order; those behind "more" inside the first of their form, or, where none
    of their form is shown, by themselves with `waits`: of rules that the practice did not choose (docs/rules.md).

    :param views: the clients by key, for the pictures; a card of a client who is not among them has none.
    :param titles: the rules' titles as registered.
    """
    every = [
        (row, card_of(row, titles, views.get(row.flag.client))) for row in rows if row.flag.state in STANDING_STATES
    ]
    prompts = ((row, card) for row, card in every if row.flag.shown and row.kind == "prompt")
    first = {(row.flag.client, row.flag.opening_form): card for row, card in prompts}
    found = []
    for row, card in every:
        form = (row.flag.client, row.flag.opening_form)
        if row.flag.shown or form not in first:
            found.append(card)
            card["waits"] = row.kind == "prompt" and not row.flag.shown
        else:
            first[form]["more"].append(card)
    return found


def notes_on_last(course: Course, rules: Iterable[RuleSpec]) -> Iterator[tuple[str, str]]:
    """Title and reason of each note on the last form: notes belong to one form and are shown before a session only.

    :param rules: the rules as they are registered; those that give no notes, or not of this form, are passed over.
    """
    last = len(course.forms) - 1
    for rule in rules:
        if rule.kind == NOTE and rule.instrument in (None, course.instrument.id):
            try:
                reasons = [episode.evidence().reason for episode in notes(rule, course) if episode.opened == last]
            except Exception as error:  # noqa: BLE001 - a vendor's rule may raise anything; the page is shown without it
                reasons = [tr("This could not be worked out: the plugin that brings it failed ({fault}).",
                              fault=type(error).__name__)]  # fmt: skip
            for reason in reasons:
                yield tr(rule.title), reason


def card_of(row: FlagRow, titles: Mapping[str, str], view: ClientView | None = None) -> Json:
    """One flag as a card, with its picture where the client is given."""
    flag, evidence = row.flag, row.flag.evidence
    return {
        "id": row.id,
        "key": flag.key,
        "state": flag.state,
        "kind": row.kind,
        "shape": phrases.SHAPES.get(row.kind, "·"),
        "title": phrases.heading(row, titles),
        "client": row.client,
        "meta": [
            tr("since {day}", day=words.day(flag.opened)),
            *([tr("therapist: {name}", name=row.clinician)] if row.clinician else []),
            phrases.state_of(row),
            phrases.sent_of(row),
            tr("rule {rule}, flag {flag}", rule=f"{flag.rule}/{flag.rule_version}", flag=row.id),
        ],
        "reason": evidence.reason,
        "said": [*phrases.seen_of(row), *phrases.remarked(row), *([phrases.held(row.hold)] if row.hold else [])],
        "figure": Markup("") if view is None or row.kind == "safety" else figure_of(row, view),
        "options": [tr(option) for option in words.OPTIONS] if row.kind in ("prompt", "good-news") else (),
        "steps": [
            {"what": step.what, "working": step.working, "result": phrases.result(step.result)}
            for step in evidence.steps
        ],
        "constants": [phrases.constant(item) for item in evidence.constants],
        "forms": [
            f"{short_day(form.authored)} ({form.role}): {phrases.values(form.values)}" for form in evidence.forms
        ],
        "clears": evidence.clears_when,
        "more": [],
        "waits": False,
    }


def figure_of(row: FlagRow, view: ClientView) -> Markup:
    """The course that a flag rests on, its forms marked; empty where none of them is there any more."""
    rests = {form.id for form in row.flag.evidence.forms}
    course = next((c for c in visible(view.courses) if any(form.id in rests for form in c.forms)), None)
    if course is None:
        return Markup("")
    return course_figure(course, scores_for(row.flag, course), marked=rests, model=_model(row, course))


def _model(row: FlagRow, course: Course) -> Picture | None:
    """What the model saw when this flag came up; None for rules that do not ask it."""
    if (row.flag.rule, row.flag.rule_version.partition("-")[0]) not in (("R1", "1"), ("N", "2")):
        return None
    from ..signal.picture import picture

    return picture(course, row.flag.opening_form)
