"""What still waits at the end of a sync, each with what to do about it."""

from __future__ import annotations

from ..words import trn


def still_waiting(pending: int, refused: int, set_aside: int) -> list[str]:
    """A sentence for each number that is not zero.

    :param pending: flags that wait to be sent to the platform.
    :param refused: flags that the platform refused.
    :param set_aside: forms in quarantine.
    """
    found = []
    if pending:
        found.append(
            trn(
                "{count} flag waits to be sent to the platform.",
                "{count} flags wait to be sent to the platform.",
                pending,
            )
        )
    if refused:
        found.append(
            trn(
                "{count} flag was refused by the platform; see: handrail flags",
                "{count} flags were refused by the platform; see: handrail flags",
                refused,
            )
        )
    if set_aside:
        found.append(
            trn(
                "{count} form is set aside; see: handrail doctor",
                "{count} forms are set aside; see: handrail doctor",
                set_aside,
            )
        )
    return found
