"""Breaks HTTP exchanges on their way, inside mitmproxy; run by mitmdump of the proxy's own environment (`-s`).

Which fault meets which request follows from a seed, the request itself and how often it came: the same seed breaks the
same requests again, whatever threads ask. `POST /-/faults` with {"seed": text, "rate": 0 to 1, "kinds": [...]} sets it;
`GET /-/faults` gives how often each kind has happened since.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from hashlib import sha256

from mitmproxy import http

CONTROL = "/-/faults"
SLOW_SECONDS = 0.15
STALL_SECONDS = 8
PAGE = b"<!DOCTYPE html><html><title>Sign in</title><body>Please sign in.</body></html>"
ANSWERS = {
    "503": (503, b"busy", {"Retry-After": "1"}),
    "429": (429, b"{}", {"Retry-After": "1", "Content-Type": "application/json"}),
    "500": (500, b"", {}),
    "html": (200, PAGE, {"Content-Type": "text/html"}),
}


class Faults:
    """One fault or none for each exchange. 503, 429, 500, html and drop: the server never saw it; late: it hears of it
    later; cut, garbled, lost, late-500: the server has done it, the answer comes broken or not at all."""

    def __init__(self) -> None:
        self.seed, self.rate, self.kinds = "", 0.0, ["503"]
        self.times: Counter[bytes] = Counter()
        self.done: Counter[str] = Counter()

    def _control(self, flow: http.HTTPFlow) -> None:
        if flow.request.method == "POST":
            wanted = json.loads(flow.request.get_text() or "{}")
            self.seed, self.rate, self.kinds = wanted["seed"], wanted["rate"], wanted["kinds"]
            self.times.clear()
            self.done.clear()
        flow.response = http.Response.make(200, json.dumps(self.done), {"Content-Type": "application/json"})

    def _chosen(self, flow: http.HTTPFlow) -> str | None:
        # By the kind of record alone: ids and keys differ from run to run.
        kind = "/".join(flow.request.path.partition("?")[0].split("/")[:3])
        what = f"{flow.request.method} {kind}".encode()
        self.times[what] += 1
        digest = sha256(f"{self.seed} {self.times[what]} ".encode() + what).digest()
        if int.from_bytes(digest[:4], "big") >= self.rate * 2**32:
            return None
        return self.kinds[int.from_bytes(digest[4:8], "big") % len(self.kinds)]

    async def request(self, flow: http.HTTPFlow) -> None:
        """Before the server hears of it."""
        if flow.request.path == CONTROL:
            self._control(flow)
            return
        kind = self._chosen(flow)
        if kind is None:
            return
        self.done[kind] += 1
        flow.metadata["fault"] = kind
        if kind in ANSWERS:
            flow.response = http.Response.make(*ANSWERS[kind])
        elif kind == "drop":
            flow.kill()
        elif kind == "late":
            await asyncio.sleep(SLOW_SECONDS)

    async def response(self, flow: http.HTTPFlow) -> None:
        """After the server has done it."""
        kind, answer = flow.metadata.get("fault"), flow.response
        if answer is None:
            return
        body = answer.raw_content or b""
        if kind == "lost":
            flow.kill()
        elif kind == "stall":
            await asyncio.sleep(STALL_SECONDS)
        elif kind == "late-500":
            flow.response = http.Response.make(500, b"")
        elif kind == "cut":  # fewer bytes than announced
            answer.raw_content = body[: len(body) // 2]
            answer.headers["Content-Length"] = str(len(body))
            answer.headers["Connection"] = "close"
        elif kind == "garbled":  # whole by its length, and no JSON
            answer.raw_content = body[: max(1, len(body) - 7)]
            answer.headers["Content-Length"] = str(len(answer.raw_content))


addons = [Faults()]
