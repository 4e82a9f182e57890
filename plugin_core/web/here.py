"""What a page may ask for while it serves one request: the engine, who asks, tokens, a line in the audit trail."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import current_app, g, request

from .trail import Wish

if TYPE_CHECKING:
    from ..engine import Engine
    from .desk import Desk

F = TypeVar("F", bound=Callable[..., Any])
ACCOUNT = "account"
VISIT_COOKIE = "handrail-visit"
TOKEN_FIELD = "csrf"  # noqa: S105 - the name of a form's field


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks: a person with an account (`kind` is "account"), or somebody let in another way.

    `key` is our key of the account, or of what the way in is for; `login` the short name that the audit trail has;
    `clinician` the platform's reference of the therapist that they are; `client` the one client whom the way in is
    about; `session` the sign-in's key, None where there is no cookie; `more` what was kept with it.
    """

    kind: str
    key: str
    login: str
    name: str = ""
    roles: frozenset[str] = frozenset()
    clinician: str | None = None
    client: str | None = None
    session: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


def desk() -> Desk:
    """The desk that this application serves."""
    return cast("Desk", current_app.extensions["handrail"])


def engine() -> Engine:
    """The engine of this request: borrowed when first asked for, given back when the answer is out."""
    if "engine" not in g:
        g.engine = desk().borrow()
    return cast("Engine", g.engine)


def give_back(_error: BaseException | None = None) -> None:
    """Ends the loan of the request's engine."""
    if (found := g.pop("engine", None)) is not None:
        desk().give_back(found)


def who() -> Who | None:
    """Who asks; None: nobody is signed in."""
    return cast("Who | None", g.get("who"))


def address() -> str:
    """The desk's own address as others reach it, without a path: the setting, else as this request named it."""
    return desk().settings.web.address or request.host_url.rstrip("/")


def user() -> Who:
    """Who asks, on pages that nobody reaches without signing in."""
    found = who()
    if found is None:
        raise RuntimeError("a page without sign-in asked who is signed in")
    return found


def source() -> int:
    """The connection of the practice in the store; 0 where there never was one."""
    from ..errors import SettingsError

    try:
        return engine().source
    except SettingsError:
        return 0


def now_ms() -> int:
    """The practice's clock in milliseconds."""
    return round(engine().now().timestamp() * 1000)


def keyed(*parts: str) -> str:
    """A keyed hash of this practice, of 32 hex digits, for tokens."""
    return engine().store.sealer.hash("desk", *parts)


def in_turn(view: F) -> F:
    """For pages that compute much and wait for nobody outside: one at a time, in the order in which they were asked.

    Python computes one thing at a time anyway, and threads that take turns every few milliseconds give up their turn
    with every row that they fetch: a list of five hundred then takes ten times as long.
    """

    @wraps(view)
    def shown(*args: Any, **kwargs: Any) -> Any:
        with desk().turn:
            return view(*args, **kwargs)

    return cast("F", shown)


# --- tokens against forged writes ------------------------------------------------------------------------------------


def csrf_token() -> str:
    """The token that every form of this browser carries. It follows from the cookie, so nothing is stored for it."""
    return keyed("csrf", g.get("token") or g.visit)


def csrf_is_right() -> bool:
    """Whether the form that came carries this browser's token."""
    given = request.form.get(TOKEN_FIELD) or request.headers.get("X-Handrail-Token", "")
    return hmac.compare_digest(given.encode(), csrf_token().encode())


# --- the audit trail -------------------------------------------------------------------------------------------------


def note(action: str, subject: str | None = None, detail: str | None = None, *, actor: str | None = None) -> None:
    """Puts a line into the audit trail, written before the answer goes out: no answer without its line.

    :param subject: our key of a client, flag or account; never a name or a platform's reference.
    """
    found = who()
    g.setdefault("notes", []).append((actor or (found.login if found else "nobody"), action, subject, detail))


def refused(action: str, subject: str | None = None, detail: str | None = None) -> None:
    """As `note`, of somebody who is signed in and wanted what they may not have; it stands though the answer is no."""
    found = user()
    g.setdefault("refused", []).append((found.login, action, subject, detail))


def write_notes() -> None:
    """Writes what this request has noted, and that its sign-in is in use."""
    wish = Wish(g.pop("refused", []) + g.pop("notes", []), g.pop("seen", None), g.pop("looked", None))
    if wish.lines or wish.seen or wish.looked:
        desk().trail.write(engine(), source(), wish)
