"""The way from the front desk to the client, which the pictures of the documentation are made on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from handrail.adapters.demo.desk import furnish
from handrail.plugin_core.selfcheck import phrase
from handrail.plugin_core.web.staff import Staff

from tests.peers.plugin import Chromium

from .chrome import opened
from .people import House
from .screenshots import SHOWN_TO_CLIENTS
from .walks import walk


def test_every_page_on_the_way_is_reached_and_fits_a_small_phone(
    open_house: Callable[..., House], chromium: Chromium, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the demo itself, what somebody who tries it out comes to; nothing that one has to push sideways."""
    monkeypatch.setattr(phrase, "KIB", 64)
    house = open_house(address="http://desk.practice.example")
    house.ask(furnish)
    clinician = house.clinicians()[0]
    account = house.account("clinician", "supervisor", "front-desk", clinician=clinician)
    client = next(iter(house.clients_of(clinician)))
    seen, wide = [], []
    with opened(house, chromium) as desk:
        token = desk.house.ask(lambda e: Staff(e).begin(account))
        for name, page in walk(desk.browser, desk.base, token, f"/client/{client}"):
            page.set_viewport_size({"width": 320, "height": 640})
            seen.append(name)
            if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                wide.append(name)
    assert wide == []
    assert seen.count("thank-you") == 1
    assert set(SHOWN_TO_CLIENTS) < set(seen), "the documentation shows pages that are on the way"
