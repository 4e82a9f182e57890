"""The readable file: what is kept of one client, for that client. One HTML file without script or network, for print.

First the client's own answers and how they moved, as a client sees them: no prompt names, no bands (clinical.md 5).
After that the rest of the record, in its own words, as the law gives it to them (9.3).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ...schemas.records import Course
from ..report.charts import series_svg
from ..report.phrases import who
from ..report.plain import plain
from ..report.series import FEWEST, Mark, Series, main_scores, series_of
from ..words import Texts, mark, tr
from ..words.kept import told
from ..words.spelling import day, exact, moment

if TYPE_CHECKING:
    from ..views import ClientView

Json = dict[str, Any]

HEAD = mark("What {practice} keeps of {client} in Handrail")
INTRO = (
    mark(
        "This file holds your own answers, how they moved, and what was noted beside them. You may ask for it at any "
        "time."
    ),
    mark("You can bring this to your session if you like."),
    mark(
        "Numbers from “Growth and reliance” come from a draft form: nobody knows yet what is usual. They are there for "
        "a conversation, and say nothing by themselves."
    ),
)
PRIVATE = mark("It holds health information. Keep it where only you can read it.")
SECTIONS = {
    "answers": mark("Your answers"),
    "lines": mark("Your answers over time"),
    "remarks": mark("Your remarks"),
    "notes": mark("Notes that the practice saw beside your answers"),
    "noted": mark("What people of the practice noted"),
    "holds": mark("Times in which such notes were paused"),
    "asked": mark("What you are asked, and what you agreed to"),
    "sessions": mark("Sessions that you attended, as the practice's system says"),
    "not_here": mark("What is not in this file"),
}
NOTES_INTRO = mark(
    "These sentences are made by a program from your answers. Most of them do not mean that something is wrong. A "
    "person reads each one; nothing is decided by them."
)
NOT_HERE = (
    mark("What a therapist fills in about their own work. It belongs to them."),
    mark("Who opened this record and when. Ask the practice if you wish to know."),
    mark("What the practice keeps in its other systems, such as its notes of your sessions."),
)
STATES = Texts(
    {
        "raised": mark("stands"),
        "acknowledged": mark("stands, seen by a person"),
        "held": mark("stands"),
        "cleared": mark("over"),
        "withdrawn": mark("taken back: what it rested on is gone or was corrected"),
    }
)
REQUESTS = Texts(
    {
        "planned": mark("not sent yet"),
        "sending": mark("on its way"),
        "open": mark("not answered yet"),
        "answered": mark("answered"),
        "expired": mark("not answered"),
        "withdrawn": mark("taken back"),
        "refused": mark("could not be sent"),
    }
)
FORM_OF = mark("{form}, filled in on {day}")
NOT_COUNTED = mark("This form does not count: it was withdrawn or could not be read.")
EARLIER = mark("An earlier version, replaced on {day}")
STORED = mark("A total that came with the form: {name} {value}")
REMARK = mark("{day}, written down by {author}: {text}")
SEEN = mark("Seen on {day} by {author}.")
SEEN_NOTE = mark("Seen on {day} by {author}: {note}")
LETTER = mark("A letter about it went to the practice on {day}.")
NOTED = mark("{day}, {author}: {text}")
HOLD = mark("From {start} to {until}, by {author}: {reason}")
CONSENT = mark("You agreed on {day}.")
NO_CONSENT = mark("No agreement is written down.")
OPTED_OUT = mark("You said on {day} that you do not want to be asked any more.")
ASKED_WEEKS = mark("You are asked every {weeks} weeks: {forms}.")
ENDED = mark("Your course of therapy ended on {day}, as noted here.")
REQUEST = mark("{form}, due on {day}: {state}")
NO_SCORE = mark("no score ({reason})")
ONE_FORM = mark("One form so far. Change can be shown from the third form on.")
FEW_FORMS = mark("Change can be shown from the third form on.")
SCALE = mark("{title}, from {low} to {high}")
HEADS = (mark("Question"), mark("Your answer"))
SCORE_HEADS = (mark("Score"), mark("Value"), mark("Answered"))
NOTHING = mark("Nothing is kept here.")


def client_html(facts: Json, view: ClientView) -> str:
    """The page.

    :param facts: what `gather` gave.
    :param view: the same client, for the pictures.
    """
    css = Markup(_file("client.css"))  # noqa: S704 - our own file, no data in it
    name = facts["client"]["name"] or facts["client"]["ref"]
    return (
        _environment()
        .from_string(_file("client.html"))
        .render(
            css=css,
            policy=_policy(css),
            language=facts["language"],
            head=tr(HEAD, practice=facts["practice"], client=name),
            made=day(_when(facts["made"])),
            intro=[*map(tr, INTRO), tr(PRIVATE)],
            titles={key: tr(title) for key, title in SECTIONS.items()},
            heads=[tr(one) for one in HEADS],
            score_heads=[tr(one) for one in SCORE_HEADS],
            nothing=tr(NOTHING),
            pictures=_pictures(view.courses),
            forms=[_form(one) for one in facts["forms"]],
            remarks=[_remark(one) for one in facts["remarks_on_other_forms"]],
            notes_intro=tr(NOTES_INTRO),
            notes=[_note(one) for one in facts["prompts"]],
            noted=[_noted(one) for one in facts["notes"]],
            holds=[_hold(one) for one in facts["holds"]],
            asked=_asked(facts),
            sessions=[day(date.fromisoformat(one)) for one in facts["sessions"]],
            not_here=[tr(one) for one in NOT_HERE],
        )
    )


def _environment() -> Environment:
    def shown(value: object) -> object:
        return value if isinstance(value, Markup) else plain(value)

    return Environment(autoescape=True, finalize=shown, undefined=StrictUndefined, trim_blocks=True)


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(css: str) -> str:
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _when(text: str) -> datetime:
    return datetime.fromisoformat(text)


# --- answers ----------------------------------------------------------------------------------------------------------


def _pictures(courses: Sequence[Course]) -> list[Json]:
    """A line over time for each main score of each form that clients fill in; nothing of what rules compare with."""
    found = []
    for course in courses:
        if course.instrument.audience != "client":
            continue
        drawn = [_plain_series(course, name) for name in main_scores(course.instrument)]
        few = tr(ONE_FORM) if len(course.forms) == 1 else tr(FEW_FORMS)
        enough = len(course.forms) >= FEWEST
        found.append(
            {
                "title": course.instrument.title,
                "few": "" if enough else few,
                "charts": [(_scale(one), series_svg(one)) for one in drawn] if enough else [],
            }
        )
    return found


def _plain_series(course: Course, name: str) -> Series:
    series = series_of(course, name)
    points = (replace(p, mark=Mark.SCORED) if p.mark is Mark.PASSED else p for p in series.points)
    return replace(series, spans=(), therapists=(), points=tuple(points))


def _scale(series: Series) -> str:
    scale = series.definition
    return tr(SCALE, title=scale.title, low=exact(scale.low), high=exact(scale.high))


def _form(one: Json) -> Json:
    said = [] if one["counts"] else [tr(NOT_COUNTED)]
    said += [tr(STORED, name=name, value=exact(value)) for name, value in one["stored_totals"].items()]
    return {
        "title": tr(FORM_OF, form=one["title"], day=moment(_when(one["filled_in"]))),
        "answers": _lines(one["answers"]),
        "scores": [_score(score) for score in one["scores"]],
        "said": said,
        "remarks": [_remark(remark) for remark in one["remarks"]],
        "earlier": [
            {"title": tr(EARLIER, day=moment(_when(old["replaced"]))), "answers": _lines(old["answers"])}
            for old in one["earlier_versions"]
        ],
    }


def _lines(answers: Sequence[Json]) -> list[tuple[str, str]]:
    return [(one["question"] or one["line"], one["words"]) for one in answers]


def _score(score: Json) -> tuple[str, str, str]:
    value = exact(score["value"]) if score["value"] is not None else tr(NO_SCORE, reason=told(score["reason"] or ""))
    return score["title"], value, f"{score['answered']} / {score['of']}"


def _remark(one: Json) -> str:
    return tr(REMARK, day=moment(_when(one["at"])), author=one["written_down_by"], text=one["text"])


# --- the rest of the record -------------------------------------------------------------------------------------------


def _note(one: Json) -> Json:
    said = [
        tr(SEEN_NOTE, day=moment(_when(seen["at"])), author=who(seen["author"]), note=seen["note"])
        if seen["note"]
        else tr(SEEN, day=moment(_when(seen["at"])), author=who(seen["author"]))
        for seen in one["seen"]
    ]
    said += [tr(LETTER, day=moment(_when(letter["sent"]))) for letter in one["letters"] if letter["sent"]]
    return {"head": f"{day(_when(one['opened']))} · {STATES[one['state']]}", "reason": one["reason"], "said": said}


def _noted(one: Json) -> str:
    return tr(NOTED, day=moment(_when(one["at"])), author=one["author"], text=one["text"])


def _hold(one: Json) -> str:
    start, until = (day(date.fromisoformat(one[name])) for name in ("start", "until"))
    return tr(HOLD, start=start, until=until, author=one["author"], reason=one["reason"])


def _asked(facts: Json) -> list[str]:
    """What is asked, on which agreement, and each request."""
    found: list[str] = []
    one: Mapping[str, Any] | None = facts["enrolment"]
    if one is not None:
        agreed = tr(CONSENT, day=_day(one["consent"])) if one["consent"] else tr(NO_CONSENT)
        found += [tr(ASKED_WEEKS, weeks=one["every_weeks"], forms=", ".join(one["forms"])), agreed]
        if one["opted_out"]:
            found.append(tr(OPTED_OUT, day=_day(one["opted_out"])))
    if facts["client"]["course_ended"]:
        found.append(tr(ENDED, day=_day(facts["client"]["course_ended"])))
    found += [
        tr(REQUEST, form=ask["form"], day=_day(ask["due"]), state=REQUESTS[ask["state"]]) for ask in facts["requests"]
    ]
    return found


def _day(text: str) -> str:
    return day(date.fromisoformat(text))


# --- what a client sees of their own in between -----------------------------------------------------------------------


def own_forms(facts: Json, view: ClientView) -> list[Json]:
    """Of a client's facts the forms that they filled in themselves and that count, newest first: questions and answers.

    Nothing of what rules, therapists or the practice made of them (clinical.md 5).
    """
    own = {course.instrument.id for course in view.courses if course.instrument.audience == "client"}
    wanted = ("instrument", "version", "title", "filled_in", "status", "counts", "answers")
    found = [{name: one[name] for name in wanted} for one in facts["forms"] if one["instrument"] in own]
    return sorted((one for one in found if one["counts"]), key=lambda one: _when(one["filled_in"]), reverse=True)


def own_page(facts: Json, view: ClientView) -> Json:
    """The same for a page: a line over time for each form, and each form's answers."""
    return {
        "pictures": _pictures(view.courses),
        "forms": [
            {"title": tr(FORM_OF, form=one["title"], day=moment(_when(one["filled_in"]))),
             "answers": _lines(one["answers"])}
            for one in own_forms(facts, view)
        ],
        "intro": [tr(INTRO[1]), tr(INTRO[2]), tr(PRIVATE)],
        "heads": [tr(one) for one in HEADS],
        "titles": {key: tr(SECTIONS[key]) for key in ("lines", "answers")},
    }  # fmt: skip
