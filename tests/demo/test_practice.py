"""The invented practice is invented, the same every time, valid FHIR, and means what its story says."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import fhirkit
import pytest
from fhir.resources.R4B import get_fhir_model_class
from handrail.adapters.demo.answers import fill, spread
from handrail.adapters.demo.courses import RULES
from handrail.adapters.demo.practice import FAMILY, GIVEN, Practice
from handrail.adapters.demo.server import DemoServer
from handrail.adapters.demo.stage import Demo, open_demo
from handrail.adapters.fhir.questionnaire import questionnaire_of
from handrail.plugin_core.instruments import builtin, builtin_one
from handrail.schemas.records import Instrument, Json
from handrail.schemas.vocab import Blank, QuarantineReason
from hypothesis import given
from hypothesis import strategies as st

from .conftest import AS_OF, calling, published
from .reading import Read, read

KINDS = ("Patient", "Practitioner", "Questionnaire", "QuestionnaireResponse")
FORBIDDEN = re.compile(
    r"dependen|codependen|addict|resistan|borderline|manipulat|victim|refus|savior|failing|diagnos|risk", re.IGNORECASE
)


def everything(demo: Demo) -> list[Json]:
    return [stored.body for kind in KINDS for stored in demo.server.store.latest(kind) if stored.body is not None]


def take(demo: Demo) -> Read:
    caller = calling(demo.server)
    with caller.session:
        return read(caller, demo.practice)


# --- what it is made of ----------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """A demo that differs from run to run cannot be talked about, nor held to a story."""

    def bytes_of(seed: int) -> str:
        with open_demo(tmp_path, AS_OF, seed) as demo:
            return json.dumps(everything(published(demo)))

    first = bytes_of(18)
    assert bytes_of(18) == first
    assert bytes_of(19) != first


def test_no_name_is_a_persons(demo: Demo) -> None:
    """A name that somebody bears, beside answers like these, would be a harm even in a demo."""
    names = [one["name"][0] for one in everything(demo) if one["resourceType"] in ("Patient", "Practitioner")]
    assert len(names) == 43
    assert len({name["text"] for name in names}) == 43
    for name in names:
        assert name["family"] in (*FAMILY, "Placeholder")
        assert name["text"] == f"{name['given'][0]} {name['family']} (invented)"
    assert len(set(GIVEN)) * len(FAMILY) >= 40
    text = json.dumps(everything(demo))
    assert not {"birthDate", "telecom", "address", "photo"} & set(re.findall(r'"(\w+)":', text))


def test_every_resource_is_valid_for_two_independent_validators(demo: Demo) -> None:
    """A platform would refuse what these refuse, and the demo would then show something that cannot happen."""
    for resource in everything(demo):
        assert fhirkit.validate(resource) == [], resource["id"]
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def test_the_validators_would_object(demo: Demo) -> None:
    """Guards the test above: a validator that takes anything proves nothing."""
    form = next(one for one in everything(demo) if one["resourceType"] == "QuestionnaireResponse")
    model = get_fhir_model_class("QuestionnaireResponse")
    for bad in ({**form, "status": 3}, {**form, "colour": "red"}):
        with pytest.raises(ValueError):
            model.model_validate(bad)
    assert fhirkit.validate({**form, "item": [{"text": "no linkId"}]}) != []


def test_the_year_lies_in_the_past_and_its_stamps_follow_the_answers(demo: Demo) -> None:
    """F7: a form of tomorrow is set aside; a demo in which that happens by itself confuses."""
    stamps = [form.stamp for form in demo.practice.forms]
    assert stamps == sorted(stamps)
    assert stamps[0].date() > AS_OF - timedelta(days=400)
    assert stamps[-1].date() <= AS_OF - timedelta(days=2)
    for form in demo.practice.forms:
        assert form.authored is None or form.authored < form.stamp


def test_the_year_waits_for_the_published_forms(tmp_path: Path) -> None:
    """The demo's order is publish, then answer: the other way round must say so."""
    with open_demo(tmp_path, AS_OF) as demo, pytest.raises(LookupError, match="gr18 is not published"):
        demo.answer_year()


def test_without_a_day_the_demo_lives_today(tmp_path: Path) -> None:
    """`handrail demo` has nothing to configure: its year must end now, in real time."""
    with open_demo(tmp_path) as demo:
        assert abs(demo.server.clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
        assert demo.practice.as_of == demo.server.clock.now().date()


@given(
    st.sampled_from([score for one in builtin() for score in one.scores if len(score.items) > 1]).map(
        lambda s: s.items
    ),
    st.integers(-5, 60),
    st.randoms(use_true_random=False),
)
def test_answers_are_options_and_add_up_to_what_was_meant(items: tuple[str, ...], total: int, rng: object) -> None:
    """An answer outside the options would be set aside; a sum that drifts would tell another story than intended."""
    instrument = next(one for one in builtin() if set(items) <= {item.id for item in one.items})
    lines = [instrument.item(name) for name in items]
    answers = spread(rng, lines, total, {})  # type: ignore[arg-type]
    assert all(answers[line.id] in line.values for line in lines)
    turned = sum(line.values[-1] - answers[line.id] if line.reverse else answers[line.id] for line in lines)
    assert turned == max(0, min(total, sum(line.values[-1] for line in lines)))


@pytest.mark.parametrize("instrument", builtin(), ids=lambda one: one.id)
def test_filling_goes_by_the_published_forms_weights(instrument: Instrument) -> None:
    """The platform's form decides which option a number is: also when it nests lines and names codes of its own."""
    lines = [
        {
            "linkId": item.id,
            "answerOption": [
                {
                    "valueCoding": {"code": f"x{9 - index}"},
                    **({} if option.value is None else {"extension": [_weight(option.value)]}),
                }
                for index, option in enumerate(item.options)
            ],
        }
        for item in instrument.items
    ]
    form = {"item": [{"linkId": "all", "item": lines}]}
    first = instrument.items[0]
    answers = {item.id: item.values[-1] for item in instrument.items[:-1]}
    [group] = fill(form, answers)
    assert [line["linkId"] for line in group["item"]] == list(answers)
    codes = {option.value: f"x{9 - index}" for index, option in enumerate(first.options)}
    assert group["item"][0]["answer"] == [{"valueCoding": {"code": codes[first.values[-1]]}}]
    if None in codes:
        [group] = fill(form, {first.id: Blank.DECLINED})
        assert group["item"][0]["answer"] == [{"valueCoding": {"code": codes[None]}}]
    assert fill(form, {}) == []


def _weight(value: int) -> Json:
    return {"url": "http://hl7.org/fhir/StructureDefinition/ordinalValue", "valueDecimal": value}


# --- what it means ---------------------------------------------------------------------------------------------------


def test_every_course_raises_what_its_story_says_and_nothing_else(demo: Demo) -> None:
    """The reader of the demo judges Handrail by these flags; and a benign course that is flagged is a false alarm."""
    found = take(demo)
    for story in demo.practice.story():
        assert found.raised(story.client) & set(RULES) == story.raised, (story.client, story.key)
        assert found.standing(story.client) & set(RULES) == story.standing, (story.client, story.key)
        assert story.silent.isdisjoint(found.raised(story.client))
        last = found.courses[story.client][0].forms[-1].id
        noted = {one.rule.id for one in found.notes[story.client] if one.form.id == last}
        assert ("P7" in noted) == story.noted, (story.client, story.key)


@pytest.mark.parametrize("seed", range(5))
def test_other_seeds_tell_the_same_story(tmp_path: Path, seed: int) -> None:
    """`--seed` must not turn an even year into an alarm by chance."""
    with open_demo(tmp_path, AS_OF, seed) as demo:
        found = take(published(demo))
        for story in demo.practice.story():
            assert found.standing(story.client) & set(RULES) == story.standing, (story.client, story.key)
            assert found.raised(story.client) & set(RULES) == story.raised, (story.client, story.key)


def test_the_story_shows_every_rule_and_every_benign_course() -> None:
    """The demo promises all of them; a course lost in an edit would be missed by nobody else."""
    practice = Practice(AS_OF)
    stories = practice.story()
    assert len(stories) == 40
    assert {rule for story in stories for rule in story.standing} == set(RULES)
    assert sum(story.noted for story in stories) == 1
    assert practice.not_evaluated().keys() == {"P4"}
    kinds = Counter(story.key for story in stories)
    benign = {"productive-distress", "long-by-choice", "early-reliance", "bad-week", "straight-line", "hard-stretch"}
    assert benign <= kinds.keys()
    for story in stories:
        if story.key in benign:
            assert story.standing <= {"N"}, story.key
    assert sum(not story.raised for story in stories) >= 12, "most clients have no prompt at all"
    assert {word for story in stories for word in story.dirt} == {
        *("amended", "some lines left out", "in progress", "blank", "old wording"),
        *("sent twice", "entered in error", "reworded in place"),
    }


def test_the_rules_that_are_not_evaluated_say_why(demo: Demo) -> None:
    """A rule that is silent for want of data must not look like a rule that found nothing."""
    found = take(demo)
    [rule] = {one.rule.id: one.rule for flags in found.flags.values() for one in flags if one.rule.id == "P3"}.values()
    assert rule.id not in demo.practice.not_evaluated()
    assert not any("P4" in found.raised(client) for client in found.flags)
    assert "sessions" in demo.practice.not_evaluated()["P4"]


def test_dirt_is_set_aside_or_unscored_never_guessed(demo: Demo) -> None:
    """F57, F59, F60, F61, F68: the demo shows that odd forms cost nothing but themselves."""
    found = take(demo)
    reasons = {one.remote_id.rpartition("-")[2]: one.reason for one in found.aside}
    assert reasons == {"old": QuarantineReason.UNKNOWN_VERSION, "reworded": QuarantineReason.CHANGED_DEFINITION}
    statuses = Counter(one.status for one in found.remote)
    assert (statuses["in-progress"], statuses["entered-in-error"], statuses["amended"]) == (1, 2, 1)
    forms = {form.id: form for courses in found.courses.values() for course in courses for form in course.forms}
    blank = next(form for name, form in forms.items() if name.endswith("-blank"))
    assert all(score.value is None for score in blank.scores.values())
    left = next(form for name, form in forms.items() if name.endswith("-left"))
    assert (left.value("growth"), left.scores["growth"].answered, left.answers["G5"]) == (None, 7, Blank.DECLINED)
    assert left.value("warning") is not None
    again = next(form for name, form in forms.items() if name.endswith("-again"))
    assert replace_id(again.id) in forms
    assert forms[replace_id(again.id)].authored == again.authored
    assert "client-99" in found.courses
    assert "client-99" not in demo.practice.courses


def replace_id(name: str) -> str:
    return name.removesuffix("-again")


def test_the_amended_form_keeps_its_history(demo: Demo) -> None:
    """F60: whoever asks what stood there before must find it."""
    [name] = [one.id for one in take(demo).remote if one.status == "amended"]
    caller = calling(demo.server)
    with caller.session:
        entries = caller.get(f"QuestionnaireResponse/{name}/_history").json()["entry"]
    assert [one["resource"]["status"] for one in entries] == ["amended", "completed"]


def test_the_second_act_raises_clears_and_withdraws_what_it_says(demo: Demo) -> None:
    """The second sync of the demo shows update and retraction; each deed must bring about exactly its own."""
    before = take(demo)
    deeds = demo.second_act()
    after = take(demo)
    changed = {client for client in after.flags if after.standing(client) != before.standing(client)}
    assert changed == {deed.form.client for deed in deeds}
    assert sorted(event for deed in deeds for event in deed.then.values()) == [
        *("cleared", "raised", "withdrawn", "withdrawn")
    ]
    for deed in deeds:
        client = deed.form.client
        for rule, event in deed.then.items():
            was, now = rule in before.standing(client), rule in after.standing(client)
            ever = rule in after.raised(client)
            expected = {
                "raised": (False, True, True),
                "cleared": (True, False, True),
                "withdrawn": (True, False, False),
            }
            assert (was, now, ever) == expected[event], (client, rule)


def test_a_sync_by_last_updated_finds_the_second_act(demo: Demo) -> None:
    """The demo shows an incremental sync; what changed between must lie behind the cursor, and be all that does."""
    newest = max(stored.updated for stored in demo.server.store.latest("QuestionnaireResponse"))
    since = datetime.fromtimestamp(newest / 1000 + 1, UTC).isoformat(timespec="milliseconds").replace("+", "%2B")
    deeds = demo.second_act()
    caller = calling(demo.server)
    with caller.session:
        page = caller.get(f"QuestionnaireResponse?_lastUpdated=ge{since}&_sort=_lastUpdated").json()
    assert [entry["resource"]["id"] for entry in page["entry"]] == [deed.form.id for deed in deeds]


def test_nothing_that_is_read_breaks_the_wording_rules(demo: Demo) -> None:
    """clinical.md 5: words that label a person have no place in a demo either."""
    texts = [story.words for story in demo.practice.story()]
    texts += [deed.words for deed in demo.practice.second_act(demo.server.clock.now())]
    texts += demo.practice.not_evaluated().values()
    assert [text for text in texts if FORBIDDEN.search(text)] == []


def test_the_practice_publishes_what_it_uses() -> None:
    """A form that the practice answers and does not publish would stop the demo."""
    practice = Practice(date(2026, 1, 31))
    used = {form.instrument for form in practice.forms}
    assert used == {instrument.id for instrument in practice.instruments()}
    with DemoServer() as server:
        for name in used:
            server.load(questionnaire_of(builtin_one(name)), datetime(2025, 1, 1, tzinfo=UTC))
        assert practice.load_year(server) == len(practice.forms)
