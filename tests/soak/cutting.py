"""Cuts the line between us and PostgreSQL: a proxy that knows just enough of the protocol to tell messages apart.

    with Cutting(server.port) as line:
        line.cut_at_commit(3, done=True)     # the third COMMIT is done, its answer never comes
        line.cut_by("seed 7", 0.02)          # two messages in a hundred, by a seed

Message format: PostgreSQL's documentation, "Frontend/Backend Protocol", "Message Formats".
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable
from typing import Self

STARTUP = 196608
ENDS = b"COMMIT"
TIMEOUT = 30.0
Decide = Callable[[bytes], str]
PASS, BEFORE, AFTER = "pass", "before", "after"


class Cutting:
    """Listens on a free port of this machine and passes everything on to another one, but for what is to be cut."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self.commits = 0
        self._decide: Decide = lambda _: PASS
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            _reset(one)

    # --- what is cut --------------------------------------------------------------------------------------------------

    def pass_all(self) -> None:
        """Nothing is cut from now on; counts begin anew."""
        with self._lock:
            self.cuts = self.commits = 0
            self._decide = lambda _: PASS

    def cut_at_commit(self, number: int, *, done: bool) -> None:
        """Cuts at that COMMIT from now on, once: `done` says whether the server gets it before."""
        self.pass_all()

        def decide(message: bytes) -> str:
            hit = ENDS in message and self.commits == number and not self.cuts
            return (AFTER if done else BEFORE) if hit else PASS

        self._decide = decide

    def cut_by(self, seed: str, share: float) -> None:
        """Cuts at this share of messages, before or after the server has answered them."""
        self.pass_all()
        chance = random.Random(seed)
        self._decide = lambda _: (BEFORE, AFTER)[chance.random() < 0.5] if chance.random() < share else PASS

    def _what(self, message: bytes) -> str:
        with self._lock:
            self.commits += ENDS in message
            found = self._decide(message)
            self.cuts += found != PASS
            return found

    # --- the line ----------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed: the end
                return
            server = socket.create_connection(("127.0.0.1", self._upstream), TIMEOUT)
            for one in (client, server):
                one.settimeout(None)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open |= {client, server}
            line = _Line(client, server, self._what)
            for pump in (line.to_server, line.to_client):
                threading.Thread(target=pump, daemon=True).start()


class _Line:
    """One connection: our messages one by one, the server's answers as they come."""

    def __init__(self, client: socket.socket, server: socket.socket, what: Callable[[bytes], str]) -> None:
        self._client = client
        self._server = server
        self._what = what
        self._swallow = False

    def to_server(self) -> None:
        """Passes our messages on until one is to be cut at."""
        with contextlib.suppress(OSError, EOFError):
            while (code := self._first()) != STARTUP:
                if code is None:
                    break
            while True:
                head = _exactly(self._client, 5)
                message = head + _exactly(self._client, struct.unpack("!I", head[1:])[0] - 4)
                found = self._what(message)
                if found == BEFORE:
                    break
                self._swallow = self._swallow or found == AFTER
                self._server.sendall(message)
        self._end()

    def _first(self) -> int | None:
        """The messages before a session have no letter: a wish for encryption, then the start, or a cancel."""
        head = _exactly(self._client, 8)
        length, code = struct.unpack("!II", head)
        self._server.sendall(head + _exactly(self._client, length - 8))
        return int(code)

    def to_client(self) -> None:
        """Passes answers on; once one is to be swallowed, waits until the server has given it and cuts."""
        with contextlib.suppress(OSError):
            while data := self._server.recv(1 << 16):
                if self._swallow and data.rstrip().endswith((b"I", b"T", b"E")):
                    break  # ReadyForQuery: it is done
                if not self._swallow:
                    self._client.sendall(data)
        self._end()

    def _end(self) -> None:
        _reset(self._client)
        _reset(self._server)


def _exactly(one: socket.socket, number: int) -> bytes:
    found = b""
    while len(found) < number:
        more = one.recv(number - len(found))
        if not more:
            raise EOFError
        found += more
    return found


def _reset(one: socket.socket) -> None:
    """Closes so that the other side hears of it at once, as from a firewall that has forgotten the connection."""
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.shutdown(socket.SHUT_RDWR)
    one.close()
