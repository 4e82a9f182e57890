"""`handrail flags --by-hand`: the list to enter by hand, on the terminal, as a page or as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..words import mark, tr, trn
from ..words.kept import why_of
from ..words.spelling import short_day
from .app import App, author

if TYPE_CHECKING:
    from ..engine import Engine

WRONG_ENDING = mark("The list is written as .html (to print) or .csv (for a spreadsheet program). Nothing was written.")
UNWRITABLE = mark("The list cannot be written ({problem}). Choose another place.")


def write_list(app: App, engine: Engine, out: Path | None, *, reasons: bool, as_json: bool) -> int:
    """Shows the list, or writes it for its owner only and records that.

    :raises UsageError: the file's ending is neither .html nor .csv, or it cannot be written.
    """
    from .. import private
    from ..report import by_hand

    if out is not None and out.suffix.lower() not in (".html", ".htm", ".csv"):
        raise UsageError(tr(WRONG_ENDING))
    found = by_hand.lines(engine, reasons=reasons)
    if out is not None:
        table = out.suffix.lower() == ".csv"
        text = by_hand.as_table(found) if table else by_hand.as_page(engine, found)
        engine.record(author(), "hand-list-written")  # first: nothing leaves without its line (S41)
        try:
            private.write(out.absolute(), text)
        except OSError as error:
            raise UsageError(tr(UNWRITABLE, problem=why_of(error))) from None
    if as_json:
        app.json(
            [
                {
                    "do": one.do,
                    "client": one.client,
                    "name": one.name,
                    "therapist": one.therapist,
                    "since": one.since.isoformat(),
                    "ended": one.ended.isoformat() if one.ended else None,
                    "text": one.text,
                    "flag": one.flag,
                    "reason": one.reason,
                }
                for one in found
            ]
        )
    elif out is not None:
        click.echo(tr("Written: {file} (readable by you alone; it holds names)", file=out.absolute()))
        click.echo(trn("{count} line.", "{count} lines.", len(found)))
    elif not found:
        click.echo(tr(by_hand.NOTHING))
    else:
        heads = by_hand.HEADS
        rows = [(by_hand.DO[one.do], one.name or one.client, short_day(one.since), one.text, one.flag) for one in found]
        app.table((heads["do"], heads["name"], heads["since"], heads["text"], heads["flag"]), rows)
    return 0
