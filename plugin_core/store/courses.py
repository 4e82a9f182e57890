"""Forms as the rules read them, client by client."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, tzinfo
from operator import itemgetter

import msgspec

from ...schemas.records import ScoredForm
from ...schemas.vocab import Mode
from .database import Tx
from .forms import Stored, as_answers, place, remote_ids
from .ready import OfKeys
from .scores import decoded
from .sql import from_ms
from .tables import responses

Series = dict[str, list[tuple[str, str, ScoredForm]]]
"""Client key -> (instrument, version, form), oldest first."""


class _Read(Stored, array_like=True, gc=False):
    """What is sealed of a response, each score still in its bytes, of which few are different."""

    scores: list[msgspec.Raw]  # type: ignore[assignment]


_form_of = msgspec.json.Decoder(_Read).decode
_NO_TAGS: frozenset[str] = frozenset()
_MODES = {mode.value: mode for mode in Mode}
_columns = responses.c
_active = OfKeys(
    _columns.client,
    *(_columns.key, _columns.client, _columns.instrument, _columns.instrument_version, _columns.authored_ms),
    *(_columns.offset_min, _columns.scored_by, _columns.sealed),
    where=_columns.active,
)
_when = itemgetter(4)  # authored_ms


def forms_of(
    tx: Tx, client_keys: Sequence[str], zone: tzinfo | None = None, scored_by: dict[str, str] | None = None
) -> Series:
    """The active forms of clients, oldest first: client key -> (instrument, version, form). Form ids are our keys.

    :param zone: the practice's, since many platforms write UTC. None: each form in the offset that it came with.
    :param scored_by: is given, for each form, the start of the hash of the instrument that it was scored by.
    """
    found: Series = {key: [] for key in client_keys}
    last: dict[str, int] = {}
    same: set[str] = set()
    unseal, at = tx.sealer.open, place(tx, "")
    # Ordered here: rows lie in the database about as they came, and to order them SQLite copies each of them.
    for key, client, instrument, version, ms, offset, by, sealed in sorted(_active.rows(tx, client_keys), key=_when):
        if scored_by is not None:
            scored_by[key] = by
        stored = _form_of(unseal(at + key, sealed))
        form = _form(key, from_ms(ms, offset) if zone is None else _in_zone(ms, zone), stored)
        found[client].append((instrument, version, form))
        if last.get(client) == ms:
            same.add(client)
        last[client] = ms
    _settle(tx, same, found)
    return found


def _in_zone(ms: int, zone: tzinfo) -> datetime:
    """The instant by the practice's clock."""
    if ms < 0:  # of which Windows knows no date
        return from_ms(ms).astimezone(zone)
    return datetime.fromtimestamp(ms / 1000, zone)  # a third of the time; exact, since it rounds to microseconds


def _settle(tx: Tx, same: Collection[str], found: Mapping[str, list[tuple[str, str, ScoredForm]]]) -> None:
    """Orders forms of the very same instant by the platform's ids: our keys differ from store to store."""
    for client in same:
        ids = remote_ids(tx, [form.id for _, _, form in found[client]])
        # By the clock of the world: local times repeat themselves when summer time ends.
        found[client].sort(key=lambda one: (one[2].authored.timestamp(), ids[one[2].id]))


def _form(key: str, authored: datetime, stored: _Read) -> ScoredForm:
    return ScoredForm(
        key,
        authored,
        as_answers(stored.answers),
        decoded(stored.scores),
        stored.straight_line,
        frozenset(stored.tags) if stored.tags else _NO_TAGS,
        _MODES[stored.mode],
        stored.language,
    )
