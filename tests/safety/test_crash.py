"""The process is killed at each step between the form and the letter: told at least once, doubles recognisable."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest
from handrail.plugin_core.safety.queue import POINTS
from handrail.schemas.vocab import NoticeState

from tests.sync.child import killed_at

from .ward import BACKUP, CLINICIAN, Ward

STORING = ("page-fetched", "page-read", "page-before-commit", "page-after-commit", "clients-before-commit",
           "clients-after-commit", "rules-before-commit", "rules-after-commit", "run-before-report")  # fmt: skip
TWICE = [(point, hit) for point in POINTS for hit in (1, 2)]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL to stop a process with")
@pytest.mark.parametrize(("point", "hit"), [*((point, 1) for point in STORING), *TWICE])
def test_killed_at_each_step_both_are_told_all_the_same(ward: Ward, point: str, hit: int) -> None:
    """A power cut between the form and the letter must not swallow the letter; what may double is recognisable."""
    ward.answer("f1")
    assert killed_at(ward.file, ward.now, point, hit), f"the run never came to {point}"
    ward.later(minutes=2)
    ward.sync()
    letters = ward.taken()
    assert {one.to for one in letters} == {CLINICIAN, BACKUP}
    ids = Counter(one.to for one in {(one.id, one.to): one for one in letters}.values())
    assert ids == {CLINICIAN: 1, BACKUP: 1}, "a doubled letter must carry the Message-ID of the first"
    assert [one.state for one in ward.flag().notices] == [NoticeState.SENT] * 2
    ward.later(minutes=2)
    ward.sync()
    assert ward.told() == []


@pytest.mark.peer("postgres")
@pytest.mark.parametrize("point", [*POINTS, "page-before-commit", "page-after-commit"])
def test_killed_on_postgresql_both_are_told_all_the_same(postgres: object, tmp_path: Path, point: str) -> None:
    """The same promise for a host of many practices."""
    address = postgres.new_database()  # type: ignore[attr-defined]
    with Ward(tmp_path / "practice", store=address) as ward:
        ward.sync()
        ward.answer("f1")
        assert killed_at(ward.file, ward.now, point, 1)
        ward.later(minutes=2)
        ward.sync()
        assert {one.to for one in ward.taken()} == {CLINICIAN, BACKUP}
