"""Runs the desk: checks where it may listen, makes the first link, serves until it is stopped (waitress)."""

from __future__ import annotations

import gc
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..threads import needed, started
from ..words import tr
from .guard import LOOPBACK
from .staff import Staff

if TYPE_CHECKING:
    from .desk import Desk

THREADS = 4
"""Pages are mostly computing, which Python does one at a time: more threads would only take turns."""
log = logging.getLogger(__name__)


def check_place(desk: Desk) -> None:
    """Refuses to serve names and answers over a network without encryption.

    :raises UsageError: the desk would listen beyond this machine, and no https address is set.
    """
    web = desk.settings.web
    beyond = web.host not in (*LOOPBACK, "::1")
    if beyond and not web.address.startswith("https://"):
        raise UsageError(
            tr(
                "The desk would be reached at {host} over the network without encryption. Put a proxy that speaks "
                'https before it and set [web] address = "https://..." and proxies = 1, or leave host at 127.0.0.1.',
                host=web.host,
            )
        )


def make_server(desk: Desk, *, threads: int = THREADS) -> Any:
    """A server of waitress that listens and is not running yet: `run()`, `close()`.

    :raises UsageError: the place is taken, or may not be used.
    :raises NoThread: the system gives none to answer with.
    """
    from waitress.server import create_server

    from .app import create_app

    check_place(desk)
    web = desk.settings.web
    behind: dict[str, Any] = {}
    if web.proxies:
        behind = {
            "trusted_proxy": web.proxy,
            "trusted_proxy_count": web.proxies,
            "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"},
        }
    with ExitStack() as listening, needed():
        server = create_server(
            create_app(desk),
            sockets=[listening.enter_context(_listening(web.host, web.port))],
            threads=threads,
            ident=None,
            clear_untrusted_proxy_headers=True,
            max_request_body_size=1_000_000,
            max_request_header_size=32_768,
            channel_timeout=60,
            **behind,
        )
        listening.pop_all()  # the server closes it
    return server


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    :raises UsageError: it cannot, because another program does, say.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(
            tr(
                "The desk cannot listen at {host}, port {port} ({why}). Choose another: handrail serve --port NUMBER",
                host=host,
                port=port,
                why=error.strerror or type(error).__name__,
            )
        ) from None


def _warm(desk: Desk) -> None:
    """Makes the engines and reads the list of clients, so that the first people of the day do not wait for it."""
    try:
        desk.warm(THREADS)
        # Python looks through all that it holds for what nobody needs any more: of this, a tenth of a second each time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 100)
    except Exception as error:  # noqa: BLE001 - whoever opens a page is told the same fault, in a sentence
        log.info("the desk could not be made ready ahead (%s)", type(error).__name__)


def address_of(desk: Desk) -> str:
    """What people type to reach the desk."""
    web = desk.settings.web
    host = f"[{web.host}]" if ":" in web.host else web.host
    return web.address or f"http://{host}:{web.port}"


def first_link(desk: Desk) -> str | None:
    """The one-time link for the first administrator; None where there is one."""
    with desk.engine() as engine:
        token = Staff(engine).first_link()
    return None if token is None else f"{address_of(desk)}/link/{token}"


def serve(desk: Desk, begun: Callable[[], None]) -> None:
    """Serves until the process is stopped.

    :param begun: called once the desk can be reached.
    """
    server = make_server(desk)
    try:
        begun()
        started(threading.Thread(target=_warm, args=(desk,), name="warm", daemon=True))
        server.run()
    finally:
        server.close()
        desk.close()
