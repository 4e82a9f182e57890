"""Coming in and going out: what must not be guessed is slow, what is over is over, links count once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from handrail.plugin_core.errors import UsageError
from handrail.plugin_core.store import accounts, book
from handrail.plugin_core.web import staff
from handrail.plugin_core.web.desk import Desk
from handrail.plugin_core.web.signing import safe_next
from handrail.plugin_core.web.staff import DEMO, Staff, Wanted

from .people import PASSWORD, Browser, House, texts

Open = Callable[..., House]
HASHER = staff.hasher


def in_now(browser: Browser) -> bool:
    """Whether the browser is signed in."""
    return browser.get("/me").status_code == 200 and "Sign out" in browser.get("/me").text


def test_name_and_password_let_in_and_nothing_else_does(house: House) -> None:
    """The everyday way."""
    house.account("clinician")
    browser = house.browser()
    assert browser.sign_in(password="four words that rhyme").status_code == 401
    assert browser.sign_in(login="bert").status_code == 401
    assert not in_now(browser)
    answer = browser.sign_in(login=" ANNA ")
    assert (answer.status_code, in_now(browser)) == (303, True)


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(open_house: Open) -> None:
    """A stolen sign-in reads every client of a therapist."""
    house = open_house(address="https://desk.practice.example")
    house.account("clinician")
    browser = house.browser()
    page = browser.get("/sign-in", base_url="https://desk.practice.example")
    answer = browser.send(page, "/sign-in", {"login": "anna", "password": PASSWORD},
                          base_url="https://desk.practice.example")  # fmt: skip
    (cookie,) = [one for one in answer.headers.getlist("Set-Cookie") if one.startswith("__Host-handrail=")]
    assert all(part in cookie for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"))
    assert "Domain" not in cookie
    assert answer.headers["Strict-Transport-Security"]


@pytest.mark.parametrize("login", ["anna", "nobody-by-that-name"])
def test_guessing_is_shut_whether_the_name_exists_or_not(house: House, login: str) -> None:
    """Else a password is only a matter of time, and the answer tells which names are worth it."""
    house.account("clinician")
    browser = house.browser()
    answers = [browser.sign_in(login=login, password=f"wrong {number}") for number in range(5)]
    assert [one.status_code for one in answers] == [401] * 5
    shut = browser.sign_in(login=login)
    assert shut.status_code == 429
    assert "Try again in 1 minute" in shut.text
    assert not in_now(browser)
    house.clock.later(minutes=1)
    assert browser.sign_in(login=login, password="wrong again").status_code == 401
    assert "Try again in 2 minutes" in browser.sign_in(login=login).text


def test_a_restart_forgives_nobody(house: House) -> None:
    """Who can make the desk start anew would have as many tries as they like."""
    house.account("clinician")
    for number in range(5):
        house.browser().sign_in(password=f"wrong {number}")
    again = House(Desk(house.desk.settings, now=house.clock), house.clock)
    assert again.browser().sign_in().status_code == 429
    again.desk.close()


def test_many_names_from_one_place_are_shut_too(house: House) -> None:
    """One password tried on every name of the practice."""
    house.account("clinician")
    browser = house.browser()
    for number in range(30):
        browser.sign_in(login=f"name{number}", password="password1234")
    assert browser.sign_in().status_code == 429


def test_after_half_an_hour_alone_the_sign_in_is_over(house: House) -> None:
    """A page left open on the practice's computer."""
    browser = house.browser("clinician")
    house.clock.later(minutes=29)
    assert in_now(browser)
    house.clock.later(minutes=29)
    assert in_now(browser), "it is in use"
    house.clock.later(minutes=31)
    page = browser.get("/clients")
    assert "Your time here has run out" in page.text


def test_no_sign_in_lasts_longer_than_half_a_day(house: House) -> None:
    """However busy it is kept."""
    browser = house.browser("clinician")
    for _ in range(12 * 60 // 25):
        house.clock.later(minutes=25)
        browser.get("/me")
    house.clock.later(minutes=25)
    assert not in_now(browser)


def test_signing_out_ends_it_on_the_server(house: House) -> None:
    """A copy of the cookie is worth nothing afterwards."""
    browser = house.browser("clinician")
    cookie = browser.client.get_cookie("handrail")
    assert cookie is not None
    browser.send(browser.get("/me"), "/sign-out")
    thief = house.browser()
    thief.begin(cookie.value)
    assert not in_now(thief)


def test_a_closed_account_is_out_at_once(house: House) -> None:
    """Somebody who left must not read on until their day is over."""
    browser = house.browser("clinician")
    key = next(one.key for one in house.ask(lambda e: Staff(e).everybody()) if one.login == "anna")
    house.ask(lambda e: Staff(e).change(key, "the-first", state=accounts.CLOSED))
    assert not in_now(browser)
    assert browser.sign_in().status_code == 401


def test_the_last_administrator_stays_one(house: House) -> None:
    """Else nobody could let anybody in, ever."""
    house.account("clinician")
    key = next(one.key for one in house.ask(lambda e: Staff(e).everybody()) if "administrator" in one.roles)
    for change in ({"state": accounts.CLOSED}, {"roles": frozenset({"clinician"})}):
        with pytest.raises(UsageError, match="must stay an administrator"):
            house.ask(lambda e, change=change: Staff(e).change(key, "the-first", **change))


# --- one-time links --------------------------------------------------------------------------------------------------


def test_the_first_link_makes_the_administrator_and_counts_once(house: House) -> None:
    """A second use would be somebody else's."""
    token = house.ask(lambda e: Staff(e).first_link())
    browser = house.browser()
    page = browser.get(f"/link/{token}")
    typed = {"name": "Ada", "login": "ada", "password": PASSWORD, "again": PASSWORD, "roles": ["supervisor"]}
    assert browser.send(page, token, typed).status_code == 303
    assert in_now(browser)
    assert browser.get("/people").status_code == browser.get("/clients").status_code == 200
    other = house.browser()
    assert other.get(f"/link/{token}").status_code == 410
    assert house.ask(lambda e: Staff(e).first_link()) is None


def test_a_new_start_makes_earlier_first_links_void(house: House) -> None:
    """An old terminal's scroll-back must not open the desk."""
    old = house.ask(lambda e: Staff(e).first_link())
    new = house.ask(lambda e: Staff(e).first_link())
    assert house.browser().get(f"/link/{old}").status_code == 410
    assert house.browser().get(f"/link/{new}").status_code == 200


def test_an_invitation_is_good_for_a_week_and_gives_what_it_says(house: House) -> None:
    """Nobody makes themselves more than they were invited to be."""
    house.account("clinician")
    token = house.ask(lambda e: Staff(e).invite(Wanted("Bo", "bo", frozenset({"front-desk"})), "the-first"))
    browser = house.browser()
    page = browser.get(f"/link/{token}")
    typed = {"password": PASSWORD, "again": PASSWORD, "login": "the-first", "roles": ["administrator"]}
    assert browser.send(page, token, typed).status_code == 303
    made = next(one for one in house.ask(lambda e: Staff(e).everybody()) if one.login == "bo")
    assert made.roles == {"front-desk"}
    late = house.ask(lambda e: Staff(e).invite(Wanted("Cy", "cy", frozenset({"front-desk"})), "the-first"))
    house.clock.later(days=8)
    assert house.browser().get(f"/link/{late}").status_code == 410


def test_a_tampered_link_is_like_one_that_never_was(house: House) -> None:
    """Nothing is told of what nearly fits."""
    house.account("clinician")
    token = house.ask(lambda e: Staff(e).invite(Wanted("Bo", "bo", frozenset({"front-desk"})), "the-first"))
    for wrong in (token[:-1], token[:-1] + ("A" if token[-1] != "A" else "B"), "x" * 32, "%00", "a" * 5000):
        assert house.browser().get(f"/link/{wrong}").status_code in (404, 410)


def test_a_link_for_a_new_password_ends_the_old_sign_ins(house: House) -> None:
    """Whoever had the old password may still be in."""
    browser = house.browser("clinician")
    key = next(one.key for one in house.ask(lambda e: Staff(e).everybody()) if one.login == "anna")
    token = house.ask(lambda e: Staff(e).renew(key, "the-first"))
    page = house.browser().get(f"/link/{token}")
    house.browser().get("/sign-in")
    fresh = house.browser()
    page = fresh.get(f"/link/{token}")
    assert fresh.send(page, token, {"password": PASSWORD + "2", "again": PASSWORD + "2"}).status_code == 303
    assert not in_now(browser)
    assert browser.sign_in().status_code == 401
    assert browser.sign_in(password=PASSWORD + "2").status_code == 303


def test_the_link_of_a_demo_is_made_by_nothing_else(house: House) -> None:
    """It lets in without a password, so only the demo may make one."""
    house.account("clinician")
    with house.desk.engine() as engine:
        kinds = {one.kind for one in Staff(engine).waiting()}
    assert DEMO not in kinds


def test_who_comes_in_by_the_link_of_a_demo_stands_in_the_trail_once(house: House) -> None:
    """The trail is what one believes when nothing else is clear: one sign-in that reads like two is none."""
    token = house.ask(lambda e: Staff(e).demo_link(Wanted("Demo", "demo", frozenset({"supervisor"}))))
    browser = house.browser()
    page = browser.get(f"/link/{token}")
    assert browser.send(page, f"/link/{token}", {}).status_code == 303
    with house.desk.engine() as engine, engine.store.reading(engine.source) as tx:
        trail = [(one.actor, one.action) for one in book.trail(tx, 9)]
    assert trail.count(("demo", "signed-in")) == 1
    assert trail.count(("demo", "account-opened")) == 1


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaa", "annaannaanna", "x" * 201])
def test_a_password_that_is_guessed_first_is_refused(house: House, password: str) -> None:
    """With a reason that says what to do."""
    house.account("clinician")
    token = house.ask(lambda e: Staff(e).invite(Wanted("B", "annaanna", frozenset({"clinician"})), "the-first"))
    with pytest.raises(UsageError, match=r"signs|first"):
        house.ask(lambda e: Staff(e).accept(token, "", "", password if password != "annaannaanna" else "annaanna" * 2))


# --- where one is led, and what is written down -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/x",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "https://[",
        "//[",
        "",
        "x",
        "/a\r\nSet-Cookie: b",
    ],
)
def test_a_way_on_leads_nowhere_else(path: str) -> None:
    """A link to the real sign-in page that ends on a false one."""
    assert safe_next(path) is None


def test_signing_in_leads_to_the_page_that_was_wanted(house: House) -> None:
    """A link from the chart, opened in the morning."""
    house.account("clinician", "supervisor")
    key = next(iter(house.clients_of()))
    browser = house.browser()
    page = browser.get(f"/client/{key}")
    answer = browser.send(page, "/sign-in", {"login": "anna", "password": PASSWORD})
    assert answer.location == f"/client/{key}"


def test_every_sign_in_and_failure_is_in_the_trail_and_no_password_is(house: House) -> None:
    """Who was in, and who tried."""
    house.account("clinician")
    browser = house.browser()
    browser.sign_in(password="an entirely wrong one")
    browser.sign_in()
    with house.desk.engine() as engine, engine.store.reading(engine.source) as tx:
        trail = [(one.actor, one.action) for one in book.trail(tx, 3)]
        everything = str(book.trail(tx, 1000))
    assert trail[-2:] == [("nobody", "sign-in-failed"), ("anna", "signed-in")]
    assert "entirely wrong" not in everything
    assert PASSWORD not in everything


def test_a_new_password_of_ones_own(house: House) -> None:
    """Asked for the present one first; other browsers are signed out."""
    browser, other = house.browser("clinician"), house.browser()
    other.sign_in()
    wrong = browser.send(
        browser.get("/me"), "/me/password", {"old": "x", "password": PASSWORD * 2, "again": PASSWORD * 2}
    )
    assert wrong.status_code == 400
    done = browser.send(browser.get("/me"), "/me/password",
                        {"old": PASSWORD, "password": PASSWORD * 2, "again": PASSWORD * 2})  # fmt: skip
    assert "Your password is changed" in texts(done.text)
    assert in_now(browser)
    assert not in_now(other)


def test_passwords_are_hashed_by_argon2id_with_what_the_rfc_asks_for() -> None:
    """The tests themselves use less work; a practice never does."""
    from argon2.low_level import Type

    hasher = HASHER()
    assert (hasher.type, hasher.memory_cost, hasher.time_cost) == (Type.ID, 64 * 1024, 3)


def test_the_store_holds_no_password_and_no_token(house: House) -> None:
    """Who finds the disk can sign in with nothing that lies on it."""
    house.account("clinician")
    browser = house.browser()
    browser.sign_in()
    cookie = browser.client.get_cookie("handrail")
    assert cookie is not None
    raw = b"".join(path.read_bytes() for path in house.desk.settings.folder.glob("handrail.db*"))
    for secret in (PASSWORD, cookie.value, "argon2id", "Anna"):
        assert secret.encode() not in raw
    settings = replace(house.desk.settings.web)
    assert settings.idle_minutes == 30
