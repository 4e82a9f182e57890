"""Pages through the QuestionnaireResponses that changed since a cursor, and says with each page how far it is safe.

The cursor is the newest time stamp that the server itself gave (F5), never later than its own clock (F7), never earlier
than before (F6). It is given page by page where the server keeps the order asked for, else at the very end (F12, F13).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from ...plugin_core.contracts import Page
from ...plugin_core.errors import PlatformError, Unreachable, Unsupported
from ...plugin_core.words import mark, tr
from ...schemas.records import Cursor, Quarantined
from ...schemas.vocab import QuarantineReason
from ..ahead import Ahead
from ..http import Failing
from ..times import http_date, instant, whole_second
from ..transport import Reply, TooLarge
from .decode import ReadPage, read_page
from .position import Position
from .server import Server, Trail, list_of, query
from .single import listing_pages, read_single

STREAM = "QuestionnaireResponse"
PURPOSE = mark("read filled-in questionnaires (QuestionnaireResponse)")
MAX_RESTARTS = 3
LISTING_SIZE = 50


class Expired(PlatformError):
    """The server dropped the search that a next link belongs to (F19)."""


class TooCostly(PlatformError):
    """The server finds the page too big (F28)."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A page with its URL and the server's clock when it was sent."""

    page: ReadPage
    url: str
    date: datetime | None


class Puller:
    """Pulls from one server. `page_size` is what is asked for, `overlap` how far each pull reaches back (F3)."""

    def __init__(self, server: Server, page_size: int, overlap: timedelta) -> None:
        self._server = server
        self._page_size = page_size
        self._overlap = overlap

    def pages(self, cursor: Cursor | None) -> Iterator[Page]:
        """All pages since the cursor. Raises PlatformErrors; what was yielded before one stands."""
        at = Position(cursor, self._overlap)
        size = min(at.page_size or self._page_size, self._page_size)
        restarts = 0
        while True:
            try:
                yield from self._walk(at, size)
            except Expired:
                restarts += 1
                if restarts > MAX_RESTARTS:
                    raise Unreachable(
                        tr("{site} drops its list again and again while it is read.", site=self._server.base.site)
                    ) from None
                at.resume(
                    tr("The platform dropped its list while it was read; reading went on from the last safe place.")
                )
            except (TooLarge, TooCostly, Failing) as error:
                if size == 1:
                    yield from self._one_by_one(at)
                    return
                # A page that fails may hold one bad record, so large steps; one that is too big needs a good size.
                size = max(1, size // (8 if isinstance(error, Failing) else 2))
                at.page_size = None if isinstance(error, Failing) else size
                at.resume()
            else:
                if not at.must_repeat():
                    return

    def _walk(self, at: Position, size: int) -> Iterator[Page]:
        first = self._first_url(at, size)
        trail = Trail(self._server.base, first)
        at.begin()
        ahead: Ahead[Loaded] | None = Ahead(partial(self._load_first, first))
        try:
            while ahead is not None:
                now, ahead = ahead, None
                loaded = now.result()
                links = loaded.page.links
                following = trail.next(links.get("next"), loaded.url, loaded.page.entries)
                if following is not None:
                    ahead = Ahead(partial(self._load, following))
                at.look(links.get("self"), links.get("next"))
                page = at.page(loaded.page, loaded.date, last=following is None)
                yield page if ahead is None else replace(page, next_is_here=ahead.is_here)
        finally:
            if ahead is not None:  # the caller went away: end what is in flight instead of waiting for it
                self._server.http.transport.interrupt()
                ahead.settle(2.0)
                self._server.http.transport.resume()

    def _first_url(self, at: Position, size: int) -> str:
        since = {} if at.lower is None else {"_lastUpdated": f"ge{whole_second(at.lower)}"}
        # One sort key: with two, one real router lets the last win.
        return self._server.base.url(STREAM, query(**since, _sort="_lastUpdated", _count=size))

    def _load_first(self, url: str) -> Loaded:
        """The first page, strictly; a server that refuses a parameter is asked again and watched instead."""
        try:
            return self._load(url, first=True, strict=True)
        except Unsupported:
            return self._load(url, first=True)

    def _load(self, url: str, first: bool = False, strict: bool = False) -> Loaded:
        # HAPI gives the same search within a minute from its cache unless told not to.
        headers = {"Cache-Control": "no-cache", **({"Prefer": "handling=strict"} if strict else {})}
        return self._server.http.read(
            url,
            purpose=PURPOSE,
            parse=partial(self._parse, url, first),
            also=(400, 404, 410, 413, 422),
            headers=headers,
        )

    def _parse(self, url: str, first: bool, reply: Reply) -> Loaded:
        site = self._server.base.site
        if reply.status != 200:
            raise self._refusal(first, reply)
        page = list_of(reply, site, partial(read_page, local=self._server.base.text))
        return Loaded(page, url, http_date(reply.headers.get("Date")))

    def _refusal(self, first: bool, reply: Reply) -> PlatformError:
        site = self._server.base.site
        if reply.status == 413 or b"too-costly" in reply.body[:65536]:
            return TooCostly(tr("{site} finds the page too big.", site=site))
        if reply.status == 410 or (reply.status == 404 and not first):
            return Expired(tr("{site} dropped its list.", site=site))
        return Unsupported(
            tr(
                "{site} does not let its filled-in questionnaires be searched (status {status}). Check base_url, and "
                "ask the vendor whether QuestionnaireResponse is switched on.",
                site=site,
                status=reply.status,
            )
        )

    def _one_by_one(self, at: Position) -> Iterator[Page]:
        """The rest of the list by ids and single reads, so that what cannot be sent costs itself alone (F29, F33)."""
        since = {} if at.lower is None else {"_lastUpdated": f"ge{whole_second(at.lower)}"}
        parameters = query(**since, _sort="_lastUpdated", _elements="id,meta", _count=LISTING_SIZE)
        at.begin()
        for listing, date, last in listing_pages(self._server, parameters, PURPOSE):
            responses, set_aside = [], []
            for remote_id, (version, _) in listing.rows.items():
                try:
                    found = read_single(self._server, remote_id, PURPOSE)
                except (TooLarge, Failing):
                    found = Quarantined(
                        remote_id,
                        QuarantineReason.UNREADABLE,
                        "the whole form",
                        tr("the platform cannot send this form: it is too big, or the platform fails on it"),
                        version=version,
                    )
                if isinstance(found, Quarantined):
                    set_aside.append(found)
                elif found is not None:
                    responses.append(found)
            at.trusted = False
            yield at.page(
                ReadPage(responses, set_aside, {}, (), None, len(listing.rows)),
                date,
                last=last,
                stamps=[instant(updated) for _, updated in listing.rows.values()],
            )
