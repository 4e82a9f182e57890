"""A practice that asks its clients: the stage of the sync tests with enrolments and a channel outside the process."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from handrail.plugin_core.collecting import DueRow, SendReport, Standing, Wish
from handrail.plugin_core.collecting.send import SendOptions
from handrail.plugin_core.store import asks
from handrail.plugin_core.store.asks import AskRow

from tests.sync.stage import Stage, form

from .channel import Channel

MONDAY = datetime(2026, 5, 4, 9, tzinfo=UTC)
ZURICH = 'time_zone = "Europe/Zurich"'
COLLECT = '[collect]\nchannel = "test"\n'


class Practice(Stage):
    """Clients `c1`, `c2` ... on the platform, none enrolled."""

    def __init__(self, folder: Path, *, clients: int = 1, now: datetime = MONDAY, settings: str = "") -> None:
        super().__init__(folder, carriers=(), page_size=500, safety="", crisis="")
        self.now = now
        self.demo.clock.set(now)
        self.outside = Channel(folder / "channel")
        self.plugins.append(("channel", self.outside))
        self.settings(settings)
        self.clients = [f"c{number}" for number in range(1, clients + 1)]
        for client in self.clients:
            self.person(client)
        self._forms = 0

    def settings(self, more: str = "", collect: str = "") -> None:
        """Writes the settings: lines of the top, and of [collect]."""
        self.write_settings(on=False, carriers=())
        text = self.file.read_text()
        if "time_zone" in more:
            text = text.replace('time_zone = "UTC"\n', "")
        head, mark, rest = text.partition("[platform]\n")
        self.file.write_text(f"{head}{more}\n{mark}{rest}\n{COLLECT}{collect}")

    # --- the days ----------------------------------------------------------------------------------------------------

    @property
    def today(self) -> date:
        return self.now.date()

    def days(self, number: float) -> None:
        """Lets so many days pass."""
        self.later(days=number)

    # --- what people do ----------------------------------------------------------------------------------------------

    def enrol(self, *clients: str, consent: bool | date = True, **more: Any) -> None:
        """Enrols clients, with consent of today unless told otherwise."""
        if consent:
            more["consent"] = self.today if consent is True else consent
        wishes = [Wish(f"Patient/{client}", **more) for client in clients or self.clients]
        self.ask(lambda engine: engine.collecting.enrol(wishes, "anna"))

    def answer(self, client: str, *, when: datetime | None = None, sync: bool = True, **more: Any) -> str:
        """The client fills in a form; it reaches us by the next sync."""
        self._forms += 1
        name = f"{client}-f{self._forms}"
        self.put(form(name, client, when or self.now, **more))
        if sync:
            self.sync()
        return name

    def send(self, **options: Any) -> SendReport:
        """One run of `send`."""
        found: SendReport = self.ask(lambda engine: engine.collecting.send(SendOptions(**options)))
        return found

    # --- what a test looks at ----------------------------------------------------------------------------------------

    def due(self, client: str = "c1") -> DueRow:
        """How the one form of a client stands."""
        (row,) = self.ask(lambda engine: engine.collecting.due(client=f"Patient/{client}"))
        found: DueRow = row
        return found

    def standing(self, client: str = "c1") -> Standing:
        return self.due(client).standing

    def asks(self) -> list[AskRow]:
        """All rows of the store."""
        with self.engine() as engine, engine.store.reading(engine.source) as tx:
            return asks.read(tx)

    def states(self) -> list[str]:
        return [f"{row.due} {row.state.value}" for row in self.asks()]


def weeks(number: int) -> timedelta:
    return timedelta(weeks=number)
