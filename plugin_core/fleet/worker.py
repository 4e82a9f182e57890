"""A worker's process: calls for practices that are due, works on those it is called for, until it is told to stop.

Any number may run, on one computer or several, of this version or the next (F98). SIGTERM and Ctrl-C let each turn end
at its next page; what is left then is left to its lease (F100).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from secrets import token_hex

from procrastinate import App
from procrastinate.exceptions import ConnectorException
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL

from ..signal import pages  # noqa: F401 - here and not in the first turn, like the next: numpy takes a tenth of a second
from ..store.database import engine_of, plainly
from ..sync import run  # noqa: F401
from ..threads import begin, started
from . import buckets, due, queue
from .dispatch import Dispatcher, dispatch
from .heap import one_heap
from .host import Host, demand_version
from .watch import Watch
from .work import Work

log = logging.getLogger(__name__)
TIDY_SECONDS = 60.0
TIDY_COUNTS_EVERY = 60  # rounds: once an hour
CONNECTIONS = 3  # a turn reads, writes and counts requests
CLOCK_SECONDS = 30.0
POLL_SECONDS = 5.0  # without LISTEN (a connection pooler in between), calls are found by looking


class Worker:
    """One process.

    :param host: the host's settings.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.stopping = threading.Event()
        self._ended = threading.Event()
        self._anew = False
        self._url = host.address(host.roles.worker)
        self.pool = pool_of(self._url, host.worker.parallel, host.worker.lease_seconds)
        owner = f"{socket.gethostname()}:{os.getpid()}:{token_hex(4)}"
        self.work = Work(host, self.pool, owner, self.stopping)
        self._main: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- two ways to run --------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Works until SIGTERM or Ctrl-C.

        :raises StoreError: the store is not prepared for this version, or does not open.
        """
        one_heap()
        try:
            self._prepare()
            gc.collect()
            gc.freeze()
            dispatcher = Dispatcher(self.pool, queue.defer, self.host.worker.parallel, self.stopping, queue.waiting)
            self.work.finished = dispatcher.free
            begin(dispatcher)
            begin(Watch(self.work, self._begin_anew, self._ended))
            asyncio.run(self._serve())
        finally:
            self._end()

    def once(self) -> int:
        """Works on all that is due at this moment, one practice after the other; gives how many turns there were.

        It calls itself for one at a time: what it had called and not begun, running workers would leave to it.
        """
        turns = 0
        try:
            self._prepare(queued=False)
            while called := dispatch(self.pool, lambda *_: None, most=sys.maxsize, at_once=1):
                turns += sum(self.work.run(one.practice) is not None for one in called)
        finally:
            self._end()
        return turns

    # --- the process ------------------------------------------------------------------------------------------------

    def _prepare(self, *, queued: bool = True) -> None:
        with plainly(self.pool):
            demand_version(self.pool)
            self._look_at_the_clock()
            if queued:
                with self.pool.begin() as conn:
                    if queue.make(conn):
                        log.info("the queue's tables were made")

    def _look_at_the_clock(self) -> None:
        """Leases and due times go by the database's clock. What a turn itself does by this computer's (who is asked
        when, tokens for a platform, the times in reports) goes wrong where that is wrong, and nobody would know."""
        begun = time.time()
        with self.pool.begin() as conn:
            ahead = due.database_now(conn) / 1000 - (begun + time.time()) / 2
        if abs(ahead) > CLOCK_SECONDS:
            log.warning(
                "the clock of this computer and that of the database differ by %d seconds: let both take the time from "
                "one place (NTP)",
                round(abs(ahead)),
            )

    async def _serve(self) -> None:
        made = self.host.worker
        loop = self._loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(made.parallel + 2, thread_name_prefix="turn"))
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self.stop)
        self._main = asyncio.create_task(self._listen())
        log.info("worker %s works for %s practices at once", self.work.owner, made.parallel)
        try:
            await self._main
        except asyncio.CancelledError:
            log.info("worker %s has stopped", self.work.owner)

    async def _listen(self) -> None:
        """Takes calls until it is cancelled. The queue gives up on a database that is away for half a minute; then it
        is opened anew until the database is back, so that a long restart needs nobody who starts workers again."""
        while True:
            app = queue.for_worker(self._url, self._called, self.host.worker.parallel)
            try:
                async with app.open_async():
                    await self._take_calls(app)
            except ConnectorException:
                log.warning("the queue cannot be reached; it is tried again every %d seconds", POLL_SECONDS)
            await asyncio.sleep(POLL_SECONDS)

    async def _take_calls(self, app: App) -> None:
        tidying = asyncio.create_task(self._tidy(app))
        try:
            await app.run_worker_async(
                queues=[queue.QUEUE],
                concurrency=self.host.worker.parallel,
                fetch_job_polling_interval=POLL_SECONDS,
                delete_jobs="always",
                install_signal_handlers=False,
            )
        finally:
            tidying.cancel()

    def _called(self, practice: str, asked: int) -> None:
        """A call has come. One of a newer version is left to a newer worker: the practice stays due in our table."""
        if asked <= due.VERSION:
            self.work.run(practice)

    async def _tidy(self, app: App) -> None:
        for number in count():
            try:
                if gone := await queue.tidy(app):
                    log.info("%s calls of workers that are gone were taken out", gone)
                if number % TIDY_COUNTS_EVERY == 0:
                    await asyncio.to_thread(self._tidy_counts)
            except Exception as error:  # noqa: BLE001 - the queue is no reason to stop working; it tries again
                log.warning("the queue could not be tidied (%s)", type(error).__name__)
            await asyncio.sleep(TIDY_SECONDS)

    def _tidy_counts(self) -> None:
        with plainly(self.pool), self.pool.begin() as conn:
            buckets.tidy(conn, due.database_now(conn))

    # --- stopping ---------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Lets each turn end at its next page, then ends; at the latest after the grace time. Where it was about to
        begin anew, it ends all the same."""
        self._anew = False
        self._wind_up()

    def _wind_up(self) -> None:
        if self.stopping.is_set():
            return
        self.stopping.set()
        started(threading.Thread(target=self._last_moment, name="last moment", daemon=True))
        if self._loop is not None and self._main is not None:
            self._loop.call_soon_threadsafe(self._main.cancel)

    def _begin_anew(self) -> None:
        """A turn hangs: a new process takes this one's place once the others have ended, unless it is to stop."""
        if not self.stopping.is_set():
            self._anew = True
        self._wind_up()

    def _last_moment(self) -> None:
        """A thread that does not end keeps no process: its lease runs out, and its fence is another's then."""
        until = time.monotonic() + self.host.worker.grace_seconds
        while self.work.running and time.monotonic() < until:
            time.sleep(0.05)
        if self._anew or self.work.running:
            self._leave()

    def _leave(self) -> None:
        logging.shutdown()
        if self._anew:
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves, as we were called
        os._exit(0)

    def _end(self) -> None:
        self._ended.set()
        self.pool.dispose()


@contextmanager
def connected(host: Host) -> Iterator[Connection]:
    """A transaction of the worker's role, for a look at the due table or a wish.

    :raises StoreError: the database is away.
    """
    engine = pool_of(host.address(host.roles.worker), 1, host.worker.lease_seconds)
    try:
        with plainly(engine), engine.begin() as conn:
            yield conn
    finally:
        engine.dispose()


def pool_of(url: URL, parallel: int, lease_seconds: int) -> Engine:
    """A worker's connections. The server cuts one whose worker stands still in the middle of a transaction, or is gone
    without a word (a computer that lost its power), so that what it had locked is free for the next."""
    idle = f"-c idle_in_transaction_session_timeout={lease_seconds * 1000}"
    alive = "-c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
    given = url.query.get("options", "")
    asked = url.update_query_dict({"options": f"{given} {idle} {alive}".strip()})
    return engine_of(asked.render_as_string(hide_password=False), kept=CONNECTIONS * parallel + 2)
