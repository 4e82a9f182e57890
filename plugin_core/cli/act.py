"""`handrail ack` and `hold`: what people do about flags."""

from __future__ import annotations

from datetime import datetime

import click

from ...schemas.vocab import FlagState
from ..words import spelling, tr
from .app import App, Day, author, json_option, pass_app


@click.command()
@click.argument("flag")
@click.option("--note", help="What you want to remember of it.")
@click.option("--useful", type=click.Choice(["yes", "no", "unsure"]), help="Was this flag useful?")
@click.option("--done", help="Close a safety answer: what was done. Only people close these.")
@click.option("--by", help="Who has seen it (default: this computer's user).")
@json_option
@pass_app
def ack(
    app: App, flag: str, note: str | None, useful: str | None, done: str | None, by: str | None, as_json: bool
) -> int:
    """Say that you have seen a flag. It stays, and this rule keeps quiet for this client for 12 weeks.

    Of a safety answer it says that you have it in hand: nobody is told again. It stays on top of the list until
    somebody closes it with --done.
    """
    with app.engine() as engine:
        if done is None:
            row = engine.acknowledge(flag, by or author(), note, useful)
        else:
            row = engine.safety.close(flag, by or author(), done)
    if as_json:
        from ..report.data import flag_json

        app.json(flag_json(row))
    elif done is not None:
        click.echo(tr("{flag}: closed.", flag=row.id))
    elif row.kind == "safety" and row.flag.state not in (FlagState.RAISED, FlagState.ACKNOWLEDGED):
        click.echo(tr("{flag}: written down. It was closed already and stays closed.", flag=row.id))
    elif row.kind == "safety":
        click.echo(
            tr(
                "{flag}: seen; nobody is told again. It stays on top of the list until it is closed: "
                'handrail ack {flag} --done "what was done"',
                flag=row.id,
            )
        )
    else:
        click.echo(tr("{flag}: acknowledged. The same rule stays quiet for this client for 12 weeks.", flag=row.id))
    return 0


@click.command()
@click.argument("client")
@click.option("--until", type=Day(), required=True, help="The last day of the hold.")
@click.option("--reason", required=True, help="Why: crisis, bereavement, inpatient stay, change of medication ...")
@click.option("--by", help="Who decides it (default: this computer's user).")
@json_option
@pass_app
def hold(app: App, client: str, until: datetime, reason: str, by: str | None, as_json: bool) -> int:
    """Pause new flags for a client. Safety notices are never paused; flags that stand stay."""
    with app.engine() as engine:
        item = engine.hold(client, until.date(), reason, by or author())
    if as_json:
        app.json({"client": item.client, "start": item.start.isoformat(), "until": item.until.isoformat()})
    else:
        click.echo(tr("On hold until {day}. Safety notices still come.", day=spelling.day(item.until)))
    return 0
