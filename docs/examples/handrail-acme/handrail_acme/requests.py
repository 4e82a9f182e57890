"""Asks clients by Acme's own requests, which it e-mails itself."""

from __future__ import annotations

from typing import Any

from handrail.adapters.rest import Rest, part, text_of
from handrail.adapters.rounds import in_rounds
from handrail.plugin_core.contracts import Ask, Asked
from handrail.plugin_core.mapping import own_form

from .connection import rows

PURPOSE = "send forms to clients"
LOST = "{site} did not confirm that a client was asked. Nothing is lost: the next run looks first and goes on."


class Requests:
    """The `Sender` of Acme. Each request carries our key, so that it is found again."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def ask(self, ask: Ask) -> Asked:
        """See `Sender.ask`."""
        return in_rounds(self._rest.http.patience, self._rest.base.site, LOST, lambda: self._once(ask))

    def _once(self, ask: Ask) -> Asked:
        found = self._all(ask.key)
        if not found:
            body = {"client": ask.client.ref, "form": own_form(ask.instrument), "reference": ask.key}
            answer = self._rest.send("POST", "requests", body, purpose=PURPOSE, also=(404, 422))
            if answer.status != 201 or not isinstance(answer.data, dict):
                return Asked(False, refused="Acme takes no request for this client or this form.")
            found = [answer.data]
        return Asked(sent=True, link=text_of(found[0].get("link")), remote_id=text_of(found[0].get("id")))

    def remind(self, ask: Ask) -> Asked:  # noqa: ARG002 - the protocol's
        """See `Sender.remind`."""
        return Asked(False, refused="Acme sends its own reminders.")

    def withdraw(self, ask: Ask) -> None:
        """See `Sender.withdraw`."""
        for row in self._all(ask.key):
            path = f"requests/{part(str(row['id']))}"
            self._rest.send("DELETE", path, purpose=PURPOSE, also=(404,))

    def _all(self, key: str) -> list[dict[str, Any]]:
        found = rows(self._rest.get("requests", {"reference": key}, purpose=PURPOSE), "requests")
        return [row for row in found if row.get("reference") == key and text_of(row.get("id"))]
