"""`handrail schedule`: sync by itself, by the system's own scheduler, shown before it is made."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from ..errors import SettingsError, UsageError
from ..words import tr
from .app import App, json_option, pass_app
from .clickwords import agree

if TYPE_CHECKING:
    from ..schedule.job import Installed, Job, Plan

KINDS = ("systemd", "launchd", "windows", "cron")


@click.command()
@click.option("--every", type=click.IntRange(5, 1440), metavar="MINUTES", help="How often (default: as the settings).")
@click.option("--send/--no-send", default=None, help="Whether each run also sends the forms that are due.")
@click.option("--with", "kind", type=click.Choice(KINDS), help="Which scheduler (default: this computer's).")
@click.option("--show", is_flag=True, help="Show what would be written and run; make nothing.")
@click.option("--remove", is_flag=True, help="Take the entry away.")
@click.option("--yes", is_flag=True, help="Make it without asking.")
@json_option
@pass_app
def schedule(
    app: App,
    every: int | None,
    send: bool | None,
    kind: str | None,
    show: bool,
    remove: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Sync by itself: shows what will be written and run, asks, and makes it. Without options: how it stands."""
    from ..schedule import making

    job = making.job_of(app.settings, every=every, send=send)
    plan = making.plan(job, kind)
    there = making.found(job, kind)
    if there is not None and there.elsewhere and not show:
        raise UsageError(
            tr(
                "There is an entry named {name} already, for other settings than {file}. Give this practice an id of "
                "its own (practice in the settings), or remove the other with its own --settings first.",
                name=job.name,
                file=job.settings,
            )
        )
    if remove:
        return _remove(plan, there, as_json, app)
    asked = every is not None or send is not None or yes
    if there is not None and not asked and not show:
        return _status(app, job, plan, there, as_json)
    if as_json:
        app.json(_facts(job, plan, there))
    else:
        _show(job, plan, every)
    if show or (as_json and not yes):
        return 0
    if app.settings.platform is None:
        raise SettingsError(
            tr("No platform is connected yet, so there is nothing to sync. Run: handrail connect PLATFORM")
        )
    if plan.make and not yes and not _agreed():
        raise UsageError(tr("Nothing was made. To make it without being asked: handrail schedule --yes"))
    making.make(plan)
    _settle(app, job)
    click.echo(tr("Made. To see it: {command}", command=plan.see), err=as_json)
    click.echo(tr("To remove it: handrail schedule --remove"), err=as_json)
    return 0


def _agreed() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and agree(tr("Make it?"), default=True)


def _settle(app: App, job: Job) -> None:
    """Keeps what was chosen in the settings, so that the next time and `doctor` start from it."""
    from ..settings import save

    changes: dict[str, Any] = {}
    if app.settings.schedule.every_minutes != job.cadence.every:
        changes["schedule.every_minutes"] = job.cadence.every
    if app.settings.collect.by_itself != job.send:
        changes["collect.by_itself"] = job.send
    if changes:
        save(app.file, changes)


def _remove(plan: Plan, there: Installed | None, as_json: bool, app: App) -> int:
    from ..schedule import making

    if there is not None:
        making.remove(plan)
    if as_json:
        app.json({"removed": there is not None})
    else:
        gone, none = tr("Removed. Handrail no longer syncs by itself."), tr("There is none; nothing was changed.")
        click.echo(gone if there else none)
    return 0


def _show(job: Job, plan: Plan, asked: int | None) -> None:
    """All of it, before anything is made."""
    import shlex

    if asked is not None and asked != job.cadence.every:
        click.echo(
            tr(
                "Every {asked} minutes does not divide a day evenly; every {taken} is taken.",
                asked=asked,
                taken=job.cadence.every,
            )
        )
    often = job.cadence.words()
    click.echo(tr("Handrail would sync by itself {often}, by {kind}:", often=often, kind=plan.kind) + "\n")
    for title, text in plan.shown.items():
        click.echo(f"--- {title}\n{text.rstrip()}\n")
    if plan.make:
        click.echo(f"--- {tr('then run')}")
    for step in plan.make:
        told = "" if step.stdin is None else f"   ({tr('with the crontab as above')})"
        click.echo(f"{shlex.join(step.words)}{told}")
    for note in plan.notes:
        click.echo(f"\n{note}")
    each = tr("Each run syncs; it sends forms that are due as well.") if job.send else tr("Each run only syncs.")
    click.echo(f"\n{each}\n")


def _status(app: App, job: Job, plan: Plan, there: Installed, as_json: bool) -> int:
    """How the entry stands, when it last ran and when it runs next."""
    if as_json:
        app.json(_facts(job, plan, there) | _times(app, job))
        return 0
    click.echo(tr("Handrail syncs by itself {often}, by {kind}.", often=job.cadence.words(), kind=plan.kind))
    times = _times(app, job)
    none = tr("none yet")
    last, good = times["last_run"] or none, times["last_success"] or none
    click.echo(tr("Last run: {last}.  Last success: {success}.", last=last, success=good))
    click.echo(tr("Next run: {next}, if this computer is on and you are signed in.", next=times["next_run"]))
    if there.problem:
        click.echo(tr("Wrong: {problem}. To make it anew: handrail schedule --yes", problem=there.problem))
    elif not there.same:
        click.echo(tr("It is not as it would be made today. To make it anew: handrail schedule --yes"))
    click.echo(tr("To see it: {command}   To remove it: handrail schedule --remove", command=plan.see))
    return 0


def _times(app: App, job: Job) -> dict[str, str | None]:
    from ..schedule import watch

    record = watch.read(watch.place(app.settings))
    now = datetime.now().astimezone()  # the scheduler goes by this computer's own clock and zone

    def text(time: datetime | None) -> str | None:
        return None if time is None else time.astimezone(app.settings.zone).isoformat(" ", "minutes")

    return {
        "last_run": text(record.ended),
        "last_success": text(record.succeeded),
        "next_run": job.cadence.next_after(now).isoformat(" ", "minutes"),
    }


def _facts(job: Job, plan: Plan, there: Installed | None) -> dict[str, Any]:
    return {
        "kind": plan.kind,
        "every_minutes": job.cadence.every,
        "command": list(job.command),
        "writes": dict(plan.shown),
        "runs": [list(step.words) for step in plan.make],
        "there": there is not None,
        "as_it_would_be_made": bool(there and there.same),
        "problem": there.problem if there else None,
    }
