"""Fills in a FHIR Questionnaire in LHC-Forms, the renderer of several record systems, inside a real Chromium.

The page is served from 127.0.0.1 with the files that `install` put there; the browser can reach nothing else. What
LHC-Forms makes of the answers comes back by a POST of the page. No driver package is needed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from . import install

HERE = Path(__file__).resolve().parent / "lforms"
SECONDS = 90.0
STOP_SECONDS = 12.0
QUIET = "--disable-background-networking --disable-component-update --disable-sync --disable-quic --no-first-run"
FLAGS = f"--headless=new --no-sandbox --disable-gpu --hide-scrollbars {QUIET}"
NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
Pick = tuple[str, str, str]


class NotFilledIn(AssertionError):
    """The form could not be shown or filled in; the text says what the page said."""


class _Page(SimpleHTTPRequestHandler):
    """Serves the page, the task and the renderer's files, and takes what comes back."""

    server: _Desk

    def do_GET(self) -> None:
        if self.path == "/task.json":
            self._send(200, json.dumps(self.server.task).encode())
        elif self.path in ("/", "/fill.js"):
            name = "index.html" if self.path == "/" else "fill.js"
            kind = "text/html" if name.endswith("html") else "text/javascript"
            self._send(200, (HERE / name).read_bytes(), kind)
        else:
            super().do_GET()

    def do_POST(self) -> None:
        self.server.done = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._send(200, b"{}")
        self.server.came.set()

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing on the terminal."""


class _Desk(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.done: dict[str, Any] = {}
        self.came = threading.Event()
        super().__init__(("127.0.0.1", 0), partial(_Page, directory=str(install.lforms_folder())))


def fill_in(questionnaire: dict[str, Any], picks: Sequence[Pick]) -> dict[str, Any]:
    """What LHC-Forms gives for these picks (line, system, code): `response` as FHIR R4, `shown` the page's text,
    `choices` how many buttons there were to choose from, `broken` the page's own errors.

    Raises NotFilledIn, and PeerMissing's reason is `install.missing("lforms")`.
    """
    with _Desk({"questionnaire": questionnaire, "picks": picks}) as desk:
        threading.Thread(target=desk.serve_forever, args=(0.05,), daemon=True).start()
        try:
            with _browser(f"http://127.0.0.1:{desk.server_port}/") as browser:
                if not desk.came.wait(SECONDS):
                    raise NotFilledIn(f"nothing came back in {SECONDS:.0f} s (browser ended: {browser.poll()})")
        finally:
            desk.shutdown()
    if "failed" in desk.done:
        raise NotFilledIn(
            f"{desk.done['failed']}; its errors: {desk.done['broken']}; it shows: {desk.done['shown'][:500]}"
        )
    return desk.done


@contextlib.contextmanager
def _browser(address: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Chromium with a profile of its own at this address; it and all its helpers end with the block, and with us."""
    profile = tempfile.mkdtemp(prefix="handrail-chromium-")
    guard = [sys.executable, str(HERE.parent / "guard.py"), "SIGTERM", "-", profile]
    browser = [str(install.chromium()), *FLAGS.split(), NOWHERE, f"--user-data-dir={profile}", address]
    process = subprocess.Popen(
        [*guard, *browser],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()  # the order to stop, see guard.py; it also removes the profile
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
        shutil.rmtree(profile, ignore_errors=True)
