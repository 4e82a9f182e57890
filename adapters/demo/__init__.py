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
    @click.option("--serve", is_flag=True, help="Then open the desk on the invented practice, until Ctrl-C.")
    @click.option("--port", type=click.IntRange(1, 65535), help="On which port the desk is (default: 8737).")
    def demo(
        folder: Path | None, as_of: datetime | None, seed: int | None, as_json: bool, serve: bool, port: int | None
    ) -> None:
        """Show the whole job on an invented practice; nothing to configure."""
        from .command import run

        shown = run(folder, None if as_of is None else as_of.date(), seed, as_json, port=_port(serve, port))
        if as_json:
            import json
            from dataclasses import asdict

            click.echo(json.dumps(asdict(shown), indent=2))


def _port(serve: bool, port: int | None) -> int | None:
    """Where the desk is to be; None: it is not asked for."""
    if not (serve or port):
        return None
    from ...plugin_core.cli.serve import needs_web
    from ...plugin_core.settings_web import PORT

    needs_web()
    return port or PORT
