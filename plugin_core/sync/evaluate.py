"""Lets the rules read the courses that changed, and turns what they say into flags and deliveries.

Rules read a course after the pull, not in the middle of it: a course of which half has arrived (newest first, or out of
order) would raise flags that the other half takes back. Which courses are to be read is itself committed with each
page (`dirty`), so that no stop loses one. Flags, their deliveries and the cleared marks are one transaction for each
page of clients.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from ...schemas.records import Acknowledgement, Course, Evidence, Flag, Hold, ScoredForm
from ...schemas.vocab import STANDING_STATES, FlagState, RemoteState
from ..contracts import HookContext, Refusal, RuleSpec
from ..errors import PluginError
from ..registry import Registry
from ..rules.life import SAFETY, Episode, episodes, shown, stale
from ..rules.safety import REASSIGNED_SINCE as REASSIGNED_SINCE
from ..safety.arrival import Settled, note_taken_back, settle
from ..store import Store, Tx, flags, forms, mend, outgoing
from ..store.sql import chunks
from ..words import tr
from . import hooks
from .basis import basis_of
from .beside import Shared
from .points import reach
from .reading import courses_of, series_of, start_of
from .sessions import attended

MOST_ALONE = 70  # clients that are read at once, in this process
HALVED = 3  # up to so many times as many are read in two halves, one of them in the copy
CLIENTS_A_PAGE = 64  # of more: two processes with a page each keep within 150 MiB
CLIENTS_AT_ONCE = 2000  # that are asked for by key: one look for many pages
PUSHED_KINDS = ("prompt", "good-news")
_LIVING_KINDS = ("prompt", "good-news", SAFETY)


@dataclass(slots=True)
class Evaluated:
    """What the rules changed."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Changes:
    """What is to be written for a page of clients."""

    new: list[tuple[Flag, str]] = field(default_factory=list)
    states: list[tuple[str, FlagState, datetime | None]] = field(default_factory=list)
    renewed: list[tuple[Flag, str]] = field(default_factory=list)
    evidence: dict[str, tuple[Evidence, float | None]] = field(default_factory=dict)
    bases: dict[str, str] = field(default_factory=dict)
    shown: dict[str, bool] = field(default_factory=dict)
    wishes: dict[str, RemoteState] = field(default_factory=dict)
    told: list[Flag] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)  # flags of clients whose course has ended: not shown on the platform
    safety: list[Flag] = field(default_factory=list)
    taken_back: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Called:
    """An episode that the rules call for: whether it is shown or waits behind "more", whether its course is stale (no
    form for long, or the form that opens it is from after the client's discharge)."""

    episode: Episode
    shown: bool
    stale: bool

    @property
    def may_rise(self) -> bool:
        """A stale course raises nothing anew; what rose and cleared in the past is history."""
        return not self.stale or self.episode.closed is not None


@dataclass(slots=True)
class Read:
    """What was read of a page of clients: what is to be written, counts and problems, the rules that did not fail,
    what else a subclass found, and how often each client was marked when it was read."""

    marks: dict[str, int]
    changes: _Changes
    found: Evaluated
    judging: set[str]
    more: Any


class Evaluate:
    """Reads dirty courses and reconciles the store's flags with what the rules call for.

    :param carriers: names of the carriers that the practice chose; empty while pushing is off.
    :param read_tags: tags of answers that the change rules shall read all the same.
    """

    def __init__(
        self,
        store: Store,
        source: int,
        registry: Registry,
        context: HookContext,
        carriers: Sequence[str] = (),
        read_tags: Sequence[str] = (),
    ) -> None:
        self.store = store
        self.source = source
        self.registry = registry
        self.context = context
        self.carriers = tuple(carriers)
        self.read_tags = tuple(read_tags)
        # Flags of a rule that is not here (its plugin was taken off) or that failed are left as they are.
        self._judging = set(registry.rules)

    @property
    def failed(self) -> set[str]:
        """The ids of rules that failed on some course."""
        return self.registry.rules.keys() - self._judging

    def run(self) -> Evaluated:
        """Reads every course that changed, a page of clients at a time."""
        done = Evaluated()
        with closing(Shared(self._pages(), self._read, self.store).all()) as pages:
            for _, read in pages:
                self._settle(read, done)
        return done

    def _pages(self) -> Iterator[list[str]]:
        with self.store.reading(self.source) as tx:
            few = forms.dirty(tx, "", HALVED * MOST_ALONE + 1)
        if len(few) <= HALVED * MOST_ALONE:
            yield from chunks(few, max(len(few) if len(few) <= MOST_ALONE else (len(few) + 1) // 2, 1))
            return
        after = ""
        while True:
            with self.store.reading(self.source) as tx:
                keys = forms.dirty(tx, after, CLIENTS_AT_ONCE)
            if not keys:
                return
            yield from chunks(keys, CLIENTS_A_PAGE)
            after = keys[-1]

    def _read(self, keys: list[str]) -> Read:
        """What a page of clients calls for. Only reads, so that another process may do it (beside.py)."""
        found = Evaluated()
        with self.store.reading(self.source) as tx:
            marks = forms.marks(tx, keys)
            changes = self._changes(tx, keys, found)
        return Read(marks, changes, found, set(self._judging), self._more())

    def _settle(self, read: Read, done: Evaluated) -> None:
        """Writes it, and tells it."""
        changes = read.changes
        done.counts.update(read.found.counts)
        done.problems += [problem for problem in read.found.problems if problem not in done.problems]
        self._judging &= read.judging
        settled = self._prepare(changes, done)

        def write(tx: Tx) -> tuple[Settled, int]:
            self._write_more(tx, read.more)
            urgent = settle(tx, changes.safety, self.context.as_of), note_taken_back(tx, changes.taken_back)
            flags.save(tx, changes.new, changes.bases)
            for key, state, closed in changes.states:
                flags.set_state(tx, key, state, closed)
            flags.set_evidence(tx, changes.evidence, changes.bases)
            for key, is_shown in changes.shown.items():
                flags.set_shown(tx, key, is_shown)
            outgoing.want(tx, _wishes(changes), self.carriers)
            if settled:
                forms.clean(tx, read.marks)
            reach("rules-before-commit")
            return urgent

        again = not hooks.anybody(self.registry.plugins, "flags_changed")  # nobody is told of what may be taken back
        urgent, noted = self.store.write(write, self.source, again=again)
        reach("rules-after-commit")
        changes.told += [*urgent.new, *urgent.again]
        done.counts.update(raised=len(urgent.new), raised_again=len(urgent.again))
        done.counts["evidence_renewed"] += urgent.renewed + noted
        if changes.told and not self.store.rehearsing:  # plugins are told what is, not what would be
            told = tuple(changes.told)
            done.problems += hooks.tell(self.registry.plugins, "flags_changed", flags=told, context=self.context)

    # --- comparing what stands with what the rules say ---------------------------------------------------------------

    def _changes(self, tx: Tx, keys: list[str], done: Evaluated) -> _Changes:
        people = forms.read_clients(tx, keys)
        series = self._series(tx, keys)
        stored = flags.of_clients(tx, keys)
        holds = flags.holds_of(tx, keys)
        every = [row for rows in stored.values() for row in rows]
        acknowledged = flags.acknowledged(tx, [row.key for row in every])
        rests_on = flags.standing(tx, [row.key for row in every if row.state in STANDING_STATES])
        ends = mend.ends_of(tx, keys)
        held = attended(tx, keys, self.context.as_of.tzinfo)
        changes = _Changes()
        found = {}
        for key in keys:
            starts = [start_of(day) for day in people[key].changes]
            found[key] = courses_of(key, series[key], starts, self.registry, held[key] if held else None)
        self.registry.prepare([course for courses in found.values() for course in courses])
        for key, courses in found.items():
            quiet = _quiet(stored[key], acknowledged)
            called = self._called_for(courses, holds.get(key, []), quiet, ends.get(key), done)
            called = _as_stored(called, stored[key])
            if key in ends:
                changes.ended.update(called, (row.key for row in stored[key]))
            living = self._urgent(key, called, stored[key], changes, done)
            others = [row for row in stored[key] if row.kind != SAFETY]
            self._compare(key, living, others, changes, done)
            self._refresh(key, living, others, rests_on, changes, done)
        return changes

    def _series(
        self, tx: Tx, keys: Sequence[str], scored_by: dict[str, str] | None = None
    ) -> dict[str, list[tuple[str, str, ScoredForm]]]:
        """The forms of a page of clients: client key -> (instrument, version, form), oldest first."""
        return series_of(tx, keys, self.registry, self.context.as_of.tzinfo, self.read_tags, scored_by)

    def _more(self) -> Any:
        """What else was found on the page that was read last."""

    def _write_more(self, tx: Tx, more: Any) -> None:
        """What else belongs into the transaction of this page."""

    def _called_for(
        self,
        courses: Sequence[Course],
        holds: Sequence[Hold],
        quiet: dict[str, dict[str, datetime]],
        end: date | None,
        done: Evaluated,
    ) -> dict[str, _Called]:
        """Every episode that the rules find, by flag key. `end` is the last day of the course."""
        found: dict[str, _Called] = {}
        zone = self.context.as_of.tzinfo  # the last day ends at the practice's midnight, whatever offset a form has
        for course in courses:
            opened: dict[str, list[Episode]] = {}
            old = stale(course, self.context.as_of)
            for rule in self.registry.rules_for(course.instrument.id):
                if rule.kind not in _LIVING_KINDS:
                    continue
                for episode in self._episodes(rule, course, holds, quiet.get(rule.id, {}), done):
                    opened.setdefault(episode.key_form, []).append(episode)
            for form_id, together in opened.items():
                behind = shown(together).more
                for episode in together:
                    key = self._flag_key(course.client, episode.rule.id, form_id)
                    late = end is not None and episode.form.authored.astimezone(zone).date() > end
                    found[key] = _Called(episode, not any(episode is other for other in behind), old or late)
        return found

    def _episodes(
        self, rule: RuleSpec, course: Course, holds: Sequence[Hold], quiet: dict[str, datetime], done: Evaluated
    ) -> Sequence[Episode]:
        """A rule's episodes; a rule that raises is named and costs the others nothing (F101), safety least of all."""
        try:
            return episodes(rule, course, holds=holds, acknowledged=quiet)
        except PluginError:
            raise
        except Exception as error:  # noqa: BLE001 - a vendor's rule may raise anything
            self._failed(rule, error, done)
            return ()

    def _failed(self, rule: RuleSpec, error: Exception, done: Evaluated) -> None:
        if rule.id in self._judging:
            self._judging.discard(rule.id)
            plugin = self.registry.plugins.label(self.registry.rules[rule.id].plugin)
            done.problems.append(
                tr(
                    "The rule {id} of {plugin} failed ({fault}) and raised nothing more in this run; the other rules "
                    "went on. Update the plugin, or take it off the list.",
                    id=rule.id,
                    plugin=plugin,
                    fault=type(error).__name__,
                )
            )

    def _flag_key(self, client: str, rule: str, form: str) -> str:
        return self.store.sealer.hash("flag", client, rule, form)

    def _urgent(
        self,
        client: str,
        called: dict[str, _Called],
        stored: Sequence[flags.FlagRow],
        changes: _Changes,
        done: Evaluated,
    ) -> dict[str, _Called]:
        """Sets safety flags apart, which have no life of their own: they stand until a person closes them. Gives the
        others."""
        urgent = {key: item for key, item in called.items() if item.episode.rule.kind == SAFETY}
        here = {row.key for row in stored}
        for key, item in urgent.items():
            evidence = self._evidence(item.episode, done)
            if evidence is None and key not in here:  # somebody is told even where the rule cannot say why
                evidence = item.episode.bare_evidence()
            if evidence is not None:
                changes.safety.append(_flag(key, client, item, evidence))
        changes.taken_back |= {
            row.key: client
            for row in stored
            if row.kind == SAFETY and row.rule in self._judging and row.key not in urgent
        }
        return {key: item for key, item in called.items() if key not in urgent}

    def _compare(
        self,
        client: str,
        called: dict[str, _Called],
        stored: Sequence[flags.FlagRow],
        changes: _Changes,
        done: Evaluated,
    ) -> None:
        by_key = {row.key: row for row in stored}
        for key, item in called.items():
            if key in by_key:
                self._move(by_key[key], item, changes, done)
            elif item.may_rise:
                self._raise(key, client, item, changes, done)
        for row in stored:
            if row.key not in called and row.rule in self._judging and row.state is not FlagState.WITHDRAWN:
                self._withdraw(row, changes, done)

    def _refresh(
        self,
        client: str,
        called: dict[str, _Called],
        stored: Sequence[flags.FlagRow],
        rests_on: dict[str, flags.Standing],
        changes: _Changes,
        done: Evaluated,
    ) -> None:
        """Keeps the evidence of standing flags true: an amended form may have changed the numbers that they rest on.

        The reason alone does not count as a change: a plugin may have reworded it. Evidence is made anew only where
        something that it follows from is not as it was (basis.py).
        """
        kinds = {row.key: row.kind for row in stored if row.key in rests_on}
        for key in kinds:
            if (item := called.get(key)) is not None:
                basis = self._basis(item.episode)
                if rests_on[key].is_of(basis) and self._trusts(item.episode.rule.id):
                    continue
                if (evidence := self._evidence(item.episode, done)) is None:
                    continue
                changes.bases[key] = basis
                flag, stored_so = _flag(key, client, item, evidence), rests_on[key].whole()
                old = stored_so.evidence
                if replace(flag.evidence, reason=old.reason) != old:
                    changes.renewed.append((flag, kinds[key]))
                    done.counts["evidence_renewed"] += 1
                elif basis != stored_so.basis:
                    changes.evidence[key] = (old, stored_so.score)

    def _basis(self, episode: Episode) -> str:
        return self.store.sealer.fingerprint(basis_of(episode, self.registry))

    def _trusts(self, rule: str) -> bool:  # noqa: ARG002 - a rescoring trusts some rules only
        """Whether the evidence of this rule is as it was as long as what it follows from is."""
        return True

    def _evidence(self, episode: Episode, done: Evaluated) -> Evidence | None:
        """Its reasons; None where the rule fails to give them, which counts as a rule that raises."""
        try:
            return episode.evidence()
        except Exception as error:  # noqa: BLE001 - a vendor's rule may raise anything, or give anything
            self._failed(episode.rule, error, done)
            return None

    def _raise(self, key: str, client: str, item: _Called, changes: _Changes, done: Evaluated) -> None:
        if (evidence := self._evidence(item.episode, done)) is None:
            return
        changes.new.append((_flag(key, client, item, evidence), item.episode.rule.kind))
        changes.bases[key] = self._basis(item.episode)
        done.counts["raised" if item.episode.closed is None else "raised_and_cleared_since"] += 1

    def _move(self, row: flags.FlagRow, item: _Called, changes: _Changes, done: Evaluated) -> None:
        """An episode that is stored: it has cleared since, stands again after an amendment, or goes on; and what
        waited behind another prompt of its form is shown when that one is gone."""
        episode, state = item.episode, row.state
        if state in STANDING_STATES and episode.closing_form is not None:
            state = FlagState.CLEARED
            changes.states.append((row.key, state, episode.closing_form.authored))
            done.counts["cleared"] += 1
        elif state not in STANDING_STATES and episode.closed is None:
            state = FlagState.RAISED
            changes.states.append((row.key, state, None))
            done.counts["raised_again"] += 1
        if item.shown != row.shown:
            changes.shown[row.key] = item.shown
        if row.kind in PUSHED_KINDS and (state is not row.state or item.shown != row.shown):
            changes.wishes[row.key] = outgoing.wanted_for(state) if item.shown else RemoteState.INACTIVE

    def _withdraw(self, row: flags.FlagRow, changes: _Changes, done: Evaluated) -> None:
        """What the flag rests on is gone or says otherwise now."""
        changes.states.append((row.key, FlagState.WITHDRAWN, None))
        if row.kind in PUSHED_KINDS:
            changes.wishes[row.key] = RemoteState.RETRACTED
        done.counts["withdrawn_flags"] += 1

    def _prepare(self, changes: _Changes, done: Evaluated) -> bool:
        """Lets plugins reword or veto what is new or rests on other numbers; safety flags are not theirs to touch.

        When a plugin raises, these wait, and False says that the courses are to be read again.
        """
        new, renewed = changes.new, changes.renewed
        handed = [flag for flag, _ in (*new, *renewed)]
        settled = True
        answers: Sequence[Flag | Refusal] = ()
        refused: dict[int, str] = {}
        try:
            answers, refused = hooks.prepare(
                self.registry.plugins, "prepare_flags", "flags", handed, Flag, self.context
            )
        except PluginError as error:
            done.problems.append(error.message)
            new, renewed, settled = [], [], False
        kept = []
        for index, ((flag, kind), answer) in enumerate(zip((*new, *renewed), answers, strict=True)):
            if isinstance(answer, Refusal):
                done.counts["vetoed"] += 1
                done.problems.append(
                    tr(
                        "{index} vetoed a flag of rule {rule}: {reason}",
                        index=refused[index],
                        rule=flag.rule,
                        reason=answer.reason,
                    )
                )
            elif index < len(new):
                kept.append((replace(answer, key=flag.key, client=flag.client), kind))
            else:
                changes.evidence[flag.key] = (answer.evidence, answer.score)
        changes.new = kept
        changes.told = [flag for flag, _ in changes.new]
        for flag, kind in changes.new:
            if flag.shown and kind in PUSHED_KINDS:
                changes.wishes[flag.key] = outgoing.wanted_for(flag.state)
        return settled


def _flag(key: str, client: str, item: _Called, evidence: Evidence) -> Flag:
    episode = item.episode
    closed = episode.closing_form
    return Flag(
        key=key,
        client=client,
        rule=episode.rule.id,
        rule_version=episode.rule.version,
        state=FlagState.RAISED if closed is None else FlagState.CLEARED,
        opened=episode.form.authored,
        opening_form=episode.key_form,
        evidence=evidence,
        score=episode.score,
        closed=None if closed is None else closed.authored,
        shown=item.shown,
    )


def _as_stored(called: dict[str, _Called], rows: Sequence[flags.FlagRow]) -> dict[str, _Called]:
    """Episodes under the keys of their flags: one that came with a merged client record keeps the key under which it
    rose, so that it is one flag here and on the platform (F67)."""
    if all(row.key in called for row in rows):
        return called
    better = sorted(rows, key=lambda row: (row.state in STANDING_STATES, row.key in called, row.key))
    known = {(row.rule, row.opening): row.key for row in better}
    return {known.get((item.episode.rule.id, item.episode.key_form), key): item for key, item in called.items()}


def _wishes(changes: _Changes) -> dict[str, RemoteState]:
    """How flags should look on the platform: after a discharge there is no next session to look at them before."""
    over = changes.ended
    return {
        key: RemoteState.INACTIVE if key in over and wish is RemoteState.ACTIVE else wish
        for key, wish in changes.wishes.items()
    }


def _quiet(
    rows: Sequence[flags.FlagRow], acknowledged: dict[str, list[Acknowledgement]]
) -> dict[str, dict[str, datetime]]:
    """When each rule's flags were last acknowledged: rule -> opening form -> time."""
    found: dict[str, dict[str, datetime]] = {}
    for row in rows:
        if row.key in acknowledged:
            found.setdefault(row.rule, {})[row.opening] = acknowledged[row.key][-1].at
    return found
