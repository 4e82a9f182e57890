"""Sends what the outbox holds: at least once, made once, each result committed before the next is sent.

One writer a practice (lock.py), one request in flight for a key. When the outcome of a write is unknown the carrier
looks before it sends again (F81-F84a); a refusal for good is kept and shown, since a lost prompt is a clinical event
(F88); a platform that is down leaves the rest for the next run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ...schemas.records import Delivery
from ...schemas.vocab import DeliveryState, RemoteState
from ..contracts import Adapter, Carrier, HookContext, Notice
from ..errors import Denied, PlatformError, Unreachable, Unsupported
from ..registry import Registry
from ..store import Store, Tx, book, entries, flags, forms, outgoing
from ..store.sql import to_ms
from ..words import mark, tr
from . import hooks
from .points import reach

TITLE = mark("Handrail: something to look at before the next session")
BATCH = 50
RETRY_MINUTES = (5, 15, 60, 240)


@dataclass(slots=True)
class Pushed:
    """What was sent. `error` is the platform's fault that ended the push early, if one did."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    error: PlatformError | None = None


class Push:
    """Sends pending deliveries of one source.

    :param reasons: by carrier name, whether the practice allowed the reason to be shown there.
    :param only: keys of the flags that alone are sent; all by default.
    """

    def __init__(
        self,
        store: Store,
        source: int,
        registry: Registry,
        adapter: Adapter,
        context: HookContext,
        reasons: Mapping[str, bool],
        progress: Callable[[str, int, int | None], None],
        only: Sequence[str] | None = None,
    ) -> None:
        self.store = store
        self.source = source
        self.registry = registry
        self.adapter = adapter
        self.context = context
        self.reasons = reasons
        self.progress = progress
        self.only = only
        self._carriers: dict[str, Carrier] = {}

    def run(self) -> Pushed:
        """Sends until nothing is pending, or the platform cannot be reached."""
        done = Pushed()
        now = to_ms(self.context.as_of)
        while done.error is None:
            with self.store.reading(self.source) as tx:
                batch = outgoing.pending(tx, BATCH, now, self.only)
                notices = self._notices(tx, batch)
            if not batch:
                break
            results = self._batch(batch, notices, done)
            done.problems += hooks.tell(
                self.registry.plugins, "flags_delivered", deliveries=tuple(results), context=self.context
            )
            if len(results) < len(batch) and done.error is None:
                break
        return done

    def _notices(self, tx: Tx, batch: list[outgoing.Outgoing]) -> dict[tuple[str, str], Notice]:
        clients = sorted({item.client for item in batch})
        people = forms.read_clients(tx, clients)
        standing = outgoing.standing_on(tx, clients)
        evidence = flags.evidence_of(tx, [item.flag for item in batch])
        based = {form.id for found in evidence.values() for form in found.forms}
        ids = forms.remote_ids(tx, sorted(based))
        remote = {key: name for key, name in ids.items() if not entries.is_entry(name)}  # the platform knows no others
        notices = {}
        for item in batch:
            person = people[item.client]
            found = evidence[item.flag]
            notices[item.flag, item.carrier] = Notice(
                key=item.flag,
                client=person.ref,
                rule=item.rule,
                state=item.wanted,
                title=tr(TITLE),
                opened=item.opened,
                closed=item.closed,
                reason=found.reason if self.reasons.get(item.carrier) else None,
                based_on=tuple(remote[form.id] for form in found.forms if form.id in remote),
                clinician=person.clinician,
                beside=standing.get((item.client, item.carrier), 0) - (item.wanted is RemoteState.ACTIVE),
                attempted=item.attempted,
            )
        return notices

    def _batch(
        self, batch: list[outgoing.Outgoing], notices: Mapping[tuple[str, str], Notice], done: Pushed
    ) -> list[Delivery]:
        results = []
        for item in batch:
            try:
                results.append(self._one(item, notices[item.flag, item.carrier], done))
            except (Unreachable, Denied) as error:
                self._later(item, error)
                done.error = error
                break
            except PlatformError as error:
                results.append(self._failed(item, error, done))
            try:
                self.progress("pushing", 1, None)
            except Unreachable as error:  # the turn of this practice is over (fleet/turn.py); this one was sent
                done.error = error
                break
        return results

    def _one(self, item: outgoing.Outgoing, notice: Notice, done: Pushed) -> Delivery:
        carrier = self._carrier(item.carrier)
        self.store.write(lambda tx: outgoing.sending(tx, item), self.source)
        reach("push-before-send")
        made = carrier.deliver(notice, item.remote_id, item.remote_version)
        reach("push-after-send")
        done.counts["doubles_retracted"] += made.doubles
        if made.refused is not None:
            self.store.write(lambda tx: outgoing.not_sent(tx, item, str(made.refused), refused=True), self.source)
            done.counts["refused"] += 1
            done.problems.append(
                tr("A flag of rule {rule} was refused by the platform: {refused}", rule=item.rule, refused=made.refused)
            )
            return _result(item, DeliveryState.REFUSED, item.on_platform, made.refused)

        def mark(tx: Tx) -> None:
            outgoing.sent(tx, item, made.remote_id, made.remote_version)
            book.record(tx, "handrail", _ACTION[item.wanted], item.flag, item.carrier)

        self.store.write(mark, self.source)
        reach("push-after-mark")
        done.counts["left_as_edited_by_a_person" if made.human_edit else _COUNT[item.wanted]] += 1
        return _result(item, DeliveryState.DELIVERED, item.wanted, None)

    def _carrier(self, name: str) -> Carrier:
        if name not in self._carriers:
            self._carriers[name] = self.adapter.carrier(name)
        return self._carriers[name]

    def _failed(self, item: outgoing.Outgoing, error: PlatformError, done: Pushed) -> Delivery:
        """A fault of this one delivery: refused for good when the platform cannot do it at all, else tried later."""
        refused = isinstance(error, Unsupported)
        if refused:
            self.store.write(lambda tx: outgoing.not_sent(tx, item, error.message, refused=True), self.source)
        else:
            self._later(item, error)
        done.counts["refused" if refused else "to_try_again"] += 1
        done.problems.append(error.message)
        return _result(
            item, DeliveryState.REFUSED if refused else DeliveryState.PENDING, item.on_platform, error.message
        )

    def _later(self, item: outgoing.Outgoing, error: PlatformError) -> None:
        minutes = RETRY_MINUTES[min(item.attempts, len(RETRY_MINUTES) - 1)]
        # An unreachable platform is no fault of this flag: the next run tries it at once.
        wait = None if isinstance(error, (Unreachable, Denied)) else to_ms(self.context.as_of) + minutes * 60_000
        message = error.message
        self.store.write(
            lambda tx: outgoing.not_sent(tx, item, message, refused=False, not_before_ms=wait), self.source
        )


_ACTION = {
    RemoteState.ACTIVE: "flag-shown-on-platform",
    RemoteState.INACTIVE: "flag-closed-on-platform",
    RemoteState.RETRACTED: "flag-retracted-on-platform",
}
_COUNT = {
    RemoteState.ACTIVE: "pushed",
    RemoteState.INACTIVE: "closed_on_platform",
    RemoteState.RETRACTED: "retracted",
}


def _result(item: outgoing.Outgoing, state: DeliveryState, now: RemoteState, problem: str | None) -> Delivery:
    return Delivery(
        flag=item.flag,
        carrier=item.carrier,
        wanted=item.wanted,
        on_platform=now,
        state=state,
        attempts=item.attempts + 1,
        problem=problem,
    )
