"""The practice's tablet and what staff hand over: who may, what a code opens, what remains on the screen."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from handrail.plugin_core.store import book, visits
from handrail.plugin_core.web import kiosk
from handrail.plugin_core.web.filling import ARRIVALS
from handrail.plugin_core.web.staff import Staff

from .people import Browser, House, texts
from .test_form import AT, Asked


class Tablet(Asked):
    """A client who is due, somebody at the front desk, and a browser that became the tablet."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.front = house.browser("front-desk", login="berta")
        self.tablet = house.browser("front-desk", login="carla")
        self.begun = self.tablet.send(self.tablet.get("/hand-over", **AT), "/kiosk/begin", None, **AT)

    def code(self) -> str:
        """A code, made at the front desk."""
        page = self.front.get("/hand-over", **AT)
        name = self.house.clients_of()[self.client]
        assert name in page.text
        given = self.front.send(page, "/hand-over/code", {"client": self.client, "form": self.form}, **AT)
        assert given.status_code == 200, texts(given.text)
        found = re.search(r'tablet-code">([0-9A-Z]{3}-[0-9A-Z]{3})<', given.text)
        assert found
        return found[1]

    def type(self, code: str) -> Any:
        return self.tablet.send(self.tablet.get("/kiosk", **AT), "/kiosk", {"code": code}, **AT)

    def fill(self, do: str, ticks: dict[str, int]) -> Any:
        page = self.tablet.get("/kiosk/form", **AT)
        fields = {f"a.{item}": str(place) for item, place in ticks.items()} | {"do": do}
        return self.tablet.send(page, "/kiosk/form", fields, **AT)


@pytest.fixture
def at(open_house: Callable[..., House]) -> Tablet:
    # The cookie that tests sign in with is that of a desk reached by http.
    return Tablet(open_house(address="http://desk.practice.example"))


@pytest.fixture(autouse=True)
def _by_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(AT, "base_url", "http://localhost")


def test_a_client_types_the_code_and_nothing_remains(at: Tablet) -> None:
    """The whole way on the tablet: code, form, thanks; then whoever takes it next finds nothing."""
    before = len(at.forms())
    assert at.type(at.code().lower()).status_code == 303
    done = at.fill("send", at.all_at(2, F1=4))
    assert "Thank you" in done.text
    assert done.headers["Refresh"] == "60; url=/kiosk"
    assert done.headers["Cache-Control"] == "no-store"
    again = at.tablet.get("/kiosk/form", **AT)
    assert again.status_code == 410
    assert "Very much" not in again.text
    at.tablet.get("/kiosk", **AT)
    assert "no form open" in at.tablet.get("/kiosk/form", **AT).text
    assert at.house.app.extensions[ARRIVALS].settled()
    forms = at.forms()
    assert len(forms) == before + 1
    assert forms[-1].mode == "kiosk"
    assert at.get().status_code == 410, "the request is settled, so its link is closed"


def test_a_code_is_good_once(at: Tablet) -> None:
    """Read off a slip in the bin, it opens nothing."""
    code = at.code()
    assert at.type(code).status_code == 303
    at.tablet.get("/kiosk", **AT)
    assert at.type(code).status_code == 400


def test_a_code_is_good_for_minutes(at: Tablet) -> None:
    """One that was not used is no key that lies about."""
    code = at.code()
    at.house.clock.later(minutes=16)
    assert at.type(code).status_code == 400


def test_guessing_codes_shuts_the_tablet(at: Tablet) -> None:
    """Six letters are short; a few wrong ones cost a minute, then two, then four."""
    code = at.code()
    for _ in range(5):
        assert at.type("AAAAAA").status_code == 400
    for _ in range(2):
        at.type("AAAAAA")
    shut = at.type(code)
    assert shut.status_code == 429
    assert "Too many tries" in shut.text
    at.house.clock.later(minutes=5)
    assert at.type(code).status_code == 303


def test_guesses_side_by_side_are_all_counted(at: Tablet) -> None:
    """A program that sends them all at once must not try eight codes where five are free."""
    tried = []
    real = kiosk._opened

    def slow(key: str, new: str) -> bool:
        tried.append(key)
        time.sleep(0.1)
        return real(key, new)

    kiosk._opened = slow
    ready = [(at.tablet.get("/kiosk", **AT), f"AAAA{n}B") for n in "ACDEFGHJ"]

    def guess(page: Any, code: str) -> None:
        other = Browser(at.house.app.test_client())
        for name in (kiosk.TABLET_COOKIE, "handrail-visit"):
            found = at.tablet.client.get_cookie(name)
            if found is not None:
                other.client.set_cookie(name, found.value)
        other.send(page, "/kiosk", {"code": code}, **AT)

    try:
        threads = [threading.Thread(target=guess, args=one) for one in ready]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        kiosk._opened = real
    assert len(tried) == 5, "as many as are free"


def test_a_tablet_stops_when_the_account_that_began_it_is_closed(at: Tablet) -> None:
    """Somebody who has left the practice may still hold it."""
    assert at.tablet.get("/kiosk", **AT).status_code == 200
    at.type(at.code())
    carla = next(one for one in at.house.ask(lambda e: Staff(e).everybody()) if one.login == "carla")
    at.house.ask(lambda e: Staff(e).change(carla.key, "boss", state="closed"))
    assert at.tablet.get("/kiosk", **AT).status_code == 403
    assert at.tablet.get("/kiosk/form", **AT).status_code == 403


def test_a_code_counts_on_the_tablet_alone(at: Tablet) -> None:
    """Typed anywhere else there is nothing to type it into."""
    other = at.house.browser()
    assert other.get("/kiosk", **AT).status_code == 403
    assert other.post("/kiosk", {"code": at.code()}, **AT).status_code == 403
    assert at.front.get("/kiosk", **AT).status_code == 403


def test_the_tablet_leads_nowhere_but_to_forms(at: Tablet) -> None:
    """Whoever holds it is not signed in any more; the sign-in it was made with has ended."""
    assert at.begun.status_code == 303
    for path in ("/clients", "/due", "/hand-over", f"/client/{at.client}"):
        page = at.tablet.get(path, **AT)
        assert "Password" in page.text
        assert at.house.clients_of()[at.client] not in page.text
    assert at.tablet.send(at.tablet.get("/kiosk", **AT), "/kiosk/end", None, **AT).status_code == 303
    assert at.tablet.get("/kiosk", **AT).status_code == 403


def test_what_was_half_done_is_out_of_reach_and_deleted(at: Tablet) -> None:
    """A client who walks away leaves nothing for the next one."""
    at.type(at.code())
    at.fill("save", {"G1": 3})
    assert " checked" in at.tablet.get("/kiosk/form", **AT).text
    at.tablet.get("/kiosk", **AT)
    assert at.tablet.get("/kiosk/form", **AT).status_code == 410
    at.house.clock.later(hours=3)
    at.house.ask(lambda e: e.collecting.online.take_in())
    raw = at.house.ask(lambda e: _kinds(e))
    assert visits.OPEN not in raw


def _kinds(engine: Any) -> list[str]:
    from handrail.plugin_core.store.tables import logins
    from sqlalchemy import select

    with engine.store.reading(engine.source) as tx:
        return list(tx.conn.execute(select(logins.c.kind)).scalars())


def test_the_link_is_shown_as_a_qr_code_and_nothing_else(at: Tablet) -> None:
    """On paper: no name in print, no form, no health; the code leads to the client's form."""
    page = at.front.get("/hand-over", **AT)
    given = at.front.send(page, "/hand-over/link", {"client": at.client, "form": at.form}, **AT)
    assert at.path in given.text
    assert "<svg" in given.text
    assert "Growth and reliance" not in given.text
    assert "style=" not in given.text
    trail = at.house.ask(_trail)
    assert "link-shown" in trail


def _trail(engine: Any) -> list[str]:
    with engine.store.reading(engine.source) as tx:
        return [entry.action for entry in book.trail(tx, 500)]


def test_a_clinician_hands_over_to_their_own_clients_only(at: Tablet) -> None:
    """As everywhere on the desk: another's client is answered like one who is not there."""
    owner = at.house.ask(lambda e: at.house.desk.caseload.people(e, e.source))[at.client].clinician
    other = next(ref for ref in at.house.clinicians() if ref != owner)
    browser: Browser = at.house.browser("clinician", login="doris", clinician=other)
    page = browser.get("/hand-over", **AT)
    assert at.house.clients_of()[at.client] not in page.text
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
    assert token
    for what in ("link", "code"):
        fields = {"client": at.client, "form": at.form, "csrf": token[1]}
        assert browser.post(f"/hand-over/{what}", fields, **AT).status_code == 404
