"""The desk's few files: one style sheet, one small script, one icon. Their address changes with their content."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from flask import Blueprint, Response, abort, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from .. import report
from .access import lets_all

pages = Blueprint("files", __name__)
KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
NAMES = ("desk.css", "desk.js", "icon.svg", "form.css", "form.js")


@cache
def content(name: str) -> bytes:
    """A file as it is sent. The style sheet begins with the report's, which has the look of pictures and tables."""
    own = resources.files(__package__).joinpath("static", name).read_bytes()
    if name != "desk.css":
        return own
    return resources.files(report).joinpath("page.css").read_bytes() + own


@cache
def digest(name: str) -> str:
    """What stands for the content in the address."""
    return hashlib.sha256(content(name)).hexdigest()[:16]


@cache
def within(name: str) -> tuple[Markup, str]:
    """A style sheet to be written into a page, and what the page's policy must say to let it and no other count.

    For pages that must not wait for a second answer, on a telephone with a slow network.
    """
    text = content(name)
    told = base64.b64encode(hashlib.sha256(text).digest()).decode()
    return Markup(text.decode()), f"'sha256-{told}'"  # noqa: S704 - our own file, which holds no tag


def address_of(name: str) -> str:
    """Where a page finds a file."""
    return url_for("files.file", digest=digest(name), name=name)


@pages.get("/files/<digest>/<name>", endpoint="file")
@lets_all()
def file(digest: str, name: str) -> ResponseReturnValue:  # noqa: ARG001 - it only makes the address new
    """One of the files; browsers may keep it for ever."""
    if name not in NAMES:
        abort(404)
    answer = Response(content(name), content_type=KINDS[name.rpartition(".")[2]])
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return answer


@pages.get("/favicon.ico")
@lets_all()
def icon() -> ResponseReturnValue:
    """Browsers ask for it by themselves."""
    answer = Response(content("icon.svg"), content_type=KINDS["svg"])
    answer.headers["Cache-Control"] = "public, max-age=86400"
    return answer
