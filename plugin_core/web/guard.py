"""What happens before a page is asked and after it has answered: host, sign-in, rights, tokens, headers, audit."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from flask import Response, abort, current_app, g, redirect, request, url_for

from ..store import accounts
from ..uris import split
from ..words import mark, speak, tr
from . import here, wrong
from .access import Access, access_of
from .here import ACCOUNT, VISIT_COOKIE, Who

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask.typing import ResponseReturnValue

    from ..store.accounts import Login
    from .desk import Desk

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_TOKEN = 200
KEY = re.compile("[0-9a-f]{32}")
TOUCH_MS = 60_000
"""A sign-in is noted as in use once a minute, not on each page."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
POLICY: Mapping[str, str] = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "img-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()",
    "X-Robots-Tag": "noindex",
}
WRONG_HOST = mark("This address is not the desk's own. The setting [web] address says by which it is reached.")
SECURE_NAME = "__Host-handrail"
PLAIN_NAME = "handrail"


def cookie_name() -> str:
    """The sign-in cookie's name; over https one that no other host or path can set."""
    return SECURE_NAME if here.desk().secure else PLAIN_NAME


# --- before ----------------------------------------------------------------------------------------------------------


def before() -> ResponseReturnValue | None:
    """Lets a request through, or answers it."""
    g.access = None
    speak(here.desk().settings.language)
    if not known_host(here.desk(), request.host):
        abort(400, tr(WRONG_HOST))
    if request.url_rule is None:
        return None  # no such page: says so itself
    if not _readable(request.query_string):
        abort(400)
    view = current_app.view_functions[request.endpoint or ""]
    g.access = access = access_of(view)
    if access is None:
        abort(403)
    _who_asks(access)
    if not _set_up() and not access.everybody:
        return redirect(url_for("signing.not_yet"))
    if request.method not in SAFE and access.token and not _comes_from_here():
        return _refused_token(access)
    if not access.allows(here.who()):
        return _not_let_in(access)
    return None


def _readable(query: bytes) -> bool:
    """Whether the part of the address behind the question mark is UTF-8; the library fails where any page reads it."""
    try:
        query.decode()
    except UnicodeDecodeError:
        return False
    return True


def known_host(desk: Desk, host: str) -> bool:
    """Whether a request names the desk by its own address, or comes from this machine."""
    if is_own_address(desk, host):
        return True
    web = desk.settings.web
    name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    return name in LOOPBACK and port in ("", str(web.port))


def is_own_address(desk: Desk, host: str) -> bool:
    """Whether that is the address by which people reach the desk."""
    address = desk.settings.web.address
    return bool(address) and host == split(address).netloc


def _set_up() -> bool:
    """Whether there is an administrator; once there is one it is not asked again."""
    desk = here.desk()
    if not desk.ready:
        with here.engine().store.reading() as tx:
            desk.ready = accounts.has_administrator(tx)
    return desk.ready


def _who_asks(access: Access) -> None:
    g.token = request.cookies.get(cookie_name())
    g.visit = request.cookies.get(VISIT_COOKIE) or ""
    if not g.visit:
        g.visit = secrets.token_urlsafe(24)
        g.new_visit = True
    if access.by is not None:
        g.who = access.by()
    elif g.token and len(g.token) <= MOST_TOKEN:
        g.who = _by_cookie(g.token)


def _by_cookie(token: str) -> Who | None:
    """Who is signed in with this token; a sign-in that is over is remembered for what was typed in it."""
    key = here.keyed("login", token)
    with here.engine().store.reading(here.source()) as tx:
        found = accounts.login(tx, key)
        account = accounts.read(tx, found.subject) if found is not None and found.kind == ACCOUNT else None
    if found is None:
        g.token = None
        return None
    now = here.now_ms()
    if is_over(found, now):
        g.over = found
        return None
    if now - found.seen_ms > TOUCH_MS:
        g.seen = (key, now)
    if found.kind != ACCOUNT:
        more = found.more or {}
        return Who(found.kind, found.subject, str(more.get("login", found.kind)), client=found.client, session=key,
                   more=more)  # fmt: skip
    if account is None or account.state != accounts.OPEN:
        return None
    return Who(ACCOUNT, account.key, account.login, account.name, account.roles, account.clinician, None, key,
               found.more or {})  # fmt: skip


def came_by(token: str, kind: str) -> Login | None:
    """The way in of that kind that a token opens, where a cookie or header of its own brings it; None: none counts."""
    if not token or len(token) > MOST_TOKEN:
        return None
    with here.engine().store.reading(here.source()) as tx:
        found = accounts.login(tx, here.keyed("login", token))
    return None if found is None or found.kind != kind or is_over(found, here.now_ms()) else found


def is_over(login: Login, now_ms: int) -> bool:
    """Whether a sign-in's time has run out, by its end or by nobody using it."""
    idle = here.desk().settings.web.idle_minutes * 60_000
    return now_ms >= login.until_ms or (login.kind == ACCOUNT and now_ms - login.seen_ms >= idle)


def _comes_from_here() -> bool:
    """Whether a write was sent by a page of the desk: by what the browser says, and by the form's token."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    foreign = origin is not None and origin != "null" and split(origin).netloc != request.host
    return site in ("same-origin", "none") and not foreign and here.csrf_is_right()


def _refused_token(access: Access) -> ResponseReturnValue:
    if here.who() is None and not access.everybody:
        return _not_let_in(access)
    told = tr("This form is too old or was not sent from this page. Go back, load the page again and send it anew.")
    return abort(400, told)


def _not_let_in(access: Access) -> ResponseReturnValue:
    """Somebody with an account that may not see it is told so; others are asked to sign in first."""
    if here.who() is not None:
        client = str((request.view_args or {}).get("client", ""))
        here.refused("page-refused", client if KEY.fullmatch(client) else None, request.endpoint)
        abort(403)
    if not access.roles:
        abort(403)
    from .signing import ask_to_sign_in

    return ask_to_sign_in(access)


# --- after -----------------------------------------------------------------------------------------------------------


def after(response: Response) -> Response:
    """Writes the audit trail, then the headers that every answer has."""
    try:
        here.write_notes()
    except Exception as error:  # noqa: BLE001 - no answer goes out without its line in the trail, whatever the reason
        response = wrong.answer_to(error, program=response.is_json)
    access: Access | None = g.get("access")
    web = here.desk().settings.web
    ancestors = " ".join(web.frames) if access is not None and access.framed and web.frames else "'none'"
    policy = "; ".join(f"{name} {value}" for name, value in (*POLICY.items(), ("frame-ancestors", ancestors)))
    response.headers.setdefault("Content-Security-Policy", policy)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    if here.desk().secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if g.get("new_visit") and response.mimetype == "text/html":
        set_cookie(response, VISIT_COOKIE, g.visit)
    return response


def set_cookie(response: Response, name: str, value: str) -> None:
    """A cookie for this browser's session, out of reach of scripts and of other sites."""
    response.set_cookie(name, value, path="/", secure=here.desk().secure, httponly=True, samesite="Lax")


def drop_cookie(response: Response, name: str) -> None:
    """Takes a cookie back."""
    response.delete_cookie(name, path="/", secure=here.desk().secure, httponly=True, samesite="Lax")
