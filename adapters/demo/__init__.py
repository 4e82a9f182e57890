"""The demo platform: an invented practice on a small FHIR server of its own. Only the lazy hooks are here."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ...plugin_core import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Adds `handrail demo`. Its body is imported when it runs, so that `handrail --help` stays quick."""
    import click

    @cli.command()
    @click.option(
        "--folder",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where its settings, store and report go (default: handrail-demo, here).",
    )
    @click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="The last day of the invented year; else today.")
    @click.option("--seed", type=int, help="Another number gives other answers within the same courses.")
    @click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
    def demo(folder: Path | None, as_of: datetime | None, seed: int | None, as_json: bool) -> None:
        """Show the whole job on an invented practice; nothing to configure."""
        from .command import run

        shown = run(folder, None if as_of is None else as_of.date(), seed, as_json)
        if as_json:
            import json
            from dataclasses import asdict

            click.echo(json.dumps(asdict(shown), indent=2))
