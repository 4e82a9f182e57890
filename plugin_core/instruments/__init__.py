"""Forms as data: reads an instrument's file, checks it, and gives those that ship with Handrail.

The files of this folder are the only place where an item's wording lives. A vendor's own form is read with `read` and
handed over through the hook `register_instruments`; docs/instruments.md tells what each of ours is.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any, NoReturn

from marshmallow import ValidationError

from ...schemas.instruments import InstrumentFileSchema
from ...schemas.problems import problems
from ...schemas.records import Instrument
from ..errors import InstrumentProblem
from ..words import tr
from ..words.kept import told
from .checks import faults

BUILTIN = ("gr18", "ts8", "phq9", "gad7", "core10")
LARGEST = 1_000_000


def builtin() -> tuple[Instrument, ...]:
    """Every instrument that ships with Handrail."""
    return tuple(builtin_one(name) for name in BUILTIN)


@cache
def builtin_one(instrument_id: str) -> Instrument:
    """The built-in instrument of that id. Reads and checks its file alone, once.

    :raises InstrumentProblem: there is no built-in instrument of that id.
    """
    if instrument_id not in BUILTIN:
        raise InstrumentProblem(
            tr("There is no built-in form of that name. Built in are: {builtin}.", builtin=", ".join(BUILTIN))
        )
    name = f"{instrument_id}.json"
    return read(files(__package__).joinpath(name).read_bytes(), name=name)


def read(raw: bytes, *, name: str) -> Instrument:
    """An instrument from the bytes of its file, in format 1 (docs/schemas/instrument.json).

    :param raw: UTF-8 JSON.
    :param name: how messages call the file; it is never opened.
    :raises InstrumentProblem: the bytes are no JSON, not of the format, or contradict themselves; the message names
        the path inside the file.
    """
    data = _decode(raw, name)
    try:
        instrument: Instrument = _schema().load(data)
    except ValidationError as error:
        found = problems(error, told)
    else:
        found = faults(instrument)
    if found:
        _refuse(name, "; ".join(found))
    return replace(instrument, sha256=_hash(data))


@cache
def _schema() -> InstrumentFileSchema:
    return InstrumentFileSchema()


def _decode(raw: bytes, name: str) -> Any:
    """The JSON of the file; what `json` would quietly let through (doubled keys, NaN) is refused."""
    if len(raw) > LARGEST:
        _refuse(name, tr("the file is larger than {largest} bytes", largest=f"{LARGEST:,}"))
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except _Doubled:
        _refuse(name, tr("a key stands twice in one object"))
    except (ValueError, RecursionError):
        _refuse(name, tr("it is not UTF-8 JSON"))


class _Doubled(Exception):
    """A key stands twice in one object: one of the two values would silently be lost."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Doubled
    return found


def _no_constant(_: str) -> NoReturn:
    raise ValueError


def _hash(data: Any) -> str:
    """The hash of the content: sorted keys and no spaces, so that reformatting a file changes nothing (S37)."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _refuse(name: str, why: str) -> NoReturn:
    raise InstrumentProblem(tr("The instrument file {name} cannot be used: {why}.", name=name, why=why)) from None
