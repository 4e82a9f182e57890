"""One FHIR server as the rest of this folder talks to it: JSON, pages of resources, and what it says it can do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from ...plugin_core.errors import NotTheApi, PlatformError
from ...plugin_core.words import tr
from ...schemas.records import Json
from ..addresses import Base
from ..http import Garbled, Http, require_json
from ..letters import REFUSED, read_json
from ..transport import Reply
from .decode import Unreadable, WrongKind

ACCEPT = "application/fhir+json"
T = TypeVar("T")
MAX_EMPTY_PAGES = 100
MAX_JSON_PAGES = 2000


def query(**parameters: str | int) -> str:
    """A query string in the given order; names with an underscore in front are FHIR's own."""
    return urlencode({k: str(v) for k, v in parameters.items()}, quote_via=quote, safe=":,")


def list_of(reply: Reply, site: str, read: Callable[[bytes], T]) -> T:
    """A page of a search as `read` (decode.py) takes it. Raises NotTheApi for something else, Garbled for a cut one."""
    require_json(reply, site)
    try:
        return read(reply.body)
    except WrongKind:
        raise NotTheApi(
            tr("{site} answers a search with something else than a list. Check base_url.", site=site)
        ) from None
    except Unreadable:
        raise Garbled(tr("{site} sent a page that is no list of FHIR records, several times.", site=site)) from None


def json_of(reply: Reply, site: str) -> Json:
    """The JSON object of a reply. Raises NotTheApi for a web page, Garbled for what is cut off."""
    require_json(reply, site)
    try:
        data = read_json(reply.body)
    except REFUSED:
        raise Garbled(tr("{site} sent data that cannot be read, several times. Try again later.", site=site)) from None
    if not isinstance(data, dict):
        raise NotTheApi(tr("{site} does not answer as a FHIR server does. Check the setting base_url.", site=site))
    return data


class Trail:
    """The links that one walk has followed, so that no walk goes in circles (F18, F20)."""

    def __init__(self, base: Base, first: str) -> None:
        self._base = base
        self._seen = {first}
        self._empty = 0

    def next(self, link: str | None, page: str, entries: int) -> str | None:
        """The URL of the next page, None at the end. Raises UnsafeLink, and PlatformError for a circle."""
        if link is None:
            return None
        url = self._base.link(link, page)
        self._empty = 0 if entries else self._empty + 1
        if url in self._seen or self._empty > MAX_EMPTY_PAGES:
            raise PlatformError(
                tr(
                    "{site} leads from page to page in a circle, so its list cannot be read to the end. What was "
                    "read before is kept; tell whoever runs the platform.",
                    site=self._base.site,
                )
            )
        self._seen.add(url)
        return url


@dataclass(frozen=True, slots=True)
class Can:
    """What a CapabilityStatement says of one resource type; None where it says nothing at all of any."""

    listed: bool | None
    interactions: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    update_create: bool = False
    conditional_create: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """A server's CapabilityStatement, as far as it is used."""

    software: str
    version: str
    release: str
    place: str
    types: Mapping[str, Can] = field(default_factory=dict)

    def can(self, kind: str) -> Can:
        """What the server says of a resource type. Servers that list nothing leave everything open."""
        return self.types.get(kind) or Can(False if self.types else None)


class Server:
    """A FHIR server over one `Http`."""

    def __init__(self, http: Http) -> None:
        self.http = http
        self.base = http.base
        self._statement: Statement | None = None

    def read(self, path: str, purpose: str, *, also: Collection[int] = ()) -> tuple[int, Json, Mapping[str, str]]:
        """Status, JSON and headers of a path below the base; {} for a status in `also` without JSON."""

        def parse(reply: Reply) -> tuple[int, Json, Mapping[str, str]]:
            if reply.status != 200 and not reply.body.lstrip().startswith(b"{"):
                return reply.status, {}, reply.headers
            return reply.status, json_of(reply, self.base.site), reply.headers

        return self.http.read(self.base.url(path), purpose=purpose, parse=parse, also=also)

    def search(self, kind: str, parameters: str, purpose: str) -> Iterator[Json]:
        """All resources of that type that a search brings, over all its pages; included and outcome entries left out.

        Whether they fit what was asked is for the caller to check: servers may ignore a parameter.
        """
        url = self.base.url(kind, parameters)
        trail = Trail(self.base, url)
        for _ in range(MAX_JSON_PAGES):
            page = self.http.read(url, purpose=purpose, parse=lambda reply: json_of(reply, self.base.site))
            if page.get("resourceType") != "Bundle":
                raise NotTheApi(tr("{site} does not answer a search as a FHIR server does.", site=self.base.site))
            entries = [entry for entry in _list(page.get("entry")) if isinstance(entry, dict)]
            for entry in entries:
                resource = entry.get("resource")
                if isinstance(resource, dict) and resource.get("resourceType") == kind:
                    yield resource
            following = trail.next(link_of(page, "next"), url, len(entries))
            if following is None:
                return
            url = following
        raise PlatformError(tr("{site} has more pages than can be read.", site=self.base.site))

    def statement(self) -> Statement:
        """The CapabilityStatement, asked for once. Raises NotTheApi for anything but FHIR R4 or R4B."""
        if self._statement is None:
            _, data, _ = self.read("metadata", tr("read its description of itself"), also=(404,))
            release = str(data.get("fhirVersion", ""))
            if data.get("resourceType") != "CapabilityStatement" or not release.startswith("4."):
                raise NotTheApi(
                    tr(
                        "{site} does not describe itself as a FHIR R4 server. Check the setting base_url; it usually "
                        "ends in fhir, r4 or fhir/R4.",
                        site=self.base.site,
                    )
                )
            self._statement = _statement(data, release)
        return self._statement


def _statement(data: Json, release: str) -> Statement:
    software, place = _dict(data.get("software")), _dict(data.get("implementation"))
    types: dict[str, Can] = {}
    for rest in _list(data.get("rest")):
        for row in _list(_dict(rest).get("resource")):
            resource = _dict(row)
            types[str(resource.get("type"))] = Can(
                listed=True,
                interactions=frozenset(str(_dict(i).get("code")) for i in _list(resource.get("interaction"))),
                parameters=frozenset(str(_dict(p).get("name")) for p in _list(resource.get("searchParam"))),
                update_create=resource.get("updateCreate") is True,
                conditional_create=resource.get("conditionalCreate") is True,
            )
    return Statement(
        software=str(software.get("name") or data.get("publisher") or "a FHIR server"),
        version=str(software.get("version") or ""),
        release=release,
        place=str(place.get("url") or place.get("description") or ""),
        types=types,
    )


def link_of(page: Json, relation: str) -> str | None:
    """The URL of a page's link of that relation."""
    for link in _list(page.get("link")):
        if isinstance(link, dict) and link.get("relation") == relation and isinstance(link.get("url"), str):
            return str(link["url"])
    return None


def parameters_of(link: str) -> frozenset[str] | None:
    """The parameter names in a link's query; None where it has none to tell from."""
    try:
        names = frozenset(parse_qs(urlsplit(link).query, keep_blank_values=True))
    except ValueError:
        return None
    return names or None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
