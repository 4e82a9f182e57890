"""A practice's own constants: estimated only from enough clients, kept only when told to, never over published ones."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import stdev

import pytest
from handrail.plugin_core.errors import SettingsError
from handrail.plugin_core.signal import local
from handrail.schemas.records import Course

from tests.core.courses import GR18, answers, course, scored


def practice(clients: int, seed: int = 1) -> list[Course]:
    """Clients with two forms three weeks apart."""
    rng = random.Random(seed)
    found = []
    for _ in range(clients):
        level = rng.uniform(8, 32)
        totals = [min(40, max(0, round(level + rng.gauss(0, 3)))) for _ in range(2)]
        found.append(course(*[scored(GR18, answers(growth=g, warning=g // 2), 3 * n) for n, g in enumerate(totals)]))
    return found


def test_estimates_have_intervals_around_them() -> None:
    """A number without its uncertainty would be believed too much."""
    growth = next(one for one in local.estimates(practice(300)) if one.score == "growth")
    assert growth.clients == 300
    assert growth.enough
    for value, low, high in (growth.sd, growth.retest):
        assert low < value < high
    assert growth.retest[0] == pytest.approx(0.84, abs=0.08)


def test_fewer_than_a_hundred_clients_change_nothing() -> None:
    """From few clients an estimate is worse than the assumption."""
    found = local.estimates(practice(99))
    assert found
    assert not any(one.enough for one in found)
    assert local.as_known(found, date(2026, 5, 4)) == {}


def test_forms_too_near_or_too_far_apart_are_no_pair() -> None:
    """Two forms in a week are remembered; two in a quarter lie beyond ordinary ups and downs."""
    far = [course(*[scored(GR18, answers(), 10 * n) for n in range(3)]) for _ in range(120)]
    assert local.estimates(far) == []


def test_clients_who_are_asked_every_week_count_too() -> None:
    """Two of their forms lie two weeks apart, with another in between: a practice that asks weekly could never get its
    own numbers. One pair a client, its first, whatever comes later."""
    weekly = [course(*[scored(GR18, answers(growth=5 + n % 30 + week), week) for week in range(5)]) for n in range(120)]
    growth = next(one for one in local.estimates(weekly) if one.score == "growth")
    assert growth.clients == 120
    assert growth.retest[0] == pytest.approx(1.0)
    firsts = [float(one.forms[0].value("growth") or 0) for one in weekly]
    assert growth.sd[0] == pytest.approx(stdev(firsts))


def test_what_is_kept_is_used_with_its_origin(tmp_path: Path) -> None:
    """Each prompt says where its numbers come from: from here on, from this practice."""
    known = local.as_known(local.estimates(practice(120)), date(2026, 5, 4))
    local.store(tmp_path, known)
    used = local.used_with(GR18, local.load(tmp_path))
    change = used.score("growth").change
    assert change is not None
    assert change.origin == "local"
    assert change.sd == known["gr18/1"]["growth"]["sd"]
    assert "120 clients" in change.source


def test_published_constants_are_never_replaced() -> None:
    """A figure from hundreds of people is better than one from a hundred."""
    score = GR18.score("growth")
    assert score.change is not None
    published = replace(score, change=replace(score.change, origin="published"))
    form = replace(GR18, scores=tuple(published if one.id == "growth" else one for one in GR18.scores))
    own = {"gr18/1": {"growth": {"sd": 1.0, "retest": 0.5, "n": 100, "on": "2026-05-04"}}}
    assert local.used_with(form, own).score("growth").change == published.change


def test_a_score_that_cannot_be_estimated_now_keeps_what_was_kept(tmp_path: Path) -> None:
    """Clients leave: what a score had from a hundred of them is not lost because another is estimated anew."""
    known = local.as_known(local.estimates(practice(120)), date(2026, 5, 4))
    local.store(tmp_path, known)
    form, scores = next(iter(known.items()))
    local.store(tmp_path, {form: {"growth": {**scores["growth"], "sd": 0.5}}})
    kept = local.load(tmp_path)[form]
    assert kept["growth"]["sd"] == 0.5
    assert kept["warning"] == scores["warning"]


@pytest.mark.parametrize("text", ["{", '{"gr18/1": {"growth": {"sd": 0, "retest": 0.5, "n": 1, "on": ""}}}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    """Rules must not go on with half of a file."""
    (tmp_path / local.FILE).write_text(text)
    with pytest.raises(SettingsError, match=r"local-constants\.json is damaged"):
        local.load(tmp_path)
