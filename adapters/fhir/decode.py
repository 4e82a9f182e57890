"""Reads a page of QuestionnaireResponses: only the fields that are used, typed, one bad record costs one record.

Fast path: the whole page by one typed decoder, each form's lines by another. If the first refuses anything, the page is
cut into its entries by a scanner that knows only strings and brackets, and the same decoder judges each entry alone
(F48, F52 to F54): there is one parser, so both paths accept and refuse the same (S36).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from ...plugin_core.contracts import RemoteResponse
from ...plugin_core.words.kept import THE_WHOLE_FORM
from ...schemas.records import Quarantined
from ...schemas.vocab import QuarantineReason
from ..letters import mended
from .flatten import REFUSED, UNREADABLE, BadShape, flatten
from .shapes import Bundle, Entry, Link, Meta, Resource

_PAGE = msgspec.json.Decoder(Bundle)
_ENTRY = msgspec.json.Decoder(Entry)
_RESOURCE = msgspec.json.Decoder(Resource)

# Possessive, so that the scanners stay linear; for the same a text whose end is missing runs to the end of the page.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)|[\[\]{},]', re.DOTALL)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_ID_VALUE = re.compile(rb'\s*:\s*"([A-Za-z0-9\-.]{1,64})"')
_FULL_URL = re.compile(rb'"fullUrl"\s*:\s*"[^"\\]*?QuestionnaireResponse/([A-Za-z0-9\-.]{1,64})"')
_ARRAY_START = re.compile(rb"\s*:\s*\[")
MAX_ISSUES = 20


class Unreadable(Exception):
    """The body as a whole cannot be read: cut off, or no JSON."""


class WrongKind(Unreadable):
    """The body is whole, but another kind of resource than was asked for."""


@dataclass(frozen=True, slots=True)
class ReadPage:
    """What a page holds: forms, what had to be set aside, links by relation, remarks of the server, its `total`."""

    responses: Sequence[RemoteResponse]
    set_aside: Sequence[Quarantined]
    links: dict[str, str]
    remarks: Sequence[str]
    total: int | None
    entries: int


def read_page(data: bytes, local: str) -> ReadPage:
    """The page's QuestionnaireResponses, flat. `local` is our base URL, which absolute references may begin with.

    Raises Unreadable, and nothing else whatever the bytes are.
    """
    broken: list[Quarantined] = []
    try:
        if b"\\u0000" in data:
            raise msgspec.DecodeError("a text holds U+0000, which a database may refuse")  # F53
        bundle = _PAGE.decode(data)
        entries: Sequence[Entry] = bundle.entry or ()
    except REFUSED:
        bundle, entries = _entry_by_entry(data, broken)
    if bundle.resourceType != "Bundle":
        raise WrongKind(bundle.resourceType)
    responses: list[RemoteResponse] = []
    remarks: list[str] = []
    for entry in entries:
        resource = entry.resource
        mode = entry.search.mode if entry.search is not None else None
        if resource is None:
            continue
        if mode == "outcome" or resource.resourceType == "OperationOutcome":
            remarks.extend(_remarks(resource))
        elif mode != "include" and resource.resourceType == "QuestionnaireResponse":
            _take(resource, local, responses, broken)
    links = {link.relation: link.url for link in bundle.link or ()}
    return ReadPage(responses, broken, links, remarks, bundle.total, len(entries) + len(broken))


def read_one(data: bytes, local: str) -> RemoteResponse | Quarantined:
    """A single QuestionnaireResponse, as a read by id gives it. Raises Unreadable for any other kind of resource."""
    broken: list[Quarantined] = []
    good: list[RemoteResponse] = []
    try:
        if _NUL.search(data):
            raise msgspec.DecodeError("a text holds U+0000")
        resource = _RESOURCE.decode(data)
    except REFUSED:
        if not _whole(data):
            raise Unreadable("cut off") from None
        return _unreadable(b'{"resource":' + data + b"}")
    if resource.resourceType != "QuestionnaireResponse":
        raise WrongKind(resource.resourceType)
    _take(resource, local, good, broken)
    return good[0] if good else broken[0]


def _take(resource: Resource, local: str, good: list[RemoteResponse], broken: list[Quarantined]) -> None:
    try:
        good.append(flatten(resource, local))
    except BadShape as found:
        form = resource.questionnaire.partition("|")[0] if resource.questionnaire else None
        version = resource.meta.versionId if resource.meta is not None else None
        known = resource.id if resource.id and _ID.fullmatch(resource.id) else _made_up(msgspec.json.encode(resource))
        broken.append(Quarantined(known, found.reason, found.where, found.message, form, version))


def _remarks(resource: Resource) -> Iterator[str]:
    """Severity and code of what the server remarks; its free text may hold references of clients and is left out."""
    for issue in (resource.issue or ())[:MAX_ISSUES]:
        yield f"{_word(issue.severity)}: {_word(issue.code)}"


def _word(text: str | None) -> str:
    return text if text and len(text) <= 32 and text.replace("-", "").isalpha() and text.isascii() else "unnamed"


# --- the slow path -------------------------------------------------------------------------------------------------


def _entry_by_entry(data: bytes, broken: list[Quarantined]) -> tuple[Bundle, list[Entry]]:
    head, pieces = cut(data)
    try:
        bundle = _PAGE.decode(head)
    except REFUSED:
        raise Unreadable("no FHIR page") from None
    entries = []
    for piece in pieces:
        try:
            if _NUL.search(piece):
                raise msgspec.DecodeError("a text holds U+0000")
            entries.append(_ENTRY.decode(piece))
        except REFUSED:
            broken.append(_unreadable(piece))
    return bundle, entries


def cut(data: bytes) -> tuple[bytes, list[bytes]]:
    """The page with an empty `entry` list, and the bytes of each entry. Linear in the page, not recursive.

    Raises Unreadable when brackets do not match or a text does not end: then the body was cut off (F38).
    """
    if not _whole(data):
        raise Unreadable("cut off")
    depth, marks = 0, _Marks()
    for token in _TOKEN.finditer(data):
        text = token.group()
        if text[:1] == b'"':
            if depth == 1 and _opens_entries(data, token, text):
                marks.announced = True
        elif text in b"[{":
            depth += 1
            marks.opened(token)
        else:
            if depth == 2:
                marks.parted(token)
            depth -= text != b","
    return marks.pieces(data)


class _Marks:
    """Where the list of entries begins and ends in a page, and where its commas are."""

    def __init__(self) -> None:
        self.announced = False  # the next bracket opens the list
        self._start = self._end = -1
        self._parts: list[tuple[int, int]] = []

    def opened(self, bracket: re.Match[bytes]) -> None:
        if self.announced and self._start < 0:
            self._start = bracket.start()
        self.announced = False

    def parted(self, mark: re.Match[bytes]) -> None:
        """A comma or a closing bracket at the depth of the list's own entries."""
        if self._start >= 0 > self._end:
            self._parts.append((self._parts[-1][1] + 1 if self._parts else self._start + 1, mark.start()))
            if mark.group() != b",":
                self._end = mark.end()

    def pieces(self, data: bytes) -> tuple[bytes, list[bytes]]:
        if self._end < 0:
            return data, []
        found = [data[begin:end] for begin, end in self._parts]
        if len(found) == 1 and not found[0].strip():
            found = []
        return data[: self._start] + b"[]" + data[self._end :], found


def _opens_entries(data: bytes, token: re.Match[bytes], text: bytes) -> bool:
    return text == b'"entry"' and _ARRAY_START.match(data, token.end()) is not None


def _whole(data: bytes) -> bool:
    """Whether a body begins as an object, every text ends, and as many brackets are closed as opened: not cut off.

    Of two quotation marks put behind it, a text that does not end takes one and leaves one over.
    """
    bare = _TEXT.sub(b"", data + b'""')
    opened, closed = bare.count(b"{") + bare.count(b"["), bare.count(b"}") + bare.count(b"]")
    begins = data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    return begins and opened == closed and b'"' not in bare and not data.endswith(b"\\")


def _unreadable(piece: bytes) -> Quarantined:
    return Quarantined(_id_of(piece), QuarantineReason.UNREADABLE, THE_WHOLE_FORM, UNREADABLE)


def _id_of(piece: bytes) -> str:
    """The id of an entry that no parser reads: the one beside `resourceType`, of `fullUrl`, or made up."""
    depth = 0
    for token in _TOKEN.finditer(piece):
        text = token.group()
        if text in (b"{", b"["):
            depth += 1
        elif text in (b"}", b"]"):
            depth -= 1
        elif depth == 2 and text == b'"id"' and (value := _ID_VALUE.match(piece, token.end())):
            return value.group(1).decode()
    found = _FULL_URL.search(piece)
    return found.group(1).decode() if found else _made_up(piece)


def _made_up(piece: bytes) -> str:
    """A name for what has no id, the same at each pull; the question mark keeps it apart from real ones."""
    return "?" + sha256(piece).hexdigest()[:16]


class _Row(msgspec.Struct, gc=False):
    resourceType: str  # noqa: N815 - FHIR's name
    id: str | None = None
    meta: Meta | None = None


class _RowEntry(msgspec.Struct, gc=False):
    resource: _Row | None = None


class _RowPage(msgspec.Struct, gc=False):
    resourceType: str  # noqa: N815
    link: list[Link] | None = None
    entry: list[_RowEntry] | None = None


_LISTED = msgspec.json.Decoder(_RowPage)


@dataclass(frozen=True, slots=True)
class ReadListing:
    """Ids of a page with what the server says about each: id -> (version, time stamp), and the page's links."""

    rows: dict[str, tuple[str | None, str | None]]
    links: dict[str, str]


def _listed(data: bytes) -> _RowPage:
    """Servers that heed no `_elements` send forms whole: a letter in one that is none must not cost the list (F52)."""
    try:
        return _LISTED.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _LISTED.decode(mended(data))


def read_listing(data: bytes) -> ReadListing:
    """Ids and versions of a page, reading nothing else of its entries. Raises Unreadable."""
    try:
        page = _listed(data)
    except REFUSED:
        raise Unreadable("no FHIR page") from None
    if page.resourceType != "Bundle":
        raise WrongKind(page.resourceType)
    rows = {}
    for entry in page.entry or ():
        row = entry.resource
        if row is not None and row.resourceType == "QuestionnaireResponse" and row.id and _ID.fullmatch(row.id):
            meta = row.meta or Meta()
            rows[row.id] = (meta.versionId, meta.lastUpdated)
    return ReadListing(rows, {link.relation: link.url for link in page.link or ()})
