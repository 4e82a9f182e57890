"""Acme broken in what it does on a platform's bad day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from handrail.adapters.keyset import Batch
from handrail.adapters.rest import rows_of, text_of
from handrail.adapters.times import http_date, instant, whole_second
from handrail.adapters.transport import Reply
from handrail.adapters.waiting import retry_after
from handrail.plugin_core.contracts import (
    AdapterContext,
    Identity,
    Page,
)
from handrail.plugin_core.errors import Denied, PlatformError, Unreachable
from handrail.schemas.records import Cursor

from handrail_acme.adapter import FORMS, AcmeAdapter  # isort: skip
from handrail_acme.decode import response_of  # isort: skip


from .faults import Made, Rewired, broken, with_adapter


@broken("a_wrong_credential_fails_once_and_clearly", "a wrong key looks like a platform that is down")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def test(self) -> Identity:
            try:
                return super().test()
            except Denied:
                raise Unreachable("Acme does not answer at the moment.") from None

    return with_adapter(Adapter)


@broken("a_token_that_ends_in_the_middle_is_renewed", "the token is fetched once")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def __init__(self, context: AdapterContext) -> None:
            super().__init__(context)
            self._rest.http._auth.renew = lambda refused: False  # type: ignore[method-assign]

    return with_adapter(Adapter)


def _asking(asked: Callable[[Mapping[str, str], AdapterContext], float | None], longest: float = 300.0) -> Made:
    class Adapter(AcmeAdapter):
        def __init__(self, context: AdapterContext) -> None:
            super().__init__(context)
            http = self._rest.http
            own = http._manners.asked
            http.patience.obey_up_to = longest

            def judged(headers: Mapping[str, str]) -> float | None:
                return own(headers) if "X-Acme-Wait-Ms" in headers else asked(headers, context)

            http._manners = replace(http._manners, asked=judged)

    return with_adapter(Adapter)


@broken("429_with_seconds_is_obeyed", "seconds are not read")
def _() -> Made:
    return _asking(lambda headers, _: None if headers.get("Retry-After", "").isdigit() else retry_after(headers))


@broken("429_with_a_date_is_obeyed_by_the_platforms_clock", "the date is measured by our own clock")
def _() -> Made:
    def asked(headers: Mapping[str, str], context: AdapterContext) -> float | None:
        until = http_date(headers.get("Retry-After"))
        return retry_after(headers) if until is None else until.timestamp() - context.now()

    return _asking(asked)


@broken("429_with_a_header_that_is_nonsense_is_survived", "whatever stands there is made a number")
def _() -> Made:
    def asked(headers: Mapping[str, str], _: AdapterContext) -> float | None:
        said = headers.get("Retry-After")
        return retry_after(headers) if said is None or "GMT" in said else float(said)

    return _asking(asked)


@broken("429_without_a_word_of_how_long_is_waited_for", "without a word it waits for hours")
def _() -> Made:
    return _asking(lambda headers, _: retry_after(headers) if "Retry-After" in headers else 5000.0, longest=1e9)


@broken("429_with_the_platforms_own_header_is_obeyed", "the platform's own header is not known")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def __init__(self, context: AdapterContext) -> None:
            super().__init__(context)
            self._rest.http._manners = replace(self._rest.http._manners, asked=retry_after)

    return with_adapter(Adapter)


@broken("429_for_ever_ends_in_going_on_later", "it looks like a fault that stays")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def pull(self, cursor: Cursor | None) -> Iterator[Page]:
            try:
                yield from super().pull(cursor)
            except Unreachable as error:
                if "too many requests" in error.message:
                    raise PlatformError("Acme takes no more requests.") from None
                raise

    return with_adapter(Adapter)


@broken("a_server_error_that_passes_is_passed_over", "status 502 is taken for good")
def _() -> Made:
    class Adapter(Rewired):
        def arrived(self, get: Callable[[], Reply], method: str, more: Mapping[str, Any]) -> Reply:
            reply = get()
            return Reply(501, reply.headers, reply.body) if reply.status == 502 else reply

    return with_adapter(Adapter)


@broken("a_server_error_that_stays_ends_in_going_on_later", "a 503 that stays is taken for a refusal")
def _() -> Made:
    class Adapter(Rewired):
        def arrived(self, get: Callable[[], Reply], method: str, more: Mapping[str, Any]) -> Reply:
            reply = get()
            self._failed = getattr(self, "_failed", 0) + (reply.status == 503)
            return Reply(501, reply.headers, reply.body) if self._failed > 3 and reply.status == 503 else reply

    return with_adapter(Adapter)


@broken("a_failing_page_in_the_middle_loses_nothing", "a page that fails is taken for the end")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def pull(self, cursor: Cursor | None) -> Iterator[Page]:
            begun = False
            try:
                for page in super().pull(cursor):
                    begun = True
                    yield page
            except Unreachable:
                if not begun:
                    raise

    return with_adapter(Adapter)


@broken("an_answer_that_breaks_off_is_asked_for_again", "what broke off is a page without rows")
def _() -> Made:
    class Adapter(Rewired):
        def arrived(self, get: Callable[[], Reply], method: str, more: Mapping[str, Any]) -> Reply:
            try:
                return get()
            except Unreachable:
                if method == "GET":
                    return Reply(200, {}, b'{"answers": [], "next": null}')
                raise

    return with_adapter(Adapter)


@broken("nonsense_is_a_plain_error_and_never_no_forms", "an answer without a list is one without forms")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def _page(self, since: datetime | None, more: str | None) -> Batch:
            query = {} if since is None else {"changed_from": whole_second(since)}
            answer = self._rest.follow(more or self._rest.url("answers", query), purpose=FORMS)
            found = rows_of(answer.data, "answers")
            stamps = [instant(text_of(row.get("changed"))) for row in found]
            following = text_of(answer.data.get("next")) if isinstance(answer.data, dict) else None
            read: Any = [response_of(row) for row in found]
            return Batch(read, stamps, following, http_date(answer.headers.get("Date")))

    return with_adapter(Adapter)
