"""Reads forms by id, and lists ids: for what was set aside, for the reconcile, and where a page cannot be had."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial

from ...plugin_core.contracts import Page, RemoteResponse
from ...plugin_core.errors import Unsupported
from ...plugin_core.words import tr
from ...schemas.records import Quarantined
from ..http import Garbled, Refused, require_json
from ..times import http_date
from ..transport import Reply, TooLarge
from .decode import ReadListing, ReadPage, Unreadable, read_listing, read_one, read_page
from .server import Server, Trail, query

STREAM = "QuestionnaireResponse"
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
BATCH = 50
GONE = (404, 410)


def read_single(server: Server, remote_id: str, purpose: str) -> RemoteResponse | Quarantined | None:
    """The form of that id as it is now; None when the server does not have it (any more)."""

    def parse(reply: Reply) -> RemoteResponse | Quarantined | None:
        if reply.status in GONE:
            return None
        require_json(reply, server.base.site)
        try:
            found = read_one(reply.body, server.base.text)
        except Unreadable:
            raise Garbled(tr("{site} sent a form that cannot be read, several times.", site=server.base.site)) from None
        # Another record than the one asked for would go to a wrong client.
        return found if isinstance(found, Quarantined) or found.id == remote_id else None

    url = server.base.url(f"{STREAM}/{remote_id}")
    return server.http.read(url, purpose=purpose, parse=parse, also=GONE)


def fetch(server: Server, remote_ids: Sequence[str], purpose: str) -> Page:
    """The named forms as they are now. Asked for in batches; what a batch leaves out is asked for alone."""
    wanted = [one for one in dict.fromkeys(remote_ids) if ID.fullmatch(one)]
    responses: dict[str, RemoteResponse] = {}
    set_aside: dict[str, Quarantined] = {}
    gone = []
    for start in range(0, len(wanted), BATCH):
        some = wanted[start : start + BATCH]
        page = _batch(server, some, purpose)
        responses.update({one.id: one for one in page.responses if one.id in some} if page else {})
        set_aside.update({one.remote_id: one for one in page.set_aside if one.remote_id in some} if page else {})
    for remote_id in wanted:
        if remote_id not in responses and remote_id not in set_aside:
            found = read_single(server, remote_id, purpose)
            if found is None:
                gone.append(remote_id)
            elif isinstance(found, Quarantined):
                set_aside[remote_id] = found
            else:
                responses[remote_id] = found
    return Page(tuple(responses.values()), set_aside=tuple(set_aside.values()), gone=tuple(gone))


def _batch(server: Server, ids: Sequence[str], purpose: str) -> ReadPage | None:
    """One search by ids; None where the server has no such search or the page is too much."""

    def parse(reply: Reply) -> ReadPage:
        require_json(reply, server.base.site)
        try:
            return read_page(reply.body, server.base.text)
        except Unreadable:
            raise Garbled(tr("{site} sent a page that cannot be read, several times.", site=server.base.site)) from None

    url = server.base.url(STREAM, query(_id=",".join(ids), _count=len(ids)))
    try:
        return server.http.read(url, purpose=purpose, parse=parse)
    except (Refused, TooLarge):
        return None


def listing_pages(server: Server, parameters: str, purpose: str) -> Iterator[tuple[ReadListing, datetime | None, bool]]:
    """Pages of ids with versions, the server's clock at each, and whether it is the last."""

    def parse(reply: Reply) -> tuple[ReadListing, datetime | None]:
        if reply.status == 404:
            raise Unsupported(tr("{site} does not list its filled-in questionnaires.", site=server.base.site))
        require_json(reply, server.base.site)
        try:
            return read_listing(reply.body), http_date(reply.headers.get("Date"))
        except Unreadable:
            raise Garbled(tr("{site} sent a list that cannot be read, several times.", site=server.base.site)) from None

    url: str | None = server.base.url(STREAM, parameters)
    trail = Trail(server.base, url or "")
    while url is not None:
        listing, date = server.http.read(url, purpose=purpose, parse=partial(parse), also=(404,))
        url = trail.next(listing.links.get("next"), url, len(listing.rows))
        yield listing, date, url is None
