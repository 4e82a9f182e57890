"""Asks clients by making the form in their file; Cliniko sends nothing, so the form's link is handed on by people.

A form has no place for a key of ours: one with the template's name that is open in the client's file and was made since
the day before it was due is the request, and no second one is made. An older one belongs to an earlier request.
"""

from __future__ import annotations

from datetime import timedelta

from ...plugin_core.contracts import Ask, Asked
from ...plugin_core.words import mark, tr
from ...schemas.records import Json
from ..rest import Rest, part
from ..rounds import LOST_REQUEST, in_rounds
from ..times import instant
from .reading import form_name, text_of
from .settings import id_of, linked, rows
from .templates import Templates

FORMS = "patient_forms"
EARLIER = timedelta(days=1)
PURPOSE = mark("make forms in clients' files (patient forms)")
SILENT = mark("Cliniko sends no reminders. Hand the link over again; who is late stands in: handrail due")
REMOVED = mark("The form was archived in Cliniko. It is not made again.")


class ClinikoSender:
    """Makes forms and gives their links."""

    def __init__(self, rest: Rest, templates: Templates) -> None:
        self._rest = rest
        self._templates = templates

    def ask(self, ask: Ask) -> Asked:
        """See `Sender.ask`; what comes back is a link, as nothing was sent."""
        template, name = self._templates.template_for(ask.instrument)
        site = self._rest.base.site
        return in_rounds(self._rest.http.patience, site, LOST_REQUEST, lambda: self._ask(ask, template, name))

    def _ask(self, ask: Ask, template: str, name: str) -> Asked:
        if ask.remote_id is not None:
            made = next(iter(rows(self._rest, FORMS, (f"id:={ask.remote_id}",), PURPOSE)), None)
            return self._given(made) if made else Asked(False, remote_id=ask.remote_id, refused=tr(REMOVED))
        found = self._open(ask, name)
        if found:
            return self._given(found[0])
        body = {"patient_id": ask.client.ref, "patient_form_template_id": template}
        answer = self._rest.send("POST", FORMS, body, purpose=PURPOSE, also=(404, 422))
        if answer.status in (404, 422) or not isinstance(answer.data, dict):
            return Asked(
                False,
                refused=tr(
                    "{site} makes no form for this client: the file is not there, or is archived.",
                    site=self._rest.base.site,
                ),
            )
        return self._given(answer.data)

    def _given(self, row: Json) -> Asked:
        return Asked(False, link=text_of(row.get("url")), remote_id=id_of(row.get("id")))

    def remind(self, ask: Ask) -> Asked:
        """Refuses: the platform has no way."""
        return Asked(False, remote_id=ask.remote_id, refused=tr(SILENT))

    def withdraw(self, ask: Ask) -> None:
        """Archives the form unless it is answered."""
        in_rounds(self._rest.http.patience, self._rest.base.site, LOST_REQUEST, lambda: self._withdraw(ask))

    def _withdraw(self, ask: Ask) -> None:
        if ask.remote_id is not None:
            found = list(rows(self._rest, FORMS, (f"id:={ask.remote_id}",), PURPOSE))
        else:  # its answer may have been lost
            found = self._open(ask, self._templates.template_for(ask.instrument)[1])
        for row in found:
            remote_id = id_of(row.get("id"))
            if remote_id and (ask.remote_id in (None, remote_id)) and not text_of(row.get("completed_at")):
                self._rest.send("POST", f"{FORMS}/{part(remote_id)}/archive", purpose=PURPOSE, also=(404,))

    def _open(self, ask: Ask, name: str) -> list[Json]:
        """Forms of that name in the client's file, since this request was due, not answered, oldest first; the filters
        are checked."""
        client = ask.client.ref
        return [
            row
            for row in rows(self._rest, FORMS, (f"patient_id:={client}", "completed_at:!?"), PURPOSE)
            if form_name(row) == name
            and (made := instant(text_of(row.get("created_at")))) is not None
            and made >= ask.due - EARLIER
            and linked(row, "patient") == client
            and not text_of(row.get("completed_at"))
            and id_of(row.get("id"))
        ]
