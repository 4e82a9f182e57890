"""Safety answers: who is told, by which channel, until whom it has reached, and what a person did (clinical.md 6).

`Safety.tell` sends whatever is due at this moment and may be called by anything at any time: a sync, staff who typed a
form in, a run of its own. docs/safety.md tells in which ways a notice could be lost or late, and what prevents it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..words import in_practice_language, tr

if TYPE_CHECKING:
    from ..engine import Engine
    from ..views import FlagRow
    from .queue import Told


class Safety:
    """The safety channel of one practice.

    :param engine: the practice at work.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @in_practice_language
    def tell(self, *, older: bool = True) -> Told:
        """Sends every notice that is due, and says what was sent and what could not be sent.

        One process at a time; a second one leaves it to the first. In a dry run nothing is sent.

        :param older: also the one letter about answers that were old when they came in; a sync waits with it until all
            pages have come.
        :raises StoreError: what is due cannot be read.
        """
        from ..errors import Busy
        from ..sync.lock import exclusive
        from .queue import Sender, Told

        engine = self.engine
        if engine.store.rehearsing:
            return Told()
        sender = Sender(
            engine.store,
            engine.source,
            engine.settings.safety,
            lambda letter: engine.mailer.send(letter),
            engine.now,
        )
        if not sender.anything():
            return Told()
        try:
            with exclusive(engine.store, "telling of safety answers", part="notices"):
                return sender.run(older=older)
        except Busy:
            return Told()

    @in_practice_language
    def alarms(self, *, hint: bool = True) -> list[str]:
        """Who could not be told, one plain sentence each; empty when everybody was told, or nobody has to be.

        :param hint: also says where to look (`handrail flags`), which that list itself leaves out.
        """
        from .queue import cases
        from .standing import alarms

        with self.engine.store.reading(self.engine.source) as tx:
            found = cases(tx, self.engine.settings.safety)
        return alarms(found, self.engine.settings, hint=hint)

    @in_practice_language
    def notes(self, *, hint: bool = True) -> list[str]:
        """What somebody must look at: answers that nobody has seen, forms that may hold one and could not be read.

        :param hint: as of `alarms`.
        """
        from ..store import forms, notices
        from .standing import unread, unread_sentence, unseen_sentence

        engine = self.engine
        with engine.store.reading(engine.source) as tx:
            unseen = sum(not flag.seen for flag in notices.unclosed(tx))
            aside = forms.in_quarantine(tx)
        safe = self._forms_without_safety_lines() if aside else ()
        waiting = unread((item.form for item in aside), safe)
        return [
            *([unread_sentence(waiting)] if waiting else []),
            *([unseen_sentence(unseen, hint=hint)] if unseen else []),
        ]

    def _forms_without_safety_lines(self) -> set[str]:
        engine = self.engine
        risky = {key for key, one in engine.registry.instruments.items() if one.descriptor.safety}
        mapped = engine.mappings()
        held = {one.form for one in mapped if (one.instrument, one.instrument_version) in risky}
        return {one.form for one in mapped} - held

    def close(self, short: str, author: str, done: str) -> FlagRow:
        """A person closes a safety flag and says what was done. Nothing else ever does.

        :raises UsageError: there is no such flag, it is none about safety, or nothing is said.
        """
        from ...schemas.records import Acknowledgement
        from ..errors import UsageError
        from ..store import Tx, book, flags, notices

        engine = self.engine
        row = engine.flag(short)
        if row.kind != notices.SAFETY:
            raise UsageError(tr("Only safety answers are closed by hand; other flags clear by themselves."))
        if not done.strip():
            raise UsageError(tr('Say what was done: handrail ack FLAG --done "what was done"'))
        item = Acknowledgement(row.flag.key, engine.now(), author, done.strip(), kind=flags.CLOSED)

        def write(tx: Tx) -> None:
            flags.close(tx, item)
            notices.not_needed(tx, row.flag.key)
            book.record(tx, author, "safety-closed", row.flag.key)

        engine.store.write(write, engine.source)
        return engine.flag(row.flag.key)
