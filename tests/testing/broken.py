"""Acme's adapter, broken on purpose in one way for each test of the kit.

Each entry of BROKEN says what somebody could well have written. `make` gives the attributes of a conformance class.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import marshmallow
import msgspec
from handrail.adapters.addresses import Base
from handrail.adapters.http import OutcomeUnknown
from handrail.adapters.keyset import Batch
from handrail.adapters.rest import rows_of, text_of
from handrail.adapters.times import http_date, instant, whole_second
from handrail.adapters.transport import Reply
from handrail.adapters.waiting import retry_after
from handrail.plugin_core.contracts import (
    AdapterContext,
    Ask,
    Asked,
    Carrier,
    Delivered,
    Hint,
    Identity,
    Notice,
    Page,
    Published,
    RemoteAnswer,
    RemoteForm,
    RemoteResponse,
    Sender,
)
from handrail.plugin_core.errors import Denied, PlatformError, Unreachable
from handrail.schemas.records import Client, Cursor, Instrument
from handrail.schemas.vocab import RemoteState

from . import acme

from handrail_acme.adapter import FORMS, AcmeAdapter  # isort: skip
from handrail_acme.alerts import PURPOSE, AlertCarrier  # isort: skip
from handrail_acme.connection import rows  # isort: skip
from handrail_acme.decode import response_of  # isort: skip
from handrail_acme.requests import Requests  # isort: skip
from handrail_acme.settings import AcmeSettings  # isort: skip
from handrail_acme.spec import SPEC  # isort: skip

Double: Any = acme.double().AcmeDouble
Made = dict[str, Any]


@dataclass(frozen=True)
class Broken:
    """A fault: which test must find it, and how to make it."""

    test: str
    fault: str
    make: Callable[[], Made]


BROKEN: list[Broken] = []


def broken(test: str, fault: str) -> Callable[[Callable[[], Made]], Callable[[], Made]]:
    """Registers a maker."""

    def keep(make: Callable[[], Made]) -> Callable[[], Made]:
        BROKEN.append(Broken(f"test_{test}", fault, make))
        return make

    return keep


def _with(adapter: type[AcmeAdapter]) -> Made:
    return {"spec": replace(SPEC, open=adapter)}


# --- what it says of itself -------------------------------------------------------------------------------------------


@broken("settings_are_explained_and_secrets_are_marked", "the key is not marked as a secret")
def _() -> Made:
    class Settings(AcmeSettings):
        api_key = marshmallow.fields.String(required=True, metadata={"help": "The key."})

    return {"spec": replace(SPEC, settings=lambda: Settings)}


@broken("a_setting_that_is_missing_or_unknown_is_refused_by_name", "unknown settings are dropped")
def _() -> Made:
    class Settings(AcmeSettings):
        class Meta:
            unknown = marshmallow.EXCLUDE

    return {"spec": replace(SPEC, settings=lambda: Settings)}


@broken("the_support_matrix_can_be_written_from_it", "it says nothing of its support")
def _() -> Made:
    return {"spec": replace(SPEC, support=None)}


@broken("every_carrier_says_who_sees_it_and_can_be_opened", "who sees the alert is left empty")
def _() -> Made:
    return {"spec": replace(SPEC, carriers=(replace(SPEC.carriers[0], seen_by=""),))}


@broken("a_carrier_that_is_not_declared_is_unsupported", "any name gives the one carrier")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def carrier(self, name: str) -> Carrier:
            return super().carrier("alert")

    return _with(Adapter)


@broken("forms_are_listed_as_declared", "the questions are left out of the list")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def forms(self) -> Iterator[RemoteForm]:
            return (replace(form, questions=()) for form in super().forms())

    return _with(Adapter)


@broken("what_is_not_declared_is_unsupported_and_what_is_declared_is_there", "it sends, and does not say so")
def _() -> Made:
    return {"spec": replace(SPEC, capabilities=replace(SPEC.capabilities, sends=False))}


@broken("what_is_not_applicable_has_a_reason", "a test is left out without a sentence why")
def _() -> Made:
    class Platform(Double):
        cannot = {"close": "no"}

    return {"platform": lambda _: Platform()}


@broken("the_platform_says_who_it_is_and_stays_the_same", "the fingerprint is another each time")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def test(self) -> Identity:
            return replace(super().test(), fingerprint=f"{random.random()}")

    return _with(Adapter)


@broken("an_unprotected_address_is_refused", "http is always allowed")
def _() -> Made:
    def opened(context: AdapterContext) -> AcmeAdapter:
        return AcmeAdapter(replace(context, settings={**context.settings, "allow_http": True}))

    return {"spec": replace(SPEC, open=opened)}


# --- reading ----------------------------------------------------------------------------------------------------------


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


@broken("every_form_comes_over_all_pages", "every form goes to the first client")
def _() -> Made:
    class Adapter(Turned):
        def turned(self, form: RemoteResponse) -> RemoteResponse:
            return msgspec.structs.replace(form, client="c-11")

    return _with(Adapter)


@broken("answers_come_as_they_were_given", "a line that was left empty counts as the first option")
def _() -> Made:
    class Adapter(Turned):
        def turned(self, form: RemoteResponse) -> RemoteResponse:
            first = (RemoteAnswer("0", "Never-kestrel"),)
            lines = tuple(msgspec.structs.replace(line, answers=line.answers or first) for line in form.lines)
            return msgspec.structs.replace(form, lines=lines)

    return _with(Adapter)


@broken("a_form_has_its_time_its_client_and_what_tells_changes", "the time is given without its offset")
def _() -> Made:
    class Adapter(Turned):
        def turned(self, form: RemoteResponse) -> RemoteResponse:
            return msgspec.structs.replace(form, authored=(form.authored or "").rstrip("Z"))

    return _with(Adapter)


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

    return _with(Adapter)


@broken("a_run_without_news_asks_for_little", "the cursor is not used")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def pull(self, cursor: Cursor | None) -> Iterator[Page]:
            return super().pull(None)

    return _with(Adapter)


@broken("what_is_filled_in_later_comes_with_the_next_run", "it looks but twenty hours beyond the cursor")
def _() -> Made:
    class Adapter(Pulled):
        def changed(self, page: Page, cursor: Cursor | None) -> Page:
            if cursor is None or cursor.since is None:
                return page
            end = cursor.since + timedelta(hours=20)
            return _only(page, lambda one: one.version != "1" or (instant(one.updated) or end) < end)

    return _with(Adapter)


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

    return _with(Adapter)


@broken("two_forms_of_one_second_both_come", "later than the cursor, not as late as it")
def _() -> Made:
    class Adapter(Pulled):
        def changed(self, page: Page, cursor: Cursor | None) -> Page:
            if cursor is None or cursor.since is None:
                return page
            since = cursor.since
            return _only(page, lambda one: (instant(one.updated) or since) > since)

    return _with(Adapter)


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

    return _with(Adapter)


@broken("a_row_that_comes_twice_hides_no_other", "a page in which a row stands twice is left out as damaged")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def _page(self, since: datetime | None, more: str | None) -> Batch:
            batch = super()._page(since, more)
            twice = len({one.id for one in batch.responses}) < len(batch.responses)
            return replace(batch, responses=()) if twice else batch

    return _with(Adapter)


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
    return _with(Numbered)


@broken("an_amended_form_comes_again_and_is_told_from_before", "what is known is not read again")
def _() -> Made:
    class Adapter(Pulled):
        def changed(self, page: Page, cursor: Cursor | None) -> Page:
            if cursor is None:
                return page
            return _only(page, lambda one: one.version == "1" or one.status != "completed")

    return _with(Adapter)


@broken("a_withdrawn_form_is_told_of", "the state is not looked at")
def _() -> Made:
    class Adapter(Turned):
        def turned(self, form: RemoteResponse) -> RemoteResponse:
            return msgspec.structs.replace(form, status="completed")

    return _with(Adapter)


@broken("a_deleted_form_is_missing_from_the_listing", "the listing is kept from the last time")
def _() -> Made:
    known: dict[str, Mapping[str, str | None]] = {}

    class Adapter(AcmeAdapter):
        def listing(self) -> Iterator[Mapping[str, str | None]]:
            for part in super().listing():
                yield known.setdefault(self._rest.base.text, part)

    return _with(Adapter)


@broken("the_listing_and_the_pull_agree", "the listing holds drafts, too")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def listing(self) -> Iterator[Mapping[str, str | None]]:
            yield from super().listing()
            yield {"a-draft": "1"}

    return _with(Adapter)


@broken("fetch_brings_a_form_as_it_is_now", "fetch leaves the time out")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def fetch(self, remote_ids: Sequence[str]) -> Page:
            page = super().fetch(remote_ids)
            return replace(page, responses=[msgspec.structs.replace(one, authored=None) for one in page.responses])

    return _with(Adapter)


@broken("fetch_names_what_is_gone", "what is gone is passed over")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def fetch(self, remote_ids: Sequence[str]) -> Page:
            return replace(super().fetch(remote_ids), gone=())

    return _with(Adapter)


@broken("clients_have_names_and_unknown_ones_are_left_out", "an unknown client comes without a name")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def clients(self, refs: Sequence[str]) -> Iterator[Client]:
            found = {client.ref: client for client in super().clients(refs)}
            return (found.get(ref) or Client(ref) for ref in refs)

    return _with(Adapter)


# --- bad days ---------------------------------------------------------------------------------------------------------


@broken("a_wrong_credential_fails_once_and_clearly", "a wrong key looks like a platform that is down")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def test(self) -> Identity:
            try:
                return super().test()
            except Denied:
                raise Unreachable("Acme does not answer at the moment.") from None

    return _with(Adapter)


@broken("a_token_that_ends_in_the_middle_is_renewed", "the token is fetched once")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def __init__(self, context: AdapterContext) -> None:
            super().__init__(context)
            self._rest.http._auth.renew = lambda refused: False

    return _with(Adapter)


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

    return _with(Adapter)


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

    return _with(Adapter)


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

    return _with(Adapter)


class Rewired(AcmeAdapter):
    """Changes what arrives from the network."""

    def __init__(self, context: AdapterContext) -> None:
        super().__init__(context)
        transport = self._rest.http.transport
        original = transport.exchange

        def exchange(method: str, url: str, **more: Any) -> Reply:
            return self.arrived(lambda: original(method, url, **more), method, more)

        transport.exchange = exchange  # type: ignore[method-assign]

    def arrived(self, get: Callable[[], Reply], method: str, more: Mapping[str, Any]) -> Reply:
        return get()


@broken("a_server_error_that_passes_is_passed_over", "status 502 is taken for good")
def _() -> Made:
    class Adapter(Rewired):
        def arrived(self, get: Callable[[], Reply], method: str, more: Mapping[str, Any]) -> Reply:
            reply = get()
            return Reply(501, reply.headers, reply.body) if reply.status == 502 else reply

    return _with(Adapter)


@broken("a_server_error_that_stays_ends_in_going_on_later", "a 503 that stays is taken for a refusal")
def _() -> Made:
    class Adapter(Rewired):
        def arrived(self, get: Callable[[], Reply], method: str, more: Mapping[str, Any]) -> Reply:
            reply = get()
            self._failed = getattr(self, "_failed", 0) + (reply.status == 503)
            return Reply(501, reply.headers, reply.body) if self._failed > 3 and reply.status == 503 else reply

    return _with(Adapter)


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

    return _with(Adapter)


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

    return _with(Adapter)


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

    return _with(Adapter)


# --- where things go --------------------------------------------------------------------------------------------------


@broken("a_link_to_another_host_is_not_followed", "a next link is followed wherever it leads")
def _() -> Made:
    class Trusting(Base):
        def link(self, text: str, page: str | None = None) -> str:
            return text

    class Adapter(AcmeAdapter):
        def __init__(self, context: AdapterContext) -> None:
            super().__init__(context)
            own = self._rest.http.base
            self._rest.http.base = Trusting(own.origin, own.path)

    return _with(Adapter)


@broken("a_redirect_to_another_host_is_not_followed", "redirects are followed")
def _() -> Made:
    class Adapter(Rewired):
        def arrived(self, get: Callable[[], Reply], method: str, more: Mapping[str, Any]) -> Reply:
            reply = get()
            if reply.status == 302:
                transport: Any = self._rest.http.transport
                return type(transport).exchange(transport, method, reply.headers["Location"], **more)
            return reply

    return _with(Adapter)


@broken("no_name_answer_or_token_in_any_log_or_error", "names are logged when they are read")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def clients(self, refs: Sequence[str]) -> Iterator[Client]:
            for client in super().clients(refs):
                logging.getLogger("acme").debug("read %s", client.name)
                yield client

    return _with(Adapter)


@broken("whatever_comes_it_raises_platform_errors_alone", "the answer is taken to be as the documentation says")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def test(self) -> Identity:
            account = self._rest.get("me", purpose="read whose account this is").data["account"]
            return Identity("Acme", "v1", f"{account}")

    return _with(Adapter)


# --- pushing ----------------------------------------------------------------------------------------------------------


class Wrong(AlertCarrier):
    """An alert carrier to be broken."""

    @classmethod
    def made(cls) -> Made:
        class Adapter(AcmeAdapter):
            def carrier(self, name: str) -> Carrier:
                super().carrier(name)
                return cls(self._rest)

        return _with(Adapter)


@broken("a_prompt_stands_once_at_the_right_client", "it does not say what it created")
def _() -> Made:
    class Alerts(Wrong):
        def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
            return replace(super().deliver(notice, remote_id, remote_version), created=False)

    return Alerts.made()


@broken("a_prompt_sent_again_still_stands_once", "sent again with its id, it is put up anew and the old one taken away")
def _() -> Made:
    class Alerts(Wrong):
        def _once(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
            found = self._all(notice.key)
            if found and remote_id is not None and notice.state is RemoteState.ACTIVE and found[0]["open"]:
                self._rest.send("PATCH", f"alerts/{remote_id}", {"reference": "old", "open": False}, purpose=PURPOSE)
                return self._make(notice)
            return super()._once(notice, remote_id, version)

    return Alerts.made()


@broken("a_lost_reply_makes_no_second_prompt", "after a lost answer it is sent again at once")
def _() -> Made:
    class Alerts(Wrong):
        def _make(self, notice: Notice) -> Delivered:
            try:
                return super()._make(notice)
            except OutcomeUnknown:
                return super()._make(notice)

    return Alerts.made()


@broken("a_write_that_fails_is_done_later_and_once", "a platform that is down is taken for a refusal")
def _() -> Made:
    class Alerts(Wrong):
        def _make(self, notice: Notice) -> Delivered:
            try:
                return super()._make(notice)
            except OutcomeUnknown as error:
                if "not available" in error.message:
                    return Delivered("none", refused="Acme does not take it.")
                raise

    return Alerts.made()


@broken("a_prompt_that_is_cleared_no_longer_stands", "cleared prompts are left as they are")
def _() -> Made:
    class Alerts(Wrong):
        def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
            if notice.state is RemoteState.INACTIVE:
                return Delivered(remote_id, remote_version)
            return super().deliver(notice, remote_id, remote_version)

    return Alerts.made()


@broken("a_prompt_is_taken_back", "taking back turns the switch, instead of setting it")
def _() -> Made:
    class Alerts(Wrong):
        def _once(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
            found = self._all(notice.key)
            if found and notice.state is RemoteState.RETRACTED and not found[0]["open"]:
                self._turn(str(found[0]["id"]), {"open": True})
                return Delivered(remote_id, version)
            return super()._once(notice, remote_id, version)

    return Alerts.made()


@broken("it_stands_again_after_it_was_cleared", "what is closed counts as closed by a person")
def _() -> Made:
    class Alerts(Wrong):
        def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
            return super().deliver(notice, remote_id, None)

    return Alerts.made()


@broken("what_was_never_sent_is_not_made_to_be_taken_back", "it is made, to be closed at once")
def _() -> Made:
    class Alerts(Wrong):
        def _once(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
            if remote_id is None and notice.state is not RemoteState.ACTIVE and not self._all(notice.key):
                made = self._make(notice)
                self._turn(str(made.remote_id), {"open": False})
                return made
            return super()._once(notice, remote_id, version)

    return Alerts.made()


@broken("one_prompt_taken_back_leaves_the_other", "all of a client's alerts are closed together")
def _() -> Made:
    class Alerts(Wrong):
        def _once(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
            done = super()._once(notice, remote_id, version)
            if notice.state is RemoteState.RETRACTED:
                every = rows(self._rest.get("alerts/all", purpose=PURPOSE), "alerts")
                for row in every:
                    if row["client"] == notice.client and row["open"]:
                        self._turn(str(row["id"]), {"open": False})
            return done

    class Platform(Double):
        def _alerts(self, request: Any, parts: list[str]) -> Any:
            if parts[1:] == ["all"]:
                return acme.double().Reply(200, {"alerts": list(self.alerts.values())})
            return super()._alerts(request, parts)

    return {**Alerts.made(), "platform": lambda _: Platform()}


@broken("a_prompt_is_found_by_its_key", "find finds nothing")
def _() -> Made:
    class Alerts(Wrong):
        def find(self, key: str) -> Sequence[str]:
            return []

    return Alerts.made()


@broken("a_prompt_that_a_person_removed_stays_removed", "what is missing is made again")
def _() -> Made:
    class Alerts(Wrong):
        def _once(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
            if remote_id is not None and not self._all(notice.key):
                return super()._once(notice, None, None)
            return super()._once(notice, remote_id, version)

    return Alerts.made()


@broken("a_prompt_has_the_neutral_title_and_a_reason_only_if_given_one", "a reason that is not there is written out")
def _() -> Made:
    class Alerts(Wrong):
        def _make(self, notice: Notice) -> Delivered:
            return super()._make(replace(notice, title=f"{notice.title}. {notice.reason}"))

    return Alerts.made()


@broken("a_chart_that_was_closed_is_refused_with_a_reason", "a refusal of one ends the push of all")
def _() -> Made:
    class Alerts(Wrong):
        def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
            done = super().deliver(notice, remote_id, remote_version)
            if done.refused:
                raise PlatformError(done.refused)
            return done

    return Alerts.made()


# --- forms, requests, webhooks ----------------------------------------------------------------------------------------


@broken("publishing_twice_makes_one_form", "the form is written anew each time")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def publish(self, instrument: Instrument) -> Published:
            return replace(super().publish(instrument), changed=True)

    return _with(Adapter)


def _sending(sender: type[Requests]) -> Made:
    class Adapter(AcmeAdapter):
        def sender(self) -> Sender:
            return sender(self._rest)

    return _with(Adapter)


@broken("a_client_is_asked_once", "each call asks")
def _() -> Made:
    class Asks(Requests):
        looks = False

        def ask(self, ask: Ask) -> Asked:
            self.looks = False
            return super().ask(ask)

        def _once(self, ask: Ask) -> Asked:
            done = super()._once(ask)
            self.looks = True
            return done

        def _all(self, key: str) -> list[dict[str, Any]]:
            found = super()._all(key) if self.looks else []
            self.looks = True
            return found

    return _sending(Asks)


@broken("a_lost_reply_asks_no_second_time", "after a lost answer the client is asked again at once")
def _() -> Made:
    class Asks(Requests):
        def _once(self, ask: Ask) -> Asked:
            try:
                return super()._once(ask)
            except OutcomeUnknown:
                body = {"client": ask.client.ref, "form": "x", "reference": ask.key}
                self._rest.send("POST", "requests", body, purpose="ask")
                return super()._once(ask)

    return _sending(Asks)


@broken("a_request_is_taken_back", "nothing is taken back")
def _() -> Made:
    class Asks(Requests):
        def withdraw(self, ask: Ask) -> None:
            return

    return _sending(Asks)


@broken("a_webhook_is_a_hint_and_the_same_one_again_is_known", "each delivery has a key of its own")
def _() -> Made:
    def hear(context: AdapterContext, request: Any) -> Any:
        assert SPEC.webhook is not None
        heard = SPEC.webhook(context, request)
        return replace(heard, key=f"{random.random()}") if isinstance(heard, Hint) else heard

    return {"spec": replace(SPEC, webhook=hear)}


@broken("a_forged_webhook_is_refused", "the signature is not looked at")
def _() -> Made:
    return {"spec": replace(SPEC, webhook=lambda context, request: Hint("evt-1", ("a-101",)))}
