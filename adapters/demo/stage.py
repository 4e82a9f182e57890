"""Sets the stage of the demo: the server listens, the invented people are on it, its clock shows the day.

The order of a demo: open it, publish the practice's forms through the adapter, let the clients answer
(`answer_year`), sync; then `second_act` and sync again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from .practice import DEFAULT_SEED, Deed, Practice
from .server import DemoServer
from .store import Clock


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo platform. `folder` is where Handrail's side may keep its settings, store and report."""

    folder: Path
    server: DemoServer
    practice: Practice

    @property
    def base(self) -> str:
        """The FHIR base address."""
        return self.server.base

    @property
    def token(self) -> str:
        """The bearer token of this start."""
        return self.server.token

    def answer_year(self) -> int:
        """Lets the clients answer a year of forms. Gives how many came in.

        :raises LookupError: a form of `practice.instruments()` is not published yet.
        """
        return self.practice.load_year(self.server)

    def second_act(self) -> tuple[Deed, ...]:
        """Lets happen what happens between two syncs, and gives it with what must follow."""
        return self.practice.play(self.server)


@contextmanager
def open_demo(folder: Path, as_of: date | None = None, seed: int = DEFAULT_SEED) -> Iterator[Demo]:
    """Runs the demo platform while the block lasts.

    :param folder: made if it is not there; nothing is written into it here.
    :param as_of: the last day of the practice's year, on which the server's clock stands at noon UTC and runs on;
        today, in real time, if left out.
    :param seed: another number gives other answers within the same courses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clock = Clock(None if as_of is None else datetime.combine(as_of, time(12), UTC))
    practice = Practice(clock.now().date(), seed)
    with DemoServer(seed, clock) as server:
        practice.load_people(server)
        yield Demo(folder, server, practice)
