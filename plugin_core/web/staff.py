"""The people with accounts: made by one-time links, checked by argon2id, closed but never deleted.

A link is shown once and good for a few days; only its keyed hash is stored. Passwords follow NIST SP 800-63B: long,
any signs, no rules of composition, no forced change.
"""

from __future__ import annotations

import re
import secrets
import threading
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..store import Tx, accounts, book
from ..store.accounts import Account, Invite, Login
from ..words import tr
from .access import Role
from .here import ACCOUNT

if TYPE_CHECKING:
    from argon2 import PasswordHasher

    from ..engine import Engine

FIRST, INVITED, RENEWED, DEMO = "first", "invited", "renewed", "demo"
DAYS = {FIRST: 1, INVITED: 7, RENEWED: 2, DEMO: 1}
DAY_MS = 24 * 3600 * 1000
SHORTEST, LONGEST = 12, 200
_AT_ONCE = threading.BoundedSemaphore(2)
"""argon2 takes 64 MiB each time; more at once would let strangers fill the memory."""


def at_once() -> threading.BoundedSemaphore:
    """What whoever else uses argon2 holds meanwhile."""
    return _AT_ONCE


@cache
def hasher() -> PasswordHasher:
    """argon2id with the parameters of RFC 9106 for little memory: 64 MiB, three passes."""
    from argon2 import PasswordHasher

    return PasswordHasher()


def folded(login: str) -> str:
    """A name as it is compared: without case and without signs that only look alike by their composition."""
    return unicodedata.normalize("NFKC", login).casefold().strip()


@dataclass(frozen=True, slots=True)
class Wanted:
    """For whom a link is: the name at sign-in may be left to them."""

    name: str = ""
    login: str = ""
    roles: frozenset[str] = frozenset()
    clinician: str | None = None


class Staff:
    """The accounts of a practice.

    :param engine: the practice at work.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def _now(self) -> int:
        return round(self.engine.now().timestamp() * 1000)

    def _hash(self, *parts: str) -> str:
        return self.engine.store.sealer.hash("desk", *parts)

    # --- links ---------------------------------------------------------------------------------------------------

    def first_link(self) -> str | None:
        """A fresh one-time token for the first administrator; None where there is one. Earlier ones are void."""
        with self.engine.store.reading() as tx:
            if accounts.has_administrator(tx):
                return None
        return self._link(FIRST, None, Wanted(roles=frozenset({Role.ADMINISTRATOR})), "nobody", "first-link-made")

    def invite(self, wanted: Wanted, by: str) -> str:
        """A one-time token for a new account.

        :raises UsageError: no role, no name, or a name that is taken.
        """
        if not wanted.roles or not wanted.roles <= set(Role):
            raise UsageError(tr("Choose at least one role."))
        if not wanted.name.strip():
            raise UsageError(tr("Give the person's name."))
        login = _login(wanted.login)
        with self.engine.store.reading() as tx:
            if accounts.read(tx, accounts.key_of(tx, login)) is not None:
                raise UsageError(tr("There is an account with that sign-in name already."))
        return self._link(INVITED, self._hash("invited", login), replace(wanted, login=login), by, "account-invited")

    def renew(self, key: str, by: str) -> str:
        """A one-time token with which somebody sets a new password."""
        account = self.read(key)
        return self._link(RENEWED, account.key, Wanted(account.name, account.login), by, "password-link-made")

    def demo_link(self, wanted: Wanted) -> str:
        """A one-time token that signs in at once, for the invented practice: there is nobody whom a password guards."""
        return self._link(DEMO, None, wanted, "demo", "demo-link-made")

    def _link(self, kind: str, subject: str | None, wanted: Wanted, by: str, action: str) -> str:
        token = secrets.token_urlsafe(24)
        more = {
            "name": wanted.name,
            "login": wanted.login,
            "roles": sorted(wanted.roles),
            "clinician": wanted.clinician,
        }
        item = Invite(self._hash("invite", token), kind, subject, self._now() + DAYS[kind] * DAY_MS, None, more)

        def write(tx: Tx) -> None:
            accounts.invite(tx, item)
            book.record(tx, by, action, subject if kind == RENEWED else None)

        self.engine.store.write(write)
        return token

    def link(self, token: str) -> Invite | None:
        """What a token is for; None where it counts no more, or never did."""
        with self.engine.store.reading() as tx:
            found = accounts.invited(tx, self._hash("invite", token))
            if found is not None and found.kind == FIRST and accounts.has_administrator(tx):
                return None
        good = found is not None and found.used_ms is None and found.until_ms > self._now()
        return found if good else None

    def accept(self, token: str, login: str, name: str, password: str, roles: Iterable[str] = ()) -> Account:
        """Makes the account that a link is for, or sets its password; the link is used up.

        :param login: counts only where the link leaves it open, as do `name` and `roles`.
        :raises UsageError: the link counts no more, the name is taken or the password is too short.
        """
        found = self.link(token)
        if found is None:
            raise UsageError(tr("This link was used already, or is too old. Ask for another one."))
        login = _login(str(found.more.get("login") or login))
        check_password(password, login, self.engine.settings.name)
        hashed = hashed_password(password)

        def write(tx: Tx) -> Account:
            if not accounts.use(tx, found.key, self._now()):
                raise UsageError(tr("This link was used already, or is too old. Ask for another one."))
            made = self._made(tx, found, login, name, hashed, frozenset(roles))
            accounts.save(tx, made)
            accounts.end_all(tx, ACCOUNT, made.key)
            book.record(tx, made.login, "password-set" if found.kind == RENEWED else "account-opened", made.key)
            return made

        return self.engine.store.write(write)

    def _made(self, tx: Tx, found: Invite, login: str, name: str, hashed: str | None, roles: frozenset[str]) -> Account:
        key = accounts.key_of(tx, login)
        old = accounts.read(tx, key)
        if found.kind == RENEWED:
            if old is None or old.state != accounts.OPEN:
                raise UsageError(tr("This account was closed."))
            return replace(old, password=hashed)
        if old is not None:
            raise UsageError(tr("There is an account with that sign-in name already."))
        more = found.more
        wanted = frozenset(more["roles"]) | (roles & set(Role) if found.kind == FIRST else frozenset())
        shown = str(more.get("name") or name).strip() or login
        return Account(key, login, shown[:200], wanted, accounts.OPEN, more.get("clinician"), hashed)

    def accept_demo(self, token: str) -> Account | None:
        """The account of a demo's link, made where it is not there; None where the link is none of these."""
        found = self.link(token)
        if found is None or found.kind != DEMO:
            return None

        def write(tx: Tx) -> Account | None:
            if not accounts.use(tx, found.key, self._now()):
                return None
            key = accounts.key_of(tx, str(found.more["login"]))
            old = accounts.read(tx, key)
            if old is not None:
                return old
            made = self._made(tx, found, str(found.more["login"]), "", None, frozenset())
            accounts.save(tx, made)
            book.record(tx, made.login, "account-opened", made.key)
            return made

        return self.engine.store.write(write)

    # --- accounts ------------------------------------------------------------------------------------------------

    def read(self, key: str) -> Account:
        """The account of that key.

        :raises UsageError: there is none.
        """
        with self.engine.store.reading() as tx:
            found = accounts.read(tx, key)
        if found is None:
            raise UsageError(tr("There is no such account."))
        return found

    def everybody(self) -> list[Account]:
        """All accounts, by name."""
        with self.engine.store.reading() as tx:
            return accounts.everybody(tx)

    def waiting(self) -> list[Invite]:
        """Links that nobody has used yet."""
        with self.engine.store.reading() as tx:
            return accounts.open_invites(tx, self._now())

    def change(self, key: str, by: str, **values: Any) -> Account:
        """Changes roles, name, therapist or state of an account. Whoever is signed in with it is signed out.

        :raises UsageError: there would be no administrator left, or no role.
        """

        def write(tx: Tx) -> Account:
            old = accounts.read(tx, key)
            if old is None:
                raise UsageError(tr("There is no such account."))
            new = replace(old, **values)
            if not new.roles or not new.roles <= set(Role):
                raise UsageError(tr("Choose at least one role."))
            accounts.save(tx, new)
            if not accounts.has_administrator(tx):
                raise UsageError(tr("One open account must stay an administrator, else nobody could let others in."))
            if new.state != old.state or new.roles != old.roles:
                accounts.end_all(tx, ACCOUNT, key)
            done = "account-closed" if new.state == accounts.CLOSED else "account-changed"
            book.record(tx, by, done, key, None if new.roles == old.roles else ",".join(sorted(new.roles)))
            return new

        return self.engine.store.write(write)

    def withdraw(self, invite: str, by: str) -> None:
        """Makes a link void."""

        def write(tx: Tx) -> None:
            accounts.withdraw_invite(tx, invite)
            book.record(tx, by, "link-withdrawn")

        self.engine.store.write(write)

    def new_password(self, account: Account, old: str, new: str, session: str) -> None:
        """Somebody changes their own password; their other sign-ins end.

        :raises UsageError: the old one is wrong, or the new one too short.
        """
        if not password_is_right(account, old):
            raise UsageError(tr("The present password is not right."))
        check_password(new, account.login, self.engine.settings.name)
        changed = replace(account, password=hashed_password(new))

        def write(tx: Tx) -> None:
            accounts.save(tx, changed)
            accounts.end_all(tx, ACCOUNT, account.key, but=session)
            book.record(tx, account.login, "password-set", account.key)

        self.engine.store.write(write)

    # --- signing in ----------------------------------------------------------------------------------------------

    def by_password(self, login: str, password: str) -> Account | None:
        """The open account whose password that is. One that does not exist takes as long to be refused."""
        with self.engine.store.reading() as tx:
            found = accounts.read(tx, accounts.key_of(tx, folded(login)))
        usable = found is not None and found.state == accounts.OPEN and found.password is not None
        right = password_is_right(found if usable else None, password)
        return found if right else None

    def begin(self, account: Account, more: dict[str, Any] | None = None, client: str | None = None) -> str:
        """Signs an account in; gives the token for the cookie."""
        return self.begin_as(ACCOUNT, account.key, self.engine.settings.web.hours * 60, more, client)

    def begin_as(
        self, kind: str, subject: str, minutes: int, more: dict[str, Any] | None = None, client: str | None = None
    ) -> str:
        """Signs somebody in who came another way; gives the token for the cookie.

        :param kind: the way in, as `access.lets_kind` names it; `subject` is our key of what it is for.
        :param minutes: when it ends at the latest.
        :param more: kept with it, sealed; pages find it in `here.user().more`.
        :param client: our key of the client whom it is about, so that an erasure ends it.
        """
        token = secrets.token_urlsafe(32)
        now = self._now()
        item = Login(self._hash("login", token), kind, subject, now, now, now + minutes * 60_000, client, more)
        self.engine.store.write(lambda tx: accounts.begin(tx, item), _source(self.engine))
        return token


def _source(engine: Engine) -> int:
    from ..errors import SettingsError

    try:
        return engine.source
    except SettingsError:
        return 0


# --- names and passwords ---------------------------------------------------------------------------------------------


def _login(text: str) -> str:
    login = folded(text)
    if not re.fullmatch(r"[^\s<>\"'/\\]{2,64}", login):
        raise UsageError(tr("The name for signing in has 2 to 64 letters, digits or signs, and no space."))
    return login


def check_password(password: str, login: str, practice: str) -> None:
    """Refuses what is guessed first.

    :raises UsageError: it is too short, too long, or follows from the names.
    """
    text = password.casefold()
    if len(password) < SHORTEST:
        raise UsageError(
            tr("The password has at least {least} signs. Four words that have nothing to do with each other are good.",
               least=SHORTEST)
        )  # fmt: skip
    if len(password) > LONGEST:
        raise UsageError(tr("The password has at most {most} signs.", most=LONGEST))
    if len(set(text)) < 5 or folded(text) in (login, login * 2) or (practice and text == practice.casefold()):
        raise UsageError(tr("That password is among the first that somebody would try. Choose another."))


def hashed_password(password: str) -> str:
    """The argon2id hash of a password."""
    with _AT_ONCE:
        return hasher().hash(unicodedata.normalize("NFKC", password))


@cache
def _nobodys() -> str:
    return hashed_password(secrets.token_urlsafe(24))


def password_is_right(account: Account | None, password: str) -> bool:
    """Whether that is the account's password; without an account it takes as long to say no."""
    from argon2.exceptions import InvalidHashError, VerificationError

    known = account.password if account is not None and account.password else None
    try:
        with _AT_ONCE:
            right = hasher().verify(known or _nobodys(), unicodedata.normalize("NFKC", password[: LONGEST + 1]))
    except (VerificationError, InvalidHashError):
        return False
    return right and known is not None
