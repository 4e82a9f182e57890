"""Requests forms from clients through Healthie, once each: our key lies in the request's metadata."""

from __future__ import annotations

import json

from ...plugin_core.contracts import Ask, Asked
from ...plugin_core.errors import PlatformError, Unreachable
from ...plugin_core.words import mark, tr
from ...schemas.records import Json
from ..http import OutcomeUnknown
from ..rounds import LOST_REQUEST, in_rounds
from . import documents
from .carriers import OURS, PAGE, key_in
from .graph import Graph
from .reading import id_in, text_of
from .templates import Templates

PURPOSE = mark("ask clients to fill in forms (requested form completions)")
LOOKS = 3
REMOVED = mark("The request was removed on the platform. It is not put up again.")


class HealthieSender:
    """The platform's own way to ask."""

    def __init__(self, graph: Graph, templates: Templates, *, notify: bool) -> None:
        self._graph = graph
        self._templates = templates
        self._notify = notify

    def ask(self, ask: Ask) -> Asked:
        """See `Sender.ask`. Raises Unsupported where no form of this kind is there."""
        form = self._templates.form_for(ask.instrument)
        try:
            return self._ask(ask, form)
        except OutcomeUnknown:
            return self._looked_for(ask)

    def _looked_for(self, ask: Ask) -> Asked:
        """A request whose answer was lost. Healthie makes requests in the background, so that one that is not there yet
        may still come: it is looked for, and only the next run, which looks first too, would ask anew (F84a)."""
        for attempt in range(LOOKS):
            self._graph.rest.http.patience.pause(attempt + 2)
            if found := self._found(ask):
                return self._kept(found)
        raise Unreachable(tr(LOST_REQUEST, site=self._graph.site))

    def _ask(self, ask: Ask, form: str) -> Asked:
        found = self._found(ask)
        if found:
            return self._kept(found)
        if ask.remote_id is not None:
            return Asked(False, remote_id=ask.remote_id, refused=tr(REMOVED))
        body = {
            "recipient_ids": [ask.client.ref],
            "form": form,
            "metadata": json.dumps({OURS: ask.key}),
            "skip_notification_email": not self._notify,
        }
        done = self._graph.change(documents.REQUEST, {"input": body}, purpose=PURPOSE)
        if done.failed:
            return Asked(
                False,
                refused=tr(
                    "{site} does not let this client be asked: they are archived, or cannot be reached there.",
                    site=self._graph.site,
                ),
            )
        # Requests are made in the background: what is not listed yet is found by its key later.
        return self._kept(self._found(ask) or [{"id": id_in(done.payload, "requestedFormCompletion")}])

    def _kept(self, found: list[Json]) -> Asked:
        """Keeps the oldest; doubles that nobody has answered are taken away (F84a)."""
        for double in found[1:]:
            if not text_of(double.get("form_answer_group_id")):
                self._drop(double)
        return Asked(True, remote_id=text_of(found[0].get("id")))

    def remind(self, ask: Ask) -> Asked:
        """Has Healthie e-mail the client about the open request. One whose outcome stays open counts as sent: one
        reminder too few is a lesser nuisance than two."""
        found = self._found(ask)
        if not found:
            return Asked(False, remote_id=ask.remote_id, refused=tr(REMOVED))
        kept = found[0]
        if not text_of(kept.get("form_answer_group_id")):
            given = {"client": ask.client.ref, "request": kept["id"]}
            try:
                done = self._graph.change(documents.REMIND, given, purpose=PURPOSE)
            except OutcomeUnknown:
                return Asked(True, remote_id=str(kept["id"]))
            if done.failed:
                return Asked(
                    False,
                    remote_id=str(kept["id"]),
                    refused=tr("{site} does not remind this client.", site=self._graph.site),
                )
        return Asked(True, remote_id=str(kept["id"]))

    def withdraw(self, ask: Ask) -> None:
        """Takes the request away unless it is answered."""
        patience = self._graph.rest.http.patience

        def work() -> None:
            for one in self._found(ask):
                if not text_of(one.get("form_answer_group_id")):
                    self._drop(one)

        in_rounds(patience, self._graph.site, LOST_REQUEST, work)

    def _drop(self, request: Json) -> None:
        done = self._graph.change(documents.UNREQUEST, {"id": request["id"]}, purpose=PURPOSE)
        if done.failed:
            raise PlatformError(
                tr("{site} does not let a request to a client be taken back. Do it there.", site=self._graph.site)
            )

    def _found(self, ask: Ask) -> list[Json]:
        """The client's requests with our key, as the platform lists them; filters are checked again."""
        given = {"client": ask.client.ref, "first": PAGE}
        requests = self._graph.rows(documents.REQUESTS, given, "requestedFormCompletions", purpose=PURPOSE)
        found = [one for one in requests if key_in(one.get("metadata")) == ask.key]
        return sorted(found, key=lambda one: (len(one["id"]), one["id"]))
