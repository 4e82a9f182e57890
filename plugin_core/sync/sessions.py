"""Attended sessions: asked of the platform for clients who have news, stored, and read for the rules and the cadence.

Asked before the rules read, for every client whose course is about to be read, and for those who are asked by sessions
instead of weeks. Sessions are an extra: where they cannot be had it is said, and nothing else waits for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, tzinfo
from typing import cast

from ...schemas.records import Session
from ..contracts import Adapter, WithSessions
from ..handed import of_platform
from ..store import Store, Tx, enrolments, forms, sessions
from ..store.sql import chunks
from .points import reach

BATCH = 100


def pull(store: Store, source: int, adapter: Adapter) -> int:
    """Asks for the sessions of all who have news and stores them; gives how many clients' sessions have changed.

    Raises PlatformErrors as the adapter does; what was stored before one stands.
    """
    with store.reading(source) as tx:
        wanted = _with_news(tx)
        refs = {key: stored.ref for key, stored in forms.read_clients(tx, wanted).items()}
    return sum(len(fetch(store, source, adapter, {key: refs[key] for key in part})) for part in chunks(refs, BATCH))


def fetch(store: Store, source: int, adapter: Adapter, refs: Mapping[str, str]) -> list[str]:
    """Stores what the platform has now of these clients' sessions (our key -> its reference); gives whose changed."""
    keys = {ref: key for key, ref in refs.items()}
    found: dict[str, list[Session]] = {key: [] for key in refs}
    for given in cast(WithSessions, adapter).sessions(list(keys)):
        session = of_platform(given, Session)
        found[keys[session.client]].append(session)

    def write(tx: Tx) -> list[str]:
        changed = sessions.save(tx, found)
        forms.mark_keys_dirty(tx, changed)
        reach("sessions-before-commit")
        return changed

    changed = store.write(write, source)
    reach("sessions-after-commit")
    return changed


def _with_news(tx: Tx) -> list[str]:
    by_sessions = [key for key, one in enrolments.read(tx).items() if one.every_sessions]
    found = dict.fromkeys(by_sessions)
    after = ""
    while keys := forms.dirty(tx, after, BATCH):
        found.update(dict.fromkeys(keys))
        after = keys[-1]
    return list(found)


def attended(tx: Tx, keys: Sequence[str], zone: tzinfo | None) -> dict[str, tuple[datetime, ...]] | None:
    """Starts of the days of attended sessions, in the practice's zone; None where the platform never gave any, since
    "none attended" would then be a guess."""
    if not sessions.known(tx):
        return None
    return {
        key: tuple(datetime.combine(day, time(), zone) for day in days) for key, days in sessions.read(tx, keys).items()
    }
