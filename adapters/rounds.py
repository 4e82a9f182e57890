"""Writes that look first: after a lost answer the next round looks at what is there before anything is sent again."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TypeVar

from ..plugin_core.errors import Unreachable
from ..plugin_core.words import mark, tr
from .http import OutcomeUnknown
from .waiting import Patience

ROUNDS = 4
LOST_PROMPT = mark(
    "{site} did not confirm that a prompt was written. Nothing is lost: the next sync looks first and goes on."
)
LOST_REQUEST = mark(
    "{site} did not confirm that a client was asked. Nothing is lost: the next run looks first and goes on."
)
LOST_FORM = mark("{site} did not confirm that the form was published. Run the command again later.")

T = TypeVar("T")


def in_rounds(patience: Patience, site: str, lost: str, work: Callable[[], T]) -> T:
    """What `work` gives; it looks before it writes, and is called again where the outcome of a write stayed open.

    :param lost: the marked sentence for when it stays open, with {site}.
    :raises Unreachable: with that sentence; the same work later is safe.
    """
    for round_ in range(ROUNDS):
        try:
            return work()
        except OutcomeUnknown:
            if round_ == ROUNDS - 1:
                raise Unreachable(tr(lost, site=site)) from None
            # The platform may still be at work on what was sent, hence a longer pause before looking (F84a).
            patience.pause(round_ + 2)
    raise AssertionError("the loop returns or raises")


def mark_of(key: str) -> str:
    """A short mark, made from a key, by which a text of ours is known again where a platform gives it no other place.

    It says nothing of the client or the rule: 48 bits of a hash of a keyed hash.
    """
    return f"[{sha256(key.encode()).hexdigest()[:12]}]"
