"""The stage of the sync tests, seen from the safety channel: forms with safety answers, letters, who was told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.views import FlagRow
from handrail.schemas.records import RunReport

from tests.mailbox import Received
from tests.sync.stage import BACKUP, CLINICIAN, Json, Stage, form

__all__ = ["BACKUP", "CLINICIAN", "ITEM", "Ward", "said"]
ITEM = builtin_one("phq9").safety[0].item


def said(report: RunReport) -> str:
    """All sentences of a report."""
    return " ".join([*(problem.what for problem in report.problems), *report.undone])


class Ward(Stage):
    """A practice that asks for the PHQ-9."""

    def answer(
        self,
        form_id: str,
        client: str = "c1",
        value: int | None = 2,
        *,
        when: datetime | None = None,
        name: str | None = "Anna Maria Keller",
        therapist: str = "therapist-1",
        others: int = 0,
        **more: Any,
    ) -> Json:
        """A PHQ-9 with this answer on its safety line, filled in now; the client is put on the platform, too.

        :param others: the answer on every other line.
        """
        self.person(client, therapist, name)
        answers: dict[str, Any] = {item.id: others for item in builtin_one("phq9").items} | {ITEM: value}
        if value is None:
            del answers[ITEM]
        authored = when or self.now - timedelta(minutes=5)
        return self.put(form(form_id, client, authored, answers, instrument="phq9", **more))

    def letters(self) -> list[tuple[str, str]]:
        """Address and subject of what the mail server took since the last call, in order."""
        return [(one.to, one.subject) for one in self.taken()]

    def taken(self) -> list[Received]:
        """What the mail server took since the last call."""
        return self.mail.taken()

    def told(self) -> list[str]:
        """Whom the letters since the last call went to, in order."""
        return [one.to for one in self.taken()]

    def safety(self) -> list[FlagRow]:
        """The safety flags, closed ones too."""
        return [row for row in self.ask(lambda engine: engine.flags(everything=True)) if row.kind == "safety"]

    def flag(self) -> FlagRow:
        """The only safety flag."""
        (row,) = self.safety()
        return row

    def see(self, by: str = "Dr. Invented") -> None:
        """A person says that they have seen the only safety flag."""
        self.ask(lambda engine: engine.acknowledge(self.flag().flag.key, by))

    def close(self, done: str = "Talked on the phone, a plan is made.", by: str = "Dr. Invented") -> None:
        """A person closes the only safety flag."""
        self.ask(lambda engine: engine.safety.close(self.flag().flag.key, by, done))

    def tell(self) -> Any:
        """`handrail sync --notices-only`, as it were."""
        return self.ask(lambda engine: engine.safety.tell())
