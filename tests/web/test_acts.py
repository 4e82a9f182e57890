"""What a clinician does about a client: sees, holds, closes; what two tabs do; what is written down."""

from __future__ import annotations

from datetime import timedelta

import pytest
from handrail.plugin_core.store import book
from handrail.plugin_core.views import FlagRow
from handrail.schemas.vocab import FlagState

from .people import TODAY, Browser, House, texts


@pytest.fixture
def anna(house: House) -> Browser:
    """A supervisor, who sees everybody."""
    return house.browser("supervisor")


def first(house: House, kind: str) -> FlagRow:
    """A shown flag of a kind that nobody has seen yet."""
    rows: list[FlagRow] = house.ask(lambda e: e.flags())
    return next(row for row in rows if row.kind == kind and row.flag.state is FlagState.RAISED and row.flag.shown)


def again(house: House, row: FlagRow) -> FlagRow:
    found: FlagRow = house.ask(lambda e: e.flag(row.flag.key))
    return found


def trail(house: House, number: int = 5) -> list[tuple[str, str, str | None]]:
    with house.desk.engine() as engine, engine.store.reading(engine.source) as tx:
        return [(one.actor, one.action, one.subject) for one in book.trail(tx, number)]


def test_a_prompt_is_acknowledged_with_a_note_and_whether_it_was_useful(house: House, anna: Browser) -> None:
    """The one act that tells the practice whether prompts help."""
    row = first(house, "prompt")
    page = anna.get(f"/client/{row.flag.client}")
    assert row.flag.evidence.reason in texts(page.text).replace("&#39;", "'") or "Prompt:" in page.text
    answer = anna.send(page, f"/flag/{row.flag.key}/seen", {"note": "Talked about it.", "useful": "yes"})
    assert answer.status_code == 303
    after = again(house, row)
    assert after.flag.state is FlagState.ACKNOWLEDGED
    (said,) = after.acknowledgements
    assert (said.author, said.note, said.useful) == ("anna", "Talked about it.", "yes")
    landed = anna.get(answer.location)
    assert "quiet for this client for 12 weeks" in landed.text
    assert "Talked about it." in landed.text
    assert ("anna", "flag-acknowledged", row.flag.key) in trail(house)
    assert "Talked" not in answer.location


def test_two_tabs_do_it_once(house: House, anna: Browser) -> None:
    """The same page open twice, both buttons pressed."""
    row = first(house, "prompt")
    path = f"/client/{row.flag.client}"
    one, two = anna.get(path), anna.get(path)
    anna.send(one, f"/flag/{row.flag.key}/seen", {"note": "A note."})
    second = anna.send(two, f"/flag/{row.flag.key}/seen", {"note": "A note."})
    assert "said=already" in second.location
    third = anna.send(two, f"/flag/{row.flag.key}/seen")
    assert "said=already" in third.location
    assert len(again(house, row).acknowledgements) == 1
    other = anna.send(two, f"/flag/{row.flag.key}/seen", {"note": "Something else."})
    assert "said=noted" in other.location
    assert len(again(house, row).acknowledgements) == 2


def test_a_tab_that_is_old_changes_nothing_that_is_over(house: House, anna: Browser) -> None:
    """The notice was closed meanwhile by somebody else."""
    row = first(house, "safety")
    page = anna.get(f"/client/{row.flag.client}")
    house.ask(lambda e: e.safety.close(row.flag.key, "bo", "rang them"))
    answer = anna.send(page, f"/flag/{row.flag.key}/close", {"done": "rang them too"})
    assert "said=gone" in answer.location
    assert len(again(house, row).acknowledgements) == 1


def test_a_safety_notice_is_taken_in_hand_then_closed_with_what_was_done(house: House, anna: Browser) -> None:
    """It stays on top until a person closes it, and never closes without a word."""
    row = first(house, "safety")
    path = f"/client/{row.flag.client}"
    page = anna.get(path)
    body = texts(page.text)
    assert body.index("Safety notices") < body.index("What changed since last time")
    anna.send(page, f"/flag/{row.flag.key}/seen")
    assert again(house, row).flag.state is FlagState.ACKNOWLEDGED
    assert "Safety notices" in anna.get(path).text
    assert anna.send(anna.get(path), f"/flag/{row.flag.key}/close", {"done": "  "}).status_code == 400
    assert again(house, row).flag.state is FlagState.ACKNOWLEDGED
    anna.send(anna.get(path), f"/flag/{row.flag.key}/close", {"done": "Rang them today."})
    assert again(house, row).flag.state is FlagState.CLEARED
    assert ("anna", "safety-closed", row.flag.key) in trail(house)


def test_a_hold_has_a_reason_and_an_end_and_can_be_ended(house: House, anna: Browser) -> None:
    """A time in which answers move for reasons of their own."""
    key = first(house, "prompt").flag.client
    path = f"/client/{key}"
    until = TODAY + timedelta(days=20)
    assert anna.send(anna.get(path), "/hold", {"reason": "", "until": until.isoformat()}).status_code == 400
    assert anna.send(anna.get(path), "/hold", {"reason": "a bereavement", "until": "soon"}).status_code == 400
    tab = anna.get(path)
    anna.send(anna.get(path), "/hold", {"reason": "a bereavement", "until": until.isoformat()})
    page = anna.get(path)
    assert "a bereavement" in page.text
    assert "On hold" in page.text
    second = anna.send(tab, "/hold", {"reason": "something else", "until": until.isoformat()})
    assert "said=heldalready" in second.location
    anna.send(page, "/hold/end")
    (hold,) = house.ask(lambda e: e.client(key)).holds
    assert hold.until == TODAY, "the rules were held until now and must find that again"
    assert [action for _, action, _ in trail(house, 9) if "hold" in action or "held" in action] == [
        "client-held", "hold-ended"]  # fmt: skip
    house.clock.later(days=1)
    assert "On hold" not in house.browser("supervisor", login="eve").get(path).text


def test_a_hold_of_a_century_is_a_slip(house: House, anna: Browser) -> None:
    """2126 for 2026."""
    key = first(house, "prompt").flag.client
    answer = anna.send(anna.get(f"/client/{key}"), "/hold", {"reason": "a crisis", "until": "2126-05-20"})
    assert answer.status_code == 400
    assert house.ask(lambda e: e.client(key)).holds == ()


@pytest.mark.parametrize("what", ["seen", "close"])
def test_nobody_acts_on_a_colleagues_client(house: House, what: str) -> None:
    """By an address that was guessed or kept."""
    row = first(house, "prompt")
    stranger = next(ref for ref in house.clinicians() if row.flag.client not in house.clients_of(ref))
    browser = house.browser("clinician", clinician=stranger)
    own = browser.get("/me")
    token = {"csrf": own.text.split('name="csrf" value="')[1].split('"')[0]}
    for path in (f"/client/{row.flag.client}/flag/{row.flag.key}/{what}", f"/client/{row.flag.client}/hold",
                 f"/client/{row.flag.client}/note", f"/client/{row.flag.client}/note/{'0' * 32}/back"):  # fmt: skip
        assert browser.post(path, {**token, "reason": "x", "until": "2026-06-01", "done": "x"}).status_code == 404
    mine = next(iter(house.clients_of(stranger)))
    assert browser.post(f"/client/{mine}/flag/{row.flag.key}/{what}", {**token, "done": "x"}).status_code == 404
    assert again(house, row).flag.state is FlagState.RAISED
    assert again(house, row).acknowledgements == ()


def test_a_note_belongs_to_its_author(house: House, anna: Browser) -> None:
    """Written once whatever is sent twice; read by colleagues, taken back by whoever wrote it and nobody else."""
    key = first(house, "prompt").flag.client
    path = f"/client/{key}"
    page = anna.get(path)
    answer = anna.send(page, "/note", {"note": "  Brought <b>a drawing</b>. "})
    assert answer.status_code == 303
    assert "drawing" not in answer.location
    assert "Your note is kept." in anna.get(answer.location).text
    assert (
        "nothing was added" in anna.get(anna.send(page, "/note", {"note": "Brought <b>a drawing</b>."}).location).text
    )
    (note,) = house.ask(lambda e: e.client(key)).notes
    assert (note.author, note.text) == ("anna", "Brought <b>a drawing</b>.")
    assert ("anna", "note-added", key) in trail(house, 9)
    assert "drawing" not in str(trail(house, 9))
    ben = house.browser("supervisor", login="ben")
    theirs = ben.get(path).text
    assert "Brought &lt;b&gt;a drawing&lt;/b&gt;." in theirs
    assert f"/note/{note.key}/back" not in theirs
    token = {"csrf": theirs.split('name="csrf" value="')[1].split('"')[0]}
    assert "so nothing was changed" in ben.get(ben.post(f"{path}/note/{note.key}/back", token).location).text
    assert len(house.ask(lambda e: e.client(key)).notes) == 1
    anna.send(anna.get(path), f"/note/{note.key}/back")
    assert house.ask(lambda e: e.client(key)).notes == ()
    assert ("anna", "note-taken-back", key) in trail(house, 9)


def test_a_note_of_many_short_lines_loses_no_word(house: House, anna: Browser) -> None:
    """Browsers count a new line once and send two signs for it: the end of a long note was lost."""
    key = first(house, "prompt").flag.client
    lines = "\n".join(["x"] * 990) + "\nthe last words"
    assert len(lines) <= 2000 < len(lines.replace("\n", "\r\n"))
    for _ in range(2):
        anna.send(anna.get(f"/client/{key}"), "/note", {"note": lines.replace("\n", "\r\n")})
    (note,) = house.ask(lambda e: e.client(key)).notes
    assert note.text == lines


@pytest.mark.parametrize("text", ["", "   ", "x" * 2001])
def test_an_empty_or_endless_note_is_refused_with_a_sentence(house: House, anna: Browser, text: str) -> None:
    """Whatever the browser lets through: nothing is cut off in silence."""
    key = first(house, "prompt").flag.client
    answer = anna.send(anna.get(f"/client/{key}"), "/note", {"note": text})
    assert answer.status_code == 400
    assert "between 1 and 2000 letters" in answer.text
    assert house.ask(lambda e: e.client(key)).notes == ()


def test_every_view_is_in_the_trail_without_the_data(house: House, anna: Browser) -> None:
    """The law asks who has seen what; the trail must not become a second record."""
    row = first(house, "prompt")
    name = house.clients_of()[row.flag.client]
    anna.get("/clients")
    anna.get(f"/client/{row.flag.client}")
    anna.get(f"/client/{row.flag.client}/numbers")
    anna.get(f"/client/{row.flag.client}/flag/{row.flag.key}")
    found = trail(house, 4)
    assert found == [
        ("anna", "caseload-viewed", None),
        ("anna", "client-viewed", row.flag.client),
        ("anna", "client-viewed", row.flag.client),
        ("anna", "flag-explained", row.flag.key),
    ]
    assert name not in str(found)


def test_no_answer_goes_out_when_the_trail_cannot_be_written(
    house: House, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk must not make views that nobody can find again."""
    from handrail.plugin_core.errors import StoreError
    from handrail.plugin_core.store import Store

    row = first(house, "prompt")
    name = house.clients_of()[row.flag.client]

    def full(*_: object, **__: object) -> None:
        raise StoreError("The disk is full; nothing was half written.")

    monkeypatch.setattr(Store, "write", full)
    answer = anna.get(f"/client/{row.flag.client}")
    assert answer.status_code == 503
    assert name not in answer.text
