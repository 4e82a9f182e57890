"""A form in another language: the same lines, codes, numbers and scores, other words.

A translation is a file in the folder `words` (`gr18.de.json`) and makes an `Instrument` of the same id and version
with a `language` of its own. Answers to it are answers to that instrument; the language is kept with each response,
and a series in two languages is marked (clinical.md 8.3). Other people's forms are translated by them, never by us.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from marshmallow import ValidationError

from ...schemas.instruments import TranslationFileSchema
from ...schemas.problems import problems
from ...schemas.records import Instrument, Item, ScoreDefinition
from ..errors import InstrumentProblem, UsageError
from ..words import spoken, tr
from ..words.kept import told
from . import BUILTIN, builtin_one

Json = dict[str, Any]
FOLDER = "words"


def languages_of(instrument: Instrument) -> tuple[str, ...]:
    """The languages in which a form can be asked, its own first."""
    return (instrument.language, *(_files(instrument.id) if instrument.id in BUILTIN else ()))


@cache
def _files(instrument_id: str) -> tuple[str, ...]:
    names = (entry.name for entry in files(__package__).joinpath(FOLDER).iterdir())
    return tuple(sorted(name.split(".")[1] for name in names if name.startswith(f"{instrument_id}.")))


def in_language(instrument: Instrument, language: str | None = None) -> Instrument:
    """The form in a language where there is a translation, else as it is.

    :param language: by default the one that is spoken; `de-CH` takes `de`.
    """
    wanted = (language or spoken()).partition("-")[0]
    if wanted == instrument.language or wanted not in languages_of(instrument):
        return instrument
    return _translated(instrument, wanted)


def translated(instrument: Instrument, language: str) -> Instrument:
    """The form in a language.

    :raises UsageError: there is no translation; the message lists the languages that there are.
    """
    found = in_language(instrument, language)
    if found.language != language.partition("-")[0]:
        there = ", ".join(languages_of(instrument))
        raise UsageError(
            tr(
                "The form {id} is not there in the language {language!r}. There is: {there}.",
                id=instrument.id,
                language=language,
                there=there,
            )
        )
    return found


def every(instrument: Instrument) -> tuple[Instrument, ...]:
    """The form in each language that there is, its own first."""
    return tuple(in_language(instrument, language) for language in languages_of(instrument))


_made: dict[tuple[object, ...], Instrument] = {}


def _translated(instrument: Instrument, language: str) -> Instrument:
    changes = tuple(score.change for score in instrument.scores)  # a practice's own constants are not in the hash
    key = (instrument.id, instrument.version, instrument.sha256, language, changes)
    if key not in _made:
        if instrument.sha256 != builtin_one(instrument.id).sha256:
            return instrument  # another form of that name, with words of its own
        name = f"{instrument.id}.{language}.json"
        _made[key] = read(files(__package__).joinpath(FOLDER, name).read_bytes(), instrument, name=name)
    return _made[key]


def read(raw: bytes, instrument: Instrument, *, name: str) -> Instrument:
    """The instrument with the words of a translation file.

    :param raw: UTF-8 JSON in format 1 (`TranslationFileSchema`).
    :param name: how messages call the file.
    :raises InstrumentProblem: the file is not of the format, is of another form or version, or lacks or adds a line.
    """
    try:
        data: Json = TranslationFileSchema().load(json.loads(raw.decode("utf-8")))
    except ValidationError as error:
        found = list(problems(error, told))
    except (ValueError, RecursionError):
        found = [tr("it is not UTF-8 JSON")]
    else:
        found = list(_differences(data, instrument))
    if found:
        raise InstrumentProblem(
            tr("The translation {name} cannot be used: {found}.", name=name, found="; ".join(found))
        )
    return replace(
        instrument,
        language=data["language"],
        title=data["title"],
        lead_in=data["lead_in"],
        window=data["window"],
        note=data.get("note"),
        licence=replace(instrument.licence, notice=data["notice"]),
        items=tuple(_item(item, data) for item in instrument.items),
        scores=tuple(_score(score, data["scores"][score.id]) for score in instrument.scores),
    )


def _differences(data: Json, instrument: Instrument) -> Iterator[str]:
    if (data["instrument"], data["version"]) != instrument.key:
        yield tr("it is of another form or version")
    options = {option.code for item in instrument.items for option in item.options}
    hints = {item.id for item in instrument.items if item.hint}
    told = {name for name, line in data["items"].items() if "hint" in line}
    for what, wanted, there in (
        ("options", options, set(data["options"])),
        ("items", {item.id for item in instrument.items}, set(data["items"])),
        ("scores", {score.id for score in instrument.scores}, set(data["scores"])),
        ("items with a hint", hints, told),
    ):
        if wanted != there:
            names = ", ".join(sorted(wanted ^ there))
            yield tr("{part}: not the same as the form's ({names})", part=what, names=names)


def _item(item: Item, data: Mapping[str, Any]) -> Item:
    line = data["items"][item.id]
    options = tuple(replace(option, label=data["options"][option.code]) for option in item.options)
    return replace(item, text=line["text"], hint=line.get("hint"), options=options)


def _score(score: ScoreDefinition, told: Mapping[str, str]) -> ScoreDefinition:
    change = score.change
    if change is not None and "source" in told:
        change = replace(change, source=told["source"])
    return replace(score, title=told["title"], change=change)
