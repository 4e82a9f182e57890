"""Reads Cliniko's patient forms, templates and patients in the core's words.

Questions have no ids: each is named by its section and its text, and one whose text stands twice in a section by its
place among them, too. https://docs.api.cliniko.com (Patient Form)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from ...plugin_core.contracts import RemoteAnswer, RemoteForm, RemoteLine, RemoteQuestion, RemoteResponse
from ...plugin_core.mapping.texts import plain, readable
from ...plugin_core.words import mark
from ...schemas.records import Client, Json, Quarantined
from ...schemas.vocab import QuarantineReason, ResponseStatus
from .settings import id_of, linked, objects

LONGEST_NAME = 255
SILENT = ("signature",)
_NO_CLIENT = mark("the form does not say which client of this platform it is about")
_NO_ID = mark("the platform sent a form without an id")


def response_of(row: Json) -> RemoteResponse | Quarantined:
    """A patient form as it stands, or why it cannot be read."""
    remote_id, client = id_of(row.get("id")), linked(row, "patient")
    if remote_id is None:
        return Quarantined("", QuarantineReason.SHAPE, "id", _NO_ID)
    updated = text_of(row.get("updated_at"))
    name = form_name(row)
    if client is None:
        return Quarantined(remote_id, QuarantineReason.NO_CLIENT, "patient", _NO_CLIENT, name, updated)
    completed = text_of(row.get("completed_at"))
    return RemoteResponse(
        id=remote_id,
        form=name,
        client=client,
        status=(ResponseStatus.COMPLETED if completed else ResponseStatus.IN_PROGRESS).value,
        lines=tuple(RemoteLine(key, text, tuple(_answers(one))) for key, text, one in questions(row)),
        authored=completed,
        version=updated,
        updated=updated,
        whole=True,
    )


def form_name(row: Json) -> str:
    """By what a form is known: its name as it is compared, since an answered form does not name its template."""
    return plain(text_of(row.get("name")) or "")


def template_of(row: Json) -> RemoteForm:
    """A template as a mapping is proposed from it."""
    asked = tuple(
        RemoteQuestion(key, text, tuple(RemoteAnswer(label=label) for label in labels(one)))
        for key, text, one in questions(row)
        if one.get("type") not in SILENT
    )
    return RemoteForm(form_name(row), None, readable(text_of(row.get("name")) or ""), asked)


def questions(row: Json) -> Iterator[tuple[str, str, Json]]:
    """Each question of a form: by what it is named, its text, and what the platform says of it."""
    seen: Counter[str] = Counter()
    for section in objects(row.get("content"), "sections"):
        for one in objects(section, "questions"):
            text = text_of(one.get("name")) or ""
            name = question_name(text_of(section.get("name")) or "", text)
            seen[name] += 1
            yield (name if seen[name] == 1 else f"{name} #{seen[name]}"), readable(text), one


def question_name(section: str, text: str) -> str:
    """What a question is named by; a long one by its beginning and a hash."""
    whole = " / ".join(part for part in (plain(section), plain(text)) if part)
    if len(whole) <= LONGEST_NAME - 5:
        return whole
    return f"{whole[:200]} {sha256(whole.encode()).hexdigest()[:16]}"


def labels(question: Json) -> list[str]:
    """The labels of the options, in their order."""
    return [readable(label) for one in objects(question, "answers") if (label := text_of(one.get("value")))]


def _answers(question: Json) -> Iterator[RemoteAnswer]:
    """What was answered: the labels that are ticked, or the text that was written. A signature is none."""
    if question.get("type") in SILENT:
        return
    for one in objects(question, "answers"):
        if one.get("selected") is True:
            yield RemoteAnswer(label=readable(text_of(one.get("value")) or ""))
    other = question.get("other")
    if isinstance(other, dict) and other.get("selected") is True:
        yield RemoteAnswer(label=readable(text_of(other.get("value")) or ""))
    written = readable(text_of(question.get("answer")) or "")
    if written:
        yield RemoteAnswer(label=written)


def client_of(row: Json, *, email: bool) -> Client | None:
    """A patient as a client; the record that this one was merged into is named (docs: Patient, merged_with_patient)."""
    remote_id = id_of(row.get("id"))
    if remote_id is None:
        return None
    given = text_of(row.get("preferred_first_name")) or text_of(row.get("first_name"))
    name = " ".join(part for part in (given, text_of(row.get("last_name"))) if part)
    into = linked(row, "merged_with_patient")
    return Client(
        ref=remote_id,
        name=name or None,
        email=text_of(row.get("email")) if email else None,
        replaced_by=into if into != remote_id else None,
    )


def text_of(value: Any) -> str | None:
    """A text that is not empty, or None."""
    return value if isinstance(value, str) and value.strip() else None
