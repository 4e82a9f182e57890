"""What buttons are called for whoever hears a page: no two of one page alike; the trail in the reader's language."""

from __future__ import annotations

import re
from collections import Counter
from contextvars import copy_context
from dataclasses import replace
from html import unescape

from handrail.plugin_core.keeping.actions import ACTIONS
from handrail.plugin_core.web.client import tell_apart
from handrail.plugin_core.web.desk import Desk
from handrail.plugin_core.words import ENGLISH, spoken

from .people import Browser, House, texts

CONTROL = re.compile(r"<(button|summary)\b([^>]*)>(.*?)</\1>", re.DOTALL)
LABEL = re.compile(r'aria-label="([^"]*)"')


def names(html: str) -> Counter[tuple[str, str]]:
    """How often each name stands on a page, buttons and summaries by themselves."""
    found = Counter[tuple[str, str]]()
    for kind, attributes, inside in CONTROL.findall(html):
        label = LABEL.search(attributes)
        found[kind, unescape(label[1] if label else " ".join(re.sub(r"<[^>]+>", "", inside).split()))] += 1
    return found


def twice(browser: Browser, path: str) -> list[tuple[str, str]]:
    """Names that stand more than once on a page."""
    page = browser.get(path)
    assert page.status_code == 200, path
    return [name for name, count in names(page.text).items() if count > 1]


def test_on_a_clients_page_each_button_says_which_prompt_or_note(house: House) -> None:
    """Two buttons "I have seen this" in a list of buttons: the wrong prompt would go quiet for twelve weeks."""
    anna = house.browser("supervisor")
    cards = Counter(row.flag.client for row in house.ask(lambda e: e.flags()))
    full = [client for client, number in cards.most_common(4) if number > 1]
    assert full
    for text in ("One.", "Two on the same day."):
        page = anna.get(f"/client/{full[0]}")
        assert anna.send(page, "/note", {"note": text}).status_code == 303
    assert not {client: found for client in full if (found := twice(anna, f"/client/{client}"))}
    held = names(anna.get(f"/client/{full[0]}").text)
    assert {"Delete this note: note 1 of 2, ", "Delete this note: note 2 of 2, "} == {
        re.sub(r"\d+ \w+ \d{4}$", "", name) for kind, name in held if name.startswith("Delete this note")
    }


def test_cards_of_one_title_are_told_apart_by_more_than_it() -> None:
    """One rule may read two forms: both cards have its title."""
    cards = [{"key": key, "id": key, "title": title, "meta": ["since 3 May 2026"]}
             for key, title in (("a", "Up"), ("b", "Up"), ("c", "Down"))]  # fmt: skip
    tell_apart(cards)
    assert [card["which"] for card in cards] == ["Up, since 3 May 2026, a", "Up, since 3 May 2026, b", "Down"]


def test_in_lists_each_button_says_of_whom(house: House) -> None:
    """ "Close the account", five times over, closes the wrong one."""
    boss = house.browser("administrator", "supervisor", login="boss")
    house.account("clinician", login="carla")
    for login in ("dora", "emil"):
        page = boss.get("/people")
        asked = {"name": "A. Newcomer " + login, "login": login, "roles": "front-desk"}
        assert boss.send(page, "/people", asked).status_code == 200
    assert not {path: found for path in ("/people", "/clients", "/due", "/hand-over", "/programs")
                if (found := twice(boss, path))}  # fmt: skip
    assert ("button", "Close the account: carla") in names(boss.get("/people").text)


def test_the_trail_says_in_words_what_was_done(house: House) -> None:
    """An administrator who is asked who has seen what must not have to learn our codes."""
    desk = Desk(replace(house.desk.settings, language="de"), now=house.clock)
    try:
        german = House(desk, house.clock)
        browser = german.browser("administrator", login="boss")
        # In a context of its own, as a server's thread has one: the language that a request speaks ends with it.
        page = copy_context().run(browser.get, "/trail").text
    finally:
        desk.close()
    assert spoken() == ENGLISH
    assert "account-opened" in page, "the code stands beside, for who looks it up"
    assert "Konto eröffnet" in texts(page)
    assert ACTIONS.source["account-opened"] not in texts(page)
