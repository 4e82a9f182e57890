"""One practice's account on Cliniko: what `AdapterSpec.open` gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from ...plugin_core.contracts import AdapterContext, Carrier, Identity, Page, Published, RemoteForm, RemoteResponse
from ...plugin_core.errors import Denied, NotTheApi, Unsupported
from ...plugin_core.words import mark, tr
from ...schemas.records import Client, Cursor, Instrument, Json, Quarantined
from ..keyset import Batch, Walk
from ..rest import part
from ..times import http_date, instant, whole_second
from .alerts import AlertCarrier
from .asking import ClinikoSender
from .reading import client_of, form_name, response_of, template_of, text_of
from .settings import PER_PAGE, connection, id_of, linked, listed, next_of, rows
from .spec import MEDICAL_ALERT
from .templates import Templates

FORMS = mark("read filled-in questionnaires (patient forms)")
TEMPLATES = mark("read its questionnaires (patient form templates)")
CLIENTS = mark("look up clients (patients)")
ACCOUNT = mark("read whose account this is")
ALERTS = mark("put medical alerts on clients' files")
APPOINTMENTS = mark("look up who a client's practitioner is (appointments)")
RIGHTS = {
    MEDICAL_ALERT: (
        "medical_alerts",
        mark("The API key may not see medical alerts. Give its user that right in Cliniko to show prompts there."),
    ),
    "publish": (
        "patient_form_templates",
        mark("The API key may not see patient form templates. Give its user that right in Cliniko to map forms."),
    ),
    "clients": (
        "patients",
        mark("The API key may not see patients. Give its user that right in Cliniko to read clients' names."),
    ),
}
DONE = "completed_at:?"
ARCHIVED_TOO = "archived_at:*"
BATCH = 50


class ClinikoAdapter:
    """The connection. Reads the API key when it is made and at each request."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._settings = context.settings
        self._rest = connection(context)
        self._practitioners: dict[str, str | None] = {}

    def test(self) -> Identity:
        """Asks whose key it is, and what it may see."""
        user = self._rest.get("user", purpose=ACCOUNT, also=(401, 404))
        if user.status == 404:
            raise NotTheApi(
                tr(
                    "{site} does not answer as Cliniko does. Leave the setting base_url empty, or end it in /v1.",
                    site=self._rest.base.site,
                )
            )
        if user.status == 401:
            raise Denied(
                tr(
                    "{site} does not accept the API key. Check that it was not deleted there (My Info > Manage API "
                    "keys), that it was copied whole, and that the shard is the account's own: it stands at the end "
                    "of the key, and a key without one belongs to au1.",
                    site=self._rest.base.site,
                )
            )
        seen = self._rest.get("patient_forms", {"per_page": 1}, purpose=FORMS)
        listed(self._rest, seen.data, "patient_forms")
        place, name = self._account()
        can = {name: self._may(path) for name, (path, _) in RIGHTS.items()}
        notes = [tr(note) for name, (_, note) in RIGHTS.items() if not can[name]]
        fingerprint = sha256(f"{self._rest.base.text}|{place}".encode()).hexdigest()[:32]
        return Identity(f"Cliniko ({name})" if name else "Cliniko", "v1", fingerprint, can, notes, _clock(user.headers))

    def _account(self) -> tuple[str, str | None]:
        """Id and name of the account. Cliniko documents no right that this would need, so a key that may not see it is
        no reason to go on without knowing whose forms are read (F14)."""
        public = self._rest.get("settings/public", purpose=ACCOUNT, also=(403, 404)).data
        account = public.get("account") if isinstance(public, dict) else None
        place = id_of(account.get("id")) if isinstance(account, dict) else None
        if not isinstance(account, dict) or place is None:
            raise Denied(
                tr(
                    "{site} does not say whose account this API key belongs to, so another practice's answers could "
                    "not be told from yours. Nothing was read. Make a new key (My Info > Manage API keys) as a user "
                    "who may see the practice's settings.",
                    site=self._rest.base.site,
                )
            )
        return place, text_of(account.get("name"))

    def _may(self, path: str) -> bool:
        return self._rest.get(path, {"per_page": 1}, purpose=ACCOUNT, also=(403, 404)).status == 200

    def forms(self) -> Iterator[RemoteForm]:
        """The templates. Of two with one name neither, as an answered form would not tell which it is."""
        found = [row for row in rows(self._rest, "patient_form_templates", (), TEMPLATES) if form_name(row)]
        names = [form_name(row) for row in found]
        for row in found:
            if names.count(form_name(row)) == 1:
                yield template_of(row)
        if len(set(names)) < len(names):
            self._context.warn(
                tr(
                    "Several patient form templates in Cliniko have the same name, so that their answers cannot be "
                    "told apart. Rename or archive all but one of them, then run: handrail connect cliniko"
                )
            )

    def pull(self, cursor: Cursor | None) -> Iterator[Page]:
        """See `Adapter.pull`: completed forms by the time of their last change."""
        overlap = timedelta(minutes=self._settings.get("overlap_minutes", 10))
        return Walk("patient_forms", cursor, overlap, self._page, self._rest.base.site).pages()

    def _page(self, lower: datetime | None, more: str | None) -> Batch:
        since = [] if lower is None else [("q[]", f"updated_at:>={whole_second(lower)}")]
        query: list[tuple[str, str | int]] = [("q[]", DONE), *since, ("sort", "updated_at:asc"), ("per_page", PER_PAGE)]
        answer = self._rest.follow(more or self._rest.url("patient_forms", query), purpose=FORMS)
        found = listed(self._rest, answer.data, "patient_forms")
        responses, set_aside = _read(found)
        stamps = [instant(text_of(row.get("updated_at"))) for row in found]
        more = next_of(self._rest, answer.data)
        total = answer.data.get("total_entries")
        total = total if isinstance(total, int) else None
        return Batch(responses, stamps, more, _clock(answer.headers), set_aside, total=total)

    def fetch(self, remote_ids: Sequence[str]) -> Page:
        """The named forms as they are now; archived and deleted ones are gone."""
        wanted = [one for one in dict.fromkeys(remote_ids) if id_of(one)]
        found: dict[str, Json] = {}
        for start in range(0, len(wanted), BATCH):
            some = wanted[start : start + BATCH]
            for row in rows(self._rest, "patient_forms", (f"id:={','.join(some)}",), FORMS):
                if (remote_id := id_of(row.get("id"))) in some:
                    found[str(remote_id)] = row
        responses, set_aside = _read(list(found.values()))
        return Page(responses, set_aside=set_aside, gone=[one for one in wanted if one not in found])

    def listing(self) -> Iterator[Mapping[str, str | None]]:
        """Ids with the times of their last change."""
        for row in rows(self._rest, "patient_forms", (DONE,), FORMS):
            if (remote_id := id_of(row.get("id"))) is not None:
                yield {remote_id: text_of(row.get("updated_at"))}

    def clients(self, refs: Sequence[str]) -> Iterator[Client]:
        """Names, the records that others were merged into, and therapists where the setting says so."""
        wanted = [ref for ref in dict.fromkeys(refs) if id_of(ref)]
        for start in range(0, len(wanted), BATCH):
            some = wanted[start : start + BATCH]
            found = {}
            for row in rows(self._rest, "patients", (f"id:={','.join(some)}", ARCHIVED_TOO), CLIENTS):
                found[id_of(row.get("id"))] = row
            for ref in some:
                known = found.get(ref) or self._patient(ref)
                client = client_of(known, email=bool(self._settings.get("client_email"))) if known else None
                if client is not None and client.ref == ref:
                    yield self._with_clinician(client)

    def _patient(self, ref: str) -> Json | None:
        """A record that the list leaves out, such as one that was merged."""
        query = {"q[]": ARCHIVED_TOO}
        answer = self._rest.get(f"patients/{part(ref)}", query, purpose=CLIENTS, also=(404,))
        return answer.data if answer.status == 200 and isinstance(answer.data, dict) else None

    def _with_clinician(self, client: Client) -> Client:
        if self._settings.get("clinician_from") != "appointment" or client.replaced_by:
            return client
        query: list[tuple[str, str | int]] = [
            ("q[]", f"patient_id:={client.ref}"),
            ("q[]", "cancelled_at:!?"),
            ("sort", "starts_at:desc"),
            ("per_page", 1),
        ]
        answer = self._rest.get("individual_appointments", query, purpose=APPOINTMENTS)
        latest = next(iter(listed(self._rest, answer.data, "individual_appointments")), {})
        ref = linked(latest, "practitioner")
        return client if ref is None else replace(client, clinician=ref, clinician_name=self._practitioner(ref))

    def _practitioner(self, ref: str) -> str | None:
        if ref not in self._practitioners:
            answer = self._rest.get(f"practitioners/{part(ref)}", purpose=APPOINTMENTS, also=(403, 404))
            found = answer.data if answer.status == 200 and isinstance(answer.data, dict) else {}
            names = (text_of(found.get("first_name")), text_of(found.get("last_name")))
            self._practitioners[ref] = " ".join(name for name in names if name) or None
        return self._practitioners[ref]

    def publish(self, instrument: Instrument) -> Published:
        """Makes or updates the patient form template."""
        return self._templates().publish(instrument)

    def _templates(self) -> Templates:
        return Templates(self._rest, self._context.mapped)

    def sender(self) -> ClinikoSender:
        """Makes forms in clients' files and gives their links."""
        return ClinikoSender(self._rest, self._templates())

    def carrier(self, name: str) -> Carrier:
        """The carrier `medical-alert`."""
        if name != MEDICAL_ALERT:
            raise Unsupported(
                tr("There is no carrier named {name} here; there are {forms}.", name=name, forms=MEDICAL_ALERT)
            )
        return AlertCarrier(self._rest, ALERTS)

    def close(self) -> None:
        """Gives connections back."""
        self._rest.http.transport.close()


def _read(found: Sequence[Json]) -> tuple[list[RemoteResponse], list[Quarantined]]:
    read = [response_of(row) for row in found]
    return (
        [one for one in read if isinstance(one, RemoteResponse)],
        [one for one in read if isinstance(one, Quarantined)],
    )


def _clock(headers: Mapping[str, str]) -> datetime | None:
    return http_date(headers.get("Date"))
