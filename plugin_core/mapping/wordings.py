"""Other wordings under which a form's lines are known to be in use: the same question in other words of its publishers.

Data files of the folder `instruments/wordings`, one a form and language; each names where the wordings were read. A
wording that asks about another span of time or another thing is none and does not belong there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from ...schemas.records import Instrument
from .texts import bare


@dataclass(frozen=True, slots=True)
class Wordings:
    """Known wordings by line and by option code, as `bare` leaves them."""

    items: Mapping[str, frozenset[str]] = field(default_factory=dict)
    options: Mapping[str, frozenset[str]] = field(default_factory=dict)


_NONE = Wordings()


def wordings_of(instrument: Instrument) -> Wordings:
    """What is known of this form in this language and version; nothing for a form that is not ours."""
    found = _read(instrument.id, instrument.language)
    return found[1] if found is not None and found[0] == instrument.version else _NONE


@cache
def _read(instrument_id: str, language: str) -> tuple[str, Wordings] | None:
    place = files("handrail.plugin_core.instruments").joinpath("wordings", f"{instrument_id}.{language}.json")
    if not place.is_file():
        return None
    data = json.loads(place.read_text(encoding="utf-8"))
    return data["version"], Wordings(_bared(data["items"]), _bared(data["options"]))


def _bared(texts: Mapping[str, list[str]]) -> dict[str, frozenset[str]]:
    return {name: frozenset(bare(text) for text in listed) for name, listed in texts.items()}
