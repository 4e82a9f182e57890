"""One page from the platform into the store: known? mapped? valid? scored? - and all of it in one transaction.

The order is by cost: a repeat is recognised by the hash of what its mapping reads in it, before anything is judged or
scored, so that an overlapping window costs little (F65). What cannot be read is set aside with its reason; the page
goes on (F48), unless so much of it breaks that the source must have changed its shape (F49).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from ...schemas.base import parse_time
from ...schemas.records import Flag, Quarantined, Response
from ...schemas.responses import ResponseSchema, judge
from ...schemas.vocab import SCORED_STATUSES, QuarantineReason
from ..contracts import HookContext, Page, Refusal, RemoteResponse
from ..errors import HandrailError, NotTheApi
from ..mapping import FormReader
from ..registry import Registry
from ..safety.arrival import Found, Settled, Watch, settle
from ..safety.unstored import Unstored
from ..scoring import differences
from ..store import Store, Tx, book, forms, mend
from ..store.sql import Row, to_ms
from ..words import kept, tr
from . import hooks
from .points import reach
from .redirects import Redirects

_encode = msgspec.json.Encoder().encode
_SCORED = {status.value for status in SCORED_STATUSES}
_NOT_CONTENT = frozenset({"id", "version", "updated"})
STREAM = "responses"
BROKEN_SHARE = 0.5
BROKEN_LEAST = 20
FUTURE = timedelta(days=1)
BACK_AGAIN = (
    "A form came from a client who was erased here, filled in since. It was not read, and no answer in it was looked "
    "at. If the client is back in care, run: handrail erase CLIENT --readmit"
)


@dataclass(slots=True)
class Ingested:
    """What became of one page. `clients` are keys of clients whose course changed."""

    counts: Counter[str] = field(default_factory=Counter)
    stored: list[Response] = field(default_factory=list)
    clients: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    urgent: list[Flag] = field(default_factory=list)


class _Fresh(NamedTuple):
    """A form that is new or changed: its key, as it came, as its mapping reads it, its content hash."""

    key: str
    remote: RemoteResponse
    flat: dict[str, Any]
    content: str
    replaces: bool


@dataclass(slots=True)
class _Work:
    """A page on its way: what is to be written, by response key. `fresh` counts what was new or changed."""

    fresh: int = 0
    rows: list[Row] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    inactive: dict[str, str] = field(default_factory=dict)
    stamps: dict[str, int] = field(default_factory=dict)
    set_aside: dict[str, Quarantined] = field(default_factory=dict)
    good: list[str] = field(default_factory=list)
    clients: dict[str, str] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    urgent: Found = field(default_factory=Found)


class Ingest:
    """Takes pages of one source into the store.

    :param reader: the confirmed mappings of the platform.
    :param context: what hooks are told.
    """

    def __init__(self, store: Store, source: int, registry: Registry, reader: FormReader, context: HookContext) -> None:
        self.store = store
        self.source = source
        self.registry = registry
        self.reader = reader
        self.context = context
        self.schema = ResponseSchema(self._instruments())
        self.redirects = Redirects(store, source)
        self.watch = Watch(registry, store.sealer)
        self.unstored = Unstored(registry, reader, self.schema, self.watch, self._owner_of, context.as_of)
        self._key = store.sealer.hasher("response", str(source))
        self._client_key = lru_cache(4096)(store.sealer.hasher("client", str(source)))

    def _instruments(self) -> list[Any]:
        return [registered.descriptor for registered in self.registry.instruments.values()]

    def page(self, page: Page, *, by_id: bool = False) -> Ingested:
        """Stores a page with its cursor.

        :param by_id: the forms were asked for one by one, so that many bad ones among them say nothing of the source.
        :raises NotTheApi: most of the page cannot be read; nothing of it is stored (F49).
        """
        done = Ingested()
        work = _Work()
        for broken in page.set_aside:
            work.set_aside[self._key(broken.remote_id)] = broken
        done.counts["pulled"] = len(page.responses) + len(page.set_aside)
        fresh = self._fresh(page.responses, work, done)
        news = {one.key for one in fresh}
        try:
            good = self._judge(fresh, work)
            if not by_id:
                # Unchanged forms count as read: what is set aside comes again with each overlap, they do, too.
                self._check_shape(work.fresh + done.counts["unchanged"] + len(page.set_aside), len(work.set_aside))
        except HandrailError:
            self._urgent_alone([one for one in page.responses if self._key(one.id) in {*news, *work.set_aside}])
            raise
        if work.set_aside or work.inactive:
            waiting = {*work.set_aside, *work.inactive}.difference(work.left)
            self._unstored((one for one in page.responses if self._key(one.id) in waiting), work)
        self._score(good, work, done)
        reach("page-read")
        for remote_id in page.gone:
            work.inactive[self._key(remote_id)] = forms.WITHDRAWN
        self._commit(work, page, done)
        return done

    # --- recognising ---------------------------------------------------------------------------------------------

    def _fresh(self, pulled: Sequence[RemoteResponse], work: _Work, done: Ingested) -> list[_Fresh]:
        """Those of our forms that are new or changed and could be read through their mapping."""
        ours = self._ours(pulled, done)
        if self.redirects.erased:
            self._leave_erased(ours, work, done)
        with self.store.reading(self.source) as tx:
            have = forms.known(tx, ours)
        fresh: list[_Fresh] = []
        for key, remote in ours.items():
            old = have.get(key)
            scored = remote.status in _SCORED
            flat = self.reader.read(remote) if scored else None
            content = self._content(flat) if isinstance(flat, dict) else ""
            if old is not None:
                if (content and old.content == content) or _older(remote, old.updated_ms):
                    done.counts["unchanged"] += 1
                    continue
                done.clients.add(old.client)
                if (stamp := _ms(remote.updated)) is not None:
                    work.stamps[key] = stamp
                if scored and old.active:
                    work.replaced.append(key)
            work.fresh += 1
            if isinstance(flat, dict):
                fresh.append(_Fresh(key, remote, flat, content, old is not None))
            elif flat is not None:
                work.set_aside[key] = flat
            else:
                done.counts["not_finished" if remote.status != forms.WITHDRAWN else "entered_in_error"] += 1
                work.inactive[key] = remote.status
        return fresh

    def _ours(self, pulled: Sequence[RemoteResponse], done: Ingested) -> dict[str, RemoteResponse]:
        """The forms that are mapped, by key; of two of the same id the newer."""
        ours: dict[str, RemoteResponse] = {}
        for remote in pulled:
            if self.reader.knows(remote.form):
                key = self._key(remote.id)
                if key not in ours or not _older(remote, _ms(ours[key].updated)):
                    ours[key] = remote
            else:
                done.counts["other_forms"] += 1
        return ours

    def _leave_erased(self, ours: dict[str, RemoteResponse], work: _Work, done: Ingested) -> None:
        """Forms of clients who were erased here are not read (S21). One filled in since is said: they may be back."""
        for key, remote in list(ours.items()):
            owner, _, _ = self.redirects.whose(key, self._client_key(remote.client), remote.client)
            if (at := self.redirects.erased.get(owner)) is None:
                continue
            del ours[key]
            work.left.append(key)
            done.counts["of_erased_clients"] += 1
            if (authored := _ms(remote.authored)) is not None and authored > at:
                done.problems.append(BACK_AGAIN)

    def _owner_of(self, remote: RemoteResponse, client: str) -> tuple[str, str, str]:
        """Our keys of a form and of the client whose form it is, and the platform's reference of the client."""
        key = self._key(remote.id)
        owner, ref = self._client_key(client), client
        if self.redirects.any:
            owner, ref, _ = self.redirects.whose(key, owner, ref)
        return key, owner, ref

    def _unstored(self, pulled: Iterable[RemoteResponse], work: _Work) -> None:
        """Safety answers in forms that are not stored: not finished, set aside, refused by a plugin (clinical.md 6)."""
        for remote in pulled:
            if self._owner_of(remote, remote.client)[1] not in self.redirects.erased:
                work.clients |= self.unstored.look(remote, work.urgent)

    def _urgent_alone(self, pulled: Sequence[RemoteResponse]) -> None:
        """A page that cannot be stored (a plugin fails, the platform's form has changed): its safety answers are."""
        work = _Work()
        self._unstored(pulled, work)

        def write(tx: Tx) -> None:
            forms.mark_dirty(tx, work.clients)
            settle(tx, work.urgent.flags, self.context.as_of)

        if work.urgent.flags:
            self.store.write(write, self.source)

    def _owner(self, key: str, response: Response, work: _Work) -> tuple[str, str]:
        """Our key and the platform's reference of the client whose form this is."""
        client, ref = self._client_key(response.client), response.client
        if self.redirects.any:
            client, ref, came_with = self.redirects.whose(key, client, ref)
            if client != came_with:
                work.moved[key] = came_with
        return client, ref

    def _content(self, flat: dict[str, Any]) -> str:
        """The hash of everything that bears on answers and scores; versions and server times do not, nor does another
        edition of the instrument's file: `rescore` reads stored forms anew by it, the platform need not send them.

        Empty, and so never equal to another, where a text cannot be encoded: the schema sets such a form aside (F52).
        """
        bearing = {name: value for name, value in flat.items() if name not in _NOT_CONTENT}
        try:
            return self.store.sealer.fingerprint(_encode(bearing))
        except UnicodeEncodeError:
            return ""

    # --- reading and judging -------------------------------------------------------------------------------------

    def _judge(self, fresh: Sequence[_Fresh], work: _Work) -> list[tuple[_Fresh, Response]]:
        """The records that pass the schema, and after it the plugins."""
        loaded, refused = judge(self.schema, [one.flat for one in fresh])
        for no in refused:
            work.set_aside[fresh[no.index].key] = _aside(fresh[no.index].remote, no.reason, no.where, no.message)
        broken = {no.index for no in refused}
        latest = self.context.as_of + FUTURE
        good: list[tuple[_Fresh, Response]] = []
        for one, response in zip((f for i, f in enumerate(fresh) if i not in broken), loaded, strict=True):
            if response.authored > latest:
                reason = QuarantineReason.FUTURE_TIME
                work.set_aside[one.key] = _aside(one.remote, reason, "authored", kept.IN_THE_FUTURE)
            else:
                good.append((one, response))
        return self._prepared(good, work)

    def _prepared(self, good: list[tuple[_Fresh, Response]], work: _Work) -> list[tuple[_Fresh, Response]]:
        records = [response for _, response in good]
        answers, refused = hooks.prepare(
            self.registry.plugins, "prepare_responses", "responses", records, Response, self.context
        )
        kept = []
        for index, ((one, _), answer) in enumerate(zip(good, answers, strict=True)):
            if isinstance(answer, Refusal):
                message = kept.REFUSED.format(plugin=refused[index], reason=answer.reason)
                work.set_aside[one.key] = _aside(one.remote, QuarantineReason.REFUSED_BY_PLUGIN, kept.THE_FORM, message)
            else:
                kept.append((one, answer))
        return kept

    def _score(self, good: list[tuple[_Fresh, Response]], work: _Work, done: Ingested) -> None:
        tx = Tx(None, self.store.sealer, self.source)  # type: ignore[arg-type]  # only seals here
        missing = totals = 0
        for one, response in good:
            scorer = self.registry.scorer((response.instrument, response.instrument_version))
            form = scorer.form(response)
            client, ref = self._owner(one.key, response, work)
            work.rows.append(forms.row(tx, one.key, client, response, form, one.content, scorer.instrument.sha256[:12]))
            work.clients[client] = ref
            self.watch.look(client, one.key, scorer.instrument, form, work.urgent)
            work.good.append(one.key)
            missing += None in [score.value for score in form.scores.values()]
            if response.totals and differences(response.totals, form.scores):
                totals += 1
        replaced = sum(one.replaces for one, _ in good)
        done.counts.update(replaced=replaced, new=len(good) - replaced, with_a_score_missing=missing)
        done.counts["with_another_total"] += totals
        done.stored = [response for _, response in good]

    def _check_shape(self, judged: int, broken: int) -> None:
        """A page of which most cannot be read is not skipped record by record (F49)."""
        if broken >= BROKEN_LEAST and broken > judged * BROKEN_SHARE:
            raise NotTheApi(
                tr(
                    "{broken} of {judged} forms on one page cannot be read: the platform, or its form, seems to have "
                    "changed. Nothing of this page was stored. Run: handrail doctor",
                    broken=broken,
                    judged=judged,
                )
            )

    # --- writing -------------------------------------------------------------------------------------------------

    def _commit(self, work: _Work, page: Page, done: Ingested) -> None:
        def write(tx: Tx) -> tuple[set[str], int, list[str], Settled]:
            forms.save(tx, work.rows, [key for key in work.replaced if key not in work.set_aside])
            touched = set(forms.deactivate(tx, [k for k, s in work.inactive.items()], forms.WITHDRAWN))
            touched.update(forms.deactivate(tx, list(work.set_aside), "set-aside"))
            forms.stamp(tx, work.stamps)
            new_aside = forms.set_aside(tx, work.set_aside)
            released = forms.release(tx, [*work.good, *work.inactive, *work.left])
            forms.mark_dirty(tx, work.clients)
            mend.remember_moved(tx, work.moved)
            forms.mark_keys_dirty(tx, touched | done.clients)
            if page.cursor is not None:
                # Under our own name: an adapter may call its stream as it likes.
                book.set_cursor(tx, replace(page.cursor, stream=STREAM))
            urgent = settle(tx, work.urgent.flags, self.context.as_of)
            reach("page-before-commit")
            return touched, released, new_aside, urgent

        touched, released, new_aside, urgent = self.store.write(write, self.source)
        reach("page-after-commit")
        self._urgent(urgent, work, done)
        done.counts["may_hold_safety_answers"] += sum(
            self.unstored.may_hold(work.set_aside[key].form) for key in new_aside
        )
        done.clients |= touched | set(work.clients)
        done.counts["set_aside"] += len(work.set_aside)
        done.counts["released"] += released
        done.counts["withdrawn"] += len(touched)

    def _urgent(self, urgent: Settled, work: _Work, done: Ingested) -> None:
        """Says what rose."""
        done.urgent = [*urgent.new, *urgent.again]
        done.counts["raised"] += len(urgent.new)
        done.counts["raised_again"] += len(urgent.again)
        done.problems += work.urgent.sentences()


def _aside(remote: RemoteResponse, reason: QuarantineReason, where: str, message: str) -> Quarantined:
    return Quarantined(remote.id, reason, where, message, remote.form, remote.version)


def _ms(text: str | None) -> int | None:
    try:
        return None if text is None else to_ms(parse_time(text))
    except ValueError:
        return None  # the schema will set this form aside and say so


def _older(remote: RemoteResponse, stored_ms: int | None) -> bool:
    """Whether the platform's timestamp says that what we have is newer (F63)."""
    if stored_ms is None:
        return False
    ms = _ms(remote.updated)
    return ms is not None and ms < stored_ms
