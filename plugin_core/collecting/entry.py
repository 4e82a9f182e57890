"""Forms that came back on paper, typed in by staff: the same checks, scores, rules and safety notices as pulled ones.

Entered twice for one client, form and day it is one form: the second replaces the first, which stays in its history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from ...schemas.records import Answer, Answers, Instrument, Item
from ...schemas.vocab import Blank, Mode
from ..contracts import HookContext, Page, RemoteAnswer, RemoteLine, RemoteResponse
from ..errors import Busy, HandrailError, UsageError
from ..instruments.translations import in_language
from ..mapping import FormReader, own_mapping
from ..store import Tx, asks, book, entries, forms
from ..sync import hooks
from ..sync.evaluate import Evaluate
from ..sync.ingest import Ingest, Ingested
from ..sync.lock import exclusive
from ..words import mark, tr
from ..words.kept import told
from ..words.spelling import day as day_words
from .codes import start_of_key
from .paper import key_of
from .settle import settle

if TYPE_CHECKING:
    from ..engine import Engine

EMPTY_KEY = "-"
WAIT, STEP = 300, 2  # seconds to wait for a sync that is under way

WRONG_COUNT = mark(
    "The form has {of} lines, but {count} answers were given. Give one for each line, - for an empty one."
)
WRONG_KEY = mark("Line {number} has no answer {key}. Its answers are: {keys}.")
NOT_FOR_CLIENTS = mark("{form} is not a form for clients. It is not typed in here.")
NO_CODE = mark("This is no code of a sheet. A code has eight letters and digits, as K7QF-2M9X.")
UNKNOWN_CODE = mark("No request here has that code. Look at the sheet again, or name the form and the client.")
FUTURE = mark("That day lies in the future. Give the day on which the client filled the form in.")
THERE_ALREADY = mark(
    "A form of this client for {day} was typed in before, with other answers. To replace it, run this again with "
    "--replace; what it replaces is kept in its history."
)
REFUSED = mark("The form was not stored: {reason}.")


@dataclass(frozen=True, slots=True)
class Sheet:
    """Which form of which client came back. `client` is our key of them."""

    instrument: Instrument
    client: str


@dataclass(frozen=True, slots=True)
class Entered:
    """What became of an entry. `safety`: it holds a safety answer, and people must know now.

    `untold`: whom that could not be told, and why; also among the problems. The form is stored all the same.
    """

    key: str
    answered: int
    of: int
    replaced: bool
    unchanged: bool
    settled: int
    safety: bool
    problems: tuple[str, ...]
    untold: tuple[str, ...] = ()


def keys_of(item: Item) -> tuple[str, ...]:
    """What can be typed for a line: its numbers, x where it can be declined, - for left empty."""
    return (*(key_of(option) for option in item.options), EMPTY_KEY)


def answer_of(item: Item, key: str) -> Answer | None:
    """The answer that a key stands for on a line; None: the line has no such answer."""
    if key == EMPTY_KEY:
        return Blank.EMPTY
    found = next((option for option in item.options if key_of(option) == key.lower()), None)
    if found is None:
        return None
    return Blank.DECLINED if found.value is None else found.value


def typed_key(item: Item, answer: Answer) -> str:
    """The key that was typed for an answer."""
    return next(key for key in keys_of(item) if answer_of(item, key) == answer)


def parse(instrument: Instrument, text: str) -> dict[str, Answer]:
    """All answers of a form in its order, from "3 1 0 - x 2", or "310-x2" where each answer is one sign.

    :raises UsageError: another number of answers than lines, or an answer that a line does not have.
    """
    keys = text.replace(",", " ").split()
    if len(keys) == 1 and len(keys[0]) == len(instrument.items) > 1:
        keys = list(keys[0])
    if len(keys) != len(instrument.items):
        raise UsageError(tr(WRONG_COUNT, of=len(instrument.items), count=len(keys)))
    found: dict[str, Answer] = {}
    for number, (item, key) in enumerate(zip(instrument.items, keys, strict=True), 1):
        answer = answer_of(item, key)
        if answer is None:
            raise UsageError(tr(WRONG_KEY, number=number, key=key, keys=" ".join(keys_of(item))))
        found[item.id] = answer
    return found


def differences(instrument: Instrument, first: Answers, second: Answers) -> list[int]:
    """Numbers of the lines on which two entries of one form differ."""
    return [n for n, item in enumerate(instrument.items, 1) if first[item.id] != second[item.id]]


class Entry:
    """Takes forms from paper into a practice's store.

    :param engine: the practice at work.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def sheet(self, form: str, client: str | None) -> Sheet:
        """Which form of whom: by instrument and client, or, where no client is given, by the code on the sheet.

        :raises UsageError: there is no such form, client or code, or the form is not for clients.
        """
        engine = self.engine
        if client is not None:
            found = Sheet(in_language(engine.registry.instrument(form)), engine.client_key(client))
        else:
            found = self._by_code(form)
        if found.instrument.audience != "client":
            raise UsageError(tr(NOT_FOR_CLIENTS, form=found.instrument.title))
        return found

    def _by_code(self, code: str) -> Sheet:
        start = start_of_key(code)
        if start is None:
            raise UsageError(tr(NO_CODE))
        with self.engine.store.reading(self.engine.source) as tx:
            found = asks.read(tx, keys=entries.asks_that_begin(tx, start))
        if len(found) != 1:
            raise UsageError(tr(UNKNOWN_CODE))
        return Sheet(in_language(self.engine.registry.instrument(found[0].instrument)), found[0].client)

    def before(self, sheet: Sheet, on: date) -> Answers | None:
        """What was typed in before for this client, form and day; None: nothing that counts."""
        with self.engine.store.reading(self.engine.source) as tx:
            return entries.answers_of(tx, self._key(self._id(tx, sheet, on)))

    def store(self, sheet: Sheet, on: date, answers: Answers, author: str, *, over: bool = False) -> Entered:
        """Stores a form, lets the rules read it, and settles the request that it answers.

        :param on: the day on which the client filled it in, in the practice's time zone.
        :param over: replace what was typed in before for that day, where it differs.
        :raises UsageError: the day lies in the future, other answers stand there, or a plugin refuses the form.
        :raises Busy: a sync has been under way for longer than we wait; nothing was stored.
        """
        engine = self.engine
        authored = self._authored(on)
        have = self.before(sheet, on)
        if have is not None and not over and differences(sheet.instrument, _whole(sheet, have), _whole(sheet, answers)):
            raise UsageError(tr(THERE_ALREADY, day=day_words(on)))
        with engine.store.reading(engine.source) as tx:
            form_id = self._id(tx, sheet, on)
            ref = forms.read_clients(tx, [sheet.client])[sheet.client].ref
        remote = as_pulled(sheet.instrument, form_id, ref, authored, answers, engine.now())
        begun = 0
        while True:
            try:
                return self.arrive(sheet, remote, author, replaced=have is not None)
            except Busy:
                if begun >= WAIT:
                    raise
                begun += STEP
                engine.sleep(STEP)

    def arrive(self, sheet: Sheet, remote: RemoteResponse, author: str, *, replaced: bool = False) -> Entered:
        """Stores one form as if it had been pulled, lets the rules read it, tells of a safety answer.

        :raises UsageError: a plugin refuses the form.
        :raises Busy: a sync is under way; nothing was stored.
        """
        with exclusive(self.engine.store, "typing in a form"):
            done = self._take(sheet, Page([remote]), author, replaced=replaced)
        untold = tuple(self._tell(done))
        return replace(done, problems=(*done.problems, *untold), untold=untold)

    def _tell(self, done: Entered) -> list[str]:
        """Tells of a safety answer now; gives who could not be told. The form is stored, whatever happens here."""
        if not done.safety:
            return []
        try:
            told = self.engine.safety.tell()
            return list(dict.fromkeys([*told.problems, *self.engine.safety.alarms()]))
        except HandrailError as error:
            return [error.message]

    def refusal(self, remote: RemoteResponse) -> str | None:
        """Why a form would not be taken, in a plain sentence; None: it would. Nothing is stored."""
        try:
            self._rehearse(Page([remote]), self._context())
        except UsageError as error:
            return error.message
        return None

    def _context(self) -> HookContext:
        return HookContext(self.engine.settings.practice, self.engine.spec.name, self.engine.now())

    def _rehearse(self, page: Page, context: HookContext) -> None:
        """A form that would be set aside is refused instead: staff can mend it now."""
        with self.engine.store.rehearsal():
            self._refuse(self._ingest(context).page(page, by_id=True), page.responses[0].id)

    def _take(self, sheet: Sheet, page: Page, author: str, *, replaced: bool) -> Entered:
        engine, (remote,) = self.engine, page.responses
        context = self._context()
        self._rehearse(page, context)
        key = self._key(remote.id)
        form = f"{sheet.instrument.id}/{sheet.instrument.version}"
        # Before the form, so that no entry is ever there without a name beside it.
        engine.store.write(lambda tx: book.record(tx, author, "form-entered", key, form), engine.source)
        done = self._ingest(context).page(page, by_id=True)
        problems = [*done.problems, *self._told(done, context)]
        carriers, read = engine.settings.push.carriers if engine.settings.push.on else (), engine.settings.read_tags
        problems += Evaluate(engine.store, engine.source, engine.registry, context, carriers, read).run().problems
        settled = settle(engine.store, engine.source, engine.now(), engine.settings.zone, withdrawn=False)
        return Entered(
            key=key,
            answered=len(remote.lines),
            of=len(sheet.instrument.items),
            replaced=replaced and not done.counts["unchanged"],
            unchanged=bool(done.counts["unchanged"]),
            settled=settled["settled"],
            safety=self._is_safety(sheet, key),
            problems=tuple(dict.fromkeys(problems)),
        )

    def _ingest(self, context: HookContext) -> Ingest:
        """By the form's own mapping, so that a practice's mapping of the same form cannot bend what staff typed."""
        engine = self.engine
        own = [own_mapping(form, engine.connection.platform) for form in engine.registry.forms]
        return Ingest(engine.store, engine.source, engine.registry, FormReader(own), context)

    def _refuse(self, done: Ingested, form_id: str) -> None:
        if not done.counts["set_aside"]:
            return
        with self.engine.store.reading(self.engine.source) as tx:
            why = next(told(item.message) for item in forms.in_quarantine(tx) if item.remote_id == form_id)
        raise UsageError(tr(REFUSED, reason=why))

    def _told(self, done: Ingested, context: HookContext) -> list[str]:
        if not done.stored:
            return []
        plugins = self.engine.registry.plugins
        return hooks.tell(plugins, "responses_stored", responses=tuple(done.stored), context=context)

    def _is_safety(self, sheet: Sheet, key: str) -> bool:
        rows = self.engine.flags(client=sheet.client)
        return any(row.kind == "safety" and row.flag.opening_form == key for row in rows)

    def _authored(self, on: date) -> datetime:
        """Noon of that day, which every clock change leaves alone; on the day itself not later than now."""
        zone = self.engine.settings.zone
        now = self.engine.now().astimezone(zone)
        if on > now.date():
            raise UsageError(tr(FUTURE))
        noon = datetime.combine(on, time(12), zone)
        return noon if on < now.date() or now >= noon else datetime.combine(on, time(0), zone) + timedelta(minutes=1)

    def _id(self, tx: Tx, sheet: Sheet, on: date) -> str:
        return entries.id_of(tx, sheet.client, sheet.instrument.id, on)

    def _key(self, form_id: str) -> str:
        return self.engine.store.sealer.hash("response", str(self.engine.source), form_id)


def _whole(sheet: Sheet, answers: Answers) -> Answers:
    return {item.id: answers.get(item.id, Blank.EMPTY) for item in sheet.instrument.items}


def as_pulled(
    instrument: Instrument,
    form_id: str,
    client: str,
    authored: datetime,
    answers: Answers,
    now: datetime,
    mode: Mode = Mode.PAPER,
) -> RemoteResponse:
    """The form as if a platform had sent it in our own words."""
    return RemoteResponse(
        id=form_id,
        form=own_mapping(instrument, "").form,
        form_version=instrument.version,
        client=client,
        status="completed",
        lines=tuple(_lines(instrument, answers)),
        authored=authored.isoformat(),
        updated=now.isoformat(),
        source=client,
        language=instrument.language,
        mode=mode.value,
    )


def _lines(instrument: Instrument, answers: Answers) -> Sequence[RemoteLine]:
    codes = {item.id: {_value(option.value): option.code for option in item.options} for item in instrument.items}
    return [
        RemoteLine(item.id, item.text, (RemoteAnswer(code=codes[item.id][answers[item.id]]),))
        for item in instrument.items
        if answers.get(item.id, Blank.EMPTY) is not Blank.EMPTY
    ]


def _value(value: int | None) -> Answer:
    return Blank.DECLINED if value is None else value
