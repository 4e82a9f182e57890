"""A host's settings: one small TOML file that says where many practices lie, and how its workers go about it.

A practice on a host is an ordinary one: its settings, mappings and the copy of its trail's end lie in a folder of its
own, `practices/ID/handrail.toml`, and every command takes them by `--settings`. Its master key is its own (S49).

The store's address names no user. Which role a program works as is what its caller is: workers and back office take
theirs from [roles], everything else goes by PostgreSQL's own rule (PGUSER, else the user of the system).
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from marshmallow import ValidationError, post_load, validates, validates_schema
from sqlalchemy import Engine
from sqlalchemy.engine import URL, make_url

from ...schemas.base import BaseSchema, One, Text, Whole
from ...schemas.problems import problems
from ..errors import SettingsError, StoreError, UsageError
from ..settings import Settings, reference_in
from ..settings import load as load_practice
from ..settings_file import check_names, check_store, language_setting, read_toml, secret_reference
from ..store.database import HEAD, refuse_newer, version
from ..words import mark, tr
from ..words.kept import told

PRACTICE_FILE = "handrail.toml"
# The back office's own keys and trail lie in the store as those of a practice whose name no practice can have.
OFFICE = "-host"
QUEUE_SCHEMA = "handrail_queue"  # the queue's tables lie apart from ours
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # as the settings of a practice want it
_ROLE = r"[a-z_][a-z0-9_]{0,62}"


@dataclass(frozen=True, slots=True)
class Roles:
    """The database's roles: `owner` migrates and keeps practices, `worker` syncs, `web` is the desk, `report` reads."""

    owner: str = "handrail_owner"
    worker: str = "handrail_worker"
    web: str = "handrail_web"
    report: str = "handrail_report"


@dataclass(frozen=True, slots=True)
class Working:
    """How workers go about it.

    `interval_minutes`: how often each practice is synced. A job gives way to others after `pages` or `seconds` (F95).
    `lease_seconds`: how long a practice waits for a worker that is gone. `parallel`: practices at once in one worker.
    `grace_seconds`: what a worker that is told to stop has to end its turns (F100). `stuck_seconds`: how long a turn
    may go without any progress before its practice is paused (F103).
    """

    interval_minutes: int = 15
    pages: int = 50
    seconds: int = 60
    lease_seconds: int = 30
    parallel: int = 2
    grace_seconds: int = 25
    stuck_seconds: int = 300


@dataclass(frozen=True, slots=True)
class Host:
    """Everything that a host has settled. `file` is where it was read from; `key` refers to the back office's key."""

    file: Path
    store: str
    key: str
    practices: str = "practices"
    roles: Roles = Roles()
    worker: Working = Working()
    language: str = "en"

    @property
    def folder(self) -> Path:
        """The folder of the practices' folders."""
        return self.file.parent / self.practices

    @property
    def key_reference(self) -> str:
        """The reference of the back office's key, a relative file path taken from the folder of this file."""
        return reference_in(self.file.parent, self.key)

    def address(self, role: str) -> URL:
        """The store's address as a role of the database signs in there."""
        return make_url(self.store).set(username=role)

    def practice_file(self, practice: str) -> Path:
        """Where a practice's settings lie, there or not.

        :raises UsageError: that is no name of a practice (S30).
        """
        if not _is_name(practice):
            raise UsageError(
                tr("A practice's id is of lower-case letters, digits and dashes, as north-road. Nothing was done.")
            )
        return self.folder / practice / PRACTICE_FILE

    def ids(self) -> list[str]:
        """The practices whose settings are here."""
        return sorted(
            found.parent.name for found in self.folder.glob(f"*/{PRACTICE_FILE}") if _is_name(found.parent.name)
        )

    def settings_of(self, practice: str) -> Settings:
        """A practice's settings, with the store's address as a worker signs in there.

        :raises SettingsError: there are none, they are wrong, or they are those of another practice (F97).
        """
        file = self.practice_file(practice)
        found = load_practice(file)
        if found.practice != practice:
            raise SettingsError(
                tr(
                    "The settings {file} are those of the practice {other}. On a host the folder has the practice's "
                    "own id.",
                    file=file,
                    other=found.practice,
                )
            )
        if _place(found.store) != _place(self.store):
            raise SettingsError(
                tr(
                    "The settings {file} name another store than the host's settings. Mend store in them.",
                    file=file,
                )
            )
        address = self.address(self.roles.worker).render_as_string(hide_password=False)
        return replace(found, store=address)


def demand_version(engine: Engine) -> None:
    """That `practices prepare` has been run for this version of the tables: it alone gives the roles their rights on
    new ones, so that nothing else on a host may bring them there.

    :raises StoreError: it was not, or a newer version has been here.
    """
    found = version(engine)
    if found is None or found < HEAD:
        raise StoreError(tr("The host's store is not of this version of Handrail. Run: handrail practices prepare"))
    refuse_newer(found)


def _is_name(practice: str) -> bool:
    return _NAME.fullmatch(practice) is not None


def _place(store: str) -> tuple[object, ...]:
    url = make_url(store)
    return url.get_backend_name(), url.host, url.port, url.database, tuple(sorted(url.query.items()))


class _HostPartSchema(BaseSchema):
    store = Text(
        required=True,
        pattern=r"postgresql(\+[a-z0-9]+)?://.+",
        most=1000,
        error_messages={"pattern": mark("must be the address of a PostgreSQL database; many practices need one")},
    )
    key = secret_reference(required=True)
    practices = Text(most=1000)

    @validates("store")
    def _store(self, value: str, **_: Any) -> None:
        check_store(value)


def _role() -> Text:
    wrong = mark("must be of lower-case letters, digits and underscores")
    return Text(pattern=_ROLE, error_messages={"pattern": wrong})


class _RolesSchema(BaseSchema):
    owner = _role()
    worker = _role()
    web = _role()
    report = _role()

    @validates_schema
    def _apart(self, data: dict[str, Any], **_: Any) -> None:
        """Two parts with one role would have each other's rights (S51)."""
        if len(set(asdict(Roles(**data)).values())) < len(fields(Roles)):
            raise ValidationError(tr("must be four different roles"))

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Roles:
        return Roles(**data)


class _WorkerSchema(BaseSchema):
    interval_minutes = Whole(least=1, most=24 * 60)
    pages = Whole(least=1, most=10_000)
    seconds = Whole(least=1, most=3600)
    lease_seconds = Whole(least=5, most=3600)
    parallel = Whole(least=1, most=64)
    grace_seconds = Whole(least=1, most=3600)
    stuck_seconds = Whole(least=1, most=24 * 3600)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Working:
        return Working(**data)


class HostSchema(BaseSchema):
    """The host's settings file."""

    host = One(_HostPartSchema, required=True)
    roles = One(_RolesSchema)
    worker = One(_WorkerSchema)
    language = language_setting()


def load(file: Path) -> Host:
    """Reads a host's settings.

    :raises SettingsError: there is no file, it is not TOML, or a setting is wrong; the message names the setting.
    """
    raw = read_toml(file, "handrail practices prepare --store ADDRESS")
    if "host" not in raw and "practice" in raw:
        raise SettingsError(
            tr(
                "The settings {file} are a practice's own. What concerns the host takes the host's settings: handrail "
                "--settings host.toml",
                file=file,
            )
        )
    check_names(raw, file, HostSchema, {"host": _HostPartSchema, "roles": _RolesSchema, "worker": _WorkerSchema})
    try:
        data = HostSchema().load(raw)
    except ValidationError as error:
        raise SettingsError(
            tr("The settings {file} are wrong: {problems}.", file=file, problems="; ".join(problems(error, told)))
        ) from None
    return Host(file=file.absolute(), **data.pop("host"), **data)
