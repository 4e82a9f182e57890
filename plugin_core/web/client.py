"""The pre-session page: one client in one glance, and what a person does about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, g, render_template, request

from ...schemas.vocab import STANDING_STATES, FlagState
from ..report import cards, phrases
from ..report.charts import course_figure
from ..report.series import all_scores, visible
from ..rules import words
from ..safety import told
from ..store import accounts
from ..store.sql import from_ms
from ..words import mark, tr, trn
from ..words.spelling import day, short_day
from . import drafts, glance, here, scope
from .access import SEES_ANSWERS, lets
from .acts import REASONS, SAID
from .clients import asked

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from ..store.accounts import Look
    from ..views import ClientView, FlagRow
    from .caseload import Person

pages = Blueprint("client", __name__)
LONGEST_HOLD = timedelta(days=365)
SEEN_STATES = (FlagState.ACKNOWLEDGED,)
FIRST_LOOK = mark("You look at this page for the first time.")
NOTHING_NEW = mark("Nothing new stands. That says nothing by itself: most of what matters is on no form.")
NOTHING_BESIDE = mark("The safety answer above is open. Beside it nothing new stands.")
BESIDE_SAFETY = mark("What you might do about the rest, the safety answer apart: equal options, in no order")


@pages.get("/client/<client>")
@lets(*SEES_ANSWERS, kinds=("ehr",), framed=True)
@here.in_turn
def page(client: str) -> ResponseReturnValue:
    """The page of one client."""
    person = scope.person(client)
    view = here.engine().client(person.key)
    look = _look(person, sum(row.flag.state in STANDING_STATES and row.flag.shown for row in view.flags))
    here.note("client-viewed", person.key)
    return render_template("client.html", **facts(view, person, look))


def _look(person: Person, standing: int) -> Look | None:
    """Notes that somebody looks; gives when they looked before."""
    me = here.user()
    with here.engine().store.reading(here.source()) as tx:
        old = accounts.look_of(tx, me.key, person.key)
    new = accounts.next_look(old, here.now_ms(), person.forms, standing)
    g.looked = (me.key, person.key, new)
    return new


def facts(view: ClientView, person: Person, look: Look | None) -> dict[str, Any]:
    """Everything that the page shows."""
    engine = here.engine()
    rules = [found.descriptor for found in engine.registry.rules.values()]
    standing = [row for row in view.flags if row.flag.state in STANDING_STATES]
    shown = cards.cards(standing, {}, engine.registry.titles)
    rests = _rests(standing)
    main, others = glance.parts(view, rests, rules)
    today = engine.now().date()
    hold = next((one for one in reversed(view.holds) if one.start <= today <= one.until), None)
    if hold is not None:  # it stands above, once
        for card in _all(shown):
            card["said"] = [line for line in card["said"] if line != phrases.held(hold)]
    safety = [_safety(card, row, view) for card in shown for row in standing
              if card["kind"] == "safety" and row.flag.key == card["key"]]  # fmt: skip
    for card in _all(shown):
        card["opening"], card["rest"] = phrases.opening(card["reason"], 2)
    tell_apart([*_all(shown), *safety])
    fresh = [card for card in shown if card["kind"] != "safety" and card["state"] not in SEEN_STATES]
    waiting = [card for card in fresh if card["waits"]]
    fresh = [card for card in fresh if not card["waits"]]
    return {
        "client": person.key,
        "name": view.shown,
        "meta_parts": _meta(view, person),
        "since": _since(look, person),
        "asked": asked(here.desk().caseload.due(engine, here.source()).get(person.key, ())),
        "safety": safety,
        "fresh": fresh,
        "waiting": waiting,
        "seen": [card for card in shown if card["kind"] != "safety" and card["state"] in SEEN_STATES],
        "main": main,
        "others": others,
        "notes": _notes(view),
        **_sentences(bool(safety)),
        "held": None if hold is None else phrases.held(hold),
        "reasons": [tr(reason) for reason in REASONS],
        "today": today.isoformat(),
        "printed": tr(
            "{practice}, {day}. This page holds answers. Keep it as you keep your records.",
            practice=engine.settings.name or engine.settings.practice,
            day=day(today),
        ),
        "latest": (today + LONGEST_HOLD).isoformat(),
        "whole": request.args.get("print") == "whole",
        "said": SAID.get(request.args.get("said", "")) or "",
        "draft": drafts.once(),
        "remarks": [*phrases.ended(view), *phrases.remarks_of(view)],
        "may_act": here.user().kind == here.ACCOUNT,
    }


def _sentences(safety: bool) -> dict[str, Any]:
    """What stands beside prompts on every client's page; beside an open safety answer in other words."""
    return {
        "options": [tr(option) for option in words.OPTIONS],
        "next_words": tr(BESIDE_SAFETY if safety else phrases.NEXT),
        "nothing_else": tr(NOTHING_BESIDE if safety else NOTHING_NEW),
        "accuracy": tr(words.ACCURACY),
        "no_safety": tr(phrases.NO_SAFETY),
    }


def _notes(view: ClientView) -> list[dict[str, Any]]:
    """Notes as they are shown, newest first; `own` ones may be taken back by whoever looks."""
    newest = list(reversed(view.notes))
    return [
        {
            "key": one.key,
            "day": day(one.at),
            "which": tr("note {number} of {count}, {day}", number=len(newest) - at, count=len(newest), day=day(one.at)),
            "author": one.author,
            "lines": one.text.splitlines(),
            "own": one.author == here.user().login,
            "first": at == 0,
        }
        for at, one in enumerate(newest)
    ]


def _safety(card: dict[str, Any], row: FlagRow, view: ClientView) -> dict[str, Any]:
    """The card of a safety notice as the desk shows it: which form, since when, who was told."""
    form = next((course.instrument.title for course in view.courses
                 if any(one.id == row.flag.opening_form for one in course.forms)), "")  # fmt: skip
    state = [phrases.state_of(row)] if row.acknowledgements else []  # that nobody has seen it is said beneath
    told_of = [tr("since {day}", day=day(row.flag.opened)), *state, *told.letters(row)]
    return card | {"meta": [form, *told_of] if form else told_of}


def _all(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cards, and those behind them."""
    return [one for card in found for one in (card, *card["more"])]


def tell_apart(found: Sequence[dict[str, Any]]) -> None:
    """What a button says to whoever does not see in which card it stands: its title, and more where two have one."""
    for card in found:
        alike = sum(one["title"] == card["title"] and one["key"] != card["key"] for one in found)
        card["which"] = ", ".join((card["title"], card["meta"][0], card["id"])) if alike else card["title"]


def _rests(rows: Sequence[FlagRow]) -> frozenset[str]:
    """The forms that open, shown flags rest on."""
    open_rows = [row for row in rows if row.kind != "safety" and row.flag.shown and row.flag.state not in SEEN_STATES]
    return frozenset(form.id for row in open_rows for form in row.flag.evidence.forms)


@pages.get("/client/<client>/flag/<flag>")
@lets(*SEES_ANSWERS, kinds=("ehr",), framed=True)
@here.in_turn
def why(client: str, flag: str) -> ResponseReturnValue:
    """How one flag was worked out: everything with which a reader can redo it by hand."""
    person = scope.person(client)
    view = here.engine().client(person.key)
    row = next((one for one in view.flags if one.flag.key == flag), None)
    if row is None:
        abort(404)
    here.note("flag-explained", flag)
    return render_template(
        "why.html",
        client=person.key,
        name=view.shown,
        flag=cards.card_of(row, here.engine().registry.titles),
        figure=cards.figure_of(row, view),
    )


@pages.get("/client/<client>/numbers")
@lets(*SEES_ANSWERS, kinds=("ehr",), framed=True)
@here.in_turn
def numbers(client: str) -> ResponseReturnValue:
    """All forms of a client, as pictures and as tables."""
    person = scope.person(client)
    view = here.engine().client(person.key)
    figures = [
        (
            phrases.course_title(course),
            course_figure(course, glance.scores_of(course.instrument), table=all_scores(course.instrument)),
        )
        for course in visible(view.courses)
    ]
    here.note("client-viewed", person.key, "numbers")
    return render_template("numbers.html", client=person.key, name=view.shown, figures=figures)


def _meta(view: ClientView, person: Person) -> list[str]:
    newest = tr("no form yet")
    if person.newest is not None:
        newest = tr("newest form of {day}", day=day(person.newest))
    return [
        newest,
        trn("{count} form in all", "{count} forms in all", person.forms),
        *([tr("therapist: {name}", name=view.clinician)] if view.clinician else []),
    ]


def _since(look: Look | None, person: Person) -> str:
    """What is new since whoever asks looked last."""
    if look is None or look.before_ms is None:
        return tr(FIRST_LOOK)
    when = short_day(from_ms(look.before_ms).astimezone(here.desk().settings.zone))
    new = max(0, person.forms - (look.before_forms or 0))
    if not new:
        return tr("No new form since you looked on {day}.", day=when)
    return trn(
        "{count} new form since you looked on {day}.", "{count} new forms since you looked on {day}.", new, day=when
    )
