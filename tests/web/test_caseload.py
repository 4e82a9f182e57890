"""The list of clients: in step with the store, found by name, nobody ranked, five hundred without a wait."""

from __future__ import annotations

import re
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from handrail.adapters.demo.desk import furnish
from handrail.plugin_core.collecting import Standing, Wish
from handrail.plugin_core.collecting.send import SendOptions
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.store import asks, forms
from handrail.plugin_core.web.caseload import OPEN
from handrail.plugin_core.web.clients import FILTERS, SORTS
from handrail.schemas.records import Client
from handrail.schemas.vocab import AskState
from sqlalchemy import update

from .people import TODAY, Browser, House, texts


@pytest.fixture
def anna(house: House) -> Browser:
    return house.browser("supervisor")


def listed(page: str) -> list[str]:
    """The names in the table, in their order."""
    body = page.split("<tbody>")[1].split("</tbody>")[0] if "<tbody>" in page else ""
    return re.findall(r"<bdi>([^<]*)</bdi></a></th>", body)


def test_what_the_demo_shows_of_asking_is_borne_out_by_its_answers(house: House) -> None:
    """Who tries it out and runs `send` must not see people who "have not answered" turn into people who have."""
    house.ask(furnish)
    rows = house.ask(lambda e: e.collecting.due())
    with house.desk.engine() as engine:
        newest = {key: one.newest.date() for key, one in house.desk.caseload.people(engine, engine.source).items()
                  if one.newest is not None}  # fmt: skip
        would = engine.collecting.send(SendOptions(dry_run=True)).counts
    assert (would["settled"], would["expired"], would["would_take_back"]) == (0, 0, 0)
    shown = Counter(row.standing for row in rows)
    assert shown[Standing.ASKED] == 1
    assert shown[Standing.DUE] > 3
    assert sum(row.missed > 0 for row in rows) > 1
    front = texts(house.browser("front-desk", login="desk").get("/due").text)
    for row in rows:  # at the desk as in `handrail due`: who is called wants to be told why
        assert row.reason in front or not (row.standing in OPEN or row.missed)
    for row in rows:
        assert row.due is not None
        if not row.missed:
            weeks = re.search(r"(\d) weeks", row.reason)
            assert weeks is not None
            assert row.due - newest[row.key] == timedelta(weeks=int(weeks[1]))


def test_everybody_is_listed_by_name_and_good_news_like_prompts(house: House, anna: Browser) -> None:
    """Practices drop tools that only bring bad news."""
    page = anna.get("/clients").text
    names = sorted(house.clients_of().values(), key=str.casefold)
    assert listed(page) == names
    assert "1 piece of good news" in texts(page)
    assert "1 prompt" in texts(page)
    good = listed(anna.get("/clients?which=good").text)
    assert good
    assert set(good) < set(names)


def test_there_is_no_order_by_score_or_number_of_prompts() -> None:
    """No ranking of clients, none of therapists."""
    assert set(SORTS) == {"name", "newest", "due"}


@pytest.mark.parametrize(
    "query", ["which=worst", "sort=score", "page=0", "page=-3", "page=99999999999", "page=x", "mine=7"]
)
def test_an_address_that_was_played_with_shows_the_usual_list(anna: Browser, query: str) -> None:
    """No fault, and nothing that the page does not offer."""
    assert anna.get(f"/clients?{query}").status_code == 200


def test_a_search_finds_parts_of_names_and_stays_out_of_the_address(house: House, anna: Browser) -> None:
    """In any case, in any order of the words."""
    page = anna.get("/clients")
    found = anna.send(page, "/clients", {"search": "SAMPLE ada"})
    assert listed(found.text) == ["Ada Sample (invented)"]
    assert found.request.path == "/clients"
    assert found.request.query_string == b""
    assert 'method="post"' in page.text.split('role="search"')[0].rpartition("<form")[2]
    assert "Nobody here by that name" in anna.send(page, "/clients", {"search": "zzz"}).text


def test_new_is_new_until_somebody_looked(house: House, anna: Browser) -> None:
    """By person: what a colleague has seen is still new to me."""
    key, name = next(iter(house.clients_of().items()))
    assert name in listed(anna.get("/clients?which=new").text)
    anna.get(f"/client/{key}")
    assert name not in listed(anna.get("/clients?which=new").text)
    eve = house.browser("supervisor", login="eve")
    assert name in listed(eve.get("/clients?which=new").text)


def test_the_page_tells_what_came_since_one_looked(house: House, anna: Browser) -> None:
    """A page that is loaded twice still tells; the next day it tells of the next."""
    key = next(iter(house.clients_of()))
    assert "for the first time" in anna.get(f"/client/{key}").text
    house.clock.later(days=3)
    anna.sign_in()
    assert "No new form since you looked on 4 May 2026" in anna.get(f"/client/{key}").text
    assert "No new form since you looked on 4 May 2026" in anna.get(f"/client/{key}").text


def test_the_list_follows_the_store(house: House, anna: Browser) -> None:
    """A name that was mended, a form that came, a client who went: on the next look, not on the next start."""
    anna.get("/clients")
    key, name = next(iter(house.clients_of().items()))

    def rename(engine: object) -> None:
        ref = engine.client(key).ref  # type: ignore[attr-defined]
        wanted = {key: Client(ref, "Zora Example", "Practitioner/new", "Nova Placeholder")}
        engine.store.write(lambda tx: forms.save_clients(tx, wanted, TODAY), engine.source)  # type: ignore[attr-defined]

    house.ask(rename)
    page = anna.get("/clients").text
    assert "Zora Example" in listed(page)
    assert name not in listed(page)
    assert "Nova Placeholder" in page


def test_who_has_not_answered_and_who_is_due(house: House, anna: Browser) -> None:
    """Missed in a row, told plainly; the front desk sees the same, and no more."""
    people = house.ask(lambda e: house.desk.caseload.people(e, e.source)).values()
    keys = [one.key for one in sorted(people, key=lambda one: one.newest)][:3]
    start = TODAY - timedelta(days=100)

    def enrol(engine: object) -> None:
        engine.collecting.enrol([Wish(key, start=start, consent=start) for key in keys], "anna")  # type: ignore[attr-defined]
        now = engine.now()  # type: ignore[attr-defined]

        def missed(tx: object) -> None:
            for days in (2, 1):
                asked = now - timedelta(days=days)
                key = asks.plan(tx, keys[0], "gr18", asked.date(), "platform", asked.date(), asked)  # type: ignore[arg-type]
                asks.change(tx, key, now, state=AskState.EXPIRED, asked=asked)  # type: ignore[arg-type]

        engine.store.write(missed, engine.source)  # type: ignore[attr-defined]

    house.ask(enrol)
    name = house.clients_of()[keys[0]]
    page = anna.get("/clients?which=unanswered")
    assert listed(page.text) == [name]
    assert re.search(r"[12] missed in a row", texts(page.text))
    desk = house.browser("front-desk", login="fred")
    assert name in desk.get("/due").text


def test_the_list_follows_a_run_that_sends(house: House, anna: Browser) -> None:
    """A run has one time for all it writes: who looked in the middle of it saw that middle until the next day."""
    key, name = next(iter(house.clients_of().items()))
    start = TODAY - timedelta(days=100)
    house.ask(lambda e: e.collecting.enrol([Wish(key, start=start, consent=start)], "anna"))
    due = min(row.due for row in house.ask(lambda e: e.collecting.due(client=key)) if row.due is not None)
    now, last = house.clock.now, TODAY + timedelta(days=6)

    def write(change: Any) -> None:
        house.ask(lambda e: e.store.write(change, e.source))

    write(lambda tx: asks.plan(tx, key, "gr18", due, "web", last, now))
    ask = house.ask(lambda e: e.collecting.due(client=key))[0].ask
    write(lambda tx: asks.change(tx, ask, now, state=AskState.SENDING))
    assert "asked on 4 May 2026" not in texts(anna.get("/due").text)
    write(lambda tx: asks.change(tx, ask, now, state=AskState.OPEN, asked=now))
    page = texts(anna.get("/due").text)
    assert name in page
    assert "asked on 4 May 2026" in page


def test_five_hundred_clients_are_listed_without_a_wait(house: House, anna: Browser) -> None:
    """In pages of fifty; the second look costs a few hundredths of a second, of this machine's own time."""

    def many(engine: object) -> None:
        refs = {engine.store.sealer.hash("client", "x", str(n)): f"Patient/n{n}" for n in range(500)}  # type: ignore[attr-defined]

        def write(tx: object) -> None:
            forms.mark_dirty(tx, refs)  # type: ignore[arg-type]
            people = {key: Client(ref, f"Person {ref[9:]}") for key, ref in refs.items()}
            forms.save_clients(tx, people, TODAY)  # type: ignore[arg-type]

        engine.store.write(write, engine.source)  # type: ignore[attr-defined]

    house.ask(many)
    first = anna.get("/clients?page=1")
    number = int(re.search(r"(\d+) clients[.] The order", texts(first.text))[1])  # type: ignore[index]
    assert number > 500
    names: list[str] = []
    began = time.process_time()
    for page in range(1, -(-number // 50) + 1):
        shown = listed(anna.get(f"/clients?page={page}").text)
        assert len(shown) <= 50
        names += shown
    assert len(names) == len(set(names)) == number
    assert names == sorted(names, key=str.casefold)
    assert (time.process_time() - began) / (number / 50) < 0.5
    assert len(listed(anna.send(first, "/clients", {"search": "person 49"}).text)) == 15, "49, 149 ... 449, 490 to 499"


def test_a_client_whose_course_has_ended_is_under_ended(house: House, anna: Browser) -> None:
    """And not among those who are due or new."""
    from handrail.plugin_core.store.tables import clients

    key, name = next(iter(house.clients_of().items()))

    def end(engine: Engine) -> None:
        where = clients.c.key == key
        engine.store.write(
            lambda tx: tx.conn.execute(update(clients).where(where).values(ended="2026-05-01")), engine.source
        )

    house.ask(end)
    assert name not in listed(anna.get("/clients").text)
    assert listed(anna.get("/clients?which=ended").text) == [name]
    assert set(FILTERS) >= {"new", "unanswered", "due", "held", "good", "safety"}


def test_an_account_without_a_therapist_says_so(house: House) -> None:
    """An empty list would look like a fault."""
    page = house.browser("clinician").get("/clients")
    assert "not linked with a therapist" in page.text
    assert listed(page.text) == []


def test_the_practice_may_let_clinicians_see_all(open_house: object) -> None:
    """A setting, as its own decision."""
    house: House = open_house(all_clients=True)  # type: ignore[operator]
    browser = house.browser("clinician", clinician=house.clinicians()[0])
    assert len(listed(browser.get("/clients").text)) == len(house.clients_of())
    mine = listed(browser.get("/clients?mine=1").text)
    assert sorted(mine) == sorted(house.clients_of(house.clinicians()[0]).values())
