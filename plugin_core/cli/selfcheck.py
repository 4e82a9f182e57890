"""`handrail selfcheck`: a therapist's own form, private to its author."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..words import mark, tr
from ..words.kept import told
from ..words.spelling import one
from .app import App, Day, author, json_option, pass_app
from .clickwords import agree

if TYPE_CHECKING:
    from ...schemas.records import Instrument
    from ..selfcheck import Own

F = Any
STORED = mark("{check}: stored, readable by you alone.")
SHARED = mark("{check}: shared. To take it back: handrail selfcheck unshare {check}")
UNSHARED = mark("{check}: readable by you alone again.")


def _who(function: F) -> F:
    by = click.option("--by", help="The author (default: this computer's user).")
    key = click.option("--key", help="Where your key lies, if not in your keyring: file:PATH or keyring:NAME.")
    return by(key(function))


@click.group()
def selfcheck() -> None:
    """The therapist's self-check: eight lines about the work with one client, for your own reflection.

    Only you can read it. It never reaches the chart, the report or an export; it is deleted after twelve months. What
    you share, form by form, the practice can read. Private does not mean privileged: ask about the law where you work.
    """


@selfcheck.command()
@_who
@json_option
@pass_app
def begin(app: App, by: str | None, key: str | None, as_json: bool) -> int:
    """Make your own key, in your keyring or (with --key file:PATH) in a file that only you can read."""
    with app.engine() as engine:
        place = engine.selfchecks.begin(by or author(), key)
    if as_json:
        app.json({"format": 1, "key": place})
        return 0
    click.echo(tr("Your key: {place}", place=place))
    click.echo(tr("Keep a copy of your own. Without it nobody, Handrail included, can read your checks."))
    return 0


@selfcheck.command()
@click.argument("client")
@click.option(
    "--answers", help='Eight numbers 0 to 4 in the order of the form, "-" for a line left out: "0 1 - 2 3 4 0 1".'
)
@click.option("--on", type=Day(), help="The day (default: today).")
@_who
@json_option
@pass_app
def fill(
    app: App, client: str, answers: str | None, on: datetime | None, by: str | None, key: str | None, as_json: bool
) -> int:
    """Fill one in about a client."""
    with app.engine() as engine:
        instrument = engine.registry.instrument("ts8")
        if answers is None and not sys.stdin.isatty():
            raise UsageError(tr("There is no terminal to ask on. Give the answers with --answers."))
        given = _asked(instrument) if answers is None else _parsed(instrument, answers)
        own = engine.selfchecks.fill(by or author(), client, given, on=on.date() if on else None, key=key)
    return _one(app, own, as_json, STORED)


@selfcheck.command("list")
@_who
@json_option
@pass_app
def list_(app: App, by: str | None, key: str | None, as_json: bool) -> int:
    """Your own self-checks, newest first."""
    with app.engine() as engine:
        found = engine.selfchecks.mine(by or author(), key=key)
    if as_json:
        app.json({"format": 1, "selfchecks": [_facts(own) for own in found]})
        return 0
    if not found:
        click.echo(tr("You have no self-check here. Fill one in: handrail selfcheck fill CLIENT"))
        return 0
    rows = [
        (o.id, o.check.authored.date().isoformat(), o.client, _score(o), tr("yes") if o.check.shared else tr("no"))
        for o in found
    ]
    app.table((tr("Id"), tr("Day"), tr("About"), tr("Stance, 0 to 4"), tr("Shared")), rows)
    click.echo(tr("An unvalidated draft: there is no norm for the number. It is for your own reflection."))
    return 0


@selfcheck.command()
@click.argument("check")
@_who
@json_option
@pass_app
def share(app: App, check: str, by: str | None, key: str | None, as_json: bool) -> int:
    """Let the practice read one of your self-checks; it is then seen beside the client's own form."""
    with app.engine() as engine:
        own = engine.selfchecks.share(by or author(), check, key=key)
    return _one(app, own, as_json, SHARED)


@selfcheck.command()
@click.argument("check")
@_who
@json_option
@pass_app
def unshare(app: App, check: str, by: str | None, key: str | None, as_json: bool) -> int:
    """Take the sharing back: it leaves what rested on it with the next sync."""
    with app.engine() as engine:
        own = engine.selfchecks.share(by or author(), check, on=False, key=key)
    return _one(app, own, as_json, UNSHARED)


@selfcheck.command()
@click.argument("check")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_who
@json_option
@pass_app
def delete(app: App, check: str, yes: bool, by: str | None, key: str | None, as_json: bool) -> int:
    """Delete one of your self-checks for good."""
    if not yes:
        _sure(tr("Delete it for good?"), as_json)
    with app.engine() as engine:
        engine.selfchecks.delete(by or author(), check, key=key)
    if as_json:
        app.json({"format": 1, "deleted": 1})
        return 0
    click.echo(tr("Deleted."))
    return 0


@selfcheck.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@_who
@json_option
@pass_app
def forget(app: App, yes: bool, by: str | None, key: str | None, as_json: bool) -> int:
    """Delete all your self-checks and the mark of your key: for when the key is lost.

    Without the key this is for this computer's user alone: for another name (--by) their key must be there.
    """
    if not yes:
        _sure(tr("Delete all your self-checks for good?"), as_json)
    who, me = by or author(), author()
    with app.engine() as engine:
        number = engine.selfchecks.forget(who, key=key, myself=who == me)
    if as_json:
        app.json({"format": 1, "deleted": number})
        return 0
    click.echo(tr("Deleted: {number}. A new key: handrail selfcheck begin", number=number))
    return 0


@selfcheck.command()
@_who
@json_option
@pass_app
def due(app: App, by: str | None, key: str | None, as_json: bool) -> int:
    """Clients with two forms or more since your last self-check about them."""
    who, me = by or author(), author()
    with app.engine() as engine:
        rows = engine.selfchecks.due(who, key=key, myself=who == me)
    if as_json:
        listed = [{"client": r.client, "forms": r.forms, "last": r.last and r.last.isoformat()} for r in rows]
        app.json({"format": 1, "due": listed})
        return 0
    if not rows:
        click.echo(tr("None is due: it goes with each second form of a client."))
        return 0
    heads = (tr("About"), tr("Forms since"), tr("Last self-check"))
    app.table(heads, [(r.client, str(r.forms), str(r.last or tr("none"))) for r in rows])
    return 0


def _sure(question: str, as_json: bool) -> None:
    if as_json:
        raise UsageError(tr("This cannot be undone. Say so with --yes. Nothing was deleted."))
    agree(question, abort=True)


def _parsed(instrument: Instrument, text: str) -> dict[str, int]:
    parts = text.split()
    if len(parts) != len(instrument.items):
        raise UsageError(
            tr("There are {lines} lines; {given} answers were given.", lines=len(instrument.items), given=len(parts))
        )
    given: dict[str, int] = {}
    for number, (item, part) in enumerate(zip(instrument.items, parts, strict=True), 1):
        if part == "-":
            continue
        if not part.isdigit() or int(part) not in item.values:
            first, last = item.values[0], item.values[-1]
            raise UsageError(
                tr(
                    "Line {number} takes a number from {first} to {last}, or - for none.",
                    number=number,
                    first=first,
                    last=last,
                )
            )
        given[item.id] = int(part)
    return given


def _asked(instrument: Instrument) -> dict[str, int]:
    from ..instruments.translations import in_language

    instrument = in_language(instrument)
    click.echo(instrument.lead_in)
    click.echo(tr("Period: {window}. Press Enter to leave a line out.", window=instrument.window) + "\n")
    options = instrument.items[0].options
    click.echo("  ".join(f"{option.value} {option.label}" for option in options if option.value is not None) + "\n")
    given: dict[str, int] = {}
    for item in instrument.items:
        choice = click.Choice(["", *map(str, item.values)])
        if said := click.prompt(item.text, default="", show_default=False, type=choice, show_choices=False):
            given[item.id] = int(said)
    return given


def _one(app: App, own: Own, as_json: bool, what: str) -> int:
    if as_json:
        app.json(_facts(own))
    else:
        click.echo(tr(what, check=own.id))
    return 0


def _score(own: Own) -> str:
    return told(own.score.reason or "-") if own.score.value is None else one(own.score.value)


def _facts(own: Own) -> dict[str, Any]:
    check = own.check
    return {
        "id": own.id,
        "client": own.client,
        "authored": check.authored.isoformat(),
        "answers": dict(check.answers),
        "stance": own.score.value,
        "reason": own.score.reason,
        "shared": check.shared,
        "deleted_on": check.delete_on.isoformat(),
    }
