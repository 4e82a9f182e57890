"""Telling during a sync: after each page that brought a safety answer, after the pull, after the rules, at the end.

However the rest of the run goes. Whom it could not tell makes the run fail, whatever else went well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ...schemas.records import Flag, Problem
from ..errors import HandrailError
from ..store import forms
from .standing import unread_sentence

if TYPE_CHECKING:
    from . import Safety


class Telling:
    """The safety channel in one run.

    :param safety: the practice's channel; None in a dry run, which tells nobody.
    """

    def __init__(self, safety: Safety | None) -> None:
        self.safety = safety
        self._failed: list[str] = []

    def now(self, counts: Counter[str], *, older: bool = True) -> None:
        """Sends the notices that are due. What could not be sent is in the store, and is said at the end."""
        if self.safety is None:
            return
        try:
            counts["notices_sent"] += self.safety.tell(older=older).sent
        except HandrailError as error:
            self._failed.append(error.message)

    def of(self, urgent: Sequence[Flag], ask: Callable[[dict[str, str]], object], counts: Counter[str]) -> None:
        """Tells of a page's safety answers before the next page is asked for.

        :param ask: asks the platform who these clients (key -> reference) and their clinicians are. That is asked for
            again after the pull and said there if it fails; the notice does not wait for it.
        """
        if self.safety is None or not urgent:
            return
        engine = self.safety.engine
        with suppress(HandrailError):
            with engine.store.reading(engine.source) as tx:
                people = forms.read_clients(tx, sorted({flag.client for flag in urgent}))
            if engine.spec.capabilities.gives_clinicians:
                ask({key: one.ref for key, one in people.items()})
        self.now(counts, older=False)

    def end(self, counts: Counter[str]) -> tuple[list[Problem], list[str]]:
        """Tries once more; gives what makes the run fail, and what is left for people to look at."""
        if self.safety is None:
            return [], []
        self.now(counts)
        unseen: list[str] = []
        wrong = self._failed
        try:
            wrong += self.safety.alarms()
            unseen = self.safety.notes()
        except HandrailError as error:
            wrong.append(error.message)
        if new := counts["may_hold_safety_answers"]:
            wrong.append(unread_sentence(new))
        return [Problem(text, "safety", fatal=True) for text in dict.fromkeys(wrong)], unseen
