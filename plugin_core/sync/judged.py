"""Whether rules or forms have changed since all courses were last read: a new version, a plugin, an edited file.

A sync reads only courses with news, so such a change reaches the others by `rescore` or `sync --full`. Both may call
for many flags at once; nobody is to find thousands in the charts who has not agreed to the number (F90).
"""

from __future__ import annotations

from collections.abc import Collection

from ...schemas.records import Cursor
from ..registry import Registry
from ..store import Store, Tx, book, forms
from ..words import mark, tr

STREAM = "judged"
FAILED = "rules-failed"
CHANGED = mark(
    "Rules or forms have changed since all courses were last read by them. See what that changes: handrail rescore"
)

LACKING = mark(
    "The rule {id} failed in an earlier run; the courses that were read then lack what it finds. See what that "
    "changes: handrail rescore"
)


def by(store: Store, registry: Registry) -> str:
    """A hash of all rules and forms that judge clients today."""
    rules = sorted(f"{one.descriptor.id}/{one.descriptor.version}" for one in registry.rules.values())
    asked = sorted(f"{one.descriptor.id}/{one.descriptor.sha256}" for one in registry.instruments.values())
    return store.sealer.fingerprint("\n".join([*rules, *asked]).encode())


def note(store: Store, source: int, registry: Registry, failed: Collection[str] = ()) -> None:
    """All courses were read by what judges today, but for rules that failed meanwhile (their ids)."""

    def write(tx: Tx) -> None:
        book.set_cursor(tx, Cursor(STREAM, token=by(store, registry)))
        _set_failed(tx, failed)

    store.write(write, source)


def lacking(store: Store, source: int, registry: Registry, failed: Collection[str]) -> list[str]:
    """After the rules have read what is new: remembers those that failed (their ids), and says of each that failed
    before and did not now that courses lack it. Whoever reads them again agrees to the number of flags first (F90)."""
    with store.reading(source) as tx:
        before = _failed(tx)
    if not before.issuperset(failed):
        store.write(lambda tx: _set_failed(tx, before.union(failed)), source)
    return [tr(LACKING, id=rule) for rule in sorted(before.difference(failed)) if rule in registry.rules]


def _failed(tx: Tx) -> set[str]:
    found = book.cursor(tx, FAILED)
    return set() if found is None or not found.token else set(found.token.split("\n"))


def _set_failed(tx: Tx, rules: Collection[str]) -> None:
    book.set_cursor(tx, Cursor(FAILED, token="\n".join(sorted(rules))))


def begin(store: Store, source: int, registry: Registry, *, full: bool) -> list[str]:
    """At the start of a sync: gives what is to be said. A full one by other rules reads every course, and asks before
    it pushes what comes of that."""
    with store.reading(source) as tx:
        last, failed = book.cursor(tx, STREAM), _failed(tx)
    if last is None:
        note(store, source, registry)
    elif last.token != by(store, registry):
        if not full:
            return [tr(CHANGED)]
        store.write(_all_anew, source)
    elif failed and full:
        store.write(_all_anew, source)
    return []


def _all_anew(tx: Tx) -> None:
    book.stop_pushing(tx)
    forms.mark_all_dirty(tx)
