"""Each hook does what its page says: the examples of docs/hooks.md run here, and the guards round every call."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from handrail.plugin_core import cli, hookimpl, hookspecs
from handrail.plugin_core.contracts import Ask, CollectorContext, HookContext, Refusal, RuleSpec, ScorerSpec
from handrail.plugin_core.errors import PluginError
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.manager import Plugins
from handrail.plugin_core.registry import Registry
from handrail.plugin_core.rules.life import episodes
from handrail.plugin_core.scoring import Scorer
from handrail.plugin_core.sync import hooks
from handrail.schemas.records import Client, Course, Flag, Response, RunReport, Score, ScoredForm
from handrail.schemas.vocab import RunOutcome

from tests.sync.stage import EVEN, LEANING, SHRUNK, Stage

from .samples import CANARY, START, flag, response

PAGE = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"<!-- example: (\w+) -->\n```python\n(.*?)```", re.DOTALL)
EXAMPLES = dict(EXAMPLE.findall(PAGE))
CONTEXT = HookContext("practice", "fhir", datetime(2026, 11, 20, tzinfo=UTC))


def example(name: str) -> types.ModuleType:
    """The module that an example of the page is."""
    made = types.ModuleType(f"example_{name}")
    exec(compile(EXAMPLES[name], f"docs/hooks.md ({name})", "exec"), made.__dict__)
    return made


@pytest.fixture
def with_example() -> Callable[[str], Registry]:
    """A registry with Handrail's own plugins and one example of the page."""

    def make(name: str) -> Registry:
        plugins = Plugins()
        plugins.add(example(name), "example")
        return Registry(plugins)

    return make


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A platform with one course that calls for P1 and one that calls for P2."""
    with Stage(tmp_path) as made:
        made.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
        made.course("c2", [EVEN, EVEN, EVEN, SHRUNK, SHRUNK])
        yield made


def synced(stage: Stage, name: str) -> tuple[types.ModuleType, RunReport]:
    """A whole sync with an example as plugin."""
    module = example(name)
    stage.plugins.append(("example", module))
    return module, stage.sync()


def test_every_hook_has_an_example() -> None:
    """A hook without one is a hook that nobody tried."""
    specs = [name for name, value in vars(hookspecs).items() if hasattr(value, "handrail_spec")]
    assert sorted(EXAMPLES) == sorted(specs)


# --- register_* ----------------------------------------------------------------------------------------------------


def test_hook_register_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor's command runs beside ours."""
    real = Plugins.load

    def load(self: Plugins) -> Plugins:
        fresh = not self._loaded
        real(self)
        if fresh:
            self.add(example("register_commands"), "example")
        return self

    monkeypatch.setattr(Plugins, "load", load)
    done = CliRunner().invoke(cli.cli, ["acme-hello"])
    assert (done.exit_code, done.output) == (0, "hello from Acme\n")
    assert "acme-hello" in CliRunner().invoke(cli.cli, ["--help"]).output


def test_hook_register_instruments(with_example: Callable[[str], Registry]) -> None:
    """The vendor's form is scored like ours."""
    registry = with_example("register_instruments")
    scores = registry.scorer(("acme2", "1")).scores({"A1": 2, "A2": 1})
    assert scores["rest"].value == 1.5
    assert registry.instrument("acme2").sha256


def test_hook_register_scorers(with_example: Callable[[str], Registry]) -> None:
    """A score of method `special` goes through it."""
    registry = with_example("register_scorers")
    gr18 = builtin_one("gr18")
    definition = replace(gr18.scores[0], id="top", method="special", scorer="acme-highest", least=1, low=0, high=4)
    specials = {name: one.descriptor for name, one in registry.scorers.items()}
    scorer = Scorer(replace(gr18, scores=(definition,)), specials)
    items = definition.items
    assert scorer.scores({items[0]: 3, items[1]: 1})["top"].value == 3.0


def course(values: Sequence[float | None]) -> Course:
    """A course of growth scores, a week apart."""
    made = []
    for number, value in enumerate(values):
        reason = "too few answers" if value is None else None
        score = Score("growth", value, 5, 5, "mean", reason)
        made.append(ScoredForm(str(number), response(number).authored, {}, {"growth": score}))
    return Course("client", builtin_one("gr18"), tuple(made))


def test_hook_register_rules(with_example: Callable[[str], Registry]) -> None:
    """The vendor's rule lives as ours do: opens, clears after two false forms, passes over what has no score."""
    rule = with_example("register_rules").rules["ACME-LOW"].descriptor
    (first, second) = episodes(rule, course([2, 1, None, 1, 2, 2, 0, 0]))
    assert (first.form.id, first.closing_form and first.closing_form.id) == ("3", "5")
    assert (second.form.id, second.closed) == ("7", None)
    assert second.evidence().forms[0].values == {"growth": 0}


def nothing(*_: object) -> Any:
    """A way out that this collector must not use."""
    raise AssertionError("a printed sheet sends nothing")


def test_hook_register_collectors(with_example: Callable[[str], Registry]) -> None:
    """The same request gives the same sheet, and sends nothing."""
    spec = with_example("register_collectors").collectors["acme-sheet"].descriptor
    ask = Ask(Client("Patient/1"), builtin_one("ts8"), START, "key")
    context = CollectorContext("North Road", "en", "", "", sender=nothing, post=nothing)
    assert spec.ask(ask, context) == spec.ask(ask, context)
    assert b"Therapist self-check" in (spec.ask(ask, context).sheet or b"")


def test_hook_register_adapters(with_example: Callable[[str], Registry]) -> None:
    """The platform can be chosen by name; its settings are judged by its own schema."""
    spec = with_example("register_adapters").adapter("acme")
    assert spec.settings()().validate({"base_url": "nonsense"}) != {}
    assert spec.settings()().validate({"base_url": "https://acme.example/api"}) == {}
    assert [carrier.name for carrier in spec.carriers] == ["task"]


# --- prepare_* and the told ones, in a whole sync --------------------------------------------------------------------


def test_hook_prepare_responses(stage: Stage) -> None:
    """The test account's forms are set aside with the plugin's reason; the others are stored."""
    stage.course("test", [EVEN, EVEN])
    _, report = synced(stage, "prepare_responses")
    assert (report.counts["new"], report.counts["set_aside"]) == (10, 2)
    reasons = {item.message for item in stage.ask(lambda engine: engine.set_aside())}
    assert reasons == {"refused by example ((application) -): filled in by the test account"}


def test_hook_prepare_flags(stage: Stage) -> None:
    """One rule is vetoed and said, the other's words are the practice's own."""
    _, report = synced(stage, "prepare_flags")
    (row,) = stage.ask(lambda engine: engine.flags())
    assert row.flag.rule == "P1"
    assert row.flag.evidence.reason.endswith(" See the Acme guide.")
    assert report.counts["vetoed"] == 1
    assert any("P2 is not used in this practice" in problem.what for problem in report.problems)


def test_hook_responses_stored(stage: Stage) -> None:
    """Told of all that was stored, and of nothing on the second sync."""
    module, _ = synced(stage, "responses_stored")
    assert sum(module.counted) == 10
    stage.sync()
    assert sum(module.counted) == 10


def test_hook_flags_changed(stage: Stage) -> None:
    """Told once of each flag."""
    module, _ = synced(stage, "flags_changed")
    assert sorted(module.bell) == ["P1", "P2"]
    stage.sync()
    assert sorted(module.bell) == ["P1", "P2"]


def test_hook_flags_delivered(stage: Stage) -> None:
    """Told of each write to the platform."""
    module, _ = synced(stage, "flags_delivered")
    assert module.carried == [("fhir", "flag", "delivered")] * 2


def test_hook_sync_finished(stage: Stage) -> None:
    """Told how it ended."""
    module, report = synced(stage, "sync_finished")
    assert module.beats == [str(report.outcome)] == ["complete"]


# --- the guards ------------------------------------------------------------------------------------------------------

RESPONSES = [response(n) for n in range(3)]


def plugins_with(*functions: Callable[..., Any]) -> Plugins:
    """A plugin for each function, named after its place."""
    made = Plugins()
    for number, function in enumerate(functions):
        module = types.ModuleType("plugin")
        module.prepare_responses = hookimpl(function)  # type: ignore[attr-defined]
        made.add(module, f"p{number}")
    return made


def prepare(*functions: Callable[..., Any]) -> tuple[list[Response | Refusal], dict[int, str]]:
    return hooks.prepare(plugins_with(*functions), "prepare_responses", "responses", RESPONSES, Response, CONTEXT)


def test_without_plugins_all_goes_through() -> None:
    """The everyday case."""
    assert prepare() == (RESPONSES, {})
    assert prepare(lambda responses: None) == (RESPONSES, {})


def test_what_one_gives_back_is_what_the_next_is_handed() -> None:
    """First registered first; one that was refused is not shown to the next, and keeps its place and its reason."""
    seen: list[list[str]] = []

    def refuse_second(responses: Sequence[Response]) -> list[Response | Refusal]:
        return [responses[0], Refusal("no"), replace(responses[2], language="de")]

    def look(responses: Sequence[Response], context: HookContext) -> None:
        assert context is CONTEXT
        seen.append([f"{one.id}/{one.language}" for one in responses])

    found, refused = prepare(refuse_second, look)
    assert seen == [[f"{RESPONSES[0].id}/None", f"{RESPONSES[2].id}/de"]]
    assert [type(one).__name__ for one in found] == ["Response", "Refusal", "Response"]
    assert refused == {1: "p0 ((application) -)"}


def test_when_all_are_refused_nobody_else_is_asked() -> None:
    """An empty page is no page."""

    def fail(responses: Sequence[Response]) -> None:
        raise AssertionError("was asked")

    found, refused = prepare(lambda responses: [Refusal("no")] * 3, fail)
    assert len(refused) == len(found) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        lambda responses: [],
        lambda responses: responses[:-1],
        lambda responses: [*responses, responses[0]],
        lambda responses: [None, *responses[1:]],
        lambda responses: [flag("k", "c"), *responses[1:]],
        lambda responses: {"a": 1, "b": 2, "c": 3},
        lambda responses: "abc",
    ],
    ids=["none-back", "one-less", "one-more", "a-hole", "another-kind", "a-dict", "a-text"],
)
def test_f102_a_wrong_count_or_kind_stops_the_page_and_names_the_plugin(wrong: Callable[..., Any]) -> None:
    """A form lost or doubled by a plugin would be nobody's fault to see."""
    with pytest.raises(
        PluginError, match=r"p0 \(\(application\) -\).*handed 3 records.*Nothing of this page was stored"
    ):
        prepare(wrong)


def boom(responses: Sequence[Response]) -> None:
    raise RuntimeError(CANARY)


@pytest.mark.parametrize("wrong", [boom, lambda responses: 5], ids=["raises", "a-number"])
def test_f101_one_that_raises_stops_the_page_and_its_text_stays_inside(
    wrong: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Its text may hold a client's answers (S24)."""
    caplog.set_level("DEBUG")
    with pytest.raises(PluginError, match=r"p1 .* failed in prepare_responses \((Runtime|Type)Error\)") as caught:
        prepare(lambda responses: None, wrong)
    assert CANARY not in caught.value.message + caplog.text


def test_f102_records_are_read_only() -> None:
    """A number changed in place would be scored with nobody told."""
    faults: list[type[BaseException]] = []

    def change(responses: Sequence[Response]) -> None:
        one: Any = responses[0]
        for attempt in (
            lambda: one.answers.update(G1=0),
            lambda: one.answers.__setitem__("G1", 0),
            lambda: one.answers.pop("G1"),
            lambda: one.answers.clear(),
            lambda: one.totals.setdefault("growth", 4.0),
            lambda: setattr(one, "answers", {}),
            lambda: responses.append(one),  # type: ignore[attr-defined]
        ):
            try:
                attempt()
            except (TypeError, FrozenInstanceError, AttributeError) as error:
                faults.append(type(error))

    found, _ = prepare(change)
    assert len(faults) == 7
    assert found[0] == response(0)


def test_f102_evidence_is_read_only_too() -> None:
    """Mappings deep inside a flag are closed as well, and a changed copy is still easy to make."""
    handed: Any = hooks.closed(flag("k", "c"))
    with pytest.raises(TypeError, match="read-only to plugins"):
        handed.evidence.forms[0].values["warning"] = 1.0
    assert handed == flag("k", "c")
    assert replace(handed, score=0.1).score == 0.1
    plain = Client("Patient/1")
    assert hooks.closed(plain) is plain


def test_told_hooks_are_told_one_by_one() -> None:
    """One that raises is named, the next is told all the same, and neither can change what was stored."""
    heard: list[Any] = []

    def fail(flags: Any) -> None:
        raise ValueError(CANARY)

    def change(flags: Any) -> None:
        flags[0].evidence.forms[0].values.clear()

    def hear(flags: Any) -> None:
        heard.append(flags)

    made = Plugins()
    for number, function in enumerate((fail, change, hear)):
        module = types.ModuleType("plugin")
        module.flags_changed = hookimpl(function)  # type: ignore[attr-defined]
        made.add(module, f"p{number}")
    flags: tuple[Flag, ...] = (flag("k", "c"),)
    assert hooks.tell(made, "flags_changed", flags=flags, context=CONTEXT) == [
        "The plugin p0 ((application) -) failed in flags_changed (ValueError).",
        "The plugin p1 ((application) -) failed in flags_changed (TypeError).",
    ]
    assert heard == [flags]
    assert flags[0].evidence.forms[0].values == {"warning": 3.0}


def test_s44_what_a_plugin_is_handed_leads_nowhere(stage: Stage) -> None:
    """Of all that hooks, rules and scorers are handed, nothing, however deep, is a store, an adapter, settings or a
    secret: plain data, records, and the time."""
    handed: dict[str, list[Any]] = {}
    stage.plugins.append(("listening", _listening(handed)))
    stage.sync()
    told = {"prepare_responses", "prepare_flags", "responses_stored", "flags_changed", "flags_delivered"}
    assert set(handed) == {*told, "sync_finished", "rule", "scorer"}
    for values in handed.values():
        for value in values:
            _plain_data(value)


def _listening(handed: dict[str, list[Any]]) -> types.ModuleType:
    """A plugin with every hook of a sync, a rule and a scorer, which keeps what it is handed."""
    module = types.ModuleType("listening")

    def keep(name: str, *given: Any) -> None:
        handed.setdefault(name, []).extend(given)

    def judge(course: Any) -> list[Any]:
        keep("rule", course)
        return []

    def score(*given: Any) -> float:
        keep("scorer", *given)
        return 1.0

    def hearing(name: str) -> Any:
        first = next(iter(inspect.signature(getattr(hookspecs, name)).parameters))
        made: dict[str, Any] = {"keep": keep}
        exec(f"def {name}({first}, context):\n    keep({name!r}, {first}, context)", made)
        return hookimpl(made[name])

    for name in ("responses_stored", "flags_changed", "flags_delivered", "sync_finished"):
        setattr(module, name, hearing(name))
    for name in ("prepare_responses", "prepare_flags"):
        setattr(module, name, hearing(name))
    gr18 = builtin_one("gr18")
    top = replace(gr18.scores[0], id="top", method="special", scorer="listening", least=1, low=0, high=4)
    own = replace(gr18, id="own", scores=(top,))
    Scorer(own, {"listening": ScorerSpec("listening", score)}).scores({top.items[0]: 1})  # type: ignore[arg-type]
    rule = RuleSpec("V1", "1", "A rule", "gr18", judge)
    module.register_rules = hookimpl(_named("register_rules", [rule]))  # type: ignore[attr-defined]
    return module


def _named(name: str, given: list[Any]) -> Any:
    def give() -> list[Any]:
        return given

    give.__name__ = name
    return give


LEAVES = (str, int, float, bool, type(None), date, datetime, timedelta, Enum)
RECORDS = ("handrail.schemas.", "handrail.plugin_core.contracts.preparing")


def _plain_data(value: Any) -> None:
    """Fails where a value is, or holds, anything else than plain data and records."""
    if isinstance(value, Mapping):
        for pair in value.items():
            _plain_data(pair)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for one in value:
            _plain_data(one)
    elif is_dataclass(value) and type(value).__module__.startswith(RECORDS):
        for field in fields(value):
            _plain_data(getattr(value, field.name))
    else:
        assert isinstance(value, LEAVES), type(value)


def test_specs_do_nothing_themselves() -> None:
    """A spec is a signature with words; called, it registers and changes nothing."""
    for name, spec in vars(hookspecs).items():
        if hasattr(spec, "handrail_spec"):
            arguments = dict.fromkeys(inspect.signature(spec).parameters, ())
            assert spec(**arguments) in ((), None), name
            assert "Example::" in (spec.__doc__ or ""), name


def test_an_incomplete_sync_is_told_too(stage: Stage) -> None:
    """A monitor must hear of a platform that is down."""
    module = example("sync_finished")
    stage.plugins.append(("example", module))
    stage.demo.stop()
    report = stage.sync()
    assert report.outcome is RunOutcome.INCOMPLETE
    assert module.beats == ["incomplete"]
