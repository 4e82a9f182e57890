"""The demo server's memory: every version of every resource, one lock round it, and a clock that can be set.

Conditional create looks and writes under that lock, so that it is atomic (F84a does not happen here).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import RLock

from .checks import Json, Refused, check
from .search import Query, matches


class Clock:
    """The server's time of day. It runs on from whatever it was set to; unset it is the machine's own.

    :param at: aware time that it shows now, or None for the real one.
    """

    def __init__(self, at: datetime | None = None) -> None:
        self._ahead = 0.0
        self.set(at)

    def set(self, at: datetime | None) -> None:
        """Sets it; None goes back to the real time."""
        self._ahead = 0.0 if at is None else at.timestamp() - time.time()

    def seconds(self) -> float:
        """Seconds since 1970."""
        return time.time() + self._ahead

    def now(self) -> datetime:
        """The time that it shows, in UTC."""
        return datetime.fromtimestamp(self.seconds(), UTC)


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one resource. `body` is None where this version is its deletion; `order` is that of creation."""

    kind: str
    id: str
    version: int
    updated: int
    order: int
    body: Json | None

    @property
    def etag(self) -> str:
        """The version as HTTP says it."""
        return f'W/"{self.version}"'


class Store:
    """All resources, by type and id, with their history.

    :param clock: stamps writes that do not bring a time of their own.
    :param new_id: makes the id of a created resource.
    """

    def __init__(self, clock: Clock, new_id: Callable[[], str]) -> None:
        self._clock = clock
        self._new_id = new_id
        self._versions: dict[tuple[str, str], list[Stored]] = {}
        self._last = 0
        self._lock = RLock()
        self.writes = 0

    def load(self, body: Json, at: datetime) -> Stored:
        """Puts a resource in with the id that it carries, stamped with the given time exactly as it is.

        A second load of one id is a new version. This is how invented history gets in, past all checks of the
        HTTP side but the shape.

        :raises Refused: when the resource has not the shape of its type.
        """
        kind, rid = body["resourceType"], body["id"]
        check(kind, body)
        with self._lock:
            return self._put(kind, rid, body, int(at.timestamp() * 1000))

    def create(self, kind: str, body: Json, unless: Query | None = None) -> tuple[bool, Stored]:
        """Creates a resource, or finds the one that `unless` matches. Gives (created, version).

        :raises Refused: 412 when several match, 422 for content that is not allowed.
        """
        check(kind, body)
        with self._lock:
            if unless is not None:
                found = self._matching(kind, unless)
                if len(found) > 1:
                    raise Refused(412, "duplicate", "Several resources match If-None-Exist.")
                if found:
                    return False, found[0]
            self.writes += 1
            return True, self._put(kind, self._new_id(), body, self._stamp())

    def update(self, kind: str, rid: str, body: Json, if_match: str | None) -> tuple[bool, Stored]:
        """Replaces a resource, or creates it under this id. Gives (created, version).

        :raises Refused: 400 when the body has another id, 412 when `if_match` is not the current version.
        """
        if body.get("id") != rid:
            raise Refused(400, "invalid", "The id in the body is not the one in the address.")
        check(kind, body)
        with self._lock:
            current = self._versions.get((kind, rid), [])
            self._guard(current, if_match)
            self.writes += 1
            created = not current or current[-1].body is None
            return created, self._put(kind, rid, body, self._stamp())

    def delete(self, kind: str, rid: str, if_match: str | None) -> Stored:
        """Deletes a resource; its history stays. A second deletion changes nothing.

        :raises Refused: 404 when there never was one, 412 when `if_match` is not the current version.
        """
        with self._lock:
            current = self.history(kind, rid)
            if current[-1].body is None:
                return current[-1]
            self._guard(current, if_match)
            self.writes += 1
            last = current[-1]
            gone = Stored(kind, rid, last.version + 1, self._stamp(), last.order, None)
            self._versions[kind, rid].append(gone)
            return gone

    def read(self, kind: str, rid: str) -> Stored:
        """The current version.

        :raises Refused: 404 when there never was one, 410 when it was deleted.
        """
        return _present(self.history(kind, rid)[-1])

    def version(self, kind: str, rid: str, number: str) -> Stored:
        """One version of a resource.

        :raises Refused: 404 when there is none of that number, 410 when that version is the deletion.
        """
        for stored in self.history(kind, rid):
            if str(stored.version) == number:
                return _present(stored)
        raise Refused(404, "not-found", f"This {kind} has no such version.")

    def history(self, kind: str, rid: str) -> list[Stored]:
        """All versions, oldest first, never an empty list.

        :raises Refused: 404 when there never was such a resource.
        """
        with self._lock:
            found = self._versions.get((kind, rid))
            if not found:
                raise Refused(404, "not-found", f"There is no such {kind}.")
            return list(found)

    def latest(self, kind: str) -> list[Stored]:
        """The current version of every resource of a type, deleted ones left out, in the order of their creation."""
        with self._lock:
            found = [versions[-1] for (one, _), versions in self._versions.items() if one == kind]
        return [one for one in found if one.body is not None]

    def page(self, kind: str, query: Query) -> tuple[list[Stored], int, tuple[int, str] | None]:
        """One page of matches: (page, matches in all, key of its last one where another page follows).

        Pages go by the sort key and the id, not by counting, so that rows written in between shift nothing (F16).
        """
        with self._lock:
            found = self._matching(kind, query)
        backwards = query.sort == "-_lastUpdated"

        def key(one: Stored) -> tuple[int, str]:
            return (one.updated if query.sort else one.order, one.id)

        found.sort(key=key, reverse=backwards)
        rest = found
        if query.after is not None:
            rest = [one for one in found if (key(one) < query.after if backwards else key(one) > query.after)]
        page = rest[: query.count]
        return page, len(found), key(page[-1]) if page and len(rest) > len(page) else None

    def _matching(self, kind: str, query: Query) -> list[Stored]:
        return [one for one in self.latest(kind) if one.body is not None and matches(query, one.body)]

    def _put(self, kind: str, rid: str, body: Json, updated: int) -> Stored:
        before = self._versions.setdefault((kind, rid), [])
        version = before[-1].version + 1 if before else 1
        whole = {"resourceType": kind, "id": rid, "meta": {}, **copy.deepcopy(body)}
        whole["id"] = rid
        whole["meta"] = {**whole["meta"], "versionId": str(version), "lastUpdated": instant(updated)}
        order = before[-1].order if before else len(self._versions)
        stored = Stored(kind, rid, version, updated, order, whole)
        before.append(stored)
        self._last = max(self._last, updated)
        return stored

    def _stamp(self) -> int:
        """Milliseconds, later than every stamp before: no two writes over HTTP share one."""
        self._last = max(int(self._clock.seconds() * 1000), self._last + 1)
        return self._last

    def _guard(self, current: list[Stored], if_match: str | None) -> None:
        if if_match is not None and (not current or current[-1].etag.removeprefix("W/") != if_match.removeprefix("W/")):
            raise Refused(412, "conflict", "The resource is not at the version that If-Match names.")


def instant(milliseconds: int) -> str:
    """A FHIR instant in UTC with milliseconds."""
    whole = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def _present(stored: Stored) -> Stored:
    if stored.body is None:
        raise Refused(410, "deleted", f"This {stored.kind} was deleted.")
    return stored
