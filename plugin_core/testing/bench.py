"""What every conformance test stands on: the adapter opened over a fresh platform, and what was said meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from ...schemas.records import Cursor
from ...schemas.vocab import RemoteState
from ..contracts import Adapter, AdapterContext, AdapterSpec, Carrier, Delivered, Notice, Page, RemoteResponse
from ..errors import PlatformError, Unreachable
from ..mapping.texts import plain
from .clock import Clock
from .judging import NotApplicable, Wrong, ensure
from .loopback import Exchange
from .platform import Double, Filled, Mark, Platform

TITLE = "Handrail: something to look at before the next session"
MOST_PAGES = 500
LAST_KEY = 9
ANSWERS = ((0, 1, 2), (2, 2, 0), (1, None, 1), (0, 0, 0), (2, 1, 1))


@dataclass(slots=True)
class Pulled:
    """All that one pull brought. `cursor` is the last that was given, `error` what ended the pull early."""

    responses: list[RemoteResponse] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    cursor: Cursor | None = None
    pages: int = 0
    error: PlatformError | None = None

    @property
    def ids(self) -> set[str]:
        """Ids of the forms, each once."""
        return {one.id for one in self.responses}

    def last(self, remote_id: str) -> RemoteResponse:
        """The form of that id as it came last. Raises Wrong where it did not come."""
        found = [one for one in self.responses if one.id == remote_id]
        ensure(found, "A form that stands on the platform did not come.")
        return found[-1]


class _Listening(logging.Handler):
    """Keeps every line of every logger while a test runs."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self.lines.append(text)


class Bench:
    """Opens and closes things around each test; helpers to pull and to push.

    `spec` is the adapter's; `platform()` gives a new double. `only_carriers` limits the carriers that are tried where
    this double cannot show all of them (say in a test of your own why).
    """

    spec: ClassVar[AdapterSpec]
    only_carriers: ClassVar[Sequence[str] | None] = None
    # Whether what is there already stays: a real account keeps it, a double is empty at the beginning.
    live: ClassVar[bool] = False
    salt: ClassVar[str] = "kestrel"

    double: Platform
    clock: Clock
    # What the adapter said by `warn` and kept by `keep`, and the forms that a person confirmed (`mapped`).
    said: list[str]
    kept: dict[str, str]
    confirmed: dict[str, tuple[str, str]]

    def platform(self) -> Platform:
        """A new platform, not started yet."""
        raise NotImplementedError("give the platform's double")

    def zone(self) -> tzinfo:
        """The practice's time zone, for platforms whose times name none."""
        return UTC

    # --- around each test -----------------------------------------------------------------------------------------

    def setup_method(self, method: object = None) -> None:  # noqa: ARG002 - pytest's
        """A fresh platform for each test."""
        self._opened: list[Adapter] = []
        self._folder = TemporaryDirectory(prefix="handrail-kit-")
        self.folder = Path(self._folder.name)
        for name in ("shared", "own"):
            (self.folder / name).mkdir()
        self.said = []
        self.kept, self.confirmed = {}, {}
        self._listening = _Listening()
        self._level = logging.root.level
        logging.root.addHandler(self._listening)
        logging.root.setLevel(logging.DEBUG)
        try:
            self.double = self.platform()
            self.clock = self.double.clock
            self.double.start()
        except BaseException:
            self._listen_no_more()
            self._folder.cleanup()
            raise

    def _listen_no_more(self) -> None:
        logging.root.removeHandler(self._listening)
        logging.root.setLevel(self._level)

    def teardown_method(self, method: object = None) -> None:  # noqa: ARG002 - pytest's
        """Gives everything back, whatever happened."""
        self._listen_no_more()
        try:
            for adapter in self._opened:
                adapter.close()
        finally:
            try:
                self.double.stop()
            finally:
                self._folder.cleanup()

    # --- opening --------------------------------------------------------------------------------------------------

    def loaded(self, **changed: object) -> dict[str, Any]:
        """The double's settings, read by the adapter's own schema as the core does; `changed` goes over them."""
        references = {name: f"file:{name}" for name in self.double.secrets()}
        raw = {**self.double.settings(), **references, **changed}
        loaded: dict[str, Any] = self.spec.settings()().load(raw)
        return loaded

    def context(self, secrets: Mapping[str, str] | None = None, **changed: object) -> AdapterContext:
        """What the adapter is handed."""
        held = {**self.double.secrets(), **(secrets or {})}

        def secret(name: str) -> str:
            return self.kept.get(name, held[name])

        return AdapterContext(
            practice="kestrel-practice",
            settings=self.loaded(**changed),
            secret=secret,
            warn=self.said.append,
            now=self.clock.now,
            sleep=self.clock.sleep,
            user_agent="Handrail/conformance",
            zone=self.zone(),
            keep=self.kept.__setitem__,
            folder=self.folder / "shared",
            mapped=lambda: self.confirmed,
            own=self.folder / "own",
            hash=lambda text: sha256(f"kestrel|{text}".encode()).hexdigest()[:32],
        )

    def open(self, secrets: Mapping[str, str] | None = None, **changed: object) -> Adapter:
        """The adapter over the double; closed after the test."""
        adapter = self.spec.open(self.context(secrets, **changed))
        self._opened.append(adapter)
        return adapter

    def needs(self, *abilities: str) -> None:
        """The test is about something that the platform must be able to do."""
        for ability in abilities:
            reason = self.double.can(ability)
            if reason is not None:
                raise NotApplicable(f"{self.spec.name} cannot do this ({ability}): {reason}")

    @property
    def faulty(self) -> Double:
        """The platform as one in which faults can be planted. Raises NotApplicable where it is none."""
        self.needs("faults")
        if not isinstance(self.double, Double):
            raise Wrong("A platform that is no Double says so: cannot = {'faults': why}")
        return self.double

    @property
    def seen(self) -> Sequence[Exchange]:
        """The exchanges so far; none for a platform that is no server."""
        return getattr(self.double, "seen", ())

    # --- reading --------------------------------------------------------------------------------------------------

    def client(self, number: int = 0) -> str:
        """The reference of a client."""
        return list(self.double.clients())[number]

    def fill(self, number: int, *, apart: float = 3600.0) -> dict[str, Filled]:
        """So many filled-in forms, `apart` seconds from each other, by their ids; the clock stands behind the last."""
        made = {}
        for index in range(number):
            filled = Filled(self.client(index % 2), ANSWERS[index % len(ANSWERS)])
            made[self.double.add(filled)] = filled
            self.clock.later(seconds=apart)
        return made

    def some(self, number: int) -> None:
        """So many forms where they can be filled in from here; on a live account those that are there."""
        if not self.live:
            self.needs("add")
            self.fill(number)

    def pull(self, adapter: Adapter, cursor: Cursor | None = None, *, pages: int | None = None) -> Pulled:
        """Pulls to the end, or so many pages; a PlatformError is kept, any other ends the test."""
        done = Pulled(cursor=cursor)
        walk = adapter.pull(cursor)
        try:
            for page in walk:
                _take(done, page)
                ensure(done.pages <= MOST_PAGES, "The pull does not end: it goes in a circle.")
                if pages is not None and done.pages >= pages:
                    break
        except PlatformError as error:
            done.error = error
        finally:
            close = getattr(walk, "close", None)
            if close is not None:
                close()
        return done

    def pull_all(self, adapter: Adapter, cursor: Cursor | None = None) -> Pulled:
        """Pulls to the end. Raises Wrong where an error ends it before."""
        done = self.pull(adapter, cursor)
        if done.error is not None:
            raise Wrong(f"The pull ended with an error: {done.error.message}")
        return done

    def chosen(self, response: RemoteResponse) -> dict[str, str | None]:
        """By question text, the label that came, both without regard to case, blanks and entities.

        Override it where the adapter gives codes instead of labels.
        """
        found: dict[str, str | None] = {}
        for line in response.lines:
            labels = [answer.label or answer.code for answer in line.answers]
            found[plain(line.text or line.question)] = plain(labels[0] or "") if labels else None
        return found

    def ensure_answers(self, response: RemoteResponse, filled: Filled) -> None:
        """Each answer came on its own question, and no line that was left empty has one."""
        came = self.chosen(response)
        for question, label in filled.labels().items():
            got = came.get(plain(question))
            ensure(got == (None if label is None else plain(label)), "An answer came otherwise than it was given.")

    # --- pushing --------------------------------------------------------------------------------------------------

    def carriers(self, adapter: Adapter) -> Iterable[tuple[str, Carrier]]:
        """The carriers to try. Raises NotApplicable where there is none."""
        self.needs("carriers")
        names = self.only_carriers or [carrier.name for carrier in self.spec.carriers]
        if not names:
            raise NotApplicable(f"{self.spec.name} declares no carrier: flags go to the list to enter by hand.")
        for name in names:
            yield name, adapter.carrier(name)

    def key(self, number: int) -> str:
        """A key as the core makes them, hashes of 32 hex digits; on a live account others in each run."""
        return sha256(f"{self.salt}{number}".encode()).hexdigest()[:32]

    def notice(self, key: str, state: RemoteState = RemoteState.ACTIVE, **more: Any) -> Notice:
        """A prompt about the first client."""
        closed = self.clock.at if state is not RemoteState.ACTIVE else None
        client = more.pop("client", self.client())
        opened = more.pop("opened", datetime(2026, 3, 1, 8, tzinfo=UTC))
        return Notice(key, client, "P1", state, TITLE, opened, closed, **more)

    def standing(self, carrier: str, client: str | None = None, key: str | None = None) -> list[Mark]:
        """What people see as standing on the carrier, of one client, with that key where marks carry keys."""
        wanted = client or self.client()
        marks = [one for one in self.double.marks(carrier) if one.client == wanted and one.active]
        return [one for one in marks if key is None or one.key in ("", key)]

    def until_done(self, work: Callable[[], Delivered], tries: int = 4) -> Delivered:
        """What the core does over several runs: again after what may pass, and no other error."""
        for _ in range(tries - 1):
            try:
                return work()
            except Unreachable:
                self.clock.later(minutes=10)
        return work()


def _take(done: Pulled, page: Page) -> None:
    done.pages += 1
    done.responses += page.responses
    done.set_aside += [one.remote_id for one in page.set_aside]
    done.gone += page.gone
    done.cursor = page.cursor or done.cursor
