"""The engine: everything that the commands do, as a Python API to embed.

from handrail.plugin_core import Engine
with Engine.open(Path("handrail.toml")) as engine:
    report = engine.sync()
    for row in engine.flags():
        print(row.flag.rule, row.flag.evidence.reason)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..schemas.records import (
    Acknowledgement,
    Flag,
    Hold,
    Instrument,
    Quarantined,
    RunReport,
)
from ..schemas.records import Mapping as FormMapping
from ..schemas.vocab import FlagState
from .contracts import Adapter, AdapterSpec, Identity, Published
from .errors import SettingsError, Unsupported, UsageError
from .manager import Plugins
from .mapping import FormReader, own_mapping
from .registry import Registry
from .safety.readiness import demand
from .settings import Connection, Settings, load
from .store import Store, Tx, book, flags, forms, notices, outgoing
from .views import ClientView, FlagRow, Rescored
from .words import in_practice_language, tr

if TYPE_CHECKING:
    from .collecting import Collecting
    from .figures import Figures
    from .fleet.hosted import Hosted
    from .hints import Hints
    from .keeping import Keeping
    from .mail import Mailer
    from .mapping.propose import Proposal
    from .mending import Mending
    from .notes import Notes
    from .rights import Rights
    from .safety import Safety
    from .selfcheck import SelfChecks
    from .sync.run import Options, Progress


def _quiet(part: str, more: int, of: int | None) -> None:
    """Shows no progress."""


class Engine:
    """One practice at work. Opens lazily: nothing is read, connected or unlocked before it is needed.

    :param settings: the practice's settings.
    :param plugins: already prepared plugins; by default those that the settings allow.
    :param now: the clock for "as of"; a test or a demo sets its own.
    :param progress: told (part, how many more, of how many or None).
    :param hosted: what a host's worker shares among its practices (fleet/).
    """

    def __init__(
        self,
        settings: Settings,
        *,
        plugins: Plugins | None = None,
        now: Callable[[], datetime] | None = None,
        progress: Progress = _quiet,
        sleep: Callable[[float], None] = time.sleep,
        hosted: Hosted | None = None,
    ) -> None:
        self.settings = settings
        plugins = plugins or Plugins(settings.plugins)
        self.registry = Registry(plugins, settings.budget, settings.folder, settings.prompts)
        clock = now or (lambda: datetime.now(UTC))
        self.now: Callable[[], datetime] = lambda: clock().astimezone(settings.zone)
        self.progress = progress
        self.sleep = sleep
        self.hosted = hosted
        self.warnings: list[str] = []

    @classmethod
    def open(cls, file: Path, **more: Any) -> Engine:
        """The engine of a settings file; `more` as for the constructor."""
        return cls(load(file), **more)

    def close(self) -> None:
        """Gives back what was opened."""
        if adapter := self.__dict__.pop("adapter", None):
            adapter.close()
        if store := self.__dict__.pop("store", None):
            store.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- what it works with ----------------------------------------------------------------------------------------

    @cached_property
    def store(self) -> Store:
        """The practice's store, opened with the key that the settings refer to."""
        from .keeping.rotation import open_with

        if self.hosted is None:
            return open_with(self.settings)
        store = open_with(self.settings, self.hosted.pool)
        store.guarded_by(self.hosted.guard)
        return store

    @property
    def connection(self) -> Connection:
        """The platform that the settings name.

        :raises SettingsError: none is connected yet.
        """
        if self.settings.platform is None:
            raise SettingsError(tr("No platform is connected yet. Run: handrail connect PLATFORM"))
        return self.settings.platform

    @cached_property
    def spec(self) -> AdapterSpec:
        """The connected platform's adapter."""
        return self.registry.adapter(self.connection.platform)

    @cached_property
    def source(self) -> int:
        """The number of this connection in the store. Where none is connected any more, that of the last one: what was
        read from it can still be shown, exported and erased.

        :raises SettingsError: none is connected, and none ever was.
        """
        if self.settings.platform is None:
            with self.store.reading() as tx:
                if (last := book.last_source(tx)) is not None:
                    return last
        return self.store.source(self.connection.platform)

    @cached_property
    def adapter(self) -> Adapter:
        """The open connection to the platform."""
        return self.open_adapter(self.spec, self.connection)

    def open_adapter(self, spec: AdapterSpec, connection: Connection) -> Adapter:
        """Opens a platform with settings that are checked by its own schema.

        :raises SettingsError: a setting is missing or wrong; the message names it.
        """
        from .opening import opened

        return opened(self, spec, connection)

    @cached_property
    def mailer(self) -> Mailer:
        """The practice's mail server.

        :raises SettingsError: none is set.
        """
        from .mail import mailer

        return mailer(self.settings, self.now)

    def mappings(self) -> list[FormMapping]:
        """Confirmed mappings of the platform, and those of all forms that Handrail itself publishes."""
        from .mapping import files as mapping_files

        platform = self.connection.platform
        own = [own_mapping(form, platform) for form in self.registry.forms]
        return mapping_files.load_all(self.settings.mappings, platform) + own

    # --- syncing ---------------------------------------------------------------------------------------------------

    @in_practice_language
    def sync(self, options: Options | None = None) -> RunReport:
        """Pulls, scores, lets the rules read, pushes; gives the report.

        :raises Busy: another process is at it.
        """
        from .safety.during import Telling
        from .sync.lock import exclusive
        from .sync.run import Options, Sync

        chosen = options or Options()
        begun = self.now()
        if not chosen.dry_run:
            self.collecting.take_in()  # what clients sent while another process was at work
            self.safety.tell()  # what waits to be told does not wait for the platform, or for another sync
        with exclusive(self.store, "syncing"):
            run = Sync(
                self.store,
                self.source,
                self.settings,
                self.registry,
                self.spec,
                self.adapter,
                FormReader(self.mappings()),
                self.now,
                self.progress,
                self.warnings,
            )
            if not chosen.dry_run:
                run.telling = Telling(self.safety)
                self.selfchecks.tidy(self.now().date())
                sends = self.settings.collect.by_itself if chosen.send is None else chosen.send
                run.send = self.collecting.send_within if sends else self.collecting.recall
                done = run.run(chosen)
                self.hints.settle(begun, done.outcome)
                self.keeping.remember_trail()
                return done
            with self.store.rehearsal():
                return run.run(chosen)

    @in_practice_language
    def rescore(self, *, dry_run: bool = True) -> Rescored:
        """Scores every stored form anew and lets the rules read every course; pushes nothing by itself (F90)."""
        from .sync.lock import exclusive
        from .sync.rescore import rescore

        with exclusive(self.store, "rescoring"):
            if not dry_run:
                done = rescore(self.store, self.source, self.settings, self.registry, self.now(), self.progress)
                self.safety.tell()
                return done
            with self.store.rehearsal():
                return rescore(self.store, self.source, self.settings, self.registry, self.now(), self.progress)

    # --- areas with an interface of their own, loaded when first used -------------------------------------------------

    @cached_property
    def collecting(self) -> Collecting:
        """Who is asked what and when; sending, reminding, what came back."""
        from .collecting import Collecting

        return Collecting(self)

    @cached_property
    def safety(self) -> Safety:
        """Notices of safety answers, on their own channel."""
        from .safety import Safety

        return Safety(self)

    @cached_property
    def mending(self) -> Mending:
        """Forms of the wrong client, merged clients, the end of a course, taking back what was pushed."""
        from .mending import Mending

        return Mending(self)

    @cached_property
    def rights(self) -> Rights:
        """All about one client, readable; erasing; a client's remark."""
        from .rights import Rights

        return Rights(self)

    @cached_property
    def notes(self) -> Notes:
        """Notes on clients that belong to no flag."""
        from .notes import Notes

        return Notes(self)

    @cached_property
    def keeping(self) -> Keeping:
        """Backups, new keys, and whether the audit trail is as it was written."""
        from .keeping import Keeping

        return Keeping(self)

    @cached_property
    def hints(self) -> Hints:
        """What the platform announced by webhook."""
        from .hints import Hints

        return Hints(self)

    @cached_property
    def selfchecks(self) -> SelfChecks:
        """Therapists' self-checks, sealed to their authors."""
        from .selfcheck import SelfChecks

        return SelfChecks(self)

    @cached_property
    def figures(self) -> Figures:
        """The practice's own figures: asked, answered, prompted, found useful."""
        from .figures import Figures

        return Figures(self)

    # --- connecting ------------------------------------------------------------------------------------------------

    def identity(self) -> Identity:
        """Who answers at the platform's address, and what we may do there."""
        return self.adapter.test()

    def accept_server(self, identity: Identity) -> None:
        """Takes the server that answers as the practice's; when it is another than before, the next sync pulls all."""
        moved = self.store.fingerprint(self.source) not in (None, identity.fingerprint)
        self.store.set_fingerprint(self.source, identity.fingerprint)
        if moved:
            self.store.write(book.forget_cursors, self.source)

    def proposals(self, instruments: Sequence[Instrument] | None = None, *, remap: str | None = None) -> list[Proposal]:
        """For each form of the platform that resembles an instrument, how it would be read; to be confirmed.

        :param remap: id or title of a form that is proposed anew though it is mapped; then it alone.
        """
        from .mapping.propose import fits, propose

        wanted = list(instruments or self.registry.forms)
        mapped = self.mappings()
        forms = (form for form in self.adapter.forms() if remap is None or remap in (form.form, form.title))
        open_forms = (form for form in forms if remap or not any(fits(form, mapping) for mapping in mapped))
        found = (propose(form, wanted) for form in open_forms)
        return [proposal for proposal in found if proposal is not None]

    def confirm(self, proposal: Proposal, by: str) -> Path:
        """Stores a mapping that a person has confirmed; gives its file. Forms are pulled anew by it."""
        from dataclasses import replace

        from .mapping import files as mapping_files

        demand(proposal.instrument, self.settings)
        confirmed = replace(
            proposal.mapping(self.connection.platform), confirmed=self.now().astimezone(UTC), confirmed_by=by
        )
        path = mapping_files.save(self.settings.mappings, confirmed)

        def write(tx: Tx) -> None:
            book.forget_cursors(tx)
            book.record(tx, by, "mapping-confirmed", None, path.name)

        self.store.write(write, self.source)
        return path

    def publish(self, instrument: Instrument) -> Published:
        """Makes or updates a form on the platform; remembers how to read it where its name there is another."""
        if not self.spec.capabilities.publishes:
            raise Unsupported(
                tr(
                    "{platform} does not let Handrail make forms. Make it there by hand, then map it.",
                    platform=self.spec.title,
                )
            )
        demand(instrument, self.settings)
        made = self.adapter.publish(instrument)
        own = own_mapping(instrument, self.connection.platform, made.form, made.questions)
        new = own not in self.mappings()
        if new:
            from .mapping import files as mapping_files

            mapping_files.save(self.settings.mappings, own)

        def write(tx: Tx) -> None:
            if new:  # answers to it may be there already and were not ours to read
                book.forget_cursors(tx)
            book.record(tx, "handrail", "form-published", None, f"{instrument.id}/{instrument.version}")

        self.store.write(write, self.source)
        return made

    # --- what people read and do --------------------------------------------------------------------------------------

    def flags(self, *, everything: bool = False, client: str | None = None) -> list[FlagRow]:
        """Standing flags, newest first; safety notices above all. `everything` adds cleared and withdrawn ones."""
        states = [state.value for state in FlagState] if everything else flags.STANDING
        key = None if client is None else self.client_key(client)
        with self.store.reading(self.source) as tx:
            found = flags.read(tx, states=states, client=key)
            rows = self._rows(tx, found)
        return sorted(rows, key=lambda row: row.kind != "safety")

    def _rows(self, tx: Tx, found: Sequence[tuple[Flag, str]]) -> list[FlagRow]:
        from .finding import flag_rows

        return flag_rows(tx, found, self.now().date(), self.settings.zone)

    def flag(self, short: str) -> FlagRow:
        """The flag of that (short) id, whatever its state.

        :raises UsageError: none, or more than one.
        """
        every = [state.value for state in FlagState]
        with self.store.reading(self.source) as tx:
            found = self._rows(tx, flags.read(tx, states=every, begins=short.lower()) if short else [])
        if len(found) != 1:
            raise UsageError(
                tr(
                    "{number} flags have ids that begin with that id. List them with: handrail flags --all",
                    number=len(found),
                )
                if found
                else tr("No flag has that id. List them with: handrail flags --all")
            )
        return found[0]

    def acknowledge(self, short: str, author: str, note: str | None = None, useful: str | None = None) -> FlagRow:
        """Records that a person has seen a flag, with a note and whether it was useful (yes, no, unsure)."""
        row = self.flag(short)
        item = Acknowledgement(row.flag.key, self.now(), author, note, useful)

        def write(tx: Tx) -> None:
            flags.acknowledge(tx, item)
            notices.not_needed(tx, item.flag)
            forms.mark_keys_dirty(tx, [row.flag.client])
            book.record(tx, author, "flag-acknowledged", row.flag.key)

        self.store.write(write, self.source)
        return self.flag(row.flag.key)

    def hold(self, client: str, until: date, reason: str, author: str) -> Hold:
        """Pauses new flags of rules P and R for a client until (and including) a day; safety is never held."""
        start = self.now().date()
        if until < start:
            raise UsageError(tr("The hold would end before it begins. Give a day from today on."))
        item = Hold(self.client_key(client), start, until, reason, author)

        def write(tx: Tx) -> None:
            flags.add_hold(tx, item)
            book.record(tx, author, "client-held", item.client)

        self.store.write(write, self.source)
        return item

    @in_practice_language
    def client(self, ref: str) -> ClientView:
        """One client by the platform's reference, its id, the name, or the start of our key."""
        from .finding import client_view

        return client_view(self, ref)

    def clients(self) -> list[tuple[str, str]]:
        """All clients: (our key, name or reference)."""
        with self.store.reading(self.source) as tx:
            found = forms.read_clients(tx)
        return sorted(((key, person.name or person.ref) for key, person in found.items()), key=lambda pair: pair[1])

    def client_key(self, wanted: str) -> str:
        """Our key of a client: by the platform's reference or our whole key at once, else by id, name or short key."""
        from .finding import client_key

        return client_key(self.store, self.source, wanted)

    def record(self, author: str, action: str, subject: str | None = None) -> None:
        """Adds to the audit trail: who did what, without the data itself."""
        self.store.write(lambda tx: book.record(tx, author, action, subject), self.source)

    def set_aside(self) -> list[Quarantined]:
        """Forms in quarantine, with their reasons."""
        with self.store.reading(self.source) as tx:
            return forms.in_quarantine(tx)

    def status(self) -> dict[str, int]:
        """Counts: responses, clients, forms set aside, flags by state, the outbox."""
        with self.store.reading(self.source) as tx:
            states = {f"flags_{state}": number for state, number in flags.count_by_state(tx).items()}
            outbox = {f"outbox_{name}": number for name, number in outgoing.counts(tx).items()}
            return forms.counts(tx) | states | outbox

    def runs(self, limit: int = 10) -> list[RunReport]:
        """Reports of the last runs, newest first."""
        with self.store.reading(self.source) as tx:
            return book.last_runs(tx, limit)


def version() -> str:
    """Handrail's version, as installed."""
    from importlib import metadata

    return metadata.version("handrail")
