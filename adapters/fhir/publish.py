"""Makes our form on the platform, or brings it up to date; looks first, so that repeating it changes nothing."""

from __future__ import annotations

from ...plugin_core.contracts import Published
from ...plugin_core.errors import PlatformError, Unreachable, Unsupported
from ...plugin_core.words import mark, tr
from ...schemas.records import Instrument, Json
from ..http import OutcomeUnknown
from ..waiting import retry_after
from .questionnaire import canonical, questionnaire_of
from .server import Server, query
from .writing import derived_id, etag_of, made, put

PURPOSE = mark("publish questionnaires (Questionnaire)")
ROUNDS = 4
# What a server may add to, or leave out of, a resource that it stores.
UNCOMPARED = frozenset({"id", "meta", "text"})


def publish(server: Server, instrument: Instrument) -> Published:
    """The form of this id and version on the platform, made or updated only where it differs.

    Raises Unsupported where the platform takes no forms, PlatformErrors for the rest.
    """
    wanted = questionnaire_of(instrument)
    del wanted["id"]
    for round_ in range(ROUNDS):
        found = stored_form(server, instrument)
        if found is not None and _same(found, wanted):
            return Published(canonical(instrument), instrument.version, str(found["id"]), changed=False)
        try:
            remote_id = _write(server, instrument, wanted, found)
            if remote_id is not None:
                return Published(canonical(instrument), instrument.version, remote_id, changed=True)
        except OutcomeUnknown:
            server.http.patience.pause(round_)
    raise Unreachable(
        tr("{site} did not confirm that the form was published. Run the command again later.", site=server.base.site)
    )


def stored_form(server: Server, instrument: Instrument) -> Json | None:
    """Our form of this version on the server. Searched by address and checked here, as filters may be ignored."""
    parameters = query(url=canonical(instrument), _count=100)
    fitting = [
        one
        for one in server.search("Questionnaire", parameters, PURPOSE)
        if one.get("url") == canonical(instrument) and one.get("version") == instrument.version and one.get("id")
    ]
    return min(fitting, key=lambda one: str(one["id"]), default=None)


def _write(server: Server, instrument: Instrument, wanted: Json, found: Json | None) -> str | None:
    """One write; the id that came of it, or None where another round should look again."""
    if found is not None:
        body = {**wanted, "id": found["id"]}
        reply = put(server, "PUT", f"Questionnaire/{found['id']}", body, _if_match(found), PURPOSE)
    elif server.statement().can("Questionnaire").update_create:
        remote_id = derived_id("handrail", f"{questionnaire_of(instrument)['id']}-{instrument.version}")
        reply = put(server, "PUT", f"Questionnaire/{remote_id}", {**wanted, "id": remote_id}, {}, PURPOSE)
    else:
        reply = put(server, "POST", "Questionnaire", wanted, {}, PURPOSE)
    if reply.status in (200, 201, 204):
        return made(reply, "Questionnaire")[0] or (str(found["id"]) if found else None)
    if reply.status in (409, 412, 425, 429, 503):
        server.http.patience.pause(0, retry_after(reply.headers))
        return None
    if reply.status in (404, 405):
        raise Unsupported(
            tr("{site} does not take questionnaires from outside. Make the form there by hand.", site=server.base.site)
        )
    raise PlatformError(
        tr(
            "{site} does not accept the form (status {status}). Make it there by hand.",
            site=server.base.site,
            status=reply.status,
        )
    )


def _if_match(found: Json) -> dict[str, str]:
    etag = etag_of(found)
    return {"If-Match": etag} if etag else {}


def _same(stored: Json, wanted: Json) -> bool:
    return {k: v for k, v in stored.items() if k not in UNCOMPARED} == wanted
