"""The demo server's search: which parameters each resource knows, what a query means, which resources match.

The tables here are the only source: the CapabilityStatement is made from them, so that it cannot promise more.
Meaning of dates, tokens, references and canonical addresses: FHIR R4, search.html.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from .checks import SHAPES, Json, Refused

Pairs = Sequence[tuple[str, str]]
Instant = int  # milliseconds since 1970
Span = tuple[Instant, Instant]  # from, up to and without

DEFAULT_COUNT = 100
LARGEST_COUNT = 1000
SORTS = ("_lastUpdated", "-_lastUpdated")
PAGE = "_page"
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


@dataclass(frozen=True, slots=True)
class Param:
    """One search parameter: `kind` as in FHIR, `path` into the resource, `target` the type of a reference."""

    name: str
    kind: str
    path: str
    target: str | None = None


_ID = Param("_id", "token", "id")
_UPDATED = Param("_lastUpdated", "date", "meta.lastUpdated")
_IDENTIFIER = Param("identifier", "token", "identifier")
_STATUS = Param("status", "token", "status")
_SUBJECT = Param("subject", "reference", "subject")
_PATIENT = Param("patient", "reference", "subject", "Patient")

PARAMS: dict[str, tuple[Param, ...]] = {
    "Patient": (_IDENTIFIER, Param("general-practitioner", "reference", "generalPractitioner")),
    "Practitioner": (_IDENTIFIER,),
    "Device": (_IDENTIFIER, _STATUS, Param("patient", "reference", "patient", "Patient")),
    "Questionnaire": (_IDENTIFIER, _STATUS, Param("url", "uri", "url"), Param("version", "token", "version")),
    "QuestionnaireResponse": (
        _IDENTIFIER,
        _STATUS,
        _SUBJECT,
        _PATIENT,
        Param("questionnaire", "reference", "questionnaire"),
        Param("authored", "date", "authored"),
    ),
    "Flag": (_IDENTIFIER, _SUBJECT, _PATIENT),
    "DetectedIssue": (_IDENTIFIER, Param("patient", "reference", "patient", "Patient")),
    "Task": (
        _IDENTIFIER,
        _STATUS,
        Param("subject", "reference", "for"),
        Param("patient", "reference", "for", "Patient"),
        Param("owner", "reference", "owner"),
    ),
    "ServiceRequest": (_IDENTIFIER, _STATUS, _SUBJECT, _PATIENT),
    "Encounter": (_IDENTIFIER, _STATUS, _SUBJECT, _PATIENT, Param("date", "date", "period.start")),
    "Appointment": (
        _IDENTIFIER,
        _STATUS,
        Param("actor", "reference", "participant.actor"),
        Param("patient", "reference", "participant.actor", "Patient"),
        Param("date", "date", "start"),
    ),
    "Provenance": (Param("target", "reference", "target"),),
    "Observation": (_IDENTIFIER, _STATUS, _SUBJECT, _PATIENT, Param("derived-from", "reference", "derivedFrom")),
}


@dataclass(slots=True)
class Query:
    """A search as this server understood it. `ignored` are the parameters that it left out, `used` the others."""

    filters: list[tuple[Param, tuple[str, ...]]] = field(default_factory=list)
    sort: str | None = None
    count: int = DEFAULT_COUNT
    after: tuple[int, str] | None = None
    elements: tuple[str, ...] = ()
    used: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def address(self, base: str, after: tuple[int, str] | None = None) -> str:
        """The link of this page, or of the page after a given last key."""
        pairs = [*self.used]
        if after is not None:
            pairs.append((PAGE, base64.urlsafe_b64encode(json.dumps(after).encode()).decode()))
        return f"{base}?{urlencode(pairs)}" if pairs else base


def known(kind: str) -> tuple[Param, ...]:
    """All search parameters of a resource type."""
    return (_ID, _UPDATED, *PARAMS[kind])


def understand(kind: str, pairs: Pairs, strict: bool) -> Query:
    """Reads a query string.

    :param strict: refuse what is not known (`Prefer: handling=strict`), instead of ignoring and reporting it.
    :raises Refused: 400 for a value that cannot be read, for a modifier, and under `strict` for an unknown name.
    """
    query = Query()
    names = {param.name: param for param in known(kind)}
    for name, value in pairs:
        if name == PAGE:
            query.after = _read_key(value)
            continue
        if not _take(query, names, name, value):
            if strict:
                raise Refused(400, "not-supported", f"This server does not know the search parameter {name} here.")
            query.ignored.append(name)
    return query


def _take(query: Query, names: dict[str, Param], name: str, value: str) -> bool:
    """Adds one parameter to the query; False where this server does not know it."""
    plain, _, modifier = name.partition(":")
    if name == "_count":
        query.count = _read_count(value)
    elif name == "_sort":
        if value not in SORTS:
            return False
        query.sort = value
    elif name == "_elements":
        query.elements = tuple(value.split(","))
    elif name == "_format":
        if "json" not in value:
            raise Refused(406, "not-supported", "This server speaks JSON only.")
    elif plain not in names:
        return False
    else:
        if modifier:
            raise Refused(400, "not-supported", f"This server does not know the modifier :{modifier}.")
        alternatives = tuple(_split(value, ","))
        _check_values(names[plain], alternatives)
        query.filters.append((names[plain], alternatives))
    query.used.append((name, value))
    return True


def matches(query: Query, body: Json) -> bool:
    """Whether a resource is a match: every parameter, at least one of its alternatives."""
    return all(any(_one(param, value, body) for value in values) for param, values in query.filters)


def shown(query: Query, body: Json) -> Json:
    """The resource, or of it what `_elements` names beside what it must have; such a part is tagged SUBSETTED."""
    if not query.elements:
        return body
    kept = {"resourceType", "id", *SHAPES[body["resourceType"]].required, *query.elements}
    meta = {**body["meta"], "tag": [*body["meta"].get("tag", ()), SUBSETTED]}
    return {**{name: value for name, value in body.items() if name in kept}, "meta": meta}


def _one(param: Param, value: str, body: Json) -> bool:
    found = list(_values(body, param.path))
    if param.kind == "date":
        return any(_date_matches(value, str(one)) for one in found)
    if param.kind == "reference":
        return any(_reference_matches(param, value, one) for one in found)
    if param.kind == "uri":
        return value in found
    return any(_token_matches(value, one) for one in found)


def _values(body: Any, path: str) -> Iterator[Any]:
    """The values at a dotted path; lists on the way are walked."""
    head, _, rest = path.partition(".")
    inner = body.get(head) if isinstance(body, dict) else None
    for one in inner if isinstance(inner, list) else () if inner is None else (inner,):
        if rest:
            yield from _values(one, rest)
        else:
            yield one


def _token_matches(value: str, found: Any) -> bool:
    """`value`, `system|value`, `|value` (no system), `system|` (any value of it)."""
    parts = [_unescape(part) for part in _split(value, "|")]
    if not isinstance(found, dict):
        return bool(parts[-1] == found)
    have_system, have = found.get("system"), found.get("value")
    if len(parts) == 1:
        return bool(have == parts[0])
    system, wanted = parts[0], parts[1]
    return have_system == (system or None) and (wanted in ("", have))


def _reference_matches(param: Param, value: str, found: Any) -> bool:
    """`Type/id`, a bare id or a full address against a reference; a canonical without version finds every version."""
    text = found.get("reference", "") if isinstance(found, dict) else str(found)
    if param.name == "questionnaire":
        return text == value or ("|" not in value and text.partition("|")[0] == value)
    wanted, have = "/".join(value.split("/")[-2:]), "/".join(text.split("/")[-2:])
    if param.target and not have.startswith(f"{param.target}/"):
        return False
    return have == wanted or ("/" not in value and have.endswith(f"/{value}"))


# --- dates ---------------------------------------------------------------------------------------------------------

_DATE = re.compile(
    r"(eq|ne|gt|ge|lt|le|sa|eb)?(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?"
)


def _date_matches(value: str, found: str) -> bool:
    """FHIR's comparison of two spans of time, each as wide as its own precision."""
    prefix, (low, high) = read_date(value)
    _, (start, end) = read_date(found)
    inside = low <= start and end <= high
    tests = {
        "eq": inside,
        "ne": not inside,
        "gt": end > high,
        "ge": inside or end > high,
        "lt": start < low,
        "le": inside or start < low,
        "sa": start >= high,
        "eb": end <= low,
    }
    return tests[prefix]


def read_date(text: str) -> tuple[str, Span]:
    """Prefix and span of a FHIR date; without an offset it is read as UTC, this server's own zone.

    :raises Refused: 400 when it is none (an unescaped `+` arrives as a blank and ends here, too).
    """
    found = _DATE.fullmatch(text)
    if found is None:
        raise Refused(400, "value", "A date in the search cannot be read; write a + as %2B.")
    prefix, year, month, day, clock, second, fraction, zone = found.groups()
    try:
        start = datetime.fromisoformat(
            f"{year}-{month or '01'}-{day or '01'}T{clock or '00:00'}:{second or '00'}{_offset(zone)}"
        )
    except ValueError:
        raise Refused(400, "value", "A date in the search is not in the calendar.") from None
    low = int(start.astimezone(UTC).timestamp() * 1000)
    if fraction:
        width = 10 ** max(0, 3 - len(fraction))
        low += int(fraction[:3].ljust(3, "0"))
        return prefix or "eq", (low, low + width)
    return prefix or "eq", (low, low + _width(start, month, day, clock, second))


def _offset(zone: str | None) -> str:
    return "+00:00" if zone in (None, "Z") else str(zone)


def _width(start: datetime, month: str | None, day: str | None, clock: str | None, second: str | None) -> int:
    """How many milliseconds a date of this precision covers."""
    if second:
        return 1000
    if clock:
        return 60_000
    if day:
        return 86_400_000
    first = start.replace(day=1)
    after = (first + timedelta(days=32)).replace(day=1) if month else first.replace(year=start.year + 1)
    return int((after - start).total_seconds() * 1000)


# --- small readers -------------------------------------------------------------------------------------------------


def _check_values(param: Param, values: tuple[str, ...]) -> None:
    for value in values:
        if not value:
            raise Refused(400, "value", f"The search parameter {param.name} has no value.")
        if param.kind == "date":
            read_date(value)


def _read_count(value: str) -> int:
    if not value.isdecimal() or len(value) > 9:
        raise Refused(400, "value", "_count must be a whole number.")
    return min(int(value), LARGEST_COUNT)


def _read_key(value: str) -> tuple[int, str]:
    try:
        number, text = json.loads(base64.urlsafe_b64decode(value))
        return int(number), str(text)
    except (ValueError, TypeError):
        raise Refused(400, "value", "This page link is none of this server.") from None


def _split(text: str, mark: str) -> list[str]:
    """Splits at a mark that no backslash escapes."""
    return re.split(rf"(?<!\\){re.escape(mark)}", text)


def _unescape(text: str) -> str:
    return re.sub(r"\\([,|$\\])", r"\1", text)
