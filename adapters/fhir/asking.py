"""Asks clients by the platform itself, once each: a Task or a ServiceRequest that names our form.

Looks before it creates, as carriers do; what a person declined, closed or removed is left so and said (F81 to F86).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ...plugin_core.contracts import Ask, Asked
from ...plugin_core.errors import Denied, PlatformError, Unsupported
from ...plugin_core.words import mark, tr
from ...schemas.records import Instrument, Json
from ..http import Refused
from ..transport import Reply
from .keyed import NOT_FOUND, Again, Keyed, Terms, manner_of
from .origin import Origin
from .publish import stored_form
from .requests import ASK_SYSTEM, MISTAKEN, REQUESTS, Request, reminders_in
from .server import Server
from .writing import made

LOST = mark("did not confirm that a client was asked. Nothing is lost: the next run looks first and goes on.")
INSTEAD = mark("Ask the client in another way.")
CLOSED = mark("The request was closed on the platform, by a person there or by the client. It is not put up again.")
REMOVED = mark("The request was removed on the platform. It is not put up again.")
OFF = mark(
    "Asking through the platform is switched off. Find out from the vendor who sees such requests (a client portal may "
    "show them), then run: handrail connect fhir --set ask_by=auto. Or ask in another way: handrail enrol CLIENT "
    "--channel paper (or email)."
)


class FhirSender:
    """The platform's own way to ask. Needs one writer per practice, which the core's lock gives."""

    def __init__(self, keyed: Keyed, request: Request, origin: Origin, now: Callable[[], float]) -> None:
        self._keyed = keyed
        self._request = request
        self._origin = origin
        self._clock = now
        self._there: set[tuple[str, str]] = set()

    # --- what the core calls ----------------------------------------------------------------------------------------

    def ask(self, ask: Ask) -> Asked:
        """See `Sender.ask`. Raises Unsupported where our form is not published there."""
        self._must_have(ask.instrument)
        return self._keyed.in_rounds(lambda _: self._ask(ask))

    def remind(self, ask: Ask) -> Asked:
        """Notes on the request that it is still open, once for each `ask.reminder`. What the platform makes of the
        change (a message, a line in a list, nothing) is its own."""
        return self._keyed.in_rounds(lambda _: self._remind(ask))

    def withdraw(self, ask: Ask) -> None:
        """Cancels what is still open. Raises PlatformError where the platform does not let it be cancelled."""
        self._keyed.in_rounds(lambda _: self._close(ask, self._request.withdrawn, None))

    def settle(self, ask: Ask, response: str) -> None:
        """Marks what is still open as done by the form of that id, where the platform did not do so itself."""
        reference = f"QuestionnaireResponse/{response}"
        self._keyed.in_rounds(lambda _: self._close(ask, self._request.answered, reference))

    def find(self, key: str) -> Sequence[str]:
        """Ids of the requests with this key, oldest first, those taken back included."""
        return [str(one["id"]) for one in self._keyed.all(key)]

    # --- one round each ---------------------------------------------------------------------------------------------

    def _ask(self, ask: Ask) -> Asked:
        found = self._found(ask)
        if found is None:
            return Asked(False, remote_id=ask.remote_id, refused=tr(REMOVED))
        if found:
            return self._kept(found)
        resource = {**self._request.render(ask, self._origin.author(), self._now()), **self._keyed.manner.extra}
        reply = self._keyed.create(ask.key, resource)
        if reply is None:
            return Asked(False, remote_id=self._keyed.derived(ask.key), refused=tr(REMOVED))
        if (refused := self._keyed.refusal_of_new(reply, ask.client.ref)) is not None:
            return Asked(False, refused=refused)
        remote_id = made(reply, self._request.kind)[0]
        found = self._keyed.all(ask.key)
        if found:
            return self._kept(found)
        if remote_id is None:
            raise Again
        return Asked(True, remote_id=remote_id)  # the server's index is behind: the next look counts again

    def _kept(self, found: Sequence[Json]) -> Asked:
        """Keeps the oldest that stands; doubles, which another writer made, are marked as mistaken (F84a)."""
        standing = [one for one in found if one.get("status") != MISTAKEN] or list(found[:1])
        kept, others = standing[0], standing[1:]
        for other in others:
            self._keyed.change(other, self._request.turned(other, MISTAKEN, self._now()))
        remote_id = str(kept["id"])
        if kept.get("status") in self._request.open or kept.get("status") == self._request.answered:
            return Asked(True, remote_id=remote_id)
        return Asked(False, remote_id=remote_id, refused=tr(CLOSED))

    def _remind(self, ask: Ask) -> Asked:
        found = self._found(ask)
        if not found:
            return Asked(False, remote_id=ask.remote_id, refused=tr(REMOVED))
        kept = next((one for one in found if one.get("status") in self._request.open), None)
        if kept is None:
            return Asked(False, remote_id=str(found[0]["id"]), refused=tr(CLOSED))
        remote_id = str(kept["id"])
        if reminders_in(kept) < ask.reminder:
            reply = self._keyed.change(kept, self._request.reminded(kept, ask.reminder, self._now()))
            if reply.status in NOT_FOUND:
                return Asked(False, remote_id=remote_id, refused=tr(REMOVED))
            if (refused := self._refusal_of_change(reply)) is not None:
                return Asked(False, remote_id=remote_id, refused=refused)
        return Asked(True, remote_id=remote_id)

    def _close(self, ask: Ask, status: str, response: str | None) -> None:
        for stored in self._found(ask) or ():
            if stored.get("status") not in self._request.open:
                continue  # closed before, by us or by a person: theirs stays
            now = self._now()
            changed = (
                self._request.turned(stored, status, now)
                if response is None
                else self._request.answered_by(stored, response, now)
            )
            reply = self._keyed.change(stored, changed)
            if reply.status not in NOT_FOUND and self._refusal_of_change(reply) is not None:
                raise PlatformError(
                    tr(
                        "{site} does not let a request to a client be closed (status {status}). Close it there by "
                        "hand.",
                        site=self._keyed.server.base.site,
                        status=reply.status,
                    )
                )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _refusal_of_change(self, reply: Reply) -> str | None:
        """As `Keyed.refusal`; a server that takes requests but no changes refuses this one and no other."""
        if reply.status == 405:
            return tr(
                "{site} does not let requests be changed, so it cannot remind clients.",
                site=self._keyed.server.base.site,
            )
        return self._keyed.refusal(reply)

    def _found(self, ask: Ask) -> list[Json] | None:
        """The requests with the key; None when the one that we made is no longer there."""
        if ask.remote_id is None:
            return self._keyed.all(ask.key)
        stored = self._keyed.read(ask.remote_id)
        if stored is None:
            return None
        return [stored] if self._keyed.has(stored, ask.key) else self._keyed.all(ask.key)

    def _must_have(self, instrument: Instrument) -> None:
        """Nobody is asked for a form that is not there. Looked up once; a server that hides its forms is believed."""
        one = (instrument.id, instrument.version)
        if one in self._there:
            return
        try:
            found = stored_form(self._keyed.server, instrument) is not None
        except (Denied, Refused):
            found = True
        if not found:
            raise Unsupported(
                tr(
                    "{site} does not have the form {id}/{version}, so nobody can be asked to fill it in there. Run: "
                    "handrail publish {id}",
                    site=self._keyed.server.base.site,
                    id=instrument.id,
                    version=instrument.version,
                )
            )
        self._there.add(one)


def way_of(server: Server, settings: Mapping[str, Any]) -> str:
    """The kind of request that this practice and this server use. Raises Unsupported, saying why there is none."""
    way = str(settings.get("ask_by", "none"))
    if way == "none":
        raise Unsupported(tr(OFF))
    if way != "auto":
        return way
    for name, request in REQUESTS.items():
        can = server.statement().can(request.kind)
        if can.listed is None or (can.listed and (not can.interactions or "create" in can.interactions)):
            return name
    raise Unsupported(
        tr(
            "{site} does not say that it takes requests to clients (Task or ServiceRequest). If its vendor says that "
            "it does, set ask_by to task or service-request; else ask by a link or on paper.",
            site=server.base.site,
        )
    )


def sender_of(server: Server, settings: Mapping[str, Any], origin: Origin, now: Callable[[], float]) -> FhirSender:
    """The sender. Raises Unsupported as `way_of` does."""
    way = way_of(server, settings)
    request = REQUESTS[way]
    intent = settings.get("task_intent", "proposal")
    # A platform that takes one word only for the intent of a Task (Canvas: unknown) takes it here, too.
    extra = {"intent": str(intent)} if way == "task" and intent != "proposal" else {}
    terms = Terms(
        ASK_SYSTEM, "ha", tr("ask clients to fill in forms ({kind})", kind=request.kind), tr(LOST), tr(INSTEAD)
    )
    keyed = Keyed(server, request.kind, manner_of(server, request.kind, settings, extra), terms)
    return FhirSender(keyed, request, origin, now)
