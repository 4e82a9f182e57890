"""For machines that watch the desk: is it alive, and numbers without anybody's name (Prometheus' text format).

Both are for this computer alone, or for whoever the proxy lets through: no number here is about a person, yet how many
clients a practice has is nobody's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, abort, request

from ..store import book
from ..store.sql import to_ms
from . import here
from .access import lets_all
from .guard import LOOPBACK, is_own_address

if TYPE_CHECKING:
    from collections.abc import Iterator

pages = Blueprint("health", __name__)
PLAIN = "text/plain; version=0.0.4; charset=utf-8"


@pages.get("/health")
@lets_all(token=False)
def health() -> Response:
    """200 where the store answers; else the desk's own page says that it does not (503)."""
    with here.engine().store.reading() as tx:
        book.last_source(tx)
    return Response("ok\n", content_type="text/plain; charset=utf-8")


@pages.get("/metrics")
@lets_all(token=False)
def metrics() -> Response:
    """Counts of what is stored, waits and stands, and when the last sync succeeded."""
    # a proxy on this computer, not named in the settings, makes everybody look as if they sat here
    if request.remote_addr not in (*LOOPBACK, "::1") or is_own_address(here.desk(), request.host):
        abort(404)
    return Response("".join(_lines()), content_type=PLAIN)


def _lines() -> Iterator[str]:
    engine, source = here.engine(), here.source()
    if not source:
        return
    with engine.store.reading(source) as tx:
        last = book.last_success(tx, engine.now())
        runs = book.last_runs(tx, 1)
    for name, number in sorted(engine.status().items()):
        yield _gauge(name, number, "Rows of that kind in the store.")
    if last is not None:
        yield _gauge("last_success_seconds", to_ms(last) // 1000, "When a sync last succeeded, in Unix time.")
    for run in runs:
        took = (run.finished - run.started).total_seconds()
        yield _gauge("last_run_duration_seconds", took, "How long the last sync took.")
        yield _gauge("last_run_problems", len(run.problems), "Problems of the last sync.")


def _gauge(name: str, number: float, help_text: str) -> str:
    full = "handrail_" + "".join(letter if letter.isalnum() else "_" for letter in name.lower())
    return f"# HELP {full} {help_text}\n# TYPE {full} gauge\n{full} {number:g}\n"
