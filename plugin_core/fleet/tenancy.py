"""Acting for one practice after another on one connection: the back office's way through row security."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

_SAY = text("SELECT set_config('handrail.practice', :practice, true)")
_SAID = text("SELECT current_setting('handrail.practice', true)")


@contextmanager
def acting_for(conn: Connection, practice: str) -> Iterator[None]:
    """Inside, the open transaction sees and writes that practice's rows; afterwards whose it was before.

    When the database fails inside, nothing is said any more: the transaction is over.
    """
    before = conn.execute(_SAID).scalar()
    conn.execute(_SAY, {"practice": practice})
    yield
    conn.execute(_SAY, {"practice": before or ""})
