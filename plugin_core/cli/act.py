"""`handrail ack` and `hold`: what people do about flags."""

from __future__ import annotations

from datetime import datetime

import click

from .app import App, author, json_option, pass_app


@click.command()
@click.argument("flag")
@click.option("--note", help="What you want to remember of it.")
@click.option("--useful", type=click.Choice(["yes", "no", "unsure"]), help="Was this flag useful?")
@click.option("--by", help="Who has seen it (default: this computer's user).")
@json_option
@pass_app
def ack(app: App, flag: str, note: str | None, useful: str | None, by: str | None, as_json: bool) -> int:
    """Say that you have seen a flag. It stays, and this rule keeps quiet for this client for 12 weeks."""
    with app.engine() as engine:
        row = engine.acknowledge(flag, by or author(), note, useful)
    if as_json:
        from ..report.data import flag_json

        app.json(flag_json(row))
    elif row.flag.rule == "S":
        click.echo(f"{row.id}: seen. A safety notice stays in the list of all flags (handrail flags --all).")
    else:
        click.echo(f"{row.id}: acknowledged. The same rule stays quiet for this client for 12 weeks.")
    return 0


@click.command()
@click.argument("client")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The last day of the hold.")
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
        click.echo(f"On hold until {item.until.isoformat()}. Safety notices still come.")
    return 0
