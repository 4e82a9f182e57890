"""A small invented practice on a platform over real HTTP, and Handrail's side of it: what the tests of this folder use.

Everything goes through public doors: forms are put on the platform, `Engine.sync` or the command runs, and what came
of it is read from the store in clear and from the platform. Nothing here waits in real time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Self

import requests
from handrail.adapters.demo.answers import fill
from handrail.adapters.demo.server import DemoServer
from handrail.adapters.demo.store import Clock
from handrail.adapters.fhir.questionnaire import questionnaire_of
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.manager import Plugins
from handrail.plugin_core.settings import load
from handrail.plugin_core.store import Store, keys
from handrail.plugin_core.sync.run import Options
from handrail.schemas.records import RunReport

from ..mailbox import Mailbox
from .reading import Place, Seen, on_platform, seen

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EVEN: Mapping[str, float] = {"growth": 2, "reliance": 1, "outlook": 1}
# Reliance and outlook up: P1. Growth is up too, by less than its band, so that R1, which comes before P1, is silent.
LEANING: Mapping[str, float] = {"growth": 2.7, "reliance": 2, "outlook": 4}
SHRUNK: Mapping[str, float] = {"growth": 0, "reliance": 1, "outlook": 1}  # growth down: P2
GROWN: Mapping[str, float] = {"growth": 4, "reliance": 1, "outlook": 1}  # growth up: N
SINGLES = {"F1": 2, "F2": 2, "N2": 2}
Json = dict[str, Any]

SETTINGS = """
key = "file:key"
name = "Invented practice"
time_zone = "UTC"
prompts = []
store = "{store}"
{crisis}
{more}
[platform]
name = "fhir"
[platform.settings]
base_url = "{base}"
auth = "{auth}"
page_size = {page_size}
[platform.secrets]
{secrets}
[push]
on = {on}
carriers = {carriers}
{safety}
"""
CRISIS = """
country = "Nowhere"
crisis_text = "Invented: call 000."
"""
SAFETY = """
[safety]
clinician = "clinician@practice.example"
backup = "backup@practice.example"
{clinicians}
[mail]
host = "127.0.0.1"
port = {port}
security = "none"
sender = "handrail@practice.example"
"""
CLINICIAN, BACKUP = "clinician@practice.example", "backup@practice.example"


@cache
def questionnaire(instrument: str) -> Json:
    """The published form of an instrument."""
    return questionnaire_of(builtin_one(instrument))


def gr18(levels: Mapping[str, float] = EVEN, **lines: Any) -> dict[str, Any]:
    """Raw answers of one `gr18` form whose scores are these levels (2.7: seven lines of ten at 3, the others at 2);
    single lines may be set by their id."""
    instrument = builtin_one("gr18")
    answers: dict[str, Any] = {item.id: 1 for item in instrument.items} | SINGLES
    for score, level in levels.items():
        items = instrument.score(score).items
        for number, item_id in enumerate(items):
            item = instrument.item(item_id)
            value = int(level) + (number < round((level - int(level)) * len(items)))
            answers[item_id] = item.values[-1] - value if item.reverse else value
    return answers | lines


def form(
    form_id: str,
    client: str,
    when: datetime,
    answers: Mapping[str, Any] | None = None,
    *,
    instrument: str = "gr18",
    status: str = "completed",
    version: str = "1",
) -> Json:
    """A QuestionnaireResponse as a platform keeps it."""
    asked = questionnaire(instrument)
    subject = {"reference": f"Patient/{client}"}
    return {
        "resourceType": "QuestionnaireResponse",
        "id": form_id,
        "questionnaire": f"{asked['url']}|{version}",
        "status": status,
        "subject": subject,
        "source": subject,
        "authored": when.isoformat(timespec="seconds"),
        "item": fill(asked, gr18() if answers is None else answers),
    }


class Stage:
    """A platform with invented people on it and a practice connected to it.

    :param folder: settings, key and store lie here.
    :param store: the store's address; a SQLite file in the folder by default.
    :param server: another FHIR server's address instead of the demo server; it must be empty.
    :param safety: the settings of the safety channel, which leads to a real mail server in this process (`mail`).
    """

    def __init__(
        self,
        folder: Path,
        *,
        store: str = "sqlite:///store.db",
        server: str | None = None,
        carriers: Sequence[str] = ("flag",),
        page_size: int = 500,
        more: str = "",
        safety: str = SAFETY,
        crisis: str = CRISIS,
    ) -> None:
        self.folder = folder
        self.now = NOW
        self.demo = DemoServer(seed=1, clock=Clock(NOW))
        self.demo.start()
        self.base = server or self.demo.base
        self.token = None if server else self.demo.token
        self.store_url = store
        self.carriers = tuple(carriers)
        self.page_size = page_size
        self.more = more
        self.channel = safety
        self.crisis = crisis
        self.clinicians: dict[str, str] = {}
        self.mail = Mailbox()
        self.mail.up()
        self.plugins: list[tuple[str, object]] = []
        self.slept: list[float] = []
        self._puts = 0
        folder.mkdir(parents=True, exist_ok=True)
        keys.write(f"file:{folder / 'key'}", keys.make_master())
        if self.token:
            keys.write(f"file:{folder / 'token'}", self.token)
        self.write_settings()
        settings = load(self.file)
        Store(settings.store_url, settings.practice, keys.master(settings.key_reference), create=True).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.mail.down()
        self.demo.stop()
        assert self.demo.failures == [], "the platform failed behind the test's back"

    @property
    def file(self) -> Path:
        """The settings file."""
        return self.folder / "handrail.toml"

    def write_settings(self, **changes: Any) -> None:
        """Writes the settings file; `changes` of base, carriers, page_size, on, store, more."""
        has = {"base": self.base, "carriers": self.carriers, "page_size": self.page_size, "more": self.more}
        facts: dict[str, Any] = {**has, "on": True, "store": self.store_url, **changes}
        text = SETTINGS.format(
            store=facts["store"],
            base=facts["base"],
            page_size=facts["page_size"],
            auth="bearer" if self.token else "none",
            secrets='token = "file:token"' if self.token else "",
            on=str(facts["on"]).lower(),
            carriers=json.dumps(list(facts["carriers"])),
            more=facts["more"],
            crisis=self.crisis,
            safety=self.channel.format(port=self.mail.port, clinicians=self._clinicians()),
        )
        self.file.write_text(text, encoding="utf-8")

    def _clinicians(self) -> str:
        if not self.clinicians:
            return ""
        named = ", ".join(f'"{ref}" = "{address}"' for ref, address in self.clinicians.items())
        return f"clinicians = {{ {named} }}"

    # --- the platform's side ---------------------------------------------------------------------------------------

    def person(self, client: str, therapist: str = "therapist-1", name: str | None = None) -> None:
        """Puts a client on the platform, or changes them."""
        body: Json = {
            "resourceType": "Patient",
            "id": client,
            "name": [{"text": name or f"Invented {client}"}],
            "generalPractitioner": [{"reference": f"Practitioner/{therapist}"}],
        }
        self.demo.load(body, self.now - timedelta(days=400))

    def put(self, body: Json, at: datetime | None = None) -> Json:
        """Puts a form on the platform, or its next version; `at` is when the platform got it, by default now."""
        self._puts += 1
        self.demo.load(body, self.now + timedelta(milliseconds=self._puts) if at is None else at)
        return body

    def course(self, client: str, levels: Sequence[Mapping[str, float]], every: int = 28, last: int = 7) -> list[Json]:
        """A client with one form for each of the levels, `every` so many days, the newest `last` days ago."""
        self.person(client)
        found = []
        for number, one in enumerate(levels):
            when = self.now - timedelta(days=last + every * (len(levels) - 1 - number))
            body = form(f"{client}-{number + 1}", client, when, gr18(one))
            found.append(self.put(body, when + timedelta(seconds=30)))
        return found

    def delete(self, form_id: str) -> None:
        """Removes a form from the platform as if it had never been."""
        self.demo.store.delete("QuestionnaireResponse", form_id, None)

    def later(self, days: float = 0, minutes: float = 0) -> None:
        """Moves the platform's clock and ours on."""
        self.now += timedelta(days=days, minutes=minutes)
        self.demo.clock.set(self.now)

    # --- our side ----------------------------------------------------------------------------------------------------

    def engine(self, **more: Any) -> Engine:
        """The practice's engine, with the plugins of the test, a clock that stands and waits that take no time."""
        settings = load(self.file)
        plugins = Plugins(settings.plugins)
        for name, module in self.plugins:
            plugins.add(module, name)
        return Engine(settings, plugins=plugins, now=lambda: self.now, sleep=self.slept.append, **more)

    def sync(self, **options: Any) -> RunReport:
        """One sync by a process of its own, as it were: everything is opened anew. Consents unless told otherwise."""
        chosen = Options(**({"consent": lambda _: True} | options))
        with self.engine() as engine:
            return engine.sync(chosen)

    def ask(self, question: Callable[[Engine], Any]) -> Any:
        """What the engine answers."""
        with self.engine() as engine:
            return question(engine)

    def seen(self) -> Seen:
        """The store in clear."""
        with self.engine() as engine:
            return seen(engine)

    def shown(self) -> list[tuple[str, ...]]:
        """The flags on the platform: client, rule, opening form, status; one line an object."""
        return on_platform(self.place(), self.seen())

    def place(self) -> Place:
        """How the platform is read."""
        return Place(self.base, self.token)

    def requests(self) -> Counter[tuple[str, str]]:
        """Requests so far: (method, kind) -> number."""
        return Counter(self.demo.requests)

    def active(self) -> list[str]:
        """Client and rule of the flags that a clinician sees on the platform, in order."""
        return sorted(f"{client} {rule}" for client, rule, _, status in self.shown() if status == "active")


def small_practice(stage: Stage) -> None:
    """Eight clients: every state of a flag, and some dirt."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.course("c2", [EVEN, EVEN, EVEN, SHRUNK, SHRUNK])
    stage.course("c3", [EVEN, EVEN, EVEN, GROWN, GROWN])
    stage.course("c4", [EVEN, EVEN, LEANING, LEANING, EVEN, EVEN])
    stage.course("c5", [EVEN] * 5)
    stage.course("c6", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.course("c7", [EVEN, EVEN, EVEN, SHRUNK, SHRUNK])
    stage.course("c8", [EVEN, EVEN, EVEN, LEANING])
    when = stage.now - timedelta(days=3)
    stage.put(form("c5-old", "c5", when, version="0"), when)
    stage.put(form("c5-begun", "c5", when, status="in-progress"), when + timedelta(seconds=1))
    stage.put(form("c5-safety", "c5", when, PHQ9, instrument="phq9"), when + timedelta(seconds=2))
    stage.put(form("stray-1", "nobody", when), when + timedelta(seconds=3))


PHQ9 = {**{item.id: 1 for item in builtin_one("phq9").items}, builtin_one("phq9").safety[0].item: 2}


def second_act(stage: Stage) -> None:
    """What changes between two syncs: amended, entered in error, corrected, new, deleted, a new therapist."""
    stage.later(minutes=30)
    last = stage.now - timedelta(days=7)
    stage.put(form("c1-5", "c1", last, status="amended"))
    stage.put(form("c2-5", "c2", last, gr18(SHRUNK), status="entered-in-error"))
    stage.put(form("c5-old", "c5", stage.now - timedelta(days=3, minutes=30)))
    stage.put(form("c8-5", "c8", stage.now - timedelta(hours=1), gr18(LEANING)))
    stage.put(form("c6-6", "c6", stage.now - timedelta(hours=2), gr18(EVEN)))
    stage.put(form("c3-5", "c4", last, gr18(GROWN)))
    stage.person("c6", therapist="therapist-2")


def copy_to(base: str, stage: Stage) -> None:
    """Puts the clients and forms of the stage's invented platform, as they are now, on another server."""
    bodies = [one.body for kind in ("Patient", "QuestionnaireResponse") for one in stage.demo.store.latest(kind)]
    put_all(base, [{name: value for name, value in body.items() if name != "meta"} for body in bodies if body])


def put_all(base: str, resources: Iterable[Json], at_once: int = 50) -> None:
    """Puts resources on a FHIR server, so many in a transaction; no id of theirs is in an address."""
    left = list(resources)
    for start in range(0, len(left), at_once):
        entries = [
            {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
            for one in left[start : start + at_once]
        ]
        body = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = requests.post(base, json=body, headers={"Content-Type": "application/fhir+json"}, timeout=120)
        assert answer.ok, answer.text[:500]
        statuses = {one["response"]["status"][:3] for one in answer.json()["entry"]}  # Medplum keeps what it can of it
        assert statuses <= {"200", "201"}, answer.text[:500]
