"""A sign-in that runs out while somebody types: what they typed is there again, for them alone."""

from __future__ import annotations

import pytest
from handrail.plugin_core.views import FlagRow

from .people import PASSWORD, Browser, House

NOTE = "They see it as a hard month; we look at it again in June."


@pytest.fixture
def row(house: House) -> FlagRow:
    found: FlagRow = next(row for row in house.ask(lambda e: e.flags()) if row.kind == "prompt" and row.flag.shown)
    return found


def too_late(house: House, browser: Browser, row: FlagRow) -> tuple[str, str]:
    """Types a note, waits too long, sends it; gives the page that comes instead."""
    path = f"/client/{row.flag.client}"
    page = browser.get(path)
    house.clock.later(minutes=40)
    answer = browser.send(page, f"/flag/{row.flag.key}/seen", {"note": NOTE, "useful": "unsure"})
    assert answer.status_code == 401
    return path, answer.text


def test_what_was_typed_is_there_again_after_signing_in(house: House, row: FlagRow) -> None:
    """Ten minutes of thought must not be lost to a clock."""
    browser = house.browser("supervisor")
    path, page = too_late(house, browser, row)
    assert "What you typed is kept" in page
    assert NOTE not in page, "the page that asks to sign in is for whoever sits there now"
    answer = browser.sign_in()
    assert answer.location == path
    back = browser.get(path).text
    assert NOTE in back
    assert back.count("checked") == 1
    assert house.ask(lambda e: e.flag(row.flag.key)).acknowledgements == (), "nothing was sent for them"
    assert NOTE not in browser.get(path).text, "it is given once"


def test_somebody_else_who_signs_in_there_does_not_get_it(house: House, row: FlagRow) -> None:
    """One computer, two therapists."""
    browser = house.browser("supervisor")
    house.account("supervisor", login="bert")
    path, _ = too_late(house, browser, row)
    browser.sign_in(login="bert")
    assert NOTE not in browser.get(path).text
    browser.send(browser.get("/me"), "/sign-out")
    browser.sign_in()
    assert NOTE not in browser.get(path).text


def test_it_is_not_kept_for_a_day(house: House, row: FlagRow) -> None:
    """What was typed about a client is health information too."""
    browser = house.browser("supervisor")
    path, _ = too_late(house, browser, row)
    house.clock.later(minutes=31)
    browser.sign_in()
    assert NOTE not in browser.get(path).text


def test_nothing_is_kept_of_a_form_that_was_not_sent_from_the_page(house: House, row: FlagRow) -> None:
    """Else a stranger's page could leave words in somebody's name."""
    browser = house.browser("supervisor")
    path = f"/client/{row.flag.client}"
    house.clock.later(minutes=40)
    browser.post(f"{path}/flag/{row.flag.key}/seen", {"note": NOTE, "from": path, "csrf": "0" * 32})
    browser.sign_in()
    assert NOTE not in browser.get(path).text


def test_a_password_is_never_kept(house: House) -> None:
    """Only what a page names is kept, and no page names that."""
    browser = house.browser("clinician")
    page = browser.get("/me")
    house.clock.later(minutes=40)
    answer = browser.send(page, "/me/password", {"old": PASSWORD, "password": "x" * 20, "again": "x" * 20})
    assert answer.status_code == 401
    assert "is kept" not in answer.text


def test_what_is_kept_is_sealed_and_goes_with_the_client(house: House, row: FlagRow) -> None:
    """It lies in the store for half an hour; an erasure in that time takes it too."""
    browser = house.browser("supervisor")
    path, _ = too_late(house, browser, row)
    raw = b"".join(file.read_bytes() for file in house.desk.settings.folder.glob("handrail.db*"))
    assert NOTE.encode() not in raw
    from handrail.plugin_core.store import record

    def forget(engine: object) -> None:
        engine.store.write(lambda tx: record.erase(tx, [row.flag.client]), engine.source)  # type: ignore[attr-defined]

    house.ask(forget)
    browser.sign_in()
    assert NOTE not in browser.get(path).text
