"""`handrail screen`: offline, answers in, flags out, by the same code as sync."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..words import mark, tr
from ..words.spelling import whole
from .app import App, Progress, json_option, pass_app

if TYPE_CHECKING:
    from ..screen import Descriptors

LARGE = 4 << 20  # bytes: about 15,000 forms, a second of work
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--out", type=_FILE, required=True, help="Where the flags go (JSON Lines).")
@click.option("--rules", help="Only these rules, by id: R1,P1")
@click.option(
    "--budget",
    type=click.Choice(["2", "5", "10"]),
    default="5",
    show_default=True,
    help="How sparing model rules are: benign clients in a hundred prompted about in a year, in simulation.",
)
@click.option("--trace", type=_FILE, help="Also write each rule's running number after each form.")
@click.option("--scores", type=_FILE, help="Also write every score of every form.")
@click.option("--rejects", type=_FILE, help="Where lines that cannot be read go, with their reason.")
@json_option
@pass_app
def screen(
    app: App,
    file: Path,
    out: Path,
    rules: str | None,
    budget: str,
    trace: Path | None,
    scores: Path | None,
    rejects: Path | None,
    as_json: bool,
) -> int:
    """Read answers from FILE (JSON Lines or CSV), follow every rule, write a line each time a flag changes state."""
    from ..manager import Plugins
    from ..registry import Registry
    from ..screen import Descriptors
    from ..screen import screen as run

    registry = Registry(Plugins(app.settings.plugins if app.file.exists() else ()))
    descriptors = Descriptors(
        instruments=[found.descriptor for found in registry.instruments.values()],
        rules=registry.rules_at(int(budget)),
        scorers={name: found.descriptor for name, found in registry.scorers.items()},
    )
    chosen = None if rules is None else [name.strip() for name in rules.split(",") if name.strip()]
    with Progress(sys.stderr.isatty() and not as_json) as progress:
        report = run(
            file,
            out,
            rules=chosen,
            rejects=rejects,
            trace=trace,
            scores=scores,
            descriptors=descriptors,
            processes=_processes(file, descriptors),
            progress=lambda forms: progress("forms", forms),
        )
    facts = {
        "lines": report.lines,
        "forms": report.forms,
        "clients": report.clients,
        "rejected": report.rejected,
        "replaced": report.replaced,
        "events": dict(report.events),
        "failed_rules": dict(report.failed),
    }
    if as_json:
        app.json(facts)
    else:
        _tell(facts, out, rejects)
    return report.exit_status


def _processes(file: Path, descriptors: Descriptors) -> int:
    """One, or two for a file that takes longer than starting the second; a plugin's rule may not travel there."""
    if file.stat().st_size < LARGE or (os.cpu_count() or 1) < 2:
        return 1
    try:
        pickle.dumps(descriptors)
    except (pickle.PicklingError, AttributeError, TypeError):
        return 1
    return 2


def _tell(facts: dict[str, Any], out: Path, rejects: Path | None) -> None:
    forms, clients = whole(facts["forms"]), whole(facts["clients"])
    click.echo(tr("Read: {forms} forms of {clients} clients. Written: {file}", forms=forms, clients=clients, file=out))
    events = facts["events"]
    if isinstance(events, dict) and events:
        click.echo("  " + ", ".join(f"{event}: {whole(number)}" for event, number in events.items()))
    if facts["rejected"]:
        see = mark("Lines that could not be read: {lines}; see {file}")
        ask = mark("Lines that could not be read: {lines}; to see why, add --rejects FILE")
        click.echo("  " + tr(see if rejects else ask, lines=whole(facts["rejected"]), file=rejects))
    failed = facts["failed_rules"]
    if isinstance(failed, dict) and failed:
        names = ", ".join(sorted(failed))
        click.echo("  " + tr("Rules that failed for some clients: {names}. Update their plugin.", names=names))
