"""Requests as channels are handed them: the client, the form, the days, and the practice's ways out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...schemas.records import Client
from ..contracts import Ask, CollectorContext, CollectorSpec, Letter, Sender
from ..errors import Unsupported
from ..instruments.translations import in_language
from ..store import Tx, asks, forms
from ..store.asks import AskRow
from ..words import mark, tr
from . import hand
from .cadence import day_of, noon
from .enrolling import consent_text
from .facts import HandOver

if TYPE_CHECKING:
    from ..engine import Engine

LAST_MINUTE = time(23, 59)
CANNOT = mark(
    "{platform} does not let Handrail ask clients. Ask them in another way: handrail enrol CLIENT --channel NAME"
)


class Requests:
    """Makes requests of rows.

    :param engine: the practice.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def collector(self, name: str) -> CollectorSpec | None:
        """The way of asking of that name; None where it is not here (any more)."""
        found = self.engine.registry.collectors.get(name)
        return None if found is None else found.descriptor

    @cached_property
    def context(self) -> CollectorContext:
        """The practice's words and ways out. The platform and the mail server are opened only if a channel asks."""
        settings = self.engine.settings
        return CollectorContext(
            practice=settings.name or settings.practice,
            language=settings.language,
            crisis_text=settings.crisis_text,
            consent_text=consent_text(settings),
            sender=lambda: self._sender,
            post=self._post,
            link=lambda ask: self.engine.collecting.online.link(ask.key),
            mails=bool(settings.mail.host and settings.mail.sender),
            delivers=self.engine.spec.capabilities.sends and self.engine.spec.capabilities.delivers,
        )

    @cached_property
    def _sender(self) -> Sender:
        spec = self.engine.spec
        if not spec.capabilities.sends:
            raise Unsupported(tr(CANNOT, platform=spec.title))
        sender: Sender = self.engine.adapter.sender()  # type: ignore[attr-defined]  # `Asking`, as the capability says
        return sender

    def _post(self, letter: Letter) -> None:
        from ..mail import mailer

        mailer(self.engine.settings, self.engine.now).send(letter)

    def ask(self, row: AskRow) -> Ask:
        """The request of a row; its next reminder where it has been asked already."""
        zone = self.engine.settings.zone
        with self.engine.store.reading(self.engine.source) as tx:
            person = forms.read_clients(tx, [row.client])[row.client]
            remote = asks.remote_of(tx, [row.key]).get(row.key)
        return Ask(
            client=Client(
                ref=person.ref,
                name=person.name,
                clinician=person.clinician,
                clinician_name=person.clinician_name,
                email=person.email,
            ),
            instrument=in_language(self.engine.registry.instrument(row.instrument), self.engine.settings.language),
            due=noon(row.due, zone),
            key=row.key,
            expires=datetime.combine(row.expires, LAST_MINUTE, zone),
            reminder=0 if row.asked is None else row.reminders + 1,
            remote_id=None if remote is None else remote.remote_id,
        )

    def remote_form(self, key: str) -> str:
        """The platform's id of a form."""
        with self.engine.store.reading(self.engine.source) as tx:
            return forms.remote_ids(tx, [key]).get(key, "")

    def to_hand_over(self, tx: Tx, rows: Sequence[AskRow], folder: Path | None) -> list[HandOver]:
        """Of these requests those that are open and that a person hands over."""
        zone = self.engine.settings.zone
        links = {key: remote.link for key, remote in asks.remote_of(tx, [row.key for row in rows]).items()}
        people = forms.read_clients(tx, sorted({row.client for row in rows}))
        found = []
        for row in rows:
            spec = self.collector(row.channel)
            link = links.get(row.key)
            if row.asked is None or not (link or (spec is not None and spec.by_hand)):
                continue
            person = people[row.client]
            sheet = None if folder is None else hand.find_sheet(folder, row.key)
            asked = day_of(row.asked, zone)
            found.append(HandOver(person.name or person.ref, row.instrument, row.due, asked, link, sheet))
        return found
