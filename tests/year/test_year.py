"""A year of a practice of forty on simulated time: real commands, a real FHIR server, and a kill every few days.

What would hurt: someone asked twice, someone forgotten, someone asked who had said no, a prompt that stays on the
platform for ever, a figure that nobody can check. At the end the server alone is counted, and Handrail must agree.
"""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.settings import save

from ..peers.servers import Sekmet
from ..sync.stage import LEANING, form, gr18
from .command import Done, run
from .count import Count, count
from .world import ZONE, World

BEGINS = date(2026, 1, 5)
DAYS = 365
STEPS = ("page-", "rules-", "push-", "send-", "clients-", "run-", "notice-")
"""Beginnings of the names of steps at which a run is killed; the hit is drawn beside."""
BY_HAND = {
    "enrol": ("enrol-",),
    "opt-out": ("enrol-",),
    "merge": ("mending-", "rules-"),
    "reassign": ("mending-", "rules-"),
    "discharge": ("mending-", "rules-"),
    "enter": ("page-", "rules-"),
    "erase": ("erase-", "push-"),
}
"""What people do by hand, and at which steps it is killed; then they do it again, and are told if it was done."""

OPTS_OUT = {"p03": 60, "p04": 123, "p05": 200}
PAUSES = {"p06": (90, 130), "p07": (150, 220)}
MOVES = {"p08": 90, "p09": 151, "p10": 152}
HELD = {"p11": 100, "p12": 170}
DISCHARGED = {"p13": 180, "p14": 250, "p15": 300}
WRONG, RIGHT, WRONG_DAY = "p16", "p17", 140
MERGED_BY_HAND, INTO_BY_HAND, BY_HAND_DAY = "p37", "p36", 230
MERGED_THERE, INTO_THERE, THERE_DAY = "p39", "p38", 260
ERASED, ERASED_DAY = "p35", 271
AMENDED_DAY, MISTAKEN_DAY, PAPER, PAPER_DAY = 200, 215, "p18", 210
GONE = {MERGED_BY_HAND, MERGED_THERE, ERASED}


class Year:
    """Both sides of it: the world, and the practice that uses the commands."""

    def __init__(self, base: str, folder: Path, seed: int) -> None:
        self.world = World(base, seed, BEGINS)
        self.folder = folder
        self.file = folder / "handrail.toml"
        self.random = random.Random(seed + 1)
        self.by_hand = random.Random(seed + 2)
        self.today = BEGINS
        self.killed = 0
        self.killed_by_hand: Counter[str] = Counter()
        self.acknowledged = 0

    def now(self, hour: int = 19) -> datetime:
        """Today at an hour of the practice's clock."""
        return datetime.combine(self.today, time(hour, 30), ZONE)

    def call(self, *words: str, ok: tuple[int, ...] = (0,), hour: int = 19) -> Done:
        """A command that must end in one of these ways; half of those by hand are killed before, and given again."""
        killed = False
        if words[0] in BY_HAND and self.by_hand.random() < 0.5:
            die = (self.by_hand.choice(BY_HAND[words[0]]), self.by_hand.randrange(1, 3))
            killed = run(self.file, list(words), self.now(hour), self.folder, die).status is None
            self.killed_by_hand[words[0]] += killed
        done = run(self.file, list(words), self.now(hour), self.folder)
        assert done.status in ok or (killed and "already" in done.err), (self.today, words, done)
        return done

    def facts(self, *words: str) -> Any:
        """What a command says with --json."""
        return json.loads(self.call(*words, "--json").out)

    def scheduled(self) -> None:
        """The run of the day; now and then it is killed, and an hour later the next one comes."""
        words = ["sync", "--send", "--yes", "--quiet"]
        if self.random.random() < 0.4:
            die = (self.random.choice(STEPS), self.random.randrange(1, 4))
            self.killed += run(self.file, words, self.now(20), self.folder, die).status is None
        self.call(*words, hour=21)

    def begin(self) -> None:
        """Settings, platform, form, and everybody's enrolment from a list."""
        self.call("init", "--key-file", "--time-zone", "Europe/Zurich", "--name", "Invented practice")
        save(self.file, {"prompts": []})  # every rule prompts, so that there is something to count
        there = ("--set", f"base_url={self.world.base}", "--set", "auth=none", "--set", "ask_by=task")
        self.call("connect", "fhir", *there, "--push", "--carrier", "flag")
        self.call("publish", "gr18")
        rows = self.folder / "clients.csv"
        with rows.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["client", "instruments", "every_weeks", "start", "consent"])
            for person in self.world.people.values():
                writer.writerow([f"Patient/{person.id}", "gr18", "4", person.start, BEGINS])
        self.call("enrol", "--from", str(rows), "--yes")

    # --- days --------------------------------------------------------------------------------------------------------

    def play(self) -> None:
        """Day by day; the practice's computer runs on Mondays, Wednesdays and Fridays."""
        self.begin()
        for day in range(DAYS):
            self.today = BEGINS + timedelta(days=day)
            self.happenings(day)
            self.world.answer(self.today)
            if self.today.weekday() in (0, 2, 4):
                self.scheduled()
                if self.today.weekday() == 4:
                    self.acknowledge()
        self.today += timedelta(days=1)
        self.scheduled()

    def happenings(self, day: int) -> None:
        """What this day brings besides forms."""
        for person in (person for person, when in OPTS_OUT.items() if when == day):
            self.call("opt-out", f"Patient/{person}")
        for person, (_, end) in ((person, days) for person, days in PAUSES.items() if days[0] == day):
            self.call("enrol", f"Patient/{person}", "--pause-until", f"{BEGINS + timedelta(days=end)}")
        for person in (person for person, when in MOVES.items() if when == day):
            self.world.people[person].therapist = "therapist-9"
            self.world.put_person(self.world.people[person])
        for person in (person for person, when in HELD.items() if when == day):
            until = f"{self.today + timedelta(days=40)}"
            self.call("hold", f"Patient/{person}", "--until", until, "--reason", "bereavement")
        for person in (person for person, when in DISCHARGED.items() if when == day):
            self.call("discharge", f"Patient/{person}")
        if day in self.single:
            self.single[day](self)

    def wrong_client(self) -> None:
        """A form stored under the wrong record is put right by a person."""
        when = datetime.combine(self.today, time(9), ZONE)
        self.world.put(form("wrong-1", WRONG, when, gr18(LEANING)))
        self.call("sync", "--quiet")
        newest = self.facts("forms", f"Patient/{WRONG}")[0]["id"]
        self.call("reassign", newest, f"Patient/{RIGHT}", "--reason", "filled in on the wrong tablet")

    def amended(self) -> None:
        """An old form is corrected at the platform."""
        body = next(one for one in self.world.forms if one["subject"]["reference"] == "Patient/p19")
        self.world.put({**body, "status": "amended"})

    def mistaken(self) -> None:
        """An old form is marked as a mistake at the platform."""
        body = next(one for one in self.world.forms if one["subject"]["reference"] == "Patient/p20")
        self.world.put({**body, "status": "entered-in-error"})

    def on_paper(self) -> None:
        """One form came back on paper and is typed in."""
        answers = " ".join(["2"] * 15 + ["1", "3", "2", "2"])
        self.call("enter", "gr18", f"Patient/{PAPER}", "--on", f"{self.today}", "--answers", answers)

    def merged_by_hand(self) -> None:
        """The practice finds that two records are one person."""
        self.call("merge", f"Patient/{MERGED_BY_HAND}", f"Patient/{INTO_BY_HAND}", "--reason", "same birthday")

    def merged_there(self) -> None:
        """The platform merges two records; a form arrives under the old one all the same."""
        link = [{"other": {"reference": f"Patient/{INTO_THERE}"}, "type": "replaced-by"}]
        self.world.put_person(self.world.people[MERGED_THERE], active=False, link=link)
        self.world.fill_in(MERGED_THERE, self.today)

    def erased(self) -> None:
        """A former client wants to be deleted."""
        self.call("erase", f"Patient/{ERASED}", "--yes")

    single: dict[int, Callable[[Year], None]] = {
        WRONG_DAY: wrong_client,
        AMENDED_DAY: amended,
        MISTAKEN_DAY: mistaken,
        PAPER_DAY: on_paper,
        BY_HAND_DAY: merged_by_hand,
        THERE_DAY: merged_there,
        ERASED_DAY: erased,
    }

    def acknowledge(self) -> None:
        """On Fridays somebody looks at one flag that nobody has seen."""
        unseen = [one for one in self.facts("flags")["flags"] if one["state"] == "raised"]
        if unseen:
            self.call("ack", unseen[0]["id"], "--useful", self.random.choice(("yes", "no", "unsure")))
            self.acknowledged += 1


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Any:
    """The year, played once; the tests below look at what came of it."""
    from ..peers.plugin import _running

    folder = tmp_path_factory.mktemp("year")
    for server in _running(Sekmet(search=True), _Request(pytestconfig)):  # type: ignore[arg-type]
        played = Year(server.base, folder, seed=20260105)
        played.play()
        yield played, count(played.world)


class _Request:
    """The little of a fixture request that starting a server needs."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config


Played = tuple[Year, Count]


def test_it_was_killed_often_and_answered_mostly(year: Played) -> None:
    """Else the rest would prove little."""
    played, seen = year
    assert played.killed >= 15
    assert sum(played.killed_by_hand.values()) >= 4
    assert played.killed_by_hand["enrol"] >= 1
    assert played.acknowledged >= 5
    assert sum(seen.forms.values()) > 250
    assert seen.ends["cancelled"] > 20


def test_nobody_was_asked_twice_for_one_day(year: Played) -> None:
    """One key, one request on the server, whatever died in between."""
    _, seen = year
    assert seen.doubles == []
    assert {p: days for p, days in seen.asked.items() if len(days) != len(set(days))} == {}


def test_everybody_was_asked_and_nobody_too_soon(year: Played) -> None:
    """The first on the day of the start, or the next working day; then three weeks at the least from what was before;
    and nobody who is still asked was forgotten for longer than a cadence, an expiry and a weekend."""
    played, seen = year
    ended = set(OPTS_OUT) | set(DISCHARGED) | GONE | set(PAUSES)
    for person in played.world.people.values():
        days = seen.asked[person.id]
        assert days[0] - person.start <= timedelta(days=3), person.id
        gaps = [later - sooner for sooner, later in pairwise(days)]
        assert not gaps or min(gaps) >= timedelta(days=20), (person.id, days)
        if person.id not in ended | {RIGHT, PAPER, INTO_BY_HAND, INTO_THERE}:
            assert max(gaps) <= timedelta(days=28 + 7 + 4), (person.id, days)
            assert played.today - days[-1] <= timedelta(days=28 + 7 + 4), (person.id, days)


def test_nobody_was_asked_after_they_had_said_no_or_had_left(year: Played) -> None:
    """Opted out, discharged, erased, merged: from that day on nothing, and nothing left open; paused: nothing then."""
    _, seen = year
    last = OPTS_OUT | DISCHARGED | {ERASED: ERASED_DAY, MERGED_BY_HAND: BY_HAND_DAY, MERGED_THERE: THERE_DAY + 4}
    for person, day in last.items():
        assert max(seen.asked[person]) <= BEGINS + timedelta(days=day), person
        assert person not in seen.still_open
    for person, (start, end) in PAUSES.items():
        paused = [d for d in seen.asked[person] if BEGINS + timedelta(days=start) < d < BEGINS + timedelta(days=end)]
        assert paused == [], person
        assert any(d >= BEGINS + timedelta(days=end) for d in seen.asked[person]), person


def test_reminders_are_one_at_the_most(year: Played) -> None:
    """Two reminders for one form would be nagging; none at all would be forgetting."""
    _, seen = year
    assert set(seen.reminded) <= {0, 1}
    assert seen.reminded[1] > 20


def test_the_forms_of_each_client_are_those_on_the_server(year: Played) -> None:
    """Counted on the server, with what was reassigned, merged, erased and typed in from paper moved by hand."""
    played, seen = year
    expected = Counter(seen.forms)
    expected[WRONG] -= 1
    expected[RIGHT] += 1
    expected[PAPER] += 1
    for old, new in ((MERGED_BY_HAND, INTO_BY_HAND), (MERGED_THERE, INTO_THERE)):
        expected[new] += expected.pop(old, 0)
    del expected[ERASED]
    found = {
        person: sum(one["counts"] for one in played.facts("forms", f"Patient/{person}"))
        for person in played.world.people
        if person not in GONE
    }
    assert found == {person: expected[person] for person in found}


def test_the_prompts_on_the_server_are_those_that_handrail_lists(year: Played) -> None:
    """Each once, active exactly where Handrail says that it stands and shows it; none of who is gone."""
    played, seen = year
    assert seen.double_prompts == []
    listed = Counter(
        one["client"].removeprefix("Invented ")
        for one in played.facts("flags")["flags"]
        if one["shown"] and one["deliveries"] and one["deliveries"][0]["wanted"] == "active"
    )
    assert seen.prompts == listed
    assert sum(listed.values()) >= 5, "else there is next to nothing to compare"
    assert not GONE & set(seen.prompts)


def test_what_handrail_says_of_requests_is_what_the_server_says(year: Played) -> None:
    """Open ones by client and day; answered and missed ones in the practice's own figures."""
    played, seen = year
    rows = played.facts("due", "--all")["due"]
    waiting = {
        (row["client"].removeprefix("Invented "), row["due"])
        for row in rows
        if row["standing"] in ("asked", "reminded", "late")
    }
    assert waiting == {(person, f"{day}") for person, days in seen.still_open.items() for day in days}


def test_a_second_sync_and_send_have_nothing_left_to_do(year: Played) -> None:
    """Everything is where it should be: nothing to pull anew, nothing to send, nothing refused."""
    played, seen = year
    report = played.facts("sync", "--send", "--yes")
    assert report["outcome"] == "complete"
    assert not {"new", "replaced", "raised", "pushed"} & set(report["counts"])
    assert count(played.world) == seen
