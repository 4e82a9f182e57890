"""Asking by a link to the form on the practice's own page (docs/web-form.md).

The link goes out in the platform's own messages where the platform delivers them, else in a neutral letter by the
practice's mail server; where neither reaches the client, staff hand it over: as a QR code, or on the practice's tablet.
"""

from __future__ import annotations

from ..contracts import Ask, Asked, CollectorContext, CollectorSpec, Delivering
from ..errors import AddressRefused, Unsupported
from ..words import mark, speaking, tr
from .letters import letter
from .online import NO_ADDRESS

BY_HAND = mark("Nothing reaches this client by itself. Hand the link over again, or ask in another way.")


def _ask(ask: Ask, context: CollectorContext) -> Asked:
    """Each way gives the same link, so that a stop in between makes no second form."""
    link = _link(ask, context)
    return _sent(ask, context, link) or Asked(sent=False, link=link)


def _remind(ask: Ask, context: CollectorContext) -> Asked:
    sent = _sent(ask, context, _link(ask, context))
    if sent is not None:
        return sent
    with speaking(context.language):
        return Asked(sent=False, refused=tr(BY_HAND))


def _link(ask: Ask, context: CollectorContext) -> str:
    if context.link is None:
        with speaking(context.language):
            raise Unsupported(tr(NO_ADDRESS))
    return context.link(ask)


def _sent(ask: Ask, context: CollectorContext, link: str) -> Asked | None:
    """Sends the link by the platform, else by letter; None: this client is reached by neither."""
    if (made := _delivered(ask, context, link)) is not None and made.refused is None:
        return made
    if not (context.mails and ask.client.email):
        return None
    with speaking(context.language):
        made_letter = letter(ask, context.practice, link)
    try:
        context.post(made_letter)
    except AddressRefused:
        return None
    return Asked(sent=True)


def _delivered(ask: Ask, context: CollectorContext, link: str) -> Asked | None:
    """By the platform, which is opened only if it delivers: a link does not wait for a platform that cannot."""
    sender = context.sender() if context.delivers else None
    return sender.deliver(ask, link) if isinstance(sender, Delivering) else None


WEB = CollectorSpec("web", mark("A link to the form on the practice's own page"), _ask, _remind)
