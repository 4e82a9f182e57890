"""The middle of a page's way into the store: forms are read through their mapping, judged, scored and sealed.

Nothing here reads or writes the store, so a copy of this process may do it for whole pages (`Beside`): most of a first
pull's time is spent here. Everything else of a page, all writes, hooks and messages, stays in the one process, and a
page is whole again before it is written: its order, and what is told before the next page is waited for, are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from ...schemas.records import Quarantined, Response
from ...schemas.responses import ResponseSchema, judge
from ...schemas.vocab import SCORED_STATUSES, QuarantineReason
from ..contracts import RemoteResponse
from ..mapping import FormReader
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
LEAST = 100  # forms of a page below which nothing is handed over
_SCORED = {status.value for status in SCORED_STATUSES}
_NOT_CONTENT = ("id", "version", "updated")
_encode = msgspec.json.Encoder().encode


Asked = tuple[str, RemoteResponse, str | None]
"""A form that is to be judged: its key, as it came, the content hash of what the store has of it (None: nothing)."""


class Fresh(NamedTuple):
    """A form that is new or changed: its key, as its mapping reads it, its content hash, whether it replaces one."""

    key: str
    flat: dict[str, Any]
    content: str
    replaces: bool


Good = tuple[Fresh, Response]
Why = tuple[QuarantineReason, str, str]


@dataclass(slots=True)
class Judged:
    """What is to be written of some forms of a page; `aside`: reason, where and message of those that failed.

    `unchanged` are those that the store has as they are, `news` those that were read through their mapping, `unscored`
    those of a status that is not (key -> status). `clients` are platform references by our key, `moved` the record that
    a form came with, where that is another's now.
    """

    unchanged: list[str] = field(default_factory=list)
    news: list[str] = field(default_factory=list)
    unscored: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    clients: dict[str, str] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    urgent: Found = field(default_factory=Found)
    aside: dict[str, Why] = field(default_factory=dict)
    replaced: int = 0
    score_missing: int = 0
    another_total: int = 0

    def is_of(self, asked: Sequence[Asked]) -> bool:
        """Whether it says of each of these forms, and of no other, what is to become of it."""
        return {key for key, _, _ in asked} == {*self.unchanged, *self.news, *self.unscored, *self.aside}


class Judging:
    """Judges, scores and seals forms of one source.

    :param reader: the confirmed mappings of the platform.
    :param redirects: whose a form is, when that is not the client whose name it bears.
    :param as_of: the moment of this run; a form from more than a day later is set aside.
    """

    def __init__(
        self,
        sealer: Sealer,
        source: int,
        registry: Registry,
        schema: ResponseSchema,
        reader: FormReader,
        redirects: Redirects,
        watch: Watch,
        as_of: datetime,
    ) -> None:
        self._tx = Tx(None, sealer, source)  # type: ignore[arg-type]  # only seals here
        self._registry = registry
        self._schema = schema
        self._reader = reader
        self._redirects = redirects
        self._watch = watch
        self._latest = as_of + FUTURE
        self.client_key = lru_cache(4096)(sealer.hasher("client", str(source)))

    def whole(self, asked: Sequence[Asked]) -> Judged:
        """All steps, where no plugin wants to see the records in between."""
        found = Judged()
        self.score(self.judge(self.read(asked, found), found), found)
        return found

    def read(self, asked: Iterable[Asked], found: Judged) -> list[Fresh]:
        """Those that are new or changed and could be read through their mapping; what the others are is added to
        `found`. A repeat is known by its content, before anything is judged or scored (F65)."""
        fresh: list[Fresh] = []
        for key, remote, stored in asked:
            if remote.status not in _SCORED:
                found.unscored[key] = remote.status
                continue
            flat = self._reader.read(remote)
            if isinstance(flat, Quarantined):
                found.aside[key] = flat.reason, flat.where, flat.message
                continue
            content = self._content(flat)
            if content and content == stored:
                found.unchanged.append(key)
            else:
                fresh.append(Fresh(key, flat, content, stored is not None))
        found.news += [one.key for one in fresh]
        return fresh

    def _content(self, flat: dict[str, Any]) -> str:
        """A hash of everything that bears on answers and scores; versions and server times do not, nor does another
        edition of the instrument's file: `rescore` reads stored forms anew by it, the platform need not send them.

        Empty, and so never equal to another, where a text cannot be encoded: the schema sets such a form aside (F52).
        """
        try:
            written = _encode({name: value for name, value in flat.items() if name not in _NOT_CONTENT})
        except UnicodeEncodeError:
            return ""
        return self._tx.sealer.fingerprint(written)

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


class Pages:
    """Hands pages to a copy of this process; what the copy does not answer is done here.

    :param work: judges forms, as `Judging.whole`.
    """

    def __init__(self, work: Callable[[Sequence[Asked]], Judged]) -> None:
        self._work = work
        self._copy: beside.Beside | None = None

    def begin(self) -> None:
        """Makes the copy, where that is possible. Before any thread is started, such as one that fetches ahead."""
        if self._copy is None and beside.possible():
            self._copy = beside.started(self._work)

    def takes(self, forms_of_page: int) -> bool:
        """Whether a page of so many forms is for the copy: this process also recognises, fetches and writes."""
        return self._copy is not None and forms_of_page >= LEAST

    def ask(self, part: Sequence[Asked]) -> None:
        """Hands them over, to be answered after those that were handed over before."""
        if self._copy is not None:
            try:
                self._copy.ask(part)
            except beside.Gone:
                self.end()

    def wait(self) -> None:
        """Returns as soon as an answer can be had."""
        if self._copy is not None:
            try:
                self._copy.wait()
            except beside.Gone:
                self.end()

    def answer(self, part: Sequence[Asked]) -> Judged:
        """What has become of the forms that were handed over first of those not answered yet."""
        try:
            if self._copy is not None:
                found: Judged = self._copy.answer()
                if found.is_of(part):  # a form that nobody speaks of would never come again
                    return found
                self.end()
        except beside.Gone:
            self.end()
        return self._work(part)

    def end(self) -> None:
        """Lets the copy go: it has nothing more to do, or it knows no longer what holds."""
        if self._copy is not None:
            self._copy.close()
            self._copy = None
