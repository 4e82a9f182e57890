"""One practice on DrChrono: what `AdapterSpec.open` gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import islice

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
from ..rest import Answer, part, text_of
from ..tags import TagCarrier
from ..times import NO_DATE, http_date
from .carriers import PatientFlags, Tasks
from .people import People
from .reading import NOT_ASKED, Field, Visit, field_of, form_of, local, name_of, parts_of, response_of, visit_of
from .settings import PAGE_SIZE, connection, pages, rows
from .walk import STREAM, Gathering, Key, Place

VALUES = mark("read clinical notes (clinical_note_field_values)")
TEMPLATES = mark("read clinical-note templates")
VISITS = mark("look up whose a note is (appointments)")
FLAG_TEXT = mark("Handrail: something to look at before the next session")
ACCOUNT = mark("read whose account this is (users)")
# Filters are by time of change, inclusive, in an unnamed zone: a day reaches over every one.
OVERLAP = timedelta(hours=26)
FEW_VISITS = 3
# A note is written on the day of its appointment, or some days later; the API gives no more than 190 days at once.
AROUND, LONGEST_SPAN = timedelta(days=3), timedelta(days=180)
LATEST = timedelta(minutes=15)


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
        whose = text_of(user.get("practice_group")) or f"user {text_of(user.get('id'))}"
        fingerprint = sha256(f"{self._rest.base.text}|{whose}".encode()).hexdigest()[:32]
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
        """See `Adapter.pull`: the values that changed, as forms; see `walk` for where it can stop and go on.

        The pages are not in the order of time, so that rules read courses once all is there.
        """
        self._forget()
        place = Place.of(cursor)
        templates = self._templates()
        for template in place.left(templates):
            yield from self._pull(template, place)
        gone = [] if place.since is None else self._cancelled(templates, place.since - OVERLAP)
        yield Page((), place.end(), gone=gone, sorted=False)

    def _cancelled(self, templates: Sequence[str], since: datetime) -> list[str]:
        """Forms of appointments that were deleted since: their values may stand as they were, so that no list of values
        tells of it."""
        query: dict[str, str | int] = {"since": self._local(since), "show_archived": "true"}
        found = [row for row in rows(self._rest, "appointments", query, VISITS) if visit_of(row).deleted]
        return [name_of(str(row["id"]), one) for row in found if text_of(row.get("id")) for one in templates]

    def _local(self, moment: datetime) -> str:
        return moment.astimezone(self._zone).strftime("%Y-%m-%dT%H:%M:%S")

    def _pull(self, template: str, place: Place) -> Iterator[Page]:
        resumed = place.template == template and place.at is not None
        gathering = Gathering(self._answerable(template), part=resumed or place.since is not None)
        since = None if place.since is None else place.since - OVERLAP
        for here, some, answer, following in self._lists(template, since, place.at if resumed else None):
            clock = _clock(answer.headers)
            stamps = [local(row.get("updated_at"), self._zone) for row in some]
            place.saw(stamps, clock)
            self._doubt(stamps, clock)
            gathering.take((key, row) for row in some if (key := self._key(row, template)) is not None)
            ready = gathering.ready(end=following is None)
            if ready or following is None:
                found = {key: self._values(*key) if one.part else one.rows for key, one in ready.items()}
                at = following and (here if gathering.open else following)
                yield self._page(found, place.kept(template, at and at.removeprefix(self._rest.base.text)))

    def _lists(
        self, template: str, since: datetime | None, at: str | None
    ) -> Iterator[tuple[str, list[Json], Answer, str | None]]:
        """The pages of a template's values, each with its own address; from `at` on where that is still there (F19)."""
        query: dict[str, str | int] = {"clinical_note_template": template, "page_size": PAGE_SIZE}
        if since is not None:
            query["since"] = self._local(since)
        kept = None if at is None else self._rest.base.text + at
        for url in filter(None, (kept, self._rest.url(STREAM, query))):
            here: str | None = url
            for some, answer, following in pages(self._rest, url, VALUES, may_be_gone=url == kept):
                yield str(here), some, answer, following
                here = following
            if here is None:
                return

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
            for _, some, _, _ in self._lists(template, None, None):
                keys = {key for row in some if (key := self._key(row, template)) is not None}
                yield {name_of(*key): None for key in keys}

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

    def _forget(self) -> None:
        """What was looked up for an earlier pull may have changed since: templates, whose an appointment is, names."""
        self._fields.clear()
        self._visits.clear()
        self._people = People(self._rest, self._settings)

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

    def _answerable(self, template: str) -> set[str]:
        """The fields that a form of this template can have values of, those put away included."""
        own = (field for field in self._fields.values() if field.template == template)
        return {field.id for field in own if field.kind not in NOT_ASKED}

    def _doubt(self, stamps: Sequence[datetime | None], clock: datetime | None) -> None:
        newest = max(filter(None, stamps), default=None)
        if newest and clock is None:
            self._context.warn(tr(NO_DATE))
        elif newest and clock and newest > clock + LATEST:
            self._context.warn(
                tr(
                    "The times that DrChrono gives lie in the future. If they are in UTC there, set: times_in = utc "
                    "(handrail connect drchrono --set times_in=utc)"
                )
            )

    def _key(self, row: Json, template: str) -> Key | None:
        """The form that a value belongs to; None for one of another template, as the filter may be ignored."""
        appointment = text_of(row.get("appointment"))
        return (appointment, template) if appointment is not None and self._of(row, template) else None

    def _of(self, row: Json, template: str) -> bool:
        """Whether a row is an answer of this template: the platform's filter is checked again, as it may be ignored."""
        field = self._fields.get(text_of(row.get("clinical_note_field")) or "")
        return field is not None and field.template == template and field.kind not in NOT_ASKED

    def _values(self, appointment: str, template: str) -> list[Json]:
        """All rows of one form as they are now."""
        query: dict[str, str | int] = {"appointment": appointment, "clinical_note_template": template}
        found = {}
        for row in rows(self._rest, "clinical_note_field_values", query, VALUES):
            if text_of(row.get("appointment")) == appointment and self._of(row, template):
                found[text_of(row.get("id"))] = row
        return list(found.values())

    def _page(self, found: Mapping[Key, Sequence[Json]], cursor: Cursor | None = None) -> Page:
        self._know_visits({key: values for key, values in found.items() if values})
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
        return Page(responses, cursor, set_aside, gone, sorted=False)

    def _know_visits(self, found: Mapping[Key, Sequence[Json]]) -> None:
        """Looks up whose appointments these are: a few one by one, more by the days on which they were written in,
        since an appointment's note is mostly written on its day; what that does not find, one by one."""
        unknown = {key[0] for key in found} - set(self._visits)
        if len(unknown) > FEW_VISITS:
            written = [row.get("created_at") for key, values in found.items() if key[0] in unknown for row in values]
            days = sorted(when.date() for text in written if (when := local(text, UTC)) is not None)
            if days and days[-1] - days[0] <= LONGEST_SPAN:
                self._know_days(days[0] - AROUND, days[-1] + AROUND, unknown)
        for one in sorted(unknown - set(self._visits)):
            answer = self._rest.get(f"appointments/{part(one)}", purpose=VISITS, also=(404,))
            there = answer.status == 200 and isinstance(answer.data, dict)
            self._visits[one] = visit_of(answer.data) if there else None

    def _know_days(self, first: date, last: date, unknown: set[str]) -> None:
        """The appointments of these days, for as many pages as would be cheaper than one by one."""
        query: dict[str, str | int] = {"date_range": f"{first}/{last}", "show_archived": "true"}
        query["page_size"] = PAGE_SIZE
        url = self._rest.url("appointments", query)
        for some, _, _ in islice(pages(self._rest, url, VISITS), len(unknown) // 2):
            self._visits |= {text_of(row.get("id")) or "": visit_of(row) for row in some}
            if unknown <= set(self._visits):
                return


def _clock(headers: Mapping[str, str]) -> datetime | None:
    return http_date(headers.get("Date"))
