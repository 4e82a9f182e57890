"""The caseload: who has something new, who has not answered, who is due, who is on hold, and good news among it.

No order says anything about a client or a therapist: by name, by the newest form, by the next due day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template, request, url_for

from ..collecting.facts import WORDS, DueRow, Standing
from ..instruments.translations import in_language
from ..store import notices
from ..words import Texts, mark, tr, trn
from ..words.spelling import short_day
from . import here, scope
from .access import SEES_ANSWERS, Role, lets
from .caseload import Row

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

pages = Blueprint("clients", __name__)
A_PAGE = 50
MOST_SIGNS = 100

FILTERS: dict[str, Callable[[Row], bool]] = {
    "all": lambda row: row.person.ended is None,
    "new": lambda row: row.fresh and row.person.ended is None,
    "safety": lambda row: row.safety > 0,
    "prompts": lambda row: row.prompts > 0 and row.person.ended is None,
    "good": lambda row: row.good > 0 and row.person.ended is None,
    "unanswered": lambda row: row.unanswered and row.person.ended is None,
    "due": lambda row: bool(row.waiting) and row.person.ended is None,
    "held": lambda row: row.held_until is not None,
    "ended": lambda row: row.person.ended is not None,
}
NAMES = Texts(
    {
        "all": mark("All"),
        "new": mark("New"),
        "safety": mark("Safety notices"),
        "prompts": mark("Prompts"),
        "good": mark("Good news"),
        "unanswered": mark("Not answered"),
        "due": mark("Due"),
        "held": mark("On hold"),
        "ended": mark("Ended"),
    }
)
SORTS: dict[str, Callable[[Row], Any]] = {
    "name": lambda row: (row.person.name.casefold(), row.person.key),
    "newest": lambda row: (-(row.person.newest.timestamp() if row.person.newest else 0), row.person.name.casefold()),
    "due": lambda row: (row.due or date.max, row.person.name.casefold()),
}
SORT_NAMES = Texts({"name": mark("by name"), "newest": mark("newest form first"), "due": mark("next due first")})


@dataclass(frozen=True, slots=True)
class Shown:
    """What of the list is shown."""

    which: str
    sort: str
    page: int
    search: str
    mine: bool

    def link(self, **changes: Any) -> dict[str, Any]:
        """The same with something else, as the parts of an address; never what was searched for."""
        named = {"which": self.which, "sort": self.sort, "page": self.page, "mine": int(self.mine), **changes}
        usual = {"which": "all", "sort": "name", "page": 1, "mine": 0}
        return {name: value for name, value in named.items() if usual[name] != value}


@pages.route("/clients", methods=["GET", "POST"])
@lets(*SEES_ANSWERS)
@here.in_turn
def caseload() -> ResponseReturnValue:
    """The list. A search is sent in the body: a name has no place in an address, a log or a history."""
    shown = _wanted()
    me = here.user()
    rows = [row for row in here.desk().caseload.rows(here.engine(), here.source(), me.key)
            if scope.sees(me, row.person.clinician)]  # fmt: skip
    both = Role.SUPERVISOR in me.roles or here.desk().settings.web.all_clients
    if shown.mine and me.clinician:
        rows = [row for row in rows if row.person.clinician == me.clinician]
    counts = {name: sum(map(fits, rows)) for name, fits in FILTERS.items()}
    found = (
        [row for row in rows if _matches(row, shown.search)]
        if shown.search
        else list(filter(FILTERS[shown.which], rows))
    )
    found.sort(key=SORTS[shown.sort])
    last = max(1, -(-len(found) // A_PAGE))
    client = url_for("client.page", client="-").removesuffix("-")
    page = min(shown.page, last)
    here.note("caseload-viewed")
    return render_template(
        "clients.html",
        shown=shown,
        rows=[_row(row, client) for row in found[(page - 1) * A_PAGE : page * A_PAGE]],
        number=len(found),
        page=page,
        last=last,
        filters=[(name, NAMES[name], counts[name]) for name in FILTERS if counts[name] or name in ("all", "new")],
        sorts=[(name, SORT_NAMES[name]) for name in SORTS],
        choose_mine=both and me.clinician is not None,
        linked=me.clinician is not None or both,
        safety=_safety(rows, client),
    )


def _safety(rows: Sequence[Row], page: str) -> list[dict[str, Any]]:
    """Whose safety answers are open, and of whom a letter about it could not go out."""
    found = sorted(filter(FILTERS["safety"], rows), key=SORTS["name"])
    if not found:
        return []
    with here.engine().store.reading(here.source()) as tx:
        untold = notices.untold(tx)
    return [_row(row, page) | {"untold": row.person.key in untold} for row in found]


def _wanted() -> Shown:
    given = request.values
    which, sort = given.get("which", "all"), given.get("sort", "name")
    page = given.get("page", "1")
    return Shown(
        which if which in FILTERS else "all",
        sort if sort in SORTS else "name",
        min(int(page), 10_000) if page.isdecimal() and len(page) < 6 and int(page) else 1,
        request.form.get("search", "")[:MOST_SIGNS].strip(),
        given.get("mine") == "1",
    )


def _matches(row: Row, search: str) -> bool:
    """Whether every word of the search is in the name."""
    name = row.person.name.casefold()
    return all(word in name for word in search.casefold().split())


def _row(row: Row, page: str) -> dict[str, Any]:
    person = row.person
    return {
        "href": page + person.key,
        "name": person.name,
        "clinician": person.clinician_name or person.clinician or "",
        "newest": short_day(person.newest) if person.newest else tr("none yet"),
        "forms": person.forms,
        "signs": signs(row),
        "waiting": asked([one for one in row.waiting if one.standing is not Standing.MISSED]),  # that is a sign
        "held": tr("on hold until {day}", day=short_day(row.held_until)) if row.held_until else "",
        "ended": tr("ended on {day}", day=short_day(person.ended)) if person.ended else "",
        "due": short_day(row.due) if row.due else "",
    }


def signs(row: Row) -> list[tuple[str, str, str]]:
    """What is there to see: (kind, shape, words)."""
    found = []
    if row.safety:
        found.append(("safety", "!", trn("{count} safety notice", "{count} safety notices", row.safety)))
    if row.fresh_forms:
        new = trn("{count} new form", "{count} new forms", row.fresh_forms)
        found.append(("new", "●", new if row.looked else tr("not looked at yet")))
    if row.prompts:
        found.append(("prompt", "?", trn("{count} prompt", "{count} prompts", row.prompts)))
    if row.good:
        found.append(("good-news", "+", trn("{count} piece of good news", "{count} pieces of good news", row.good)))
    if row.missed:
        found.append(("missed", "○", trn("{count} missed in a row", "{count} missed in a row", row.missed)))
    return found


def title_of(instrument: str) -> str:
    """A form's title; its id where there is no such form here any more."""
    known = here.engine().registry.instruments
    found = next((one.descriptor for (name, _), one in known.items() if name == instrument), None)
    return instrument if found is None else in_language(found).title


def stands(one: DueRow) -> str:
    """How one form of a client stands, in words."""
    days = {name: short_day(value) if value else "–" for name, value in
            (("asked", one.asked), ("reminded", one.reminded), ("paused_until", one.paused_until),
             ("opted_out", one.opted_out))}  # fmt: skip
    return WORDS[one.standing].format(missed=one.missed, **days)


def asked(waiting: Sequence[DueRow]) -> list[str]:
    """How the client's forms stand, in words, each with its name."""
    return [tr("{form}: {standing}", form=title_of(one.instrument), standing=stands(one)) for one in waiting]
