"""Writes to charts of which nobody heard: killed behind the write, or its answer lost, and then something else is
wanted. The kit asks for what every platform must do; here is what only some can tell apart, and records that merge."""

from __future__ import annotations

import pytest
from handrail.adapters.cliniko.spec import SPEC as CLINIKO
from handrail.adapters.drchrono.spec import SPEC as DRCHRONO
from handrail.adapters.healthie.spec import SPEC as HEALTHIE
from handrail.adapters.intakeq.spec import SPEC as INTAKEQ
from handrail.adapters.openemr.spec import SPEC as OPENEMR
from handrail.plugin_core.errors import Unreachable
from handrail.plugin_core.testing.bench import Bench
from handrail.schemas.vocab import RemoteState

from .doubles.cliniko import ClinikoDouble
from .doubles.drchrono import DrChronoDouble
from .doubles.healthie import HealthieDouble
from .doubles.intakeq import IntakeqDouble
from .doubles.openemr import OpenEmrDouble

ONE = "1f" * 16
ACTIVE, INACTIVE, RETRACTED = RemoteState.ACTIVE, RemoteState.INACTIVE, RemoteState.RETRACTED


class Unheard(Bench):
    """What holds on each of these platforms."""

    def _active(self, name: str) -> list[str]:
        return [mark.client for mark in self.double.marks(name) if mark.active]

    def test_f67_f81_a_move_that_nobody_heard_of_is_made_once(self) -> None:
        """Merged records, killed behind the first write: a second prompt in the new chart, or one left in the old."""
        merged = self.client(1)
        for name, carrier in self.carriers(self.open()):
            done = carrier.deliver(self.notice(ONE), None, None)
            for attempted in ((), (ACTIVE,)):
                moved = self.notice(ONE, client=merged, attempted=attempted)
                self.open().carrier(name).deliver(moved, done.remote_id, done.remote_version)
                assert self._active(name) == [merged], name

    def test_f67_f81_a_move_that_nobody_heard_of_is_taken_back(self) -> None:
        """What was put into the new chart would stand there for ever: the core knows of the old one alone."""
        merged = self.client(1)
        for name, carrier in self.carriers(self.open()):
            done = carrier.deliver(self.notice(ONE), None, None)
            carrier.deliver(self.notice(ONE, client=merged), done.remote_id, done.remote_version)
            over = self.notice(ONE, RETRACTED, client=merged, attempted=(ACTIVE,))
            self.open().carrier(name).deliver(over, done.remote_id, done.remote_version)
            assert self._active(name) == [], name


class TestCliniko(Unheard):
    spec = CLINIKO

    def platform(self) -> ClinikoDouble:
        return ClinikoDouble()


class TestIntakeq(Unheard):
    spec = INTAKEQ

    def platform(self) -> IntakeqDouble:
        return IntakeqDouble()


class TestDrChrono(Unheard):
    """Completed is not archived, so that a person's hand is known even where an answer of ours was lost."""

    spec = DRCHRONO
    double: DrChronoDouble

    def platform(self) -> DrChronoDouble:
        return DrChronoDouble()

    def test_f86_completed_by_a_person_is_not_our_lost_retraction(self) -> None:
        """The retraction never arrived, and the person who dealt with the task would see it open itself again."""
        carrier = self.open().carrier("task")
        done = carrier.deliver(self.notice(ONE), None, None)
        self.double.tables["tasks"][str(done.remote_id)]["status"] = 13
        lost = self.notice(ONE, attempted=(RETRACTED,))
        assert carrier.deliver(lost, done.remote_id, done.remote_version).human_edit
        assert self._active("task") == []

    def test_f86_archived_by_a_person_is_not_our_lost_completion(self) -> None:
        """As above, the other way round."""
        carrier = self.open().carrier("task")
        done = carrier.deliver(self.notice(ONE), None, None)
        self.double.tables["tasks"][str(done.remote_id)]["archived"] = True
        lost = self.notice(ONE, attempted=(INACTIVE,))
        assert carrier.deliver(lost, done.remote_id, done.remote_version).human_edit
        assert self._active("task") == []

    def test_f81_an_archived_task_that_was_replaced_unheard_can_stand_again(self) -> None:
        """Archived, replaced by a new one, closed: known by the old one's id, it would count as a person's for ever."""
        carrier = self.open().carrier("task")
        done = carrier.deliver(self.notice(ONE), None, None)
        done = carrier.deliver(self.notice(ONE, RETRACTED), done.remote_id, done.remote_version)
        carrier.deliver(self.notice(ONE), done.remote_id, done.remote_version)
        over = self.notice(ONE, INACTIVE, attempted=(ACTIVE,))
        closed = carrier.deliver(over, done.remote_id, done.remote_version)
        assert self._active("task") == []
        assert not carrier.deliver(self.notice(ONE), closed.remote_id, closed.remote_version).human_edit
        assert len(self._active("task")) == 1


class TestHealthie(Unheard):
    """Ticked off is not deleted."""

    spec = HEALTHIE
    double: HealthieDouble

    def platform(self) -> HealthieDouble:
        return HealthieDouble()

    @pytest.mark.parametrize(("hand", "attempted"), [("tick", RETRACTED), ("delete", INACTIVE)])
    def test_f86_a_persons_hand_is_told_from_our_lost_write(self, hand: str, attempted: RemoteState) -> None:
        """What we tried is not what happened: a person did, and the task would come back to them."""
        carrier = self.open().carrier("task")
        done = carrier.deliver(self.notice(ONE), None, None)
        if hand == "tick":
            self.double.change("tasks", str(done.remote_id), complete=True)
        else:
            del self.double.tables["tasks"][str(done.remote_id)]
        lost = self.notice(ONE, attempted=(attempted,))
        assert carrier.deliver(lost, done.remote_id, done.remote_version).human_edit
        assert self._active("task") == []


class TestOpenEmr(Unheard):
    """Nobody can look, so that what may be deleted is deleted again before another is written."""

    spec = OPENEMR
    double: OpenEmrDouble

    def platform(self) -> OpenEmrDouble:
        return OpenEmrDouble()

    @pytest.mark.parametrize("arrived", [True, False])
    def test_f81_a_deletion_nobody_knows_of_is_repeated_before_another_is_written(self, *, arrived: bool) -> None:
        """Taken for standing, nobody would ever be prompted; written beside one that stands, there would be two."""
        carrier = self.open().carrier("message")
        done = carrier.deliver(self.notice(ONE), None, None)
        self._delete_unheard(done.remote_id, done.remote_version, arrived=arrived)
        again = self.notice(ONE, attempted=(RETRACTED,))
        made = self.open().carrier("message").deliver(again, done.remote_id, done.remote_version)
        assert (len(self.double.messages), made.human_edit) == (1, False)
        # Killed before the new id was noted; the next run knows it from what was written down.
        after = self.notice(ONE, attempted=(RETRACTED, ACTIVE))
        known = self.open().carrier("message").deliver(after, done.remote_id, done.remote_version)
        assert known.remote_id == made.remote_id
        assert list(self.double.messages) == [str(made.remote_id).partition("/")[2]]

    def _delete_unheard(self, remote_id: str | None, version: str | None, *, arrived: bool) -> None:
        if arrived:
            self.double.lose_replies()
        else:
            self.double.fail(503, on="write")
        with pytest.raises(Unreachable):
            self.open().carrier("message").deliver(self.notice(ONE, RETRACTED), remote_id, version)
        self.double.heal()

    def test_f84a_one_written_anew_whose_answer_is_lost_is_not_written_again(self) -> None:
        """Deleted by us, wanted again, and the answer lost: as with the first one, a person is told to look, also when
        it is to be taken back."""
        carrier = self.open().carrier("message")
        done = carrier.deliver(self.notice(ONE), None, None)
        done = carrier.deliver(self.notice(ONE, RETRACTED), done.remote_id, done.remote_version)
        self.double.lose_replies()
        for state in (ACTIVE, ACTIVE, INACTIVE, RETRACTED):
            told = self.open().carrier("message").deliver(self.notice(ONE, state), done.remote_id, done.remote_version)
            assert "cannot be read back" in (told.refused or ""), state
        assert len(self.double.messages) == 1

    def test_f67_f81_a_move_that_was_killed_halfway_is_ended(self) -> None:
        """Written into the new chart, and the old one not yet deleted."""
        merged = self.client(1)
        done = self.open().carrier("message").deliver(self.notice(ONE), None, None)
        self.double.fail(503, on="write", skip=1)
        with pytest.raises(Unreachable):
            self.open().carrier("message").deliver(self.notice(ONE, client=merged), done.remote_id, done.remote_version)
        self.double.heal()
        assert len(self._active("message")) == 2
        again = self.notice(ONE, client=merged, attempted=(ACTIVE,))
        self.open().carrier("message").deliver(again, done.remote_id, done.remote_version)
        assert self._active("message") == [merged]

    def test_f67_f84a_a_move_whose_answer_is_lost_is_told_when_it_is_taken_back(self) -> None:
        """The old one can be deleted; of the one in the new chart nobody knows, and a person is told to look."""
        merged = self.client(1)
        done = self.open().carrier("message").deliver(self.notice(ONE), None, None)
        self.double.lose_replies()
        for state, attempted in ((ACTIVE, ()), (RETRACTED, (ACTIVE,)), (ACTIVE, (ACTIVE, RETRACTED))):
            notice = self.notice(ONE, state, client=merged, attempted=attempted)
            told = self.open().carrier("message").deliver(notice, done.remote_id, done.remote_version)
            assert "cannot be read back" in (told.refused or ""), state
        assert self._active("message") == [merged]
