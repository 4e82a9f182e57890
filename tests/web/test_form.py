"""The form behind a client's link, without JavaScript: who gets in, what is kept, what arrives, what is never shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from handrail.plugin_core.collecting import Wish
from handrail.plugin_core.collecting.online import POINTS, ask_of, token_of
from handrail.plugin_core.collecting.send import SendOptions
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.store import Tx, asks, visits
from handrail.plugin_core.store.asks import AskRow
from handrail.plugin_core.store.seal import Sealer
from handrail.plugin_core.store.tables import metadata
from handrail.plugin_core.web.filling import ARRIVALS
from handrail.schemas.vocab import AskState
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from .people import House, texts

ADDRESS = "https://desk.practice.example"
AT = {"base_url": ADDRESS}


class Asked:
    """One client who was asked by a link, and their browser."""

    def __init__(self, house: House, form: str = "gr18") -> None:
        self.house = house
        house.account("front-desk", login="front")
        self.client = next(iter(house.clients_of()))
        self.form = form
        self.browser = house.browser()
        house.ask(self._ask)
        self.path = "/f/" + house.ask(lambda e: token_of(e.store.sealer, self.row().key))

    def _ask(self, engine: Engine) -> None:
        today = engine.now().date()
        wish = Wish(self.client, instruments=(self.form,), start=today, consent=today, channel="web", every_weeks=1)
        engine.collecting.enrol([wish], "anna")
        house_wide = [key for key in engine.collecting.enrolments() if key != self.client]
        for key in house_wide:
            engine.collecting.pause(key, today + timedelta(days=300), "anna")
        self.report = engine.collecting.send(SendOptions())

    def row(self) -> AskRow:
        def last(engine: Engine) -> AskRow:
            with engine.store.reading(engine.source) as tx:
                return asks.read(tx, clients=[self.client])[-1]

        found: AskRow = self.house.ask(last)
        return found

    def get(self) -> Any:
        return self.browser.get(self.path, **AT)

    def post(self, do: str, ticks: dict[str, int] | None = None, **more: Any) -> Any:
        fields = {"do": do, "version": "1"} | {f"a.{item}": str(place) for item, place in (ticks or {}).items()}
        return self.browser.post(self.path, fields, **AT, **more)

    def held(self, do: str, ticks: dict[str, int] | None = None) -> Any:
        """What is shown instead of taking the form."""
        led = self.post(do, ticks)
        assert (led.status_code, led.location) == (303, f"{self.path}?look=empty")
        return self.browser.get(led.location, **AT)

    def arrive(self) -> None:
        assert self.house.app.extensions[ARRIVALS].settled()

    def items(self) -> list[str]:
        return [item.id for item in self.house.ask(lambda e: e.registry.instrument(self.form)).items]

    def all_at(self, place: int, **lines: int) -> dict[str, int]:
        return dict.fromkeys(self.items(), place) | lines

    def forms(self) -> list[Any]:
        """The client's forms of this kind, oldest first."""
        view = self.house.ask(lambda e: e.client(self.client))
        return [one for course in view.courses if course.instrument.id == self.form for one in course.forms]

    def kept(self) -> tuple[str, Any]:
        def read(engine: Engine) -> tuple[str, Any]:
            with engine.store.reading(engine.source) as tx:
                return visits.read(tx, engine.collecting.online.key_of(self.row()))

        found: tuple[str, Any] = self.house.ask(read)
        return found


@pytest.fixture
def asked(open_house: Callable[..., House]) -> Asked:
    return Asked(open_house(address=ADDRESS))


def test_what_was_ticked_is_shown_in_no_other_browser(asked: Asked) -> None:
    """Front desk and administrator hand links over, and see no answers; a forwarded mail shows none either."""
    assert asked.post("save", {"G1": 3}).status_code in (200, 303)
    assert " checked>" in asked.get().text
    stranger = asked.house.browser()
    assert " checked>" not in stranger.get(asked.path, **AT).text
    assert " checked>" in asked.get().text, "looking from elsewhere changes nothing"
    asked.browser, mine = stranger, asked.browser
    asked.post("save", {"G2": 1})
    assert asked.kept()[1].ticked == {"G2": 1}, "nothing of what another ticked is sent along"
    asked.browser = mine
    assert " checked>" not in asked.get().text


def test_a_form_filled_in_by_link_is_stored_scored_and_settles_its_request(asked: Asked) -> None:
    """The whole way: asked, answered, among the client's forms with the mode that says how, and not asked again."""
    before = len(asked.forms())
    page = asked.get()
    assert page.status_code == 200
    done = asked.post("send", asked.all_at(2, N1=1, F1=4))
    assert done.status_code == 200, texts(done.text)
    assert "Thank you" in done.text
    asked.arrive()
    forms = asked.forms()
    assert len(forms) == before + 1
    assert forms[-1].answers["N1"] == 1
    assert forms[-1].answers["F1"] == 4
    assert forms[-1].scores["growth"].value == pytest.approx(2.0)
    assert forms[-1].mode == "link"
    row = asked.row()
    assert (row.state, row.answered_by) == (AskState.ANSWERED, forms[-1].id)
    assert asked.kept() == (visits.DONE, None), "nothing of it stays behind, but that the link is used"


def test_a_used_link_tells_nothing(asked: Asked) -> None:
    """Whoever finds the letter later sees no answer, and cannot change any."""
    asked.post("send", asked.all_at(3))
    for again in (asked.get(), asked.post("send", asked.all_at(0)), asked.post("save", asked.all_at(0))):
        assert again.status_code == 410
        assert "sent already" in again.text
        assert "Mostly true" not in again.text
    asked.arrive()
    assert asked.get().status_code == 410
    assert asked.forms()[-1].answers["G1"] == 3


def test_a_link_that_nobody_made_opens_nothing(asked: Asked) -> None:
    """Tampered, cut short, of another practice: one plain page, and after some tries not even that."""
    right = asked.path
    spare = {one: chr(ord(one) + 1) for one in "AEIMQUYcgkosw0"} | {"4": "5", "8": "9"}
    changed = [right[:-1] + spare[right[-1]]]
    changed += [right[:-1] + ("A" if right[-1] != "A" else "B"), right[:-4], right + "AA", "/f/x", "/f/" + "é" * 35]
    for path in changed:
        found = asked.browser.get(path, **AT)
        assert found.status_code == 404
        assert "no form at this address" in found.text
        assert asked.browser.post(path, {"do": "send"}, **AT).status_code == 404
    for _ in range(40):
        found = asked.browser.get("/f/guess", **AT)
    assert found.status_code == 429
    assert asked.get().status_code == 200, "the right link is not shut by others' guesses"


def test_an_expired_link_and_what_was_ticked_for_it_are_over(asked: Asked) -> None:
    """Unfinished answers are not kept for ever: they are deleted with the request's last day."""
    asked.post("save", {"G1": 3})
    assert asked.kept()[1].ticked == {"G1": 3}
    asked.house.clock.later(days=9)
    gone = asked.get()
    assert gone.status_code == 410
    assert "time for this form is over" in gone.text
    assert asked.post("send", asked.all_at(2)).status_code == 410
    asked.house.ask(lambda e: e.collecting.take_in())
    assert asked.kept() == ("", None)


def test_whoever_opted_out_between_link_and_click_is_not_asked(asked: Asked) -> None:
    """clinical.md 10: the no wins, half done or not."""
    asked.post("save", {"G1": 3})
    asked.house.ask(lambda e: e.collecting.opt_out(asked.client, "anna"))
    gone = asked.get()
    assert gone.status_code == 410
    assert "not asked of you any more" in gone.text
    before = len(asked.forms())
    assert asked.post("send", asked.all_at(2)).status_code == 410
    asked.arrive()
    assert len(asked.forms()) == before


def test_what_is_ticked_is_kept_sealed_and_there_again(asked: Asked) -> None:
    """A call in between, another telephone: the link leads to where it was left."""
    assert asked.post("save", {"G1": 3, "G2": 5}).status_code == 303
    page = asked.get().text
    assert 'name="a.G1" value="3" checked' in page
    assert 'name="a.G2" value="5" checked' in page
    assert page.count(" checked") == 2
    raw = asked.house.desk.settings.file.parent.joinpath("handrail.db").read_bytes()
    assert b'"ticked"' not in raw


def test_one_line_a_screen_goes_on_and_back_without_javascript(asked: Asked) -> None:
    """For who finds nineteen lines at once too much; each step is kept."""
    asked.post("one")
    items = asked.items()
    for number, item in enumerate(items, 1):
        page = asked.get().text
        assert f"Line {number} of {len(items)}" in page
        assert page.count("<fieldset") == 1
        asked.post("next", {item: 1})
        if number == 2:
            asked.post("back")
            assert 'value="1" checked' in asked.get().text
            asked.post("next")
    assert "That was the last line" in asked.get().text
    assert "Thank you" in asked.post("send").text


def test_empty_lines_are_shown_once_and_taken_as_they_are(asked: Asked) -> None:
    """One that was overlooked can be filled in; one that was left out on purpose is not asked for twice."""
    some = asked.all_at(2)
    del some["G4"], some["W1"], some["N2"]
    held = asked.held("send", some)
    assert "2 lines are empty" in texts(held.text), "the optional one is not counted"
    done = asked.post("send-as-it-is")
    assert "Thank you" in done.text
    asked.arrive()
    assert "G4" not in asked.forms()[-1].answers or asked.forms()[-1].answers["G4"] == "empty"


def test_a_blank_form_is_not_taken(asked: Asked) -> None:
    """A blank form has no score and would count as answered."""
    for do in ("send", "send-as-it-is"):
        held = asked.held(do)
        assert "Nothing is ticked yet" in held.text


def test_rather_not_say_is_kept_apart_from_empty(asked: Asked) -> None:
    """clinical.md 3.4: to a reader they are not the same."""
    asked.post("send", asked.all_at(2, G1=5))
    asked.arrive()
    assert asked.forms()[-1].answers["G1"] == "declined"


def test_what_no_line_has_is_dropped(asked: Asked) -> None:
    """A field that was made up changes nothing and breaks nothing."""
    for odd in ("99", "-1", "²", "x", "", "1.0", "0001"):
        assert asked.browser.post(asked.path, {"do": "save", "a.G1": odd, "a.NO": "1"}, **AT).status_code == 303
    assert asked.kept()[1].ticked == {}


def test_a_form_of_an_older_version_half_done_begins_anew(asked: Asked) -> None:
    """Scores of two versions are never joined; ticks of one are not answers to another."""
    asked.post("save", {"G1": 3})
    old = replace(asked.kept()[1], version="0")
    asked.house.ask(lambda e: e.collecting.online.keep(old))
    found = asked.get()
    assert found.status_code == 409
    assert "changed by the practice" in found.text
    assert asked.get().status_code == 200
    assert " checked" not in asked.get().text
    stale = asked.browser.post(asked.path, {"do": "send", "version": "0", "a.G1": "3"}, **AT)
    assert stale.status_code == 409


def test_the_page_names_nobody_and_asks_nobody_else(asked: Asked) -> None:
    """No name, no reference, no foreign address; the practice's consent text is there."""
    page = asked.get()
    name = asked.house.clients_of()[asked.client]
    ref = asked.house.ask(lambda e: e.client(asked.client)).ref
    for text in (page.text, asked.post("send", asked.all_at(1)).text):
        assert name not in text
        assert ref not in text
        assert "://" not in text
    assert "Your care does not depend on filling it in" in page.text
    assert "connect-src 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    cookies = page.headers.getlist("Set-Cookie")
    assert {one.partition("=")[0] for one in cookies} <= {"handrail-visit", "handrail-form"}
    assert all("HttpOnly" in one and "Secure" in one and "SameSite=Lax" in one for one in cookies)


def test_a_program_that_runs_wild_is_slowed(asked: Asked) -> None:
    """No client ticks a hundred and twenty lines a minute."""
    codes = [asked.post("save", {"G1": 1}).status_code for _ in range(125)]
    assert codes[:100] == [303] * 100
    assert codes[-1] == 429


def test_in_german_where_there_is_a_translation(asked: Asked) -> None:
    """The client chooses; the language is kept with the form, since series of two languages are marked."""
    assert 'value="language-de"' in asked.get().text
    asked.post("language-de", {"G1": 1})
    page = asked.get().text
    assert '<html lang="de">' in page
    assert 'name="a.G1" value="1" checked' in page
    done = asked.post("send", asked.all_at(2))
    assert "Danke" in done.text
    asked.arrive()
    assert asked.forms()[-1].language == "de"


@pytest.mark.parametrize("size", ["page", "all"])
def test_it_weighs_less_than_fifty_kilobytes(asked: Asked, size: str) -> None:
    """Issue 6: usable in one second on a slow telephone."""
    page = asked.get()
    parts = [page.text.encode()]
    assert "stylesheet" not in page.text, "what it looks like comes with it: each further answer is half a second"
    for name in ("form.js", "icon.svg"):
        path = next(part.split('"')[0] for part in page.text.split('"/files/')[1:] if name in part.split('"')[0])
        parts.append(asked.browser.get("/files/" + path, **AT).data)
    weight = sum(map(len, parts if size == "all" else parts[:1]))
    assert weight < 50_000, weight
    assert weight < 40_000, "with room for a longer form"


def test_two_tabs_answer_once(asked: Asked) -> None:
    """What one tab ticked is there for the other; what both send arrives once."""
    asked.post("save", {"G1": 3})
    assert asked.post("send-as-it-is", {"G2": 2}).status_code == 200
    assert asked.post("send", asked.all_at(0)).status_code == 410
    before = asked.forms()
    asked.arrive()
    after = asked.forms()
    assert len(after) - len(before) <= 1
    assert (after[-1].answers["G1"], after[-1].answers["G2"]) == (3, 2)


def test_f67_what_was_begun_before_a_merge_arrives_after_it(asked: Asked) -> None:
    """Two records of one person become one while they fill in: their answers belong to the one that is left."""
    asked.post("save", {"G1": 3})
    old, new = asked.client, next(key for key in asked.house.clients_of() if key != asked.client)
    ref = asked.house.ask(lambda e: e.client(old)).ref
    asked.house.ask(lambda e: e.mending.merge(old, new, "registered twice", "anna"))
    asked.client = new
    assert " checked>" in asked.get().text
    assert asked.post("send", asked.all_at(2)).status_code == 200
    asked.arrive()
    asked.house.ask(lambda e: e.collecting.online.take_in())
    assert asked.house.ask(lambda e: e.collecting.online.waiting()) == []
    sent = asked.forms()[-1]
    assert sent.authored == asked.house.clock.now
    assert sent.answers["G1"] == 2
    asked.house.ask(lambda e: e.mending.unmerge(ref, "anna"))
    assert sent.id not in {one.id for one in asked.forms()}
    asked.client = old
    assert sent.id in {one.id for one in asked.forms()}, "it was asked of the record that is there again"


@pytest.mark.parametrize("point", POINTS)
def test_a_stop_anywhere_loses_nothing_and_stores_nothing_twice(asked: Asked, point: str) -> None:
    """The desk is switched off between thanks and storing, or between storing and noting that it is stored."""
    from handrail.plugin_core.sync import points

    class Stop(BaseException):
        pass

    def stop(name: str) -> None:
        if name == point:
            raise Stop

    def sent(engine: Engine) -> None:
        online = engine.collecting.online
        found = online.at(asked.path.removeprefix("/f/"))
        assert found.row is not None
        assert found.instrument is not None
        visit = replace(online.begun(found.row, found.instrument), language="en", ticked=asked.all_at(2))
        assert online.send(visit)
        online.take_in()

    before = len(asked.forms())
    points.listeners.append(stop)
    try:
        with pytest.raises(Stop):
            asked.house.ask(sent)
    finally:
        points.listeners.remove(stop)
    for _ in range(2):
        assert asked.house.ask(lambda e: e.collecting.online.take_in()) == (0, [])
    assert len(asked.forms()) == before + 1
    assert asked.kept() == (visits.DONE, None)
    assert asked.row().state is AskState.ANSWERED


@given(st.text(max_size=60) | st.text("ABCab01-_=", max_size=60))
def test_no_made_up_token_finds_a_request(text: str) -> None:
    """Whatever stands in an address: no request, and no fault."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as conn:
        assert ask_of(Tx(conn, Sealer("p", {1: b"k" * 32}), 1), text) is None
    engine.dispose()
