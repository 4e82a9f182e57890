"""The queue that wakes workers: Procrastinate, in the same database, in a schema of its own.

Nothing hangs on it. It may lose, delay or double any call: who is due, who works on whom and what was done is in our
own tables. So calls have no lock, no queueing lock and no retry (with them a killed worker can leave a practice blocked
for ever: F92, F93), and hold the practice's id and a version alone (S50). What is over is deleted at once (F99).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from .due import KINDS, VERSION, Called
from .host import QUEUE_SCHEMA as SCHEMA

log = logging.getLogger(__name__)
QUEUE = "handrail"
STALLED_SECONDS = 60.0
SLOW_SECONDS = 1.0
SAY_EVERY = 3600.0  # seconds: often enough for whoever looks, and a database that was away once hides no slow queue
KEPT_HOURS = 24


class Watched(JobManager):
    """Looks how long it takes to fetch a call: the first thing that grows when a queue does (F99)."""

    _said = -SAY_EVERY

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """As Procrastinate does."""
        begun = time.monotonic()
        try:
            return await super().fetch_job(queues, worker_id)
        finally:
            taken = time.monotonic() - begun
            if taken > SLOW_SECONDS and begun - self._said >= SAY_EVERY:
                self._said = begun
                log.warning(
                    "fetching a call took %.1f s; where the database was not away for that time, look at the size of "
                    "%s.procrastinate_jobs",
                    taken,
                    SCHEMA,
                )


def conninfo(url: URL) -> str:
    """The address as libpq takes it."""
    plain = url.set(drivername="postgresql")
    return plain.render_as_string(hide_password=False)


def for_worker(url: URL, run: Callable[[str, int], object], parallel: int) -> App:
    """The queue as a worker's process uses it.

    :param run: works on a practice; is given its id and the version of the call.
    """
    options = {"options": f"-c search_path={SCHEMA}"}
    app = App(
        connector=PsycopgConnector(conninfo=conninfo(url), kwargs=options, min_size=1, max_size=parallel + 3),
    )
    app.job_manager = Watched(app.connector)
    for kind in KINDS:
        app.task(name=kind, queue=QUEUE)(_task(run))
    return app


def _task(run: Callable[[str, int], object]) -> Callable[..., None]:
    def work(practice: str, v: int = VERSION, **_newer: Any) -> None:  # arguments are only ever added to (F98)
        run(practice, v)

    return work


_outside = JobManager(SyncPsycopgConnector())


def defer(conn: Connection, called: Sequence[Called]) -> None:
    """Puts calls into the queue within the open transaction, so that they are there if and only if it is committed."""
    jobs = [
        Job(
            queue=QUEUE,
            lock=None,
            queueing_lock=None,
            task_name=one.kind,
            task_kwargs={"practice": one.practice, "v": one.version},
        )
        for one in called
    ]
    conn.exec_driver_sql(f"SET LOCAL search_path = {SCHEMA}, public")
    _outside.batch_defer_jobs(jobs, connection=conn.connection.driver_connection)


def waiting(conn: Connection) -> int:
    """How many calls no worker has fetched yet."""
    count = f"SELECT count(*) FROM {SCHEMA}.procrastinate_jobs WHERE status = 'todo' AND queue_name = '{QUEUE}'"  # noqa: S608
    return int(conn.exec_driver_sql(count).scalar_one())


def make(conn: Connection) -> bool:
    """Makes the queue's tables where they are not there; gives whether it did."""
    there = conn.exec_driver_sql(f"SELECT to_regclass('{SCHEMA}.procrastinate_jobs')").scalar()
    if there is not None:
        return False
    if conn.exec_driver_sql(f"SELECT to_regnamespace('{SCHEMA}')").scalar() is None:
        conn.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
    conn.exec_driver_sql(f"SET LOCAL search_path = {SCHEMA}")
    schema = App(connector=SyncPsycopgConnector()).schema_manager.get_schema()
    conn.connection.cursor().execute(schema)  # past SQLAlchemy, which takes one statement at a time
    return True


async def tidy(app: App) -> int:
    """Takes out calls whose worker is gone and old ones that failed; gives how many were of a worker that is gone.

    Nobody is called anew here: the due table knows who has not been worked on (F92).
    """
    stalled = list(await app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=STALLED_SECONDS))
    for job in stalled:
        await app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
    await app.job_manager.delete_old_jobs(
        nb_hours=KEPT_HOURS, queue=QUEUE, include_failed=True, include_cancelled=True, include_aborted=True
    )
    return len(stalled)
