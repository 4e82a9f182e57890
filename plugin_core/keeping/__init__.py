"""Keeping a store safe over years: encrypted backups, new keys, and an audit trail that shows when it was touched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .rotation import Rotated, rotate, rotate_master
from .trail import Checked, check, remember

if TYPE_CHECKING:
    from ..engine import Engine
    from .backup import Contents


class Keeping:
    """`engine.keeping`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def backup(self, file: Path, author: str) -> Contents:
        """Writes everything of the practice into one encrypted file, while others go on working.

        :raises HandrailError: the file is there already, or cannot be written.
        """
        from .backup import write

        engine = self._engine
        return write(
            engine.store,
            engine.settings,
            file,
            engine.now(),
            engine.progress,
            enter=lambda: engine.record(author, "backup-written"),
        )

    def rotate(self, author: str) -> Rotated:
        """Makes a new key for the practice and seals everything anew with it; goes on where it was stopped."""
        engine = self._engine
        done = rotate(engine.store, engine.settings, engine.progress)
        engine.record(author, "key-rotated")
        return done

    def rotate_master(self, author: str) -> None:
        """Makes a new master key: the one in the keyring or key file that opens the practice's keys."""
        rotate_master(self._engine.store, self._engine.settings)
        self._engine.record(author, "master-key-rotated")

    def check_trail(self, kept: str | None = None) -> Checked:
        """Redoes the chain of the audit trail, and holds it against the copies of its end that are kept outside.

        :param kept: `NUMBER-HASH` as an earlier check printed it.
        """
        return check(self._engine.store, self._engine.settings, kept)

    def remember_trail(self) -> None:
        """Keeps a copy of the trail's end beside the settings."""
        remember(self._engine.store, self._engine.settings)


__all__ = ["Keeping"]
