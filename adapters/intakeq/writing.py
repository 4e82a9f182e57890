"""Writes to IntakeQ: the tag that says "look", and questionnaires that IntakeQ sends by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ...plugin_core.contracts import Ask, Asked
from ...plugin_core.errors import Unsupported
from ...plugin_core.words import mark, tr
from ...schemas.records import Instrument, Json
from ..http import OutcomeUnknown
from ..ours import Mapped
from ..rest import Rest, part, text_of
from ..rounds import LOST_REQUEST, in_rounds
from .reading import client_ref
from .settings import rows

TAGS = mark("write tags on clients")
SENDING = mark("send questionnaires to clients")
EARLIER = timedelta(days=1)


class Tag:
    """One fixed tag, see `tags.Marking`. The API has no way to write two tags of one text."""

    def __init__(self, rest: Rest, text: str) -> None:
        self._rest = rest
        self._text = text

    def profile(self, client: str, purpose: str = TAGS) -> Json | None:
        """The client's profile; None: there is no such client."""
        answer = self._rest.get(f"clients/profile/{part(client)}", purpose=purpose, also=(400, 404))
        return answer.data if answer.status == 200 and isinstance(answer.data, dict) and answer.data else None

    def stands(self, client: str) -> bool | None:
        """Whether the client bears the tag; a client in the archive is nobody's to look at before a session."""
        row = self.profile(client)
        return None if row is None or row.get("Archived") is True else self._borne(row)

    def put(self, client: str) -> str | None:
        """Adds the tag."""
        body = {"ClientId": int(client), "Tag": self._text}
        answer = self._rest.send("POST", "clientTags", body, purpose=TAGS, also=(400, 404))
        if answer.status < 300:
            return None
        return tr(
            "{site} does not accept a tag on this client. Use the list to enter prompts by hand.",
            site=self._rest.base.site,
        )

    def drop(self, client: str) -> str | None:
        """Removes the tag; not there is fine, and so is a client who is not there (merged, deleted)."""
        query = {"clientId": client, "tag": self._text}
        answer = self._rest.send("DELETE", "clientTags", query=query, purpose=TAGS, also=(400, 404))
        if answer.status == 400 and (row := self.profile(client)) is not None and self._borne(row):
            return tr("{site} does not take the tag off this client. Take it off there.", site=self._rest.base.site)
        return None

    def bearers(self) -> Sequence[str]:
        """Clients with the tag."""
        found = rows(self._rest, "clients", {"includeProfile": "true"}, TAGS)
        return [ref for row in found if self._borne(row) and (ref := client_ref(row)) is not None]

    def _borne(self, row: Json) -> bool:
        tags = row.get("Tags")
        return isinstance(tags, list) and self._text in tags


class Intakes:
    """Asks clients through IntakeQ. An intake has no place for a key of ours: one of the same questionnaire that was
    made for this client since the day before it was due is the request."""

    def __init__(self, rest: Rest, mapped: Mapped | None) -> None:
        self._rest = rest
        self._mapped = mapped

    def ask(self, ask: Ask) -> Asked:
        """See `Sender.ask`; IntakeQ e-mails the client."""
        form = self._form(ask.instrument)
        return in_rounds(self._rest.http.patience, self._rest.base.site, LOST_REQUEST, lambda: self._ask(ask, form))

    def remind(self, ask: Ask) -> Asked:
        """Has IntakeQ send its e-mail again. An e-mail whose outcome stays open counts as sent: nothing shows it, and
        one reminder too few is a lesser nuisance than two."""
        remote_id = ask.remote_id or self._there(ask, self._form(ask.instrument))
        if remote_id is None:
            return Asked(False, refused=tr("The request is no longer there."))
        body = {"IntakeId": remote_id, "DeliveryMethod": "email"}
        try:
            answer = self._rest.send("POST", "intakes/resend", body, purpose=SENDING, also=(400, 404))
        except OutcomeUnknown:
            return Asked(True, remote_id=remote_id)
        if answer.status >= 300:
            return Asked(False, remote_id=remote_id, refused=tr("IntakeQ does not send this questionnaire again."))
        return Asked(True, remote_id=remote_id)

    def withdraw(self, ask: Ask) -> None:
        """Not possible where there is a request.

        :raises Unsupported: always then; the sentence says what a person can do.
        """
        if ask.remote_id is not None or self._there(ask, self._form(ask.instrument)) is not None:
            raise Unsupported(
                tr(
                    "IntakeQ does not let Handrail take back a questionnaire that was sent. Delete it there, in the "
                    "client's timeline."
                )
            )

    def _ask(self, ask: Ask, form: str) -> Asked:
        remote_id = ask.remote_id or self._there(ask, form)
        if remote_id is not None:
            return Asked(True, remote_id=remote_id)
        client = ask.client.ref
        if not (client.isascii() and client.isdigit()):
            return self._refused()
        body: Json = {"QuestionnaireId": form, "ClientId": int(client)}
        if ask.client.clinician:
            body["PractitionerId"] = ask.client.clinician
        answer = self._rest.send("POST", "intakes/send", body, purpose=SENDING, also=(400, 404))
        if answer.status >= 300:
            return self._refused()
        made = answer.data if isinstance(answer.data, dict) else {}
        return Asked(True, remote_id=text_of(made.get("Id")) or self._there(ask, form))

    def _refused(self) -> Asked:
        return Asked(
            False,
            refused=tr(
                "{site} does not send a questionnaire to this client: look there whether the client has an e-mail "
                "address and is not in the archive.",
                site=self._rest.base.site,
            ),
        )

    def _there(self, ask: Ask, form: str) -> str | None:
        """The oldest intake of this questionnaire that was made for this client since the day before it was due."""
        since = ask.due - EARLIER
        query = {"clientId": ask.client.ref, "all": "true", "startDate": since.strftime("%Y-%m-%d")}
        found = []
        for row in rows(self._rest, "intakes/summary", query, SENDING):
            made, remote_id = row.get("DateCreated"), text_of(row.get("Id"))
            mine = client_ref(row) == ask.client.ref and text_of(row.get("QuestionnaireId")) == form
            if mine and remote_id and isinstance(made, (int, float)) and made >= since.timestamp() * 1000:
                found.append((made, remote_id))
        return min(found)[1] if found else None

    def _form(self, instrument: Instrument) -> str:
        """The questionnaire that a person mapped to this instrument."""
        mapped = self._mapped() if self._mapped else {}
        fitting = [form for form, one in mapped.items() if one == instrument.key]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise Unsupported(
                tr(
                    "Several questionnaires of IntakeQ are read as {id}, so it is not plain which one clients get. "
                    "Archive all but one there, and remove the others' files from the folder mappings.",
                    id=instrument.id,
                )
            )
        raise Unsupported(
            tr(
                "No questionnaire of IntakeQ is read as {id} yet. Make it there, fill it in once, then run: handrail "
                "connect intakeq",
                id=instrument.id,
            )
        )
