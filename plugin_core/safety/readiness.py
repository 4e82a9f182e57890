"""What must be filled in before a form with safety lines may be asked for (clinical.md 6), in plain words.

The crisis text and the country have no default: a wrong number would be worse than none. Forms that come in all the
same (a platform's own PHQ-9) are read and rule S rises regardless; then it is said loudly that nobody can be told.
"""

from __future__ import annotations

from ...schemas.records import Instrument
from ..errors import SettingsError
from ..settings import Settings
from ..words import mark, tr

ASKS_FOR = mark(
    "{form} has a line about safety, so it can be asked for only when the practice has said what a client reads in a "
    "crisis and who is told of an answer. Missing in the settings {file}: {missing}. Fill them in "
    "(see docs/safety.md), then run this again."
)
NOBODY = mark(
    "Nobody can be told of a safety answer by e-mail. Missing in the settings: {missing}. Until they are filled in, "
    "somebody must look at: handrail flags"
)


def missing(settings: Settings) -> tuple[str, ...]:
    """Names of what is not filled in yet, as they stand in the settings file; empty when all is there."""
    return (
        *(
            name
            for name, there in (("crisis_text", settings.crisis_text), ("country", settings.country))
            if not there.strip()
        ),
        *unreachable(settings),
    )


def unreachable(settings: Settings) -> tuple[str, ...]:
    """Those of them without which no notice can be sent at all."""
    safety, mail = settings.safety, settings.mail
    needed = (
        (tr("[safety] clinician (or clinicians)"), bool(safety.clinician or safety.clinicians)),
        ("[safety] backup", bool(safety.backup)),
        ("[mail] host", bool(mail.host)),
        ("[mail] sender", bool(mail.sender)),
    )
    return tuple(name for name, there in needed if not there)


def demand(instrument: Instrument, settings: Settings) -> None:
    """Lets a form without safety lines pass, and any form once everything is filled in.

    :raises SettingsError: the form has safety lines and something is missing; the sentence names each.
    """
    if not instrument.safety:
        return
    if names := missing(settings):
        raise SettingsError(tr(ASKS_FOR, form=instrument.title, file=settings.file, missing=", ".join(names)))
