"""What a person does on a client's page: has seen a prompt, closes a safety notice, holds, ends a hold, notes.

Each leads back to the page (303), so that loading it anew does nothing twice. What a second tab sends about something
that has changed meanwhile is not done twice, and is said.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from flask import Blueprint, abort, redirect, request, url_for

from ...schemas.vocab import STANDING_STATES, FlagState
from ..errors import UsageError
from ..store import Tx, book, holds
from ..words import Texts, mark, tr
from . import here, scope
from .access import SEES_ANSWERS, lets

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from ..views import FlagRow

pages = Blueprint("acts", __name__)
MOST_SIGNS = 2000
USEFUL = frozenset({"yes", "no", "unsure"})
SAID = Texts(
    {
        "seen": mark("Noted as seen. The same rule stays quiet for this client for 12 weeks."),
        "noted": mark("Your note is added."),
        "already": mark("That was noted already; nothing was added."),
        "inhand": mark(
            "Noted that you have it in hand; nobody is told again. It stays on top until somebody closes it."
        ),
        "closed": mark("The safety notice is closed."),
        "held": mark("On hold. Safety notices still come."),
        "ended": mark("The hold ends today."),
        "gone": mark("This no longer stands, so nothing was changed."),
        "noteadded": mark("Your note is kept."),
        "notetwice": mark("The newest note says the same; nothing was added."),
        "notegone": mark("The note is taken back and deleted."),
        "heldalready": mark("The client was put on hold meanwhile; nothing was changed."),
    }
)
REASONS = (
    mark("a crisis"),
    mark("a bereavement"),
    mark("a stay in hospital"),
    mark("a change of medicine"),
    mark("an open safety plan"),
)


def _row(client: str, flag: str) -> FlagRow:
    """The flag of that key, if it is this client's; else the page is not found."""
    person = scope.person(client)
    row = next((one for one in here.engine().flags(everything=True, client=person.key) if one.flag.key == flag), None)
    if row is None:
        abort(404)
    return row


def _back(client: str, said: str, anchor: str = "") -> ResponseReturnValue:
    return redirect(url_for("client.page", client=client, said=said) + (f"#{anchor}" if anchor else ""), 303)


def _typed(name: str) -> str:
    """What was typed. Browsers send two signs for a new line and count one (HTML, "API value" of a textarea)."""
    return request.form.get(name, "").replace("\r\n", "\n")


def _text(name: str) -> str | None:
    return _typed(name)[:MOST_SIGNS].strip() or None


@pages.post("/client/<client>/flag/<flag>/seen")
@lets(*SEES_ANSWERS, keeps=("note", "useful"))
def seen(client: str, flag: str) -> ResponseReturnValue:
    """Somebody has seen a prompt, with a note and whether it was useful if they like."""
    row = _row(client, flag)
    if row.flag.state not in STANDING_STATES:
        return _back(client, "gone")
    note, useful = _text("note"), request.form.get("useful")
    useful = useful if useful in USEFUL else None
    already = row.flag.state is FlagState.ACKNOWLEDGED or bool(row.acknowledgements)
    if already and note is None and useful is None:
        return _back(client, "already")
    if already and any((one.note, one.useful) == (note, useful) for one in row.acknowledgements):
        return _back(client, "already")
    here.engine().acknowledge(flag, here.user().login, note, useful)
    if row.kind == "safety":
        return _back(client, "inhand")
    return _back(client, "noted" if already else "seen")


@pages.post("/client/<client>/flag/<flag>/close")
@lets(*SEES_ANSWERS, keeps=("done",))
def close(client: str, flag: str) -> ResponseReturnValue:
    """A person closes a safety notice and says what was done."""
    row = _row(client, flag)
    done = _text("done")
    if row.flag.state not in STANDING_STATES:
        return _back(client, "gone")
    if done is None:
        raise UsageError(tr("Say what was done before you close the notice. Go back and fill it in."))
    here.engine().safety.close(flag, here.user().login, done)
    return _back(client, "closed")


@pages.post("/client/<client>/hold")
@lets(*SEES_ANSWERS, keeps=("reason", "until"))
def hold(client: str) -> ResponseReturnValue:
    """Pauses new prompts for a client until a day, with a reason."""
    person = scope.person(client)
    engine = here.engine()
    today = engine.now().date()
    view = engine.client(person.key)
    if any(one.start <= today <= one.until for one in view.holds):
        return _back(client, "heldalready")
    reason, until = _text("reason"), request.form.get("until", "")
    if reason is None:
        raise UsageError(tr("Give the reason for the hold. Go back and fill it in."))
    try:
        last = date.fromisoformat(until)
    except ValueError:
        raise UsageError(tr("Give the last day of the hold, as 2026-05-04. Go back and fill it in.")) from None
    if (last - today).days > 366:
        raise UsageError(tr("A hold lasts a year at most. Go back and give an earlier day."))
    engine.hold(person.key, last, reason, here.user().login)
    return _back(client, "held")


@pages.post("/client/<client>/hold/end")
@lets(*SEES_ANSWERS)
def end(client: str) -> ResponseReturnValue:
    """Lets a hold end today."""
    person = scope.person(client)
    engine = here.engine()
    today, by = engine.now().date(), here.user().login

    def write(tx: Tx) -> int:
        ended = holds.end_today(tx, person.key, today)
        if ended:
            book.record(tx, by, "hold-ended", person.key)
        return ended

    return _back(client, "ended" if engine.store.write(write, here.source()) else "gone")


@pages.post("/client/<client>/note")
@lets(*SEES_ANSWERS, keeps=("note",))
def note(client: str) -> ResponseReturnValue:
    """Writes down a note that belongs to no prompt."""
    person = scope.person(client)
    added = here.engine().notes.add(person.key, _typed("note"), here.user().login)
    return _back(client, "notetwice" if added is None else "noteadded", "notes-head")


@pages.post("/client/<client>/note/<note>/back")
@lets(*SEES_ANSWERS)
def take_back(client: str, note: str) -> ResponseReturnValue:
    """Deletes a note of one's own."""
    person = scope.person(client)
    done = here.engine().notes.take_back(person.key, note, here.user().login)
    return _back(client, "notegone" if done else "gone")
