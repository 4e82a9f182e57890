"""A whole life of a practice over a connection that breaks: real servers, mitmproxy before them, faults by a seed.

    python -m tests.soak connection [--server sekmet] [--seeds 50] [--first 1] [--clients 200]

For each seed the same forms are synced through faults, again and again until a run is quiet; then some are amended,
withdrawn and added on the server, and all is synced once more. The store in clear and the flags on the server must be
those of an undisturbed life: nothing lost, nothing twice (promises 1 to 3; F26, F32-F39, F69, F81, F82, F84a).
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from handrail.schemas.vocab import RunOutcome

from tests.peers.between import KINDS, Between
from tests.peers.servers import Medplum, Sekmet, Server
from tests.sync.reading import Place, Seen
from tests.sync.stage import EVEN, GROWN, LEANING, NOW, SHRUNK, Json, Stage, form, gr18, put_all

FORMS_EACH = 10
EVERY = 21
MOST_RUNS = 60
VERSION = 6  # the version's place in a row of `Seen.responses`
SAID = 3000  # signs of what differs
STORIES = (
    [EVEN] * 10,
    [EVEN] * 8 + [GROWN] * 2,
    [EVEN] * 7 + [SHRUNK] * 3,
    [EVEN] * 8 + [SHRUNK] * 2,
    [EVEN] * 5 + [LEANING] * 3 + [EVEN] * 2,
    [EVEN] * 8 + [LEANING] * 2,
)


@dataclass(frozen=True)
class Life:
    """How a practice looks after its two acts: the store in clear and the flags on the server, after each."""

    stores: tuple[Seen, ...]
    shown: tuple[list[tuple[str, ...]], ...]
    traces: int

    def differs(self, other: Life) -> list[Any]:
        """What is here and not there, and the other way round, act by act."""
        found: list[Any] = []
        for act, (mine, theirs) in enumerate(zip(self.stores, other.stores, strict=True), 1):
            rows = mine.differs(theirs)
            rows.pop("cursors", None)  # times of the second act are the server's own
            if rows:
                found.append((act, rows))
        for act, (here, there) in enumerate(zip(self.shown, other.shown, strict=True), 1):
            if here != there:
                found.append((act, "shown", Counter(here) - Counter(there), Counter(there) - Counter(here)))
        if self.traces != other.traces:
            found.append(("Provenance", self.traces, other.traces))
        return found


class Behind(Server):
    """A server that is called by the proxy's address, and that can be put back to what it was.

    `path` is where FHIR begins.
    """

    path: str

    def fill(self, front: str, clients: int) -> None:
        """It holds the first act from the next `reset` on; its links lead to the proxy then."""
        raise NotImplementedError

    def reset(self) -> None:
        """Runs again with the first act, and with nothing else."""
        raise NotImplementedError

    @property
    def direct(self) -> str:
        """Its FHIR base URL, past the proxy."""
        return f"http://127.0.0.1:{self.port}{self.path}"


class BehindSekmet(Behind, Sekmet):
    """sekmet with search, which keeps all in a folder."""

    path = "/fhir"

    def __init__(self) -> None:
        super().__init__(search=True)

    def fill(self, front: str, clients: int) -> None:
        """See `Behind`: the folder is kept beside."""
        put_all(self.direct, first_act(clients))
        self._halt()
        settings = self.folder / "settings.json"
        told = json.loads(settings.read_text(encoding="utf-8"))
        settings.write_text(json.dumps(told | {"base_url": f"{front}/fhir"}), encoding="utf-8")
        shutil.copytree(self.folder / "data", self.folder / "kept")

    def reset(self) -> None:
        """See `Behind`."""
        self._halt()
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        shutil.copytree(self.folder / "kept", self.folder / "data")
        self._launch()


class BehindMedplum(Behind, Medplum):
    """Medplum's router, which keeps all in memory: a batch that is not atomic, versions without an order."""

    path = "/fhir/R4"

    def fill(self, front: str, clients: int) -> None:
        """See `Behind`. Its links follow the name that it is called by."""
        self.clients = clients

    def reset(self) -> None:
        """See `Behind`."""
        self.restart()
        put_all(self.direct, first_act(self.clients))


SERVERS: Mapping[str, type[Behind]] = {"sekmet": BehindSekmet, "medplum": BehindMedplum}


# --- what the practice holds ------------------------------------------------------------------------------------------


def first_act(clients: int) -> Iterator[Json]:
    """Clients with ten forms each, some of them with something to say, and two forms that cannot be read."""
    for number in range(clients):
        client = f"p{number}"
        practitioner = [{"reference": f"Practitioner/t{number % 5}"}]
        yield {"resourceType": "Patient", "id": client, "generalPractitioner": practitioner}
        for at, levels in enumerate(STORIES[number % len(STORIES)]):
            when = NOW - timedelta(days=7 + EVERY * (FORMS_EACH - 1 - at), minutes=number)
            yield form(f"{client}-{at}", client, when, gr18(levels))
    yield form("odd", "p0", NOW - timedelta(days=3), version="9")
    yield form("begun", "p0", NOW - timedelta(days=3), status="in-progress")


def second_act(clients: int) -> Iterator[Json]:
    """Every other client's last form is amended, withdrawn, followed by two others, or turns out another person's."""
    for number in range(0, clients, 2):
        client = f"p{number + 1}"
        when = NOW - timedelta(days=7, minutes=number + 1)
        last = f"{client}-{FORMS_EACH - 1}"
        kind = number // 2 % 4
        if kind == 0:
            yield form(last, client, when, gr18(EVEN), status="amended")
        elif kind == 1:
            yield form(last, client, when, status="entered-in-error")
        elif kind == 2:
            for hours in (48, 2):
                more = NOW - timedelta(hours=hours, minutes=number)
                yield form(f"{client}-more-{hours}", client, more, gr18(EVEN))
        else:
            yield form(last, f"p{number}", when, gr18(LEANING))


# --- a life -----------------------------------------------------------------------------------------------------------


def until_quiet(stage: Stage) -> int:
    """Syncs as a practice's timer does until a run is complete and leaves nothing undone; gives how many it took."""
    for number in range(1, MOST_RUNS + 1):
        report = stage.sync()
        if report.outcome is RunOutcome.COMPLETE and not any("flag" in line for line in report.undone):
            return number
        stage.later(minutes=10)
    raise AssertionError(f"no quiet run in {MOST_RUNS}: {report.outcome} {report.problems} {report.undone}")


class Scene:
    """A server full of forms behind a proxy; each `life` begins from the same state of the server."""

    def __init__(self, server: Behind, between: Between, clients: int) -> None:
        self.server = server
        self.between = between
        self.clients = clients
        server.fill(between.root, clients)

    def life(self, folder: Path, seed: str | None, rate: float = 0.2, kinds: Sequence[str] = KINDS) -> Life:
        """One practice from its first sync on; without a seed nothing is broken."""
        self.server.reset()
        with Stage(folder, server=f"{self.between.root}{self.server.path}", page_size=100) as stage:
            stores, shown, self.runs, self.faults = [], [], 0, Counter[str]()
            acts: dict[tuple[str, str], str] = {}
            for act in (1, 2):
                if act == 2:
                    stage.later(minutes=30)
                    put_all(self.server.direct, second_act(self.clients))
                acts = self._versions(act) | acts
                self.between.faults(f"{seed} {act}", rate if seed else 0, kinds)
                self.runs += until_quiet(stage)
                self.faults.update(self.between.happened())
                self.between.faults("", 0)
                stores.append(by_act(stage.seen(), acts))
                shown.append(stage.shown())
            return Life(tuple(stores), tuple(shown), len(stage.place().all("Provenance")))

    def _versions(self, act: int) -> dict[tuple[str, str], str]:
        """The act in which the server got each version: Medplum's names for them are others each time."""
        forms = Place(self.server.direct, None).all("QuestionnaireResponse")
        return {(one["id"], one["meta"]["versionId"]): f"of act {act}" for one in forms}


def by_act(store: Seen, acts: Mapping[tuple[str, str], str]) -> Seen:
    """The same with the act that a form's version is of in place of its name."""
    act = [acts.get((row[0], row[VERSION]), row[VERSION]) for row in store.responses]
    rows = [(*row[:VERSION], one, *row[VERSION + 1 :]) for row, one in zip(store.responses, act, strict=True)]
    return replace(store, responses=rows)


@contextmanager
def scene(name: str, clients: int, start: Callable[[Any], Any] | None = None) -> Iterator[Scene]:
    """A server of `SERVERS` and the proxy, started; `start` is the fixture `start_peer` where a test wants them."""
    with ExitStack() as stack:
        begin = start or stack.enter_context
        server = begin(SERVERS[name]())
        between = begin(Between(server.port))
        yield Scene(server, between, clients)


def main(arguments: Sequence[str]) -> int:
    """Plays the seeds; 1 when one of them ended otherwise than the undisturbed life."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak connection")
    parser.add_argument("--server", choices=list(SERVERS), help="by default one after the other")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--clients", type=int, default=200, help="each has ten forms; 200 by default")
    options = parser.parse_args(arguments)
    bad = 0
    for name in [options.server] if options.server else SERVERS:
        with tempfile.TemporaryDirectory(prefix="handrail-soak-") as folder, scene(name, options.clients) as on:
            bad += _play(on, name, Path(folder), range(options.first, options.first + options.seeds))
    return 1 if bad else 0


def _play(on: Scene, name: str, folder: Path, seeds: Sequence[int]) -> int:
    """Plays the seeds on a server; gives how many ended otherwise."""
    right = on.life(folder / "right", None)
    print(f"{name}, undisturbed: {len(right.stores[0].responses)} forms, {len(right.shown[1])} flags shown", flush=True)
    bad = 0
    for seed in seeds:
        begun = time.monotonic()
        found = on.life(folder / f"seed-{seed}", f"seed {seed}").differs(right)
        bad += bool(found)
        said = "the same" if not found else f"DIFFERS {found}"[:SAID]
        taken = time.monotonic() - begun
        print(f"{name}, seed {seed}: {said}; {taken:.1f} s; {on.runs} runs; {dict(on.faults)}", flush=True)
        shutil.rmtree(folder / f"seed-{seed}", ignore_errors=True)
    return bad
