"""The practice's page: one HTML file without script that needs no network, reads at any width and prints well.

Everything from outside passes through Jinja2's autoescape and `plain`; a strict policy in the page allows its own
style sheet by hash and nothing else, so that a hostile name is a name and nothing more (S28).
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ...schemas.records import Course, Quarantined, RunReport
from ...schemas.vocab import STANDING_STATES, FlagState
from ..rules import words
from ..sync import outcome
from ..words import Texts, mark, speaking, spoken, tr, trn, trp
from ..words.kept import told
from ..words.spelling import moment, tenths, whole
from . import changed, phrases, practice
from .cards import cards
from .charts import course_figure
from .plain import plain
from .series import all_scores, main_scores, visible

if TYPE_CHECKING:
    from ..engine import Engine
    from ..views import ClientView, FlagRow

SMALL = 140
RULE_COLUMNS = Texts(
    {
        "stand": mark("stand"),
        "cleared": mark("cleared"),
        "withdrawn": mark("withdrawn"),
        "seen": mark("seen by a person"),
        "yes": mark("useful"),
        "no": mark("not useful"),
        "unsure": mark("not sure"),
    }
)
NUMBERS = Texts(
    {
        FlagState.RAISED: mark("Flags: raised"),
        FlagState.ACKNOWLEDGED: mark("Flags: acknowledged"),
        FlagState.HELD: mark("Flags: held"),
        FlagState.CLEARED: mark("Flags: cleared"),
        FlagState.WITHDRAWN: mark("Flags: withdrawn"),
    }
)

_STOPPED, _NOTED = mark("Stopped ({source}): {what}"), mark("Note ({source}): {what}")

Json = dict[str, Any]


def report_html(engine: Engine, *, as_of: datetime) -> str:
    """The whole page as HTML.

    :param engine: what is read: flags, clients, counts, forms set aside, runs, the practice's name.
    :param as_of: the time that the page speaks of; nothing else on it depends on a clock.
    """
    with speaking(engine.settings.language):
        return _page(engine, as_of)


def _page(engine: Engine, as_of: datetime) -> str:
    css = Markup(_file("page.css"))  # noqa: S704 - our own file, no data in it
    views = {key: engine.client(key) for key, _ in engine.clients()}
    rows = engine.flags(everything=True)
    titles = {rule: found.descriptor.title for rule, found in engine.registry.rules.items()}
    shown = cards(rows, views, titles)
    standing = [row for row in rows if row.flag.state in STANDING_STATES]
    facts: Json = {
        "policy": _policy(css),
        "css": css,
        "practice": engine.settings.name or engine.settings.practice,
        "as_of": words.day(as_of),
        "language": spoken(),
        "about": [tr(text) for text in phrases.ABOUT],
        "accuracy": tr(words.ACCURACY),
        "no_safety": tr(phrases.NO_SAFETY),
        "no_flag": tr(phrases.NO_FLAG),
        "next_words": tr(phrases.NEXT),
        "empty": words.EMPTY_STATES[0],
        "summary": _summary(standing),
        "safety": [card for card in shown if card["kind"] == "safety"],
        "standing": [card for card in shown if card["kind"] != "safety" and not card["waits"]],
        "waiting": [card for card in shown if card["waits"]],
        "clients": [_client(view, titles) for view in views.values()],
        "numbers": _numbers(engine.status(), rows),
        "figures_head": practice.head(),
        "figures": practice.rows(engine.figures.read()),
        "changed_head": changed.head(),
        "changed": changed.rows(changed.read(_courses(views), as_of)),
        "by_rule": _by_rule(rows, titles),
        "by_rule_columns": list(RULE_COLUMNS.values()),
        "aside": [_aside(one) for one in engine.set_aside()],
        "runs": [_run(run) for run in engine.runs()],
        "run_columns": [tr(name) for _, name in phrases.RUN_COUNTS],
    }
    return _environment().from_string(_file("page.html")).render(facts)


def _courses(views: Mapping[str, ClientView]) -> list[Course]:
    return [course for view in views.values() for course in view.courses]


def _environment() -> Environment:
    def shown(value: object) -> object:
        return value if isinstance(value, Markup | int | float) else plain(value)

    environment = Environment(autoescape=True, finalize=shown, undefined=StrictUndefined, trim_blocks=True)
    environment.globals |= {"tr": tr, "trn": trn, "trp": trp}
    return environment


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(css: str) -> str:
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


# --- clients ---------------------------------------------------------------------------------------------------------


def _client(view: ClientView, titles: Mapping[str, str]) -> Json:
    standing = [row for row in view.flags if row.flag.state in STANDING_STATES and row.flag.shown]
    stand = "; ".join(phrases.heading(row, titles) for row in standing)
    return {
        "name": view.shown,
        "meta": [
            *([tr("therapist: {name}", name=view.clinician)] if view.clinician else []),
            stand or tr("no flag stands"),
        ],
        "holds": [
            *map(phrases.held, view.holds),
            *phrases.ended(view),
            *phrases.remarks_of(view),
            *phrases.notes_of(view),
        ],
        "figures": [_small(course) for course in visible(view.courses)],
    }


def _small(course: Course) -> Markup:
    """A course with its main pictures; the table beneath has every score."""
    form = course.instrument
    title = phrases.course_title(course)
    return course_figure(course, main_scores(form), table=all_scores(form), title=title, height=SMALL)


# --- numbers ---------------------------------------------------------------------------------------------------------


def _summary(standing: Sequence[FlagRow]) -> str:
    kinds = Counter(row.kind for row in standing if row.flag.shown or row.kind == "safety")
    told = [
        trn("{count} safety notice", "{count} safety notices", kinds["safety"]),
        trn("{count} prompt", "{count} prompts", kinds["prompt"]),
        trn("{count} piece of good news", "{count} pieces of good news", kinds["good-news"]),
    ]
    return tr("Standing today: {kinds}.", kinds=", ".join(told))


def _numbers(status: Mapping[str, int], rows: Sequence[FlagRow]) -> list[tuple[str, str]]:
    clients = status.get("clients", 0)
    prompts = [row for row in rows if row.kind == "prompt" and row.flag.shown]
    stand = sum(row.flag.state in STANDING_STATES for row in prompts)
    return [
        (tr("Clients"), whole(clients)),
        (tr("Forms stored"), whole(status.get("responses", 0))),
        (tr("Forms set aside"), whole(status.get("set_aside", 0))),
        *((NUMBERS[state], whole(status.get(f"flags_{state.value}", 0))) for state in FlagState),
        (tr("Prompts that stand, per 100 clients"), _per_hundred(stand, clients)),
    ]


def _per_hundred(number: int, clients: int) -> str:
    return tenths(100 * number / clients) if clients else tr("no client yet")


def _by_rule(rows: Sequence[FlagRow], titles: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    found: dict[str, Counter[str]] = {}
    names: dict[str, str] = {}
    for row in rows:
        counts = found.setdefault(row.flag.rule, Counter())
        names[row.flag.rule] = f"{row.flag.rule}: {phrases.title(row, titles)}"
        counts["stand" if row.flag.state in STANDING_STATES else row.flag.state.value] += 1
        if row.acknowledgements:
            counts["seen"] += 1
            useful = row.acknowledgements[-1].useful
            counts[useful or ""] += 1
    return [(names[rule], [whole(found[rule][name]) for name in RULE_COLUMNS]) for rule in sorted(found)]


def _aside(one: Quarantined) -> Json:
    return {
        "remote_id": one.remote_id,
        "why": phrases.SET_ASIDE[one.reason],
        "where": told(one.where),
        "message": told(one.message),
    }


def _run(run: RunReport) -> Json:
    return {
        "begun": moment(run.started),
        "outcome": outcome.words(run),
        "seconds": tenths((run.finished - run.started).total_seconds()),
        "counts": [whole(run.counts.get(name, 0)) for name, _ in phrases.RUN_COUNTS],
        "problems": [
            *(
                tr(_STOPPED if problem.fatal else _NOTED, source=told(problem.source), what=problem.what)
                for problem in run.problems
            ),
            *(tr("Left to do: {what}", what=line) for line in run.undone),
        ],
    }
