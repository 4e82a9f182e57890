"""The floor's page: typed decode of the used fields, a matrix of answers, scores for the whole page at once."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from . import practice


class Coding(msgspec.Struct, gc=False):
    """The one field of an answer that is used."""

    code: str


class Answer(msgspec.Struct, gc=False):
    """An answer of a line."""

    valueCoding: Coding  # noqa: N815 - FHIR's name, which saves a rename in the decoder


class Item(msgspec.Struct, gc=False):
    """A line of the form."""

    linkId: str  # noqa: N815
    answer: list[Answer] = []


class Reference(msgspec.Struct, gc=False):
    """Who the form is about."""

    reference: str


class Meta(msgspec.Struct, gc=False):
    """Version and time stamp."""

    versionId: str  # noqa: N815
    lastUpdated: str  # noqa: N815


class Resource(msgspec.Struct, gc=False):
    """A QuestionnaireResponse, as far as it is used."""

    id: str
    meta: Meta
    status: str
    questionnaire: str
    subject: Reference
    authored: str
    item: list[Item] = []


class Entry(msgspec.Struct, gc=False):
    """An entry of the Bundle."""

    resource: Resource


class Link(msgspec.Struct, gc=False):
    """A link of the Bundle."""

    relation: str
    url: str


class Bundle(msgspec.Struct, gc=False):
    """A page."""

    link: list[Link] = []
    entry: list[Entry] = []


MISSING = 255
LINES = tuple(row[0] for row in practice.LINES)
WEIGHTS = {f"{prefix}-{value}": value for prefix in ("truth", "need", "extent") for value in range(5)}


class Scorer:
    """Decodes and scores pages.

    `scores` is {name: ({line: 1 if reversed else 0}, least answered)}, the means of clinical.md 3 in the order given.
    """

    def __init__(self, scores: dict[str, tuple[dict[str, int], int]]) -> None:
        self._decode = msgspec.json.Decoder(Bundle).decode
        self._columns = {line: place for place, line in enumerate(LINES)}
        self._plans = []
        for lines, least in scores.values():
            columns = np.array([self._columns[line] for line in lines])
            reverse = np.array(list(lines.values()), dtype=bool)
            self._plans.append((columns, reverse, least))

    def page(self, body: bytes) -> tuple[list[tuple[Any, ...]], str | None]:
        """The rows to store, (id, client, version, updated, authored, answers, score, ...), and the next link."""
        bundle = self._decode(body)
        resources = [entry.resource for entry in bundle.entry]
        answers = [self._row(resource.item) for resource in resources]
        matrix = np.frombuffer(b"".join(answers), dtype=np.uint8).reshape(-1, len(LINES))
        columns = [self._score(matrix, *plan) for plan in self._plans]
        rows = [
            (form.id, form.subject.reference, form.meta.versionId, form.meta.lastUpdated, form.authored, given, *scores)
            for form, given, *scores in zip(resources, answers, *columns, strict=True)
        ]
        return rows, next((link.url for link in bundle.link if link.relation == "next"), None)

    def _row(self, items: list[Item]) -> bytes:
        row = bytearray(b"\xff" * len(LINES))
        columns = self._columns
        for item in items:
            if item.answer:
                row[columns[item.linkId]] = WEIGHTS[item.answer[0].valueCoding.code]
        return bytes(row)

    def _score(self, matrix: Any, columns: Any, reverse: Any, least: int) -> list[float | None]:
        given = matrix[:, columns].astype(np.float64)
        answered = given != MISSING
        values = np.where(reverse, 4.0 - given, given)
        count = answered.sum(axis=1)
        means = np.where(answered, values, 0.0).sum(axis=1) / np.maximum(count, 1)
        enough = (count >= least).tolist()
        return [mean if scored else None for mean, scored in zip(means.tolist(), enough, strict=True)]
