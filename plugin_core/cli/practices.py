"""`handrail practices`: many practices on one server; --settings names the host's settings, not a practice's."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ..words import mark, tr, trn
from .app import App, author, json_option, pass_app

if TYPE_CHECKING:
    from ..fleet.practices import BackOffice, Listed

NOT_HERE = mark("no settings here")
NOT_TAKEN_IN = mark("not taken in")
PAUSED = mark("paused")
WORKING = mark("being synced")
WAITING = mark("waiting")
TROUBLED = mark("has a problem")
DESTROYED = mark(
    "Destroy the copies of its master key too, wherever they are kept: with one of them, backups made before today can "
    "still be read."
)


def _by(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--by", help="Who acts, for the trail (default: the user of this computer).")(function)


def _person() -> str:
    """The user of this computer; behind sudo the one who called it."""
    return os.environ.get("SUDO_USER") or author()


@contextmanager
def _office(app: App, by: str | None) -> Iterator[BackOffice]:
    from ..fleet.host import load
    from ..fleet.practices import BackOffice

    with BackOffice(load(app.file), by or _person()) as office:
        yield office


@click.group()
def practices() -> None:
    """Many practices on one server (PostgreSQL). --settings names the host's settings."""


@practices.command()
@click.option("--store", help="Make the host's settings first, with this PostgreSQL database and no user in it.")
@click.option("--sql", is_flag=True, help="Change nothing; print the SQL that makes the roles and gives them rights.")
@_by
@pass_app
def prepare(app: App, store: str | None, sql: bool, by: str | None) -> int:
    """Make the database's roles and tables, or bring them to this version. Run it again after each update."""
    if store is not None:
        from ..errors import UsageError
        from ..settings import save

        if app.file.exists():
            raise UsageError(tr("There are settings already at {file}. Nothing was changed.", file=app.file))
        save(app.file, {"host.store": store, "host.key": "file:host.key"})
    with _office(app, by) as office:
        if sql:
            from ..fleet.roles import script

            click.echo(script(office.host), nl=False)
            return 0
        office.prepare()
    click.echo(tr("The host is prepared. Keep a copy of its key in another place than the database's backup."))
    click.echo(tr("Next: handrail practices add ID"))
    return 0


@practices.command()
@click.argument("practice", metavar="ID")
@click.option("--name", default="", help="The practice's name, for the report's head.")
@click.option("--time-zone", default="UTC", show_default=True, help="Such as Europe/Zurich.")
@click.option("--country", default="", help="Where the practice is.")
@click.option("--language", default="en", show_default=True, help="What clinicians and clients read: en or de.")
@_by
@json_option
@pass_app
def add(
    app: App, practice: str, name: str, time_zone: str, country: str, language: str, by: str | None, as_json: bool
) -> int:
    """Take a practice in: its settings and a master key of its own in a folder of its own, its place in the store."""
    with _office(app, by) as office:
        chosen = {"name": name, "time_zone": time_zone, "country": country, "language": language}
        file, role = office.add(practice, chosen), office.host.roles.web
    if as_json:
        app.json({"format": 1, "practice": practice, "settings": str(file), "paused": True})
        return 0
    click.echo(tr("Settings: {file}", file=file))
    click.echo(tr("Its key lies beside them. Keep a copy of it in another place than the database's backup."))
    click.echo(
        tr("It is paused. Next: PGUSER={role} handrail --settings {file} connect PLATFORM", role=role, file=file)
    )
    click.echo(tr("Then: handrail --settings {file} practices resume {practice}", file=app.file, practice=practice))
    return 0


@practices.command(name="list")
@_by
@json_option
@pass_app
def list_(app: App, by: str | None, as_json: bool) -> int:
    """The practices: which are being synced, which wait, which have a problem."""
    with _office(app, by) as office:
        found = office.listed()
    if as_json:
        app.json({"format": 1, "practices": [_facts(one) for one in found]})
        return 0
    columns = [tr("practice"), tr("state"), tr("last success"), tr("next"), tr("what is wrong")]
    app.table(columns, [_row(one) for one in found])
    return 0


def _state(one: Listed) -> str:
    row = one.row
    if row is None:
        return NOT_TAKEN_IN
    if not one.settings:
        return NOT_HERE
    if row.paused:
        return PAUSED
    return TROUBLED if row.failures else WORKING if row.owner else WAITING


def _row(one: Listed) -> list[str]:
    from ..words.kept import told

    row = one.row
    if row is None:
        return [one.id, tr(_state(one)), "", "", ""]
    following = "" if row.paused else _time(row.next_ms)
    return [one.id, tr(_state(one)), _time(row.last_ok_ms), following, told(row.problem or "")]


def _time(ms: int | None) -> str:
    """In UTC: a host's practices are in many zones."""
    return "" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _facts(one: Listed) -> dict[str, Any]:
    row = one.row
    return {
        "practice": one.id,
        "state": _state(one),
        "settings": one.settings,
        "paused": None if row is None else row.paused,
        "interval_minutes": None if row is None else row.interval_ms // 60_000,
        "next": None if row is None else _iso(row.next_ms),
        "last_success": None if row is None else _iso(row.last_ok_ms),
        "failures": None if row is None else row.failures,
        "problem": None if row is None else row.problem,
    }


def _iso(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


@practices.command()
@click.argument("practice", metavar="ID")
@_by
@json_option
@pass_app
def pause(app: App, practice: str, by: str | None, as_json: bool) -> int:
    """Leave a practice alone until it is resumed; who works on it now stops after the page."""
    with _office(app, by) as office:
        office.pause(practice)
    return _said(app, as_json, {"practice": practice, "paused": True}, tr("Paused: {practice}", practice=practice))


@practices.command()
@click.argument("practice", metavar="ID")
@_by
@json_option
@pass_app
def resume(app: App, practice: str, by: str | None, as_json: bool) -> int:
    """Work on a practice again, at once."""
    with _office(app, by) as office:
        office.resume(practice)
    return _said(app, as_json, {"practice": practice, "paused": False}, tr("Resumed: {practice}", practice=practice))


@practices.command()
@click.argument("practice", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_by
@json_option
@pass_app
def erase(app: App, practice: str, yes: bool, by: str | None, as_json: bool) -> int:
    """Destroy a practice: rows, keys, settings. Its rows in older backups cannot be read any more either."""
    from ..errors import UsageError

    if not yes and not sys.stdin.isatty():
        raise UsageError(tr("Nothing was erased. Say it with --yes, since nobody can be asked here."))
    if not yes and click.prompt(tr("This cannot be undone. Type the practice's id to go on")) != practice:
        raise UsageError(tr("That is another id. Nothing was erased."))
    with _office(app, by) as office:
        office.erase(practice)
    return _said(
        app, as_json, {"practice": practice, "erased": True}, tr("Erased: {practice}", practice=practice), tr(DESTROYED)
    )


@practices.command()
@click.option("--kept", metavar="LINK", help="The link that an earlier check printed.")
@_by
@json_option
@pass_app
def trail(app: App, kept: str | None, by: str | None, as_json: bool) -> int:
    """Who took in, paused, resumed or erased which practice, and whether that is as it was written."""
    from ..keeping.actions import did

    with _office(app, by) as office:
        entries, found = office.trail(), office.check_trail(kept)
    if as_json:
        rows = [
            {"at": e.at.isoformat(), "by": e.actor, "did": e.action, "practice": e.subject, "how": e.detail}
            for e in entries
        ]
        app.json({"format": 1, "entries": rows, "link": found.link, "problems": list(found.problems)})
        return 1 if found.problems else 0
    rows_ = [
        [e.at.strftime("%Y-%m-%d %H:%M"), e.actor, did(e.action), e.subject or "", e.detail or ""] for e in entries
    ]
    app.table([tr("when"), tr("who"), tr("did"), tr("practice"), tr("how")], rows_)
    for problem in found.problems:
        click.echo(problem)
    if found.problems:
        return 1
    click.echo(trn("{count} entry, all as written.", "{count} entries, all as written.", found.entries))
    click.echo(tr("Keep this link in another place; with --kept it shows later that nothing was cut off:"))
    click.echo(found.link)
    return 0


def _said(app: App, as_json: bool, facts: dict[str, Any], *lines: str) -> int:
    if as_json:
        app.json({"format": 1, **facts})
    else:
        click.echo("\n".join(lines))
    return 0
