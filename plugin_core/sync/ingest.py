"""One page from the platform into the store: known? mapped? valid? scored? - and all of it in one transaction.

The order is by cost: a repeat is recognised by its content hash before anything else is done with it, so that an
overlapping window costs little (F65). What cannot be read is set aside with its reason; the page goes on (F48), unless
so much of it breaks that the source must have changed its shape (F49).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import msgspec

from ...schemas.base import parse_time
from ...schemas.records import Quarantined, Response, ScoredForm
from ...schemas.responses import ResponseSchema, judge
from ...schemas.vocab import SCORED_STATUSES, QuarantineReason
from ..contracts import HookContext, Page, Refusal, RemoteResponse
from ..errors import NotTheApi
from ..mapping import FormReader
from ..registry import Registry
from ..store import Store, Tx, book, forms
from . import hooks
from .points import reach

_encode = msgspec.json.Encoder().encode
_SCORED = {status.value for status in SCORED_STATUSES}
STREAM = "responses"
BROKEN_SHARE = 0.5
BROKEN_LEAST = 20
FUTURE = timedelta(days=1)


@dataclass(slots=True)
class Ingested:
    """What became of one page. `clients` are keys of clients whose course changed."""

    counts: Counter[str] = field(default_factory=Counter)
    stored: list[Response] = field(default_factory=list)
    clients: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Work:
    """A page on its way: what is to be written, by response key."""

    rows: list[forms.Row] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    inactive: dict[str, str] = field(default_factory=dict)
    stamps: dict[str, int] = field(default_factory=dict)
    set_aside: dict[str, Quarantined] = field(default_factory=dict)
    good: list[str] = field(default_factory=list)
    clients: dict[str, str] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)


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
        self._key = store.sealer.hasher("response", str(source))
        self._client_key = store.sealer.hasher("client", str(source))
        self._reading = _encode(sorted(f"{i.id}/{i.version}/{i.sha256}" for i in self._instruments()))

    def _instruments(self) -> list[Any]:
        return [registered.descriptor for registered in self.registry.instruments.values()]

    def page(self, page: Page) -> Ingested:
        """Stores a page with its cursor. Raises NotTheApi when most of it cannot be read; then nothing is stored."""
        done = Ingested()
        work = _Work()
        for broken in page.set_aside:
            work.set_aside[self._key(broken.remote_id)] = broken
        fresh = self._fresh(page.responses, done)
        done.counts["pulled"] = len(page.responses) + len(page.set_aside)
        self._read(fresh, work, done)
        self._check_shape(len(fresh) + len(page.set_aside), len(work.set_aside))
        reach("page-read")
        gone = [self._key(remote_id) for remote_id in page.gone]
        for key in gone:
            work.inactive[key] = forms.WITHDRAWN
        self._commit(work, page, done)
        return done

    # --- recognising ---------------------------------------------------------------------------------------------

    def _content(self, r: RemoteResponse) -> str:
        """The hash of everything that bears on answers and scores; versions and server times do not."""
        parts = (r.form, r.form_version, r.client, r.status, r.authored, r.lines, r.mode, r.source, r.language, r.tags)
        return self.store.sealer.fingerprint(self._reading + _encode(parts))

    def _fresh(self, pulled: Sequence[RemoteResponse], done: Ingested) -> dict[str, tuple[RemoteResponse, str, bool]]:
        """Those of our forms that are new or changed: key -> (form, content hash, replaces an older one)."""
        ours: dict[str, RemoteResponse] = {}
        for remote in pulled:
            if self.reader.knows(remote.form):
                key = self._key(remote.id)
                if key not in ours or not _older(remote, _ms(ours[key].updated)):
                    ours[key] = remote
            else:
                done.counts["other_forms"] += 1
        with self.store.reading(self.source) as tx:
            have = forms.known(tx, ours)
        fresh = {}
        for key, remote in ours.items():
            content = self._content(remote)
            old = have.get(key)
            if old is not None and (old.content == content or _older(remote, old.updated_ms)):
                done.counts["unchanged"] += 1
            else:
                fresh[key] = (remote, content, old is not None)
                if old is not None:
                    done.clients.add(old.client)
        return fresh

    # --- reading and judging -------------------------------------------------------------------------------------

    def _read(self, fresh: dict[str, tuple[RemoteResponse, str, bool]], work: _Work, done: Ingested) -> None:
        flat: list[dict[str, Any]] = []
        keys: list[str] = []
        for key, (remote, _, replaces) in fresh.items():
            if remote.status not in _SCORED:
                done.counts["not_finished" if remote.status != forms.WITHDRAWN else "entered_in_error"] += 1
                work.inactive[key] = remote.status
                continue
            read = self.reader.read(remote)
            if isinstance(read, Quarantined):
                work.set_aside[key] = read
            else:
                flat.append(read)
                keys.append(key)
            if replaces:
                work.replaced.append(key)
        good = self._judge(flat, keys, fresh, work)
        self._score(good, fresh, work, done)
        for key in (*work.inactive, *work.set_aside):
            if key in fresh and (stamp := _ms(fresh[key][0].updated)) is not None:
                work.stamps[key] = stamp

    def _judge(
        self, flat: list[dict[str, Any]], keys: list[str], fresh: dict[str, Any], work: _Work
    ) -> list[tuple[str, Response]]:
        """The records that pass the schema, and after it the plugins."""
        loaded, refused = judge(self.schema, flat)
        for no in refused:
            key = keys[no.index]
            work.set_aside[key] = _aside(fresh[key][0], no.reason, no.where, no.message)
        good: list[tuple[str, Response]] = []
        broken = {no.index for no in refused}
        for key, response in zip((k for i, k in enumerate(keys) if i not in broken), loaded, strict=True):
            if response.authored > self.context.as_of + FUTURE:
                reason = QuarantineReason.FUTURE_TIME
                work.set_aside[key] = _aside(fresh[key][0], reason, "authored", "lies in the future")
            else:
                good.append((key, response))
        return self._prepared(good, fresh, work)

    def _prepared(
        self, good: list[tuple[str, Response]], fresh: dict[str, Any], work: _Work
    ) -> list[tuple[str, Response]]:
        records = [response for _, response in good]
        answers, refused = hooks.prepare(
            self.registry.plugins, "prepare_responses", "responses", records, Response, self.context
        )
        kept = []
        for index, ((key, _), answer) in enumerate(zip(good, answers, strict=True)):
            if isinstance(answer, Refusal):
                message = f"refused by {refused[index]}: {answer.reason}"
                work.set_aside[key] = _aside(fresh[key][0], QuarantineReason.REFUSED_BY_PLUGIN, "the form", message)
            else:
                kept.append((key, answer))
        return kept

    def _score(self, good: list[tuple[str, Response]], fresh: dict[str, Any], work: _Work, done: Ingested) -> None:
        tx = Tx(None, self.store.sealer, self.source)  # type: ignore[arg-type]  # only seals here
        for key, response in good:
            scorer = self.registry.scorer((response.instrument, response.instrument_version))
            form: ScoredForm = scorer.form(response)
            client = self._client_key(response.client)
            by = scorer.instrument.sha256[:12]
            work.rows.append(forms.row(tx, key, client, response, form, fresh[key][1], by))
            work.clients[client] = response.client
            work.good.append(key)
            done.counts["replaced" if fresh[key][2] else "new"] += 1
            if any(score.value is None for score in form.scores.values()):
                done.counts["with_a_score_missing"] += 1
        done.stored = [response for _, response in good]

    def _check_shape(self, judged: int, broken: int) -> None:
        """A page of which most cannot be read is not skipped record by record (F49)."""
        if broken >= BROKEN_LEAST and broken > judged * BROKEN_SHARE:
            raise NotTheApi(
                f"{broken} of {judged} forms on one page cannot be read: the platform, or its form, seems to have "
                "changed. Nothing of this page was stored. Run: handrail doctor"
            )

    # --- writing -------------------------------------------------------------------------------------------------

    def _commit(self, work: _Work, page: Page, done: Ingested) -> None:
        def write(tx: Tx) -> tuple[set[str], int]:
            forms.save(tx, work.rows, [key for key in work.replaced if key not in work.set_aside])
            touched = set(forms.deactivate(tx, [k for k, s in work.inactive.items()], forms.WITHDRAWN))
            touched.update(forms.deactivate(tx, list(work.set_aside), "set-aside"))
            forms.stamp(tx, work.stamps)
            forms.set_aside(tx, work.set_aside)
            released = forms.release(tx, [*work.good, *work.inactive])
            forms.mark_dirty(tx, work.clients)
            forms.mark_keys_dirty(tx, touched | done.clients)
            if page.cursor is not None:
                # Under our own name: an adapter may call its stream as it likes.
                book.set_cursor(tx, replace(page.cursor, stream=STREAM))
            reach("page-before-commit")
            return touched, released

        touched, released = self.store.write(write, self.source)
        reach("page-after-commit")
        done.clients |= touched | set(work.clients)
        done.counts["set_aside"] += len(work.set_aside)
        done.counts["released"] += released
        done.counts["withdrawn"] += len(touched)


def _aside(remote: RemoteResponse, reason: QuarantineReason, where: str, message: str) -> Quarantined:
    return Quarantined(remote.id, reason, where, message, remote.form, remote.version)


def _ms(text: str | None) -> int | None:
    try:
        return None if text is None else forms.to_ms(parse_time(text))
    except ValueError:
        return None  # the schema will set this form aside and say so


def _older(remote: RemoteResponse, stored_ms: int | None) -> bool:
    """Whether the platform's timestamp says that what we have is newer (F63)."""
    if stored_ms is None:
        return False
    ms = _ms(remote.updated)
    return ms is not None and ms < stored_ms


def rescore_form(registry: Registry, found: Any, tx: Tx) -> tuple[forms.Stored, str] | None:
    """A stored response scored anew by the instrument as it is now; None when nothing changes or it is not here."""
    key = (found.instrument, found.instrument_version)
    if key not in registry.instruments:
        return None
    stored = forms.unseal(tx, found.key, found.sealed)
    scorer = registry.scorer(key)
    answers = forms.as_answers(stored.answers)
    scores = [(s.name, s.value, s.answered, s.of, s.method, s.reason) for s in scorer.scores(answers).values()]
    straight = scorer.straight_line(answers)
    by = scorer.instrument.sha256[:12]
    if (
        scores == [tuple(score) for score in stored.scores]
        and straight == stored.straight_line
        and by == found.scored_by
    ):
        return None
    return msgspec.structs.replace(stored, scores=scores, straight_line=straight), by
