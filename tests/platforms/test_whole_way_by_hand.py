"""From `init` to a prompt and back, by the real commands, where the practice made the form in the platform by hand.

What would hurt: the proposed mapping does not read what the platform gives; a sign-in that works in a test of its own
and not in a run; a prompt that stays after its form was taken back.
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

from .doubles.base import Clock, Double
from .doubles.drchrono import ADA as PATIENT
from .doubles.drchrono import TEMPLATE, DrChronoDouble
from .doubles.intakeq import IntakeqDouble
from .doubles.openemr import ADA, FORM, OpenEmrDouble
from .test_whole_way import COURSE, labels
from .test_whole_way import FORM as GR18

REFUSED = "I would rather not say"
Answer = Callable[[Any, dict[str, str]], str]


def in_intakeq(double: IntakeqDouble, ticked: dict[str, str]) -> str:
    """An intake, as IntakeQ gives it: without the options that were offered."""
    rows = [
        {
            "Id": f"q{item.id}",
            "Text": item.text,
            "QuestionType": "MultipleChoice",
            "Answer": ticked.get(item.text, REFUSED),
        }
        for item in GR18.items
    ]
    return double.put("42", rows)


def in_drchrono(double: DrChronoDouble, ticked: dict[str, str]) -> str:
    """A note whose template has one field for each line."""
    if not hasattr(double, "gr18"):
        double.tables["clinical_note_field_types"].clear()
        fields = {i.text: double.field(i.text, [option.label for option in i.options]) for i in GR18.items}
        double.gr18 = fields  # type: ignore[attr-defined]
    row = {"patient": int(PATIENT), "doctor": 100, "deleted_flag": False}
    visit = double.put("appointments", {**row, "scheduled_time": double.now(), "exam_room": 1, "office": 1})
    visit["id"] = str(visit["id"])
    for text, field in double.gr18.items():  # type: ignore[attr-defined]
        double.value(visit["id"], field, ticked.get(text))
    return f"{visit['id']}/{TEMPLATE}"


def in_openemr(double: OpenEmrDouble, ticked: dict[str, str]) -> str:
    """A questionnaire that was loaded from the exported file."""
    double.questionnaire = {
        "resourceType": "Questionnaire",
        "id": FORM,
        "title": "Growth and reliance",
        "status": "active",
        "item": [
            {
                "linkId": item.id,
                "text": item.text,
                "type": "choice",
                "answerOption": [{"valueCoding": {"code": o.code, "display": o.label}} for o in item.options],
            }
            for item in GR18.items
        ],
    }
    items = []
    for item in GR18.items:
        chosen = next((o for o in item.options if o.label == ticked.get(item.text)), None)
        answer = [{"valueCoding": {"code": chosen.code, "display": chosen.label}}] if chosen else []
        items.append({"linkId": item.id, "text": item.text, **({"answer": answer} if answer else {})})
    return double.put(f"Patient/{ADA}", items)


PLATFORMS: dict[str, tuple[type[Double], str, Answer]] = {
    "intakeq": (IntakeqDouble, "tag", in_intakeq),
    "drchrono": (DrChronoDouble, "task", in_drchrono),
    "openemr": (OpenEmrDouble, "message", in_openemr),
}


@pytest.fixture(params=sorted(PLATFORMS))
def platform(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any, str, Answer]]:
    """A platform of today, since the commands read the real clock."""
    kind, carrier, answer = PLATFORMS[request.param]
    double: Any = kind()
    double.page_size = 100
    double.set_clock(Clock(datetime.now(UTC).replace(microsecond=0)))
    with double:
        yield request.param, double, carrier, answer


def test_the_whole_way(platform: tuple[str, Any, str, Answer], tmp_path: Path) -> None:
    """init, clients answer, connect with the mapping confirmed, sync, a prompt, the same again, the form taken back."""
    name, double, carrier, answer = platform

    def handrail(*words: str) -> str:
        command = [sys.executable, "-m", "handrail.plugin_core.cli", "--settings", str(tmp_path / "handrail.toml")]
        done = subprocess.run(
            [*command, *words],
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
            cwd=tmp_path,
            env={"HANDRAIL_STATE": str(tmp_path / "state"), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def standing() -> list[Any]:
        return [mark for mark in double.marks(carrier) if mark.active]

    handrail("init", "--key-file", "--time-zone", "UTC")
    now, filled = double.clock.at, []
    for warning, weeks_ago in COURSE:
        double.clock.at = now - timedelta(weeks=weeks_ago)
        filled.append(answer(double, labels(warning)))
    options = [part for key, value in double.settings().items() for part in ("--set", f"{key}={value}")]
    for key, value in double.secrets().items():
        (tmp_path / f"{key}.secret").touch(0o600)
        (tmp_path / f"{key}.secret").write_text(value)
        options += ["--secret", f"{key}=file:{key}.secret"]
    connected = json.loads(handrail("connect", name, *options, "--push", "--carrier", carrier, "--confirm", "--json"))
    assert connected["mappings_confirmed"], connected
    first = json.loads(handrail("sync", "--yes", "--json"))
    assert first["outcome"] == "complete", first
    assert first["counts"]["new"] == len(COURSE), json.dumps(first)
    assert [row["rule"] for row in json.loads(handrail("flags", "--json"))["flags"]] == ["R1"]
    assert len(standing()) == 1
    again = json.loads(handrail("sync", "--json"))
    assert not {"new", "replaced", "raised", "pushed"} & again["counts"].keys(), again
    assert len(standing()) == 1, "a second sync must push nothing"
    for remote_id in filled[-2:]:
        double.delete(remote_id)
    for _ in range(2):  # two listings that lack them are how deletions are found
        handrail("sync", "--full")
    assert standing() == []
    assert json.loads(handrail("flags", "--json"))["flags"] == []
