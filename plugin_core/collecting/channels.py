"""Handrail's own ways of asking, beside those of plugins: through the platform, on paper, by e-mail, by a link
to the practice's own page."""

from __future__ import annotations

from collections.abc import Sequence

from ..contracts import Ask, Asked, CollectorContext, CollectorSpec, Settling
from ..words import mark
from .letters import EMAIL
from .paper import PAPER
from .weblink import WEB


def _ask(ask: Ask, context: CollectorContext) -> Asked:
    return context.sender().ask(ask)


def _remind(ask: Ask, context: CollectorContext) -> Asked:
    return context.sender().remind(ask)


def _withdraw(ask: Ask, context: CollectorContext) -> None:
    context.sender().withdraw(ask)


def _settled(ask: Ask, response: str, context: CollectorContext) -> None:
    sender = context.sender()
    if isinstance(sender, Settling):
        sender.settle(ask, response)


PLATFORM = CollectorSpec(
    "platform", mark("Through the practice's platform"), _ask, _remind, _withdraw, by_hand=False, settled=_settled
)


def collectors() -> Sequence[CollectorSpec]:
    """Handrail's own ways of asking."""
    return (PLATFORM, PAPER, EMAIL, WEB)
