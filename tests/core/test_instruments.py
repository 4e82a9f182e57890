"""Forms are data: each file is checked, says where it comes from, and cannot contradict itself unseen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core import instruments
from handrail.plugin_core.errors import InstrumentProblem
from handrail.plugin_core.instruments import BUILTIN, builtin, builtin_one, read
from handrail.schemas.vocab import Direction
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
FOLDER = Path(instruments.__file__).parent
ORDER = [
    "G3",
    "G1",
    "W3",
    "G2",
    "G8",
    "W2",
    "G5",
    "G10",
    "W4",
    "G7",
    "W1",
    "G4",
    "G6",
    "W5",
    "G9",
    "N1",
    "N2",
    "F1",
    "F2",
]


def data(name: str = "gr18") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_bytes())
    return found


def load(content: Any) -> Any:
    return read(json.dumps(content).encode(), name="test.json")


def test_every_file_of_the_folder_is_built_in() -> None:
    """A file that nobody lists would ship unread and unchecked."""
    assert {path.stem for path in FOLDER.glob("*.json")} == set(BUILTIN)
    assert [form.id for form in builtin()] == list(BUILTIN)


def test_unknown_name_is_refused_and_is_no_path() -> None:
    """A name from outside must never reach the file system."""
    for name in ("who5", "../setup", "gr18.json", ""):
        with pytest.raises(InstrumentProblem, match="no built-in form"):
            builtin_one(name)


def test_gr18_lines_stand_in_their_fixed_order() -> None:
    """Another order breaks the comparison over time and with paper copies."""
    form = builtin_one("gr18")
    assert [item.id for item in form.items] == ORDER
    assert {item.id for item in form.items if item.reverse} == {"G2", "G6", "G10", "W3", "W4"}
    assert form.straight_line == tuple(ORDER[:15])
    assert [item.id for item in form.items if item.optional] == ["N2"]


@pytest.mark.parametrize(
    ("line", "codes"),
    [("G1", "truth"), ("W5", "truth"), ("N2", "truth"), ("N1", "need"), ("F1", "extent"), ("F2", "extent")],
)
def test_gr18_option_codes_are_fixed(line: str, codes: str) -> None:
    """Published forms carry these codes; another spelling would put every answer into quarantine."""
    options = builtin_one("gr18").item(line).options
    assert [option.code for option in options] == [f"{codes}-{n}" for n in range(5)] + ["declined"]
    assert [option.value for option in options] == [0, 1, 2, 3, 4, None]


def test_warning_lines_never_stand_together() -> None:
    """Two in a row would set a tone that the form must not have."""
    lines = [item.id[0] for item in builtin_one("gr18").items][:15]
    assert "WW" not in "".join(lines)


def test_directions_live_in_the_form() -> None:
    """A view that guesses which way is better shows growth as harm."""
    directions = {score.id: score.direction for score in builtin_one("gr18").scores}
    assert directions["growth"] is Direction.UP
    assert {directions[name] for name in ("warning", "reliance", "outlook")} == {Direction.DOWN}
    assert {builtin_one(name).score("total").direction for name in ("phq9", "gad7", "core10")} == {Direction.DOWN}


def test_drafts_say_that_they_are_drafts() -> None:
    """Numbers of an unvalidated form without this sentence would be taken for measurements."""
    for name in ("gr18", "ts8"):
        form = builtin_one(name)
        assert form.status == "draft"
        assert "unvalidated draft" in (form.note or "").lower()
        assert "a prompt for a conversation, and nothing else" in (form.note or "")
        for score in form.scores:
            assert score.change is None or score.change.origin == "assumed"


@pytest.mark.parametrize(
    ("name", "reliable", "compare", "caseness"),
    [("phq9", 6, ">=", 10), ("gad7", 4, ">=", 8), ("core10", 6.8, ">", 11)],
)
def test_published_change_constants(name: str, reliable: float, compare: str, caseness: float) -> None:
    """Minimal differences count from the number on, an RCI only beyond it; one sign wrong moves people over a line."""
    change = builtin_one(name).score("total").change
    assert change is not None
    assert (change.reliable, change.reliable_compare, change.caseness) == (reliable, compare, caseness)
    assert change.origin == "published"


def test_safety_lines() -> None:
    """Without these two entries an answer about dying would wait for the next look at a total."""
    lines = {form.id: [(line.item, line.at_least) for line in form.safety] for form in builtin()}
    assert lines == {"gr18": [], "ts8": [], "phq9": [("Q9", 1)], "gad7": [], "core10": [("Q6", 1)]}
    assert "better off dead" in builtin_one("phq9").item("Q9").text
    assert "end my life" in builtin_one("core10").item("Q6").text


def test_loinc_codes_are_those_that_were_verified() -> None:
    """Item codes of the PHQ-9 do not follow the item order, and many public lists are wrong."""
    codes = {form.id: [coding.code for item in form.items for coding in item.codings] for form in builtin()}
    assert codes["phq9"] == (
        ["44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8", "69722-7"]
    )
    assert codes["gad7"] == ["69725-0", "68509-9", "69733-4", "69734-2", "69735-9", "69689-8", "69736-7"]
    answers = [[c.code for o in builtin_one(name).item("Q1").options for c in o.codings] for name in ("phq9", "gad7")]
    assert answers == [["LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"]] * 2
    difficulty = [option.codings[0].code for option in builtin_one("phq9").item("Q10").options]
    assert difficulty == ["LA6572-7", "LA6573-5", "LA6575-0", "LA6574-3"]
    assert not codes["core10"]


def test_gad7_lowest_answer() -> None:
    """ "Not at all sure" is a known copying error; a form with it is not the GAD-7."""
    assert builtin_one("gad7").item("Q1").options[0].label == "Not at all"


def test_core10_is_word_for_word() -> None:
    """Its licence forbids additions: no extra answer, and the copyright line goes where the form goes."""
    form = builtin_one("core10")
    assert all([option.value for option in item.options] == [0, 1, 2, 3, 4] for item in form.items)
    assert "© CORE System Trust: https://www.coresystemtrust.org.uk/copyright.pdf" in (form.note or "")
    assert form.language == "en"


@pytest.mark.parametrize("name", BUILTIN)
def test_wording_names_source_and_notice(name: str) -> None:
    """Text of others without its notice breaks their terms; `NOTICE` is what travels with the package."""
    form = builtin_one(name)
    notice = " ".join((ROOT / "NOTICE").read_text(encoding="utf-8").split())
    assert f"instruments/{name}.json" in notice or form.licence.name == "Apache-2.0"
    if form.status == "published":
        assert re.search(r"at commit [0-9a-f]{40}", form.licence.source)
    for sentence in ("content from LOINC (http://loinc.org)", "Copyright © Pfizer Inc.", "© CORE System Trust"):
        assert sentence in notice


@pytest.mark.parametrize("name", BUILTIN)
def test_people_can_read_about_each_form(name: str) -> None:
    """A form that docs/instruments.md does not explain is one whose assumptions nobody can see."""
    assert f"`{name}`" in (ROOT / "docs" / "instruments.md").read_text(encoding="utf-8")


FORBIDDEN = [
    "dependent",
    "dependency",
    "codependent",
    "addicted",
    "resistant",
    "borderline",
    "manipulative",
    "victim",
    "refuses",
    "savior",
]


@pytest.mark.parametrize("name", ["gr18", "ts8"])
def test_our_forms_keep_the_wording_rules(name: str) -> None:
    """One word of diagnosis or blame on a client's screen is what the product must never show (clinical.md 5)."""
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8").lower()
    assert [word for word in FORBIDDEN if re.search(rf"\b{word}", text)] == []


def test_s37_hash_shows_an_edit_and_ignores_layout() -> None:
    """Scores carry the hash: one edited weight must change it, a reformatted file must not."""
    content = data()
    plain = load(content).sha256
    assert plain == builtin_one("gr18").sha256
    assert read(json.dumps(content, indent=7, sort_keys=True).encode(), name="x").sha256 == plain
    content["scales"]["truth"][4]["label"] = "Very  true"
    assert load(content).sha256 != plain


# --- files that contradict themselves ------------------------------------------------------------------------------


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place: Any = content
        for part in way:
            place = place[part]
        place[last] = value

    return change


def drop(path: str) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        del content[path]

    return change


BAD = [
    (put("format", 2), "format: must be from 1 to 1"),
    (drop("licence"), "licence: is missing"),
    (put("surprise", 1), "surprise: is not a key of this format"),
    (put("id", "../gr18"), "id: is not of the allowed form"),
    (put("version", 1), "version: must be text"),
    (put("audience", "patient"), "audience: must be one of: client, therapist"),
    (put("items.0.id", "G1"), "items: G1 stands there 2 times"),
    (put("items.0.id", "a/b"), "items[0].id: is not of the allowed form"),
    (put("items.0.reverse", 1), "items[0].reverse: must be true or false"),
    (put("items.3.scale", "nowhere"), "items[3].scale: there is no scale of that name under scales"),
    (put("scales.truth.1.value", 0), "items[0] values: 0 stands there 2 times"),
    (put("scales.truth.1.value", 1.0), "scales.truth[1].value: must be a whole number"),
    (put("scales.truth.1.value", True), "scales.truth[1].value: must be a whole number"),
    (put("scales.truth.1.code", "truth-0"), "items[0] options: truth-0 stands there 2 times"),
    (put("scores.0.items.0", "G99"), "scores[0].items: there is no line G99"),
    (put("scores.0.items.0", "G2"), "scores[0].items: G2 stands there 2 times"),
    (put("scores.0.least", 11), "scores[0].least: is more than the score has lines"),
    (put("scores.0.least", 0), "scores[0].least: must be from 1"),
    (put("scores.0.high", 5), "scores[0].high: the options give 4"),
    (put("scores.0.low", 1), "scores[0].low: the options give 0"),
    (put("scores.0.high", 0), "scores[0].low: is not below high"),
    (put("scores.0.method", "special"), "scores[0].scorer: goes with the method special, and only with it"),
    (put("scores.0.scorer", "x"), "scores[0].scorer: goes with the method special, and only with it"),
    (put("scores.0.beside", "nothing"), "scores[0].beside: there is no other score of that name"),
    (put("scores.1.id", "growth"), "scores: growth stands there 2 times"),
    (put("scores.0.direction", "left"), "scores[0].direction: must be one of: up, down, none"),
    (put("scores.0.change.origin", "guessed"), "scores[0].change.origin: must be one of"),
    (put("straight_line.0", "X1"), "straight_line: there is no line X1"),
    (put("safety", [{"item": "X1", "at_least": 1}]), "safety[0].item: there is no line X1"),
    (put("safety", [{"item": "G1", "at_least": 9}]), "safety[0].at_least: is not among the values of G1"),
]


@pytest.mark.parametrize(("change", "says"), BAD, ids=[says for _, says in BAD])
def test_a_contradiction_is_refused_with_its_path(change: Callable[[dict[str, Any]], None], says: str) -> None:
    """A vendor's slip found here costs a minute; found in a chart it costs trust in every earlier score."""
    content = data()
    change(content)
    with pytest.raises(InstrumentProblem) as caught:
        load(content)
    assert says in caught.value.message
    assert caught.value.message.startswith("The instrument file test.json cannot be used: ")


def test_a_mean_over_lines_of_two_ranges_is_refused() -> None:
    """A mean of a 0-4 line and a 0-3 line has no meaning, whatever bounds the file claims."""
    content = data()
    content["scales"]["need"].pop(4)
    with pytest.raises(InstrumentProblem, match="a mean needs lines of one range"):
        load(content)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "not UTF-8 JSON"),
        (b"\xff\xfe{}", "not UTF-8 JSON"),
        (b"<html>", "not UTF-8 JSON"),
        (b'{"format": NaN}', "not UTF-8 JSON"),
        (b'{"format": 1, "format": 1}', "a key stands twice"),
        (b"[" * 100_000, "not UTF-8 JSON"),
        (b'{"format": ' + b"9" * 5000 + b"}", "not UTF-8 JSON"),
        (b" " * 1_000_001, "larger than"),
        (b"[]", "must be an object"),
        (b"null", "must be an object"),
    ],
    ids=["empty", "utf16", "html", "nan", "doubled", "nested", "digits", "large", "list", "null"],
)
def test_f54_what_is_no_instrument_file_is_one_plain_sentence(raw: bytes, says: str) -> None:
    """A wrong file ends in a sentence, never in a traceback, a hang or a quietly lost key."""
    with pytest.raises(InstrumentProblem, match=says) as caught:
        read(raw, name="test.json")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PLACES = ["id", "items", "items.0", "items.0.text", "items.0.scale", "scores.0", "scores.0.items", "scores.0.change"]
PLACES += ["scales", "scales.truth", "scales.truth.0", "licence", "straight_line", "safety", "codings", "note"]


@given(st.sampled_from(PLACES), JSON)
def test_any_value_anywhere_loads_or_is_refused(place: str, value: Any) -> None:
    """Nothing but `InstrumentProblem` may come out of a file that somebody wrote by hand."""
    content = data()
    put(place, value)(content)
    try:
        form = load(content)
    except InstrumentProblem:
        return
    assert form.sha256


def test_s24_messages_never_repeat_what_stood_in_the_file() -> None:
    """A mapping or form copied from a client's chart may hold names; messages go to logs."""
    canary = "Anna Smith 1970"
    told = [refusal(put(place, value)) for place in PLACES for value in (canary, [canary], {canary: canary})]
    assert any(told)
    assert [message for message in told if "Anna" in message] == []


def refusal(change: Callable[[dict[str, Any]], None]) -> str:
    content = data()
    change(content)
    try:
        load(content)
    except InstrumentProblem as problem:
        return f"{problem.message} {problem.detail} {problem.__cause__} {problem.__context__}"
    return ""
