"""A client fills in a form: the same pages by a link and on the practice's tablet, with JavaScript and without.

Every step sends what is ticked and keeps it; a little JavaScript sends it as it is ticked. Nobody is named on these
pages, and after the page that thanks, none of them shows an answer again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flask import Response, current_app, make_response, render_template, request

from ..collecting.online import alarming, answers_of, ready
from ..instruments.translations import in_language, languages_of
from ..words import languages, mark, speaking, tr, trn
from . import here
from .arriving import Arrivals
from .files import within
from .guard import POLICY
from .pace import Pace

if TYPE_CHECKING:
    from flask import Flask

    from ...schemas.records import Instrument, Item
    from ..store.visits import Visit

ARRIVALS, PACE = "handrail-arrivals", "handrail-pace"
MOST_A_MINUTE = 120
FIELD = "a."
LOOK = "look=empty"
"""Asks for the page that says which lines are empty; an address of its own, so that going back works."""
SEND, ANYWAY = "send", "send-as-it-is"
STEPS = {"next": 1, "back": -1}
OWN_NAMES = {"en": "English", "de": "Deutsch"}
"""What a language calls itself; one that is not here is shown by its code."""
CHANGED = mark(
    "The form was changed by the practice since you began. What you had ticked belongs to the old one and was dropped. "
    "Please begin again."
)
"""Told where a form of an older version was half done."""
NOTHING_TICKED = mark("Nothing is ticked yet. Tick what you like; you may skip any line.")
"""Said instead of taking a blank form."""
SENT_ALREADY = mark("These answers have been sent already. Thank you. There is nothing more to do, and nothing to see.")
NOT_READY = mark("This form cannot be filled in just now. Nothing is wrong with your link. Please tell your practice.")
TOO_QUICK = mark("That was too quick. Wait a moment, then go on.")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a form is filled in: the address that it is sent to; `home` is where the tablet goes back to."""

    action: str
    home: str = ""


def begin(app: Flask) -> None:
    """One arrival thread and one pace for all."""
    desk = app.extensions["handrail"]
    app.extensions[ARRIVALS] = Arrivals(desk)
    app.extensions[PACE] = Pace(MOST_A_MINUTE, 60, time.monotonic)


def arrivals() -> Arrivals:
    """What brings sent forms among the others."""
    found: Arrivals = current_app.extensions[ARRIVALS]
    return found


# --- what comes in ---------------------------------------------------------------------------------------------------


def take(visit: Visit, instrument: Instrument, place: Place) -> Response:
    """One step of a client: keeps what is ticked, then shows what they asked for, or takes the form as sent."""
    pace: Pace = current_app.extensions[PACE]
    if not pace.allows(visit.key):
        return told(429, tr(TOO_QUICK))
    if changed(visit, instrument) or request.form.get("version", visit.version) != instrument.version:
        here.engine().collecting.online.drop(visit)
        return told(409, tr(CHANGED), again=place.action)
    do = request.form.get("do", "")
    visit = _after(replace(visit, ticked={**visit.ticked, **_ticks(instrument)}), instrument, do)
    online = here.engine().collecting.online
    if do in (SEND, ANYWAY) and not _holds_back(visit, instrument, do):
        if not online.send(visit):
            return told(410, tr(SENT_ALREADY))
        arrivals().hear()
        here.note("form-sent", visit.ask or visit.client, actor=visit.entered_by)
        return thanks(visit, instrument, place)
    if not online.keep(visit):
        return told(410, tr(SENT_ALREADY))
    if request.headers.get("X-Handrail-Kept"):
        return Response(status=204)
    return _to(f"{place.action}?{LOOK}" if do in (SEND, ANYWAY) else place.action)


def _to(path: str) -> Response:
    return Response(status=303, headers={"Location": path})


def _after(visit: Visit, instrument: Instrument, do: str) -> Visit:
    """Where the client is after this step, and in which language."""
    last = len(instrument.items)
    language = do.removeprefix("language-") if do.startswith("language-") else visit.language
    visit = replace(visit, language=_spoken_in(instrument, language))
    if do in ("one", "all"):
        return replace(visit, single=do == "one", at=0)
    return replace(visit, at=min(last, max(0, visit.at + STEPS.get(do, 0))))


def _ticks(instrument: Instrument) -> dict[str, int]:
    """What came ticked, as far as the form has such answers; what did not come stays as it was."""
    found = {}
    for item in instrument.items:
        given = request.form.get(FIELD + item.id, "")
        if given.isascii() and given.isdigit() and len(given) < 4 and int(given) <= len(item.options):
            found[item.id] = int(given)
    return found


def _holds_back(visit: Visit, instrument: Instrument, do: str) -> bool:
    """Whether a form is shown once more before it is sent: nothing is ticked, or lines are empty and were not meant."""
    if not visit.ticked:
        return True
    return do == SEND and not visit.single and bool(empty(visit, instrument))


def empty(visit: Visit, instrument: Instrument) -> list[int]:
    """Numbers of the lines that nothing is ticked for; "leave out" counts as ticked, and so do optional lines."""
    return [n for n, item in enumerate(instrument.items, 1) if item.id not in visit.ticked and not item.optional]


def changed(visit: Visit, instrument: Instrument) -> bool:
    """Whether the form is another than the one that was begun."""
    return (visit.instrument, visit.version) != instrument.key


def _spoken_in(instrument: Instrument, wanted: str) -> str:
    """The language of the form that a client sees: theirs, else the practice's, else the form's own."""
    return in_language(instrument, wanted or here.desk().settings.language).language


# --- what goes out ---------------------------------------------------------------------------------------------------


def show(visit: Visit, instrument: Instrument, place: Place) -> Response:
    """The page with the lines, or with one of them."""
    held = request.query_string.decode("latin-1") == LOOK
    if not ready(instrument, here.engine()):
        return told(503, tr(NOT_READY))
    language = _spoken_in(instrument, visit.language)
    with speaking(_page_language(language)):
        form = in_language(instrument, language)
        missing = empty(visit, instrument)
        facts = _everything(visit, form, place) | {
            "notice": _notice(missing, visit) if held else "",
            "missing": missing if held and visit.ticked else [],
            "lines": _lines(visit, form),
            "consent": here.engine().collecting.consent_text,
            "left": trn("{count} line is empty.", "{count} lines are empty.", len(missing)) if missing else "",
        }
        return _page("form.html", 200, **facts)


def _notice(missing: list[int], visit: Visit) -> str:
    if not visit.ticked:
        return tr(NOTHING_TICKED)
    return trn(
        "{count} line is empty. You may leave it so, or fill it in.",
        "{count} lines are empty. You may leave them so, or fill them in.",
        len(missing),
    )


def thanks(visit: Visit, instrument: Instrument, place: Place) -> Response:
    """The page after sending: thanks, the client's own answers, and where help is if the form asks about safety."""
    language = _spoken_in(instrument, visit.language)
    with speaking(_page_language(language)):
        form = in_language(instrument, language)
        answers = answers_of(form, visit)
        own = [(item.text, _words(item, visit)) for item in form.items]
        facts = _everything(visit, form, place) | {
            "own": own,
            "first": alarming(form, visit),
            "count": sum(isinstance(value, int) for value in answers.values()),
        }
        answer = _page("form-sent.html", 200, **facts)
    if place.home:
        answer.headers["Refresh"] = f"60; url={place.home}"
    return answer


def told(status: int, sentence: str, *, again: str = "", home: str = "") -> Response:
    """A page that says one thing."""
    answer = _page("form-over.html", status, sentence=sentence, again=again, home=home)
    if status == 429:
        answer.headers["Retry-After"] = "30"
    return answer


def _everything(visit: Visit, form: Instrument, place: Place) -> dict[str, Any]:
    """What the pages of a form share."""
    settings = here.desk().settings
    return {
        "form": form,
        "visit": visit,
        "place": place,
        "crisis": settings.crisis_text.strip() if form.safety else "",
        "others": [(code, OWN_NAMES.get(code, code)) for code in languages_of(form) if code != form.language],
        "draft": form.status == "draft",
    }


def _page(name: str, status: int, **facts: Any) -> Response:
    style, counts = within("form.css")
    answer = make_response(render_template(name, style=style, **facts), status)
    own = {"style-src": f"{POLICY['style-src']} {counts}", "connect-src": "'self'", "frame-ancestors": "'none'"}
    policy = {**POLICY, **own}
    answer.headers["Content-Security-Policy"] = "; ".join(f"{key} {value}" for key, value in policy.items())
    return answer


def _page_language(language: str) -> str:
    """The language of the words around the form: the form's where we have it, else the practice's."""
    return language if language in languages() else here.desk().settings.language


def _lines(visit: Visit, form: Instrument) -> list[dict[str, Any]]:
    """The lines with their answers as the page shows them; a line that cannot be declined can be left out."""
    found = []
    for number, item in enumerate(form.items, 1):
        options = list(enumerate(option.label for option in item.options))
        if all(option.value is not None for option in item.options):
            options.append((len(item.options), tr("I leave this line out")))
        found.append({"number": number, "item": item, "options": options, "ticked": visit.ticked.get(item.id, -1)})
    return found


def _words(item: Item, visit: Visit) -> str:
    place = visit.ticked.get(item.id)
    if place is None or place >= len(item.options):
        return tr("left empty")
    return item.options[place].label
