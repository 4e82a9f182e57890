"""Nothing of the desk can be had before it is set up, and no page is there that does not say who may see it."""

from __future__ import annotations

from handrail.plugin_core.web.access import access_of

from .people import House


def test_every_page_says_who_may_see_it(house: House) -> None:
    """A page that forgot to would be open to whoever finds its address, if the guard did not refuse it."""
    silent = [rule.endpoint for rule in house.app.url_map.iter_rules()
              if access_of(house.app.view_functions[rule.endpoint]) is None]  # fmt: skip
    assert silent == []


def test_nothing_is_reachable_before_there_is_an_administrator(house: House) -> None:
    """Else whoever comes first to a fresh desk could make themselves its administrator."""
    browser = house.browser()
    for path in ("/", "/clients", "/due", "/people", "/trail", "/sign-in"):
        answer = browser.get(path)
        assert (answer.status_code, answer.location) == (302, "/not-yet"), path
    assert browser.get("/not-yet").status_code == 503


def test_a_clinician_sees_their_own_clients_and_no_others(house: House) -> None:
    """Who comes to a colleague is nobody else's business unless the practice says so."""
    mine, other = house.clinicians()[:2]
    browser = house.browser("clinician", clinician=mine)
    page = browser.get("/clients").text
    assert all(name in page for name in house.clients_of(mine).values())
    assert not any(name in page for name in house.clients_of(other).values())
    key = next(iter(house.clients_of(other)))
    assert browser.get(f"/client/{key}").status_code == 404
