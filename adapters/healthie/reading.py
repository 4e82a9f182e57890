"""Reads Healthie's filled-in forms, templates and clients in the core's words.

Questions are named by the ids of the template's lines (custom modules). Answers are texts; where several may be ticked
they come as one text, which is taken apart by the question's options, as an option may hold a comma itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ...plugin_core.contracts import RemoteAnswer, RemoteForm, RemoteLine, RemoteQuestion, RemoteResponse
from ...plugin_core.mapping.texts import plain, readable
from ...plugin_core.words import mark
from ...schemas.records import Client, Json, Quarantined
from ...schemas.vocab import QuarantineReason, ResponseStatus

SEVERAL = ("checkbox",)
NO_QUESTION = ("label", "signature", "image", "video", "document", "agree_to_above")
_SPACED = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ?([+-]\d\d):?(\d\d)\Z")
_BETWEEN = re.compile(r"\s*[,;\n]\s*")
_NOT_GIVEN = mark("the platform lists this form, but does not give it")
_NO_CLIENT = mark("the form does not say which client of this platform it is about")


def response_of(row: Json, asked: Sequence[RemoteLine] | None) -> RemoteResponse | Quarantined:
    """A filled-in form as it stands, or why it cannot be read.

    :param asked: the lines of its template, empty; None: there is no such template any more.
    """
    remote_id, client, form = text_of(row.get("id")) or "", id_in(row, "user"), id_in(row, "custom_module_form")
    updated = time_of(row.get("updated_at"))
    if client is None:
        return Quarantined(remote_id, QuarantineReason.NO_CLIENT, "user", _NO_CLIENT, form, updated)
    # With an appointment, created_at is the time of service, which may lie before or after the answers.
    when = row.get("record_created_at") if id_in(row, "appointment") else row.get("created_at")
    finished = row.get("finished") is not False
    lines = list(_lines(row))
    given = {line.question for line in lines}
    lines += [line for line in asked or () if line.question not in given]
    return RemoteResponse(
        id=remote_id,
        form=form or "",
        client=client,
        status=(ResponseStatus.COMPLETED if finished else ResponseStatus.IN_PROGRESS).value,
        lines=tuple(lines),
        authored=time_of(when),
        version=updated,
        updated=updated,
        whole=asked is not None,
    )


def unread(row: Json) -> RemoteResponse:
    """A form that nobody mapped, of which no answer was asked for."""
    updated = time_of(row.get("updated_at"))
    form, client = id_in(row, "custom_module_form") or "", id_in(row, "user") or ""
    status = ResponseStatus.COMPLETED.value
    return RemoteResponse(text_of(row.get("id")) or "", form, client, status, (), version=updated, updated=updated)


def not_given(row: Json) -> Quarantined:
    """A form that was listed and then not given. It is no deletion before the platform says so of this very form."""
    form, updated = id_in(row, "custom_module_form"), time_of(row.get("updated_at"))
    return Quarantined(str(row["id"]), QuarantineReason.UNREADABLE, "id", _NOT_GIVEN, form, updated)


def _lines(row: Json) -> Iterator[RemoteLine]:
    given = row.get("form_answers")
    for one in given if isinstance(given, list) else []:
        if not isinstance(one, dict):
            continue
        module = one["custom_module"] if isinstance(one.get("custom_module"), dict) else {}
        name = text_of(one.get("custom_module_id")) or text_of(module.get("id"))
        kind = module.get("mod_type")
        if name is None or kind in NO_QUESTION:
            continue
        text = readable(text_of(one.get("label")) or text_of(module.get("label")) or "")
        answer = text_of(one.get("answer"))
        options = _texts(module.get("options_array"))
        labels = ticked(answer, options) if answer and kind in SEVERAL else [answer] if answer else []
        yield RemoteLine(name, text, tuple(RemoteAnswer(label=readable(label)) for label in labels))


def ticked(answer: str, options: Sequence[str]) -> list[str]:
    """The options that one text holds, between commas, semicolons or lines; the whole text where it is not made of
    options alone, so that nothing is guessed."""
    known = sorted({option.strip() for option in options if option.strip()}, key=len, reverse=True)
    if plain(answer) in map(plain, known):
        return [answer]
    found, rest = [], answer.strip()
    while rest:
        option = next((one for one in known if rest.startswith(one) and _ends(rest[len(one) :])), None)
        if option is None:
            return [answer]
        found.append(option)
        rest = _BETWEEN.sub("", rest[len(option) :], count=1) if rest[len(option) :] else ""
    return found


def _ends(rest: str) -> bool:
    return not rest or _BETWEEN.match(rest) is not None


def template_of(row: Json) -> RemoteForm:
    """A template with its lines, as a mapping is proposed from it."""
    asked = tuple(
        RemoteQuestion(
            line.question,
            line.text or "",
            tuple(RemoteAnswer(label=readable(label)) for label in _texts(one.get("options_array"))),
        )
        for one, line in asked_in(row)
    )
    return RemoteForm(str(row["id"]), None, readable(text_of(row.get("name")) or str(row["id"])), asked)


def asked_in(row: Json) -> Iterator[tuple[Json, RemoteLine]]:
    """The questions of a template, each as an empty line, too."""
    for one in modules(row):
        if one.get("mod_type") not in NO_QUESTION:
            yield one, RemoteLine(str(one["id"]), readable(text_of(one.get("label")) or ""))


def modules(row: Json) -> list[Json]:
    """The lines of a template in their order."""
    found = row.get("custom_modules")
    rows = [one for one in found if isinstance(one, dict) and one.get("id")] if isinstance(found, list) else []
    return sorted(rows, key=lambda one: one["position"] if isinstance(one.get("position"), (int, float)) else 0.0)


def client_of(row: Json, *, email: bool) -> Client:
    """A user as a client; the provider is who is responsible."""
    name = " ".join(part for part in (text_of(row.get("first_name")), text_of(row.get("last_name"))) if part)
    provider = row["dietitian"] if isinstance(row.get("dietitian"), dict) else {}
    return Client(
        ref=str(row["id"]),
        name=name or None,
        clinician=text_of(row.get("dietitian_id")),
        clinician_name=text_of(provider.get("full_name")),
        email=text_of(row.get("email")) if email else None,
    )


def time_of(value: Any) -> str | None:
    """A time as ISO 8601 writes it; Healthie's guides show it with blanks, too, in the zone of the key's user."""
    text = text_of(value)
    spaced = _SPACED.match(text) if text else None
    return text if spaced is None else "{}T{}{}:{}".format(*spaced.groups())


def id_in(row: Json, name: str) -> str | None:
    """The id of an object inside."""
    inner = row.get(name)
    return text_of(inner.get("id")) if isinstance(inner, dict) else None


def text_of(value: Any) -> str | None:
    """A text that is not empty, or None."""
    return value if isinstance(value, str) and value.strip() else None


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str) and one.strip()] if isinstance(value, list) else []
