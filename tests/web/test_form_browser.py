"""A client's form in a real browser: by touch, by keyboard alone, without JavaScript, at 320 px, in two tabs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from handrail.plugin_core.selfcheck import phrase
from handrail.plugin_core.web.staff import Staff
from playwright.sync_api import Page, expect

from tests.peers.plugin import Chromium

from .chrome import Open, opened
from .people import House
from .test_form import Asked

PHONE: dict[str, Any] = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}


class Phone:
    """A desk that serves and a client who was asked by a link."""

    def __init__(self, desk: Open, asked: Asked) -> None:
        self.desk = desk
        self.asked = asked
        self.url = desk.base + asked.path

    def page(self, **more: Any) -> Page:
        page = self.desk.context(**(PHONE | more)).new_page()
        page.goto(self.url)
        return page

    def newest(self) -> Any:
        for _ in range(200):
            if self.asked.row().state.value == "answered":
                return self.asked.forms()[-1]
            time.sleep(0.1)
        raise AssertionError("the form did not arrive")


@pytest.fixture
def phone(open_house: Callable[..., House], chromium: Chromium) -> Iterator[Phone]:
    house = open_house(address="http://desk.practice.example")
    asked = Asked(house)
    with opened(house, chromium) as desk:
        yield Phone(desk, asked)


def texts_of(phone: Phone) -> list[str]:
    return [item.text for item in phone.asked.house.ask(lambda e: e.registry.instrument("gr18")).items]


def test_by_touch_with_what_is_ticked_kept_at_once(phone: Phone) -> None:
    """A client on a small telephone; the page is closed in the middle and opened again."""
    page = phone.page()
    groups = page.locator("fieldset")
    expect(groups).to_have_count(19)
    for number in range(5):
        groups.nth(number).get_by_role("radio").nth(3).tap()
    expect(page.get_by_role("status")).to_have_text("Saved")
    page.wait_for_load_state("networkidle")
    same, address = page.context, page.url
    page.close()
    page = same.new_page()
    page.goto(address)
    expect(page.locator("input:checked")).to_have_count(5)
    for number in range(5, 19):
        page.locator("fieldset").nth(number).get_by_role("radio").nth(2).tap()
    page.get_by_role("button", name="Send my answers").tap()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert phone.newest().answers["G3"] == 3
    assert phone.desk.said == []
    assert [url for url in phone.desk.asked if not url.startswith(phone.desk.base)] == []


def test_what_was_ticked_last_is_kept_when_the_page_is_left_at_once(phone: Phone) -> None:
    """The bus comes, the telephone goes into the pocket: what was ticked must be there in the evening."""
    page = phone.page()
    address = page.url
    slow = page.context.new_cdp_session(page)
    line = {"offline": False, "latency": 1500, "downloadThroughput": -1, "uploadThroughput": -1}
    slow.send("Network.enable")
    slow.send("Network.emulateNetworkConditions", line)
    for number in range(6):
        page.locator("fieldset").nth(number).get_by_role("radio").nth(3).tap(no_wait_after=True)
    page.goto("about:blank")
    slow.send("Network.emulateNetworkConditions", line | {"latency": 0})
    for _ in range(20):  # it travels while the next page is asked for already
        page.goto(address)
        if page.locator("input:checked").count() == 6:
            break
    expect(page.locator("input:checked")).to_have_count(6)


def test_without_javascript_one_line_at_a_time(phone: Phone) -> None:
    """Nothing but links and buttons."""
    page = phone.page(java_script_enabled=False)
    page.get_by_role("button", name="One line at a time").tap()
    for text in texts_of(phone):
        group = page.get_by_role("group", name=text)
        group.get_by_role("radio").nth(1).tap()
        page.get_by_role("button", name="Next", exact=True).last.tap()
    expect(page.get_by_role("heading", name="That was the last line.")).to_be_visible()
    page.get_by_role("button", name="Send my answers").tap()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert set(phone.newest().answers.values()) == {1}


def test_by_keyboard_alone(phone: Phone) -> None:
    """Tab from line to line, arrows to choose, Enter does not send half a form."""
    page = phone.page(has_touch=False, is_mobile=False)
    done: set[str] = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        kind = page.evaluate("document.activeElement.type || document.activeElement.tagName")
        name = page.evaluate("document.activeElement.name || ''")
        if kind == "radio" and name not in done:
            page.keyboard.press("Space")
            if not done:
                page.keyboard.press("ArrowDown")
                page.keyboard.press("Enter")
                expect(page.get_by_role("heading", name="Growth and reliance")).to_be_visible()
                page.wait_for_load_state()
            done.add(name)
        if kind == "submit" and page.evaluate("document.activeElement.value") == "send":
            break
    assert len(done) == 19
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert phone.newest().answers["G3"] == 1


def test_two_tabs_in_one_browser(phone: Phone) -> None:
    """The same link open twice: what is sent in one is over in the other, and said so."""
    one = phone.page()
    two = one.context.new_page()
    two.goto(phone.url)
    one.get_by_role("radio", name="Mostly true").first.tap()
    expect(one.get_by_role("status")).to_have_text("Saved")
    one.get_by_role("button", name="Send my answers").tap()
    one.get_by_role("button", name="Send it as it is").tap()
    expect(one.get_by_role("heading", name="Thank you")).to_be_visible()
    two.get_by_role("radio", name="Not true").first.tap()
    expect(two.get_by_role("status")).to_have_text("This form was sent or closed in another window.")
    two.get_by_role("button", name="Send my answers").tap()
    expect(two.get_by_text("have been sent already")).to_be_visible()
    one.go_back()
    expect(one.get_by_text("have been sent already")).to_be_visible()


def test_what_a_screen_reader_is_told(phone: Phone) -> None:
    """Every line is a named group of named answers; the page has one head and one main part."""
    page = phone.page()
    for text in texts_of(phone):
        assert page.get_by_role("group", name=text).get_by_role("radio").count() == 6
    assert page.get_by_role("radio", name="I would rather not say").count() == 19
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("main").count() == 1
    tree = page.locator("main").aria_snapshot()
    assert 'group "1. I have spent time on things that matter to me."' in tree
    assert 'button "Next"' not in tree, "what only serves the Enter key is not read out"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier(phone: Phone, scheme: str) -> None:
    """WCAG 2.2 AA on each page that a client meets."""
    page = phone.page(color_scheme=scheme)
    found = phone.desk.barriers(page)
    page.get_by_role("button", name="Send my answers").tap()
    expect(page.get_by_role("alert")).to_be_focused()
    found += phone.desk.barriers(page)
    page.get_by_role("radio", name="Partly true").first.tap()
    page.get_by_role("button", name="One line at a time").tap()
    expect(page.get_by_text("Line 1 of 19")).to_be_visible()
    found += phone.desk.barriers(page)
    page.get_by_role("button", name="All lines on one page").tap()
    page.get_by_role("button", name="Send my answers").tap()
    expect(page.get_by_role("alert")).to_be_focused()
    found += phone.desk.barriers(page)
    page.get_by_role("button", name="Send it as it is").tap()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    found += phone.desk.barriers(page)
    page.goto(phone.url)
    found += phone.desk.barriers(page)
    assert found == []


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_nothing_is_wider_than_the_screen_and_targets_are_large(phone: Phone, width: int) -> None:
    """At 320 px nothing is scrolled sideways; what is tapped is at least 44 px high."""
    page = phone.page(viewport={"width": width, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    small = page.evaluate("[...document.querySelectorAll('fieldset label')].filter((one) => "
                          "one.getBoundingClientRect().height < 44).length")  # fmt: skip
    assert small == 0


def test_words_at_twice_the_size_stay_readable(phone: Phone) -> None:
    """WCAG 1.4.4: who enlarges the letters scrolls down, not sideways."""
    page = phone.page()
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def no_barrier(phone: Phone, page: Page, found: list[str]) -> None:
    """Adds what axe finds on a page, and whether it is wider than the screen."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    found += [f"{page.url} {line}" for line in phone.desk.barriers(page)]
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        found.append(f"{page.url} is wider than the screen")


def own_page_and_self_check(phone: Phone, desk: Page, found: list[str], size: dict[str, Any]) -> None:
    """What a therapist hands a client of their own answers; what nobody but the therapist opens."""
    base = phone.desk.base
    desk.goto(f"{base}/client/{phone.asked.client}/own")
    no_barrier(phone, desk, found)
    desk.get_by_role("button", name="Make a link").click()
    link = desk.get_by_label("Link", exact=True).input_value()
    own = phone.desk.context(**size).new_page()
    own.goto(base + link[link.index("/own/") :])
    no_barrier(phone, own, found)
    own.get_by_role("button", name="Open my page").click()
    expect(own.get_by_role("heading", name="Your answers over time")).to_be_visible()
    no_barrier(phone, own, found)

    desk.goto(f"{base}/self-check")
    no_barrier(phone, desk, found)
    desk.get_by_label("A phrase of your own").fill("seven brown kettles sing")
    desk.get_by_label("The same again").fill("seven brown kettles sing")
    desk.get_by_role("button", name="Begin").click()
    expect(desk.get_by_text("Open for you alone")).to_be_visible()
    no_barrier(phone, desk, found)


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
def test_from_the_front_desk_to_tablet_and_own_page(
    phone: Phone, width: int, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that staff hand over, in real browsers side by side; axe on every page on the way."""
    monkeypatch.setattr(phrase, "KIB", 64)
    house, base, found = phone.asked.house, phone.desk.base, list[str]()
    account = house.account("supervisor", "front-desk", login="zora")
    size = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}

    def signed_in() -> Page:
        return phone.desk.context(house.ask(lambda e: Staff(e).begin(account)), **size).new_page()

    desk, tablet = signed_in(), signed_in()
    desk.goto(f"{base}/hand-over")
    no_barrier(phone, desk, found)
    desk.get_by_role("button", name=re.compile("^Link: ")).click()
    expect(desk.get_by_role("img", name="QR code of the link")).to_be_visible()
    assert desk.get_by_label("Link", exact=True).input_value().endswith(phone.asked.path)
    no_barrier(phone, desk, found)
    desk.goto(f"{base}/hand-over")
    desk.get_by_role("button", name=re.compile("^Code for the tablet: ")).click()
    code = desk.locator(".tablet-code").inner_text()
    no_barrier(phone, desk, found)

    tablet.goto(f"{base}/hand-over")
    tablet.get_by_role("button", name="Make this browser the tablet").click()
    field = tablet.get_by_label("The code that you were given")
    expect(field).to_be_focused()
    no_barrier(phone, tablet, found)
    field.fill(code)
    tablet.keyboard.press("Enter")
    tablet.get_by_role("radio", name="Mostly true").first.check()
    expect(tablet.get_by_role("status")).to_have_text("Saved")
    no_barrier(phone, tablet, found)
    tablet.get_by_role("button", name="Send my answers").click()
    tablet.get_by_role("button", name="Send it as it is").click()
    expect(tablet.get_by_role("heading", name="Thank you")).to_be_visible()
    tablet.get_by_role("link", name="Done: clear the screen").click()
    expect(field).to_be_visible()
    tablet.go_back()
    assert "Mostly true" not in tablet.content(), "going back shows nothing"

    own_page_and_self_check(phone, desk, found, size)
    assert found == []
    odd = [line for line in phone.desk.said if not line.startswith("info: ") and "410 (GONE)" not in line]
    assert odd == [], "the page's own policy least of all; 410 is what going back on the tablet gets"
