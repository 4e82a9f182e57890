"""Collecting: who is asked what and when, on which consent; sending, reminding, and what came back.

Enrolments say who is asked; the cadence says when; a collector says how. `Engine.collecting` is all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from ...schemas.records import Enrolment
from ...schemas.vocab import AskState
from ..errors import Unsupported, UsageError
from ..store import Tx, asks, book, enrolments, forms, sessions
from ..sync.points import reach
from ..words import in_practice_language, tr
from . import enrolling
from .cadence import day_of
from .enrolling import Wish
from .facts import DueRow, Enrolled, SendReport, Standing
from .planning import Case, Planner

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..engine import Engine
    from .online import Online
    from .people import People
    from .send import SendOptions

__all__ = ["Collecting", "DueRow", "Enrolled", "SendReport", "Standing", "Wish"]


class Collecting:
    """Asking the clients of one practice.

    :param engine: the practice.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def today(self) -> date:
        """The practice's local day."""
        return day_of(self.engine.now(), self.engine.settings.zone)

    @cached_property
    def online(self) -> Online:
        """Forms on our own pages: links, what is ticked so far, what was sent."""
        from .online import Online

        return Online(self.engine)

    def take_in(self) -> None:
        """Brings what clients have sent from our own pages among the forms; what must wait is tried again."""
        from ..store import visits

        with self.engine.store.reading(self.engine.source) as tx:
            there = visits.any_here(tx)
        if there:
            self.online.take_in()

    @property
    @in_practice_language
    def consent_text(self) -> str:
        """What clients are shown of purpose and consent."""
        return enrolling.consent_text(self.engine.settings)

    @in_practice_language
    def cannot_ask(self) -> str | None:
        """Why clients cannot be asked through the platform, in a sentence; None: they can."""
        from .request import Requests

        try:
            Requests(self.engine).context.sender()
        except Unsupported as error:
            return error.message
        return None

    # --- enrolments --------------------------------------------------------------------------------------------------

    @in_practice_language
    def enrol(self, wishes: Sequence[Wish], author: str, *, dry_run: bool = False) -> list[Enrolled]:
        """Enrols clients, or changes enrolments; all of them or, when one is wrong, none.

        A client who is not known yet is looked up on the platform.

        :param dry_run: only gives what they would become.
        :raises UsageError: a client is not known, has opted out without a newer consent, or a wish cannot be lived by.
        :raises SettingsError: a form has safety lines, and what they need is not filled in.
        """
        from .people import People

        with self.engine.store.reading(self.engine.source) as tx:
            people = People(self.engine, forms.read_clients(tx))
            keys = people.keys([wish.client for wish in wishes])
            before = enrolments.read(tx, sorted(set(keys)))
            attended = sessions.known(tx)
        settings, registry = self.engine.settings, self.engine.registry
        found: dict[str, Enrolled] = {}
        for key, wish in zip(keys, wishes, strict=True):
            old = found[key].after if key in found else before.get(key)
            after = enrolling.enrolled(old, key, wish, settings, self.today, author)
            enrolling.check(after, settings, registry, self.today)
            notes = enrolling.notes_on(after, settings, sessions=attended)
            if people.namesakes(key):
                notes = (*notes, tr(enrolling.NOTE_NAMESAKE))
            found[key] = Enrolled(people.name(key), before.get(key), after, notes)
        if not dry_run:
            self._store({key: item for key, item in found.items() if item.changed}, people, author, "client-enrolled")
        return list(found.values())

    def _store(self, items: dict[str, Enrolled], people: People | None, author: str, action: str) -> None:
        now, today = self.engine.now(), self.today

        def write(tx: Tx) -> None:
            if people is not None:
                people.store(tx, list(items))
            states = {key: (item.after, enrolling.state_on(item.after, today)) for key, item in items.items()}
            enrolments.save(tx, states, now)
            forms.mark_keys_dirty(tx, items)  # tags may have changed what the rules read
            self._close_unwanted(tx, list(items))
            for key in items:
                book.record(tx, author, action, key)
            reach("enrol-before-commit")

        self.engine.store.write(write, self.engine.source)
        reach("enrol-after-commit")

    def _close_unwanted(self, tx: Tx, clients: list[str]) -> None:
        from .send import unwanted

        planner = Planner(self.engine.settings, self.engine.registry, self.today)
        asks.close(tx, unwanted(tx, planner, clients), self.engine.now())

    def _change(self, client: str, author: str, action: str, change: Callable[[Enrolment], Enrolment]) -> Enrolled:
        """Changes the enrolment of one client, by key, reference or name.

        :raises UsageError: the client is not known or not enrolled.
        """
        key = self.engine.client_key(client)
        with self.engine.store.reading(self.engine.source) as tx:
            old = enrolments.read(tx, [key]).get(key)
            person = forms.read_clients(tx, [key])[key]
        if old is None:
            raise UsageError(tr(enrolling.NOT_ENROLLED))
        done = Enrolled(person.name or person.ref, old, change(old))
        if done.changed:
            self._store({key: done}, None, author, action)
        return done

    @in_practice_language
    def pause(self, client: str, until: date, author: str) -> Enrolled:
        """Asks this client nothing until (and including) a day; an open request is taken back."""
        if until < self.today:
            raise UsageError(tr(enrolling.PAUSE_OVER))
        return self._change(client, author, "client-paused", lambda old: replace(old, paused_until=until))

    @in_practice_language
    def resume(self, client: str, author: str) -> Enrolled:
        """Ends a pause before its day; what fell due meanwhile is asked for once."""
        yesterday = self.today - timedelta(days=1)

        def change(old: Enrolment) -> Enrolment:
            paused = old.paused_until is not None and old.paused_until > yesterday
            return replace(old, paused_until=yesterday) if paused else old

        return self._change(client, author, "client-resumed", change)

    @in_practice_language
    def opt_out(self, client: str, author: str) -> Enrolled:
        """The client is not asked any more, at once: an open request is taken back, one that is due is not sent.

        The no of one who is not enrolled is kept as well: a list that is read in later needs a newer consent.
        """
        from .people import People

        with self.engine.store.reading(self.engine.source) as tx:
            people = People(self.engine, forms.read_clients(tx))
        try:
            key = self.engine.client_key(client)
        except UsageError:  # not known here, but perhaps to the platform
            (key,) = people.keys([client])
        with self.engine.store.reading(self.engine.source) as tx:
            old = enrolments.read(tx, [key]).get(key)
        base = old or enrolling.usual(key, self.engine.settings, self.today)
        done = Enrolled(people.name(key), old, replace(base, opted_out=base.opted_out or self.today))
        if done.changed:
            self._store({key: done}, people, author, "client-opted-out")
        return done

    @in_practice_language
    def end(self, client: str, author: str, on: date | None = None) -> Enrolled | None:
        """The course of a client has ended: from that day on nothing is asked. None: they were not enrolled."""
        day = on or self.today
        key = self.engine.client_key(client)
        with self.engine.store.reading(self.engine.source) as tx:
            if not enrolments.read(tx, [key]):
                return None
        return self._change(key, author, "client-ended", lambda old: replace(old, end=day))

    def not_enrolled(self) -> list[str]:
        """Our keys of the clients who are known and not enrolled in any way; merged records are left out."""
        with self.engine.store.reading(self.engine.source) as tx:
            merged = enrolments.replaced(tx)
            return [key for key in enrolments.missing(tx) if key not in merged]

    def enrolments(self) -> dict[str, Enrolment]:
        """All enrolments, by our key of the client."""
        with self.engine.store.reading(self.engine.source) as tx:
            return enrolments.read(tx)

    # --- due and send ------------------------------------------------------------------------------------------------

    @in_practice_language
    def due(self, *, client: str | None = None) -> list[DueRow]:
        """How each form of each enrolled client stands today, soonest first."""
        from .listing import Listing

        keys = None if client is None else [self.engine.client_key(client)]
        planner = Planner(self.engine.settings, self.engine.registry, self.today)
        with self.engine.store.reading(self.engine.source) as tx:
            cases: list[Case] = list(planner.cases(tx, keys))
            return Listing(self.engine, self.today).rows(tx, cases)

    @in_practice_language
    def send(self, options: SendOptions | None = None) -> SendReport:
        """Asks for all that is due, reminds, and takes back what is over; gives the report.

        :raises Busy: another process is at it.
        """
        from ..sync.lock import exclusive
        from .send import SendOptions

        chosen = options or SendOptions()
        with exclusive(self.engine.store, "sending"):
            if not chosen.dry_run:
                return self.send_within(chosen)
            with self.engine.store.rehearsal():
                return self.send_within(chosen)

    def send_within(self, options: SendOptions | None = None) -> SendReport:
        """The same where the caller holds the practice's lock: at the end of a sync."""
        from .send import Sending, SendOptions

        return Sending(self.engine, options or SendOptions()).run()

    @in_practice_language
    def recall(self) -> SendReport:
        """Takes requests back that are closed here, and does nothing else; the caller holds the practice's lock."""
        from .send import Sending, SendOptions

        return Sending(self.engine, SendOptions()).recall()

    def counts(self) -> dict[str, int]:
        """How many requests there are in each state."""
        with self.engine.store.reading(self.engine.source) as tx:
            found = asks.counts(tx)
        return {state.value: found.get(state.value, 0) for state in AskState}
