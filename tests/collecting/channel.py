"""A way of asking that writes into a folder outside the process, as a platform would: what was asked survives a kill.

Each request is a file named by its key, made once; every call is a line in `calls`. Faults are switched on by files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from handrail.plugin_core import hookimpl
from handrail.plugin_core.contracts import Ask, Asked, CollectorContext, CollectorSpec
from handrail.plugin_core.errors import AddressRefused, MailProblem, Unreachable, Unsupported

FAULTS: dict[str, Callable[[], Exception]] = {
    "unreachable": lambda: Unreachable("The test channel cannot be reached. Run it again later."),
    "unsupported": lambda: Unsupported("The test channel is switched off."),
    "mail": lambda: MailProblem("The test server has no time now.", passing=True),
    "address": lambda: AddressRefused("The address takes no mail.", passing=False),
    "strange": lambda: ZeroDivisionError("Patient/secret"),
}


class Channel:
    """The plugin: one collector that leaves by itself, one that people hand over, one that gives links."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.silent: set[str] = set()

    @hookimpl
    def register_collectors(self) -> Sequence[CollectorSpec]:
        """The three."""
        everything = (
            CollectorSpec("test", "Test", self.ask, self.remind, self.withdraw, settled=self.settled),
            CollectorSpec("sheet", "Sheet", self.sheet, by_hand=True),
            CollectorSpec("link", "Link", self.link),
        )
        return [spec for spec in everything if spec.name not in self.silent]

    # --- what it does ------------------------------------------------------------------------------------------------

    def ask(self, ask: Ask, context: CollectorContext) -> Asked:
        """Looks before it creates."""
        assert context.consent_text
        self._call("ask", ask)
        self._make(ask)
        return Asked(sent=True, remote_id=f"r-{ask.key[:8]}")

    def remind(self, ask: Ask, context: CollectorContext) -> Asked:
        self._call("remind", ask)
        facts = self._read(ask.key)
        facts["reminders"] = sorted({*facts["reminders"], ask.reminder})
        self._write(ask.key, facts)
        return Asked(sent=True)

    def withdraw(self, ask: Ask, context: CollectorContext) -> None:
        self._call("withdraw", ask)
        if (self.folder / ask.key).exists():
            self._write(ask.key, self._read(ask.key) | {"open": False})

    def settled(self, ask: Ask, response: str, context: CollectorContext) -> None:
        self._call("settled", ask)
        if (self.folder / ask.key).exists():
            self._write(ask.key, self._read(ask.key) | {"open": False, "by": response})

    def sheet(self, ask: Ask, context: CollectorContext) -> Asked:
        self._call("sheet", ask)
        self._make(ask)
        return Asked(sent=False, sheet=b"<html>a form</html>")

    def link(self, ask: Ask, context: CollectorContext) -> Asked:
        self._call("link", ask)
        self._make(ask)
        return Asked(sent=False, link=f"https://forms.example/{ask.key[:8]}")

    # --- the outside -------------------------------------------------------------------------------------------------

    def _call(self, what: str, ask: Ask) -> None:
        with (self.folder / "calls").open("a") as log:
            log.write(f"{what} {ask.client.ref} {ask.instrument.id} {ask.due.date()} {ask.key}\n")
        fault = self.folder / "fault"
        if fault.exists():
            raise FAULTS[fault.read_text()]()

    def _make(self, ask: Ask) -> None:
        if not (self.folder / ask.key).exists():
            facts = {
                "client": ask.client.ref,
                "instrument": ask.instrument.id,
                "due": ask.due.date().isoformat(),
                "open": True,
                "reminders": [],
            }
            self._write(ask.key, facts)

    def _read(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / key).read_text())
        return found

    def _write(self, key: str, facts: dict[str, Any]) -> None:
        temporary = self.folder / f"{key}.new"
        temporary.write_text(json.dumps(facts))
        temporary.replace(self.folder / key)

    # --- what a test asks --------------------------------------------------------------------------------------------

    def fault(self, name: str | None) -> None:
        """Every call fails in this way from now on; None: none does."""
        (self.folder / "fault").unlink(missing_ok=True)
        if name is not None:
            (self.folder / "fault").write_text(name)

    def calls(self, what: str | None = None) -> list[str]:
        """The calls so far: what was called, for whom, which due day."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [" ".join(line.split()[:4]) for line in lines if what is None or line.startswith(what + " ")]

    def requests(self) -> list[dict[str, Any]]:
        """All requests that were ever made, by client and due day."""
        keys = [path for path in self.folder.iterdir() if len(path.name) == 32]
        return sorted((json.loads(path.read_text()) for path in keys), key=lambda one: (one["client"], one["due"]))

    def open(self) -> list[str]:
        """Who has an open request there."""
        return [one["client"] for one in self.requests() if one["open"]]
