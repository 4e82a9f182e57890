"""One practice on DrChrono: what `AdapterSpec.open` gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from ...plugin_core.contracts import (
    AdapterContext,
    Carrier,
    Identity,
    Page,
    Published,
    RemoteForm,
    RemoteResponse,
)
from ...plugin_core.errors import Unsupported
from ...plugin_core.words import mark, tr
from ...schemas.records import Client, Cursor, Instrument, Json, Quarantined
from ...schemas.vocab import QuarantineReason
from ..rest import part, text_of
from ..tags import TagCarrier
from ..times import http_date
from .carriers import PatientFlags, Tasks
from .people import People
from .reading import Field, Visit, field_of, form_of, local, name_of, parts_of, response_of, visit_of
from .settings import PAGE_SIZE, connection, pages, rows

STREAM = "clinical_note_field_values"
VALUES = mark("read clinical notes (clinical_note_field_values)")
TEMPLATES = mark("read clinical-note templates")
VISITS = mark("look up whose a note is (appointments)")
FLAG_TEXT = mark("Handrail: something to look at before the next session")
ACCOUNT = mark("read whose account this is (users)")
# Filters are by time of change, inclusive, in an unnamed zone: a day reaches over every one.
OVERLAP = timedelta(hours=26)
CHUNK = 50
FEW_VISITS = 20
LATEST = timedelta(minutes=15)
FROM_THE_START = "2000-01-01"

Key = tuple[str, str]


class DrChronoAdapter:
    """The connection."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._settings = context.settings
        self._zone = UTC if self._settings.get("times_in") == "utc" else context.zone
        self._rest = connection(context)
        self._people = People(self._rest, self._settings)
        self._fields: dict[str, Field] = {}
        self._visits: dict[str, Visit | None] = {}

    def test(self) -> Identity:
        """Asks who is signed in."""
        answer = self._rest.get("users/current", purpose=ACCOUNT)
        user = answer.data if isinstance(answer.data, dict) else {}
        group = text_of(user.get("practice_group")) or ""
        fingerprint = sha256(f"{self._rest.base.text}|{group}".encode()).hexdigest()[:32]
        return Identity("DrChrono", "v4", fingerprint, {"publish": False, "ask": False}, (), _clock(answer.headers))

    def forms(self) -> Iterator[RemoteForm]:
        """The templates of clinical notes that are in use."""
        self._know_fields(None)
        for row in rows(self._rest, "clinical_note_templates", {}, TEMPLATES):
            template = text_of(row.get("id"))
            if template is not None and row.get("archived") is not True:
                own = [field for field in self._fields.values() if field.template == template]
                yield form_of(template, text_of(row.get("name")) or template, own)

    def pull(self, cursor: Cursor | None) -> Iterator[Page]:
        """See `Adapter.pull`: fields that changed, then all fields of the forms that they belong to.

        The list keeps no order, so only the last page carries a cursor.
        """
        newest = cursor.since if cursor else None
        since = None if newest is None else newest - OVERLAP
        for template in self._templates():
            found, stamp, clock = self._changed(template, since)
            newest = max(filter(None, (newest, stamp and min(stamp, clock or stamp))), default=None)
            whole = since is None
            for some in _chunks(list(found), CHUNK):
                yield self._page({key: found[key] if whole else self._values(*key) for key in some})
        yield Page((), Cursor(STREAM, newest))

    def fetch(self, remote_ids: Sequence[str]) -> Page:
        """The named forms as they are now; those without any value are gone."""
        wanted = {one: key for one in dict.fromkeys(remote_ids) if (key := parts_of(one)) is not None}
        self._know_fields({template for _, template in wanted.values()})
        values = {key: self._values(*key) for key in wanted.values()}
        there = self._page({key: found for key, found in values.items() if found})
        gone = tuple(one for one, key in wanted.items() if not values[key])
        return Page(there.responses, set_aside=there.set_aside, gone=gone)

    def listing(self) -> Iterator[Mapping[str, str | None]]:
        """Ids of all forms, template by template; DrChrono knows no versions of them."""
        for template in self._templates():
            found, _, _ = self._changed(template, None)
            yield {name_of(*key): None for key in found}

    def clients(self, refs: Sequence[str]) -> Iterator[Client]:
        """Names and doctors of these patients."""
        return self._people.clients(refs)

    def publish(self, instrument: Instrument) -> Published:  # noqa: ARG002 - the protocol's
        """Not possible."""
        raise Unsupported(
            tr("DrChrono does not let Handrail make forms. Make it there as a clinical-note template, then map it.")
        )

    def carrier(self, name: str) -> Carrier:
        """The carrier `task`, or `patient-flag` where the settings name a flag type."""
        if name == "task":
            rest = self._rest.reserved()
            return Tasks(rest, self._settings, People(rest, self._settings))
        if name != "patient-flag":
            raise Unsupported(
                tr("There is no carrier named {name} here; there are {forms}.", name=name, forms="task, patient-flag")
            )
        if not self._settings.get("patient_flag_type"):
            raise Unsupported(
                tr(
                    "Flags on DrChrono's charts are written only where the setting patient_flag_type names a flag "
                    "type: all flags of the patient are written back with each. Use the carrier task instead."
                )
            )
        flags = PatientFlags(self._rest.reserved(), int(self._settings["patient_flag_type"]), tr(FLAG_TEXT))
        return TagCarrier(flags, self._rest.http.patience, self._rest.base.site)

    def close(self) -> None:
        """Gives connections back."""
        self._rest.http.transport.close()

    # --- reading ---------------------------------------------------------------------------------------------------

    def _templates(self) -> list[str]:
        """The templates to read: those that are mapped, or all where that is not known."""
        if self._context.mapped is not None:
            chosen = sorted(self._context.mapped())
            self._know_fields(set(chosen))
            return chosen
        self._know_fields(None)
        return sorted({field.template for field in self._fields.values()})

    def _know_fields(self, templates: set[str] | None) -> None:
        """Reads what the fields are; of these templates only, or of all."""
        queries: list[dict[str, str | int]] = [{}]
        if templates is not None:
            known = {field.template for field in self._fields.values()}
            queries = [{"clinical_note_template": one} for one in sorted(templates - known) if one.isdigit()]
        for query in queries:
            for row in rows(self._rest, "clinical_note_field_types", query, TEMPLATES):
                field = field_of(row)
                if field is not None:
                    self._fields[field.id] = field

    def _changed(
        self, template: str, since: datetime | None
    ) -> tuple[dict[Key, list[Json]], datetime | None, datetime | None]:
        """Rows of a template by form, the newest time of change among them, and the platform's clock."""
        query: dict[str, str | int] = {"clinical_note_template": template, "page_size": PAGE_SIZE}
        if since is not None:
            query["since"] = since.astimezone(self._zone).strftime("%Y-%m-%dT%H:%M:%S")
        found: dict[Key, dict[str, Json]] = {}
        newest = clock = None
        for some, answer in pages(self._rest, "clinical_note_field_values", query, VALUES):
            clock = _clock(answer.headers) or clock
            for row in some:
                appointment, remote_id = text_of(row.get("appointment")), text_of(row.get("id"))
                if appointment is None or remote_id is None or not self._of(row, template):
                    continue
                found.setdefault((appointment, template), {})[remote_id] = row
                stamp = local(row.get("updated_at"), self._zone)
                newest = max(filter(None, (newest, stamp)), default=None)
        if newest and clock and newest > clock + LATEST:
            self._context.warn(
                tr(
                    "The times that DrChrono gives lie in the future. If they are in UTC there, set: times_in = utc "
                    "(handrail connect drchrono --set times_in=utc)"
                )
            )
        return {key: list(row.values()) for key, row in found.items()}, newest, clock

    def _of(self, row: Json, template: str) -> bool:
        """Whether a row is of this template: the platform's filter is checked again, as it may be ignored."""
        field = self._fields.get(text_of(row.get("clinical_note_field")) or "")
        return field is not None and field.template == template

    def _values(self, appointment: str, template: str) -> list[Json]:
        """All rows of one form as they are now."""
        query: dict[str, str | int] = {"appointment": appointment, "clinical_note_template": template}
        found = {}
        for row in rows(self._rest, "clinical_note_field_values", query, VALUES):
            if text_of(row.get("appointment")) == appointment and self._of(row, template):
                found[text_of(row.get("id"))] = row
        return list(found.values())

    def _page(self, found: Mapping[Key, Sequence[Json]]) -> Page:
        self._know_visits({appointment for appointment, _ in found})
        responses: list[RemoteResponse] = []
        set_aside: list[Quarantined] = []
        gone: list[str] = []
        for (appointment, template), values in found.items():
            remote_id, visit = name_of(appointment, template), self._visits.get(appointment)
            if not values:
                gone.append(remote_id)
            elif visit is None or visit.patient is None:  # answers stand whose appointment is not shown: no deletion
                why = mark("the form does not say which client of this platform it is about")
                set_aside.append(
                    Quarantined(remote_id, QuarantineReason.NO_CLIENT, mark("the appointment"), why, template)
                )
            else:
                responses.append(response_of(remote_id, template, visit, values, self._fields, self._zone))
        return Page(responses, set_aside=set_aside, gone=gone)

    def _know_visits(self, appointments: set[str]) -> None:
        """Looks up whose appointments these are: few of them one by one, many in lists of 250."""
        unknown = appointments - set(self._visits)
        if len(unknown) > FEW_VISITS:
            query: dict[str, str | int] = {"since": FROM_THE_START, "show_archived": "true"}
            for row in rows(self._rest, "appointments", query, VISITS):
                self._visits[text_of(row.get("id")) or ""] = visit_of(row)
            unknown -= set(self._visits)
        for one in sorted(unknown):
            answer = self._rest.get(f"appointments/{part(one)}", purpose=VISITS, also=(404,))
            there = answer.status == 200 and isinstance(answer.data, dict)
            self._visits[one] = visit_of(answer.data) if there else None


def _chunks(keys: Sequence[Key], size: int) -> Iterable[Sequence[Key]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


def _clock(headers: Mapping[str, str]) -> datetime | None:
    return http_date(headers.get("Date"))
