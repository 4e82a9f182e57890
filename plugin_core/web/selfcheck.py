"""The therapist's self-check: private to its author (clinical.md 9.4), opened with a phrase that only they know.

The key that the phrase stands for lies in this process's memory while the page is open, bound to that one sign-in, and
nowhere else: neither the practice's key nor the administrator opens what was not shared. No look at one's own page is
in the audit trail; that one was filled in or shared is, without about whom or what.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from flask import Blueprint, current_app, redirect, render_template, request, url_for

from ..errors import KeyProblem, UsageError
from ..instruments.translations import in_language
from ..rules.others import SELF_CHECK
from ..selfcheck import phrase
from ..words import Texts, mark, tr, trn
from ..words.spelling import day, one
from . import here, scope
from .access import SEES_ANSWERS, lets
from .staff import at_once
from .tries import Guard, Limit

if TYPE_CHECKING:
    from flask import Flask
    from flask.typing import ResponseReturnValue

    from ..selfcheck import Own, SelfChecks

pages = Blueprint("selfcheck", __name__)
OPEN = "handrail-self-checks"
MINUTES = 15
BY_AUTHOR = Limit(free=5)
SAID = Texts(
    {
        "filled": mark("Stored, readable by you alone."),
        "shared": mark("Shared with the practice. You can take that back."),
        "unshared": mark("Readable by you alone again."),
        "deleted": mark("Deleted."),
        "locked": mark("Locked."),
        "forgotten": mark("All your self-checks are deleted, and the phrase counts no more."),
    }
)


ACTS = {"share": "shared", "unshare": "unshared", "delete": "deleted"}


class Unlocked:
    """Keys of those who have opened their page, by sign-in; each for some minutes from its last use, in memory only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, tuple[bytes, int]] = {}

    def put(self, session: str, key: bytes, now_ms: int) -> None:
        """Opens the page of a sign-in."""
        with self._lock:
            self._keys[session] = (key, now_ms + MINUTES * 60_000)

    def get(self, session: str, now_ms: int) -> bytes | None:
        """The key of a sign-in whose page is open; those that are over are forgotten."""
        with self._lock:
            self._keys = {name: found for name, found in self._keys.items() if found[1] > now_ms}
            found = self._keys.get(session)
            if found is None:
                return None
            self._keys[session] = (found[0], now_ms + MINUTES * 60_000)
            return found[0]

    def drop(self, session: str) -> None:
        """Locks the page."""
        with self._lock:
            self._keys.pop(session, None)


def begin(app: Flask) -> None:
    """Where keys lie while pages are open."""
    app.extensions[OPEN] = Unlocked()


def _unlocked() -> Unlocked:
    found: Unlocked = current_app.extensions[OPEN]
    return found


def _key() -> bytes | None:
    return _unlocked().get(here.user().session or "", here.now_ms())


def _checks() -> SelfChecks:
    return here.engine().selfchecks


def _author() -> str:
    """Who they are at the desk: a computer's user of the same name, who has a keyring, is another author."""
    return f"{here.user().login}@desk"


def _back(said: str) -> ResponseReturnValue:
    return redirect(url_for("selfcheck.mine", said=said), 303)


# --- the page --------------------------------------------------------------------------------------------------------


@pages.get("/self-check")
@lets(*SEES_ANSWERS)
def mine() -> ResponseReturnValue:
    """One's own self-checks, or how to open them."""
    return _page(about=request.args.get("about", ""))


def _page(problem: str = "", about: str = "", status: int = 200) -> tuple[str, int]:
    key = _key()
    facts: dict[str, Any] = {"problem": problem, "said": SAID.get(request.args.get("said", "")) or "", "about": about,
                             "minutes": MINUTES, "least": phrase.SHORTEST}  # fmt: skip
    if key is None:
        return render_template("self-check-locked.html", begun=_checks().begun(_author()), **facts), status
    form = in_language(here.engine().registry.instrument(SELF_CHECK))
    found = [_shown(one_of, form) for one_of in _checks().mine(_author(), key=key)]
    people = here.desk().caseload.people(here.engine(), here.source())
    own = [(one_of.key, one_of.name) for one_of in people.values()
           if one_of.ended is None and scope.sees(here.user(), one_of.clinician)]  # fmt: skip
    own.sort(key=lambda pair: pair[1].casefold())
    return render_template("self-check.html", form=form, found=found, people=own, due=_due(key), **facts), status


def _due(key: bytes) -> list[dict[str, Any]]:
    """About whom one may be filled in by now: the author's own clients, whose course goes on, and whom they may see."""
    me = here.user()
    people = here.desk().caseload.people(here.engine(), here.source()).values()
    seen = {one_of.key: one_of.clinician for one_of in people
            if one_of.ended is None and scope.sees(me, one_of.clinician)}  # fmt: skip
    own = None if me.clinician is None else [key for key, clinician in seen.items() if clinician == me.clinician]
    rows = [row for row in _checks().due(_author(), key=key, own=own) if row.key in seen]
    return [
        {
            "key": row.key,
            "name": row.client,
            "told": trn("{count} new form", "{count} new forms", row.forms),
            "last": "" if row.last is None else tr("last filled in on {day}", day=day(row.last)),
        }
        for row in rows
    ]


def _shown(own: Own, form: Any) -> dict[str, Any]:
    answers = []
    for item in form.items:
        value = own.check.answers.get(item.id)
        words = next((option.label for option in item.options if option.value == value), tr("left empty"))
        answers.append((item.text, words))
    return {"id": own.check.key, "client": own.client, "shared": own.check.shared, "answers": answers,
            "day": day(own.check.authored), "until": day(own.check.delete_on),
            "score": None if own.score.value is None else one(own.score.value)}  # fmt: skip


# --- opening and closing ---------------------------------------------------------------------------------------------


@pages.post("/self-check/begin")
@lets(*SEES_ANSWERS)
def first() -> ResponseReturnValue:
    """Chooses the phrase."""
    words = request.form.get("phrase", "")
    try:
        phrase.check(words)
        if words != request.form.get("again"):
            raise UsageError(tr("The two phrases differ."))
        key = _made(words)
        _checks().begin_with(_author(), key)
    except UsageError as error:
        return _page(error.message, status=400)
    _unlocked().put(here.user().session or "", key, here.now_ms())
    return _back("")


def _made(words: str) -> bytes:
    with at_once():
        return phrase.key_of(here.engine().store.sealer, _author(), words[: phrase.LONGEST + 1])


@pages.post("/self-check/open")
@lets(*SEES_ANSWERS)
def unlock() -> ResponseReturnValue:
    """Opens the page with the phrase; too many wrong ones shut it for a while."""
    tries = Guard({("self-check", here.user().key): BY_AUTHOR})
    if tries.take():
        return _page(tr("Too many tries. Wait a while, then try again."), status=429)
    key = _made(request.form.get("phrase", ""))
    try:
        _checks().mine(_author(), key=key)
    except (KeyProblem, UsageError):
        return _page(tr("That is not your phrase. Nothing was opened."), status=400)
    tries.passed()
    _unlocked().put(here.user().session or "", key, here.now_ms())
    return _back("")


@pages.post("/self-check/lock")
@lets(*SEES_ANSWERS)
def lock() -> ResponseReturnValue:
    """Closes the page before its time."""
    _unlocked().drop(here.user().session or "")
    return _back("locked")


@pages.post("/self-check/forget")
@lets(*SEES_ANSWERS)
def forget() -> ResponseReturnValue:
    """Deletes all of one's own, for who has lost the phrase or wants none of it any more."""
    if request.form.get("sure") != "yes":
        return _page(tr("Tick that you are sure. Nothing was deleted."), status=400)
    _checks().forget(_author(), myself=True)
    _unlocked().drop(here.user().session or "")
    return _back("forgotten")


# --- filling in and sharing ------------------------------------------------------------------------------------------


@pages.post("/self-check/fill")
@lets(*SEES_ANSWERS)
def fill() -> ResponseReturnValue:
    """Stores one about a client of one's own."""
    key = _key()
    if key is None:
        return _page(tr("The page was locked meanwhile, and nothing was stored. Open it and fill it in again."),
                     status=403)  # fmt: skip
    person = scope.person(request.form.get("client", ""))
    form = here.engine().registry.instrument(SELF_CHECK)
    given = {item.id: request.form.get(f"a.{item.id}", "") for item in form.items}
    answers = {item: int(value) for item, value in given.items() if value in ("0", "1", "2", "3", "4")}
    if not answers:
        return _page(tr("Nothing is ticked yet."), person.key, 400)
    _checks().fill(_author(), person.key, answers, key=key)
    return _back("filled")


@pages.post("/self-check/<check>/<act>")
@lets(*SEES_ANSWERS)
def change(check: str, act: str) -> ResponseReturnValue:
    """Shares one, takes that back, or deletes it."""
    key = _key()
    if key is None or act not in ACTS:
        return _page(status=403)
    if act == "delete":
        _checks().delete(_author(), check, key=key)
    else:
        _checks().share(_author(), check, on=act == "share", key=key)
    return _back(ACTS[act])
