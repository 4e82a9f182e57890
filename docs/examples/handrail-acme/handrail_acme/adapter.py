"""Acme as a platform: what `AdapterSpec.open` gives. Reading is here, writing in `alerts`, `requests` and `forms`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from handrail.adapters.keyset import Batch, Walk
from handrail.adapters.rest import part, rows_of, text_of
from handrail.adapters.times import http_date, instant, whole_second
from handrail.plugin_core.contracts import (
    AdapterContext,
    Carrier,
    Identity,
    Page,
    Published,
    RemoteForm,
    RemoteResponse,
    Sender,
)
from handrail.plugin_core.errors import NotTheApi, Unsupported
from handrail.schemas.records import Client, Cursor, Instrument, Quarantined

from .alerts import AlertCarrier
from .connection import connected, rows
from .decode import form_of, response_of
from .forms import publish
from .requests import Requests

FORMS = "read filled-in forms"
CLIENTS = "look up clients"
MAY = {"alerts": "flag", "requests": "ask"}


class AcmeAdapter:
    """One practice's account."""

    def __init__(self, context: AdapterContext) -> None:
        self._rest = connected(context)
        self._overlap = timedelta(minutes=context.settings["overlap_minutes"])

    def test(self) -> Identity:
        """Asks whose key it is."""
        answer = self._rest.get("me", purpose="read whose account this is")
        account = answer.data if isinstance(answer.data, dict) else {}
        number = text_of(account.get("account"))
        if number is None:
            raise NotTheApi("What answers there is not Acme's programming interface. Check the setting base_url.")
        rights = account.get("rights")
        fingerprint = sha256(f"{self._rest.base.text}|{number}".encode()).hexdigest()[:32]
        can = {name: isinstance(rights, list) and right in rights for right, name in MAY.items()}
        return Identity(f"Acme, account {number}", "v1", fingerprint, can, clock=http_date(answer.headers.get("Date")))

    def forms(self) -> Iterator[RemoteForm]:
        """The account's forms."""
        for row in rows(self._rest.get("forms", purpose="read its forms"), "forms"):
            yield form_of(row)

    def pull(self, cursor: Cursor | None) -> Iterator[Page]:
        """By the time of the last change; `Walk` keeps the cursor honest and asks for each page anew (F16)."""
        return Walk("acme", cursor, self._overlap, self._page, self._rest.base.site).pages()

    def _page(self, since: datetime | None, more: str | None) -> Batch:
        query = {} if since is None else {"changed_from": whole_second(since)}
        answer = self._rest.follow(more or self._rest.url("answers", query), purpose=FORMS)
        found = rows(answer, "answers")
        responses, set_aside = _sorted_out([response_of(row) for row in found])
        stamps = [instant(text_of(row.get("changed"))) for row in found]
        following = text_of(answer.data.get("next"))
        return Batch(responses, stamps, following, http_date(answer.headers.get("Date")), set_aside)

    def fetch(self, remote_ids: Sequence[str]) -> Page:
        """One by one; Acme says 404 for what is gone."""
        found, gone = [], []
        for remote_id in dict.fromkeys(remote_ids):
            answer = self._rest.get(f"answers/{part(remote_id)}", purpose=FORMS, also=(404,))
            if answer.status == 404:
                gone.append(remote_id)
            elif isinstance(answer.data, dict) and text_of(answer.data.get("id")) == remote_id:
                found.append(response_of(answer.data))
            else:  # another form in its place would go to a wrong client
                raise NotTheApi("Acme gave another form than the one that was asked for.")
        responses, set_aside = _sorted_out(found)
        return Page(responses, set_aside=set_aside, gone=gone)

    def listing(self) -> Iterator[Mapping[str, str | None]]:
        """Ids and versions; Acme gives them all at once."""
        listed = rows(self._rest.get("answers/ids", purpose=FORMS), "ids")
        yield {str(text_of(row.get("id"))): text_of(row.get("version")) for row in listed}

    def clients(self, refs: Sequence[str]) -> Iterator[Client]:
        """Name and therapist of each; those that Acme does not know are left out."""
        for ref in dict.fromkeys(refs):
            answer = self._rest.get(f"clients/{part(ref)}", purpose=CLIENTS, also=(404,))
            row = answer.data if answer.status == 200 and isinstance(answer.data, dict) else {}
            if text_of(row.get("id")) == ref:
                therapist = next(iter(rows_of([row.get("therapist")])), {})
                yield Client(
                    ref, text_of(row.get("name")), text_of(therapist.get("id")), text_of(therapist.get("name"))
                )

    def publish(self, instrument: Instrument) -> Published:
        """Makes the form, once."""
        return publish(self._rest, instrument)

    def sender(self) -> Sender:
        """Asks clients by Acme's own requests."""
        return Requests(self._rest)

    def carrier(self, name: str) -> Carrier:
        """The carrier `alert`; there is no other."""
        if name != "alert":
            raise Unsupported(f"Acme has no carrier named {name}; there is the carrier alert.")
        return AlertCarrier(self._rest)

    def close(self) -> None:
        """Gives connections back."""
        self._rest.http.transport.close()


def _sorted_out(
    read: Sequence[RemoteResponse | Quarantined],
) -> tuple[list[RemoteResponse], list[Quarantined]]:
    return (
        [one for one in read if isinstance(one, RemoteResponse)],
        [one for one in read if isinstance(one, Quarantined)],
    )
