"""Signs a person in to the platform: their own browser, and one answer to a port of this machine (RFC 8252, 7.3)."""

from __future__ import annotations

import http.server
import threading
import webbrowser
from collections.abc import Callable, Mapping
from contextlib import suppress
from hmac import compare_digest
from html import escape
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import click

from ..errors import Unreachable, UsageError
from ..threads import begin
from ..uris import split
from ..words import tr

if TYPE_CHECKING:
    from ..contracts import AdapterSpec
    from ..engine import Engine
    from ..settings import Connection

PLACE = "/handrail"
WAIT_SECONDS = 300.0
LONGEST = 8192


class Loopback:
    """The person's browser: shows the sign-in page, and waits on 127.0.0.1 for the one request that answers it.

    :param port: 0 takes any free one; many platforms want the whole address registered, and so a fixed one.
    :param opens: opens an address in a browser (None: this computer's); gives whether it could.
    :param tells: prints a line for the person.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        opens: Callable[[str], bool] | None = None,
        tells: Callable[[str], None] = click.echo,
        seconds: float = WAIT_SECONDS,
    ) -> None:
        self._opens, self._tells, self._seconds = opens or webbrowser.open, tells, seconds
        self._state = ""
        self._back: dict[str, str] = {}
        self._came = threading.Event()
        try:
            self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        except OSError:
            raise UsageError(
                tr(
                    "The port {port} of this computer is in use, so the platform could not send the browser back to "
                    "it. Close the other program, or choose another redirect_port and register it on the platform.",
                    port=port,
                )
            ) from None
        self._server.daemon_threads = True

    @property
    def returns_to(self) -> str:
        """The `redirect_uri`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{PLACE}"

    def visit(self, url: str) -> Mapping[str, str]:
        """See `Browser.visit`. What comes back without the `state` that `url` carries is answered and not taken."""
        self._state = parse_qs(split(url).query).get("state", [""])[0]
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        begin(thread)
        try:
            self._tells(tr("A person who may do so has to sign in on the platform. If no browser opens, open:"))
            self._tells(url)
            with suppress(webbrowser.Error, OSError):
                self._opens(url)
            if not self._came.wait(self._seconds):
                raise Unreachable(
                    tr("Nobody came back from the platform's sign-in in time. Nothing was changed; try again.")
                )
            return dict(self._back)
        finally:
            self._server.shutdown()
            thread.join(5)

    def take(self, query: str) -> tuple[int, str]:
        """The status and the sentence for a request that came to the address."""
        given = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        if not compare_digest(given.get("state", "").encode(), self._state.encode()) or not self._state:
            return 400, tr("This does not belong to the sign-in that was begun. Nothing was taken.")
        if self._came.is_set():
            return 400, tr("This sign-in is over. Nothing was taken.")
        self._back = given
        self._came.set()
        if "error" in given:
            return 200, tr("The platform did not sign you in. You can close this window; Handrail says more.")
        return 200, tr("Thank you. You can close this window and go back to Handrail.")

    def close(self) -> None:
        """Gives the port back."""
        self._server.server_close()

    def __enter__(self) -> Loopback:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _handler(browser: Loopback) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers GET on our own path only, to our own name only, and logs nothing: the address holds the code."""

        timeout = 10

        def do_GET(self) -> None:
            parts = split(self.path if len(self.path) <= LONGEST else "/")
            if parts.path != PLACE or self.headers.get("Host", "") != split(browser.returns_to).netloc:
                self._page(404, tr("There is nothing here."))
            else:
                self._page(*browser.take(parts.query))

        def _page(self, status: int, sentence: str) -> None:
            body = f'<!doctype html><meta charset="utf-8"><title>Handrail</title><p>{escape(sentence)}</p>\n'.encode()
            self.send_response(status)
            for name, value in (
                ("Content-Type", "text/html; charset=utf-8"),
                ("Content-Length", str(len(body))),
                ("Content-Security-Policy", "default-src 'none'"),
                ("Referrer-Policy", "no-referrer"),
                ("Cache-Control", "no-store"),
                ("Connection", "close"),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's
            """Nothing: the library would print the address with the code in it."""

    return Handler


def sign_in(engine: Engine, spec: AdapterSpec, connection: Connection, wanted: bool | None, *, terminal: bool) -> None:
    """Signs a person in where the platform needs it.

    :param wanted: True: anew; False: not at all; None: where what an earlier sign-in brought is missing.
    :param terminal: whether somebody sits here; a scheduled run must not wait for a browser.
    """
    from ..opening import context_of

    if spec.login is None:
        if wanted:
            raise UsageError(tr("{platform} needs no person's sign-in.", platform=spec.title))
        return
    if wanted is False or (wanted is None and not _missing(engine, spec, connection)):
        return
    if wanted is None and not terminal:
        raise UsageError(
            tr(
                "{platform} wants a person to sign in once, in a browser on this computer. Run: handrail connect "
                "{name} --login",
                platform=spec.title,
                name=spec.name,
            )
        )
    context = context_of(engine, spec, connection)
    with Loopback(int(context.settings.get("redirect_port") or 0), tells=_tell) as browser:
        spec.login(context, browser)


def _tell(line: str) -> None:
    click.echo(line, err=True)


def kept_by_login(spec: AdapterSpec, settings: Mapping[str, Any]) -> list[str]:
    """Names of the secrets that a sign-in keeps, as far as these settings want one."""
    found = []
    for name, field in spec.settings()().fields.items():
        needed_for = field.metadata.get("needed_for")
        if field.metadata.get("by_login") and (
            needed_for is None or settings.get("auth", _default(spec)) in needed_for
        ):
            found.append(name)
    return found


def _default(spec: AdapterSpec) -> Any:
    auth = spec.settings()().fields.get("auth")
    return None if auth is None else auth.load_default


def _missing(engine: Engine, spec: AdapterSpec, connection: Connection) -> bool:
    from ..opening import place_of
    from ..store import keys

    wanted = kept_by_login(spec, connection.settings)
    return any(not keys.exists(place_of(engine, connection, name)) for name in wanted)
