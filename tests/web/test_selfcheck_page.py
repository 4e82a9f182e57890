"""The therapist's self-check at the desk: private to its author, shared by their own act only (clinical.md 9.4)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from handrail.plugin_core.selfcheck import phrase
from handrail.plugin_core.store import book, forms
from handrail.schemas.records import Client

from .people import TODAY, House, texts

PHRASE = "seven brown kettles sing at dusk"
LINES = {f"a.T{n}": str(n % 5) for n in range(1, 9)}


class Author:
    """A therapist with clients of their own, and their page."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.clinician = house.clinicians()[0]
        self.browser = house.browser("clinician", clinician=self.clinician)
        self.clients = house.clients_of(self.clinician)
        self.client = next(iter(self.clients))

    def page(self) -> Any:
        return self.browser.get("/self-check")

    def send(self, action: str, **fields: str) -> Any:
        return self.browser.send(self.page(), action, fields)

    def begin(self) -> None:
        assert self.send("/begin", phrase=PHRASE, again=PHRASE).status_code == 303

    def fill(self, **lines: str) -> Any:
        return self.browser.send(self.page(), "/fill", {"client": self.client} | LINES | lines)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little work for argon2; a test below holds what a practice gets."""
    monkeypatch.setattr(phrase, "KIB", 64)


@pytest.fixture
def author(house: House) -> Author:
    return Author(house)


def test_what_a_practice_gets_takes_an_attackers_time() -> None:
    """RFC 9106's choice for little memory; the fixture above must not be what ships."""
    import inspect

    assert "KIB, PASSES, LANES, BYTES = 64 * 1024, 3, 4, 32" in inspect.getsource(phrase)


def test_filled_in_read_and_locked(author: Author) -> None:
    """The whole way of an author; after locking nothing is on the page but the question for the phrase."""
    author.begin()
    assert author.fill().status_code == 303
    page = author.page().text
    assert author.clients[author.client] in page
    assert "Readable by you alone." in page
    author.send("/lock")
    locked = author.page().text
    assert author.clients[author.client] not in locked
    assert author.send("/open", phrase="seven brown kettles sing at dawn").status_code == 400
    assert author.send("/open", phrase=f" {PHRASE} ").status_code == 303
    assert author.clients[author.client] in author.page().text


def test_what_is_due_is_on_the_page_for_its_author_alone(author: Author) -> None:
    """A list that one has to type a command for is a list that nobody looks at; locked it tells nothing."""
    name = author.clients[author.client]
    author.begin()
    page = author.page().text
    due = page.split("<main")[1].split("<ul>")[1].split("</ul>")[0]
    assert name in due
    others = set(author.house.clients_of().values()) - set(author.clients.values())
    assert [one for one in others if one in page] == [], "of one's own clients alone"
    assert f'href="/self-check?about={author.client}"' in due
    chosen = author.browser.get(f"/self-check?about={author.client}").text
    assert f'value="{author.client}" selected' in chosen
    author.fill()
    page = author.page().text
    assert f"about={author.client}" not in page, "not again before the second form from now"
    author.send("/lock")
    assert "about=" not in author.page().text


def test_who_may_see_no_client_finds_no_name_on_it(house: House) -> None:
    """An account without a therapist sees nobody, in a practice with one therapist either, where all are that one's."""
    people = house.ask(lambda e: house.desk.caseload.people(e, e.source))

    def one_therapist(engine: Any) -> None:
        wanted = {
            key: Client(engine.client(key).ref, one.name, "Practitioner/1", "Nova") for key, one in people.items()
        }
        engine.store.write(lambda tx: forms.save_clients(tx, wanted, TODAY), engine.source)

    house.ask(one_therapist)
    browser = house.browser("clinician")
    assert browser.send(browser.get("/self-check"), "/begin", {"phrase": PHRASE, "again": PHRASE}).status_code == 303
    page = browser.get("/self-check").text
    assert "None is due." in page
    assert [one.name for one in people.values() if one.name in page] == []


def test_it_locks_itself(author: Author) -> None:
    """Who goes for a coffee leaves it closed; the desk's own sign-in still stands then."""
    author.begin()
    author.fill()
    author.house.clock.later(minutes=16)
    page = author.page()
    assert page.status_code == 200
    assert author.clients[author.client] not in page.text
    assert "Your phrase" in page.text


def test_nobody_else_opens_it(author: Author) -> None:
    """Not the administrator, not a supervisor with the same phrase, not the practice's key."""
    author.begin()
    author.fill(**{"a.T1": "4"})
    chief = author.house.browser("supervisor", "administrator", "clinician", login="chief")
    page = chief.get("/self-check")
    chief.send(page, "/begin", {"phrase": PHRASE, "again": PHRASE})
    assert "Nothing yet." in chief.get("/self-check").text
    found = author.house.ask(lambda e: e.selfchecks.mine("anna@desk", key=phrase.key_of(e.store.sealer, "anna@desk",
                                                                                         PHRASE)))  # fmt: skip
    assert found[0].check.answers["T1"] == 4
    for act in ("share", "delete"):
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', chief.get("/self-check").text)
        assert token
        done = chief.post(f"/self-check/{found[0].check.key}/{act}", {"csrf": token[1]})
        assert done.status_code == 400
    assert not author.house.ask(_shared)
    raw = author.house.desk.settings.file.parent.joinpath("handrail.db").read_bytes()
    assert PHRASE.encode() not in raw


def _shared(engine: Any) -> list[Any]:
    from handrail.plugin_core.store.tables import selfchecks
    from sqlalchemy import select

    with engine.store.reading(engine.source) as tx:
        return [one for one in tx.conn.execute(select(selfchecks.c.shared)).scalars() if one is not None]


def test_shared_and_taken_back_by_the_author_alone(author: Author) -> None:
    """One form at a time, and nothing stays when it is taken back."""
    author.begin()
    author.fill()
    author.send("/share")
    assert "Shared with the practice." in author.page().text
    assert len(author.house.ask(_shared)) == 1
    author.send("/unshare")
    assert author.house.ask(_shared) == []
    author.send("/delete")
    assert "Nothing yet." in author.page().text


def test_guessing_the_phrase_is_slow(author: Author) -> None:
    """Whoever sits down at an open desk has five tries."""
    author.begin()
    author.send("/lock")
    codes = [author.send("/open", phrase=f"wrong words number {n}").status_code for n in range(7)]
    assert codes[:5] == [400] * 5
    assert codes[-1] == 429
    assert author.send("/open", phrase=PHRASE).status_code == 429


def test_a_lost_phrase_costs_what_it_sealed(author: Author) -> None:
    """Said before, and not done by one slip of the hand."""
    author.begin()
    author.fill()
    author.send("/lock")
    assert author.send("/forget").status_code == 400
    assert author.send("/forget", sure="yes").status_code == 303
    assert "A phrase of your own" in author.page().text
    author.begin()
    assert "Nothing yet." in author.page().text


def test_the_trail_says_that_and_never_about_whom(author: Author) -> None:
    """Filled in: who and when, no more. Who looks at their own page leaves no line."""
    author.begin()
    author.fill()
    author.page()

    def trail(engine: Any) -> list[Any]:
        with engine.store.reading(engine.source) as tx:
            return [one for one in book.trail(tx, 50) if "self" in one.action]

    lines = author.house.ask(trail)
    assert [one.action for one in lines] == ["selfcheck-begun", "selfcheck-filled"]
    assert all(one.subject is None for one in lines)
    assert {one.actor for one in lines} == {"anna@desk"}


def test_only_clinicians_and_about_their_own_clients(author: Author) -> None:
    """The front desk has none; a colleague's client is not there."""
    front = author.house.browser("front-desk", login="front")
    assert front.get("/self-check").status_code == 403
    author.begin()
    other = next(key for key in author.house.clients_of() if key not in author.clients)
    assert author.browser.send(author.page(), "/fill", {"client": other} | LINES).status_code == 404
    empty = author.browser.send(author.page(), "/fill", {"client": author.client})
    assert "Nothing is ticked yet" in texts(empty.text)
    for bad in ("short", "aaaaaaaaaaaaaaaa"):
        new = author.house.browser("clinician", login=f"x{len(bad)}", clinician="nobody")
        assert new.send(new.get("/self-check"), "/begin", {"phrase": bad, "again": bad}).status_code == 400
