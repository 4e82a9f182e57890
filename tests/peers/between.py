"""mitmproxy between us and a real server: breaks exchanges on the real connection, by a seed.

with Between(server.port) as between, server_that_calls_itself(between.root): ...
    between.faults("seed 7", 0.2)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import requests

from . import install
from .servers import HERE, Server

BEFORE = ("503", "429", "500", "html", "drop")
AFTER = ("lost", "late-500", "cut", "garbled")
KINDS = (*BEFORE, *AFTER, "late")
"""Every fault but `stall`, which takes as long as a time limit."""


class Between(Server):
    """A proxy in front of a server of this machine; without faults everything passes."""

    name = "mitmproxy"

    def __init__(self, upstream: int) -> None:
        super().__init__()
        self._upstream = upstream

    @property
    def root(self) -> str:
        """The proxy's address, which stands for that of the server behind it."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        """mitmdump as a reverse proxy that keeps the name it was called by."""
        program = install.python_of(self.name).with_name("mitmdump")
        where = ["--listen-host", "127.0.0.1", "--listen-port", str(self.port)]
        mode = ["--mode", f"reverse:http://127.0.0.1:{self._upstream}", "--set", "keep_host_header=true"]
        return [str(program), "--quiet", *where, *mode, "--set", f"confdir={self.folder}", "-s", str(self._script)]

    @property
    def _script(self) -> Path:
        return HERE / "faults_app.py"

    def environment(self) -> dict[str, str]:
        """Our own module path must not reach the other environment."""
        return {"PYTHONPATH": "", "PYTHONUNBUFFERED": "1"}

    def answers(self) -> bool:
        """Its control address answers; the server behind need not be there yet."""
        try:
            return requests.get(self._control, timeout=5).ok
        except requests.RequestException:
            return False

    @property
    def _control(self) -> str:
        return f"{self.root}/-/faults"

    def faults(self, seed: str, rate: float, kinds: Sequence[str] = KINDS) -> None:
        """From now on this share of the exchanges is broken, each in one of these ways; 0 lets everything pass."""
        wanted = {"seed": seed, "rate": rate, "kinds": list(kinds)}
        requests.post(self._control, json=wanted, timeout=10).raise_for_status()

    def happened(self) -> dict[str, int]:
        """How often each kind has happened since `faults` was called."""
        found: dict[str, int] = requests.get(self._control, timeout=10).json()
        return found
