"""Runs one of the real servers until Ctrl-C, to try Handrail against by hand.

python -m tests.peers.serve sekmet | sekmet-search | sekmet-smart | medplum | postgres
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable

from .servers import Medplum, PeerFailed, PeerMissing, Postgres, Sekmet, Server

KINDS: dict[str, Callable[[], Server]] = {
    "sekmet": Sekmet,
    "sekmet-search": lambda: Sekmet(search=True),
    "sekmet-smart": lambda: Sekmet(search=True, smart=("RS384", "ES384")),
    "medplum": Medplum,
    "postgres": Postgres,
}


def describe(server: Server) -> list[str]:
    """What a person needs to connect to it, line by line."""
    lines = [f"address: {getattr(server, 'base', None) or getattr(server, 'url', '')}"]
    for client in getattr(server, "clients", {}).values():
        lines.append(f"client:  {client.client_id}, {client.alg}, private key {client.private_key}")
        lines.append(f"scopes:  {client.scopes}")
    return [*lines, f"log:     {server.log}", "Ctrl-C stops it and removes its data."]


def main(arguments: list[str]) -> int:
    """Serve the named kind; 0 after Ctrl-C, 1 when it could not start, 2 for an unknown name."""
    if len(arguments) != 1 or arguments[0] not in KINDS:
        print(f"usage: python -m tests.peers.serve {' | '.join(KINDS)}", file=sys.stderr)
        return 2
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    try:
        with KINDS[arguments[0]]() as server:
            print("\n".join(describe(server)), flush=True)
            while not stop.wait(1.0):
                pass
    except (PeerMissing, PeerFailed) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
