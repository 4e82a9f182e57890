"""`handrail sheet` and `enter`: a form on paper, and what came back on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..words import mark, tr
from ..words.kept import why_of
from .app import App, Day, author, json_option, pass_app
from .clickwords import agree

if TYPE_CHECKING:
    from ...schemas.records import Answer, Instrument, Item
    from ..collecting.entry import Entered, Entry, Sheet
    from ..engine import Engine

BACK = ("b", "\x7f", "\x08")


@click.command()
@click.argument("instrument")
@click.option("--client", help="Whose open request the sheet is for; it bears a code instead of a name.")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The page to write.")
@json_option
@pass_app
def sheet(app: App, instrument: str, client: str | None, out: Path, as_json: bool) -> int:
    """Write a form as one page to print (A4 or US Letter), blank or for a client's open request."""
    from .. import private
    from ..collecting.paper import sheet as make
    from ..safety.readiness import demand
    from ..words import speaking

    with app.engine() as engine:
        form = engine.registry.instrument(instrument)
        demand(form, engine.settings)
        key = "" if client is None else _open_request(engine, form.id, engine.client_key(client))
        settings = engine.settings
        with speaking(settings.language):
            consent = engine.collecting.consent_text
            page = make(form, settings.name or settings.practice, settings.crisis_text, consent, key)
    try:
        private.write(out, page.decode())
    except OSError as error:
        told = tr("The sheet {file} cannot be written ({why}). Choose another place.", file=out, why=why_of(error))
        raise UsageError(told) from None
    if as_json:
        app.json({"format": 1, "file": str(out.absolute()), "code": bool(key)})
        return 0
    click.echo(tr("Written: {file}. Open it in a browser and print it.", file=out))
    if client is not None and not key:
        click.echo(tr("No request is open for this client and form, so the sheet bears no code. Note whose it is."))
    return 0


def _open_request(engine: Engine, instrument: str, client: str) -> str:
    """The key of the client's open request for the form; empty: there is none."""
    from ..store import asks

    with engine.store.reading(engine.source) as tx:
        rows = asks.read(tx, states=asks.LIVE, clients=[client])
    return next((row.key for row in reversed(rows) if row.instrument == instrument), "")


@click.command()
@click.argument("form")
@click.argument("client", required=False)
@click.option("--on", type=Day(), required=True, help="The day on which it was filled in.")
@click.option("--answers", multiple=True, help='In the form\'s order, as "3 1 0 - x 2"; - reads standard input.')
@click.option("--twice", is_flag=True, help="Type it in twice; differences are shown.")
@click.option("--replace", "over", is_flag=True, help="Replace what was typed in before for that day.")
@click.option("--by", help="Who types it in (default: this computer's user).")
@json_option
@pass_app
def enter(
    app: App,
    form: str,
    client: str | None,
    on: datetime,
    answers: tuple[str, ...],
    twice: bool,
    over: bool,
    by: str | None,
    as_json: bool,
) -> int:
    """Type in a form that came back on paper: FORM CLIENT, or the CODE on the sheet alone.

    On a terminal each line is shown and takes one key: its number, x for "I would rather not say", - for empty, b to go
    back. Answers given on the command line can be seen by others on this computer; --answers - reads them instead.

    The exit status is 1 when the form is stored and somebody could not be told of its safety answer.
    """
    from ..collecting.entry import Entry

    with app.engine() as engine:
        entry = Entry(engine)
        wanted = entry.sheet(form, client)
        typed = _given(wanted.instrument, answers, twice) if answers else _by_hand(wanted, twice)
        over = over or (not answers and _may_replace(entry, wanted, on.date(), typed))
        done = entry.store(wanted, on.date(), typed, by or author(), over=over)
    _report(app, done, as_json)
    return 1 if done.untold else 0


def _report(app: App, done: Entered, as_json: bool) -> None:
    if as_json:
        app.json(
            {
                "format": 1,
                "id": done.key,
                "answered": done.answered,
                "of": done.of,
                "replaced": done.replaced,
                "unchanged": done.unchanged,
                "requests_settled": done.settled,
                "safety": done.safety,
                "problems": list(done.problems),
                "untold": list(done.untold),
            }
        )
        return
    if done.safety:
        click.echo(tr("SAFETY: a line about safety was answered on this form. Look at it now: handrail flags"))
    state = tr("The same form was there already.")
    if not done.unchanged:
        state = tr("Replaced.") if done.replaced else tr("Stored.")
    filled = tr("{answered} of {of} lines are filled in.", answered=done.answered, of=done.of)
    click.echo(" ".join((state, filled, *((tr("The open request is answered."),) if done.settled else ()))))
    for problem in done.problems:
        if problem not in done.untold:
            click.echo(tr("Note: {what}", what=problem), err=True)
    if done.untold:
        click.echo(tr("The form is here, but not everybody could be told of its safety answer:"), err=True)
    for sentence in done.untold:
        click.echo(f"  {sentence}", err=True)


# --- answers, given or typed ---------------------------------------------------------------------------------------


def _given(instrument: Instrument, texts: tuple[str, ...], twice: bool) -> dict[str, Answer]:
    from ..collecting.entry import differences, parse

    if "-" in texts:
        texts = tuple(line for line in sys.stdin.read().splitlines() if line.strip())
    wanted = 2 if twice else 1
    if len(texts) != wanted:
        once, two = mark("Give --answers once; rows given: {rows}."), mark("Give --answers twice; rows given: {rows}.")
        raise UsageError(tr(two if twice else once, rows=len(texts)))
    first, *again = [parse(instrument, text) for text in texts]
    if again and (lines := differences(instrument, first, again[0])):
        named = ", ".join(map(str, lines))
        raise UsageError(
            tr("The two entries differ on line {lines}. Nothing was stored. Look at the sheet again.", lines=named)
        )
    return first


def _by_hand(wanted: Sheet, twice: bool) -> dict[str, Answer]:
    if not sys.stdin.isatty():
        raise UsageError(tr("There is no terminal to type on. Give the answers with --answers, in the form's order."))
    with single_keys() as key:
        return _typed(wanted.instrument, key, twice)


def _typed(instrument: Instrument, key: Callable[[], str], twice: bool) -> dict[str, Answer]:
    from ..collecting.entry import differences

    first = Typing(instrument, key, click.echo).run()
    while twice:
        click.echo(tr("Once more, from the sheet."))
        again = Typing(instrument, key, click.echo).run()
        lines = differences(instrument, first, again)
        if not lines:
            break
        click.echo(tr("The two entries differ on line {lines}. Look at the sheet.", lines=", ".join(map(str, lines))))
        first = again
    return first


@contextmanager
def single_keys() -> Iterator[Callable[[], str]]:
    """Single keys of the terminal. It is set up once: set anew for each key, it would drop keys of a quick typist."""
    if sys.platform == "win32":
        yield click.getchar
        return
    import termios
    import tty

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd, termios.TCSADRAIN)
        yield lambda: _one_of(fd)
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _one_of(terminal: int) -> str:
    """The next key; a terminal that is gone ends it all."""
    found = os.read(terminal, 1)
    if not found:
        raise click.Abort
    return found.decode("ascii", "replace")


def _may_replace(entry: Entry, wanted: Sheet, on: date, typed: dict[str, Answer]) -> bool:
    before = entry.before(wanted, on)
    if before is None or before == typed:
        return False
    return agree(tr("A form of this client for that day was typed in before. Replace it? It stays in the history."))


class Typing:
    """Takes a form's answers key by key.

    :param key: waits for one key and gives it.
    :param show: shows one line of text.
    """

    def __init__(self, instrument: Instrument, key: Callable[[], str], show: Callable[[str], None]) -> None:
        self.instrument = instrument
        self.key = key
        self.show = show
        self.answers: dict[str, Answer] = {}

    def run(self) -> dict[str, Answer]:
        """All answers, once the person has seen and confirmed them.

        :raises click.Abort: the person gave it up.
        """
        items = self.instrument.items
        at = 0
        while True:
            while at < len(items):
                at = max(at + self._line(at + 1, items[at]), 0)
            self._all()
            choice = self.key().lower()
            if choice == "y":
                return self.answers
            if choice == "n":
                raise click.Abort
            if choice in BACK:
                at = len(items) - 1

    def _line(self, number: int, item: Item) -> int:
        """Takes one line; gives how far to move."""
        from ..collecting.entry import answer_of, keys_of

        self.show(f"{number:>3}. {item.text}")
        offers = "  ".join(f"{key} {option.label}" for key, option in zip(keys_of(item), item.options, strict=False))
        self.show(f"     {offers}  - {tr('left empty')}")
        while True:
            pressed = self._whole_key(item)
            if pressed in BACK:
                return -1
            answer = answer_of(item, pressed)
            if answer is not None:
                self.answers[item.id] = answer
                self.show(f"     > {pressed}")
                return 1
            self.show("     " + tr("Keys: {keys}, b to go back.", keys=" ".join(keys_of(item))))

    def _whole_key(self, item: Item) -> str:
        """One key; where an answer has two signs (a 10), as many as it takes, ended by Enter."""
        from ..collecting.entry import keys_of

        if max(map(len, keys_of(item))) == 1:
            return self.key().lower()
        text = ""
        while (pressed := self.key()) not in ("\r", "\n"):
            text += pressed
            if pressed in BACK:
                return pressed
        return text.strip().lower()

    def _all(self) -> None:
        from ..collecting.entry import typed_key

        self.show("")
        for number, item in enumerate(self.instrument.items, 1):
            self.show(f"{number:>3}. {typed_key(item, self.answers[item.id])}  {item.text}")
        self.show(tr("Is that what the sheet says? y to store it, b to go back, n to give up."))
