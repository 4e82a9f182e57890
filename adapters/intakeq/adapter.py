"""One practice's account on IntakeQ or PracticeQ: what `AdapterSpec.open` gives."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
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
    Sender,
)
from ...plugin_core.errors import Denied, NotTheApi, PlatformError, Unsupported
from ...plugin_core.words import mark, tr
from ...schemas.records import Client, Cursor, Instrument, Json, Quarantined
from ..rest import listed, part, text_of
from ..tags import TagCarrier
from ..times import http_date
from .reading import client_ref, form_of, not_given, response_of
from .seen import Seen
from .settings import connection, rows, rows_at
from .writing import Intakes, Tag

STREAM = "intakes"
INTAKES = mark("read filled-in questionnaires (intakes)")
QUESTIONNAIRES = mark("read its questionnaires")
STAFF = mark("look up who a client's practitioner is")
CLIENTS = mark("look up clients")
# Filters are by day in the account's own zone; whether the day named is itself within them is not said (doubt).
OVERLAP = timedelta(days=2)
LOOK_BACK = timedelta(days=365)
CHUNK = 10
LOOKED_AT = 3


class IntakeqAdapter:
    """The connection."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._rest, self._budget, self._daily = connection(context)
        self._staff: dict[str, str | None] | None = None

    def test(self) -> Identity:
        """Lists the questionnaires. IntakeQ says nothing of whose account it is."""
        answer = self._rest.get("questionnaires", purpose=QUESTIONNAIRES, also=(401,))
        if answer.status == 401:
            raise Denied(
                tr(
                    "{site} does not accept the API key. The owner of the IntakeQ account sees it under More > "
                    "Settings > Integrations > Developer API: copy it whole from there.",
                    site=self._rest.base.site,
                )
            )
        listed(answer, self._rest.base.site)
        fingerprint = sha256(self._rest.base.text.encode()).hexdigest()[:32]
        left = self._budget.left(self._daily)
        notes = (
            [tr("Of today's requests {left} are left for reading.", left=left)] if left < self._daily.most // 4 else []
        )
        return Identity("IntakeQ", "v1", fingerprint, {"publish": False, "ask": True}, notes, _clock(answer.headers))

    def forms(self) -> Iterator[RemoteForm]:
        """Questionnaires in use, with the questions that their newest answered intakes show, up to three each."""
        since = (datetime.fromtimestamp(self._context.now(), UTC) - LOOK_BACK).strftime("%Y-%m-%d")
        newest: dict[str, list[Json]] = {}
        for row in sorted(rows(self._rest, "intakes/summary", {"updatedSince": since}, INTAKES), key=_submitted):
            newest.setdefault(text_of(row.get("QuestionnaireId")) or "", []).insert(0, row)
        unanswered = 0
        answer = self._rest.get("questionnaires", purpose=QUESTIONNAIRES)
        for row in listed(answer, self._rest.base.site):
            if row.get("Archived") is True or text_of(row.get("Id")) is None:
                continue
            form = self._form(row, newest.get(str(row["Id"]), [])[:LOOKED_AT])
            unanswered += not form.questions
            yield form
        if unanswered:
            self._context.warn(
                tr(
                    "IntakeQ shows a questionnaire's questions only once somebody has answered it. Fill those that are "
                    "to be mapped in once as a test client, then run: handrail connect intakeq"
                )
            )

    def pull(self, cursor: Cursor | None) -> Iterator[Page]:
        """See `Adapter.pull`. The list names what changed since a day; the answers cost one request each.

        The cursor is the platform's clock when the list was begun; what was read in between lies in its token, so that
        a backlog goes on the next day where the day's requests were used up.
        """
        since = cursor.since if cursor else None
        query = {} if since is None else {"updatedSince": (since - OVERLAP).strftime("%Y-%m-%d")}
        found, clock = rows_at(self._rest, "intakes/summary", query, INTAKES)
        seen = Seen.of(cursor.token if cursor else None, clock)
        ours = self._mapped(found)
        if not ours:
            self._same_account()
        fresh = sum(seen.wants(row, spare=False) for row in ours)
        # Not half of the day: a run each quarter of an hour lists that away, and no correction would ever be read.
        spare = since is not None and self._budget.left(self._daily) - fresh > self._daily.most // 4
        wanted = [row for row in ours if seen.wants(row, spare=spare)]
        for start in range(0, len(wanted), CHUNK):
            some = wanted[start : start + CHUNK]
            done: list[Json] = []
            absent: list[Json] = []
            error = self._read(some, seen, done, absent)
            yield _page(done, (), Cursor(STREAM, since, token=seen.text()), [not_given(row) for row in absent])
            if error is not None:
                raise error
        deleted = [] if since is None else self._deleted(query, {str(row["Id"]) for row in ours})
        seen.keep_only(ours)
        yield Page((), Cursor(STREAM, clock or since, token=seen.text()), gone=deleted)

    def fetch(self, remote_ids: Sequence[str]) -> Page:
        """The named intakes as they are now; one request each."""
        done, gone = [], []
        for remote_id in dict.fromkeys(remote_ids):
            found = self._intake(remote_id)
            if found is None:
                gone.append(remote_id)
            else:
                done.append(found)
        return _page(done, gone)

    def listing(self) -> Iterator[Mapping[str, str | None]]:
        """Ids of the submitted intakes of mapped questionnaires; IntakeQ gives no versions."""
        found = self._mapped(rows(self._rest, "intakes/summary", {}, INTAKES))
        yield {str(row["Id"]): None for row in found}

    def clients(self, refs: Sequence[str]) -> Iterator[Client]:
        """Names and practitioners, from each client's profile: one request each."""
        for ref in dict.fromkeys(refs):
            row = self._tag().profile(ref, CLIENTS) if ref.isascii() and ref.isdigit() else None
            if row is not None and client_ref(row) == ref:
                names = (text_of(row.get("FirstName")), text_of(row.get("LastName")))
                name = text_of(row.get("Name")) or " ".join(one for one in names if one) or None
                who = text_of(row.get("PractitionerId"))
                yield Client(ref, name, who, self._practitioner(who) if who else None)

    def publish(self, instrument: Instrument) -> Published:  # noqa: ARG002 - the protocol's
        """Not possible."""
        raise Unsupported(tr("IntakeQ does not let Handrail make questionnaires. Make it there by hand, then map it."))

    def sender(self) -> Sender:
        """Sends questionnaires by IntakeQ's own e-mails."""
        return Intakes(self._rest.reserved(), self._context.mapped)

    def carrier(self, name: str) -> Carrier:
        """The carrier `tag`."""
        if name != "tag":
            raise Unsupported(tr("There is no carrier named {name} here; there are {forms}.", name=name, forms="tag"))
        tag = Tag(self._rest.reserved(), self._context.settings["tag"])
        return TagCarrier(tag, self._rest.http.patience, self._rest.base.site)

    def close(self) -> None:
        """Gives connections back."""
        self._rest.http.transport.close()

    def _form(self, row: Json, newest: Sequence[Json]) -> RemoteForm:
        """The questionnaire as its newest intakes show it; a further one is read only where options are missing."""
        intakes: list[Json] = []
        form = form_of(row, intakes)
        for one in newest:
            intake = self._intake(text_of(one.get("Id")) or "-")
            intakes += [intake] if intake else []
            form = form_of(row, intakes)
            if form.questions and all(question.options for question in form.questions):
                break
        return form

    def _same_account(self) -> None:
        """Nothing says whose account a key opens (F14); but questionnaires have ids of their own in each."""
        mapped = self._context.mapped() if self._context.mapped else {}
        answer = self._rest.get("questionnaires", purpose=QUESTIONNAIRES) if mapped else None
        if answer and not {text_of(row.get("Id")) for row in listed(answer, self._rest.base.site)} & {*mapped}:
            raise NotTheApi(
                tr(
                    "None of the mapped questionnaires is in this IntakeQ account, so it may be another one than "
                    "before. Nothing was read or written. Check the API key; where the questionnaires were deleted "
                    "there, map others: handrail connect intakeq"
                )
            )

    # --- reading ---------------------------------------------------------------------------------------------------

    def _mapped(self, found: Collection[Json]) -> list[Json]:
        """Those rows whose answers are wanted: of mapped questionnaires, or of all where that is not known."""
        mapped = None if self._context.mapped is None else self._context.mapped()
        return [
            row
            for row in found
            if text_of(row.get("Id")) and (mapped is None or text_of(row.get("QuestionnaireId")) in mapped)
        ]

    def _read(self, some: Sequence[Json], seen: Seen, done: list[Json], absent: list[Json]) -> PlatformError | None:
        """Reads these intakes; what ends it early is given back, after what was read. One that is listed and not given
        is no deletion before IntakeQ says so of this very one."""
        for row in some:
            try:
                found = self._intake(str(row["Id"]))
            except PlatformError as error:
                return error
            if found is None:
                absent.append(row)
            else:
                done.append(found)
            seen.read(row)
        return None

    def _intake(self, remote_id: str) -> Json | None:
        answer = self._rest.get(f"intakes/{part(remote_id)}", purpose=INTAKES, also=(400, 404))
        found = answer.data if answer.status == 200 and isinstance(answer.data, dict) else None
        return found if found and text_of(found.get("Id")) == remote_id else None

    def _deleted(self, query: Mapping[str, str], standing: Collection[str]) -> list[str]:
        """Intakes deleted since. `deletedOnly` is a third party's word (doubt): where it is ignored, all that stand
        come, so what was just listed counts as standing."""
        found = rows(self._rest, "intakes/summary", {**query, "deletedOnly": "true"}, INTAKES)
        return [remote_id for row in self._mapped(found) if (remote_id := str(row["Id"])) not in standing]

    def _tag(self) -> Tag:
        return Tag(self._rest, self._context.settings["tag"])

    def _practitioner(self, who: str) -> str | None:
        if self._staff is None:
            answer = self._rest.get("practitioners", {"includeInactive": "true"}, purpose=STAFF)
            found = listed(answer, self._rest.base.site)
            self._staff = {text_of(row.get("Id")) or "": text_of(row.get("CompleteName")) for row in found}
        return self._staff.get(who)


def _page(
    done: Sequence[Json], gone: Sequence[str], cursor: Cursor | None = None, aside: Sequence[Quarantined] = ()
) -> Page:
    read = [response_of(intake) for intake in done]
    return Page(
        [one for one in read if isinstance(one, RemoteResponse)],
        cursor,
        [*aside, *(one for one in read if isinstance(one, Quarantined))],
        tuple(gone),
    )


def _submitted(row: Json) -> float:
    stamp = row.get("DateSubmitted")
    return stamp if isinstance(stamp, (int, float)) else 0.0


def _clock(headers: Mapping[str, str]) -> datetime | None:
    return http_date(headers.get("Date"))
