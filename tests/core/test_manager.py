"""Finding, allowing and loading plugins: metadata before import, nothing that the settings do not name, no silence."""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import handrail.plugin_core
import pluggy
import pytest
from handrail.plugin_core import deprecations, hookimpl
from handrail.plugin_core.contracts import AdapterSpec, Capabilities, RuleSpec, ScorerSpec
from handrail.plugin_core.deprecations import Deprecation, HandrailDeprecation
from handrail.plugin_core.errors import PluginError
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.manager import Plugins
from handrail.plugin_core.registry import Registry

Install = Callable[..., None]
OURS = {"core", "demo", "fhir"}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`install("acme", code)`: a package on this interpreter's path with an entry point; importing it leaves a mark."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    made: list[str] = []

    def put(name: str, code: str = "", *, point: str | None = None, version: str = "1.0", dist: str = "") -> None:
        module = name.replace("-", "_")
        mark = f"import pathlib\npathlib.Path({str(tmp_path / f'{module}.imported')!r}).touch()\n"
        (site / f"{module}.py").write_text(mark + textwrap.dedent(code))
        info = site / f"{dist or module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist or name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[handrail]\n{point or module} = {module}\n")
        made.append(module)
        importlib.invalidate_caches()

    yield put
    for module in made:
        sys.modules.pop(module, None)


def imported(tmp_path: Path, module: str) -> bool:
    return (tmp_path / f"{module}.imported").exists()


RULE = """
    from handrail.plugin_core import hookimpl
    from handrail.plugin_core.contracts import RuleSpec

    @hookimpl
    def register_rules():
        return [RuleSpec("ACME1", "1", "A rule", "gr18", lambda course: [])]
"""


def test_s42_what_the_settings_do_not_name_is_never_imported(install: Install, tmp_path: Path) -> None:
    """An installed package runs its code the moment it is imported: nobody asked for that."""
    install("handrail-acme", RULE)
    plugins = Plugins()
    assert "ACME1" not in Registry(plugins).rules
    assert not imported(tmp_path, "handrail_acme")
    (info,) = [info for info in plugins.infos() if info.distribution == "handrail-acme"]
    assert (info.allowed, info.loaded, info.problem, info.hooks) == (False, False, None, ())
    assert plugins.problems() == ()


def test_s42_what_they_name_is_loaded_with_its_hooks(install: Install, tmp_path: Path) -> None:
    """And S45: from which distribution and version is shown."""
    install("handrail-acme", RULE, version="2.1")
    plugins = Plugins(["handrail-acme"])
    assert Registry(plugins).rules["ACME1"].plugin == "handrail_acme"
    assert imported(tmp_path, "handrail_acme")
    (info,) = [info for info in plugins.infos() if info.distribution == "handrail-acme"]
    assert (info.label, info.loaded, info.hooks) == ("handrail_acme (handrail-acme 2.1)", True, ("register_rules",))


def test_s45_what_is_at_work_is_recorded_once_at_the_start(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever asks later what ran that day finds it in the log, and no line of it for each turn of a worker."""
    install("handrail-acme", RULE, version="2.1.45")
    with caplog.at_level("INFO", "handrail"):
        for _ in range(2):
            Plugins(["handrail-acme"]).load()
    (line,) = [one for one in caplog.messages if one.startswith("plugins at work: ")]
    assert "handrail_acme (handrail-acme 2.1.45)" in line


@pytest.mark.parametrize(
    "spelt", ["handrail-acme", "Handrail_Acme", "handrail.acme", " handrail--acme ", "HANDRAIL-ACME"]
)
def test_names_of_packages_compare_as_pip_compares_them(install: Install, spelt: str) -> None:
    """A practice writes the name as it stands on the vendor's page."""
    install("handrail-acme", RULE)
    assert "ACME1" in Registry(Plugins([spelt])).rules


@pytest.mark.parametrize("pin", ["handrail-acme==1.0", "handrail-acme == 1.0"])
def test_s43_a_pinned_version_is_the_only_one_loaded(install: Install, tmp_path: Path, pin: str) -> None:
    """An update that nobody looked at does not run; it is said, since a configured plugin is missing then."""
    install("handrail-acme", RULE, version="1.0")
    assert "ACME1" in Registry(Plugins([pin])).rules


def test_s43_another_version_than_the_pinned_one_is_not_imported(install: Install, tmp_path: Path) -> None:
    """And the message says which version the settings want."""
    install("handrail-acme", RULE, version="1.1")
    plugins = Plugins(["handrail-acme==1.0"])
    assert "ACME1" not in Registry(plugins).rules
    assert not imported(tmp_path, "handrail_acme")
    assert plugins.problems() == ("Plugin handrail_acme (handrail-acme 1.1): the settings allow only its version 1.0.",)


def test_a_plugin_that_is_named_and_not_installed_is_said(install: Install) -> None:
    """A practice that moved to another computer must not lose its rules quietly."""
    plugins = Plugins(["handrail-acme==1.0", "handrail"])
    assert plugins.problems() == (
        "Plugin handrail-acme (handrail-acme 1.0): the settings allow it, but it is not installed here or brings no "
        "plugin.",
    )


def test_s43_two_packages_of_one_name_the_second_is_refused(install: Install, tmp_path: Path) -> None:
    """Which of the two runs must not hang on the order on the disk; the message names both."""
    install("handrail-zeta", RULE, point="acme")
    install("handrail-acme", RULE, point="acme")
    plugins = Plugins(["handrail-acme", "handrail-zeta"])
    plugins.load()
    assert imported(tmp_path, "handrail_acme")
    assert not imported(tmp_path, "handrail_zeta")
    (problem,) = plugins.problems()
    assert "acme (handrail-zeta 1.0)" in problem
    assert "taken by acme (handrail-acme 1.0)" in problem


def test_s43_a_package_that_is_not_allowed_takes_nobodys_name(install: Install, tmp_path: Path) -> None:
    """Else anybody's package could keep the practice's own from loading."""
    install("aaa-impostor", RULE, point="acme")
    install("handrail-acme", RULE, point="acme")
    plugins = Plugins(["handrail-acme"])
    assert Registry(plugins).rules["ACME1"].plugin == "acme"
    assert plugins.problems() == ()
    assert plugins.label("acme") == "acme (handrail-acme 1.0)"
    assert not imported(tmp_path, "aaa_impostor")


def test_s43_nobody_replaces_handrails_own(install: Install, tmp_path: Path) -> None:
    """A vendor's entry point named `core` must not stand in for the rules of Handrail."""
    install("handrail-acme", RULE, point="core")
    plugins = Plugins(["handrail-acme"])
    assert "P1" in Registry(plugins).rules
    assert not imported(tmp_path, "handrail_acme")
    assert "taken by core (handrail " in plugins.problems()[0]


def test_handrails_own_plugins_load_whatever_is_pinned() -> None:
    """A line for Handrail itself in the list must not take its own rules away."""
    assert {info.name for info in Plugins(["handrail==0.0.1"]).infos() if info.loaded} >= OURS


BROKEN = {
    "missing import": ("import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
    "syntax": ("def (", "invalid syntax"),
    "raises": ("raise RuntimeError('zebrafinch')", "RuntimeError"),
    "leaves": ("raise SystemExit(3)", "SystemExit"),
    "misspelled hook": (
        "from handrail.plugin_core import hookimpl\n@hookimpl\ndef register_rule():\n    return []\n",
        "unknown hook 'register_rule'",
    ),
    "unknown argument": (
        "from handrail.plugin_core import hookimpl\n@hookimpl\ndef prepare_flags(flags, contxt):\n    return flags\n",
        "can not be found in the hookspec",
    ),
    "wrapper": (
        "from handrail.plugin_core import hookimpl\n@hookimpl(wrapper=True)\ndef register_rules():\n    yield\n",
        "register_rules must not be a wrapper",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_f104_a_plugin_that_does_not_load_is_named_and_costs_the_others_nothing(install: Install, kind: str) -> None:
    """One sentence with package and reason; Handrail's own and the other vendor's go on."""
    code, reason = BROKEN[kind]
    install("handrail-broken", code)
    install("handrail-acme", RULE)
    plugins = Plugins(["handrail-broken", "handrail-acme"])
    registry = Registry(plugins)
    assert {"P1", "S", "ACME1"} <= set(registry.rules)
    (problem,) = plugins.problems()
    assert problem.startswith("Plugin handrail_broken (handrail-broken 1.0): it could not be loaded: ")
    assert reason in problem
    assert "zebrafinch" not in problem, "a plugin's own text is not trusted with client data"
    with pytest.raises(PluginError, match="handrail-broken"):
        registry.adapter("acme")


def test_a_misspelled_hook_leaves_nothing_of_its_plugin_behind(install: Install) -> None:
    """Its other hooks are not half used."""
    install("handrail-acme", RULE + "\n    @hookimpl\n    def prepare_flag(flags):\n        return flags\n")
    plugins = Plugins(["handrail-acme"])
    assert "ACME1" not in Registry(plugins).rules
    assert "prepare_flag" in plugins.problems()[0]


def plugin(**hooks: Callable[..., Any]) -> ModuleType:
    """A plugin with these hooks."""
    made = ModuleType("plugin")
    for name, function in hooks.items():
        setattr(made, name, hookimpl(function))
    return made


def nothing() -> None:
    """Registers nothing."""


@pytest.fixture
def plugins() -> Plugins:
    """Handrail's own and nothing else; a test adds its own plugins."""
    return Plugins()


def test_add_refuses_what_does_not_fit(plugins: Plugins) -> None:
    """A host that embeds the engine hears of its slip at once."""
    with pytest.raises(PluginError, match="unknown hook"):
        plugins.add(plugin(register_ruls=nothing), "slip")
    with pytest.raises(PluginError, match="contxt"):
        plugins.add(plugin(prepare_flags=lambda flags, contxt: None), "slip")
    plugins.add(plugin(register_rules=nothing), "one")
    with pytest.raises(PluginError, match="is here already"):
        plugins.add(plugin(register_rules=nothing), "one")
    assert [info.name for info in plugins.infos() if info.distribution == "(application)"] == ["one"]


def rule(name: str) -> RuleSpec:
    return RuleSpec(name, "1", "A rule", "gr18", lambda course: [])


def boom() -> Any:
    raise RuntimeError("zebrafinch")


def generator() -> Any:
    yield rule("FIRST")
    raise KeyError("zebrafinch")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (boom, r"it failed in register_rules \(RuntimeError\)"),
        (generator, r"it failed in register_rules \(KeyError\)"),
        (lambda: 5, r"it failed in register_rules \(TypeError\)"),
        (lambda: [{"id": "X"}], "not all of the kind RuleSpec"),
        (lambda: [rule("X"), None], "not all of the kind RuleSpec"),
    ],
)
def test_f101_a_register_hook_that_fails_costs_the_others_nothing(
    plugins: Plugins, given: Callable[[], Any], reason: str
) -> None:
    """The vendor's rule is missing and said; all others, safety first of all, are there."""
    plugins.add(plugin(register_rules=given), "broken")
    plugins.add(plugin(register_rules=lambda: [rule("ACME1")]), "fine")
    registry = Registry(plugins)
    assert {"S", "P1", "ACME1"} <= set(registry.rules)
    assert "FIRST" not in registry.rules
    (problem,) = plugins.problems()
    assert problem.startswith("Plugin broken ((application) -): ")
    assert re.search(reason, problem)
    assert "zebrafinch" not in problem


def test_nothing_to_register_is_fine(plugins: Plugins) -> None:
    """A hook may give None, as one that decides at run time does."""
    plugins.add(plugin(register_rules=nothing, register_scorers=lambda: ()), "empty")
    assert "P1" in Registry(plugins).rules
    assert plugins.problems() == ()


CONFLICTS: dict[str, tuple[str, str, Callable[[], list[Any]]]] = {
    "instruments": ("register_instruments", "instrument gr18/1", lambda: [builtin_one("gr18")]),
    "rules": ("register_rules", "rule P1", lambda: [rule("P1")]),
    "scorers": (
        "register_scorers",
        "scorer x",
        lambda: [ScorerSpec("x", lambda *_: None)],  # type: ignore[arg-type]
    ),
    "adapters": (
        "register_adapters",
        "platform fhir",
        lambda: [AdapterSpec("fhir", "F", dict, Capabilities(), (), lambda _: None)],  # type: ignore[arg-type, return-value]
    ),
}


@pytest.mark.parametrize("kind", CONFLICTS)
def test_two_plugins_that_claim_one_name_are_both_named(plugins: Plugins, kind: str) -> None:
    """Which of two instruments of one name scores a form must never be chance."""
    hook, what, give = CONFLICTS[kind]
    plugins.add(plugin(**{hook: give}), "acme")
    if kind == "scorers":
        plugins.add(plugin(**{hook: give}), "other")
    with pytest.raises(PluginError) as caught:
        getattr(Registry(plugins), kind)
    assert f"bring the {what}:" in caught.value.message
    assert "acme ((application) -)" in caught.value.message
    other = {"scorers": "other (", "adapters": "fhir (handrail "}.get(kind, "core (handrail ")
    assert other in caught.value.message


def test_an_unknown_platform_or_instrument_lists_what_there_is(plugins: Plugins) -> None:
    """The next thing a person needs is the right name."""
    registry = Registry(plugins)
    with pytest.raises(PluginError, match=r"no platform 'simplepractice'.*[Tt]here are: .*fhir"):
        registry.adapter("simplepractice")
    with pytest.raises(handrail.plugin_core.errors.UsageError, match=r"no instrument 'gr81'.*core10.*gr18"):
        registry.instrument("gr81")
    assert registry.instrument("gr18").version == "1"


def test_two_applications_share_nothing() -> None:
    """One manager each: a plugin of one host's practice is not another's."""
    one, two = Plugins(), Plugins()
    one.add(plugin(register_rules=lambda: [rule("ACME1")]), "acme")
    assert "ACME1" in Registry(one).rules
    assert "ACME1" not in Registry(two).rules


def test_implementations_come_in_the_order_that_they_ask_for(plugins: Plugins) -> None:
    """First registered first, unless one asks to be first or last."""
    called: list[str] = []

    def named(name: str) -> Callable[..., None]:
        def flags_changed(flags: object) -> None:
            called.append(name)

        return flags_changed

    for name, options in {"late": {"trylast": True}, "one": {}, "two": {}, "early": {"tryfirst": True}}.items():
        plugins.add(SimpleNamespace(flags_changed=hookimpl(**options)(named(name))), name)  # type: ignore[call-overload]
    for _, call in plugins.implementations("flags_changed"):
        call(flags=(), context=None)
    assert called == ["early", "one", "two", "late"]


def test_an_argument_with_a_default_is_filled(plugins: Plugins) -> None:
    """Since pluggy 1.7 it is; an implementer may write `context=None` and still be told."""
    seen: list[object] = []
    plugins.add(plugin(flags_changed=lambda flags, context=None, mine=3: seen.append((flags, context, mine))), "acme")
    for _, call in plugins.implementations("flags_changed"):
        call(flags=(), context="told")
    assert seen == [((), "told", 3)]


# --- deprecations --------------------------------------------------------------------------------------------------

SAMPLE = (
    Deprecation("old_hook", "0.3", "0.5", "new_hook"),
    Deprecation("kept_hook", "0.3", "1.0", "read it from the context", argument="old"),
)


def specs() -> SimpleNamespace:
    def old_hook() -> None: ...
    def kept_hook(old: object, context: object) -> None: ...

    return SimpleNamespace(**{f.__name__: deprecations.hookspec(f, SAMPLE) for f in (old_hook, kept_hook)})


def register(implementation: ModuleType) -> list[str]:
    manager = pluggy.PluginManager("handrail")
    manager.add_hookspecs(specs())  # type: ignore[arg-type]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        manager.register(implementation)
    assert all(issubclass(warning.category, HandrailDeprecation) for warning in caught)
    assert all(warning.filename == __file__ for warning in caught), "the implementer's own line is named"
    return [str(warning.message) for warning in caught]


def test_who_implements_a_hook_that_goes_is_warned() -> None:
    """Not only callers: it is the vendor's code that would break."""
    assert register(plugin(old_hook=lambda: None)) == [
        "Handrail 0.5 will be without the hook old_hook. Instead: new_hook"
    ]


def test_who_asks_for_an_argument_that_goes_is_warned_and_nobody_else() -> None:
    """Leaving the argument out is all that is to be done."""
    assert register(plugin(kept_hook=lambda old, context: None)) == [
        "Handrail 1.0 will be without the argument old of kept_hook. Instead: read it from the context"
    ]
    assert register(plugin(kept_hook=lambda context: None)) == []


def test_what_is_due_is_removed() -> None:
    """This test fails in the release in which something should be gone: remove it and its line in the table."""
    assert deprecations.overdue(metadata.version("handrail")) == []


def test_nothing_goes_before_two_releases_have_warned() -> None:
    """The promise to vendors."""
    assert deprecations.too_soon() == []


def test_every_line_of_the_table_is_about_a_hook_that_is_there() -> None:
    """A typing slip in the table would warn nobody."""
    from handrail.plugin_core import hookspecs

    for entry in deprecations.DEPRECATIONS:
        spec = getattr(hookspecs, entry.hook)
        assert entry.argument is None or entry.argument in spec.__annotations__


@pytest.mark.parametrize(
    ("version", "due"), [("0.4.9", 0), ("0.5.0rc1", 1), ("0.5", 1), ("0.10", 1), ("1.0.0", 2), ("2.0", 2)]
)
def test_the_deadline_itself_works(version: str, due: int) -> None:
    """Versions compare as numbers: 0.10 comes after 0.5."""
    assert len(deprecations.overdue(version, SAMPLE)) == due


def test_the_promise_itself_is_checked() -> None:
    """0.3 to 0.4 is one release of warning: too few."""
    assert deprecations.too_soon(SAMPLE) == []
    soon = Deprecation("x", "0.3", "0.4", "y")
    assert deprecations.too_soon([soon, Deprecation("x", "0.9", "1.0", "y")]) == [soon]
