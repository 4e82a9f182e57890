"""Acme broken in reading."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
from handrail.adapters.keyset import Batch
from handrail.adapters.times import instant
from handrail.plugin_core.contracts import (
    AdapterContext,
    Page,
    RemoteAnswer,
    RemoteResponse,
)
from handrail.schemas.records import Client, Cursor

from handrail_acme.adapter import AcmeAdapter  # isort: skip


from .faults import Made, broken, with_adapter


class Turned(AcmeAdapter):
    """Turns each form that is pulled or fetched into another."""

    def turned(self, form: RemoteResponse) -> RemoteResponse:
        return form

    def _page(self, since: datetime | None, more: str | None) -> Batch:
        batch = super()._page(since, more)
        return replace(batch, responses=list(map(self.turned, batch.responses)))

    def fetch(self, remote_ids: Sequence[str]) -> Page:
        page = super().fetch(remote_ids)
        return replace(page, responses=list(map(self.turned, page.responses)))


class Pulled(AcmeAdapter):
    """Changes the pages of a pull."""

    def changed(self, page: Page, cursor: Cursor | None) -> Page:
        return page

    def pull(self, cursor: Cursor | None) -> Iterator[Page]:
        return (self.changed(page, cursor) for page in super().pull(cursor))


def _only(page: Page, keep: Callable[[RemoteResponse], bool]) -> Page:
    return replace(page, responses=[one for one in page.responses if keep(one)])


@broken("a_form_that_is_called_whole_has_a_line_for_each_question", "blanks are left out of it")
def _() -> Made:
    class Adapter(Turned):
        def turned(self, form: RemoteResponse) -> RemoteResponse:
            answered = tuple(line for line in form.lines if line.answers)
            return msgspec.structs.replace(form, lines=answered, whole=True)

    return with_adapter(Adapter)


@broken("every_form_comes_over_all_pages", "every form goes to the first client")
def _() -> Made:
    class Adapter(Turned):
        def turned(self, form: RemoteResponse) -> RemoteResponse:
            return msgspec.structs.replace(form, client="c-11")

    return with_adapter(Adapter)


@broken("answers_come_as_they_were_given", "a line that was left empty counts as the first option")
def _() -> Made:
    class Adapter(Turned):
        def turned(self, form: RemoteResponse) -> RemoteResponse:
            first = (RemoteAnswer("0", "Never-kestrel"),)
            lines = tuple(msgspec.structs.replace(line, answers=line.answers or first) for line in form.lines)
            return msgspec.structs.replace(form, lines=lines)

    return with_adapter(Adapter)


@broken("a_form_has_its_time_its_client_and_what_tells_changes", "the time is given without its offset")
def _() -> Made:
    class Adapter(Turned):
        def turned(self, form: RemoteResponse) -> RemoteResponse:
            return msgspec.structs.replace(form, authored=(form.authored or "").rstrip("Z"))

    return with_adapter(Adapter)


@broken("a_second_run_brings_nothing_new", "the version holds the moment of the pull")
def _() -> Made:
    class Adapter(Pulled):
        def changed(self, page: Page, cursor: Cursor | None) -> Page:
            if cursor is None:
                return page
            marked = [
                msgspec.structs.replace(one, version=f"{one.version}-{random.random()}") for one in page.responses
            ]
            return replace(page, responses=marked)

    return with_adapter(Adapter)


@broken("a_run_without_news_asks_for_little", "the cursor is not used")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def pull(self, cursor: Cursor | None) -> Iterator[Page]:
            return super().pull(None)

    return with_adapter(Adapter)


@broken("what_is_filled_in_later_comes_with_the_next_run", "it looks but twenty hours beyond the cursor")
def _() -> Made:
    class Adapter(Pulled):
        def changed(self, page: Page, cursor: Cursor | None) -> Page:
            if cursor is None or cursor.since is None:
                return page
            end = cursor.since + timedelta(hours=20)
            return _only(page, lambda one: one.version != "1" or (instant(one.updated) or end) < end)

    return with_adapter(Adapter)


@broken("the_cursor_is_the_platforms_time_not_ours", "the last page's cursor is our own time")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def __init__(self, context: AdapterContext) -> None:
            super().__init__(context)
            self._now = context.now

        def pull(self, cursor: Cursor | None) -> Iterator[Page]:
            held: Page | None = None
            for page in super().pull(cursor):
                if held is not None:
                    yield held
                held = page
            if held is not None:
                yield replace(held, cursor=Cursor("acme", datetime.fromtimestamp(self._now(), UTC)))

    return with_adapter(Adapter)


@broken("two_forms_of_one_second_both_come", "later than the cursor, not as late as it")
def _() -> Made:
    class Adapter(Pulled):
        def changed(self, page: Page, cursor: Cursor | None) -> Page:
            if cursor is None or cursor.since is None:
                return page
            since = cursor.since
            return _only(page, lambda one: (instant(one.updated) or since) > since)

    return with_adapter(Adapter)


@broken("an_interrupted_run_loses_nothing", "the second page's cursor is already that of the last")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def pull(self, cursor: Cursor | None) -> Iterator[Page]:
            pages: list[Page] = []
            for number, page in enumerate(super().pull(cursor)):
                if number < 1:
                    yield page
                else:
                    pages.append(page)
            yield from (replace(page, cursor=pages[-1].cursor) for page in pages)

    return with_adapter(Adapter)


@broken("a_row_that_comes_twice_hides_no_other", "a page in which a row stands twice is left out as damaged")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def _page(self, since: datetime | None, more: str | None) -> Batch:
            batch = super()._page(since, more)
            twice = len({one.id for one in batch.responses}) < len(batch.responses)
            return replace(batch, responses=()) if twice else batch

    return with_adapter(Adapter)


class Numbered(AcmeAdapter):
    """Follows the platform's page numbers."""

    def pull(self, cursor: Cursor | None) -> Iterator[Page]:
        since = None if cursor is None or cursor.since is None else cursor.since - self._overlap
        newest = cursor.since if cursor else None
        more: str | None = None
        while True:
            batch = self._page(since, more)
            newest = max([stamp for stamp in (*batch.stamps, newest) if stamp], default=None)
            yield Page(batch.responses, Cursor("acme", newest))
            if batch.more is None:
                return
            more = batch.more


@broken("a_form_amended_while_pages_are_read_hides_no_other", "page two is asked for by its number")
def _() -> Made:
    return with_adapter(Numbered)


@broken("an_amended_form_comes_again_and_is_told_from_before", "what is known is not read again")
def _() -> Made:
    class Adapter(Pulled):
        def changed(self, page: Page, cursor: Cursor | None) -> Page:
            if cursor is None:
                return page
            return _only(page, lambda one: one.version == "1" or one.status != "completed")

    return with_adapter(Adapter)


@broken("a_withdrawn_form_is_told_of", "the state is not looked at")
def _() -> Made:
    class Adapter(Turned):
        def turned(self, form: RemoteResponse) -> RemoteResponse:
            return msgspec.structs.replace(form, status="completed")

    return with_adapter(Adapter)


@broken("a_deleted_form_is_missing_from_the_listing", "the listing is kept from the last time")
def _() -> Made:
    known: dict[str, Mapping[str, str | None]] = {}

    class Adapter(AcmeAdapter):
        def listing(self) -> Iterator[Mapping[str, str | None]]:
            for part in super().listing():
                yield known.setdefault(self._rest.base.text, part)

    return with_adapter(Adapter)


@broken("the_listing_and_the_pull_agree", "the listing holds drafts, too")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def listing(self) -> Iterator[Mapping[str, str | None]]:
            yield from super().listing()
            yield {"a-draft": "1"}

    return with_adapter(Adapter)


@broken("fetch_brings_a_form_as_it_is_now", "fetch leaves the time out")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def fetch(self, remote_ids: Sequence[str]) -> Page:
            page = super().fetch(remote_ids)
            return replace(page, responses=[msgspec.structs.replace(one, authored=None) for one in page.responses])

    return with_adapter(Adapter)


@broken("fetch_names_what_is_gone", "what is gone is passed over")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def fetch(self, remote_ids: Sequence[str]) -> Page:
            return replace(super().fetch(remote_ids), gone=())

    return with_adapter(Adapter)


@broken("clients_have_names_and_unknown_ones_are_left_out", "an unknown client comes without a name")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def clients(self, refs: Sequence[str]) -> Iterator[Client]:
            found = {client.ref: client for client in super().clients(refs)}
            return (found.get(ref) or Client(ref) for ref in refs)

    return with_adapter(Adapter)
