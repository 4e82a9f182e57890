"""The practice's page: what stands on it, what must not, and that a hostile name is a name and nothing more (S28)."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from handrail.plugin_core.report import phrases
from handrail.plugin_core.report.page import report_html
from handrail.plugin_core.rules import words
from handrail.plugin_core.sync.outcome import OUTCOMES
from handrail.plugin_core.views import ClientView
from handrail.schemas.vocab import Blank, DeliveryState, FlagState

from .report_fake import (
    AS_OF,
    FakeEngine,
    acknowledgement,
    bare_row,
    course,
    delivery,
    even,
    form,
    hold,
    invented,
    rising_view,
    run,
    set_aside,
    view,
)
from .report_poison import PAYLOADS, poisoned

# The words that clinical.md 5 forbids.
FORBIDDEN = re.compile(
    r"\b(dependent|dependency|co-?dependent|addict\w*|resistant|borderline|manipulative|victim|refuses? to"
    r"|fosters?|savior|failing|risk|discharge|reduce sessions|refer|refers|referral|percentile|rank\w*)\b",
    re.IGNORECASE,
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page(HTMLParser):
    """What a reader of HTML finds: elements with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._in: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._in and self._in.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" not in self._in:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All text, blanks joined."""
        return " ".join(" ".join(self.texts).split())


def html_of(engine: FakeEngine) -> str:
    """The page of an engine that has no more than what the page reads."""
    return report_html(engine, as_of=AS_OF)  # type: ignore[arg-type]


@cache
def html_of_invented() -> str:
    """The page of the demo's practice."""
    return html_of(invented())


def page_of(*views: ClientView, **more: Any) -> Page:
    """The page of these clients."""
    return Page(html_of(FakeEngine(views, **more)))


def hostile() -> str:
    """A page on which every text that comes from outside is hostile."""
    row = rising_view(hold=hold()).flags[0]
    refused = delivery("x", state=DeliveryState.REFUSED, problem="no")
    row = replace(row, acknowledgements=(acknowledgement("x"),), deliveries=(refused,), clinician="Dr")
    missing = form(5, even(G1=Blank.DECLINED, G2=Blank.EMPTY), tags=frozenset({"proxy"}), language="de")
    one = course([*rising_view().courses[0].forms, missing])
    found = poisoned(view([one], "Ada", flags=(row,), hold=hold()))
    kept = replace(found, flags=(replace(found.flags[0], kind="prompt"), replace(found.flags[0])))
    report = poisoned(replace(run(), undone=("later",)))
    engine = FakeEngine([kept], name=poisoned("Practice"), aside=[poisoned(set_aside())], runs=[report])
    return html_of(engine)


# --- hostile text (S28) ----------------------------------------------------------------------------------------------


def test_s28_no_text_becomes_an_element_or_an_attribute() -> None:
    """A client may write anything into a name; on the practice's page it could read every other client's answers."""
    page = Page(hostile())
    calm = Page(html_of(FakeEngine([rising_view(hold=hold())], runs=[run()], aside=[set_aside()])))
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in calm.elements} | {"li", "ul"}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "style", "srcset")], tag
        assert attributes.get("href", "#").startswith("#")


def test_s28_hostile_text_is_shown_as_it_was_written() -> None:
    """Text that silently goes missing hides who somebody is."""
    text = Page(hostile()).text
    for payload in PAYLOADS[:6]:
        assert " ".join(payload.split()) in text


def test_s28_nothing_turns_the_reading_direction_or_holds_control_characters() -> None:
    """A mark for right-to-left in one name could turn the words of the next."""
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", hostile())


def test_s28_the_policy_allows_the_page_its_own_style_and_nothing_else() -> None:
    """With this policy a hole in the escaping would still run nothing and send nothing."""
    html = hostile()
    policy = next(a["content"] for t, a in Page(html).elements if a.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@contextmanager
def served(pages: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Serves pages on loopback; gives the address and the list of paths that are asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = pages.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def browsed(address: str, folder: object) -> str:
    """The document as it is after a browser has loaded it and run what there is to run."""
    command = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}"]
    command += ["--no-first-run", "--virtual-time-budget=4000", "--hide-scrollbars", "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return done.stdout.decode()


in_a_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="NOT RUN: no Chromium on this machine, so no page was opened in a real browser"
)


@in_a_browser
def test_s28_in_a_browser_no_script_runs_and_no_request_leaves(tmp_path: object) -> None:
    """The same in the program that the practice uses."""
    pages: dict[str, str] = {}
    with served(pages) as (address, asked):
        pages["/report.html"] = hostile().replace("http://x.invalid", address)
        document = browsed(f"{address}/report.html", tmp_path)
    title = re.search(r"<title>(.*?)</title>", document, re.DOTALL)
    assert title is not None
    assert title[1].startswith("Handrail: Practice")
    assert set(asked) <= {"/report.html", "/favicon.ico"}


@in_a_browser
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_in_a_browser_nothing_lies_outside_of_the_width(width: int, tmp_path: object) -> None:
    """A page that must be pushed sideways on a telephone is not read; also with everything opened."""
    frame = f"<iframe src=/report.html style='width:{width}px;height:900px;border:0'></iframe>"
    tell = """onload = () => {
        const page = frames[0].document, root = page.documentElement;
        for (const one of page.querySelectorAll("details")) one.open = true;
        document.title = `${root.scrollWidth} of ${root.clientWidth}`;
    }"""
    pages = {"/report.html": html_of_invented(), "/": f"<body>{frame}<script>{tell}</script>"}
    with served(pages) as (address, _):
        document = browsed(f"{address}/", tmp_path)
    assert f"<title>{width} of {width}</title>" in document


# --- what stands on it -----------------------------------------------------------------------------------------------


def test_the_page_says_what_it_is_not() -> None:
    """A reader who takes an unvalidated draft for a measurement could harm somebody."""
    text = page_of(rising_view()).text
    for part in ("no diagnosis", "unvalidated drafts", "no cut-off", "an assumption", words.ACCURACY):
        assert part in text
    assert "Invented practice, as of 20 November 2026" in text


def test_safety_notices_stand_above_everything_else() -> None:
    """A safety answer below the fold may be read too late."""
    html = html_of_invented()
    first_prompt = html.index('<article class="card prompt">')
    assert html.rindex('<article class="card safety">') < first_prompt
    assert "Nobody has noted yet that they have seen this." in Page(html).text


def test_a_safety_notice_is_never_joined_with_a_prompt() -> None:
    """clinical.md 6: S and P1 to P7 are never one message; and no option list softens it."""
    cards = re.findall(r'<article class="card safety">(.*?)</article>', html_of_invented(), re.DOTALL)
    assert len(cards) == 2
    for card in cards:
        assert words.TITLES["P1"] not in card
        assert words.OPTIONS[-1] not in card
        assert "The answer is not a measure of danger." in card


def test_each_flag_has_its_reason_options_state_and_place() -> None:
    """The pattern of clinical.md 5: without basis and options a prompt is an order."""
    one = rising_view()
    text = page_of(one).text
    assert " ".join(one.flags[0].flag.evidence.reason.split()) in text
    for option in words.OPTIONS:
        assert option in text
    assert "Ada Example" in text
    assert "stands" in text
    assert "shown on the platform, as flag" in text
    assert "How this was worked out" in text
    assert "(an assumption, not yet measured; Assumed from a simulation" in text


def test_a_hold_and_an_acknowledgement_are_shown() -> None:
    """Who decided what, and until when, belongs beside the flag."""
    one = rising_view(hold=hold())
    row = replace(one.flags[0], acknowledgements=(acknowledgement("x"),))
    text = page_of(replace(one, flags=(row,))).text
    assert "On hold from 1 November 2026 to 31 December 2026, by Robin: bereavement." in text
    assert "Seen by Robin on 20 November 2026 (useful): talked about it" in text


def test_good_news_is_a_card_like_the_others() -> None:
    """Practices drop tools that only bring bad news (clinical.md 4.3)."""
    html = html_of_invented()
    news = re.search(r'<article class="card good-news">(.*?)</article>', html, re.DOTALL)
    prompt = re.search(r'<article class="card prompt">(.*?)</article>', html, re.DOTALL)
    assert news is not None
    assert prompt is not None
    for part in ("<svg", "Ask the client how they read the change.", "How this was worked out"):
        assert part in news[1]
        assert part in prompt[1]


def test_what_is_behind_more_lies_inside_the_first_of_its_form() -> None:
    """At most one prompt a form is shown first; the others must still be found."""
    first = bare_row("First reason.")
    second = replace(first, flag=replace(first.flag, key="f" * 16, rule="P2", shown=False))
    client = rising_view(flags=(first, second))
    html = html_of(FakeEngine([client]))
    assert "More from the same form: Prompt: Growth answers have gone down" in html
    gone = replace(first, flag=replace(first.flag, state=FlagState.CLEARED))
    alone = html_of(FakeEngine([rising_view(flags=(gone, second))]))
    assert "More from the same form" not in alone
    before, behind = alone.split("1 more, from a rule that does not prompt in this practice")
    assert "Prompt: Growth answers have gone down" in behind.split("</details>")[0]
    assert "Prompt: Growth answers have gone down" not in before


def test_cleared_and_withdrawn_flags_are_counted_and_not_shown_as_standing() -> None:
    """A flag that has cleared is history; on the page it would be read as today's."""
    row = rising_view().flags[0]
    rows = (
        replace(row, flag=replace(row.flag, state=FlagState.CLEARED)),
        replace(row, flag=replace(row.flag, key="a" * 16, state=FlagState.WITHDRAWN)),
    )
    page = page_of(rising_view(flags=rows))
    assert phrases.NO_FLAG in page.text
    assert "Flags: cleared 1" in page.text
    assert "Flags: withdrawn 1" in page.text


def test_a_plugins_rule_keeps_the_title_that_it_registered() -> None:
    """A vendor's flag must not stand there as a bare id."""
    engine = FakeEngine([rising_view(flags=(replace(bare_row("R."), flag=replace(bare_row("R.").flag, rule="X9")),))])
    assert "Prompt: Rule X9" in Page(html_of(engine)).text
    engine.registry.rules["X9"] = engine.registry.rules["P1"]
    assert "Prompt: Reliance and outlook answers have gone up" in Page(html_of(engine)).text


def test_forms_set_aside_and_runs_are_told_with_their_reasons() -> None:
    """A form that silently does not count is an answer lost."""
    text = page_of(aside=[set_aside()], runs=[run()]).text
    for part in ("response-77", "the form was reworded", "item[5].text", "Run: handrail connect"):
        assert part in text
    assert "20 November 2026, 09:30 complete 3.2 512 500 0 2 14 0 0" in text
    assert "Note (fhir): Two forms were set aside." in text


def test_empty_states_say_that_nothing_was_shown_not_that_all_is_well() -> None:
    """ "No flag" must not read as an all-clear (clinical.md 5)."""
    text = page_of().text
    assert phrases.NO_FLAG in text
    assert phrases.NO_SAFETY in text
    assert "No client has answered a form yet." in text
    assert "no client yet" in text
    one = page_of(view([course([form(0, even())])]))
    assert "One form so far. Change can be shown from the third form on." in one.text


def test_the_private_self_check_is_not_on_it() -> None:
    """It belongs to its author alone until it is shared (clinical.md 9.4)."""
    answers = {f"T{n}": 2 for n in range(1, 9)}
    private = course([form(n, answers, instrument="ts8") for n in range(4)], "ts8")
    assert "Therapist self-check, version" not in page_of(view([private], flags=())).text
    shared = course([form(n, answers, instrument="ts8", tags=frozenset({"shared"})) for n in range(4)], "ts8")
    assert "Therapist self-check, version" in page_of(view([shared], flags=())).text


# --- what must not stand on it ---------------------------------------------------------------------------------------


def test_no_forbidden_word_stands_on_it() -> None:
    """Words of diagnosis, blame or grading can hurt, and a client may read this page by law (clinical.md 5)."""
    text = Page(html_of_invented()).text
    for name in ("P1", "P2", "P3", "P5", "P6", "S", "N"):
        assert words.TITLES[name] in text
    assert FORBIDDEN.findall(text) == []
    assert not re.search(r"\d ?%", text)


def test_no_phrase_that_is_shared_holds_a_forbidden_word() -> None:
    """The same for what this practice happens not to show."""
    told = [*phrases.ABOUT, phrases.NO_FLAG, phrases.NO_SAFETY, phrases.NEXT]
    for table in (phrases.STATES, phrases.KINDS, phrases.USEFUL, OUTCOMES, phrases.SET_ASIDE, phrases.HOPED):
        told += table.values()
    assert FORBIDDEN.findall(" ".join(told)) == []


def test_clients_stand_by_name_and_flags_by_date() -> None:
    """An order by score would be a ranking of people (clinical.md 2.3)."""
    html = html_of_invented()
    names = re.findall(r'<article class="card" id="client-\d+">\s*<h3><bdi>(.*?)</bdi>', html)
    assert len(names) == 40
    assert names == sorted(names)
    every = [row for row in invented().flags() if row.kind != "safety"]
    first = {(row.flag.client, row.flag.opening_form) for row in every if row.flag.shown and row.kind == "prompt"}
    rows = [row for row in every if row.flag.shown or (row.flag.client, row.flag.opening_form) not in first]
    opened = [f"since {words.day(row.flag.opened)}" for row in rows]
    text = html[html.index('id="flags"') : html.index('id="clients"')]
    text = re.sub(r'<details class="more">.*?</article>\s*</details>', "", text, flags=re.DOTALL)
    assert re.findall(r"<span>(since .*?)</span>", text) == opened


def test_every_colour_has_a_word_or_a_shape_beside_it() -> None:
    """Printed in black, or seen by eyes that do not tell red from green, the page must say the same."""
    html = html_of_invented()
    for kind in ("safety", "prompt", "good-news"):
        for card in re.findall(rf'<article class="card {kind}">(.*?)</article>', html, re.DOTALL):
            heading = Page(card[: card.index("</h3>")]).text
            assert heading.startswith(f"{phrases.SHAPES[kind]} {phrases.KINDS[kind]}")
    for figure in re.findall(r"<figure.*?</figure>", html, re.DOTALL):
        for drawn, shape in (("rests", "◆"), ("passed", "□"), ("none", "×"), ("band", "▒"), ("break", "┆")):
            assert (f'class="{drawn}"' in figure) == (f"<b>{shape}</b>" in figure)


def test_the_same_engine_gives_the_same_page() -> None:
    """Two pages of one day that differ would make a reader look for what changed."""
    one = [rising_view(hold=hold())]
    assert html_of(FakeEngine(one)) == html_of(FakeEngine(one))


def test_it_needs_no_network_and_no_script() -> None:
    """It is opened from a disk in a practice, perhaps years later."""
    page = Page(html_of_invented())
    assert "script" not in {tag for tag, _ in page.elements}
    assert not [a for _, a in page.elements if {"src", "srcset", "data", "action"} & set(a)]
    assert not re.search(r"https?://|url\(|@import", html_of_invented())
