"""The address that a platform calls when something is new; see hints.py. It tells nobody anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app, request

from ..contracts import WebhookRequest
from . import here
from .access import lets_all
from .following import Follower, run_sync

if TYPE_CHECKING:
    from flask import Flask

pages = Blueprint("hooks", __name__)
FOLLOWER = "handrail-follower"


def begin(app: Flask) -> None:
    """One follower for all threads."""
    file = app.extensions["handrail"].settings.file
    app.extensions[FOLLOWER] = Follower(lambda: run_sync(file))


@pages.route("/hooks", methods=["GET", "POST"])
@pages.route("/hooks/<path:rest>", methods=["GET", "POST"])
@lets_all(token=False)
def heard(rest: str = "") -> Response:  # noqa: ARG001 - it is in the path, which the adapter reads
    """Hands a call on. `rest`: some platforms have no signature but a secret in the address; the adapter reads it."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    query = request.query_string.decode("latin-1")
    call = WebhookRequest(request.method, request.path, query, headers, request.get_data())
    engine = here.engine()
    status, body = engine.hints.receive(call)
    if status == 200 and engine.hints.waiting():
        follower: Follower = current_app.extensions[FOLLOWER]
        follower.hear()
    return Response(body, status, content_type="text/plain; charset=utf-8" if not body else "application/json")
