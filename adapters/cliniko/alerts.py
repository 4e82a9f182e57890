"""Puts prompts on clients' files as medical alerts, once each, and archives them again; people's edits are left.

An alert is a text and nothing else, so that a short mark at its end tells ours. https://docs.api.cliniko.com (Medical
Alert): POST, POST .../archive; the list leaves archived ones out.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...plugin_core.contracts import Delivered, Notice
from ...plugin_core.words import tr
from ...schemas.records import Json
from ...schemas.vocab import RemoteState
from ..rest import Rest, part
from ..rounds import LOST_PROMPT, in_rounds, mark_of
from .reading import text_of
from .settings import id_of, linked, rows

ALERTS = "medical_alerts"
CLOSED = "archived"
"""`remote_version` of an alert that we archived ourselves."""
LONGEST = 255


class AlertCarrier:
    """Medical alerts as a carrier."""

    def __init__(self, rest: Rest, purpose: str) -> None:
        self._rest = rest
        self._purpose = purpose

    def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
        """See `Carrier.deliver`. An alert cannot be changed back from archived: one that stands anew is a new one."""
        return in_rounds(
            self._rest.http.patience,
            self._rest.base.site,
            LOST_PROMPT,
            lambda: self._round(notice, remote_id, remote_version),
        )

    def find(self, key: str) -> Sequence[str]:
        """Ids of the alerts that stand with this key's mark, oldest first."""
        return self._standing(key)

    def _round(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
        active = notice.state is RemoteState.ACTIVE
        if remote_id is None:
            return self._put(notice) if active else self._take_back(notice)
        stored = self._read(remote_id)
        if not active:
            return self._over(notice, stored, Delivered(remote_id, version, human_edit=True))
        if stored is not None and not _ours(stored, notice.key):  # a person wrote another text
            return Delivered(remote_id, version, human_edit=True)
        if stored is None or stored.get("archived_at"):  # archived ones may be shown no longer
            by_us = version == CLOSED or notice.perhaps_over
            return self._put(notice) if by_us else Delivered(remote_id, version, human_edit=True)
        if linked(stored, "patient") == notice.client:
            return Delivered(remote_id)
        moved = self._put(notice)  # the client's records were merged (F67)
        if moved.refused is None:
            self._archive(remote_id)
        return moved

    def _put(self, notice: Notice) -> Delivered:
        created = False
        found = self._standing(notice.key, notice.client)
        if not found:
            body = {"patient_id": notice.client, "name": _name(notice)}
            answer = self._rest.send("POST", ALERTS, body, purpose=self._purpose, also=(404, 422))
            if answer.status in (404, 422):
                return Delivered(None, refused=self._refusal(notice.client))
            created = True
            made = id_of(answer.data.get("id")) if isinstance(answer.data, dict) else None
            found = self._standing(notice.key, notice.client) or ([made] if made else [])
        for double in found[1:]:
            self._archive(double)
        return Delivered(found[0] if found else None, created=created, doubles=max(0, len(found) - 1))

    def _over(self, notice: Notice, stored: Json | None, edited: Delivered) -> Delivered:
        """Archives it, and what a write of ours, its answer lost, may have put up instead of it (F81)."""
        done = edited  # a person removed it, or wrote another text
        if stored is not None and _ours(stored, notice.key):
            if not stored.get("archived_at"):
                self._archive(str(edited.remote_id))
            done = Delivered(edited.remote_id, CLOSED)
        newer = self._take_back(notice) if RemoteState.ACTIVE in notice.attempted else done
        return newer if newer.remote_id is not None else done

    def _take_back(self, notice: Notice) -> Delivered:
        """What was perhaps put up, its answer lost; where nothing is there, nothing is sent (F87)."""
        found = self._standing(notice.key, notice.client)
        for one in found:
            self._archive(one)
        return Delivered(found[0], CLOSED) if found else Delivered(None)

    def _standing(self, key: str, client: str | None = None) -> list[str]:
        """Alerts that are not archived and bear the mark; the filter is checked again, as it may be ignored."""
        filters = () if client is None else (f"patient_id:={client}",)
        found = []
        for row in rows(self._rest, ALERTS, filters, self._purpose):
            mine = client is None or linked(row, "patient") == client
            remote_id = id_of(row.get("id"))
            if remote_id and mine and _ours(row, key) and not row.get("archived_at"):
                found.append((text_of(row.get("created_at")) or "", int(remote_id)))
        return [str(number) for _, number in sorted(found)]

    def _read(self, remote_id: str) -> Json | None:
        query = {"q[]": "archived_at:*"}
        answer = self._rest.get(f"{ALERTS}/{part(remote_id)}", query, purpose=self._purpose, also=(404,))
        there = answer.status == 200 and isinstance(answer.data, dict) and not answer.data.get("deleted_at")
        return answer.data if there else None

    def _archive(self, remote_id: str) -> None:
        self._rest.send("POST", f"{ALERTS}/{part(remote_id)}/archive", purpose=self._purpose, also=(404,))

    def _refusal(self, client: str) -> str:
        answer = self._rest.get(f"patients/{part(client)}", purpose=self._purpose, also=(403, 404))
        gone = answer.status == 404 or (isinstance(answer.data, dict) and answer.data.get("archived_at"))
        if gone:
            return tr("{site} no longer has this client's file, or it is archived.", site=self._rest.base.site)
        return tr(
            "{site} does not accept a medical alert for this client. Use the list to enter prompts by hand.",
            site=self._rest.base.site,
        )


def _name(notice: Notice) -> str:
    mark = mark_of(notice.key)
    return f"{notice.title[: LONGEST - len(mark) - 1]} {mark}"


def _ours(row: Json, key: str) -> bool:
    return mark_of(key) in (text_of(row.get("name")) or "")
