"""Through all that staff hand to clients, in real browsers side by side, stopping where there is something to see.

For pictures (screenshots.py) and for tests that look at every page on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page

PHRASE = "seven brown kettles sing at dusk"
TICKS = 16
"""Lines of `gr18` that are answered on the way; the last three are left, so that the question about them is seen."""


def walk(browser: Browser, base: str, token: str, client: str) -> Iterator[tuple[str, Page]]:
    """Each page with its name, as people come to it; it may be looked at, measured and resized, not acted on.

    :param token: a sign-in of somebody with all roles, on a desk where one client was asked by a link.
    :param client: the path of the page of a client with some forms, whose own page is handed over.
    """
    desk = _signed_in(browser, base, token)
    yield from _self_check(desk, base)
    yield from _own_page(browser, desk, base, client)
    yield from _by_link(browser, desk, base)
    yield from _by_tablet(browser, desk, base)
    out = _page(browser)
    out.goto(f"{base}/sign-in")
    yield "sign-in", out
    out.goto(f"{base}/link/used-already")
    yield "link-over", out


def _page(browser: Browser) -> Page:
    return browser.new_context(viewport={"width": 1280, "height": 800}).new_page()


def _signed_in(browser: Browser, base: str, token: str) -> Page:
    page = _page(browser)
    page.context.add_cookies([{"name": "handrail", "value": token, "url": base}])
    return page


def _self_check(desk: Page, base: str) -> Iterator[tuple[str, Page]]:
    desk.goto(f"{base}/self-check")
    yield "self-check-first", desk
    desk.locator("#phrase").fill(PHRASE)
    desk.locator("#again").fill(PHRASE)
    desk.locator("main button").click()
    desk.locator("#client").wait_for(state="attached")
    yield "self-check-due", desk
    desk.locator("main ul a").first.click()
    for line in range(1, 9):
        desk.locator(f"#T{line}-{line % 5}").check()
    yield "self-check-filled", desk
    desk.locator("form[action$=fill] button").click()
    desk.locator("article.card").wait_for()
    yield "self-check", desk


def _own_page(browser: Browser, desk: Page, base: str, client: str) -> Iterator[tuple[str, Page]]:
    desk.goto(f"{base}{client}/own")
    yield "own-offer", desk
    desk.locator("main button").click()
    link = desk.locator("#link").input_value()
    yield "own-link", desk
    own = _page(browser)
    own.goto(base + urlsplit(link).path)
    yield "own-open", own
    own.locator("main button").click()
    own.locator("svg").first.wait_for()
    yield "own-page", own


def _by_link(browser: Browser, desk: Page, base: str) -> Iterator[tuple[str, Page]]:
    desk.goto(f"{base}/hand-over")
    desk.locator("form[action$='/link'] button").first.click()
    link = base + urlsplit(desk.locator("#link").input_value()).path
    yield "handed-link", desk
    client = _page(browser)
    client.goto(link)
    yield "form", client
    client.locator("button[value=one]").click()
    client.locator(".where").wait_for()
    yield "form-one-line", client
    client.locator("button[value=all]").click()
    client.locator("button[value=send]").wait_for()
    for line in range(TICKS):
        client.locator("fieldset").nth(line).locator("label").nth(line % 4).click()
    client.locator("button[value=send]").click()
    client.locator(".notice").wait_for()
    yield "form-lines-left", client
    client.locator("button[value=send-as-it-is]").click()
    client.locator("[data-next]").wait_for()
    yield "thank-you", client
    client.goto(link)
    yield "form-over", client


def _by_tablet(browser: Browser, desk: Page, base: str) -> Iterator[tuple[str, Page]]:
    desk.goto(f"{base}/hand-over")
    desk.locator("form[action$='/code'] button").first.click()
    code = desk.locator(".tablet-code").inner_text()
    yield "handed-code", desk
    desk.goto(f"{base}/hand-over")
    desk.locator("form[action$='/begin'] button").click()
    desk.locator("#code").wait_for()
    yield "tablet", desk
    desk.locator("#code").fill(code)
    desk.keyboard.press("Enter")
    desk.locator("fieldset").first.wait_for()
    yield "tablet-form", desk
