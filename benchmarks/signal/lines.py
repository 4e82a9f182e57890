"""A simulated world as the product reads it: courses for the rules, and a file for `handrail screen`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import IO

from handrail.plugin_core.scoring import Scorer
from handrail.schemas.records import Course, Response

from .answers import BESIDE, LINES, MISSING, instrument
from .worlds import World

START = datetime(2024, 1, 1, 10, tzinfo=UTC)


def responses(world: World, client: int) -> Iterator[Response]:
    """One client's forms, oldest first."""
    form = instrument()
    for week in world.present[client].nonzero()[0]:
        answers = {
            name: int(value)
            for name, value in zip(LINES, world.answered.raw[client, week], strict=True)
            if value != MISSING
        }
        answers |= {name: int(value) for name, value in zip(BESIDE, world.answered.beside[client, week], strict=True)}
        when = START + timedelta(days=float(world.days[client, week]))
        yield Response(f"{client}-{week}", f"c{client:06d}", form.id, form.version, when, answers)


def course(world: World, client: int, scorer: Scorer) -> Course:
    """One client's course as rules see it."""
    forms = tuple(scorer.form(response) for response in responses(world, client))
    return Course(f"c{client:06d}", instrument(), forms)


def write(world: World, out: IO[str], chosen: Iterable[int] | None = None, first: int = 0) -> int:
    """Writes the world as JSON Lines for `handrail screen`, sorted by client; gives the number of forms.

    `chosen` are the clients to write, all by default; they are numbered on from `first`.
    """
    forms = 0
    for number, client in enumerate(range(len(world.present)) if chosen is None else chosen, first):
        for response in responses(world, client):
            line = {
                "client": f"c{number:06d}",
                "instrument": response.instrument,
                "version": response.instrument_version,
                "authored": response.authored.isoformat(),
                "answers": dict(response.answers),
            }
            out.write(json.dumps(line) + "\n")
            forms += 1
    return forms
