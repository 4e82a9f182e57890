"""`handrail remark`, `export` and `erase`: what clients have a right to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..words import Texts, mark, tr
from ..words.spelling import whole
from .app import App, author, json_option, pass_app
from .clickwords import agree

if TYPE_CHECKING:
    from ..rights import Erased

# What an erasure deletes, by the store's names for it.
_KINDS = Texts(
    {
        "forms": mark("forms"),
        "flags": mark("flags"),
        "holds": mark("holds"),
        "requests": mark("requests"),
        "enrolments": mark("enrolments"),
        "sessions": mark("sessions"),
        "remarks": mark("remarks"),
        "notes": mark("notes"),
        "self-checks": mark("self-checks"),
        "sign-ins about them": mark("sign-ins by links of theirs"),
        "looks at their page": mark("notes of who looked at their page"),
        "clients": mark("clients"),
        "earlier versions": mark("earlier versions"),
        "set aside": mark("set aside"),
        "missed once": mark("missed once"),
        "acknowledgements": mark("acknowledgements"),
        "deliveries": mark("deliveries"),
        "safety letters": mark("safety letters"),
    }
)
MUST_STAY = (
    mark(
        "The audit trail keeps who did what and when, with a keyed hash in the client's place: it must show that an "
        "erasure was made."
    ),
    mark("That keyed hash alone is kept so that the next sync does not bring the forms back."),
    mark("The platform keeps its own records: the forms, and entries taken back as entered in error."),
    mark(
        "Backups hold the client until you replace them. Reports and exports that you wrote are files of yours, and so "
        "are printed sheets and what handrail send --by-hand wrote: its sheets and lists hold names."
    ),
    mark(
        "On PostgreSQL the server overwrites the freed space in time; its own logs and replicas follow their own rules."
    ),
)


@click.command()
@click.argument("form")
@click.argument("text")
@click.option("--by", help="Who writes it down (default: this computer's user).")
@json_option
@pass_app
def remark(app: App, form: str, text: str, by: str | None, as_json: bool) -> int:
    """Write down what a client says of a form of theirs. It is shown wherever the form is; answers stay as given.

    FORM is the short id of `handrail forms CLIENT`, or the platform's id.
    """
    with app.engine() as engine:
        item = engine.rights.remark(form, text, by or author())
    if as_json:
        app.json({"form": item.form, "at": item.at.isoformat(), "text": item.text, "author": item.author})
    else:
        click.echo(tr("Written down. It is shown wherever this form is shown."))
    return 0


@click.command()
@click.argument("client")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="A new folder, or one file (.html, .json, .csv). Nothing is written over.",
)
@click.option("--by", help="Who exports it (default: this computer's user).")
@json_option
@pass_app
def export(app: App, client: str, out: Path, by: str | None, as_json: bool) -> int:
    """All about one client: a page to read and print, the same as JSON, answers and scores as CSV."""
    with app.engine() as engine:
        made = engine.rights.export(client, out, by or author())
    if as_json:
        app.json({"files": [str(path.absolute()) for path in made]})
        return 0
    for path in made:
        click.echo(tr("Written: {file} (readable by you alone)", file=path.absolute()))
    click.echo(tr("Read it before you hand it over: it holds what staff noted, in their words."))
    return 0


@click.command()
@click.argument("client")
@click.option("--leave-on-platform", "leave", is_flag=True, help="Do not take back what stands on the platform.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--readmit", is_flag=True, help="CLIENT was erased and is back: read their forms again.")
@click.option("--by", help="Who erases (default: this computer's user).")
@json_option
@pass_app
def erase(app: App, client: str, leave: bool, yes: bool, readmit: bool, by: str | None, as_json: bool) -> int:
    """Delete a client here: forms, history, scores, flags, notes, requests. Taken back on the platform first.

    It cannot be undone. Stopped or refused in the middle, run the same command again.
    """
    with app.engine(progress=not as_json) as engine:
        if readmit:
            return _readmit(app, engine.rights.readmit(client, by or author()), as_json)
        if not yes:
            _confirm(app, client, leave, as_json)
        done = engine.rights.erase(client, by or author(), leave=leave)
    if as_json:
        app.json(
            {
                "client": done.client,
                "done": done.done,
                "rows": dict(done.rows),
                "left_on_platform": done.left_on_platform,
                "still_there": done.still_there,
                "problems": _problems(done),
                "stays": [tr(line) for line in MUST_STAY],
            }
        )
    else:
        _told(done)
    return 0 if done.done else 3


def _readmit(app: App, there: bool, as_json: bool) -> int:
    if not there:
        raise UsageError(
            tr("No client of that reference was erased here. Give the reference as the platform shows it.")
        )
    if as_json:
        app.json({"readmitted": True})
    else:
        click.echo(tr("Their forms are read again with the next sync, which reads everything anew."))
    return 0


def _confirm(app: App, client: str, leave: bool, as_json: bool) -> None:
    """Names what would go, in numbers, and asks."""
    if as_json or not sys.stdin.isatty():
        raise UsageError(tr("An erasure cannot be undone. Say so with --yes. Nothing was deleted."))
    with app.engine() as engine:
        if engine.rights.erased(client):
            return
        key, rows, standing = engine.rights.to_erase(client)
    for name, number in sorted(rows.items()):
        if number:
            click.echo(f"  {_KINDS.get(name, name)}: {whole(number)}")
    if standing:
        where = tr("entries on the platform, left there") if leave else tr("entries on the platform, taken back first")
        click.echo(f"  {where}: {whole(standing)}")
    click.echo(tr("If it is stopped, go on with: handrail erase {key}", key=key[:8]))
    agree(tr("Delete all of this for good?"), abort=True)


def _problems(done: Erased) -> list[str]:
    stopped = [done.error.message] if done.error else []
    return [*done.problems, *stopped, *([done.unclean] if done.unclean else [])]


def _told(done: Erased) -> None:
    for line in _problems(done):
        click.echo("  " + tr("Note: {what}", what=line))
    if done.error is not None or done.still_there:
        click.echo(
            tr(
                "Nothing was deleted: {number} entries may still stand on the platform. Run it again later, or leave "
                "them there: handrail erase CLIENT --leave-on-platform",
                number=done.still_there,
            )
        )
        return
    for name, number in sorted(done.rows.items()):
        click.echo(f"  {_KINDS.get(name, name)}: {whole(number)}")
    if done.again:
        click.echo(tr("This client was erased before; the files were cleared once more."))
    else:
        told = tr("Deleted from the store; the file is not cleared yet.") if done.unclean else tr("Erased.")
        click.echo(told)
    if done.left_on_platform:
        click.echo(
            tr("Left on the platform: {number} entries. Remove them there by hand.", number=done.left_on_platform)
        )
    if done.counts["requests_left"]:
        left = done.counts["requests_left"]
        click.echo(tr("Requests that could not be taken back: {number}. Remove them there by hand.", number=left))
    click.echo(tr("What stays, and why:"))
    for line in MUST_STAY:
        click.echo(f"  {tr(line)}")
    click.echo(tr("Which records the law makes you keep is yours to know."))
