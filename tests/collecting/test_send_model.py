"""Whatever people, the clock, the channel and the power do: nobody is asked twice for one due day, nobody who said no
is asked or stays asked, and nobody who agreed is forgotten. A state machine plays it (hypothesis).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

from handrail.plugin_core.collecting import Standing
from handrail.plugin_core.collecting.send import POINTS
from handrail.plugin_core.sync import points
from handrail.schemas.vocab import AskState
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from .practice import Practice

CLIENTS = ("c1", "c2")
EXAMPLES = int(os.environ.get("HANDRAIL_MODEL_EXAMPLES", "10"))
who = st.sampled_from(CLIENTS)


class PowerCut(BaseException):
    """Ends a run in its middle; no handler of the program may swallow it."""


class SendModel(RuleBasedStateMachine):
    """Two clients; what they have agreed to is kept here beside the real thing."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="handrail-send-"))
        self.practice = Practice(self.folder / "practice", clients=len(CLIENTS))
        self.agreed: set[str] = set()
        self.paused: set[str] = set()

    def teardown(self) -> None:
        """After quiet days all is as it should be."""
        try:
            self.practice.outside.fault(None)
            self.practice.days(2)
            self.practice.sync()
            self.practice.send()
            self._ended_well()
        finally:
            self.practice.__exit__()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _ended_well(self) -> None:
        rows = self.practice.asks()
        assert not any(row.recall for row in rows), "every channel has been told"
        assert not any(row.state in (AskState.PLANNED, AskState.SENDING) for row in rows)
        open_here = {row.key for row in rows if row.state is AskState.OPEN}
        assert len(self.practice.outside.open()) == len(open_here), "what is open here is open there, and nothing else"
        for client in self.agreed - self.paused:
            assert self.practice.standing(client) is not Standing.DUE, "nobody is forgotten"

    # --- what happens ------------------------------------------------------------------------------------------------

    @rule(client=who)
    def enrol(self, client: str) -> None:
        """Agrees, anew if need be: a consent is of another day than the one before."""
        self.practice.days(1)
        self.practice.enrol(client)
        self.agreed.add(client)

    @rule(client=who)
    def opt_out(self, client: str) -> None:
        """Says no, enrolled or not."""
        if client in self.agreed:
            self.practice.ask(lambda engine: engine.collecting.opt_out(f"Patient/{client}", "anna"))
            self.agreed.discard(client)

    @precondition(lambda self: self.agreed)
    @rule(days=st.integers(0, 30))
    def pause(self, days: int) -> None:
        client = sorted(self.agreed)[0]
        until = self.practice.today + timedelta(days=days)
        self.practice.ask(lambda engine: engine.collecting.pause(f"Patient/{client}", until, "anna"))
        self.paused.add(client)

    @precondition(lambda self: self.paused & self.agreed)
    @rule()
    def resume(self) -> None:
        client = sorted(self.paused & self.agreed)[0]
        self.practice.ask(lambda engine: engine.collecting.resume(f"Patient/{client}", "anna"))
        self.paused.discard(client)

    @rule(client=who, days=st.integers(0, 6), sync=st.booleans())
    def answer(self, client: str, days: int, sync: bool) -> None:
        """Fills in a form, some days ago perhaps, asked or not."""
        self.practice.answer(client, when=self.practice.now - timedelta(days=days), sync=sync)

    @rule(days=st.sampled_from([1, 2, 3, 8, 21, 28, 120]))
    def time(self, days: int) -> None:
        self.practice.days(days)

    @rule()
    def send(self) -> None:
        self.practice.send()

    @rule(point=st.sampled_from(POINTS), hit=st.integers(1, 2))
    def power_cut(self, point: str, hit: int) -> None:
        left = [hit]

        def listen(reached: str) -> None:
            left[0] -= reached == point
            if not left[0]:
                raise PowerCut

        points.listeners.append(listen)
        try:
            self.practice.send()
        except PowerCut:
            pass
        finally:
            points.listeners.remove(listen)

    @rule(fault=st.sampled_from(["unreachable", "mail", None]))
    def weather(self, fault: str | None) -> None:
        self.practice.outside.fault(fault)

    # --- what must always hold ---------------------------------------------------------------------------------------

    @invariant()
    def nobody_is_asked_twice(self) -> None:
        requests = self.practice.outside.requests()
        once = Counter((one["client"], one["due"]) for one in requests)
        assert set(once.values()) <= {1}
        together = Counter(one["client"] for one in requests if one["open"])
        assert not together or max(together.values()) <= 2, "one open, and one that is about to be taken back"

    @invariant()
    def one_request_is_live_here(self) -> None:
        live = Counter(row.client for row in self.practice.asks() if row.live)
        assert set(live.values()) <= {1}


TestSending = SendModel.TestCase
TestSending.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
