"""Leaving a platform: everything that Handrail put there is taken back, then the connection is forgotten.

In this order, each step committed: pushing is switched off, so that no sync in between adds anything; every flag that
the platform shows, or may show, is to be retracted; they are sent; open requests are taken back; only when nothing is
left there are the settings of the platform removed. Stopped or refused in the middle, the same command goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, delete, func, select, update

from ...schemas.vocab import DeliveryState, RemoteState
from ..contracts import HookContext
from ..errors import HandrailError, PlatformError, Unreachable, UsageError
from ..safety.standing import unseen_sentence
from ..settings import save
from ..store import Tx, asks, book, keys, notices, outgoing
from ..store.database import now_ms
from ..store.tables import deliveries, metadata, sources
from ..sync.lock import exclusive
from ..sync.points import reach
from ..sync.push import Push
from ..words import tr, trn

if TYPE_CHECKING:
    from ..engine import Engine

POINTS = ("leaving-push-off", "leaving-marked", "leaving-retracted", "leaving-asks", "leaving-forgotten")
_SHOWN = (RemoteState.ACTIVE.value, RemoteState.INACTIVE.value)


@dataclass(slots=True)
class Left:
    """What became of it: entries taken back, entries and requests that are still there, what stays here and why.

    `error` is what stopped it, None when the platform is forgotten.
    """

    counts: Counter[str] = field(default_factory=Counter)
    still_there: int = 0
    stays: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    error: HandrailError | None = None

    @property
    def forgotten(self) -> bool:
        """Whether the connection is gone from the settings."""
        return self.error is None and not self.still_there


def standing(tx: Tx, flag_keys: Sequence[str] | None = None) -> int:
    """How many entries the platform shows, or may show, of all flags or of these; those whose sending had no known
    outcome count."""
    where = (deliveries.c.source == tx.source) & _there()
    if flag_keys is not None:
        where = where & deliveries.c.flag.in_(flag_keys)
    return int(tx.conn.execute(select(func.count()).where(where)).scalar_one())


def _there() -> ColumnElement[bool]:
    unsure = (deliveries.c.state == DeliveryState.PENDING.value) & (deliveries.c.attempts > 0)
    return deliveries.c.on_platform.in_(_SHOWN) | (unsure & (deliveries.c.on_platform != RemoteState.RETRACTED.value))


def disconnect(engine: Engine, author: str, *, retract: bool, leave: bool, erase: bool) -> Left:
    """Forgets the platform.

    :param retract: take back everything that was pushed, first.
    :param leave: leave what stands there; people must see to it by hand.
    :param erase: delete everything that is stored here of this platform, too.
    :raises UsageError: entries stand there, and neither was said; or a safety answer has not been seen by anybody.
    """
    store, source = engine.store, engine.source
    demand_seen(engine)
    with exclusive(store, "disconnecting"):
        with store.reading(source) as tx:
            there = standing(tx)
        if there and not (retract or leave):
            raise UsageError(
                trn(
                    "{count} entry of Handrail stands on the platform. Take it back first: handrail disconnect "
                    "--retract-all. Or leave it to be removed by hand: handrail disconnect --leave-on-platform",
                    "{count} entries of Handrail stand on the platform. Take them back first: handrail disconnect "
                    "--retract-all. Or leave them to be removed by hand: handrail disconnect --leave-on-platform",
                    there,
                )
            )
        done = Left()
        save(engine.settings.file, {"push.on": False})
        reach("leaving-push-off")
        if retract:
            _retract(engine, done)
        _requests(engine, done, leave=leave)
        reach("leaving-asks")
        with store.reading(source) as tx:
            there = standing(tx)
        done.counts["left_on_platform"] = there if leave else 0
        done.still_there = 0 if leave else there
        if done.still_there == 0 and (done.error is None or leave):
            done.error = None
            _forget(engine, author, done, erase=erase)
            reach("leaving-forgotten")
    return done


def demand_seen(engine: Engine, client: str | None = None) -> None:
    """That somebody has seen every safety answer, or every one of this client: afterwards nobody is told any more.

    :raises UsageError: nobody has.
    """
    with engine.store.reading(engine.source) as tx:
        unseen = [one for one in notices.unclosed(tx) if not one.seen and client in (None, one.client)]
    if unseen:
        raise UsageError(
            tr(
                "Nothing was changed. First look, and say so by handrail ack. {unseen}",
                unseen=unseen_sentence(len(unseen)),
            )
        )


# --- taking back -----------------------------------------------------------------------------------------------------


def want_nothing_there(tx: Tx, flag_keys: Sequence[str] | None = None) -> None:
    """Every delivery, or those of these flags, is to be retracted, also one that was refused before: once more now."""
    mine = deliveries.c.source == tx.source
    query = select(deliveries.c.flag).where(mine).distinct()
    keys_ = list(tx.conn.execute(query).scalars()) if flag_keys is None else list(flag_keys)
    outgoing.want(tx, dict.fromkeys(keys_, RemoteState.RETRACTED), ())
    again = mine & (deliveries.c.wanted == RemoteState.RETRACTED.value) & _there()
    if flag_keys is not None:
        again = again & deliveries.c.flag.in_(keys_)
    values = {"state": DeliveryState.PENDING.value, "not_before_ms": None, "problem": None, "changed_ms": now_ms()}
    tx.conn.execute(update(deliveries).where(again).values(**values))


def take_back(
    engine: Engine, counts: Counter[str], problems: list[str], only: Sequence[str] | None = None
) -> HandrailError | None:
    """Sends the retractions, of all flags or of those with these keys; gives what stopped it."""
    context = HookContext(engine.settings.practice, engine.spec.name, engine.now())
    try:
        sender = Push(engine.store, engine.source, engine.registry, engine.adapter, context, {}, engine.progress, only)
        pushed = sender.run()
    except PlatformError as error:
        return error
    counts.update(pushed.counts)
    problems += pushed.problems
    return pushed.error


def _retract(engine: Engine, done: Left) -> None:
    engine.store.write(want_nothing_there, engine.source)
    reach("leaving-marked")
    with engine.store.reading(engine.source) as tx:
        if not standing(tx):  # nothing to send: a command that goes on may have no secret to sign in with any more
            return
    done.error = take_back(engine, done.counts, done.problems)
    reach("leaving-retracted")


def _requests(engine: Engine, done: Left, *, leave: bool) -> None:
    """Open requests to clients are closed here, and their channels are asked to take them back."""
    now = engine.now()

    closed = engine.store.write(lambda tx: asks.close(tx, asks.read(tx, states=asks.LIVE), now), engine.source)
    done.counts["requests_closed"] += closed
    if leave or done.error is not None:
        return
    with engine.store.reading(engine.source) as tx:
        waiting = len(asks.read(tx, recall=True))
    if waiting:
        try:
            done.problems += engine.collecting.recall().problems
        except PlatformError as error:
            done.error = error
        with engine.store.reading(engine.source) as tx:
            left = len(asks.read(tx, recall=True))
        done.counts["requests_taken_back"] += waiting - left
        if left and done.error is None:
            done.error = Unreachable(
                tr("{left} requests to clients could not be taken back yet. Run it again later.", left=left)
            )


# --- forgetting ------------------------------------------------------------------------------------------------------


def _forget(engine: Engine, author: str, done: Left, *, erase: bool) -> None:
    """The store first, then the settings: stopped between the two, the same command finds nothing to do and ends."""
    connection = engine.connection

    def write(tx: Tx) -> int:
        tx.conn.execute(update(sources).where(sources.c.id == tx.source).values(pushing_since_ms=None))
        rows = _erase_source(tx) if erase else 0
        book.record(tx, author, "platform-disconnected", None, f"{rows} rows erased" if erase else None)
        return rows

    done.counts["rows_erased"] += engine.store.write(write, engine.source)
    gone = [name for name, reference in connection.secrets.items() if _remove_secret(engine, name, reference)]
    done.counts["secrets_removed"] = len(gone)
    kept = sorted(set(connection.secrets) - set(gone))
    if kept:
        done.stays.append(
            tr(
                "The secrets {kept} lie where you put them (a file or keyring entry of yours). Remove them, and "
                "withdraw them on the platform, if nothing else uses them.",
                kept=", ".join(kept),
            )
        )
    if not erase:
        done.stays.append(
            tr(
                "What was read from the platform stays here, sealed: forms, scores, flags with what people noted, "
                "the audit trail. Read, export and erase single clients as before: handrail client, handrail "
                "export, handrail erase. To delete all of it, disconnect with --erase."
            )
        )
    done.stays.append(
        tr("On the platform, what was taken back stays visible as entered in error, as its records require.")
    )
    save(engine.settings.file, {"platform": None, "push.carriers": [], "push.reasons": []})


def _erase_source(tx: Tx) -> int:
    """Deletes the rows of this connection from every table that has them."""
    rows = 0
    for table in metadata.sorted_tables:
        if "source" in table.c:
            rows += tx.conn.execute(delete(table).where(table.c.source == tx.source)).rowcount
    tx.conn.execute(update(sources).where(sources.c.id == tx.source).values(fingerprint=None))
    return rows


def _remove_secret(engine: Engine, name: str, reference: str) -> bool:
    """Removes a secret that `connect` itself had stored; one that a person pointed to is theirs."""
    settings, platform = engine.settings, engine.connection.platform
    ours = (f"keyring:{settings.practice}-{platform}-{name}", f"file:{platform}-{name}.secret")
    if reference not in ours:
        return False
    keys.remove(settings.reference(reference))
    return True
