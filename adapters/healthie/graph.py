"""GraphQL as Healthie speaks it: errors come with status 200, in `errors[]`, and of a change in its `messages[]`.

https://docs.gethealthie.com (API concepts: rate limits, versioning, error handling)
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...plugin_core.errors import Denied, NotTheApi, PlatformError, Unreachable, Unsupported
from ...plugin_core.words import tr
from ...schemas.records import Json
from ..http import OutcomeUnknown
from ..rest import Answer, Rest
from ..waiting import retry_after

THROTTLED = "TOO_MANY_REQUESTS"
VERSIONS = frozenset({"UNSUPPORTED_API_VERSION", "MISSING_API_VERSION_HEADER"})
SIGNED_OUT = frozenset({"UNAUTHENTICATED", "UNAUTHORIZED", "NOT_AUTHENTICATED", "AUTHENTICATION_REQUIRED"})
FORBIDDEN = frozenset({"FORBIDDEN", "NOT_AUTHORIZED", "PERMISSION_DENIED", "ACCESS_DENIED"})
ABSENT = "NOT_FOUND"
BROKEN = frozenset({"INTERNAL_SERVER_ERROR", "TIMEOUT"})


class TooCostly(PlatformError):
    """The query asks for more than the platform gives at once; a smaller page may fit."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change brought. `refused` names the fields that the platform did not take; it is empty where it did."""

    payload: Json = field(repr=False)
    refused: Sequence[str] = ()
    failed: bool = False


class Graph:
    """One GraphQL endpoint.

    :param warn: takes a plain sentence where the platform says that the version asked for comes to its end.
    """

    def __init__(self, rest: Rest, warn: Callable[[str], None]) -> None:
        self.rest = rest
        self._warn = warn
        self._warned: set[str] = set()

    @property
    def site(self) -> str:
        """How messages name the platform."""
        return self.rest.base.site

    def ask(self, document: str, variables: Mapping[str, Any], *, purpose: str) -> tuple[Json, Mapping[str, str]]:
        """The data of a query, and the answer's headers.

        Raises as `Http.read` does; Denied for a missing right, TooCostly, Unreachable where it goes on refusing.
        """
        body = {"query": document, "variables": dict(variables)}
        answer = self._patiently(lambda: self.rest.ask("", body, purpose=purpose, also=(404,)))
        return self._data(answer, purpose), answer.headers

    def rows(self, document: str, variables: Mapping[str, Any], name: str, *, purpose: str) -> Iterator[Json]:
        """All rows of a connection that have an id, page by page."""
        more: str | None = None
        seen: set[str | None] = set()
        while more is not None or not seen:
            seen.add(more)
            data, _ = self.ask(document, {**variables, "after": more}, purpose=purpose)
            yield from (row for row in nodes(data, name, self.site) if isinstance(row.get("id"), str) and row["id"])
            more = after(data, name, self.site, seen)

    def change(self, document: str, variables: Mapping[str, Any], *, purpose: str) -> Changed:
        """Sends a mutation with one field, once, and gives its payload.

        :raises OutcomeUnknown: it may have been done or not: look before sending again (F84a).
        """
        body = {"query": document, "variables": dict(variables)}
        answer = self._patiently(lambda: self.rest.send("POST", "", body, purpose=purpose, also=(404, 422)))
        if set(_codes(answer.data)) & BROKEN:
            raise OutcomeUnknown(tr("{site} is not available at the moment.", site=self.site))
        data = self._data(answer, purpose)
        payload = next(iter(data.values()), None)
        if not isinstance(payload, dict):
            return Changed({}, failed=True)
        told = payload.get("messages")
        rows = [row for row in told if isinstance(row, dict)] if isinstance(told, list) else []
        return Changed(payload, sorted({str(row.get("field") or "?") for row in rows}), bool(rows))

    def _patiently(self, send: Callable[[], Answer]) -> Answer:
        """Waits and asks again where there were too many requests: nothing was done then."""
        patience = self.rest.http.patience
        for attempt in range(patience.tries):
            answer = send()
            if THROTTLED not in _codes(answer.data):
                return answer
            if attempt < patience.tries - 1:
                patience.pause(attempt, retry_after(answer.headers))
        raise Unreachable(
            tr("{site} asks to be left alone for a while (too many requests). Go on later.", site=self.site)
        )

    def _data(self, answer: Answer, purpose: str) -> Json:
        body = answer.data
        self._hear(body)
        errors = _errors(body)
        if errors:
            codes = _codes(body)
            if codes == [ABSENT]:
                return {}
            raise self._refusal(codes, errors, purpose)
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, dict):
            raise NotTheApi(
                tr(
                    "{site} does not answer as Healthie does. Check the address in the setting base_url.",
                    site=self.site,
                )
            )
        return data

    def _refusal(self, codes: Sequence[str], errors: Sequence[Json], purpose: str) -> PlatformError:
        """The error as a plain sentence; the platform's own words may quote what was sent."""
        said = " ".join(str(one.get("message", "")) for one in errors).lower()
        if set(codes) & VERSIONS:
            return Unsupported(
                tr(
                    "{site} does not take the version of its API that Handrail asks for any more. Update Handrail, or "
                    "try a later one in the setting api_version.",
                    site=self.site,
                )
            )
        if set(codes) & SIGNED_OUT:
            return Denied(wrong_key(self.site))
        if set(codes) & FORBIDDEN:
            return Denied(
                tr(
                    "{site} does not allow Handrail to {purpose}. Ask whoever administers the platform to give the "
                    "application that right.",
                    site=self.site,
                    purpose=tr(purpose),
                )
            )
        if "max complexity" in said or "max depth" in said:
            return TooCostly(tr("{site} finds the page too big.", site=self.site))
        if set(codes) & BROKEN:
            return Unreachable(tr("{site} is not available at the moment.", site=self.site))
        return PlatformError(
            tr("{site} refused to {purpose}.", site=self.site, purpose=tr(purpose)), detail=" ".join(codes) or None
        )

    def _hear(self, body: Any) -> None:
        """Passes warnings on, once each: a version that ends stops the practice's sync on that day."""
        extensions = body.get("extensions") if isinstance(body, dict) else None
        told = extensions.get("warnings") if isinstance(extensions, dict) else None
        for one in told if isinstance(told, list) else []:
            code = str(one.get("code", "")) if isinstance(one, dict) else ""
            if code and code not in self._warned:
                self._warned.add(code)
                day = str(one.get("sunset_date") or "")[:10]
                self._warn(
                    tr(
                        "Healthie ends the version of its API that Handrail asks for on {day}. Update Handrail before.",
                        day=day,
                    )
                    if day.replace("-", "").isdigit()
                    else tr("Healthie remarks on the requests: {code}.", code=code[:60])
                )


def wrong_key(site: str) -> str:
    """What is said of a key that the platform does not know."""
    return tr(
        "{site} does not accept the API key. Check in Healthie (Settings > Developer > API Keys) that it still exists, "
        "that it was copied whole, and that a sandbox key goes with the sandbox address in base_url.",
        site=site,
    )


def _errors(body: Any) -> list[Json]:
    errors = body.get("errors") if isinstance(body, dict) else None
    return [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []


def _codes(body: Any) -> list[str]:
    found = [one.get("extensions") for one in _errors(body)]
    return [str(one["code"]) for one in found if isinstance(one, dict) and one.get("code")]


def nodes(data: Json, name: str, site: str) -> list[Json]:
    """The rows of a connection.

    :raises NotTheApi: it is none; read as empty, it would move the cursor past real forms (F39).
    """
    found = data.get(name)
    rows = found.get("nodes") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        raise NotTheApi(tr("{site} answers a search with something else than a list. Check base_url.", site=site))
    return [row for row in rows if isinstance(row, dict)]


def after(data: Json, name: str, site: str, seen: Container[str | None] = ()) -> str | None:
    """Where the next page of a connection begins; None at the end.

    :raises PlatformError: there is a next page, and nothing or a page in `seen` leads to it: taken for the end, all
        behind it would be missed, or be withdrawn as deleted (F27).
    """
    found = data.get(name)
    info = found.get("page_info") if isinstance(found, dict) else None
    if not isinstance(info, dict) or info.get("has_next_page") is not True:
        return None
    end = info.get("end_cursor")
    if not isinstance(end, str) or not end or end in seen:
        raise PlatformError(tr("{site} leads from page to page in a circle, so its list cannot be read.", site=site))
    return end
