"""Clients' records: asked of the platform, stored, and merged where it says that one was merged into another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from ...schemas.records import Client
from ..contracts import Adapter
from ..errors import PlatformError
from ..handed import of_platform
from ..store import Store, Tx, forms
from .points import reach
from .redirects import merge_as_told

BATCH = 200


@dataclass(frozen=True, slots=True)
class Told:
    """What the platform told of a batch of clients: how many have a new therapist, how many of their records were
    merged into others, how many it does not know, and the error that ended it."""

    moved: int
    merged: int
    unknown: int
    failed: PlatformError | None


def ask(store: Store, source: int, adapter: Adapter, refs: Mapping[str, str], on: date) -> Told:
    """Asks about a batch of clients (our key -> the platform's reference) and stores what it says.

    What a platform says before it fails is kept: one that is asked client by client may allow fewer requests than a
    batch has clients, and a sync would never come further.

    :param on: the day that a change of therapist is dated by, where the platform gives none.
    """
    found, failed = _found(adapter, refs)
    answers = {key: found.get(ref) for key, ref in refs.items() if failed is None or ref in found}

    def write(tx: Tx) -> tuple[int, int]:
        moved = forms.save_clients(tx, answers, on)
        forms.mark_keys_dirty(tx, moved)
        merged = merge_as_told(tx, source, answers)
        reach("clients-before-commit")
        return len(moved), merged

    merges = any(client is not None and client.replaced_by for client in answers.values())
    moved, merged = store.write(write, source, again=not merges) if answers else (0, 0)  # a merge stands in the trail
    reach("clients-after-commit")
    return Told(moved, merged, sum(client is None for client in answers.values()), failed)


def _found(adapter: Adapter, refs: Mapping[str, str]) -> tuple[dict[str, Client], PlatformError | None]:
    found = {}
    try:
        for client in adapter.clients(list(refs.values())):
            found[client.ref] = of_platform(client, Client)
    except PlatformError as error:
        return found, error
    return found, None
