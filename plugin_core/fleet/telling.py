"""One letter to the practice when its syncs wait for a person: no second one until a sync has succeeded (F96).

The daily letter of schedule/alarm.py is another thing: while nothing is read for a day, safety answers are not either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..contracts import Letter
from ..errors import HandrailError
from ..words import in_practice_language, mark, tr

if TYPE_CHECKING:
    from ..engine import Engine
    from ..settings import Settings

SUBJECT = mark("Handrail cannot sync until something is mended")
LETTER = mark("""\
Handrail for {practice} cannot go on by itself.

What happened: {problem}

It tries again, more and more seldom, down to once a day. What clients answer until then is not in Handrail, and \
nobody is told of it by Handrail, safety answers included: look at new answers in your platform itself.

This is said once. As soon as it is mended, whoever runs Handrail for you can let it go on at once.
""")


class _Teller:
    """Speaks the practice's language."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.settings: Settings = engine.settings

    @in_practice_language
    def tell(self, problem: str) -> None:
        settings = self.settings
        self.engine.mailer.send(
            Letter(
                to=settings.schedule.alarm_to,
                subject=tr(SUBJECT),
                text=tr(LETTER, practice=settings.name or settings.practice, problem=problem),
                key=f"mend {settings.practice} {self.engine.now().isoformat(timespec='seconds')}",
            )
        )


def tell(engine: Engine, problem: str, say: Callable[[str], None]) -> None:
    """Writes to the address for alarms, where the practice has set one. `say` is told if the letter did not go."""
    if not engine.settings.schedule.alarm_to:
        return
    try:
        _Teller(engine).tell(problem)
    except HandrailError as error:
        say(error.message)
