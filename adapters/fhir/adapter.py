"""A FHIR R4 server as a platform: what `AdapterSpec.open` gives."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256

from ...plugin_core.contracts import AdapterContext, Carrier, Identity, Page, Published, RemoteForm, Sender
from ...plugin_core.errors import Unsupported
from ...plugin_core.words import mark, tr
from ...schemas.records import Client, Cursor, Instrument, Json, Session
from ..auth import expiring
from ..http import Http, Refused
from ..times import http_date
from ..transport import Limits, Transport
from ..waiting import Patience
from .asking import sender_of, way_of
from .carriers import FORMS
from .forms import forms
from .keyed import manner_of
from .origin import Origin
from .people import client_from
from .publish import publish
from .pull import PURPOSE, Puller
from .push import ResourceCarrier
from .server import ACCEPT, Server, query
from .sessions import SessionReader
from .settings import auth_of, base_of
from .single import fetch, listing_pages
from .unfinished import Leniency

# As the server shows it, or the bare id. One without a digit may be a person's name, which belongs into no address.
PATIENT = re.compile(r"(?:Patient/|(?=[^/]*[0-9]))([A-Za-z0-9\-.]{1,64})")
CLIENTS_AT_ONCE = 200
CLIENT_ADDRESS = 1900  # characters of ids in an address: with the rest of it within 2,048, which IIS allows a query
LISTING_PAGE = 1000
CLIENT_PURPOSE = mark("look up clients (Patient)")
MADE_BY = frozenset({"create", "update"})


class FhirAdapter:
    """One practice's account on one FHIR server."""

    def __init__(self, context: AdapterContext, limits: Limits | None = None) -> None:
        self._context = context
        self._settings = settings = context.settings
        base = base_of(settings)
        patience = Patience(context.now, context.sleep)
        self._transport = Transport(
            context.user_agent, limits=limits, proxy=settings.get("proxy"), ca_file=settings.get("ca_file")
        )
        auth = auth_of(context, base, self._transport, patience)
        self._server = Server(Http(base, self._transport, auth, patience, ACCEPT))
        overlap = timedelta(minutes=settings.get("overlap_minutes", 5))
        self._puller = Puller(self._server, settings.get("page_size", 500), overlap)
        self._origin = Origin(self._server, context.warn, bool(settings.get("provenance", True)))
        self._sessions = SessionReader(self._server, settings.get("sessions", "auto"))
        self._leniency = Leniency(
            in_progress=bool(settings.get("take_in_progress")), server_date=bool(settings.get("date_by_server"))
        )

    def test(self) -> Identity:
        """Reads the server's description and asks for one form, so that a wrong credential shows at once."""
        said = self._server.statement()
        status, page, headers = self._server.read(
            f"QuestionnaireResponse?{query(_count=1, _elements='id')}", PURPOSE, also=(400, 404)
        )
        if status != 200 or page.get("resourceType") != "Bundle":
            raise Unsupported(
                tr(
                    "{site} is a FHIR server, but it does not offer filled-in questionnaires "
                    "(QuestionnaireResponse). Ask the vendor to switch that on.",
                    site=self._server.base.site,
                )
            )
        mark = "|".join((self._server.base.text, said.software, said.release[:3], said.place))
        can: dict[str, bool | None] = {name: self._takes(name) for name in FORMS}
        listed = said.can("Questionnaire")
        can["publish"] = "create" in listed.interactions if listed.listed else None
        can["ask"] = self._asks()
        can["sessions"] = self._sessions.gives()
        notes = (
            [tr("The server does not list what it can do; what is tried and refused is reported.")]
            if not said.types
            else []
        )
        if self._settings.get("auth") == "bearer":
            notes += expiring(self._context.secret("token"), self._context.now())
        clock = http_date(headers.get("Date"))
        return Identity(said.software, f"{said.version} (FHIR {said.release})".strip(), _hash(mark), can, notes, clock)

    def forms(self) -> Iterator[RemoteForm]:
        """The server's Questionnaires."""
        return forms(self._server)

    def pull(self, cursor: Cursor | None) -> Iterator[Page]:
        """See `Adapter.pull`; the next page is fetched while one is worked on."""
        return self._leniency.pages(self._puller.pages(cursor))

    def fetch(self, remote_ids: Sequence[str]) -> Page:
        """The named forms as they are now. A name that is no FHIR id is left out."""
        return self._leniency.page(fetch(self._server, remote_ids, PURPOSE))

    def listing(self) -> Iterator[Mapping[str, str | None]]:
        """Ids with versions, page by page."""
        parameters = query(_sort="_lastUpdated", _elements="id,meta", _count=LISTING_PAGE)
        for listing, _, _ in listing_pages(self._server, parameters, PURPOSE):
            yield {remote_id: version for remote_id, (version, _) in listing.rows.items()}

    def clients(self, refs: Sequence[str]) -> Iterator[Client]:
        """Names and clinicians of these clients; asked for in batches, alone where the server has no such search.

        A bare id is understood, too: there is only one way to read it here.
        """
        found = filter(None, map(PATIENT.fullmatch, refs))
        ids = list(dict.fromkeys(match.group(1) for match in found))
        for some in _batches(ids):
            known: dict[str, Json] = {}
            try:
                parameters = query(_id=",".join(some), _count=len(some))
                for one in self._server.search("Patient", parameters, CLIENT_PURPOSE):
                    if one.get("id") in some:
                        known[str(one["id"])] = one
            except Refused:
                known = {}
            for remote_id in some:
                patient = known.get(remote_id) or self._patient(remote_id)
                if patient is not None:
                    yield client_from(patient, self._server.base.text, email=bool(self._settings.get("client_email")))

    def _patient(self, remote_id: str) -> Json | None:
        status, patient, _ = self._server.read(f"Patient/{remote_id}", CLIENT_PURPOSE, also=(404, 410))
        fits = status == 200 and patient.get("resourceType") == "Patient" and patient.get("id") == remote_id
        return patient if fits else None

    def publish(self, instrument: Instrument) -> Published:
        """Makes or updates the Questionnaire."""
        return publish(self._server, instrument)

    def carrier(self, name: str) -> Carrier:
        """The carrier, if the server says that it takes such entries or the setting `carriers` says so for it."""
        form = FORMS.get(name)
        if form is None:
            raise Unsupported(
                tr("There is no carrier named {name} here; there are {forms}.", name=name, forms=", ".join(FORMS))
            )
        if self._takes(name) is False:
            raise Unsupported(
                tr(
                    "{site} does not say that it takes entries of the kind {kind}. If its vendor says that it does, "
                    "add {name} to the setting carriers; else use the list to enter by hand.",
                    site=self._server.base.site,
                    kind=form.kind,
                    name=name,
                )
            )
        extra = {"intent": self._settings.get("task_intent", "proposal")} if name == "task" else {}
        manner = manner_of(self._server, form.kind, self._settings, extra)
        return ResourceCarrier(self._server, form, manner, self._origin)

    def _takes(self, name: str) -> bool | None:
        """Yes, no, or None where the server says nothing of what it can do; the setting wins."""
        if name in self._settings.get("carriers", ()):
            return True
        can = self._server.statement().can(FORMS[name].kind)
        if can.listed is not True:
            return can.listed
        return not can.interactions or can.interactions >= MADE_BY

    def sender(self) -> Sender:
        """The way to ask clients that the setting `ask_by` and this server allow."""
        return sender_of(self._server, self._settings, self._origin, self._context.now)

    def _asks(self) -> bool:
        try:
            way_of(self._server, self._settings)
        except Unsupported:
            return False
        return True

    def sessions(self, refs: Sequence[str]) -> Iterator[Session]:
        """Attended sessions, from Encounter and Appointment as the setting `sessions` and this server allow."""
        return self._sessions.of(refs)

    def close(self) -> None:
        """Gives connections back."""
        self._transport.close()


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]


def _batches(ids: Sequence[str]) -> Iterator[list[str]]:
    """As many ids as one address may hold: some 50 of 36 characters, several times as many where they are short."""
    some: list[str] = []
    room = CLIENT_ADDRESS
    for one in ids:
        if some and (len(one) + 1 > room or len(some) == CLIENTS_AT_ONCE):
            yield some
            some, room = [], CLIENT_ADDRESS
        some.append(one)
        room -= len(one) + 1
    if some:
        yield some
