"""Notes on a client that belong to no flag: written down by a person of the practice, taken back by the same one.

A note is part of the record: it is in the client's copy (`handrail export`) and goes when the client is erased. That it
was written, by whom and when, is in the audit trail; its words are not.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from .errors import UsageError
from .store import Tx, book, notes
from .store.notes import Note
from .words import tr

if TYPE_CHECKING:
    from .engine import Engine

MOST_SIGNS = 2000


class Notes:
    """The notes of one practice.

    :param engine: the practice.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def of(self, client: str) -> list[Note]:
        """A client's notes, oldest first. `client` is our key."""
        with self.engine.store.reading(self.engine.source) as tx:
            return notes.of_clients(tx, [client], self.engine.settings.zone).get(client, [])

    def add(self, client: str, text: str, author: str) -> Note | None:
        """Writes a note down; None where the newest note says the same in the same person's words already.

        :param client: as for other commands.
        :raises UsageError: it says nothing, or too much, or the client is not known.
        """
        said = text.strip()
        if not said or len(said) > MOST_SIGNS:
            raise UsageError(tr("A note has between 1 and {most} letters.", most=MOST_SIGNS))
        key = self.engine.client_key(client)
        now = self.engine.now()

        def write(tx: Tx) -> Note | None:
            before = notes.of_clients(tx, [key]).get(key, [])
            if before and (before[-1].author, before[-1].text) == (author, said):
                return None
            # Notes stand in the order of their times, so no two of one client have the same.
            at = max([now, *(one.at + timedelta(milliseconds=1) for one in before)])
            item = Note(secrets.token_hex(16), key, at, author, said)
            notes.add(tx, item)
            book.record(tx, author, "note-added", key)
            return item

        return self.engine.store.write(write, self.engine.source)

    def take_back(self, client: str, note: str, author: str) -> bool:
        """Deletes a note of one's own, for one that was put beside the wrong client; False: there is none of theirs.

        :param client: our key of the client; `note` the note's key.
        """

        def write(tx: Tx) -> bool:
            mine = [one for one in notes.of_clients(tx, [client]).get(client, []) if one.author == author]
            if all(one.key != note for one in mine):
                return False
            notes.drop(tx, note)
            book.record(tx, author, "note-taken-back", client)
            return True

        return self.engine.store.write(write, self.engine.source)
