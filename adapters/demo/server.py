"""A small FHIR R4 server over real HTTP on loopback, for the demo: in memory, one process, gone when it stops.

It does what its CapabilityStatement says and says nothing else: read, vread, history of one resource, search, create
with If-None-Exist, update with If-Match, delete. It is no FHIR server for real data, and it listens on 127.0.0.1 only.
"""

from __future__ import annotations

import json
import random
import secrets
import socket
import sys
import threading
import uuid
from collections import Counter
from datetime import datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote

from ...plugin_core.threads import NoThread, begin
from ...plugin_core.uris import split
from .checks import LARGEST_BODY, SHAPES, Json, Refused, outcome, read_body
from .search import Query, known, shown, understand
from .store import Clock, Store, Stored, instant

FHIR_JSON = "application/fhir+json"
ROOT = "/fhir"
OPEN_PATHS = ("/metadata", "/.well-known/smart-configuration")
INTERACTIONS = ("read", "vread", "history-instance", "search-type", "create", "update", "delete")
Counts = Counter[tuple[str, str]]
Answer = tuple[int, Json | None, dict[str, str]]  # status, body, headers beside the usual ones


class DemoServer:
    """The server as a context manager: it listens from `start` (or `with`) to `stop`.

    :param seed: makes the ids of created resources the same in every run; the token is another in each.
    :param clock: its time; the real one unless one that was set is given.
    """

    def __init__(self, seed: int = 0, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.token = secrets.token_urlsafe(24)
        ids = random.Random(seed)  # noqa: S311 - ids of invented records, no secret
        self.store = Store(self.clock, lambda: str(uuid.UUID(int=ids.getrandbits(128), version=4)))
        self.requests: Counts = Counter()
        self.failures: list[BaseException] = []
        self.started = self.clock.now()
        self._http: _Http | None = None
        self._thread: threading.Thread | None = None

    @property
    def base(self) -> str:
        """The FHIR base address. Raises RuntimeError while the server does not run."""
        if self._http is None:
            raise RuntimeError("The demo server is not running.")
        return f"http://127.0.0.1:{self._http.server_port}{ROOT}"

    def start(self) -> Self:
        """Begins to listen on a free port of 127.0.0.1."""
        self._http = _Http(self)
        thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="demo-server", daemon=True)
        try:
            begin(thread)
        except NoThread:
            self._http.server_close()
            raise
        self._thread = thread
        return self

    def stop(self) -> None:
        """Closes the port and every open connection, and waits for their threads."""
        if self._http is None or self._thread is None:
            return
        self._http.shutdown()
        self._thread.join()
        self._http.close_all()
        self._http = None

    def load(self, body: Json, at: datetime) -> Stored:
        """Puts a resource in as if it had been written at the given time. Raises Refused for a wrong shape."""
        return self.store.load(body, at)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Http(ThreadingHTTPServer):
    """Threads that end with the server, although clients keep their connections open."""

    def __init__(self, demo: DemoServer) -> None:
        self.demo = demo
        self._open: dict[threading.Thread, Any] = {}
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open[threading.current_thread()] = request
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._guard:
                self._open.pop(threading.current_thread(), None)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver's signature
        """A client that went away is ordinary; all else is kept for the tests and the demo to show, not printed."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError):
            self.demo.failures.append(error)

    def close_all(self) -> None:
        self.server_close()
        with self._guard:
            open_now = list(self._open.items())
        for _, request in open_now:
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed by the other side in the same moment
        for thread, _ in open_now:
            thread.join(2)


class _Handler(BaseHTTPRequestHandler):
    """One connection: reads a request whole, answers it whole, keeps the line open."""

    protocol_version = "HTTP/1.1"
    server_version = "HandrailDemo"
    sys_version = ""
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 120
    server: _Http

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_GET  # noqa: N815 - the names that http.server looks for

    def _serve(self) -> None:
        try:
            raw = self._body()
            status, body, headers = self._answer(raw)
        except Refused as refusal:
            status, body, headers = refusal.status, outcome(refusal.code, refusal.text), {}
            if status == 401:
                headers = {"WWW-Authenticate": "Bearer"}
        self._send(status, body, headers)

    def _answer(self, raw: bytes) -> Answer:
        address = split(self.path)
        if not address.path.startswith(ROOT):
            raise Refused(404, "not-found", f"The FHIR server is at {ROOT}.")
        path = unquote(address.path.removeprefix(ROOT)).rstrip("/")
        pairs = parse_qsl(address.query, keep_blank_values=True)
        if path not in OPEN_PATHS:
            self._authorise()
        self._negotiate(raw)
        steps = path.strip("/").split("/")
        if steps[0] in SHAPES:
            self.server.demo.requests[self.command, steps[0]] += 1
            return self._resource(steps, pairs, raw)
        if path == "/metadata" and self.command == "GET":
            return 200, capability(self.server.demo), {}
        raise Refused(404, "not-supported", "This server does not have this address; see /metadata.")

    def _resource(self, steps: list[str], pairs: list[tuple[str, str]], raw: bytes) -> Answer:
        kind, rest, store = steps[0], steps[1:], self.server.demo.store
        match (self.command, rest):
            case ("GET", []):
                return self._search(kind, pairs)
            case ("GET", [rid]):
                return self._shown(200, store.read(kind, rid))
            case ("GET", [rid, "_history"]):
                return 200, self._history(store.history(kind, rid)), {}
            case ("GET", [rid, "_history", number]):
                return self._shown(200, store.version(kind, rid, number))
            case ("POST", []):
                created, stored = store.create(kind, read_body(raw), self._unless(kind))
                return self._shown(201 if created else 200, stored)
            case ("PUT", [rid]):
                created, stored = store.update(kind, rid, read_body(raw), self.headers.get("If-Match"))
                return self._shown(201 if created else 200, stored)
            case ("DELETE", [rid]):
                stored = store.delete(kind, rid, self.headers.get("If-Match"))
                return 204, None, {"ETag": stored.etag}
        raise Refused(405, "not-supported", "This server does not do this here; see /metadata.")

    # --- requests ----------------------------------------------------------------------------------------------

    def _body(self) -> bytes:
        """The request's body, read before anything is decided, so that the next request starts where it should."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            self.close_connection = True
            raise Refused(411, "processing", "Send a Content-Length.")
        if len(length) > 9 or int(length) > LARGEST_BODY:
            self.close_connection = True
            raise Refused(413, "too-long", "The body is larger than this server takes.")
        return self.rfile.read(int(length))

    def _authorise(self) -> None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        known_token = secrets.compare_digest(token.strip().encode(), self.server.demo.token.encode())
        if scheme.lower() != "bearer" or not known_token:
            raise Refused(401, "login", "The access token is missing or is not this server's.")

    def _negotiate(self, raw: bytes) -> None:
        accept = self.headers.get("Accept", "*/*")
        if not any(word in accept for word in ("json", "*/*", "application/*")):
            raise Refused(406, "not-supported", "This server speaks JSON only.")
        if raw and "json" not in self.headers.get("Content-Type", ""):
            raise Refused(415, "not-supported", f"Send the body as {FHIR_JSON}.")

    def _strict(self) -> bool:
        return "handling=strict" in self.headers.get("Prefer", "").replace(" ", "")

    def _unless(self, kind: str) -> Query | None:
        """If-None-Exist as a query. Always strict: an ignored parameter would match everything."""
        text = self.headers.get("If-None-Exist")
        if text is None:
            return None
        query = understand(kind, parse_qsl(text.partition("?")[2] or text, keep_blank_values=True), strict=True)
        if not query.filters:
            raise Refused(400, "invalid", "If-None-Exist names nothing to look for.")
        return query

    # --- answers -----------------------------------------------------------------------------------------------

    def _search(self, kind: str, pairs: list[tuple[str, str]]) -> Answer:
        demo = self.server.demo
        query = understand(kind, pairs, self._strict())
        page, total, after = demo.store.page(kind, query)
        address = f"{demo.base}/{kind}"
        links = [{"relation": "self", "url": query.address(address, query.after)}]
        if after is not None:
            links.append({"relation": "next", "url": query.address(address, after)})
        bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": total, "link": links}
        bundle["meta"] = {"lastUpdated": instant(int(demo.clock.seconds() * 1000))}
        entries = [
            {"fullUrl": f"{address}/{one.id}", "resource": shown(query, one.body), "search": {"mode": "match"}}
            for one in page
            if one.body is not None
        ]
        if query.ignored:
            text = f"Ignored search parameters: {', '.join(query.ignored)}."
            entries.append({"resource": outcome("not-supported", text, "warning"), "search": {"mode": "outcome"}})
        if entries:
            bundle["entry"] = entries
        return 200, bundle, {}

    def _history(self, versions: list[Stored]) -> Json:
        base = self.server.demo.base
        entries: list[Json] = []
        for one in reversed(versions):
            address = f"{one.kind}/{one.id}"
            entry: Json = {"fullUrl": f"{base}/{address}"}
            method, status = ("DELETE", "204") if one.body is None else ("PUT", "200")
            if one.body is not None:
                entry["resource"] = one.body
            entry["request"] = {"method": method, "url": address}
            entry["response"] = {"status": status, "etag": one.etag, "lastModified": instant(one.updated)}
            entries.append(entry)
        return {"resourceType": "Bundle", "type": "history", "total": len(entries), "entry": entries}

    def _shown(self, status: int, stored: Stored) -> Answer:
        """A resource with the headers that say which version it is; without body under `Prefer: return=minimal`."""
        headers = {"ETag": stored.etag, "Last-Modified": formatdate(stored.updated // 1000, usegmt=True)}
        if self.command in ("POST", "PUT"):
            headers["Location"] = f"{self.server.demo.base}/{stored.kind}/{stored.id}/_history/{stored.version}"
            if "return=minimal" in self.headers.get("Prefer", ""):
                return status, None, headers
        return status, stored.body, headers

    def _send(self, status: int, body: Json | None, headers: dict[str, str]) -> None:
        content = b"" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if content:
            self.send_header("Content-Type", FHIR_JSON)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """What http.server itself refuses (a broken request line) is answered as FHIR, too."""
        self.close_connection = True
        self.command = getattr(self, "command", None) or "GET"
        self._send(int(code), outcome("structure", message or "The request cannot be read."), {"Connection": "close"})

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header shows the server's clock, which the demo may have set."""
        return formatdate(self.server.demo.clock.seconds() if timestamp is None else timestamp, usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives it
        """Nothing is logged: addresses carry ids."""


def capability(demo: DemoServer) -> Json:
    """The CapabilityStatement, made from the same tables that the server works by."""
    resources = [
        {
            "type": kind,
            "interaction": [{"code": code} for code in INTERACTIONS],
            "versioning": "versioned-update",
            "readHistory": True,
            "updateCreate": True,
            "conditionalCreate": True,
            "conditionalUpdate": False,
            "conditionalDelete": "not-supported",
            "searchParam": [{"name": param.name, "type": param.kind} for param in known(kind)],
        }
        for kind in sorted(SHAPES)
    ]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(int(demo.started.timestamp() * 1000)),
        "kind": "instance",
        "software": {"name": "Handrail demo server", "version": "1"},
        "implementation": {"description": "Invented practice, in memory, on this machine only", "url": demo.base},
        "fhirVersion": "4.0.1",
        "format": ["json", FHIR_JSON],
        "rest": [{"mode": "server", "security": {"description": "Bearer token"}, "resource": resources}],
    }
