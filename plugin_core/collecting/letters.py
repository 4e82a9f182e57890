"""Asking by e-mail: a neutral line that something waits, and where. No form's name, no health, no client's name.

Where the platform can ask, it is asked first, so that the letter leads to something; the letter names its link. A
server takes a letter and may send it back later: that cannot be seen here (docs/mail.md), only what it refuses at once.
"""

from __future__ import annotations

from dataclasses import replace

from ..contracts import Ask, Asked, CollectorContext, CollectorSpec, Letter, Sender, Settling
from ..errors import AddressRefused, Unsupported
from ..words import mark, speaking, tr

NO_ADDRESS = mark("No e-mail address of this client is on file. Add it on the platform, or ask in another way.")
BAD_ADDRESS = mark("The mail server says that this client's e-mail address takes no mail. Correct it on the platform.")

SUBJECT = mark("{practice}: something is waiting for you")
SUBJECT_AGAIN = mark("{practice}: something is still waiting for you")
AT_THE_LINK = mark(
    "Hello,\n\n{practice} has something for you to fill in. It takes a few minutes. You find it here:\n\n{link}\n"
)
AT_THE_PRACTICE = mark(
    "Hello,\n\n{practice} has something for you to fill in. It takes a few minutes. You find it where the practice "
    "usually puts such things for you: in its online portal, or at the practice itself.\n"
)
CLOSE = mark(
    "Whether you do so is up to you. If you do not want these letters any more, tell the practice, and they stop.\n\n"
    "This letter was sent by a program. Please do not answer it: nobody watches what comes back.\n"
)


def letter(ask: Ask, practice: str, link: str | None) -> Letter:
    """The letter of a request in the language that is spoken; the same request gives the same letter.

    The client must have an address.
    """
    where = tr(AT_THE_LINK, practice=practice, link=link) if link else tr(AT_THE_PRACTICE, practice=practice)
    subject = tr(SUBJECT_AGAIN if ask.reminder else SUBJECT, practice=practice)
    return Letter(ask.client.email or "", subject, f"{where}\n{tr(CLOSE)}", f"{ask.key}/{ask.reminder}")


def _ask(ask: Ask, context: CollectorContext) -> Asked:
    if not ask.client.email:
        return _refused(NO_ADDRESS, context)
    sender = _platform(context)
    asked = Asked(sent=True) if sender is None else sender.ask(ask)
    if asked.refused is not None:
        return asked
    try:
        _post(ask, context, asked.link)
    except AddressRefused:
        if sender is not None:
            sender.withdraw(replace(ask, remote_id=asked.remote_id))
        return _refused(BAD_ADDRESS, context)
    return Asked(sent=True, link=asked.link, remote_id=asked.remote_id)


def _remind(ask: Ask, context: CollectorContext) -> Asked:
    if not ask.client.email:
        return _refused(NO_ADDRESS, context)
    sender = _platform(context)
    link = None if sender is None else sender.ask(ask).link  # looks before it creates: the request is there already
    try:
        _post(ask, context, link)
    except AddressRefused:
        return _refused(BAD_ADDRESS, context)
    return Asked(sent=True, remote_id=ask.remote_id)


def _withdraw(ask: Ask, context: CollectorContext) -> None:
    if (sender := _platform(context)) is not None:
        sender.withdraw(ask)


def _settled(ask: Ask, response: str, context: CollectorContext) -> None:
    sender = _platform(context)
    if sender is not None and isinstance(sender, Settling):
        sender.settle(ask, response)


def _platform(context: CollectorContext) -> Sender | None:
    """The platform's own way of asking; None where it has none, and the practice hands the form over itself."""
    try:
        return context.sender()
    except Unsupported:
        return None


def _post(ask: Ask, context: CollectorContext, link: str | None) -> None:
    with speaking(context.language):
        made = letter(ask, context.practice, link)
    context.post(made)


def _refused(why: str, context: CollectorContext) -> Asked:
    with speaking(context.language):
        return Asked(sent=False, refused=tr(why))


EMAIL = CollectorSpec("email", mark("A neutral letter by e-mail"), _ask, _remind, _withdraw, settled=_settled)
