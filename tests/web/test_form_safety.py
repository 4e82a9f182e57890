"""A form with a safety line, by link: what must be there before it is asked, who is told, and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from handrail.plugin_core.collecting import Wish
from handrail.plugin_core.collecting.online import token_of
from handrail.plugin_core.collecting.send import SendOptions
from handrail.plugin_core.settings import load
from handrail.plugin_core.store import asks
from handrail.plugin_core.sync.lock import exclusive
from handrail.plugin_core.web.desk import Desk
from handrail.plugin_core.web.filling import ARRIVALS

from tests.safety.ward import BACKUP, CLINICIAN, ITEM, Ward

from .people import Browser, Clock, House

CRISIS = "Invented: call 000."
WATCHED = "not watched around the clock"


class Link:
    """A client of the ward who was asked for the PHQ-9 by a link."""

    def __init__(self, ward: Ward) -> None:
        self.ward = ward
        ward.person("c1", "therapist-1", "Anna Maria Keller")
        ward.file.write_text(ward.file.read_text() + '\n[web]\naddress = "http://desk.practice.example"\n')
        wish = Wish("Patient/c1", ("phq9",), start=ward.now.date(), consent=ward.now.date(), channel="web")
        ward.ask(lambda e: e.collecting.enrol([wish], "anna"))
        ward.ask(lambda e: e.collecting.send(SendOptions()))
        with ward.engine() as engine, engine.store.reading(engine.source) as tx:
            (row,) = asks.read(tx)
            self.path = "/f/" + token_of(tx.sealer, row.key)
        clock = Clock()
        clock.now = ward.now
        self.desk = Desk(load(ward.file), now=clock)
        self.house = House(self.desk, clock)
        self.house.account("front-desk")
        self.browser = Browser(self.house.app.test_client())

    def get(self) -> str:
        return self.browser.get(self.path, base_url="http://desk.practice.example").text

    def post(self, **ticks: int) -> str:
        fields = {"do": "send-as-it-is", "version": "1"} | {f"a.{item}": str(place) for item, place in ticks.items()}
        return self.browser.post(self.path, fields, base_url="http://desk.practice.example").text

    def arrive(self) -> bool:
        found: bool = self.house.app.extensions[ARRIVALS].settled()
        return found


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    """A practice with a clinician, a backup and a mail server of its own."""
    with Ward(tmp_path / "practice") as made:
        made.sync()
        yield made


@pytest.fixture
def link(ward: Ward) -> Iterator[Link]:
    made = Link(ward)
    ward.letters()
    yield made
    made.desk.close()


def test_the_crisis_text_stands_before_and_after(link: Link) -> None:
    """clinical.md 6: where help is, before the form and on its last page; and that nobody watches it all day."""
    before, after = link.get(), link.post(**{ITEM: 0})
    for page in (before, after):
        assert CRISIS in page
        assert WATCHED in page
    assert after.index("Thank you") < after.index("Your answers are sent") < after.index(CRISIS)
    link.arrive()
    assert link.ward.safety() == []


def test_a_safety_answer_is_told_as_it_arrives(link: Link) -> None:
    """S at arrival: no sync in between, though only one line is answered; help stands on top of the last page."""
    after = link.post(**{ITEM: 2})
    assert after.index(CRISIS) < after.index("Your answers are sent")
    assert "risk" not in after.lower()
    assert link.arrive()
    assert link.ward.flag().kind == "safety"
    assert sorted(link.ward.told()) == sorted([BACKUP, CLINICIAN])


def test_a_sync_that_is_at_work_delays_no_client_and_loses_nothing(link: Link) -> None:
    """The client is thanked at once; the notice goes out as soon as the other process is done."""
    with link.ward.engine() as engine, exclusive(engine.store, "syncing"):
        assert "Thank you" in link.post(**{ITEM: 3})
        assert link.ward.safety() == []
    assert link.arrive()
    assert link.ward.flag().kind == "safety"


def test_what_was_sent_before_a_stop_arrives_with_the_next_sync(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """The desk was switched off in the second between thanks and arrival; nobody starts it again that day."""
    monkeypatch.setattr(link.house.app.extensions[ARRIVALS], "hear", lambda: None)
    link.post(**{ITEM: 1})
    assert link.ward.safety() == []
    link.ward.sync()
    assert link.ward.flag().kind == "safety"
    assert len(link.ward.told()) == 2


def test_without_what_safety_needs_the_form_is_not_shown(link: Link) -> None:
    """A crisis text that was taken out of the settings meanwhile: no line about safety without it."""
    settings = replace(link.desk.settings, crisis_text="")
    desk = Desk(settings, now=link.house.clock)
    browser = Browser(House(desk, link.house.clock).app.test_client())
    at = {"base_url": "http://desk.practice.example"}
    for page in (browser.get(link.path, **at), browser.post(link.path, {"do": "send", f"a.{ITEM}": "2"}, **at)):
        assert page.status_code == 503
        assert "tell your practice" in page.text
    desk.close()
