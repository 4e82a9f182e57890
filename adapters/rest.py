"""JSON over HTTP for platforms that are no FHIR servers: read, walk pages, write once, and say plainly what failed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from ..plugin_core.errors import NotTheApi, PlatformError
from ..plugin_core.words import tr
from .addresses import Base
from .http import Garbled, Http, OutcomeUnknown, Refused, require_json
from .letters import REFUSED, read_json
from .transport import Reply

Query = Mapping[str, str | int] | Iterable[tuple[str, str | int]]


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, JSON (None where there was no body) and headers of one exchange. Prints neither."""

    status: int
    data: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


class Rest:
    """A JSON API below one base address.

    :param explain: the platform's own words for a refusal, taken from its JSON; only what is about the request, never
        a value of it (S24). None: the status alone is told.
    """

    def __init__(self, http: Http, explain: Callable[[Any], str] | None = None) -> None:
        self.http = http
        self._explain = explain

    @property
    def base(self) -> Base:
        """The configured address."""
        return self.http.base

    def reserved(self) -> Rest:
        """The same connection for writing prompts: what they look up first may use what readers leave, too."""
        http = copy(self.http)
        http.reserved = True
        return Rest(http, self._explain)

    def url(self, path: str, query: Query = ()) -> str:
        """The address of a path below the base; each part of `path` is ours or was escaped by `part`."""
        return self.base.url(path, urlencode(list(query.items()) if isinstance(query, Mapping) else list(query)))

    def get(self, path: str, query: Query = (), *, purpose: str, also: Collection[int] = ()) -> Answer:
        """GETs a path. Raises as `Http.read` does; a status in `also` is given back instead."""
        return self.follow(self.url(path, query), purpose=purpose, also=also)

    def follow(self, url: str, *, purpose: str, also: Collection[int] = ()) -> Answer:
        """GETs an address that the platform itself gave (a next page); only below the configured one (S1)."""
        return self.http.read(url, purpose=purpose, parse=self._answer, also=also)

    def ask(
        self,
        path: str,
        body: Any,
        *,
        purpose: str,
        also: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POSTs a question that changes nothing (a GraphQL query), so that it may be repeated as a read is."""
        return self.http.read(
            self.url(path), purpose=purpose, parse=self._answer, also=also, headers=headers, body=_json(body)
        )

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Query = (),
        purpose: str,
        also: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One write, sent once; again only where the platform refused it for now (429).

        :raises OutcomeUnknown: it may have been done or not: look before sending again (F84a).
        :raises Refused: a status over 299 that is not in `also`; nothing was done.
        """
        data = b"" if body is None else _json(body)
        sent = {"Content-Type": "application/json", **(headers or {})} if body is not None else dict(headers or {})
        reply = self.http.patiently(method, self.url(path, query), data, sent, purpose=purpose)
        if reply.status == 503 and 503 not in also:
            raise OutcomeUnknown(tr("{site} is not available at the moment.", site=self.base.site))
        answer = self._written(reply)
        if reply.status >= 300 and reply.status not in also:
            raise self.refused(answer, purpose)
        return answer

    def refused(self, answer: Answer, purpose: str) -> Refused:
        """The refusal as a plain sentence, with the platform's own reason where it gives one that is safe to show."""
        said = self._explain(answer.data) if self._explain and answer.data is not None else ""
        site = self.base.site
        if said:
            sentence = tr("{site} refused to {purpose}: {said}", site=site, purpose=tr(purpose), said=said)
        else:
            sentence = tr(
                "{site} refused to {purpose} (status {status}).", site=site, purpose=tr(purpose), status=answer.status
            )
        return Refused(answer.status, sentence)

    def _answer(self, reply: Reply) -> Answer:
        if reply.status != 200 and reply.body.lstrip()[:1] not in (b"{", b"["):
            return Answer(reply.status, None, reply.headers)
        require_json(reply, self.base.site)
        try:
            return Answer(reply.status, read_json(reply.body), reply.headers)
        except REFUSED:
            raise Garbled(
                tr("{site} sent an answer that is cut off, several times. Try again later.", site=self.base.site)
            ) from None

    def _written(self, reply: Reply) -> Answer:
        """What a write brought; a body that is no JSON is none, as many platforms answer 200 or 204 with a text."""
        try:
            data = read_json(reply.body) if reply.body.strip() else None
        except REFUSED:
            data = None
        return Answer(reply.status, data, reply.headers)


def part(text: str | int) -> str:
    """One part of a path, escaped, so that an id of the platform cannot lead elsewhere (S1)."""
    return quote(str(text), safe="")


def _json(body: Any) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, UnicodeEncodeError):
        raise PlatformError(tr("What was to be sent holds characters that cannot be written.")) from None


def rows_of(data: Any, *names: str) -> list[dict[str, Any]]:
    """The list of objects that an answer holds under the first of these names, or is itself; other things left out."""
    found = data
    if isinstance(data, dict):
        found = next((data[name] for name in names if isinstance(data.get(name), list)), [])
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def listed(answer: Answer, site: str, *names: str) -> list[dict[str, Any]]:
    """As `rows_of`, of an answer that must be a list.

    :raises NotTheApi: it holds none, so that nothing must be concluded from it (F39).
    """
    data = answer.data
    lists = [data] if not names else [data.get(name) for name in names] if isinstance(data, dict) else []
    if not any(isinstance(one, list) for one in lists):
        raise NotTheApi(tr("{site} does not answer a list as its API does. Check the setting base_url.", site=site))
    return rows_of(data, *names)


def text_of(value: Any) -> str | None:
    """An id or text as text: platforms give ids as numbers or texts; None for what is neither."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (str, int)):
        return str(value) or None
    return None
