"""Two processes or one: the same store, whatever the platform does while its list is read (hypothesis).

A form comes twice, amended, older after newer, deleted and put back, moved to another client; client records are merged
in the middle of a pull; some clients were erased here.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from handrail.plugin_core.collecting.entry import as_pulled
from handrail.plugin_core.contracts import Identity, Page, RemoteResponse
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.mapping import FormReader
from handrail.plugin_core.mapping.reader import own_mapping
from handrail.plugin_core.registry import Registry
from handrail.plugin_core.safety.during import Telling
from handrail.plugin_core.settings import Settings
from handrail.plugin_core.store import Store, Tx, keys, mend
from handrail.plugin_core.store.sealed import SEALED
from handrail.plugin_core.store.tables import metadata
from handrail.plugin_core.sync import beside, evaluate, judging
from handrail.plugin_core.sync.run import Options, Sync
from handrail.schemas.records import Client, Cursor, Quarantined
from handrail.schemas.vocab import QuarantineReason
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, select

from .stage import EVEN, LEANING, NOW, PHQ9, Stage, gr18
from .test_pages_ahead import replace_struct

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a second process is used on Linux alone")

IDS = [f"f{number}" for number in range(4)]
CLIENTS = ["a", "b", "c", "erased"]
TABLES = (
    *("clients", "responses", "history", "quarantine", "flags", "deliveries", "notices", "redirects", "cursors"),
    *("missing", "sources"),
)
CLOCK = {"replaced_ms", "first_ms", "last_ms", "changed_ms", "at_ms"}  # of this computer, when it was done
Version = tuple[str, str, int, int, int | None, str]
Drawn = tuple[list[Version], list[str], list[str], bool]
Pulls = tuple[list[Drawn], list[Drawn]]
ANSWERS = (gr18(EVEN), gr18(LEANING)), (PHQ9, dict.fromkeys(PHQ9, 0))


@cache
def form(form_id: str, client: str, asked: int, answers: int, minute: int | None, status: str) -> RemoteResponse:
    """A form of a client in one of a few versions."""
    instrument = builtin_one(("gr18", "phq9")[asked])
    days = timedelta(days=7 * (IDS.index(form_id) + 1))
    made = as_pulled(instrument, form_id, client, NOW - days, ANSWERS[asked][answers], NOW)
    updated = None if minute is None else (NOW - timedelta(minutes=minute)).isoformat()
    changed: RemoteResponse = replace_struct(
        made,
        status="completed" if status == "unmapped" else status,
        form_version="9" if status == "unmapped" else made.form_version,
        updated=updated,
    )
    return changed


FORMS = st.tuples(  # what `form` takes
    st.sampled_from(IDS),
    st.sampled_from(CLIENTS),
    st.integers(0, 1),
    st.integers(0, 1),
    st.sampled_from((None, 0, 1, 2)),
    st.sampled_from(("completed", "completed", "amended", "entered-in-error", "in-progress", "unmapped")),
)


def page(forms: list[Version], gone: list[str], broken: list[str], here: bool) -> Page:
    """A page, of which the next one is here or not."""
    aside = [Quarantined(one, QuarantineReason.UNREADABLE, "the form", "it cannot be read") for one in broken]
    return Page([form(*one) for one in forms], Cursor("any", NOW), aside, gone, next_is_here=lambda: here)


HERE = st.sampled_from((True, True, True, False))


@st.composite
def two_pulls(draw: st.DrawFn) -> list[list[Drawn]]:
    """The pages of two pulls, as `page` takes them. Few versions of few forms, so that most come again."""
    some = draw(st.lists(FORMS, min_size=3, max_size=6, unique=True))
    ids = st.lists(st.sampled_from(sorted({one[0] for one in some})), max_size=1)
    pages = st.tuples(st.lists(st.sampled_from(some), min_size=1, max_size=4), ids, ids, HERE)
    return draw(st.lists(st.lists(pages, min_size=2, max_size=4), min_size=2, max_size=2))


MERGES = st.dictionaries(st.sampled_from(CLIENTS[:3]), st.sampled_from(CLIENTS), max_size=2)


@dataclass
class Platform:
    """What a sync asks of a platform."""

    pages: Sequence[Page]
    merges: dict[str, str]

    def test(self) -> Identity:
        return Identity("The platform", "1", "the same each time")

    def pull(self, _cursor: Cursor | None) -> Iterator[Page]:
        yield from self.pages

    def clients(self, refs: Sequence[str]) -> Iterator[Client]:
        for ref in refs:
            yield Client(ref, clinician="therapist", replaced_by=self.merges.get(ref))


@dataclass
class House:
    """A practice whose store is empty but for an erased client and a form that a person gave to another client."""

    settings: Settings
    registry: Registry
    master: bytes
    store: Path

    def synced(self, file: Path, pulls: Sequence[Platform]) -> tuple[Any, ...]:
        """What a store holds in clear after some full syncs, and what these said."""
        for old in file.parent.glob(f"{file.name}*"):
            old.unlink()
        shutil.copy(self.store, file)
        said = []
        with Store(f"sqlite:///{file}", self.settings.practice, self.master) as store:
            source = store.source("the platform")
            for platform in pulls:
                run = self.sync(store, source, platform)
                report = run.run(Options(full=True, push=False))
                said.append((report.counts, report.outcome, sorted(one.what for one in report.problems)))
            with store.reading(source) as tx:
                return content(tx), said

    def sync(self, store: Store, source: int, platform: Any) -> Sync:
        """A sync which hears of merges as soon as it tells of a safety answer."""
        able = SimpleNamespace(gives_clinicians=True, gives_sessions=False, lists_all=False)
        spec: Any = SimpleNamespace(name="fhir", title="The platform", capabilities=able)
        reader = FormReader([own_mapping(builtin_one(name), "fhir") for name in ("gr18", "phq9")])
        run = Sync(
            store, source, self.settings, self.registry, spec, platform, reader, lambda: NOW, lambda *_: None, []
        )
        safety: Any = SimpleNamespace(
            engine=SimpleNamespace(store=store, source=source, spec=spec),
            tell=lambda older: SimpleNamespace(sent=0),
            alarms=list,
            notes=list,
        )
        run.telling = Telling(safety)
        return run


def content(tx: Tx) -> dict[str, Any]:
    """Every row by its key, unsealed, without the moments at which this computer wrote it."""
    found: dict[str, Any] = {}
    for name in TABLES:
        table = metadata.tables[name]
        keys_of = [column.name for column in table.primary_key if column.name != "id"]
        rows = [in_clear(tx, table, row) for row in tx.conn.execute(select(table))]
        found[name] = sorted(rows, key=lambda row: repr([row[key] for key in keys_of] or row))
    trail = metadata.tables["audit"]
    trails = tx.conn.execute(
        select(trail.c.actor, trail.c.action, trail.c.subject, trail.c.detail).order_by(trail.c.id)
    )
    return found | {"audit": [tuple(row) for row in trails]}


def in_clear(tx: Tx, table: Table, row: Any) -> dict[str, Any]:
    """One row; numbers are compared by their value, 2 is 2.0."""
    values = {name: value for name, value in row._mapping.items() if name not in CLOCK | {"id"}}
    sealed = next((one for one in SEALED if one.table is table), None)
    if sealed is not None and values[sealed.column] is not None:
        values[sealed.column] = json.loads(tx.sealer.open(sealed.place(row), values[sealed.column]))
    return values


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """In memory: these stores have to last for a moment alone."""
    with TemporaryDirectory(dir="/dev/shm") as made:
        yield Path(made)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The practice."""
    folder = tmp_path_factory.mktemp("house")
    with Stage(folder) as stage, stage.engine() as engine:
        store, source = engine.store, engine.store.source("the platform")

        def begin(tx: Tx) -> None:
            key = tx.sealer.hasher("client", str(source))
            mend.set_erased(tx, [key("erased")])
            given_to = mend.StoredRedirect(ref="c")
            mend.set_redirect(tx, mend.FORM, tx.sealer.hash("response", str(source), "f0"), key("c"), given_to)

        store.write(begin, source)
        engine.store.close()
        yield House(engine.settings, engine.registry, keys.master(engine.settings.key_reference), folder / "store.db")


PLAIN: Version = ("f1", "a", 0, 0, 0, "completed")
OTHER: Version = ("f2", "b", 0, 1, 0, "completed")
SAFETY: Version = ("f3", "a", 1, 0, 0, "completed")
ALL: Drawn = ([PLAIN, OTHER], [], [], True)
TAKEN_BACK: Pulls = [ALL, ALL], [([PLAIN], ["f2"], [], True), ([OTHER], [], [], True)]
BROKEN_BEFORE: Pulls = [ALL, ALL], [([PLAIN], [], ["f2"], True), ([OTHER], [], [], True)]
MERGE_HEARD: Pulls = [([SAFETY], [], [], True), ([PLAIN], [], [], True), ([OTHER], [], [], True)], [ALL, ALL]


@example(pulls=list(TAKEN_BACK), merges={})
@example(pulls=list(BROKEN_BEFORE), merges={})
@example(pulls=list(MERGE_HEARD), merges={"a": "b"})
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(pulls=two_pulls(), merges=MERGES)
def test_the_same_store_by_two_processes_as_by_one(
    house: House, folder: Path, pulls: list[list[Drawn]], merges: dict[str, str]
) -> None:
    """A practice with two processors must not have other clients, flags or letters than one with one."""
    both = [Platform([page(*one) for one in pages], merges) for pages in pulls]
    alone = [replace(one, pages=[replace(page, next_is_here=None) for page in one.pages]) for one in both]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beside, "possible", lambda: False)
        patch.setattr(evaluate, "MOST_ALONE", 1)
        patch.setattr(evaluate, "CLIENTS_A_PAGE", 1)
        patch.setattr(judging, "LEAST", 1)
        right = house.synced(folder / "alone.db", alone)
        patch.setattr(beside, "possible", lambda: True)
        found = house.synced(folder / "both.db", both)
    assert found == right
    assert all(counts["pulled"] for counts, _, _ in right[1]), "the test shows nothing"
