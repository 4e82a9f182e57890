"""The desk as people use it: in a real browser, with a mouse, by keyboard alone, without JavaScript, on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from handrail.plugin_core.views import FlagRow
from handrail.plugin_core.web.staff import Staff
from handrail.schemas.vocab import FlagState
from playwright.sync_api import Page

from tests.peers.plugin import Chromium

from .chrome import Open, opened
from .people import PASSWORD, House

EVERYTHING = ("clinician", "supervisor", "administrator", "front-desk")


@pytest.fixture
def desk(house: House, chromium: Chromium) -> Iterator[Open]:
    with opened(house, chromium) as found:
        yield found


def token(desk: Open, *roles: str) -> str:
    account = desk.house.account(*roles)
    made: str = desk.house.ask(lambda engine: Staff(engine).begin(account))
    return made


def prompt(desk: Open) -> FlagRow:
    """A prompt that stands alone on its form."""
    rows: list[FlagRow] = desk.house.ask(lambda e: e.flags())
    behind = {row.flag.opening_form for row in rows if not row.flag.shown}
    shown = (row for row in rows if row.kind == "prompt" and row.flag.shown and row.flag.opening_form not in behind)
    return next(row for row in shown if row.flag.state is FlagState.RAISED)


def again(desk: Open, row: FlagRow) -> FlagRow:
    found: FlagRow = desk.house.ask(lambda e: e.flag(row.flag.key))
    return found


def read_acknowledge_hold(desk: Open, page: Page) -> None:
    """The whole way of a clinician before a session."""
    row = prompt(desk)
    name = desk.house.clients_of()[row.flag.client]
    page.goto(desk.base + "/sign-in")
    page.get_by_label("Name for signing in").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Name", exact=True).fill(name.split()[0].lower())
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=name).click()
    assert page.get_by_role("heading", name="What changed since last time").is_visible()
    card = page.locator(f"#flag-{row.id}")
    card.locator("summary", has_text="I have seen this").click()
    card.get_by_label("Note, if you like").fill("We talk about it on Thursday.")
    card.get_by_label("yes", exact=True).check()
    card.get_by_role("button", name="I have seen this").click()
    page.get_by_text("Noted as seen").wait_for()
    page.locator("summary", has_text="Pause new prompts").click()
    page.get_by_label("Reason").fill("a bereavement")
    page.get_by_label("Last day").fill("2026-05-24")
    page.get_by_role("button", name="Put on hold").click()
    page.get_by_text("On hold. Safety notices still come.").wait_for()
    after = again(desk, row)
    assert after.flag.state is FlagState.ACKNOWLEDGED
    assert after.acknowledgements[0].note == "We talk about it on Thursday."
    assert after.acknowledgements[0].useful == "yes"
    assert [hold.reason for hold in desk.house.ask(lambda e: e.client(row.flag.client)).holds] == ["a bereavement"]


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_clinician_reads_acknowledges_and_holds(desk: Open, script: bool) -> None:
    """The desk's whole purpose; it works the same where a practice has switched JavaScript off."""
    desk.house.account("supervisor")
    page = desk.context(java_script_enabled=script).new_page()
    read_acknowledge_hold(desk, page)
    assert desk.said == [], "the browser had nothing to complain of, the page's own policy least of all"
    assert [url for url in desk.asked if not url.startswith(desk.base)] == []


def test_by_keyboard_alone(desk: Open) -> None:
    """Tab, Enter, Space: somebody who cannot use a mouse acknowledges a prompt."""
    row = prompt(desk)
    page = desk.context(token(desk, "supervisor")).new_page()
    page.goto(f"{desk.base}/client/{row.flag.client}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip", "past the bar by one key"
    page.keyboard.press("Enter")
    reached = ""
    for _ in range(60):
        page.keyboard.press("Tab")
        reached = page.evaluate("document.activeElement.innerText || document.activeElement.id")
        if reached.startswith("I have seen this"):
            break
    assert reached.startswith("I have seen this")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("By keyboard.")
    for _ in range(6):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "BUTTON":
            break
    page.keyboard.press("Enter")
    page.get_by_text("Noted as seen").wait_for()
    assert any(a.note == "By keyboard." for a in again(desk, row).acknowledgements)


def test_two_tabs_and_an_impatient_click(desk: Open) -> None:
    """A button that is pressed twice, and the same page open twice, do one thing."""
    row = prompt(desk)
    context = desk.context(token(desk, "supervisor"))
    one, two = context.new_page(), context.new_page()
    for page in (one, two):
        page.goto(f"{desk.base}/client/{row.flag.client}")
        page.locator(f"#flag-{row.id} summary", has_text="I have seen this").click()
    one.locator(f"#flag-{row.id}").get_by_role("button", name="I have seen this").dblclick()
    one.get_by_text("Noted as seen").wait_for()
    two.locator(f"#flag-{row.id}").get_by_role("button", name="I have seen this").click()
    two.get_by_text("noted already").wait_for()
    assert len(again(desk, row).acknowledgements) == 1


def test_a_time_that_runs_out_while_typing_loses_nothing(desk: Open) -> None:
    """In the browser, as it happens."""
    row = prompt(desk)
    desk.house.account("supervisor")
    page = desk.context().new_page()
    page.goto(f"{desk.base}/client/{row.flag.client}")
    page.get_by_label("Name for signing in").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    card = page.locator(f"#flag-{row.id}")
    card.locator("summary", has_text="I have seen this").click()
    card.get_by_label("Note, if you like").fill("Ten minutes of thought.")
    desk.house.clock.later(minutes=45)
    card.get_by_role("button", name="I have seen this").click()
    page.get_by_text("What you typed is kept").wait_for()
    page.get_by_label("Name for signing in").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    field = page.locator(f"#flag-{row.id}").get_by_label("Note, if you like")
    assert field.is_visible(), "the form is open, as it was left"
    assert field.input_value() == "Ten minutes of thought."


def addresses(desk: Open) -> list[str]:
    """Every kind of page, and of client: with a safety notice, with prompts, with good news, with nothing."""
    rows = desk.house.ask(lambda e: e.flags())
    kinds = {row.kind: row.flag.client for row in rows if row.flag.shown or row.kind == "safety"}
    quiet = next(key for key in desk.house.clients_of() if key not in {row.flag.client for row in rows})
    one = next(row for row in rows if row.kind == "prompt")
    clients = [f"/client/{key}" for key in (*kinds.values(), quiet)]
    return ["/clients", "/due", "/people", "/trail", "/me", *clients, f"/client/{quiet}/numbers",
            f"/client/{one.flag.client}/flag/{one.flag.key}", "/nothing-here"]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier_on_any_page(desk: Open, scheme: str) -> None:
    """WCAG 2.2 AA: contrast, names, order, targets; folded parts opened, as people meet them."""
    link = desk.house.ask(lambda e: Staff(e).first_link())
    page = desk.context(color_scheme=scheme).new_page()
    page.goto(f"{desk.base}/link/{link}")
    found = [f"/link {line}" for line in desk.barriers(page)]
    page.goto(f"{desk.base}/clients")
    found += [f"/not-yet {line}" for line in desk.barriers(page)]
    page = desk.context(token(desk, *EVERYTHING), color_scheme=scheme).new_page()
    for path in addresses(desk):
        page.goto(desk.base + path)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        found += [f"{path} {line}" for line in desk.barriers(page)]
    page.context.clear_cookies()
    page.goto(f"{desk.base}/sign-in")
    found += [f"/sign-in {line}" for line in desk.barriers(page)]
    assert found == []


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_no_page_is_wider_than_the_screen(desk: Open, width: int) -> None:
    """WCAG 1.4.10: at 320 px nothing has to be scrolled sideways but a wide table in its own frame."""
    page = desk.context(token(desk, *EVERYTHING), viewport={"width": width, "height": 800}).new_page()
    for path in addresses(desk):
        page.goto(desk.base + path)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, (path, wide)


def test_a_clients_page_prints_on_one_sheet(desk: Open, tmp_path: Path) -> None:
    """Taken into the session on paper; no button and no bar on it."""
    page = desk.context(token(desk, *EVERYTHING)).new_page()
    for path in [path for path in addresses(desk) if re.fullmatch(r"/client/\w+", path)]:
        page.goto(desk.base + path)
        sheet = page.pdf(format="A4", prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page[^s]", sheet)) == 1, path
    page.emulate_media(media="print")
    assert not page.get_by_role("navigation").first.is_visible()
    assert not page.locator("button").first.is_visible()


def test_a_hostile_name_runs_nothing(desk: Open) -> None:
    """S28, in the browser that would run it."""
    from handrail.plugin_core.store import forms
    from handrail.schemas.records import Client

    key = next(iter(desk.house.clients_of()))
    hostile = "<img src=x onerror=document.title='run'>\"><svg/onload=alert(1)>"

    def rename(engine: object) -> None:
        ref = engine.client(key).ref  # type: ignore[attr-defined]
        today = engine.now().date()  # type: ignore[attr-defined]
        engine.store.write(lambda tx: forms.save_clients(tx, {key: Client(ref, hostile)}, today), engine.source)  # type: ignore[attr-defined]

    desk.house.ask(rename)
    page = desk.context(token(desk, *EVERYTHING)).new_page()
    for path in ("/clients", f"/client/{key}", f"/client/{key}/numbers", "/due"):
        page.goto(desk.base + path)
        page.wait_for_timeout(50)
        assert "run" not in page.title()
    assert [url for url in desk.asked if not url.startswith(desk.base) or url.endswith("/x")] == []
    assert desk.said == []
