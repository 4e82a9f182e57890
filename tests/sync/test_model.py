"""Whatever the platform, the clock and the power do: after a last quiet sync the store is what the platform holds, and
the platform shows what the rules call for. A state machine plays both (hypothesis); HANDRAIL_MODEL_EXAMPLES plays more.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.adapters.transport import Reply, Transport
from handrail.plugin_core.errors import Unreachable
from handrail.plugin_core.sync import points
from handrail.plugin_core.sync.points import POINTS
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from .stage import EVEN, GROWN, LEANING, NOW, SHRUNK, Json, Stage, form, gr18

CLIENTS = ("a", "b")
BOTH = {**SHRUNK, "reliance": 2, "outlook": 4}
LEVELS = (EVEN, LEANING, SHRUNK, BOTH, GROWN)
EXAMPLES = int(os.environ.get("HANDRAIL_MODEL_EXAMPLES", "16"))


class PowerCut(BaseException):
    """Ends a sync in its middle; no handler of the program may swallow it."""


class SyncModel(RuleBasedStateMachine):
    """The platform's forms as they should be, beside the real thing."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="handrail-model-"))
        self.stage = Stage(self.folder / "practice", page_size=3)
        self.forms: dict[str, Json] = {}
        self.gone: dict[str, Json] = {}
        self.backup = False
        self.restored = self.deleted = False
        self.number = 0

    def teardown(self) -> None:
        try:
            self.last_words()
        finally:
            self.stage.demo.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- the platform ------------------------------------------------------------------------------------------------

    @initialize(point=st.sampled_from(POINTS), hit=st.integers(1, 2))
    def begin(self, point: str, hit: int) -> None:
        """Two clients with prompts that stand, and a first sync that is cut off somewhere."""
        for number, client in enumerate(CLIENTS):
            # On different days: which of two forms of one instant comes first is not settled by anything they say.
            for body in self.stage.course(client, [EVEN, EVEN, BOTH, BOTH], every=21, last=10 + number):
                self.forms[body["id"]] = body
        self._cut_off(point, hit)

    def _put(self, body: Json) -> None:
        self.stage.later(minutes=7)
        self.stage.put(body)
        self.forms[body["id"]] = body

    @rule(client=st.sampled_from(CLIENTS), levels=st.sampled_from(LEVELS), days=st.integers(1, 4))
    def add(self, client: str, levels: Any, days: int) -> None:
        self.stage.later(days=days)
        self.number += 1
        self._put(form(f"new-{self.number}", client, self.stage.now - timedelta(hours=1), gr18(levels)))

    @precondition(lambda self: self.forms)
    @rule(data=st.data(), what=st.sampled_from(("amended", "withdrawn", "moved", "broken")))
    def change(self, data: st.DataObject, what: str) -> None:
        """A form is amended, entered in error, moved to the other client, or becomes unreadable."""
        old = self.forms[data.draw(st.sampled_from(sorted(self.forms)))]
        if what == "amended":
            levels = data.draw(st.sampled_from(LEVELS))
            new = form(old["id"], "a", NOW, gr18(levels), status="amended")
            self._put(new | {"authored": old["authored"], "subject": old["subject"]})
        elif what == "withdrawn":
            self._put(old | {"status": "entered-in-error"})
        elif what == "moved":
            other = "b" if old["subject"]["reference"].endswith("a") else "a"
            self._put(old | {"subject": {"reference": f"Patient/{other}"}})
        else:
            self._put(old | {"questionnaire": old["questionnaire"].partition("|")[0] + "|9"})

    @precondition(lambda self: len(self.forms) > 2)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(sorted(self.forms)))
        self.deleted = True
        self.gone[chosen] = self.forms.pop(chosen)
        self.stage.delete(chosen)

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def made_again(self, data: st.DataObject) -> None:
        self._put(self.gone.pop(data.draw(st.sampled_from(sorted(self.gone)))))

    @rule(client=st.sampled_from(CLIENTS), levels=st.tuples(*[st.sampled_from(LEVELS)] * 2), minutes=st.integers(0, 3))
    def out_of_order(self, client: str, levels: tuple[Any, Any], minutes: int) -> None:
        """Two forms arrive, the one that was filled in last comes first, and the other is seen late (F3)."""
        self.stage.later(days=2, minutes=7)
        for hours, level in zip((1, 25), levels, strict=True):
            self.number += 1
            body = form(f"new-{self.number}", client, self.stage.now - timedelta(hours=hours), gr18(level))
            self.stage.put(body, None if hours == 1 else self.stage.now - timedelta(minutes=minutes))
            self.forms[body["id"]] = body
            if hours == 1:
                self.stage.sync()

    @rule()
    def re_index(self) -> None:
        self.stage.later(minutes=7)
        for one in self.stage.demo.store.latest("QuestionnaireResponse"):
            assert one.body is not None
            self.stage.put(one.body)

    # --- our side ----------------------------------------------------------------------------------------------------

    @rule(full=st.booleans())
    def sync(self, full: bool) -> None:
        self.stage.sync(full=full)

    @rule(hours=st.sampled_from((-30, -2, 3, 30)))
    def our_clock_is_wrong(self, hours: int) -> None:
        """Ours alone: cursors come from the server's times (F5)."""
        right = self.stage.now
        self.stage.now += timedelta(hours=hours)
        try:
            self.stage.sync()
        finally:
            self.stage.now = right

    @rule(hit=st.integers(1, 4), done=st.booleans(), stays=st.booleans())
    def lost_reply(self, hit: int, done: bool, stays: bool) -> None:
        """From a write on the platform cannot be heard, whether that one was done or not (F81, F82).

        Once, so that the same run looks and goes on, or until the run is over.
        """
        left = [hit]
        real = Transport.exchange

        def exchange(transport: Transport, method: str, url: str, **more: Any) -> Reply:
            left[0] -= method != "GET"
            if left[0] > 0 or (left[0] < 0 and not stays) or (left[0] == 0 and method == "GET"):
                return real(transport, method, url, **more)
            if left[0] == 0 and done:
                real(transport, method, url, **more)
            raise Unreachable("The answer was lost.")

        with pytest.MonkeyPatch.context() as line:
            line.setattr(Transport, "exchange", exchange)
            self.stage.sync()

    @rule(point=st.sampled_from(POINTS), hit=st.integers(1, 3))
    def crash(self, point: str, hit: int) -> None:
        self._cut_off(point, hit)

    def _cut_off(self, point: str, hit: int) -> None:
        left = [hit]

        def listen(reached: str) -> None:
            if reached == point:
                left[0] -= 1
                if not left[0]:
                    raise PowerCut

        points.listeners.append(listen)
        try:
            self.stage.sync()
        except PowerCut:
            return
        finally:
            points.listeners.remove(listen)

    @rule()
    def back_up(self) -> None:
        self._copy(self.stage.folder, self.folder / "backup")
        self.backup = True

    @precondition(lambda self: self.backup)
    @rule()
    def restore(self) -> None:
        self._copy(self.folder / "backup", self.stage.folder)
        self.restored = True

    @staticmethod
    def _copy(here: Path, there: Path) -> None:
        there.mkdir(exist_ok=True)
        for name in ("store.db", "store.db-wal", "store.db-shm"):
            (there / name).unlink(missing_ok=True)
            if (here / name).exists():
                shutil.copy(here / name, there / name)

    # --- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def no_doubles(self) -> None:
        """At every moment: one object a key."""
        keys = [one["identifier"][0]["value"] for one in self.stage.place().all("Flag")]
        assert len(keys) == len(set(keys))

    def last_words(self) -> None:
        """After quiet syncs (deletions take two full checks): store == source, platform == rules."""
        self.stage.later(minutes=30)
        self.stage.sync()
        if not self.deleted and not self.restored:
            assert set(self.stage.seen().active()) == self.good(), "an ordinary sync must catch up by itself"
        for _ in range(3 if self.deleted or self.restored else 1):
            report = self.stage.sync(full=True)
        assert not [name for name in ("new", "replaced", "raised", "pushed", "retracted") if report.counts.get(name)]
        store = self.stage.seen()
        assert set(store.active()) == self.good()
        for row in store.responses:
            if row[4]:
                assert row[1] == self.forms[row[0]]["subject"]["reference"].rpartition("/")[2]
        called, shown = self.called_for()
        assert set(store.standing()) == called
        if not self.restored:  # what was sent after the backup and withdrawn before the restore, nobody knows of
            assert set(self.stage.active()) == shown
        else:
            assert set(self.stage.active()) >= shown

    def good(self) -> set[str]:
        """Ids of the forms that count."""
        return {
            name
            for name, body in self.forms.items()
            if body["status"] != "entered-in-error" and body["questionnaire"].endswith("|1")
        }

    def called_for(self) -> tuple[set[str], set[str]]:
        """What a fresh store, filled once from the platform as it is now, finds standing; and what of it is shown."""
        with Stage(self.folder / f"fresh-{self.number}") as fresh:
            fresh.now = self.stage.now
            fresh.demo.clock.set(self.stage.now)
            for client in CLIENTS:
                fresh.person(client)
            for one in self.stage.demo.store.latest("QuestionnaireResponse"):
                assert one.body is not None
                fresh.put(one.body)
            fresh.sync()
            return set(fresh.seen().standing()), set(fresh.active())


SyncModel.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=12,
    deadline=None,
    derandomize="HANDRAIL_MODEL_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
TestSyncModel = SyncModel.TestCase
