"""One sync: pull, store, ask about clients, let the rules read, reconcile when due, push - and a report of it all.

What went wrong decides how it ends: a platform that cannot be reached leaves the run incomplete and everything stored
so far valid; anything else that fails is said and costs only its own part.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ...schemas.records import Cursor, Problem, RunReport
from ...schemas.vocab import RunOutcome
from ..collecting.facts import SendReport
from ..collecting.settle import settle
from ..contracts import Adapter, AdapterSpec, HookContext
from ..errors import BY_A_PERSON, Denied, HandrailError, NotTheApi, PlatformError, Unreachable, Unsupported
from ..mapping import FormReader
from ..registry import Registry
from ..safety.during import Telling
from ..settings import Settings
from ..store import Store, Tx, book, entries, forms, mend, outgoing
from ..store.sql import chunks
from ..words import tr, trn
from . import clients, full_check, hooks, judged, sessions
from .evaluate import PUSHED_KINDS, Evaluate
from .ingest import STREAM, Ingest, Ingested
from .points import reach
from .push import Push
from .quiet import quiet_collector
from .waiting import still_waiting

CONNECTION = "connection"
ID_BATCH = 100
_MOVES_NO_FORM = ("pulled", "unchanged", "other_forms", "not_finished", "clients_with_new_sessions")
_LATE = ("new", "set_aside", "raised", "raised_again", "may_hold_safety_answers")
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to sync. `consent` is asked, with the count, before what stands today is pushed for the first time.

    `send`: ask clients for what is due at the end; None: as the practice has settled it (collect.by_itself).
    """

    full: bool = False
    since: datetime | None = None
    dry_run: bool = False
    retry_set_aside: bool = False
    push: bool = True
    send: bool | None = None
    consent: Callable[[int], bool] = lambda _: False


@dataclass(slots=True)
class _Run:
    """What this run has done so far."""

    started: datetime
    counts: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    outcome: RunOutcome = RunOutcome.COMPLETE
    sorted: bool = True
    tested: bool = False

    def fail(self, error: HandrailError, source: str) -> None:
        """A fault that ends a part of the run; unreachable means incomplete, all else failed."""
        self.problems.append(Problem(error.message, source, fatal=True, person=error.exit_status == BY_A_PERSON))
        worse = RunOutcome.INCOMPLETE if isinstance(error, Unreachable) else RunOutcome.FAILED
        if self.outcome is not RunOutcome.FAILED:
            self.outcome = worse

    def say(self, sentences: Sequence[str], source: str) -> None:
        """Faults that cost only themselves; said once each."""
        have = {problem.what for problem in self.problems}
        self.problems += [Problem(text, source) for text in dict.fromkeys(sentences) if text not in have]

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Adds the time of a part to the report."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - begun


class Sync:
    """Syncs one source.

    :param now: the local clock, for "as of" and for when a reconcile is due; never for cursors.
    :param progress: told (part, how many more, of how many or None).
    """

    def __init__(
        self,
        store: Store,
        source: int,
        settings: Settings,
        registry: Registry,
        spec: AdapterSpec,
        adapter: Adapter,
        reader: FormReader,
        now: Callable[[], datetime],
        progress: Progress,
        warnings: list[str],
    ) -> None:
        self.store = store
        self.source = source
        self.settings = settings
        self.registry = registry
        self.spec = spec
        self.adapter = adapter
        self.reader = reader
        self.now = now
        self.progress = progress
        self.warnings = warnings
        self.context = HookContext(settings.practice, spec.name, now())
        carriers = settings.push.carriers if settings.push.on else ()
        self.ingest = Ingest(store, source, registry, reader, self.context)
        self.evaluate = Evaluate(store, source, registry, self.context, carriers, settings.read_tags)
        self.send: Callable[[], SendReport] | None = None
        self.telling = Telling(None)

    def run(self, options: Options) -> RunReport:
        """Runs it all and gives the report, which is also stored. Raises only what makes a report impossible."""
        run = _Run(started=self.now())
        with quiet_collector():
            try:
                self._pull_all(run, options)
            finally:  # however it ended: what has arrived is told before anything else is done
                self.telling.now(run.counts)
            run.undone += judged.begin(self.store, self.source, self.registry, full=options.full)
            if run.sorted or run.outcome is RunOutcome.COMPLETE:
                self._rules(run)
                self.telling.now(run.counts)
            if options.full and run.outcome is RunOutcome.COMPLETE:
                judged.note(self.store, self.source, self.registry, self.evaluate.failed)
            run.undone += judged.lacking(self.store, self.source, self.registry, self.evaluate.failed)
            if run.outcome is RunOutcome.COMPLETE and self._reconcile_due(options):
                self._guarded(run, "reconcile", self._reconcile)
                self._put_off(run)
            known = run.outcome is RunOutcome.COMPLETE
            if options.push and run.outcome is not RunOutcome.FAILED:
                self._push(run, options)
            self._guarded(run, "asking", lambda r: self._asks(r, self.send if known else None))
        return self._finish(run, options)

    def _guarded(self, run: _Run, part: str, work: Callable[[_Run], None]) -> None:
        try:
            with run.timed(part):
                work(run)
        except (PlatformError, HandrailError) as error:
            run.fail(error, self.spec.title)

    # --- pull ----------------------------------------------------------------------------------------------------

    def _pull_all(self, run: _Run, options: Options) -> None:
        with self.store.reading(self.source) as tx:
            cursor = book.cursor(tx, STREAM)
            asked = book.cursor(tx, CONNECTION)
        if options.full or cursor is None or asked is None or asked.server != self._connection():
            self._guarded(run, "test", self._same_server)
        if options.full:
            cursor = None
        elif options.since is not None:
            cursor = _back_to(cursor, options.since.astimezone(UTC))
        if run.outcome is RunOutcome.COMPLETE:
            self._guarded(run, "pull", lambda r: self._pull(r, cursor))
        if options.retry_set_aside and run.outcome is RunOutcome.COMPLETE:
            self._guarded(run, "retry", self._retry)
        if run.outcome is RunOutcome.COMPLETE:
            with run.timed("clients"):
                self._clients(run)
            with run.timed("sessions"):
                self._sessions(run)

    def _connection(self) -> str:
        """A hash of the platform's settings: when they change, who answers is asked before anything is read."""
        platform = self.settings.platform
        facts = sorted(platform.settings.items()) if platform else []
        return self.store.sealer.fingerprint(repr(facts).encode())

    def _same_server(self, run: _Run) -> None:
        """Stops when another server answers than the one that the store was filled from (F14)."""
        if run.tested:
            return
        identity = self.adapter.test()
        known = self.store.fingerprint(self.source)
        if known is None:
            self.store.set_fingerprint(self.source, identity.fingerprint)
        elif known != identity.fingerprint:
            raise NotTheApi(
                tr(
                    "Another server answers at the {platform} address than the one this store was filled from. "
                    "Nothing was pulled. If the practice has moved, run: handrail connect --moved",
                    platform=self.spec.title,
                )
            )
        run.say(identity.notes, self.spec.title)
        asked = Cursor(CONNECTION, server=self._connection())
        self.store.write(lambda tx: book.set_cursor(tx, asked), self.source)
        run.tested = True

    def _pull(self, run: _Run, cursor: Cursor | None) -> None:
        with self.ingest.many() if cursor is None else nullcontext():
            self._pages(run, cursor)

    def _pages(self, run: _Run, cursor: Cursor | None) -> None:
        for page, done in self.ingest.pages(self.adapter.pull(cursor)):
            run.counts.update(done.counts)
            run.sorted = run.sorted and page.sorted
            run.say([*page.warnings, *done.problems], self.spec.title)
            if done.stored and not self.store.rehearsing:
                stored = tuple(done.stored)
                told = hooks.tell(self.registry.plugins, "responses_stored", responses=stored, context=self.context)
                run.say(told, "plugins")
            self._urgent(run, done)
            self.progress("pulling", len(page.responses), None)

    def _urgent(self, run: _Run, done: Ingested) -> None:
        """Safety answers are told of before the next page is waited for; plugins hear of them as of every flag."""
        self.telling.of(done.urgent, lambda refs: self._ask(run, refs), run.counts)
        if done.urgent and not self.store.rehearsing:
            rose = tuple(done.urgent)
            told = hooks.tell(self.registry.plugins, "flags_changed", flags=rose, context=self.context)
            run.say(told, "plugins")

    def _retry(self, run: _Run) -> None:
        """Pulls again by id what was set aside (F51); raw forms are not kept."""
        with self.store.reading(self.source) as tx:
            waiting = forms.in_quarantine(tx)
        for part in chunks([item.remote_id for item in waiting], ID_BATCH):
            done = self.ingest.page(self.adapter.fetch(part), by_id=True)
            run.counts.update({"retried": len(part)} | done.counts)
            self._urgent(run, done)

    def _clients(self, run: _Run) -> None:
        """Names and therapists of clients who are new, or who have a new form; optional, so a refusal is only said."""
        if not self.spec.capabilities.gives_clinicians:
            return
        unasked: dict[str, str] = {}
        try:
            while True:
                with self.store.reading(self.source) as tx:
                    unasked = forms.unasked(tx, clients.BATCH, after=max(unasked, default=""))
                if not unasked:
                    break
                if self._ask(run, unasked):
                    unasked = {}  # a record that others were merged into may be new here
        except (Denied, Unsupported) as error:
            run.say([tr("Names and therapists could not be read: {why}", why=error.message)], self.spec.title)
        except PlatformError as error:
            run.fail(error, self.spec.title)

    def _ask(self, run: _Run, refs: dict[str, str]) -> int:
        """Asks about a batch of clients; gives how many of their records were merged into others."""
        told = clients.ask(self.store, self.source, self.adapter, refs, self.context.as_of.date())
        run.counts.update(new_therapists=told.moved, clients_merged=told.merged)
        if told.merged:
            self.ingest.redirected()
        if told.unknown:
            run.counts["clients_unknown_to_platform"] += told.unknown
            sentence = trn(
                "{count} client has forms, but the platform does not know them (any more). Their forms are kept.",
                "{count} clients have forms, but the platform does not know them (any more). Their forms are kept.",
                told.unknown,
            )
            run.say([sentence], self.spec.title)
        if told.failed is not None:
            raise told.failed
        self.progress("asking about clients", len(refs), None)
        return told.merged

    def _sessions(self, run: _Run) -> None:
        """Attended sessions of clients with news; where they cannot be had it is only said."""
        if not self.spec.capabilities.gives_sessions:
            return
        try:
            run.counts["clients_with_new_sessions"] += sessions.pull(self.store, self.source, self.adapter)
        except PlatformError as error:
            run.say([tr("Attended sessions could not be read: {why}", why=error.message)], self.spec.title)

    # --- rules, reconcile ----------------------------------------------------------------------------------------

    def _rules(self, run: _Run) -> None:
        try:
            with run.timed("rules"):
                done = self.evaluate.run()
            run.counts.update(done.counts)
            run.say(done.problems, "rules")
        except HandrailError as error:
            run.fail(error, "rules")

    def _reconcile_due(self, options: Options) -> bool:
        if not self.spec.capabilities.lists_all:
            return False
        days = 0 if options.full else self.settings.reconcile_days
        return full_check.due(self.store, self.source, self.context.as_of, days)

    def _put_off(self, run: _Run) -> None:
        if run.outcome is RunOutcome.INCOMPLETE:
            full_check.put_off(self.store, self.source, self.context.as_of, self.settings.reconcile_days)
            run.say([tr("The full check for deleted forms is tried again after a day.")], self.spec.title)

    def _reconcile(self, run: _Run) -> None:
        """Ids only: finds forms that the platform has dropped; two runs must agree before one is withdrawn (F62)."""
        self._same_server(run)
        listed: set[str] = set()
        strange: list[str] = []
        hashed = self.store.sealer.hasher("response", str(self.source))
        for part in self.adapter.listing():
            keys = {hashed(remote_id): remote_id for remote_id in part}
            listed.update(keys)
            with self.store.reading(self.source) as tx:
                before = forms.seen_before(tx, keys)
            strange += [remote_id for key, remote_id in keys.items() if key not in before]
        self._late(run, strange)
        with self.store.reading(self.source) as tx:
            absent = entries.only_from_the_platform(tx, forms.not_listed(tx, listed))
        if absent and not listed:
            raise NotTheApi(
                tr(
                    "{platform} lists no forms at all, while {absent} from it are stored here. Nothing was "
                    "withdrawn. Check that the address and the account are the right ones (handrail doctor).",
                    platform=self.spec.title,
                    absent=len(absent),
                )
            )

        def write(tx: Tx) -> list[str]:
            again = forms.missing_twice(tx, absent)
            touched = forms.deactivate(tx, again, forms.WITHDRAWN)
            forms.mark_keys_dirty(tx, touched)
            full_check.done(tx, self.context.as_of)
            return again

        gone = self.store.write(write, self.source)
        run.counts["withdrawn_as_deleted"] += len(gone)
        run.counts["missing_once"] += len(absent) - len(gone)
        self.store.write(mend.ask_all_again, self.source)
        self._clients(run)
        self._rules(run)

    def _late(self, run: _Run, strange: Sequence[str]) -> None:
        """Reads forms that are listed but were never pulled: those not ours are counted and left, those that became
        visible behind the cursor are stored, and said (F4)."""
        if not strange:
            return
        with self.store.reading(self.source) as tx:
            cursor = book.cursor(tx, STREAM)
        late = 0
        for part in chunks(strange, ID_BATCH):
            done = self.ingest.page(self.adapter.fetch(part), by_id=True)
            run.counts.update({name: n for name, n in done.counts.items() if name in _LATE})
            self._urgent(run, done)
            if cursor is not None and cursor.since is not None:
                late += sum(form.updated is not None and form.updated < cursor.since for form in done.stored)
        if late:
            run.counts["found_late"] += late
            sentence = trn(
                "{count} form(s) became visible on the platform later than the overlap of each sync reaches back; the "
                "full check found them. Set a larger overlap in the platform's settings.",
                "{count} form(s) became visible on the platform later than the overlap of each sync reaches back; the "
                "full check found them. Set a larger overlap in the platform's settings.",
                late,
            )
            run.say([sentence], self.spec.title)
        self._clients(run)
        self._rules(run)

    # --- asking --------------------------------------------------------------------------------------------------

    def _asks(self, run: _Run, send: Callable[[], SendReport] | None) -> None:
        """Settles requests by the forms that came in; with `send`, asks for what is due: only where all was pulled,
        since a form that is not here yet would be asked for again."""
        moved = any(number for name, number in run.counts.items() if name not in _MOVES_NO_FORM)
        found = settle(self.store, self.source, self.now(), self.settings.zone, withdrawn=moved)
        run.counts.update({f"requests_{name}": number for name, number in found.items()})
        if send is None:
            return
        done = send()
        run.counts.update({f"requests_{name}": number for name, number in done.counts.items()})
        run.say(done.problems, "asking")
        if run.outcome is not RunOutcome.FAILED and done.outcome is not RunOutcome.COMPLETE:
            run.outcome = done.outcome

    # --- push ----------------------------------------------------------------------------------------------------

    def _push(self, run: _Run, options: Options) -> None:
        push = self.settings.push
        if not push.on or not push.carriers:
            return
        waiting, begun = self._queue_standing(push.carriers)
        if options.dry_run:
            run.counts["would_push"] += waiting
            return
        if begun is None and not self._may_begin(run, options, waiting):
            return
        if not waiting:
            return
        with run.timed("push"):
            reasons = {name: name in push.reasons for name in push.carriers}
            sender = Push(self.store, self.source, self.registry, self.adapter, self.context, reasons, self.progress)
            done = sender.run()
        run.counts.update(done.counts)
        run.say(done.problems, self.spec.title)
        if done.error is not None:
            run.fail(done.error, self.spec.title)

    def _may_begin(self, run: _Run, options: Options, waiting: int) -> bool:
        """The first push: only after everything was read once, and with consent to what stands then. Where nothing
        stands, there is nothing to ask: flags that rise from now on are pushed."""
        if run.outcome is not RunOutcome.COMPLETE:
            return False
        if waiting and not options.consent(waiting):
            run.undone.append(
                trn(
                    "{count} flag stands from answers that were there before. To push it, run: handrail sync --yes",
                    "{count} flags stand from answers that were there before. To push them, run: handrail sync --yes",
                    waiting,
                )
            )
            return False
        self.store.write(book.start_pushing, self.source)
        return True

    def _queue_standing(self, carriers: Sequence[str]) -> tuple[int, datetime | None]:
        """Queues flags that stand and that a carrier does not have yet: it was chosen after they rose. Gives how many
        deliveries wait then, and since when the practice pushes."""

        def write(tx: Tx) -> tuple[int, datetime | None]:
            outgoing.want(tx, outgoing.unqueued(tx, carriers, PUSHED_KINDS), carriers)
            return outgoing.counts(tx).get("pending", 0), book.pushing_since(tx)

        return self.store.write(write, self.source)

    # --- the end -------------------------------------------------------------------------------------------------

    def _plugins_missing(self, run: _Run) -> None:
        """A plugin that the settings name and that is not working: the others went on, the run is no success (F104)."""
        missing = self.registry.plugins.problems()
        run.problems += [Problem(sentence, "plugins", fatal=True) for sentence in missing]
        if missing and run.outcome is RunOutcome.COMPLETE:
            run.outcome = RunOutcome.FAILED

    def _finish(self, run: _Run, options: Options) -> RunReport:
        run.say(self.warnings, self.spec.title)
        self._plugins_missing(run)
        untold, unseen = self.telling.end(run.counts)
        if untold:
            run.problems[:0] = untold
            run.outcome = RunOutcome.FAILED
        with self.store.reading(self.source) as tx:
            outbox = outgoing.counts(tx)
            set_aside = forms.count_set_aside(tx)
        pending = 0 if options.dry_run or run.undone else outbox.get("pending", 0)
        run.undone += still_waiting(pending, outbox.get("refused", 0), set_aside)
        run.undone[:0] = unseen
        report = RunReport(
            started=run.started,
            finished=self.now(),
            outcome=run.outcome,
            counts={name: number for name, number in sorted(run.counts.items()) if number},
            seconds=run.seconds,
            problems=tuple(run.problems),
            undone=tuple(run.undone),
        )
        reach("run-before-report")
        self.store.write(lambda tx: book.add_run(tx, report), self.source)
        if not self.store.rehearsing:
            hooks.tell(self.registry.plugins, "sync_finished", report=report, context=self.context)
        return report


def _back_to(cursor: Cursor | None, since: datetime) -> Cursor:
    """The cursor taken back to a day; never forward, which would pass over forms that nobody has read."""
    if cursor is None or cursor.since is None:
        return Cursor(STREAM, since)
    return cursor if cursor.since <= since else replace(cursor, since=since)
