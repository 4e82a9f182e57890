"""Reads clinical notes as forms: one form is all fields of one template in one appointment.

A value's row names its field and its appointment; the field names the template, the appointment the patient. What a
value means goes by the field's `data_type` (schema SoapNoteLineItemFieldValue of the vendor's OpenAPI).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from hashlib import sha256

from ...plugin_core.contracts import RemoteAnswer, RemoteForm, RemoteLine, RemoteQuestion, RemoteResponse
from ...schemas.records import Json
from ...schemas.vocab import ResponseStatus
from ..rest import text_of
from ..times import stamp

NOT_ASKED = frozenset({"Header", "SubHeader", "FreeDraw", "Photo"})
# Of a box nobody can tell whether it was left unticked or not looked at: it counts as not answered.
BOXES: Mapping[str, Mapping[str, str | None]] = {
    "Checkbox": {"true": "Yes", "false": None},
    "NullCheckbox": {"0": None, "1": "No", "2": "Yes"},
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a template."""

    id: str
    template: str
    name: str
    kind: str
    allowed: tuple[str, ...]
    archived: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """What an appointment says of the form filled in at it; no patient: a break in the calendar."""

    patient: str | None
    deleted: bool


def field_of(row: Json) -> Field | None:
    """A row of `clinical_note_field_types`."""
    remote_id, template = text_of(row.get("id")), text_of(row.get("clinical_note_template"))
    if remote_id is None or template is None:
        return None
    offered = row.get("allowed_values")
    allowed = tuple(one for one in offered if isinstance(one, str) and one) if isinstance(offered, list) else ()
    name = row.get("name") if isinstance(row.get("name"), str) else ""
    kind = row.get("data_type") if isinstance(row.get("data_type"), str) else ""
    return Field(remote_id, template, str(name), str(kind), allowed, row.get("archived") is True)


def visit_of(row: Json) -> Visit:
    """A row of `appointments`."""
    return Visit(text_of(row.get("patient")), row.get("deleted_flag") is True)


def form_of(template: str, title: str, fields: Iterable[Field]) -> RemoteForm:
    """A template as `connect` lists it; fields that the practice archived are no longer asked."""
    asked = tuple(RemoteQuestion(field.id, field.name, _options(field)) for field in _asked(fields))
    return RemoteForm(template, None, title, asked)


def _asked(fields: Iterable[Field]) -> list[Field]:
    return [field for field in fields if not field.archived and field.kind not in NOT_ASKED]


def _options(field: Field) -> tuple[RemoteAnswer, ...]:
    if field.kind in BOXES:
        return tuple(RemoteAnswer(label=label) for label in ("No", "Yes") if label in BOXES[field.kind].values())
    return tuple(RemoteAnswer(label=label) for label in field.allowed)


def name_of(appointment: str, template: str) -> str:
    """The id by which a form is known: DrChrono has none for it."""
    return f"{appointment}/{template}"


def parts_of(remote_id: str) -> tuple[str, str] | None:
    """Appointment and template of such an id."""
    appointment, sign, template = remote_id.partition("/")
    return (appointment, template) if sign and appointment and template else None


def response_of(
    remote_id: str, template: str, visit: Visit, values: Sequence[Json], fields: Mapping[str, Field], zone: tzinfo
) -> RemoteResponse:
    """The form of these value rows. It was filled in when the last of them was first entered.

    Its version is made of the rows and their times of change, so that one that was removed changes it, too. A field
    that is asked and has no row is a line left empty.
    """
    times = [found for row in values if (found := local(row.get("created_at"), zone)) is not None]
    authored = max(times).isoformat() if times else None
    lines = [line for row in sorted(values, key=_place) if (line := _line(row, fields)) is not None]
    asked = _asked(field for field in fields.values() if field.template == template)
    blank = {field.id: field.name for field in asked} | {line.question: None for line in lines}
    lines += [RemoteLine(name, text) for name, text in blank.items() if text is not None]
    stamps = [(text_of(row.get("id")), text_of(row.get("updated_at"))) for row in sorted(values, key=_place)]
    return RemoteResponse(
        id=remote_id,
        form=template,
        client=visit.patient or "",
        status=(ResponseStatus.WITHDRAWN if visit.deleted else ResponseStatus.COMPLETED).value,
        lines=tuple(lines),
        authored=authored,
        version=sha256(repr((stamps, visit)).encode()).hexdigest()[:16],
        whole=True,
    )


def _place(row: Json) -> tuple[str, str]:
    return (text_of(row.get("clinical_note_field")) or "", text_of(row.get("id")) or "")


def _line(row: Json, fields: Mapping[str, Field]) -> RemoteLine | None:
    remote_id = text_of(row.get("clinical_note_field"))
    field = fields.get(remote_id or "")
    if field is None or field.kind in NOT_ASKED:
        return None
    return RemoteLine(field.id, field.name, _answers(field, row.get("value")))


def _answers(field: Field, value: object) -> tuple[RemoteAnswer, ...]:
    text = value.strip() if isinstance(value, str) else ""
    if field.kind in BOXES:
        box = BOXES[field.kind]
        label = box.get(text.lower(), text)
        return (RemoteAnswer(label=label),) if label else ()
    if not text:
        return ()
    ticked = [part.strip() for part in text.split(",")]
    if field.allowed and text not in field.allowed and len(ticked) > 1 and set(ticked) <= set(field.allowed):
        return tuple(RemoteAnswer(label=one) for one in ticked)  # several ticked where one is meant
    return (RemoteAnswer(label=text),)


def local(text: object, zone: tzinfo) -> datetime | None:
    """The UTC instant of a time without offset, taken in `zone`; None where it cannot be read or is no stamp's.

    An hour that the clock passes twice is read as the first, as Python does (PEP 495).
    """
    if not isinstance(text, str):
        return None
    try:
        read = datetime.fromisoformat(text)
        return stamp((read if read.tzinfo is not None else read.replace(tzinfo=zone)).astimezone(UTC))
    except (ValueError, OverflowError):
        return None
