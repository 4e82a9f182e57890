"""Who answers must prove who they are (F40, S4): real TLS servers with certificates that do not fit."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from handrail.adapters.transport import Transport
from handrail.plugin_core.errors import NotTheApi, Unreachable

from tests.core.post_office import certificate

SEEN: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """Answers everything with an empty object, and remembers that it was asked."""

    def do_GET(self) -> None:
        SEEN.append(self.headers.get("Authorization", ""))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def serving(file: Path, newest: ssl.TLSVersion | None = None) -> Iterator[str]:
    """A TLS server with that certificate; gives its address."""
    SEEN.clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if newest is not None:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest
        context.set_ciphers("ALL:@SECLEVEL=0")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}/fhir"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def ask(address: str, ca_file: Path | None) -> int:
    """One request with a credential; the status."""
    transport = Transport("test/1", ca_file=str(ca_file) if ca_file else None)
    try:
        headers = {"Authorization": "Bearer canary"}
        return transport.exchange("GET", address, headers=headers, body=None, site="the server").status
    finally:
        transport.close()


def test_s4_a_certificate_that_fits_is_taken(tmp_path: Path) -> None:
    """The other tests would pass if nothing ever connected."""
    file = certificate(tmp_path, "127.0.0.1", days=2)
    with serving(file) as address:
        assert ask(address, file) == 200
    assert SEEN == ["Bearer canary"]


@pytest.mark.parametrize(
    ("name", "days", "trusted"),
    [("ehr.elsewhere.example", 2, True), ("127.0.0.1", -1, True), ("127.0.0.1", 2, False)],
    ids=["another name", "expired", "nobody known signed it"],
)
def test_f40_s4_a_certificate_that_does_not_fit_closes_the_connection(
    tmp_path: Path, name: str, days: int, trusted: bool
) -> None:
    """The token and the answers would go to whoever stands between."""
    file = certificate(tmp_path, name, days=days)
    with serving(file) as address, pytest.raises(NotTheApi, match="certificate"):
        ask(address, file if trusted else None)
    assert SEEN == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_s4_old_protocols_are_not_spoken(tmp_path: Path) -> None:
    """TLS 1.1 and older can be read by others."""
    file = certificate(tmp_path, "127.0.0.1", days=2)
    with serving(file, ssl.TLSVersion.TLSv1_1) as address, pytest.raises((Unreachable, NotTheApi)):
        ask(address, file)
    assert SEEN == []
