"""One HTTP exchange with everything that the usual library leaves open: whole-request time limit, caps, no redirects.

Knows no retry and no credential; `http.py` adds those. Proxies and CA file are explicit settings, the environment and
`.netrc` are not read (S8).
"""

from __future__ import annotations

import http.client
import http.cookiejar
import logging
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from ..plugin_core.errors import NotTheApi, PlatformError, SettingsError, Unreachable
from ..plugin_core.threads import begin
from ..plugin_core.words import tr

CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits in seconds and size limits in bytes, before (`wire`) and after (`body`) decompression (F29, F36)."""

    connect: float = 10.0
    read: float = 60.0
    whole: float = 180.0
    wire: int = 32 << 20
    body: int = 64 << 20


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Neither body nor headers print, as both may hold what nobody should read in a log (S23)."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class TooLarge(PlatformError):
    """A body went over the cap; a smaller page may fit (F29)."""


class Interrupted(Unreachable):
    """The exchange was ended from our side because the connection is being closed."""


class _Deadline:
    """Ends one exchange by shutting its socket down, which wakes a read that would otherwise go on byte by byte."""

    def __init__(self, seconds: float) -> None:
        self.fired = False
        self._sock: socket.socket | None = None
        self._timer = threading.Timer(seconds, self.fire)
        self._timer.daemon = True

    def take(self, sock: socket.socket | None) -> None:
        self._sock = sock
        if self.fired:
            self.fire()

    def fire(self) -> None:
        self.fired = True
        if self._sock is not None:
            try:
                # The plain socket's own method: an SSLSocket's would first drop its state under the reader.
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
            except OSError:
                self._sock = None  # closed already: there is nothing left to wake

    def __enter__(self) -> _Deadline:
        begin(self._timer)
        _here.deadline = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        _here.deadline = None
        self._timer.cancel()
        self._timer.join()  # no thread stays behind a request: a process of several cannot be copied (sync/beside.py)
        self._sock = None


_here = threading.local()


class _Watched:
    """Tells the running deadline which socket it is about, new or kept alive."""

    sock: socket.socket | None

    def request(self, *args: Any, **kwargs: Any) -> None:
        deadline: _Deadline | None = getattr(_here, "deadline", None)
        if deadline is not None and self.sock is not None:
            deadline.take(self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]
        if deadline is not None:
            deadline.take(self.sock)


class _Connection(_Watched, HTTPConnection):
    """http, watched."""


class _SecureConnection(_Watched, HTTPSConnection):
    """https, watched."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    """TLS 1.2 or later (S4), our pools, and no retry of the library's own, which stumbles over Retry-After (F31)."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        pool_kwargs["ssl_context"] = _tls()
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        proxy_kwargs.setdefault("ssl_context", _tls())
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def _tls() -> ssl.SSLContext:
    return create_urllib3_context(ssl_minimum_version=ssl.TLSVersion.TLSv1_2)


class _Session(requests.Session):
    """Follows nothing (S2): without a target the library does not even read the redirect's body."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - the library's
        return None


class _Silent(logging.Filter):
    """Drops the HTTP library's own lines: at DEBUG they show whole query strings (S23)."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the library's
        return False


_SILENT = _Silent()


class Transport:
    """One `requests.Session` for one source. Raises Unreachable (NoThread among it: nothing was sent), TooLarge and
    NotTheApi only."""

    def __init__(
        self, user_agent: str, *, limits: Limits | None = None, proxy: str | None = None, ca_file: str | None = None
    ) -> None:
        for name in ("urllib3.connectionpool", "urllib3.util.retry", "urllib3.connection"):
            logging.getLogger(name).addFilter(_SILENT)
        self.limits = limits or Limits()
        self._agent = user_agent
        self._running: set[_Deadline] = set()
        self._closing = False
        self._session = _Session()
        self._session.trust_env = False
        self._session.verify = ca_file or True
        self._session.proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        for prefix in ("http://", "https://"):
            self._session.mount(prefix, _Adapter(max_retries=0))

    def exchange(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, site: str) -> Reply:
        """Sends one request and reads the whole answer, whatever its status. `site` names the place in messages."""
        sent = {"User-Agent": self._agent, "Accept-Encoding": "gzip, deflate", **headers}
        try:
            request = requests.Request(method, url, headers=sent, data=body).prepare()
        except (ValueError, requests.RequestException):
            raise PlatformError(
                tr("The request to {site} could not be written; a setting has an odd character.", site=site)
            ) from None
        deadline = _Deadline(self.limits.whole)
        self._running.add(deadline)
        try:
            with deadline:
                return self._send(request, site, time.monotonic() + self.limits.whole)
        except (requests.RequestException, HTTPError, OSError, http.client.HTTPException, ValueError) as error:
            raise self._failure(error, site, deadline.fired) from None
        finally:
            self._running.discard(deadline)

    def _send(self, request: requests.PreparedRequest, site: str, until: float) -> Reply:
        limits = self.limits
        with self._session.send(
            request, stream=True, timeout=(limits.connect, limits.read), allow_redirects=False
        ) as response:
            raw = _read(response, limits.wire, until, site)
            announced = response.headers.get("Content-Length", "")
            if announced.isdigit() and request.method != "HEAD" and len(raw) < int(announced[:18]):
                raise Unreachable(
                    tr("The answer of {site} broke off in the middle. Try again later.", site=site)
                )  # F37
            body = _unpack(raw, response.headers.get("Content-Encoding", ""), limits.body, site)
            return Reply(response.status_code, response.headers, body)

    def _failure(self, error: Exception, site: str, timed_out: bool) -> PlatformError:
        if self._closing:
            return Interrupted(tr("The connection to {site} was closed.", site=site))
        chain: BaseException | None = error
        seen: list[object] = []
        while chain is not None and chain not in seen and len(seen) < 10:
            seen.append(chain)
            if isinstance(chain, ssl.SSLCertVerificationError):
                return NotTheApi(
                    tr(
                        "The certificate of {site} does not prove that it is {site} (expired, of another name, or of "
                        "an unknown authority), so nothing was sent. Tell whoever runs the platform; a practice with "
                        "its own certificate authority names its file in the setting ca_file.",
                        site=site,
                    )
                )
            chain = chain.args[0] if chain.args and isinstance(chain.args[0], BaseException) else _below(chain)
        if any(isinstance(one, FileNotFoundError) for one in seen) or "CA certificate bundle" in str(error):
            return SettingsFault(tr("The file named in the setting ca_file cannot be read."))
        sentence = tr(
            "{site} did not answer. Check the internet connection and the setting base_url; nothing is lost, the next "
            "run goes on from the same place.",
            site=site,
        )
        if timed_out:
            sentence = tr(
                "{site} did not answer within {seconds} seconds. Check the internet connection and the setting "
                "base_url; nothing is lost, the next run goes on from the same place.",
                site=site,
                seconds=f"{self.limits.whole:g}",
            )
        return Unreachable(sentence, detail=type(error).__name__)

    def interrupt(self) -> None:
        """Ends what is in flight at once; used when the caller goes away in mid-page."""
        self._closing = True
        for deadline in list(self._running):
            deadline.fire()

    def resume(self) -> None:
        """Allows requests again after `interrupt`."""
        self._closing = False

    def close(self) -> None:
        """Gives the connections back."""
        self.interrupt()
        self._session.close()


class SettingsFault(SettingsError, PlatformError):
    """A setting that only shows to be wrong when it is used."""


def _below(error: BaseException) -> BaseException | None:
    reason = getattr(error, "reason", None)
    return reason if isinstance(reason, BaseException) else error.__cause__ or error.__context__


def _read(response: requests.Response, cap: int, until: float, site: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    while data := response.raw.read(CHUNK, decode_content=False):
        size += len(data)
        if size > cap:
            raise TooLarge(
                tr("{site} sent more than {cap} MiB at once, which is not read on.", site=site, cap=cap >> 20)
            )
        if time.monotonic() > until:
            raise Unreachable(
                tr("{site} took too long to send its answer. The next run goes on from the same place.", site=site)
            )
        parts.append(data)
    return b"".join(parts)


def _unpack(raw: bytes, encoding: str, cap: int, site: str) -> bytes:
    """The body after decompression, never more than `cap` bytes of it (a page compressed 1000:1, F29)."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return raw
    if name not in ("gzip", "x-gzip", "deflate"):
        raise NotTheApi(tr("{site} answered in a compression that was not asked for.", site=site))
    try:
        body, complete = _inflate(raw, zlib.MAX_WBITS | 32, cap + 1)
    except zlib.error:
        if name != "deflate":
            raise Unreachable(tr("The compressed answer of {site} is damaged. Try again later.", site=site)) from None
        body, complete = _raw_deflate(raw, cap + 1, site)
    if len(body) > cap:
        raise TooLarge(
            tr(
                "{site} sent more than {cap} MiB at once after decompression, which is not read on.",
                site=site,
                cap=cap >> 20,
            )
        )
    if not complete:
        raise Unreachable(tr("The compressed answer of {site} broke off in the middle. Try again later.", site=site))
    return body


def _inflate(raw: bytes, window: int, most: int) -> tuple[bytes, bool]:
    machine = zlib.decompressobj(window)
    body = machine.decompress(raw, most)
    return body, machine.eof or not raw


def _raw_deflate(raw: bytes, most: int, site: str) -> tuple[bytes, bool]:
    """Some servers send "deflate" without the zlib header, against RFC 9110, 8.4.1.2."""
    try:
        return _inflate(raw, -zlib.MAX_WBITS, most)
    except zlib.error:
        raise Unreachable(tr("The compressed answer of {site} is damaged. Try again later.", site=site)) from None
