"""The client's own page: who may hand it over, how often a link opens it, what it shows and what it never shows."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from handrail.plugin_core.rights import MARK

from .people import Browser, House


class Handed:
    """A client of some therapist, with prompts, and the link that the therapist made."""

    def __init__(self, house: House) -> None:
        self.house = house
        rows = house.ask(lambda e: [row for row in e.flags() if row.kind == "prompt" and row.flag.shown])
        self.client = rows[0].flag.client
        self.reasons = [row.flag.evidence.reason for row in house.ask(lambda e: e.flags(client=self.client))]
        self.clinician = house.ask(lambda e: house.desk.caseload.people(e, e.source))[self.client].clinician
        self.therapist = house.browser("clinician", clinician=self.clinician)
        self.path = self.make()
        self.phone = house.browser()

    def make(self) -> str:
        page = self.therapist.get(f"/client/{self.client}/own")
        made = self.therapist.send(page, "/own")
        assert made.status_code == 200
        found = re.search(r'value="https?://[^/"]+(/own/[^"]+)"', made.text)
        assert found
        return found[1]

    def open(self, browser: Browser | None = None) -> Any:
        browser = browser or self.phone
        return browser.send(browser.get(self.path), self.path)


@pytest.fixture
def handed(open_house: Callable[..., House]) -> Handed:
    return Handed(open_house(address="http://desk.practice.example", idle_minutes=720))


def test_a_client_sees_their_answers_and_nothing_that_was_made_of_them(handed: Handed) -> None:
    """clinical.md 5: own answers and a line over time; no prompt, no band, no name."""
    assert handed.open().status_code == 303
    page = handed.phone.get("/own").text
    assert "I have spent time on things that matter to me." in page
    assert "<svg" in page
    assert "You can bring this to your session if you like." in page
    for reason in handed.reasons:
        assert reason[:40] not in page
    assert 'class="band"' not in page
    assert handed.house.clients_of()[handed.client] not in page
    assert "style=" not in page


def test_the_link_opens_one_browser_once(handed: Handed) -> None:
    """Looking uses nothing up, since mail programs look too; whoever comes second is told plainly."""
    other = handed.house.browser()
    assert other.get(handed.path).status_code == 200
    assert other.get(handed.path).status_code == 200
    form = other.get(handed.path)
    handed.open()
    assert other.send(form, handed.path).status_code == 410
    assert other.get(handed.path).status_code == 410
    assert other.get("/own").status_code == 403
    assert handed.phone.get("/own").status_code == 200


def test_the_page_closes_by_itself_and_by_hand(handed: Handed) -> None:
    """A telephone that lies about shows nothing an hour later."""
    handed.open()
    handed.house.clock.later(minutes=61)
    assert handed.phone.get("/own").status_code == 403
    handed.path = handed.make()
    handed.open()
    page = handed.phone.get("/own")
    assert handed.phone.send(page, "/own/close").status_code == 303
    assert handed.phone.get("/own").status_code == 403


def test_a_link_that_is_old_or_replaced_is_void(handed: Handed) -> None:
    """The last one that was handed out is the one that counts."""
    old = handed.path
    handed.path = handed.make()
    assert handed.phone.get(old).status_code == 410
    handed.house.clock.later(days=8)
    assert handed.phone.get(handed.path).status_code == 410
    assert handed.phone.get("/own/guess").status_code == 410


def test_the_answers_can_be_taken_along(handed: Handed) -> None:
    """Portability: a table and JSON, with questions and words, without scores and prompts."""
    handed.open()
    table = handed.phone.get("/own/answers.csv")
    assert table.headers["Content-Disposition"] == 'attachment; filename="answers.csv"'
    rows = list(csv.DictReader(io.StringIO(table.data.decode().removeprefix(MARK))))
    assert len(rows) > 19
    assert {"question", "words"} <= rows[0].keys()
    facts = json.loads(handed.phone.get("/own/answers.json").data)
    assert {"answers", "filled_in"} <= facts["forms"][0].keys()
    assert "scores" not in facts["forms"][0]
    assert {form["instrument"] for form in facts["forms"]} == {row["form"] for row in rows}


def test_only_who_may_see_answers_hands_it_over(handed: Handed) -> None:
    """The front desk hands out forms, not answers; a colleague's client is not there."""
    front = handed.house.browser("front-desk", login="front")
    assert front.get(f"/client/{handed.client}/own").status_code == 403
    other = next(ref for ref in handed.house.clinicians() if ref != handed.clinician)
    stranger = handed.house.browser("clinician", login="doris", clinician=other)
    assert stranger.get(f"/client/{handed.client}/own").status_code == 404


def test_an_erasure_closes_it(handed: Handed) -> None:
    """Nothing of a client who was erased can be opened."""
    from handrail.plugin_core.store import record

    handed.open()

    def erase(engine: Any) -> None:
        engine.store.write(lambda tx: record.erase(tx, record.records_of(tx, handed.client)), engine.source)

    handed.house.ask(erase)
    assert handed.phone.get("/own").status_code == 403
