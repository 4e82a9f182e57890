"""What a practice fills in to connect DrChrono, the person's sign-in, and the connection made from both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from marshmallow import fields, validate

from ...plugin_core.contracts import AdapterContext, Browser
from ...plugin_core.errors import PlatformError
from ...plugin_core.words import mark, tr
from ...schemas.records import Json
from ..budget import Budget, Limit
from ..http import Manners
from ..login import Application, LoginSettings, PersonToken, sign_in
from ..network import NetworkSettings, base_at, rest_of, transport_of
from ..rest import Answer, Rest, listed
from ..waiting import Patience

SCOPES = "user:read patients:read clinical:read tasks:read tasks:write"
FLAG_SCOPES = f"{SCOPES} patients:write"
PAGE_SIZE = 250
HOUR = 3600.0
GONE = (400, 404, 410)


def _help(text: str, **more: Any) -> dict[str, Any]:
    return {"help": text, **more}


class DrChronoSettings(LoginSettings, NetworkSettings):
    """Settings of the DrChrono adapter."""

    client_id = fields.String(
        required=True,
        validate=validate.Length(1, 200),
        metadata=_help(
            mark(
                "The client id of your application in DrChrono: Account > API > API Management. Enter this redirect "
                "URI there: http://127.0.0.1:8765/handrail"
            )
        ),
    )
    client_secret = fields.String(
        required=True,
        metadata=_help(mark("The client secret that stands beside the client id."), secret=True),
    )
    base_url = fields.String(
        load_default="https://app.drchrono.com",
        validate=validate.Length(1, 2000),
        metadata=_help(mark("DrChrono's address; another one only for tests.")),
    )
    scopes = fields.String(
        metadata=_help(mark("The rights to ask for at the sign-in, if not those that Handrail needs."))
    )
    hourly_limit = fields.Integer(
        load_default=500,
        strict=True,
        validate=validate.Range(20, 100_000),
        metadata=_help(mark("How many requests an hour DrChrono allows the application, over all its practices.")),
    )
    kept_for_prompts = fields.Integer(
        load_default=50,
        strict=True,
        validate=validate.Range(0, 10_000),
        metadata=_help(mark("How many of them reading leaves for prompts, so that one can always be taken back.")),
    )
    times_in = fields.String(
        load_default="practice",
        validate=validate.OneOf(("practice", "utc")),
        metadata=_help(mark("In which zone DrChrono gives its times, which name none: practice (the usual) or utc.")),
    )
    assignee_user = fields.String(
        metadata=_help(
            mark(
                "The id of the DrChrono user who gets tasks of clients whose doctor is not known (Account > API shows "
                "it as user id). Without it such tasks are refused."
            )
        )
    )
    patient_flag_type = fields.Integer(
        strict=True,
        validate=validate.Range(1),
        metadata=_help(
            mark(
                "Only for the carrier patient-flag: the id of a patient flag type made for Handrail. All flags of a "
                "patient are written back whole; read the page on DrChrono before using it."
            )
        ),
    )
    webhook_secret = fields.String(
        metadata=_help(mark("The secret token of the webhook (Account > API > API Management)."), secret=True)
    )
    webhook_signature = fields.String(
        load_default="token",
        validate=validate.OneOf(("token", "hmac")),
        metadata=_help(
            mark(
                "What DrChrono sends as X-drchrono-signature: token (the secret itself, as documented) or hmac (of the "
                "body, as some libraries read it)."
            )
        ),
    )


def application(context: AdapterContext) -> Application:
    """Handrail as this practice registered it in DrChrono."""
    settings = context.settings
    root = base_at(settings["base_url"], settings).text
    scopes = FLAG_SCOPES if settings.get("patient_flag_type") else SCOPES
    return Application(
        platform="drchrono",
        client_id=settings["client_id"],
        authorize_url=f"{root}/o/authorize/",
        token_url=f"{root}/o/token/",
        scopes=settings.get("scopes") or scopes,
        client_secret=lambda: context.secret("client_secret"),
    )


def login(context: AdapterContext, browser: Browser) -> None:
    """Signs a person in and keeps the tokens."""
    transport = transport_of(context)
    root = base_at(context.settings["base_url"], context.settings)
    try:
        sign_in(context, browser, root, transport, application(context))
    finally:
        transport.close()


def connection(context: AdapterContext) -> Rest:
    """The connection to the API. Its budget is the application's: one for all practices of this client id."""
    settings = context.settings
    root = base_at(settings["base_url"], settings)
    api = base_at(f"{root.text}/api", settings)
    transport = transport_of(context)
    most = settings["hourly_limit"]
    budget = Budget(
        name=f"drchrono|{root.text}|{settings['client_id']}",
        limits=(
            Limit(most, HOUR, aligned=True, keep=min(settings["kept_for_prompts"], most // 2)),
            Limit(9, 1.0),  # ten in one second are throttled
        ),
        now=context.now,
        sleep=context.sleep,
        site=root.site,
        folder=context.folder,
        tally=context.tally,
    )
    auth = PersonToken(root, transport, Patience(context.now, context.sleep), application(context), context)
    return rest_of(context, api, auth, Manners(budget=budget), transport=transport)


def pages(
    rest: Rest, url: str, purpose: str, *, may_be_gone: bool = False
) -> Iterator[tuple[list[Json], Answer, str | None]]:
    """The rows of each page of a list, the answer, and the address of the next page.

    :param may_be_gone: the first address was kept from another run: where it is refused, nothing comes.
    :raises UnsafeLink: a next page lies elsewhere. PlatformError: the pages go in a circle.
    """
    seen: set[str] = set()
    following: str | None = url
    while following is not None:
        here = following
        if here in seen:
            raise PlatformError(
                tr("{site} leads from page to page in a circle, so its list cannot be read.", site=rest.base.site)
            )
        answer = rest.follow(here, purpose=purpose, also=GONE if may_be_gone and not seen else ())
        if answer.status != 200:
            return
        seen.add(here)
        given = answer.data.get("next") if isinstance(answer.data, dict) else None
        following = rest.base.link(given, here) if isinstance(given, str) and given else None
        yield listed(answer, rest.base.site, "data", "results"), answer, following


def rows(rest: Rest, path: str, query: dict[str, str | int], purpose: str) -> Iterator[Json]:
    """All rows of a list, over all its pages."""
    for found, _, _ in pages(rest, rest.url(path, {**query, "page_size": PAGE_SIZE}), purpose):
        yield from found
