"""Queries over who may come to the desk: accounts, sign-ins, one-time links, failed tries, who looked when.

Tokens are never stored, only their keyed hashes: who reads the store cannot come in with what they find.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update

from .database import Tx, now_ms
from .sql import upsert
from .tables import accounts, attempts, invites, logins, looks

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
OPEN, CLOSED = "open", "closed"


class _Stored(msgspec.Struct, gc=False):
    """What is sealed of an account. New fields get a default, so that old rows stay readable."""

    login: str
    name: str
    password: str | None = None
    clinician: str | None = None


_account = msgspec.json.Decoder(_Stored)


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may come to the desk. `clinician` is the platform's reference of the therapist that they are.

    `password` is the argon2 hash; None where they sign in elsewhere. `subject` is the keyed hash of who they are there.
    """

    key: str
    login: str
    name: str
    roles: frozenset[str]
    state: str = OPEN
    clinician: str | None = None
    password: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """A browser that somebody is signed in with. `kind` and `subject` as in the table; `more` is what was sealed."""

    key: str
    kind: str
    subject: str
    begun_ms: int
    seen_ms: int
    until_ms: int
    client: str | None = None
    more: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Invite:
    """A one-time link; `more` says for whom and with which rights."""

    key: str
    kind: str
    subject: str | None
    until_ms: int
    used_ms: int | None
    more: Mapping[str, Any]


def _place(table: str, tx: Tx, key: str) -> str:
    return f"{table}:{tx.sealer.practice}:{key}"


# --- accounts --------------------------------------------------------------------------------------------------------


def key_of(tx: Tx, login: str) -> str:
    """Our key of the account with that name, as it is typed at sign-in (already folded)."""
    return tx.sealer.hash("account", login)


def save(tx: Tx, item: Account) -> None:
    """Stores an account, new or changed as a whole."""
    stored = _Stored(item.login, item.name, item.password, item.clinician)
    row = {
        "practice": tx.sealer.practice,
        "key": item.key,
        "roles": ",".join(sorted(item.roles)),
        "state": item.state,
        "subject": item.subject,
        "changed_ms": now_ms(),
        "sealed": tx.sealer.seal(_place("accounts", tx, item.key), _encode(stored)),
    }
    upsert(tx, accounts, [row])


def read(tx: Tx, key: str) -> Account | None:
    """The account of that key."""
    where = (accounts.c.practice == tx.sealer.practice) & (accounts.c.key == key)
    row = tx.conn.execute(select(accounts).where(where)).first()
    return None if row is None else _as_account(tx, row)


def everybody(tx: Tx) -> list[Account]:
    """All accounts, closed ones too, by name."""
    rows = tx.conn.execute(select(accounts).where(accounts.c.practice == tx.sealer.practice))
    return sorted((_as_account(tx, row) for row in rows), key=lambda one: (one.name.casefold(), one.key))


def by_subject(tx: Tx, subject: str) -> Account | None:
    """The account that has signed in elsewhere as that one before."""
    where = (accounts.c.practice == tx.sealer.practice) & (accounts.c.subject == subject)
    row = tx.conn.execute(select(accounts).where(where)).first()
    return None if row is None else _as_account(tx, row)


def has_administrator(tx: Tx) -> bool:
    """Whether there is anybody who could let others in."""
    where = (accounts.c.practice == tx.sealer.practice) & (accounts.c.state == OPEN)
    found = tx.conn.execute(select(accounts.c.roles).where(where)).scalars()
    return any("administrator" in roles.split(",") for roles in found)


def _as_account(tx: Tx, row: Any) -> Account:
    stored = _account.decode(tx.sealer.open(_place("accounts", tx, row.key), row.sealed))
    roles = frozenset(filter(None, row.roles.split(",")))
    return Account(row.key, stored.login, stored.name, roles, row.state, stored.clinician, stored.password, row.subject)


# --- sign-ins --------------------------------------------------------------------------------------------------------


def begin(tx: Tx, item: Login) -> None:
    """Notes a new sign-in; those that are long over are forgotten with it."""
    mine = logins.c.practice == tx.sealer.practice
    tx.conn.execute(delete(logins).where(mine, logins.c.until_ms < item.begun_ms - 24 * 3600 * 1000))
    values = {
        "practice": tx.sealer.practice,
        "key": item.key,
        "kind": item.kind,
        "subject": item.subject,
        "source": tx.source or None,
        "client": item.client,
        "begun_ms": item.begun_ms,
        "seen_ms": item.seen_ms,
        "until_ms": item.until_ms,
        "sealed": None if item.more is None else seal_more(tx, item.key, item.more),
    }
    tx.conn.execute(insert(logins).values(**values))


def seal_more(tx: Tx, key: str, more: Mapping[str, Any]) -> bytes:
    """What is kept with a sign-in, sealed for its row."""
    return tx.sealer.seal(_place("logins", tx, key), _encode(dict(more)))


def login(tx: Tx, key: str) -> Login | None:
    """The sign-in of that key, over or not."""
    where = (logins.c.practice == tx.sealer.practice) & (logins.c.key == key)
    row = tx.conn.execute(select(logins).where(where)).first()
    return None if row is None else as_login(tx, row)


def of_kind(tx: Tx, kind: str) -> list[Login]:
    """All sign-ins of one way in, the newest first."""
    where = (logins.c.practice == tx.sealer.practice) & (logins.c.kind == kind)
    query = select(logins).where(where).order_by(logins.c.begun_ms.desc())
    return [as_login(tx, row) for row in tx.conn.execute(query)]


def as_login(tx: Tx, row: Any) -> Login:
    """A row of the table, opened."""
    more = None if row.sealed is None else _decode(tx.sealer.open(_place("logins", tx, row.key), row.sealed))
    return Login(row.key, row.kind, row.subject, row.begun_ms, row.seen_ms, row.until_ms, row.client, more)


def seen(tx: Tx, key: str, at_ms: int) -> None:
    """Notes that a sign-in is in use."""
    where = (logins.c.practice == tx.sealer.practice) & (logins.c.key == key)
    tx.conn.execute(update(logins).where(where).values(seen_ms=at_ms))


def keep(tx: Tx, key: str, more: Mapping[str, Any] | None, client: str | None = None) -> None:
    """Replaces what is sealed with a sign-in, and whom it is about."""
    where = (logins.c.practice == tx.sealer.practice) & (logins.c.key == key)
    sealed = None if more is None else seal_more(tx, key, more)
    source = tx.source or None
    tx.conn.execute(update(logins).where(where).values(sealed=sealed, client=client, source=source))


def end(tx: Tx, key: str) -> None:
    """Forgets a sign-in."""
    tx.conn.execute(delete(logins).where(logins.c.practice == tx.sealer.practice, logins.c.key == key))


def end_all(tx: Tx, kind: str, subject: str, but: str = "") -> int:
    """Forgets all sign-ins of an account, or of another way in, but one; gives how many there were."""
    mine = (logins.c.practice == tx.sealer.practice) & (logins.c.kind == kind) & (logins.c.subject == subject)
    return int(tx.conn.execute(delete(logins).where(mine, logins.c.key != but)).rowcount)


# --- one-time links --------------------------------------------------------------------------------------------------


def invite(tx: Tx, item: Invite) -> None:
    """Notes a one-time link. Earlier ones of its kind for the same account are void with it."""
    mine = (invites.c.practice == tx.sealer.practice) & (invites.c.kind == item.kind)
    tx.conn.execute(delete(invites).where(mine, invites.c.subject.is_not_distinct_from(item.subject)))
    sealed = tx.sealer.seal(_place("invites", tx, item.key), _encode(dict(item.more)))
    values = {"practice": tx.sealer.practice, "key": item.key, "kind": item.kind, "subject": item.subject}
    tx.conn.execute(insert(invites).values(**values, until_ms=item.until_ms, used_ms=None, sealed=sealed))


def invited(tx: Tx, key: str) -> Invite | None:
    """The one-time link of that key, whether it still counts or not."""
    where = (invites.c.practice == tx.sealer.practice) & (invites.c.key == key)
    row = tx.conn.execute(select(invites).where(where)).first()
    if row is None:
        return None
    more = _decode(tx.sealer.open(_place("invites", tx, row.key), row.sealed))
    return Invite(row.key, row.kind, row.subject, row.until_ms, row.used_ms, more)


def open_invites(tx: Tx, at_ms: int) -> list[Invite]:
    """One-time links that still count."""
    where = (invites.c.practice == tx.sealer.practice) & invites.c.used_ms.is_(None) & (invites.c.until_ms > at_ms)
    found = []
    for row in tx.conn.execute(select(invites).where(where).order_by(invites.c.until_ms, invites.c.key)):
        more = _decode(tx.sealer.open(_place("invites", tx, row.key), row.sealed))
        found.append(Invite(row.key, row.kind, row.subject, row.until_ms, row.used_ms, more))
    return found


def use(tx: Tx, key: str, at_ms: int) -> bool:
    """Uses a one-time link up; False where it was used already, or is too old."""
    where = (invites.c.practice == tx.sealer.practice) & (invites.c.key == key)
    good = where & invites.c.used_ms.is_(None) & (invites.c.until_ms > at_ms)
    return tx.conn.execute(update(invites).where(good).values(used_ms=at_ms)).rowcount == 1


def withdraw_invite(tx: Tx, key: str) -> None:
    """Makes a one-time link void."""
    tx.conn.execute(delete(invites).where(invites.c.practice == tx.sealer.practice, invites.c.key == key))


# --- failed tries ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tries:
    """Failed tries so far, when the last one was, and until when no more are taken (0: not shut)."""

    number: int = 0
    last_ms: int = 0
    until_ms: int = 0


def tries(tx: Tx, keys: Sequence[str]) -> dict[str, Tries]:
    """Failed tries by key; keys without any are left out."""
    where = (attempts.c.practice == tx.sealer.practice) & attempts.c.key.in_(list(keys))
    return {
        row.key: Tries(row.number, row.last_ms, row.until_ms) for row in tx.conn.execute(select(attempts).where(where))
    }


def tried(tx: Tx, found: Mapping[str, Tries]) -> None:
    """Stores failed tries by key; those of a day ago are forgotten."""
    now = max((one.last_ms for one in found.values()), default=0)
    mine = attempts.c.practice == tx.sealer.practice
    tx.conn.execute(delete(attempts).where(mine, attempts.c.last_ms < now - 24 * 3600 * 1000))
    rows = [
        {"practice": tx.sealer.practice, "key": key, "number": one.number, "last_ms": one.last_ms,
         "until_ms": one.until_ms}
        for key, one in found.items()
    ]  # fmt: skip
    upsert(tx, attempts, rows)


def forget_tries(tx: Tx, keys: Sequence[str]) -> None:
    """After a success."""
    tx.conn.execute(delete(attempts).where(attempts.c.practice == tx.sealer.practice, attempts.c.key.in_(list(keys))))


# --- who looked when -------------------------------------------------------------------------------------------------

ONE_VISIT_MS = 4 * 3600 * 1000
"""Looks within so long of each other are one visit."""


@dataclass(frozen=True, slots=True)
class Look:
    """When a person last looked at a client's page, how many forms and standing flags there were; the visit before."""

    at_ms: int
    forms: int
    flags: int
    before_ms: int | None = None
    before_forms: int | None = None


def look_of(tx: Tx, account: str, client: str) -> Look | None:
    """The last look of a person at a client's page."""
    where = (looks.c.source == tx.source) & (looks.c.account == account) & (looks.c.client == client)
    columns = (looks.c.at_ms, looks.c.forms, looks.c.flags, looks.c.before_ms, looks.c.before_forms)
    row = tx.conn.execute(select(*columns).where(where)).first()
    return None if row is None else Look(*row)


def next_look(old: Look | None, at_ms: int, forms: int, flags: int) -> Look:
    """The look that follows; one soon after belongs to the same visit, so that a page loaded anew still tells."""
    if old is None:
        return Look(at_ms, forms, flags)
    if at_ms - old.at_ms < ONE_VISIT_MS:
        return Look(at_ms, forms, flags, old.before_ms, old.before_forms)
    return Look(at_ms, forms, flags, old.at_ms, old.forms)


def looked(tx: Tx, account: str, client: str, look: Look) -> None:
    """Notes that a person looks at a client's page."""
    row = {"source": tx.source, "account": account, "client": client}
    before = {"before_ms": look.before_ms, "before_forms": look.before_forms}
    upsert(tx, looks, [row | {"at_ms": look.at_ms, "forms": look.forms, "flags": look.flags} | before])


def looks_of(tx: Tx, account: str) -> dict[str, Look]:
    """A person's last looks, by client."""
    where = (looks.c.source == tx.source) & (looks.c.account == account)
    columns = (looks.c.at_ms, looks.c.forms, looks.c.flags, looks.c.before_ms, looks.c.before_forms)
    return {client: Look(*rest) for client, *rest in tx.conn.execute(select(looks.c.client, *columns).where(where))}
