"""Our forms filled in by a renderer that nobody here wrote, kept by a server that nobody here wrote, scored here.

Publish, read the form back from the platform, fill it in with LHC-Forms in Chromium, post what it gives, sync.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from operator import methodcaller
from pathlib import Path
from typing import Any

import pytest
import requests
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.scoring import Scorer
from handrail.plugin_core.settings import save
from handrail.schemas.records import Instrument, Response
from handrail.schemas.vocab import Blank, RunOutcome

from ..sync.stage import NOW, Stage
from .renderer import Pick
from .servers import Sekmet

Json = dict[str, Any]
Renderer = Callable[[Json, Sequence[Pick]], Json]
HEADERS = {"Content-Type": "application/fhir+json"}
FORGIVING = {"platform.settings.take_in_progress": True, "platform.settings.date_by_server": True}


def answers_for(instrument: Instrument) -> dict[str, int | Blank]:
    """Every option of the form comes up somewhere; one line is left out, one is declined where the form allows it."""
    given: dict[str, int | Blank] = {}
    for number, item in enumerate(instrument.items[:-1]):
        option = item.options[number % len(item.options)]
        given[item.id] = Blank.DECLINED if option.value is None else option.value
    return given


def picks_for(questionnaire: Json, instrument: Instrument, given: Mapping[str, int | Blank]) -> list[Pick]:
    """The codings to pick, as they stand in the form that the platform gives."""
    lines = {line["linkId"]: line["answerOption"] for line in questionnaire["item"] if "answerOption" in line}
    found = []
    for item in instrument.items:
        if item.id in given:
            value = None if given[item.id] is Blank.DECLINED else given[item.id]
            place = next(n for n, option in enumerate(item.options) if option.value == value)
            coding = lines[item.id][place]["valueCoding"]
            found.append((item.id, coding["system"], coding["code"]))
    return found


def without_weights(response: Json) -> Json:
    """The same with every weight gone, as other renderers send it."""
    bare = copy.deepcopy(response)
    for item in bare["item"]:
        for answer in item.get("answer", []):
            answer.pop("extension", None)
            answer.get("valueCoding", {}).pop("extension", None)
    assert "ordinalValue" not in json.dumps(bare)
    return bare


@pytest.mark.parametrize("name", ["gr18", "phq9", "core10"])
def test_a_form_filled_in_by_lhc_forms_is_pulled_and_scored_right(
    lforms: Renderer, start_peer: Any, tmp_path: Path, name: str
) -> None:
    """A total that differs by one line in the renderer is a prompt about the wrong client's week.

    Sent as it came, without weights, in progress and without a time: the first two are scored, and alike; the third
    only once the practice says so, and then it carries what it is.
    """
    server = start_peer(Sekmet(search=True))
    instrument = builtin_one(name)
    given = answers_for(instrument)
    with Stage(tmp_path / "practice", server=server.base) as stage:
        with stage.engine() as engine:
            made = engine.adapter.publish(instrument)
        published = requests.get(f"{server.base}/Questionnaire/{made.remote_id}", timeout=20).json()
        filled = lforms(published, picks_for(published, instrument, given))
        assert filled["broken"] == []
        assert all(item.text in filled["shown"] for item in instrument.items)
        assert filled["choices"] == sum(len(item.options) for item in instrument.items)
        response = filled["response"]
        assert response["questionnaire"].split("|")[0] == published["url"]
        unfinished = {**response, "status": "in-progress"}
        del unfinished["authored"]
        for client, body in {"a": response, "b": without_weights(response), "c": unfinished}.items():
            post(server.base, "Patient", {"resourceType": "Patient", "id": client})
            sent = {**body, "id": f"form-{client}", "subject": {"reference": f"Patient/{client}"}}
            if "authored" in sent:
                sent["authored"] = (NOW - timedelta(days=1)).isoformat(timespec="seconds")
            post(server.base, "QuestionnaireResponse", sent)
        report = stage.sync()
        assert report.outcome is RunOutcome.COMPLETE, report.problems
        assert (report.counts["new"], report.counts["not_finished"]) == (2, 1)
        save(stage.file, FORGIVING)
        stage.later(days=40)  # the platform's own clock is the real one, and dates the third
        assert stage.sync(full=True).counts["new"] == 1
        for client, tags in {"a": set(), "b": set(), "c": {"taken-in-progress", "dated-by-server"}}.items():
            (course,) = stage.ask(methodcaller("client", f"Patient/{client}")).courses
            (form,) = course.forms
            assert dict(form.answers) == given
            assert dict(form.scores) == expected(instrument, given)
            assert form.tags == tags


def expected(instrument: Instrument, given: Mapping[str, int | Blank]) -> dict[str, Any]:
    """The scores of these raw answers, straight from the instrument."""
    response = Response("x", "Patient/a", instrument.id, instrument.version, authored=NOW, answers=given)
    return dict(Scorer(instrument).form(response).scores)


def post(base: str, kind: str, body: Json) -> None:
    made = requests.put(f"{base}/{kind}/{body['id']}", json=body, headers=HEADERS, timeout=20)
    assert made.ok, made.text
