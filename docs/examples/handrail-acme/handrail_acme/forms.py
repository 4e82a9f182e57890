"""Makes a form of Handrail on Acme. The items' ids become Acme's question ids, so that answers map by themselves."""

from __future__ import annotations

from typing import Any

from handrail.adapters.rest import Rest
from handrail.adapters.rounds import in_rounds
from handrail.plugin_core.contracts import Published
from handrail.plugin_core.mapping import own_form
from handrail.schemas.records import Instrument

from .connection import rows

PURPOSE = "make forms"
LOST = "{site} did not confirm that the form was made. Run the command again later."


def publish(rest: Rest, instrument: Instrument) -> Published:
    """Makes the form unless it is there as it should be. Raises PlatformError."""
    return in_rounds(rest.http.patience, rest.base.site, LOST, lambda: _once(rest, instrument))


def _once(rest: Rest, instrument: Instrument) -> Published:
    wanted = _form(instrument)
    found = [row for row in rows(rest.get("forms", purpose="read its forms"), "forms") if row.get("id") == wanted["id"]]
    changed = not found or any(found[0].get(name) != value for name, value in wanted.items())
    if changed:
        rest.send("PUT", "forms", wanted, purpose=PURPOSE)
    return Published(wanted["id"], instrument.version, wanted["id"], changed)


def _form(instrument: Instrument) -> dict[str, Any]:
    return {
        "id": own_form(instrument),
        "version": instrument.version,
        "title": instrument.title,
        "questions": [
            {
                "id": item.id,
                "text": item.text,
                "options": [{"id": option.code, "label": option.label} for option in item.options],
            }
            for item in instrument.items
        ],
    }
