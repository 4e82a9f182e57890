"""A desk that serves in a thread of the test's own process, and stops without a race."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from handrail.plugin_core.web.desk import Desk
from handrail.plugin_core.web.serving import make_server


@contextmanager
def running(desk: Desk) -> Iterator[Any]:
    """Serves a desk while the block lasts; gives waitress' server.

    The thread that serves closes it, at our word: a socket closed by another thread while `select` looks at it ends
    that thread with "Bad file descriptor", once in some thousand times.
    """
    server = make_server(desk)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()

    def close() -> None:
        server.close()
        for line in list(server.active_channels.values()):
            line.close()

    try:
        yield server
    finally:
        # Those who answer first: one that still answered would wake the server through a pipe that is closed by then.
        server.task_dispatcher.shutdown()
        server.trigger.pull_trigger(close)
        thread.join(20)
        assert not thread.is_alive(), "the desk did not stop"
