"""From `init` to a prompt in the file and back, by the real commands, on Cliniko's and Healthie's doubles.

What would hurt: each part keeps its promise, and the whole does not work: the published form is not the one that is
read, the carrier is not found by its name, the prompt stays after its form was taken back.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.instruments import builtin_one

from .doubles.base import Clock, Double
from .doubles.cliniko import ClinikoDouble
from .doubles.cliniko import text as cliniko_time
from .doubles.healthie import HealthieDouble

RELIANT = {"W1": 4, "W2": 4, "W3": 0, "W4": 0, "W5": 4, "N1": 4}
EVEN = {"W1": 1, "W2": 1, "W3": 3, "W4": 3, "W5": 1, "N1": 1}
COURSE = [(EVEN, 20), (EVEN, 16), (EVEN, 12), (EVEN, 8), (RELIANT, 4), (RELIANT, 0)]
FORM = builtin_one("gr18")
Answer = Callable[..., str]


def labels(warning: dict[str, int]) -> dict[str, str]:
    """By question text, what the client ticked."""
    growth = {f"G{number}": number % 3 + 1 for number in range(1, 11)}
    values = {**growth, "F1": 2, "F2": 2, **warning}
    return {
        item.text: next(o.label for o in item.options if o.value == values[item.id])
        for item in FORM.items
        if item.id in values
    }


def in_cliniko(double: ClinikoDouble, ticked: dict[str, str], client: int = 0) -> str:
    """A client has filled in the published template."""
    template = next(row for row in double.tables["patient_form_templates"].values() if "gr18" in row["name"])
    content = json.loads(json.dumps(template["content"]))
    for question in content["sections"][0]["questions"]:
        for answer in question["answers"]:
            answer["selected"] = answer["value"] == ticked.get(question["name"])
    return double.put("patient_forms", double.form(template["name"], list(double.clients())[client], content))


def in_healthie(double: HealthieDouble, ticked: dict[str, str], client: int = 0) -> str:
    """A client has filled in the published template."""
    form = next(row["id"] for row in double.tables["forms"].values() if row["external_id"] == "gr18/1")
    lines = [row for row in double.tables["modules"].values() if row["form"] == form and row["label"] in ticked]
    return double.group(list(double.clients())[client], [(row["id"], ticked[row["label"]]) for row in lines], form)


PLATFORMS: dict[str, tuple[type[Double], str, Answer]] = {
    "cliniko": (ClinikoDouble, "medical-alert", in_cliniko),
    "healthie": (HealthieDouble, "task", in_healthie),
}


@pytest.fixture(params=sorted(PLATFORMS))
def platform(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any, str, Answer]]:
    """A platform of today, since the commands read the real clock."""
    kind, carrier, answer = PLATFORMS[request.param]
    double = kind()
    double.clock = Clock(datetime.now(UTC).replace(microsecond=0))
    with double:
        yield request.param, double, carrier, answer


def _asked(handrail: Callable[..., str], double: Any, name: str, folder: Path) -> None:
    """A client is asked once: by the platform, or with a link to hand over."""
    client = list(double.clients())[1]
    handrail("enrol", client, "--consent", "2026-01-02", "--channel", "platform")
    sent = json.loads(handrail("send", "--by-hand", str(folder / "hand-over"), "--json"))
    handrail("send", "--json")
    assert list(double.asks()) == [client]
    links = [row for row in sent["hand_over"] if row.get("link")]
    assert len(links) == (1 if name == "cliniko" else 0), "Cliniko sends nothing: somebody hands the link over"
    handrail("opt-out", client)
    handrail("send", "--json")
    assert not double.asks(), "who has opted out is not asked any more"


def test_the_whole_way(platform: tuple[str, Any, str, Answer], tmp_path: Path) -> None:
    """init, connect, publish, clients answer, sync, a prompt in the file, the same again, the form taken back."""
    name, double, carrier, answer = platform

    def handrail(*words: str) -> str:
        command = [sys.executable, "-m", "handrail.plugin_core.cli", "--settings", str(tmp_path / "handrail.toml")]
        done = subprocess.run(
            [*command, *words], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def standing() -> list[Any]:
        return [mark for mark in double.marks(carrier) if mark.active]

    handrail("init", "--key-file", "--time-zone", "UTC")
    options = [part for key, value in double.settings().items() for part in ("--set", f"{key}={value}")]
    for key, value in double.secrets().items():
        (tmp_path / f"{key}.secret").touch(0o600)
        (tmp_path / f"{key}.secret").write_text(value)
        options += ["--secret", f"{key}=file:{key}.secret"]
    handrail("connect", name, *options, "--push", "--carrier", carrier)
    handrail("publish", "gr18")
    assert "unchanged" in handrail("publish", "gr18"), "publishing twice must change nothing"
    now, filled = double.clock.at, []
    for warning, weeks_ago in COURSE:
        double.clock.at = now - timedelta(weeks=weeks_ago)
        filled.append(answer(double, labels(warning)))
        if weeks_ago == 20:
            answer(double, labels(EVEN), client=1)
    first = json.loads(handrail("sync", "--yes", "--json"))
    assert first["outcome"] == "complete"
    assert first["counts"]["new"] == len(COURSE) + 1
    assert [row["rule"] for row in json.loads(handrail("flags", "--json"))["flags"]] == ["R1"]
    assert len(standing()) == 1
    again = json.loads(handrail("sync", "--json"))
    assert not {"new", "replaced", "raised", "pushed"} & again["counts"].keys()
    assert len(standing()) == 1, "a second sync must push nothing"
    _asked(handrail, double, name, tmp_path)
    for _ in range(2):  # two listings that lack them are how deletions are found
        for remote_id in filled[-2:]:
            if name == "cliniko":
                double.change("patient_forms", remote_id, archived_at=cliniko_time(double.clock.at))
            else:
                double.tables["groups"].pop(remote_id, None)
        handrail("sync", "--full")
    assert standing() == []
    assert json.loads(handrail("flags", "--json"))["flags"] == []
