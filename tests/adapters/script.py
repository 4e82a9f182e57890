"""A loopback server that does what a test scripts, byte for byte: late, short, wrong, twice, never."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

DATE = "Sun, 22 Nov 2026 12:00:00 GMT"


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What to send back. `raw` writes to the socket itself instead."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    raw: Callable[[Any], None] | None = None


def fhir(data: object, status: int = 200, **headers: str) -> Answer:
    """JSON as a FHIR server sends it, with its clock."""
    sent = {
        "Content-Type": "application/fhir+json",
        "Date": DATE,
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    return Answer(status, json.dumps(data).encode(), sent)


class Script:
    """The server. `answers` maps a path prefix to answers in order; the last one is repeated."""

    def __init__(self, reply: Callable[[Seen], Answer]) -> None:
        self.seen: list[Seen] = []
        self.faults: list[BaseException | None] = []
        self._reply = reply
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                seen = Seen(self.command, self.path, dict(self.headers), self.rfile.read(length))
                script.seen.append(seen)
                answer = script._reply(seen)
                if answer.raw is not None:
                    answer.raw(self.wfile)
                    self.close_connection = True
                    return
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in answer.headers:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = do_PUT = do_DELETE = _any  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                """Says nothing on the terminal."""

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:
                    self.close_connection = True

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                script.faults.append(sys.exc_info()[1])

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/fhir"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        assert self.faults == [], "the script itself failed"


def response(remote_id: str, updated: str | None = "2026-11-01T10:00:00Z", **more: Any) -> dict[str, Any]:
    """A small QuestionnaireResponse."""
    meta = {"versionId": more.pop("version", "1"), **({"lastUpdated": updated} if updated else {})}
    return {
        "resourceType": "QuestionnaireResponse",
        "id": remote_id,
        "meta": meta,
        "status": "completed",
        "questionnaire": "https://handrail.example/fhir/Questionnaire/gr18|1",
        "subject": {"reference": "Patient/p1"},
        "authored": "2026-11-01T10:00:00+01:00",
        "item": [{"linkId": "G1", "answer": [{"valueCoding": {"code": "truth-2"}}]}],
        **more,
    }


def bundle(
    *resources: dict[str, Any], following: str | None = None, own: str | None = None, **more: Any
) -> dict[str, Any]:
    """A page."""
    links = [{"relation": r, "url": u} for r, u in (("self", own), ("next", following)) if u]
    entries = [{"resource": r, "search": {"mode": "match"}} for r in resources]
    return {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries, **more}
