"""The support matrix: a practice chooses by it, so that it must say what is, and no more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from handrail.plugin_core import cli
from handrail.plugin_core.cli.platforms import platforms_of
from handrail.plugin_core.manager import Plugins
from handrail.plugin_core.support import CAN, TESTED, Platform, markdown

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "platforms"
OURS = platforms_of(Plugins())
ids = [one.spec.name for one in OURS]


def test_the_page_is_what_the_adapters_declare() -> None:
    """A page that lags behind promises what is not, or hides what is."""
    page = (PAGES / "README.md").read_text(encoding="utf-8")
    assert page == markdown(OURS), "run: handrail plugins --platforms --markdown > docs/platforms/README.md"


@pytest.mark.parametrize("platform", OURS, ids=ids)
def test_every_platform_is_declared_whole_and_has_a_page(platform: Platform) -> None:
    """The matrix names it; a practice wants to read more before it connects."""
    assert platform.spec.support is not None
    assert platform.support.tested in TESTED
    page = (PAGES / f"{platform.spec.name}.md").read_text(encoding="utf-8")
    for carrier in platform.spec.carriers:
        assert carrier.name in page, "the page does not say what is shown where"


@pytest.mark.parametrize("platform", OURS, ids=ids)
def test_how_far_tested_is_true(platform: Platform) -> None:
    """What is said of a contract must be a test that runs; a third party's must say so in its name."""
    tests = "".join(p.read_text(encoding="utf-8") for p in Path(__file__).parent.glob(f"test_{platform.spec.name}*.py"))
    assert "AdapterConformance" in tests, "no test of this folder puts the kit on it"
    if platform.support.tested.endswith("contract"):
        assert "Contract." in tests
    if platform.support.tested == "third-party contract":
        assert "third_party" in tests


def test_the_command_gives_the_same_facts_to_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """A host of many practices reads them by program."""
    assert cli.run(["plugins", "--platforms", "--json"]) == 0
    facts = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert sorted(facts) == sorted(ids)
    for platform in OURS:
        one = facts[platform.spec.name]
        assert [name for name, can in one["can"].items() if can] == platform.abilities()
        assert [carrier["name"] for carrier in one["carriers"]] == [c.name for c in platform.spec.carriers]
    assert cli.run(["plugins", "--platforms"]) == 0
    shown = capsys.readouterr().out
    assert all(carrier.seen_by[:40] in shown for one in OURS for carrier in one.spec.carriers)
    assert cli.run(["plugins", "--platforms", "--markdown"]) == 0
    assert capsys.readouterr().out == markdown(OURS)


def test_every_capability_is_a_column() -> None:
    """One that an adapter declares and nobody sees is of no use."""
    from dataclasses import fields

    from handrail.plugin_core.contracts import Capabilities

    assert {field.name for field in fields(Capabilities)} - {"lists_all"} == set(CAN)


def test_an_adapter_that_says_nothing_of_itself_is_said_to_be_untested() -> None:
    """A vendor's package may be older than the matrix."""
    silent = Platform(replace(OURS[0].spec, support=None), "vendor", page=False)
    page = markdown([silent])
    assert "nothing is said of it" in page
    assert f"[{silent.spec.title}]" not in page
