"""A harmless letter by the practice's mail server, to an address that the person at the keyboard names."""

from __future__ import annotations

import secrets
from pathlib import Path

from ..contracts import Letter
from ..engine import Engine
from ..errors import HandrailError
from ..words import mark, speaking, tr
from .check import OK, WRONG, Check

SUBJECT = mark("{practice}: a test of the mail server")
TEXT = mark(
    "Hello,\n\nthis letter was sent to see whether the mail server of {practice} takes letters. Nothing else is in it, "
    "and nothing is to be done.\n"
)


def letter(file: Path, address: str) -> Check:
    """Sends one test letter; each is another one, so that no mailbox drops it as seen before.

    :param file: the settings file.
    """
    try:
        with Engine.open(file) as engine:
            practice = engine.settings.name or engine.settings.practice
            with speaking(engine.settings.language):
                subject, text = tr(SUBJECT, practice=practice), tr(TEXT, practice=practice)
            engine.mailer.send(Letter(address, subject, text, f"test/{secrets.token_hex(8)}"))
    except HandrailError as error:
        return Check("test letter", WRONG, error.message)
    return Check(
        "test letter", OK, tr("the mail server took it. Look whether it arrived, in the folder for unwanted mail too")
    )
