"""The settings: one TOML file, read through one schema. Secrets are references, never values (S9).

The file lies in the user's configuration folder, or where `--settings` or HANDRAIL_SETTINGS points. Paths in it are
relative to the file. A key that is misspelled is refused with the nearest right one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import ValidationError, fields, post_load, validates

from ..schemas.base import BaseSchema, Many, One, Table, Text, Whole, YesNo
from ..schemas.problems import problems
from . import private
from .errors import SettingsError
from .settings_file import NO_ADDRESS, check_names, check_store, language_setting, read_toml, secret_reference
from .settings_web import Web, WebSchema
from .words import mark, tr
from .words.kept import told, why_of


@dataclass(frozen=True, slots=True)
class Connection:
    """The platform that the practice is connected to: its adapter, that adapter's settings, references to secrets."""

    platform: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pushing:
    """Whether and how flags reach the platform. Off until the practice says yes to a carrier by name."""

    on: bool = False
    carriers: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Collect:
    """How clients are asked, unless their enrolment says otherwise. `by_itself`: each scheduled run also sends."""

    instruments: tuple[str, ...] = ("gr18",)
    every_weeks: int = 4
    channel: str = "platform"
    remind_days: int = 2
    expire_days: int = 7
    reminders: int = 1
    by_itself: bool = False
    consent_text: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """The practice's mail server. `security`: tls (port 465), starttls (587), or none for a server on this machine."""

    host: str = ""
    port: int = 587
    security: str = "starttls"
    user: str = ""
    password: str = ""
    sender: str = ""


@dataclass(frozen=True, slots=True)
class SafetyChannel:
    """Who is told of a safety answer, and how soon the backup. `clinicians`: the platform's reference -> address.

    `clinician` is told where a client has no clinician of their own in that table. `promise_minutes` is within what
    time the practice says that somebody sees a notice; the time between syncs must fit into it.
    """

    clinicians: Mapping[str, str] = field(default_factory=dict)
    clinician: str = ""
    backup: str = ""
    repeat_minutes: int = 60
    promise_minutes: int = 24 * 60


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often Handrail runs by itself, and who is told when no run has succeeded for `alarm_hours`."""

    every_minutes: int = 60
    alarm_to: str = ""
    alarm_hours: int = 24


def reference_in(folder: Path, text: str) -> str:
    """A reference to a secret, a relative file path taken from `folder`; what is none stays as it is."""
    kind, _, place = text.partition(":")
    return f"file:{folder / place}" if kind == "file" else text


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a practice has settled. `file` is where it was read from.

    `budget`: how sparing model rules are: 2, 5 or 10 of a hundred benign clients prompted in a year, in simulation.
    `prompts`: ids of the rules whose prompts may be shown and pushed, others wait behind "more"; an empty list lets
    all. None, where nothing is said: R1 and the rules of plugins (docs/signal.md says why).
    `read_tags`: tags (under-age, proxy ...) of answers that the change rules shall read all the same (clinical.md 3.7).
    """

    file: Path
    practice: str = "practice"
    name: str = ""
    time_zone: str = "UTC"
    country: str = ""
    crisis_text: str = ""
    store: str = "sqlite:///handrail.db"
    key: str = ""
    platform: Connection | None = None
    push: Pushing = Pushing()
    plugins: tuple[str, ...] = ()
    reconcile_days: int = 7
    language: str = "en"
    read_tags: tuple[str, ...] = ()
    budget: int = 5
    prompts: tuple[str, ...] | None = None
    collect: Collect = Collect()
    mail: Mail = Mail()
    safety: SafetyChannel = SafetyChannel()
    schedule: Schedule = Schedule()
    web: Web = field(default_factory=Web)

    @property
    def folder(self) -> Path:
        """Where the settings lie; mappings lie beside."""
        return self.file.parent

    @property
    def mappings(self) -> Path:
        """The folder of confirmed mappings."""
        return self.folder / "mappings"

    @property
    def store_url(self) -> str:
        """The store's address, a relative SQLite path taken from the settings' folder."""
        if not self.store_in_file:
            return self.store
        kind, _, place = self.store.partition(":///")
        return f"{kind}:///{self.folder / place}"

    @property
    def store_in_file(self) -> bool:
        """Whether the store is a file on this computer: SQLite, encrypted as a whole or not."""
        return self.store.startswith("sqlite") and ":///" in self.store

    @property
    def store_path(self) -> Path:
        """The store's file, where it is on SQLite."""
        return Path(self.store_url.partition(":///")[2])

    @property
    def key_reference(self) -> str:
        """The reference of the store's key, a relative file path taken from the settings' folder."""
        return self.reference(self.key)

    def reference(self, text: str) -> str:
        """A reference to a secret as keys.py takes it, a relative file path taken from the settings' folder."""
        return reference_in(self.folder, text)

    @property
    def zone(self) -> ZoneInfo:
        """The practice's time zone."""
        return ZoneInfo(self.time_zone)


class _ConnectionSchema(BaseSchema):
    name = Text(required=True, most=64)
    settings = fields.Dict(
        keys=Text(most=100), values=fields.Raw(), load_default=dict, error_messages={"invalid": mark("must be a table")}
    )
    secrets = Table(secret_reference(), key=Text(most=100), load_default=dict)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Connection:
        return Connection(data["name"], data["settings"], data["secrets"])


class _PushSchema(BaseSchema):
    on = YesNo(load_default=False)
    carriers = Many(Text(most=64), load_default=())
    reasons = Many(Text(most=64), load_default=())

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Pushing:
        return Pushing(data["on"], tuple(data["carriers"]), tuple(data["reasons"]))


_ADDRESS = r"[^@\s<>\"',;:]+@[^@\s<>\"',;:]+"


def _address(**more: Any) -> Text:
    """One e-mail address."""
    wrong = mark("must be one e-mail address, as anna@practice.example")
    return Text(pattern=_ADDRESS, most=254, error_messages={"pattern": wrong}, **more)


class _CollectSchema(BaseSchema):
    instruments = Many(Text(most=64), most=20)
    every_weeks = Whole(least=1, most=104)
    channel = Text(most=64)
    remind_days = Whole(least=1, most=60)
    expire_days = Whole(least=1, most=180)
    reminders = Whole(least=0, most=5)
    by_itself = YesNo()
    consent_text = Text(most=10_000, blank=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Collect:
        return Collect(**data)


class _MailSchema(BaseSchema):
    host = Text(most=253, required=True)
    port = Whole(least=1, most=65535)
    security = Text(
        pattern=r"tls|starttls|none", error_messages={"pattern": mark("must be tls, starttls or none")}, most=16
    )
    user = Text(most=254, blank=True)
    password = secret_reference()
    sender = _address(required=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Mail:
        return Mail(**data)


class _SafetySchema(BaseSchema):
    clinicians = Table(_address(), key=Text(most=200))
    clinician = _address()
    backup = _address()
    repeat_minutes = Whole(least=5, most=7 * 24 * 60)
    promise_minutes = Whole(least=5, most=7 * 24 * 60)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> SafetyChannel:
        return SafetyChannel(**data)


class _ScheduleSchema(BaseSchema):
    every_minutes = Whole(least=5, most=24 * 60)
    alarm_to = _address()
    alarm_hours = Whole(least=1, most=24 * 14)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Schedule:
        return Schedule(**data)


class SettingsSchema(BaseSchema):
    """The settings file."""

    practice = Text(
        pattern=r"[a-z0-9][a-z0-9-]{0,62}",
        error_messages={"pattern": mark("must be of lower-case letters, digits and dashes, as north-road")},
    )
    name = Text(most=200, blank=True)
    time_zone = Text(most=100)
    country = Text(most=60, blank=True)
    crisis_text = Text(most=2000, blank=True)
    store = Text(
        pattern=r"(sqlite|postgresql)(\+[a-z0-9]+)?://.+",
        most=1000,
        error_messages={"pattern": NO_ADDRESS},
    )
    key = secret_reference(required=True)
    platform = One(_ConnectionSchema)
    push = One(_PushSchema)
    plugins = Many(Text(most=200), load_default=())
    reconcile_days = Whole(least=1, most=60)
    language = language_setting()
    read_tags = Many(Text(most=64), load_default=())
    budget = Whole(least=2, most=10)
    prompts = Many(Text(most=64))
    collect = One(_CollectSchema)
    mail = One(_MailSchema)
    safety = One(_SafetySchema)
    schedule = One(_ScheduleSchema)
    web = One(WebSchema)

    @validates("store")
    def _store(self, value: str, **_: Any) -> None:
        check_store(value)

    @validates("budget")
    def _budget(self, value: int, **_: Any) -> None:
        if value not in (2, 5, 10):
            raise ValidationError(tr("must be 2, 5 or 10"))

    @validates("time_zone")
    def _zone(self, value: str, **_: Any) -> None:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValidationError(tr("is not a time zone such as Europe/Zurich")) from None


SECTIONS = {
    "platform": _ConnectionSchema,
    "push": _PushSchema,
    "collect": _CollectSchema,
    "mail": _MailSchema,
    "safety": _SafetySchema,
    "schedule": _ScheduleSchema,
    "web": WebSchema,
}


def load(file: Path) -> Settings:
    """Reads the settings.

    :raises SettingsError: there is no file, it is not TOML, or a setting is wrong; the message names the setting.
    """
    raw = read_toml(file, "handrail init")
    if "host" in raw and "practice" not in raw:
        raise SettingsError(
            tr(
                "The settings {file} are a host's of many practices. Name one of its practices: handrail --settings "
                "practices/ID/handrail.toml",
                file=file,
            )
        )
    check_names(raw, file, SettingsSchema, SECTIONS)
    try:
        data = SettingsSchema().load(raw)
    except ValidationError as error:
        raise SettingsError(
            tr("The settings {file} are wrong: {problems}.", file=file, problems="; ".join(problems(error, told)))
        ) from None
    lists = {name: tuple(data[name]) for name in ("plugins", "read_tags", "prompts") if name in data}
    return Settings(file=file.absolute(), **(data | lists))


def save(file: Path, changes: Mapping[str, Any]) -> None:
    """Writes settings, keeping comments and order of what is there. Keys are dotted paths; None removes one.

    The file is written beside and moved into place, for its owner only.

    :raises SettingsError: what is there is not TOML, or the file cannot be written.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(file.read_text(encoding="utf-8-sig")) if file.exists() else tomlkit.document()
    except (TOMLKitError, ValueError, RecursionError):
        raise SettingsError(
            tr("The settings {file} are not valid TOML; nothing was changed. Mend them first.", file=file)
        ) from None
    for path, value in changes.items():
        *parents, name = path.split(".")
        table: Any = document
        for parent in parents:
            table = table.setdefault(parent, tomlkit.table())
        if value is None:
            table.pop(name, None)
        else:
            table[name] = value
    try:
        private.write(file, tomlkit.dumps(document))
    except OSError as error:
        raise SettingsError(
            tr("The settings {file} cannot be written ({why}).", file=file, why=why_of(error))
        ) from None
