"""One practice's turn with a worker, from the lease to the next due time. Any number of threads may be in here."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Engine as Pool

from ..engine import Engine
from ..errors import Busy, HandrailError
from ..manager import Plugins
from ..schedule import alarm
from ..store import book
from ..store.database import plainly
from ..sync.ingest import STREAM
from ..sync.outcome import only_untold
from ..words import tr
from . import due, telling
from .buckets import Buckets
from .heap import Sweep
from .host import Host
from .hosted import Hosted
from .kinds import DO, Outcome, of_error
from .lease import Clock, Guard, Lease, LeaseLost, give_back, lost, renew, take
from .timing import FAILURES, Ended
from .turn import Turn

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Running:
    """A turn under way, the thread that it is in, and what plugins it works with once it does."""

    lease: Lease
    turn: Turn
    thread: int
    plugins: Plugins | None = None


@dataclass(slots=True)
class Result:
    """How a turn ended. `told`: the practice was written to because of it."""

    ended: Ended
    problem: str | None = None
    done: tuple[str, ...] = ()
    told: bool = False


class Work:
    """What a worker process has for all its turns.

    :param host: the host's settings.
    :param pool: connections as the worker's role.
    :param owner: this process, as the due table names it.
    :param stopping: set when it is to end.
    :param clock: what leases and due times go by.
    """

    def __init__(
        self, host: Host, pool: Pool, owner: str, stopping: threading.Event, clock: Clock = due.database_now
    ) -> None:
        self.host = host
        self.pool = pool
        self.owner = owner
        self.stopping = stopping
        self.clock = clock
        self.running: dict[int, Running] = {}
        self.lease_ms = host.worker.lease_seconds * 1000
        self._buckets = Buckets(pool)
        self._sweep = Sweep()
        self.finished: Callable[[], None] = lambda: None

    def run(self, practice: str) -> Ended | None:
        """Works on a practice if it is due and nobody has it; gives how the turn ended, None where there was none."""
        lease = self._take(practice)
        if lease is None:
            return None
        made = self.host.worker
        turn = Turn(made.pages, made.seconds, self.stopping)
        me = threading.get_ident()
        self.running[me] = running = Running(lease, turn, me)
        try:
            result = self._turn(running)
            log.info("practice %s: %s", practice, result.ended.value)
            if not self._give_back(lease, turn, result):
                raise LeaseLost(lost(practice))
            return result.ended
        except LeaseLost as error:
            log.warning("%s", error.message)
            return None
        finally:
            self.running.pop(me, None)
            self.finished()
            self._sweep.after_a_turn()

    def keep(self, running: Running) -> bool:
        """Renews the lease of a turn that takes long; False: it is another's."""
        with plainly(self.pool), self.pool.begin() as conn:
            return renew(conn, running.lease, self.lease_ms, self.clock(conn))

    # --- taking and giving back -----------------------------------------------------------------------------------

    def _take(self, practice: str) -> Lease | None:
        if self.stopping.is_set():
            return None
        with plainly(self.pool), self.pool.begin() as conn:
            return take(conn, practice, self.owner, self.lease_ms, self.clock(conn))

    def _give_back(self, lease: Lease, turn: Turn, result: Result) -> bool:
        wait = None if turn.wait_seconds is None else int(turn.wait_seconds * 1000)
        with plainly(self.pool), self.pool.begin() as conn:
            now = self.clock(conn)
            return give_back(
                conn,
                lease,
                result.ended,
                now,
                done=result.done,
                problem=result.problem,
                not_before_ms=None if wait is None else now + wait,
                told=result.told,
            )

    # --- the turn itself ------------------------------------------------------------------------------------------

    def _turn(self, running: Running) -> Result:
        lease, turn = running.lease, running.turn
        try:
            with self._engine(running) as engine:
                return self._kinds(engine, lease, turn)
        except LeaseLost:
            raise
        except HandrailError as error:  # settings, key, store: before there was an engine to work with
            ended, problem, _ = _of(error)
            return self._told(None, lease, turn, Result(settled(turn, ended), problem))
        except Exception as error:  # noqa: BLE001 - as in _guarded; not given back, it would be tried without a pause
            return self._told(None, lease, turn, Result(Ended.BROKEN, _unforeseen(error)))

    def _engine(self, running: Running) -> Engine:
        lease, turn = running.lease, running.turn
        settings = self.host.settings_of(lease.practice)
        guard = Guard(lease, self.lease_ms, turn.seen, self.clock)
        running.plugins = _plugins(settings.plugins)
        return Engine(
            settings,
            plugins=running.plugins,
            progress=turn.progress,
            sleep=turn.sleep,
            hosted=Hosted(self.pool, guard, self._buckets),
        )

    def _kinds(self, engine: Engine, lease: Lease, turn: Turn) -> Result:
        done: list[str] = []
        outcome: Outcome = Ended.DONE, None, None
        turn.resumable = _moved(engine)
        for kind in lease.kinds:
            outcome = _guarded(engine, kind)
            turn.seen()
            if outcome[0] is not Ended.DONE:
                break
            done.append(kind)
        ended, problem, report = outcome
        ended = settled(turn, ended)
        # Neither waiting nor giving way is a failure, but for a day of it somebody must look at new answers elsewhere.
        counts = ended in (FAILURES | {Ended.DONE}) or alarm.stale(engine) is not None
        if "sync" in lease.kinds and counts:
            untold = report is not None and only_untold(report)
            said = (
                None
                if ended is Ended.DONE or "sync" in done
                else problem or tr("The platform could not be read to the end.")
            )
            alarm.ended(engine, said, log.warning, read=untold)
        return self._told(engine, lease, turn, Result(ended, problem, tuple(done)))

    def _told(self, engine: Engine | None, lease: Lease, turn: Turn, result: Result) -> Result:
        """Says once what only a person can mend (F96); how often it was tried since, nobody needs to read. Where the
        sync itself succeeded, the practice has nothing to mend: whoever asked for more sees it in the list."""
        turn.seen()
        if result.ended not in (Ended.WRONG, Ended.BROKEN) or lease.told_ms is not None:
            return result
        log.warning("practice %s: %s", lease.practice, result.problem)
        if "sync" in result.done:
            return result
        if engine is not None:
            telling.tell(engine, result.problem or "", log.warning)
        result.told = True
        return result


def _guarded(engine: Engine, kind: str) -> Outcome:
    try:
        return DO[kind](engine)
    except LeaseLost:
        raise
    except HandrailError as error:
        return _of(error)
    except Exception as error:  # noqa: BLE001 - one practice's unforeseen fault must not end the worker of all
        return Ended.BROKEN, _unforeseen(error), None


def _of(error: HandrailError) -> Outcome:
    return (Ended.BUSY, error.message, None) if isinstance(error, Busy) else of_error(error)


def _unforeseen(error: Exception) -> str:
    """Kind and place of a fault. Its own text may hold data (S24) and is kept nowhere."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error("unforeseen fault %s in %s line %s", type(error).__name__, place.filename, place.lineno)
    return tr("An unforeseen fault ({fault}).", fault=type(error).__name__)


def settled(turn: Turn, ended: Ended) -> Ended:
    """What became of a turn that ended early: not the platform's failure where we ended it ourselves."""
    if ended is not Ended.AWAY:
        return ended
    if turn.wait_seconds is not None:
        return Ended.LATER
    return Ended.MORE if turn.gave_way else ended


def _moved(engine: Engine) -> Callable[[], bool]:
    """Whether this turn has brought the cursor further: else the next one would begin at the same place (F13)."""

    def place() -> object:
        with engine.store.reading(engine.source) as tx:
            return book.cursor(tx, STREAM)

    before = place()
    return lambda: place() != before


@lru_cache(maxsize=32)
def _loaded(allowed: tuple[str, ...]) -> Plugins:
    return Plugins(allowed).load()


def _plugins(allowed: tuple[str, ...]) -> Plugins:
    """Loaded once for all practices that allow the same; one that fails is tried anew each time."""
    found = _loaded(allowed)
    if found.problems():
        _loaded.cache_clear()
    return found
