"""`handrail demo`: the whole job on an invented practice, over real HTTP on this machine, nothing to configure.

It uses the same engine, adapter and store as a practice does; only the platform is ours. Its last day is "today", so
that nothing it shows is stale.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...plugin_core.cli.read import write_report
from ...plugin_core.cli.work import show
from ...plugin_core.contracts import Letter
from ...plugin_core.engine import Engine
from ...plugin_core.errors import UsageError
from ...plugin_core.settings import Connection, Pushing, Settings, load, save
from ...plugin_core.store import Store, keys
from ...plugin_core.sync.run import Options
from ...plugin_core.views import FlagRow
from ...plugin_core.words import ENGLISH, Texts, mark, spoken, tr, trn
from ...plugin_core.words.kept import why_of
from .practice import DEFAULT_SEED
from .stage import Demo, open_demo

if TYPE_CHECKING:
    from rich.console import Console

FOLDER = Path("handrail-demo")
OURS = (
    "handrail.toml",
    "handrail.db",
    "handrail.db-wal",
    "handrail.db-shm",
    "handrail.key",
    "demo.token",
    "report.html",
)
SHOWN = 6


def program() -> str:
    """How Handrail was started: its name where that is enough, else its place (a virtual environment, say)."""
    called = Path(sys.argv[0])
    return str(called) if called.name.startswith("handrail") and shutil.which("handrail") is None else "handrail"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a run of the demo has shown, for `--json` and for tests."""

    forms: int
    flags: dict[str, int]
    on_platform: dict[str, int]
    second_sync: dict[str, int]
    after_changes: dict[str, int]
    set_aside: int
    report: str


def run(
    folder: Path | None, as_of: date | None, seed: int | None, as_json: bool = False, *, port: int | None = None
) -> Shown:
    """Plays the demo.

    :param folder: where settings, store and report go; `handrail-demo` here if left out. Files of an earlier demo in
        it are replaced, nothing else is touched.
    :param as_of: the last day of the invented year; today if left out.
    :param seed: another number gives other answers within the same courses.
    :param port: afterwards the desk is opened there, until Ctrl-C; None: it is not.
    """
    place = (folder or FOLDER).absolute()
    say = _Say(quiet=as_json)
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name in OURS:
            (place / name).unlink(missing_ok=True)
    except OSError as error:
        told = tr(
            "The demo cannot write to {folder} ({why}). Choose another: --folder DIR", folder=place, why=why_of(error)
        )
        raise UsageError(told) from None
    with open_demo(place, as_of, DEFAULT_SEED if seed is None else seed) as demo:
        say.step(tr("An invented practice: 40 clients, a year of answers, on a small FHIR server on this machine"))
        say.text(tr("{address} - nobody here is real, and nothing leaves this machine.", address=demo.base))
        settings = _settings(demo)
        with Engine(settings, now=lambda: _now(demo)) as engine:
            _without_mail(engine)
            shown = _play(demo, engine, say, place / "report.html")
        if port is not None:
            from .desk import open_desk

            say.step(tr("The desk, in your browser"))
            open_desk(settings, lambda: _now(demo), _without_mail, port)
            return shown
    say.step(tr("Yours to look at"))
    say.text(tr("Report:   {file}", file=shown.report))
    again = f"{program()} --settings {place / 'handrail.toml'} flags"
    say.text(tr("Again:    {command}   (also: explain, client, ack, hold, doctor)", command=again))
    say.text(
        tr("Next:     README, Install it in a practice: {program} init, then {program} connect fhir", program=program())
    )
    return shown


class _Post:
    """Stands in for the practice's mail server, which the demo does not have: keeps the letters."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    def send(self, letter: Letter) -> None:
        """Takes a letter."""
        self.letters.append(letter)


def _without_mail(engine: Engine) -> None:
    """Nothing leaves this machine, letters least of all."""
    engine.mailer = _Post()  # type: ignore[assignment]


def _now(demo: Demo) -> datetime:
    return demo.server.clock.now()


_FOUND = Texts({"there once": mark("there once")})

# What a practice fills in before a form with safety lines may be asked for; here all of it is invented.
_SAFETY = {
    "country": "Nowhere",
    "crisis_text": mark("This practice is invented. A real one says here whom to call in a crisis."),
    "safety.clinician": "clinician@practice.invalid",
    "safety.backup": "backup@practice.invalid",
    "mail.host": "mail.practice.invalid",
    "mail.sender": "handrail@practice.invalid",
}


def _settings(demo: Demo) -> Settings:
    """What `init` and `connect` would have made, in the demo's folder."""
    folder = demo.folder
    keys.write(f"file:{folder / 'handrail.key'}", keys.make_master())
    keys.write(f"file:{folder / 'demo.token'}", demo.token)
    platform = {"base_url": demo.base, "auth": "bearer", "ask_by": "auto"}
    connection = Connection("fhir", platform, {"token": "file:demo.token"})
    pushing = Pushing(on=True, carriers=("flag",))
    save(
        folder / "handrail.toml",
        {
            "practice": "demo",
            "name": tr("Invented practice (demo)"),
            "time_zone": "Europe/Zurich",
            "key": "file:handrail.key",
            "platform.name": connection.platform,
            "platform.settings": dict(connection.settings),
            "platform.secrets": dict(connection.secrets),
            "push.on": pushing.on,
            "push.carriers": list(pushing.carriers),
            **({} if spoken() == ENGLISH else {"language": spoken()}),
            **_SAFETY,
            "crisis_text": tr(_SAFETY["crisis_text"]),
        },
    )
    settings = load(folder / "handrail.toml")
    Store(settings.store_url, settings.practice, keys.master(settings.key_reference), create=True).close()
    return settings


def _play(demo: Demo, engine: Engine, say: _Say, report: Path) -> Shown:
    say.step(tr("Publish the forms on the platform"))
    for instrument in demo.practice.instruments():
        made = engine.publish(instrument)
        say.text(f"{instrument.id}/{instrument.version}  {instrument.title}  ->  {made.form}")
    answered = demo.answer_year()
    say.step(
        tr(
            "The clients answer: {forms} forms over a year. First sync: pull, score, let the rules read, push",
            forms=answered,
        )
    )
    first = engine.sync(Options(consent=lambda _: True))
    say.report(first)
    every = engine.flags()
    rows = [row for row in every if row.flag.shown]
    say.step(tr("The flags that stand, with their reasons. Most flags do not mean that something is wrong"))
    say.flags(rows, behind=len(every) - len(rows))
    say.step(tr("Pull back what was pushed: Flag resources on the platform that carry our keys"))
    on_platform = _read_back(engine, rows)
    found = [f"{_FOUND.get(state, state)}: {number}" for state, number in sorted(on_platform.items())]
    say.text(", ".join(found) or tr("none"))
    say.text(tr("Each has a neutral title, no score, no answer, and Provenance back to the forms it rests on."))
    say.step(tr("Sync again: nothing has changed, so nothing is stored or pushed"))
    second = engine.sync()
    say.report(second)
    deeds = demo.second_act()
    say.step(tr("Life goes on: {what}", what="; ".join(tr(deed.words) for deed in deeds)))
    third = engine.sync()
    say.report(third)
    aside = engine.set_aside()
    if aside:
        say.step(tr("Set aside instead of scored on a guess"))
        for item in aside:
            say.text(f"{item.where}: {item.message}")
    write_report(engine, report)
    return Shown(
        forms=answered,
        flags=dict(Counter(row.flag.rule for row in rows)),
        on_platform=on_platform,
        second_sync=dict(second.counts),
        after_changes=dict(third.counts),
        set_aside=len(aside),
        report=str(report),
    )


def _read_back(engine: Engine, rows: Sequence[FlagRow]) -> dict[str, int]:
    """How many objects the platform holds for the flags that Handrail says it pushed: found by key, over HTTP."""
    carrier = engine.adapter.carrier("flag")
    found: Counter[str] = Counter()
    for row in rows:
        if row.deliveries:
            number = len(carrier.find(row.flag.key))
            found["there once" if number == 1 else f"there {number} times"] += 1
    return dict(found)


class _Say:
    """Prints the demo's steps; nothing when the facts go out as JSON."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.number = 0

    def console(self) -> Console:
        """Where tables go."""
        from rich.console import Console

        return Console(highlight=False)

    def step(self, text: str) -> None:
        """The head of a step."""
        self.number += 1
        if not self.quiet:
            click.secho(f"\n{self.number}. {text}", bold=True)

    def text(self, text: str) -> None:
        """A line of it."""
        if not self.quiet:
            click.echo(f"   {text}")

    def report(self, report: Any) -> None:
        """What a sync did."""
        if not self.quiet:
            show(report)

    def flags(self, rows: Sequence[FlagRow], behind: int) -> None:
        """The first few flags of different rules, the rest as a number: the list is `handrail flags`."""
        if self.quiet:
            return
        from ...plugin_core.report.listing import flags_table

        by_rule: dict[str, FlagRow] = {}
        for row in rows:
            by_rule.setdefault(row.flag.rule, row)
        first = list(by_rule.values())[:SHOWN]
        self.console().print(flags_table(first))
        more = len(rows) - len(first)
        self.text(
            trn(
                "{count} more stands; all of them are in the report.",
                "{count} more stand; all of them are in the report.",
                more,
            )
        )
        self.text(
            trn(
                "{count} flag of the plain rules P1 to P6 waits behind these; nothing of it is pushed.",
                "{count} flags of the plain rules P1 to P6 wait behind these; nothing of them is pushed.",
                behind,
            )
        )
