"""Clients by what people call them: the platform's reference, its id, the name, or the start of our key.

One who is not known here is looked up on the platform, since the first form is asked for before there is any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...schemas.records import Client
from ..errors import UsageError
from ..finding import folded
from ..store import Tx, forms
from ..store.forms import StoredClient
from ..views import SHORT
from ..words import mark, tr
from .cadence import day_of

if TYPE_CHECKING:
    from ..engine import Engine

UNKNOWN = mark(
    "No client by that reference or name is known here, nor to the platform. Give the reference or the id as "
    "the platform shows it{place}."
)
MANY = mark("{count} clients go by that name{place}. Give the reference as the platform shows it.")
IN_LINE = mark(" (entry {number})")


class People:
    """Finds clients by name, and remembers those who are new.

    :param known: the clients of the store, by our key.
    """

    def __init__(self, engine: Engine, known: Mapping[str, StoredClient]) -> None:
        self.engine = engine
        self.known = dict(known)
        self.new: dict[str, Client] = {}
        self._hash = engine.store.sealer.hasher("client", str(engine.source))
        self._called: dict[str, list[str]] = {}
        for key, person in known.items():
            tail, name = person.ref.rpartition("/")[2], folded(person.name or "")
            for called in {tail, name} - {""}:
                self._called.setdefault(called, []).append(key)

    def keys(self, wanted: Sequence[str]) -> list[str]:
        """Our keys of these clients, in their order.

        :raises UsageError: one is not known, or more than one goes by that name; nobody is named.
        """
        found = [self._here(text, self._place(number, wanted)) for number, text in enumerate(wanted, 1)]
        strange = [text for text, key in zip(wanted, found, strict=True) if key is None]
        if strange:
            self._ask(list(dict.fromkeys(strange)))
        keys = []
        for number, (text, key) in enumerate(zip(wanted, found, strict=True), 1):
            key = key or self._answered(text)
            if key not in self.known and key not in self.new:
                raise UsageError(tr(UNKNOWN, place=self._place(number, wanted)))
            keys.append(key)
        return keys

    def _place(self, number: int, wanted: Sequence[str]) -> str:
        return tr(IN_LINE, number=number) if len(wanted) > 1 else ""

    def _here(self, text: str, place: str) -> str | None:
        if text in self.known:
            return text
        if (key := self._hash(text)) in self.known:
            return key
        found = self._called.get(text) or self._called.get(folded(text)) or []
        if not found and len(text) >= SHORT:
            found = [key for key in self.known if key.startswith(text.lower())]
        if len(found) > 1:
            raise UsageError(tr(MANY, count=len(found), place=place))
        return found[0] if found else None

    def _ask(self, refs: Sequence[str]) -> None:
        """Asks the platform about references that are not known here."""
        if not self.engine.spec.capabilities.gives_clinicians:
            return
        for client in self.engine.adapter.clients(refs):
            if (key := self._hash(client.ref)) not in self.known:
                self.new[key] = client

    def _answered(self, text: str) -> str:
        """Our key of one whom the platform was asked about: by its reference, or by the bare id where it took that."""
        key = self._hash(text)
        by_id = [new for new, client in self.new.items() if client.ref.rpartition("/")[2] == text]
        return by_id[0] if key not in self.new and len(by_id) == 1 else key

    def name(self, key: str) -> str:
        """The name, or the reference."""
        person = self.known.get(key)
        if person is not None:
            return person.name or person.ref
        return self.new[key].name or self.new[key].ref

    def namesakes(self, key: str) -> bool:
        """Whether another client here has the same name: it may be a second record of one person."""
        name = folded(self.name(key))
        return any(other != key for other in self._called.get(name, ()))

    def store(self, tx: Tx, keys: Sequence[str]) -> None:
        """Stores those of these clients who are new."""
        fresh = {key: self.new[key] for key in keys if key in self.new}
        forms.mark_dirty(tx, {key: client.ref for key, client in fresh.items()})
        forms.save_clients(tx, fresh, day_of(self.engine.now(), self.engine.settings.zone))
