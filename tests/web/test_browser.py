"""The desk as people use it: in a real browser, with a mouse, by keyboard alone, without JavaScript, on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from handrail.plugin_core.engine import Engine
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
    staff = ("/clients", "/due", "/hand-over", "/self-check", "/people", "/programs", "/trail", "/me")
    return [*staff, *clients, f"/client/{quiet}/numbers",
            f"/client/{one.flag.client}/flag/{one.flag.key}", "/nothing-here"]  # fmt: skip


@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1280)])
def test_axe_finds_no_barrier_on_any_page(desk: Open, scheme: str, width: int) -> None:
    """WCAG 2.2 AA: contrast, names, order, targets; folded parts and the phone's menu opened, as people meet them."""
    link = desk.house.ask(lambda e: Staff(e).first_link())
    fill_up(desk)
    screen: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    page = desk.context(**screen).new_page()
    page.goto(f"{desk.base}/link/{link}")
    found = [f"/link {line}" for line in desk.barriers(page)]
    page.goto(f"{desk.base}/clients")
    found += [f"/not-yet {line}" for line in desk.barriers(page)]
    page = desk.context(token(desk, *EVERYTHING), **screen).new_page()
    for path in addresses(desk):
        page.goto(desk.base + path)
        if path == "/me" and width == 320:  # a page on which it covers nothing that could be pressed
            page.get_by_role("button", name="Menu").click()
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


def fill_up(desk: Open) -> str:
    """Gives the client with most prompts a hold, long notes and a long word on each prompt; the client's key."""
    rows = [row for row in desk.house.ask(lambda e: e.flags()) if row.kind == "prompt"]
    most = max(rows, key=lambda row: (sum(one.flag.client == row.flag.client for one in rows), row.flag.client))
    long = "What a therapist may type in the heat of the day. " * 38

    def write(engine: Engine) -> None:
        today = engine.now().date()
        engine.hold(most.flag.client, today + timedelta(days=9), "a stay in hospital, and after it a journey", "anna")
        for at in range(4):
            engine.notes.add(most.flag.client, f"{at} {long}", "anna")

    desk.house.ask(write)
    return str(most.flag.client)


def sheets(page: Page, paper: str) -> int:
    """How many sheets a page takes."""
    return len(re.findall(rb"/Type\s*/Page[^s]", page.pdf(format=paper)))


def test_a_clients_page_prints_on_one_sheet(desk: Open) -> None:
    """Taken into the session on paper, A4 or Letter: what stands on a second sheet is left in the printer."""
    fullest = fill_up(desk)
    page = desk.context(token(desk, *EVERYTHING)).new_page()
    told_of = dict.fromkeys(row.flag.client for row in desk.house.ask(lambda e: e.flags()))
    for key in (*told_of, *[key for key in desk.house.clients_of() if key not in told_of][:3]):
        page.goto(f"{desk.base}/client/{key}")
        # Letter is the shorter one, A4 the narrower: each client on one of them, the fullest on both.
        assert sheets(page, "Letter") == 1, key
        assert key != fullest or sheets(page, "A4") == 1
    page.goto(f"{desk.base}/client/{fullest}")
    page.emulate_media(media="print")
    assert not page.get_by_role("navigation").first.is_visible()
    assert not page.locator("button").first.is_visible()


def test_a_clients_page_prints_whole_where_somebody_wants_it(desk: Open) -> None:
    """A note for the colleague who stands in, cut after two lines, ends where it gets important."""
    fullest = fill_up(desk)
    page = desk.context(token(desk, *EVERYTHING)).new_page()
    page.goto(f"{desk.base}/client/{fullest}")
    cut = "[...document.querySelectorAll('.told')].filter((one) => one.scrollHeight > one.clientHeight + 1).length"
    page.emulate_media(media="print")
    assert page.evaluate(cut)
    assert page.locator(".noted").filter(visible=True).count() == 1
    page.emulate_media(media="screen")
    page.get_by_role("link", name="With all texts").click()
    page.get_by_role("link", name="On one sheet").wait_for()
    page.emulate_media(media="print")
    assert page.evaluate(cut) == 0
    assert page.locator(".noted").filter(visible=True).count() == 4
    assert not page.locator("summary", has_text="Write a note").is_visible()
    assert sheets(page, "A4") > 1


@pytest.mark.parametrize("width", [320, 768])
def test_no_row_of_a_table_is_a_tower(desk: Open, width: int) -> None:
    """A column that is squeezed to a word a line makes one entry as high as the screen, and nobody reads the table."""
    row = prompt(desk)
    page = desk.context(token(desk, *EVERYTHING), viewport={"width": width, "height": 800}).new_page()
    for path, least in (("/trail", 20), (f"/client/{row.flag.client}/flag/{row.flag.key}", 10)):
        page.goto(desk.base + path)
        heights = page.eval_on_selector_all("tbody tr", "rows => rows.map((one) => one.getBoundingClientRect().height)")
        assert len(heights) >= least
        assert max(heights) < 260, path


@pytest.mark.parametrize("width", [320, 1280])
def test_no_number_of_a_picture_is_cut_off(desk: Open, width: int) -> None:
    """An axis that says "7 most" of a form that goes to 27 is a false number."""
    cut = """() => [...document.querySelectorAll('svg.course text')].filter((one) => {
      const box = one.getBoundingClientRect(), whole = one.ownerSVGElement.getBoundingClientRect()
      return box.left < whole.left - 0.5 || box.right > whole.right + 0.5 }).map((one) => one.textContent)"""
    page = desk.context(token(desk, *EVERYTHING), viewport={"width": width, "height": 800}).new_page()
    views = {key: desk.house.ask(lambda e, key=key: e.client(key)) for key in desk.house.clients_of()}
    for form in ("phq9", "gr18"):
        key = next(key for key, view in views.items() if any(course.instrument.id == form for course in view.courses))
        page.goto(f"{desk.base}/client/{key}/numbers")
        assert page.locator("svg.course text").count() > 5
        assert page.evaluate(cut) == []


PHONE = {"width": 390, "height": 844}


def below(page: Page) -> float:
    """How far down the last line of what one has to see at once goes, in pixels."""
    wanted = ".short, .safety-first, .what > .wide"
    bottoms: list[float] = page.eval_on_selector_all(
        wanted, "found => found.map((one) => one.getBoundingClientRect().bottom)"
    )
    return max(bottoms)


def test_a_phone_answers_in_one_glance(desk: Open) -> None:
    """In the corridor, a minute before: who, what is new, what stands, how it moved, without a thumb on the screen."""
    row = prompt(desk)
    page = desk.context(token(desk, *EVERYTHING), viewport=PHONE).new_page()
    page.goto(f"{desk.base}/client/{row.flag.client}")
    assert below(page) <= PHONE["height"]
    page.locator(".short").get_by_role("link", name=re.compile("^Prompt: ")).first.click()
    assert page.locator(f"#flag-{row.id}").bounding_box()["y"] < PHONE["height"] / 2, "the line leads to its reason"  # type: ignore[index]


def test_the_menu_of_a_phone_is_one_button(desk: Open) -> None:
    """Four lines of menu before the first word about a client are four lines too many. It needs no script to open."""
    signed_in = token(desk, *EVERYTHING)
    page = desk.context(signed_in, viewport={"width": 320, "height": 640}, java_script_enabled=False).new_page()
    page.goto(f"{desk.base}/clients")
    assert page.locator(".bar").bounding_box()["height"] <= 80  # type: ignore[index]
    link = page.get_by_role("link", name="Audit trail")
    assert not link.is_visible()
    page.get_by_role("button", name="Menu").focus()
    page.keyboard.press("Enter")
    assert link.is_visible()
    assert page.get_by_role("button", name="Sign out").is_visible()
    page.keyboard.press("Escape")
    assert not link.is_visible()
    page.get_by_role("button", name="Menu").click()
    link.click()
    page.get_by_role("heading", name="Audit trail").wait_for()
    page.set_viewport_size({"width": 1280, "height": 800})
    assert link.is_visible()
    assert not page.get_by_role("button", name="Menu").is_visible(), "a wide screen shows it all"


def test_a_note_is_written_and_taken_back(desk: Open) -> None:
    """What belongs to no prompt is kept beside the client, with its author, in reach of the glance."""
    row = prompt(desk)
    page = desk.context(token(desk, "supervisor")).new_page()
    page.goto(f"{desk.base}/client/{row.flag.client}")
    page.locator("summary", has_text="Write a note").click()
    page.get_by_label("Note", exact=True).fill("Brought a drawing.\nWants to show it.")
    page.get_by_role("button", name="Keep this note").click()
    page.get_by_text("Your note is kept.").wait_for()
    told = page.locator(".noted > p").all_inner_texts()
    assert told == ["anna, 4 May 2026", "Brought a drawing.\nWants to show it."]
    page.get_by_role("link", name="Newest note: 4 May 2026").click()
    page.locator(".noted summary", has_text="Take it back").click()
    page.get_by_role("button", name="Delete this note").click()
    page.get_by_text("The note is taken back and deleted.").wait_for()
    assert desk.house.ask(lambda e: e.client(row.flag.client)).notes == ()


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
