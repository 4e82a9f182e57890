"""What goes wrong in a practice and is put right: a form of the wrong client, one person with two records, the end of a
course, a platform that is left.

Each is one transaction with its audit entry; afterwards the rules read the courses that it touched. A process that dies
in between leaves them marked, and the next run of either reads them. What is to change on the platform goes out with
the next sync. docs/mending.md tells all of it to people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from ...schemas.records import Enrolment
from ...schemas.vocab import EnrolmentState, RemoteState
from ..collecting.enrolling import state_on
from ..contracts import HookContext
from ..errors import PlatformError, UsageError
from ..rules.life import SAFETY
from ..rules.safety import REASSIGNED_SINCE, taken_back
from ..store import Tx, asks, book, enrolments, flags, forms, mend, merging, outgoing, remarks
from ..store.mend import FormRow, StoredRedirect
from ..store.sql import from_ms
from ..sync.evaluate import PUSHED_KINDS, Evaluate
from ..sync.lock import exclusive
from ..sync.points import reach
from ..views import SHORT
from ..words import tr

if TYPE_CHECKING:
    from ..engine import Engine
    from .leaving import Left

POINTS = ("mending-before-commit", "mending-after-commit", "mending-after-rules")
SHORTEST = 6
"""Hex digits at least by which a form can be named."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A form as `handrail forms` lists it: what, when, whether it counts, whether it was reassigned to this client."""

    key: str
    instrument: str
    authored: datetime
    status: str
    counts: bool
    reassigned: bool
    remarks: int

    @property
    def id(self) -> str:
        """The short id by which commands name it."""
        return self.key[:SHORT]


@dataclass(frozen=True, slots=True)
class Mended:
    """What was put right: whose it was, whose it is now (our keys), how many forms moved, what the rules made of it."""

    before: str
    after: str
    forms: int
    flags: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Discharged:
    """The end of a course, or that it goes on (`on` None): prompts that still stand, requests that were taken back."""

    client: str
    on: date | None
    standing: int
    requests: int


class Mending:
    """Puts things right for one practice.

    :param engine: the practice.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    # --- forms ------------------------------------------------------------------------------------------------------

    def forms(self, client: str) -> list[Listed]:
        """A client's forms, newest first, those that no longer count too."""
        key = self.engine.client_key(client)
        with self.engine.store.reading(self.engine.source) as tx:
            rows = mend.form_rows(tx, key)
            said = remarks.of_forms(tx, [row.key for row in rows])
            moved = {one.key for one in mend.redirects_of(tx, mend.FORM)}
        return [
            Listed(
                row.key,
                f"{row.instrument}/{row.version}",
                from_ms(row.authored_ms, row.offset_min),
                row.status,
                row.active,
                row.key in moved,
                len(said.get(row.key, ())),
            )
            for row in rows
        ]

    def form(self, wanted: str) -> FormRow:
        """The form of that short id, or of that id on the platform.

        :raises UsageError: none, or more than one.
        """
        store, source = self.engine.store, self.engine.source
        by_id = store.sealer.hash("response", str(source), wanted)
        with store.reading(source) as tx:
            found = mend.form_named(tx, by_id)
            if not found and len(wanted) >= SHORTEST:
                found = mend.form_named(tx, wanted.lower())
        if len(found) != 1:
            raise UsageError(
                tr(
                    "More than one form has an id that begins with that id. List a client's forms with: "
                    "handrail forms CLIENT"
                )
                if found
                else tr("No form has that id. List a client's forms with: handrail forms CLIENT")
            )
        return found[0]

    def reassign(self, form: str, client: str, reason: str, author: str) -> Mended:
        """A form belongs to another client, now and whenever the platform gives it again.

        :param client: who really filled it in; one who has no form here yet, by the platform's reference.
        :raises UsageError: it is that client's already, or the platform knows no such client.
        """
        row = self.form(form)
        key, ref = self._known(client)
        if key == row.client:
            raise UsageError(tr("That form is this client's already. Nothing was changed."))

        def write(tx: Tx) -> None:
            merging.ensure(tx, key, ref)
            came_with = mend.moved(tx).get(row.key, row.client)
            old = mend.redirect(tx, mend.FORM, row.key)
            before = old.stored.before if old else _ref_of(tx, came_with)
            stored = StoredRedirect(ref, reason, author, before=before)
            mend.drop_redirects(tx, mend.MOVED, [row.key])
            _note_on_safety(tx, row)
            self._give(tx, row, key)
            mend.set_redirect(tx, mend.FORM, row.key, key, stored)
            book.record(tx, author, "form-reassigned", row.key, f"from {row.client} to {key}")

        return self._mended("reassigning", write, row.client, key)

    def take_back(self, form: str, author: str) -> Mended:
        """A form that was reassigned belongs to the client again whom the platform names.

        :raises UsageError: it was not reassigned, or that client was erased here.
        """
        row = self.form(form)
        source = self.engine.source
        with self.engine.store.reading(source) as tx:
            found = mend.redirect(tx, mend.FORM, row.key)
            merged, gone = merging.merged_into(tx), mend.erased_clients(tx)
        if found is None:
            raise UsageError(tr("That form was not reassigned. Nothing was changed."))
        came_with = self.engine.store.sealer.hash("client", str(source), found.stored.before)
        key = merging.resolve(merged, came_with)
        if not found.stored.before or key in gone:
            raise UsageError(tr("The client whose form it was before was erased here. Nothing was changed."))

        def write(tx: Tx) -> None:
            mend.drop_redirects(tx, mend.FORM, [row.key])
            if key != came_with:
                mend.remember_moved(tx, {row.key: came_with})
            merging.ensure(tx, key, found.stored.before)
            _note_on_safety(tx, row)
            self._give(tx, row, key)
            book.record(tx, author, "form-reassigned", row.key, f"back from {row.client} to {key}")

        return self._mended("reassigning", write, row.client, key)

    def _give(self, tx: Tx, row: FormRow, client: str) -> None:
        mend.give_forms(tx, [row.key], client)
        forms.mark_keys_dirty(tx, [row.client, client])
        reach("mending-before-commit")

    def _known(self, client: str) -> tuple[str, str]:
        """Key and reference of a client: one who is here, or one whom the platform knows by exactly that reference."""
        try:
            key = self.engine.client_key(client)
        except UsageError as error:
            return self._asked(client, error)
        with self.engine.store.reading(self.engine.source) as tx:
            return key, _ref_of(tx, key)

    def _asked(self, ref: str, error: UsageError) -> tuple[str, str]:
        try:
            found = next((one for one in self.engine.adapter.clients([ref]) if ref in _names(one.ref)), None)
        except PlatformError:
            found = None
        if found is None:
            raise error from None
        return self.engine.store.sealer.hash("client", str(self.engine.source), found.ref), found.ref

    # --- two records of one person -----------------------------------------------------------------------------------

    def merge(self, old: str, new: str, reason: str, author: str) -> Mended:
        """Everything of the record `old` follows to the client `new`, now and later (F67).

        :raises UsageError: they are one record already.
        """
        (giver, giver_ref), (taker, taker_ref) = self._known(old), self._known(new)
        if giver == taker:
            raise UsageError(tr("These are one client already. Nothing was changed."))

        def write(tx: Tx) -> int:
            moved = merging.merge(tx, giver, giver_ref, taker, taker_ref, reason, author)
            book.record(tx, author, "clients-merged", giver, taker)
            reach("mending-before-commit")
            return moved

        return self._mended("merging", write, giver, taker)

    def unmerge(self, old: str, author: str) -> Mended:
        """Takes a merge back: the record `old` (the platform's reference of it) is a client of its own again.

        :raises UsageError: no such record was merged.
        """
        store, source = self.engine.store, self.engine.source
        key = store.sealer.hash("client", str(source), old)
        with store.reading(source) as tx:
            merged = merging.merged_into(tx)
        if key not in merged:
            key = old
        if key not in merged:
            raise UsageError(
                tr(
                    "No record of that reference was merged. Give the reference of the record that is no more, as "
                    "the platform shows it. Nothing was changed."
                )
            )

        def write(tx: Tx) -> int:
            _, moved = merging.unmerge(tx, key)
            book.record(tx, author, "clients-unmerged", key)
            reach("mending-before-commit")
            return moved

        return self._mended("merging", write, merging.resolve(merged, key), key)

    # --- the end of a course -----------------------------------------------------------------------------------------

    def discharge(self, client: str, on: date, author: str) -> Discharged:
        """The course ends with a day: no more requests, and no prompt rises from forms of later days.

        Prompts that stand stay in Handrail until a person has seen to them; on the platform they are closed, as they
        speak of a next session. Safety answers are relayed as before.
        :raises UsageError: the day lies in the future.
        """
        if on > self.engine.now().date():
            raise UsageError(tr("The last day of the course cannot lie in the future. Give today, or a day before."))
        key = self.engine.client_key(client)

        def write(tx: Tx) -> Discharged:
            mend.set_end(tx, key, on)
            ended = self._enrol(tx, key, lambda item: replace(item, end=on))
            standing = _shown_on_platform(tx, key)
            outgoing.want(tx, dict.fromkeys(standing, RemoteState.INACTIVE), ())
            book.record(tx, author, "client-discharged", key, on.isoformat())
            reach("mending-before-commit")
            return Discharged(key, on, len(standing), ended)

        return self._settled("discharging", write)

    def resume(self, client: str, author: str) -> Discharged:
        """The course goes on after all: later forms raise prompts again, requests begin anew where there are any."""
        key = self.engine.client_key(client)

        def write(tx: Tx) -> Discharged:
            if not mend.ends_of(tx, [key]):
                raise UsageError(tr("This client was not discharged here. Nothing was changed."))
            mend.set_end(tx, key, None)
            self._enrol(tx, key, lambda item: replace(item, end=None))
            standing = _shown_on_platform(tx, key)
            outgoing.want(tx, dict.fromkeys(standing, RemoteState.ACTIVE), ())
            book.record(tx, author, "client-resumed", key)
            reach("mending-before-commit")
            return Discharged(key, None, len(standing), 0)

        return self._settled("discharging", write)

    def pause(self, client: str, until: date, author: str) -> Discharged:
        """No requests until (and including) a day; prompts are not touched (`handrail hold` pauses those).

        :raises UsageError: the day has passed, or nothing is asked of this client.
        """
        if until < self.engine.now().date():
            raise UsageError(tr("The pause would end before it begins. Give a day from today on."))
        key = self.engine.client_key(client)

        def write(tx: Tx) -> Discharged:
            if key not in enrolments.read(tx, [key]):
                raise UsageError(tr("This client is not enrolled: nothing is asked, so there is nothing to pause."))
            taken_back = self._enrol(tx, key, lambda item: replace(item, paused_until=until))
            book.record(tx, author, "client-paused", key, until.isoformat())
            reach("mending-before-commit")
            return Discharged(key, None, 0, taken_back)

        return self._settled("pausing", write)

    def _enrol(self, tx: Tx, key: str, change: Callable[[Enrolment], Enrolment]) -> int:
        """Changes an enrolment where there is one; when nothing is asked any more, open requests are closed, and taken
        back by their channel at the next sync. Gives how many."""
        now = self.engine.now()
        found = enrolments.read(tx, [key]).get(key)
        if found is None:
            return 0
        item = change(found)
        state = state_on(item, now.date())
        enrolments.save(tx, {key: (item, state)}, now)
        if state is EnrolmentState.ACTIVE:
            return 0
        return asks.close(tx, asks.read(tx, clients=[key], states=asks.LIVE), now)

    # --- leaving the platform ----------------------------------------------------------------------------------------

    def disconnect(self, author: str, *, retract: bool = False, leave: bool = False, erase: bool = False) -> Left:
        """Takes back what was pushed, then forgets the platform; see `leaving.disconnect`."""
        from .leaving import disconnect

        return disconnect(self.engine, author, retract=retract, leave=leave, erase=erase)

    # --- what all of these share -------------------------------------------------------------------------------------

    def read_courses(self) -> Mapping[str, int]:
        """Lets the rules read the courses that were touched; gives what they changed."""
        engine = self.engine
        platform, push = engine.connection.platform, engine.settings.push
        context = HookContext(engine.settings.practice, platform, engine.now())
        carriers, read = push.carriers if push.on else (), engine.settings.read_tags
        done = Evaluate(engine.store, engine.source, engine.registry, context, carriers, read).run()
        engine.warnings += done.problems
        return {name: number for name, number in sorted(done.counts.items()) if number}

    def _mended(self, doing: str, write: Callable[[Tx], int | None], before: str, after: str) -> Mended:
        engine = self.engine
        with exclusive(engine.store, doing):
            moved = engine.store.write(write, engine.source)
            reach("mending-after-commit")
            found = self.read_courses()
            reach("mending-after-rules")
            engine.safety.tell()  # a safety answer that was somebody else's until now; what is not sent, a sync says
        return Mended(before, after, 1 if moved is None else moved, found)

    def _settled(self, doing: str, write: Callable[[Tx], Discharged]) -> Discharged:
        engine = self.engine
        with exclusive(engine.store, doing):
            done = engine.store.write(write, engine.source)
            reach("mending-after-commit")
            self.read_courses()
            reach("mending-after-rules")
        return done


def _ref_of(tx: Tx, key: str) -> str:
    """The platform's reference of a client, or of a record that was merged into another."""
    if (found := forms.read_clients(tx, [key]).get(key)) is not None:
        return found.ref
    merged = mend.redirect(tx, mend.CLIENT, key)
    return merged.stored.record.ref if merged and merged.stored.record else ""


def _shown_on_platform(tx: Tx, client: str) -> list[str]:
    """Standing prompts and good news of a client that are shown, by key."""
    found = flags.read(tx, client=client)
    return [flag.key for flag, kind in found if flag.shown and kind in PUSHED_KINDS]


def _note_on_safety(tx: Tx, row: FormRow) -> None:
    """Safety notices that a form raised for a client whose it is not stay until a person closes them; they say so."""
    found = flags.read(tx, client=row.client)
    told = [flag for flag, kind in found if kind == SAFETY and flag.opening_form == row.key]
    silent = [flag for flag in told if not taken_back(flag.evidence)]
    noted = {
        flag.key: (replace(flag.evidence, reason=f"{flag.evidence.reason} {tr(REASSIGNED_SINCE)}"), flag.score)
        for flag in silent
    }
    flags.set_evidence(tx, noted)


def _names(ref: str) -> tuple[str, str]:
    """The reference, and the id at its end."""
    return ref, ref.rpartition("/")[2]
