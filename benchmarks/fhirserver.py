"""A FHIR R4 server on loopback that is much faster than any client, so that a benchmark measures the client.

    python -m benchmarks.fhirserver --port 0 --responses 20000 --page 500

Everything is serialised at the start into one block of bytes in the order of `lastUpdated`; a page is a slice of it.
The first line on standard output is JSON with the address. Beside FHIR it answers, for the benchmark alone:

    POST /_touch?share=0.01   amend that share of the forms (one answer, next version, new time stamp)
    GET  /_count              requests by path since the last such call

Next links are offsets into the present order: `_touch` while somebody is paging would make that client skip records.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import threading
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

from . import practice

FHIR_JSON = "application/fhir+json; charset=utf-8"
MAX_PAGE = 1000
SEARCHABLE = {
    "_id": ("token", "http://hl7.org/fhir/SearchParameter/Resource-id"),
    "_lastUpdated": ("date", "http://hl7.org/fhir/SearchParameter/Resource-lastUpdated"),
}
CONTROLS = ("_sort", "_count")  # result parameters, as FHIR calls them; `_offset` is only ever in our own links


class Refused(Exception):
    """A search that cannot be answered; its text goes into the OperationOutcome."""


class Shelf:
    """The ready entries of one resource type in the order of `lastUpdated`, as one block of bytes with marks."""

    def __init__(self, base: str, kind: str) -> None:
        self._prefix = f'{{"fullUrl":"{base}/{kind}/'
        self.fill([])

    def fill(self, records: Sequence[tuple[str, str, str]]) -> None:
        """Take (id, lastUpdated, JSON) of all records, ascending by lastUpdated."""
        entries = [self._entry(record_id, text) for record_id, _updated, text in records]
        self.stamps = [updated for _id, updated, _text in records]
        self.places = {record_id: place for place, (record_id, _updated, _text) in enumerate(records)}
        self.marks = [0, *accumulate(len(entry) + 1 for entry in entries)]
        self.block = memoryview(b",".join(entries) + b",")

    def _entry(self, record_id: str, text: str) -> bytes:
        return f'{self._prefix}{record_id}","resource":{text},"search":{{"mode":"match"}}}}'.encode()

    def slice(self, start: int, stop: int) -> memoryview:
        """The entries from place `start` to `stop`, joined by commas; no byte is copied."""
        return self.block[self.marks[start] : max(self.marks[start], self.marks[stop] - 1)]

    def window(self, bounds: Iterable[str]) -> tuple[int, int]:
        """The places (first, one past the last) that `_lastUpdated` with these values allows."""
        low, high = 0, len(self.stamps)
        for bound in bounds:
            prefix, moment = _bound(bound)
            if prefix in ("ge", "gt"):
                low = max(low, (bisect_left if prefix == "ge" else bisect_right)(self.stamps, moment))
            else:
                high = min(high, (bisect_right if prefix == "le" else bisect_left)(self.stamps, moment))
        return low, max(low, high)


def _bound(text: str) -> tuple[str, str]:
    prefix, rest = text[:2], text[2:]
    if prefix not in ("ge", "gt", "le", "lt"):
        raise Refused("_lastUpdated needs one of the prefixes ge, gt, le, lt")
    try:
        moment = datetime.fromisoformat(rest)
    except ValueError:
        raise Refused("_lastUpdated holds no date that can be read") from None
    return prefix, practice.stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


class Library:
    """All that the server holds: forms, clients, and the shelves with their bytes."""

    def __init__(
        self, base: str, count: int, shape: practice.Shape, *, each: int = practice.FORMS_PER_CLIENT, days: int = 365
    ) -> None:
        self.base = base
        self.table = practice.line_table(shape)
        self.rng = random.Random(1)
        end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
        self.forms = practice.forms(count, end, each=each, days=days)
        self.shelves = {kind: Shelf(base, kind) for kind in ("QuestionnaireResponse", "Patient")}
        joined = practice.stamp(end - timedelta(days=days + 1))
        clients = sorted({form.client for form in self.forms})
        patients = [(f"p{client}", joined, practice.patient_json(client, joined)) for client in clients]
        self.shelves["Patient"].fill(patients)
        self._shelve_forms()

    def _shelve_forms(self) -> None:
        self.shelves["QuestionnaireResponse"].fill(
            [(f"qr{form.number}", form.updated, practice.response_json(form, self.table)) for form in self.forms]
        )

    def touch(self, share: float) -> int:
        """Amend that share of the forms, chosen anew each time; gives how many."""
        chosen = set(self.rng.sample(range(len(self.forms)), round(len(self.forms) * share)))
        latest = datetime.fromisoformat(self.forms[-1].updated) if self.forms else datetime.now(UTC)
        moment = max(datetime.now(UTC) - timedelta(milliseconds=len(chosen)), latest + timedelta(milliseconds=1))
        kept = [form for place, form in enumerate(self.forms) if place not in chosen]
        for step, place in enumerate(sorted(chosen)):
            kept.append(practice.amend(self.forms[place], moment + timedelta(milliseconds=step), self.rng))
        self.forms = kept
        self._shelve_forms()
        return len(chosen)

    def search(self, kind: str, query: str, default_page: int) -> list[bytes | memoryview]:
        """A searchset Bundle as pieces of bytes. Parameters that are not offered are left out of the self link."""
        asked = [(name, value) for name, value in parse_qsl(query) if name in (*SEARCHABLE, *CONTROLS)]
        options = dict(parse_qsl(query))
        if options.get("_sort", "_lastUpdated") != "_lastUpdated":
            raise Refused("this server sorts by _lastUpdated only")
        count = min(MAX_PAGE, _whole(options, "_count", default_page)) or default_page
        offset = _whole(options, "_offset", 0)
        shelf = self.shelves.get(kind)
        if shelf is None:
            return self._bundle(kind, 0, asked, None, [])
        low, high = shelf.window(value for name, value in asked if name == "_lastUpdated")
        if "_id" in options:
            wanted = (shelf.places.get(one, -1) for one in options["_id"].split(","))
            found = sorted(place for place in wanted if low <= place < high)
            page = found[offset : offset + count]
            pieces: list[bytes | memoryview] = [b",".join(bytes(shelf.slice(place, place + 1)) for place in page)]
            total = len(found)
        else:
            pieces = [shelf.slice(min(low + offset, high), min(low + offset + count, high))]
            total = high - low
        following = offset + count if offset + count < total else None
        return self._bundle(kind, total, asked, following, pieces)

    def _bundle(
        self,
        kind: str,
        total: int,
        asked: list[tuple[str, str]],
        following: int | None,
        entries: list[bytes | memoryview],
    ) -> list[bytes | memoryview]:
        address = f"{self.base}/{kind}"
        links = [{"relation": "self", "url": f"{address}?{urlencode(asked)}"}]
        if following is not None:
            links.append({"relation": "next", "url": f"{address}?{urlencode([*asked, ('_offset', str(following))])}"})
        head = {"resourceType": "Bundle", "type": "searchset", "total": total, "link": links}
        opening = json.dumps(head, separators=(",", ":")).encode()[:-1]
        if not any(len(piece) for piece in entries):
            return [opening + b"}"]  # FHIR allows no empty array
        return [opening + b',"entry":[', *entries, b"]}"]

    def read(self, kind: str, record_id: str) -> memoryview | None:
        """The JSON of one record, or None."""
        shelf = self.shelves.get(kind)
        place = shelf.places.get(record_id) if shelf else None
        if shelf is None or place is None:
            return None
        entry = shelf.slice(place, place + 1)
        opening = len(f'{{"fullUrl":"{self.base}/{kind}/{record_id}","resource":')
        return entry[opening : -len(',"search":{"mode":"match"}}')]


def _whole(options: dict[str, str], name: str, default: int) -> int:
    text = options.get(name, str(default))
    if not text.isdigit():
        raise Refused(f"{name} must be a whole number")
    return int(text)


def capability(base: str) -> dict[str, Any]:
    """The CapabilityStatement: two kinds to read and search, one that is searched in vain."""
    params = [{"name": name, "definition": url, "type": kind} for name, (kind, url) in SEARCHABLE.items()]
    both = [{"code": "read"}, {"code": "search-type"}]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-01",
        "kind": "instance",
        "software": {"name": "Handrail benchmark server"},
        "implementation": {"description": "Invented records on loopback", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "Sorts by _lastUpdated ascending only (_sort=_lastUpdated); _count up to 1000.",
                "resource": [
                    {
                        "type": "QuestionnaireResponse",
                        "interaction": both,
                        "versioning": "versioned",
                        "searchParam": params,
                    },
                    {"type": "Patient", "interaction": both, "versioning": "versioned", "searchParam": params},
                    {"type": "Questionnaire", "interaction": [{"code": "search-type"}]},
                ],
                # Result parameters apply to every type, which is what this place is for.
                "searchParam": [
                    {"name": "_sort", "type": "special", "documentation": "_lastUpdated"},
                    {"name": "_count", "type": "number"},
                ],
            }
        ],
    }


class Server(ThreadingHTTPServer):
    """One thread a connection; the library is only ever replaced whole, under the lock."""

    daemon_threads = True

    def __init__(self, port: int, page: int, latency: float) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.base = f"http://127.0.0.1:{self.server_address[1]}/fhir"
        self.page, self.latency = page, latency
        self.lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.library: Library


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with kept connections."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """FHIR reads and searches, and the count."""
        target = urlsplit(self.path)
        if target.path == "/_count":
            with self.server.lock:
                counts, self.server.counts = dict(self.server.counts), Counter()
            self._reply(200, [json.dumps(counts).encode()])
            return
        with self.server.lock:
            self.server.counts[target.path.removeprefix("/fhir")] += 1
        if self.server.latency:
            time.sleep(self.server.latency)
        self._fhir(target.path.removeprefix("/fhir/").split("/"), target.query)

    def _fhir(self, path: list[str], query: str) -> None:
        library = self.server.library
        try:
            match path:
                case ["metadata"]:
                    self._reply(200, [json.dumps(capability(library.base)).encode()])
                case [kind]:
                    self._reply(200, library.search(kind, query, self.server.page))
                case [kind, record_id] if (found := library.read(kind, record_id)) is not None:
                    self._reply(200, [found])
                case _:
                    self._outcome(404, "not-found", "There is no such record.")
        except Refused as refusal:
            self._outcome(400, "invalid", str(refusal))

    def do_POST(self) -> None:
        """The one thing that changes records."""
        target = urlsplit(self.path)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if target.path != "/_touch":
            self._outcome(405, "not-supported", "This server takes no records.")
            return
        share = float(dict(parse_qsl(target.query)).get("share", "0.01"))
        with self.server.lock:
            touched = self.server.library.touch(share)
        self._reply(200, [json.dumps({"touched": touched}).encode()])

    def _outcome(self, status: int, code: str, text: str) -> None:
        issue = {"severity": "error", "code": code, "diagnostics": text}
        self._reply(status, [json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()])

    def _reply(self, status: int, pieces: list[bytes | memoryview]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", FHIR_JSON)
        self.send_header("Content-Length", str(sum(len(piece) for piece in pieces)))
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: a line a request would be part of the measurement."""


def drain(base: str) -> dict[str, float]:
    """Read all responses and throw them away: what the server and the network cost by themselves."""
    address = urlsplit(base)
    connection = http.client.HTTPConnection(cast(str, address.hostname), address.port)
    path: str | None = f"{address.path}/QuestionnaireResponse?_sort=_lastUpdated"
    buffer = bytearray(16 * 1024 * 1024)
    pages = size = 0
    began = time.perf_counter()
    while path:
        connection.request("GET", path)
        answer = connection.getresponse()
        length = 0
        while got := answer.readinto(memoryview(buffer)[length:]):
            length += got
        pages, size = pages + 1, size + length
        following = re.search(rb'"relation":"next","url":"([^"]+)"', buffer[: min(length, 2000)])
        path = following.group(1).decode().removeprefix(f"http://{address.netloc}") if following else None
    seconds = time.perf_counter() - began
    return {"pages": pages, "seconds": seconds, "pages_per_s": pages / seconds, "mb_per_s": size / seconds / 1e6}


def main() -> None:
    """Serve until ended, or, with --drain, read a running server empty and print how fast it was."""
    parser = argparse.ArgumentParser(description="A fast FHIR server on loopback with invented records.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--responses", type=int, default=20_000)
    parser.add_argument("--page", type=int, default=500, help="records a page when the client does not say")
    parser.add_argument("--shape", choices=["lean", "full"], default="lean", help="full adds texts and weights")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--drain", metavar="BASE", help="do not serve; read this server empty and print its speed")
    options = parser.parse_args()
    if options.drain:
        print(json.dumps(drain(options.drain)))
        return
    server = Server(options.port, options.page, options.latency_ms / 1000)
    server.library = Library(server.base, options.responses, options.shape)
    size = len(server.library.shelves["QuestionnaireResponse"].block) / max(1, options.responses)
    print(json.dumps({"base": server.base, "responses": options.responses, "bytes_each": round(size)}), flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
