"""Coming in and going out: signing in, one-time links, one's own account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, g, make_response, redirect, render_template, request, url_for

from ..errors import UsageError
from ..store import Tx, accounts, book
from ..uris import split
from ..words import tr, trn
from . import drafts, guard, here
from .access import ROLES, Role, lets_all, lets_signed_in
from .staff import DEMO, FIRST, Staff, folded
from .tries import BY_ADDRESS, BY_NAME, Guard

if TYPE_CHECKING:
    from flask import Response
    from flask.typing import ResponseReturnValue

    from ..store.accounts import Account
    from .access import Access

pages = Blueprint("signing", __name__)


def staff() -> Staff:
    """The accounts, through this request's engine."""
    return Staff(here.engine())


# --- where to --------------------------------------------------------------------------------------------------------


@pages.get("/")
@lets_signed_in()
def start() -> ResponseReturnValue:
    """The first page of an account."""
    return redirect(home())


def home() -> str:
    """Where an account begins."""
    roles = here.user().roles
    if roles & {Role.CLINICIAN, Role.SUPERVISOR}:
        return url_for("clients.caseload")
    return url_for("people.everybody") if Role.ADMINISTRATOR in roles else url_for("due.due")


def safe_next(path: str) -> str | None:
    """A way on that leads nowhere but to a page of the desk that can be looked at; None: it does not."""
    parts = split(path)
    if parts.scheme or parts.netloc or not path.startswith("/") or path.startswith(("//", "/\\")) or "\\" in path:
        return None
    return path if len(path) <= 200 and path.isprintable() else None


# --- in and out ------------------------------------------------------------------------------------------------------


def ask_to_sign_in(access: Access) -> ResponseReturnValue:
    """The page that asks to sign in, in place of the one that was wanted; what was typed is kept where it may be."""
    kept = drafts.keep(access)
    on = request.full_path.rstrip("?") if request.method == "GET" else kept or ""
    over = g.get("over") is not None
    return make_response(sign_in_page("", 401 if request.method != "GET" else 200, on=on, over=over, kept=kept))


def sign_in_page(
    problem: str, status: int, *, login: str = "", on: str = "", over: bool = False, kept: str | None = None
) -> tuple[str, int]:
    """The page that asks for name and password."""
    openid = here.desk().settings.web.openid
    told = render_template(
        "sign-in.html", problem=problem, login=login, on=on, over=over, kept=kept is not None,
        openid=None if openid is None else openid.title or split(openid.issuer).netloc,
    )  # fmt: skip
    return told, status


@pages.get("/sign-in")
@lets_all()
def sign_in() -> ResponseReturnValue:
    """Asks for name and password."""
    if not here.desk().ready:
        return redirect(url_for("signing.not_yet"))
    if here.who() is not None and here.user().kind == here.ACCOUNT:
        return redirect(home())
    return sign_in_page("", 200, on=safe_next(request.args.get("on", "")) or "")


@pages.post("/sign-in")
@lets_all()
def signed_in() -> ResponseReturnValue:
    """Checks name and password; too many failures shut it for a while, whether the name exists or not."""
    login, on = request.form.get("login", "")[:100], safe_next(request.form.get("on", "")) or ""
    tries = Guard({("name", folded(login)): BY_NAME, ("address", request.remote_addr or ""): BY_ADDRESS})
    if left := tries.take():
        here.note("sign-in-shut", actor="nobody")
        told = trn("Too many tries. Try again in {count} minute.", "Too many tries. Try again in {count} minutes.",
                   -(-left // 60))  # fmt: skip
        return sign_in_page(told, 429, login=login, on=on)
    found = staff().by_password(login, request.form.get("password", ""))
    if found is None:
        here.note("sign-in-failed", actor="nobody")
        return sign_in_page(tr("Name or password is not right."), 401, login=login, on=on)
    tries.passed(taken=True)
    return let_in(found, on)


def let_in(account: Account, on: str = "") -> Response:
    """Signs an account in with this browser and leads on; what the same person had typed before is there again."""
    draft = drafts.take(account.key)
    token = staff().begin(account, None if draft is None else {"draft": draft.more}, draft.client if draft else None)
    here.note("signed-in", account.key, actor=account.login)
    on = draft.back if draft is not None else on or url_for("signing.start")
    answer = make_response(redirect(on, 303))
    guard.set_cookie(answer, guard.cookie_name(), token)
    guard.drop_cookie(answer, here.VISIT_COOKIE)
    return answer


@pages.post("/sign-out")
@lets_all()
def sign_out() -> ResponseReturnValue:
    """Ends this browser's sign-in."""
    found = here.who()
    if found is not None and found.session:
        session = found.session

        def write(tx: Tx) -> None:
            accounts.end(tx, session)
            book.record(tx, found.login, "signed-out", found.key if found.kind == here.ACCOUNT else None)

        here.engine().store.write(write)
        g.pop("seen", None)
    answer = make_response(redirect(url_for("signing.sign_in"), 303))
    guard.drop_cookie(answer, guard.cookie_name())
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


# --- one-time links --------------------------------------------------------------------------------------------------


@pages.get("/not-yet")
@lets_all()
def not_yet() -> ResponseReturnValue:
    """Before there is an administrator nothing else is shown."""
    if here.desk().ready:
        return redirect(url_for("signing.start"))
    return render_template("not-yet.html"), 503


@pages.get("/link/<token>")
@lets_all()
def link(token: str) -> ResponseReturnValue:
    """What a one-time link is for. Looking uses nothing up: mail programs look at links too."""
    found = staff().link(token)
    if found is None:
        return render_template("link-over.html"), 410
    return render_template(
        "link.html", kind=found.kind, more=found.more, problem="", typed={}, roles=_roles_to_add(found.kind)
    )


@pages.post("/link/<token>")
@lets_all()
def link_used(token: str) -> ResponseReturnValue:
    """Makes the account, or sets the password."""
    people = staff()
    found = people.link(token)
    if found is None:
        return render_template("link-over.html"), 410
    if found.kind == DEMO:
        account = people.accept_demo(token)
        here.desk().ready = False
        return abort(410) if account is None else let_in(account)
    typed = {name: request.form.get(name, "")[:200] for name in ("login", "name")}
    try:
        if request.form.get("password") != request.form.get("again"):
            raise UsageError(tr("The two passwords differ."))
        account = people.accept(
            token, typed["login"], typed["name"], request.form.get("password", ""), request.form.getlist("roles")
        )
    except UsageError as error:
        page = render_template(
            "link.html", kind=found.kind, more=found.more, problem=error.message, typed=typed,
            roles=_roles_to_add(found.kind),
        )  # fmt: skip
        return page, 400
    return let_in(account)


def _roles_to_add(kind: str) -> list[tuple[str, str]]:
    """The first administrator of a small practice is often its therapist too."""
    return [(role.value, ROLES[role]) for role in (Role.CLINICIAN, Role.SUPERVISOR)] if kind == FIRST else []


# --- one's own account -----------------------------------------------------------------------------------------------


@pages.get("/me")
@lets_signed_in()
def me() -> ResponseReturnValue:
    """One's own account."""
    return _me("")


def _me(problem: str, said: str = "") -> str:
    account = staff().read(here.user().key)
    return render_template("me.html", account=account, roles=[ROLES[Role(r)] for r in sorted(account.roles)],
                           problem=problem, said=said)  # fmt: skip


@pages.post("/me/password")
@lets_signed_in()
def my_password() -> ResponseReturnValue:
    """A new password of one's own."""
    me = here.user()
    tries = Guard({("name", me.login): BY_NAME})
    if tries.take():
        abort(429)
    account = staff().read(me.key)
    try:
        if request.form.get("password") != request.form.get("again"):
            raise UsageError(tr("The two passwords differ."))
        staff().new_password(account, request.form.get("old", ""), request.form.get("password", ""), me.session or "")
    except UsageError as error:
        return _me(error.message), 400
    tries.passed()
    return _me("", tr("Your password is changed. Other browsers were signed out."))


@pages.post("/me/elsewhere")
@lets_signed_in()
def sign_out_elsewhere() -> ResponseReturnValue:
    """Ends one's sign-ins in other browsers."""
    me = here.user()
    here.engine().store.write(lambda tx: accounts.end_all(tx, here.ACCOUNT, me.key, but=me.session or ""))
    here.note("signed-out-elsewhere", me.key)
    return _me("", tr("Other browsers were signed out."))
