"""Turns one QuestionnaireResponse into the flat form that the core reads; nothing is guessed on the way.

Hot. The same line with the same option comes again and again, byte by byte, so a coded line is decoded once and found
by its bytes from then on: a form of 19 lines then takes 4 µs here instead of 20.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from ...plugin_core.contracts import RemoteAnswer, RemoteLine, RemoteResponse
from ...plugin_core.uris import BASE
from ...plugin_core.words import mark
from ...plugin_core.words.kept import THE_WHOLE_FORM, TOO_LARGE
from ...schemas.vocab import QuarantineReason
from .shapes import Answer, Item, Meta, Resource
from .weights import weight_in

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_CLIENT = re.compile(r"Patient/[A-Za-z0-9\-.]{1,64}")
# https://hl7.org/fhir/R4/valueset-questionnaire-answers-status.html; a word that is not there is `unknown`.
STATUSES = frozenset({"completed", "amended", "in-progress", "stopped", "entered-in-error"})
MAX_LINES = 5000
MAX_DEPTH = 100  # groups in groups; each level is read once more
MAX_COMMON, LONGEST_COMMON = 4096, 2000
# Of a resource's tags only these are about the form: `shared` lets P6 read a self-check; others are the server's own.
TAG_SYSTEM = f"{BASE}/CodeSystem/tag"


_ITEM = msgspec.json.Decoder(Item)
REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
UNREADABLE = mark(
    "the platform sent it in a way that cannot be read: a number out of bounds, a broken character, or a field of "
    "the wrong kind"
)
# Lines by their bytes, of those that hold a code or nothing: never a text or number that somebody typed.
_common: dict[bytes, RemoteLine] = {}


class BadShape(Exception):
    """The form cannot be taken as it is: why, where in it, and a sentence that shows nothing of its content."""

    def __init__(self, reason: QuarantineReason, where: str, message: str) -> None:
        super().__init__(reason)
        self.reason, self.where, self.message = reason, where, message


def flatten(resource: Resource, local: str) -> RemoteResponse:
    """The form with its lines in their order, nested ones included. Raises BadShape.

    `local` is our base URL; the client's reference is given without it, as `Patient/<id>`.
    """
    if resource.id is None or not _ID.fullmatch(resource.id):
        raise BadShape(QuarantineReason.UNREADABLE, "id", mark("the platform gives the form no proper id"))
    meta, source = resource.meta, resource.source
    form, _, form_version = (resource.questionnaire or "").partition("|")
    subject = resource.subject
    return RemoteResponse(
        id=resource.id,
        form=form.partition("#")[0],
        client=client_of(subject.reference if subject is not None else None, local),
        status=resource.status if resource.status in STATUSES else "unknown",
        lines=_lines(resource.item or ()),
        authored=resource.authored,
        version=meta.versionId if meta is not None else None,
        updated=meta.lastUpdated if meta is not None else None,
        form_version=form_version or None,
        client_name=subject.display if subject is not None else None,
        source=source.reference if source is not None else None,
        language=resource.language,
        tags=_tags(meta),
    )


def _tags(meta: Meta | None) -> tuple[str, ...]:
    if meta is None or not meta.tag:
        return ()
    return tuple(tag.code for tag in meta.tag if tag.system == TAG_SYSTEM and tag.code)


def client_of(reference: str | None, local: str) -> str:
    """`Patient/<id>` from a relative reference or one below our own base. Raises BadShape for all others.

    A version at the end is dropped. Groups, contained or foreign patients are nobody whom this practice could look up.
    """
    text = reference or ""
    if text.startswith(local + "/"):
        text = text[len(local) + 1 :]
    text = text.partition("/_history/")[0]
    if not _CLIENT.fullmatch(text):
        raise BadShape(
            QuarantineReason.NO_CLIENT,
            "subject",
            mark("the form does not say which client of this platform it is about"),
        )
    return text


def _lines(items: Sequence[msgspec.Raw]) -> tuple[RemoteLine, ...]:
    known = list(map(_common.get, map(bytes, items)))
    if all(known) and len(known) <= MAX_LINES:  # a struct is always true
        return tuple(known)  # type: ignore[arg-type]
    return _walk(items)


def _walk(items: Sequence[msgspec.Raw]) -> tuple[RemoteLine, ...]:
    lines: list[RemoteLine] = []
    stack = [iter(items)]
    while stack:
        for raw in stack[-1]:
            data = bytes(raw)
            known = _common.get(data)
            if known is not None:
                lines.append(known)
                continue
            nested = _line(data, lines)
            if nested:
                stack.extend(map(iter, reversed(nested)))
                break
        else:
            stack.pop()
        if len(lines) > MAX_LINES or len(stack) > MAX_DEPTH:
            raise BadShape(
                QuarantineReason.SHAPE,
                "item",
                TOO_LARGE.format(lines=MAX_LINES, levels=MAX_DEPTH),
            )
    return tuple(lines)


def _line(data: bytes, lines: list[RemoteLine]) -> list[list[msgspec.Raw]]:
    """Appends the line that the bytes hold, if they are one and no mere group; gives the lists of lines below it."""
    try:
        item = _ITEM.decode(data)
    except REFUSED:
        raise BadShape(QuarantineReason.UNREADABLE, THE_WHOLE_FORM, UNREADABLE) from None
    answers = item.answer or []
    nested = [item.item] if item.item else []
    if nested and not answers:
        return nested
    line = RemoteLine(item.linkId, item.text, tuple(map(_answer, answers)))
    lines.append(line)
    nested += [answer.item for answer in answers if answer.item]
    if not nested and len(data) <= LONGEST_COMMON and _coded(line.answers):
        if len(_common) >= MAX_COMMON:
            _common.clear()
        _common[data] = line
    return nested


def _coded(answers: Iterable[RemoteAnswer]) -> bool:
    return all(answer.code is not None and answer.number is None for answer in answers)


def _answer(answer: Answer) -> RemoteAnswer:
    """The answer in the core's words. A value of a kind that no form of ours has stays empty of both code and number,
    so that it is met as an unknown answer and never as a blank (F56)."""
    coding = answer.valueCoding
    weight = weight_in(answer.extension) if answer.extension else None
    if coding is not None:
        if (
            answer.valueInteger is not None
            or answer.valueDecimal is not None
            or answer.valueString is not None
            or answer.valueBoolean is not None
            or answer.valueQuantity is not None
        ):
            raise _two_values()
        if weight is None and coding.extension:
            weight = weight_in(coding.extension)
        return RemoteAnswer(coding.code, coding.display, None, weight)
    return _plain(answer, weight)


def _plain(answer: Answer, weight: float | None) -> RemoteAnswer:
    quantity = answer.valueQuantity
    numbers = [
        float(value)
        for value in (answer.valueInteger, answer.valueDecimal, quantity.value if quantity else None)
        if value is not None
    ]
    if len(numbers) + (answer.valueString is not None) + (answer.valueBoolean is not None) > 1:
        raise _two_values()
    if numbers:
        return RemoteAnswer(number=numbers[0], weight=weight)
    if answer.valueBoolean is not None:
        return RemoteAnswer(code="true" if answer.valueBoolean else "false", weight=weight)
    return RemoteAnswer(label=answer.valueString, weight=weight)


def _two_values() -> BadShape:
    return BadShape(QuarantineReason.SHAPE, "item.answer", mark("one answer holds two values of different kinds"))
