"""One practice's account on Healthie: what `AdapterSpec.open` gives."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import TypeVar

from ...plugin_core.contracts import (
    AdapterContext,
    Carrier,
    Identity,
    Page,
    Published,
    RemoteForm,
    RemoteLine,
    RemoteResponse,
)
from ...plugin_core.errors import Denied, Unsupported
from ...plugin_core.words import mark, tr
from ...schemas.records import Client, Cursor, Instrument, Json, Quarantined
from ..keyset import Batch, Walk
from ..tags import TagCarrier
from ..times import http_date, instant, whole_second
from . import documents
from .asking import HealthieSender
from .carriers import Tagging, TaskCarrier
from .graph import TooCostly, after, nodes, wrong_key
from .reading import asked_in, client_of, id_in, not_given, response_of, template_of, text_of, time_of, unread
from .settings import connection
from .spec import CARRIERS
from .templates import Templates

FORMS = mark("read filled-in questionnaires (form answer groups)")
TEMPLATES = mark("read its questionnaires (custom module forms)")
CLIENTS = mark("look up clients (users)")
ACCOUNT = mark("read whose account this is")
LISTED, ANSWERED = 100, 25
A_SECOND = timedelta(seconds=1)

T = TypeVar("T")


class HealthieAdapter:
    """The connection."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._settings = context.settings
        self._graph = connection(context)
        self._listed, self._answered = LISTED, ANSWERED
        self._asked: dict[str, list[RemoteLine] | None] = {}

    def test(self) -> Identity:
        """Asks whose key it is, and for one form."""
        data, headers = self._graph.ask(documents.ACCOUNT, {}, purpose=ACCOUNT)
        user = data.get("currentUser")
        if not isinstance(user, dict) or not text_of(user.get("id")):
            raise Denied(wrong_key(self._graph.site))
        found, _ = self._graph.ask(documents.LISTED, {"first": 1}, purpose=FORMS)
        nodes(found, "formAnswerGroups", self._graph.site)
        place = user["organization"] if isinstance(user.get("organization"), dict) else {}
        known = text_of(place.get("id")) or f"user {user['id']}"
        fingerprint = sha256(f"{self._graph.rest.base.text}|{known}".encode()).hexdigest()[:32]
        name = text_of(place.get("name"))
        title = f"Healthie ({name})" if name else "Healthie"
        version = str(self._settings.get("api_version", ""))
        return Identity(title, version, fingerprint, clock=http_date(headers.get("Date")))

    def forms(self) -> Iterator[RemoteForm]:
        """The templates with their lines, each by a query of its own: together they would cost too much."""
        for row in self._templates().all():
            form = self._template(str(row["id"]))
            if form is not None:
                yield template_of(form)

    def _template(self, remote_id: str) -> Json | None:
        data, _ = self._graph.ask(documents.TEMPLATE, {"id": remote_id}, purpose=TEMPLATES)
        form = data.get("customModuleForm")
        return form if isinstance(form, dict) and form.get("id") == remote_id else None

    def _lines(self, row: Json) -> list[RemoteLine] | None:
        """What the form's template asks now, looked up once a run: Healthie may leave out what was not answered."""
        remote_id = id_in(row, "custom_module_form") or ""
        if remote_id and remote_id not in self._asked:
            form = self._template(remote_id)
            self._asked[remote_id] = None if form is None else [line for _, line in asked_in(form)]
        return self._asked.get(remote_id)

    def pull(self, cursor: Cursor | None) -> Iterator[Page]:
        """See `Adapter.pull`: finished forms by the time of their last change, answers of mapped forms alone."""
        self._asked.clear()  # a template may have changed since an earlier pull
        overlap = timedelta(minutes=self._settings.get("overlap_minutes", 10))
        mapped = self._context.mapped() if self._context.mapped else None
        page = partial(self._page, mapped)
        return Walk("formAnswerGroups", cursor, overlap, page, self._graph.site).pages()

    def _page(self, mapped: Container[str] | None, lower: datetime | None, more: str | None) -> Batch:
        # "Updated after" leaves the very moment out, hence a second earlier (the walk allows for it).
        since = None if lower is None else whole_second(lower - A_SECOND)
        data, clock = self._list(since, more)
        found = self._rows(data)
        gone = [str(row["id"]) for row in found if row.get("deleted_at")]
        wanted: list[Json] = []
        others: list[Json] = []
        for row in found:
            if not row.get("deleted_at"):
                ours = mapped is None or id_in(row, "custom_module_form") in mapped
                (wanted if ours else others).append(row)
        responses, set_aside, absent = self._read([str(row["id"]) for row in wanted])
        set_aside += [not_given(row) for row in wanted if row["id"] in absent]
        stamps = [instant(time_of(row.get("updated_at"))) for row in found]
        total = data["formAnswerGroups"].get("total_count")
        return Batch(
            [*responses, *map(unread, others)],
            stamps,
            after(data, "formAnswerGroups", self._graph.site),
            clock,
            set_aside,
            gone,
            total if isinstance(total, int) else None,
        )

    def _list(self, since: str | None, more: str | None) -> tuple[Json, datetime | None]:
        def work() -> tuple[Json, datetime | None]:
            given = {"since": since, "first": self._listed, "after": more}
            data, headers = self._graph.ask(documents.LISTED, given, purpose=FORMS)
            return data, http_date(headers.get("Date"))

        return self._shrinking(work)

    def _rows(self, data: Json) -> list[Json]:
        return [row for row in nodes(data, "formAnswerGroups", self._graph.site) if text_of(row.get("id"))]

    def _read(self, ids: Sequence[str]) -> tuple[list[RemoteResponse], list[Quarantined], list[str]]:
        """The forms of these ids with their answers; those that are not there (any more) by id."""
        found: dict[str, Json] = {}
        left = list(ids)
        while left:
            found |= self._shrinking(partial(self._some, left))
            left = left[self._answered :]
        standing = [found[one] for one in ids if one in found and not found[one].get("deleted_at")]
        read = [response_of(row, self._lines(row)) for row in standing]
        gone = [one for one in ids if one not in found or found[one].get("deleted_at")]
        responses = [one for one in read if isinstance(one, RemoteResponse)]
        return responses, [one for one in read if isinstance(one, Quarantined)], gone

    def _some(self, left: Sequence[str]) -> dict[str, Json]:
        ids = left[: self._answered]
        given = {"ids": list(ids), "first": len(ids)}
        data, _ = self._graph.ask(documents.ANSWERED, given, purpose=FORMS)
        rows = nodes(data, "formAnswerGroups", self._graph.site)
        return {str(row["id"]): row for row in rows if row.get("id") in ids}

    def _shrinking(self, work: Callable[[], T]) -> T:
        """What `work` gives; with smaller pages where they cost too much (complexity over 2000)."""
        while True:
            try:
                return work()
            except TooCostly:
                if self._listed == self._answered == 1:
                    raise
                self._listed, self._answered = max(1, self._listed // 2), max(1, self._answered // 2)

    def fetch(self, remote_ids: Sequence[str]) -> Page:
        """The named forms as they are now."""
        responses, set_aside, gone = self._read(list(dict.fromkeys(remote_ids)))
        return Page(responses, set_aside=set_aside, gone=gone)

    def listing(self) -> Iterator[Mapping[str, str | None]]:
        """Ids with the times of their last change."""
        more: str | None = None
        seen: set[str | None] = set()
        while more is not None or not seen:
            seen.add(more)
            data, _ = self._list(None, more)
            found = [row for row in self._rows(data) if not row.get("deleted_at")]
            yield {str(row["id"]): time_of(row.get("updated_at")) for row in found}
            more = after(data, "formAnswerGroups", self._graph.site, seen)

    def clients(self, refs: Sequence[str]) -> Iterator[Client]:
        """Names and providers; archived clients are asked for in a second query."""
        wanted = list(dict.fromkeys(refs))
        for start in range(0, len(wanted), ANSWERED):
            some = wanted[start : start + ANSWERED]
            found = self._users(some, "active")
            if missing := [ref for ref in some if ref not in found]:
                found |= self._users(missing, "archived")
            for ref in some:
                if ref in found:
                    yield client_of(found[ref], email=bool(self._settings.get("client_email")))

    def _users(self, refs: Sequence[str], status: str) -> dict[str, Json]:
        given = {"ids": list(refs), "first": len(refs), "status": status}
        data, _ = self._graph.ask(documents.CLIENTS, given, purpose=CLIENTS)
        return {str(row["id"]): row for row in nodes(data, "users", self._graph.site) if row.get("id") in refs}

    def publish(self, instrument: Instrument) -> Published:
        """Makes or updates the template."""
        return self._templates().publish(instrument)

    def _templates(self) -> Templates:
        return Templates(self._graph, self._context.mapped, TEMPLATES)

    def sender(self) -> HealthieSender:
        """Requests forms from clients, by Healthie's own e-mail."""
        return HealthieSender(self._graph, self._templates(), notify=bool(self._settings.get("notify", True)))

    def carrier(self, name: str) -> Carrier:
        """The carrier `task` or `tag`."""
        if name == "task":
            return TaskCarrier(self._graph, self._settings.get("assignee"))
        if name == "tag":
            tagging = Tagging(self._graph, str(self._settings["tag"]))
            return TagCarrier(tagging, self._graph.rest.http.patience, self._graph.site)
        forms = ", ".join(carrier.name for carrier in CARRIERS)
        raise Unsupported(tr("There is no carrier named {name} here; there are {forms}.", name=name, forms=forms))

    def close(self) -> None:
        """Gives connections back."""
        self._graph.rest.http.transport.close()
