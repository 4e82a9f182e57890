"""Birch: a second imaginary platform, its adapter written by following ADDING_A_PLATFORM.md alone.

Of another style than Acme: a change feed with tokens instead of times, deletions in it, one tag for all flags of a
client, a key in a header of its own, labels with HTML in them, no forms to list and nothing to publish or to send.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from handrail.adapters.auth import Fixed
from handrail.adapters.http import Manners
from handrail.adapters.network import NetworkSettings, base_at, rest_of
from handrail.adapters.rest import Answer, Rest, part, rows_of, text_of
from handrail.adapters.tags import TagCarrier
from handrail.plugin_core.contracts import (
    AdapterContext,
    AdapterSpec,
    Capabilities,
    Carrier,
    CarrierSpec,
    Identity,
    Page,
    Published,
    RemoteAnswer,
    RemoteForm,
    RemoteLine,
    RemoteResponse,
    Support,
)
from handrail.plugin_core.errors import NotTheApi, Unsupported
from handrail.plugin_core.mapping.texts import readable
from handrail.schemas.records import Client, Cursor, Instrument, Quarantined
from handrail.schemas.vocab import QuarantineReason
from marshmallow import fields

TAG = "handrail-look"
READ, TAGS = "read its feed", "tag clients"
Row = Mapping[str, Any]


class BirchSettings(NetworkSettings):
    """What a practice fills in."""

    base_url = fields.String(
        load_default="https://birch.example/api", metadata={"help": "Birch's address; usually left as it is."}
    )
    key = fields.String(required=True, metadata={"help": "In Birch: Settings > Keys > New.", "secret": True})


class BirchAdapter:
    """One account."""

    def __init__(self, context: AdapterContext) -> None:
        base = base_at(context.settings["base_url"], context.settings)
        manners = Manners(credential="X-Birch-Key")
        self._rest = rest_of(context, base, Fixed(lambda: context.secret("key")), manners)

    def test(self) -> Identity:
        account = text_of(_object(self._rest.get("account", purpose="read whose key this is")).get("id"))
        if account is None:
            raise NotTheApi("What answers there is not Birch. Check the setting base_url.")
        return Identity("Birch", "1", sha256(f"{self._rest.base.text}|{account}".encode()).hexdigest()[:32])

    def forms(self) -> Iterator[RemoteForm]:
        raise Unsupported("Birch does not list its forms. Write the mapping from an answered one.")

    def pull(self, cursor: Cursor | None) -> Iterator[Page]:
        token = cursor.token if cursor else None
        while True:
            page = _object(self._rest.get("feed", {"after": token} if token else {}, purpose=READ))
            token = text_of(page.get("after"))
            if token is None or not isinstance(page.get("entries"), list):
                raise NotTheApi("What answers there is not Birch. Check the setting base_url.")
            rows = rows_of(page["entries"])
            gone = [str(row["id"]) for row in rows if row.get("kind") == "removed" and text_of(row.get("id"))]
            yield _page([row for row in rows if row.get("kind") != "removed"], Cursor("birch", token=token), gone)
            if page.get("more") is not True:
                return

    def fetch(self, remote_ids: Sequence[str]) -> Page:
        found, gone = [], []
        for remote_id in dict.fromkeys(remote_ids):
            answer = self._rest.get(f"entries/{part(remote_id)}", purpose=READ, also=(404,))
            row = _object(answer) if answer.status == 200 else {}
            if row.get("id") == remote_id:
                found.append(row)
            else:
                gone.append(remote_id)
        return _page(found, None, gone)

    def listing(self) -> Iterator[Mapping[str, str | None]]:
        listed = _object(self._rest.get("entries", purpose=READ)).get("entries")
        if not isinstance(listed, list):
            raise NotTheApi("What answers there is not Birch. Check the setting base_url.")
        yield {str(row["id"]): text_of(row.get("edit")) for row in rows_of(listed) if text_of(row.get("id"))}

    def clients(self, refs: Sequence[str]) -> Iterator[Client]:
        for ref in dict.fromkeys(refs):
            answer = self._rest.get(f"people/{part(ref)}", purpose="look up clients", also=(404,))
            if answer.status == 200 and _object(answer).get("id") == ref:
                yield Client(ref, text_of(_object(answer).get("name")))

    def publish(self, instrument: Instrument) -> Published:
        raise Unsupported("Birch lets no program make forms. Make it there by hand, then map it.")

    def carrier(self, name: str) -> Carrier:
        if name != "tag":
            raise Unsupported(f"Birch has no carrier named {name}; there is the carrier tag.")
        return TagCarrier(Tag(self._rest), self._rest.http.patience, self._rest.base.site)

    def close(self) -> None:
        self._rest.http.transport.close()


class Tag:
    """The tag that stands for all flags of a client, as `TagCarrier` wants it."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def stands(self, client: str) -> bool | None:
        found = self._rest.get(f"people/{part(client)}", purpose=TAGS, also=(404,))
        return None if found.status == 404 else TAG in (_object(found).get("tags") or [])

    def put(self, client: str) -> str | None:
        made = self._rest.send("PUT", f"people/{part(client)}/tags/{TAG}", {}, purpose=TAGS, also=(404, 409))
        return "Birch takes no tag for this client: the record is closed." if made.status >= 400 else None

    def drop(self, client: str) -> str | None:
        self._rest.send("DELETE", f"people/{part(client)}/tags/{TAG}", purpose=TAGS, also=(404,))
        return None

    def bearers(self) -> Sequence[str]:
        found = _object(self._rest.get("people", {"tag": TAG}, purpose=TAGS)).get("people")
        return [ref for row in rows_of(found) if (ref := text_of(row.get("id")))]


def _object(answer: Answer) -> dict[str, Any]:
    if not isinstance(answer.data, dict):
        raise NotTheApi("What answers there is not Birch. Check the setting base_url.")
    return answer.data


def _page(rows: Sequence[Row], cursor: Cursor | None, gone: Sequence[str]) -> Page:
    read = [_read(row) for row in rows]
    forms = [one for one in read if isinstance(one, RemoteResponse)]
    return Page(forms, cursor, [one for one in read if isinstance(one, Quarantined)], gone)


def _read(row: Row) -> RemoteResponse | Quarantined:
    remote_id, person = text_of(row.get("id")), text_of(row.get("person"))
    if remote_id is None or person is None:
        return Quarantined(remote_id or "", QuarantineReason.SHAPE, "person", "Birch does not say whose form this is")
    lines = []
    for one in rows_of(row.get("answers")):
        text = readable(text_of(one.get("question")) or "")
        label = readable(text_of(one.get("answer")) or "")
        lines.append(RemoteLine(text, text, (RemoteAnswer(label=label),) if label else ()))
    status = "entered-in-error" if row.get("void") is True else "completed"
    form, edit = text_of(row.get("form")) or "", text_of(row.get("edit"))
    return RemoteResponse(remote_id, form, person, status, tuple(lines), text_of(row.get("at")), edit)


SPEC = AdapterSpec(
    name="birch",
    title="Birch",
    settings=lambda: BirchSettings,
    capabilities=Capabilities(reports_deletions=True, gives_clinicians=True),
    carriers=(CarrierSpec("tag", "Tag on the client", "Everybody in the practice, the front desk included.", False),),
    open=BirchAdapter,
    support=Support("hand-made", "a server of the tests; Birch is invented", "A feed of changes, by its own tokens."),
)
