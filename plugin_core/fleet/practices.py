"""The back office: takes practices in, lists, pauses and erases them. Each act is recorded with who did it (S52).

It signs in to the database as its caller and then acts as the owner, so that a person has an own role there that is a
member of the owner (`GRANT handrail_owner TO anna`). Its trail is a chain like a practice's (S39), sealed with a key of
its own, and lies in the store as that of a practice whose name no practice can have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shutil import rmtree
from typing import Any

from sqlalchemy import Connection, func, select, text
from sqlalchemy.engine import URL, make_url

from ...schemas.records import AuditEntry
from ..errors import KeyProblem, SettingsError, StoreError, UsageError
from ..keeping.rotation import NEW
from ..keeping.trail import Checked, check, remember
from ..settings import Settings, reference_in, save
from ..settings import load as load_settings
from ..store import Store, Tx, book, dump, keys
from ..store.database import engine_of, plainly, upgrade
from ..store.tables import audit
from ..sync.points import reach
from ..words import tr
from ..words.kept import why_of
from . import buckets, due, roles
from .due import Practice
from .host import OFFICE, Host, demand_version
from .tenancy import acting_for

KEY = "file:handrail.key"
ERASED = "practice-erased"
MINUTE_MS = 60_000
_REFERENCE = re.compile(r"""(?:file|keyring):[^"'\n]+""")


@dataclass(frozen=True, slots=True)
class Listed:
    """A practice of the host: `row` is what the due table says, None where it is not in there; `settings` whether its
    settings are here."""

    id: str
    row: Practice | None
    settings: bool


class BackOffice:
    """What a host's own people do.

    :param author: who acts, as the trail names them: a person, not an account that several share.
    """

    def __init__(self, host: Host, author: str) -> None:
        self.host = host
        self.author = author

    def __enter__(self) -> BackOffice:
        return self

    def __exit__(self, *_: object) -> None:
        if store := self.__dict__.pop("store", None):
            store.close()

    @cached_property
    def store(self) -> Store:
        """The store, opened as the back office.

        :raises StoreError: this host was not prepared, or the caller may not act as the owner.
        """
        if not keys.exists(self.host.key_reference):
            raise KeyProblem(
                tr(
                    "The back office's key is not there. Run: handrail practices prepare   or put the key back from "
                    "your copy."
                )
            )
        owner = engine_of(_as_text(self._address))
        try:
            with plainly(owner):
                demand_version(owner)
        finally:
            owner.dispose()
        return Store(_as_text(self._address), OFFICE, keys.master(self.host.key_reference))

    @property
    def _address(self) -> URL:
        """The store's address as the caller signs in; the session then acts as the owner."""
        return acting_as(self.host, self.host.roles.owner)

    # --- the host itself -------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Makes the roles where the caller may, brings the tables to this version, gives the roles their rights, makes
        the back office's key. May be run again at any time; after an update of Handrail it has to be.

        :raises StoreError: the caller may not, or a role may do more than it should.
        """
        self._roles()
        owner = engine_of(_as_text(self._address))
        try:
            with plainly(owner):
                upgrade(owner, create=True)
                with owner.connect() as conn, conn.begin():
                    _make_queue(conn)
                with owner.connect() as conn, conn.begin():
                    for statement in roles.for_owner(self.host, roles.unforced(conn)):
                        conn.exec_driver_sql(statement)
        finally:
            owner.dispose()
        self._office()
        self._record("host-prepared")

    def _roles(self) -> None:
        admin = engine_of(self.host.store)
        try:
            with plainly(admin), admin.connect() as conn, conn.begin():
                if not roles.settled(conn, self.host):
                    _demand_administrator(conn)
                    for statement in roles.for_administrator(self.host, conn.engine.url.database or ""):
                        conn.exec_driver_sql(statement)
                roles.demand_bound(conn, self.host)
        finally:
            admin.dispose()

    def _office(self) -> None:
        if not keys.exists(self.host.key_reference):
            keys.write(self.host.key_reference, keys.make_master())
        reach("office-key-made")
        Store(_as_text(self._address), OFFICE, keys.master(self.host.key_reference), create=True).close()

    # --- practices -------------------------------------------------------------------------------------------------

    def add(self, practice: str, chosen: Mapping[str, Any]) -> Path:
        """Takes a practice in: settings and a master key of its own in a folder of its own, its rows in the store. It
        is paused until its platform is connected and somebody resumes it. Stopped in between, the same call goes on.

        :param chosen: settings besides practice, store and key.
        :returns: where its settings are.
        :raises UsageError: it is there, or one of that id was erased: an id is never given twice.
        """
        file = self.host.practice_file(practice)
        with self.store.reading() as tx:
            if _erased(tx, practice):
                raise UsageError(
                    tr(
                        "The practice {practice} was erased, and its id is not given again. Choose another id.",
                        practice=practice,
                    )
                )
            if due.of(tx.conn, practice, 0) is not None:
                raise UsageError(
                    tr("The practice {practice} is there already. Nothing was changed.", practice=practice)
                )
        if not file.exists():
            save(file, {"practice": practice, **chosen, "store": self.host.store, "key": KEY})
        settings = load_settings(file)
        self._own_key(settings)
        reach("practice-key-made")
        master = keys.master(settings.key_reference)
        Store(_as_text(self._address), practice, master, create=True).close()
        reach("practice-rows-made")
        interval = self.host.worker.interval_minutes * MINUTE_MS

        def work(tx: Tx) -> None:
            due.add(tx.conn, practice, interval, due.database_now(tx.conn))
            due.pause(tx.conn, practice)
            self._append(tx, "practice-added", practice)

        self.store.write(work)
        self._remember()
        return file

    def listed(self) -> list[Listed]:
        """The practices in the due table and those whose settings are here, by id."""
        with self.store.reading() as tx:
            rows = {row.practice: row for row in due.all_of(tx.conn, due.database_now(tx.conn))}
        here = set(self.host.ids())
        return [Listed(name, rows.get(name), name in here) for name in sorted({*rows, *here})]

    def pause(self, practice: str) -> None:
        """Workers leave it alone from the next page on."""
        self._change(practice, "practice-paused", due.pause)

    def resume(self, practice: str) -> None:
        """It is due at once."""
        self._change(practice, "practice-resumed", lambda conn, name: due.resume(conn, name, due.database_now(conn)))

    def _change(self, practice: str, action: str, change: Callable[[Connection, str], bool]) -> None:
        self.host.practice_file(practice)

        def work(tx: Tx) -> bool:
            found = change(tx.conn, practice)
            if found:
                self._append(tx, action, practice)
            return found

        if not self.store.write(work):
            raise UsageError(_unknown(practice))
        self._remember()

    def erase(self, practice: str) -> None:
        """Destroys a practice: its rows with its keys, its master key, its secrets and its folder. What is left is a
        line in the back office's trail, by which its id is never given again. Rows in copies of the database made
        before cannot be read any more (S49). Stopped in between, the same call goes on.

        :raises UsageError: there is none, or its master key, or a file in its folder, is another practice's too.
        """
        file = self.host.practice_file(practice)
        settings = self._to_erase(practice, file)
        others = self._others(practice)
        _demand_apart(practice, file.parent, settings, others)

        def work(tx: Tx) -> None:
            due.remove(tx.conn, practice)  # first: whoever writes for it ends before, or writes no more (F91)
            with acting_for(tx.conn, practice):
                dump.wipe(tx.conn, practice)
            buckets.tidy(tx.conn, due.database_now(tx.conn))
            if not _erased(tx, practice):
                self._append(tx, ERASED, practice)

        self.store.write(work)
        reach("practice-rows-erased")
        if settings is not None:
            _destroy_keys(settings, others)
            reach("practice-key-destroyed")
        _remove_folder(file.parent)
        self._remember()

    def _to_erase(self, practice: str, file: Path) -> Settings | None:
        """The settings of a practice that is there in whole or in part, None where its settings are gone already."""
        if file.exists():
            return load_settings(file)
        with self.store.reading() as tx:
            if due.of(tx.conn, practice, 0) is None and not _erased(tx, practice):
                raise UsageError(_unknown(practice))
        return None

    def _others(self, practice: str) -> set[str]:
        """References to the secrets of all other practices: what is theirs too stays."""
        files = (self.host.practice_file(name) for name in self.host.ids() if name != practice)
        return {_place(reference) for file in files for reference in _named_in(file)}

    # --- the trail -------------------------------------------------------------------------------------------------

    def trail(self, limit: int = 1000) -> list[AuditEntry]:
        """What the back office did, oldest first."""
        with self.store.reading() as tx:
            return book.trail(tx, limit)

    def check_trail(self, kept: str | None = None) -> Checked:
        """Redoes the trail's chain, as `Keeping.check_trail` does for a practice."""
        return check(self.store, self._settings, kept)

    def _record(self, action: str, practice: str | None = None) -> None:
        self.store.write(lambda tx: self._append(tx, action, practice))
        self._remember()

    def _append(self, tx: Tx, action: str, practice: str | None) -> None:
        session = tx.conn.execute(text("SELECT session_user")).scalar_one()
        book.record(tx, self.author, action, practice, f"signed in as {session}")

    def _remember(self) -> None:
        remember(self.store, self._settings)

    @property
    def _settings(self) -> Settings:
        """The back office as `trail` wants a practice: its name, and the folder for the copy of the trail's end."""
        return Settings(file=self.host.file, practice=OFFICE)

    def _own_key(self, settings: Settings) -> None:
        if not keys.exists(settings.key_reference):
            keys.write(settings.key_reference, keys.make_master())


def acting_as(host: Host, role: str) -> URL:
    """The store's address for a session that signs in as its caller and then acts as a role it is a member of."""
    return make_url(host.store).update_query_dict({"options": f"-c role={role}"})


def _as_text(address: URL) -> str:
    return address.render_as_string(hide_password=False)


def _erased(tx: Tx, practice: str) -> bool:
    where = (audit.c.practice == OFFICE) & (audit.c.action == ERASED) & (audit.c.subject == practice)
    return bool(tx.conn.execute(select(func.count()).select_from(audit).where(where)).scalar_one())


def _unknown(practice: str) -> str:
    return tr(
        "There is no practice {practice} on this host. They are listed by: handrail practices list", practice=practice
    )


def _make_queue(conn: Connection) -> None:
    try:
        from .queue import make
    except ImportError:
        raise UsageError(
            tr('The queue that wakes workers is not installed. Run: pipx inject handrail "handrail[scale]"')
        ) from None
    make(conn)


def _demand_administrator(conn: Connection) -> None:
    query = text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
    if not conn.execute(query).scalar():
        raise StoreError(
            tr(
                "The database's roles are not there yet, and you may not make them. Let an administrator of the server "
                "run what this prints: handrail practices prepare --sql"
            )
        )


def secrets_of(settings: Settings) -> list[str]:
    """References to everything secret that a practice's settings name, its master key first."""
    found = [settings.key, settings.mail.password]
    if settings.platform is not None:
        found += settings.platform.secrets.values()
    if settings.web.openid is not None:
        found.append(settings.web.openid.secret)
    found += (system.secret for system in settings.web.record_systems)
    return [settings.reference(one) for one in found if one]


def _named_in(file: Path) -> list[str]:
    """References to the secrets of a practice; where its settings are broken, whatever looks like one there: they are
    no reason to keep another practice's rows.

    :raises SettingsError: the file cannot be read at all.
    """
    try:
        return secrets_of(load_settings(file))
    except SettingsError as broken:
        try:
            found = _REFERENCE.findall(file.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            raise broken from None
        return [reference_in(file.parent, one) for one in (Settings(file=file).key, *found)]


def _place(reference: str) -> str:
    """A reference in the one form that can be compared: a file can be named in many ways."""
    kind, _, place = reference.partition(":")
    return f"file:{Path(place).resolve()}" if kind == "file" else reference


def _demand_apart(practice: str, folder: Path, settings: Settings | None, others: set[str]) -> None:
    """That nothing of what is destroyed is another practice's."""
    if settings is not None and _place(settings.key_reference) in others:
        raise UsageError(
            tr(
                "The practice {practice} has its master key in common with another one, so that erasing it would "
                "take both. Nothing was erased. Give it a key of its own first.",
                practice=practice,
            )
        )
    inside = folder.resolve()
    if any(one.startswith("file:") and Path(one.removeprefix("file:")).is_relative_to(inside) for one in others):
        raise UsageError(
            tr(
                "Another practice's settings name a secret in the folder of {practice}, which erasing would take from "
                "it. Nothing was erased. Give the other practice a file of its own first.",
                practice=practice,
            )
        )


def _destroy_keys(settings: Settings, others: set[str]) -> None:
    """The master key, what a stopped change of it left, and every secret that is this practice's alone."""
    for reference in (settings.key_reference + NEW, *secrets_of(settings)):
        if _place(reference) not in others:
            keys.remove(reference)
    if keys.exists(settings.key_reference):
        raise KeyProblem(
            tr(
                "The rows of the practice are gone, and its master key could not be removed. Until it is, copies of "
                "the database can be read. Make its place writable, then run the same command again."
            )
        )


def _remove_folder(folder: Path) -> None:
    try:
        if folder.exists():
            rmtree(folder)
    except OSError as error:
        raise UsageError(
            tr(
                "The practice is erased, and its folder {folder} could not be removed ({why}). Remove it by hand.",
                folder=folder,
                why=why_of(error),
            )
        ) from None
