"""Whether rules or forms have changed since all courses were last read: a new version, a plugin, an edited file.

A sync reads only courses with news, so such a change reaches the others by `rescore` or `sync --full`. Both may call
for many flags at once; nobody is to find thousands in the charts who has not agreed to the number (F90).
"""

from __future__ import annotations

from ...schemas.records import Cursor
from ..registry import Registry
from ..store import Store, Tx, book, forms
from ..words import mark, tr

STREAM = "judged"
CHANGED = mark(
    "Rules or forms have changed since all courses were last read by them. See what that changes: handrail rescore"
)


def by(store: Store, registry: Registry) -> str:
    """A hash of all rules and forms that judge clients today."""
    rules = sorted(f"{one.descriptor.id}/{one.descriptor.version}" for one in registry.rules.values())
    asked = sorted(f"{one.descriptor.id}/{one.descriptor.sha256}" for one in registry.instruments.values())
    return store.sealer.fingerprint("\n".join([*rules, *asked]).encode())


def note(store: Store, source: int, registry: Registry) -> None:
    """All courses were read by what judges today."""
    store.write(lambda tx: book.set_cursor(tx, Cursor(STREAM, token=by(store, registry))), source)


def begin(store: Store, source: int, registry: Registry, *, full: bool) -> list[str]:
    """At the start of a sync: gives what is to be said. A full one by other rules reads every course, and asks before
    it pushes what comes of that."""
    with store.reading(source) as tx:
        last = book.cursor(tx, STREAM)
    if last is None:
        note(store, source, registry)
    elif last.token != by(store, registry):
        if not full:
            return [tr(CHANGED)]
        store.write(_all_anew, source)
    return []


def _all_anew(tx: Tx) -> None:
    book.stop_pushing(tx)
    forms.mark_all_dirty(tx)
