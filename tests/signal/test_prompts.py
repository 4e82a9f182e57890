"""Which rules prompt is the practice's choice: the others are judged as before and wait behind "more"."""

from __future__ import annotations

from pathlib import Path

import pytest
from handrail.plugin_core.errors import SettingsError
from handrail.plugin_core.manager import Plugins
from handrail.plugin_core.registry import Registry
from handrail.plugin_core.rules import WAITING
from handrail.plugin_core.rules.life import episodes, shown
from handrail.plugin_core.settings import load

from .test_r1 import WORSENING


def test_rules_that_the_practice_did_not_choose_wait_behind_more() -> None:
    """Seven rules that all prompt are a flood; a rule that is not pushed is still there to be read."""
    rules = Registry(Plugins(), prompts=("R1",)).rules
    opened = [
        one for rule in rules.values() for one in episodes(rule.descriptor, WORSENING) if one.rule.kind == "prompt"
    ]
    assert {one.rule.id for one in opened} > {"R1"}
    found = shown(opened)
    assert found.first is not None
    assert found.first.rule.id == "R1"
    others = shown([one for one in opened if one.rule.id != "R1"])
    assert others.first is None
    assert len(others.more) == len(opened) - 1


def test_an_empty_choice_lets_every_rule_prompt(tmp_path: Path) -> None:
    """A practice that wants them all says so with an empty list."""
    (tmp_path / "s.toml").write_text('key = "file:key"\nprompts = []\n')
    found = load(tmp_path / "s.toml").prompts
    assert found == ()
    assert all(rule.descriptor.prompts for rule in Registry(Plugins(), prompts=found).rules.values())


def test_without_a_choice_the_model_prompts_and_the_plain_rules_wait(tmp_path: Path) -> None:
    """In the bench P1, P2 and P3 would prompt about every sixth to tenth client who is well: nobody reads that long.
    Good news, safety answers and a plugin's own rules are shown as before."""
    (tmp_path / "s.toml").write_text('key = "file:key"\n')
    found = load(tmp_path / "s.toml").prompts
    assert found is None
    rules = Registry(Plugins(), prompts=found).rules
    waiting = {name for name, rule in rules.items() if not rule.descriptor.prompts}
    assert waiting == {"P1", "P2", "P3", "P4", "P5", "P6"}
    assert waiting == WAITING


def test_a_rule_that_is_not_there_is_named() -> None:
    """A slip in the setting must not silence all prompts."""
    with pytest.raises(SettingsError, match="names a rule that is not here: R9"):
        _ = Registry(Plugins(), prompts=("R9",)).rules
