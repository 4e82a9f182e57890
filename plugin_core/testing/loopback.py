"""A small web server on this machine, in which faults can be planted: what a platform's double is built on."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from ..threads import begin
from .clock import Clock

CREDENTIALS = frozenset({"authorization", "cookie", "x-api-key", "x-auth-key", "api-key", "x-handrail-key"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived. Header names are in lower case; `query` keeps the order and repeated names."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def one(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), default)

    def all(self, name: str) -> list[str]:
        """Every value of a query parameter."""
        return [value for key, value in self.query if key == name]

    def json(self) -> Any:
        """The body as JSON; None where there is none."""
        return json.loads(self.body) if self.body.strip() else None

    def form(self) -> dict[str, str]:
        """The body as a web form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Reply:
    """What to send back: `data` as JSON, or `body` as it is. `drop`: nothing at all, the connection ends; `cut`: only
    half of the body."""

    status: int = 200
    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    drop: bool = False
    cut: bool = False

    def content(self) -> bytes:
        """The bytes of the body."""
        if self.body is not None:
            return self.body
        return b"" if self.data is None else json.dumps(self.data, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request with its reply, as a test may look at them: credentials are replaced by `***`."""

    request: Request
    reply: Reply
    write: bool = False
    planted: bool = False


Work = Callable[[], Reply]
Fault = Callable[[Request, Work], Reply]


@dataclass(slots=True)
class Planted:
    """A fault, for the next `times` requests of that kind after `skip` of them."""

    fault: Fault
    on: str
    times: int
    skip: int


class Loopback:
    """Serves `handle` on 127.0.0.1 from `start` (or `with`) to `stop`.

    A subclass writes `handle`, and where the method of a request does not tell it `writes` and `signs_in`. Every
    exchange is in `seen`. Requests of one test come one after another in all but name, so `handle` runs under a
    lock. An exception in it is answered with status 500 and shown by `stop`.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.seen: list[Exchange] = []
        self.broken: list[BaseException] = []
        self._planted: list[Planted] = []
        self._after: list[tuple[int, Callable[[], None]]] = []
        self._reads = 0
        self._lock = threading.RLock()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    # --- to be written --------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Reply:
        """The platform's answer."""
        raise NotImplementedError

    def writes(self, request: Request) -> bool:
        """Whether the request changes something; GraphQL and the like say so in the body."""
        return request.method not in ("GET", "HEAD", "OPTIONS")

    def signs_in(self, request: Request) -> bool:  # noqa: ARG002 - for subclasses
        """Whether the request is about tokens: such ones meet no planted fault, and their bodies are not kept."""
        return False

    # --- faults ---------------------------------------------------------------------------------------------------

    def plant(self, fault: Fault, *, on: str = "read", times: int = 1, skip: int = 0) -> None:
        """The next `times` requests meet a fault; `on` is "read", "write" or "any", `skip` lets so many pass before."""
        with self._lock:
            self._planted.append(Planted(fault, on, times, skip))

    def heal(self) -> None:
        """Takes all planted faults away."""
        with self._lock:
            self._planted.clear()
            self._after.clear()

    def after_reads(self, number: int, happen: Callable[[], None]) -> None:
        """Once so many more reads were answered, `happen` is called: what somebody does in the platform meanwhile."""
        with self._lock:
            self._after.append((self._reads + number, happen))

    def _faulty(self, request: Request, kind: str, work: Work) -> tuple[Reply, bool]:
        for planted in self._planted:
            if planted.times and planted.on in (kind, "any"):
                if planted.skip:
                    planted.skip -= 1
                    continue
                planted.times -= 1
                return planted.fault(request, work), True
        return work(), False

    # --- the server -----------------------------------------------------------------------------------------------

    @property
    def origin(self) -> str:
        """Where it listens: `http://127.0.0.1:PORT`."""
        if self._server is None:
            raise RuntimeError("the platform is not started")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> Self:
        """Begins to listen."""
        self._server = _Server(self)
        thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True, name="platform double"
        )
        begin(thread)
        self._thread = thread
        return self

    def stop(self) -> None:
        """Ends it. Raises what `handle` raised, as then the double itself is wrong."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None
        if self.broken:
            raise self.broken[0]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def serve(self, request: Request) -> Reply:
        """Answers one request with what is planted, and keeps both."""
        with self._lock:
            if self.signs_in(request):
                reply, planted, kept, write = self.handle(request), False, _without_body(request), False
            else:
                write = self.writes(request)
                reply, planted = self._faulty(request, "write" if write else "read", lambda: self.handle(request))
                kept = request
            self.seen.append(Exchange(_without_credentials(kept), reply, write, planted))
            if not write and not self.signs_in(request):
                self._reads += 1
                due = [happen for at, happen in self._after if at == self._reads]
                for happen in due:
                    happen()
            return reply

    def told(self) -> str:
        """The `Date` header: the platform's own clock."""
        return date_text(self.clock.at)


def date_text(moment: datetime) -> str:
    """A moment as HTTP writes it."""
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


def _without_body(request: Request) -> Request:
    return Request(request.method, request.path, request.query, request.headers, b"")


def _without_credentials(request: Request) -> Request:
    headers = {name: "***" if name in CREDENTIALS else value for name, value in request.headers.items()}
    return Request(request.method, request.path, request.query, headers, request.body)


class _Handler(BaseHTTPRequestHandler):
    """Reads a request, has it served, writes the reply."""

    protocol_version = "HTTP/1.1"
    # Head and body leave together and at once: the pause between two small packets would be most of a test's time.
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def _any(self) -> None:
        owner, parts = self.server.owner, urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        request = Request(self.command, parts.path, query, headers, self.rfile.read(length))
        try:
            reply = owner.serve(request)
        except Exception as error:  # noqa: BLE001 - shown by `stop`; the adapter sees a server error
            owner.broken.append(error)
            reply = Reply(500, {"error": "the double is broken"})
        self._send(reply)

    def _send(self, reply: Reply) -> None:
        if reply.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        content = reply.content()
        self.send_response_only(reply.status)
        headers = {"Date": self.server.owner.told(), "Content-Type": "application/json", **reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        if reply.status not in (204, 304):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if reply.cut else content)
        if reply.cut:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _any  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
        """Says nothing on the terminal."""

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, owner: Loopback) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the library's
        if (error := sys.exc_info()[1]) is not None:
            self.owner.broken.append(error)
