"""Every text that ships, by language: catalogues, forms, pages and letters, templates for the practice's papers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from handrail.plugin_core.instruments import builtin
from handrail.plugin_core.instruments.translations import every

from . import catalogue

TOP = catalogue.TOP
PAPERS = TOP / "docs" / "templates"
TAG = re.compile(r"<[^>]+>|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def languages() -> list[str]:
    """English and every language that has a catalogue."""
    return ["en", *(path.stem for path in catalogue.languages())]


def in_catalogue(language: str) -> Iterator[tuple[str, str]]:
    """(where, text) of every text of a catalogue, all plural forms."""
    source = catalogue.extracted() if language == "en" else catalogue.read(catalogue.FOLDER / f"{language}.po")
    for message in source:
        if not message.id:
            continue
        where = ", ".join(place for place, _ in message.locations) or "?"
        if language == "en":
            for text in [message.id] if isinstance(message.id, str) else message.id:
                yield where, text
        else:
            for text in catalogue.strings(message):
                yield where, text


def in_forms(language: str) -> Iterator[tuple[str, str]]:
    """(where, text) of our own forms: every text in the file, codes and ids left out. Others' wording is theirs."""
    for instrument in builtin():
        for form in every(instrument):
            if form.language != language or form.status != "draft":
                continue
            yield from ((f"{form.id} {what}", text) for what, text in (
                ("title", form.title), ("lead-in", form.lead_in), ("window", form.window), ("note", form.note or ""),
                ("notice", form.licence.notice),
            ))  # fmt: skip
            for item in form.items:
                yield f"{form.id} {item.id}", item.text
                yield f"{form.id} {item.id} hint", item.hint or ""
                yield from ((f"{form.id} {item.id} {option.code}", option.label) for option in item.options)
            for score in form.scores:
                yield f"{form.id} {score.id}", score.title
                if score.change:
                    yield f"{form.id} {score.id} source", score.change.source


def in_files(language: str) -> Iterator[tuple[str, str]]:
    """(where, text) of page templates outside the catalogue, and of the practice's papers in this language."""
    if language == "en":
        for path in templates():
            yield str(path.relative_to(TOP)), " ".join(literals(path))
    for path in sorted(PAPERS.rglob("*.md")) if PAPERS.is_dir() else ():
        parts = path.name.split(".")
        if (parts[1] if len(parts) == 3 else "en") == language:
            yield str(path.relative_to(TOP)), path.read_text(encoding="utf-8")


def templates() -> list[Path]:
    """Page and letter templates of the packages."""
    return sorted(path for room in catalogue.ROOMS for path in (TOP / room).rglob("*.html"))


def literals(path: Path) -> list[str]:
    """Texts in a template that stand outside every tag and expression, its style left out."""
    source = re.sub(r"<style>.*?</style>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = [" ".join(part.split()) for part in TAG.sub("\0", EXPRESSION.sub("\1", source)).split("\0")]
    return [part.replace("\1", "…") for part in found if re.search(r"[^\W\d_]{2,}", part)]


def every_text(language: str) -> list[tuple[str, str]]:
    """(where, text) of all that ships in a language."""
    return [*in_catalogue(language), *in_forms(language), *in_files(language)]


def translation_files() -> list[dict[str, object]]:
    """The forms' translation files as they lie there."""
    folder = TOP / "plugin_core" / "instruments" / "words"
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
