"""Reads an intake as a form. Answers are texts; a matrix is as many questions as it has rows.

https://support.intakeq.com/article/31-intakeq-api (Intake Forms API); times are Unix milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from ...plugin_core.contracts import RemoteAnswer, RemoteForm, RemoteLine, RemoteQuestion, RemoteResponse
from ...plugin_core.mapping.texts import plain
from ...plugin_core.words import mark
from ...plugin_core.words.kept import THE_FORM
from ...schemas.records import Json, Quarantined
from ...schemas.vocab import QuarantineReason, ResponseStatus
from ..rest import text_of

# "Submitted" stands in some public code only (doubt): it can mean nothing else.
FINISHED = frozenset({"completed", "submitted", "offline"})
ASKED = frozenset({"OpenQuestion", "MultipleChoice", "Matrix"})
LONGEST = 255


def response_of(intake: Json) -> RemoteResponse | Quarantined | None:
    """The form of an intake; None for what has no id."""
    remote_id = text_of(intake.get("Id"))
    if remote_id is None:
        return None
    form, client = text_of(intake.get("QuestionnaireId")) or "", client_ref(intake)
    version = sha256(msgspec.json.encode(intake, order="deterministic")).hexdigest()[:16]
    if client is None:
        why = mark("the form does not say which client of this platform it is about")
        return Quarantined(remote_id, QuarantineReason.NO_CLIENT, THE_FORM, why, form, version)
    finished = str(intake.get("Status", "")).lower() in FINISHED
    return RemoteResponse(
        id=remote_id,
        form=form,
        client=client,
        status=(ResponseStatus.COMPLETED if finished else ResponseStatus.IN_PROGRESS).value,
        lines=tuple(lines(intake)),
        authored=moment(intake.get("DateSubmitted")),
        version=version,
        client_name=text_of(intake.get("ClientName")),
        whole=True,
    )


def not_given(row: Json) -> Quarantined:
    """A row of the list whose intake is not given."""
    why = mark("the platform lists this form, but does not give it")
    return Quarantined(str(row["Id"]), QuarantineReason.UNREADABLE, THE_FORM, why, text_of(row.get("QuestionnaireId")))


def client_ref(row: Json) -> str | None:
    """The client's number: rows of the list call it ClientNumber, profiles and intakes ClientId."""
    found = text_of(row.get("ClientId")) or text_of(row.get("ClientNumber"))
    return found if found != "0" else None


def moment(stamp: Any) -> str | None:
    """Unix milliseconds as an ISO 8601 text; None where they are none."""
    if isinstance(stamp, bool) or not isinstance(stamp, (int, float)) or not 0 < stamp < 1e14:
        return None
    return datetime.fromtimestamp(stamp / 1000, UTC).isoformat(timespec="seconds")


def lines(intake: Json) -> Iterator[RemoteLine]:
    """The answered questions; those for the practice's own use are not the client's."""
    for question, text, answers, _ in _questions(intake):
        yield RemoteLine(question, text, answers)


def form_of(row: Json, intakes: Sequence[Json]) -> RemoteForm:
    """A questionnaire as its newest answered intakes show it (none: nobody has answered it yet), newest first.

    Options show only where IntakeQ gives them: a matrix's columns, and `OfferedAnswers`, which not all accounts see;
    else there are no more than the answers that were met.
    """
    remote_id = text_of(row.get("Id")) or ""
    met: dict[str, dict[str, RemoteAnswer]] = {}
    for intake in intakes:
        for question, _, answers, offered in _questions(intake):
            found = tuple(RemoteAnswer(label=label) for label in offered) or answers
            met.setdefault(question, {}).update({plain(one.label or ""): one for one in found})
    newest = list(_questions(intakes[0])) if intakes else []
    asked = tuple(RemoteQuestion(question, text, tuple(met[question].values())) for question, text, *_ in newest)
    observed = any(not offered for *_, offered in newest)
    return RemoteForm(remote_id, None, text_of(row.get("Name")) or remote_id, asked, observed)


def _questions(intake: Json) -> Iterator[tuple[str, str, tuple[RemoteAnswer, ...], list[str]]]:
    """Id, text, answers and offered labels of each question."""
    for question in _objects(intake.get("Questions")):
        remote_id, kind = text_of(question.get("Id")), text_of(question.get("QuestionType"))
        if remote_id is None or kind not in ASKED or question.get("OfficeUse") is True:
            continue
        if kind == "Matrix":
            columns = _texts(question.get("ColumnNames"))
            for row in _objects(question.get("Rows")):
                text = text_of(row.get("Text")) or ""
                yield row_name(remote_id, text), text, _chosen(row.get("Answers"), columns), columns
        else:
            offered = _texts(question.get("OfferedAnswers"))
            yield remote_id, text_of(question.get("Text")) or "", _answers(question.get("Answer"), offered), offered


def row_name(question: str, text: str) -> str:
    """The name of a matrix's row, which has no id of its own: two rows of one text have one name, and are set aside."""
    name = f"{question}: {plain(text)}"
    return name if len(name) <= LONGEST else f"{question}: {sha256(plain(text).encode()).hexdigest()[:32]}"


def _chosen(cells: Any, columns: list[str]) -> tuple[RemoteAnswer, ...]:
    """The columns whose cell is marked. How is not documented (doubt): any text but "false" marks one."""
    marked = [
        number
        for number, cell in enumerate(cells if isinstance(cells, list) else ())
        if cell not in (None, False) and str(cell).strip().lower() not in ("", "false")
    ]
    return tuple(
        RemoteAnswer(label=columns[number] if number < len(columns) else f"#{number + 1}") for number in marked
    )


def _answers(given: Any, offered: list[str]) -> tuple[RemoteAnswer, ...]:
    """One answer, or several where more than one was ticked: a list, or offered labels joined in a way that is not
    documented (doubt); a text that is none of the offered ones is left whole, and then known to no mapping."""
    if isinstance(given, list):
        return tuple(RemoteAnswer(label=one) for one in _texts(given))
    text = text_of(given)
    if text is None or not text.strip():
        return ()
    for sign in (";", ",", "|", "\n"):
        parts = [part.strip() for part in text.split(sign) if part.strip()]
        if text not in offered and len(parts) > 1 and set(parts) <= set(offered):
            return tuple(RemoteAnswer(label=part) for part in parts)
    return (RemoteAnswer(label=text),)


def _objects(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str) and one.strip()] if isinstance(value, list) else []
