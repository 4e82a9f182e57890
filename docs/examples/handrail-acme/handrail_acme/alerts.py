"""Shows flags as Acme's alerts. An alert has a field `reference` for other programs: our key goes there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handrail.adapters.rest import Rest, part, text_of
from handrail.adapters.rounds import in_rounds
from handrail.plugin_core.contracts import Delivered, Notice
from handrail.schemas.vocab import RemoteState

from .connection import rows

PURPOSE = "put alerts on clients' charts"
LOST = "{site} did not confirm that an alert was written. Nothing is lost: the next sync looks first and goes on."


class AlertCarrier:
    """Looks before each write, so that it is safe to repeat whatever happened before (F84a)."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
        """See `Carrier.deliver`. Acme has no versions; `remote_version` is `closed` where we closed the alert."""
        work = lambda: self._once(notice, remote_id, remote_version)  # noqa: E731 - said once, here
        return in_rounds(self._rest.http.patience, self._rest.base.site, LOST, work)

    def find(self, key: str) -> Sequence[str]:
        """Ids of the alerts with this key, oldest first."""
        return [str(row["id"]) for row in self._all(key)]

    def _once(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
        found = self._all(notice.key)
        if not found:
            if remote_id is not None:  # a person removed it: it stays removed (F86)
                return Delivered(remote_id, version, human_edit=True)
            return self._make(notice) if notice.state is RemoteState.ACTIVE else Delivered(None)
        kept, others = found[0], found[1:]
        for double in others:
            self._turn(str(double["id"]), {"open": False})
        wanted = notice.state is RemoteState.ACTIVE
        by_us = version == "closed" or notice.perhaps_over  # perhaps: the answer was lost
        if not kept.get("open") and wanted and remote_id is not None and not by_us:
            return Delivered(str(kept["id"]), version, human_edit=True)  # closed by a person, who had a reason
        if bool(kept.get("open")) != wanted or kept.get("client") != notice.client:
            self._turn(str(kept["id"]), {"open": wanted, "client": notice.client})
        return Delivered(str(kept["id"]), None if wanted else "closed", doubles=len(others))

    def _make(self, notice: Notice) -> Delivered:
        text = f"{notice.title}. {notice.reason}" if notice.reason else notice.title
        body = {"client": notice.client, "reference": notice.key, "text": text}
        answer = self._rest.send("POST", "alerts", body, purpose=PURPOSE, also=(404, 422))
        if answer.status != 201:
            return Delivered(None, refused="Acme takes no alert for this client: the chart is closed or gone.")
        made = answer.data if isinstance(answer.data, dict) else {}
        return Delivered(text_of(made.get("id")), created=True)

    def _turn(self, remote_id: str, changed: dict[str, Any]) -> None:
        self._rest.send("PATCH", f"alerts/{part(remote_id)}", changed, purpose=PURPOSE)

    def _all(self, key: str) -> list[dict[str, Any]]:
        found = rows(self._rest.get("alerts", {"reference": key}, purpose=PURPOSE), "alerts")
        # A server may ignore a filter that it does not know; another client's alert must not be taken for ours.
        ours = [row for row in found if row.get("reference") == key and text_of(row.get("id"))]
        return sorted(ours, key=lambda row: (str(row.get("made")), str(row["id"])))
