"""One OpenEMR: questionnaires and clients over FHIR, messages over its standard API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import TypeVar

import msgspec

from ...plugin_core.contracts import AdapterContext, Carrier, Identity, Page, Published, RemoteForm, RemoteResponse
from ...plugin_core.errors import Unsupported
from ...plugin_core.words import mark, tr
from ...schemas.records import Client, Cursor, Instrument, Json, Quarantined
from ..fhir.decode import ReadListing, ReadPage, read_listing, read_page
from ..fhir.forms import form_of
from ..fhir.people import client_from
from ..fhir.server import list_of, query
from ..fhir.single import read_single
from ..times import NO_DATE, http_date, instant, whole_second
from ..transport import Reply
from .messages import Journal, Messages
from .settings import connections

STREAM = "QuestionnaireResponse"
RESPONSES = mark("read filled-in questionnaires (QuestionnaireResponse)")
FORMS = mark("read its questionnaires (Questionnaire)")
CLIENTS = mark("look up clients (Patient)")
PATIENT = re.compile(r"Patient/([A-Za-z0-9\-.]{1,64})")
NOBODY = "00000000-0000-0000-0000-000000000000"
GONE = (400, 404, 410)
CHUNK = 500

T = TypeVar("T")


class OpenEmrAdapter:
    """The connection."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._settings = context.settings
        self._server, self._rest, self._transport = connections(context)
        self._names: dict[str, str] | None = None

    def test(self) -> Identity:
        """Reads the server's description of itself, and asks for a form that nobody has, so that a wrong sign-in or an
        OpenEMR without filled-in questionnaires shows at once."""
        said = self._server.statement()
        _, _, headers = self._server.read("metadata", RESPONSES)
        status, _, _ = self._server.read(f"{STREAM}?{query(_id=NOBODY)}", RESPONSES, also=(400, 404))
        if status == 404:
            raise Unsupported(
                tr(
                    "This OpenEMR does not give filled-in questionnaires over its API; versions from late 2025 on do. "
                    "Update it, or work by files."
                )
            )
        writes = self._settings["auth"] == "person"
        fingerprint = sha256(f"{self._server.base.text}|{said.software}".encode()).hexdigest()[:32]
        clock = http_date(headers.get("Date"))
        can = {"publish": False, "ask": False, "message": writes}
        return Identity("OpenEMR", said.version, fingerprint, can, (), clock)

    def forms(self) -> Iterator[RemoteForm]:
        """Its questionnaires. Answers name no version, so neither do these."""
        for resource in self._server.search("Questionnaire", "", FORMS):
            form = form_of(resource, self._server.base.text, lambda _: {})
            if form is not None:
                yield RemoteForm(form.form, None, form.title, form.questions)

    def pull(self, cursor: Cursor | None) -> Iterator[Page]:
        """See `Adapter.pull`: those begun since the cursor, and those of the days before it anew.

        `authored` is when a form was begun, the only time that OpenEMR filters by; `meta.lastUpdated` is the time of
        our own request and says nothing. What changed is told by the version. One answer holds all, newest first.
        """
        since = cursor.since if cursor else None
        url = self._server.base.url(STREAM)
        if since is not None:
            lower = since - timedelta(days=self._settings["reread_days"])
            url = self._server.base.url(STREAM, query(authored=f"ge{whole_second(lower)}"))
        found, clock = self._server.http.read(url, purpose=RESPONSES, parse=self._page)
        responses = [self._own(one) for one in found.responses]
        newest = max(filter(None, (instant(one.authored) for one in responses)), default=None)
        reached = None if newest is None or clock is None else min(newest, clock)
        for start in range(0, len(responses), CHUNK):
            yield Page(responses[start : start + CHUNK])
        since = max(filter(None, (since, reached)), default=None)
        warnings = found.remarks if clock is not None else (*found.remarks, tr(NO_DATE))
        yield Page((), Cursor(STREAM, since), found.set_aside, warnings=warnings)

    def fetch(self, remote_ids: Sequence[str]) -> Page:
        """The named forms as they are now, one by one: OpenEMR takes one id at a time."""
        responses, set_aside, gone = [], [], []
        for remote_id in dict.fromkeys(remote_ids):
            found = (
                read_single(self._server, remote_id, RESPONSES) if PATIENT.fullmatch(f"Patient/{remote_id}") else None
            )
            if isinstance(found, Quarantined):
                set_aside.append(found)
            elif found is None:
                gone.append(remote_id)
            else:
                responses.append(self._own(found))
        return Page(responses, set_aside=set_aside, gone=gone)

    def listing(self) -> Iterator[Mapping[str, str | None]]:
        """Ids and versions of all."""
        found = self._server.http.read(self._server.base.url(STREAM), purpose=RESPONSES, parse=self._listed)
        yield {remote_id: version for remote_id, (version, _) in found.rows.items()}

    def clients(self, refs: Sequence[str]) -> Iterator[Client]:
        """Names and clinicians of these clients, one by one."""
        for ref in dict.fromkeys(refs):
            found = PATIENT.fullmatch(ref)
            if found is None:
                continue
            status, patient, _ = self._server.read(f"Patient/{found.group(1)}", CLIENTS, also=GONE)
            if status == 200 and patient.get("resourceType") == "Patient" and patient.get("id") == found.group(1):
                yield client_from(patient, self._server.base.text)

    def publish(self, instrument: Instrument) -> Published:  # noqa: ARG002 - the protocol's
        """Not possible."""
        raise Unsupported(
            tr(
                "OpenEMR does not take questionnaires over its API. Make a file by handrail instruments export, load "
                "it there as a questionnaire, then run: handrail connect openemr"
            )
        )

    def carrier(self, name: str) -> Carrier:
        """The carrier `message`."""
        if name != "message":
            raise Unsupported(
                tr("There is no carrier named {name} here; there are {forms}.", name=name, forms="message")
            )
        if self._settings["auth"] != "person":
            raise Unsupported(
                tr(
                    "With auth = system OpenEMR lets Handrail read only. For messages a person signs in: handrail "
                    "connect openemr --set auth=person --login"
                )
            )
        place = f"{self._context.practice}|{self._rest.base.text}"
        return Messages(self._rest, self._settings, Journal(self._context.folder, place))

    def close(self) -> None:
        """Gives connections back."""
        self._transport.close()

    # --- reading ---------------------------------------------------------------------------------------------------

    def _page(self, reply: Reply) -> tuple[ReadPage, datetime | None]:
        found = list_of(reply, self._server.base.site, partial(read_page, local=self._server.base.text))
        return found, http_date(reply.headers.get("Date"))

    def _listed(self, reply: Reply) -> ReadListing:
        return list_of(reply, self._server.base.site, read_listing)

    def _own(self, one: RemoteResponse) -> RemoteResponse:
        """The form under its questionnaire's own name, and without a time of change that is none."""
        return msgspec.structs.replace(one, form=self._name(one.form), updated=None)

    def _name(self, form: str) -> str:
        """The name under which `forms` lists it: an answer names `.../Questionnaire/ID`, where ID may be the record's
        or the form's own (doubt). What is not known, or means two, is left as it is."""
        if self._names is None:
            self._names = _names(self._server.search("Questionnaire", "", FORMS), self._server.base.text)
        return self._names.get(form.rpartition("/")[2], form)


def _names(resources: Iterator[Json], local: str) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for resource in resources:
        form = form_of(resource, local, lambda _: {})
        if form is None:
            continue
        rows = resource.get("identifier")
        others = [row.get("value") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        for name in (resource.get("id"), form.form.rpartition("/")[2], *others):
            if isinstance(name, str) and name:
                found.setdefault(name, set()).add(form.form)
    return {name: next(iter(forms)) for name, forms in found.items() if len(forms) == 1}
