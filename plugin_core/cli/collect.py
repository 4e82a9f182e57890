"""`handrail enrol`, `due`, `send` and `opt-out`: who is asked what, and asking."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ...schemas.vocab import RunOutcome
from ..errors import UsageError
from ..words import mark, tr, trn
from ..words.spelling import short_day, whole
from .app import App, Day, author, json_option, pass_app
from .clickwords import agree

if TYPE_CHECKING:
    from ..collecting import Collecting
    from ..collecting.enrolling import Wish
    from ..collecting.facts import DueRow, Enrolled, SendReport

_EXIT = {RunOutcome.COMPLETE: 0, RunOutcome.FAILED: 1, RunOutcome.INCOMPLETE: 3}
_DAY = Day()
_HEADS = {
    RunOutcome.COMPLETE: mark("Done."),
    RunOutcome.INCOMPLETE: mark("Not complete: run it again later, it goes on from where it was."),
    RunOutcome.FAILED: mark("Done in part: something must be mended first."),
}
ONE_WAY = mark("Name one client, or give --from FILE, or --everyone.")
ONE_CLIENT = mark("--pause-until, --resume and --end are for one client.")
ASK_FIRST = mark("Nothing was done. To do it, run the same with --yes")
NOBODY = mark("There is nobody to enrol.")
NOTHING_DUE = mark("Nothing is due, and nobody is late.")
F = TypeVar("F", bound=Callable[..., Any])


def _wish_options(function: F) -> F:
    """What an enrolment holds, as options."""
    options = (
        click.option("--form", "forms", multiple=True, metavar="FORM", help="Which form; repeat for more."),
        click.option("--every-weeks", type=int, help="Weeks from one form to the next."),
        click.option("--every-sessions", type=int, help="Count attended sessions instead; 0: by weeks again."),
        click.option("--start", type=_DAY, help="The day of the first form (default: today)."),
        click.option("--consent", type=_DAY, help="The day on which the client agreed, having seen --show-consent."),
        click.option("--consent-by", help="Who recorded the consent (default: this computer's user)."),
        click.option("--channel", help="How to ask: platform, paper, email ... (default: as in the settings)."),
        click.option("--tag", "tags", multiple=True, help="under-age, proxy, interpreter, couple; none: take all off."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command()
@click.argument("client", required=False)
@_wish_options
@click.option("--from", "file", type=click.Path(path_type=Path), help="Enrol the clients of a CSV file.")
@click.option("--everyone", is_flag=True, help="Enrol all clients who are known here and not enrolled.")
@click.option("--pause-until", type=_DAY, help="Ask nothing until this day.")
@click.option("--resume", is_flag=True, help="End a pause now.")
@click.option("--end", is_flag=True, help="Ask nothing from today on; the course has ended.")
@click.option("--show-consent", is_flag=True, help="Print what clients are shown of purpose and consent.")
@click.option("--yes", is_flag=True, help="With --from or --everyone: do it, do not only show it.")
@click.option("--by", help="Who does this (default: this computer's user).")
@json_option
@pass_app
def enrol(app: App, /, client: str | None, by: str | None, as_json: bool, show_consent: bool, **options: Any) -> int:
    """Say who is asked which form how often, and on which consent; or change, pause or end it.

    Without a recorded consent nobody is asked. With --from or --everyone it first shows what it would do.
    """
    with app.engine(progress=not as_json) as engine:
        collecting = engine.collecting
        if show_consent:
            return _show_consent(app, collecting.consent_text, as_json)
        who = by or author()
        if options["pause_until"] or options["resume"] or options["end"]:
            return _tell(app, [_turn(collecting, client, who, options)], as_json, done=True)
        wishes = _wishes(collecting, client, options)
        done = client is not None or options["yes"] or _agreed(collecting, wishes, who, as_json)
        return _tell(app, collecting.enrol(wishes, who, dry_run=not done), as_json, done=done)


def _show_consent(app: App, text: str, as_json: bool) -> int:
    if as_json:
        app.json({"format": 1, "consent_text": text})
    else:
        click.echo(text)
    return 0


def _turn(collecting: Collecting, client: str | None, who: str, options: dict[str, Any]) -> Enrolled:
    if client is None or options["file"] or options["everyone"]:
        raise UsageError(tr(ONE_CLIENT))
    if options["pause_until"]:
        return collecting.pause(client, options["pause_until"].date(), who)
    if options["resume"]:
        return collecting.resume(client, who)
    ended = collecting.end(client, who)
    if ended is None:
        from ..collecting.enrolling import NOT_ENROLLED

        raise UsageError(tr(NOT_ENROLLED))
    return ended


def _wishes(collecting: Collecting, client: str | None, options: dict[str, Any]) -> list[Wish]:
    from dataclasses import replace

    from ..collecting import table
    from ..collecting.enrolling import Wish

    if sum((client is not None, options["file"] is not None, options["everyone"])) != 1:
        raise UsageError(tr(ONE_WAY))
    given = Wish(
        client or "",
        instruments=options["forms"] or None,
        every_weeks=options["every_weeks"],
        every_sessions=options["every_sessions"],
        start=_date(options["start"]),
        consent=_date(options["consent"]),
        consent_by=options["consent_by"],
        channel=options["channel"],
        tags=frozenset(options["tags"]) - {"none"} if options["tags"] else None,
    )
    if client is not None:
        return [given]
    if options["everyone"]:
        return [replace(given, client=key) for key in collecting.not_enrolled()]
    names = [name for name in Wish.__slots__ if name != "client"]
    usual = {name: value for name in names if (value := getattr(given, name)) is not None}
    rows = table.read(options["file"])
    return [replace(row, **{name: usual[name] for name in usual if getattr(row, name) is None}) for row in rows]


def _date(when: datetime | None) -> date | None:
    return None if when is None else when.date()


def _agreed(collecting: Collecting, wishes: Sequence[Wish], who: str, as_json: bool) -> bool:
    """On a terminal, many are shown before they are asked for."""
    if as_json or not sys.stdin.isatty() or not wishes:
        return False
    _show(collecting.enrol(wishes, who, dry_run=True))
    return agree(tr("Enrol these clients?"), default=False)


def _tell(app: App, items: Sequence[Enrolled], as_json: bool, *, done: bool) -> int:
    if as_json:
        from ..collecting.as_json import enrolled_json

        app.json(enrolled_json(items, done=done))
        return 0
    _show(items)
    if items and not done:
        click.echo(tr(ASK_FIRST))
    return 0


def _show(items: Sequence[Enrolled]) -> None:
    if not items:
        click.echo(tr(NOBODY))
    for item in items:
        click.echo(_line(item))
        for note in item.notes:
            click.echo(f"    {note}")
    if len(items) > 1:
        click.echo(trn("{count} client", "{count} clients", len(items)))


def _line(item: Enrolled) -> str:
    after, forms = item.after, ", ".join(item.after.instruments)
    if after.opted_out is not None:
        return tr("{client}: opted out on {day}.", client=item.client, day=short_day(after.opted_out))
    if after.end is not None:
        return tr("{client}: nothing is asked from {day} on.", client=item.client, day=short_day(after.end))
    if after.every_sessions is not None:
        text = tr(
            "{client}: {forms}, every {sessions} attended sessions, from {day} on.",
            client=item.client,
            forms=forms,
            sessions=after.every_sessions,
            day=short_day(after.start),
        )
    else:
        text = tr(
            "{client}: {forms}, every {weeks} weeks, from {day} on.",
            client=item.client,
            forms=forms,
            weeks=after.every_weeks,
            day=short_day(after.start),
        )
    if after.paused_until is None:
        return text
    return tr("{line} Nothing is asked until {day}.", line=text, day=short_day(after.paused_until))


# --- due -----------------------------------------------------------------------------------------------------------


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also who is not due yet, has opted out, or has ended.")
@click.option("--client", help="Only this client's (the platform's reference, or the name).")
@json_option
@pass_app
def due(app: App, everything: bool, client: str | None, as_json: bool) -> int:
    """Who is due for which form and why, who was asked, who is late. Sends nothing."""
    from ..collecting.facts import QUIET, TO_SEND

    with app.engine() as engine:
        rows = engine.collecting.due(client=client)
    if as_json:
        from ..collecting.as_json import due_json

        app.json(due_json(rows))
        return 0
    shown = [row for row in rows if everything or client is not None or row.standing not in QUIET]
    if shown:
        heads = (tr("Client"), tr("Form"), tr("Due"), tr("How it stands"), tr("Why"))
        app.table(heads, [_due_cells(row) for row in shown])
    else:
        click.echo(tr(NOTHING_DUE))
    if hidden := len(rows) - len(shown):
        click.echo(
            trn(
                "{count} more is not due yet, or asked no more: handrail due --all",
                "{count} more are not due yet, or asked no more: handrail due --all",
                hidden,
            )
        )
    if any(row.standing in TO_SEND for row in rows):
        click.echo(tr("To ask for what is due: handrail send"))
    return 0


def _due_cells(row: DueRow) -> tuple[str, ...]:
    from ..collecting.facts import WORDS, Standing

    days = {name: getattr(row, name) for name in ("asked", "reminded", "paused_until", "opted_out")}
    fields = {name: "" if day is None else short_day(day) for name, day in days.items()}
    standing = tr(WORDS.source[row.standing], missed=row.missed, **fields)
    more = []
    if row.missed and row.standing is not Standing.MISSED:
        more.append(tr("{missed} missed in a row", missed=row.missed))
    more += [text for text in (row.problem, row.link, *row.notes) if text]
    when = "" if row.due is None else short_day(row.due)
    return row.client, row.instrument, when, "\n".join([standing, *more]), row.reason


# --- send, opt-out -------------------------------------------------------------------------------------------------


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would be sent; keep nothing, send nothing.")
@click.option(
    "--by-hand",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Also write what people hand over, sheets and a list, into this folder (readable by you alone).",
)
@click.option("--retry-refused", is_flag=True, help="Try again what was not taken, after you have mended why.")
@json_option
@pass_app
def send(app: App, dry_run: bool, by_hand: Path | None, retry_refused: bool, as_json: bool) -> int:
    """Ask for what is due, remind who has not answered, and take back what is over. Safe to stop and to run again.

    It reads no new forms; handrail sync --send does both.
    """
    from ..collecting.fresh import old_news
    from ..collecting.send import SendOptions

    options = SendOptions(dry_run=dry_run, by_hand=by_hand, retry_refused=retry_refused)
    with app.engine(progress=not as_json) as engine:
        report = engine.collecting.send(options)
        if (sentence := old_news(engine)) is not None:
            report.problems.insert(0, sentence)
    if as_json:
        from ..collecting.as_json import send_json

        app.json(send_json(report))
    else:
        _show_sent(report, dry_run=dry_run)
    return _EXIT[report.outcome]


def _show_sent(report: SendReport, *, dry_run: bool) -> None:
    from ..collecting.facts import COUNT_WORDS

    click.echo(tr("Dry run: nothing was sent, nothing is kept.") if dry_run else tr(_HEADS[report.outcome]))
    shown = [(words, report.counts[name]) for name, words in COUNT_WORDS.items() if report.counts.get(name)]
    for words, number in shown:
        click.echo(f"  {tr(words)}: {whole(number)}")
    if not shown:
        click.echo(f"  {tr('Nothing was to be sent.')}")
    for sentence in report.problems:
        click.echo(f"  {sentence}")
    for one in report.hand_over:
        click.echo(f"  {one.client}  {one.instrument}  {short_day(one.due)}  {one.link or one.sheet or ''}")
    if report.listing is not None:
        click.echo(tr("Written: {file} (readable by you alone; it holds names)", file=report.listing))


@click.command("opt-out")
@click.argument("client")
@click.option("--by", help="Who records it (default: this computer's user).")
@json_option
@pass_app
def opt_out(app: App, client: str, by: str | None, as_json: bool) -> int:
    """A client does not want to be asked any more. Takes effect at once; an open request is taken back."""
    with app.engine() as engine:
        item = engine.collecting.opt_out(client, by or author())
    if as_json:
        from ..collecting.as_json import enrolled_json

        app.json(enrolled_json([item], done=True))
    else:
        click.echo(_line(item))
        click.echo(tr("An open request is taken back by the next: handrail send"))
    return 0
