"""Acme's rows in the words of the core. What cannot be read is set aside with a reason, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handrail.adapters.rest import rows_of, text_of
from handrail.plugin_core.contracts import RemoteAnswer, RemoteForm, RemoteLine, RemoteQuestion, RemoteResponse
from handrail.schemas.records import Quarantined
from handrail.schemas.vocab import QuarantineReason, ResponseStatus

STATES = {
    "done": ResponseStatus.COMPLETED,
    "open": ResponseStatus.IN_PROGRESS,
    "withdrawn": ResponseStatus.WITHDRAWN,
}


def response_of(row: Mapping[str, Any]) -> RemoteResponse | Quarantined:
    """A filled-in form as it stands."""
    remote_id = text_of(row.get("id"))
    if remote_id is None:
        return Quarantined("", QuarantineReason.SHAPE, "id", "Acme sent a form without an id")
    form, client = _inner(row, "form"), text_of(_inner(row, "client").get("id"))
    name, version = text_of(form.get("id")), text_of(row.get("version"))
    if name is None or client is None:
        reason = "Acme does not say of which client this form is, or which form it is"
        return Quarantined(remote_id, QuarantineReason.NO_CLIENT, "client", reason, name, version)
    return RemoteResponse(
        id=remote_id,
        form=name,
        client=client,
        status=STATES.get(str(row.get("state")), ResponseStatus.UNKNOWN).value,
        lines=tuple(_line(answer) for answer in rows_of(row.get("answers"))),
        authored=text_of(row.get("finished")),
        version=version,
        updated=text_of(row.get("changed")),
        form_version=text_of(form.get("version")),
    )


def _line(answer: Mapping[str, Any]) -> RemoteLine:
    question, choice = _inner(answer, "question"), _inner(answer, "choice")
    label = text_of(choice.get("label"))
    # Acme gives each line, and null where it was left empty: that is no answer, not an answer of nothing.
    given = () if label is None else (RemoteAnswer(text_of(choice.get("id")), label),)
    return RemoteLine(text_of(question.get("id")) or "", text_of(question.get("text")), given)


def form_of(row: Mapping[str, Any]) -> RemoteForm:
    """A form as `connect` shows it."""
    questions = tuple(
        RemoteQuestion(
            text_of(question.get("id")) or "",
            text_of(question.get("text")) or "",
            tuple(RemoteAnswer(text_of(one.get("id")), text_of(one.get("label"))) for one in _options(question)),
        )
        for question in rows_of(row.get("questions"))
    )
    return RemoteForm(
        text_of(row.get("id")) or "", text_of(row.get("version")), text_of(row.get("title")) or "", questions
    )


def _options(question: Mapping[str, Any]) -> list[dict[str, Any]]:
    return rows_of(question.get("options"))


def _inner(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = row.get(name)
    return found if isinstance(found, dict) else {}
