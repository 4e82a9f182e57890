"""Turns one QuestionnaireResponse into the flat form that the core reads; nothing is guessed on the way.

Hot: a form of 19 lines takes about a dozen microseconds here, hence the plain loops.
"""

from __future__ import annotations

import re

from ...plugin_core.contracts import RemoteAnswer, RemoteLine, RemoteResponse
from ...plugin_core.uris import BASE
from ...schemas.vocab import QuarantineReason
from .shapes import Answer, Item, Meta, Resource
from .weights import weight_in

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_CLIENT = re.compile(r"Patient/[A-Za-z0-9\-.]{1,64}")
# https://hl7.org/fhir/R4/valueset-questionnaire-answers-status.html; a word that is not there is `unknown`.
STATUSES = frozenset({"completed", "amended", "in-progress", "stopped", "entered-in-error"})
MAX_LINES = 5000
# Of a resource's tags only these are about the form: `shared` lets P6 read a self-check; others are the server's own.
TAG_SYSTEM = f"{BASE}/CodeSystem/tag"


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
        raise BadShape(QuarantineReason.UNREADABLE, "id", "the platform gives the form no proper id")
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
            QuarantineReason.NO_CLIENT, "subject", "the form does not say which client of this platform it is about"
        )
    return text


def _lines(items: list[Item] | tuple[()]) -> tuple[RemoteLine, ...]:
    lines: list[RemoteLine] = []
    stack = [iter(items)]
    while stack:
        for item in stack[-1]:
            answers = item.answer
            below = item.item
            if answers:
                if len(answers) == 1:
                    lines.append(RemoteLine(item.linkId, item.text, (_answer(answers[0]),)))
                else:
                    lines.append(RemoteLine(item.linkId, item.text, tuple(map(_answer, answers))))
                nested = [below] if below else []
                nested += [answer.item for answer in answers if answer.item]
                if nested:
                    stack.extend(map(iter, reversed(nested)))
                    break
            elif below:
                stack.append(iter(below))
                break
            else:
                lines.append(RemoteLine(item.linkId, item.text))
        else:
            stack.pop()
        if len(lines) > MAX_LINES:
            raise BadShape(QuarantineReason.SHAPE, "item", f"the form has more than {MAX_LINES} lines")
    return tuple(lines)


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
    return BadShape(QuarantineReason.SHAPE, "item.answer", "one answer holds two values of different kinds")
