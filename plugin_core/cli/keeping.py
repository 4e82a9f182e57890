"""`handrail backup`, `restore`, `key rotate`, `audit verify`: keeping a store safe over years."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..words import mark, tr, trn
from .app import App, author, json_option, pass_app

if TYPE_CHECKING:
    from ..keeping.backup import Contents

WHAT = (
    ("responses", mark("forms")),
    ("clients", mark("clients")),
    ("flags", mark("flags")),
    ("enrolments", mark("enrolments")),
    ("audit", mark("entries of the audit trail")),
)
APART = mark(
    "It opens only with the store's key. Keep the two in different places: handrail never writes the key into it."
)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; open this backup as a whole and say what it holds.")
@json_option
@pass_app
def backup(app: App, file: Path, check: bool, as_json: bool) -> int:
    """Write everything of the practice into one encrypted file, or --check one. Others may go on working meanwhile."""
    if check:
        from ..keeping.backup import read
        from ..store import keys

        _told(app, read(file, keys.master(app.settings.key_reference), app.settings.practice), as_json)
        return 0
    with app.engine(progress=not as_json) as engine:
        contents = engine.keeping.backup(file, author())
    _told(app, contents, as_json)
    if not as_json:
        click.echo(tr("Written: {file}", file=file))
        click.echo(tr(APART))
    return 0


def _told(app: App, contents: Contents, as_json: bool) -> None:
    if as_json:
        rows = dict(sorted(contents.rows.items()))
        app.json({"practice": contents.practice, "made": contents.made.isoformat(), "rows": rows})
        return
    made = contents.made.astimezone(app.settings.zone).strftime("%Y-%m-%d %H:%M")
    click.echo(tr("Backup of {practice}, made {made}", practice=contents.practice, made=made))
    app.table([tr("what"), tr("number")], [[tr(title), str(contents.rows.get(table, 0))] for table, title in WHAT])


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Put it in the place of the store that is there.")
@json_option
@pass_app
def restore(app: App, file: Path, replace: bool, as_json: bool) -> int:
    """Put a backup back. The settings and the key must be there already; the next sync catches up."""
    from ..keeping.backup import restore as put_back

    contents = put_back(app.settings, file, author(), replace=replace)
    _told(app, contents, as_json)
    if not as_json:
        click.echo(tr("Restored. Next: handrail sync, which brings what came since."))
    return 0


@click.group()
def key() -> None:
    """The keys with which the store is sealed."""


@key.command()
@click.option("--master", is_flag=True, help="Change the key in the keyring or key file, not the practice's own.")
@json_option
@pass_app
def rotate(app: App, master: bool, as_json: bool) -> int:
    """Make a new key and seal everything anew with it. Stopped anywhere, the same command goes on."""
    with app.engine(progress=not as_json) as engine:
        if master:
            engine.keeping.rotate_master(author())
            facts: dict[str, Any] = {"master": True}
        else:
            done = engine.keeping.rotate(author())
            facts = {"resealed": done.resealed, "key": done.key}
    if as_json:
        app.json(facts)
    elif master:
        click.echo(tr("The master key is a new one. Backups made before today open with the old one only."))
        click.echo(tr("Now keep a copy of the new key, and write a new backup: handrail backup FILE"))
    else:
        told = trn(
            "{count} value was sealed anew with key {key}.",
            "{count} values were sealed anew with key {key}.",
            done.resealed,
            key=done.key,
        )
        click.echo(told)
    return 0


@click.group()
def audit() -> None:
    """The trail of who saw, changed, exported or deleted what."""


@audit.command()
@click.option("--kept", metavar="LINK", help="The link that an earlier check printed.")
@json_option
@pass_app
def verify(app: App, kept: str | None, as_json: bool) -> int:
    """Redo the trail's chain of hashes and name each place that is not as it was written."""
    with app.engine() as engine:
        found = engine.keeping.check_trail(kept)
    if as_json:
        app.json({"entries": found.entries, "older": found.older, "link": found.link, "problems": list(found.problems)})
        return 1 if found.problems else 0
    for problem in found.problems:
        click.echo(problem)
    if found.problems:
        click.echo(tr("The audit trail was touched. Keep this store as it is and ask who had access to it."))
        return 1
    click.echo(trn("{count} entry, all as written.", "{count} entries, all as written.", found.entries))
    if found.older:
        click.echo(tr("{older} more are from before the trail was a chain.", older=found.older))
    if found.link:
        click.echo(tr("Keep this link in another place; with --kept it shows later that nothing was cut off:"))
        click.echo(found.link)
    return 0
