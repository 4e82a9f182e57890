"""`handrail calibrate`: the practice's own measurement error, shown first and kept only when told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ...schemas.records import Json
from ..words import tr, trn
from ..words.spelling import exact
from .app import App, json_option, pass_app

if TYPE_CHECKING:
    from ..signal import local


@click.command()
@click.option("--store", is_flag=True, help="Keep what could be estimated, and use it from now on.")
@json_option
@pass_app
def calibrate(app: App, store: bool, as_json: bool) -> int:
    """Estimate from this practice's own forms how much scores go up and down by chance, and what that would change."""
    from ..signal import local, practice

    with app.engine() as engine:
        found = local.estimates(course for page in practice.courses(engine) for course in page)
        known = local.as_known(found, engine.now().date())
        flags = practice.standing(engine, known) if known else {}
        if store and known:
            local.store(engine.settings.folder, known)
            engine.record("practice", "constants-stored")
    if as_json:
        app.json(_facts(found, flags, bool(store and known)))
        return 0
    for one in found:
        _tell(one)
    _end(found, flags, bool(known), store)
    return 0


def _facts(found: list[local.Estimate], flags: dict[str, tuple[int, int]], stored: bool) -> Json:
    return {
        "estimates": [
            {
                "form": one.form,
                "score": one.score,
                "clients": one.clients,
                "enough": one.enough,
                "sd": {"value": one.sd[0], "low": one.sd[1], "high": one.sd[2], "now": one.now.sd},
                "retest": {"value": one.retest[0], "low": one.retest[1], "high": one.retest[2], "now": one.now.retest},
                "origin": one.now.origin,
            }
            for one in found
        ],
        "flags": {rule: {"now": now, "then": then} for rule, (now, then) in flags.items()},
        "stored": stored,
    }


def _tell(one: local.Estimate) -> None:
    click.echo(
        tr(
            "{form}, {score}, {clients} clients: standard deviation {sd} ({sd_low} to {sd_high}, used now {sd_now}), "
            "retest correlation {retest} ({retest_low} to {retest_high}, used now {retest_now})",
            form=one.form,
            score=one.title,
            clients=one.clients,
            **{f"sd{end}": _two(value) for end, value in zip(("", "_low", "_high"), one.sd, strict=True)},
            **{f"retest{end}": _two(value) for end, value in zip(("", "_low", "_high"), one.retest, strict=True)},
            sd_now=_two(one.now.sd or 0),
            retest_now=_two(one.now.retest or 0),
        )
    )


def _two(value: float) -> str:
    return exact(round(value, 2))


def _end(found: list[local.Estimate], flags: dict[str, tuple[int, int]], usable: bool, store: bool) -> None:
    most = max((one.clients for one in found), default=0)
    if not usable:
        click.echo(
            trn(
                "{count} client has two forms 2 to 4 weeks apart; 100 are needed. Nothing is changed.",
                "{count} clients have two forms 2 to 4 weeks apart; 100 are needed. Nothing is changed.",
                most,
            )
        )
        return
    for rule, (now, then) in flags.items():
        click.echo(tr("{rule}: {now} standing now, {then} with these numbers", rule=rule, now=now, then=then))
    if store:
        click.echo(tr("Kept. To let the rules read all courses by these numbers: handrail rescore"))
    else:
        click.echo(tr("Nothing is changed. To keep and use these numbers: handrail calibrate --store"))
