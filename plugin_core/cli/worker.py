"""`handrail worker`: works for many practices; --settings names the host's settings, not a practice's."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..words import tr, trn
from .app import App, json_option, pass_app

if TYPE_CHECKING:
    from ..fleet.host import Host

KINDS = ("sync", "push", "send", "rescore", "reconcile")


@click.command()
@click.option("--once", is_flag=True, help="Work on all that is due now, one practice after the other, then end.")
@click.option("--state", is_flag=True, help="Say how the practices stand, then end.")
@click.option("--wake", metavar="ID", help="Have this practice worked on as soon as a worker is free, then end.")
@click.option(
    "--kind", type=click.Choice(KINDS), default="sync", show_default=True, help="What for; rescore asks nobody again."
)
@json_option
@pass_app
def worker(app: App, once: bool, state: bool, wake: str | None, kind: str, as_json: bool) -> int:
    """Work for the practices of a host until stopped (SIGTERM, Ctrl-C). Start as many as there are processors.

    Each practice is synced at its own moment of the interval. A worker that is killed is no harm: another goes on where
    it stopped.
    """
    from ..fleet.host import load

    _needs_queue()
    host = load(app.file)
    if state:
        return _state(app, host, as_json)
    if wake is not None:
        return _wake(app, host, wake, kind, as_json)
    from ..fleet.worker import Worker

    if once:
        turns = Worker(host).once()
        if as_json:
            app.json({"format": 1, "turns": turns})
        else:
            click.echo(trn("{count} practice was worked on.", "{count} practices were worked on.", turns))
        return 0
    logging.getLogger("handrail.plugin_core.fleet").setLevel(logging.INFO)  # what it does is all that one sees of it
    click.echo(tr("Working for the practices of {file}   (stop it with Ctrl-C)", file=host.file))
    Worker(host).run()
    return 0


def _state(app: App, host: Host, as_json: bool) -> int:
    """How it stands; exit status 1 where a practice is later than two of its intervals, for a monitor."""
    from ..fleet import due
    from ..fleet.worker import connected

    with connected(host) as conn:
        found = due.state(conn, due.database_now(conn))
    if as_json:
        app.json(asdict(found))
    else:
        rows = [
            [tr("practices"), str(found.practices)],
            [tr("being worked on"), str(found.working)],
            [tr("due"), str(found.due)],
            [tr("paused"), str(found.paused)],
            [tr("with a problem"), str(found.failing)],
            [tr("left by a worker that is gone"), str(found.abandoned)],
            [tr("longest wait, in seconds"), str(found.oldest_ms // 1000)],
        ]
        app.table([tr("what"), tr("how many")], rows)
    return 1 if found.oldest_ms > 2 * host.worker.interval_minutes * 60_000 else 0


def _wake(app: App, host: Host, practice: str, kind: str, as_json: bool) -> int:
    from ..fleet import due
    from ..fleet.worker import connected

    host.practice_file(practice)
    with connected(host) as conn:
        known = due.want(conn, practice, kind, due.database_now(conn))
    if not known:
        raise UsageError(tr("The host has no practice {practice}. See: handrail practices list", practice=practice))
    if as_json:
        app.json({"format": 1, "practice": practice, "wanted": kind})
    else:
        click.echo(tr("The next free worker takes {practice}, once it waits for nothing else.", practice=practice))
    return 0


def _needs_queue() -> None:
    """Says what to install where the queue's library is missing."""
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in ("procrastinate", "psycopg")):
        raise UsageError(
            tr('Workers need more libraries. Run: pipx inject handrail "handrail[scale]"'),
        )
