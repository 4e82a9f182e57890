"""Puts the desk together as a WSGI application: templates, guard, parts, and pages for what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask, request
from jinja2 import StrictUndefined
from markupsafe import Markup

from ..report.plain import plain
from ..words import spoken, tr, trn, trp
from . import guard, here, wrong
from .access import Role
from .parts import put_together

if TYPE_CHECKING:
    from .desk import Desk

MOST_BYTES = 256 * 1024
MOST_FIELDS = 400


def create_app(desk: Desk) -> Flask:
    """The desk as a WSGI application."""
    app = Flask("handrail.desk", root_path=_folder(), static_folder=None, template_folder="templates")
    app.config.update(MAX_CONTENT_LENGTH=MOST_BYTES, MAX_FORM_MEMORY_SIZE=MOST_BYTES, MAX_FORM_PARTS=MOST_FIELDS)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # else //x is led to /x, and an address with a line break ends in a fault
    app.extensions["handrail"] = desk
    _templates(app)
    app.before_request(guard.before)
    app.after_request(guard.after)
    app.teardown_request(here.give_back)
    app.register_error_handler(Exception, wrong.answer_to)
    put_together(app)
    return app


def _folder() -> str:
    from pathlib import Path

    return str(Path(__file__).parent)


def _templates(app: Flask) -> None:
    def shown(value: object) -> object:
        return value if isinstance(value, kept) else plain(value)

    kept = (Markup, int, float)

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
