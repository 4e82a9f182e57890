"""`handrail plugins --platforms`: what can be connected, what each platform can do, and how far that was tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..words import tr
from .app import App

if TYPE_CHECKING:
    from ..manager import Plugins
    from ..support import Platform


def platforms_of(known: Plugins) -> list[Platform]:
    """The platforms of all loaded plugins. Only Handrail's own have pages beside the matrix."""
    from ..registry import Registry
    from ..support import Platform

    own = {info.name for info in known.infos() if info.distribution == "handrail"}
    found = Registry(known).adapters.values()
    return [Platform(one.descriptor, one.plugin, one.plugin.split(" ")[0] in own) for one in found]


def show(app: App, known: Plugins, *, as_json: bool, as_markdown: bool) -> int:
    """Prints the matrix as a table, as JSON, or as the page of the documentation."""
    from ..support import TESTED, markdown

    rows = platforms_of(known)
    if as_json:
        app.json([one.facts() for one in rows])
    elif as_markdown:
        click.echo(markdown(rows), nl=False)
    else:
        columns = (tr("name"), tr("title"), tr("shows flags as"), tr("how far tested"))
        by_hand = tr("a list to enter by hand")
        table = [
            (
                one.spec.name,
                one.spec.title,
                ", ".join(carrier.name for carrier in one.spec.carriers) or by_hand,
                TESTED.get(one.support.tested, one.support.tested),
            )
            for one in rows
        ]
        app.table(columns, table)
        for one in rows:
            for carrier in one.spec.carriers:
                click.echo(
                    tr(
                        "{platform}, {carrier}: seen by {who}",
                        platform=one.spec.title,
                        carrier=carrier.name,
                        who=tr(carrier.seen_by),
                    )
                )
        click.echo(tr("More: handrail plugins --platforms --markdown"))
    return 0
