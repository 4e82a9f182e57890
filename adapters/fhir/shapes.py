"""The fields of FHIR R4 resources that are read, as typed structs; all others are skipped unread (F55).

Names are FHIR's own, which saves a renaming in the decoder. Integers are bounded as FHIR bounds them, so that no
number is rounded on its way into a float (F54). https://hl7.org/fhir/R4/questionnaireresponse.html

Lines stay raw bytes here: `flatten` decodes them one by one, and most of them it has met before.
"""

# ruff: noqa: N815
from __future__ import annotations

from typing import Annotated

import msgspec

Integer = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]


class Extension(msgspec.Struct, gc=False):
    """An extension, as far as it can carry a weight."""

    url: str
    valueDecimal: float | None = None
    valueInteger: Integer | None = None


class Coding(msgspec.Struct, gc=False):
    """A code with its label."""

    system: str | None = None
    code: str | None = None
    display: str | None = None
    extension: list[Extension] | None = None


class Quantity(msgspec.Struct, gc=False):
    """A number with a unit; totals come so (sdc-questionnaire-calculatedExpression)."""

    value: float | None = None


class Answer(msgspec.Struct, gc=False):
    """One answer; FHIR allows one value[x] in it."""

    valueCoding: Coding | None = None
    valueInteger: Integer | None = None
    valueDecimal: float | None = None
    valueString: str | None = None
    valueBoolean: bool | None = None
    valueQuantity: Quantity | None = None
    extension: list[Extension] | None = None
    item: list[msgspec.Raw] | None = None


class Item(msgspec.Struct, gc=False):
    """A line or a group of lines."""

    linkId: str
    text: str | None = None
    answer: list[Answer] | None = None
    item: list[msgspec.Raw] | None = None


class Reference(msgspec.Struct, gc=False):
    """A reference by address."""

    reference: str | None = None
    display: str | None = None


class Tag(msgspec.Struct, gc=False):
    """A tag of a resource."""

    system: str | None = None
    code: str | None = None


class Meta(msgspec.Struct, gc=False):
    """What the server says about the record itself."""

    versionId: str | None = None
    lastUpdated: str | None = None
    tag: list[Tag] | None = None


class Issue(msgspec.Struct, gc=False):
    """A remark of the server in an OperationOutcome."""

    severity: str | None = None
    code: str | None = None


class Resource(msgspec.Struct, gc=False):
    """A QuestionnaireResponse or an OperationOutcome; entries of other types are skipped by their `resourceType`."""

    resourceType: str
    id: str | None = None
    meta: Meta | None = None
    language: str | None = None
    questionnaire: str | None = None
    status: str | None = None
    subject: Reference | None = None
    authored: str | None = None
    source: Reference | None = None
    item: list[msgspec.Raw] | None = None
    issue: list[Issue] | None = None


class Search(msgspec.Struct, gc=False):
    """Why an entry is on the page: match, include or outcome."""

    mode: str | None = None


class Entry(msgspec.Struct, gc=False):
    """One entry of a page."""

    resource: Resource | None = None
    search: Search | None = None


class Link(msgspec.Struct, gc=False):
    """A link of a page."""

    relation: str
    url: str


class Bundle(msgspec.Struct, gc=False):
    """A page. Neither its type nor its `total` is relied on (F25); some servers send `collection`."""

    resourceType: str
    total: int | None = None
    link: list[Link] | None = None
    entry: list[Entry] | None = None
