"""Asks one platform: origin check, credential, patient repeats of reads, and plain sentences for what goes wrong.

Reads are repeated after errors that pass. A write is sent once: what follows a lost answer is for the caller to
decide, who looks first (F84a).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from ..plugin_core.errors import Denied, NotTheApi, PlatformError, Unreachable
from ..plugin_core.threads import NoThread
from ..plugin_core.words import mark, tr
from .addresses import Base
from .auth import Auth, NoAuth
from .budget import Budget, Spent
from .secret import Secret
from .transport import Interrupted, Reply, Transport
from .waiting import Patience, retry_after

T = TypeVar("T")

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
BODY_TRIES = 3
WEB_PAGE = mark(
    "{site} answers with a web page instead of data. The address may be that of a sign-in page, or a proxy stands in "
    "between; check the setting base_url."
)


class Garbled(PlatformError):
    """Raised by a `parse` function: the body is cut off or no JSON at all, so that asking again may help (F38)."""


class Failing(Unreachable):
    """The platform answered this request with a server error each time; others may work (F33)."""


class OutcomeUnknown(Unreachable):
    """A write was sent and its answer was lost or was a server error: it may have been done or not (F81, F84a)."""


@dataclass(frozen=True, slots=True)
class Manners:
    """What one platform wants otherwise than most.

    `credential` is the header that carries the key, `headers` go with every request, `asked` reads from the headers of
    a refusal how many seconds to wait, `budget` counts our requests against the platform's limits.
    """

    credential: str = "Authorization"
    headers: Mapping[str, str] = field(default_factory=dict)
    asked: Callable[[Mapping[str, str]], float | None] = retry_after
    budget: Budget | None = None


class Http:
    """One connection to one configured address. `purpose` completes "... does not allow Handrail to ..."."""

    def __init__(
        self,
        base: Base,
        transport: Transport,
        auth: Auth,
        patience: Patience,
        accept: str,
        manners: Manners | None = None,
    ) -> None:
        self.base = base
        self.transport = transport
        self.patience = patience
        self._auth = auth
        self._accept = accept
        self._manners = manners or Manners()
        self.reserved = False  # whether reads, too, may use what the budget keeps for prompts

    def read(
        self,
        url: str,
        *,
        purpose: str,
        parse: Callable[[Reply], T],
        also: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> T:
        """GETs `url` and gives what `parse` makes of a 200 or of a status named in `also`.

        With a `body` it POSTs one instead: a question that changes nothing, such as a GraphQL query.

        Repeats what may pass, a bounded number of times with growing pauses. Raises Denied (401, 403), NotTheApi,
        UnsafeLink, Unreachable (with Failing for a server error that stays), TooLarge, and PlatformError for the rest.
        """
        safe = self.base.link(url)
        sent = dict(headers or {})
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        garbled = 0
        for attempt in range(self.patience.tries):
            last = attempt == self.patience.tries - 1
            try:
                reply = self._once("GET" if body is None else "POST", safe, sent, body)
                if reply.status not in PASSING or reply.status in also:
                    self._refuse(reply, purpose, also)
                    return parse(reply)
                if last:
                    raise self._tired(reply.status)
                self._pause(attempt, reply)
            except Garbled as error:
                garbled += 1
                if last or garbled == BODY_TRIES:
                    raise Unreachable(error.message) from None
                self.patience.pause(attempt)
            except (Failing, Interrupted, Denied, Spent, NoThread):
                raise
            except Unreachable:
                if last:
                    raise
                self.patience.pause(attempt)
        raise AssertionError("the loop returns or raises")

    def patiently(self, method: str, url: str, body: bytes, headers: Mapping[str, str], *, purpose: str) -> Reply:
        """As `write`, but sent again after a wait where the platform refuses it for now (425, 429): nothing was done.

        Raises Unreachable where it goes on refusing.
        """
        for attempt in range(self.patience.tries):
            reply = self.write(method, url, body, headers, purpose=purpose)
            if reply.status not in (425, 429):
                return reply
            if attempt < self.patience.tries - 1:
                self._pause(attempt, reply)
        raise self._tired(429)

    def _pause(self, attempt: int, reply: Reply) -> None:
        """Waits as long as the platform asks for; all who count against the same limits with it."""
        asked = self._manners.asked(reply.headers)
        if reply.status == 429 and asked and self._manners.budget is not None:
            self._manners.budget.hush(min(asked, self.patience.obey_up_to))
        self.patience.pause(attempt, asked)

    def write(self, method: str, url: str, body: bytes, headers: Mapping[str, str], *, purpose: str) -> Reply:
        """Sends one write, once; the reply has any status but 401, 403 and those that leave the outcome open.

        Raises OutcomeUnknown when the answer was lost, the server failed in mid-work or a web page came instead;
        Denied as `read` does.
        """
        safe = self.base.link(url)
        try:
            reply = self._once(method, safe, headers, body)
        except (Denied, Spent, NoThread):  # nothing was sent
            raise
        except Unreachable as error:
            raise OutcomeUnknown(error.message, detail=error.detail) from None
        if reply.status in (408, 500, 502, 504):
            raise OutcomeUnknown(
                tr(
                    "{site} reported an error of its own (status {status}) when asked to {purpose}.",
                    site=self.base.site,
                    status=reply.status,
                    purpose=tr(purpose),
                )
            )
        if reply.status in (401, 403) or 300 <= reply.status < 400:
            self._refuse(reply, purpose, ())
        if reply.status < 300 and _first_letter(reply) == b"<":  # a proxy's page is no word of the platform's (F39)
            raise OutcomeUnknown(tr(WEB_PAGE, site=self.base.site))
        return reply

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """One exchange; a 401 is answered with one renewal of the credential, then it stands (F44)."""
        self.patience.hold()
        credential = self._auth.header()
        reply = self._exchange(method, url, headers, body, credential)
        if reply.status == 401 and self._auth.renew(credential):
            reply = self._exchange(method, url, headers, body, self._auth.header())
        return reply

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, credential: Secret | None
    ) -> Reply:
        if self._manners.budget is not None:
            self._manners.budget.take(write=self.reserved or method != "GET")
        sent = {"Accept": self._accept, **self._manners.headers, **headers}
        if credential is not None:
            sent[self._manners.credential] = credential.reveal()
        return self.transport.exchange(method, url, headers=sent, body=body, site=self.base.site)

    def _refuse(self, reply: Reply, purpose: str, also: Collection[int]) -> None:
        status, site, purpose = reply.status, self.base.site, tr(purpose)
        if status == 200 or status in also:
            return
        if status == 401 and isinstance(self._auth, NoAuth):
            raise Denied(
                tr(
                    "{site} wants a sign-in, and Handrail is set to use none. Ask the platform's vendor how programs "
                    "sign in there and change the setting auth to that (basic, bearer or smart): run handrail connect "
                    "again with --set auth=WAY, or edit it under [platform] in the settings file.",
                    site=site,
                )
            )
        if status == 401:
            raise Denied(
                tr(
                    "{site} does not accept the sign-in. Check the credential in the settings, or have it renewed on "
                    "the platform, then run handrail connect again.",
                    site=site,
                )
            )
        if status == 403:
            raise Denied(
                tr(
                    "{site} does not allow Handrail to {purpose}. Ask whoever administers the platform to give the "
                    "application that right.",
                    site=site,
                    purpose=purpose,
                )
            )
        if 300 <= status < 400:
            raise NotTheApi(
                tr(
                    "{site} answers with a redirect to another address, which is not followed. Enter the final "
                    "address in the setting {setting}; a redirect to a sign-in page means that it is not the API's.",
                    site=site,
                    setting=self.base.setting,
                )
            )
        raise Refused(
            status, tr("{site} refused to {purpose} (status {status}).", site=site, purpose=purpose, status=status)
        )

    def _tired(self, status: int) -> Unreachable:
        site = self.base.site
        if status == 429:
            return Unreachable(
                tr("{site} asks to be left alone for a while (too many requests). Go on later.", site=site)
            )
        kind = Failing if status == 500 else Unreachable
        return kind(
            tr(
                "{site} reports an error of its own (status {status}) again and again. Go on later.",
                site=site,
                status=status,
            )
        )


class Refused(PlatformError):
    """The platform answered with a status that repeating does not change. `status` says which."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def require_json(reply: Reply, site: str) -> None:
    """Raises NotTheApi where a page for people came instead of data: a login form, a proxy's notice (F39).

    Judged by content type and first letter; the body is not kept or shown.
    """
    start = _first_letter(reply)
    if start in (b"{", b"["):
        return
    if start == b"<" or "html" in reply.headers.get("Content-Type", "").lower():
        raise NotTheApi(tr(WEB_PAGE, site=site))
    raise Garbled(tr("{site} sent an answer that is no data or is cut off, several times. Try again later.", site=site))


def _first_letter(reply: Reply) -> bytes:
    return reply.body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
