"""`handrail sync` and `handrail rescore`."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from ...schemas.records import RunReport
from ...schemas.vocab import RunOutcome
from ..errors import Busy
from ..sync.outcome import only_untold
from ..words import Texts, mark, tr, trn
from ..words.kept import told
from ..words.spelling import tenths, whole
from .app import App, Day, json_option, pass_app
from .clickwords import agree

_EXIT = {RunOutcome.COMPLETE: 0, RunOutcome.FAILED: 1, RunOutcome.INCOMPLETE: 3}

# What a count is called for people, in the order of the run. Counts that are not here are for --json.
_WORDS = Texts(
    {
        "pulled": mark("forms read from the platform"),
        "new": mark("new forms stored"),
        "replaced": mark("forms replaced by an amended version"),
        "with_another_total": mark(
            "forms whose stored total differs from their answers (ours is used, theirs is kept)"
        ),
        "unchanged": mark("forms that were here already, unchanged"),
        "other_forms": mark("forms of no mapped instrument, not stored"),
        "not_finished": mark("forms not finished"),
        "entered_in_error": mark("forms entered in error"),
        "set_aside": mark("forms set aside"),
        "released": mark("forms taken out of quarantine"),
        "withdrawn_as_deleted": mark("forms withdrawn because the platform dropped them"),
        "found_late": mark("forms found that had become visible late"),
        "new_therapists": mark("clients with a new therapist"),
        "clients_merged": mark("client records merged into another, as the platform says"),
        "of_erased_clients": mark("forms of clients who were erased here, not read"),
        "notices_sent": mark("safety notices sent"),
        "raised": mark("flags raised"),
        "raised_and_cleared_since": mark("flags raised and cleared in the past"),
        "raised_again": mark("flags standing again after an amendment"),
        "cleared": mark("flags cleared"),
        "withdrawn_flags": mark("flags withdrawn"),
        "vetoed": mark("flags vetoed by a plugin"),
        "evidence_renewed": mark("flags whose reason is worded anew"),
        "to_push": mark("changes on the platform that the next sync would send"),
        "would_push": mark("flags that would be sent"),
        "pushed": mark("flags shown on the platform"),
        "closed_on_platform": mark("flags closed on the platform"),
        "retracted": mark("flags retracted on the platform"),
        "left_as_edited_by_a_person": mark("flags left as a person had edited them"),
        "doubles_retracted": mark("double flags retracted"),
        "refused": mark("flags refused by the platform"),
        "to_try_again": mark("flags to try again later"),
        "requests_settled": mark("requests to clients answered"),
        "requests_asked": mark("clients asked"),
        "requests_reminded": mark("clients reminded"),
        "requests_expired": mark("requests to clients that ran out without an answer"),
        "requests_taken_back": mark("requests to clients taken back"),
        "requests_refused": mark("requests that the way of asking does not take"),
        "requests_to_try_again": mark("requests to clients to be tried again"),
        "requests_to_hand_over": mark("forms to be handed over by a person"),
    }
)


_HEADS = Texts(
    {
        RunOutcome.COMPLETE: mark("Sync complete"),
        RunOutcome.INCOMPLETE: mark("Sync incomplete: run it again later, it goes on from where it was"),
        RunOutcome.FAILED: mark("Sync failed"),
    }
)
_UNTOLD = mark("Sync failed: all was read, but not everybody could be told of a safety answer")
_FAILED, _NOTE = mark("Failed ({source}): {what}"), mark("Note ({source}): {what}")


@click.command()
@click.option("--full", is_flag=True, help="Pull everything anew, and look for forms that the platform has dropped.")
@click.option("--since", type=Day(), help="Pull what changed since this day.")
@click.option("--dry-run", is_flag=True, help="Do it all, show the counts, keep nothing, push nothing.")
@click.option(
    "--retry-set-aside",
    "--retry-quarantine",
    "retry_set_aside",
    is_flag=True,
    help="Pull the forms that were set aside (in quarantine) again.",
)
@click.option("--no-push", is_flag=True, help="Do not send flags to the platform.")
@click.option("--send/--no-send", default=None, help="Ask clients for what is due (default: as in the settings).")
@click.option("--yes", is_flag=True, help="Agree to push what stands from answers that were there before.")
@click.option("--notices-only", is_flag=True, help="Only send the safety notices that are due; ask no platform.")
@click.option("--if-hinted", is_flag=True, help="Only where the platform has announced something since the last sync.")
@click.option("--quiet", is_flag=True, help="Say nothing when all is well; for a scheduler.")
@json_option
@pass_app
def sync(
    app: App,
    full: bool,
    since: datetime | None,
    dry_run: bool,
    retry_set_aside: bool,
    no_push: bool,
    send: bool | None,
    yes: bool,
    notices_only: bool,
    if_hinted: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Pull what changed, score it, let the rules read, push flags. Safe to stop and to run again at any time."""
    from ..schedule import alarm
    from ..sync.run import Options

    if notices_only:
        return _notices(app, as_json, quiet)

    def consent(count: int) -> bool:
        if yes or quiet or as_json or not sys.stdin.isatty():
            return yes
        return agree(
            trn(
                "{count} flag stands today from answers that were there before. Push it now?",
                "{count} flags stand today from answers that were there before. Push them now?",
                count,
            )
        )

    begin = None if since is None else since.replace(tzinfo=app.settings.zone)
    options = Options(
        full=full,
        since=begin,
        dry_run=dry_run,
        retry_set_aside=retry_set_aside,
        push=not no_push,
        send=send,
        consent=consent,
    )
    with app.engine(progress=not (as_json or quiet)) as engine:
        if if_hinted and not engine.hints.waiting():
            return _nothing_announced(app, as_json, quiet)
        try:
            report = alarm.sync(engine, options, lambda sentence: click.echo(f"handrail: {sentence}", err=True))
        except Busy as error:
            if quiet and alarm.brief(error, engine.now()):
                return 0  # the other one is doing this very work
            raise
    if as_json:
        from ..report.data import report_json

        app.json(report_json(report))
    elif not quiet or report.outcome is not RunOutcome.COMPLETE:
        show(report, dry_run=dry_run)
    return _EXIT[report.outcome]


def _nothing_announced(app: App, as_json: bool, quiet: bool) -> int:
    if as_json:
        app.json({"announced": 0})
    elif not quiet:
        click.echo(tr("The platform has announced nothing since the last sync; nothing was asked."))
    return 0


def _notices(app: App, as_json: bool, quiet: bool) -> int:
    """Sends the safety notices that are due; 1 when somebody could not be told."""
    with app.engine() as engine:
        told = engine.safety.tell()
        wrong = list(dict.fromkeys([*told.problems, *engine.safety.alarms()]))
        notes = engine.safety.notes()
    if as_json:
        app.json({"sent": told.sent, "failed": told.failed, "problems": wrong, "notes": notes})
    else:
        if not quiet:
            click.echo(trn("{count} safety notice sent.", "{count} safety notices sent.", told.sent))
        for sentence in wrong if quiet else [*wrong, *notes]:
            click.echo(sentence, err=quiet)
    return 1 if wrong else 0


def show(report: RunReport, *, dry_run: bool = False) -> None:
    """Prints a run's report for people."""
    seconds = (report.finished - report.started).total_seconds()
    head = tr(_UNTOLD) if only_untold(report) else _HEADS[report.outcome]
    head += " " + tr("(dry run, nothing kept)") if dry_run else ""
    click.echo(f"{head}, {tenths(seconds)} s.")
    shown = [(words, report.counts[name]) for name, words in _WORDS.items() if report.counts.get(name)]
    for words, number in shown:
        click.echo(f"  {words}: {whole(number)}")
    if not shown and report.outcome is RunOutcome.COMPLETE:
        click.echo("  " + tr("Nothing has changed since last time."))
    for problem in report.problems:
        click.echo("  " + tr(_FAILED if problem.fatal else _NOTE, source=told(problem.source), what=problem.what))
    for line in report.undone:
        click.echo("  " + tr("Left to do: {what}", what=line))


@click.command()
@click.option("--yes", is_flag=True, help="Keep the result; without it the counts are shown and nothing is kept.")
@json_option
@pass_app
def rescore(app: App, yes: bool, as_json: bool) -> int:
    """Score every stored form and judge every course anew: the counts first, kept only with your consent.

    Nothing is pushed from here; the next sync sends what you agreed to. Forms of a form that was added since (by a
    plugin, say) are not stored yet: handrail sync --full reads them.
    """
    with app.engine(progress=not as_json) as engine:
        done = engine.rescore(dry_run=not yes)
        kept = yes
        if as_json:
            found = {"forms": done.forms, "changed": done.changed, "flags": dict(done.report)}
            app.json(found | {"problems": list(done.problems), "kept": yes})
            return 0
        click.echo(tr(READ_ANEW, forms=whole(done.forms), changed=whole(done.changed)))
        for name, number in done.report.items():
            if number:
                click.echo(f"  {_WORDS.get(name, name.replace('_', ' '))}: {whole(number)}")
        for problem in done.problems:
            click.echo("  " + tr(_NOTE, source=told("rules"), what=problem))
        if not yes and sys.stdin.isatty() and agree(tr(KEEP), default=False):
            engine.rescore(dry_run=False)
            kept = True
    click.echo(tr(KEPT) if kept else tr(NOT_KEPT))
    return 0


READ_ANEW = mark("{forms} forms read, {changed} with other scores than before.")
KEEP = mark("Keep this? What changes on the platform goes out with the next sync.")
KEPT = mark("Kept. The next sync sends what changes on the platform.")
NOT_KEPT = mark("Nothing was kept. To keep it, run: handrail rescore --yes")
