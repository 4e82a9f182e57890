"""What was typed when the sign-in ran out: kept sealed with the old sign-in, given back to the same person only.

Only fields that a page names (`access.lets(keeps=...)`) are kept, only for a short time, and only when the form
carried the token of the sign-in that ran out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import g, request

from ..store import accounts
from . import here

if TYPE_CHECKING:
    from ..store.accounts import Login
    from .access import Access

KEPT_MS = 30 * 60_000
MOST_SIGNS = 4000
PLACE = "from"
"""The form's field that names the page on which it stands."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed: `back` is the page where it stood, `more` the field names and texts."""

    back: str
    client: str | None
    more: Mapping[str, Any]


def keep(access: Access) -> str | None:
    """Keeps what came with a form whose sign-in had run out; gives the page it was typed on, None: nothing is kept."""
    from .signing import safe_next

    over: Login | None = g.get("over")
    if over is None or request.method != "POST" or not access.keeps or not here.csrf_is_right():
        return None
    back = safe_next(request.form.get(PLACE, ""))
    if back is None or over.kind != here.ACCOUNT:
        return None
    typed = {name: request.form.get(name, "")[:MOST_SIGNS] for name in access.keeps}
    kept = {"draft": {"fields": typed, "back": back, "at_ms": here.now_ms(), "path": request.path}}
    client = str((request.view_args or {}).get("client") or "") or None
    here.engine().store.write(lambda tx: accounts.keep(tx, over.key, kept, client), here.source())
    return back


def take(account: str) -> Draft | None:
    """What the same person had typed in this browser before their sign-in ran out; the old sign-in is forgotten."""
    over: Login | None = g.get("over")
    if over is None:
        return None
    here.engine().store.write(lambda tx: accounts.end(tx, over.key))
    found = (over.more or {}).get("draft")
    if over.subject != account or found is None or here.now_ms() - found["at_ms"] > KEPT_MS:
        return None
    return Draft(found["back"], over.client, found)


def once() -> dict[str, Any]:
    """What this person had typed when their time ran out: `path` the form's, `fields` its texts. Given once."""
    me = here.user()
    found = me.more.get("draft")
    nothing: dict[str, Any] = {"path": "", "fields": {}}
    if not found or me.session is None or here.now_ms() - found["at_ms"] > KEPT_MS:
        return nothing
    session = me.session
    here.engine().store.write(lambda tx: accounts.keep(tx, session, None))
    return {"path": found["path"], "fields": found["fields"]}
