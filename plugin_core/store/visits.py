"""Queries over forms that clients fill in on our own pages: what was ticked so far, what was sent and waits, codes.

They lie among the sign-ins, each under the keyed hash of its link or code, all that was ticked sealed. One that is not
finished is deleted when its time is over; one that was sent stays until it has arrived among the forms, whatever stops.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from .database import Tx
from .sql import upsert
from .tables import logins

if TYPE_CHECKING:
    from .accounts import Login

OPEN, SENT, DONE, CODE = "form", "form-sent", "form-done", "form-code"
"""Ticked so far; sent and not yet among the forms; arrived (nothing sealed; its link is known as used); a code."""
NEVER_MS = 253_370_764_800_000
"""The year 9999: what was sent is not deleted for its age."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A form that a client fills in. `ask` is the request's key, "" where staff handed it over without one.

    `ticked`: item id -> the place of the chosen answer among the line's. `at`: which line is shown, where it is one a
    screen (`single`). `sent_ms`: when it was sent. `entered_by` is who let them in: staff's short name, or "client".
    `browser` stands for the browser in which it was begun: in no other one are the ticks shown.
    """

    key: str
    client: str
    instrument: str
    version: str
    mode: str
    until_ms: int
    begun_ms: int
    ask: str = ""
    language: str = ""
    single: bool = False
    at: int = 0
    ticked: dict[str, int] = field(default_factory=dict)
    sent_ms: int = 0
    entered_by: str = "client"
    browser: str = ""


_PLAIN = ("key", "client", "until_ms", "begun_ms", "ask")


def _of(item: Login) -> Visit:
    return Visit(key=item.key, client=item.client or "", until_ms=item.until_ms, begun_ms=item.begun_ms,
                 ask=item.subject, **(item.more or {}))  # fmt: skip


def _mine(tx: Tx, key: str) -> Any:
    return (logins.c.practice == tx.sealer.practice) & (logins.c.key == key)


def _row(tx: Tx, kind: str, item: Visit, seen_ms: int) -> dict[str, Any]:
    from .accounts import seal_more  # not before there is anything: each sync asks whether there is

    more = {name: value for name, value in asdict(item).items() if name not in _PLAIN}
    return {"practice": tx.sealer.practice, "key": item.key, "kind": kind, "subject": item.ask, "source": tx.source,
            "client": item.client, "begun_ms": item.begun_ms, "seen_ms": seen_ms, "until_ms": item.until_ms,
            "sealed": seal_more(tx, item.key, more)}  # fmt: skip


def _kept(tx: Tx, row: Any) -> Visit:
    from .accounts import as_login

    return _of(as_login(tx, row))


def any_here(tx: Tx) -> bool:
    """Whether there is anything of such forms at all: most practices have no pages for clients."""
    where = (logins.c.practice == tx.sealer.practice) & logins.c.kind.in_((OPEN, SENT, DONE, CODE))
    return tx.conn.execute(select(logins.c.key).where(where).limit(1)).first() is not None


def read(tx: Tx, key: str) -> tuple[str, Visit | None]:
    """How it stands under that key ("" where there is nothing), and what is kept; None once it has arrived."""
    row = tx.conn.execute(select(logins).where(_mine(tx, key))).first()
    if row is None or row.source != tx.source or row.kind not in (OPEN, SENT, DONE, CODE):
        return "", None
    return row.kind, None if row.kind == DONE else _kept(tx, row)


def keep(tx: Tx, item: Visit, now_ms: int) -> bool:
    """Keeps what is ticked so far; False where it was sent already, so that a second tab changes nothing."""
    row = _row(tx, OPEN, item, now_ms)
    upsert(tx, logins, [row], keep=[name for name in row if name not in ("practice", "key")])
    where = _mine(tx, item.key) & (logins.c.kind == OPEN)
    changed = {name: row[name] for name in ("seen_ms", "until_ms", "sealed")}
    return tx.conn.execute(update(logins).where(where).values(**changed)).rowcount == 1


def send(tx: Tx, item: Visit, now_ms: int) -> bool:
    """Takes a form as sent, once; False where it was sent already."""
    sent = replace(item, sent_ms=now_ms)
    if not keep(tx, sent, now_ms):
        return False
    where = _mine(tx, item.key) & (logins.c.kind == OPEN)
    return tx.conn.execute(update(logins).where(where).values(kind=SENT, until_ms=NEVER_MS)).rowcount == 1


def waiting(tx: Tx) -> list[Visit]:
    """What was sent and is not among the forms yet, the oldest first."""
    where = (logins.c.practice == tx.sealer.practice) & (logins.c.kind == SENT) & (logins.c.source == tx.source)
    found = tx.conn.execute(select(logins).where(where).order_by(logins.c.seen_ms, logins.c.key))
    return [_kept(tx, row) for row in found]


def arrived(tx: Tx, key: str, until_ms: int) -> None:
    """What was sent is among the forms now; only that its link is used is known until then."""
    where = _mine(tx, key) & (logins.c.kind == SENT)
    tx.conn.execute(update(logins).where(where).values(kind=DONE, until_ms=until_ms, sealed=None))


def drop(tx: Tx, key: str) -> bool:
    """Forgets what was ticked so far, or a code; whether there was anything. What was sent stays."""
    where = _mine(tx, key) & logins.c.kind.in_((OPEN, CODE))
    return tx.conn.execute(delete(logins).where(where)).rowcount == 1


def add_code(tx: Tx, item: Visit) -> None:
    """Notes a code with which a form is opened on the practice's tablet; earlier ones for that client are void."""
    same = (logins.c.practice == tx.sealer.practice) & (logins.c.kind == CODE) & (logins.c.client == item.client)
    tx.conn.execute(delete(logins).where(same, logins.c.source == tx.source))
    upsert(tx, logins, [_row(tx, CODE, item, item.begun_ms)])


def _over(tx: Tx, now_ms: int) -> Any:
    over = (logins.c.practice == tx.sealer.practice) & (logins.c.until_ms <= now_ms)
    return over & logins.c.kind.in_((OPEN, DONE, CODE))


def untidy(tx: Tx, now_ms: int) -> bool:
    """Whether there is anything to `tidy`: a sync without news writes nothing for it."""
    return tx.conn.execute(select(logins.c.key).where(_over(tx, now_ms)).limit(1)).first() is not None


def tidy(tx: Tx, now_ms: int) -> int:
    """Deletes what was not finished in time, and codes that are too old; gives how many."""
    return int(tx.conn.execute(delete(logins).where(_over(tx, now_ms))).rowcount)
