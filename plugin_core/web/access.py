"""Who may see which page. A page that does not say so is shown to nobody.

    @pages.get("/client/<key>")
    @lets(Role.CLINICIAN, Role.SUPERVISOR)
    def client(key: str) -> Page: ...

`lets_kind("form")` opens a page to those who were let in that other way (a client's link, a record system); `lets_all`
to everybody. `by=` names another way of telling who asks than the cookie: a function that gives a `Who` or None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from ..words import Texts, mark
from .here import ACCOUNT, Who

F = TypeVar("F", bound=Callable[..., Any])


class Role(StrEnum):
    """What an account may do; one account may have several."""

    CLINICIAN = "clinician"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"
    FRONT_DESK = "front-desk"


ROLES = Texts(
    {
        Role.CLINICIAN: mark("clinician"),
        Role.SUPERVISOR: mark("supervisor"),
        Role.ADMINISTRATOR: mark("administrator"),
        Role.FRONT_DESK: mark("front desk"),
    }
)
TOLD = Texts(
    {
        Role.CLINICIAN: mark("sees their own clients' pages, and acknowledges and holds"),
        Role.SUPERVISOR: mark("sees the pages of all clients, and acknowledges and holds"),
        Role.ADMINISTRATOR: mark("lets people in and reads the audit trail; sees no answers"),
        Role.FRONT_DESK: mark("sees who is due for a form; sees no answers"),
    }
)
SEES_ANSWERS = (Role.CLINICIAN, Role.SUPERVISOR)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may see a page: by role, or by the way in; `everybody` without sign-in.

    `token`: writes need the form's token. `framed`: record systems of the settings may show it inside their own pages.
    `by`: who asks, where that is not told by the cookie. `keeps`: names of fields that are kept when the sign-in ran
    out while they were typed.
    """

    roles: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    everybody: bool = False
    token: bool = True
    framed: bool = False
    by: Callable[[], Who | None] | None = None
    keeps: tuple[str, ...] = ()

    def allows(self, found: Who | None) -> bool:
        """Whether that one may see the page."""
        if self.everybody:
            return True
        if found is None:
            return False
        if found.kind == ACCOUNT:
            return bool(self.roles & found.roles)
        return found.kind in self.kinds


def _marks(access: Access) -> Callable[[F], F]:
    def decorate(view: F) -> F:
        view.handrail_access = access  # type: ignore[attr-defined]
        return view

    return decorate


def lets(
    *roles: Role, framed: bool = False, kinds: tuple[str, ...] = (), keeps: tuple[str, ...] = ()
) -> Callable[[F], F]:
    """Lets accounts with one of these roles see the page, and those let in by `kinds`."""
    return _marks(Access(frozenset(roles), frozenset(kinds), framed=framed, keeps=keeps))


def lets_kind(
    *kinds: str, framed: bool = False, token: bool = True, by: Callable[[], Who | None] | None = None
) -> Callable[[F], F]:
    """Lets those see the page who came in another way than by an account."""
    return _marks(Access(kinds=frozenset(kinds), framed=framed, token=token, by=by))


def lets_all(*, framed: bool = False, token: bool = True) -> Callable[[F], F]:
    """Lets everybody see the page."""
    return _marks(Access(everybody=True, framed=framed, token=token))


def lets_signed_in() -> Callable[[F], F]:
    """Lets every account see the page."""
    return lets(*Role)


def access_of(view: object) -> Access | None:
    """What a page says of itself; None: nothing, and nobody sees it."""
    found = getattr(view, "handrail_access", None)
    return found if isinstance(found, Access) else None
