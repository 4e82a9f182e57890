"""The therapist's self-check (`ts8`): private to its author, shared form by form by the author's own act.

It is about an identifiable client and about a therapist, so it is sealed with a key that only the author has (their
own keyring, or a file of theirs): neither the practice's key nor another user opens it. It is kept out of the chart, of
reports and of exports to the practice, and deleted after twelve months (docs/selfcheck.md). What is shared lies under
the practice's key too and is read by rule P6; taking the sharing back, or the twelve months, takes that away again.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from ...schemas.records import Answer, Evidence, Score, ScoredForm
from ...schemas.vocab import FlagState
from ..errors import HandrailError, KeyProblem, UsageError
from ..rules.others import SELF_CHECK, SHARED
from ..store import Tx, book, flags, forms, keys, selfchecks
from ..store.seal import Sealer
from ..store.selfchecks import SelfCheck
from ..views import SHORT
from ..words import tr

if TYPE_CHECKING:
    from ..engine import Engine
    from ..registry import Registry

Series = dict[str, list[tuple[str, str, ScoredForm]]]
"""Client key -> (instrument, version, form), oldest first."""

Key = str | bytes
"""Where an author's key lies, or the key itself where the author has brought it (`phrase.key_of`)."""
KEPT = timedelta(days=365)
CLIENT_FORMS = 2
"""A self-check falls due with each second form of the client (clinical.md 2.2)."""
GONE = "The self-check that this rested on was taken back by its author, or deleted after twelve months."
RULE = "P6"


@dataclass(frozen=True, slots=True)
class Own:
    """A self-check as its author sees it: about whom, its answers and its score."""

    check: SelfCheck
    client: str
    score: Score

    @property
    def id(self) -> str:
        """The short id by which commands name it."""
        return self.check.key[:SHORT]


@dataclass(frozen=True, slots=True)
class DueCheck:
    """A client about whom a self-check may be filled in: name, forms since the last one, our key."""

    client: str
    forms: int
    last: date | None
    key: str = ""


class SelfChecks:
    """Self-checks of one author at a time.

    :param engine: the practice.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # --- the author and their key -----------------------------------------------------------------------------------

    def reference(self, author: str) -> str:
        """Where an author's key lies unless they say otherwise: the keyring of the computer's user."""
        return f"keyring:selfcheck-{self._engine.settings.practice}-{self._author(author)[:12]}"

    def begin(self, author: str, reference: str | None = None) -> str:
        """Makes an author's key; gives where it lies.

        :raises UsageError: the author has one already.
        """
        place = reference or self.reference(author)
        if keys.exists(place):
            raise UsageError(tr("There is a key at that place already. Nothing was changed."))
        key = keys.make_master()
        keys.write(place, key)
        try:
            self.begin_with(author, base64.b64decode(key))
        except BaseException:
            keys.remove(place)  # one that seals nothing would stand in the way of the next that is made
            raise
        return place

    def begin_with(self, author: str, key: bytes) -> None:
        """Notes the key of an author who keeps it elsewhere: 32 bytes, which are not stored.

        :raises UsageError: the author has one already.
        """
        own = Sealer(self._engine.settings.practice, {1: key})

        def write(tx: Tx) -> None:
            name = selfchecks.author_key(tx, author)
            if selfchecks.known(tx, name, own) is not None:
                raise UsageError(
                    tr(
                        "You have a key for self-checks already. If it is lost, what it sealed cannot be read again; "
                        "delete that first: handrail selfcheck forget"
                    )
                )
            selfchecks.begin(tx, name, own)
            book.record(tx, author, "selfcheck-begun")

        self._engine.store.write(write, self._engine.source)

    def begun(self, author: str) -> bool:
        """Whether the author has a key, wherever it lies."""
        with self._engine.store.reading(self._engine.source) as tx:
            return selfchecks.begun(tx, selfchecks.author_key(tx, author))

    def _author(self, author: str) -> str:
        return self._engine.store.sealer.hash("author", author)

    def _own(self, author: str, reference: Key | None) -> Sealer:
        key = reference if isinstance(reference, bytes) else keys.master(reference or self.reference(author))
        own = Sealer(self._engine.settings.practice, {1: key})
        with self._engine.store.reading(self._engine.source) as tx:
            fits = selfchecks.known(tx, selfchecks.author_key(tx, author), own)
        if fits is None:
            raise UsageError(tr("You have no key for self-checks yet. Run: handrail selfcheck begin"))
        if not fits:
            raise KeyProblem(tr("This is not the key that your self-checks were sealed with. Nothing was opened."))
        return own

    # --- filling in, reading, sharing ---------------------------------------------------------------------------------

    def fill(
        self, author: str, client: str, answers: Mapping[str, Answer], *, on: date | None = None, key: Key | None = None
    ) -> Own:
        """Stores a self-check about a client.

        :param answers: the raw numbers, 0 to 4, of T1 to T8; a line may be left out.
        :param on: the day it is about, today if not given.
        :param key: where the author's key lies, if not in the keyring.
        """
        from ...schemas.responses import ResponseSchema, judge

        own = self._own(author, key)
        now = self._engine.now()
        authored = now if on is None or on == now.date() else datetime.combine(on, now.timetz())
        if authored > now:
            raise UsageError(tr("That day lies in the future."))
        instrument = self._engine.registry.instrument(SELF_CHECK)
        flat = {
            "id": "self-check",
            "client": "client",
            "instrument": instrument.id,
            "instrument_version": instrument.version,
            "authored": authored.isoformat(),
            "answers": dict(answers),
        }
        loaded, refused = judge(ResponseSchema([instrument]), [flat])
        if refused:
            raise UsageError(
                tr(
                    "The self-check cannot be stored: {where} {message}.",
                    where=refused[0].where,
                    message=refused[0].message,
                )
            )
        about = self._engine.client_key(client)
        made = self._engine.store.sealer.hash("selfcheck", author, about, authored.isoformat())
        check = SelfCheck(made, about, authored, authored.date() + KEPT, loaded[0].answers, shared=False)

        def write(tx: Tx) -> None:
            selfchecks.add(tx, selfchecks.author_key(tx, author), own, check)
            book.record(tx, author, "selfcheck-filled")

        self._engine.store.write(write, self._engine.source)
        return self.one(author, made, key=key)

    def mine(self, author: str, *, key: Key | None = None) -> list[Own]:
        """The author's own self-checks, newest first."""
        own = self._own(author, key)
        with self._engine.store.reading(self._engine.source) as tx:
            found = selfchecks.of_author(tx, selfchecks.author_key(tx, author), own)
            people = forms.read_clients(tx, sorted({check.client for check in found}))
        scorer = self._engine.registry.scorer(self._engine.registry.instrument(SELF_CHECK).key)
        return [
            Own(check, people[check.client].name or people[check.client].ref, scorer.scores(check.answers)["stance"])
            for check in found
            if check.client in people
        ]

    def one(self, author: str, short: str, *, key: Key | None = None) -> Own:
        """The author's self-check of that (short) id."""
        found = [own for own in self.mine(author, key=key) if short and own.check.key.startswith(short.lower())]
        if len(found) != 1:
            raise UsageError(
                tr("None of your self-checks, or more than one, has that id. List: handrail selfcheck list")
            )
        return found[0]

    def share(self, author: str, short: str, *, on: bool = True, key: Key | None = None) -> Own:
        """Shares one self-check with the practice, or takes that back; rule P6 reads it at the next sync."""
        item = self.one(author, short, key=key)

        def write(tx: Tx) -> None:
            selfchecks.share(tx, item.check, on=on)
            forms.mark_keys_dirty(tx, [item.check.client])
            if not on:
                _forget_evidence(tx, item.check.client, [item.check.key])
            book.record(tx, author, "selfcheck-shared" if on else "selfcheck-unshared", item.check.client)

        self._engine.store.write(write, self._engine.source)
        return self.one(author, item.check.key, key=key)

    def delete(self, author: str, short: str, *, key: Key | None = None) -> None:
        """Deletes one self-check, with what was shared of it."""
        item = self.one(author, short, key=key)
        self._engine.store.write(lambda tx: _drop(tx, [item.check.key], author), self._engine.source)

    def forget(self, author: str, *, key: Key | None = None, myself: bool = False) -> int:
        """Deletes all of an author's self-checks and the mark of their key; gives how many went.

        :param myself: the caller knows that it is the author, who may have lost the key; else the key must be there.
        """
        if not myself:
            self._own(author, key)

        def write(tx: Tx) -> int:
            name = selfchecks.author_key(tx, author)
            found = selfchecks.keys_of(tx, name)
            _drop(tx, found, author)
            selfchecks.end(tx, name)
            return len(found)

        number = self._engine.store.write(write, self._engine.source)
        with suppress(HandrailError):  # no keyring here; a key that seals nothing more would stand in `begin`'s way
            keys.remove(self.reference(author))
        return number

    def due(
        self, author: str, *, key: Key | None = None, myself: bool = False, own: Collection[str] | None = None
    ) -> list[DueCheck]:
        """Clients with two or more forms since the author's last self-check about them. It reads dates alone.

        :param myself: the caller knows that it is the author, who may have no key yet; else the key must be there.
        :param own: our keys of the clients to look at; by default all where there is one clinician, else those of whom
            the author has filled one in before.
        """
        if not myself:
            self._own(author, key)
        asked = self._engine.settings.collect.instruments
        with self._engine.store.reading(self._engine.source) as tx:
            last = selfchecks.last_by_client(tx, selfchecks.author_key(tx, author))
            people = forms.read_clients(tx)
            dates = selfchecks.form_dates(tx, asked)
        alone = len({person.clinician for person in people.values()}) <= 1
        wanted = own if own is not None else people if alone else last
        rows = []
        for client, person in people.items():
            if client not in wanted:
                continue
            since = last.get(client)
            number = sum(since is None or when > since for when in dates.get(client, ()))
            if number >= CLIENT_FORMS:
                rows.append(DueCheck(person.name or person.ref, number, since.date() if since else None, client))
        return sorted(rows, key=lambda row: row.client)

    def tidy(self, today: date) -> int:
        """Deletes what is older than twelve months; each sync calls it. Gives how many went."""
        with self._engine.store.reading(self._engine.source) as tx:
            old = selfchecks.outlived(tx, today)
        if old:
            self._engine.store.write(lambda tx: _drop(tx, old, "handrail"), self._engine.source)
        return len(old)


def _drop(tx: Tx, found: Sequence[str], author: str) -> None:
    for client in selfchecks.drop(tx, found):
        forms.mark_keys_dirty(tx, [client])
        _forget_evidence(tx, client, found)
    book.record(tx, author, "selfchecks-deleted", None, str(len(found)))


def _forget_evidence(tx: Tx, client: str, checks: Sequence[str]) -> None:
    """Takes the therapist's answer out of flags that rested on it: evidence must not outlive what was taken back."""
    gone = set(checks)
    for flag, _ in flags.read(tx, states=[state.value for state in FlagState], client=client):
        if flag.rule == RULE and gone & {form.id for form in flag.evidence.forms}:
            bare = Evidence(GONE, (), (), (), (), flag.evidence.clears_when)
            flags.set_evidence(tx, {flag.key: (bare, None)})


def with_shared(tx: Tx, series: Series, registry: Registry) -> Series:
    """The forms of clients with the self-checks that therapists shared about them, as rule P6 reads them.

    They are scored anew each time, since there are few; a client without any is handed back as they came.
    """
    shared = selfchecks.shared_of(tx, list(series))
    if not shared:
        return series
    instrument = registry.instrument(SELF_CHECK)
    scorer = registry.scorer(instrument.key)
    more = {
        client: [
            (SELF_CHECK, instrument.version, ScoredForm(key, when, answers, scorer.scores(answers), tags=_TAGS))
            for key, when, answers in found
        ]
        for client, found in shared.items()
    }
    return series | {
        client: sorted([*series[client], *checks], key=lambda row: row[2].authored) for client, checks in more.items()
    }


_TAGS = frozenset({SHARED})
