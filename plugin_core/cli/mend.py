"""`handrail forms`, `reassign`, `merge`, `discharge` and `disconnect`: putting right what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime

import click

from ..errors import UsageError
from ..words import Texts, mark, tr
from ..words.kept import told
from ..words.spelling import day, whole
from .app import App, Day, author, json_option, pass_app
from .clickwords import agree

_DAY = Day()
_by = click.option("--by", help="Who decides it (default: this computer's user).")


@click.command()
@click.argument("client")
@json_option
@pass_app
def forms(app: App, client: str, as_json: bool) -> int:
    """A client's forms with their short ids, newest first."""
    with app.engine() as engine:
        found = engine.mending.forms(client)
    if as_json:
        app.json(
            [
                {
                    "id": one.id,
                    "key": one.key,
                    "instrument": one.instrument,
                    "authored": one.authored.isoformat(),
                    "status": one.status,
                    "counts": one.counts,
                    "reassigned": one.reassigned,
                    "remarks": one.remarks,
                }
                for one in found
            ]
        )
        return 0
    if not found:
        click.echo(tr("No form of this client is here."))
        return 0
    rows = [
        (
            one.id,
            f"{one.authored:%Y-%m-%d %H:%M}",
            one.instrument,
            told(one.status),
            _notes(one.counts, one.reassigned, one.remarks),
        )
        for one in found
    ]
    app.table([tr(name) for name in _COLUMNS], rows)
    return 0


def _notes(counts: bool, reassigned: bool, remarks: int) -> str:
    said = [
        *([] if counts else [tr("does not count")]),
        *([tr("reassigned to this client")] if reassigned else []),
        *([tr("remarks: {number}", number=remarks)] if remarks else []),
    ]
    return "; ".join(said)


@click.command()
@click.argument("form")
@click.argument("client", required=False)
@click.option("--reason", help="Why it is the other client's: in the audit trail's own words.")
@click.option("--back", is_flag=True, help="Take it back: the form is again the client's whom the platform names.")
@_by
@json_option
@pass_app
def reassign(
    app: App, form: str, client: str | None, reason: str | None, back: bool, by: str | None, as_json: bool
) -> int:
    """A form went to the wrong client: from now on it belongs to CLIENT, whatever the platform says of it later.

    Flags that rest on it are withdrawn, and taken back on the platform with the next sync; the right client's course is
    read anew. Safety notices of the wrong client stay until a person closes them.
    """
    if back == (client is not None) or (client is not None and not reason):
        raise UsageError(
            tr("Say whose form it is and why (handrail reassign FORM CLIENT --reason ...), or give --back.")
        )
    with app.engine() as engine:
        if client is None:
            done = engine.mending.take_back(form, by or author())
        else:
            done = engine.mending.reassign(form, client, reason or "", by or author())
        problems = list(engine.warnings)
    if as_json:
        app.json({"from": done.before, "to": done.after, "flags": dict(done.flags)})
        return 0
    click.echo(tr("The form belongs to its other client now. Correct it on the platform, too, if you can."))
    _flags(done.flags, problems)
    return 0


def _flags(changed: Mapping[str, int], problems: list[str]) -> None:
    from .work import _WORDS

    for name, number in changed.items():
        click.echo(f"  {_WORDS.get(name) or name.replace('_', ' ')}: {whole(number)}")
    for problem in problems:
        click.echo("  " + tr("Note: {what}", what=problem))
    if changed:
        click.echo(tr("What this changes on the platform goes out with the next sync."))


@click.command()
@click.argument("old")
@click.argument("new", required=False)
@click.option("--reason", help="How it is known that the two are one person.")
@click.option("--back", is_flag=True, help="Take a merge back: OLD is a client of its own again.")
@_by
@json_option
@pass_app
def merge(app: App, old: str, new: str | None, reason: str | None, back: bool, by: str | None, as_json: bool) -> int:
    """Two records of one person: everything of OLD follows to NEW, now and later.

    What the platform itself merges is followed by each sync without this command.
    """
    if back == (new is not None) or (new is not None and not reason):
        raise UsageError(tr("Say which record stays and why (handrail merge OLD NEW --reason ...), or give --back."))
    with app.engine() as engine:
        if new is None:
            done = engine.mending.unmerge(old, by or author())
        else:
            done = engine.mending.merge(old, new, reason or "", by or author())
        problems = list(engine.warnings)
    if as_json:
        app.json({"from": done.before, "to": done.after, "forms": done.forms, "flags": dict(done.flags)})
        return 0
    click.echo(tr("Moved: {number} forms, with everything that belongs to them.", number=done.forms))
    if new is not None:  # by our key: whoever gave a name finds that record by no name any more
        click.echo(tr("To take it back: handrail merge {record} --back", record=done.before))
    _flags(done.flags, problems)
    return 0


@click.command()
@click.argument("client")
@click.option("--on", "on", type=_DAY, help="The last day of the course (default: today).")
@click.option("--pause-until", "until", type=_DAY, help="Only ask nothing until this day; the course goes on.")
@click.option("--back", is_flag=True, help="The course goes on after all.")
@_by
@json_option
@pass_app
def discharge(
    app: App, client: str, on: datetime | None, until: datetime | None, back: bool, by: str | None, as_json: bool
) -> int:
    """The course ends: nothing more is asked, and no prompt rises from later forms. Safety answers are still relayed.

    Prompts that stand stay in the list until a person has seen to them; on the platform they are closed.
    """
    if (on is not None) + (until is not None) + back > 1:
        raise UsageError(tr("Give one of --on, --pause-until and --back."))
    with app.engine() as engine:
        who = by or author()
        if back:
            done = engine.mending.resume(client, who)
        elif until is not None:
            done = engine.mending.pause(client, until.date(), who)
        else:
            done = engine.mending.discharge(client, on.date() if on else engine.now().date(), who)
    if as_json:
        end = done.on.isoformat() if done.on else None
        app.json({"client": done.client, "on": end, "standing": done.standing, "requests_closed": done.requests})
        return 0
    if back:
        click.echo(tr("The course goes on: later forms raise prompts again."))
    elif until is not None:
        last = day(until.date())
        click.echo(tr("Nothing is asked until {day}. Prompts are not touched (handrail hold does that).", day=last))
    else:
        click.echo(tr(_ENDED, day=day(done.on) if done.on else ""))
        click.echo(tr("Safety answers are still relayed."))
    if done.requests:
        click.echo(tr("Open requests closed: {number}; the next sync takes them back.", number=done.requests))
    if done.standing and not until:
        click.echo(tr(_AGAIN if back else _CLOSED, number=done.standing))
    return 0


@click.command()
@click.option("--retract-all", is_flag=True, help="First take back everything that Handrail put on the platform.")
@click.option("--leave-on-platform", "leave", is_flag=True, help="Leave what is there to be removed by hand.")
@click.option("--erase", is_flag=True, help="Delete what was read from the platform here, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_by
@json_option
@pass_app
def disconnect(app: App, retract_all: bool, leave: bool, erase: bool, yes: bool, by: str | None, as_json: bool) -> int:
    """Take back all that was pushed, then forget the platform. Stopped or refused in the middle, run it again."""
    if retract_all and leave:
        raise UsageError(tr("Give --retract-all or --leave-on-platform, not both."))
    if erase and not yes and (as_json or not sys.stdin.isatty()):
        raise UsageError(tr("Erasing everything cannot be undone. Say so with --yes."))
    with app.engine(progress=not as_json) as engine:
        status = engine.status()
        if erase and not yes:
            clients, stored = status["clients"], status["responses"]
            agree(tr(_DELETE, clients=clients, forms=stored), abort=True)
        left = engine.mending.disconnect(by or author(), retract=retract_all, leave=leave, erase=erase)
    if as_json:
        app.json(
            {
                "forgotten": left.forgotten,
                "counts": {name: number for name, number in sorted(left.counts.items()) if number},
                "still_there": left.still_there,
                "stays": left.stays,
                "problems": [*left.problems, *([left.error.message] if left.error else [])],
            }
        )
    else:
        _told(left.counts, left.stays, left.problems)
        if left.forgotten:
            click.echo(tr("The platform is forgotten."))
        else:
            if left.error is not None:
                click.echo("  " + tr("Stopped: {what}", what=left.error.message))
            click.echo(
                tr(
                    "Not finished: {number} entries may still stand on the platform. Pushing is off. Run the same "
                    "command again; it goes on from here.",
                    number=left.still_there,
                )
            )
    return 0 if left.forgotten else 3


_COLUMNS = (mark("form"), mark("filled in"), mark("instrument"), mark("status"), mark("notes"))
_DELETE = mark("Delete {clients} clients with {forms} forms from this store for good?")
_ENDED = mark("The course ended on {day}. Forms of later days are stored and shown; they raise no prompt.")
_AGAIN = mark("Prompts that stand: {number}. On the platform they are shown again with the next sync.")
_CLOSED = mark("Prompts that stand: {number}. On the platform they are closed with the next sync.")
_LEFT = Texts(
    {
        "retracted": mark("entries taken back on the platform"),
        "left_as_edited_by_a_person": mark("entries left as a person had edited or removed them"),
        "refused": mark("entries that the platform refused to take back"),
        "left_on_platform": mark("entries left on the platform: remove them by hand"),
        "requests_closed": mark("requests to clients closed"),
        "requests_taken_back": mark("requests to clients taken back"),
        "secrets_removed": mark("secrets removed that connect had stored"),
        "rows_erased": mark("rows deleted from the store"),
    }
)


def _told(counts: Mapping[str, int], stays: list[str], problems: list[str]) -> None:
    for name, words in _LEFT.items():
        if counts.get(name):
            click.echo(f"  {words}: {whole(counts[name])}")
    for line in problems:
        click.echo("  " + tr("Note: {what}", what=line))
    for line in stays:
        click.echo("  " + tr("Stays: {what}", what=line))
