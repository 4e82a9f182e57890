"""`handrail change`: change between two scores in the published sense, over a CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import HandrailError, UsageError
from ..words import tr
from ..words.kept import why_of
from ..words.spelling import exact, whole
from .app import App, json_option, pass_app

if TYPE_CHECKING:
    from ..signal.published import Functional, Pairs, Result

_FILE = click.Path(dir_okay=False, path_type=Path)
METHODS = ("JT", "GLN", "HLL", "EN", "NK", "HA")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--pre", required=True, help="The column with the score before.")
@click.option("--post", required=True, help="The column with the score after.")
@click.option("--better", type=click.Choice(["lower", "higher"]), required=True, help="Which scores are better.")
@click.option("--reliability", type=float, required=True, help="Of the score, best from a retest: 0.84.")
@click.option("--functional-mean", type=float, help="Mean of people without the problem.")
@click.option("--functional-sd", type=float, help="Their standard deviation.")
@click.option("--cutoff", type=click.Choice(["a", "b", "c"]), help="Where the functional range begins.")
@click.option("--method", type=click.Choice(METHODS), default="JT", hidden=True)
@click.option("-o", "--out", type=_FILE, help="Also write a line for each client (CSV).")
@json_option
@pass_app
def change(
    app: App,
    file: Path,
    pre: str,
    post: str,
    better: str,
    reliability: float,
    functional_mean: float | None,
    functional_sd: float | None,
    cutoff: str | None,
    method: str,
    out: Path | None,
    as_json: bool,
) -> int:
    """Count who changed reliably, and who crossed a cut-off, in FILE (CSV with a column `client`)."""
    from ..signal import published

    clients, pairs = _read(file, pre, post)
    functional = _functional(functional_mean, functional_sd)
    lower = better == "lower"
    published.check(pairs, reliability)
    limit = None if cutoff is None else published.cutoff(cutoff, pairs, lower, functional)
    result = published.change(pairs, reliability, lower_is_better=lower, method=method, limit=limit)
    if out is not None:
        _write(out, clients, pairs, result)
    facts = {
        "counts": result.counts(),
        "cutoff": result.cutoff,
        "sd": result.sd,
        "s_diff": result.s_diff,
        "n": len(clients),
    }
    if as_json:
        app.json(facts)
    else:
        _tell(facts)
    return 0


def _functional(mean: float | None, sd: float | None) -> Functional | None:
    from ..signal.published import Functional

    if mean is None and sd is None:
        return None
    if mean is None or sd is None or sd <= 0:
        raise UsageError(tr("--functional-mean and --functional-sd go together, and the latter is above 0."))
    return Functional(mean, sd)


def _read(file: Path, pre: str, post: str) -> tuple[list[str], Pairs]:
    """All clients with both scores. A row without one of them is left out; one that is no number is refused, and so is
    a second row of a client."""
    from ..signal.published import Pairs

    clients: list[str] = []
    known: set[str] = set()
    before: list[float] = []
    after: list[float] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            missing = [name for name in ("client", pre, post) if name not in (rows.fieldnames or ())]
            if missing:
                raise UsageError(tr("The file has no column {name}.", name=repr(missing[0])))
            for number, row in enumerate(rows, 2):
                first, second = (_number(row[name], number, name) for name in (pre, post))
                if first is not None and second is not None:
                    if row["client"] in known:
                        told = tr("Row {row} is about a client who has a row already; each client has one.", row=number)
                        raise UsageError(told)
                    known.add(row["client"])
                    clients.append(row["client"])
                    before.append(first)
                    after.append(second)
    except (OSError, UnicodeDecodeError, csv.Error):
        raise HandrailError(tr("The file could not be read as CSV in UTF-8.")) from None
    return clients, Pairs(before, after)


def _number(cell: str | None, row: int, column: str) -> float | None:
    text = (cell or "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value - value != 0:  # neither a number nor finite
        raise UsageError(tr("Row {row} has no number in the column {name}.", row=row, name=repr(column)))
    return value


def _write(out: Path, clients: Sequence[str], pairs: Pairs, result: Result) -> None:
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["client", "pre", "post", "index", "change"])
            rows.writerows(zip(clients, pairs.pre, pairs.post, result.index, result.kinds, strict=True))
    except OSError as error:
        told = tr("The file {name} could not be written: {why}.", name=out.name, why=why_of(error))
        raise HandrailError(told) from None


def _tell(facts: dict[str, Any]) -> None:
    click.echo(tr("{n} clients with both scores, standard deviation {sd}", n=facts["n"], sd=exact(facts["sd"])))
    names = {
        "recovered": tr("recovered"),
        "improved": tr("improved"),
        "unchanged": tr("unchanged"),
        "deteriorated": tr("deteriorated"),
        "harmed": tr("deteriorated past the cut-off"),
    }
    for kind, name in names.items():
        number = facts["counts"][kind]
        if number is not None:
            click.echo(f"  {name}: {whole(number)}")
    if facts["cutoff"] is not None:
        click.echo(tr("Cut-off {cutoff}.", cutoff=exact(facts["cutoff"])))
