"""One page from the platform into the store: known? mapped? valid? scored? - and all of it in one transaction.

A page is begun (a copy of this process may be judging it, judging.py) and then finished: where the next one is here
already, that is begun in between. What cannot be read is set aside with its reason; the page
goes on (F48), unless so much of it breaks that the source must have changed its shape (F49).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ...schemas.base import parse_time
from ...schemas.records import Flag, Quarantined, Response
from ...schemas.responses import ResponseSchema
from ...schemas.vocab import QuarantineReason
from ..contracts import HookContext, Page, Refusal, RemoteResponse
from ..errors import HandrailError, NotTheApi, StoreError
from ..mapping import FormReader
from ..registry import Registry
from ..safety.arrival import Found, Settled, Watch, settle
from ..safety.unstored import Unstored
from ..store import Store, Tx, book, forms, mend
from ..store.sql import Row, to_ms
from ..words import kept, tr
from . import hooks
from .judging import Asked, Good, Judged, Judging, Pages
from .points import reach
from .redirects import Redirects

STREAM = "responses"
BROKEN_SHARE = 0.5
BROKEN_LEAST = 20
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
    urgent: Found = field(default_factory=Found)


@dataclass(slots=True)
class Begun:
    """A page that is not stored yet: our forms by key, and those of them that are with the copy.

    `known` is what the store had of these when the page was begun.
    """

    page: Page
    done: Ingested = field(default_factory=Ingested)
    work: _Work = field(default_factory=_Work)
    ours: dict[str, RemoteResponse] = field(default_factory=dict)
    known: dict[str, forms.Known] = field(default_factory=dict)
    handed: list[Asked] = field(default_factory=list)


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
        self._judging = Judging(
            store.sealer, source, registry, self.schema, reader, self.redirects, self.watch, context.as_of
        )
        self._pages = Pages(self._judging.whole)
        self._open: Begun | None = None
        self._key = store.sealer.hasher("response", str(source))
        self._client_key = self._judging.client_key

    def _instruments(self) -> list[Any]:
        return [registered.descriptor for registered in self.registry.instruments.values()]

    @contextmanager
    def many(self) -> Iterator[None]:
        """Many pages are coming: a copy of this process judges them, where no plugin wants to see records."""
        if not hooks.anybody(self.registry.plugins, "prepare_responses", "responses_stored"):
            self._pages.begin()
        try:
            yield
        finally:
            self._pages.end()

    def redirected(self) -> None:
        """A merge was found in this run: whose a form is has changed."""
        self._pages.end()
        self.redirects.load()

    def pages(self, pages: Iterator[Page]) -> Iterator[tuple[Page, Ingested]]:
        """Stores page after page; gives what became of each before the next one is waited for.

        One that is here already is begun before the last one is stored, so that the copy has something to do meanwhile.
        """
        begun: Begun | None = None
        while True:
            try:
                after = self._next(pages)
            except Exception:
                if begun is not None:
                    yield begun.page, self.finish(begun)
                raise
            if begun is not None:
                yield begun.page, self._before(after, begun)
            if after is None:
                return
            begun = after
            if not _next_is_here(begun.page) and begun.handed:
                self._pages.wait()
            if not _next_is_here(begun.page):
                yield begun.page, self.finish(begun)
                begun = None

    def _before(self, after: Begun | None, begun: Begun) -> Ingested:
        """Stores a page behind which another may be begun: where nothing of it is stored, neither is the other, until
        somebody has mended what is wrong, and the safety answers of both are told of now."""
        try:
            return self.finish(begun)
        except StoreError:  # no flag can be stored either
            raise
        except HandrailError:
            if after is not None:
                self._urgent_alone(after)
            raise

    def _next(self, pages: Iterator[Page]) -> Begun | None:
        if (page := next(pages, None)) is None:
            return None
        reach("page-fetched")
        return self.begin(page)

    def page(self, page: Page, *, by_id: bool = False) -> Ingested:
        """Stores a page with its cursor, at once: as `begin` and `finish`."""
        return self.finish(self.begin(page), by_id=by_id)

    def begin(self, page: Page) -> Begun:
        """Begins a page: only reads. One that was begun before may still be open, and no more than one."""
        begun = Begun(page)
        for broken in page.set_aside:
            begun.work.set_aside[self._key(broken.remote_id)] = broken
        begun.done.counts["pulled"] = len(page.responses) + len(page.set_aside)
        begun.ours = self._ours(page.responses, begun.done)
        if self.redirects.erased:
            self._leave_erased(begun.ours, begun.work, begun.done)
        self._hand_over(begun)
        self._open = begun
        return begun

    def _hand_over(self, begun: Begun) -> None:
        """Gives forms of the page to the copy, but none that the page before it has as well: what the store will have
        of these is not known yet."""
        if self._pages.takes(len(begun.ours)):
            before = self._touched(self._open) if self._open is not None else ()
            begun.known, begun.handed = self._asked([key for key in begun.ours if key not in before], begun)
            if begun.handed:
                self._pages.ask(begun.handed)

    def _touched(self, begun: Begun) -> set[str]:
        """Keys of all forms of which this page changes what the store has."""
        return {*begun.ours, *begun.work.set_aside, *begun.work.left, *map(self._key, begun.page.gone)}

    def finish(self, begun: Begun, *, by_id: bool = False) -> Ingested:
        """Stores a page that was begun, with its cursor. Pages are finished in the order in which they were begun.

        :param by_id: the forms were asked for one by one, so that many bad ones among them say nothing of the source;
            no cursor brings them again after a power cut, and what staff typed in is nowhere else.
        :raises NotTheApi: most of the page cannot be read; nothing of it is stored (F49).
        """
        if self._open is begun:
            self._open = None
        page, work, done = begun.page, begun.work, begun.done
        try:
            self._read(begun)
            if not by_id:
                # Unchanged forms count as read: what is set aside comes again with each overlap, they do, too.
                self._check_shape(work.fresh + done.counts["unchanged"] + len(page.set_aside), len(work.set_aside))
        except HandrailError:
            self._urgent_alone(begun)
            raise
        if work.set_aside or work.inactive:
            waiting = {*work.set_aside, *work.inactive}.difference(work.left)
            self._unstored((one for one in page.responses if self._key(one.id) in waiting), work)
        reach("page-read")
        for remote_id in page.gone:
            work.inactive[self._key(remote_id)] = forms.WITHDRAWN
        self._commit(work, page, done, again=not by_id)
        return done

    # --- recognising ---------------------------------------------------------------------------------------------

    def _asked(self, keys: Sequence[str], begun: Begun) -> tuple[dict[str, forms.Known], list[Asked]]:
        """What the store has of these forms, and those of which it has nothing newer."""
        with self.store.reading(self.source) as tx:
            have = forms.known(tx, keys)
        asked = []
        for key in keys:
            remote, old = begun.ours[key], have.get(key)
            if old is not None and _older(remote, old.updated_ms):
                begun.done.counts["unchanged"] += 1
            else:
                asked.append((key, remote, None if old is None else old.content))
        return have, asked

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

    def _urgent_alone(self, begun: Begun) -> None:
        """A page that cannot be stored (a plugin fails, the platform's form has changed): its safety answers that are
        news are."""
        _, asked = self._asked(list(begun.ours), begun)
        found, work = Judged(), _Work()
        self._judging.read(asked, found)
        news = {*found.news, *found.aside, *found.unscored, *begun.work.set_aside}
        self._unstored((one for one in begun.page.responses if self._key(one.id) in news), work)

        def write(tx: Tx) -> None:
            forms.mark_dirty(tx, work.clients)
            settle(tx, work.urgent.flags, self.context.as_of)

        if work.urgent.flags:
            self.store.write(write, self.source)

    # --- reading and judging -------------------------------------------------------------------------------------

    def _read(self, begun: Begun) -> None:
        """Reads, judges, scores and seals the forms of a page, or takes from the copy what it made of them."""
        handed = {key for key, _, _ in begun.handed}
        known, asked = self._asked([k for k in begun.ours if k not in handed and k not in begun.known], begun)
        try:
            if asked:
                self._take(self._judged(asked, begun), known, begun)
            if begun.handed:
                self._take(self._pages.answer(begun.handed), begun.known, begun)
        except BaseException:
            self._pages.end()  # it may have an answer that nobody has fetched
            raise

    def _judged(self, asked: Sequence[Asked], begun: Begun) -> Judged:
        """What is to be written of these forms, after the plugins have seen them."""
        found = Judged()
        fresh = self._judging.read(asked, found)
        good = self._prepared(self._judging.judge(fresh, found), found)
        self._judging.score(good, found)
        begun.done.stored += [response for _, response in good]
        return found

    def _prepared(self, good: list[Good], found: Judged) -> list[Good]:
        records = [response for _, response in good]
        answers, refused = hooks.prepare(
            self.registry.plugins, "prepare_responses", "responses", records, Response, self.context
        )
        taken = []
        for index, ((one, _), answer) in enumerate(zip(good, answers, strict=True)):
            if isinstance(answer, Refusal):
                message = kept.REFUSED.format(plugin=refused[index], reason=answer.reason)
                found.aside[one.key] = QuarantineReason.REFUSED_BY_PLUGIN, kept.THE_FORM, message
            else:
                taken.append((one, answer))
        return taken

    def _take(self, found: Judged, known: Mapping[str, forms.Known], begun: Begun) -> None:
        """Adds what was found of some forms to what is to be written of the page."""
        work, done = begun.work, begun.done
        work.rows += found.rows
        work.good += [row["key"] for row in found.rows]
        work.clients |= found.clients
        work.moved |= found.moved
        work.urgent.flags += found.urgent.flags
        work.urgent.problems += found.urgent.problems
        work.set_aside |= {key: _aside(begun.ours[key], *why) for key, why in found.aside.items()}
        for key, status in found.unscored.items():
            done.counts["not_finished" if status != forms.WITHDRAWN else "entered_in_error"] += 1
            work.inactive[key] = status
        done.counts.update(
            unchanged=len(found.unchanged),
            replaced=found.replaced,
            new=len(found.rows) - found.replaced,
            with_a_score_missing=found.score_missing,
            with_another_total=found.another_total,
        )
        read = {*found.news, *found.aside, *found.unscored}
        work.fresh += len(read)
        for key in read & known.keys():
            self._supersede(key, known[key], begun)

    def _supersede(self, key: str, old: forms.Known, begun: Begun) -> None:
        """A form that the store has came in another way than it has it."""
        remote = begun.ours[key]
        begun.done.clients.add(old.client)
        if (stamp := _ms(remote.updated)) is not None:
            begun.work.stamps[key] = stamp
        if old.active and key not in begun.work.inactive:
            begun.work.replaced.append(key)

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

    def _commit(self, work: _Work, page: Page, done: Ingested, *, again: bool) -> None:
        # Nobody is told of what a power cut may take back (a letter waits for the disk by itself), and an adapter that
        # keeps a list of its own (files) takes off it what this page says is gone.
        plugins = self.registry.plugins
        again = again and not page.gone and not hooks.anybody(plugins, "responses_stored", "flags_changed")

        def write(tx: Tx) -> tuple[set[str], int, list[str], Settled]:
            forms.save(tx, work.rows, [key for key in work.replaced if key not in work.set_aside])
            touched = set(forms.deactivate(tx, [k for k, s in work.inactive.items()], forms.WITHDRAWN))
            touched.update(forms.deactivate(tx, list(work.set_aside), "set-aside"))
            forms.stamp(tx, work.stamps)
            new_aside = forms.set_aside(tx, work.set_aside)
            settled = (key for key in (*work.good, *work.inactive, *work.left) if key not in work.set_aside)
            released = forms.release(tx, settled)
            forms.mark_dirty(tx, work.clients)
            mend.remember_moved(tx, work.moved)
            forms.mark_keys_dirty(tx, touched | done.clients)
            if page.cursor is not None:
                # Under our own name: an adapter may call its stream as it likes.
                book.set_cursor(tx, replace(page.cursor, stream=STREAM))
            urgent = settle(tx, work.urgent.flags, self.context.as_of)
            reach("page-before-commit")
            return touched, released, new_aside, urgent

        touched, released, new_aside, urgent = self.store.write(write, self.source, again=again)
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


def _next_is_here(page: Page) -> bool:
    return page.next_is_here is not None and page.next_is_here()
