"""What is to be told to whom now: repetitions, new clinicians, waiting times; and the sending of it, letter by letter.

At least once: that a letter is about to go is committed before it goes, and one whose outcome is unknown goes again
under the same Message-ID. Nothing gives up: a letter that was not taken is tried again with growing waits, and a notice
that nobody has seen comes again at the practice's interval until somebody says that they have (a bound would turn a
busy day into a lost notice). No wait rests on the clock running forward: a time that lies ahead of it is no reason to
wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256

from ...schemas.vocab import NoticeState
from ..contracts import Letter
from ..errors import AddressRefused, HandrailError, SealBroken, StoreError
from ..settings import SafetyChannel
from ..store import Store, Tx, forms, notices
from ..store.forms import StoredClient
from ..store.notices import BACKUP, CLINICIAN, NoticeRow, Unclosed
from ..store.sql import to_ms
from ..sync.points import reach
from ..words import tr
from . import letters
from .channel import OLDER, People, people

POINTS = ("notice-before-mark", "notice-before-send", "notice-after-send", "notice-after-mark")
MINUTE = 60_000
WAITS = (0, 1, 2, 5, 10, 15, 30)
"""Minutes before the next try after so many failed ones; the last for all that follow."""
REFUSED_WAIT = 60
OLDER_REPEAT = 24 * 60
SLACK = 5
SERVER_FAILURES = 3
"""After so many failures in a row that are the server's, the rest waits for the next run."""
ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Case:
    """One safety flag that no person has closed: its client, who is to be told, what was sent so far."""

    flag: Unclosed
    client: StoredClient
    people: People
    rows: tuple[NoticeRow, ...]

    def latest(self, recipient: str) -> NoticeRow | None:
        """The newest notice to a recipient that still counts."""
        found = [row for row in self.rows if row.recipient == recipient and row.state is not NoticeState.NOT_NEEDED]
        return found[-1] if found else None

    @property
    def news_ms(self) -> int:
        """When what the letters tell of came in: news is queued for both recipients at one moment, a repetition or a
        new clinician for one alone."""
        both = {row.wanted_ms for row in self.rows if row.recipient == CLINICIAN}
        both &= {row.wanted_ms for row in self.rows if row.recipient == BACKUP}
        return next((row.wanted_ms for row in reversed(self.rows) if row.wanted_ms in both), self.rows[0].wanted_ms)

    @property
    def older(self) -> bool:
        """Whether it is told of together with others: it came in long after it was answered, and is no news since."""
        return bool(self.rows) and all(row.older for row in self.rows)


@dataclass(slots=True)
class Told:
    """What was sent in this call, and how many letters could not be sent; `problems`: why, each once."""

    sent: int = 0
    failed: int = 0
    problems: list[str] = field(default_factory=list)


def cases(tx: Tx, channel: SafetyChannel) -> list[Case]:
    """All safety flags that no person has closed, oldest first."""
    flags = notices.unclosed(tx)
    if not flags:
        return []
    rows = notices.of_flags(tx, [one.flag for one in flags])
    clients = _clients(tx, sorted({one.client for one in flags}))
    nobody = StoredClient("")
    found = []
    for one in flags:
        client = clients.get(one.client, nobody)
        who = people(channel, client.clinician)
        found.append(Case(one, client, who, tuple(rows.get(one.flag, ()))))
    return found


def _clients(tx: Tx, keys: list[str]) -> dict[str, StoredClient]:
    """The clients' records; one that cannot be opened (S16) costs its own initials, and never a notice."""
    try:
        return forms.read_clients(tx, keys)
    except SealBroken:
        found: dict[str, StoredClient] = {}
        for key in keys:
            with suppress(SealBroken):
                found |= forms.read_clients(tx, [key])
        return found


# --- what is wanted --------------------------------------------------------------------------------------------------


def plan(tx: Tx, found: Iterable[Case], channel: SafetyChannel, now: datetime) -> None:
    """Queues what time has made due: repetitions, a clinician who became known or changed, a flag without notices."""
    at = to_ms(now)
    for case in found:
        key = case.flag.flag
        if case.flag.seen:
            continue
        if not case.rows:  # it stood before this channel was there
            notices.queue(tx, [key], at, older=at - case.flag.opened_ms > OLDER.total_seconds() * 1000)
            continue
        if (to := _to_repeat(case, channel, at)) is not None:
            notices.queue(tx, [key], at, older=case.older, to=[to])
        if _another_clinician(case):
            # A moment later, or a repetition to the backup beside it would look like news (see Case.news_ms).
            notices.queue(tx, [key], at + 1, older=case.older, to=[CLINICIAN])


def _to_repeat(case: Case, channel: SafetyChannel, at: int) -> str | None:
    """Who is to be told again: the backup, or where that address takes nothing or is nobody's, the clinician."""
    backup = case.latest(BACKUP)
    unreachable = case.people.backup is None or (backup is not None and backup.state is NoticeState.REFUSED)
    last = case.latest(CLINICIAN) if unreachable else backup
    if last is None or last.state is not NoticeState.SENT or last.sent_ms is None:
        return None  # it is still to be sent, and is tried anyway
    minutes = OLDER_REPEAT if case.older else channel.repeat_minutes
    return last.recipient if _passed(last.sent_ms, minutes, at) else None


def _passed(since: int, minutes: float, at: int) -> bool:
    """Whether so many minutes have passed. A time well ahead of the clock was written by a wrong clock."""
    return at >= since + minutes * MINUTE or at < since - SLACK * MINUTE


def _another_clinician(case: Case) -> bool:
    """Whether somebody else is responsible than those whom the notices went to."""
    wanted = case.people.clinician
    mine = [row for row in case.rows if row.recipient == CLINICIAN]
    told = {(row.to or "").casefold() for row in case.rows if row.state is NoticeState.SENT}
    return wanted is not None and bool(mine) and mine[-1].state is NoticeState.SENT and wanted.casefold() not in told


# --- what goes out ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parcel:
    """The notices that go into one letter to one address. `key` makes its Message-ID."""

    to: str
    recipient: str
    key: str
    entries: tuple[tuple[Case, NoticeRow], ...]

    @property
    def rows(self) -> list[NoticeRow]:
        """The notices."""
        return [row for _, row in self.entries]


def parcels(found: Iterable[Case], now: datetime, done: set[notices.Key], *, older: bool) -> list[Parcel]:
    """The letters that are due. News goes in a letter each; older answers go together, one letter an address.

    :param done: notices that were tried in this call already.
    :param older: whether older answers are told of now, or wait until all of them have come in.
    """
    at = to_ms(now)
    made: list[Parcel] = []
    together: dict[tuple[str, str, str | None], list[tuple[Case, NoticeRow]]] = {}
    for case in found:
        for row in case.rows:
            to = case.people.address(row.recipient)
            if case.flag.seen or to is None or row.key in done or not _due(row, to, at):
                continue
            if not row.older:
                made.append(Parcel(to, row.recipient, f"safety:{':'.join(map(str, row.key))}", ((case, row),)))
            elif older:
                together.setdefault((to, row.recipient, row.letter), []).append((case, row))
    for (to, recipient, key), entries in together.items():
        names = "|".join(sorted(":".join(map(str, row.key)) for _, row in entries))
        letter = key or f"safety-older:{sha256(names.encode()).hexdigest()}"
        made.append(Parcel(to, recipient, letter, tuple(entries)))
    return made


def _due(row: NoticeRow, to: str, at: int) -> bool:
    if row.state.value not in notices.TO_SEND:
        return False
    if row.not_before_ms is None or (row.to or "").casefold() != to.casefold():  # the address was put right since
        return True
    return at >= row.not_before_ms or row.not_before_ms - at > (max(*WAITS, REFUSED_WAIT) + 1) * MINUTE


class Sender:
    """Sends what is due.

    :param send: hands a letter to the practice's mail server.
    :param now: the clock.
    """

    def __init__(
        self,
        store: Store,
        source: int,
        channel: SafetyChannel,
        send: Callable[[Letter], None],
        now: Callable[[], datetime],
    ) -> None:
        self.store = store
        self.source = source
        self.channel = channel
        self.send = send
        self.now = now
        self.told = Told()
        self._tried: set[notices.Key] = set()
        self._server_failed = 0

    def anything(self) -> bool:
        """Whether there is a safety answer that nobody has seen; else nothing can be due."""
        with self.store.reading(self.source) as tx:
            return any(not flag.seen for flag in notices.unclosed(tx))

    def run(self, *, older: bool) -> Told:
        """Sends until nothing is due that was not tried; a refused address makes the other one due at once."""
        for _ in range(ROUNDS):
            found = self._cases()
            ready = parcels(found, self.now(), self._tried, older=older)
            if not ready or self._server_failed >= SERVER_FAILURES:
                break
            for parcel in ready:
                if self._server_failed < SERVER_FAILURES:
                    self._tell(parcel)
        self.told.problems = list(dict.fromkeys(self.told.problems))
        return self.told

    def _cases(self) -> list[Case]:
        with self.store.reading(self.source) as tx:
            found = cases(tx, self.channel)
        if not any(not case.flag.seen for case in found):
            return []

        def write(tx: Tx) -> list[Case]:
            plan(tx, cases(tx, self.channel), self.channel, self.now())
            return cases(tx, self.channel)

        try:
            return self.store.write(write, self.source)
        except StoreError as error:  # a full disk: what is queued already goes out all the same
            self.told.problems.append(error.message)
            return found

    def _as_now(self, parcel: Parcel) -> Parcel | None:
        """The parcel as of this moment: the letter before it may have reached the other one, or failed; a person may
        have seen it. None: nothing of it is to be sent any more."""
        keys = [row.flag for row in parcel.rows]
        with self.store.reading(self.source) as tx:
            rows = notices.of_flags(tx, keys)
        entries = []
        for case, row in parcel.entries:
            now = next((one for one in rows.get(row.flag, ()) if one.key == row.key), None)
            if now is not None and now.state.value in notices.TO_SEND:
                entries.append((replace(case, rows=tuple(rows[row.flag])), now))
        return replace(parcel, entries=tuple(entries)) if entries else None

    def _tell(self, planned: Parcel) -> None:
        self._tried.update(row.key for row in planned.rows)
        parcel = self._as_now(planned)
        if parcel is None:
            return
        attempts = max(row.attempts for row in parcel.rows) + 1
        reach("notice-before-mark")
        self._mark(parcel, NoticeState.SENDING, attempts=attempts)
        reach("notice-before-send")
        try:
            self.send(letters.compose(parcel, self.now(), self.channel))
        except AddressRefused as error:
            self._server_failed = 0
            self._failed(parcel, error.message, attempts, refused=True)
        except HandrailError as error:
            self._server_failed += 1
            self._failed(parcel, error.message, attempts)
        except Exception as error:  # noqa: BLE001 - one letter that cannot be made must not cost the others
            self._failed(parcel, tr("The letter could not be made ({fault}).", fault=type(error).__name__), attempts)
        else:
            reach("notice-after-send")
            self._server_failed = 0
            self.told.sent += 1
            sent = to_ms(self.now())
            self._mark(parcel, NoticeState.SENT, attempts=attempts, sent_ms=sent, problem=None, not_before_ms=None)
            reach("notice-after-mark")

    def _failed(self, parcel: Parcel, problem: str, attempts: int, *, refused: bool = False) -> None:
        self.told.failed += 1
        self.told.problems.append(problem)
        minutes = REFUSED_WAIT if refused else WAITS[min(attempts, len(WAITS)) - 1]
        state = NoticeState.REFUSED if refused else NoticeState.PENDING
        not_before = to_ms(self.now()) + minutes * MINUTE
        self._mark(parcel, state, attempts=attempts, problem=problem, not_before_ms=not_before)
        if refused:
            self._tell_the_other(parcel)

    def _tell_the_other(self, parcel: Parcel) -> None:
        """The other one learns at once that this one could not be reached; once, not with every try."""
        newly = [(case, row) for case, row in parcel.entries if row.state is not NoticeState.REFUSED]

        def write(tx: Tx) -> None:
            rows = notices.of_flags(tx, [row.flag for _, row in newly])  # the other may have been told a moment ago
            for case, row in newly:
                other = case.people.other(row.recipient)
                last = replace(case, rows=tuple(rows[row.flag])).latest(other)
                if last is not None and last.state is NoticeState.SENT and case.people.address(other):
                    notices.queue(tx, [row.flag], to_ms(self.now()), older=row.older, to=[other])

        self._write(write)

    def _mark(self, parcel: Parcel, state: NoticeState, **more: object) -> None:
        self._write(lambda tx: notices.mark(tx, parcel.rows, state, parcel.to, parcel.key, **more))

    def _write(self, work: Callable[[Tx], None]) -> None:
        """A store that takes nothing (a full disk) is no reason to tell nobody: the letter goes again next time."""
        try:
            self.store.write(work, self.source)
        except StoreError as error:
            self.told.problems.append(error.message)
