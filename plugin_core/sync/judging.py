"""The middle of a page's way into the store: forms as their mapping read them are judged, scored and sealed.

Nothing here reads or writes the store, so a copy of this process may do a part of each page (`Beside`): half of a first
pull's time is spent here. Everything else of a page, all writes, hooks and messages, stays in the one process, and a
page is whole again before it is written: its order, and what is told before the next page is asked for, are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from ...schemas.records import Response
from ...schemas.responses import ResponseSchema, judge
from ...schemas.vocab import QuarantineReason
from ..registry import Registry
from ..safety.arrival import Found, Watch
from ..scoring import differences
from ..store import Tx, forms
from ..store.seal import Sealer
from ..store.sql import Row
from ..words import kept
from . import beside
from .redirects import Redirects

FUTURE = timedelta(days=1)
LEAST = 100  # new forms of a page below which nothing is handed over
SHARE = 0.58  # of a page for the copy: this process also recognises, fetches and writes


class Fresh(NamedTuple):
    """A form that is new or changed: its key, as its mapping reads it, its content hash and what was hashed.

    `written` is all of `flat` but the names in `NOT_CONTENT`, as JSON; empty where that cannot be written.
    """

    key: str
    flat: dict[str, Any]
    content: str
    replaces: bool
    written: bytes


NOT_CONTENT = ("id", "version", "updated")
_decode = msgspec.json.Decoder().decode


Good = tuple[Fresh, Response]
Why = tuple[QuarantineReason, str, str]


@dataclass(slots=True)
class Judged:
    """What is to be written of some forms of a page; `aside`: reason, where and message of those that failed.

    `clients` are platform references by our key, `moved` the record that a form came with, where that is another's now.
    """

    rows: list[Row] = field(default_factory=list)
    clients: dict[str, str] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    urgent: Found = field(default_factory=Found)
    aside: dict[str, Why] = field(default_factory=dict)
    replaced: int = 0
    score_missing: int = 0
    another_total: int = 0


class Judging:
    """Judges, scores and seals forms of one source.

    :param redirects: whose a form is, when that is not the client whose name it bears.
    :param as_of: the moment of this run; a form from more than a day later is set aside.
    """

    def __init__(
        self,
        sealer: Sealer,
        source: int,
        registry: Registry,
        schema: ResponseSchema,
        redirects: Redirects,
        watch: Watch,
        as_of: datetime,
    ) -> None:
        self._tx = Tx(None, sealer, source)  # type: ignore[arg-type]  # only seals here
        self._registry = registry
        self._schema = schema
        self._redirects = redirects
        self._watch = watch
        self._latest = as_of + FUTURE
        self.client_key = lru_cache(4096)(sealer.hasher("client", str(source)))

    def whole(self, fresh: Sequence[Fresh]) -> Judged:
        """Both steps, where no plugin wants to see the records in between."""
        found = Judged()
        self.score(self.judge(fresh, found), found)
        return found

    def judge(self, fresh: Sequence[Fresh], found: Judged) -> list[Good]:
        """The records that pass the schema; why the others do not is added to `found`."""
        loaded, refused = judge(self._schema, [one.flat for one in fresh])
        for no in refused:
            found.aside[fresh[no.index].key] = no.reason, no.where, no.message
        if refused:
            broken = {no.index for no in refused}
            fresh = [one for index, one in enumerate(fresh) if index not in broken]
        good = list(zip(fresh, loaded, strict=True))
        if any(response.authored > self._latest for response in loaded):
            early = QuarantineReason.FUTURE_TIME, "authored", kept.IN_THE_FUTURE
            found.aside |= {one.key: early for one, response in good if response.authored > self._latest}
            good = [pair for pair in good if pair[1].authored <= self._latest]
        return good

    def score(self, good: Sequence[Good], found: Judged) -> None:
        """Scores and seals; adds rows, clients and safety flags to `found`."""
        for one, response in good:
            scorer = self._registry.scorer((response.instrument, response.instrument_version))
            instrument = scorer.instrument
            form = scorer.form(response)
            client, ref = self._owner(one.key, response, found)
            found.rows.append(forms.row(self._tx, one.key, client, response, form, one.content, instrument.sha256[:12]))
            found.clients[client] = ref
            self._watch.look(client, one.key, instrument, form, found.urgent)
            found.replaced += one.replaces
            found.score_missing += None in [score.value for score in form.scores.values()]
            if response.totals and differences(response.totals, form.scores):
                found.another_total += 1

    def _owner(self, key: str, response: Response, found: Judged) -> tuple[str, str]:
        """Our key and the platform's reference of the client whose form this is."""
        client, ref = self.client_key(response.client), response.client
        if self._redirects.any:
            client, ref, came_with = self._redirects.whose(key, client, ref)
            if client != came_with:
                found.moved[key] = came_with
        return client, ref


class Halves:
    """Hands a part of each page to a copy of this process; what the copy does not answer is done here.

    Forms go over as the bytes that were hashed: making others would cost a tenth of what is handed over.

    :param work: judges forms, as `Judging.whole`.
    """

    def __init__(self, work: Callable[[list[Fresh]], Judged]) -> None:
        self._work = work
        self._copy: beside.Beside | None = None

    def _there(self, part: list[tuple[Any, ...]]) -> Judged:
        """What the copy does."""
        return self._work([_unpacked(*one) for one in part])

    def begin(self) -> None:
        """Makes the copy, where that is possible. Before any thread is started, such as one that fetches ahead."""
        if self._copy is None and beside.possible():
            self._copy = beside.Beside(self._there)

    def share(self, forms_of_page: int) -> int:
        """How many forms of a page of so many are for the copy."""
        return int(forms_of_page * SHARE) if self._copy is not None and forms_of_page >= LEAST else 0

    def ask(self, part: list[Fresh]) -> bool:
        """Hands them over; False: there is nobody to do them, or one of them has a text that cannot be written."""
        if self._copy is None or not part or not all(one.written for one in part):
            return False
        try:
            self._copy.ask([_packed(one) for one in part])
        except beside.Gone:
            self.end()
        return self._copy is not None

    def answer(self, part: list[Fresh]) -> Judged:
        """What has become of the forms that were handed over."""
        try:
            if self._copy is not None:
                found: Judged = self._copy.answer()
                return found
        except beside.Gone:
            self.end()
        return self._work(part)

    def end(self) -> None:
        """Lets the copy go: it has nothing more to do, or it knows no longer what holds."""
        if self._copy is not None:
            self._copy.close()
            self._copy = None


def _packed(one: Fresh) -> tuple[Any, ...]:
    return (one.written, one.key, one.content, one.replaces, *map(one.flat.get, NOT_CONTENT))


def _unpacked(written: bytes, key: str, content: str, replaces: bool, *others: str | None) -> Fresh:
    flat = _decode(written)
    flat.update((name, value) for name, value in zip(NOT_CONTENT, others, strict=True) if value is not None)
    return Fresh(key, flat, content, replaces, written)
