"""A bundle for whoever helps (S25): enough to see what is wrong, and nothing of anybody."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from handrail.plugin_core.cli import run

from tests.sync.stage import EVEN, LEANING, NOW, Stage, form, gr18

NAME, CLIENT, TOKEN = "Zaphira Canaryname", "canary-client", "canary-token"


def test_s25_a_bundle_of_a_failing_practice_holds_no_canary(tmp_path: Path) -> None:
    """It is sent by mail, to a stranger."""
    folder = tmp_path / "canary folder"
    with Stage(folder) as stage:
        stage.demo.token = stage.token = TOKEN
        (folder / "token").write_text(TOKEN)
        stage.person(CLIENT, name=NAME)
        for number, levels in enumerate([EVEN, EVEN, EVEN, LEANING, LEANING]):
            when = NOW - timedelta(days=7 + 28 * (4 - number))
            stage.put(form(f"canary-form-{number}", CLIENT, when, gr18(levels)), when)
        stage.put(form("canary-odd", CLIENT, NOW, version="9"))
        stage.sync()
        (folder / "token").write_text("wrong-canary")
        out = tmp_path / "bundle.json"
        run(["--settings", str(stage.file), "doctor", "--bundle", str(out)])
    text = out.read_text()
    for canary in ("canary", "Zaphira", str(tmp_path), "127.0.0.1", "practice.example", "Invented"):
        assert canary not in text, canary
    facts = json.loads(text)
    assert facts["runs"][0]["counts"]["new"] == 5
    assert facts["counts"]["responses"] == 5
    assert {"look": "platform", "state": "wrong"} in facts["looks"]
    assert facts["settings"]["platform.name"] == "fhir"
    assert facts["settings"]["safety.backup"] == "set"
    assert facts["packages"]["marshmallow"]


@pytest.mark.parametrize("text", ["", "practice = 3", "nonsense ["])
def test_a_bundle_is_made_of_broken_settings_too(tmp_path: Path, text: str) -> None:
    """On the day that it is needed nothing else may work."""
    settings, out = tmp_path / "handrail.toml", tmp_path / "bundle.json"
    settings.write_text(text)
    run(["--settings", str(settings), "doctor", "--offline", "--bundle", str(out)])
    assert json.loads(out.read_text())["stopped_by"]
