"""Pages for what went wrong: a plain sentence and the right status, and nothing of what somebody answered.

Of a fault that nobody foresaw only its kind and its place are logged: its text may hold what a client answered (S24).
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

from flask import Response, g, jsonify, make_response, render_template
from werkzeug.exceptions import HTTPException

from ..errors import Busy, HandrailError, StoreError, UsageError
from ..words import Texts, mark, tr

log = logging.getLogger(__name__)
PROBLEM = "application/problem+json"
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


def answer_to(error: Exception, *, program: bool = False) -> Response:
    """The page for a fault, whatever it is. What the request wanted to write into the audit trail is dropped.

    :param program: a program has asked, which reads no pages.
    """
    g.pop("notes", None)
    g.pop("looked", None)
    say = problem if program else page
    if isinstance(error, HandrailError):  # says itself what to do
        return say(status_of(error), error.message)
    return _http(error, say) if isinstance(error, HTTPException) else _unforeseen(error, say)


def page(status: int, sentence: str) -> Response:
    """A page that says what is wrong."""
    head = HEADS.get(status) or tr("Something did not work")
    try:
        body = render_template("wrong.html", head=head, sentence=sentence)
    except Exception as error:  # noqa: BLE001 - the page for faults must not fail for the same fault
        log.error("the page for a fault could not be made (%s)", place_of(error))
        body = f"Handrail: {sentence}"
    return _when_again(make_response(body, status), status)


def problem(status: int, sentence: str, errors: Any = None) -> Response:
    """The same for programs (RFC 9457); `errors` says what is wrong by place in the request."""
    answer = jsonify({"status": status, "title": sentence} | ({"errors": errors} if errors else {}))
    answer.status_code = status
    answer.mimetype = PROBLEM
    return _when_again(answer, status)


def _when_again(answer: Response, status: int) -> Response:
    if status == 503:
        answer.headers["Retry-After"] = "5"
    return answer


def status_of(error: HandrailError) -> int:
    """The status of a fault that says itself what to do; what is no slip of the asker's is logged."""
    status = 503 if isinstance(error, Busy | StoreError) else 400 if isinstance(error, UsageError) else 500
    if status != 400:
        log.warning("%s: %s", type(error).__name__, error.detail or "no detail")
    return status


def _http(error: HTTPException, say: Callable[[int, str], Response]) -> Response:
    status = error.code or 500
    if status < 400:
        return error.get_response()  # type: ignore[return-value]
    own = type(error).description != error.description and error.description
    return say(status, own or SENTENCES.get(status) or tr(UNFORESEEN))


def _unforeseen(error: Exception, say: Callable[[int, str], Response]) -> Response:
    """Only the kind of fault and its place are logged: its text may hold what a client answered (S24)."""
    log.error("an unforeseen fault (%s)", place_of(error))
    return say(500, tr(UNFORESEEN))


def place_of(error: BaseException) -> str:
    """The kind of a fault and the line where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} at {where}"
