"""Puts the desk together as a WSGI application: templates, guard, parts, and pages for what went wrong."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, make_response, render_template, request
from jinja2 import StrictUndefined
from markupsafe import Markup
from werkzeug.exceptions import HTTPException

from ..errors import Busy, HandrailError, StoreError, UsageError
from ..report.series import plain
from ..words import Texts, mark, spoken, tr, trn, trp
from . import guard, here
from .access import Role
from .parts import put_together

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from .desk import Desk

log = logging.getLogger(__name__)
MOST_BYTES = 256 * 1024
MOST_FIELDS = 400
UNFORESEEN = mark(
    "An unforeseen fault. Nothing was half done. It was noted in the log of the computer that runs the desk."
)
SENTENCES = Texts(
    {
        400: mark("The desk could not read what was sent. Go back, load the page again and try once more."),
        403: mark("Your account may not see this page. The administrator can change that."),
        404: mark("There is no such page here, or it is not yours to see."),
        405: mark("This page cannot be used in that way."),
        413: mark("That was more than this page takes. Shorten it and send it again."),
        429: mark("Too many tries. Wait a while, then try again."),
    }
)
HEADS = Texts(
    {
        400: mark("That did not arrive"),
        403: mark("Not yours to see"),
        404: mark("Not found"),
        413: mark("Too long"),
        429: mark("Wait a while"),
        503: mark("Not possible now"),
    }
)


def create_app(desk: Desk) -> Flask:
    """The desk as a WSGI application."""
    app = Flask("handrail.desk", root_path=_folder(), static_folder=None, template_folder="templates")
    app.config.update(MAX_CONTENT_LENGTH=MOST_BYTES, MAX_FORM_MEMORY_SIZE=MOST_BYTES, MAX_FORM_PARTS=MOST_FIELDS)
    app.url_map.strict_slashes = False
    app.extensions["handrail"] = desk
    _templates(app)
    app.before_request(guard.before)
    app.after_request(guard.after)
    app.teardown_request(here.give_back)
    app.register_error_handler(HandrailError, _told)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unforeseen)
    put_together(app)
    return app


def _folder() -> str:
    from pathlib import Path

    return str(Path(__file__).parent)


def _templates(app: Flask) -> None:
    def shown(value: object) -> object:
        return value if isinstance(value, Markup | int | float) else plain(value)

    app.jinja_options = {"finalize": shown, "undefined": StrictUndefined, "trim_blocks": True}
    app.jinja_env.autoescape = True
    app.jinja_env.globals |= {"tr": tr, "trn": trn, "trp": trp, "csrf": _csrf_field}
    app.context_processor(_everywhere)


def _csrf_field() -> Markup:
    """The hidden field that every form of the desk has."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(here.TOKEN_FIELD, here.csrf_token())


def _everywhere() -> dict[str, Any]:
    """What every template may use."""
    from .files import address_of

    settings = here.desk().settings
    found = here.who()
    return {
        "practice": settings.name or settings.practice,
        "language": spoken(),
        "who": found,
        "may": lambda *roles: found is not None and bool(found.roles & {Role(name) for name in roles}),
        "file": address_of,
        "endpoint": request.endpoint,
    }


# --- what went wrong -------------------------------------------------------------------------------------------------


def _page(status: int, sentence: str) -> Response:
    head = HEADS.get(status) or tr("Something did not work")
    try:
        body = render_template("wrong.html", head=head, sentence=sentence)
    except Exception as error:  # noqa: BLE001 - the page for faults must not fail for the same fault
        log.error("the page for a fault could not be made (%s)", place_of(error))
        body = f"Handrail: {sentence}"
    answer = make_response(body, status)
    if status == 503:
        answer.headers["Retry-After"] = "5"
    return answer


def _told(error: HandrailError) -> ResponseReturnValue:
    """A fault that says itself what to do."""
    g.pop("notes", None)
    status = 503 if isinstance(error, Busy | StoreError) else 400 if isinstance(error, UsageError) else 500
    if status != 400:
        log.warning("%s: %s", type(error).__name__, error.detail or "no detail")
    return _page(status, error.message)


def _http(error: HTTPException) -> ResponseReturnValue:
    g.pop("notes", None)
    status = error.code or 500
    if status < 400:
        return error.get_response()  # type: ignore[return-value]
    own = type(error).description != error.description and error.description
    return _page(status, own or SENTENCES.get(status) or tr(UNFORESEEN))


def _unforeseen(error: Exception) -> ResponseReturnValue:
    """Only the kind of fault and its place are logged: its text may hold what a client answered (S24)."""
    g.pop("notes", None)
    log.error("an unforeseen fault (%s)", place_of(error))
    return _page(500, tr(UNFORESEEN))


def place_of(error: BaseException) -> str:
    """The kind of a fault and the line where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} at {where}"
